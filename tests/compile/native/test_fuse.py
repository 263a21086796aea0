"""How programs are divided: what becomes one loop, what is stored, what is a call."""

from __future__ import annotations

import numpy as np

from wengert.compile.fuse import CALL, LOOP, SCALARS, Division, lowering_of
from wengert.compile.plan import plan
from wengert.primitives.registry import REGISTRY

from .programs import agree, program

RNG = np.random.default_rng(0)
X = RNG.uniform(0.5, 1.5, 100)
ALL = {"axis": (0,), "keepdims": False}


def ranks(code):
    return [step.home.rank for step in plan(code).steps]


def test_an_elementwise_chain_and_its_sum_are_one_loop():
    code = program(
        [X, X],
        [("log", (0,), {}), ("multiply", (2, 1), {}), ("sin", (3,), {}), ("sum", (4,), ALL)],
        [3, 4, 5],
    )
    assert ranks(code) == [LOOP]
    agree(code, [X, X])


def test_what_follows_a_sum_is_a_loop_of_its_own_and_the_cheap_is_computed_again():
    code = program(
        [X], [("multiply", (0, 2.0), {}), ("sum", (1,), ALL), ("divide", (1, 2), {})], [3]
    )
    division = plan(code).division
    assert [step.home.level for step in division.steps] == [0, 1]
    assert 1 not in division.kept
    agree(code, [X])


def test_what_is_dear_and_read_twice_is_stored():
    code = program(
        [X],
        [("sin", (0,), {}), ("exp", (1,), {}), ("sum", (2,), ALL), ("divide", (2, 3), {})],
        [4],
    )
    assert 2 in plan(code).division.kept
    agree(code, [X])


def test_slices_are_read_and_written_in_the_loop():
    before, after = slice(None, -1), slice(1, None)
    code = program(
        [X],
        [
            ("read", (0,), {"path": (("getitem", after),)}),
            ("read", (0,), {"path": (("getitem", before),)}),
            ("subtract", (1, 2), {}),
            ("write", (np.zeros(100), 3), {"path": (("getitem", after),), "add": True}),
            ("write", (4, 3), {"path": (("getitem", before),), "add": True}),
        ],
        [5],
    )
    assert ranks(code) == [LOOP]
    agree(code, [X])


def test_numbers_are_straight_line_code():
    code = program([0.5, 2.0], [("sin", (0,), {}), ("multiply", (2, 1), {})], [3])
    assert ranks(code) == [SCALARS]
    agree(code, [0.5, 2.0])


def test_long_straight_line_code_is_cut_into_stretches():
    lines = [("multiply", (k, 0.999), {}) for k in range(2500)]
    code = program([0.5], lines, [2500, 7])
    division = Division(code)
    assert [step.home.value for step in division.steps] == [0, 1, 2]
    assert division.kept == {0, 7, 1000, 2000, 2500}
    agree(code, [0.5])


def test_what_has_no_lowering_is_a_call_and_never_an_error():
    code = program([X], [("cumsum", (0,), {"axis": 0}), ("multiply", (1, 1), {})], [2])
    assert ranks(code) == [CALL, LOOP]
    agree(code, [X])


def test_half_precision_goes_to_numpy():
    x = X.astype(np.float16)
    code = program([x], [("multiply", (0, x), {}), ("sin", (1,), {})], [2])
    assert ranks(code) == [CALL, CALL]
    agree(code, [x])


def test_lowerings_are_named_for_the_documentation():
    found = {name: lowering_of(REGISTRY[name]) for name in ("exp", "matmul", "inv", "jv", "sum")}
    assert found == {
        "exp": "native",
        "matmul": "BLAS",
        "inv": "LAPACK",
        "jv": "callback",
        "sum": "native",
    }
