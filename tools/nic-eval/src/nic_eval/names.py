"""Names of curves and points as parts of paths."""

import hashlib
import re


def slug(name: str) -> str:
    """Return a name that any file system takes; different names give different ones.

    A space becomes "_" and a colon "+"; a name with either of these, or anything unusual, ends in a hash instead.
    """
    if len(name) <= 80 and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.=@,: -]*", name):
        return name.replace(" ", "_").replace(":", "+")
    short = re.sub(r"[^A-Za-z0-9.=@,-]+", "_", name).strip("_.")[:80]
    return f"{short}-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:6]}"


def printable(text: str) -> str:
    """Return a text that any file and terminal takes: control characters and bytes that are no text become U+FFFD."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
