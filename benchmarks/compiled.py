"""``python -m benchmarks.compiled``: compiled code beside JAX, PyTorch and C++ written by hand.

Writes ``benchmarks/COMPILED.md`` and ``benchmarks/results/compiled*.svg``; with ``--only`` or
``--quick`` to ``out/benchmarks/``. Warm calls are raced as in ``python -m benchmarks``. First calls
are taken in fresh processes in which another, small function has been compiled before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import measure, plots, workloads
from .__main__ import command_line, log, versions
from .coordinator import ROOT, Seat, WorkerProcess, seats
from .machine import Quiet, describe_machine
from .report import Report, compiled_markdown
from .targets import COMPILED_TARGETS, FIRST_CALL_SHARE, Verdict, verdict_on
from .workload import Workload

PEERS = ("numpy", "by_hand", "wengert", "compiled", "cpp", "jax", "torch")
OURS, JAX = "Wengert, compiled", "JAX jit"
ARRAYS = ("spiral", "mlp", "rosenbrock", "black_scholes", "logsumexp", "gmm", "kmeans")


@dataclass
class FirstCalls:
    """Seconds of the first call of a workload, by label."""

    workload: Workload
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class Growth:
    """Seconds of a workload at sizes a decade apart, by (label, threads)."""

    workload: Workload
    seconds: dict[tuple[str, int], dict[int, float]] = field(default_factory=dict)


def main() -> int:
    """Measure, write, and return 1 if a target was missed."""
    options = parse_options()
    chosen = [w for w in workloads.COMPILED if not options.only or w.name in options.only]
    all_seats = seats(options.peers, {})
    setting = measure.Setting(options.rounds, options.quick, None, log, Quiet())
    command = command_line().replace("benchmarks", "benchmarks.compiled", 1)
    report = Report(describe_machine(), command, options.quick, options.rounds)
    report.versions = versions(all_seats)
    report.speed = measure.measure_speed(chosen, all_seats, setting)
    report.disturbance = str(setting.quiet)
    first = [first_calls(w, all_seats, setting) for w in chosen]
    growing = [] if options.quick or not options.parts else chosen
    growth = [grow(w, all_seats, setting) for w in growing if w.name in ARRAYS]
    report.verdicts = verdicts(report.speed, first)
    is_full = not (options.only or options.quick)
    write(report, first, growth, ROOT / "benchmarks" if is_full else ROOT / "out" / "benchmarks")
    return 1 if any(verdict.passed is False for verdict in report.verdicts) else 0


def parse_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compiled")
    parser.add_argument("--only", action="append", choices=[w.name for w in workloads.COMPILED])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="small inputs: does it all work?")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--parts", default="growth", help="'' leaves the growth of cost out")
    options = parser.parse_args()
    options.peers = options.peers.split(",")
    return options


def first_calls(workload: Workload, all_seats: list[Seat], setting: measure.Setting) -> FirstCalls:
    """Time trace, compile and first run, the median of three fresh processes each."""
    result = FirstCalls(workload)
    for seat in all_seats:
        if seat.label not in (OURS, JAX):
            continue
        setting.log(f"first call: {workload.name}, {seat.label}")
        times = [_first_call(workload, seat, setting) for _ in range(1 if setting.quick else 3)]
        if all(seconds is not None for seconds in times):
            result.seconds[seat.label] = statistics.median(times)  # type: ignore[type-var]
    return result


def _first_call(workload: Workload, seat: Seat, setting: measure.Setting) -> float | None:
    with WorkerProcess(seat) as worker:
        if worker.ask("hello").get("version") is None:
            return None
        worker.ask("prepare", workload="elementwise_chain", size=64)
        worker.ask("time", calls=1)
        error = worker.ask("prepare", workload=workload.name, size=setting.size(workload))
        answer = worker.ask("time", calls=1)
        return None if error or "error" in answer else float(answer["seconds"][0])


def grow(workload: Workload, all_seats: list[Seat], setting: measure.Setting) -> Growth:
    """Time three sizes a decade apart, with one thread and with two."""
    result = Growth(workload)
    for seat in all_seats:
        for threads in (1, 2):
            if seat.label not in (OURS, JAX):
                continue
            setting.log(f"growth: {workload.name}, {seat.label}, {threads} threads")
            with WorkerProcess(seat, threads) as worker:
                for size in (workload.size // 100, workload.size // 10, workload.size):
                    if "error" in worker.ask("prepare", workload=workload.name, size=size):
                        break
                    answer = worker.ask("time", calls=3)
                    if "error" in answer:
                        break
                    calls = max(3, min(200, int(0.1 / min(answer["seconds"]))))
                    seconds = setting.turn(worker, calls)
                    times = result.seconds.setdefault((seat.label, threads), {})
                    times[size] = statistics.median(seconds)
    return result


def verdicts(speed: list[measure.Speed], first: list[FirstCalls]) -> list[Verdict]:
    """Return the verdict on every target whose workload was run."""
    by_name = {result.workload.name: result for result in speed}
    found = [
        verdict_on(target, by_name[target.workload], OURS)
        for target in COMPILED_TARGETS
        if target.workload in by_name
    ]
    for calls in first:
        if OURS not in calls.seconds or JAX not in calls.seconds:
            continue
        ratio = calls.seconds[OURS] / calls.seconds[JAX]
        promise = f"{calls.workload.name}: first call at most {FIRST_CALL_SHARE}x JAX's"
        found.append(Verdict(promise, f"{ratio:.2f}x", ratio <= FIRST_CALL_SHARE))
    return found


def write(report: Report, first: list[FirstCalls], growth: list[Growth], folder: Path) -> None:
    """Write and print the report."""
    (folder / "results").mkdir(parents=True, exist_ok=True)
    picture = plots.draw_growth(growth, folder / "results" / "compiled-growth") if growth else ""
    text = compiled_markdown(report, first, picture)
    (folder / "COMPILED.md").write_text(text)
    numbers: dict[str, Any] = {
        "machine": report.machine,
        "versions": report.versions,
        "speed_seconds": {r.workload.name: r.seconds for r in report.speed},
        "first_call_seconds": {r.workload.name: r.seconds for r in first},
        "growth_seconds": {
            r.workload.name: {f"{label}, {n} threads": t for (label, n), t in r.seconds.items()}
            for r in growth
        },
        "verdicts": [verdict._asdict() for verdict in report.verdicts],
    }
    (folder / "results" / "compiled.json").write_text(json.dumps(numbers, indent=1) + "\n")
    print(text)


if __name__ == "__main__":
    sys.exit(main())
