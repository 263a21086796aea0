"""Statistics: NumPy's values, quantiles by every method, spreads at zero, differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.primitives.quantiles import METHODS

RNG = np.random.default_rng(3)
X = RNG.standard_normal((4, 5))
WITH_NAN = np.where(X > 0.8, np.nan, X)
WITH_NAN[2] = np.nan


def value(function: Any, x: Any) -> Any:
    return wg.jvp(function, (x,), (np.ones(x.shape, x.dtype),))[0]


# -------------------------------------------------------------------------------------- quantiles


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1)])
@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "NaN"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["quantile", "nanquantile", "percentile", "nanpercentile"])
def test_quantiles_are_numpys_to_the_last_bit(name: str, method: str, kind: str, axis: Any) -> None:
    x = WITH_NAN if kind == "NaN" else X.astype(kind)
    function = getattr(np, name)
    scale = 100 if "percentile" in name else 1
    for q in (
        0,
        1,
        0.0,
        0.37 * scale,
        scale * 1.0,
        [0.2 * scale, 0.75 * scale],
        np.float32(0.6 * scale),
    ):
        for keepdims in (False, True):
            options = {"axis": axis, "method": method, "keepdims": keepdims}
            expected = function(x, q, **options)
            out = value(lambda x, q=q, options=options: function(x, q, **options), x)
            assert np.shape(out) == np.shape(expected)
            assert out.dtype == expected.dtype
            assert_array_equal(out, expected)


def test_a_quantile_outside_the_unit_interval_is_an_error() -> None:
    with pytest.raises(ValueError, match="range"):
        wg.grad(lambda x: np.quantile(x, 1.5))(X)
    with pytest.raises(ValueError, match="method"):
        wg.grad(lambda x: np.quantile(x, 0.5, method="no such"))(X)


def test_a_quantile_can_be_traced() -> None:
    x = np.array([1.0, 5.0, 2.0, 4.0])
    assert_allclose(wg.grad(lambda q: np.quantile(x, q))(0.5), 3 * (4 - 2))
    with pytest.warns(wg.errors.DisconnectedWarning):
        assert wg.grad(lambda q: np.quantile(x, q, method="lower"))(0.5) == 0.0


def test_weighted_quantiles_pick_an_element() -> None:
    x, weights = np.array([3.0, 1.0, 2.0]), np.array([0.1, 0.2, 5.0])
    found = wg.grad(lambda x: np.quantile(x, 0.5, method="inverted_cdf", weights=weights))(x)
    assert_array_equal(found, [0.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="inverted_cdf"):
        wg.grad(lambda x: np.quantile(x, 0.5, weights=weights))(x)


def test_the_median_of_an_even_number_shares_between_two() -> None:
    assert_array_equal(wg.grad(np.median)(np.array([4.0, 1.0, 3.0, 2.0])), [0.0, 0.0, 0.5, 0.5])


# ----------------------------------------------------------------------------------------- spreads


@pytest.mark.parametrize("function", [np.std, np.nanstd])
def test_the_deviation_of_a_constant_array_has_derivative_zero(function: Any) -> None:
    x = np.full(4, 3.0)
    assert_array_equal(wg.grad(function)(x), np.zeros(4))
    assert wg.jvp(function, (x,), (np.arange(4.0),))[1] == 0
    assert_array_equal(wg.grad(lambda x: np.sum(function(x, axis=0)))(x[:, None]), np.zeros((4, 1)))
    assert_array_equal(wg.jacobian(wg.grad(function))(x), np.zeros((4, 4)))


@pytest.mark.parametrize(
    "options", [{"ddof": 1}, {"correction": 1.5}, {"keepdims": True}, {"axis": (0, 1)}]
)
@pytest.mark.parametrize("name", ["var", "std", "nanvar", "nanstd"])
def test_options_of_spreads(name: str, options: Any) -> None:
    function = getattr(np, name)
    assert_array_equal(value(lambda x: function(x, **options), X), function(X, **options))


def test_ddof_and_correction_together_are_an_error() -> None:
    with pytest.raises(ValueError, match="simultaneously"):
        wg.grad(lambda x: np.var(x, ddof=1, correction=1))(X)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_variance_without_degrees_of_freedom_warns_as_numpy_does() -> None:
    with pytest.warns(RuntimeWarning, match="Degrees of freedom"):
        wg.grad(lambda x: np.var(x, ddof=1))(np.ones(1))


@pytest.mark.parametrize("axis", [None, 0, (1, 0)])
def test_weighted_averages_are_numpys(axis: Any) -> None:
    weights = np.abs(X) if axis is None else np.abs(X[:, 0]) if axis == 0 else np.abs(X.T)
    expected = np.average(X, axis, weights, returned=True)
    found = wg.jvp(lambda x: np.average(x, axis, weights, returned=True), (X,), (X,))[0]
    for a, b in zip(found, expected, strict=True):
        assert_array_equal(a, b)


def test_weights_that_sum_to_zero_are_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        wg.grad(lambda x: np.average(x, weights=np.array([1.0, -1.0])))(np.ones(2))
    with pytest.raises(TypeError, match="Axis"):
        wg.grad(lambda x: np.average(x, weights=np.ones(5)))(X)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowvar": False},
        {"bias": True},
        {"fweights": [1, 2, 1, 1, 3]},
        {"aweights": np.arange(1.0, 6)},
    ],
)
def test_covariances_are_numpys(options: Any) -> None:
    expected = np.cov(X, **options)
    assert_allclose(value(lambda x: np.cov(x, **options), X), expected, rtol=1e-14, atol=1e-15)


def test_correlations_are_numpys() -> None:
    assert_allclose(value(np.corrcoef, X), np.corrcoef(X), rtol=1e-14)


# --------------------------------------------------------------------------------------- histogram


def test_edges_of_a_histogram_follow_the_extremes() -> None:
    x = np.array([1.0, 2.0, 4.0, 3.0])
    edges = value(lambda x: np.histogram(x, 3)[1], x)
    assert_array_equal(edges, np.histogram(x, 3)[1])
    gradient = wg.grad(lambda x: np.histogram(x, 3)[1][1])(x)
    assert_allclose(gradient, [2 / 3, 0, 1 / 3, 0], rtol=1e-15)


def test_weights_of_a_histogram_have_a_derivative() -> None:
    x = np.array([0.1, 0.9, 1.5, 7.0])
    edges = [0.0, 1.0, 2.0]
    found = wg.grad(lambda w: np.sum(np.histogram(x, edges, weights=w)[0] * np.array([2.0, 3.0])))
    assert_array_equal(found(np.ones(4)), [2.0, 2.0, 3.0, 0.0])


# ------------------------------------------------------------------------------------- differences


def test_differences_are_numpys() -> None:
    y = np.cumsum(np.abs(X), axis=1)
    spacing = np.array([0.0, 1.0, 3.0, 3.5])
    functions = {
        "diff": lambda x: np.diff(x, 2, axis=0),
        "diff ends": lambda x: np.diff(x, prepend=0.0, append=x[:, :2]),
        "ediff1d": lambda x: np.ediff1d(x, to_begin=[1.0], to_end=2.0),
        "trapezoid": lambda x: np.trapezoid(x, dx=0.3),
        "trapezoid x": lambda x: np.trapezoid(x, spacing, axis=0),
        "gradient": lambda x: np.gradient(x, 0.5, 2.0)[1],
        "gradient uneven": lambda x: np.gradient(x, spacing, axis=0, edge_order=2),
        "unwrap": lambda x: np.unwrap(4 * x, axis=1),
    }
    for function in functions.values():
        assert_array_equal(value(function, y), function(y))


def test_float32_stays_float32() -> None:
    x = X.astype(np.float32)
    for function in (np.diff, np.trapezoid, np.unwrap, lambda x: np.gradient(x, axis=0), np.ptp):
        assert value(function, x).dtype == np.float32
        assert wg.grad(lambda x, f=function: np.sum(f(x)))(x).dtype == np.float32


def test_spacing_of_a_gradient_is_refused_if_it_does_not_fit() -> None:
    with pytest.raises(ValueError, match="1d"):
        wg.grad(lambda x: np.sum(np.gradient(x, np.ones(3), axis=0)))(X)
    with pytest.raises(TypeError, match="arguments"):
        wg.grad(lambda x: np.sum(np.gradient(x, 1.0, 2.0, 3.0)[0]))(X)
    with pytest.raises(ValueError, match="small"):
        wg.grad(lambda x: np.sum(np.gradient(x)))(np.ones(1))
