"""``python -m benchmarks``: run everything, write the tables and plots.

A full run writes ``benchmarks/RESULTS.md`` and ``benchmarks/results/``; a run with ``--quick``,
``--only`` or ``--peers`` writes to ``out/benchmarks/``, unless ``--out`` names a folder. Peers may
live in interpreters of their own: ``--python advect=/path/to/python3.12``.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

from . import measure, peers, plots, targets, workloads
from .coordinator import ROOT, Seat, WorkerProcess, seats
from .machine import Quiet, describe_machine
from .report import Report, markdown
from .workload import Workload

# The sections of a run beside the workloads of `workloads.SPEED`, by their names for --only.
SECTIONS = ("speed", "memory", "scaling", "threads", "import")

# Sizes for the cost against tape length, as powers of ten: first and last, full and quick run.
POWERS = {"chain": ((3, 7), (2, 4)), "gather": ((3, 6), (2, 4)), "table": ((2, 5), (1, 3))}

# Peers whose cost against tape length and whose memory is of interest.
DIFFERENTIATORS = ("wengert", "torch", "autograd", "mygrad", "advect")


def main() -> int:
    """Run what was asked for; the exit status is 1 if a target was missed."""
    options = parse_options()
    folder = output_folder(options)
    report = Report(describe_machine(), command_line(), options.quick, options.rounds)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    try:
        run(options, report)
    except BaseException:  # interrupted: what there is, but not in place of a full run's results
        write(report, ROOT / "out" / "benchmarks")
        raise
    write(report, folder)
    return 1 if any(verdict.passed is False for verdict in report.verdicts) else 0


def write(report: Report, folder: Path) -> None:
    """Write and print the report."""
    (folder / "results").mkdir(parents=True, exist_ok=True)
    plots.draw(report, folder / "results")
    (folder / "RESULTS.md").write_text(markdown(report))
    numbers = json.dumps(raw_numbers(report), indent=1)
    (folder / "results" / "measured.json").write_text(numbers + "\n")
    print(markdown(report))
    print(f"written: {folder / 'RESULTS.md'}")


def parse_options() -> argparse.Namespace:
    """Return the command line's options."""
    names = [*SECTIONS, *(w.name for w in workloads.SPEED)]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure Wengert beside its peers."
    )
    for flags, keywords in (
        (
            "--only",
            {"action": "append", "choices": names, "help": "section or workload; repeatable"},
        ),
        ("--rounds", {"type": int, "help": "turns of each peer (default 11; quick: 3)"}),
        ("--quick", {"action": "store_true", "help": "small inputs: does it all work?"}),
        ("--peers", {"help": f"comma-separated, of {', '.join(peers.BY_NAME)}"}),
        (
            "--threads",
            {"type": int, "help": "native threads of every peer (default: the library's)"},
        ),
        ("--python", {"action": "append", "default": [], "metavar": "PEER=PATH"}),
        ("--out", {"type": Path, "help": "folder for RESULTS.md and results/"}),
    ):
        parser.add_argument(flags, **keywords)
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 11)
    options.peers = options.peers.split(",") if options.peers else list(peers.EAGER)
    options.python = dict(pair.split("=", 1) for pair in options.python)
    for name in {*options.peers, *options.python} - set(peers.BY_NAME):
        parser.error(f"no peer is called {name!r}; there are {', '.join(peers.BY_NAME)}")
    return options


def output_folder(options: argparse.Namespace) -> Path:
    """Return where the results go; only a full run replaces the committed ones."""
    is_full = not (options.quick or options.only or len(options.peers) < len(peers.EAGER))
    folder: Path = options.out or (ROOT / "benchmarks" if is_full else ROOT / "out" / "benchmarks")
    return folder


def run(options: argparse.Namespace, report: Report) -> None:
    """Measure everything that was asked for, and enter it in the report."""
    all_seats = seats(options.peers, options.python)
    rivals = [
        seat
        for seat in all_seats
        if seat.peer.name in DIFFERENTIATORS and seat.label == seat.peer.label
    ]
    home = options.python.get("wengert", sys.executable)
    setting = measure.Setting(options.rounds, options.quick, options.threads, log, Quiet())
    report.versions = versions(all_seats)
    if chosen := chosen_workloads(options):
        report.speed = measure.measure_speed(chosen, all_seats, setting)
        report.disturbance = str(setting.quiet)
        report.verdicts += targets.speed_verdicts(report.speed)
    if wanted(options, "memory"):
        report.memory = measure.measure_memory(list(workloads.MEMORY), rivals, setting)
        report.verdicts += targets.memory_verdicts(report.memory)
    if wanted(options, "scaling"):
        report.scaling = measure.measure_scaling(sizes(options.quick), rivals, setting)
        report.verdicts += targets.scaling_verdicts(report.scaling)
    if wanted(options, "threads"):
        report.verdicts.append(targets.threads_verdict(measure.run_probe(home, "probe_threads")))
    if wanted(options, "import"):
        report.verdicts.append(targets.import_verdict(measure.run_probe(home, "probe_import")))


def wanted(options: argparse.Namespace, section: str) -> bool:
    """Whether a section was asked for, or nothing in particular."""
    return not options.only or section in options.only


def chosen_workloads(options: argparse.Namespace) -> list[Workload]:
    """Return the workloads to race."""
    if wanted(options, "speed"):
        return list(workloads.SPEED)
    return [workload for workload in workloads.SPEED if workload.name in options.only]


def sizes(quick: bool) -> dict[str, list[int]]:
    """Return the sizes for each workload whose cost is measured against its size."""
    return {
        name: [10**power for power in range(first, last + 1)]
        for name, powers in POWERS.items()
        for first, last in [powers[1] if quick else powers[0]]
    }


def versions(all_seats: list[Seat]) -> dict[str, str]:
    """Return for each seat what is installed there."""
    found = {}
    for seat in all_seats:
        with WorkerProcess(seat) as worker:
            hello = worker.ask("hello")
        if hello.get("version") is None:
            found[seat.label] = str(hello.get("error", "not installed"))
        else:
            python, numpy = hello["python"], hello["numpy"]
            found[seat.label] = f"{hello['version']} (Python {python}, NumPy {numpy})"
    return found


def command_line() -> str:
    """Return the command that measures it again; where interpreters live is the reader's affair."""
    words = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    return re.sub(r"(--python[= ]\w+=)\S+", r"\1PYTHON", re.sub(r" --out[= ]\S+", "", words))


def raw_numbers(report: Report) -> dict[str, Any]:
    """Return every number of the report, for other programs."""
    return {
        "machine": report.machine,
        "versions": report.versions,
        "speed_seconds": {r.workload.name: r.seconds for r in report.speed},
        "memory_bytes": {r.workload.name: r.peaks for r in report.memory},
        "scaling_seconds": {r.workload.name: r.seconds for r in report.scaling},
        "verdicts": [verdict._asdict() for verdict in report.verdicts],
    }


def log(message: str) -> None:
    """Say on standard error what is being measured."""
    print(f"  {message} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
