import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nic_core.errors import BadOption, NicError
from nic_core.pictures.picture import Picture
from nic_eval.contestants import baselines
from nic_eval.contestants.baselines import MissingEncoder
from nic_eval.contestants.contestant import Setting
from nic_eval.contestants.programs import MissingProgram, from_y4m, to_y4m
from nic_eval.metrics.catalogue import psnr
from PIL import features

PILLOW = ["jpeg", "webp", "avif", "jpeg2000", "jxl", "heic"]

COPY = """#!{python}
import pathlib, shutil, sys
pathlib.Path(r"{log}").write_text("\\n".join(sys.argv))
source, target = {files}
shutil.copyfile(source, target)
"""


def needed(name: str) -> None:
    """Skip where this machine's Pillow lacks what a baseline needs."""
    module = {"jxl": "pillow_jxl", "heic": "pillow_heif"}.get(name)
    if module:
        pytest.importorskip(module)
    elif not features.check({"jpeg": "jpg", "jpeg2000": "jpg_2000"}.get(name, name)):
        pytest.skip(f"this Pillow has no {name}")


@pytest.mark.parametrize("name", PILLOW)
def test_more_bits_are_better(name: str, make_picture: Callable[..., np.ndarray]) -> None:
    needed(name)
    baseline = baselines.find(name)
    pixels = make_picture(53, 64)  # odd, so that subsampled chroma must be cropped
    settings = sorted(baseline.settings(), key=lambda item: len(baseline.encode(Picture(pixels), item)))
    low, high = (baseline.encode(Picture(pixels), setting) for setting in (settings[0], settings[-1]))
    assert len(low) < len(high)
    decoded = [baseline.decode(data, settings[0]) for data in (low, high)]
    assert all(picture.shape == pixels.shape and picture.dtype == np.uint8 for picture in decoded)
    assert psnr(pixels, decoded[0]) < psnr(pixels, decoded[1])
    assert psnr(pixels, decoded[1]) > 30


@pytest.mark.parametrize("name", PILLOW)
def test_gray_pictures_come_back_as_rgb(name: str, make_picture: Callable[..., np.ndarray]) -> None:
    needed(name)
    baseline = baselines.find(name)
    gray = make_picture(40, 48)[..., :1]
    setting = baseline.ladder()[-1]
    decoded = baseline.decode(baseline.encode(Picture(gray), setting), setting)
    assert decoded.shape == (40, 48, 3) and psnr(np.repeat(gray, 3, 2), decoded) > 30


@pytest.mark.parametrize("name", PILLOW)
def test_ladders_rise(name: str, make_picture: Callable[..., np.ndarray]) -> None:
    needed(name)
    baseline = baselines.find(name)
    picture = Picture(make_picture(64, 64))
    ladder = baseline.ladder()
    sizes = [len(baseline.encode(picture, ladder[i])) for i in (0, len(ladder) // 2, -1)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]


def test_jpeg_2000_transforms_colours(make_picture: Callable[..., np.ndarray]) -> None:
    needed("jpeg2000")
    baseline = baselines.find("jpeg2000")
    options = baseline.options  # type: ignore[attr-defined]
    assert options(Picture(make_picture()), Setting("", 20))["mct"] == 1
    assert options(Picture(make_picture()[..., :1]), Setting("", 20))["mct"] == 0


def test_fingerprints_tell_settings_and_formats_apart() -> None:
    jpeg, webp = baselines.find("jpeg"), baselines.find("webp")
    prints = {item.fingerprint(Setting("", quality), Path("a.png")) for item in (jpeg, webp) for quality in (10, 20)}
    assert len(prints) == 4
    assert jpeg.gmacs(Picture(np.zeros((8, 8, 3), np.uint8)), Setting("", 10)) == {}


def test_unknown_baselines_list_the_known_ones() -> None:
    with pytest.raises(BadOption, match=r"'gif'.*jpeg, webp, avif, jpeg2000, jxl, heic, bpg, vtm, x265"):
        baselines.find("gif")


@pytest.mark.parametrize(
    ("fast", "slow"),
    [("avif:speed=10", "avif:speed=4"), ("jxl:effort=1", "jxl:effort=7"), ("heic:preset=ultrafast", "heic")],
)
def test_slower_encoders_gain(fast: str, slow: str, make_picture: Callable[..., np.ndarray]) -> None:
    needed(slow.partition(":")[0])
    picture = Picture(make_picture(96, 128))

    def cost(text: str) -> float:
        baseline = baselines.find(text)
        setting = baseline.settings()[3]
        data = baseline.encode(picture, setting)
        # A bit for each pixel is worth some 6 dB.
        return 8 * len(data) / (96 * 128) - psnr(picture.pixels, baseline.decode(data, setting)) / 6

    assert cost(slow) < cost(fast)


def test_chroma_can_be_kept(make_picture: Callable[..., np.ndarray]) -> None:
    pixels = make_picture(64, 64)
    pixels[::2, :, 0] = 255 - pixels[::2, :, 0]
    decoded = {}
    for text in ("jpeg", "jpeg:subsampling=4:4:4"):
        baseline = baselines.find(text)
        setting = baseline.settings()[-1]
        decoded[text] = psnr(pixels, baseline.decode(baseline.encode(Picture(pixels), setting), setting))
        assert baseline.name == text
    assert decoded["jpeg:subsampling=4:4:4"] > decoded["jpeg"] + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("avif:speed=11", "speed must be 0 to 10, not '11'"),
        ("avif:effort=3", "the baseline avif has no setting 'effort'; it has speed, subsampling"),
        ("webp:speed=1", "has no setting 'speed'; it has none"),
        ("vtm:qp=3", "the baseline vtm has no settings"),
        ("avif:speed", "has no '='"),
        ("avif@w", "no baseline is called 'avif@w'"),
    ],
)
def test_bad_settings_are_named(text: str, message: str) -> None:
    with pytest.raises(BadOption, match=message):
        baselines.find(text)


def test_commas_before_settings_separate_no_baselines() -> None:
    assert baselines.split("jpeg, avif:speed=0,subsampling=4:4:4,jxl:effort=9,") == [
        "jpeg",
        "avif:speed=0,subsampling=4:4:4",
        "jxl:effort=9",
    ]


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("jxl", "pillow_jxl", "pillow-jxl-plugin"), ("heic", "pillow_heif", "pillow-heif")],
)
def test_missing_plugin_is_named(name: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    baselines._register.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingEncoder, match=f"{name} needs {package}: pip install {package}"):
        baselines.find(name).settings()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Return a function that puts a program on an otherwise empty PATH: it copies a file and logs its arguments.

    (name, expression for source and target) -> the log.
    """
    folder = tmp_path / "vtm" / "bin"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, files: str) -> Path:
        log = tmp_path / f"{name}.log"
        path = folder / name
        path.write_text(COPY.format(python=sys.executable, log=log, files=files))
        path.chmod(0o755)
        return log

    return put


def after(flag: str) -> str:
    return f"sys.argv[sys.argv.index('{flag}') + 1]"


def test_bpg(programs: Callable[[str, str], Path], make_picture: Callable[..., np.ndarray]) -> None:
    log = programs("bpgenc", f"(sys.argv[-1], {after('-o')})")
    programs("bpgdec", f"(sys.argv[-1], {after('-o')})")
    pixels = make_picture()
    baseline = baselines.find("bpg")
    setting = baseline.settings()[1]
    data = baseline.encode(Picture(pixels), setting)
    assert data.startswith(b"\x89PNG")
    assert np.array_equal(baseline.decode(data, setting), pixels)
    assert log.read_text().splitlines()[1:-3] == ["-f", "444", "-c", "ycbcr", "-e", "x265", "-b", "8", "-q", "42"]


def test_vtm(programs: Callable[[str, str], Path], tmp_path: Path, make_picture: Callable[..., np.ndarray]) -> None:
    log = programs("EncoderAppStatic", f"({after('-i')}, {after('-b')})")
    programs("DecoderAppStatic", f"({after('-b')}, {after('-o')})")
    baseline = baselines.find("vtm")
    with pytest.raises(MissingProgram, match="NIC_VTM_CONFIG"):
        baseline.settings()
    (tmp_path / "vtm" / "cfg").mkdir()
    config = tmp_path / "vtm" / "cfg" / "encoder_intra_vtm.cfg"
    config.write_text("")
    pixels = make_picture()
    setting = baseline.settings()[0]
    decoded = baseline.decode(baseline.encode(Picture(pixels), setting), setting)
    assert np.abs(decoded.astype(int) - pixels).max() <= 2  # the rounding of YCbCr
    arguments = log.read_text().splitlines()[1:]
    assert arguments[:4] == ["-c", str(config), "-q", "47"] and "--InputChromaFormat=444" in arguments
    first, second = (baseline.fingerprint(item, tmp_path / "a.png") for item in baseline.settings()[:2])
    assert first != second


def test_x265(programs: Callable[[str, str], Path], make_picture: Callable[..., np.ndarray]) -> None:
    log = programs("x265", f"(sys.argv[-1], {after('-o')})")
    programs("ffmpeg", f"({after('-i')}, sys.argv[-1])")
    pixels = make_picture()
    baseline = baselines.find("x265")
    setting = baseline.settings()[-1]
    decoded = baseline.decode(baseline.encode(Picture(pixels), setting), setting)
    assert np.abs(decoded.astype(int) - pixels).max() <= 2
    assert "--qp\n22\n" in log.read_text()


@pytest.mark.parametrize(("name", "program"), [("bpg", "bpgenc"), ("vtm", "EncoderAppStatic"), ("x265", "x265")])
def test_missing_program_is_named(name: str, program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingProgram, match=f"the baseline {name} needs the program {program}"):
        baselines.find(name).settings()


def test_failing_program_says_why(
    programs: Callable[[str, str], Path], make_picture: Callable[..., np.ndarray]
) -> None:
    programs("bpgenc", "sys.exit('no memory\\nout of luck')")
    programs("bpgdec", "()")
    baseline = baselines.find("bpg")
    with pytest.raises(NicError, match="bpgenc failed: out of luck"):
        baseline.encode(Picture(make_picture()), Setting("", 40))


def test_y4m() -> None:
    colours = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 91, 92]], np.uint8)
    pixels = colours.reshape(2, 3, 3)
    back = from_y4m(to_y4m(pixels))
    assert back.shape == (2, 3, 3) and np.abs(back.astype(int) - pixels).max() <= 2
    assert to_y4m(pixels).startswith(b"YUV4MPEG2 W3 H2 ")
    for damaged in (b"", to_y4m(pixels)[:-1], to_y4m(pixels).replace(b"C444", b"C420")):
        with pytest.raises(NicError, match="the decoder's output"):
            from_y4m(damaged)
