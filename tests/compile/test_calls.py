"""Calls of compiled functions by the million: memory, decisions that flip, threads, forks."""

from __future__ import annotations

import gc
import os
import resource
import sys
import threading
from typing import Any

import numpy as np
import pytest
from tests.compile.agreement import in_threads

import wengert as wg
from wengert.compile.api import Compiled

RNG = np.random.default_rng(3)


def is_native(one: Any) -> bool:
    """True if calls go through the entry that was compiled."""
    return type(one).__call__ is not Compiled.__call__


def growth(call: Any, count: int) -> tuple[int, int]:
    """Bytes by which memory grew, and blocks of Python's, over many calls."""
    for _ in range(count // 10):
        call()
    gc.collect()
    peak, blocks = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, sys.getallocatedblocks()
    for _ in range(count):
        call()
    gc.collect()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    return 1024 * grown, sys.getallocatedblocks() - blocks


def test_a_million_calls_with_numbers() -> None:
    one = wg.compile(wg.value_and_grad(lambda x, y: np.sin(x) * y + x**2))
    x, y = 1.2345, np.float64(0.5)
    one(x, y)
    assert is_native(one)
    held = sys.getrefcount(x), sys.getrefcount(y)
    grown, blocks = growth(lambda: one(x, y), 1_000_000)
    assert (sys.getrefcount(x), sys.getrefcount(y)) == held
    assert grown < 4_000_000
    assert abs(blocks) < 500


@pytest.mark.parametrize("layout", ["contiguous", "strided", "foreign"])
def test_many_calls_with_arrays_and_a_callback(layout: str) -> None:
    def function(tree: Any, *, scale: Any) -> Any:
        return {"out": np.cumsum(tree["x"] * scale), "all": (np.sort(tree["x"]), scale)}

    x = RNG.normal(size=2000)
    x = x[::2] if layout == "strided" else x.astype(">f8") if layout == "foreign" else x
    one, scale = wg.compile(function), np.float64(2.5)
    one({"x": x}, scale=scale)
    held = sys.getrefcount(x), sys.getrefcount(scale)
    grown, blocks = growth(lambda: one({"x": x}, scale=scale), 10_000)
    assert (sys.getrefcount(x), sys.getrefcount(scale)) == held
    assert grown < 4_000_000  # the results alone would be 160 MB
    assert abs(blocks) < 500


def test_decisions_that_flip_at_every_call() -> None:
    def function(x: Any) -> Any:
        if x > 0:
            return np.sqrt(x) if x > 4 else x * 2
        return -x

    one = wg.compile(wg.value_and_grad(function))
    points = [9.0, 1.0, -3.0]
    expected = [(3.0, 1 / 6), (2.0, 2.0), (3.0, -1.0)]
    for point, result in zip(points, expected, strict=True):
        assert one(point) == pytest.approx(result)
    blocks = sys.getallocatedblocks()
    for k in range(10_000):
        assert one(points[k % 3])[0] == expected[k % 3][0]
    assert len(one.paths) == 3
    assert abs(sys.getallocatedblocks() - blocks) < 500


def test_exceptions_of_callbacks_leave_nothing_behind() -> None:
    one = wg.compile(lambda a: np.linalg.solve(a, a) + np.sort(a, axis=0))
    regular, singular = np.eye(3) + 0.1, np.ones((3, 3))
    one(regular)
    held = sys.getrefcount(singular)

    def fails() -> None:
        with pytest.raises(np.linalg.LinAlgError):
            one(singular)

    for _ in range(20):
        fails()
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(2000):
        fails()
    gc.collect()
    assert sys.getrefcount(singular) == held
    assert abs(sys.getallocatedblocks() - blocks) < 500
    np.testing.assert_allclose(one(regular), np.eye(3) + np.sort(regular, axis=0))


def test_eight_threads_that_decide_differently() -> None:
    def function(x: Any) -> Any:
        return np.cumsum(np.sin(x)) if np.sum(x) > 0 else np.exp(x[::-1]) @ x

    one = wg.compile(function)
    calls = [RNG.normal(size=50) + (-1) ** k for k in range(8)]
    expected = [function(x) for x in calls]
    wrong: list[Any] = []
    start = threading.Barrier(8)

    def run(k: int) -> None:
        start.wait()
        for turn in range(300):
            at = (k + turn) % 8
            if not np.allclose(one(calls[at]), expected[at], rtol=1e-12):
                wrong.append((k, turn))

    in_threads(run, 8)
    assert not wrong
    assert len(one.paths) == 2


def test_arguments_that_do_not_fit_are_other_signatures_or_copied() -> None:
    one = wg.compile(lambda x, k=None: x * 2 if k is None else x * k)
    x = RNG.normal(size=(4, 3))
    frozen = x.copy()
    frozen.flags.writeable = False
    for value in (x, frozen, x.T, x[::-1], x.astype(">f8"), x.astype("f4"), np.float32(1.5), 2.5,
                  np.array(2.5), x[:0], 1 + 2j, x.astype(int)):  # fmt: skip
        for _ in range(2):
            found = one(value)
            expected = value * 2
            assert np.asarray(found).dtype == np.asarray(expected).dtype.newbyteorder("=")
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(one(x, k=3.0), x * 3.0)
    np.testing.assert_array_equal(one(k=np.float64(3.0), x=x), x * 3.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_compiles_and_calls() -> None:
    one = wg.compile(lambda x: np.exp(x).sum() if x[0] > 0 else np.sort(x)[0])
    x = RNG.normal(size=200_000)  # enough for several threads
    x[0] = 1.0
    expected = one(x)
    child = os.fork()
    if child == 0:
        other = x.copy()
        other[0] = -1.0
        is_right = one(x) == expected and one(other) == np.sort(other)[0]
        os._exit(0 if is_right else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
