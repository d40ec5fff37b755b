"""A report of a benchmark for people: lines and tables."""

from collections.abc import Sequence

import click
from nic_core.cli.output import say, show, show_table

from nic_eval.bench.report import ENTROPY, STAGES, TRANSFORM, Direction, LeftOut, Machine, Report, Run

NO_WEIGHTS = "no weights"


def show_report(report: Report) -> None:
    """Print it all."""
    show_machine(report.machine)
    if report.runs:
        quality = next((f", quality {run.quality:g}" for run in report.runs if run.quality is not None), "")
        size = f"{report.picture}, {report.width} x {report.height}{quality}"
        show(f"{'picture':<13}{size}; milliseconds are medians of {report.repeat} warm runs")
        for direction in STAGES:
            click.echo()
            show_table(*table(report.runs, direction))
    if any(run.tiles > 1 for run in report.runs):
        click.echo()
        say("The picture is coded in tiles: entropy coding runs beside the transforms, so stages overlap.")
    if report.machine.busy:
        say(f"nic: other work ran on this machine (load {report.machine.load:.1f}): times are longer for it", err=True)
    for line in left_out_lines(report.left_out):
        say(f"nic: {line}", err=True)


def show_machine(machine: Machine) -> None:
    """Print what the machine is."""
    convolution = f", {machine.convolution_gflops:.0f} in convolutions" if machine.convolution_gflops else ""
    integers = f"{machine.integer_gmacs:.0f} GMAC/s, " if machine.integer_gmacs else ""
    versions = [f"{name} {found}" if found else f"no {name}" for name, found in machine.versions.items()]
    rows = {
        "processor": f"{machine.processor}, {machine.cores} cores, {machine.threads} threads used",
        "instructions": ", ".join(machine.instructions) or "none known",
        "libraries": ", ".join(versions),
        "float32": f"{machine.matrix_gflops:.0f} GFLOP/s in matrix products{convolution}",
        "int16": f"{integers}nic-native: {machine.native}",
    }
    for name, value in rows.items():
        show(f"{name:<13}{value}")


def table(runs: Sequence[Run], direction: str) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of one direction."""
    headings, transform = [direction, "runtime", "ms"], TRANSFORM[direction]
    for stage in STAGES[direction]:
        headings.append(stage)
        if stage == transform:
            headings += ["GMAC", "of rate"]
        elif stage == ENTROPY:
            headings.append("Msym/s")
    headings += ["other", *(["bytes"] if direction == "encode" else []), "peak MB"]
    rows = []
    for run in runs:
        found: Direction = getattr(run, direction)
        row = [label(run), run.runtime, _ms(found.seconds)]
        for stage in STAGES[direction]:
            row.append(_ms(found.stages.get(stage)))
            if stage == transform:
                row += [_number(found.gmac, 1), "-" if found.of_rate is None else f"{100 * found.of_rate:.0f} %"]
            elif stage == ENTROPY:
                row.append(_number(found.symbols_per_second and found.symbols_per_second / 1e6, 1))
        row.append(_ms(found.other if found.stages else None))
        if direction == "encode":
            row.append(str(run.bytes))
        rows.append([*row, _number(found.peak_bytes / 1e6 or None, 0)])
    return headings, rows


def label(run: Run) -> str:
    """Return what a run is called."""
    return f"{run.codec} (random weights)" if run.random else run.codec


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """Return a line for all codecs without weights, and one for each other thing that was not measured."""
    bare = [item.codec for item in left_out if item.reason == NO_WEIGHTS]
    lines = [f"without weights, not measured: {', '.join(bare)} (--random times them)"] if bare else []
    for item in left_out:
        if item.reason != NO_WEIGHTS:
            lines.append(f"left out {item.codec}{f' by {item.runtime}' if item.runtime else ''}: {item.reason}")
    return lines


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.1f}" if seconds < 0.1 else f"{1000 * seconds:.0f}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
