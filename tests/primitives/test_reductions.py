"""Reductions and cumulative functions: NumPy's values, zeros in products, ties, empty inputs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

import wengert as wg
from wengert.primitives.logsumexp import log_softmax, logsumexp, softmax

# fmt: off
NAMES = [
    "sum", "mean", "prod", "var", "std", "max", "min", "ptp", "median", "cumsum", "cumprod",
    "nansum", "nanmean", "nanprod", "nanvar", "nanstd", "nanmax", "nanmin", "nanmedian",
    "nancumsum", "nancumprod", "sort", "amax", "amin",
]
# fmt: on
WITHOUT_NAN = np.random.default_rng(0).standard_normal((3, 4))
INPUTS = {
    "float64": WITHOUT_NAN,
    "float32": WITHOUT_NAN.astype(np.float32),
    "float16": WITHOUT_NAN.astype(np.float16),
    "longdouble": WITHOUT_NAN.astype(np.longdouble),
    "complex64": (WITHOUT_NAN * (1 - 2j)).astype(np.complex64),
    "big-endian": WITHOUT_NAN.astype(">f8"),
    "not contiguous": np.asfortranarray(WITHOUT_NAN)[::-1, ::2],
    "with NaN": np.where(WITHOUT_NAN > 0.9, np.nan, WITHOUT_NAN),
    "a number": np.float32(2.5),
}


def traced(function: Any, x: Any) -> tuple[Any, Any]:
    """Value and tangent of a function, as it comes out of a trace."""
    tangent = np.ones(x.shape, x.dtype) if x.shape else x.dtype.type(1)
    return wg.jvp(function, (x,), (tangent,))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_dtypes_are_numpys_to_the_last_bit(name: str, kind: str, axis: Any) -> None:
    x = INPUTS[kind]
    function = getattr(np, name)
    try:
        expected = function(x, axis=axis)
    except Exception as error:
        with pytest.raises(type(error)):
            traced(lambda x: function(x, axis=axis), x)
        return
    out, tangent = traced(lambda x: function(x, axis=axis), x)
    assert np.shape(out) == np.shape(expected)
    assert out.dtype == expected.dtype
    assert tangent.dtype == expected.dtype
    assert_array_equal(out, expected)


@pytest.mark.parametrize(
    "name", ["sum", "mean", "prod", "max", "min", "std", "nansum", "any", "count_nonzero"]
)
def test_an_axis_out_of_range_is_numpys_error(name: str) -> None:
    with pytest.raises(np.exceptions.AxisError):
        traced(lambda x: getattr(np, name)(x, axis=2), WITHOUT_NAN)


def test_a_repeated_axis_is_numpys_error() -> None:
    with pytest.raises(ValueError, match=r"duplicate|repeated"):
        traced(lambda x: np.sum(x, axis=(0, 0)), WITHOUT_NAN)


def test_the_maximum_of_nothing_is_numpys_error() -> None:
    with pytest.raises(ValueError, match="zero-size"):
        wg.grad(lambda x: np.max(x))(np.zeros(0))


def test_a_mask_for_the_maximum_needs_an_initial_value() -> None:
    with pytest.raises(ValueError, match="identity"):
        wg.grad(lambda x: np.max(x, where=x > 0))(np.ones(3))


def test_the_sum_of_nothing_is_zero() -> None:
    assert_array_equal(wg.grad(lambda x: np.sum(x) + np.prod(x))(np.zeros(0)), np.zeros(0))


def test_a_mask_keeps_what_it_excludes_out_of_the_derivative() -> None:
    x = np.array([1.0, np.nan, 3.0])
    mask = np.array([True, False, True])
    assert_array_equal(wg.grad(lambda x: np.mean(x, where=mask))(x), [0.5, 0.0, 0.5])
    assert_array_equal(wg.grad(lambda x: np.max(x, where=mask, initial=0))(x), [0.0, 0.0, 1.0])


def test_an_initial_value_that_wins_takes_the_derivative() -> None:
    assert_array_equal(wg.grad(lambda x: np.max(x, initial=5.0))(np.ones(2)), [0.0, 0.0])
    x = np.array([[1.0, 2.0]])
    assert_array_equal(wg.grad(lambda x: np.min(x[0], initial=x[0, 0] - 1))(x), [[1.0, 0.0]])


def test_out_may_be_given_by_position() -> None:
    def total(x: Any) -> Any:
        out = x[0] * 0
        np.sum(x, 0, None, out, False)
        return np.sum(out**2)

    x = np.arange(6.0).reshape(2, 3)
    assert_array_equal(wg.grad(total)(x), np.broadcast_to(2 * x.sum(0), (2, 3)))


# ------------------------------------------------------------------------------------------- ties


@pytest.mark.parametrize("function", [np.max, np.min, np.nanmax, np.nanmin])
def test_ties_share_the_derivative_equally(function: Any) -> None:
    assert_allclose(wg.grad(function)(np.full(4, 2.0)), np.full(4, 0.25))
    x = np.array([[1.0, 1.0], [0.0, 2.0]])
    found = wg.grad(lambda x: np.sum(function(x, axis=1)))(x)
    assert_array_equal(found[0], [0.5, 0.5])


def test_ptp_of_a_constant_array_has_derivative_zero() -> None:
    assert_array_equal(wg.grad(np.ptp)(np.ones(3)), np.zeros(3))


def test_a_nan_is_the_maximum_and_passes_no_derivative_on() -> None:
    assert_array_equal(wg.grad(np.max)(np.array([1.0, np.nan])), [0.0, 0.0])


# --------------------------------------------------------------------------------------- products


def others(x: np.ndarray, *left_out: int) -> float:
    return float(np.prod(np.delete(x, left_out)))


@pytest.mark.parametrize("zeros", [(), (1,), (0, 3), (0, 1, 2)])
@pytest.mark.parametrize("size", [1, 4, 7])
def test_first_and_second_derivatives_of_a_product_with_zeros(size: int, zeros: Any) -> None:
    x = np.linspace(0.5, 2.0, size)
    x[[k for k in zeros if k < size]] = 0
    gradient = [others(x, k) for k in range(size)]
    hessian = [[0.0 if j == k else others(x, j, k) for k in range(size)] for j in range(size)]
    assert_allclose(wg.grad(np.prod)(x), gradient, rtol=1e-14)
    assert_allclose(wg.jacobian(wg.grad(np.prod))(x), hessian, rtol=1e-13, atol=0)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_products_of_large_and_infinite_elements_need_no_division() -> None:
    assert_array_equal(wg.grad(np.prod)(np.array([np.inf, 0.0])), [0.0, np.inf])
    assert_array_equal(wg.grad(np.prod)(np.array([1e-200, 1e-200, 1.0])), [1e-200, 1e-200, 0.0])


@pytest.mark.parametrize("zeros", [(), (0,), (2,), (1, 4), (5,)])
def test_derivatives_of_a_cumulative_product_with_zeros(zeros: Any) -> None:
    x = np.linspace(0.5, 2.0, 6)
    x[list(zeros)] = 0
    expected = np.zeros((6, 6))
    for row, column in itertools.product(range(6), repeat=2):
        if column <= row:
            expected[row, column] = others(x[: row + 1], column)
    for mode in ("fwd", "rev"):
        found = np.stack([_column(np.cumprod, x, k, mode) for k in range(6)], axis=1)
        assert_allclose(found, expected, rtol=1e-14, atol=0)


def _column(function: Any, x: np.ndarray, k: int, mode: str) -> np.ndarray:
    """One column of a Jacobian."""
    if mode == "fwd":
        return wg.jvp(function, (x,), (np.eye(len(x))[k],))[1]
    return np.array([wg.grad(lambda x, j=j: function(x)[j])(x)[k] for j in range(len(x))])


# ------------------------------------------------------------------------------------------- NaN


@pytest.mark.parametrize(
    "name", ["nansum", "nanmean", "nanprod", "nanvar", "nanstd", "nanmax", "nanmin", "nanmedian"]
)
def test_nan_variants_are_the_plain_function_of_what_is_not_nan(name: str) -> None:
    x = np.array([1.0, np.nan, 3.0, -0.5, np.nan, 0.3])
    good = ~np.isnan(x)
    expected = np.zeros(6)
    expected[good] = wg.grad(getattr(np, name.removeprefix("nan")))(x[good])
    assert_allclose(wg.grad(getattr(np, name))(x), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["nanmean", "nanvar", "nanstd", "nanmax", "nanmedian"])
def test_a_slice_of_nothing_but_nan_passes_no_derivative_on(name: str) -> None:
    x = np.array([[np.nan, np.nan], [1.0, 2.0]])

    def second(x: Any) -> Any:
        return getattr(np, name)(x, axis=1)[1]

    found = wg.grad(second)(x)
    assert_array_equal(found[0], [0.0, 0.0])
    assert np.isfinite(found).all()


# ------------------------------------------------------------------------------------- logsumexp

ROWS = np.array([[1.0, -np.inf, 2.0], [-np.inf, -np.inf, 0.0], [800.0, 1.0, -800.0]])


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_exponentials_agree_with_scipy(dtype: Any, axis: Any) -> None:
    eps = np.finfo(dtype).eps
    for x in (ROWS.astype(dtype), WITHOUT_NAN.astype(dtype)):
        for ours, theirs in (
            (logsumexp, special.logsumexp),
            (softmax, special.softmax),
            (log_softmax, special.log_softmax),
        ):
            out = wg.jvp(lambda x, f=ours: f(x, axis=axis), (x,), (np.ones_like(x),))[0]
            expected = theirs(x, axis=axis)
            assert out.dtype == expected.dtype
            assert_allclose(out, expected, rtol=4 * eps, atol=4 * eps)


def test_logsumexp_keeps_what_is_small_beside_the_largest() -> None:
    x = np.array([0.0, -40.0])
    out, _ = wg.jvp(logsumexp, (x,), (x,))
    assert_allclose(out, np.exp(-40.0), rtol=1e-15)


def test_logsumexp_of_a_row_masked_altogether_has_derivative_zero() -> None:
    x = np.array([[-np.inf, -np.inf], [0.0, 0.0]])
    found = wg.grad(lambda x: np.sum(np.exp(logsumexp(x, axis=1))))(x)
    assert_array_equal(found, [[0.0, 0.0], [1.0, 1.0]])
    hessian = wg.jacobian(wg.grad(lambda x: logsumexp(x, axis=1)[1]))(x)
    assert np.isfinite(hessian).all()


def test_logsumexp_with_weights_and_signs() -> None:
    x, b = np.array([1.0, 2.0, 3.0]), np.array([1.0, -2.0, 0.5])
    for ours, theirs in zip(
        wg.jvp(lambda x: logsumexp(x, b=b, return_sign=True), (x,), (x,))[0],
        special.logsumexp(x, b=b, return_sign=True),
        strict=True,
    ):
        assert_allclose(ours, theirs, rtol=1e-14)
    shares = b * np.exp(x) / np.sum(b * np.exp(x))
    found = wg.grad(lambda x: logsumexp(x, b=b, return_sign=True)[0])(x)
    assert_allclose(found, shares, rtol=1e-13)


def test_logsumexp_of_nothing_is_minus_infinity() -> None:
    assert logsumexp(np.zeros(0)) == -np.inf


def test_the_gradient_of_logsumexp_is_softmax() -> None:
    found = wg.grad(lambda x: np.sum(logsumexp(x, axis=0)))(WITHOUT_NAN)
    assert_allclose(found, special.softmax(WITHOUT_NAN, axis=0), rtol=1e-13)


def test_the_mean_of_nothing_has_an_empty_gradient():
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="empty slice"):
        gradient = wg.grad(np.mean)(np.zeros((0, 3)))
    assert gradient.shape == (0, 3)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_extremes_so_far_share_ties_as_the_extreme_of_the_elements_so_far(
    name: str, axis: int
) -> None:
    ufunc = getattr(np, name)
    x = np.random.default_rng(0).integers(0, 3, (6, 7)).astype(float)
    weights = np.random.default_rng(1).normal(size=x.shape)

    def at_once(x: Any) -> Any:
        return np.sum(ufunc.accumulate(x, axis=axis) * weights)

    def one_by_one(x: Any) -> Any:
        rows, factors = np.moveaxis(x, axis, 0), np.moveaxis(weights, axis, 0)
        parts = [ufunc.reduce(rows[: k + 1], axis=0) * factors[k] for k in range(len(factors))]
        return np.sum(np.stack(parts))

    expected = wg.grad(one_by_one)(x)
    assert_allclose(wg.grad(at_once)(x), expected, atol=1e-12)
    assert_allclose(wg.jvp(at_once, (x,), (weights,))[1], np.sum(expected * weights))
    assert_allclose(wg.vmap(wg.grad(at_once))(np.stack([x, x]))[1], expected, atol=1e-12)
    x[2, 3], x[3, 3], x[4, 1], x[1, 1] = np.inf, np.inf, -np.inf, np.nan
    running = wg.jvp(lambda x: ufunc.accumulate(x, axis=axis), (x,), (weights,))[0]
    assert_array_equal(running, ufunc.accumulate(x, axis=axis))
