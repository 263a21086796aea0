"""Elementwise functions: what the registry's tests cannot know.

Coverage, kinks that spellings share, extremes, layouts in memory, the methods of ufuncs.
"""

from __future__ import annotations

import warnings
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special as special

import wengert as wg
from wengert import check_grads
from wengert.errors import UnsupportedFunctionError
from wengert.primitives.family import Elementwise, LocallyConstant
from wengert.primitives.registry import REGISTRY
from wengert.tape.tape import Tape

UFUNCS = sorted({u for u in vars(np).values() if isinstance(u, np.ufunc)}, key=lambda u: u.__name__)
WITHOUT_FLOATS = {"bitwise_count", "isnat"}  # of integers, of dates


def derivative(f: Any, x: Any) -> Any:
    """The derivative in reverse mode, which forward mode must agree with."""
    with np.errstate(all="ignore"):
        found = wg.grad(f)(x)
        np.testing.assert_array_equal(wg.jvp(f, (x,), (np.ones_like(x)[()],))[1], found)
    return found


# ---------------------------------------------------------------------------------------- coverage


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda u: u.__name__)
def test_every_ufunc_of_numpy_is_declared_or_takes_no_floats(ufunc: np.ufunc) -> None:
    assert (ufunc in REGISTRY.by_function) != (ufunc.__name__ in WITHOUT_FLOATS)


USED = """
    erf erfc erfinv erfcinv erfcx ndtr log_ndtr ndtri expit logit log_expit exprel exp2 exp10 expm1
    log1p cosm1 cbrt sinc gamma gammaln loggamma digamma psi polygamma beta betaln xlogy xlog1py
    entr rel_entr kl_div boxcox boxcox1p inv_boxcox huber pseudo_huber j0 j1 jv y0 y1 i0 i0e i1 i1e
"""


@pytest.mark.parametrize("name", USED.split())
def test_what_people_use_of_scipy_special_is_declared(name: str) -> None:
    assert getattr(special, name) in REGISTRY.by_function


@pytest.mark.parametrize(
    "declared", [p for p in REGISTRY if isinstance(p, LocallyConstant)], ids=lambda p: p.name
)
def test_what_is_locally_constant_gives_plain_results_inside_a_trace(declared: Any) -> None:
    for sample in declared.samples:
        args = sample.args
        for k in sample.differentiable:
            if np.asarray(args[k]).dtype.kind != "f" or "prototype" in declared.operands:
                continue

            def f(x: Any, args: Any = args, k: int = k, kwargs: Any = sample.kwargs) -> Any:
                found = declared(*args[:k], x, *args[k + 1 :], **kwargs)
                expected = declared(*args, **kwargs)
                for part, plain in zip(_parts(found), _parts(expected), strict=True):
                    np.testing.assert_array_equal(np.asarray(part), plain)
                return np.sum(x)

            wg.grad(f)(args[k])


def _parts(x: Any) -> Any:
    return x if isinstance(x, tuple) else (x,)


# ----------------------------------------------------------------------------- kinks and spellings


@pytest.mark.parametrize(
    "relu",
    [
        lambda x: np.maximum(x, 0),
        lambda x: np.maximum(0, x),
        lambda x: np.fmax(x, 0.0),
        lambda x: np.clip(x, 0, None),
        lambda x: np.where(x > 0, x, 0),
        lambda x: x * (x > 0),
        lambda x: -np.minimum(-x, 0),
        lambda x: x.clip(0),
    ],
)
def test_spellings_of_relu_agree_at_zero(relu: Any) -> None:
    np.testing.assert_array_equal(
        wg.grad(lambda x: np.sum(relu(x)))(np.array([-1.0, 0.0, 2.0])), [0, 0, 1]
    )


def test_spellings_of_the_absolute_value_agree_at_zero() -> None:
    spellings = (
        np.abs,
        np.fabs,
        abs,
        lambda x: np.sign(x) * x,
        lambda x: np.copysign(x, 1.0),
        lambda x: np.hypot(x, 0.0),
    )
    assert [derivative(f, 0.0) for f in spellings] == [0.0] * len(spellings)


def test_clip_gives_zero_at_constant_bounds_and_keeps_nan() -> None:
    x = np.array([-2.0, -1.0, 0.5, 1.0, 2.0, np.nan])
    value, gradient = wg.value_and_grad(lambda x: np.sum(np.clip(x, -1, 1) * np.arange(6)))(x)
    assert np.isnan(value)
    np.testing.assert_array_equal(gradient[:5], [0, 0, 2, 0, 0])


def test_clip_takes_the_bounds_that_numpy_takes() -> None:
    x = np.array([-2.0, 0.5, 2.0])
    calls = [
        lambda x: np.clip(x, None, 1),
        lambda x: np.clip(x, -1, None),
        lambda x: np.clip(x, max=1, min=0),
        lambda x: np.clip(x, None, None),
        lambda x: np.clip(x, [-1, 0, 1], 1.5),
        lambda x: x.clip(0),
        lambda x: x.clip(max=0),
    ]
    for f in calls:
        value, _ = wg.jvp(f, (x,), (x,))
        np.testing.assert_array_equal(value, f(x))
    for f, error in [
        (lambda x: np.clip(x, 1), TypeError),
        (lambda x: np.clip(x, 0, 1, min=2), ValueError),
    ]:
        with pytest.raises(error):
            wg.grad(lambda x, f=f: np.sum(f(x)))(x)
        with pytest.raises(error):
            f(x)


@pytest.mark.parametrize("exponent", [2, 3, 1, 0, 0.5, -1.0, np.array([2.0]), np.float64(3.0)])
def test_powers_at_zero_follow_the_polynomial(exponent: Any) -> None:
    n = float(np.ravel(exponent)[0])
    expected = {2: 0, 3: 0, 1: 1, 0: 0, 0.5: np.inf, -1.0: -np.inf}[n]
    assert derivative(lambda x: np.sum(x**exponent), np.float64(0.0)) == expected
    np.testing.assert_array_equal(
        derivative(lambda x: np.sum(x**exponent), np.zeros(1)), [expected]
    )


def test_second_derivatives_of_powers_at_zero() -> None:
    second = wg.grad(wg.grad(lambda x: x**2))
    assert second(0.0) == 2.0
    assert wg.grad(wg.grad(lambda x: x ** np.array(3)))(0.0) == 0.0
    assert wg.grad(wg.grad(lambda x: x**2.5))(0.0) == 0.0


def test_a_power_of_zero_has_no_derivative_by_its_exponent() -> None:
    for x1 in (0.0, np.zeros(())):
        assert wg.grad(lambda n, x1=x1: np.power(x1, n))(2.0) == 0.0
    assert wg.grad(lambda n: np.power(0.0 * n, n))(2.0) == 0.0


def test_python_numbers_at_a_pole_give_infinity_not_an_exception() -> None:
    assert derivative(np.log, 0.0) == np.inf
    assert derivative(np.arctanh, 1.0) == np.inf
    assert derivative(lambda x: x**0.5, 0.0) == np.inf
    assert derivative(lambda x: np.divide(x, 0.0), 1.0) == np.inf
    assert derivative(lambda x: x * 0.0 + np.sqrt(x), 0.0) == np.inf


def test_nan_to_num_replaces_and_gives_zero_there() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 2.0])
    f = lambda x: np.nan_to_num(x, nan=1.0, posinf=3.0)  # noqa: E731
    value, tangent = wg.jvp(f, (x,), (np.ones(4),))
    np.testing.assert_array_equal(value, f(x))
    np.testing.assert_array_equal(tangent, [0, 0, 0, 1])

    def in_place(x: Any) -> Any:
        y = x * 1.0
        np.nan_to_num(y, copy=False)
        return np.sum(y)

    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(wg.grad(in_place)(x), [0, 0, 0, 1])


def test_a_not_a_number_is_passed_over_by_fmax_and_fmin() -> None:
    x = np.array([np.nan, 1.0, np.nan])
    y = np.array([2.0, np.nan, np.nan])
    for f in (np.fmax, np.fmin):
        dx, dy = wg.grad(lambda x, y, f=f: np.sum(f(x, y)), (0, 1))(x, y)
        np.testing.assert_array_equal(dx[:2], [0, 1])
        np.testing.assert_array_equal(dy[:2], [1, 0])


# ---------------------------------------------------------------------------------------- extremes


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (np.tanh, 800.0, 0.0),
        (np.exp, -1000.0, 0.0),
        (np.log1p, 1e300, 1e-300),
        (np.arcsinh, 1e200, 1e-200),
        (np.arccosh, 1e200, 1e-200),
        (np.arctan, 1e200, 0.0),
        (lambda x: np.hypot(x, 1e200), 1e200, np.sqrt(0.5)),
        (lambda x: np.arctan2(x, 1e-200), 1e-200, 5e199),
        (lambda x: np.arctan2(x, 0.0), 0.0, 0.0),
        (lambda x: np.logaddexp(x, 0.0), 1000.0, 1.0),
        (lambda x: np.logaddexp(x, 0.0), -1000.0, 0.0),
        (lambda x: np.logaddexp(x, 0.0), np.inf, 1.0),
        (lambda x: np.logaddexp(x, -np.inf), -np.inf, 1.0),
        (lambda x: np.logaddexp2(x, -np.inf), -np.inf, 1.0),
        (special.expit, 1000.0, 0.0),
        (special.expit, -1000.0, 0.0),
        (special.log_expit, -1000.0, 1.0),
        (special.log_expit, 1000.0, 0.0),
        (special.log_ndtr, 100.0, 0.0),
        (special.log_ndtr, -1e6, 1e6),
        (special.softplus, 1000.0, 1.0),
        (special.exprel, -1e8, 1e-16),
        (lambda x: special.xlogy(0.0, x), 0.0, 0.0),
    ],
)
def test_extremes_make_no_nan_to_second_order(f: Any, x: float, expected: float) -> None:
    def along(x: Any) -> Any:
        # The Python functions of SciPy have mirrors, which is what user code meets.
        return wg.scipy.special.softplus(x) if f is special.softplus else f(x)

    assert derivative(along, x) == pytest.approx(expected, rel=1e-9)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.errors.DisconnectedWarning)  # of what is constant by now
        assert not np.isnan(wg.grad(wg.grad(along))(x))


@pytest.mark.parametrize(
    ("f", "exact", "points"),
    [
        (np.sinc, lambda x: mpmath.sincpi(x), [1e-9, 0.05, 0.29, 0.31, 2.5]),
        (special.exprel, lambda x: mpmath.expm1(x) / x, [1e-9, 0.5, 0.99, 1.01, -3.0]),
        (
            special.erfcx,
            lambda x: mpmath.exp(x * x) * mpmath.erfc(x),
            [-2.0, 0.1, 20.0, 49.0, 51.0, 1e5],
        ),
        (
            special.dawsn,
            lambda x: mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x),
            [0.1, 20.0, 49.0, 51.0, -60.0],
        ),
        (special.log_ndtr, lambda x: mpmath.log(mpmath.ncdf(x)), [-30.0, -5.0, -0.1, 0.0, 3.0]),
        (special.ellipk, mpmath.ellipk, [1e-6, 0.049, 0.051, 0.9, -3.0]),
        (special.ellipe, mpmath.ellipe, [1e-6, 0.049, 0.051, 0.9, -3.0]),
        (special.rgamma, lambda x: mpmath.rgamma(x), [0.0, -1.0, -2.0, 1.5, -0.5]),
        (special.psi, mpmath.psi, [-0.3, 0.2, 30.0]),
    ],
    ids=["sinc", "exprel", "erfcx", "dawsn", "log_ndtr", "ellipk", "ellipe", "rgamma", "psi"],
)
def test_derivatives_that_cancel_agree_with_many_digits(f: Any, exact: Any, points: Any) -> None:
    with mpmath.workdps(60):
        if f is special.psi:
            expected = [float(mpmath.psi(1, x)) for x in points]
        else:
            expected = [float(mpmath.diff(exact, mpmath.mpf(x))) for x in points]
    found = [wg.grad(f)(x) for x in points]
    np.testing.assert_allclose(found, expected, rtol=2e-12)


def test_both_infinities_share_a_logaddexp() -> None:
    assert wg.grad(np.logaddexp, (0, 1))(-np.inf, -np.inf) == (0.5, 0.5)
    assert wg.grad(np.logaddexp, (0, 1))(-np.inf, 0.0) == (0.0, 1.0)
    assert wg.grad(np.logaddexp, (0, 1))(1.0, 1.0) == pytest.approx((0.5, 0.5), rel=1e-15)


# ------------------------------------------------------------------------------ dtypes and layouts


LAYOUTS = {
    "big-endian": lambda x: x.astype(">f8"),
    "non-contiguous": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "reversed": lambda x: x[::-1].copy()[::-1] if x.ndim else x,
    "fortran": np.asfortranarray,
    "read-only": lambda x: _read_only(x),
    "0-d": lambda x: np.array(x.ravel()[0]) if x.size else x,
}
REAL_UNARY = [
    (p, s)
    for p in REGISTRY
    if isinstance(p, Elementwise) and len(p.operands) == 1
    for s in p.samples[:1]
    if s.differentiable and s.args[0].dtype == float
]


def _read_only(x: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", REAL_UNARY, ids=lambda case: case[0].name)
def test_the_layout_in_memory_does_not_matter(case: Any, layout: str) -> None:
    primitive, sample = case
    f = lambda x: np.real(np.sum(primitive(x, **sample.kwargs)))  # noqa: E731
    plain = sample.args[0]
    x = LAYOUTS[layout](plain)
    before = x.copy()
    gradient = wg.grad(f)(x)
    assert isinstance(gradient, np.ndarray | np.generic)
    assert gradient.shape == x.shape
    assert gradient.dtype == x.dtype
    expected = wg.grad(f)(np.array(x, float))
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)
    np.testing.assert_array_equal(x, before)


def test_weak_python_numbers_keep_float32() -> None:
    x = np.array([0.5, 1.5], np.float32)
    calls = [
        lambda x: 2**x,
        lambda x: x**2.5,
        lambda x: 1 / x,
        lambda x: np.hypot(x, 1.0),
        lambda x: np.arctan2(2.0, x),
        lambda x: np.logaddexp(x, 1.0),
        lambda x: np.copysign(x, -1.0),
        lambda x: np.remainder(5.0, x),
        lambda x: np.clip(x, 0.1, 1.0),
        lambda x: np.maximum(0.7, x),
        lambda x: np.nan_to_num(x),
        lambda x: np.sinc(x),
        lambda x: np.heaviside(x, 0.5) * x,
        lambda x: np.sign(x) * x,
    ]
    for f in calls:
        value, tangent = wg.jvp(f, (x,), (np.ones(2, np.float32),))
        assert value.dtype == tangent.dtype == f(x).dtype == np.float32
        np.testing.assert_array_equal(value, f(x))


# -------------------------------------------------------------------------- several results, signs


def test_functions_with_two_results_agree_with_numpy() -> None:
    x = np.array([1.7, -2.3, 0.0, -0.5])
    for f in (np.modf, np.frexp, lambda x: np.divmod(x, 0.7), lambda x: divmod(x, 0.7)):
        (first, second), _ = wg.jvp(lambda x, f=f: tuple(1.0 * part for part in f(x)), (x,), (x,))
        for found, expected in zip((first, second), f(x), strict=True):
            np.testing.assert_array_equal(found, expected)
    check_grads(lambda x: np.sum(np.modf(x)[0] ** 2), (np.array([1.7, -2.3]),))
    check_grads(lambda x: np.sum(divmod(x, 0.7)[1] ** 2), (np.array([1.7, -2.3]),))
    check_grads(lambda x: np.sum(divmod(7.0, x)[1] ** 2), (np.array([1.7, -2.3]),))


def test_the_sign_of_a_complex_number_turns_with_it() -> None:
    z = np.array([1 + 2j, -0.5j, 3.0])
    check_grads(lambda z: np.sum(np.abs(np.sign(z) + 1) ** 2), (z,))
    np.testing.assert_array_equal(wg.jvp(np.sign, (z,), (z,))[0], np.sign(z))


def test_questions_are_answered_with_plain_values() -> None:
    x = np.array([1.0, np.inf, -np.inf, np.nan])
    asked = []

    def f(x: Any) -> Any:
        asked.append(
            (
                np.isposinf(x),
                np.isneginf(x),
                np.isreal(x),
                np.iscomplex(x),
                np.isrealobj(x),
                np.iscomplexobj(x),
                np.allclose(x, x),
                np.allclose(x, x, equal_nan=True),
                np.array_equal(x, x),
                np.array_equal(x, x, equal_nan=True),
                np.array_equiv(x, np.stack([x, x])),
                np.isclose(x, 1.0),
                np.round(x, 1),
                np.fix(x),
                np.signbit(x),
            )
        )
        return x[0]

    f(x)
    wg.grad(f)(x)
    for found, expected in zip(*asked, strict=True):
        assert type(found) is type(expected) or found.dtype.kind == "f"
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(TypeError):
        wg.grad(lambda x: np.sum(x * np.isposinf(x + 1j)))(x)


def test_a_parameter_without_rule_is_an_error_that_says_so() -> None:
    for f in (
        lambda v: special.jv(v, 1.0),
        lambda a: special.gammainc(a, 1.0),
        lambda n: special.eval_legendre(n, 0.5),
    ):
        with pytest.raises(UnsupportedFunctionError, match="no rule for the derivative"):
            wg.grad(f)(1.5)
        with pytest.raises(UnsupportedFunctionError, match="no rule for the derivative"):
            wg.jvp(f, (1.5,), (1.0,))


# ------------------------------------------------------------------------------- methods of ufuncs

# Not power and arctan2: in NumPy 2.4 their `reduce` differs from the ufunc applied step by step.
BINARY = [
    np.add,
    np.subtract,
    np.multiply,
    np.divide,
    np.maximum,
    np.minimum,
    np.fmax,
    np.hypot,
    np.logaddexp,
    np.logaddexp2,
]
METHODS = {
    "reduce": lambda u, x: u.reduce(x),
    "reduce of the last axis": lambda u, x: u.reduce(x, axis=-1, keepdims=True),
    "accumulate": lambda u, x: u.accumulate(x, axis=1),
    "reduceat": lambda u, x: u.reduceat(x, [0, 2, 1], axis=1),
    "outer": lambda u, x: u.outer(x[0], x[1:]),
    "outer with a number": lambda u, x: u.outer(x, 2.0),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ufunc", BINARY, ids=lambda u: u.__name__)
def test_methods_of_ufuncs_have_numpys_values_and_right_derivatives(
    ufunc: np.ufunc, method: str
) -> None:
    x = np.random.default_rng(1).uniform(0.5, 2.0, (3, 4))
    f = lambda x: METHODS[method](ufunc, x)  # noqa: E731
    value, _ = wg.jvp(f, (x,), (x,))
    np.testing.assert_array_equal(value, f(x))
    assert value.dtype == f(x).dtype
    check_grads(f, (x,))


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda u: u.__name__)
def test_at_meets_repeated_positions_one_after_the_other(ufunc: np.ufunc) -> None:
    rng = np.random.default_rng(2)
    x, values = rng.uniform(0.5, 2.0, (2, 4)), rng.uniform(0.5, 2.0, 5)
    places = (slice(None), np.array([0, 3, 0, 2, 0]))

    def f(x: Any, values: Any) -> Any:
        y = np.array(x)
        ufunc.at(y, places, values)
        return y

    def traced(x: Any, values: Any) -> Any:
        y = x * 1.0
        ufunc.at(y, places, values)
        return y

    np.testing.assert_allclose(
        wg.jvp(traced, (x, values), (x, values))[0], f(x, values), rtol=1e-15
    )
    check_grads(traced, (x, values))


def test_at_of_a_function_of_one_operand_applies_as_often_as_a_position_occurs() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        np.sin.at(y, [0, 0, 2])
        return np.sum(y)

    assert wg.grad(f)(np.ones(3)) == pytest.approx([np.cos(np.sin(1)) * np.cos(1), 1, np.cos(1)])


def test_at_of_add_costs_one_entry() -> None:
    def entries(count: int) -> int:
        tape = Tape(1)
        y, v = tape.input(np.zeros(10)) * 1.0, tape.input(np.ones(count))
        np.add.at(y, np.arange(count) % 10, v)
        return len(tape.end())

    assert entries(10) == entries(1000)


def test_running_extremes_are_shared_by_equal_elements() -> None:
    x = np.array([1.0, 1.0, 3.0, 2.0, 3.0])
    weights = np.array([1.0, 10.0, 100.0, 1000.0, 10000.0])
    found = wg.grad(lambda x: np.sum(np.maximum.accumulate(x) * weights))(x)
    np.testing.assert_allclose(found, [6, 5, 6100, 0, 5000])
    with_nan = np.array([1.0, np.nan, 3.0])
    value, _ = wg.jvp(np.maximum.accumulate, (with_nan,), (x[:3],))
    np.testing.assert_array_equal(value, np.maximum.accumulate(with_nan))


def test_a_method_that_numpy_refuses_is_refused() -> None:
    x = np.ones((2, 3))
    refused = [
        (lambda x: np.sin.reduce(x), ValueError),
        (lambda x: np.add.reduce(x, axis=5), np.exceptions.AxisError),
        (lambda x: np.subtract.reduce(x, axis=None), ValueError),
        (lambda x: np.divide.reduce(x[:0]), ValueError),
        (lambda x: np.maximum.accumulate(x, axis=3), np.exceptions.AxisError),
        (lambda x: np.logaddexp.accumulate(x[0, 0]), TypeError),
        (lambda x: np.multiply.reduceat(x, [7]), IndexError),
    ]
    for f, error in refused:
        with pytest.raises(error):
            wg.grad(lambda x, f=f: np.sum(f(x)))(x)
