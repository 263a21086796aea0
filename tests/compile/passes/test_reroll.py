"""Repeated stretches become loops or operations on whole arrays, and give the same bits."""

import dataclasses

import numpy as np
import pytest

import wengert as wg
from wengert.compile.passes.loop import loop
from wengert.compile.passes.periods import Stretch, find_stretches
from wengert.compile.passes.pipeline import entries
from wengert.compile.passes.reroll import reroll
from wengert.compile.passes.slices import forward_elements
from wengert.compile.program import Guard, GuardFailed, interpret

X = np.linspace(0.1, 1.3, 120)


def names(program):
    return [op.primitive.name for op in program.ops]


def bodies(program):
    return [op.parameters for op in program.ops if op.primitive is loop]


def euler(x):
    angle, speed = x[0], x[1]
    for _ in range(100):
        angle, speed = angle + 0.01 * speed, speed - 0.01 * (9.81 * np.sin(angle) + 0.1 * speed)
    return angle


def numbers(a, b):
    for _ in range(60):
        a, b = a + 0.01 * b * a, b - 0.01 * a
    return a * b


def two_steps_back(x):
    older, old = x[0], x[1]
    for _ in range(100):
        older, old = old, 0.5 * old - 0.3 * older + 0.1
    return old + older


def three_steps_back(x):
    a, b, c = x[0], x[1], x[2]
    for _ in range(60):
        a, b, c = b, c, np.sin(a) + 0.2 * c
    return a + b * c


def elements(x):
    return np.sum(np.stack([np.sin(v) * v for v in x]))


def objects(x):
    held = np.array(list(x), dtype=object)
    return np.sum(np.stack(list(held * held + 1.0)))


def filling(x):
    out = np.zeros(len(x))
    for k in range(len(x)):
        out[k] = np.exp(x[k]) * 2
    return np.sum(out**2)


def filling_backwards(x):
    out = np.zeros(len(x))
    for k in reversed(range(len(x))):
        out[k] = np.exp(x[k]) * 2
    return out


def filling_a_column(x):
    out = np.zeros((len(x), 2))
    for k in range(len(x)):
        out[k, 0] = x[k] * 2
        out[k, 1] = np.sin(x[k])
    return out


def filling_columns(x):
    out = np.zeros((3, len(x)))
    for k in range(len(x)):
        out[:, k] = x[:3] * x[k]
    return out


def adding_to_neighbours(x):
    out = np.full(len(x) + 2, 0.5)
    for k in range(len(x)):
        out[k] += x[k]
        out[k + 2] += x[k] * 3
        out[k + 1] += x[k] * 2
    return out


def writing_over_neighbours(x):
    out = np.zeros(len(x) + 1)
    for k in range(len(x)):
        out[k + 1] = x[k] * 2
        out[k] = x[k]
    return out


def recurrence(x):
    u = np.zeros(len(x))
    u[0] = x[0]
    for k in range(len(x) - 1):
        u[k + 1] = u[k] + 0.01 * np.sin(u[k]) + x[k]
    return u


def rosenbrock(x):
    total = 0.0
    for k in range(len(x) - 1):
        total = total + 100 * (x[k + 1] - x[k] * x[k]) ** 2 + (1 - x[k]) ** 2
    return total


def rows(x):
    h = np.zeros(4)
    for row in np.reshape(x, (30, 4)):
        h = np.tanh(row + 0.5 * h)
    return np.sum(h)


def varying_constants(x):
    y = x[:3]
    for k in range(40):
        y = y * (0.9 + 0.001 * k) + k
    return np.sum(y)


def nested(x):
    y = x[:5]
    for k in range(12):
        y = np.sin(y) + 0.1 * k
        for _ in range(20):
            y = y * 0.99 + 0.01 * np.cos(y)
    return np.sum(y)


def every_value_used(x):
    y, seen = x[0], []
    for _ in range(50):
        y = y * 1.01 + 0.1
        seen.append(y)
    return seen[3] * seen[40] + seen[-1]


def matrices(x):
    a = np.reshape(x[:4], (2, 2)) + np.eye(2)
    h = x[4:6]
    for _ in range(30):
        h = np.tanh(a @ h)
    return np.sum(h)


def tuples(x):
    a = np.reshape(x[:9], (3, 3)) * 0.1
    for _ in range(10):
        w, v = np.linalg.eigh(a + a.T + np.eye(3) * 2)
        a = v * np.sqrt(w) * 0.5
        a = a + 0.1 * np.sin(a) - a * a
        a = a - 0.5 * a * a + 0.1
    return np.sum(a)


FUNCTIONS = [
    euler,
    two_steps_back,
    three_steps_back,
    elements,
    objects,
    filling,
    filling_backwards,
    filling_a_column,
    filling_columns,
    adding_to_neighbours,
    writing_over_neighbours,
    recurrence,
    rosenbrock,
    rows,
    varying_constants,
    nested,
    every_value_used,
    matrices,
    tuples,
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_repeating_function_is_shorter_and_the_same(function, program, assert_same_results):
    before = forward_elements(program(function, X))
    after = reroll(before)
    assert entries(after) < entries(before) / 3
    assert_same_results(before, after, [X])
    assert reroll(after) is after


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_its_gradient_too(function, program, assert_same_results):
    def gradient(x):
        return wg.grad(lambda v: np.sum(function(v)))(x)

    before = forward_elements(program(gradient, X))
    after = reroll(before)
    assert entries(after) < entries(before) / 3
    assert_same_results(before, after, [X])


def test_python_numbers_are_carried(program, assert_same_results):
    args = (0.5, 0.25)
    before = program(numbers, *args)
    assert {op.spec.kind for op in before.ops} == {"python"}
    after = reroll(before)
    assert len(after) < 5
    (parameters,) = bodies(after)
    assert [spec.kind for spec in parameters["body"].inputs] == ["python", "python"]
    # The interpreter gives NumPy numbers for Python's: only the values are compared.
    assert [float(x) for x in interpret(before, args)] == [float(x) for x in interpret(after, args)]


def test_the_number_of_entries_does_not_grow_with_the_iterations(program):
    def steps(count):
        def f(x):
            y = x[0]
            for _ in range(count):
                y = y + 0.01 * np.sin(y) * x[1]
            return y

        return entries(reroll(forward_elements(program(wg.value_and_grad(f), X[:2]))))

    assert steps(50) == steps(100) == steps(400)


def test_the_work_grows_with_the_iterations_and_no_faster(program, calls_of):
    def calls(count):
        def f(x):
            y = x[0]
            for _ in range(count):
                y = y + 0.01 * np.sin(y) * x[1]
            return y

        return calls_of(reroll, program(f, X[:2]))

    assert calls(2000) < 11 * calls(200)


def test_the_backward_loop_reads_what_the_forward_loop_collects(program):
    after = reroll(forward_elements(program(wg.value_and_grad(euler), X[:2])))
    forward, backward = bodies(after)
    assert not forward["reverse"]
    assert backward["reverse"]
    assert {moves.step for moves in backward["stacked"]} == {1}


def test_independent_iterations_become_operations_on_arrays(program):
    after = reroll(forward_elements(program(elements, X)))
    assert names(after) == ["sin", "multiply", "sum"]
    gradient = reroll(forward_elements(program(wg.grad(filling), X)))
    assert "loop" not in names(gradient)


def test_an_element_read_again_is_not_carried(program):
    after = reroll(program(rosenbrock, X))
    (parameters,) = bodies(after)
    assert parameters["carried"] == 1


def test_guards_inside_stay_guards(program):
    before = program(euler, X[:2])
    middle = len(before.inputs) + len(before) // 2
    builder_ops = list(before.ops)
    from wengert.compile.program import Op, spec_of
    from wengert.primitives.registry import REGISTRY
    from wengert.tape.columns import Constant

    less = Op(REGISTRY["less"], (middle, Constant(1e9)), {}, spec_of(np.bool_(True)))
    builder_ops.append(less)
    total = len(before.inputs) + len(before)
    guarded = dataclasses.replace(
        before, ops=tuple(builder_ops), guards=(Guard(total, True),)
    )
    after = reroll(guarded)
    assert len(after.guards) == 1
    assert len(after) < 40
    assert interpret(guarded, [X[:2]]) == interpret(after, [X[:2]])
    with pytest.raises(GuardFailed):
        interpret(after, [np.array([1e10, 1e10])])


def test_a_short_program_is_left_alone(program):
    before = program(lambda x: np.sin(x[0]) * np.cos(x[1]), X)
    assert reroll(before) is before


# ------------------------------------------------------------------------------------------- periods


def test_stretches_of_a_sequence_are_found():
    rng = np.random.default_rng(0)
    body = rng.integers(0, 5, 37)
    noise = rng.integers(100, 10_000, 50)
    keys = np.concatenate([noise, np.tile(body, 20), noise[:20] + 10_000, np.full(200, 7)])
    found = find_stretches(keys)
    assert [(s.length, s.times) for s in found] == [(37, 20), (1, 200)]
    assert found[0].start == 50


def test_nothing_is_found_where_nothing_repeats():
    assert find_stretches(np.arange(5000)) == []
    assert find_stretches(np.zeros(0, int)) == []
    assert find_stretches(np.zeros(20, int)) == []


def test_the_whole_period_is_found_where_parts_of_it_repeat():
    body = [1, 2, 1, 2, 1, 2, 3]
    (found,) = find_stretches(np.tile(body, 30))
    assert found == Stretch(0, 7, 30)


def test_the_outer_loop_is_found_first():
    inner = [1, 2] * 40
    (found,) = find_stretches(np.tile([*inner, 3, 4, 5], 10))
    assert (found.length, found.times) == (83, 10)
