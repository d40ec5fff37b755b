"""Adds the pages that no one has given a place in the site's nav, under "More", so that none is unreachable."""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Called by mkdocs with what mkdocs.yml says."""
    docs = Path(config.docs_dir)
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}
    if others := sorted(pages - _listed(config.nav)):
        config.nav.append({"More": others})
    return config


def _listed(entry: Any) -> set[str]:
    if isinstance(entry, str):
        return {entry}
    entries = entry.values() if isinstance(entry, dict) else entry
    return set().union(*map(_listed, entries))
