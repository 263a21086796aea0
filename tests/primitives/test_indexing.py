"""Indices: of every kind, and those that differ along a vmapped axis, read and written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import BatchError

X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.5]])


@pytest.mark.parametrize("kind", [int, np.int64, np.intp, np.uint8])
def test_integers_of_any_kind_index(kind: type) -> None:
    assert wg.grad(lambda x: x[kind(1), kind(2)] * x[kind(0)][kind(0)])(X)[1, 2] == 1.0


@pytest.mark.parametrize(
    "key",
    [
        0,
        -1,
        slice(None, None, -1),
        (0, 1),
        (slice(None), 1),
        (..., 0),
        None,
        (None, 0, None),
        ...,
        (),
        [0, 1, 0],
        ([0, 1], [1, 2]),
        np.array([[0, 1], [1, 1]]),
        (slice(None), [2, 0]),
        ([1], slice(None, 2)),
        X > 0,
        (np.array([True, False]), slice(1, None)),
        (np.array([True, False]), [0, 1]),
        [],
        [True, False],
        (slice(0), 1),
        (np.int64(1), slice(np.int64(0), np.int64(2))),
        True,
        (None, True),
        np.ix_([0, 1], [2, 0]),
        tuple(np.indices((2, 2))),
    ],
    ids=str,
)
def test_every_kind_of_index_reads_and_writes_as_in_numpy(key: Any) -> None:
    def read(x: Any) -> Any:
        return x[key] * 1.0

    def write(x: Any) -> Any:
        a = x * 1.0
        a[key] = 2.0 * a[key]
        a[key] += 1.5
        return a * x

    for f in (read, write):
        np.testing.assert_array_equal(wg.jvp(f, (X,), (X,))[0], f(X))
        wg.check_grads(f, (X,))
        np.testing.assert_array_equal(wg.vmap(f)(np.stack([X, 2 * X])), np.stack([f(X), f(2 * X)]))
    batched = wg.vmap(wg.grad(lambda x: np.sum(write(x) ** 2)))(np.stack([X, 2 * X]))
    np.testing.assert_allclose(
        batched[1], wg.grad(lambda x: np.sum(write(x) ** 2))(2 * X), rtol=1e-13
    )


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i: x[i],
        lambda x, i: x[i, 1],
        lambda x, i: x[:, i],
        lambda x, i: x[i, :, None],
        lambda x, i: x.T[i],
        lambda x, i: x[0][i],
        lambda x, i: x[i, i],
        lambda x, i: x[None, i],
        lambda x, i: x[..., i],
        lambda x, i: x[np.stack([i, 0 * i]), 0],
        lambda x, i: x[np.stack([i, 0 * i]), [1, 2]],
        lambda x, i: x.reshape(2, 3, 1)[i, :, 0],
        lambda x, i: x.reshape(2, 3, 1)[:, i, :],
        lambda x, i: x[i][i],
        lambda x, i: np.take(x, i),
        lambda x, i: np.take(x, i, axis=1),
        lambda x, i: np.take(np.arange(5.0), i) * x,
        lambda x, i: np.take_along_axis(x, np.reshape(i, (1, 1)), 1),
        lambda x, i: x[np.argmax(x[0] * i) % 2],
    ],
)
def test_indices_may_differ_along_a_vmapped_axis(f: Callable[..., Any]) -> None:
    i = np.array([0, 1, 1])
    x = np.stack([X, 2 * X, 3 * X])
    each = [f(a, int(k)) for a, k in zip(x, i, strict=True)]
    np.testing.assert_array_equal(wg.vmap(f)(x, i), np.stack(each))
    np.testing.assert_array_equal(
        wg.jvp(lambda x: wg.vmap(f, in_axes=(None, 0))(x, i), (X,), (X,))[0],
        [f(X, int(k)) for k in i],
    )
    gradient = wg.grad(lambda x, i: np.sum(np.sin(f(x, i))))
    expected = np.stack([gradient(a, int(k)) for a, k in zip(x, i, strict=True)])
    np.testing.assert_allclose(wg.vmap(gradient)(x, i), expected, rtol=1e-13)
    wg.check_grads(lambda x: wg.vmap(f)(x, i), (x,))
    total = wg.grad(lambda x: np.sum(np.sin(wg.vmap(f, in_axes=(None, 0))(x, i))))(X)
    np.testing.assert_allclose(total, sum(gradient(X, int(k)) for k in i), rtol=1e-13)


def put_element(a: Any, x: Any, i: Any) -> None:
    a[i, 0] = x[0, 1] ** 2


def put_row(a: Any, x: Any, i: Any) -> None:
    a[i] = x[1]


def put_column(a: Any, x: Any, i: Any) -> None:
    a[:, i] += x[:, 0]


def put_through_a_view(a: Any, x: Any, i: Any) -> None:
    a.T[i] = x[:, 0]
    a[0][i] = x[1, 1]


def put_twice(a: Any, x: Any, i: Any) -> None:
    a[np.stack([i, i])] = x


def add_at_places(a: Any, x: Any, i: Any) -> None:
    np.add.at(a, (np.stack([i, i]), [0, 0]), x[:, 1])


@pytest.mark.parametrize(
    "put", [add_at_places, put_element, put_row, put_column, put_through_a_view, put_twice]
)
def test_places_written_may_differ_along_a_vmapped_axis(put: Callable[..., Any]) -> None:
    def f(x: Any, i: Any) -> Any:
        a = x * 1.0
        put(a, x, i)
        return a * a

    i = np.array([0, 1, 1])
    x = np.stack([X, 2 * X, 3 * X])
    each = [f(a, int(k)) for a, k in zip(x, i, strict=True)]
    np.testing.assert_array_equal(wg.vmap(f)(x, i), np.stack(each))
    gradient = wg.grad(lambda x, i: np.sum(np.sin(f(x, i))))
    expected = np.stack([gradient(a, int(k)) for a, k in zip(x, i, strict=True)])
    np.testing.assert_allclose(wg.vmap(gradient)(x, i), expected, rtol=1e-12, atol=1e-14)
    wg.check_grads(lambda x: wg.vmap(f)(x, i), (x,))


def test_masks_that_differ_along_a_vmapped_axis_can_be_assigned_through() -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        a[a < 0] = 0.0
        a[a > 2] = x[0, 0]
        return a * x

    x = np.stack([X, -X])
    np.testing.assert_array_equal(wg.vmap(f)(x), np.stack([f(X), f(-X)]))
    with pytest.raises(BatchError, match=r"np\.where"):
        wg.vmap(lambda x: x[x > 0].sum())(x)
