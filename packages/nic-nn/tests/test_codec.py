"""From pixels to a file and back through a tiny latent model: any size, strict loading, and clear errors."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import nic_core as nic
import numpy as np
import pytest
import torch
from nic_core import plugins, progress, weights
from nic_core.errors import BadWeights, DamagedFile, NicError, OutOfMemory, OutOfTime, PluginFault, UnsupportedFile
from nic_core.format.container import File, pack, unpack
from nic_core.format.tiling import Area, Tiling
from nic_core.pictures.picture import Picture
from nic_core.weights import WeightsInfo
from nic_nn.codec import LatentCodec, pick_device
from nic_nn.model import Compressed
from nic_nn.pixels import to_pixels, to_tensor
from nic_nn.testing import Tiny, TinyConfig, tiny
from nic_nn.weights.export import export
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


class TinyCodec(LatentCodec):
    @staticmethod
    def build(config: dict[str, Any]) -> Tiny:
        return Tiny(TinyConfig(**config))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make the codec `tiny` known; return a function that writes weights for it into the store."""
    module = ModuleType("tiny_codec_of_tests")
    module.TinyCodec = TinyCodec
    monkeypatch.setitem(sys.modules, module.__name__, module)
    spec = nic.CodecSpec("tiny", f"{module.__name__}:TinyCodec", "For tests.")
    plugin = plugins.Plugin("tiny", "nic-tiny", "1", {"nic_codecs": (spec,)})
    monkeypatch.setattr(plugins.discovery, "installed", lambda: (plugin,))
    monkeypatch.setenv("NIC_WEIGHTS", str(tmp_path / "store"))

    def put(model: Tiny | None = None, **more: Any) -> Path:
        path = tmp_path / "tiny.safetensors"
        export(model or tiny(), path, WeightsInfo("tiny", "t", {}, "", "", quality=50.0), **more)
        return Path(weights.add(path).location)

    return put


def values(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    """Return random values."""
    return np.random.default_rng(sum(shape)).integers(0, np.iinfo(dtype).max, shape, dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (64, 64), (65, 130)])
def test_any_size(install: Callable[..., Path], size: tuple[int, int], channels: int, dtype: type) -> None:
    install()
    picture = Picture(values(*size, channels, dtype=dtype))
    codec = nic.load("tiny", device="cpu")
    data = codec.encode(picture)
    back = codec.decode_picture(data)
    assert back.pixels.shape == picture.pixels.shape
    assert back.pixels.dtype == dtype
    head = nic.inspect(data)
    assert (head.coder, head.quality, head.bit_depth) == ("interleaved", 50.0, 8 * picture.pixels.itemsize)
    with torch.inference_mode():
        output = codec.model(to_tensor(picture.pixels, 64, torch.device("cpu")))
    expected = to_pixels(output["x_hat"], Area(0, 0, head.width, head.height), head).astype(int)
    assert np.abs(back.pixels.astype(int) - expected).max() <= (1 if dtype == np.uint8 else 3)
    assert len(np.unique(back.pixels)) > (1 if size == (1, 1) else 5) or size == (1, 1)
    bits = sum(value.item() for value in output["bits"].values())
    coded = 8 * len(unpack(data).units[0])
    assert bits > 0
    assert abs(coded - bits) < 0.05 * bits + 128


@pytest.mark.parametrize("size", [(64, 64), (65, 130)])
@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (1, np.uint16)])
def test_rates_are_estimated_without_coding(
    install: Callable[..., Path], size: tuple[int, int], channels: int, dtype: type
) -> None:
    install()
    codec, pixels = nic.load("tiny", device="cpu"), values(*size, channels, dtype=dtype)
    data = codec.encode(pixels)
    found = codec.opened(codec.weights[0]).estimate(pixels, None, {}, {})
    assert abs(8 * len(unpack(data).units[0]) - found.bits) < 0.05 * found.bits + 128
    decoded = codec.decode_picture(data).pixels
    assert (found.pixels.shape, found.pixels.dtype) == (decoded.shape, decoded.dtype)
    assert np.abs(found.pixels.astype(int) - decoded.astype(int)).max() <= (1 if dtype == np.uint8 else 3)


def test_edges_are_repeated() -> None:
    pixels = values(65, 130, 3)
    x = to_tensor(pixels, 64, torch.device("cpu"))
    assert x.shape == (1, 3, 128, 192)
    torch.testing.assert_close(x[0, :, :65, :130], torch.from_numpy(pixels).permute(2, 0, 1) / 255)
    assert (x[..., 65:, :] == x[..., 64:65, :]).all()
    assert (x[..., 130:] == x[..., 129:130]).all()
    gray = to_tensor(values(2, 3, 1, dtype=np.uint16), 64, torch.device("cpu"))
    assert (gray[:, 0] == gray[:, 2]).all()
    assert gray.max() <= 1


def test_export_in_half_precision(install: Callable[..., Path]) -> None:
    info = weights.read_info(install())
    half = install(half=True)
    assert weights.read_info(half).entropy_id == info.entropy_id  # integers are what they are
    assert weights.read_info(half).synthesis_id != info.synthesis_id
    state = load_file(half)
    assert state["g_a.weight"].dtype == torch.float16
    assert {value.dtype for name, value in state.items() if name.startswith(("entropy_b", "gau"))} == {torch.float32}
    codec = nic.load("tiny", half, device="cpu")
    assert codec.model.g_a.weight.dtype == torch.float32
    picture = values(70, 60, 3)
    assert codec.decode_picture(codec.encode(picture)).pixels.shape == picture.shape


def test_fingerprints_follow_what_they_cover(install: Callable[..., Path]) -> None:
    def ids(change: Callable[[Tiny], Tensor] | None = None) -> tuple[str, str]:
        model = tiny()
        if change:
            with torch.no_grad():
                change(model).add_(0.01)
        info = weights.read_info(install(model))
        return info.entropy_id, info.synthesis_id

    entropy, synthesis = ids()
    assert ids() == (entropy, synthesis)
    assert ids(lambda m: m.g_a.weight) == ids(lambda m: m.h_a.bias) == (entropy, synthesis)
    for change in (lambda m: m.h_s.bias, lambda m: m.entropy_bottleneck.quantiles, lambda m: m.gaussian.scale_table):
        changed = ids(change)
        assert changed[0] != entropy
        assert changed[1] == synthesis
    changed = ids(lambda m: m.g_s.weight)
    assert changed[0] == entropy
    assert changed[1] != synthesis


def altered(path: Path, change: Callable[[dict[str, Tensor]], object], **record: Any) -> Path:
    """Write a weights file with other entries or another record beside it, and the fingerprints that belong to them."""
    state = load_file(path)
    change(state)
    target = path.parent.parent.parent / "altered.safetensors"
    info = replace(weights.read_info(path), **record)
    save_file(state, target, info.to_metadata())
    entropy, synthesis = weights.fingerprints(target, info)
    save_file(state, target, replace(info, entropy_id=entropy, synthesis_id=synthesis).to_metadata())
    return target


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("g_a.weight"), r"do not fit Tiny: 1 missing \(g_a.weight\)"),
        (lambda s: s.update({f"x{i}": torch.zeros(1) for i in range(5)}), r"5 extra \(x0, x1, x2, \.\.\.\)"),
        (lambda s: s.update({"h_s.bias": torch.zeros(3)}), r"1 of another shape \(h_s.bias\)"),
        (lambda s: s.pop("tables.z.cdf"), "holds no entropy tables for z: 'tables.z.cdf' is missing"),
        (lambda s: s.update({"tables.y.cdf": s["tables.y.cdf"][:-1].clone()}), "the lengths of the rows add up to"),
        (lambda s: s["tables.y.length"].neg_(), "holds damaged entropy tables for y: the lengths"),
        (lambda s: s["tables.y.cdf"].zero_(), "holds damaged entropy tables for y: each table must rise strictly"),
        (
            lambda s: s.update(
                {f"tables.y.{name}": s[f"tables.z.{name}"].clone() for name in ("cdf", "length", "offset")}
            ),
            "holds 4 entropy tables for y instead of 64",
        ),
    ],
)
def test_weights_are_loaded_strictly(install: Callable[..., Path], change: Callable, says: str) -> None:
    codec = nic.load("tiny", altered(install(), change))
    with pytest.raises(BadWeights, match=says):
        codec.encode(values(4, 4, 3))


def test_a_config_that_fits_no_model(install: Callable[..., Path]) -> None:
    for config in ({"main": 6, "depth": 3}, {"main": "six"}):
        codec = nic.load("tiny", altered(install(), lambda state: None, config=config))
        with pytest.raises(BadWeights, match="has a config that tiny cannot be built from"):
            codec.encode(values(4, 4, 3))


def test_a_config_of_a_larger_model(install: Callable[..., Path]) -> None:
    codec = nic.load("tiny", altered(install(), lambda state: None, config={"main": 50_000, "hyper": 50_000}))
    with pytest.raises(BadWeights, match="it describes a larger model than the file holds"):
        codec.encode(values(4, 4, 3))


def test_fingerprints_of_other_parts_are_refused(install: Callable[..., Path]) -> None:
    codec = nic.load("tiny", altered(install(), lambda state: None, scope=weights.Scope(("g_s", "h_s"))))
    with pytest.raises(BadWeights, match="cover other parts than those of tiny's models"):
        codec.encode(values(4, 4, 3))


def test_tables_are_bounded(install: Callable[..., Path]) -> None:
    for change, says in (
        (lambda s: s["tables.y.offset"].fill_(1 << 28), "no table may start further than"),
        (
            lambda s: s.update({"tables.y.offset": s["tables.y.offset"].float()}),
            "the offset of tables must be integers",
        ),
        (
            lambda s: s.update(
                {
                    "tables.y.length": torch.tensor([2] * 63 + [2**21 - 126], dtype=torch.int32),
                    "tables.y.cdf": torch.zeros(2**21, dtype=torch.int32),
                }
            ),
            "together they have more than",
        ),
    ):
        with pytest.raises(BadWeights, match=f"holds damaged entropy tables for y: {says}"):
            nic.load("tiny", altered(install(), change)).encode(values(4, 4, 3))


def test_weights_cut_short(install: Callable[..., Path]) -> None:
    path = install()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadWeights, match="its tensors overlap, leave gaps or end elsewhere than the file"):
        nic.load("tiny", path).encode(values(4, 4, 3))


def test_unexported_models_do_not_decode() -> None:
    with pytest.raises(BadWeights, match="export them first"):
        tiny().decompress(Compressed((b"1234",), (64, 64), (0,)))


def test_compress_and_decompress_in_batches() -> None:
    model = tiny()
    torch.manual_seed(1)
    x = torch.rand(3, 3, 64, 128)
    with torch.inference_mode():
        compressed = model.compress(x)
        x_hat = model.decompress(compressed)["x_hat"]
        torch.testing.assert_close(x_hat, model(x)["x_hat"].clamp(0, 1), rtol=0, atol=1e-3)
        assert len(set(compressed.streams)) == 3
        wrong = replace(compressed, checksums=compressed.checksums[::-1])
        with pytest.raises(DamagedFile, match="not those that were coded"):
            model.decompress(wrong)


def resealed(data: bytes, units: tuple[bytes, ...] | None = None, **header: Any) -> bytes:
    """Return a file with other units or header fields, and the CRC that belongs to them."""
    file = unpack(data)
    return pack(File(replace(file.header, **header), file.units if units is None else units, file.chunks))


def test_what_contradicts_the_model(install: Callable[..., Path]) -> None:
    install()
    codec = nic.load("tiny", device="cpu")
    data = codec.encode(values(40, 70, 3))
    head, units = unpack(data).header, unpack(data).units
    for bad, error, says in (
        (resealed(data, checksum=head.checksum ^ 1), DamagedFile, "the decoded symbols are not those that were coded"),
        (resealed(data, width=700), DamagedFile, "the decoded symbols are not those"),
        (
            resealed(data, coder="other"),
            UnsupportedFile,
            "with 'other', this codec reads 'interleaved' and 'rans'",
        ),
        (resealed(data, units * 2, tiling=Tiling(40, 70)), DamagedFile, "sides that are multiples of 64"),
    ):
        with pytest.raises(error, match=says):
            codec.decode(bad)


@pytest.mark.parametrize("name", ["interleaved", "rans"])
@pytest.mark.parametrize("integers", [True, False])
def test_nothing_is_synthesised_of_a_stream_that_is_not_sound(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, name: str, integers: bool
) -> None:
    install()
    codec = nic.load("tiny", device="cpu")
    model = codec.opened(codec.weights[0]).loaded
    if not integers:
        model.integers, model.codes_in_floats = None, True
    monkeypatch.setattr("nic_nn.model.WRITTEN", name)
    data = resealed(codec.encode(values(40, 70, 3)), coder=name)
    (unit,), checksum = unpack(data).units, unpack(data).header.checksum
    made = []
    model.g_s.register_forward_pre_hook(lambda *called: made.append(called))
    for bad in (
        resealed(data, checksum=checksum ^ 0x8000),
        *(resealed(data, (unit + more,)) for more in (b"\0", bytes(4), b"\x80" * 8)),
        *(resealed(data, (unit[:-count],)) for count in (1, 4)),
    ):
        with pytest.raises(DamagedFile, match=r"not those that were coded|computes the entropy model"):
            codec.decode(bad)
    assert not made
    assert codec.decode(data).size == (70, 40)
    assert made


@pytest.mark.parametrize("integers", [True, False])
def test_every_layer_is_a_step(install: Callable[..., Path], integers: bool) -> None:
    install()
    codec = nic.load("tiny", device="cpu")
    if not integers:
        model = codec.opened(codec.weights[0]).loaded
        model.integers, model.codes_in_floats = None, True
    data = codec.encode(values(40, 70, 3))
    passed = []
    with progress.checking(lambda: passed.append(None)):
        codec.decode(data)
    assert len(passed) == 6  # decoding begins, h_s, it ends, synthesis begins, g_s, it ends
    with pytest.raises(OutOfTime):
        codec.decode(data, max_seconds=1e-9)


def test_random_units_never_crash(install: Callable[..., Path]) -> None:
    install()
    codec = nic.load("tiny", device="cpu")
    data = codec.encode(values(40, 70, 3))
    rng = np.random.default_rng(0)
    unit = unpack(data).units[0]
    random = [rng.bytes(int(n)) for n in rng.integers(0, 400, 40)]
    flipped = [bytes(byte ^ (i == j) for j, byte in enumerate(unit)) for i in range(len(unit))]
    caught = 0
    for other in (b"", unit[:-1], unit[:5], unit + b"junk", bytes(400), b"\xff" * 400, *random, *flipped):
        try:
            assert codec.decode(resealed(data, (other,))).size == (70, 40)
        except NicError:
            caught += 1
    assert caught > 50


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_too_little_memory(install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    install()
    codec = nic.load("tiny", device="cpu")
    data = codec.encode(values(40, 70, 3))

    def fail(*args: object) -> None:
        raise error

    says = "too little memory for a picture of 70 x 40 pixels: try --device cpu, or a smaller picture"
    monkeypatch.setattr(codec.model.g_a, "forward", fail)
    monkeypatch.setattr(codec.model.g_s, "forward", fail)
    with pytest.raises(OutOfMemory, match=says):
        codec.encode(values(40, 70, 3))
    with pytest.raises(OutOfMemory, match=says):
        codec.decode(data)


def test_other_errors_stay_what_they_are(install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    codec = nic.load("tiny", device="cpu")

    def fail(*args: object) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(codec.model.g_a, "forward", fail)
    with pytest.raises(PluginFault, match="RuntimeError: something else") as caught:  # not one of memory
        codec.encode(values(40, 70, 3))
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_tiles_without_checksums_of_their_own_have_one_together(install: Callable[..., Path]) -> None:
    install()
    codec, picture = nic.load("tiny", device="cpu"), values(70, 130, 3)
    file = unpack(codec.encode(picture, tile=64))
    assert len(file.units) == 6 and len(file.symbols) == 6
    sound = codec.decode_picture(pack(File(file.header, file.units)))
    np.testing.assert_array_equal(sound.pixels, codec.decode_picture(pack(file)).pixels)
    other = replace(file.header, checksum=file.header.checksum ^ 1)
    with pytest.raises(DamagedFile, match="the decoded symbols are not those that were coded"):
        codec.decode(pack(File(other, file.units)))


class Finer(Tiny):
    """y is 8 times smaller than the picture."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__(config)
        self.g_a = nn.Conv2d(3, config.main, 8, 8)
        self.g_s = nn.ConvTranspose2d(config.main, 3, 8, 8)
        self.h_a = nn.Conv2d(config.main, config.hyper, 8, 8)
        self.h_s = nn.ConvTranspose2d(config.hyper, 2 * config.main, 8, 8)


class Stated(Finer):
    y_stride = 8


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "Finer has y_stride = 16, but its y of 128 x 64 pixels is 16 x 8 instead of 8 x 4: set y_stride"),
        ({"y_stride": 8, "stride": 128}, "Finer has stride = 128, but its z of 256 x 128 pixels is 4 x 2 instead of 2"),
        ({"y_stride": 8, "channels": (7, 4)}, r"Finer has channels = \(7, 4\), but its y and z have 6 and 4"),
        ({"y_stride": 8, "g_s": nn.ConvTranspose2d(6, 3, 4, 4)}, r"Finer synthesises \(1, 3, 32, 64\) from y of a "),
        ({"y_stride": 8, "g_s": nn.ConvTranspose2d(6, 1, 8, 8)}, r"Finer synthesises \(1, 1, 64, 128\) from y of a "),
    ],
)
def test_a_model_that_is_not_as_large_as_it_says_is_not_exported(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    model = Finer(TinyConfig())
    for name, value in change.items():
        setattr(model, name, value)
    with pytest.raises(PluginFault, match=f"^the model {says}"):
        export(model, tmp_path / "w.safetensors", WeightsInfo("tiny", "t", {}, "", ""))
    assert list(tmp_path.iterdir()) == []


def test_another_stride_of_y(install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(TinyCodec, "build", staticmethod(lambda config: Stated(TinyConfig(**config))))
    install(Stated(TinyConfig()))
    codec, picture = nic.load("tiny", device="cpu"), values(70, 130, 3)
    data = codec.encode(picture)
    assert codec.decode_picture(data).pixels.shape == picture.shape
    monkeypatch.setattr(
        codec.opened(codec.weights[0]), "y_stride", 16
    )  # as of a codec that says another than its model
    for call in (lambda: codec.encode(picture), lambda: codec.decode(data)):
        with pytest.raises(
            PluginFault, match=r"^the codec tiny has y_stride = 16, but its y of 192 x 128 pixels is 24 x"
        ):
            call()


@pytest.mark.parametrize("name", ["nonsense", "cuda:99", "xla"])
def test_devices_that_are_not_there(name: str) -> None:
    with pytest.raises(NicError, match=f"the device '{name}' is not available: "):
        pick_device(name)


def test_the_best_device_is_picked() -> None:
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
