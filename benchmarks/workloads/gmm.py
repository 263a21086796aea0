"""Gaussian mixture model with a Wishart prior: the objective of GradBench's and ADBench's ``gmm``.

Šrajer, Kukelova and Fitzgibbon, "A benchmark of selected algorithmic differentiation tools on some
problems in computer vision and machine learning", Optimization Methods and Software 33 (2018).
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from benchmarks.workload import Inputs, Workload, first

DIMENSION, COMPONENTS = 10, 25
GAMMA, M = 1.0, 0  # of the Wishart prior


def log_sum_exp(x):
    largest = np.max(x, axis=-1, keepdims=True)
    return np.squeeze(largest, -1) + np.log(np.sum(np.exp(x - largest), axis=-1))


def gmm(alphas, means, factors, points):
    """Larger is likelier. `factors`: the logarithm of the diagonal, then what is below it."""
    d = means.shape[1]
    logs, below = factors[:, :d], factors[:, d:]
    lower = np.zeros((len(alphas), d, d))
    lower[:, LOWER[d][0], LOWER[d][1]] = below
    centred = points[:, None, :] - means
    scaled = centred * np.exp(logs) + np.einsum("kij,nkj->nki", lower, centred)
    inner = alphas + np.sum(logs, axis=1) - 0.5 * np.sum(scaled * scaled, axis=2)
    likelihood = np.sum(log_sum_exp(inner)) - len(points) * log_sum_exp(alphas)
    squares = np.sum(np.exp(logs) ** 2) + np.sum(below * below)
    prior = 0.5 * GAMMA**2 * squares - M * np.sum(logs)
    return likelihood + prior + constant(d, len(alphas), len(points))


def constant(d, components, count):
    """What depends on sizes alone."""
    n = d + M + 1
    gammas = 0.25 * d * (d - 1) * np.log(np.pi) + sum(gammaln(0.5 * (n - j)) for j in range(d))
    of_prior = n * d * (np.log(GAMMA) - 0.5 * np.log(2)) - gammas
    return -count * d * 0.5 * np.log(2 * np.pi) - components * of_prior


# Rows and columns below the diagonal, column by column, as the source stores them.
LOWER = {
    d: tuple(np.array([(i, j) for j in range(d) for i in range(j + 1, d)], int).reshape(-1, 2).T)
    for d in (2, DIMENSION)
}


def inputs(size: int) -> Inputs:
    rng = np.random.default_rng(0)
    d, k = DIMENSION, COMPONENTS
    return (
        rng.standard_normal(k),
        rng.standard_normal((k, d)),
        0.5 * rng.standard_normal((k, d + d * (d - 1) // 2)),
        rng.standard_normal((size, d)),
    )


WORKLOAD = Workload(
    name="gmm",
    title="GradBench gmm, 1000 points, D = 10, K = 25",
    function=gmm,
    inputs=inputs,
    argnums=first(3),
    size=1000,
    quick_size=20,
    cpp="gmm",
    lacks={"torch": "not written", "jax": "writes in place"},
)
