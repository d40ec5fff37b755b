import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nic_core.cli import run
from nic_eval.contestants.contestant import read_original, rgb
from nic_eval.metrics import folders as fid
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("torch_fidelity")


def random_test_features(pictures: "torch.Tensor") -> "torch.Tensor":
    """Return five features, (N, 5), of a small random network: for tests, they say nothing of pictures."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.Tanh(), torch.nn.AdaptiveAvgPool2d(1)).double()
    with torch.no_grad():
        return network(pictures.double() / 255).flatten(1)


def of_folder(folder: Path) -> np.ndarray:
    """Return the features of a folder's pictures, one at a time."""
    pictures = [rgb(read_original(path).pixels) for path in sorted(folder.iterdir())]
    tensors = [torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] for pixels in pictures]
    return torch.cat([random_test_features(tensor) for tensor in tensors]).numpy()


def root(matrix: np.ndarray) -> np.ndarray:
    """Return the square root of a symmetric matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T


@pytest.fixture
def folders(tmp_path: Path, make_picture: Callable[..., np.ndarray]) -> tuple[Path, Path]:
    """Return a folder of 40 pictures, some gray, of two sizes, and one of 38 of them, decoded."""
    reference, decoded = tmp_path / "reference", tmp_path / "decoded"
    reference.mkdir()
    decoded.mkdir()
    for i in range(40):
        picture = Image.fromarray(make_picture(20 + i % 2, 24, i))
        picture = picture.convert("L") if i % 7 == 0 else picture
        picture.save(reference / f"{i}.png")
        if i < 38:
            picture.save(decoded / f"{i}.jpg", quality=5)
    return reference, decoded


def test_fid_and_kid_are_what_their_papers_define(folders: tuple[Path, Path]) -> None:
    found = fid.distance(*folders, features=random_test_features)
    x, y = map(of_folder, folders)
    sigma_x, sigma_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    mixed = root(root(sigma_x) @ sigma_y @ root(sigma_x))  # Dowson and Landau, 1982
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(sigma_x + sigma_y - 2 * mixed)
    assert found.fid == pytest.approx(expected, rel=1e-6) and expected > 1e-4
    assert (found.reference, found.decoded, found.kid_subset_size) == (40, 38, 38)

    (folders[0] / "38.png").unlink()
    (folders[0] / "39.png").unlink()
    x = of_folder(folders[0])
    xx, yy, xy = ((a @ b.T / 5 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    off = ~np.eye(38, dtype=bool)
    expected = xx[off].mean() + yy[off].mean() - 2 * xy.mean()  # Binkowski et al., ICLR 2018: unbiased
    assert fid.distance(*folders, features=random_test_features).kid == pytest.approx(expected, rel=1e-6)
    assert fid.distance(folders[1], folders[1], features=random_test_features).fid == pytest.approx(0, abs=1e-6)


def test_the_verb_prints_figures_and_counts(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fid, "inception_features", lambda device: random_test_features)
    monkeypatch.setattr(fid, "KID_SUBSET_SIZE", 20)
    assert run(["fid", *map(str, folders)]) == 0
    out, err = capsys.readouterr()
    lines = (
        r"FID +(\S+)",
        r"KID +(\S+) \(100 subsets of 20 pictures\)",
        "reference  40 pictures",
        "decoded    38 pictures",
    )
    found = re.fullmatch("\n".join(lines) + "\n", out)
    assert found and float(found[1]) > 0
    assert err.splitlines() == [
        "nic: the folders do not have equally many pictures",
        "nic: FID of 2048 pictures or fewer depends on their number most of all",
    ]


def test_subsets_as_large_as_asked_for(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fid, "inception_features", lambda device: random_test_features)
    assert run(["fid", *map(str, folders), "--kid-subset-size", "12"]) == 0
    assert "(100 subsets of 12 pictures)" in capsys.readouterr().out
    assert run(["fid", *map(str, folders), "--kid-subset-size", "39"]) == 1
    says = f"nic: {folders[1]} has 38 pictures: --kid-subset-size can be as many at most\n"
    assert capsys.readouterr() == ("", says)


def test_without_the_network_there_is_no_figure(
    folders: tuple[Path, Path], offline: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fid", *map(str, folders)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    says = r"nic: fid is not measured: the network of torch-fidelity cannot be had \(.*no network here.*\)\n"
    assert re.fullmatch(says, err)


def test_mistakes_are_one_line(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(*arguments: str) -> str:
        assert run(["fid", *arguments]) == 1
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1
        return err

    reference, decoded = map(str, folders)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert f"files below {empty}" in says(reference, str(empty))
    assert f"{tmp_path / 'absent'} is no folder" in says(str(tmp_path / "absent"), decoded)
    Image.new("RGB", (8, 8)).save(empty / "1.png")
    assert says(str(empty), decoded) == f"nic: FID needs two pictures at least, {empty} has one\n"

    monkeypatch.setattr(fid, "inception", lambda metric: torch.nn.Identity())
    assert says(reference, decoded, "--device", "banana").startswith("nic: the device 'banana' is not available: ")
    monkeypatch.setattr(fid, "inception_features", lambda device: random_test_features)
    (folders[1] / "3.jpg").write_bytes((folders[1] / "3.jpg").read_bytes()[:200])
    assert f"nic: {folders[1] / '3.jpg'}: " in says(reference, decoded)
