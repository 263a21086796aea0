"""`into`: results in arrays of the caller's; by the interpreter and natively."""

from __future__ import annotations

import gc
import os
import sys
import threading
import types
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.compile.api import compile as compiled
from wengert.errors import ArgumentError, CompileWarning


@pytest.fixture(params=["interpret", "native"], autouse=True)
def _both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_COMPILE", request.param)


X = np.arange(3.0)


def _sine_and_sum(x: Any, scale: Any = 1.0) -> Any:
    return {"sine": np.sin(x) * scale, "sum": np.sum(x), "constant": np.ones(2)}


def test_results_are_written_into_given_arrays() -> None:
    one = compiled(_sine_and_sum)
    sine, constant = np.empty(3), np.empty(2)
    for k in range(4):  # the first call is traced
        found = one.into({"sine": sine, "sum": None, "constant": constant}, X + k, scale=2.0)
        expected = _sine_and_sum(X + k, scale=2.0)
        assert list(found) == list(expected)
        assert (found["sine"] is sine, found["constant"] is constant) == (True, True)
        assert_allclose(sine, expected["sine"], rtol=1e-15)
        assert_array_equal(constant, expected["constant"])
        assert (found["sum"], type(found["sum"])) == (expected["sum"], np.float64)
    again = one.into(found, X)  # a result will do
    assert again["sine"] is sine
    assert_allclose(sine, np.sin(X), rtol=1e-15)
    assert_allclose(one(X)["sine"], sine)
    assert one(X)["sine"] is not sine


def test_a_single_array_is_written_into_and_stays_as_wide_as_the_widest_path() -> None:
    def f(x: Any) -> Any:
        return x * 2 if x[0] > 0 else np.concatenate([x, x])

    one = compiled(f)
    short, long = np.empty(3), np.empty(6)
    for _ in range(2):
        assert one.into(short, X + 1) is short
        assert_array_equal(short, (X + 1) * 2)
        assert one.into(long, X - 1) is long
        assert_array_equal(long, np.concatenate([X - 1, X - 1]))
    with pytest.raises(ArgumentError, match=r"it is float64\[6\], and the result float64\[3\]"):
        one.into(long, X + 1)


BUFFER = np.zeros(8)
READ_ONLY = np.zeros(3)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ([np.empty(3), None], r"returns the tree \(\*, \*\), and `out` is another"),
        ((np.empty(3),), r"returns the tree \(\*, \*\), and `out` is another"),
        ((None, 0.0), r"into out\[0\]: it is a NoneType, no array"),
        (([1, 2, 3], 0.0), r"into out\[0\]: it is a list, no array"),
        ((np.empty(4), 0.0), r"it is float64\[4\], and the result float64\[3\]"),
        ((np.empty(3, np.float32), 0.0), r"it is float32\[3\], and the result float64\[3\]"),
        ((np.empty(3, ">f8"), 0.0), r"it is >f8\[3\], and the result float64\[3\]"),
        ((np.empty(6)[::2], 0.0), "do not lie one after the other"),
        ((READ_ONLY, 0.0), "it is read-only"),
        ((BUFFER[2:5], 0.0), "shares memory with an argument"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(out: Any, message: str) -> None:
    one = compiled(lambda x: (x * 2, np.sum(x)))
    x = BUFFER[:3]
    for _ in range(2):
        with pytest.raises(ArgumentError, match=message):
            one.into(out, x)
    for _ in range(3):  # natively from now on
        one.into((np.empty(3), 0.0), x)
    for _ in range(2):
        with pytest.raises(ArgumentError, match=message):
            one.into(out, x)
        assert_array_equal(BUFFER, np.zeros(8))


def test_given_arrays_may_not_share_memory_with_each_other() -> None:
    one = compiled(lambda x: (x * 2, x * 3))
    buffer = np.zeros(5)
    for _ in range(2):
        with pytest.raises(ArgumentError, match=r"into out\[1\]: .* another array of out"):
            one.into((buffer[:3], buffer[2:]), X)
        one.into((np.empty(3), np.empty(3)), X)
    for _ in range(2):
        with pytest.raises(ArgumentError, match=r"into out\[1\]: .* another array of out"):
            one.into((buffer[:3], buffer[2:]), X)
    both = np.zeros((2, 3))
    one.into(tuple(both), X)
    assert_array_equal(both, [X * 2, X * 3])


def test_given_arrays_where_the_function_runs_as_plain_python() -> None:
    one = compiled(lambda x: x * 2 if x[0] > 0 else x * 3, max_paths=1)
    out = np.empty(3)
    one(X + 1)
    with pytest.warns(CompileWarning, match="max_paths"):
        assert one.into(out, X) is out
    assert one.into(out, X) is out
    assert_array_equal(out, X * 3)


def test_no_arrays_are_given_within_a_derivative() -> None:
    one = compiled(lambda x: x * 2)
    out = np.empty(3)
    with pytest.raises(ArgumentError, match="while a derivative is recorded"):
        wg.grad(lambda x: np.sum(one.into(out, x)))(X)


def test_calls_with_given_arrays_keep_nothing() -> None:
    one = compiled(_sine_and_sum)
    x = np.arange(3.0)
    out = one(x)
    one.into(out, x)
    gc.collect()
    objects = [x, out["sine"], out["constant"]]
    before = [sys.getrefcount(each) for each in objects]
    for _ in range(1000):
        one.into(out, x)
    assert [sys.getrefcount(each) for each in objects] == before


def is_native(one: Any) -> bool:
    return isinstance(one.into, types.BuiltinFunctionType)


def _both_parts(x: Any, y: Any, *, scale: float = 1.0) -> Any:
    return {"value": np.sum(x) * scale, "parts": [(x * y, "constant"), np.exp(y)]}


def test_calls_with_given_arrays_are_native_where_calls_are() -> None:
    one = compiled(_both_parts)
    out = one(X, X + 1, scale=2.0)
    one.into(out, X, X + 1, scale=2.0)
    assert is_native(one) == (os.environ["WENGERT_COMPILE"] == "native")
    for k in range(3):
        found = one.into(out, X + k, X, scale=k + 0.5)
        assert found["parts"][0][0] is out["parts"][0][0]
        assert found["parts"][1] is out["parts"][1]
        assert found["parts"][0][1] == "constant"
        assert_allclose(found["value"], np.sum(X + k) * (k + 0.5))
        assert_allclose(found["parts"][0][0], (X + k) * X)
        assert_allclose(found["parts"][1], np.exp(X))
    one.clear()
    assert not is_native(one)


def test_other_signatures_and_other_paths_go_on_from_native_calls() -> None:
    one = compiled(lambda x: x * 2 if np.sum(x) > 0 else x - 1)
    for _ in range(3):
        for size in (3, 5):
            x = np.arange(1.0, size + 1)
            for given, expected in ((x, x * 2), (-x, -x - 1)):
                out = np.empty(size)
                assert one.into(out, given) is out
                assert_array_equal(out, expected)


def test_what_stands_in_place_of_numbers_is_ignored() -> None:
    one = compiled(lambda x: (np.sum(x), None, [x + 1]))
    out = [np.empty(3)]
    for ignored in (None, object(), 1.0):
        value, nothing, (array,) = one.into((ignored, None, out), X)
        assert (value, nothing) == (3.0, None)
        assert array is out[0]
    with pytest.raises(ArgumentError, match="`out` is another"):
        one.into((0.0, 1.0, out), X)


def test_native_calls_with_given_arrays_keep_nothing_when_a_callback_raises() -> None:
    def cut(x: Any) -> Any:
        return np.linalg.inv(x)

    one = compiled(cut)
    good, bad, out = np.eye(3) * 2, np.zeros((3, 3)), np.empty((3, 3))
    for _ in range(3):
        one.into(out, good)
    before = sys.getrefcount(out)
    for _ in range(100):
        with pytest.raises(np.linalg.LinAlgError):
            one.into(out, bad)
    assert sys.getrefcount(out) == before
    assert_allclose(one.into(out, good), np.eye(3) / 2)


def test_native_calls_with_given_arrays_from_many_threads() -> None:
    one = compiled(lambda x: np.cumsum(np.exp(np.sin(x)) @ np.ones((200, 200))))
    x = np.arange(200.0)
    expected = one(x)
    for _ in range(2):
        one.into(np.empty(200), x)
    found = [np.empty(200) for _ in range(8)]

    def work(k: int) -> None:
        for _ in range(50):
            one.into(found[k], x)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in found:
        assert_array_equal(each, expected)
