"""Least squares of a polynomial to the sign function, GradBench's ``llsq``."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first

COEFFICIENTS = 32


def llsq(x, points):
    at = -1.0 + 2.0 * np.arange(points) / (points - 1)
    powers = at[:, None] ** np.arange(len(x))
    residuals = np.sign(at) - powers @ x
    return 0.5 * np.sum(residuals * residuals)


def inputs(size: int) -> Inputs:
    return np.random.default_rng(0).standard_normal(COEFFICIENTS), size


WORKLOAD = Workload(
    name="llsq",
    title="GradBench llsq, 4096 points, 32 coefficients",
    function=llsq,
    inputs=inputs,
    argnums=first(1),
    size=4096,
    quick_size=64,
    cpp="llsq",
    lacks={"torch": "not written"},
)
