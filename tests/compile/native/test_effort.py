"""How hard LLVM works at a module, and what its text says for that: the numbers stay the same."""

from __future__ import annotations

import re

import numpy as np
import pytest

import wengert as wg
from wengert.compile.native import engine
from wengert.compile.native.build import Module


def native(f, *args):
    """The native code of a compiled function, which has been called once."""
    compiled = wg.compile(f)
    compiled(*args)
    (entry,) = compiled._entries.values()
    (path,) = entry.paths
    return compiled, path.lowered.native


def powers(x, y, count):
    for k in range(count):
        x = np.sin(x) * y + (k + 1) / (count + x * x)
    return x


def irregular(x, y, count):
    """Numbers that no loop can be made of."""
    found = [x, y]
    for k in range(count):
        a, b = found[-1 - k * k % len(found)], found[-1 - k % 3 % len(found)]
        found.append([a * b, a - 0.5 * b, np.sin(a), a / (2.0 + b * b)][k * k // 3 % 4])
    return found[-1] + found[-2]


@pytest.mark.parametrize(
    ("count", "effort"), [(4, engine.LEAST), (60, engine.LEAN), (800, engine.QUICK)]
)
def test_numbers_take_fewer_passes(count, effort):
    def f(x, y):
        return irregular(x, y, count)

    derived = wg.value_and_grad(f, argnums=(0, 1))
    compiled, code = native(derived, 0.3, 0.7)
    assert code.module.effort == effort
    np.testing.assert_allclose(np.hstack(compiled(0.4, 0.6)), np.hstack(derived(0.4, 0.6)), 1e-13)


def test_what_runs_long_is_compiled_with_care():
    _, code = native(lambda x: np.exp(x).sum(), np.ones(5))
    assert [part.effort for part in code.module.parts] == [engine.LEAST]
    _, code = native(lambda x: np.exp(x).sum(), np.ones(50_000))
    assert [part.effort for part in code.module.parts] == [engine.LEAST, engine.LEAN]
    assert re.findall(r"define void @(\S+)\(", code.module.parts[1].text) == ["plan.k0"]
    _, code = native(lambda x, y: powers(x, y, 200), 0.1, 0.2)
    assert code.plan.bodies
    assert code.module.effort == engine.LEAN


@pytest.mark.parametrize("effort", [engine.LEAST, engine.LEAN, engine.QUICK])
def test_bits_of_numbers_do_not_depend_on_the_effort(effort, monkeypatch):
    def f(x, y):
        return irregular(x, y, 20) + np.exp(x) * np.tanh(y)

    usual = wg.compile(wg.value_and_grad(f, argnums=(0, 1)))(0.3, 0.7)
    monkeypatch.setattr(Module, "effort", property(lambda self: effort))
    found = wg.compile(wg.value_and_grad(f, argnums=(0, 1)))(0.3, 0.7)
    assert np.array_equal(np.hstack(usual), np.hstack(found))


def test_a_short_program_is_inlined_into_its_entry_and_others_are_not():
    _, short = native(lambda x: x * x, 2.0)
    assert "alwaysinline" in short.module.symbols["@plan"].splitlines()[0]
    assert "optnone" not in short.module.symbols["@entry"]
    _, long = native(lambda x: np.exp(x).sum(), np.ones(5))
    assert "alwaysinline" not in long.module.symbols["@plan"].splitlines()[0]
    assert long.module.symbols["@entry"].count("noinline optnone") == 2


def test_numbers_call_elementary_functions_and_loops_over_arrays_inline_them():
    _, numbers = native(lambda x: np.exp(x) + np.sin(x), 0.5)
    calls = re.findall(r"call .*@wengert\.(\w+)\..*\) (\w+)", numbers.module.text)
    assert {way for _, way in calls} == {"noinline"}
    assert {name for name, _ in calls} == {"exp", "sin_and_cos"}
    _, arrays = native(lambda x: np.exp(x) + np.sin(x), np.linspace(0, 1, 50))
    calls = re.findall(r"call .*@wengert\.(\w+)\..*\) (\w+)", arrays.module.text)
    assert {way for _, way in calls} == {"alwaysinline"}
    assert {name for name, _ in calls} == {"exp", "sin"}


def test_loops_of_numbers_call_only_what_branches():
    def f(x, y):
        for _ in range(200):
            x = np.sin(x) * np.exp(-y * x)
        return x

    _, code = native(f, 0.1, 0.2)
    assert code.plan.bodies
    calls = re.findall(r"call .*@wengert\.(\w+)\..*\) (\w+)", code.module.text)
    # The first turn may stand before the loop.
    assert set(calls) - {("exp", "noinline")} == {
        ("sin_and_cos", "noinline"),
        ("exp", "alwaysinline"),
    }
