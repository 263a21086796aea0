"""Repeated stretches become loops or operations on whole arrays, and give the same bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.compile.passes.hoist import hoist
from wengert.compile.passes.loop import loop
from wengert.compile.passes.periods import Stretch, find_stretches
from wengert.compile.passes.pipeline import entries, optimise
from wengert.compile.passes.reroll import reroll
from wengert.compile.passes.slices import forward_elements
from wengert.compile.passes.views import name_views
from wengert.compile.program import GuardFailed, interpret
from wengert.compile.trace import Recorder
from wengert.tape.seams import tracing
from wengert.tape.structural import careful

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
    out, weights = np.zeros((3, len(x))), np.array([1.0, 2.0, 3.0])
    for k in range(len(x)):
        out[:, k] = weights * x[k]
    return out


def adding_to_one_place(x):
    total = np.zeros(3)
    for k in range(len(x)):
        total[1] += x[k] * x[2]
    return total


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
    for _ in range(60):
        h = np.tanh(a @ h)
    return np.sum(h)


def tuples(x):
    a = np.reshape(x[:9], (3, 3)) * 0.1
    for _ in range(12):
        w, v = np.linalg.eigh(a + a.T)
        a = a * 0.5 + (v * np.sin(w)) @ v.T * 0.25
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
    adding_to_one_place,
    recurrence,
    rosenbrock,
    rows,
    varying_constants,
    nested,
    every_value_used,
    matrices,
    tuples,
]


def settled(before):
    """A program after the passes that come before re-rolling."""
    return forward_elements(name_views(before))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_repeating_function_is_shorter_and_the_same(function, program, assert_same_results):
    before = settled(program(function, X))
    after = reroll(before)
    assert entries(after) < entries(before) / 3
    assert_same_results(before, after, [X])
    assert reroll(after) is after


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_its_gradient_too(function, program, assert_same_results):
    def gradient(x):
        return wg.grad(lambda v: np.sum(function(v) ** 2))(x)

    before = settled(program(gradient, X))
    after = reroll(before)
    assert entries(after) < entries(before) / 2
    assert_same_results(before, after, [X])


def test_python_numbers_are_carried(program, assert_same_results):
    args = (0.5, 0.25)
    before = program(numbers, *args)
    assert {op.spec.kind for op in before.ops} == {"python"}
    after = reroll(before)
    assert len(after) < 5
    (parameters,) = bodies(after)
    assert [spec.kind for spec in parameters["body"].inputs] == ["python", "python"]
    assert_same_results(before, after, args)


def test_the_number_of_entries_does_not_grow_with_the_iterations(program):
    def steps(count):
        def f(x):
            y = x[0]
            for _ in range(count):
                y = y + 0.01 * np.sin(y) * x[1]
            return y

        return entries(reroll(settled(program(wg.value_and_grad(f), X[:2]))))

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
    after = reroll(settled(program(wg.value_and_grad(euler), X[:2])))
    forward, backward = bodies(after)
    assert not forward["reverse"]
    assert backward["reverse"]
    assert {moves.step for moves in backward["stacked"]} == {1}


def test_independent_iterations_become_operations_on_arrays(program):
    after = reroll(settled(program(elements, X)))
    assert names(after) == ["sin", "multiply", "sum"]
    gradient = reroll(settled(program(wg.grad(filling), X)))
    assert "loop" not in names(gradient)


def test_an_element_read_again_is_not_carried(program):
    after = reroll(program(rosenbrock, X))
    (parameters,) = bodies(after)
    assert parameters["carried"] == 1


def recorded(function, *args):
    """A function as `wg.compile` records it: with guards."""
    recorder = Recorder()
    with careful(), tracing():
        out = function(*[recorder.input(x) for x in args]).current()
    return recorder.program([out.index])


def test_guards_inside_stay_guards():
    def newton(x):
        y = x
        while np.abs(y * y - x) > 1e-13 * x:
            y = y - 0.05 * (y * y - x) / y
        return y

    before = recorded(newton, np.float64(2.0))
    after, _ = optimise(before)
    assert len(before.guards) > 50
    assert [guard.place for guard in after.guards] == [guard.place for guard in before.guards]
    assert [op.primitive is loop for op in after.ops].count(True) == 1
    assert interpret(before, [np.float64(2.0)]) == interpret(after, [np.float64(2.0)])
    with pytest.raises(GuardFailed) as expected:
        interpret(before, [np.float64(3.0)])
    with pytest.raises(GuardFailed) as failed:
        interpret(after, [np.float64(3.0)])
    assert failed.value.guard.place is expected.value.guard.place


def test_an_operation_that_may_fail_is_not_done_before_its_guard():
    def shrinking(x):
        a = np.eye(2) * x
        while np.sum(a) > 1.0:
            a = np.linalg.cholesky(a) * np.sqrt(a[0, 0]) * 0.95
        return np.sum(a)

    before = recorded(shrinking, np.float64(2.0))
    assert len(before.guards) > 8
    assert reroll(before) is before


def test_a_large_integer_is_no_obstacle(program, assert_same_results):
    def f(x):
        y = x[0]
        for k in range(40):
            y = np.sin(y) + float(10**30 + k) * 1e-30
        return y

    before = program(f, X)
    assert_same_results(before, reroll(before), [X])


def test_a_short_program_is_left_alone(program):
    before = program(lambda x: np.sin(x[0]) * np.cos(x[1]), X)
    assert reroll(before) is before


# ---------------------------------------------------------------------------------------- periods


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


# ------------------------------------------------------------------------------ random loops


@st.composite
def random_loops(draw):
    """A function that does the same random steps many times, and how often."""
    steps = draw(st.lists(st.tuples(*[st.integers(0, 30)] * 3), min_size=2, max_size=9))
    times = draw(st.integers(9, 14))
    return steps, times


def as_function(steps, times):
    """Steps choose an operation and two of the values there are, of this iteration or the last."""

    def f(x):
        buffer = np.zeros(2 * times + 3)
        held = [x[0], x[1], x[0] * 0.5]
        for t in range(times * 2):
            new = []
            for what, first, second in steps:
                known = [*held, *new, 0.5, x[2]]
                a, b = known[first % len(known)], known[second % len(known)]
                kind = what % 9
                if kind == 0:
                    new.append(a + b)
                elif kind == 1:
                    new.append(a * 0.5 - b)
                elif kind == 2:
                    new.append(np.sin(a))
                elif kind == 3:
                    new.append(x[t + what % 3] * b)
                elif kind == 4:
                    new.append(a * (0.1 * t))
                elif kind == 5:
                    buffer[t + first % 3] = b
                elif kind == 6:
                    buffer[t + first % 3] += b
                elif kind == 7:
                    new.append(buffer[t + first % 3])
                else:
                    buffer[second % 2] += np.cos(a)
            held = [*new, *held][:3]
        return held[0] + np.sum(buffer * buffer) + held[1] * held[2]

    return f


@settings(max_examples=150, deadline=None)
@given(random_loops())
def test_random_loops_keep_every_bit(program, assert_same_results, drawn):
    before = settled(program(as_function(*drawn), X[:40]))
    after = reroll(before)
    assert_same_results(before, after, [X[:40]])


@settings(max_examples=100, deadline=None)
@given(random_loops())
def test_gradients_of_random_loops_keep_every_bit(program, assert_same_results, drawn):
    before = settled(program(wg.grad(as_function(*drawn)), X[:40]))
    after = reroll(before)
    assert_same_results(before, after, [X[:40]])
    assert_same_results(before, hoist(after), [X[:40]])
    assert_same_results(before, optimise(before)[0], [X[:40]], exact=False)
