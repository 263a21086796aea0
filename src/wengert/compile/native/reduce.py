"""Reductions: which there are, with what they begin, and how two values become one.

A loop nest keeps one accumulator per reduction and per element of its result. Where the innermost
loop is reduced, the accumulator is a register, or vectors (`innermost.py`); sums are kept by
blocks, so that errors stay small and bits do not depend on threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.native.types import Code, Scalar, converted, is_native, literal, llvm_type
from wengert.compile.program import Op, Spec


class Combination(NamedTuple):
    """How a reduction goes on: an instruction or intrinsic per kind of dtype; how it starts."""

    start: Any  # a number, or a function of the dtype
    instructions: dict[str, str]


def _least(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min


def _greatest(dtype: np.dtype[Any]) -> Any:
    return np.inf if dtype.kind == "f" else True if dtype.kind == "b" else np.iinfo(dtype).max


# fmt: off
REDUCTIONS: dict[str, Combination] = {
    "sum": Combination(0, {"f": "fadd", "c": "fadd", "i": "add", "u": "add"}),
    "prod": Combination(1, {"f": "fmul", "i": "mul", "u": "mul"}),
    "max": Combination(_least, {"f": "@maximum", "i": "@smax", "u": "@umax", "b": "or"}),
    "min": Combination(_greatest, {"f": "@minimum", "i": "@smin", "u": "@umin", "b": "and"}),
    "any": Combination(False, {"b": "or"}),
    "all": Combination(True, {"b": "and"}),
    "count_nonzero": Combination(0, {"i": "add"}),
}
# fmt: on
_TRUTHS = frozenset({"any", "all", "count_nonzero"})


def can_lower(op: Op, specs: Sequence[Spec]) -> bool:
    """True if this operation is a reduction with native code."""
    found = REDUCTIONS.get(op.primitive.name)
    if found is None or not op.parameters.get("axis") or not all(map(_is_plain, (*specs, op.spec))):
        return False
    if op.spec.dtype.kind not in found.instructions:
        return False
    is_empty = 0 in specs[0].shape
    return not (is_empty and op.primitive.name in ("max", "min"))  # NumPy raises


def _is_plain(spec: Spec) -> bool:
    return is_native(spec.dtype)


def start(op: Op) -> Scalar:
    """What the accumulator of a reduction begins with."""
    first = REDUCTIONS[op.primitive.name].start
    return literal(op.spec.dtype, first(op.spec.dtype) if callable(first) else first)


def term(op: Op, code: Code, x: Scalar) -> Scalar:
    """An element as it is accumulated."""
    if op.primitive.name in _TRUTHS:
        x = converted(code, x, np.dtype(bool))
    return converted(code, x, op.spec.dtype)


def combine(op: Op, code: Code, x: Scalar, y: Scalar) -> Scalar:
    """Two accumulated values, or one and a term, become one."""
    dtype = op.spec.dtype
    kind = llvm_type(dtype)
    instruction = REDUCTIONS[op.primitive.name].instructions[dtype.kind]
    if instruction.startswith("@"):
        name = instruction.removeprefix("@")
        parts = [code.call(name, kind, x.parts[0], y.parts[0])]
    else:
        pairs = zip(x.parts, y.parts, strict=True)
        parts = [code.op(f"{instruction} {kind} {p}, {q}") for p, q in pairs]
    return Scalar(dtype, tuple(parts), x.depth)
