"""Whether a plugin and this nic-core speak the same version of hooks and records; docs/plugins.md says the policy."""

import re
from typing import Any

from nic_core.errors import NicError
from nic_core.spec import API_VERSION

Version = tuple[int, int]
BEFORE = 1
"""What plugins stated before versions had a minor: 1.0."""


def check_version(stated: Any, distribution: str, own: Version = API_VERSION) -> None:
    """Raise NicError, which says what to upgrade, where a plugin was written for a version that is not to be had.

    stated: what the plugin's module has as `api_version`, such as "1.2"; None where it has none.
    """
    version = _parsed(stated)
    if version is None:
        said = "states no api_version" if stated is None else f"states api_version = {stated!r:.40}, which is none"
        raise NicError(f'{said}: its module says api_version = "{_text(own)}", or the version that it was written for')
    if version[0] == own[0] and version[1] <= own[1]:
        return
    package = "nic-core" if version > own else distribution
    raise NicError(f"was written for plugin API {_text(version)}, this nic-core has {_text(own)}: upgrade {package}")


def _parsed(stated: Any) -> Version | None:
    if type(stated) is int and stated == BEFORE:
        return BEFORE, 0
    found = re.fullmatch(r"(\d{1,4})\.(\d{1,4})", stated) if isinstance(stated, str) else None
    return (int(found[1]), int(found[2])) if found else None


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
