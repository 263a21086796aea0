"""Random NumPy programs: every way to their derivative gives the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import wengert as wg

# Each step takes the state (a list of arrays of shapes (3, 4), (4,), () …) and makes one more
# array of bounded size.
UNARY = [np.sin, np.tanh, np.exp, np.square, np.arctan, lambda a: -a, lambda a: a * 0.5 + 1.0]
REDUCTIONS = [np.sum, np.mean, np.max, np.min, np.std, lambda a: np.prod(np.tanh(a))]


def bounded(a: Any) -> Any:
    return np.tanh(a * 0.5) * 2


@st.composite
def programs(draw: Any) -> list[tuple[Any, ...]]:
    steps = []
    for _ in range(draw(st.integers(2, 10))):
        kind = draw(
            st.sampled_from(
                ["unary", "binary", "reduce", "index", "write", "in_place", "join", "where"]
            )
        )
        numbers = tuple(draw(st.integers(0, 11)) for _ in range(3))
        steps.append((kind, *numbers))
    return steps


def run(steps: list[tuple[Any, ...]], x: Any) -> Any:
    state = [x, x[0] * 2.0, np.sum(x)]
    for kind, i, j, k in steps:
        a, b = state[i % len(state)], state[j % len(state)]
        if kind == "unary":
            made = UNARY[k % len(UNARY)](a)
        elif kind == "binary":
            b = b if np.shape(b) == np.shape(a) else np.mean(b)
            made = [a + b, a * b, a - b, a / (2.5 + bounded(b)), np.maximum(a, b * 1.1)][k % 5]
        elif kind == "reduce":
            axis = None if np.ndim(a) == 0 or k % 2 else k % np.ndim(a)
            made = REDUCTIONS[k % len(REDUCTIONS)](a, axis=axis) if k % 6 != 5 else np.sum(a)
        elif kind == "index":
            made = a if np.ndim(a) == 0 else [a[k % len(a)], a[::-1], a[[0, -1, 0]], a.T][k % 4]
        elif kind == "write":
            made = np.zeros((3, 4))
            made[k % 3] = np.sum(b) * 0.1
            made[:, k % 4] += np.mean(a)
            made.T[0] *= 2.0
        elif kind == "in_place":
            made = np.array(a) * 1.0
            made = made + np.zeros(np.shape(made))
            made *= 0.5
            made -= np.mean(b)
        elif kind == "join":
            made = np.concatenate([np.ravel(a)[:4], np.ravel(b)[:4]])
        else:
            made = np.where(np.sin(a) > 0.1, a * 2, np.cos(a))
        state.append(bounded(made) if np.ndim(made) <= 3 else bounded(np.sum(made)))
    return sum(np.sum(part * (k + 1)) for k, part in enumerate(state))


@settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(programs(), st.integers(0, 2**32 - 1))
def test_all_ways_to_a_derivative_agree(steps: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, v = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))

    def f(x: Any) -> Any:
        return run(steps, x)

    value, gradient = wg.value_and_grad(f)(x)
    assert_allclose(value, f(x), rtol=1e-13)
    directional = np.sum(gradient * v)
    tolerance = {"rtol": 1e-9, "atol": 1e-9 * (1 + np.abs(gradient).sum())}
    assert_allclose(wg.jvp(f, (x,), (v,))[1], directional, **tolerance)
    assert_allclose(wg.linearize(f, x)[1](v), directional, **tolerance)
    assert_allclose(wg.jacobian(f, mode="fwd")(x), gradient, **tolerance)
    assert_allclose(wg.vmap(wg.grad(f))(np.stack([x, x * 0.9]))[0], gradient, **tolerance)
    curvature = wg.hvp(f, x, v)
    assert_allclose(wg.grad(lambda x: np.sum(wg.grad(f)(x) * v))(x), curvature, **tolerance)
