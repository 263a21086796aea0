"""The machine: what it is, in words that identify no one, and whether it is ours alone."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROCESSORS = "BENCHMARKS_PROCESSORS"  # the variable that says how many a worker may use
VECTOR_UNITS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"))


def describe_machine() -> str:
    """Return for example ``2-core x86-64 with AVX-512, 23 GiB, Linux``."""
    architecture = platform.machine().replace("_", "-")
    unit = next((name for flag, name in VECTOR_UNITS if flag in _cpu_flags()), None)
    vector = f" with {unit}" if unit else ""
    return f"{_cores()}-core {architecture}{vector}, {_memory()}, {platform.system()}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    flags = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return set(next(flags, "").split())


def _memory() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / 2**30:.0f} GiB"


class Quiet:
    """Takes turns while other processes leave the cores alone; counts those where they did not.

    A library that splits an operation over all cores waits for the slowest: one busy neighbour can
    cost it a hundredfold, and a race beside it says nothing.
    """

    # Seconds of one look, the share of one core that others may use, turns taken again at most, and
    # the seconds that a whole run may wait: a machine that is never idle is measured all the same.
    LOOK, SHARE, ATTEMPTS, PATIENCE = 0.05, 0.25, 4, 600.0

    def __init__(self) -> None:
        self.turns = 0
        self.disturbed = 0
        self._waited = 0.0

    def take(self, turn: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Take a turn, again if others were busy; ``cpu`` of its answer is what it used."""
        self.turns += 1
        answer: dict[str, Any] = {}
        for _ in range(self.ATTEMPTS):
            self._wait()
            watch = _Watch()
            answer = turn()
            if "error" in answer or watch.busy_cores(answer["cpu"]) <= self.SHARE:
                return answer
            if self._waited > self.PATIENCE:
                break
        self.disturbed += 1
        return answer

    def _wait(self) -> None:
        start = time.monotonic()
        while self._waited <= self.PATIENCE:
            watch = _Watch()
            time.sleep(self.LOOK)
            if watch.busy_cores(0.0) <= self.SHARE:
                return
            self._waited += time.monotonic() - start
            start = time.monotonic()

    def __str__(self) -> str:
        if not self.disturbed:
            return "No other process used the cores during any turn."
        return (
            f"In {self.disturbed} of {self.turns} turns other processes used the cores: "
            "mistrust numbers that look odd."
        )


class _Watch:
    """How much of the machine is at work since this was made."""

    def __init__(self) -> None:
        self._start, self._idle = time.monotonic(), _idle_seconds()

    def busy_cores(self, own: float) -> float:
        """Return how many cores others kept busy, given one's own seconds; 0 if nobody knows."""
        idle = _idle_seconds()
        if idle is None or self._idle is None:
            return 0.0
        wall = time.monotonic() - self._start
        return (os.cpu_count() or 1) - (idle - self._idle + own) / wall


def _idle_seconds() -> float | None:
    """Return the idle seconds of all cores together, where the system (Linux) tells."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    return (int(fields[4]) + int(fields[5])) / os.sysconf("SC_CLK_TCK")
