"""Time stepping into the rows of a table, written with assignments as people write it."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first

CELLS = 8


def step_into_rows(start, rate, rows):
    table = np.zeros((rows, CELLS))
    table[0] = start
    for i in range(1, rows):
        table[i] = table[i - 1] + 1e-6 * rate * table[i - 1] * (1.0 - table[i - 1])
    return table[-1].sum()


def inputs(size: int) -> Inputs:
    return np.linspace(0.1, 0.9, CELLS), np.linspace(0.5, 1.5, CELLS), size


WORKLOAD = Workload(
    name="table",
    title="time stepping into n rows of a table",
    function=step_into_rows,
    inputs=inputs,
    argnums=first(2),
    size=100_000,
    quick_size=1_000,
    lacks={
        "torch": "refuses: a row that backward needs has been overwritten",
        "autograd": "has no assignment",
        "advect": "needs np.zeros(..., like=start)",
    },
)
