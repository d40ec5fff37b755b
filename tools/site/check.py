"""Checks a built site: it loads nothing from elsewhere, every picture is there, and every flowchart became a drawing.

python tools/site/check.py      site/ of the last build; exits with 1 where something is wrong
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"
LOADED = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href"}
"""Elements that a browser fetches something for, and the attribute that says what."""


class Loads(HTMLParser):
    """Collects what a page has fetched, and how many flowcharts it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.flowcharts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element; links to other pages and to the page itself fetch nothing."""
        given = dict(attrs)
        self.flowcharts += given.get("class") == "flowchart"
        if given.get("rel") not in ("canonical", "next", "prev", "alternate") and (
            address := given.get(LOADED.get(tag, ""))
        ):
            self.addresses.append(address)


def wrong() -> list[str]:
    """Return a line for each thing that is wrong."""
    found, drawn = [], 0
    for page in sorted(SITE.rglob("*.html")):
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        drawn += loads.flowcharts
        for address in loads.addresses:
            parts = urlsplit(address)
            if parts.scheme == "data":
                continue
            place = SITE / parts.path.lstrip("/") if parts.path.startswith("/") else page.parent / unquote(parts.path)
            if parts.scheme or parts.netloc:
                found.append(f"{page.relative_to(SITE)} loads {address}")
            elif not place.exists():
                found.append(f"{page.relative_to(SITE)} misses {address}")
    asked = sum(text.read_text(encoding="utf-8").count("```mermaid\n") for text in (ROOT / "docs").rglob("*.md"))
    if drawn != asked:
        found.append(f"{drawn} flowcharts are drawn, {asked} are in the pages")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(wrong()) or None)
