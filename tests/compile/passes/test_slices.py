"""Elements written and read one by one."""

import numpy as np
import pytest

import wengert as wg
from wengert.compile.passes.slices import forward_elements


def names(program):
    return [op.primitive.name for op in program.ops]


def test_a_read_sees_what_was_written(program, assert_same_results):
    def f(x):
        out = np.zeros(4)
        out[1] = x[0] * 2
        out[2] = x[1] * 3
        return out[1] + out[2] + out[3]

    x = np.array([1.0, 2.0])
    before = program(f, x)
    after = forward_elements(before)
    assert "write" not in names(after)
    assert_same_results(before, after, [x])


def test_a_read_sees_the_version_that_it_was_made_of(program, assert_same_results):
    def f(x):
        out = np.zeros(3)
        out[0] = x[0]
        early = out[0] * 1.5
        out[0] = x[1]
        late = out[0] * 2.5
        return early + late

    x = np.array([1.0, 2.0])
    before = program(f, x)
    after = forward_elements(before)
    assert "write" not in names(after)
    assert_same_results(before, after, [x])


def test_additions_into_one_place_are_added_up(program, assert_same_results):
    def f(x):
        out = np.full(3, 0.25)
        for k in range(4):
            out[1] += x[k % 2]
        return out[1] * out[0]

    x = np.array([1.0, 2.0])
    before = program(wg.value_and_grad(f), x)
    assert_same_results(before, forward_elements(before), [x])


def test_negative_indices_and_rows(program, assert_same_results):
    def f(x):
        out = np.zeros((3, 2))
        out[-1] = x
        out[0] = x * 2
        out[0, 1] = x[0]
        return out[2, 1] + out[0, 1] * out[-3, 0] + np.sum(out[-1])

    x = np.array([1.0, 2.0])
    before = program(f, x)
    assert_same_results(before, forward_elements(before), [x])


def test_a_write_that_is_written_over_unseen_is_left_out(program, assert_same_results):
    def f(x):
        out = np.zeros(100)
        out[0] = x[0]
        out[1] = x[0]
        out[0] = x[1]
        return out

    x = np.array([1.0, 2.0])
    before = program(f, x)
    after = forward_elements(before)
    assert names(before).count("write") == 3
    assert names(after).count("write") == 2
    assert_same_results(before, after, [x])


def test_a_write_that_is_seen_in_between_stays(program, assert_same_results):
    def f(x):
        out = np.zeros(100)
        out[0] = x[0]
        seen = np.sum(out)
        out[0] = x[1]
        return out * seen

    x = np.array([1.0, 2.0])
    before = program(f, x)
    after = forward_elements(before)
    assert names(after).count("write") == 2
    assert_same_results(before, after, [x])


def test_an_addition_is_not_written_over(program, assert_same_results):
    def f(x):
        out = np.zeros(100)
        out[0] = x[0]
        out[0] += x[1]
        return out

    x = np.array([1.0, 2.0])
    before = program(f, x)
    assert_same_results(before, forward_elements(before), [x])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0, 1)])
def test_a_buffer_whose_places_are_all_written_is_a_stack(program, assert_same_results, order):
    def f(x):
        out = np.empty(3)
        out[:] = 7.0
        for k, place in enumerate(order):
            out[place] = x[k % 2] * (k + 1.0)
        return out * 2

    x = np.array([1.0, 2.0])
    before = program(f, x)
    after = forward_elements(before)
    assert "stack" in names(after)
    assert "write" not in names(after)
    assert_same_results(before, after, [x])


def test_a_read_of_a_stack_is_its_operand(program, assert_same_results):
    def f(x):
        both = np.stack([x[0] * 2, x[1] * 3])
        rows = np.concatenate([x, x * 2])
        return both[1] + both[-2] + rows[3] * rows[0]

    x = np.array([1.0, 2.0])
    before = program(f, x)
    after = forward_elements(before)
    assert "stack" not in names(after)
    assert "join" not in names(after)
    assert_same_results(before, after, [x])


def test_a_written_number_of_another_dtype_is_not_passed_on(program, assert_same_results):
    def f(x):
        out = np.zeros(2, np.float32)
        out[0] = x[0]
        return out[0]

    x = np.array([1 / 3, 2.0])
    before = program(f, x)
    assert_same_results(before, forward_elements(before), [x])


def test_writes_through_slices_and_lists_are_followed_no_further(program, assert_same_results):
    def f(x):
        out = np.zeros(5)
        out[0] = x[0]
        out[1:3] = x
        out[[3, 3]] = x
        out[4] = x[1]
        return out[0] + out[1] * out[3] + out[4]

    x = np.array([1.0, 2.0])
    before = program(wg.value_and_grad(f), x)
    assert_same_results(before, forward_elements(before), [x])


def test_the_work_grows_with_the_length_of_a_chain_and_no_faster(program, calls_of):
    def calls(n):
        def f(x):
            out = np.zeros(n)
            for k in range(n):
                out[k] = x[k] * 2
            return np.sum(out)

        before = program(wg.grad(f), np.arange(float(n)))
        return calls_of(forward_elements, before)

    assert calls(2000) < 11 * calls(200)
