"""Every transform composes with every other, to any order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg


def by_grad(f: Any) -> Any:
    return wg.grad(f)


def by_value_and_grad(f: Any) -> Any:
    return lambda x: wg.value_and_grad(f)(x)[1]


def by_elementwise_grad(f: Any) -> Any:
    return wg.elementwise_grad(f)


def by_jvp(f: Any) -> Any:
    return lambda x: wg.jvp(f, (x,), (1.0,))[1]


def by_vjp(f: Any) -> Any:
    return lambda x: wg.vjp(f, x)[1](1.0)[0]


def by_linearize(f: Any) -> Any:
    return lambda x: wg.linearize(f, x)[1](1.0)


def by_forward_jacobian(f: Any) -> Any:
    return wg.jacobian(f, mode="fwd")


def by_reverse_jacobian(f: Any) -> Any:
    return wg.jacobian(f, mode="rev")


def by_checkpoint(f: Any) -> Any:
    return wg.grad(wg.checkpoint(f))


def by_vmap_of_grad(f: Any) -> Any:
    return lambda x: np.sum(wg.vmap(wg.grad(f))(np.reshape(x, (1,))))


def by_grad_of_vmap(f: Any) -> Any:
    return wg.grad(lambda x: np.sum(wg.vmap(f)(np.reshape(x, (1,)))))


DERIVATIVES: list[Callable[[Any], Any]] = [
    by_grad,
    by_value_and_grad,
    by_elementwise_grad,
    by_jvp,
    by_vjp,
    by_linearize,
    by_forward_jacobian,
    by_reverse_jacobian,
    by_checkpoint,
    by_vmap_of_grad,
    by_grad_of_vmap,
]


def f(x: Any) -> Any:
    return np.sin(2.0 * x) * x


def second(x: float) -> float:
    return 4 * np.cos(2 * x) - 4 * x * np.sin(2 * x)


def third(x: float) -> float:
    return -12 * np.sin(2 * x) - 8 * x * np.cos(2 * x)


@pytest.mark.parametrize(
    ("outer", "inner"),
    list(itertools.product(DERIVATIVES, repeat=2)),
    ids=lambda d: d.__name__,
)
def test_two_derivatives_in_a_row(outer: Any, inner: Any) -> None:
    assert_allclose(outer(inner(f))(0.7), second(0.7), rtol=1e-12)


@pytest.mark.parametrize("middle", DERIVATIVES, ids=lambda d: d.__name__)
@pytest.mark.parametrize("ends", [by_grad, by_jvp, by_linearize], ids=lambda d: d.__name__)
def test_three_derivatives_in_a_row(ends: Any, middle: Any) -> None:
    assert_allclose(ends(middle(ends(f)))(0.7), third(0.7), rtol=1e-12)


def test_ten_derivatives_of_a_sine() -> None:
    derivative = np.sin
    for _ in range(10):
        derivative = wg.grad(derivative)
    assert_allclose(derivative(0.3), -np.sin(0.3), rtol=1e-12)


@pytest.mark.parametrize("outer", [by_grad, by_jvp], ids=lambda d: d.__name__)
@pytest.mark.parametrize("inner", [by_grad, by_jvp], ids=lambda d: d.__name__)
def test_perturbations_are_not_confused(outer: Any, inner: Any) -> None:
    # J. M. Siskind, B. A. Pearlmutter, "Perturbation confusion and referential transparency", 2005
    assert_allclose(outer(lambda x: x * inner(lambda y: x + y)(1.0))(1.0), 1.0)


def test_hessian_equals_jacobian_of_gradient_in_all_modes() -> None:
    x = np.array([0.3, -0.5, 0.9])

    def g(x: Any) -> Any:
        return np.sum(np.exp(x[0] * x) * np.sin(x[::-1]))

    expected = wg.hessian(g)(x)
    assert_allclose(expected, expected.T, rtol=1e-12)
    for outer, inner in itertools.product(("fwd", "rev"), repeat=2):
        found = wg.jacobian(wg.jacobian(g, mode=inner), mode=outer)(x)
        assert_allclose(found, expected, rtol=1e-12)
    columns = [wg.hvp(g, x, unit) for unit in np.eye(3)]
    assert_allclose(np.stack(columns), expected, rtol=1e-12)


def test_vmap_of_vmap_with_axes() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    product = wg.vmap(wg.vmap(np.dot, in_axes=(None, 1)), in_axes=(0, None))
    assert_allclose(product(a, b), a @ b)
    assert_allclose(wg.vmap(lambda x: x * 2, in_axes=1, out_axes=1)(a), a * 2)


def test_per_sample_gradients() -> None:
    rng = np.random.default_rng(0)
    w, x, y = rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=5)

    def loss(w: Any, x: Any, y: Any) -> Any:
        return (np.dot(w, x) - y) ** 2

    found = wg.vmap(wg.grad(loss), in_axes=(None, 0, 0))(w, x, y)
    assert_allclose(found, 2 * ((x @ w) - y)[:, None] * x, rtol=1e-12)


def test_the_linear_map_may_be_called_again_and_again() -> None:
    x = np.array([1.0, 2.0])
    out, jvp_fn = wg.linearize(lambda x: {"a": x**2, "b": np.sum(x)}, x)
    x[0] = 100.0  # the recording owns its values
    assert_allclose(out["a"], [1.0, 4.0])
    for _ in range(2):
        tangent = jvp_fn(np.array([1.0, 1.0]))
        assert_allclose(tangent["a"], [2.0, 4.0])
        assert_allclose(tangent["b"], 2.0)


def test_the_pullback_outlives_changes_of_its_arguments() -> None:
    x = np.array([1.0, 2.0, 3.0])
    _, vjp_fn = wg.vjp(lambda x: x**3, x)
    x[:] = 0.0
    assert_allclose(vjp_fn(np.ones(3))[0], [3.0, 12.0, 27.0])


def test_checkpoint_runs_its_function_again_and_keeps_operands_only() -> None:
    runs = []

    @wg.checkpoint
    def layer(w: Any, x: Any) -> Any:
        runs.append(1)
        return {"h": np.tanh(w * x)}

    def net(w: Any) -> Any:
        x = np.ones(4)
        for _ in range(3):
            x = layer(w, x)["h"]
        return np.sum(x)

    def plain(w: Any) -> Any:
        x = np.ones(4)
        for _ in range(3):
            x = np.tanh(w * x)
        return np.sum(x)

    assert_allclose(wg.grad(net)(0.5), wg.grad(plain)(0.5), rtol=1e-12)
    assert len(runs) == 6
    assert_allclose(wg.grad(wg.grad(net))(0.5), wg.grad(wg.grad(plain))(0.5), rtol=1e-12)
    assert_allclose(wg.jvp(net, (0.5,), (1.0,))[1], wg.grad(plain)(0.5), rtol=1e-12)
    assert_allclose(wg.vmap(wg.grad(net))(np.array([0.5, 0.6]))[0], wg.grad(plain)(0.5), rtol=1e-12)


def test_checkpoint_refuses_traced_values_from_around_it() -> None:
    def outer(x: Any) -> Any:
        return wg.checkpoint(lambda y: x * y)(2.0 * x)

    with pytest.raises(wg.errors.TargetTypeError, match="not among its arguments"):
        wg.grad(outer)(1.0)


def test_stop_gradient_stops_every_level_and_keeps_batches() -> None:
    assert wg.grad(lambda x: x * wg.stop_gradient(x))(3.0) == 3.0
    assert wg.grad(wg.grad(lambda x: x**2 * wg.stop_gradient(x)))(3.0) == 6.0
    found = wg.vmap(lambda x: wg.stop_gradient(x) + 1)(np.arange(3.0))
    assert_allclose(found, [1.0, 2.0, 3.0])
    assert wg.stop_gradient({"a": 1.0, "b": None, "c": "text"}) == {
        "a": 1.0,
        "b": None,
        "c": "text",
    }
