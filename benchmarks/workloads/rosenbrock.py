"""Rosenbrock's function of 1e5 variables: slices, powers and a sum; memory traffic decides."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def by_hand(x):
    """With every array that is no longer needed used again: fresh memory is what costs here."""
    before, after = x[:-1], x[1:]
    gap = before * before
    np.subtract(after, gap, out=gap)
    rest = 1 - before
    value = 100.0 * np.dot(gap, gap) + np.dot(rest, rest)
    gradient = np.empty_like(x)
    gradient[0] = 0.0
    np.multiply(gap, 200.0, out=gradient[1:])
    gap *= before
    gap *= 400.0
    rest *= 2.0
    gap += rest
    gradient[:-1] -= gap
    return value, (gradient,)


def inputs(size: int) -> Inputs:
    return (np.random.default_rng(0).standard_normal(size),)


WORKLOAD = Workload(
    name="rosenbrock",
    title="Rosenbrock, 1e5 variables, float64",
    function=rosenbrock,
    by_hand=by_hand,
    inputs=inputs,
    argnums=first(1),
    size=100_000,
    quick_size=10_000,
)
