"""Shows the notebooks of docs/, which hold no outputs, as pages: their text and code, and the file to download."""

import json
import posixpath
import re
from typing import Any

from mkdocs.structure.files import File

SUFFIX = ".ipynb"
LINK = re.compile(rf"(\]\([^)#:]+){re.escape(SUFFIX)}(?=[)#])")


def on_files(files: Any, config: Any) -> Any:
    """Called by mkdocs with the files that it found."""
    for file in [file for file in files if file.src_uri.endswith(SUFFIX)]:
        name = file.src_uri.removesuffix(SUFFIX)
        files.append(File.generated(config, f"{name}.md", content=page(file.content_string, posixpath.basename(name))))
    return files


def page(notebook: str, name: str) -> str:
    """Return a notebook as Markdown, with the link to the file below its title."""
    cells = []
    for cell in json.loads(notebook)["cells"]:
        text = "".join(cell["source"])
        cells.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    title, _, rest = cells[0].partition("\n")
    download = f'<a href="{name}{SUFFIX}" download>Download the notebook</a>'
    return "\n\n".join([title, download, rest.strip(), *cells[1:]]) + "\n"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs with each page's text: links to notebooks lead to their pages."""
    return LINK.sub(r"\1.md", markdown)
