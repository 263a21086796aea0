"""`wg.trace`: what it keeps, how it names it, and that it can be run again."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.errors import (
    NonScalarTargetError,
    ShapeError,
    SourceTypeError,
    TargetTypeError,
    TraceEndedError,
)
from wengert.tape.columns import Constant


def neuron(x, w):
    h = x @ w
    y = np.tanh(h)
    return (y - 1.0) ** 2


X, W = np.array([2.0, 3.0]), np.array([0.4, -0.2])


def test_the_log_has_names_values_and_adjoints():
    text = str(wg.trace(lambda x, y: x * y + y, 3.0, 2.0))
    text, count = re.subn(r"  at test_trace\.py, line \d+:   text = str.*", "", text)
    assert count == 2
    assert text == (
        "forward\n"
        "    x = 3                      float64[]\n"
        "    y = 2                      float64[]\n"
        "#1: v1 = multiply(x, y)  -> 6  float64[]\n"
        "#2: v2 = add(v1, y)      -> 8  float64[]\n"
        "backward\n"
        "#2: v2 = 8  adjoint 1\n"
        "#1: v1 = 6  adjoint 1\n"
        "    y = 2   adjoint 4\n"
        "    x = 3   adjoint 2"
    )


def test_entries_know_names_operands_values_and_lines():
    traced = wg.trace(neuron, X, W)
    assert [entry.name for entry in traced.entries] == ["x", "w", "h", "y", "v3", "v4"]
    x, w, h, y, difference, square = traced.entries
    assert traced.inputs == (x, w)
    assert traced.outputs == (square,)
    assert h.operands == (x, w)
    assert difference.operands == (y, Constant(1.0))
    assert (h.primitive.name, y.primitive.name) == ("matmul", "tanh")
    assert h.place.line.text == "h = x @ w"
    assert x.is_input
    assert not h.is_input
    assert_allclose(h.value, 0.2)
    assert_allclose(traced.value, neuron(X, W))
    assert len(traced) == 6
    assert repr(y) == "<entry 3: y = tanh>"


def test_adjoints_are_those_of_grad():
    traced = wg.trace(neuron, X, W)
    for entry, gradient in zip(traced.inputs, wg.grad(neuron, (0, 1))(X, W), strict=True):
        assert_array_equal(entry.adjoint, gradient)
    y = traced.entries[3]
    assert_allclose(y.adjoint, 2 * (y.value - 1))


def test_local_derivatives_of_elementwise_entries():
    _, _, h, y, difference, square = wg.trace(neuron, X, W).entries
    assert h.locals is None
    assert_allclose(y.locals, [1 - y.value**2])
    assert difference.locals == (1, -1)
    assert_allclose(square.locals[0], 2 * difference.value)


def test_replay_runs_on_other_values_and_is_differentiated():
    traced = wg.trace(neuron, X, W)
    assert traced.replay(X, 2 * W) == neuron(X, 2 * W)
    assert_array_equal(wg.grad(traced.replay, 1)(X, 2 * W), wg.grad(neuron, 1)(X, 2 * W))
    with pytest.raises(ShapeError):
        traced.replay(X)


def test_in_place_code_views_and_tuples_replay():
    def f(x):
        table = np.zeros((2, 3))
        table[0] = x
        table[1] = table[0] * 2
        table[:, 1] *= x[0]
        table.T[2, 0] += 1.0
        values, vectors = np.linalg.eigh(table @ table.T)
        return np.sum(table) + values[0] * vectors[0, 0] ** 2

    x, other = np.array([1.0, 2.0, 0.5]), np.array([0.3, -1.0, 2.0])
    traced = wg.trace(f, x)
    assert_allclose(traced.value, f(x))
    assert_allclose(traced.replay(other), f(other))
    assert_allclose(traced.inputs[0].adjoint, wg.grad(f)(x), rtol=1e-10)
    assert_allclose(wg.grad(traced.replay)(other), wg.grad(f)(other), rtol=1e-10)


def test_an_entry_keeps_its_value_when_the_array_is_written_later():
    def f(x):
        y = x * 2.0
        y[0] = 0.0
        return np.sum(y)

    traced = wg.trace(f, X)
    assert_array_equal(traced.entries[1].value, [4.0, 6.0])
    assert_array_equal(traced.entries[2].value, [0.0, 6.0])


def test_the_callers_arrays_may_change_afterwards():
    x, c = X.copy(), W.copy()
    traced = wg.trace(lambda x: np.sum(x * c), x)
    x[:], c[:] = 0, 0
    assert_array_equal(traced.inputs[0].value, X)
    assert_allclose(traced.replay(X), X @ W)


def test_a_constant_that_changes_while_it_is_traced_is_kept_as_it_was():
    def f(x):
        plain = np.arange(100.0)
        total = 0.0
        for _ in range(3):
            total = total + np.sum(x * plain.copy())
            plain += 1.0
        return total

    traced = wg.trace(f, 2.0)
    assert traced.replay(2.0) == f(2.0)


def test_several_results_need_seeds():
    traced = wg.trace(lambda x: (x * 2.0, x**2), X)
    assert traced.inputs[0].adjoint is None
    assert "backward" not in str(traced)
    traced.sweep([1.0, 0.0], [0.0, 1.0])
    assert_array_equal(traced.inputs[0].adjoint, [2.0, 6.0])
    with pytest.raises(NonScalarTargetError):
        traced.sweep([1.0, 0.0])


def test_arguments_may_be_trees_and_have_static_parts():
    def f(p, n, *rest, scale):
        return n * scale * np.sum(p["w"]) * rest[0] * rest[1]

    traced = wg.trace(f, {"w": X}, 3, 1.0, 2.0, scale=0.5)
    assert [entry.name for entry in traced.inputs] == ["p['w']", "rest[0]", "rest[1]", "scale"]
    assert traced.value == 15.0
    assert traced.replay({"w": X}, 3, 2.0, 2.0, scale=0.5) == 30.0


def test_decisions_are_kept():
    def f(x):
        return x * 2.0 if x > 1.0 else x

    (decision,) = wg.trace(f, 3.0).decisions
    assert (decision.primitive.name, decision.value, decision.before) == ("greater", True, 1)
    assert decision.place.line.text == "return x * 2.0 if x > 1.0 else x"


def test_structural_zeros_reach_the_inputs():
    traced = wg.trace(lambda x: np.sum(np.where(x < 1, x, np.sqrt(x))), np.array([0.0, 4.0]))
    assert_array_equal(traced.inputs[0].adjoint, [1.0, 0.25])


def test_a_result_that_depends_on_nothing():
    traced = wg.trace(lambda x: 3.0, 1.0)
    assert traced.outputs == (Constant(3.0),)
    assert traced.inputs[0].adjoint is None


def test_tracing_inside_a_transform():
    def f(x):
        traced = wg.trace(lambda u: u**2 * x, x)
        return traced.inputs[0].adjoint + traced.value

    assert wg.grad(f)(3.0) == pytest.approx(4 * 3.0 + 3 * 9.0)


def test_tracing_arrays_of_the_other_forms():
    assert wg.trace(lambda x: x * x, wg.array(3.0, requires_grad=True)).inputs[0].adjoint == 6.0


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: wg.trace(lambda n: n * n, 3), SourceTypeError),
        (lambda: wg.trace(lambda x: "text", 3.0), TargetTypeError),
    ],
)
def test_bad_input_is_a_named_error(call, error):
    with pytest.raises(error):
        call()


def test_an_array_that_escapes_says_that_its_trace_has_ended():
    kept = []
    wg.trace(lambda x: kept.append(x) or x * x, 3.0)
    with pytest.raises(TraceEndedError):
        kept[0] * 2.0
