"""Shapes, joining, indexing functions: values are NumPy's to the bit, and vmap is a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import tree
from wengert.primitives.family import LocallyConstant
from wengert.primitives.registry import REGISTRY

TOPICS = [
    "shaping",
    "joining",
    "indexing",
    "taking",
    "repeating",
    "diagonals",
    "editing",
    "padding",
    "questions",
]
PAIRS = [
    (entry, sample)
    for entry, sample in REGISTRY.samples()
    if REGISTRY.topic_of(entry) in TOPICS
    and sample.differentiable
    and sample.max_order
    and not isinstance(entry, LocallyConstant)
]


def name(pair: Any) -> str:
    return f"{pair[0].name}({pair[1]})"


def as_function(entry: Any, sample: Any) -> Any:
    args, positions = sample.args, sample.differentiable

    def function(*sources: Any) -> Any:
        full = list(args)
        for position, source in zip(positions, sources, strict=True):
            full[position] = source
        target = entry if REGISTRY.primitives.get(entry.name) is entry else entry.function
        return target(*full, **sample.kwargs)

    return function, tuple(args[k] for k in positions)


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_values_and_dtypes_are_those_of_numpy(pair: Any) -> None:
    function, args = as_function(*pair)
    expected = tree.leaves(function(*args))
    found, _ = wg.jvp(function, args, args)
    for a, b in zip(tree.leaves(found), expected, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.asarray(a).dtype == np.asarray(b).dtype


def single(x: Any) -> Any:
    return x.astype(np.complex64 if np.iscomplexobj(x) else np.float32)


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_single_precision_stays_single(pair: Any) -> None:
    function, args = as_function(*pair)
    args = tree.map(lambda x: single(np.asarray(x)), args)
    expected = tree.leaves(function(*args))
    found, tangents = wg.jvp(function, args, args)
    for a, t, b in zip(tree.leaves(found), tree.leaves(tangents), expected, strict=True):
        assert a.dtype == b.dtype
        assert t.dtype == b.dtype


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_vmap_is_a_loop(pair: Any) -> None:
    function, args = as_function(*pair)
    batch = tree.map(lambda x: np.stack([x, 2 * x, 3 * x]), args)
    if "trim" in pair[0].name:
        pytest.skip("the shape of the result depends on values")
    found = wg.vmap(function)(*batch)
    each = [function(*[tree.map(lambda x: x[k], b) for b in batch]) for k in range(3)]  # noqa: B023
    for k, result in enumerate(each):
        for a, b in zip(tree.leaves(found), tree.leaves(result), strict=True):
            np.testing.assert_allclose(a[k], b, rtol=1e-15)


@pytest.mark.filterwarnings("ignore::wengert.errors.DisconnectedWarning")
@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_gradients_batch(pair: Any) -> None:
    function, args = as_function(*pair)
    if "trim" in pair[0].name:
        pytest.skip("the shape of the result depends on values")

    def total(*sources: Any) -> Any:
        leaves = tree.leaves(function(*sources))
        return sum(np.sum(np.sin(np.real(leaf)) + np.imag(leaf)) for leaf in leaves)

    gradient = wg.grad(total, tuple(range(len(args))))
    batch = tree.map(lambda x: np.stack([x, 2 * x]), args)
    found = wg.vmap(gradient)(*batch)
    for k in range(2):
        expected = gradient(*[tree.map(lambda x: x[k], b) for b in batch])  # noqa: B023
        for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a[k], b, rtol=1e-12, atol=1e-12)


def test_every_primitive_of_these_topics_is_batched_without_a_loop() -> None:
    loops = [
        p.name
        for p in REGISTRY
        if REGISTRY.topic_of(p) in TOPICS and p.name != "part" and p.batching == "loop"
    ]
    assert loops == []


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.reshape(x, (5, 2)), ValueError),
        (lambda x: np.reshape(x, (-1, -1)), ValueError),
        (lambda x: np.transpose(x, (0, 0)), ValueError),
        (lambda x: np.transpose(x, (0, 2)), np.exceptions.AxisError),
        (lambda x: np.swapaxes(x, 0, 2), np.exceptions.AxisError),
        (lambda x: np.moveaxis(x, 0, 5), np.exceptions.AxisError),
        (lambda x: np.expand_dims(x, 5), np.exceptions.AxisError),
        (lambda x: np.squeeze(x, 0), ValueError),
        (lambda x: np.broadcast_to(x, (5,)), ValueError),
        (lambda x: np.concatenate([x, x[0]]), ValueError),
        (lambda x: np.concatenate([x, x], axis=2), np.exceptions.AxisError),
        (lambda x: np.concatenate([x[0, 0], x[0, 0]]), ValueError),
        (lambda x: np.stack([x, x[0]]), ValueError),
        (lambda x: np.split(x, 2, axis=1), ValueError),
        (lambda x: np.take(x, 7, axis=0), IndexError),
        (lambda x: np.take(x, np.array([0.5])), TypeError),
        (lambda x: x[3], IndexError),
        (lambda x: x[0, 0, 0], IndexError),
        (lambda x: x[0.5], IndexError),
        (lambda x: x[[True, False, True]], IndexError),
        (lambda x: np.pad(x, -1), ValueError),
        (lambda x: np.pad(x, 1, mode="no such mode"), ValueError),
        (lambda x: np.pad(x, 1, mode="edge", constant_values=1), ValueError),
        (lambda x: np.diagonal(x[0]), ValueError),
        (lambda x: np.insert(x, 9, 0.0, axis=0), IndexError),
        (lambda x: np.delete(x, 9, axis=0), IndexError),
        (lambda x: np.rot90(x, axes=(0, 0)), ValueError),
        (lambda x: np.block((x, x)), TypeError),
        (lambda x: np.put_along_axis(x, np.array([0]), 1.0, 0), ValueError),
    ],
)
def test_what_numpy_refuses_is_refused_with_its_kind_of_error(call: Any, error: type) -> None:
    x = np.arange(6.0).reshape(2, 3)
    with pytest.raises(error):
        call(x.copy())
    with pytest.raises(error):
        wg.jvp(call, (x,), (x,))


def test_pad_lets_a_function_fill_the_margins() -> None:
    def margins(vector: Any, width: Any, axis: int, kwargs: Any) -> None:
        vector[: width[0]] = kwargs["factor"] * vector[width[0]]
        if width[1]:
            vector[-width[1] :] = axis

    def f(x: Any) -> Any:
        return np.pad(x, ((2, 1), (1, 2)), mode=margins, factor=3.0)

    x = np.random.default_rng(0).standard_normal((2, 3))
    np.testing.assert_array_equal(wg.jvp(f, (x,), (x,))[0], f(x))
    wg.check_grads(f, (x,))


def test_pad_values_may_be_traced() -> None:
    wg.check_grads(lambda x, c: np.pad(x, 2, constant_values=c), (np.ones(3), 2.0))
    wg.check_grads(lambda x, c: np.pad(x, 2, constant_values=(c, 1.0)), (np.ones(3), 2.0))


@pytest.mark.parametrize(
    "put",
    [
        lambda a, v: np.put(a, [0, 5, -1], v),
        lambda a, v: np.put(a, [13, -20], v, mode="wrap"),
        lambda a, v: np.put(a, [99, -7], v, mode="clip"),
        lambda a, v: np.put_along_axis(a, np.array([[0], [2], [0]]), v[0], axis=1),
        lambda a, v: np.put_along_axis(a, np.array([1, 7]), v, axis=None),
        lambda a, v: np.place(a, a > 0, v),
        lambda a, v: np.putmask(a, a > 0, v),
        lambda a, v: np.copyto(a, v[0]),
        lambda a, v: np.copyto(a, v[1], where=[True, False, True, False]),
        lambda a, v: np.fill_diagonal(a, v[0]),
        lambda a, v: np.fill_diagonal(a, v),
        lambda a, v: np.fill_diagonal(a.T, v, wrap=True),
        lambda a, v: a.fill(v[0]),
        lambda a, v: a.put([1, 1], v),
        lambda a, v: a.sort(axis=0),
        lambda a, v: a.flat.__setitem__(slice(1, None, 3), v),
        lambda a, v: a.flat.__setitem__(7, v[0]),
        lambda a, v: setattr(a, "flat", v),
        lambda a, v: setattr(a, "real", v[0]),
        lambda a, v: np.add.at(a, ([0, 0, 1], [1, 1, 2]), v[0]),
    ],
)
def test_functions_that_write_agree_with_numpy_and_differentiate(put: Any) -> None:
    rng = np.random.default_rng(3)
    a, v = rng.standard_normal((3, 4)), rng.standard_normal(2)

    def f(a: Any, v: Any) -> Any:
        a = a.copy()
        put(a, v)
        return a * a

    np.testing.assert_array_equal(wg.jvp(f, (a, v), (a, v))[0], f(a, v))
    wg.check_grads(f, (a, v))


def test_zeros_like_can_be_filled() -> None:
    def f(x: Any) -> Any:
        out = np.zeros_like(x)
        same = np.full_like(x, x[0])
        for k in range(len(x)):
            out[k] = x[k] ** 2
        return out * same + np.ones_like(x) + np.empty_like(x) * 0

    x = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(wg.grad(lambda x: f(x)[2])(x), [9.0, 0.0, 6.0])
    np.testing.assert_array_equal(wg.vmap(f)(np.stack([x, 2 * x])), [f(x), f(2 * x)])
