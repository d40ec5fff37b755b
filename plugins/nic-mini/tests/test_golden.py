"""Golden files decode forever: to the same symbols, which the file's checksum says, and to the same pixels."""

from pathlib import Path

import nic_core as nic
import numpy as np
import pytest
from nic_core import weights
from nic_core.format.container import unpack
from nic_core.format.tiling import Tiling
from nic_core.pictures import image_files
from safetensors.numpy import load_file

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.nic"))
WEIGHTS = {
    "tiny": ["deep", "gray", "high", "rgb"],  # an entropy model in floating point, and the coder "rans"
    "integers": ["integers", "tiles"],
}


def weights_of(path: Path) -> Path:
    """Return the weights that a golden file was made with."""
    return next(GOLDEN / f"{name}.safetensors" for name, files in WEIGHTS.items() if path.stem in files)


def test_all_are_here() -> None:
    assert {path.stem for path in FILES} == {name for files in WEIGHTS.values() for name in files}
    for path in FILES:
        head, info = nic.inspect(path.read_bytes()), weights.read_info(weights_of(path))
        assert (head.entropy_id, head.synthesis_id) == (info.entropy_id, info.synthesis_id)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_files_decode(path: Path) -> None:
    codec = nic.load("mini", weights_of(path), device="cpu")
    decoded = codec.decode_picture(path.read_bytes())
    expected = image_files.read(path.with_suffix(".png"))
    assert (decoded.icc, decoded.exif, decoded.xmp) == (expected.icc, expected.exif, expected.xmp)
    assert decoded.pixels.shape == expected.pixels.shape
    assert decoded.bit_depth == expected.bit_depth
    # Floating point differs between machines in the last bits; one step of 255 is what it may do to a pixel.
    step = 1 if decoded.bit_depth == 8 else 257
    assert np.abs(decoded.pixels.astype(int) - expected.pixels.astype(int)).max() <= step
    if expected.alpha is None:
        assert decoded.alpha is None
    else:
        np.testing.assert_array_equal(decoded.alpha, expected.alpha)


def test_what_they_hold() -> None:
    heads = {path.stem: nic.inspect(path.read_bytes()) for path in FILES}
    assert {name: (head.width, head.height) for name, head in heads.items()} == {
        "rgb": (70, 45),
        "gray": (31, 64),
        "deep": (33, 20),
        "high": (70, 45),
        "integers": (70, 45),
        "tiles": (190, 140),
    }
    assert {
        name: (head.channels, head.bit_depth) for name, head in heads.items() if name in ("rgb", "gray", "deep")
    } == {
        "rgb": (3, 8),
        "gray": (1, 8),
        "deep": (3, 16),
    }
    assert (heads["high"].quality, heads["rgb"].quality) == (93.5, 50.0)
    assert set(unpack((GOLDEN / "deep.nic").read_bytes()).chunks) == {"alph", "iccp", "exif", "xmpp"}


def test_tiles_decode_alone_and_together(monkeypatch: pytest.MonkeyPatch) -> None:
    data, expected = (GOLDEN / "tiles.nic").read_bytes(), image_files.read(GOLDEN / "tiles.png")
    assert nic.inspect(data).tiling == Tiling(64, 64)
    assert len(unpack(data).symbols) == 9
    codec = nic.load("mini", GOLDEN / "integers.safetensors", device="cpu")
    monkeypatch.setattr(codec.opened(codec.weights[0]), "tile", 64)
    for region in ((0, 0, 190, 140), (60, 60, 10, 10), (128, 128, 62, 12)):
        part, (x, y, width, height) = codec.decode_picture(data, region=region), region
        assert np.abs(part.pixels - expected.pixels[y : y + height, x : x + width].astype(int)).max() <= 1
        np.testing.assert_array_equal(part.alpha, expected.alpha[y : y + height, x : x + width])


def test_fingerprints_are_those_of_the_tensors() -> None:
    info = weights.read_info(GOLDEN / "tiny.safetensors")
    tensors = load_file(GOLDEN / "tiny.safetensors")
    tops = {name: name.partition(".")[0] for name in tensors}
    entropy = {name: tensor for name, tensor in tensors.items() if tops[name] not in ("g_a", "h_a", "g_s")}
    synthesis = {name: tensor for name, tensor in tensors.items() if tops[name] == "g_s"}
    assert {tops[name] for name in entropy} >= {"h_s", "contexts", "gains", "entropy_bottleneck", "gaussian", "tables"}
    assert weights.fingerprint(entropy, info.config) == info.entropy_id
    assert weights.fingerprint(synthesis, info.config) == info.synthesis_id
