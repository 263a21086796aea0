"""Elementary functions of `math/` as functions of a module's text, defined once and called by name.

In loops over arrays they are inlined, as vectors (`lanes.py`), and share constants; in code of
numbers they are called, so that compile time does not grow with their size.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import llvmlite.ir as ir

from wengert.compile.native import math
from wengert.compile.native.types import Code

NAMES = frozenset(math.NAMES)
BRANCHING = frozenset(math.CALLED)  # called, they take a short way for most arguments

_TYPES = {"double": ir.DoubleType(), "float": ir.FloatType()}


def emit(name: str, code: Code, kind: str, *operands: str) -> str:
    """A call of an elementary function; its definition goes to the module."""
    made = _definition(name, kind, len(operands), is_inline=name not in code.called)
    for symbol, text in made.texts.items():
        code.names.symbols.setdefault(symbol, text)
    arguments = ", ".join(f"{kind} {x}" for x in operands)
    value = code.op(f"call {made.result} {made.symbol}({arguments}) {made.attribute}")
    if made.which is None:
        return value
    return code.op(f"extractvalue {made.result} {value}, {made.which}")


_POINTER = re.compile(r"(?:\[[\w \[\]]+\]|double|float)\*")  # llvmlite.ir writes what is pointed to


class Definition(NamedTuple):
    """A function as text: what is called, how, and the definitions that it needs, by symbol."""

    symbol: str
    result: str
    attribute: str
    which: int | None  # of several results
    texts: dict[str, str]


@functools.cache
def _definition(name: str, kind: str, count: int, *, is_inline: bool) -> Definition:
    module = ir.Module()
    function, which = math.define(name, module, [_TYPES[kind]] * count, inline=is_inline)
    texts = {
        "@" + value.name: _POINTER.sub("ptr", re.sub(r'@"([\w.]+)"', r"@\1", str(value).strip()))
        for value in module.global_values
    }
    attribute = "alwaysinline" if is_inline else "noinline"
    result = str(function.function_type.return_type)
    return Definition("@" + function.name, result, attribute, which, texts)
