"""Which calls reach the native entry: static, nested and keyword arguments."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from wengert.compile.api import compile as compiled


@contextlib.contextmanager
def no_python(function: Any) -> Iterator[None]:
    """Calls that no native entry takes fail."""
    signature, function._signature = function._signature, None
    try:
        yield
    finally:
        function._signature = signature


def test_calls_with_static_and_nested_arguments_are_native() -> None:
    def f(x: Any, n: Any, flag: Any, name: Any, function: Any, none: Any, tree: Any) -> Any:
        y = function(x) * n + (1 if flag else 2) + len(name) + (none is None)
        return y * tree["a"][0] + tree["b"][1]

    one = compiled(f)
    tree = {"b": (1, 3.0), "a": [2.0]}
    args = (0.5, 1000, True, "text", np.sin, None, tree)
    for _ in range(2):
        assert_allclose(one(*args), f(*args), rtol=1e-15)
    with no_python(one):
        assert_allclose(one(*args), f(*args), rtol=1e-15)
    others = (2.0, 999, 1, "texts", np.cos, 0, {"b": (2, 3.0), "a": [2.0]})
    for k, other in enumerate(others):
        changed_args = (*args[:k], other, *args[k + 1 :])
        assert_allclose(one(*changed_args), f(*changed_args), rtol=1e-15)


def test_calls_with_keywords_are_native_in_any_order() -> None:
    def f(x: Any, *, scale: Any = 2.0, tree: Any = None) -> Any:
        return x * scale + (0.0 if tree is None else tree["a"])

    one = compiled(f)
    for _ in range(2):
        assert one(1.0, scale=3.0) == 3.0
        assert one(x=1.0, scale=3.0) == 3.0
        assert one(1.0, scale=3.0, tree={"a": 4.0}) == 7.0
        assert one(1.0, tree={"a": 5.0}, scale=2.0) == 7.0
        assert one(scale=4.0, x=2.0) == 8.0
        assert one(1.0) == 2.0
    assert len(one.signatures) == 4
    with no_python(one):
        assert one(1.0, tree={"a": 5.0}, scale=2.0) == 7.0
        assert one(scale=4.0, x=2.0) == 8.0
        with pytest.raises(AttributeError):
            one(1.0, scale=3)
    with pytest.raises(TypeError, match="unexpected keyword"):
        one(1.0, size=3.0)
    with pytest.raises(TypeError, match="missing"):
        one(scale=3.0)


def test_keywords_by_the_python_way_are_the_same() -> None:
    one = compiled(lambda x, y: x - y)
    assert one(x=3.0, y=1.0) == 2.0
    names = {"".join(["x"]): 5.0, "".join(["", "y"]): 1.0}
    assert one(**names) == 4.0
    missed = {f"{'x' * 1}": 5.0, str(b"y", "ascii"): 2.0}  # names that are not interned
    assert one(**missed) == 3.0
    assert len(one.signatures) == 1


def test_static_arguments_are_told_apart_by_type_and_sign() -> None:
    one = compiled(lambda x, o: np.full(1, o[0]), static_argnums=1)
    for value in (2, 2.0, True, 0.0, -0.0):
        for _ in range(2):
            found, expected = one(1.0, (value,)), np.full(1, value)
            assert found.dtype == expected.dtype
            assert np.signbit(found.astype(float)) == np.signbit(expected.astype(float))
    number = compiled(lambda x, o: x / o, static_argnums=1)
    assert number(np.float64(1.0), 4.0) == 0.25
    with np.errstate(divide="ignore"):
        assert number(np.float64(1.0), 0.0) == np.inf
        assert number(np.float64(1.0), -0.0) == -np.inf


def test_many_calls_leave_no_references() -> None:
    one = compiled(lambda p, x, n, name: p["w"] * x * n)
    objects = [{"w": np.ones(2)}, np.ones(2), 10**6, "name of it", one]
    p, x, n, name, _ = objects
    for _ in range(2):  # traced, then called
        one(p, x, n, name=name), one(p, x, n=n, name=name)
    gc.collect()
    before = [sys.getrefcount(each) for each in objects]
    for _ in range(100_000):
        one(p, x, name=name, n=n)
        one(p, x, n, name=name)
    assert [sys.getrefcount(each) for each in objects] == before
    before = [sys.getrefcount(each) for each in objects]
    for _ in range(2000):
        with pytest.raises(TypeError, match="unexpected keyword"):
            one(p, x, n, names=name)
    assert [sys.getrefcount(each) for each in objects] == before
