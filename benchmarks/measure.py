"""The measurements: speed, memory, cost against tape length, threads, import time.

Speed is measured in rounds in which every peer has a turn, in changing order, so that a slow moment
of the machine hits all of them; ratios are taken within a round.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .coordinator import ROOT, Seat, WorkerProcess, worker_environment
from .machine import Quiet
from .workload import Workload
from .workloads import BY_NAME

TURN_SECONDS = 0.15
MAX_CALLS = 500

# A peer is not followed to a size that would take longer; Wengert has to show all of them.
SCALING_LIMIT_SECONDS = 20.0

Log = Callable[[str], None]


@dataclass(frozen=True)
class Setting:
    """How a run measures: turns of each peer, small inputs or full ones, native threads."""

    rounds: int
    quick: bool
    threads: int | None
    log: Log
    quiet: Quiet

    def turn(self, worker: WorkerProcess, calls: int) -> list[float]:
        """Return the seconds of some calls, timed while the machine is otherwise idle."""
        seconds: list[float] = self.quiet.take(lambda: worker.ask("time", calls=calls))["seconds"]
        return seconds

    def size(self, workload: Workload) -> int:
        """Return the size of a workload's inputs."""
        return workload.quick_size if self.quick else workload.size


@dataclass
class Speed:
    """Seconds of one workload: for each label the medians of its turns; or a note why not."""

    workload: Workload
    seconds: dict[str, list[float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    worst_difference: float = 0.0

    def median(self, label: str) -> float:
        """Return the median over the rounds."""
        return statistics.median(self.seconds[label])

    def ratio(self, label: str, other: str) -> float | None:
        """Return the median over the rounds of the ratio of two peers; None if one is missing."""
        if label not in self.seconds or other not in self.seconds:
            return None
        pairs = zip(self.seconds[label], self.seconds[other], strict=True)
        return statistics.median(a / b for a, b in pairs)


def measure_speed(workloads: list[Workload], seats: list[Seat], setting: Setting) -> list[Speed]:
    """Race all seats on each workload; only those that agree on value and gradients are timed."""
    results = []
    with _workers(seats, setting.threads) as workers:
        for workload in workloads:
            setting.log(f"speed: {workload.name}")
            results.append(_race(workload, workers, setting))
    return results


@contextmanager
def _workers(seats: list[Seat], threads: int | None) -> Iterator[dict[str, WorkerProcess]]:
    with ExitStack() as stack:
        yield {seat.label: stack.enter_context(WorkerProcess(seat, threads)) for seat in seats}


def _race(workload: Workload, workers: dict[str, WorkerProcess], setting: Setting) -> Speed:
    result = Speed(workload)
    ready = _ready_workers(workload, setting.size(workload), workers, result)
    ready = _agreeing_workers(workload, ready, result)
    calls = {label: _calls_in_a_turn(worker) for label, worker in ready.items()}
    order = list(ready)
    shuffle = random.Random(0).shuffle
    for _ in range(setting.rounds):
        shuffle(order)
        for label in order:
            seconds = setting.turn(ready[label], calls[label])
            result.seconds.setdefault(label, []).append(statistics.median(seconds))
    return result


def _ready_workers(
    workload: Workload, size: int, workers: dict[str, WorkerProcess], result: Speed
) -> dict[str, WorkerProcess]:
    ready = {}
    for label, worker in workers.items():
        if worker.ask("hello").get("version") is None:
            result.notes[label] = "not installed"
            continue
        error = worker.ask("prepare", workload=workload.name, size=size).get("error")
        if error is None:
            ready[label] = worker
        else:
            result.notes[label] = error
    return ready


def _agreeing_workers(
    workload: Workload, ready: dict[str, WorkerProcess], result: Speed
) -> dict[str, WorkerProcess]:
    """Keep the workers whose value and gradients are those of the hand-written NumPy code."""
    agreeing, reference = {}, None
    with tempfile.TemporaryDirectory() as folder:
        for label in sorted(ready, key=lambda label: _reference_rank(ready[label])):
            path = str(Path(folder) / "result.npz")
            error = ready[label].ask("result", path=path).get("error")
            if error is not None:
                result.notes[label] = error
                continue
            with np.load(path) as arrays:
                found = dict(arrays)
            reference = found if reference is None else reference
            difference = largest_difference(found, reference)
            if difference > workload.rtol:
                result.notes[label] = f"WRONG by {difference:.1e}"
                continue
            result.worst_difference = max(result.worst_difference, difference)
            agreeing[label] = ready[label]
    return agreeing


REFERENCES = ("by_hand", "cpp", "wengert", "jax")  # the first that runs is what others are held to


def _reference_rank(worker: WorkerProcess) -> int:
    name = worker.seat.peer.name
    return REFERENCES.index(name) if name in REFERENCES else len(REFERENCES)


def largest_difference(found: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> float:
    """Return the largest difference of two results, each array relative to its largest element.

    A wrong shape counts as infinite, and so does a gradient of another dtype.
    """
    worst = 0.0
    for name, array in found.items():
        expected = reference[name]
        if array.shape != expected.shape:
            return math.inf
        if name != "value" and array.dtype != expected.dtype:
            return math.inf
        scale = float(np.max(np.abs(expected), initial=0.0)) or 1.0
        worst = max(worst, float(np.max(np.abs(array - expected), initial=0.0)) / scale)
    return math.inf if math.isnan(worst) else worst


def _calls_in_a_turn(worker: WorkerProcess) -> int:
    warm = worker.ask("time", calls=3)["seconds"]
    return max(3, min(MAX_CALLS, int(TURN_SECONDS / min(warm))))


@dataclass
class Memory:
    """Peak bytes of one gradient of a workload, by label; or a note why not."""

    workload: Workload
    peaks: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def measure_memory(workloads: list[Workload], seats: list[Seat], setting: Setting) -> list[Memory]:
    """Measure the peak memory of one gradient, each time in a fresh process."""
    results = []
    for workload in workloads:
        result = Memory(workload)
        for seat in seats:
            setting.log(f"memory: {workload.name}, {seat.label}")
            answers = [_peak_of_one_call(workload, seat, setting) for _ in range(3)]
            if "error" in answers[0]:
                result.notes[seat.label] = str(answers[0]["error"])
            else:
                result.peaks[seat.label] = statistics.median(float(a["bytes"]) for a in answers)
        results.append(result)
    return results


def _peak_of_one_call(workload: Workload, seat: Seat, setting: Setting) -> dict[str, Any]:
    with WorkerProcess(seat, setting.threads) as worker:
        if worker.ask("hello").get("version") is None:
            return {"error": "not installed"}
        # Small calls first: what a library loads or starts when first used is not the gradient's.
        for size in (64, workload.quick_size, setting.size(workload)):
            answer = worker.ask("prepare", workload=workload.name, size=size)
            if "error" in answer:
                return answer
            answer = worker.ask("memory")
            if "error" in answer:
                return answer
        return answer


@dataclass
class Scaling:
    """CPU seconds of a workload for each size, by label; a note says why a peer stopped.

    All of this is work of one thread: what the processor spent is its time, neighbours or not.
    """

    workload: Workload
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def growth(self, label: str) -> list[float]:
        """Return by what factor the time grows for each step to ten times the size."""
        times = self.seconds.get(label, {})
        return [times[10 * n] / times[n] for n in times if 10 * n in times]


def measure_scaling(
    sizes: dict[str, list[int]], seats: list[Seat], setting: Setting
) -> list[Scaling]:
    """Time each seat on growing sizes, until a size would take too long."""
    results = []
    for name, its_sizes in sizes.items():
        workload = BY_NAME[name]
        result = Scaling(workload)
        for seat in seats:
            setting.log(f"scaling: {workload.name}, {seat.label}")
            with WorkerProcess(seat, setting.threads) as worker:
                _climb(workload, its_sizes, worker, result)
        results.append(result)
    return results


def _climb(workload: Workload, sizes: list[int], worker: WorkerProcess, result: Scaling) -> None:
    label = worker.seat.label
    if worker.ask("hello").get("version") is None:
        result.notes[label] = "not installed"
        return
    times: dict[int, float] = {}
    for size in sizes:
        is_ours = worker.seat.peer.name == "wengert"
        if not is_ours and _expected_seconds(times) > SCALING_LIMIT_SECONDS:
            result.notes[label] = f"stopped before {size:.0e}: over {SCALING_LIMIT_SECONDS:.0f} s"
            break
        answer = worker.ask("prepare", workload=workload.name, size=size)
        answer = answer if "error" in answer else worker.ask("time", calls=1)
        if "error" in answer:
            result.notes[label] = f"{answer['error']} (n = {size:.0e})"
            break
        times[size] = _settled_seconds(worker, answer["cpu"])
    if times:
        result.seconds[label] = times


def _expected_seconds(times: dict[int, float]) -> float:
    last = list(times.values())[-2:]
    if not last:
        return 0.0
    return last[-1] * max(10.0, last[-1] / last[0])


def _settled_seconds(worker: WorkerProcess, first: float) -> float:
    """Return the mean of a few more calls; of very long ones the first is enough."""
    if first > 10.0:
        return first
    calls = max(3, min(200, int(1.0 / first)))
    seconds: float = worker.ask("time", calls=calls)["cpu"]
    return seconds / calls


def run_probe(python: str, module: str) -> dict[str, object]:
    """Run a probe of this package in a fresh process and return what it prints as JSON."""
    finished = subprocess.run(
        [python, "-m", f"benchmarks.{module}"],
        cwd=ROOT,
        env=worker_environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    if finished.returncode != 0:
        last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        return {"error": last[:200]}
    answer: dict[str, object] = json.loads(finished.stdout.splitlines()[-1])
    return answer
