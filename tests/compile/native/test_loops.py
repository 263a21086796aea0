"""Loop nests: pieces, merged axes, broadcasts, gathers, threads, checks of bounds."""

from __future__ import annotations

import numpy as np
import pytest

from wengert import threads
from wengert.compile.native import bounds
from wengert.compile.native.build import build
from wengert.primitives.taking import HOLE

from .programs import agree, program

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (4, 1), (2, 3, 4)])
def test_transposed_and_broadcast_operands(shape):
    x = RNG.normal(size=shape)
    row = RNG.normal(size=shape[-1])
    axes = tuple(range(len(shape)))[::-1]
    lines = [
        ("transpose", (0,), {"axes": axes}),
        ("add", (0, 1), {}),
        ("transpose", (3,), {"axes": axes}),
        ("multiply", (2, 4), {}),
    ]
    agree(program([x, row], lines, [5, 3]), [x, row])


@pytest.mark.parametrize("key", [slice(None, None, -1), slice(1, 30, 3), slice(5, 5), -1])
@pytest.mark.parametrize("add", [True, False])
def test_writes_through_slices(key, add):
    x = RNG.normal(size=(40, 3))
    part = RNG.normal(size=3)
    lines = [
        ("multiply", (0, 2.0), {}),
        ("write", (2, 1), {"path": (("getitem", key),), "add": add}),
        ("sin", (3,), {}),
    ]
    agree(program([x, part], lines, [4]), [x, part])


def test_joined_and_stacked_arrays_are_read_by_pieces():
    x, y = RNG.normal(size=(5, 3)), RNG.normal(size=(2, 3))
    lines = [
        ("join", (0, 1), {"axis": 0, "starts": (0, 5)}),
        ("exp", (2,), {}),
        ("stack", (2, 3), {"axis": 1}),
        ("sum", (4,), {"axis": (0,), "keepdims": False}),
    ]
    agree(program([x, y], lines, [4, 5]), [x, y])


@pytest.mark.parametrize(
    "template", [(HOLE,), (slice(1, 3), HOLE), (HOLE, 1), (None, HOLE, ..., 0)]
)
def test_gathered_and_scattered_elements(template):
    x = RNG.normal(size=(4, 4, 3))
    index = np.array([[0, -1, 2], [1, 1, 3]])
    gathered = x[tuple([index if part is HOLE else part for part in template])]
    lines = [
        ("gather", (0, 1), {"template": template}),
        ("cos", (2,), {}),
        ("scatter", (0, 3, 1), {"template": template, "add": True}),
        ("scatter", (0, 2.0, 1), {"template": template, "add": False}),
    ]
    assert gathered.size
    agree(program([x, index], lines, [3, 4, 5]), [x, index])


@pytest.mark.parametrize(
    "key", [([2, 0, 2],), (slice(None), [1, 1]), ([0, 1], slice(1, 3), [2, 0])]
)
def test_constant_indices(key):
    x = RNG.normal(size=(3, 4, 3))
    own = tuple([np.array(k) if isinstance(k, list) else k for k in key])
    lines = [("read", (0,), {"path": (("getitem", own),)}), ("negative", (1,), {})]
    agree(program([x], lines, [2]), [x])


def test_long_loops_give_the_same_bits_for_any_number_of_threads():
    x = RNG.normal(size=300_000)
    lines = [
        ("sin", (0,), {}),
        ("exp", (1,), {}),
        ("sum", (2,), {"axis": (0,), "keepdims": False}),
    ]
    native = build(program([x], lines, [2, 3]))
    before = threads.get_num_threads()
    try:
        results = []
        for count in (1, 2):
            threads.set_num_threads(count)
            results.append(native.run([x]))
    finally:
        threads.set_num_threads(before)
    assert results[0][1] == results[1][1]
    np.testing.assert_array_equal(results[0][0], results[1][0])


def test_places_are_checked_on_demand(monkeypatch):
    monkeypatch.setenv("WENGERT_DEBUG", "bounds")
    x = RNG.normal(size=(6, 5))
    lines = [
        ("read", (0,), {"path": (("getitem", (slice(None, None, -1), 2)),)}),
        ("sum", (1,), {"axis": (0,), "keepdims": False}),
        ("multiply", (1, 2), {}),
    ]
    native = agree(program([x], lines, [2, 3]), [x])
    assert "@wg_inside" in native.module.symbols


def test_a_place_out_of_range_is_told(monkeypatch):
    noted = {"@wg_outside": ""}
    memory = np.array([7, 5])
    with pytest.raises(AssertionError, match="place 7 in an array of 5"):
        bounds.verify(noted, lambda name: memory.ctypes.data)
