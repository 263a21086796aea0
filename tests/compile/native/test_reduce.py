"""Reductions: every axis, NumPy's NaNs, and errors no larger than NumPy's."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from wengert.compile.native.build import build

from .programs import agree, program

RNG = np.random.default_rng(2)
AXES = [a for n in (1, 2, 3) for a in itertools.combinations(range(3), n)]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean"])
def test_every_axis(name, axis):
    x = RNG.normal(size=(5, 4, 7))
    lines = [
        (name, (0,), {"axis": axis, "keepdims": True}),
        ("subtract", (0, 1), {}),
        (name, (2,), {"axis": axis, "keepdims": False}),
    ]
    agree(program([x], lines, [1, 3]), [x], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dtype", ["?", "i4", "u1", "f4", "c16", "i8"])
@pytest.mark.parametrize("name", ["sum", "max", "any", "count_nonzero", "all"])
def test_every_dtype(name, dtype):
    x = RNG.integers(0, 3, (6, 50)).astype(dtype)
    agree(program([x], [(name, (0,), {"axis": (1,), "keepdims": False})], [1]), [x])


@pytest.mark.parametrize("name", ["max", "min"])
def test_a_nan_is_the_extremum(name):
    x = RNG.normal(size=(3, 1000))
    x[1, 777] = np.nan
    whole = (name, (0,), {"axis": (0, 1), "keepdims": False})
    agree(program([x], [whole, (name, (0,), {"axis": (1,), "keepdims": False})], [1, 2]), [x])


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("shape", [(200_003,), (1, 99_991), (50_021, 3)])
def test_sums_are_as_exact_as_numpys(dtype, shape):
    x = RNG.uniform(size=shape).astype(dtype)
    axis = tuple(range(len(shape)))
    code = program([x], [("sum", (0,), {"axis": axis, "keepdims": False})], [1])
    exact = math.fsum(x.ravel().tolist())
    (got,) = build(code).run([x])
    bound = 8 * np.finfo(dtype).eps * exact
    assert abs(float(got) - exact) <= max(2 * abs(float(x.sum()) - exact), bound)


def test_columns_of_a_long_matrix():
    x = RNG.normal(size=(10_007, 5))
    line = [("sum", (0,), {"axis": (0,), "keepdims": False})]
    agree(program([x], line, [1]), [x], rtol=1e-10)


def test_nothing_sums_to_zero():
    x = np.zeros((0, 4))
    lines = [
        ("sum", (0,), {"axis": (0,), "keepdims": False}),
        ("sum", (0,), {"axis": (0, 1), "keepdims": False}),
        ("prod", (0,), {"axis": (1,), "keepdims": False}),
    ]
    agree(program([x], lines, [1, 2, 3]), [x])


@pytest.mark.parametrize("name", ["logsumexp", "softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [(0,), (1,), (0, 1)])
def test_composites_are_taken_apart(name, axis):
    x = RNG.normal(size=(6, 9))
    x[2] = [-np.inf] * 9
    more = {"keepdims": False} if name == "logsumexp" else {}
    code = program([x], [(name, (0,), {"axis": axis, **more})], [1])
    native = agree(code, [x], rtol=1e-13)
    assert native.plan.summary.calls == 0
