"""The brief forms of entries: what they stand for, and that a tape of numbers is let go of."""

import gc

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg
from wengert.primitives.adjoints import like_of
from wengert.primitives.brief import PULLS
from wengert.tape import products, sweep
from wengert.tape.entries import (
    ANY,
    BRIEF,
    ELEMENT_READ,
    ELEMENT_WRITE,
    FITTED,
    PRODUCT,
    whole,
)
from wengert.tape.seams import tracing
from wengert.tape.tape import Tape


def recorded(f, *values):
    with tracing() as level:
        tape = Tape(level)
        f(*[tape.input(value) for value in values])
        return tape.end()


def table(x):
    out = np.zeros(3)
    out[0] = x[1]  # the first write of an array goes the long way
    out[1] = x[0] * x[1]
    return out


def test_forms_and_what_they_stand_for():
    entries = recorded(table, np.array([2.0, 3.0]))
    assert [len(e) for e in entries[1:]] == [ELEMENT_READ, ANY, 3, 3, BRIEF, ELEMENT_WRITE]
    names = [whole(entry)[0].name for entry in entries[1:]]
    assert names == ["read", "write", "read", "read", "multiply", "write"]


def test_entries_of_numbers_are_not_tracked_by_the_garbage_collector():
    def f(x):
        for _ in range(20):
            x = np.sin(x) * 0.5 + x**2 * 0.1 - 1.0 / (2.0 + x)
        return x

    entries = recorded(f, 1.5)
    gc.collect()
    assert not any(gc.is_tracked(entry) for entry in entries[1:])


@pytest.mark.parametrize("pulls", PULLS, ids=lambda pulls: pulls.primitive.name)
def test_compiled_pulls_agree_with_the_primitives_own(pulls):
    primitive = pulls.primitive
    count = len(primitive.operands)
    values = (0.3, 0.7)[:count]
    with np.errstate(all="ignore"):
        out = primitive.function(*values)
    if not isinstance(out, float):
        pytest.skip("gives no real number")
    adjoint = np.float64(1.7)
    for parents in ((0,),) if count == 1 else ((0, 1), (0, -1), (-1, 1)):
        first, second = (0, -1) if count == 1 else parents
        x1, x2 = (values[0], None) if count == 1 else values
        entry = (primitive.number, first, second, x1, x2, out)
        _, _, saved, likes, parameters = whole(entry)
        with np.errstate(all="ignore"):
            expected = primitive.pull(adjoint, parents, saved, likes, parameters)
            for before in (None, np.float64(0.5)):
                adjoints = [before] * 2
                pulls.pull(adjoints, adjoint, entry)
                for found, part in zip(adjoints, (*expected, None), strict=False):
                    wanted = before if part is None else part if before is None else before + part
                    assert (found is None) == (wanted is None)
                    if wanted is not None:
                        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("pulls", PULLS, ids=lambda pulls: pulls.primitive.name)
def test_fitted_pulls_bring_contributions_to_their_operands_form(pulls):
    primitive = pulls.primitive
    if len(primitive.operands) == 1:
        pytest.skip("one operand has the result's form")
    rng = np.random.default_rng(0)
    x1, x2 = rng.uniform(0.3, 0.9, (3, 1)), rng.uniform(0.3, 0.9, 4).astype(np.float32)
    with np.errstate(all="ignore"):
        out = primitive.function(x1, x2)
    adjoint = rng.normal(size=out.shape)
    likes = (like_of(x1), like_of(x2))
    for parents in ((0, 1), (0, -1), (-1, 1)):
        entry = (primitive.number, *parents, x1, x2, out, *likes)
        _, _, saved, given, parameters = whole(entry)
        assert given == likes
        with np.errstate(all="ignore"):
            expected = primitive.pull(adjoint, parents, saved, likes, parameters)
            adjoints = [None, None]
            pulls.fitted(adjoints, adjoint, entry)
        for found, part, like in zip(adjoints, expected, likes, strict=True):
            assert (found is None) == (part is None)
            if part is not None:
                assert like_of(found) == like
                assert_allclose(found, part, rtol=1e-6)


def test_matrix_products_have_a_form_of_their_own():
    x, w = np.ones((3, 4)), np.ones((4, 2))
    (product,) = recorded(lambda w: x @ w, w)[1:]
    assert len(product) == PRODUCT
    primitive, parents, saved, likes, _ = whole(product)
    assert (primitive.name, parents, saved[1]) == ("matmul", (-1, 0), None)
    assert likes == (like_of(x), like_of(w))
    assert len(recorded(lambda w: x @ w[:, 0], w)[-1]) == ANY  # a vector
    assert len(recorded(lambda w: x.astype(np.float32) @ w, w)[-1]) == ANY  # two dtypes
    assert len(recorded(lambda b: x @ w + b, np.ones(2))[-1]) == FITTED


def recurrent(w, v, xs):
    h = np.zeros((3, len(w)))
    for x in xs:
        h = np.tanh(x @ w + (h @ v) * 0.5)
    return np.sum(h * h)


@pytest.mark.parametrize("limit", [0, 200, 10**9])
def test_gathered_products_sum_to_the_same_gradient(limit, monkeypatch):
    monkeypatch.setattr(products, "SINGLE_THREADED", limit)
    rng = np.random.default_rng(0)
    w, v, xs = rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), rng.normal(size=(9, 3, 4))
    for argnum in (0, 1):
        gradient = wg.grad(recurrent, argnum)(w, v, xs)
        direction = rng.normal(size=(4, 4))
        tangent = tuple(
            [direction if k == argnum else np.zeros_like(a) for k, a in ((0, w), (1, v))]
        )
        _, expected = wg.jvp(lambda w, v: recurrent(w, v, xs), (w, v), tangent)
        assert_allclose(np.sum(gradient * direction), expected, rtol=1e-12)


def test_a_weight_used_again_after_its_products_and_before():
    rng = np.random.default_rng(1)
    w, x = rng.normal(size=(4, 4)), rng.normal(size=(3, 4))

    def f(w):
        u = np.sin(w)  # no input: its products must be summed before its own rule runs
        return np.sum(np.cos(x @ u) @ u * (x @ w)) + np.sum(u)

    wg.check_grads(f, (w,), order=2)


def test_products_of_mixed_dtypes_and_shapes_go_the_common_way():
    rng = np.random.default_rng(2)
    w, x = rng.normal(size=(4, 4)), rng.normal(size=(5, 3, 4)).astype(np.float32)
    gradient = wg.grad(lambda w: np.sum(x @ w) + np.sum(x[0] @ w) + np.sum(w @ w[0]))(w)
    wg.check_grads(lambda w: np.sum(x @ w) + np.sum(x[0] @ w) + np.sum(w @ w[0]), (w,))
    assert gradient.dtype == np.float64


def test_large_contributions_are_added_in_place(monkeypatch):
    kept = []
    monkeypatch.setattr(sweep, "add_into_large", lambda held, part: kept.append(held.size))
    x = np.ones(5000)
    wg.grad(lambda x: np.sum(np.maximum(x, 0.5) * 2.0) + np.sum(np.minimum(x, 3.0) * x))(x)
    assert kept  # the buffer had no other holder
