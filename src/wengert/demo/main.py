"""Runs the parts of the demo in order, with progress bars, and writes the report."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid
from threadpoolctl import threadpool_limits

from wengert.demo import circuits, digits, drawings, neuron, nist, spiral
from wengert.demo.report import Section, Table, Text, write_report
from wengert.demo.settings import CLONE_DATA, Settings

PARTS: dict[str, Callable[[Settings], Section]] = {
    "circuits": circuits.run,
    "neuron": neuron.run,
    "pictures": drawings.run,
    "spirals": spiral.run,
    "digits": digits.run,
    "NIST problems": nist.run,
}


def run_demo(
    out: Path, data: Path | None = None, *, quick: bool = False, console: Console | None = None
) -> bool:
    """Run every part and write ``out/report.md`` and ``out/report.html``.

    Parameters
    ----------
    out : Path
        Folder of the report; made if it is not there.
    data : Path, optional
        Folder of the NIST data; by default `data/` of the clone.
    quick : bool
        Shorter runs with the same bounds.
    console : rich.console.Console, optional
        Where to say what is done.

    Returns
    -------
    bool
        Whether every bound was met.

    Raises
    ------
    FileNotFoundError
        If the NIST data are not there; nothing has run then.
    """
    console = console or Console()
    data = data or CLONE_DATA
    nist.read_problems(data)
    out.mkdir(parents=True, exist_ok=True)
    sections, seconds = [], {}
    columns = (
        TextColumn("{task.description:14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # The matrices are small: a second thread of BLAS gives nothing, and on a busy machine it waits.
    with threadpool_limits(1, "blas"), Progress(*columns, console=console) as progress:
        settings = Settings(out, data, quick, progress.track)
        for name, run in PARTS.items():
            start = time.perf_counter()
            sections.append(run(settings))
            seconds[name] = time.perf_counter() - start
    markdown, page = write_report([*sections, _colophon(seconds)], out)
    console.print(_summary(sections))
    console.print(
        f"{sum(seconds.values()):.0f} s. The report: {page} (and {markdown})", soft_wrap=True
    )
    return all(check.is_met for section in sections for check in section.checks)


def _summary(sections: list[Section]) -> Grid:
    grid = Grid("bound", "reached", "at least", "")
    for section in sections:
        for check in section.checks:
            verdict = f"[{'green' if check.is_met else 'bold red'}]{check.verdict}[/]"
            grid.add_row(check.claim, f"{check.value:.6g}", f"{check.bound:.6g}", verdict)
    return grid


def _colophon(seconds: dict[str, float]) -> Section:
    packages = [f"{name} {metadata.version(name)}" for name in ("wengert", "numpy", "scipy")]
    system = f"{platform.system()} on {platform.machine()}"
    versions = ", ".join([*packages, f"python {platform.python_version()}", system])
    rows = [
        (name, f"{spent:.1f}") for name, spent in [*seconds.items(), ("all", sum(seconds.values()))]
    ]
    return Section("How long it took", [Text(versions), Table(("part", "seconds"), rows)])
