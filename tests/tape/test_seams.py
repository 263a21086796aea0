"""The seams of NumPy's protocols: code that only knows NumPy keeps its derivatives."""

from __future__ import annotations

import functools
import math
import threading
import types
from collections import ChainMap
from math import sin as early_sin
from typing import Any

import numpy as np
import pytest
import scipy.special
from numpy import linspace as early_linspace
from numpy import zeros as early_zeros
from numpy.testing import assert_allclose

import wengert as wg
from wengert import errors
from wengert.tape.array import Array

x = np.array([0.5, 1.2, 2.0])
data = np.arange(3.0)


def fill_zeros(p: Any) -> Any:
    r = np.zeros(3)
    for i in range(3):
        r[i] = p[i] * p[0]
    return np.sum(r * r)


def fill_empty(p: Any) -> Any:
    r = np.empty((3, 2))
    r[:, 0] = p
    r[:, 1] = p[::-1] ** 2
    return np.sum(r[:, 0] * r[:, 1])


def alias_of_ones(p: Any) -> Any:
    h = np.ones(3)
    k = h
    h *= p
    return np.sum(k * k)


def full_of_traced(p: Any) -> Any:
    return np.sum(np.full((2, 3), p[0]) * np.full(3, p) * np.full_like(data, p[1]))


def eye_times(p: Any) -> Any:
    a = np.eye(3)
    a[0, 1] = p[0]
    a[2] += p
    return np.sum(a @ p)


def rotation(p: Any) -> Any:
    c, s = np.cos(p[0]), np.sin(p[0])
    return np.sum(np.array([[c, -s], [s, c]]) @ p[1:])


def array_of_scalars(y: Any) -> Any:
    return np.sum(np.array([y[1], -np.sin(y[0]), 1.0]) * y)


def asarray(p: Any) -> Any:
    return np.sum(np.asarray(p) ** 2) + np.sum(np.asarray([p[0], 2.0, p[2]]) * data)


def plain_dot(p: Any) -> Any:
    return data.dot(p) + np.arange(3.0).dot(p) * p[0]


def plain_in_place(p: Any) -> Any:
    plain = data * 2
    plain += p
    plain *= p
    return np.sum(plain * plain)


def sum_max_min(p: Any) -> Any:
    return sum(p) * max(p) + min(p) ** 2 + sum(v**3 for v in p)


def comprehension(p: Any) -> Any:
    return np.sum(np.array([[v * w for v in p] for w in p]))


def with_math(p: Any) -> Any:
    return math.sin(p[0]) * math.exp(p[1]) + math.log(p[2], 2) + math.hypot(*p) + math.pow(p[0], 3)


def more_math(p: Any) -> Any:
    return (
        math.fsum(p)
        + math.prod(p)
        + math.dist(p, [0.0, 1.0, 5.0])
        + math.atan2(p[0], p[1])
        + math.erf(p[0])
        + math.lgamma(p[1])
        + math.floor(p[2] + 0.5) * p[0]
        + math.fabs(p[0])
        + math.sqrt(p[1])
    )


def of_scipy(p: Any) -> Any:
    return (
        scipy.special.logsumexp(p)
        + np.sum(scipy.special.softmax(p) * data)
        + scipy.special.erf(p[0])
    )


def linspace_traced(p: Any) -> Any:
    return np.sum(np.linspace(p[0], p[1], 5) ** 2) + np.sum(np.arange(3) * p[2])


def object_array(p: Any) -> Any:
    cells = np.array([v * 2 for v in p], dtype=object)
    return np.sum(cells * cells) + np.dot(data, cells)


def view_of_constant(p: Any) -> Any:
    grid = np.zeros((3, 3))
    diagonal, row = grid[1], grid[2]
    diagonal[0] = p[0]
    row[:] = p * p
    return np.sum(grid[1, 0] * grid[2])


FUNCTIONS = [
    fill_zeros,
    fill_empty,
    alias_of_ones,
    full_of_traced,
    eye_times,
    rotation,
    array_of_scalars,
    asarray,
    plain_dot,
    plain_in_place,
    sum_max_min,
    comprehension,
    with_math,
    more_math,
    of_scipy,
    linspace_traced,
    object_array,
    view_of_constant,
]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_plain_numpy_code_keeps_its_derivatives(f: Any) -> None:
    wg.check_grads(f, (x,), order=2)


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_plain_numpy_code_is_batched(f: Any) -> None:
    if f in (sum_max_min, with_math, more_math, linspace_traced, object_array):
        pytest.skip("takes decisions or asks Python for numbers of one example")
    batch = np.stack([x, x + 0.1])
    assert_allclose(wg.vmap(f)(batch), [f(row) for row in batch], rtol=1e-12)


def test_the_modules_are_numpys_own_outside_a_trace() -> None:
    before = {name: getattr(np, name) for name in wg.numpy.__all__ if hasattr(np, name)}
    inside: list[Any] = []
    wg.grad(lambda v: inside.append(np.zeros) or v * 1.0)(1.0)
    assert inside[0] is not before["zeros"]
    assert all(getattr(np, name) is function for name, function in before.items())
    assert type(inside[0](3)) is np.ndarray  # kept by someone: it passes straight through


def test_the_modules_have_their_own_class_outside_a_trace() -> None:
    def f(v: Any) -> Any:
        assert type(np) is not types.ModuleType
        raise RuntimeError

    with pytest.raises(RuntimeError):
        wg.grad(f)(1.0)
    assert type(np) is type(math) is type(np.linalg) is types.ModuleType


def test_a_name_that_is_bound_anew_is_what_it_was_bound_to(monkeypatch: Any) -> None:
    def f(v: Any) -> Any:
        return np.ones(2) * v if np.ones is mock else v

    def mock(count: int) -> Any:
        return np.full(count, 5.0)

    with monkeypatch.context() as patch:
        patch.setattr(np, "ones", mock)
        assert_allclose(wg.jacobian(f)(1.0), [5.0, 5.0])
    assert_allclose(wg.jacobian(f)(1.0), 1.0)

    def g(v: Any) -> Any:  # and while a trace is active
        with monkeypatch.context() as patch:
            patch.setattr(np, "ones", mock)
            return np.sum(np.ones(2) * v)

    ones = np.ones
    assert wg.grad(g)(1.0) == 10.0
    assert np.ones is ones


def test_other_threads_get_plain_arrays() -> None:
    started, checked = threading.Event(), threading.Event()
    seen: list[Any] = []

    def other() -> None:
        started.wait(5)
        seen.append(type(np.zeros(3)))
        checked.set()

    def f(v: Any) -> Any:
        started.set()
        checked.wait(5)
        seen.append(type(np.zeros(3)))
        return v * 1.0

    thread = threading.Thread(target=other)
    thread.start()
    wg.grad(f)(1.0)
    thread.join()
    assert seen == [np.ndarray, Array]


def test_installed_packages_get_plain_arrays() -> None:
    seen: list[Any] = []

    def f(v: Any) -> Any:
        seen.append(type(scipy.special.roots_legendre(3)[0]))
        return v * 1.0

    wg.grad(f)(1.0)
    assert seen == [np.ndarray]


def test_extension_modules_get_plain_arrays() -> None:
    # numpy.random is compiled: it leaves no frame between user code and np.empty.
    def f(v: Any) -> Any:
        rng = np.random.default_rng(1)
        made = np.zeros(3).reshape(3) + rng.standard_normal(3)
        return np.sum(v * made * rng.uniform(size=3)) + np.sum(v * np.random.RandomState(1).rand(3))

    assert np.all(np.isfinite(wg.grad(f)(x)))


def test_other_names_of_an_intercepted_function_are_intercepted_too() -> None:
    def f(v: Any, make: Any = None) -> Any:
        zeros = np.zeros
        made = zeros(3)
        made[:] = v
        more = (make or np.zeros)(*(3,), dtype=float) if False else np.zeros(*(3,), dtype=float)
        more[0] = v[0]
        return np.sum(made * more)

    wg.check_grads(f, (x,))


def test_interception_can_be_switched_off() -> None:
    def f(v: Any) -> Any:
        made = np.zeros(1)
        made[0] = v
        return made[0]

    assert wg.grad(f)(2.0) == 1.0
    with wg.intercept(False), pytest.raises(errors.LostDerivativeError):
        wg.grad(f)(2.0)
    assert wg.grad(f)(2.0) == 1.0
    wg.intercept(False)
    try:
        with pytest.raises(errors.LostDerivativeError):
            wg.grad(f)(2.0)
    finally:
        wg.intercept(True)
    assert wg.grad(f)(2.0) == 1.0


def test_early_bound_names_are_errors_that_name_the_remedy() -> None:
    with pytest.raises(errors.LostDerivativeError, match=r"wg\.adapt"):
        wg.grad(lambda v: early_sin(v))(1.0)


def _helper(v: Any) -> Any:
    made = early_zeros(2)
    made[0] = early_sin(v)
    return made[0]


def test_adapt_rebinds_names_in_a_function_and_in_what_it_calls() -> None:
    def f(v: Any, depth: int = 2) -> Any:
        return _helper(v) if depth == 0 else f(v, depth - 1) * 1.0

    adapted = wg.adapt(f)
    assert_allclose(wg.grad(adapted)(0.3), np.cos(0.3))
    assert_allclose(adapted(0.3), early_sin(0.3))
    assert type(adapted(0.3)) in (float, np.float64)
    assert _helper.__globals__ is globals()
    part = wg.adapt(functools.partial(f, depth=1))
    assert_allclose(wg.jvp(part, (0.3,), (1.0,))[1], np.cos(0.3))
    with pytest.raises(TypeError, match="written in Python"):
        wg.adapt(len)


def test_adapt_reaches_methods_and_keyword_defaults() -> None:
    class Model:
        scale = 2.0

        def value(self, v: Any, *, power: int = 2) -> Any:
            return self.scale * early_sin(v) ** power

    assert_allclose(wg.grad(wg.adapt(Model().value))(0.3), 4 * np.sin(0.3) * np.cos(0.3))


def test_numpy_functions_that_were_bound_early_find_their_mirror() -> None:
    wg.check_grads(lambda v: np.sum(early_linspace(v, 2.0, 4) ** 2), (0.5,))


def test_the_mirrors_can_be_imported() -> None:
    import wengert.math as wmath
    import wengert.numpy as wnp
    from wengert.scipy import special

    assert wnp.sin is np.sin
    assert wnp.linalg is np.linalg
    assert wmath.pi == math.pi
    assert wmath.sin(1.0) == math.sin(1.0)
    assert type(wnp.zeros(3)) is np.ndarray
    assert special.erf is scipy.special.erf

    def f(v: Any) -> Any:
        made = wnp.zeros(2)
        made[1] = wmath.sin(v)
        return special.logsumexp(made)

    wg.check_grads(f, (0.4,))


def test_math_keeps_its_domain_errors() -> None:
    with pytest.raises(ValueError, match="math domain error"):
        wg.grad(lambda v: math.log(v))(-1.0)


def test_an_array_with_two_names_is_not_changed_behind_one_of_them() -> None:
    def f(v: Any) -> Any:
        plain = data * 2
        other = plain
        plain += v
        return np.sum(other)

    with pytest.raises(errors.LostDerivativeError, match="more than one name"):
        wg.grad(f)(x)
    with pytest.raises(errors.LostDerivativeError, match="plain ndarray"):
        wg.grad(lambda v: np.sum(np.add(v, 1.0, out=data)))(x)
    assert_allclose(data, [0.0, 1.0, 2.0])


def test_constants_inside_a_trace_go_to_c_code() -> None:
    def f(v: Any) -> Any:
        grid = np.zeros(4)
        grid[1] = 2.0
        return (
            v * np.interp(0.5, np.linspace(0.0, 3.0, 4), grid)
            + float(grid[1]) * v
            + ChainMap({0: v})[0]
        )

    assert np.isfinite(wg.grad(f)(1.0))
