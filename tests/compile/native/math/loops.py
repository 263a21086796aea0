"""Loops over arrays that apply functions of `native.math`, compiled for this machine."""

import ctypes
import re

import numpy as np
from llvmlite import ir

from wengert.compile.native import engine
from wengert.compile.native import math as native

KINDS = {"float64": ir.DoubleType(), "float32": ir.FloatType()}
_INDEX, _POINTER = ir.IntType(64), ir.PointerType()


class Loops:
    """One loop for each of `counts`, a function's name and how many operands it has.

    Operands that are `constants` (by name) are part of the code, after the others.
    """

    def __init__(self, counts, dtype, *, inline=True, constants=None):
        self.counts = counts
        self.dtype = np.dtype(dtype)
        module = loop_module(counts, dtype, inline=inline, constants=constants)
        # As wide vectors as the processor has: so the compiler compiles its loops.
        wide = r'\1 "prefer-vector-width"="512"'
        self.unit = engine.Unit(re.sub(r'(define void @"loop[^)]*\))', wide, str(module)))

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
