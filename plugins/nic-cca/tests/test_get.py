"""From the authors' published files to a coded picture: `nic weights get`, then `nic encode -q`."""

import shutil

import nic_core
import torch
from nic_cca import plugin
from nic_cca.config import CcaConfig
from nic_cca.importer import import_checkpoint
from nic_cca.model import Cca
from nic_core import weights
from nic_core.cli import run
from nic_core.weights.checkpoints import drive
from nic_nn.testing import filled


def test_one_command_makes_the_codec_work(tmp_path, photographs, monkeypatch, capsys):
    monkeypatch.setenv("NIC_WEIGHTS", str(tmp_path / "store"))
    monkeypatch.setattr(drive, "size_of", lambda location: 1_000_000)
    for beta in (0.3, 3.5):
        model = filled(Cca(CcaConfig.of(16, 1)))
        model.g_s[0].bias.data += beta
        entries = {f"module.{name}": value for name, value in import_checkpoint.entries(model).items()}
        entries["module.aux_entropymodel.gaussian_conditional.scale_bound"] = torch.tensor([0.11])
        torch.save({"epoch": 64, "state_dict": entries, "optimizer": {"lr": 1e-5}}, tmp_path / plugin.CHECKPOINTS[beta])
        monkeypatch.setattr(
            drive,
            "fetch",
            lambda location, target, name: shutil.copyfile(tmp_path / location.rpartition("/")[2], target),
        )
        assert run(["weights", "get", "cca", "--lambda", str(beta), "--yes"]) == 0
    assert "they are called cca-3.5, lambda 3.5, quality 64\n" in capsys.readouterr().out
    specs = {spec.name: spec for spec in weights.stored()}
    for quality, name in (("60", "cca-3.5"), ("90", "cca-0.3")):
        coded = tmp_path / f"{quality}.nic"
        picture = str(photographs / "a.png")
        assert run(["encode", picture, "--codec", "cca", "-q", quality, "-o", str(coded), "--runtime", "torch"]) == 0
        assert nic_core.inspect(coded).synthesis_id == specs[name].synthesis_id
        assert run(["decode", str(coded), "-o", str(tmp_path / f"{quality}.png"), "--runtime", "torch"]) == 0
