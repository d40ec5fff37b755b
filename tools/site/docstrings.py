"""Shows the fields of a docstring, lines such as "size: bytes of the file", as a list."""

import re
from typing import Any

from griffe import Extension, Object

FIELD = re.compile(r"^(\*{0,2}[a-z_]\w*(?:(?:, | and )\*{0,2}[a-z_]\w*)*): (?=\S)")
STARTS = ("errors", "source", "raises", "returns")
"""Words that begin such a line and are no fields."""


class Fields(Extension):
    """Rewrites docstrings as they are read."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = listed(obj.docstring.value)


def listed(text: str) -> str:
    """Return Markdown in which a line that begins with "name: " is an item of a list, lines after it its rest."""
    lines: list[str] = []
    item, fenced = False, False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        found = None if fenced or line.startswith("    ") else FIELD.match(line)
        if found and found[1] not in STARTS:
            if not item and lines and lines[-1]:
                lines.append("")
            lines.append(f"- **{found[1]}**: {line[found.end() :]}")
            item = True
            continue
        if not line.strip():
            item = False
        lines.append(f"    {line.strip()}" if item else line)
    return "\n".join(lines)
