"""Where values lie: places shared by lives that do not overlap, writing in place, copies."""

from __future__ import annotations

import numpy as np
import pytest

from wengert.compile.native.build import build
from wengert.compile.plan import ALIGNMENT, plan, step_reads
from wengert.compile.program import Guard, GuardFailed
from wengert.primitives.taking import HOLE

from .programs import agree, program

X = np.random.default_rng(0).uniform(0.5, 1.5, (40, 50))
ROWS = {"path": (("getitem", 3),)}


def test_places_are_reused_when_nobody_reads_them_any_more():
    lines = [("cumsum", (k,), {"axis": 0}) for k in range(10)]
    code = program([X], lines, [10])
    found = plan(code)
    assert found.arena == 2 * X.nbytes
    assert all(at % ALIGNMENT == 0 for area, at in found.locations.values() if area == "arena")
    agree(code, [X])


def test_a_write_goes_into_an_array_that_is_not_read_again():
    lines = [
        ("cumsum", (0,), {"axis": 0}),
        ("write", (1, 7.0), {**ROWS, "add": False}),
        ("write", (2, 2.0), {"path": (("getitem", (slice(None), 1)),), "add": True}),
        ("cumsum", (3,), {"axis": 1}),
    ]
    code = program([X], lines, [4])
    agree(code, [X])
    indexed = [*lines]
    indexed[1] = ("write", (1, 7.0), {"path": (("getitem", (np.array([3, 5]),)),), "add": False})
    indexed[2] = ("write", (2, 2.0), {"path": (("getitem", (np.array([1, 1]),)),), "add": True})
    code = program([X], indexed, [4])
    assert plan(code).in_place == {2, 3}
    agree(code, [X])


def test_an_array_that_is_read_again_is_copied_before_it_is_written():
    key = {"path": (("getitem", (np.array([3, 5]),)),)}
    lines = [
        ("cumsum", (0,), {"axis": 0}),
        ("write", (1, 7.0), {**key, "add": False}),
        ("cumsum", (1,), {"axis": 1}),
        ("add", (2, 3), {}),
    ]
    code = program([X], lines, [4, 2])
    assert plan(code).in_place == set()
    agree(code, [X])


def test_inputs_are_never_written():
    key = {"path": (("getitem", (np.array([0, 1]),)),)}
    x = X.copy()
    code = program([x], [("write", (0, 7.0), {**key, "add": False})], [1])
    agree(code, [x])
    np.testing.assert_array_equal(x, X)


def test_outputs_may_be_inputs_constants_or_one_another():
    code = program([X, 2.0], [("multiply", (0, 1), {})], [0, 2, 2, 1])
    got = build(code).run([X, 2.0])
    assert not np.shares_memory(got[0], X)
    assert not np.shares_memory(got[1], got[2])
    agree(code, [X, 2.0])


def test_a_reshaped_array_shares_its_memory():
    lines = [
        ("cumsum", (0,), {"axis": 0}),
        ("reshape", (1,), {"shape": (2000,)}),
        ("cumsum", (2,), {"axis": 0}),
    ]
    code = program([X], lines, [3])
    assert plan(code).division.aliases == {2: (1, 0)}
    agree(code, [X])
    agree(program([X], lines[:2], [2]), [X])


def test_guards_are_checked_and_named():
    line = [("greater", (0, 0.0), {}), ("sin", (0,), {})]
    code = program([0.5], line, [2], [Guard(1, True)])
    native = build(code)
    assert native.run([0.5]) == [np.sin(0.5)]
    with pytest.raises(GuardFailed) as caught:
        native.run([-0.5])
    assert caught.value.guard is native.plan.program.guards[0]


def test_a_call_waits_for_the_guards_before_it():
    x, index = np.arange(4.0), np.array([1, 2])
    lines = [
        ("max", (1,), {"axis": (0,), "keepdims": False}),
        ("less", (2, np.int64(4)), {}),
        ("gather", (0, 1), {"template": (HOLE,)}),
    ]
    native = build(program([x, index], lines, [4], [Guard(3, True)]))
    np.testing.assert_array_equal(native.run([x, index])[0], [1.0, 2.0])
    with pytest.raises(GuardFailed):  # and not an IndexError
        native.run([x, np.array([1, 9])])


def test_an_index_out_of_range_raises_as_numpy_does():
    x, index = np.arange(12.0).reshape(3, 4), np.array([0, -1])
    code = program([x, index], [("gather", (0, 1), {"template": (slice(None), HOLE)})], [2])
    native = agree(code, [x, index])
    with pytest.raises(IndexError, match="index 4 is out of bounds for axis 1 with size 4"):
        native.run([x, np.array([0, 4])])
    agree(code, [x, np.array([-4, 3])])


def test_an_update_that_writes_nothing_reads_what_it_begins_from():
    """Nothing else may lie where the numbers are that the array is made of."""
    x, number = np.arange(8.0), np.float64(1.5)
    nothing = {"path": (("getitem", (np.s_[-4::-2],)),)}
    lines = [
        ("exp", (1,), {}),
        ("multiply", (2, 2.0), {}),
        ("stack", (2, 3, 2), {"axis": 0}),
        ("read", (4,), nothing),
        ("sum", (0,), {"axis": (0,), "keepdims": False}),
        ("write", (4, 5), nothing | {"add": False}),
        ("sum", (7,), {"axis": (0,), "keepdims": False}),
        ("add", (6, 8), {}),
        ("multiply", (7, 9), {}),
    ]
    code = program([x, number], lines, [10])
    division = plan(code).division
    step = next(step for step in division.steps if step.roots == [7])
    assert step_reads(division, step) == {2, 3}
    agree(code, [x, number])
