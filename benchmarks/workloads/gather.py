"""``sum(x[i]**2 for i in range(n))``: element reads, linear only if adjoints share one buffer."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first


def gather(x):
    return sum(x[i] ** 2 for i in range(len(x)))


def inputs(size: int) -> Inputs:
    return (np.random.default_rng(0).standard_normal(size),)


WORKLOAD = Workload(
    name="gather",
    title="sum(x[i]**2 for i in range(n))",
    function=gather,
    inputs=inputs,
    argnums=first(1),
    size=1_000_000,
    quick_size=10_000,
)
