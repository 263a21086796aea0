"""The form of the code: vector instructions in loops, one definition a module, no calls of a library."""

import platform
import re

import llvmlite.binding as llvm
import pytest
from llvmlite import ir

from wengert.compile.native import engine
from wengert.compile.native import math as native

from .loops import KINDS, Loops
from .references import COUNTS, EXACT

IS_X86 = platform.machine() in {"x86_64", "AMD64"}
REMAINDERS = {"fmod", "remainder", "floor_divide"}
PACKED = {
    ("float64", True): r"\bv\w+(pd|ternlogq)\b",
    ("float32", True): r"\bv\w+(p[sd]|ternlogd)\b",
    ("float64", False): r"\.2d",
    ("float32", False): r"\.(4s|2d)",
}


@pytest.mark.skipif(
    IS_X86 and not llvm.get_host_cpu_features().get("fma"),
    reason="a processor without fused multiply-add calls C's fma",
)
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("name", sorted(native.NAMES - REMAINDERS))
def test_a_loop_becomes_vector_instructions_without_calls(name, dtype):
    assembly = engine.assembly(str(Loops({name: COUNTS[name]}, dtype).module))
    assert re.search(PACKED[dtype, IS_X86], assembly)
    assert not re.search(r"^\s+(callq?|blr?)\s", assembly, re.MULTILINE)


def calls(inline, count=50):
    """A module that applies sin `count` times, and exp as often."""
    module = ir.Module()
    kind = ir.DoubleType()
    function = ir.Function(module, ir.FunctionType(kind, [kind]), "chain")
    builder = ir.IRBuilder(function.append_basic_block())
    value = function.args[0]
    for _ in range(count):
        value = native.emit("sin", builder, [value], inline=inline)
        value = native.emit("exp", builder, [value], inline=inline)
    builder.ret(value)
    return module


def test_a_function_is_defined_once():
    names = [value.name for value in calls(inline=False).global_values]
    assert len([name for name in names if name.startswith("wengert.sin_and_cos.")]) == 1


def test_calls_stay_calls_and_are_small():
    called = engine.assembly(str(calls(inline=False)))
    inlined = engine.assembly(str(calls(inline=True)))
    assert len(re.findall(r"^\s+(?:callq?|bl)\s", called, re.MULTILINE)) >= 99  # one may be a jump
    # Without the lines of the table of digits, which are the same in both.
    sizes = [len(re.findall(r"^\tv?\w+\t", text, re.MULTILINE)) for text in (called, inlined)]
    assert sizes[0] < sizes[1] / 5


def test_equal_calls_are_made_once():
    module = ir.Module()
    kind = ir.DoubleType()
    function = ir.Function(module, ir.FunctionType(kind, [kind]), "twice")
    builder = ir.IRBuilder(function.append_basic_block())
    values = [native.emit("exp", builder, [function.args[0]], inline=False) for _ in range(2)]
    builder.ret(builder.fadd(*values))
    assembly = engine.assembly(str(module))
    assert len(re.findall(r"^\s+(?:callq?|bl)\s", assembly, re.MULTILINE)) == 1


def test_every_exact_function_is_known():
    assert EXACT.keys() <= native.NAMES
