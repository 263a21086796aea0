"""Complex arithmetic on pairs of registers; what is not here goes to NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.compile.native.types import BOOL, Code, Scalar, llvm_type, real


def _each(instruction: str) -> Callable[..., Scalar]:
    """An operation on real and imaginary parts by themselves."""

    def emit(code: Code, out: np.dtype[Any], depth: int, x: Scalar, y: Scalar) -> Scalar:
        kind = llvm_type(x.dtype)
        pairs = zip(x.parts, y.parts, strict=True)
        return Scalar(
            out, tuple([code.op(f"{instruction} {kind} {p}, {q}") for p, q in pairs]), depth
        )

    return emit


def _multiply(code: Code, out: np.dtype[Any], depth: int, x: Scalar, y: Scalar) -> Scalar:
    kind = llvm_type(x.dtype)
    (a, b), (c, d) = x.parts, y.parts
    ac, bd = code.op(f"fmul {kind} {a}, {c}"), code.op(f"fmul {kind} {b}, {d}")
    ad, bc = code.op(f"fmul {kind} {a}, {d}"), code.op(f"fmul {kind} {b}, {c}")
    parts = (code.op(f"fsub {kind} {ac}, {bd}"), code.op(f"fadd {kind} {ad}, {bc}"))
    return Scalar(out, parts, depth)


def _square(code: Code, out: np.dtype[Any], depth: int, x: Scalar) -> Scalar:
    return _multiply(code, out, depth, x, x)


def _divide(code: Code, out: np.dtype[Any], depth: int, x: Scalar, y: Scalar) -> Scalar:
    """Smith's algorithm (Communications of the ACM 5(8), 1962), as NumPy divides."""
    kind = llvm_type(x.dtype)

    def do(text: str, p: str, q: str) -> str:
        return code.op(f"{text} {kind} {p}, {q}")

    def choose(condition: str, p: str, q: str) -> str:
        return code.op(f"select i1 {condition}, {kind} {p}, {kind} {q}")

    (a, b), (c, d) = x.parts, y.parts
    size_c, size_d = code.call("fabs", kind, c), code.call("fabs", kind, d)
    is_first = code.op(f"fcmp oge {kind} {size_c}, {size_d}")
    big, small = choose(is_first, c, d), choose(is_first, d, c)
    ratio = do("fdiv", small, big)
    scale = do("fdiv", real(1.0), do("fadd", big, do("fmul", small, ratio)))
    ar, br = do("fmul", a, ratio), do("fmul", b, ratio)
    first = choose(is_first, do("fadd", a, br), do("fadd", ar, b))
    second = choose(is_first, do("fsub", b, ar), do("fsub", br, a))
    parts = [do("fmul", first, scale), do("fmul", second, scale)]
    total = do("fadd", size_c, size_d)
    is_zero = code.op(f"fcmp oeq {kind} {total}, {real(0.0)}")
    parts = [choose(is_zero, do("fdiv", p, total), q) for p, q in zip(x.parts, parts, strict=True)]
    return Scalar(out, tuple(parts), depth)


def _negative(code: Code, out: np.dtype[Any], depth: int, x: Scalar) -> Scalar:
    kind = llvm_type(x.dtype)
    return Scalar(out, tuple([code.op(f"fneg {kind} {p}") for p in x.parts]), depth)


def _equality(compare: str, join: str) -> Callable[..., Scalar]:
    def emit(code: Code, out: np.dtype[Any], depth: int, x: Scalar, y: Scalar) -> Scalar:
        kind = llvm_type(x.dtype)
        first, second = [
            code.op(f"fcmp {compare} {kind} {p}, {q}")
            for p, q in zip(x.parts, y.parts, strict=True)
        ]
        return Scalar(BOOL, (code.op(f"{join} i1 {first}, {second}"),), depth)

    return emit


COMPLEX: dict[str, Callable[..., Scalar]] = {
    "add": _each("fadd"),
    "sub": _each("fsub"),
    "mul": _multiply,
    "div": _divide,
    "neg": _negative,
    "copy": lambda code, out, depth, x: x,
    "square": _square,
    "eq": _equality("oeq", "and"),
    "ne": _equality("une", "or"),
}
