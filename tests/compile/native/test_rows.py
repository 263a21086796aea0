"""Runs of nests that go row by row: what is in one, and that blocks change no result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.compile.access import Scan
from wengert.compile.plan import plan
from wengert.compile.program import Program

from .programs import agree, program

SUMS = {"axis": (1,), "keepdims": True}


def distances(points: Any, centres: Any) -> Any:
    """The pieces of k-means, and its gradient by the centres, over ``(rows, centres, width)``."""
    whole = (slice(None), None)
    return program(
        [points, centres],
        [
            ("read", (0,), {"path": (("getitem", whole),)}),
            ("subtract", (2, 1), {}),
            ("multiply", (3, 3), {}),
            ("sum", (4,), {"axis": (2,), "keepdims": False}),
            ("min", (5,), SUMS),
            ("equal", (5, 6), {}),
            ("where", (7, 1.0, 0.0), {}),
            ("sum", (8,), SUMS),
            ("divide", (8, 9), {}),
            ("reshape", (10,), {"shape": (*np.shape(points)[:1], len(centres), 1)}),
            ("multiply", (11, 3), {}),
            ("sum", (12,), {"axis": (0,), "keepdims": False}),
            ("sum", (6,), {"axis": (0, 1), "keepdims": False}),
        ],
        [13, 14],
    )


def normalised(points: Any) -> Program:
    """The sums over all rows of rows less their mean, through their deviation, squared."""
    return program(
        [points],
        [
            ("sum", (0,), SUMS),
            ("multiply", (1, 1 / points.shape[1]), {}),
            ("subtract", (0, 2), {}),
            ("multiply", (3, 3), {}),
            ("sum", (4,), SUMS),
            ("sqrt", (5,), {}),
            ("divide", (3, 6), {}),
            ("multiply", (7, 7), {}),
            ("sum", (8,), {"axis": (0,), "keepdims": False}),
            ("max", (6,), {"axis": (0, 1), "keepdims": False}),
        ],
        [9, 10],
    )


def drawn(rows: int, width: int, dtype: Any = float) -> Any:
    return np.random.default_rng(rows).standard_normal((rows, width)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rows", [32, 33, 480, 1000, 1003, 4096, 12_345])
def test_blocks_agree_with_numpy(rows: int, dtype: Any) -> None:
    code = distances(drawn(rows, 8, dtype), drawn(5, 8, dtype))
    native = agree(code, [drawn(rows, 8, dtype), drawn(5, 8, dtype)], rtol=4e-13, atol=1e-12)
    assert len(native.plan.rows) == (rows >= 480)  # fewer are not worth it


@settings(max_examples=30, deadline=None)
@given(st.integers(600, 5000), st.integers(1, 40), st.integers(1, 20))
def test_rows_of_any_width_agree_with_numpy(rows: int, width: int, count: int) -> None:
    inputs = [drawn(rows, width), drawn(count, width)]
    agree(distances(*inputs), inputs, rtol=1e-12, atol=1e-11)
    if width > 1:
        agree(normalised(inputs[0]), inputs[:1], rtol=1e-12)


def test_nan_and_infinity_stay_in_their_rows() -> None:
    points, centres = drawn(2000, 6), drawn(3, 6)
    points[5, 2], points[900, 0], points[-1] = np.nan, np.inf, -np.inf
    agree(distances(points, centres), [points, centres], rtol=1e-12)
    agree(normalised(points), [points], rtol=1e-12)


@pytest.mark.parametrize("rows", [1000, 1003, 50_000])
def test_the_bits_are_the_same_for_any_number_of_threads(rows: int) -> None:
    def objective(points: Any, centres: Any) -> Any:
        differences = points[:, None, :] - centres[None, :, :]
        return np.sum(np.min(np.sum(differences * differences, axis=2), axis=1))

    inputs = drawn(rows, 8), drawn(10, 8)
    compiled = wg.compile(wg.value_and_grad(objective, argnums=1))
    before = wg.get_num_threads()
    found = []
    try:
        for count in range(1, 9):
            wg.set_num_threads(count)
            found.append(compiled(*inputs))
    finally:
        wg.set_num_threads(before)
    value, gradient = wg.value_and_grad(objective, argnums=1)(*inputs)
    np.testing.assert_allclose(found[0][0], value, rtol=1e-13)
    np.testing.assert_allclose(found[0][1], gradient, rtol=1e-11, atol=1e-12 * rows)
    for other in found[1:]:
        assert other[0] == found[0][0]
        assert np.array_equal(other[1], found[0][1])


def test_rows_of_a_constant_are_copied_as_those_of_an_input() -> None:
    data, weights = drawn(3000, 9), drawn(1, 9)
    lines = [
        ("multiply", (data, 0), {}),
        ("sum", (1,), SUMS),
        ("exp", (2,), {}),
        ("multiply", (3, 1), {}),
        ("sum", (4,), {"axis": (0,), "keepdims": False}),
    ]
    native = agree(program([weights], lines, [5]), [weights], rtol=1e-12)
    assert [x for run in native.plan.rows for x in run.copied if not isinstance(x, int)]


def test_a_row_that_reads_another_ends_a_run() -> None:
    x = drawn(3000, 4)
    lines = [
        ("sum", (0,), SUMS),
        ("read", (1,), {"path": (("getitem", np.s_[::-1]),)}),
        ("multiply", (0, 2), {}),
        ("sum", (3,), {"axis": (0,), "keepdims": False}),
    ]
    assert agree(program([x], lines, [4]), [x], rtol=1e-12).plan.rows == []


@pytest.mark.parametrize("rows", [40, 20_000])
def test_the_search_for_runs_is_linear(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred sums of rows and what is made of them: runs as long as they may be."""
    lines: list[Any] = []
    for _ in range(500):
        value = len(lines)
        lines.append(("sum", (value,), SUMS))
        lines.append(("subtract", (value, value + 1), {}))
    code = program([drawn(rows, 2)], lines, [len(lines)])
    counted = []
    scan = Scan.__init__
    monkeypatch.setattr(Scan, "__init__", lambda *args: counted.append(1) or scan(*args))
    planned = plan(code)
    assert len(counted) < 8 * len(planned.steps)
    assert planned.rows


@pytest.mark.parametrize("rows", [1003, 4096])
def test_rows_that_are_read_after_a_run_lie_in_memory(rows: int) -> None:
    """More steps than a run may have: what the last of one leaves is read by the next."""
    lines: list[Any] = []
    for _ in range(40):
        value = len(lines)
        lines += [("sum", (value,), SUMS), ("multiply", (value + 1, 0.1), {})]
        lines += [("subtract", (value, value + 2), {})]
    x = drawn(rows, 3)
    native = agree(program([x], lines, [len(lines)]), [x], rtol=1e-9, atol=1e-12)
    assert len(native.plan.rows) > 1


def test_what_is_read_later_lies_in_memory() -> None:
    """A sum of each row is a result, too; the run is the same."""
    x = drawn(3000, 4)
    lines = [
        ("multiply", (0, 0), {}),
        ("sum", (1,), SUMS),
        ("divide", (1, 2), {}),
        ("exp", (3,), {}),
        ("sum", (4,), {"axis": (0,), "keepdims": False}),
    ]
    (run,) = plan(program([x], lines, [5])).rows
    assert run.holds(2)
    native = agree(program([x], lines, [5, 2]), [x], rtol=1e-12)
    (run,) = native.plan.rows
    assert not run.holds(2)


def test_blocks_are_checked_for_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_DEBUG", "bounds")
    inputs = [drawn(1003, 8), drawn(5, 8)]
    native = agree(distances(*inputs), inputs, rtol=1e-12, atol=1e-12)
    assert native.plan.rows
    assert native.module.text.count("call i64 @wg_inside") > 10
