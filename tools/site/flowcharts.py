"""Draws the flowcharts of pages, blocks in Mermaid's notation with arrows alone, as SVG: no script draws them later."""

import re
from html import escape
from itertools import pairwise
from typing import Any

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout
from pymdownx.superfences import SuperFencesException

ARROW = re.compile(r"\s*(\w+) --> (\w+)\s*")
HEIGHT, LETTER, MARGIN = 30, 8.2, 12


class Shape:
    """What the layout asks of a box: its sides, and where it puts the middle, `xy`."""

    def __init__(self, name: str) -> None:
        self.w, self.h = LETTER * len(name) + 20, HEIGHT
        self.xy = (0.0, 0.0)


class Line:
    """What the layout asks of an arrow: where to put its `points`."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []

    def setpath(self, points: list[tuple[float, float]]) -> None:
        """Take the points, from the middle of one box to that of the other."""
        self.points = points


def fence(source: str, language: str, css_class: str, options: Any, md: Any, **kwargs: Any) -> str:
    """Return a drawing of a block's source; SuperFencesException, which ends the build, for other notation."""
    first, *lines = [line for line in source.splitlines() if line.strip()]
    arrows = [(found[1], found[2]) for line in lines if (found := ARROW.fullmatch(line))]
    if first != "flowchart TD" or len(arrows) != len(lines):
        raise SuperFencesException("of Mermaid's notation only 'flowchart TD' is drawn, and of that arrows")
    try:
        return f'<div class="flowchart">{drawing(arrows)}</div>'
    except Exception as error:  # any other would only show the source instead
        raise SuperFencesException("a flowchart cannot be drawn") from error


def drawing(arrows: list[tuple[str, str]]) -> str:
    """Return SVG of boxes and of the arrows between them, from above to below."""
    boxes = {name: Vertex(name) for arrow in arrows for name in arrow}
    for name, box in boxes.items():
        box.view = Shape(name)
    edges = [Edge(boxes[start], boxes[end]) for start, end in arrows]
    for edge in edges:
        edge.view = Line()
    left = 0.0
    for part in Graph(list(boxes.values()), edges).C:
        layout = SugiyamaLayout(part)
        layout.xspace, layout.yspace = 22, 40
        layout.init_all()
        layout.draw(8)
        views = [vertex.view for vertex in part.sV]
        shift = left - min(view.xy[0] - view.w / 2 for view in views)
        for view in views:
            view.xy = (view.xy[0] + shift, view.xy[1])
        for edge in part.sE:
            edge.view.points = [(x + shift, y) for x, y in edge.view.points]
        left = max(view.xy[0] + view.w / 2 for view in views) + 30
    views = [box.view for box in boxes.values()]
    top = min(view.xy[1] - view.h / 2 for view in views)
    width = max(view.xy[0] + view.w / 2 for view in views) + 2 * MARGIN
    height = max(view.xy[1] + view.h / 2 for view in views) - top + 2 * MARGIN
    said = escape(", ".join(f"{start} imports {end}" for start, end in arrows))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} {top - MARGIN:.0f} {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" role="img" aria-label="{said}">',
        '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>',
    ]
    for edge in edges:
        (x, y), *between, (last_x, last_y) = edge.view.points
        points = [(x, y + HEIGHT / 2), *between, (last_x, last_y - HEIGHT / 2)]
        curves = [f"M{points[0][0]:.0f} {points[0][1]:.0f}"]
        for (x1, y1), (x2, y2) in pairwise(points):
            bend = (y2 - y1) / 2
            curves.append(f"C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}")
        parts.append(f'<path d="{" ".join(curves)}" marker-end="url(#end)"/>')
    for name, box in boxes.items():
        (x, y), wide = box.view.xy, box.view.w
        left, above = x - wide / 2, y - HEIGHT / 2
        parts.append(f'<rect x="{left:.0f}" y="{above:.0f}" width="{wide:.0f}" height="{HEIGHT}" rx="6"/>')
        parts.append(f'<text x="{x:.0f}" y="{y + 4.5:.1f}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])
