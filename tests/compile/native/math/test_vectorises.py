"""The form of the code: vector instructions in loops, one definition a module, no library."""

import re

import llvmlite.binding as llvm
import pytest
from llvmlite import ir

from wengert.compile.native import engine, lanes
from wengert.compile.native import math as native
from wengert.compile.native.lanes import Host

from .loops import KINDS, vectors
from .references import COUNTS, EXACT

CALL = re.compile(r"^\s+(?:callq?|blr?)\s", re.MULTILINE)
HOSTS = {
    "haswell": Host(32, False),
    "skylake-avx512": Host(64, True),
    "neoverse-n1": Host(16, False),
}
TARGETS = {"haswell": "x86_64", "skylake-avx512": "x86_64", "neoverse-n1": "aarch64"}
VECTORS = {"x86_64": r"%[yz]mm\d", "aarch64": r"\bv\d+\.(2d|4s|16b)"}
# C's fmod is called, as by NumPy.
REMAINDERS = {"fmod", "remainder", "floor_divide"}


def assembly_for(processor, text):
    """Assembly of a module for another machine."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    triple = f"{TARGETS[processor]}-unknown-linux-gnu"
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, opt=2)
    module = llvm.parse_assembly(text)
    module.triple = triple
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    engine._manager().run(module, builder)
    return machine.emit_assembly(module)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("processor", HOSTS)
def test_loops_become_vector_instructions_without_calls(processor, dtype, monkeypatch):
    monkeypatch.setattr(lanes, "host", lambda: HOSTS[processor])
    names = sorted(native.NAMES - REMAINDERS)
    assembly = assembly_for(processor, vectors({n: COUNTS[n] for n in names}, dtype))
    code = dict(
        re.findall(r'^"?loop\.(\w+)"?:(.*?)^\.Lfunc_end', assembly, re.MULTILINE | re.DOTALL)
    )
    assert sorted(code) == names
    registers = re.compile(VECTORS[TARGETS[processor]])
    assert [name for name in names if CALL.search(code[name])] == []
    assert [name for name in names if not registers.search(code[name])] == []


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
    assert len(CALL.findall(called)) >= 99  # one may be a jump
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
    assert len(CALL.findall(assembly)) == 1


def multiplications(make):
    """How many multiply-adds there are in the code of ``make(builder, x)``."""
    module = ir.Module()
    kind = ir.DoubleType()
    function = ir.Function(module, ir.FunctionType(kind, [kind]), "made")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(make(builder, function.args[0]))
    return len(re.findall(r"fn?m(?:add|sub|la|ls)", engine.assembly(str(module))))


def test_erf_and_its_derivative_have_one_exponential():
    def erf(builder, x):
        return native.emit("erf", builder, [x])

    def decay(builder, x):
        return native.emit("exp", builder, [builder.fneg(builder.fmul(x, x))])

    def both(builder, x):
        return builder.fadd(erf(builder, x), decay(builder, x))

    assert multiplications(decay) > 10
    assert multiplications(both) < multiplications(erf) + 4


def test_every_exact_function_is_known():
    assert EXACT.keys() <= native.NAMES
