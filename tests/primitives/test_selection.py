"""Selection, order and positions: where, select, sort, unique, searches, interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg

X = np.array([[0.3, -1.2, 2.0, 0.1], [0.5, 0.4, -0.7, 1.1], [-2.0, 0.0, 0.9, 3.0]])


def value(function: Any, *args: Any) -> Any:
    """What a function returns inside a trace, without its derivative."""
    return wg.jvp(lambda *a: np.sum(a[0]) * 0.0 + _float(function(*a)), args, args)[0]


def _float(x: Any) -> Any:
    return x.astype(float) if hasattr(x, "astype") else float(x)


# ---------------------------------------------------------------------------------------- select


def test_where_without_choices_gives_positions() -> None:
    def positive_total(x: Any) -> Any:
        return np.sum(x[np.where(x > 0)])

    assert_array_equal(wg.grad(positive_total)(X), np.where(X > 0, 1.0, 0.0))


def test_where_with_one_choice_is_numpys_error() -> None:
    with pytest.raises(ValueError, match="neither"):
        wg.grad(lambda x: np.where(x > 0, x))(1.0)


def test_where_keeps_narrow_dtypes_beside_python_numbers() -> None:
    x = X.astype(np.float32)
    out, tangent = wg.jvp(lambda x: np.where(x > 0, x, 0.0), (x,), (x,))
    assert out.dtype == tangent.dtype == np.float32


def test_select_takes_the_first_condition_that_holds() -> None:
    def chosen(x: Any) -> Any:
        return np.select([x > 1, x > 0], [x**2, 3 * x], default=-x)

    assert_array_equal(wg.jvp(chosen, (X,), (X,))[0], chosen(X))
    expected = np.select([X > 1, X > 0], [2 * X, np.full(X.shape, 3.0)], -1.0)
    assert_array_equal(wg.grad(lambda x: np.sum(chosen(x)))(X), expected)


def test_select_needs_truth_values() -> None:
    with pytest.raises(TypeError, match="boolean"):
        wg.grad(lambda x: np.sum(np.select([np.array([1, 0])], [x])))(np.ones(2))


def test_choose_refuses_a_number_out_of_range() -> None:
    index = np.array([0, 2])
    with pytest.raises(ValueError, match="choice"):
        wg.grad(lambda x: np.sum(np.choose(index, [x, 2 * x])))(np.ones(2))
    found = wg.grad(lambda x: np.sum(np.choose(index, [x, 2 * x], mode="clip")))(np.ones(2))
    assert_array_equal(found, [1.0, 2.0])


def test_piecewise_calls_each_function_on_its_elements_only() -> None:
    def pieces(x: Any) -> Any:
        return np.piecewise(x, [x < 0, x > 1], [lambda x: x**2, np.log, 0.5])

    out, _ = wg.jvp(pieces, (X,), (X,))
    assert_array_equal(out, pieces(X))
    expected = np.piecewise(X, [X < 0, X > 1], [lambda x: 2 * x, lambda x: 1 / x, 0.0])
    assert_allclose(wg.grad(lambda x: np.sum(pieces(x)))(X), expected, rtol=1e-15)
    with np.errstate(invalid="ignore", divide="ignore"):  # vmap calls each on all and selects
        found = wg.vmap(wg.grad(lambda x: np.sum(pieces(x))))(X)
    assert_allclose(found, expected, rtol=1e-15)


# ------------------------------------------------------------------------------- order, positions


@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("kind", [None, "quicksort", "stable", "heapsort", "mergesort"])
def test_sorting_permutes_derivatives(kind: Any, axis: Any) -> None:
    weights = np.arange(1.0, 13.0).reshape(np.sort(X, axis).shape)
    found = wg.grad(lambda x: np.sum(weights * np.sort(x, axis, kind)))(X)
    order = np.argsort(X, axis, kind)
    if axis is None:
        expected = np.zeros(12)
        expected[order] = weights
        expected = expected.reshape(X.shape)
    else:
        expected = np.zeros(X.shape)
        np.put_along_axis(expected, order, weights, axis)
    assert_array_equal(found, expected)


def test_partition_puts_ranks_in_their_place() -> None:
    out, _ = wg.jvp(lambda x: np.partition(x, (3, 7), axis=None), (X,), (X,))
    assert_array_equal(out[[3, 7]], np.sort(X, axis=None)[[3, 7]])
    found = wg.grad(lambda x: np.partition(x, 3, axis=None)[3])(X)
    assert_array_equal(found, np.sort(X, axis=None)[3] == X)


WITHOUT_DERIVATIVE = {
    "argmax": lambda x: np.argmax(x, axis=1),
    "argmax of all": lambda x: np.argmax(x),
    "argmin keepdims": lambda x: np.argmin(x, axis=0, keepdims=True)[0],
    "nanargmax": lambda x: np.nanargmax(x, axis=1),
    "argsort": lambda x: np.argsort(x, axis=0)[0],
    "argpartition": lambda x: np.argpartition(x, 2, axis=1)[:, 2],
    "lexsort": lambda x: np.lexsort((x[0], x[1])),
    "searchsorted": lambda x: np.searchsorted([0.0, 1.0], x[0]),
    "searchsorted side": lambda x: np.searchsorted(np.sort(x[0]), x[1], side="right"),
    "digitize": lambda x: np.digitize(x[0], [-1.0, 0.0, 1.0]),
    "digitize downwards": lambda x: np.digitize(x[0], [1.0, 0.0, -1.0], right=True),
    "count_nonzero": lambda x: np.count_nonzero(x > 0, axis=1),
    "nonzero": lambda x: np.nonzero(x)[0],
    "flatnonzero": lambda x: np.flatnonzero(x),
    "argwhere": lambda x: np.argwhere(x)[0],
    "any": lambda x: np.any(x > 1, axis=0),
    "all": lambda x: np.all(x > 1),
    "isin": lambda x: np.isin(x[0], [2.0, 0.1]),
    "histogram counts": lambda x: np.histogram(x, bins=4)[0],
    "histogram of edges": lambda x: np.histogram(x, bins=[-1.0, 0.0, 1.0])[0],
    "bincount": lambda x: np.bincount(np.array([0, 2, 2]), minlength=4),
    "unique counts": lambda x: np.unique(np.round(x), return_counts=True)[1],
}


@pytest.mark.parametrize("name", WITHOUT_DERIVATIVE)
def test_positions_and_counts_are_numpys(name: str) -> None:
    function = WITHOUT_DERIVATIVE[name]
    assert_array_equal(value(function, X), _float(function(X)))


@pytest.mark.parametrize("name", WITHOUT_DERIVATIVE)
def test_positions_and_counts_have_derivative_zero(name: str) -> None:
    function = WITHOUT_DERIVATIVE[name]
    found = wg.grad(lambda x: np.sum(x) + np.sum(function(x)))(X)
    assert_array_equal(found, np.ones(X.shape))


def test_unique_values_keep_the_derivative_of_their_first_occurrence() -> None:
    x = np.array([2.0, 1.0, 2.0])
    found = wg.grad(lambda x: np.sum(np.unique(x) * np.array([10.0, 1.0])))(x)
    assert_array_equal(found, [1.0, 10.0, 0.0])


# ------------------------------------------------------------------------------------ interpolation

NODES, HEIGHTS = np.array([-1.0, 0.0, 0.5, 2.0]), np.array([0.3, -1.0, 2.0, 0.1])


@pytest.mark.parametrize("options", [{}, {"left": 5.0, "right": -5.0}, {"period": 2.7}])
def test_interpolated_values_are_numpys(options: Any) -> None:
    x = np.concatenate([X.ravel(), NODES, [np.nan, 2.5, -7.0]])
    out, _ = wg.jvp(lambda x: np.interp(x, NODES, HEIGHTS, **options), (x,), (np.ones_like(x),))
    assert_allclose(out, np.interp(x, NODES, HEIGHTS, **options), rtol=1e-15, atol=1e-15)


def test_interpolation_reaches_nodes_and_ends() -> None:
    def total(x: Any, xp: Any, fp: Any, left: Any) -> Any:
        return np.sum(np.sin(np.interp(x, xp, fp, left=left)))

    wg.check_grads(total, (np.array([0.1, 1.0, -3.0, 3.0]), NODES, HEIGHTS, 0.7))


def test_interpolation_at_a_node_takes_the_slope_to_its_right() -> None:
    slope = wg.grad(lambda x: np.interp(x, NODES, HEIGHTS))
    assert_allclose(slope(0.0), 6.0)
    assert_allclose(slope(2.0), -1.9 / 1.5)
    assert slope(2.1) == 0.0


def test_interpolation_refuses_what_numpy_refuses() -> None:
    for bad in ((NODES, HEIGHTS[:2]), (NODES[None], HEIGHTS[None])):
        with pytest.raises(ValueError, match=r"length|deep|1-D"):
            wg.grad(lambda x, bad=bad: np.interp(x, *bad))(0.3)
    with pytest.raises(ValueError, match="period"):
        wg.grad(lambda x: np.interp(x, NODES, HEIGHTS, period=0))(0.3)


# --------------------------------------------------------------------------------------- applying


def test_apply_along_axis_places_what_a_slice_becomes() -> None:
    def outer(row: Any) -> Any:
        return np.outer(row, row)

    out, _ = wg.jvp(lambda x: np.apply_along_axis(outer, 0, x), (X,), (X,))
    assert_array_equal(out, np.apply_along_axis(outer, 0, X))


def test_apply_over_axes_keeps_dimensions() -> None:
    found = wg.grad(lambda x: np.sum(np.apply_over_axes(np.sum, x, [0, -1]) ** 2))(X)
    assert_allclose(found, np.full(X.shape, 2 * X.sum()), rtol=1e-14)


def test_a_number_is_copied_into_an_array() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        np.copyto(y, 1.5, where=x > 1)
        return np.sum(y**2)

    assert_allclose(wg.grad(f)(np.array([0.5, 2.0])), [4.0, 0.0])


def test_tolerances_may_be_traced() -> None:
    ones = np.ones(2)
    assert wg.grad(lambda x: x * np.allclose(ones, ones + 0.1, atol=x))(0.2) == 1.0
    assert wg.grad(lambda x: x * np.isclose(1.0, 1.1, rtol=x))(0.01) == 0.0
