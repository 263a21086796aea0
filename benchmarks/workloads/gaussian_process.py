"""Negative log marginal likelihood of a Gaussian process with n points: a Cholesky factor decides.

Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equation 2.30; its gradient
by hand is their equation 5.9.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpotri

from benchmarks.workload import Inputs, Workload, first


def negative_log_likelihood(log_length, log_scale, log_noise, points, values):
    squares = np.sum(points * points, axis=1)
    distances = squares[:, None] + squares[None, :] - 2.0 * (points @ points.T)
    covariance = np.exp(2.0 * log_scale - 0.5 * distances * np.exp(-2.0 * log_length))
    covariance = covariance + np.exp(2.0 * log_noise) * np.eye(len(values))
    factor = np.linalg.cholesky(covariance)
    weights = np.linalg.solve(factor, values)
    log_determinant = np.sum(np.log(np.diagonal(factor)))
    return (
        0.5 * np.sum(weights * weights)
        + log_determinant
        + 0.5 * len(values) * math.log(2 * math.pi)
    )


def by_hand(log_length, log_scale, log_noise, points, values):
    """One factorisation and one inverse by LAPACK, and little else."""
    squares = np.sum(points * points, axis=1)
    distances = squares[:, None] + squares[None, :] - 2.0 * (points @ points.T)
    kernel = np.exp(2.0 * log_scale - 0.5 * distances * np.exp(-2.0 * log_length))
    noise = np.exp(2.0 * log_noise)
    covariance = kernel.copy()
    np.einsum("ii->i", covariance)[...] += noise
    factor = np.linalg.cholesky(covariance)
    solved = cho_solve((factor, True), values)
    inverse, _ = dpotri(factor.T, lower=0)  # the factor's transpose is in the order of FORTRAN
    inverse = np.triu(inverse)
    inverse = inverse + np.triu(inverse, 1).T
    value = (
        0.5 * (values @ solved)
        + np.sum(np.log(np.diagonal(factor)))
        + 0.5 * len(values) * math.log(2 * math.pi)
    )
    d_covariance = 0.5 * (inverse - np.outer(solved, solved))
    weighted = d_covariance * kernel
    d_length = np.sum(weighted * distances) * np.exp(-2.0 * log_length)
    return value, (d_length, 2.0 * np.sum(weighted), 2.0 * noise * np.trace(d_covariance))


def inputs(size: int) -> Inputs:
    rng = np.random.default_rng(0)
    points = rng.uniform(-3.0, 3.0, (size, 3))
    values = np.sin(points).sum(axis=1) + 0.1 * rng.standard_normal(size)
    return 0.1, 0.2, -2.0, points, values


WORKLOAD = Workload(
    name="gaussian_process",
    title="Gaussian process, marginal likelihood of 1000 points",
    function=negative_log_likelihood,
    by_hand=by_hand,
    inputs=inputs,
    argnums=first(3),
    size=1000,
    quick_size=50,
    lacks={"torch": "not written"},
    rtol=1e-7,
)
