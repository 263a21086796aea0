"""What compiling does to small programs, read off what the report says of their code.

One program for each transformation that docs/explanation/compiler.md names; the passes and planning
have tests of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg

X = np.linspace(0.1, 1.0, 10_000)
A, B = np.random.default_rng(0).normal(size=(2, 40, 50))


class Code:
    """A function compiled for some arguments, and checked there."""

    def __init__(self, function: Any, *args: Any, **options: Any):
        one = wg.compile(function, **options)
        found, expected = one(*args), function(*args)
        assert_allclose(found, expected, rtol=1e-10)
        (path,) = one.paths
        self.entries, self.after = path.entries, path.passes[-1].after
        self.native: dict[str, Any] = path.native

    @property
    def loops_and_calls(self) -> tuple[int, dict[str, int]]:
        """Kernels, and calls of libraries."""
        return self.native["kernels"], self.native["library"]


@pytest.mark.parametrize("size", [1, 20], ids=["small", "BLAS"])
@pytest.mark.parametrize(
    "function",
    [lambda a, b: a.T @ b, lambda a, b: a @ b.T, lambda a, b: (b.T @ a).T],
    ids=["left", "right", "product"],
)
def test_transposes_are_read_in_place_by_products(function: Any, size: int) -> None:
    a, b = np.tile(A, (size, size)), np.tile(B, (size, size))
    code = Code(function, a, b)
    kernels, library = code.loops_and_calls
    assert library == {"matmul": 1}
    assert kernels == (1 if function(A, B).strides[0] == 8 else 0)  # a result in columns is copied
    assert code.native["arena"] <= (code.native["moved"] // 2 + 64 if kernels else 0)


def test_a_cheap_chain_is_computed_again_instead_of_stored() -> None:
    def f(x: Any) -> Any:
        y = x * 2 + 1
        return np.sum(np.exp(y - np.max(y)))

    code = Code(f, X)
    assert code.native["kernels"] == 2  # the maximum comes first
    assert code.native["arena"] < 100  # bytes: the maximum alone


def test_a_softmax_stores_no_array() -> None:
    code = Code(wg.grad(lambda x: np.log(np.sum(np.exp(x * 2 + 1)))), X)
    assert code.native["arena"] < 100


def test_scalar_factors_leave_products_and_sums_with_fastmath() -> None:
    for function, args, per_element in (
        (lambda x: np.sum(2.0 * x), (X,), (2, 1)),
        (lambda x, c: np.sum((c * x) * x), (X, 3.0), (3, 2)),
    ):
        exact, fast = (Code(function, *args, fastmath=f).native["flops"] for f in (False, True))
        assert exact == per_element[0] * len(X)
        assert fast == per_element[1] * len(X) + 1
    exact, fast = (Code(lambda a, c, b: (c * a) @ b.T, A, 3.0, B[:3], fastmath=f).native["arena"]
                   for f in (False, True))  # fmt: skip
    assert fast < exact  # the product has fewer elements than the factor


@pytest.mark.parametrize("axis", [0, (0, 1), None])
def test_sums_of_broadcasts_are_products_with_fastmath(axis: Any) -> None:
    def f(x: Any) -> Any:
        return np.sum(np.broadcast_to(x, (1000, 3)), axis=axis)

    exact, fast = (Code(f, np.arange(3.0), fastmath=f_).native["flops"] for f_ in (False, True))
    assert exact == 3000
    assert fast <= 6


def test_transpose_pairs_and_reshape_chains_go() -> None:
    assert Code(lambda x: x.T.T, A).after == 0
    assert Code(lambda x: np.transpose(np.transpose(x, (1, 2, 0)), (2, 0, 1)), A[None]).after == 0
    assert Code(lambda x: x.reshape(20, 100).reshape(-1).reshape(50, 40), A).after == 1
    turned = Code(lambda x: (x.T * 2).T, A)  # read and written where it lies
    assert turned.native["kernels"] == 1
    assert turned.native["arena"] == 0


def test_dead_adjoints_go() -> None:
    def loss(x: Any, w: Any) -> Any:
        return np.sum(np.tanh(x @ w))

    both = Code(lambda x, w: wg.grad(loss, (0, 1))(x, w)[0], A, B.T)
    one = Code(lambda x, w: wg.grad(loss)(x, w), A, B.T)
    assert both.entries > one.entries
    assert both.after == one.after
    assert both.native["library"] == one.native["library"] == {"matmul": 2}
    value = Code(lambda x: wg.value_and_grad(lambda x: np.sum(np.sin(x)))(x)[1], X)
    assert value.after == 1  # the cosine


def test_constants_are_folded_and_common_parts_shared() -> None:
    assert Code(lambda x: np.sin(np.arange(3.0) * np.array(2.0)) + x, X[:3]).after == 1
    code = Code(lambda x: np.exp(x) * np.sin(x) + np.exp(x), X)
    assert (code.entries, code.after) == (5, 4)


def test_algebra() -> None:
    assert Code(lambda x: np.negative(-x) * 1 + x**2, X).after == 2
    assert Code(lambda x: np.log(np.exp(x)), X, fastmath=True).after == 0
    assert Code(lambda x: np.log(np.exp(x)), X).after == 2


def test_what_stays_the_same_leaves_the_loop() -> None:
    def f(x: Any, w: Any) -> Any:
        for _ in range(100):
            x = x * np.exp(w) + np.sin(w)
        return x

    code = Code(f, 1.0, 0.5)
    assert code.entries == 400
    assert code.native["flops"] == 2 * 100 + 2  # exp and sin once


@pytest.mark.parametrize("gradient", [False, True])
def test_repeated_stretches_are_loops_whose_code_does_not_grow(gradient: bool) -> None:
    found = []
    for count in (60, 600):

        def f(x: Any, count: int = count) -> Any:
            for _ in range(count):
                x = np.sin(x) * 1.1
            return x

        found.append(Code(wg.grad(f) if gradient else f, 0.3))
    short, long = found
    assert long.entries > 9 * short.entries
    assert long.after == short.after
    assert long.native["scalars"] == short.native["scalars"]


def test_elementwise_work_on_objects_is_work_on_arrays() -> None:
    def f(x: Any) -> Any:
        cells = np.empty(200, object)
        for k in range(200):
            cells[k] = x * k
        return np.sum(cells**2 - 0.5 * cells)

    code = Code(f, np.float64(0.3))
    assert code.entries > 600
    assert code.after < 20
    assert code.native["kernels"] + sum(code.native["loops"].values()) <= 3


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda a, b: np.sum((a * 2 + b) * np.exp(a) - b, axis=1), (A, B[0])),
        (lambda a, b: np.einsum("ij,ij->i", a, b), (A, B)),
        (lambda a: np.mean((a - 1.0) ** 2), (A,)),
        (lambda a, b: np.where(a > b, a, -b).max(axis=0), (A, B)),
    ],
    ids=["broadcast and reduce", "small contraction", "mean", "select and reduce"],
)
def test_elementwise_work_broadcasts_and_reductions_are_one_kernel(
    function: Any, args: Any
) -> None:
    code = Code(function, *args)
    assert code.loops_and_calls == (1, {})
    assert code.native["callbacks"] == {}
    assert code.native["arena"] <= 16  # at most a number


def test_gathers_are_read_by_the_kernel_that_uses_them() -> None:
    code = Code(lambda x, index: np.sum(np.sin(x[index]) * 2), X, np.arange(1000)[::-1].copy())
    assert code.native["kernels"] == 1
    assert code.native["arena"] == 0
    assert code.native["callbacks"] == {}


def test_places_in_memory_are_used_again() -> None:
    def f(x: Any) -> Any:
        for _ in range(5):
            x = np.cumsum(x) * 0.5
        return x

    code = Code(f, X)
    assert code.native["arena"] <= 2 * X.nbytes + 200


def test_updates_of_an_array_copy_it_once() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        for k in range(20):
            y[k] = y[k - 1] * 2 + 1
        return y

    code = Code(f, X)
    assert code.native["arena"] < 1000
    assert code.native["moved"] < 3 * X.nbytes
