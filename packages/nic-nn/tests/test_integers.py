"""Exported models code in integers: from one checkpoint the same ones anywhere, in files that survive other floats."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from nic_core.errors import BadOption, BadWeights
from nic_core.weights import WeightsInfo, read_info, verify
from nic_latent.coding import LATENT_GRID
from nic_latent.integers.fixed import Fixed
from nic_latent.integers.stored import to_tensors
from nic_latent.orders.context import Context, Nets, Params, Value, checkerboard, slices_of
from nic_latent.raster import RasterOrder
from nic_nn.entropy.latent import nets_of
from nic_nn.integers.calibration import OTHERS, Pictures, carried, integers_of, latents_of
from nic_nn.integers.floats import parameters_of
from nic_nn.integers.limits import limited
from nic_nn.model import LatentModel
from nic_nn.nets.charm import Charm
from nic_nn.nets.swin import PatchSplitting, SwinStage, ToPlanes, ToPositions
from nic_nn.raster import RasterScan
from nic_nn.weights.export import export
from nic_nn.weights.loading import fill_floats, load_model
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


@dataclass(frozen=True)
class Sizes:
    """Which order."""

    order: Literal["charm", "raster", "board"]


def board(nets: Nets, hyper: Value) -> Context:
    """Two slices in two passes each; the second sees the first."""
    decoded: list[Value] = []
    for index, channels in enumerate(slices_of([2, 4])):
        support = nets(f"support.{index}", hyper, *decoded)

        def rest(anchors: Value, index: int = index, support: Value = support) -> Value:
            return nets(f"rest.{index}", support, anchors)

        decoded.append((yield from checkerboard(nets(f"anchors.{index}", support), rest, channels)))
    return decoded


class Model(LatentModel):
    """Small transforms around each order; the hyper-synthesis has convolutions, or Swin blocks beside them."""

    def __init__(self, config: Sizes) -> None:
        channels = 64 if config.order == "charm" else 6
        super().__init__((channels, 4))
        self.config = config
        self.g_a, self.g_s = nn.Conv2d(3, channels, 16, 16), nn.ConvTranspose2d(channels, 3, 16, 16)
        self.h_a = nn.Conv2d(channels, 4, 4, 4)
        first = nn.ConvTranspose2d(4, 32, 5, 2, padding=2, output_padding=1)
        if config.order == "raster":
            second = [nn.LeakyReLU(0.1), nn.Conv2d(32, 48, 3, padding=1), nn.PixelShuffle(2)]
        else:
            stage = SwinStage(32, 2, 2, 4)
            second = [nn.ReLU(), ToPositions(), stage, PatchSplitting(32, 2 * channels), ToPlanes()]
        self.h_s = nn.Sequential(first, *second)
        if config.order == "charm":
            self.charm = Charm(channels)
            self.order = self.charm.order
        elif config.order == "raster":
            self.raster = RasterScan(channels)
            self.order = RasterOrder()
        else:
            self.support = nn.ModuleList([nn.Conv2d(12, 8, 3, padding=1), nn.Conv2d(14, 8, 3, padding=1)])
            self.anchors = nn.ModuleList([nn.Conv2d(8, 4, 1), nn.Conv2d(8, 8, 1)])
            self.rest = nn.ModuleList([nn.Conv2d(10, 4, 5, padding=2), nn.Conv2d(12, 8, 5, padding=2)])
            self.order = board

    def context(self, hyper: Tensor) -> Context:
        """In floating point a raster is coded in its own way."""
        return self.raster.steps(nets_of(self), hyper) if self.config.order == "raster" else super().context(hyper)

    def analyses(self, x: Tensor) -> Iterator[Tensor]:
        """At two scales, as of two qualities."""
        yield self.g_a(x)
        yield 3 * self.g_a(x)


ORDERS = ("charm", "raster", "board")


def model_of(order: str) -> Model:
    torch.manual_seed(0)
    model = Model(Sizes(order)).eval().requires_grad_(False)
    model.g_a.weight.mul_(60)
    model.h_a.weight.mul_(4)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.weight.uniform_(0.5, 1.5)
            module.bias.uniform_(-0.2, 0.2)
    return model


@pytest.fixture(scope="module", params=ORDERS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    """Return a float model and the weights file that was made of it."""
    model, path = model_of(request.param), tmp_path_factory.mktemp("w") / "w.safetensors"
    export(copy.deepcopy(model), path, WeightsInfo("c", "n", {}, "", ""))
    return model, path


def test_floats_that_are_kept_measure_as_before(exported: tuple[Model, Path], tmp_path: Path) -> None:
    model, without = exported
    path = tmp_path / "kept.safetensors"
    export(copy.deepcopy(model), path, WeightsInfo("c", "n", {}, "", ""), floats=True)
    assert verify(path).entropy_id == verify(without).entropy_id
    for name, value in model.state_dict().items():
        assert torch.equal(loaded(path).state_dict()[name], value), name
    tensors = load_file(path)
    kept = next(name for name in tensors if name.startswith("floats."))
    tensors[kept] = tensors[kept].flatten()[:1].clone()
    save_file(tensors, path, read_info(path).to_metadata())
    with pytest.raises(BadWeights, match="keeps other floats"):
        loaded(path)


def loaded(path: Path, floats: bool = True) -> Model:
    return load_model(Model(Sizes(read_info(path).config["order"])), path, floats=floats)


def picture(height: int = 128, width: int = 192) -> Tensor:
    torch.manual_seed(5)
    coarse = torch.rand(1, 3, height // 8, width // 8)
    return nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


@torch.inference_mode()
def test_files_hold_the_deciding_parameters_as_integers_alone(exported: tuple[Model, Path]) -> None:
    model, path = exported
    state = load_file(path)
    inside = [name for name, _ in model.named_parameters() if name.split(".")[0] in ("h_s", "charm", "support", "rest")]
    floats = [name for name in inside if name in state]
    assert all(name.endswith("attention.bias") for name in floats)  # a table that is gathered from
    again = loaded(path)
    for name, parameter in model.named_parameters():
        stated = again.get_parameter(name)
        assert (stated - parameter).abs().max() <= 2**-8 * parameter.abs().max() + 1e-6, name
    assert not model.state_dict().keys() - again.state_dict().keys()


@torch.inference_mode()
def test_coding_needs_no_floats_and_costs_what_they_cost(exported: tuple[Model, Path]) -> None:
    model, path = exported
    coder = loaded(path, floats=False)
    compressed = coder.compress(picture())
    y_hat = loaded(path).decode(compressed)
    assert (y_hat - model.g_a(picture())).abs().max() <= 0.5 + 2**-11
    fill_floats(coder, path)
    with coder.in_floats():
        in_floats = len(coder.compress(picture()).streams[0])
    assert abs(len(compressed.streams[0]) - in_floats) <= 0.01 * in_floats + 8
    for name, parameter in loaded(path).named_parameters():
        assert torch.equal(coder.get_parameter(name), parameter), name


@torch.inference_mode()
def test_one_checkpoint_gives_one_set_of_integers(exported: tuple[Model, Path]) -> None:
    model, path = exported
    expected = read_info(path).entropy_id
    variants: dict[str, Callable[[Model], object]] = {
        "threads": lambda model: torch.set_num_threads(2),
        "layout": lambda model: model.to(memory_format=torch.channels_last),
        "no oneDNN": lambda model: torch.backends.mkldnn.set_flags(False),
    }
    threads = torch.get_num_threads()
    for name, change in variants.items():
        again = copy.deepcopy(model)
        try:
            change(again)
            info = export(again, path.with_name("again.safetensors"), WeightsInfo("c", "n", {}, "", ""))
        finally:
            torch.set_num_threads(threads)
            torch.backends.mkldnn.set_flags(True)
        assert info.entropy_id == expected, name


@torch.inference_mode()
@pytest.mark.parametrize("side", ["encode", "decode"])
def test_files_survive_noise_in_every_float(exported: tuple[Model, Path], side: str) -> None:
    _, path = exported
    noisy = copy.deepcopy(loaded(path))

    def disturb(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        return output * (1 + 1e-3 * torch.randn_like(output))

    for module in noisy.modules():
        if not list(module.children()) and isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.LayerNorm)):
            module.register_forward_hook(disturb)
    plain = loaded(path)
    encoder, decoder = (noisy, plain) if side == "encode" else (plain, noisy)
    compressed = encoder.compress(picture())
    y_hat, found = decoder.decode_stream(
        compressed.streams[0], (compressed.size[0] // 64, compressed.size[1] // 64), compressed.coder
    )
    assert found == compressed.checksums[0]
    assert torch.equal(y_hat, plain.decode(compressed))


@torch.inference_mode()
def test_pictures_other_than_those_of_calibration_set_other_ranges() -> None:
    model = model_of("board")
    model.freeze_tables()
    flat = Pictures(("flat",), (np.full((64, 64, 3), 128, np.uint8),))
    first, second = (to_tensors(integers_of(model, given).nets) for given in (None, flat))
    assert any(not np.array_equal(array, second[name]) for name, array in first.items())
    stated = parameters_of(model, integers_of(model).nets)
    assert set(stated) >= {"support.0.weight", "rest.1.bias", "h_s.0.weight"}


def pictures_of(folder: Path, count: int = 3) -> Path:
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (40 + 90 * number, 150, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def export_as(path: Path, model: Model, **more: Any) -> WeightsInfo:
    return export(copy.deepcopy(model), path, WeightsInfo("c", path.stem, {}, "", ""), **more)


def test_a_folder_calibrates_and_the_record_says_so(tmp_path: Path) -> None:
    model = model_of("board")
    info = export_as(tmp_path / "w.safetensors", model, calibrate=pictures_of(tmp_path / "mine"))
    made = info.provenance["integers"]
    assert made["pictures"] == ["0.png", "1.png", "2.png"] and made["side"] == 128
    assert made["summary"].startswith("ranges and tables from 3 pictures of mine; ")
    assert info.entropy_id != export_as(tmp_path / "plain.safetensors", model).entropy_id
    with pytest.raises(BadOption, match="no folder with pictures"):
        export_as(tmp_path / "none.safetensors", model, calibrate=tmp_path / "nowhere")
    with pytest.raises(BadOption, match="do not go together"):
        export_as(tmp_path / "both.safetensors", model, calibrate=tmp_path, integers_of=tmp_path / "w.safetensors")


@torch.inference_mode()
def test_values_beyond_their_bits_are_counted(exported: tuple[Model, Path]) -> None:
    model = loaded(exported[1])
    assert model.integers is not None
    assert limited(model.integers, *latents_of(model, carried(64, OTHERS))).beyond == 0
    y, z = latents_of(model, carried(64, OTHERS[:1]))
    louder = limited(model.integers, 40 * y, 40 * z)
    assert 0 < louder.beyond < louder.values


@torch.inference_mode()
def test_siblings_share_integers_and_read_each_others_files(exported: tuple[Model, Path], tmp_path: Path) -> None:
    model, path = exported
    sibling = copy.deepcopy(model)
    sibling.g_s.weight.mul_(1.5)
    taken = tmp_path / "sibling.safetensors"
    info = export_as(taken, sibling, integers_of=path, half=True)
    known = read_info(path)
    assert info.entropy_id == known.entropy_id and info.synthesis_id != known.synthesis_id
    assert info.provenance["integers"]["of"] == "n"
    compressed = loaded(taken).compress(picture())
    assert torch.equal(loaded(path).decode(compressed), loaded(taken).decode(compressed))
    # Calibrated anew with the same pictures it has the same ones; with others it would not.
    other = export_as(tmp_path / "other.safetensors", sibling, calibrate=pictures_of(tmp_path / "mine"))
    assert other.entropy_id != known.entropy_id


@torch.inference_mode()
def test_integers_of_another_entropy_model_are_not_taken(exported: tuple[Model, Path], tmp_path: Path) -> None:
    model, path = exported
    other = copy.deepcopy(model)
    other.h_s[0].weight.mul_(1.1)
    with pytest.raises(BadWeights, match=r"another entropy model: h_s\.0\.weight differs"):
        export_as(tmp_path / "w.safetensors", other, integers_of=path)
    order = next(order for order in ORDERS if order != model.config.order)
    with pytest.raises(BadWeights, match="another config"):
        export_as(tmp_path / "w.safetensors", model_of(order), integers_of=path)
    assert not list(tmp_path.iterdir())


@torch.inference_mode()
def test_an_unexported_model_codes_in_integers(tmp_path: Path) -> None:
    model = model_of("board")
    compressed = model.compress(picture())
    assert model.integers is not None
    info = export_as(tmp_path / "w.safetensors", model)
    assert torch.equal(loaded(tmp_path / "w.safetensors").decode(compressed), model.decode(compressed))
    with model.in_floats():
        in_floats = len(model.compress(picture()).streams[0])
    assert abs(len(compressed.streams[0]) - in_floats) <= 0.01 * in_floats + 8
    assert info.provenance["integers"]["pictures"] == ["astronaut", "coffee", "chelsea", "rocket"]


class Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """Do what has no integer form."""
        return torch.fft.fft2(x).real


def test_a_layer_without_integer_form_is_named(tmp_path: Path) -> None:
    model = model_of("board")
    model.support[1] = nn.Sequential(model.support[1], Odd())
    with pytest.raises(BadWeights, match=r"support\.1\.1"):
        export(model, tmp_path / "w.safetensors", WeightsInfo("c", "n", {}, "", ""))
    assert not list(tmp_path.iterdir())


@torch.inference_mode()
def test_positions_of_a_raster_see_in_coding_what_they_see_in_measuring() -> None:
    model = model_of("raster")
    model.make_integers()
    assert model.integers is not None
    hyper = model.integers.nets["h_s"](model.integers.z_hat(np.zeros((1, 2, 3, 4), np.int64)))
    y_hat = torch.randint(-3, 4, (1, 6, 8, 12)).float()
    fixed = Fixed.of(y_hat.permute(0, 2, 3, 1).double().numpy(), LATENT_GRID)
    params = model.raster.order.whole(lambda name, *x: model.integers.nets[name](*x), hyper, fixed)
    assert isinstance(params, Params)
    floats = torch.from_numpy(hyper.numbers).permute(0, 3, 1, 2).float()
    expected = model.raster.order.whole(nets_of(model), floats, y_hat)
    found = torch.from_numpy(params.mean.numbers).permute(0, 3, 1, 2)
    assert (found - expected.mean).abs().max() < 1e-2 * expected.mean.abs().max()
