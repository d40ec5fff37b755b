"""A server in place of Google Drive and of others' file servers, so that the real loaders run against it."""

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

CONFIRM = (  # all in one line, as Drive sends it
    "<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>"
    '<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">'
    '<input type="hidden" name="id" value="{id}"><input type="hidden" name="export" value="download">'
    '<input type="hidden" name="confirm" value="t"></form></body></html>'
)
QUOTA = (
    '<!DOCTYPE html><html><body><p class="uc-error-subcaption">Too many users have viewed this file.</p></body></html>'
)
LOGIN = "<!DOCTYPE html><html><body>Please log in</body></html>"


@dataclass
class Shop:
    """What the server has and did.

    files: contents by id or path. large: ids that are confirmed first. folders: (id, name) pairs by id.
    cuts: how often each is yet to be cut in the middle. asked: (id or path, where the answer began).
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    folders: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)


def handler(shop: Shop) -> type[http.server.BaseHTTPRequestHandler]:
    """Return the class that answers for a shop."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            ids = parse_qs(url.query).get("id", [""])
            if url.path == "/drive.google.com/embeddedfolderview":
                self.page(self.folder(ids[0]))
            elif url.path == "/drive.google.com/uc" and ids[0] in shop.large:
                self.page(CONFIRM.format(id=ids[0]))
            elif url.path in ("/drive.google.com/uc", "/drive.usercontent.google.com/download"):
                self.file(ids[0]) if ids[0] in shop.files else self.page(QUOTA)
            elif url.path[1:] in shop.files:
                self.file(url.path[1:])
            elif url.path == "/login":
                self.page(LOGIN)
            else:
                self.send_error(404)

        def page(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def folder(self, id: str) -> str:
            links = []
            for child, name in shop.folders[id]:
                kind = "drive/folders/{}" if child in shop.folders else "file/d/{}/view"
                links.append(f'<a href="https://drive.google.com/{kind.format(child)}">{name}</a>')
            title = next((name for inner in shop.folders.values() for child, name in inner if child == id), "A folder")
            return f"<html><head><title>{title}</title></head><body>{''.join(links)}</body></html>"

        def file(self, name: str) -> None:
            content = shop.files[name]
            tag = f'"{hashlib.sha256(content).hexdigest()}"'
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(asked[1]) if asked and self.headers.get("If-Range", tag) == tag else 0
            if start >= len(content) > 0:
                self.send_error(416)
                return
            shop.asked.append((name, start))
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Disposition", f'attachment; filename="{name}"')
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("ETag", tag)
            self.end_headers()
            sent = content[start:]
            if shop.cuts.get(name):
                shop.cuts[name] -= 1
                sent = sent[: len(sent) // 2]
            with suppress(ConnectionError):  # whoever only asks for the size goes away
                self.wfile.write(sent)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Serve a shop at an address of this machine, where what gdown asks of Google's hosts ends up, too."""
    shop = Shop()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(shop))
    shop.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    send = requests.adapters.HTTPAdapter.send

    def elsewhere(self: Any, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        host = urlsplit(request.url or "").hostname or ""
        if host.endswith(".google.com"):
            request.url = str(request.url).replace(f"https://{host}", f"{shop.address}/{host}")
        return send(self, request, **{**how, "proxies": {}})

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", elsewhere)
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)  # gdown's patience between attempts
    monkeypatch.setenv("NIC_ALLOW_HTTP", "1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield shop
    server.shutdown()
    server.server_close()
    thread.join()
