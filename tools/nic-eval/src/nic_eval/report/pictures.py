"""The pictures that go into a page: lossy previews of exact ones that lie beside it, or the exact ones themselves."""

import base64
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from nic_core.errors import NicError
from nic_core.pictures import image_files
from rich.console import Console

from nic_eval.files import file_below
from nic_eval.terminal import progress

Embed = Literal["previews", "full"]
"""What a page holds itself: previews, beside which the exact pictures are loaded from its folder, or everything."""

PREVIEW_QUALITY = 70
"""WebP's quality of previews: a tenth of the exact pictures' bytes."""


class Pictures:
    """Collects the pictures of a page.

    scripts: one data block for each, which browsers neither decode nor show before the page's script asks for it.
    """

    def __init__(self, folder: Path, embed: Embed) -> None:
        self.folder = folder
        self.embed = embed
        self.scripts: list[str] = []
        self.missing: list[str] = []
        self._added: dict[str, dict[str, str | None] | None] = {}

    def add_all(self, files: Sequence[str]) -> None:
        """Take up pictures by their names relative to the folder; NicError for one that lies outside of it.

        Those that are missing, or no pictures, are in `missing` afterwards.
        """
        wanted = [file for file in dict.fromkeys(files) if file]
        with progress(Console(stderr=True), "pictures into the page", len(wanted)) as advance:
            for file in wanted:
                self._added[file] = self._add(file)
                advance("")

    def get(self, file: str) -> dict[str, str | None] | None:
        """Return what the page's script needs to show a picture; None where there is none.

        block: id of its data block. exact: address of the exact picture where the block holds a preview.
        """
        return self._added.get(file)

    def notes(self) -> list[str]:
        """Return what to tell about missing files."""
        if not self.missing:
            return []
        count = "1 picture" if len(self.missing) == 1 else f"{len(self.missing)} pictures"
        return [f"{count} could not be read when this page was made, the first being {self.missing[0]}"]

    def _add(self, file: str) -> dict[str, str | None] | None:
        path = file_below(self.folder, file)
        try:
            picture = image_files.read(path)  # which also keeps out what is no picture
            if self.embed == "full":
                data, kind = path.read_bytes(), mimetypes.guess_type(file)[0] or ""
            else:
                data, kind = image_files.encode(picture, "WEBP", PREVIEW_QUALITY), "image/webp"
        except (NicError, OSError):
            self.missing.append(file)
            return None
        if not kind.startswith("image/"):
            kind = "image/webp"  # which older Pythons do not know
        block = f"picture-{len(self.scripts)}"
        uri = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        self.scripts.append(f'<script type="text/plain" id="{block}">{uri}</script>')
        return {"block": block, "exact": None if self.embed == "full" else quote(file)}
