"""The build: compiles the library before a wheel is made, editable or not; without a compiler the wheel has none."""

import re
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
import compiling

OLDEST_GLIBC = 17
"""Of 2.x, that wheels speak of: manylinux2014."""


class CompilingHook(BuildHookInterface):
    """See the module."""

    def dependencies(self) -> list[str]:
        """Return a compiler where the machine has none."""
        return compiling.needed()

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; a wheel with the library fits any Python of this platform, one without fits all."""
        if reason := compiling.compile_library():
            self.app.display_warning(f"nic-native is built without its library: {reason}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{system()}"


def system() -> str:
    """Return the tag of the systems that the library runs on: with glibc by the newest of its symbols that it needs."""
    from packaging.tags import platform_tags

    tags = [tag for tag in platform_tags() if not tag.startswith("linux_")]  # which package indexes refuse
    needed = [int(minor) for minor in re.findall(rb"GLIBC_2\.(\d+)", compiling.LIBRARY.read_bytes())]
    fitting = [tag for tag in tags if tag.startswith(f"manylinux_2_{max([OLDEST_GLIBC, *needed])}_")]
    return (fitting or tags)[0]
