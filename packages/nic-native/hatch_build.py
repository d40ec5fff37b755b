"""The build: compiles the library before a wheel is made, editable or not; without a compiler the wheel has none."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
import compiling


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
        from packaging.tags import platform_tags

        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{next(iter(platform_tags()))}"
