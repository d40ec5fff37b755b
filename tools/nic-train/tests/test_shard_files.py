"""Names of shards: files and https:// addresses, and nothing that starts a program."""

import urllib.request

import pytest
from nic_core.errors import NicError
from nic_train.data.loader import open_source
from nic_train.data.shards import files
from nic_train.data.shards.files import open_shard, shard_urls
from nic_train.data.shards.sets import scan_shards


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """A file that a command which is run would make, and environment variables that would lead to one."""
    path = tmp_path / "marker"
    monkeypatch.setenv("GOPEN_REWRITE", f"https://example.org/=pipe:touch {path}; cat ")
    monkeypatch.setenv("WDS_COMMAND", f"pipe:touch {path}; cat a")
    monkeypatch.chdir(tmp_path)
    return path


COMMANDS = [
    "pipe:touch {marker}; cat a.tar",
    "pipe:touch$IFS{marker};cat a.tar",
    "PIPE:touch {marker}; cat a.tar",
    "a.tar::pipe:touch {marker}; cat a.tar",
    "{{a,pipe:touch {marker}; cat b}}.tar",
    "p{{ipe:touch {marker}; cat ,q}}a.tar",
    "${{WDS_COMMAND}}.tar",
    "file:{folder}/a.tar",
    "file:///{folder}/a.tar",
    "hf://datasets/owner/name/a.tar",
    "gs://bucket/a.tar; touch {marker}; a.tar",
    "ais://bucket/a.tar",
    "http://example.org/a.tar",
    "ftps://example.org/a.tar",
    "-.tar",
]


@pytest.mark.parametrize("text", COMMANDS)
def test_nothing_but_files_and_https_is_opened(text, marker):
    (marker.parent / "a.tar").write_bytes(b"")
    data = text.format(marker=marker, folder=marker.parent)
    with pytest.raises(NicError, match=r"shards are files or https:// addresses|do not exist|no shards"):
        shard_urls(data)
    with pytest.raises(NicError):
        open_source(data, 16)
    for name in data.split("::"):
        with pytest.raises(NicError, match="none of 1 shards holds a picture"):
            scan_shards([name], 16)
    assert not marker.exists()


def test_a_file_with_such_a_name_is_a_file(marker):
    name = "pipe:touch marker; cat a.tar"
    (marker.parent / name).write_bytes(b"content")
    assert shard_urls(name) == (name,)
    with open_shard(name) as file:
        assert file.read() == b"content"
    assert not marker.exists()


@pytest.mark.parametrize(
    ("braces", "message"),
    [
        ("{0..99999999}", "more than 1000000 shards"),
        ("{0..999}{0..999}{0..999}", "more than 1000000 shards"),
        ("{{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d}{a,b,c,d},{1..999}}", "more than 1000000 shards"),
        ("{a..z}" * 5, "more than 1000000 shards"),
        ("{a}" * 100_000, "more than 1000000 shards"),
        ("{0.." + "9" * 5000 + "}", "names no shards"),
        ("{0..3", "names no shards: Unbalanced"),
    ],
)
def test_lists_that_make_no_sense(braces, message):
    with pytest.raises(NicError, match=message):
        shard_urls(f"https://example.org/{braces}.tar")


def test_lists_of_several(tmp_path):
    urls = shard_urls("https://example.org/{{00..09},{20..29}}-{a,b}.tar::https://example.org/c.tar")
    assert len(urls) == 41
    assert urls[0] == "https://example.org/00-a.tar"


def test_the_web_is_asked_for_what_was_named(marker, monkeypatch):
    asked = []
    monkeypatch.setattr(files._OPENER, "open", lambda url, timeout: asked.append(url))
    open_shard("https://example.org/a.tar")
    assert asked == ["https://example.org/a.tar"]
    request = urllib.request.Request("https://example.org/a.tar")
    follow = files._OnlyHttps().redirect_request
    assert follow(request, None, 302, "", {}, "https://example.org/b.tar").full_url == "https://example.org/b.tar"
    for place in ("http://example.org/a.tar", "file:///etc/passwd", "ftp://example.org/a.tar"):
        with pytest.raises(OSError, match="it redirects to"):
            follow(request, None, 302, "", {}, place)


def test_a_server_that_is_down_for_a_moment_is_asked_again(monkeypatch):
    waits, outcomes = [], [TimeoutError("slow"), ConnectionResetError("gone"), "opened"]

    def attempt(url, timeout):
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(files._OPENER, "open", attempt)
    monkeypatch.setattr(files.time, "sleep", waits.append)
    assert open_shard("https://example.org/a.tar") == "opened"
    assert waits == [1, 2]
