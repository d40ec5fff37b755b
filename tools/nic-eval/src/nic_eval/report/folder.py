"""The folder of a report: results.json, tables, plots, curves for CompressAI's tools, and the page."""

import json
from pathlib import Path

from nic_core.files.atomic import atomic_write, make_folder

from nic_eval import results
from nic_eval.names import slug
from nic_eval.report import page, plots, tables
from nic_eval.report.pictures import Embed
from nic_eval.results import Results


def write_report(report: Results, folder: Path, embed: Embed = "previews") -> Path:
    """Write everything that is made from results, and return the page's path. embed: see `page`. CannotWrite."""
    make_folder(folder / "curves")
    results.write(report, folder / "results.json")
    atomic_write(folder / "results.csv", tables.measurements_csv(report).encode(errors="replace"))
    atomic_write(folder / "points.csv", tables.points_csv(report).encode(errors="replace"))
    for curve in report.curves:
        text = json.dumps(results.as_compressai(curve), indent=1)
        atomic_write(folder / "curves" / f"{slug(curve.name)}.json", text.encode())
    plots.write_plots(report, folder / "plots")
    return page.write_page(report, folder, embed=embed)
