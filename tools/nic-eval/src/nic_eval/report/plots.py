"""Rate-distortion plots, one for each metric, as SVG and PNG."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from nic_core.files.atomic import atomic_path, make_folder

from nic_eval.curves.differences import series
from nic_eval.curves.ranges import View, view
from nic_eval.metrics.catalogue import METRICS
from nic_eval.names import printable
from nic_eval.results import Curve, Results

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f")
"""Okabe and Ito's, which colour-blind readers can tell apart."""

MARKERS = "os^Dv<>p"


def write_plots(results: Results, folder: Path) -> list[Path]:
    """Write <metric>.svg and <metric>.png for every metric that a curve has; published curves are dashed.

    The same results give the same files. CannotWrite.
    """
    make_folder(folder)
    names = [name for name in METRICS if any(series(curve, name)[0] for curve in results.curves)]
    written = []
    for name in names:
        # Text stays text in SVG, also a name with dollar signs; ids come from a fixed salt instead of a random one.
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "nic", "font.size": 10, "text.parse_math": False}):
            figure = plot(results.curves, name, results.data)
            for suffix in ("svg", "png"):
                path = folder / f"{name}.{suffix}"
                with atomic_path(path) as temporary:
                    metadata = {"Date": None} if suffix == "svg" else None
                    figure.savefig(temporary, format=suffix, dpi=150, metadata=metadata)
                written.append(path)
    return written


def plot(curves: Sequence[Curve], metric: str, title: str) -> Figure:
    """Return a figure of one metric over bits per pixel, with the axes that the page has (`ranges`)."""
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    for i, curve in enumerate(curves):
        bpp, values = series(curve, metric)
        if not bpp:
            continue
        published = curve.kind == "published"
        axes.plot(
            bpp,
            values,
            label=printable(curve.name),
            color=COLOURS[i % len(COLOURS)],
            marker=None if published else MARKERS[i % len(MARKERS)],
            markersize=4,
            linewidth=1.2 if published else 1.6,
            linestyle="--" if published else "-",
        )
    axes.set_xlabel("bits per pixel")
    axes.set_ylabel("MS-SSIM (dB)" if metric == "ms-ssim" else METRICS[metric].label)
    axes.set_title(printable(title))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    if shown := view(curves, metric):
        axes.set_xlim(shown.rate)
        axes.set_ylim(shown.value)
        _mark_strays(axes, shown, curves)
    return figure


def _mark_strays(axes: Axes, shown: View, curves: Sequence[Curve]) -> None:
    """Put a cross on the border where a point lies that the axes leave out, and name it."""
    lines = []
    for place in shown.strays:
        curve = curves[place.curve]
        at = [min(max(place.rate, shown.rate[0]), shown.rate[1]), min(max(place.value, shown.value[0]), shown.value[1])]
        axes.plot(*([x] for x in at), "x", color=COLOURS[place.curve % len(COLOURS)], clip_on=False, markersize=7)
        label = printable(f"{curve.name}, {curve.points[place.point].label}")
        lines.append(f"outside: {label}: {place.rate:.3g} bpp, {place.value:.4g}")
    if lines:
        axes.annotate("\n".join(lines), (0.01, 0.99), xycoords="axes fraction", va="top", fontsize=7, color="0.4")
