"""Bands of conditions: rows are divided where a diagonal crosses them, and nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.compile.access import Condition
from wengert.compile.native.bands import Band, band
from wengert.compile.views import Affine

from .programs import agree, program


def differs(offset: int, sign: int = 1) -> Condition:
    """``sign * (column - row) == offset``."""
    return Condition(Affine(-offset, ((0, -sign), (1, sign))), 0, 1)


def test_one_band_holds_all_diagonals_of_one_direction() -> None:
    conditions = [
        differs(0),
        differs(3),
        differs(2, sign=-1),
        Condition(Affine(0, ((1, 1),)), 0, 5),
    ]
    found = band(conditions, axis=1)
    assert found == Band(Affine(-2, ((0, 1),)), 6, frozenset(conditions[:3]))


@pytest.mark.parametrize(
    "conditions",
    [
        [Condition(Affine(0, ((1, 1),)), 0, 5)],
        [differs(0), Condition(Affine(0, ((0, 1), (1, 1))), 0, 1)],
        [differs(0), Condition(Affine(0, ((1, 1), ("%found", -1))), 0, 1)],
        [Condition(Affine(0, ((0, 1), (1, 2))), 0, 1)],
        [differs(0), differs(40)],
    ],
    ids=["an edge", "two directions", "a place looked up", "every second", "far apart"],
)
def test_there_is_no_band_of(conditions: list[Condition]) -> None:
    assert band(conditions, axis=1) is None


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(60, 90),
    st.lists(st.integers(-95, 95), min_size=1, max_size=3),
    st.booleans(),
    st.integers(0, 3),
)
def test_diagonals_anywhere_agree_with_numpy(
    rows: int, columns: int, offsets: list[int], is_turned: bool, cut: int
) -> None:
    """Any number of rows; diagonals that begin, end or lie outside; with NaN and infinity."""
    rng = np.random.default_rng(rows)
    x, y = rng.standard_normal(columns), rng.standard_normal((rows, 1))
    x[:2], y[-1] = (np.nan, np.inf), -np.inf
    lines: list[Any] = [("multiply", (0, 1), {})]
    value = 2
    for offset in offsets:
        lines.append(("multiply", (np.eye(rows, columns, offset), 0), {}))
        lines.append(("add", (value, value + 1), {}))
        value += 2
    view = (("getitem", np.s_[:, cut:]),)
    lines.append(("write", (np.zeros((rows, columns)), value), {"path": (), "add": True}))
    lines.append(("read", (value + 1,), {"path": view}))
    if is_turned:
        lines.append(("transpose", (value + 2,), {"axes": (1, 0)}))
    agree(program([x, y], lines, [value + 2 + is_turned]), [x, y], rtol=1e-14)


@pytest.mark.parametrize("kind", ["sum", "max"])
@pytest.mark.parametrize("axis", [0, 1])
def test_reductions_over_a_band_agree_with_numpy(axis: int, kind: str) -> None:
    x = np.random.default_rng(0).standard_normal(100)
    lines = [
        ("multiply", (np.eye(100, 100, 1), 0), {}),
        ("subtract", (np.eye(100), 1), {}),
        ("add", (2, 0), {}),
        (kind, (3,), {"axis": (axis,), "keepdims": False}),
    ]
    agree(program([x], lines, [4]), [x], rtol=1e-13)


def neighbours(x: Any) -> Any:
    return np.sum((x[1:] - x[:-1] ** 2) ** 2 * np.exp(x[:-1])) + np.sum(x[2:] * x[:-2] ** 3)


@pytest.mark.parametrize("size", [3, 5, 24, 31, 64, 200, 700])
def test_hessians_of_neighbours_are_the_eager_ones_for_any_number_of_threads(size: int) -> None:
    x = np.random.default_rng(1).standard_normal(size)
    compiled = wg.compile(wg.hessian(neighbours))
    before = wg.get_num_threads()
    found = []
    try:
        for count in range(1, 9):
            wg.set_num_threads(count)
            found.append(compiled(x))
    finally:
        wg.set_num_threads(before)
    np.testing.assert_allclose(found[0], wg.hessian(neighbours)(x), rtol=1e-12, atol=1e-12)
    assert all(np.array_equal(found[0], other) for other in found[1:])
