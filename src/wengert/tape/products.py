"""Pulling matrix products: contributions to one weight are gathered into few, larger products.

A recurrent net adds up a hundred products ``x1.T @ adjoint`` for one weight, each too small to keep
a core busy. Stacked, the rows of several steps are one product of the same sum. The one difficulty
is size: OpenBLAS wakes its threads for larger ones, which takes longer than they save here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SINGLE_THREADED = 2**18  # multiplications; OpenBLAS's interface/gemm.c computes fewer on one thread

Waiting = dict[int, list[Any]]  # by weight: [multiplications so far, left factors, adjoints]


def gather(waiting: Waiting, weight: int, x1: np.ndarray, adjoint: np.ndarray) -> bool:
    """Let ``x1.T @ adjoint`` wait; True if what waits for the weight is as much as should."""
    cost = x1.size * adjoint.shape[1]
    held = waiting.get(weight)
    if held is None:
        held = waiting[weight] = [0, [], []]
    held[0] += cost
    held[1].append(x1)
    held[2].append(adjoint)
    return bool(held[0] + cost > SINGLE_THREADED)


def gathered(waiting: Waiting, weight: int) -> Any:
    """The sum of the products that wait for a weight."""
    _, left, adjoints = waiting.pop(weight)
    if len(left) == 1:
        return left[0].T @ adjoints[0]
    return np.concatenate(left).T @ np.concatenate(adjoints)
