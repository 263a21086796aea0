"""Loops over arrays that apply functions of `native.math`, compiled for this machine."""

import ctypes

import numpy as np
from llvmlite import ir

from wengert.compile.native import elementary, engine
from wengert.compile.native import math as native
from wengert.compile.native.innermost import write_innermost
from wengert.compile.native.memory import ATTRIBUTES
from wengert.compile.native.types import Code, Names, Scalar, load, store

KINDS = {"float64": ir.DoubleType(), "float32": ir.FloatType()}
_INDEX, _POINTER = ir.IntType(64), ir.PointerType()


class Loops:
    """One loop for each of `counts`, a function's name and how many operands it has.

    Operands that are `constants` (by name) are part of the code, after the others.
    """

    def __init__(self, counts, dtype, *, inline=True, constants=None):
        self.counts = counts
        self.dtype = np.dtype(dtype)
        if inline and not constants:
            self.unit = engine.Unit(vectors(counts, dtype), engine.LEAN)
        else:
            module = loop_module(counts, dtype, inline=inline, constants=constants)
            self.unit = engine.Unit(str(module))

    def __call__(self, name, *operands):
        """The function, over arrays of one length."""
        operands = [np.ascontiguousarray(operand, self.dtype) for operand in operands]
        out = np.empty_like(operands[0])
        if out.size:
            self.pointer(name)(out.size, out.ctypes.data, *(o.ctypes.data for o in operands))
        return out

    def pointer(self, name):
        """``(size, out, *operands)``, the loop as a ctypes function."""
        operands = [ctypes.c_void_p] * self.counts[name]
        kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p, *operands)
        return kind(self.unit.address(f"loop.{name}"))


def vectors(counts, dtype):
    """The same loops as the compiler writes them: over vectors."""
    symbols = {}
    for name, count in counts.items():
        code = Code(Names(symbols))
        body, kind = Code(code.names), str(KINDS[dtype])
        places = [
            body.op(f"getelementptr inbounds {kind}, ptr %x{k}, i64 %i") for k in range(count)
        ]
        operands = [load(body, place, np.dtype(dtype), 1).parts[0] for place in places]
        value = Scalar(np.dtype(dtype), (elementary.emit(name, body, kind, *operands),))
        store(body, value, body.op(f"getelementptr inbounds {kind}, ptr %out, i64 %i"))
        write_innermost(code, body.lines, "%i", ("0", "%size"))
        given = "".join([f", ptr %x{k}" for k in range(count)])
        head = f"define void @loop.{name}(i64 %size, ptr %out{given}) {ATTRIBUTES} {{"
        lines = [head, *code.names.allocas, *code.lines, "  ret void", "}"]
        symbols[f"@loop.{name}"] = "\n".join(lines)
    return "\n".join(symbols.values())


def loop_module(counts, dtype, *, inline=True, constants=None):
    """LLVM code of loops: ``loop.name(size, out, *operands)``."""
    module = ir.Module()
    for name, count in counts.items():
        _loop(module, name, KINDS[dtype], count, inline, (constants or {}).get(name, ()))
    return module


def _loop(module, name, kind, count, inline, constants):
    signature = ir.FunctionType(ir.VoidType(), [_INDEX, _POINTER, *[_POINTER] * count])
    function = ir.Function(module, signature, f"loop.{name}")
    for pointer in function.args[1:]:
        pointer.add_attribute("noalias")
    size, out, *sources = function.args
    entry, body, end = (function.append_basic_block(label) for label in ("entry", "body", "end"))
    builder = ir.IRBuilder(entry)
    builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(_INDEX)
    index.add_incoming(ir.Constant(_INDEX, 0), entry)
    operands = [
        builder.load(builder.gep(source, [index], source_etype=kind), typ=kind)
        for source in sources
    ]
    operands += [ir.Constant(kind, constant) for constant in constants]
    value = native.emit(name, builder, operands, inline=inline)
    builder.store(value, builder.gep(out, [index], source_etype=kind))
    following = builder.add(index, ir.Constant(_INDEX, 1))
    index.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, size), body, end)
    builder.position_at_end(end)
    builder.ret_void()
