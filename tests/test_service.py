"""The service of docs/examples/service under uvicorn: what it answers, where its limits are, and under load."""

import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import nic_core as nic
import numpy as np
import pytest
from nic_core.pictures import image_files
from PIL import Image
from service_load import GROWTH, Server, load, serving
from skimage import data

PIXELS = data.coffee()[:120, :160]


def png(pixels: np.ndarray = PIXELS) -> bytes:
    """Return pixels as a PNG file."""
    return image_files.encode(nic.Picture.of(pixels), "PNG")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of one thread, in which two more requests may wait."""
    folder = tmp_path_factory.mktemp("service")
    with serving(folder, threads=1, waiting=2, max_bytes=100_000, max_pixels=30_000, retry=7) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
def name(client: httpx.Client) -> str:
    """Return the name of an uploaded picture."""
    answer = client.post("/pictures", content=png())
    assert answer.status_code == 201
    assert (answer.json()["width"], answer.json()["height"]) == (160, 120)
    return str(answer.json()["name"])


def test_codecs_are_listed(client: httpx.Client) -> None:
    assert {codec["id"] for codec in client.get("/codecs").json()} == {spec.id for spec in nic.list_codecs()}


def test_one_picture_has_one_name(client: httpx.Client, name: str) -> None:
    assert client.post("/pictures", content=png()).json()["name"] == name
    assert client.post("/pictures", content=png(PIXELS[::-1])).json()["name"] != name


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/png", "PNG"),
        ("image/jpeg", "JPEG"),
        ("image/avif", "AVIF"),
        ("*/*", "PNG"),
        ("text/html, image/jpeg;q=0.8, image/*;q=0.2", "JPEG"),
    ],
)
def test_a_picture_in_the_format_that_is_preferred(client: httpx.Client, name: str, accept: str, kind: str) -> None:
    answer = client.get(f"/pictures/{name}", headers={"Accept": accept}, params={"quality": 80})
    assert answer.headers["content-type"] == f"image/{kind.lower()}"
    assert answer.headers["vary"] == "Accept"
    with Image.open(io.BytesIO(answer.content)) as image:
        assert (image.format, image.size) == (kind, (160, 120))
        assert np.abs(np.asarray(image).astype(int) - PIXELS).mean() < 8


def test_nic_files_regions_and_scales(client: httpx.Client, name: str) -> None:
    file = client.get(f"/pictures/{name}", headers={"Accept": "image/x-nic"}, params={"quality": 30}).content
    assert nic.inspect(file).quality == 30
    for how, wanted in (
        ({"region": "10,20,30,40"}, nic.decode_picture(file, region=(10, 20, 30, 40))),
        ({"scale": "1/4"}, nic.decode_picture(file, scale=1 / 4)),
        ({}, nic.decode_picture(file)),
    ):
        answer = client.get(f"/pictures/{name}", params={"quality": 30, **how})
        found = image_files.read_bytes(answer.content)
        assert found.pixels.shape == wanted.pixels.shape
        assert np.abs(found.pixels.astype(int) - wanted.pixels).max() <= 1


@pytest.mark.parametrize(
    ("how", "accept", "status", "says"),
    [
        ({"quality": 0}, "*/*", 422, "quality"),
        ({"codec": "nothing"}, "*/*", 400, "nothing"),
        ({"region": "1,2,3"}, "*/*", 422, "region"),
        ({"region": "150,0,20,20"}, "*/*", 400, "region"),
        ({"scale": "2"}, "*/*", 422, "scale"),
        ({"scale": "1/2"}, "image/x-nic", 400, "neither region nor scale"),
        ({}, "text/html", 406, "image/png"),
        ({}, "image/png;q=0", 406, "image/png"),
    ],
)
def test_what_cannot_be_had(
    client: httpx.Client, name: str, how: dict[str, str], accept: str, status: int, says: str
) -> None:
    answer = client.get(f"/pictures/{name}", params=how, headers={"Accept": accept})
    assert answer.status_code == status
    assert says in answer.text


def test_uploads_have_limits(client: httpx.Client) -> None:
    assert client.get(f"/pictures/{'0' * 64}").status_code == 404
    assert client.get("/pictures/..%2Fservice.py").status_code in (404, 422)
    assert client.post("/pictures", content=b"no picture").status_code == 422
    large = client.post("/pictures", content=bytes(200_000))
    assert (large.status_code, large.json()["detail"]) == (413, "a picture may have 100000 bytes")
    many = client.post("/pictures", content=png(np.zeros((200, 200), np.uint8)))
    assert many.status_code == 422
    assert "exceeds 30000 pixels" in many.json()["detail"]


def test_more_than_may_wait_are_told_when_to_come_again(server: Server, name: str) -> None:
    def ask(quality: int) -> httpx.Response:
        return httpx.get(f"{server.url}/pictures/{name}", params={"quality": quality}, timeout=60)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(1, 13)))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.headers["retry-after"] for answer in refused} == {"7"}
    assert ask(13).status_code == 200  # there is room again


def test_what_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        name = httpx.post(f"{server.url}/pictures", content=png()).json()["name"]
    with serving(tmp_path, threads=1, seconds=0.02) as server:  # less than it takes to open the weights
        answer = httpx.get(f"{server.url}/pictures/{name}", params={"quality": 50}, timeout=60)
    assert (answer.status_code, answer.json()["detail"]) == (504, "it took more than 0.02 seconds")
    assert not list((tmp_path / "made").rglob("*"))


def loaded(folder: Path, seconds: float) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with serving(folder, threads=2, waiting=4) as server:
        found = load(server, seconds)
    assert not found.errors
    assert found.times[201]
    assert found.times[200]
    if seconds >= 60:
        assert found.quarter(3) <= GROWTH * found.quarter(1)


def test_eight_clients_for_five_seconds(tmp_path: Path) -> None:
    loaded(tmp_path, 5)


@pytest.mark.long
def test_eight_clients_for_a_minute(tmp_path: Path) -> None:
    loaded(tmp_path, 60)
