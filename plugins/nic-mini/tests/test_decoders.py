"""Other decoders of mini's files: what they start from, what they cost, and that files decode with them."""

import dataclasses
import os
from importlib.resources import files
from pathlib import Path

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_core import weights
from nic_core.errors import BadOption
from nic_core.format.container import unpack
from nic_core.host.cache import Cache
from nic_core.spec import RecipeSpec
from nic_core.weights import WeightsInfo, completing, decoders
from nic_core.weights.verification import fingerprints
from nic_mini.config import MiniConfig
from nic_mini.growing import grown
from nic_mini.model import Mini
from nic_mini.plugin import nic_recipes
from nic_mini.synthesis_recipe import MiniSynthesis
from nic_nn.training.batch import Batch
from nic_nn.weights.export import export
from safetensors.torch import load_file, save_file
from skimage import data

BUNDLED = Path(str(files("nic_mini") / "weights" / "mini.safetensors"))
TINY = MiniConfig((4, 6, 8), (1, 1, 1), (2, 2, 4), hyper=4, features=6, context=6, levels=3)
LARGER = {"synthesis_widths": (6, 9, 8), "synthesis_blocks": (3, 2, 1)}
SHAPES = {"plain": {}, "depthwise": {"kernels": (0, 3, 5)}, "what is left": {"rest": 3}}
RECIPES: dict[str, RecipeSpec] = {spec.name: spec for spec in nic_recipes() if "decoder" in spec.values}


def tiny(**changes: object) -> Mini:
    torch.manual_seed(3)
    model = Mini(dataclasses.replace(TINY, **changes)).eval()
    with torch.no_grad():
        model.g_s[-2].weight.mul_(100)  # pictures that are not gray
        for context in model.contexts:
            for last in (context.anchors, context.rest[-1]):
                last.bias[: len(last.bias) // 2] = 2  # scales
    return model


def recipe_of(name: str, **values: object) -> MiniSynthesis:
    return MiniSynthesis(codec="mini", **{**RECIPES[name].values, **values})


def of_bundled(name: str) -> MiniSynthesis:
    """Return a recipe with the sizes of the bundled weights."""
    sizes = recipe_of(name).sizes_like(weights.read_info(BUNDLED))
    sizes = {key: tuple(value) if isinstance(value, list) else value for key, value in sizes.items()}
    return recipe_of(name, **sizes)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep completed and added weights to this test."""
    monkeypatch.setattr(completing, "_folder", lambda: tmp_path / "completed")
    monkeypatch.setenv("NIC_WEIGHTS", str(tmp_path / "store"))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_grown_synthesis_decodes_as_before(shape: dict[str, object]) -> None:
    old, new = tiny(**shape), tiny(**shape, **LARGER)
    y_hat = 3 * torch.randn(1, sum(TINY.slices), 6, 5)
    with torch.inference_mode():
        before = old.synthesise(y_hat, 60.0)
        assert (new.synthesise(y_hat, 60.0) - before).abs().max() > 0.01
        torch.testing.assert_close(grown(old, new).synthesise(y_hat, 60.0), before, rtol=0, atol=1e-5)
    new.synthesise(y_hat, 60.0).square().mean().backward()
    learning = [parameter.grad is not None and parameter.grad.any() for parameter in new.g_s[-2].parameters()]
    assert all(learning), "what reads the new channels learns at once"


def test_a_synthesis_does_not_shrink() -> None:
    with pytest.raises(BadOption, match=r"synthesis_blocks \(1, 0, 1\) are less than the \(1, 1, 1\)"):
        grown(tiny(), tiny(synthesis_blocks=(1, 0, 1)))
    with pytest.raises(BadOption, match=r"synthesis_widths \(4, 6, 7\) are less than the \(4, 6, 8\)"):
        grown(tiny(), tiny(synthesis_widths=(4, 6, 7)))


@pytest.mark.parametrize("name", RECIPES)
def test_step_0_decodes_as_the_bundled_weights(name: str) -> None:
    recipe = of_bundled(name)
    model = recipe.build_model().eval()
    model.load_state_dict(recipe.begun(BUNDLED).parts["model"])
    y_hat = torch.randn(1, sum(model.config.slices), 4, 6).mul(2).round()
    with torch.inference_mode(), nic.load("mini", BUNDLED, runtime="torch") as codec:
        expected = codec.model.synthesise(y_hat, 70.0)
        torch.testing.assert_close(model.synthesise(y_hat, 70.0), expected, rtol=0, atol=1e-5)


def parts(model: Mini) -> list[torch.nn.Module]:
    """Return what decides pixels but no symbols."""
    return [model.get_submodule(name) for name in model.synthesis_modules]


def kmacs(model: Mini) -> float:
    """Return thousands of multiply-accumulates a pixel of the synthesis, which consists of convolutions."""
    counted = []
    hooks = [
        module.register_forward_hook(lambda m, _, out: counted.append(m.weight.numel() * out[0, 0].numel()))
        for part in parts(model)
        for module in part.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    with torch.inference_mode():
        model.synthesise(torch.zeros(1, sum(model.config.slices), 4, 4))
    for hook in hooks:
        hook.remove()
    return sum(counted) / 64**2 / 1000


def test_what_decoders_cost() -> None:
    """Thousands of multiply-accumulates a pixel of synthesis, and bytes of a decoder file in half precision."""
    models = {name: of_bundled(name).build_model() for name in RECIPES}
    assert {name: round(kmacs(model), 1) for name, model in models.items()} == {
        "mini-fast": 14.0,
        "mini-best": 84.1,
        "mini-perceptual": 14.0,
    }
    sizes = {
        name: 2 * sum(p.numel() for part in parts(model) for p in part.parameters()) / 1e6
        for name, model in models.items()
    }
    assert {name: round(size, 1) for name, size in sizes.items()} == {
        "mini-fast": 3.2,
        "mini-best": 6.4,
        "mini-perceptual": 3.2,
    }


def test_the_recipe_trains_the_synthesis_alone() -> None:
    """Its loss is that of what is decoded, at each picture's quality; nothing else gets a gradient or an optimizer."""
    sizes = {field.name: getattr(TINY, field.name) for field in dataclasses.fields(MiniConfig)}
    recipe = recipe_of(
        "mini-perceptual", **{**sizes, "wasserstein": 1.0, "msssim": 0.0, "crop": 64, "optimizer": "adam"}
    )
    networks = recipe.build()
    (stage,) = recipe.stages()
    for name, parameter in networks.model.named_parameters():
        parameter.requires_grad_(f"model.{name}".startswith(stage.trainable))
    (group,) = recipe.optimizers(networks).main.param_groups
    assert {id(p) for p in group["params"]} == {id(p) for part in parts(networks.model) for p in part.parameters()}
    batch = Batch(torch.rand(2, 3, 64, 64), torch.arange(2), ("a", "b"))
    values = recipe.loss(networks, batch)
    assert "bpp" not in values
    values["loss"].backward()
    assert all(p.grad is not None for p in networks.model.g_s.parameters())
    assert all(p.grad is None for n, p in networks.model.named_parameters() if not n.startswith("g_s."))
    networks.model.eval()
    measured = recipe.loss(networks, batch)
    torch.testing.assert_close(measured["loss"], values["loss"])
    output = networks.model(batch.pixels, recipe.qualities(batch))
    torch.testing.assert_close(
        measured["psnr"], -10 * (output["x_hat"] - batch.pixels).square().mean((1, 2, 3)).log10().mean()
    )


def test_the_same_synthesis_keeps_its_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of before lack fields that came later; with their defaults they change nothing."""
    monkeypatch.setenv("NIC_GRAPHS", "0")
    before, again = tmp_path / "before.safetensors", tmp_path / "again.safetensors"
    info = weights.read_info(BUNDLED)
    config = {name: value for name, value in info.config.items() if not name.startswith("synthesis_")}
    known = dataclasses.replace(info, config=config)
    save_file(load_file(BUNDLED), before, known.to_metadata())
    entropy_id, synthesis_id = fingerprints(before, known)
    known = dataclasses.replace(known, entropy_id=entropy_id, synthesis_id=synthesis_id)
    save_file(load_file(BUNDLED), before, known.to_metadata())
    model = nic.load("mini", before, runtime="torch", cache=Cache(1 << 30)).model
    export(model, again, known, half=True, integers_of=before)
    written = weights.read_info(again)
    assert written.config == config and (written.entropy_id, written.synthesis_id) == (entropy_id, synthesis_id)
    assert fingerprints(again, written) == (entropy_id, synthesis_id)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("rest", [0, 3])
def test_a_file_decodes_with_a_completed_decoder(rest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the fast weights, byte for byte, with other pixels: those of the whole weights it was cut from."""
    monkeypatch.delenv("NIC_GRAPHS", raising=False)
    fast, best, cut = (tmp_path / f"{name}.safetensors" for name in ("fast", "best", "cut"))
    info = WeightsInfo("mini", "tiny", {}, "", "", quality=(1.0, 100.0))
    model = tiny(rest=rest)
    model.share_preview()
    export(model, fast, dataclasses.replace(info, decoder="fast"))
    larger = grown(nic.load("mini", fast, runtime="torch").model, tiny(**LARGER, rest=rest))
    with torch.no_grad():
        larger.g_s[-2].bias.add_(0.1)  # as if it had learned
    export(larger, best, dataclasses.replace(info, decoder="best"), integers_of=fast)
    ids = [weights.read_info(path) for path in (fast, best)]
    assert ids[0].entropy_id == ids[1].entropy_id and ids[0].synthesis_id != ids[1].synthesis_id
    held = [{name.partition(".")[0] for name in load_file(path)} for path in (fast, best)]
    assert ["preview" in parts for parts in held] == [False, rest > 0]
    decoders.cut(best, cut)
    assert cut.stat().st_size < best.stat().st_size
    weights.add(fast)
    weights.add(cut)
    completed = Path(weights.local(weights.spec_of(cut)).location)
    picture = data.coffee()[:90, :140]
    file = nic.load("mini", fast).encode(picture, 60)
    for path in (best, completed):
        again = nic.load("mini", path).encode(picture, 60)
        assert unpack(again).units == unpack(file).units
        assert nic.inspect(again).synthesis_id == ids[1].synthesis_id
    for runtime in ("torch", "onnx"):
        of_fast, of_whole, of_cut = (
            np.asarray(nic.load("mini", path, runtime=runtime).decode(file, **how)).astype(int)
            for path, how in ((fast, {}), (best, {}), (fast, {"decoder": "best"}))
        )
        assert np.array_equal(of_cut, of_whole)
        assert abs(of_cut - of_fast).max() > 10
    assert abs(of_cut - np.asarray(nic.load("mini", cut, runtime="torch").decode(file)).astype(int)).max() <= 1


@pytest.mark.usefixtures("cache")
def test_the_bundled_weights_are_the_fast_decoder() -> None:
    picture = data.coffee()[:64, :96]
    file = nic.encode(picture)
    assert np.array_equal(nic.decode(file), nic.decode(file, decoder="fast"))
    assert {spec.decoder for spec in nic.load("mini").weights if spec.location == os.fspath(BUNDLED)} == {"fast"}
