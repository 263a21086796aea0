"""A chain of n scalar operations: the tape's length is all that grows."""

from __future__ import annotations

from benchmarks.workload import Inputs, Workload, first


def chain(x, operations):
    for _ in range(operations // 2):
        x = x * 0.999999 + 1e-6
    return x


def inputs(size: int) -> Inputs:
    return 0.5, size


WORKLOAD = Workload(
    name="chain",
    title="chain of n scalar operations",
    function=chain,
    inputs=inputs,
    argnums=first(1),
    size=1_000_000,
    quick_size=10_000,
)
