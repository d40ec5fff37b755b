"""Codecs in memory: shared, within a limit, given back, and not taken over by a forked process."""

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import nic_core as nic
import numpy as np
import pytest
from nic_core.host.cache import Cache, cache

PIXELS = np.zeros((2, 3, 3), np.uint8)


@pytest.fixture
def limit() -> Iterator[None]:
    before = cache.limit
    yield
    cache.limit = before


def test_codecs_of_the_same_weights_share_them(fake: ModuleType) -> None:
    first, second = nic.load("zip"), nic.load("zip")
    assert first.opened(first.weights[0]) is second.opened(second.weights[0])
    for number in range(1, 20):
        nic.decode(nic.encode(PIXELS, number))
        nic.load("zip", device="cpu").encode(PIXELS, number)
    assert len(cache) == 2  # "auto" and "cpu", which this codec takes for two places


def test_a_place_has_one_codec_whatever_it_is_called(fake: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake.ZipCodec, "place", classmethod(lambda cls, device: "here"))
    assert nic.load("zip", device="cuda:1").opened(nic.load("zip").weights[0]).device == "cuda:1"
    nic.encode(PIXELS)
    assert len(cache) == 1


def test_other_weights_in_the_same_file_are_opened(
    fake: ModuleType, make_weights: Callable[..., Path], tmp_path: Path
) -> None:
    path, seen = tmp_path / "w.safetensors", set()
    for name in ("first", "second"):
        make_weights(path, "zip", name, quality=(1.0, 100.0))
        codec = nic.load("zip", path)
        seen.add(codec.opened(codec.weights[0]).info.entropy_id)
    assert len(seen) == 2


def test_the_least_recently_used_goes_first(fake: ModuleType, limit: None) -> None:
    codec, other = nic.load("zip-rate"), nic.load("zip")
    low, high = codec.opened(codec._choice.for_quality(20)), codec.opened(codec._choice.for_quality(80))
    assert codec.opened(low_spec := codec._choice.for_quality(20)) is low
    cache.limit = 1  # a single one, whatever its size
    assert len(cache) == 1 and codec.opened(low_spec) is low
    assert codec.opened(codec._choice.for_quality(80)) is not high
    other.encode(PIXELS)
    assert len(cache) == 1 and cache.size == Path(other.weights[0].location).stat().st_size
    assert np.array_equal(np.asarray(other.decode(other.encode(PIXELS))), PIXELS)


def test_closing_gives_back_what_a_codec_has_opened(fake: ModuleType) -> None:
    other = nic.load("zip-rate")
    other.encode(PIXELS)
    with nic.load("zip") as codec:
        data = codec.encode(PIXELS)
        assert len(cache) == 2
    assert len(cache) == 1
    assert codec.decode(data).size == (3, 2)  # opened again
    cache.clear()
    assert len(cache) == 0


def test_what_cannot_be_opened_is_not_kept() -> None:
    own = Cache(100)

    def fail() -> None:
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            own.get("key", 10, fail)  # type: ignore[arg-type]
    assert len(own) == own.size == 0


def test_a_pickle_is_small_and_opens_again(fake: ModuleType) -> None:
    codec = nic.load("zip")
    data = codec.encode(PIXELS)
    pickled = pickle.dumps(codec)
    assert len(pickled) < 1000
    assert pickle.loads(pickled).encode(PIXELS) == data


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_opens_codecs_of_its_own(fake: ModuleType) -> None:
    own = nic.load("zip", cache=Cache(1))
    data = nic.encode(PIXELS)
    assert own.encode(PIXELS) == data
    with cache._lock, own._cache._lock:  # of other threads, in the middle of something
        if not (child := os.fork()):
            os._exit(not (len(cache) == 0 and nic.decode(data).size == own.decode(data).size == (3, 2)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(cache) == 1
