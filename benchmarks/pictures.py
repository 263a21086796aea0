"""``python -m benchmarks.pictures``: what drawing costs, and what recording with lines costs.

Prints a table with the targets; writes nothing. Times are processor seconds, medians of runs that
are taken in turns, so that what else the machine does falls on both sides.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from importlib import import_module
from time import process_time
from typing import Any

import numpy as np

import wengert as wg
from wengert.tape.columns import Columns

from .machine import describe_machine

TRACING: Any = import_module("wengert.transforms.trace")  # not the function of that name
ROUNDS = 31


# ---- what is drawn -------------------------------------------------------------------------------


def mixed(x: Any, y: Any, steps: int = 285) -> Any:
    """Operations in no pattern that repeats soon: some 3.5 entries a step."""
    for k in range(steps):
        x = x * y + 0.5 if k % 7 else np.sin(x) * y - x
        y = np.tanh(y) if k % 3 else y + x * 0.1
    return x + y


def cell(h: Any, x: Any, w: Any, b: Any) -> Any:
    return np.tanh(w @ h + x + b)


def recurrent(w: Any, b: Any, x: Any, steps: int = 2500) -> Any:
    """Four entries a step, all alike."""
    h = np.zeros(len(b))
    for _ in range(steps):
        h = cell(h, x, w, b)
    return np.sum(h)


# ---- what is recorded ----------------------------------------------------------------------------


def scalars(x: Any, y: Any) -> Any:
    for _ in range(300):
        x = x * y + 0.5
        y = np.sin(y) - x * 0.1
        x = x / (1.0 + x * x)
    return x + y


def arrays(w: Any, x: Any) -> Any:
    for _ in range(300):
        x = np.tanh(w @ x + x)
    return np.sum(x)


def _step(x: Any, y: Any) -> Any:
    return x * y + 0.5


def calls(x: Any, y: Any) -> Any:
    """A function of its own for every three entries: each call is a group."""
    for _ in range(600):
        x = _step(x, y)
        y = np.sin(y)
    return x + y


class Without(Columns):
    """Columns without lines and groups: what recording would cost if it did not look for them."""

    def add(self, value: Any, operands: Any, parameters: dict[str, Any], outwards: int = 3) -> None:
        self.operands.append(tuple([self._operand(x) for x in operands]))
        self.values.append(value)
        self.parameters.append(parameters)
        self.places.append(None)
        self.groups.append(0)


def recording_ratio(f: Callable[..., Any], *args: Any) -> float:
    """Processor time of recording with lines and groups over that without."""
    kinds = (Columns, Without)
    seconds: dict[type, list[float]] = {one: [] for one in kinds}
    try:
        for round_ in range(ROUNDS):
            for one in kinds if round_ % 2 else kinds[::-1]:
                TRACING.Columns = one
                start = process_time()
                wg.trace(f, *args)
                seconds[one].append(process_time() - start)
    finally:
        TRACING.Columns = Columns
    return statistics.median(seconds[Columns]) / statistics.median(seconds[Without])


def median_seconds(run: Callable[[], Any], rounds: int = 5) -> float:
    """Processor seconds, after one run that is not counted."""
    run()
    times = []
    for _ in range(rounds):
        start = process_time()
        run()
        times.append(process_time() - start)
    return statistics.median(times)


def rows() -> list[tuple[str, float, float]]:
    """What was measured, the figure, and what it may be at most."""
    rng = np.random.default_rng(0)
    w, b = 0.1 * rng.normal(size=(30, 30)), rng.normal(size=30)
    plain, folded = wg.trace(mixed, 1.0, 0.5), wg.trace(recurrent, w, b, b)
    many, more = f"{len(plain.entries):,} entries", f"{len(folded.entries):,} entries, folded"
    return [
        (f"SVG of {many}, s", median_seconds(lambda: wg.draw(plain, fold=False).svg()), 2.0),
        (f"PNG of {many}, s", median_seconds(lambda: wg.draw(plain, fold=False).png()), 2.0),
        (f"SVG of {more}, s", median_seconds(lambda: wg.draw(folded).svg()), 5.0),
        (f"PNG of {more}, s", median_seconds(lambda: wg.draw(folded).png()), 5.0),
        ("recording with lines / without: numbers", recording_ratio(scalars, 1.0, 0.5), 1.3),
        ("recording with lines / without: arrays of 30", recording_ratio(arrays, w, b), 1.3),
        ("the same, a group for every three entries", recording_ratio(calls, 1.0, 0.5), 1.3),
    ]


def main() -> None:
    """Print the table; exit with 1 if a target is missed."""
    print(describe_machine())
    missed = 0
    for name, figure, bound in rows():
        verdict = f"at most {bound:g}: {'met' if figure <= bound else 'MISSED'}"
        missed += figure > bound
        print(f"{name:52}{figure:8.2f}   {verdict}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
