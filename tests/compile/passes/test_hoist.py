"""What is taken out of loops, and that results stay."""

import dataclasses

import numpy as np
import pytest

import wengert as wg
from wengert.compile.passes.hoist import hoist
from wengert.compile.passes.loop import loop
from wengert.compile.passes.reroll import reroll
from wengert.compile.passes.slices import forward_elements

X = np.linspace(0.1, 1.3, 120)


def rerolled(program, function, *args):
    return reroll(forward_elements(program(function, *args)))


def body_names(program):
    found = [op.parameters["body"] for op in program.ops if op.primitive is loop]
    return [[op.primitive.name for op in body.ops] for body in found]


def test_what_stays_the_same_is_done_once(program, assert_same_results):
    def f(x):
        y = x[:3]
        for _ in range(30):
            y = y * np.exp(x[3]) * 0.1 + np.sin(x[:3])
        return np.sum(y)

    before = rerolled(program, f, X)
    after = hoist(before)
    assert [sorted(names) for names in body_names(after)] == [["add", "multiply", "multiply"]]
    assert_same_results(before, after, [X])


def test_numbers_that_no_carried_value_makes_are_done_on_arrays(program, assert_same_results):
    def f(x):
        y = x[0]
        for k in range(100):
            y = y * 0.9 + np.exp(x[k]) * 2
        return y

    before = rerolled(program, f, X)
    after = hoist(before)
    assert body_names(after) == [["multiply", "add"]]
    assert [op.spec.shape for op in after.ops if op.primitive.name == "exp"] == [(100,)]
    assert_same_results(before, after, [X])


def test_numbers_that_no_carried_value_needs_are_done_after(program, assert_same_results):
    def f(x):
        y, seen = x[0], []
        for k in range(100):
            y = y * 0.9 + x[k]
            seen.append(np.sin(y) * 2)
        return np.stack(seen)

    before = rerolled(program, f, X)
    after = hoist(before)
    assert body_names(after) == [["multiply", "add"]]
    assert_same_results(before, after, [X])


def test_what_nobody_reads_is_gone(program, assert_same_results):
    def f(x):
        y, z, seen = x[0], x[1], []
        for _ in range(50):
            y, z = y + 0.1 * z, z * 0.9
            seen.append(np.sin(y))
        return z, y, np.stack(seen)

    before = rerolled(program, f, X)
    before = dataclasses.replace(before, outputs=before.outputs[:1])
    after = hoist(before)
    assert body_names(after) == [["multiply"]]
    assert_same_results(before, after, [X])


def rnn(weights_in, weights, bias, sequence, start):
    h = start
    for x in sequence:
        h = np.tanh(x @ weights_in + h @ weights + bias)
    return np.sum(h * h)


def test_products_of_all_iterations_are_one_product(program, assert_same_results):
    rng = np.random.default_rng(0)
    args = (
        rng.standard_normal((5, 4)),
        rng.standard_normal((4, 4)),
        rng.standard_normal(4),
        rng.standard_normal((20, 3, 5)),
        rng.standard_normal((3, 4)),
    )
    before = rerolled(program, wg.value_and_grad(rnn, argnums=(0, 1, 2)), *args)
    after = hoist(before)
    assert [names.count("matmul") for names in body_names(before)] == [2, 3]
    assert [names.count("matmul") for names in body_names(after)] == [1, 1]
    assert_same_results(before, after, args, exact=False)


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_over_iterations_are_taken_out(sign, program, assert_same_results):
    def f(x):
        a = np.reshape(x[:20], (5, 4))
        h, total, rows = a, a @ a.T, np.ones(4)
        for _ in range(12):
            h = np.sin(h) + 0.1
            total = total + sign * (h @ h.T) if sign > 0 else total - h @ h.T
            rows = rows + np.sum(h, axis=0)
        return np.sum(total) * np.sum(rows)

    before = rerolled(program, f, X)
    after = hoist(before)
    if sign > 0:
        assert ["matmul" in names for names in body_names(before)] == [True]
    assert_same_results(before, after, [X], exact=False)
    assert hoist(hoist(after)) is not None
    assert_same_results(before, hoist(after), [X], exact=False)


def test_a_sum_that_is_read_on_the_way_stays(program, assert_same_results):
    def f(x):
        a = np.reshape(x[:16], (4, 4)) * 0.1
        total = a
        for _ in range(15):
            total = total + a @ (a + 0.0)
            a = np.sin(total) * 0.1
        return np.sum(total)

    before = rerolled(program, f, X)
    assert_same_results(before, hoist(before), [X])


def test_loops_in_loops(program, assert_same_results):
    def f(x):
        y = x[:4]
        for k in range(12):
            y = np.sin(y) + x[k]
            for _ in range(20):
                y = y * np.exp(x[5]) * 0.3 + 0.01 * np.cos(y)
        return np.sum(y)

    before = rerolled(program, wg.value_and_grad(f), X)
    assert_same_results(before, hoist(before), [X], exact=False)


def test_a_collected_value_that_stays_the_same(program, assert_same_results):
    def f(x):
        y, seen = x[0], []
        for _ in range(80):
            y = y * 0.9
            seen.append(y * 0.0 + np.exp(x[1]))
        return np.stack(seen)

    before = rerolled(program, f, X)
    assert_same_results(before, hoist(before), [X])
