import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from nic_core.errors import NicError
from nic_core.pictures import image_files
from nic_core.pictures.picture import Picture
from nic_eval.curves.ranges import view
from nic_eval.report.page import LISTED, write_page
from nic_eval.results import Curve, Difference, Measurement, Original, Point, Results

BROWSER = Path(__file__).parent / "browser"


class Page(HTMLParser):
    """The page's data blocks by id, its tags, what it would load, and its visible text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.blocks: dict[str, str] = {}
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.scripts: list[dict[str, str | None]] = []
        self.text = ""
        self._open: dict[str, str | None] = {}
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        self._open = {"tag": tag, **dict(attributes)}
        self.tags.add(tag)
        self.scripts += [self._open] if tag == "script" else []
        self.loads += [self._open[key] for key in ("src", "href", "srcset", "action") if self._open.get(key)]

    def handle_endtag(self, tag):
        self._open = {}

    def handle_data(self, text):
        if self._open.get("tag") == "script" and "id" in self._open:
            self.blocks[self._open["id"]] = text
        elif self._open.get("tag") not in ("script", "style"):
            self.text += text

    @property
    def data(self):
        return json.loads(self.blocks["data"])


def measured(picture: str, bpp: float, metrics: dict[str, float], decoded: str = "") -> Measurement:
    return Measurement(picture, int(bpp * 768), bpp, metrics, 0.12, 0.09, 300 << 20, f"files/{picture}-{bpp}", decoded)


def picture_of(page: Page, block: str) -> bytes:
    uri = page.blocks[block]
    assert uri.startswith("data:image/webp;base64,")
    return base64.b64decode(uri.split(",")[1])


def store(folder: Path, name: str, pixels: np.ndarray) -> str:
    image_files.write(Picture(pixels), folder / name)
    return name


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """A codec with all metrics, a baseline without MS-SSIM, a single point without pictures, a published curve."""
    generator = np.random.default_rng(0)
    pictures = {}
    for name, size in (("one.png", (64, 96)), ("two.png", (96, 64))):
        ramp = np.linspace(0, 255, size[0] * size[1] * 3).reshape(*size, 3).astype(np.uint8)
        pictures[name] = (ramp, store(tmp_path, f"{Path(name).stem}.webp", ramp))

    def curve(name: str, kind: str, rates: list[float], psnr: float, others: dict[str, float]) -> Curve:
        points = []
        for place, rate in enumerate(rates):
            items = []
            for picture, (pixels, _) in pictures.items():
                noisy = np.clip(pixels + generator.normal(0, 20 - 5 * place, pixels.shape), 0, 255).astype(np.uint8)
                stored = store(tmp_path, f"{kind}-{place}-{picture[:3]}.webp", noisy)
                items.append(measured(picture, rate * 0.96, {"psnr": psnr + 2 * place - 0.5, **others}, stored))
            metrics = {"psnr": psnr + 2 * place, **others}
            points.append(Point(f"quality {10 + 40 * place}", 10 + 40 * place, rate, metrics, tuple(items)))
        return Curve(name, kind, tuple(points), f"{name} 0.1", {"encode": 12.3, "decode": 45.6})

    single = Point("lossless-ish", None, 0.9, {"psnr": 33.0}, (measured("one.png", 0.9, {"psnr": 33.0}),))
    published = (
        Point("QP 37", 37, 0.2, {"psnr": 27.0, "ms-ssim": 0.96}, ()),
        Point("QP 32", 32, 0.6, {"psnr": 31.0, "ms-ssim": 0.98}, ()),
    )
    return Results(
        "holiday </script><script>alert(1)</script>",
        tuple(Original(name, pixels.shape[1], pixels.shape[0], file) for name, (pixels, file) in pictures.items()),
        (
            curve("mini <b>", "codec", [0.25, 0.5, 1.0], 28.0, {"ms-ssim": 0.95, "lpips": 0.1}),
            curve("jpeg", "baseline", [0.3, 0.55, 0.95], 26.0, {}),
            Curve("single", "codec", (single,)),
            Curve("vtm", "published", published, source="a paper"),
        ),
        (
            Difference("mini <b>", "jpeg", "psnr", -34.0, 2.0),
            Difference("single", "jpeg", "psnr", None, None),
            Difference("vtm", "jpeg", "psnr", -52.0, 1.0, "published for the 24 Kodak pictures, measured on others"),
        ),
        ("bpg: no encoder found <here>",),
        {"nic-core": "0.1.0", "torch": "2.6.0"},
    )


def test_the_page_loads_nothing_by_itself(results, tmp_path):
    path = write_page(results, tmp_path)
    assert path == tmp_path / "report.html"
    page = Page(path)
    assert page.loads == ["data:,"]
    text = path.read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)|url\((?!#)|@import|\bimport\s|fetch\(""", text)
    assert "nic-core 0.1.0 · torch 2.6.0" in page.text
    assert "bpg: no encoder found <here>" in page.text


HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Results, Path]:
    """Results in which every text is markup and script, and their folder, with a picture of such a name."""
    name = f"{HOSTILE}<img src=x onerror=alert(2)>\"'&$title.webp"
    folder = tmp_path / "hostile"
    (folder / name).parent.mkdir(parents=True)
    store(folder, name, np.zeros((8, 8, 3), np.uint8))
    point = Point(name, None, 0.5, {"psnr": 30.0, name: 1.0}, (measured(name, 0.5, {"psnr": 30.0}, name),))
    curve = Curve(name, "codec", (point,), name, {name: 1.0}, name)
    found = (Difference(name, name, name, 1.0, 1.0, name),)
    return Results(name, (Original(name, 8, 8, name),), (curve,), found, (name,), {name: name}), folder


def test_no_text_of_a_report_becomes_markup(hostile):
    results, folder = hostile
    page = Page(write_page(results, folder))
    name = results.data
    assert page.data["curves"][0]["name"] == name
    assert len(page.scripts) == 1 + 1 + 1 + 1  # no-script, data, one picture of original and decoded, the page's own
    assert page.tags.isdisjoint({"iframe", "object"}) and page.loads == ["data:,"]
    exact = page.data["pictures"][0]["file"]["exact"]
    assert not set(exact) & set("<>\"'&?#:") and unquote(exact) == name


def test_the_page_holds_figures_and_previews(results, tmp_path):
    page = Page(write_page(results, tmp_path))
    curves = page.data["curves"]
    assert [len(curve["points"]) for curve in curves] == [3, 3, 1, 2]
    assert curves[0]["points"][1]["metrics"] == {"psnr": 30.0, "ms-ssim": 0.95, "lpips": 0.1}
    assert curves[0]["points"][1]["encode_s"] == pytest.approx(0.12)
    assert curves[3]["points"][0]["encode_s"] is None
    stored = results.curves[1].points[2].measurements[1].decoded
    shown = curves[1]["points"][2]["measurements"][1]["decoded"]
    assert shown["exact"] == stored
    preview = image_files.read_bytes(picture_of(page, shown["block"]))
    assert (preview.width, preview.height) == (64, 96)
    assert len(picture_of(page, shown["block"])) < (tmp_path / stored).stat().st_size / 2
    assert len([block for block in page.blocks if block.startswith("picture-")]) == 2 + 12


def test_everything_in_one_file_if_asked_for(results, tmp_path):
    page = Page(write_page(results, tmp_path, embed="full"))
    stored = results.curves[1].points[2].measurements[1].decoded
    shown = page.data["curves"][1]["points"][2]["measurements"][1]["decoded"]
    assert shown["exact"] is None
    assert picture_of(page, shown["block"]) == (tmp_path / stored).read_bytes()


def test_only_pictures_of_the_folder_go_into_the_page(results, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "keys.webp").write_text("no picture")
    for embed in ("previews", "full"):
        taken = replace(results, pictures=(Original("a.png", 8, 8, "keys.webp"),), curves=())
        page = Page(write_page(taken, tmp_path / "report", embed=embed))
        assert page.data["pictures"][0]["file"] is None
        assert "1 picture could not be read when this page was made, the first being keys.webp" in page.text
        outside = replace(results, pictures=(Original("a.png", 8, 8, "../one.webp"),), curves=())
        with pytest.raises(NicError, match=r"names '\.\./one\.webp', which lies outside its folder"):
            write_page(outside, tmp_path / "report", "other.html", embed)
    assert not (tmp_path / "report" / "other.html").exists()


def test_the_page_has_the_axes_of_the_plots(results, tmp_path):
    views = Page(write_page(results, tmp_path)).data["views"]
    shown = view(results.curves, "psnr")
    assert views["psnr"] == {
        "rate": list(shown.rate), "value": list(shown.value), "least": shown.least, "strays": []
    }  # fmt: skip
    assert set(views) == {"psnr", "ms-ssim", "lpips"}


def test_the_same_results_give_the_same_bytes(results, tmp_path):
    first = write_page(results, tmp_path, "a.html").read_bytes()
    assert write_page(results, tmp_path, "b.html").read_bytes() == first


def test_infinite_figures_become_gaps(results, tmp_path):
    curve = results.curves[2]
    endless = replace(curve, points=(replace(curve.points[0], metrics={"psnr": float("inf")}),))
    page = Page(write_page(replace(results, curves=(endless,)), tmp_path))
    assert page.data["curves"][0]["points"][0]["metrics"] == {"psnr": None}


def test_missing_pictures_are_noted(results, tmp_path):
    (tmp_path / "one.webp").unlink()
    page = Page(write_page(results, tmp_path))
    assert page.data["pictures"][0]["file"] is None
    assert "1 picture could not be read when this page was made, the first being one.webp" in page.text


def test_thousands_of_pictures_are_listed_in_part(tmp_path):
    names = [f"{number}.png" for number in range(LISTED + 50)]
    point = Point("q", 1, 1.0, {"psnr": 30.0}, tuple(measured(name, 1.0, {"psnr": 30.0}) for name in names))
    results = Results("many", tuple(Original(name, 8, 8) for name in names), (Curve("mini", "codec", (point,)),))
    data = Page(write_page(results, tmp_path)).data
    assert data["count"] == LISTED + 50
    assert len(data["curves"][0]["points"][0]["measurements"]) == LISTED


def test_nothing_measured_still_makes_a_page(tmp_path):
    page = Page(write_page(Results("empty", (), (), notes=("mini: weights are missing",)), tmp_path))
    assert "mini: weights are missing" in page.text
    assert page.data["curves"] == []


@pytest.fixture(scope="session")
def browser(pytestconfig) -> list[str]:
    """The command that checks pages in a browser; its library is installed once, into pytest's cache."""
    node, npm = shutil.which("node"), shutil.which("npm")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not (node and npm and chromium):
        pytest.skip("needs node, npm and chromium on the PATH")
    folder = pytestconfig.cache.mkdir("nic-eval-browser")
    lock = (BROWSER / "package-lock.json").read_bytes()
    installed = folder / "installed-lock.json"
    for name in ("package.json", "package-lock.json", "check_page.mjs"):
        shutil.copyfile(BROWSER / name, folder / name)
    if not installed.exists() or installed.read_bytes() != lock:
        npm_ci = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(npm_ci, cwd=folder, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"npm cannot install playwright-core: {done.stderr.strip().splitlines()[-1:]}")
        installed.write_bytes(lock)
    return [node, str(folder / "check_page.mjs"), chromium]


def long_names(results: Results) -> Results:
    """The results with names as long as paths of weights make them, and a point that went wrong."""
    bad = Point("quality 75", 75, 0.7, {"psnr": 3.0, "ms-ssim": 0.1}, ())
    more = f"-swint-charm@/data/runs/2026-04-01/long/weights.safetensors:realism=0.5,text={30 * 'x'}"
    long = [replace(curve, name=curve.name + more) for curve in results.curves]
    first, second, third = long[0].points
    curves = (replace(long[0], points=(first, second, bad, third)), *long[1:])
    pairs = ((curves[0], curves[1]), (curves[3], curves[1]), (curves[0], curves[3]))
    doubts = (
        "",
        "published for the 24 Kodak pictures, measured on others",
        "some points are means over other pictures",
    )
    found = [
        Difference(curve.name, anchor.name, metric, -34.0, 2.0, doubt)
        for (curve, anchor), doubt in zip(pairs, doubts, strict=True)
        for metric in ("psnr", "ms-ssim")
    ]
    return replace(results, curves=curves, differences=tuple(found), data="a folder with " + 8 * "long_names_")


def realism(folder: Path) -> Results:
    """Two realisms of a codec at two qualities, and another codec that lacks FID at one."""

    def curve(name: str, fid: float, psnr: float, *fids: dict[str, float]) -> Curve:
        metrics = [{"psnr": psnr + i, "fid": fid - 5 * i, "ms-ssim": 0.95} for i in range(2)]
        points = (
            Point(f"quality {i}", i, 0.1 + i, {**metrics[i], **more}, ()) for i, more in enumerate(fids or ({}, {}))
        )
        return Curve(name, "codec", tuple(points))

    alone = Point("quality 1", 1, 0.5, {"psnr": 29.0, "fid": 30.0}, ())
    other = Curve("mini", "codec", (alone, Point("quality 2", 2, 0.9, {"psnr": 31.0}, ())))
    return Results("realism", (), (curve("egic:realism=0", 40.0, 30.0), curve("egic:realism=1", 20.0, 27.0), other))


def test_the_page_holds_sweeps(tmp_path):
    data = Page(write_page(realism(tmp_path), tmp_path)).data
    assert [line["name"] for line in data["sweeps"]] == [
        "egic, quality 0, realism 0 to 1",
        "egic, quality 1, realism 0 to 1",
    ]
    assert data["sweeps"][0]["points"] == [[0, 0], [1, 0]]


def test_times_that_nobody_took_are_gaps(results, tmp_path):
    curve = results.curves[0]
    untimed = [replace(item, encode_s=None, decode_s=None) for item in curve.points[0].measurements]
    curve = replace(curve, points=(replace(curve.points[0], measurements=tuple(untimed)), *curve.points[1:]))
    points = Page(write_page(replace(results, curves=(curve,)), tmp_path)).data["curves"][0]["points"]
    assert points[0]["encode_s"] is None and points[1]["encode_s"] == pytest.approx(0.12)


def test_a_browser_uses_the_page(results, hostile, tmp_path, browser):
    mini, jpeg, single, vtm = results.curves
    alone = tmp_path / "alone"  # without the pictures that lie beside it
    alone.mkdir()
    unseen = tuple(replace(item, file="") for item in results.pictures)
    gaps = [
        Results("empty", (), ()),
        Results("one point", unseen[:1], (single,)),
        Results("published only", (), (vtm,)),
        replace(results, pictures=unseen, curves=(jpeg,), differences=()),
        replace(results, curves=(single, mini), pictures=results.pictures[:1]),
    ]
    pages = [write_page(results, tmp_path), write_page(long_names(results), tmp_path, "long.html")]
    for place, embed in enumerate(("previews", "full")):
        pages.append(alone / f"{place}.html")
        shutil.copy(write_page(results, tmp_path, "moved.html", embed), pages[-1])
    pages.append(write_page(realism(tmp_path), tmp_path, "realism.html"))
    pages += [write_page(gap, tmp_path, f"gap-{place}.html") for place, gap in enumerate(gaps)]
    pages.append(write_page(*hostile))
    done = subprocess.run([*browser, *map(str, pages)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
