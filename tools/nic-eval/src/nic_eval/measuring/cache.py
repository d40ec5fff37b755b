"""What was measured already, kept so that a second run measures only what changed."""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

from nic_core.errors import CannotWrite, NicError
from nic_core.files.atomic import make_folder


class Cache:
    """A file of JSON lines, one for each finished piece of work, written as it finishes.

    A record is a dictionary under a key; a later line of the same key adds to it, its "metrics" one by one. Lines that
    are cut or damaged count as missing: that work is done again. Safe to use from several threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        make_folder(path.parent)
        try:
            data = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise NicError(f"cannot read {path}: {error.strerror}") from error
        self._torn = bool(data) and not data.endswith(b"\n")
        for line in data.splitlines():
            try:
                record = json.loads(line)
                self._merge(record.pop("key"), record)
            except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
                continue

    def get(self, key: str) -> dict[str, Any]:
        """Return what is known under a key, empty if nothing is."""
        with self._lock:
            record = self._records.get(key, {})
            return {**record, "metrics": dict(record["metrics"])} if "metrics" in record else dict(record)

    def put(self, key: str, record: dict[str, Any]) -> None:
        """Add to what is known under a key, in the file too."""
        with self._lock:
            line = ("\n" if self._torn else "") + json.dumps({"key": key, **record}) + "\n"
            try:
                with self.path.open("a") as file:
                    file.write(line)
            except OSError as error:
                raise CannotWrite(f"cannot write {self.path}: {error.strerror}") from error
            self._torn = False
            self._merge(key, record)

    def replace(self, key: str, record: dict[str, Any]) -> None:
        """Forget what was known under a key, then `put`."""
        self.put(key, {"replaces": True, **record})

    def _merge(self, key: str, record: dict[str, Any]) -> None:
        old = {} if record.pop("replaces", False) else self._records.get(key, {})
        metrics = {**old.get("metrics", {}), **record.get("metrics", {})}
        self._records[key] = {**old, **record, **({"metrics": metrics} if metrics else {})}


def key_of(*parts: str) -> str:
    """Return a key that changes when any part does."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
