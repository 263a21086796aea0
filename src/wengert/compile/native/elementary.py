"""Elementary functions of `math/` as functions of a module's text, defined once and called by name.

In loops they are inlined, so that LLVM vectorises the loop around them; in long straight-line code
they are called, so that compile time does not grow with their size.
"""

from __future__ import annotations

import functools
import re

import llvmlite.ir as ir

from wengert.compile.native import math
from wengert.compile.native.types import Code

NAMES = frozenset(math.NAMES)

_TYPES = {"double": ir.DoubleType(), "float": ir.FloatType()}


def emit(name: str, code: Code, kind: str, *operands: str) -> str:
    """A call of an elementary function; its definition goes to the module."""
    way = "call" if code.is_cold else "inline"
    symbol = f"@wg.{name}.{kind}.{way}"
    if symbol not in code.names.symbols:
        code.names.symbols.update(_definition(name, kind, len(operands), way))
    return code.op(f"call {kind} {symbol}({', '.join(f'{kind} {x}' for x in operands)})")


@functools.cache
def _definition(name: str, kind: str, count: int, way: str) -> dict[str, str]:
    """The function, and what it needs declared, by symbol."""
    module = ir.Module()
    type_ = _TYPES[kind]
    function = ir.Function(
        module, ir.FunctionType(type_, [type_] * count), f"wg.{name}.{kind}.{way}"
    )
    function.linkage = "internal"
    function.attributes.add("alwaysinline" if way == "inline" else "noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    builder.ret(math.emit(name, builder, list(function.args)))
    found: dict[str, str] = {}
    for value in module.global_values:
        text = str(value).strip()
        if getattr(value, "blocks", None):
            # Nothing in it touches memory: said, it may be hoisted, merged and dropped.
            text = re.sub(
                r"(alwaysinline|noinline)", r"\1 nounwind willreturn memory(none)", text, count=1
            )
        found["@" + value.name.strip('"')] = re.sub(r'@"([\w.]+)"', r"@\1", text)
    return found
