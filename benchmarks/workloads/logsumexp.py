"""log-sum-exp of 1e6 numbers: one pass that reads, one that writes; memory decides."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first


def logsumexp(x):
    largest = np.max(x)
    return largest + np.log(np.sum(np.exp(x - largest)))


def by_hand(x):
    largest = np.max(x)
    shares = x - largest
    np.exp(shares, out=shares)
    total = np.sum(shares)
    shares /= total
    return largest + np.log(total), (shares,)


def inputs(size: int) -> Inputs:
    return (np.random.default_rng(0).standard_normal(size),)


WORKLOAD = Workload(
    name="logsumexp",
    title="log-sum-exp of 1e6 numbers, float64",
    function=logsumexp,
    by_hand=by_hand,
    inputs=inputs,
    argnums=first(1),
    size=1_000_000,
    quick_size=1_000,
)
