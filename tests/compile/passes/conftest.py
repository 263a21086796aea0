"""What the tests of passes share: programs recorded from functions, and comparisons to the bit."""

import sys

import numpy as np
import pytest

import wengert as wg
from wengert.compile.passes.loop import run_conformed, verify_loops
from wengert.compile.program import Op, Program, interpret, spec_of, verify
from wengert.tape.columns import Constant


def _program(function, *args):
    """What `function` does with its arguments, as a program; transforms inside are recorded too."""
    traced = wg.trace(function, *args)
    inputs = traced.inputs
    ops = [
        Op(entry.primitive, traced.columns.operands[entry.index], entry.parameters,
           spec_of(entry.value), entry.place)
        for entry in traced.entries[len(inputs):]
    ]  # fmt: skip
    outputs = tuple(
        Constant(out.value) if isinstance(out, Constant) else out.index for out in traced.outputs
    )
    return Program(
        tuple(spec_of(entry.value) for entry in inputs),
        tuple(ops),
        outputs,
        (),
        tuple(entry.name for entry in inputs),
    )


def _is_same(x, y):
    """Equal type, dtype, shape and bits; any NaN is like another."""
    if type(x) is not type(y) or np.shape(x) != np.shape(y):
        return False
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype != y.dtype:
        return False
    if x.dtype.kind not in "fc":
        return np.array_equal(x, y)
    parts = [(x.real, y.real), (x.imag, y.imag)] if x.dtype.kind == "c" else [(x, y)]
    return all(
        np.array_equal(a, b, equal_nan=True)
        and np.array_equal(np.signbit(a) & ~np.isnan(a), np.signbit(b) & ~np.isnan(b))
        for a, b in parts
    )


def _assert_same_results(before, after, inputs, exact=True):
    verify(after)
    verify_loops(after)
    assert after.inputs == before.inputs
    with np.errstate(all="ignore"):
        expected = interpret(before, inputs, run_conformed)
        found = interpret(after, inputs, run_conformed)
    for x, y in zip(expected, found, strict=True):
        if exact:
            assert _is_same(x, y), f"{x!r} became {y!r}\n{before}\n->\n{after}"
        else:
            assert type(x) is type(y)
            scale = np.max(np.abs(x), initial=1e-300)
            np.testing.assert_allclose(np.asarray(y) / scale, np.asarray(x) / scale, atol=1e-12)


@pytest.fixture(name="program", scope="session")
def program_fixture():
    return _program


@pytest.fixture(name="is_same", scope="session")
def is_same_fixture():
    return _is_same


@pytest.fixture(name="assert_same_results", scope="session")
def assert_same_results_fixture():
    return _assert_same_results


def _calls_of(function, *args):
    """How many calls of Python functions `function` makes: time, without a clock."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function(*args)
    finally:
        sys.setprofile(before)
    return count


@pytest.fixture(name="calls_of", scope="session")
def calls_of_fixture():
    return _calls_of
