"""Rate-distortion plots, one for each metric, and planes of PSNR over each perceptual metric, as SVG and PNG."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from nic_core.files.atomic import atomic_path, make_folder

from nic_eval.curves.differences import series
from nic_eval.curves.ranges import View, view
from nic_eval.curves.sweeps import lines, plane
from nic_eval.metrics.catalogue import known, ordered
from nic_eval.names import printable, slug
from nic_eval.results import Curve, Results

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f")
"""Okabe and Ito's, which colour-blind readers can tell apart."""

MARKERS = "os^Dv<>p"


DISTORTION = ("psnr", "ms-ssim")
"""What measures distortion; every other metric is one of perception, of people or of machines."""


def write_plots(results: Results, folder: Path) -> list[Path]:
    """Write <metric>.svg and .png for every metric that a curve has, and psnr-over-<metric> for those of perception.

    Published curves are dashed. The same results give the same files. CannotWrite.
    """
    make_folder(folder)
    names = ordered(name for curve in results.curves for point in curve.points for name in point.metrics)
    made: dict[str, Callable[[], Figure]] = {
        slug(name): partial(plot, results.curves, name, results.data)
        for name in names
        if any(series(curve, name)[0] for curve in results.curves)
    }
    for name in names:
        if name not in DISTORTION and any(plane(results.curves, line, name, "psnr") for line in lines(results.curves)):
            made[f"psnr-over-{slug(name)}"] = partial(plot_plane, results.curves, name, "psnr", results.data)
    return [path for name, figure in made.items() for path in _written(figure, folder / name)]


def _written(figure: Callable[[], Figure], path: Path) -> list[Path]:
    written = []
    # Text stays text in SVG, also a name with dollar signs; ids come from a fixed salt instead of a random one.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "nic", "font.size": 10, "text.parse_math": False}):
        drawn = figure()
        for suffix in ("svg", "png"):
            target = path.with_name(f"{path.name}.{suffix}")
            with atomic_path(target) as temporary:
                metadata = {"Date": None} if suffix == "svg" else None
                drawn.savefig(temporary, format=suffix, dpi=150, metadata=metadata)
            written.append(target)
    return written


def plot(curves: Sequence[Curve], metric: str, title: str) -> Figure:
    """Return a figure of one metric over bits per pixel, with the axes that the page has (`ranges`)."""
    figure, axes = _axes(title, "bits per pixel", _label(metric))
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
    axes.legend(frameon=False, fontsize=8)
    if shown := view(curves, metric):
        axes.set_xlim(shown.rate)
        axes.set_ylim(shown.value)
        _mark_strays(axes, shown, curves)
    return figure


def plot_plane(curves: Sequence[Curve], x: str, y: str, title: str) -> Figure:
    """Return a figure of one metric over another: a line for each sweep of an option, and for each other curve.

    With a metric of perception as `x` it is the distortion-perception plane (Blau and Michaeli, CVPR 2018).
    """
    figure, axes = _axes(title, _label(x, True), _label(y, True))
    for i, line in enumerate(lines(curves)):
        if not (pairs := plane(curves, line, x, y)):
            continue
        published = curves[line.points[0][0]].kind == "published"
        axes.plot(
            *zip(*pairs, strict=True),
            label=printable(line.name),
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=4,
            linewidth=1.2 if published else 1.6,
            linestyle="--" if published else "-",
        )
    axes.legend(frameon=False, fontsize=8)
    return figure


def _axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(printable(title))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _label(metric: str, directed: bool = False) -> str:
    """Return what an axis is called. directed: whether it says which end is better."""
    described = known(metric)
    assert described is not None
    label = "MS-SSIM (dB)" if metric == "ms-ssim" else described.label
    return f"{label}, {'higher' if described.higher_is_better else 'lower'} is better" if directed else label


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
