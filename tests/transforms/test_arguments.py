"""Arguments and results: positions, names, trees, auxiliary data, dtypes."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg

Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Params:
    w: Any
    b: Any


def test_argnums_choose_positions() -> None:
    f = lambda x, y, z: x * y + z  # noqa: E731
    assert wg.grad(f)(2.0, 3.0, 4.0) == 3.0
    assert wg.grad(f, 1)(2.0, 3.0, 4.0) == 2.0
    assert wg.grad(f, (0, 2))(2.0, 3.0, 4.0) == (3.0, 1.0)
    assert wg.grad(f, -1)(2.0, 3.0, 4.0) == 1.0
    assert wg.grad(f, (1,))(2.0, 3.0, 4.0) == (2.0,)


def test_argnames_choose_keywords() -> None:
    f = lambda x, *, scale: x * scale**2  # noqa: E731
    assert wg.grad(f, argnames="scale")(3.0, scale=2.0) == 12.0
    assert wg.grad(f, 0, argnames="scale")(3.0, scale=2.0) == (4.0, 12.0)
    assert wg.grad(f)(3.0, scale=2.0) == 4.0


def test_auxiliary_data_comes_back_plain() -> None:
    f = lambda x: (np.sum(x**2), {"x": x * 2, "n": 3, "s": "text"})  # noqa: E731
    gradient, aux = wg.grad(f, has_aux=True)(np.array([1.0, 2.0]))
    assert_allclose(gradient, [2.0, 4.0])
    assert type(aux["x"]) is np.ndarray
    assert aux["n"] == 3
    assert aux["s"] == "text"
    (value, aux), gradient = wg.value_and_grad(f, has_aux=True)(np.array([1.0, 2.0]))
    assert value == 5.0
    assert_allclose(gradient, [2.0, 4.0])
    out, tangent, aux = wg.jvp(f, (np.ones(2),), (np.ones(2),), has_aux=True)
    assert (out, tangent) == (2.0, 4.0)
    assert_allclose(wg.jacobian(f, has_aux=True)(np.ones(2))[0], [2.0, 2.0])
    assert len(wg.vjp(f, np.ones(2), has_aux=True)) == 3
    assert len(wg.linearize(f, np.ones(2), has_aux=True)) == 3


def test_trees_go_in_and_come_out() -> None:
    params = {
        "layers": [(np.ones(2), 3.0), Params(np.ones((2, 2)), None)],
        "point": Point(1.0, np.float32(2.0)),
    }

    def f(p: Any) -> Any:
        (w, b), layer = p["layers"]
        return np.sum(w * b) + np.sum(layer.w) * p["point"].x + p["point"].y

    gradient = wg.grad(f)(params)
    assert_allclose(gradient["layers"][0][0], [3.0, 3.0])
    assert gradient["layers"][0][1] == 2.0
    assert isinstance(gradient["layers"][1], Params)
    assert_allclose(gradient["layers"][1].w, np.ones((2, 2)))
    assert gradient["layers"][1].b is None
    assert type(gradient["point"]) is Point
    assert gradient["point"].x == 4.0
    assert type(gradient["point"].y) is np.float32


def test_jacobians_of_trees_are_trees_of_trees() -> None:
    def f(p: Any) -> Any:
        return {"s": p["a"] * p["b"], "t": np.sum(p["a"])}

    p = {"a": np.array([1.0, 2.0]), "b": 3.0}
    for mode in ("fwd", "rev", None):
        found = wg.jacobian(f, mode=mode)(p)
        assert_allclose(found["s"]["a"], 3 * np.eye(2))
        assert_allclose(found["s"]["b"], [1.0, 2.0])
        assert_allclose(found["t"]["a"], [1.0, 1.0])
        assert found["t"]["b"] == 0.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0)])
def test_gradients_have_the_dtype_and_shape_of_their_source(dtype: Any, shape: Any) -> None:
    x = np.ones(shape, dtype)
    gradient = wg.grad(lambda x: np.sum(np.sin(x) * 2.0))(x)
    assert gradient.dtype == dtype
    assert gradient.shape == shape
    out, tangent = wg.jvp(lambda x: np.sin(x) * 2.0, (x,), (x,))
    assert out.dtype == tangent.dtype == dtype


def test_mixed_precision_follows_numpy() -> None:
    x, y = np.ones(3, np.float32), np.ones(3)
    gx, gy = wg.grad(lambda x, y: np.sum(x * y), (0, 1))(x, y)
    assert (gx.dtype, gy.dtype) == (np.float32, np.float64)
    value, gradient = wg.value_and_grad(lambda s: np.sum(s * s * x))(0.5)
    assert value.dtype == np.float32  # a Python number is weak, and so is its square
    assert isinstance(gradient, float)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x[::2],
        lambda x: np.broadcast_to(x[:1], (6,)),
        lambda x: x.astype(">f8"),
        lambda x: x.reshape(2, 3).T,
        lambda x: x[:0],
    ],
    ids=["strided", "broadcast", "big-endian", "transposed", "empty"],
)
def test_any_memory_layout_is_a_source(make: Any) -> None:
    x = make(np.arange(6.0))
    gradient = wg.grad(lambda x: np.sum(x**2))(x)
    assert_allclose(gradient, 2 * np.asarray(x))
    assert gradient.shape == x.shape


def test_read_only_sources_stay_read_only_and_others_writeable() -> None:
    x, y = np.ones(3), np.ones(3)
    x.flags.writeable = False
    wg.grad(lambda x, y: np.sum(x * y), (0, 1))(x, y)
    assert not x.flags.writeable
    assert y.flags.writeable


def test_results_are_arrays_of_the_callers_own() -> None:
    x = np.ones(3)
    for result in (
        wg.grad(np.sum)(x),
        wg.vjp(lambda x: x, x)[0],
        wg.jvp(lambda x: x, (x,), (x,))[1],
    ):
        result[0] = 5.0
    assert_allclose(x, 1.0)


def test_gradients_share_no_memory() -> None:
    both = wg.grad(lambda d: np.sum(d["a"] + d["b"]))({"a": np.ones(2), "b": np.ones(2)})
    for gradient in both.values():
        gradient *= 0.5
    assert_allclose(both["a"], 0.5)
    assert_allclose(both["b"], 0.5)
    seed = np.ones(2)
    (pulled,) = wg.vjp(lambda x: x + 0.0, np.ones(2))[1](seed)
    pulled[0] = 7.0
    assert_allclose(seed, 1.0)


def test_complex_gradients_follow_jax_and_autograd() -> None:
    z = 1.0 + 2.0j
    assert_allclose(wg.grad(lambda z: np.abs(z) ** 2)(z), 2 * np.conj(z))
    assert_allclose(wg.grad(lambda z: z**2, holomorphic=True)(z), 2 * z)
    assert_allclose(wg.grad(lambda z: np.imag(z))(z), -1j)
    with pytest.raises(wg.errors.TargetTypeError, match="holomorphic=True"):
        wg.grad(lambda z: z**2)(z)


def test_functions_keep_their_names() -> None:
    def loss(x: Any) -> Any:
        """Say it."""
        return x

    assert wg.grad(loss).__name__ == "loss"
    assert wg.vmap(loss).__doc__ == "Say it."
