"""`Array` behaves as an ndarray: attributes, methods, Python's protocols, and what it refuses."""

from __future__ import annotations

import copy
import math
import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import (
    BatchError,
    LostDerivativeError,
    PicklingError,
    UnsupportedFunctionError,
)
from wengert.tape.array import CONSTANTS, Array

X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.5]])


def inside(f: Callable[..., Any], *args: Any) -> Any:
    """What `f` says of traced arguments, in reverse mode, forward mode and at a second level."""
    found: list[Any] = []

    def probe(*traced: Any) -> Any:
        found.append(f(*traced))
        return sum(np.sum(x) for x in traced)

    every = tuple(range(len(args)))
    wg.grad(probe, every)(*args)
    wg.jvp(probe, args, args)
    wg.grad(lambda *a: sum(np.sum(g) for g in wg.grad(probe, every)(*a)) + a[0].sum(), every)(*args)
    assert all(x == found[0] for x in found), found
    return found[0]


@pytest.mark.filterwarnings("ignore::wengert.errors.DisconnectedWarning")
@pytest.mark.parametrize(
    "ask",
    [
        lambda x: x.shape,
        lambda x: x.ndim,
        lambda x: x.size,
        lambda x: x.dtype,
        lambda x: x.itemsize,
        lambda x: x.nbytes,
        lambda x: x.strides,
        lambda x: x.T.strides,
        lambda x: x.flags.c_contiguous,
        lambda x: x.T.flags.f_contiguous,
        lambda x: x.device,
        lambda x: len(x),
        lambda x: bool(x[0, 0]),
        lambda x: x[0, 0] > 0,
        lambda x: bool((x == x).all()),
        lambda x: int(x[0, 2]),
        lambda x: math.floor(x[1, 0]),
        lambda x: math.ceil(x[1, 0]),
        lambda x: math.trunc(x[1, 2]),
        lambda x: round(x[1, 2]),
        lambda x: 4.0 in x,
        lambda x: 7.0 in x,
        lambda x: f"{x[0, 0]:.3f}",
        lambda x: f"{x}",
        lambda x: str(x[0]),
        lambda x: np.shape(x),
        lambda x: np.ndim(x),
        lambda x: np.size(x, 1),
        lambda x: np.result_type(x, np.float32),
        lambda x: np.iscomplexobj(x),
        lambda x: [row.shape for row in x],
        lambda x: x.argmax(),
        lambda x: x.T.base is x or x.T.base is not None,
        lambda x: np.shares_memory(x, x[0]),
        lambda x: np.may_share_memory(x[0], x[1]),
        lambda x: np.array_str(x[0]),
        lambda x: x.any(),
    ],
)
def test_answers_are_those_of_numpy(ask: Callable[..., Any]) -> None:
    assert inside(ask, X.copy()) == ask(X.copy())


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.T,
        lambda x: x.mT,
        lambda x: x.real,
        lambda x: x.imag,
        lambda x: x.conj(),
        lambda x: x.reshape(3, 2),
        lambda x: x.reshape((3, -1)),
        lambda x: x.reshape(-1, order="F"),
        lambda x: x.ravel(),
        lambda x: x.flatten(order="F"),
        lambda x: x.transpose(),
        lambda x: x.transpose(1, 0),
        lambda x: x.transpose((0, 1)),
        lambda x: x.swapaxes(0, 1),
        lambda x: x[:, :1].squeeze(1),
        lambda x: x.sum(),
        lambda x: x.sum(0, keepdims=True),
        lambda x: x.mean(axis=1),
        lambda x: x.max(),
        lambda x: x.min(axis=0),
        lambda x: x.prod(1),
        lambda x: x.std(),
        lambda x: x.var(axis=0, ddof=1),
        lambda x: x.cumsum(),
        lambda x: x.cumprod(axis=1),
        lambda x: x.dot(x.T),
        lambda x: x.clip(-1, 2),
        lambda x: x.round(1),
        lambda x: x.repeat(2, axis=0),
        lambda x: x.take([0, 2], axis=1),
        lambda x: x.compress([True, False], axis=0),
        lambda x: x.diagonal(),
        lambda x: x.copy(),
        lambda x: x.astype(np.float32),
        lambda x: x.astype(np.complex128),
        lambda x: x.flat[1:4],
        lambda x: x.flat[3],
        lambda x: sum(x.flat),
        lambda x: x.item(4),
        lambda x: x.item(1, 1),
        lambda x: x[0, :1].item(),
        lambda x: np.array(x.tolist()),
        lambda x: copy.copy(x),
        lambda x: copy.deepcopy(x),
        lambda x: x.to_device("cpu"),
        lambda x: abs(x),
        lambda x: -x,
        lambda x: +x,
        lambda x: x // 2,
        lambda x: x % 2,
        lambda x: divmod(x, 2)[1],
        lambda x: operator.add(x, 1),
        lambda x: operator.getitem(x, 0),
        lambda x: operator.matmul(x, x.T),
        lambda x: 2**x,
        lambda x: x.__rsub__(1),
        lambda x: sum(x),
        lambda x: max(x[0]),
        lambda x: min(x[0], key=abs),
        lambda x: sorted(x[0])[0],
        lambda x: next(reversed(x)),
        lambda x: next(iter(x)),
        lambda x: np.stack([b for a, b in zip(x, x, strict=True)]),
        lambda x: round(x[0, 0] / 3, 2),
        lambda x: x.view(),
    ],
)
def test_methods_and_operators_give_what_numpy_gives(f: Callable[..., Any]) -> None:
    found, _ = wg.jvp(f, (X,), (X,))
    expected = f(X)
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(wg.vjp(f, X)[0], expected, rtol=1e-15)


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda x: float(x[0, 0]), LostDerivativeError),
        (lambda x: complex(x[0, 0]), LostDerivativeError),
        (lambda x: pickle.dumps(x), PicklingError),
        (lambda x: x.tobytes(), LostDerivativeError),
        (lambda x: x.ctypes, LostDerivativeError),
        (lambda x: x.view(np.int64), UnsupportedFunctionError),
        (lambda x: x.resize(6), UnsupportedFunctionError),
        (lambda x: setattr(x, "shape", (6,)), UnsupportedFunctionError),
        (lambda x: operator.index(x[0, 0]), TypeError),
        (lambda x: range(x[0, 0]), TypeError),
        (lambda x: len(x[0, 0]), TypeError),
        (lambda x: list(x[0, 0]), TypeError),
        (lambda x: bool(x), ValueError),
        (lambda x: int(x), TypeError),
        (lambda x: x.item(), ValueError),
        (lambda x: x[0].mT, ValueError),
        (lambda x: x.to_device("cuda"), ValueError),
        (lambda x: x.no_such_name, AttributeError),
        (lambda x: setattr(x, "imag", 1.0), TypeError),
        (lambda x: x + "text", TypeError),
        (lambda x: x + None, TypeError),
        (lambda x: x.reshape(4, 4), ValueError),
        (lambda x: x.astype(int, casting="safe"), TypeError),
    ],
)
def test_what_cannot_be_is_an_error(f: Callable[..., Any], error: type) -> None:
    with pytest.raises(error):
        wg.grad(lambda x: (f(x), x.sum())[1])(X)
    with pytest.raises(error):
        wg.jvp(lambda x: (f(x), x.sum())[1], (X,), (X,))


def test_a_constant_gives_its_values_away() -> None:
    x = Array(X.copy(), CONSTANTS)
    assert float(x[0, 0]) == 1.0
    assert x.item(4) == 4.0
    assert x.tolist() == X.tolist()
    assert x.tobytes() == X.tobytes()
    np.testing.assert_array_equal(np.asarray(x), X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(x)), X)


def test_items_of_a_traced_array_keep_their_derivative() -> None:
    np.testing.assert_array_equal(
        wg.grad(lambda x: x.item(4) ** 2 + x[0, :1].item() + x.tolist()[0][2])(X),
        [[1.0, 0.0, 1.0], [0.0, 8.0, 0.0]],
    )


def test_no_array_interface_strips_a_traced_array() -> None:
    def f(x: Any) -> Any:
        assert not hasattr(x, "__array__")
        assert not hasattr(x, "__array_interface__")
        assert np.array(x[0], copy=True) is not None
        return x.sum()

    wg.grad(f)(X)


def test_decisions_on_batched_values_are_errors_that_say_so() -> None:
    for f in (
        lambda x: int(x),
        lambda x: bool(x),
        lambda x: operator.index(np.argmax(x)),
        lambda x: round(x),
    ):
        with pytest.raises(BatchError):
            wg.vmap(f)(np.ones(3))


def test_a_number_is_rebound_and_an_array_is_changed_in_place() -> None:
    def f(x: Any) -> Any:
        s = x[0]
        t = s
        s += 1
        a = x
        b = a
        b *= 2
        return s * t + a[1]

    x = np.array([3.0, 5.0])
    assert f(x.copy()) == 22.0
    np.testing.assert_array_equal(wg.grad(f)(x), [7.0, 2.0])
    np.testing.assert_array_equal(wg.vmap(wg.grad(f))(np.stack([x, x])), [[7.0, 2.0]] * 2)
    np.testing.assert_array_equal(wg.vmap(f)(np.stack([x, x])), [22.0, 22.0])


def test_arrays_without_axes_stay_arrays() -> None:
    def f(x: Any) -> Any:
        k = x
        x *= x
        k[...] = k + 1
        x[()] += k
        return x * 1.0

    x = np.array(3.0)
    assert f(x.copy()) == 20.0
    assert wg.grad(f)(x) == 12.0
    assert wg.jvp(f, (x,), (np.array(1.0),)) == (20.0, 12.0)


def test_copies_cost_nothing_until_one_of_the_two_is_written() -> None:
    def f(x: Any) -> Any:
        a = x.copy()
        b = a.copy()
        assert b.value is a.value
        a[0] = 2.0
        assert b.value is not a.value
        return (a * b).sum()

    np.testing.assert_array_equal(wg.grad(f)(np.array([3.0, 5.0])), [2.0, 10.0])


def test_a_batched_number_is_formatted_for_each_example() -> None:
    shown = []
    wg.vmap(lambda x: shown.append(f"{x:.2f}") or x)(np.array([1.0, 2.5]))
    assert shown == ["[1.00, 2.50]"]


def test_the_repr_of_a_view_of_an_ended_trace_does_not_fail() -> None:
    kept = []
    wg.grad(lambda x: kept.append(x[1:]) or np.sum(x))(np.ones(3))
    assert "ended" in repr(kept[0])
