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
    return f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
