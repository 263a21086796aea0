"""Forty elementwise operations on a long vector, some of which need their operands again."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first


def elementwise_chain(x):
    for _ in range(10):
        x = 0.5 * np.sin(x) * x + 0.1
    return x.sum()


def inputs(size: int) -> Inputs:
    return (np.random.default_rng(0).uniform(0.5, 1.5, size),)


WORKLOAD = Workload(
    name="elementwise_chain",
    title="40 elementwise operations on 1e6 numbers, float64",
    function=elementwise_chain,
    inputs=inputs,
    argnums=first(1),
    size=1_000_000,
    quick_size=100_000,
)
