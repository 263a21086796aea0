"""A module in two: hot functions by themselves, and nothing twice that must be one."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

import wengert as wg
from wengert.compile.native.engine import LEAN, LEAST, Part, Unit
from wengert.compile.native.parts import divided

SYMBOLS = {
    "@number": "@number = global i64 40",
    "@half": "@half = private constant i64 2",
    "@llvm.smax.i64": "declare i64 @llvm.smax.i64(i64, i64)",
    "@helper": """define internal i64 @helper(i64 %x) {
  %y = load i64, ptr @half
  %z = add i64 %x, %y
  ret i64 %z
}""",
    "@work": """define internal i64 @work(i64 %x) hot noinline nounwind {
  %n = load i64, ptr @number
  %y = add i64 %n, %x
  %z = call i64 @helper(i64 %y)
  store i64 %z, ptr @number
  ret i64 %z
}""",
    "@plan": """define i64 @plan(i64 %x) {
  %y = call i64 @work(i64 %x)
  %z = call i64 @helper(i64 %y)
  %w = call i64 @llvm.smax.i64(i64 %z, i64 0)
  ret i64 %w
}""",
    "@unused": "declare void @unused()",
}


def test_hot_functions_and_what_they_need_are_by_themselves():
    rest, hot = divided(SYMBOLS)
    assert "declare i64 @work(i64)" in rest
    assert "define i64 @work(" in hot
    assert "@plan" not in hot
    assert "smax" not in hot
    assert "@unused" not in rest + hot
    assert "define internal i64 @helper" in rest
    assert "define internal i64 @helper" in hot


def test_both_parts_run_together_and_share_variables():
    rest, hot = divided(SYMBOLS)
    unit = Unit(rest, LEAST, Part(hot, LEAN))
    plan = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(unit.address("plan"))
    assert plan(1) == 45
    assert ctypes.c_int64.from_address(unit.address("number")).value == 43
    assert plan(1) == 48


def test_a_module_without_hot_functions_is_whole():
    cold = {name: text.replace(" hot ", " ") for name, text in SYMBOLS.items()}
    rest, hot = divided(cold)
    assert hot == ""
    assert all(text in rest for text in cold.values())


@pytest.mark.parametrize("n", [10, 100_000])
def test_short_and_long_loops_of_one_program(n):
    x, y = np.linspace(0.1, 1.0, n), np.linspace(1.0, 2.0, 7)

    def f(x, y):
        return np.exp(x).sum() * np.sin(y).sum()

    found = wg.compile(wg.grad(f, argnums=(0, 1)))(x, y)
    for a, b in zip(found, wg.grad(f, argnums=(0, 1))(x, y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


def test_a_short_loop_that_runs_often_is_hot():
    def f(x):
        for _ in range(3000):
            x = x + 0.01 * np.sin(x[::-1])
        return x

    compiled = wg.compile(f)
    np.testing.assert_allclose(compiled(np.arange(12.0)), f(np.arange(12.0)), rtol=1e-12)
    (entry,) = compiled._entries.values()
    (path,) = entry.paths
    module = path.lowered.native.module
    assert module.plan.bodies
    assert len(module.parts) == 2
