"""In-place code and views: what NumPy does, in every mode, with the cost that NumPy has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.errors import BatchError, LostDerivativeError
from wengert.tape.entries import whole as entry_in_full
from wengert.tape.seams import tracing
from wengert.tape.tape import Tape
from wengert.tape.views import View

X = np.random.default_rng(0).uniform(0.5, 1.5, 6)
M = np.random.default_rng(1).uniform(0.5, 1.5, (3, 4))


def check(f: Callable[..., Any], *args: Any, order: int = 2) -> None:
    """Values as NumPy's in every mode; derivatives as finite differences, in both modes, nested."""
    plain = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    expected = f(*plain)
    np.testing.assert_array_equal(wg.jvp(f, args, args)[0], expected)
    np.testing.assert_array_equal(wg.vjp(f, *args)[0], expected)
    batch = [np.stack([a, a]) for a in args]
    np.testing.assert_allclose(wg.vmap(f)(*batch), np.stack([expected] * 2), rtol=1e-14)
    wg.check_grads(f, args, order=order)
    gradient = wg.grad(lambda *a: np.sum(f(*a) ** 2), tuple(range(len(args))))
    for each, whole in zip(gradient(*args), wg.vmap(gradient)(*batch), strict=True):
        np.testing.assert_allclose(whole, np.stack([each] * 2), rtol=1e-12, atol=1e-12)


# -------------------------------------------------------------------------- one write at a time


def write_element(a: Any, x: Any) -> None:
    a[2] = x[0] * x[1]


def write_negative(a: Any, x: Any) -> None:
    a[-1] = x[0]


def write_slice(a: Any, x: Any) -> None:
    a[1:5:2] = x[:2]


def write_broadcast(a: Any, x: Any) -> None:
    a[:3] = x[5]


def write_constant(a: Any, x: Any) -> None:
    a[1:3] = 7.0


def write_list(a: Any, x: Any) -> None:
    a[:3] = [x[0], 2.0, x[1] * x[2]]


def add_element(a: Any, x: Any) -> None:
    a[2] += x[0] * a[1]


def multiply_slice(a: Any, x: Any) -> None:
    a[1:] *= x[:-1]


def mask_add(a: Any, x: Any) -> None:
    a[a > 0.9] += x[0]


def mask_assign(a: Any, x: Any) -> None:
    a[np.array([True, False, True, False, False, True])] = x[:3]


def fancy_assign(a: Any, x: Any) -> None:
    a[[4, 0, 4]] = x[:3]  # the last writer of element 4 stays


def fancy_add(a: Any, x: Any) -> None:
    a[[4, 0, 4]] += x[:3]  # NumPy adds once


def add_at(a: Any, x: Any) -> None:
    np.add.at(a, [4, 0, 4], x[:3])


def swap(a: Any, x: Any) -> None:
    a[[0, 3]] = a[[3, 0]]


def swap_tuple(a: Any, x: Any) -> None:
    a[0], a[3] = a[3], a[0]


def shift_right(a: Any, x: Any) -> None:
    a[1:] = a[:-1]


def shift_left(a: Any, x: Any) -> None:
    a[:-1] = a[1:]


def reverse(a: Any, x: Any) -> None:
    a[:] = a[::-1]


def smooth(a: Any, x: Any) -> None:
    a[1:-1] += 0.1 * (a[2:] - 2 * a[1:-1] + a[:-2])


def through_view(a: Any, x: Any) -> None:
    y = a[1:]
    y *= 2
    y[0] = x[0]
    a[2] += y[0]


def through_view_of_view(a: Any, x: Any) -> None:
    y = a[1:]
    z = y[::2]
    z[1] = x[3]
    y[0] *= z[1]
    z += y[:3]


def through_reshape(a: Any, x: Any) -> None:
    m = a.reshape(2, 3)
    m[1, :] = x[:3]
    m.T[0] *= x[4]
    m.reshape(-1)[2] = m[1, 1]


def through_base(a: Any, x: Any) -> None:
    y = a[2:4]
    a[3] = x[0]
    a += y[1]


def alias(a: Any, x: Any) -> None:
    k = a
    a *= x
    k[0] = k[1] * a[2]


def no_alias_of_a_copy(a: Any, x: Any) -> None:
    k = a.copy()
    a *= x
    a[1] = k[2] + k[1]


def out_argument(a: Any, x: Any) -> None:
    np.multiply(a, x, out=a)
    np.add(a[1:], x[1:], out=a[:-1])


def element_is_a_copy(a: Any, x: Any) -> None:
    s = a[1]
    a[1] = x[0]
    a[2] = s


def fancy_is_a_copy(a: Any, x: Any) -> None:
    y = a[[0, 1]]
    y *= 5
    a[3] = y[0]


def ellipsis(a: Any, x: Any) -> None:
    a[...] = x * a[..., ::-1]


def own_operand(a: Any, x: Any) -> None:
    a *= a
    a -= a[0]


def flip_view(a: Any, x: Any) -> None:
    np.flip(a)[:2] = x[:2]


def whole_loop(a: Any, x: Any) -> None:
    for k in range(1, len(a)):
        a[k] = a[k - 1] * x[k]


def iterated_rows(a: Any, x: Any) -> None:
    for row in a.reshape(3, 2):
        row[0] = row[1] * x[0]


def expand_view(a: Any, x: Any) -> None:
    a[:, None][1:3] = x[:2, None]
    np.squeeze(a[None])[0] = x[5]


def split_views(a: Any, x: Any) -> None:
    left, right = np.split(a, 2)
    left[:] = right * x[:3]
    right[1] = left[1]


def augmented_power(a: Any, x: Any) -> None:
    a **= 2
    a /= x
    a -= 1


VECTOR_WRITES = [
    value for value in list(globals().values()) if hasattr(value, "__code__")
    and value.__code__.co_varnames[:2] == ("a", "x") and value.__module__ == __name__
]  # fmt: skip


def vmap_refuses(write: Callable[..., Any]) -> bool:
    return write is mask_add  # another mask in each element of the batch


@pytest.mark.parametrize("write", VECTOR_WRITES, ids=lambda w: w.__name__)
def test_writes_into_vectors(write: Callable[..., Any]) -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        before = a * a  # what the tape holds must not change under it
        write(a, x)
        return a * x + before

    if vmap_refuses(write):
        np.testing.assert_array_equal(wg.jvp(f, (X,), (X,))[0], f(X))
        wg.check_grads(f, (X,))
        with pytest.raises(BatchError, match=r"np\.where"):
            wg.vmap(f)(np.stack([X, X]))
    else:
        check(f, X)


@pytest.mark.parametrize("write", VECTOR_WRITES, ids=lambda w: w.__name__)
def test_writes_into_the_argument_itself_leave_the_callers_array_alone(write: Any) -> None:
    def f(x: Any) -> Any:
        a = x
        write(a, x * 1.0)
        return a * a

    x = X.copy()
    wg.check_grads(lambda x: f(x + 0.0), (x,))
    value, tangent = wg.jvp(f, (x,), (x,))
    np.testing.assert_array_equal(x, X)
    _, pull = wg.vjp(f, x)
    np.testing.assert_array_equal(x, X)
    adjoint = np.cos(X)
    np.testing.assert_allclose(pull(adjoint)[0] @ x, adjoint @ tangent, rtol=1e-12)
    np.testing.assert_array_equal(value, f(X.copy()))


def transpose_write(a: Any, x: Any) -> None:
    a.T[...] = x.T * 2


def transpose_column(a: Any, x: Any) -> None:
    a.T[1] *= x[:, 2]


def ravel_write(a: Any, x: Any) -> None:
    a.ravel()[::5] = x[0, 0]


def flatten_is_a_copy(a: Any, x: Any) -> None:
    y = a.flatten()
    y *= 3
    a[0] = y[:4]


def transposed_ravel_is_a_copy(a: Any, x: Any) -> None:
    y = a.T.reshape(-1)  # a view if `a` is in Fortran order
    y *= 3
    a[0] = y[:4] + 0.0  # (NumPy does not see that 1-d views of different strides overlap)


def rows_swapped(a: Any, x: Any) -> None:
    a[[0, 2]] = a[[2, 0]]


def columns_swapped(a: Any, x: Any) -> None:
    a[:, [0, 2]] = a[:, [2, 0]]


def row_view(a: Any, x: Any) -> None:
    row = a[1]
    row += x[0]
    a[1, 2] *= 3
    row[0] = row[2]


def nested_index(a: Any, x: Any) -> None:
    a[1][2] = x[0][0] * a[2][1]


def diagonal_view(a: Any, x: Any) -> None:
    np.fill_diagonal(a, x[0, 3])


def moved_axes(a: Any, x: Any) -> None:
    np.moveaxis(a, 0, 1)[2] = x[:, 0]
    np.swapaxes(a, 0, 1)[0, 1:] += x[0, 0]


def separated_fancy(a: Any, x: Any) -> None:
    b = a.reshape(3, 2, 2)
    b[[0, 1], :, [1, 0]] = x[:2, :2]


def newaxis_fancy(a: Any, x: Any) -> None:
    a[[0, 2], None] = x[None, :2].reshape(2, 1, 4)


def outer_update(a: Any, x: Any) -> None:
    a[1:, 1:] -= x[1:, :1] * a[:1, 1:]


def rot90_view(a: Any, x: Any) -> None:
    np.rot90(a)[0] = x[:, 1]


def at_rows(a: Any, x: Any) -> None:
    np.add.at(a, [0, 2, 0], x)


def at_pairs(a: Any, x: Any) -> None:
    np.add.at(a, ([0, 2, 0], [1, 1, 1]), x[:, 0])


MATRIX_WRITES = [
    transpose_write, transpose_column, ravel_write, flatten_is_a_copy, transposed_ravel_is_a_copy,
    rows_swapped, columns_swapped, row_view, nested_index, diagonal_view, moved_axes,
    separated_fancy, newaxis_fancy, outer_update, rot90_view, at_rows, at_pairs,
]  # fmt: skip


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("write", MATRIX_WRITES, ids=lambda w: w.__name__)
def test_writes_into_matrices(write: Callable[..., Any], layout: str) -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        write(a, x)
        return a * x

    m = np.asarray(M, order=layout)
    if layout == "C":
        check(f, m)
    else:
        # Finite differences would change the layout, and with it what is a view.
        value, tangent = wg.jvp(f, (m,), (m,))
        np.testing.assert_array_equal(value, f(m))
        adjoint = np.cos(m)
        np.testing.assert_allclose(
            np.sum(wg.vjp(f, m)[1](adjoint)[0] * m), np.sum(adjoint * tangent), rtol=1e-12
        )


# ------------------------------------------------------------------------------------ complex parts


def test_parts_of_complex_arrays_are_views() -> None:
    def f(z: Any, x: Any) -> Any:
        a = z * 1.0
        a.real[1:] = x[1:] ** 2
        a.imag *= x
        a.imag = a.imag + a.real
        part = a.T.real
        a[0] = z[1]
        return a * part

    rng = np.random.default_rng(2)
    z = rng.standard_normal(3) + 1j * rng.standard_normal(3)
    x = rng.standard_normal(3)
    np.testing.assert_array_equal(wg.jvp(f, (z, x), (z, x))[0], f(z, x))
    wg.check_grads(f, (z, x))


# ------------------------------------------------------------------------------ random programs

STEPS = st.tuples(
    st.sampled_from(
        [
            "slice",
            "reshape",
            "transpose",
            "row",
            "element",
            "write",
            "add",
            "scale",
            "fancy",
            "mask",
            "copy",
            "alias",
            "out",
            "flip",
            "read",
            "shift",
        ]
    ),
    st.integers(0, 7),
    st.integers(0, 7),
    st.integers(-3, 3),
)


def run(program: list[Any], x: Any) -> Any:
    """Interpret a random program on a pool of arrays that alias each other."""
    pool: list[Any] = [x * 1.0, x + 1.0]
    pool.append(pool[0].reshape(3, 4))
    for kind, i, j, k in program:
        a, b = pool[i % len(pool)], pool[j % len(pool)]
        n = a.shape[0] if a.ndim else 0
        if kind == "slice" and n:
            pool.append(a[:: k or 1])
        elif kind == "row" and n and a.ndim > 1:
            pool.append(a[k % n])
        elif kind == "reshape":
            pool.append(a.reshape(-1))
        elif kind == "transpose":
            pool.append(a.T)
        elif kind == "element" and n:
            a[k % n] = 0.5 * b.sum() / b.size if b.size else 0.0
        elif kind == "write" and a.size:
            a[...] = 0.5 * b.reshape(-1)[:1].sum()
        elif kind == "add" and n:
            a[k % n :] += 0.25 * b.reshape(-1)[:1].sum()
        elif kind == "scale":
            a *= 0.5
        elif kind == "fancy" and n:
            a[[k % n, 0]] = a[[0, k % n]]
        elif kind == "mask" and n:
            a[np.arange(n) % 2 == 0] *= 0.75
        elif kind == "copy":
            pool.append(a.copy())
        elif kind == "alias":
            pool.append(a)
        elif kind == "out" and a.size:
            np.multiply(a, a, out=a)
        elif kind == "flip" and n:
            pool.append(np.flip(a, 0))
        elif kind == "read":
            pool[0] = pool[0] + 0.1 * b.sum()
        elif kind == "shift" and n > 1:
            a[1:] = a[:-1]
    total = 0.0
    for k, a in enumerate(pool):
        total = total + (k + 1) * (a * a).sum()
    return total


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(st.lists(STEPS, min_size=3, max_size=14))
def test_random_programs_of_views_and_writes(program: Any) -> None:
    x = np.random.default_rng(5).uniform(-1, 1, 12)
    expected = run(program, x)
    direction = np.cos(np.arange(12.0))
    value, tangent = wg.jvp(lambda x: run(program, x), (x,), (direction,))
    assert value == expected
    value, gradient = wg.value_and_grad(lambda x: run(program, x))(x)
    assert value == expected
    np.testing.assert_allclose(gradient @ direction, tangent, rtol=1e-10, atol=1e-10)
    h = 1e-6
    difference = (run(program, x + h * direction) - run(program, x - h * direction)) / (2 * h)
    np.testing.assert_allclose(tangent, difference, rtol=1e-5, atol=1e-6)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(st.lists(STEPS, min_size=3, max_size=10))
def test_random_programs_nested(program: Any) -> None:
    x = np.random.default_rng(5).uniform(-1, 1, 12)
    direction = np.cos(np.arange(12.0))

    def f(x: Any) -> Any:
        return run(program, x)

    over = wg.jvp(wg.grad(f), (x,), (direction,))[1]
    under = wg.grad(lambda x: wg.jvp(f, (x,), (direction,))[1])(x)
    twice = wg.grad(lambda x: np.sum(wg.grad(f)(x) * direction))(x)
    np.testing.assert_allclose(over, under, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(over, twice, rtol=1e-9, atol=1e-9)
    batched = wg.vmap(wg.grad(f))(np.stack([x, 2 * x]))
    np.testing.assert_allclose(batched, [wg.grad(f)(x), wg.grad(f)(2 * x)], rtol=1e-10, atol=1e-10)


# --------------------------------------------------------------------------------- views or copies


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a[1:],
        lambda a: a[::-1, 1],
        lambda a: a[None],
        lambda a: a[..., 0],
        lambda a: a[1][1:],
        lambda a: a.T,
        lambda a: a.T.T,
        lambda a: a.reshape(4, 3),
        lambda a: a.T.reshape(-1),
        lambda a: a[:, 1:].reshape(-1),
        lambda a: a[:, :2].reshape(3, 2, 1),
        lambda a: a.ravel(),
        lambda a: a.ravel(order="F"),
        lambda a: a.flatten(),
        lambda a: a.copy(),
        lambda a: a[[0, 1]],
        lambda a: a[a > 0],
        lambda a: np.broadcast_to(a, (2, 3, 4)),
        lambda a: np.expand_dims(a, 1),
        lambda a: np.squeeze(a[:, :1]),
        lambda a: np.atleast_3d(a),
        lambda a: np.diagonal(a),
        lambda a: np.diag(a),
        lambda a: np.flip(a),
        lambda a: np.rot90(a),
        lambda a: np.split(a, 3)[1],
        lambda a: np.moveaxis(a, 0, 1),
        lambda a: a.real,
        lambda a: np.roll(a, 1, 0),
        lambda a: np.repeat(a, 2, 0),
        lambda a: a.astype(float),
        lambda a: a.astype(float, copy=False),
        lambda a: a.view(),
        lambda a: np.take(a, [0, 1], axis=0),
        lambda a: np.unstack(a)[0],
        lambda a: np.broadcast_arrays(a, np.ones((2, 3, 4)))[0],
        lambda a: np.meshgrid(a[0], a[1], copy=False)[0],
    ],
)
def test_what_numpy_views_is_a_view_and_what_it_copies_is_a_copy(make: Callable[..., Any]) -> None:
    def sees(a: Any) -> Any:
        part = make(a)
        a[...] = a * 2 + 1
        return part * 1.0

    for m in (M, np.asfortranarray(M)):
        expected = sees(np.array(m))
        np.testing.assert_array_equal(
            wg.jvp(lambda x: sees(np.positive(x)), (m,), (m,))[0], expected
        )


def test_a_view_nobody_writes_through_records_one_entry_of_its_own_kind() -> None:
    names = []
    for make in (
        lambda x: x.T,
        lambda x: x.reshape(-1),
        lambda x: x[1:],
        lambda x: x[1][2:],
        lambda x: x[1:][::2],
    ):
        with tracing() as level:
            tape = Tape(level)
            part = make(tape.input(M.copy()))
            assert isinstance(part, View)
            assert part.shape == make(M).shape
            assert len(tape.entries) == 1  # nothing is read before a value is asked for
            part + 1.0, part * 2.0
            names.append([entry_in_full(entry)[0].name for entry in tape.entries[1:]])
            tape.end()
    assert names == [
        [n, "add", "multiply"] for n in ("transpose", "reshape", "read", "read", "read")
    ]


def test_broadcast_views_are_read_only() -> None:
    with pytest.raises(ValueError, match="broadcast array"):
        wg.grad(lambda x: np.broadcast_to(x, (2, 6)).__setitem__(0, 1.0))(X)


def test_a_traced_value_does_not_vanish_in_a_plain_array() -> None:
    plain = np.zeros(3)

    def f(x: Any) -> Any:
        plain[0] = x[0]
        return x[0]

    with pytest.raises(LostDerivativeError, match=r"np\.zeros"):
        wg.grad(f)(X)
