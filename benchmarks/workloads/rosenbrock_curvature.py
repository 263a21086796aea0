"""Hessian of Rosenbrock's function of 1000 variables, and its product with a vector."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first

from .rosenbrock import rosenbrock


def hessian_by_hand(x):
    """The second derivatives, of which there are three in a row."""
    n = len(x)
    diagonal = np.zeros(n)
    diagonal[:-1] = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    diagonal[1:] += 200.0
    beside = -400.0 * x[:-1]
    hessian = np.zeros((n, n))
    rows = np.arange(n)
    hessian[rows, rows] = diagonal
    hessian[rows[:-1], rows[1:]] = beside
    hessian[rows[1:], rows[:-1]] = beside
    return 0.0, (hessian,)


def product_by_hand(x, v):
    diagonal = np.zeros(len(x))
    diagonal[:-1] = 1200.0 * x[:-1] ** 2 - 400.0 * x[1:] + 2.0
    diagonal[1:] += 200.0
    product = diagonal * v
    beside = -400.0 * x[:-1]
    product[:-1] += beside * v[1:]
    product[1:] += beside * v[:-1]
    return 0.0, (product,)


def one(size: int) -> Inputs:
    return (np.random.default_rng(0).uniform(-2.0, 2.0, size),)


def two(size: int) -> Inputs:
    return (*one(size), np.random.default_rng(1).standard_normal(size))


HESSIAN = Workload(
    name="hessian",
    title="Hessian of Rosenbrock, 1000 variables",
    function=rosenbrock,
    by_hand=hessian_by_hand,
    inputs=one,
    argnums=first(1),
    size=1000,
    quick_size=20,
    derivative="hessian",
)

PRODUCT = Workload(
    name="hvp",
    title="Hessian-vector product of Rosenbrock, 1000 variables",
    function=rosenbrock,
    by_hand=product_by_hand,
    inputs=two,
    argnums=first(1),
    size=1000,
    quick_size=20,
    derivative="hvp",
)
