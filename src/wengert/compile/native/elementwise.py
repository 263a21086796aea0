"""How elementwise primitives become native code: a table by name, one line per lowering.

A row of the table holds what writes the instructions for each kind of dtype: floating ("f"),
integers ("i", "u"), truth values ("b"). `complexes.py` has complex numbers, `math/` the elementary
functions. The one difficulty is NumPy's rules of promotion: the ufuncs themselves are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.native import elementary
from wengert.compile.native.complexes import COMPLEX
from wengert.compile.native.types import (
    BOOL,
    Code,
    Scalar,
    converted,
    is_native,
    literal,
    llvm_type,
    real,
    truth,
)
from wengert.compile.program import Op, Spec

Emit = Callable[..., str]


class Kind(NamedTuple):
    """What the instructions of a lowering depend on."""

    dtype: np.dtype[Any]  # of the operands
    type: str  # LLVM's name of it


# ------------------------------------------------------------------------------------- instructions


def _binary(text: str) -> Emit:
    return lambda code, kind, x, y: code.op(f"{text} {kind.type} {x}, {y}")


def _float(text: str) -> Emit:
    return lambda code, kind, x, y: code.op(f"{text} {code.flags}{kind.type} {x}, {y}")


def _compare(text: str) -> Emit:
    return lambda code, kind, x, y: code.op(f"{text} {kind.type} {x}, {y}")


def _intrinsic(name: str) -> Emit:
    return lambda code, kind, *x: code.call(name, kind.type, *x)


def _fneg(code: Code, kind: Kind, x: str) -> str:
    return code.op(f"fneg {code.flags}{kind.type} {x}")


def _copy(code: Code, kind: Kind, x: str) -> str:
    return x


def _fdiv_one(code: Code, kind: Kind, x: str) -> str:
    return code.op(f"fdiv {code.flags}{kind.type} {real(1.0)}, {x}")


def _square(text: str) -> Emit:
    return lambda code, kind, x: code.op(f"{text} {kind.type} {x}, {x}")


def _extremum(compare: str) -> Emit:
    """The larger or smaller of two floats; NaN if one of them is."""

    def emit(code: Code, kind: Kind, x: str, y: str) -> str:
        is_first = code.op(f"fcmp {compare} {kind.type} {x}, {y}")
        is_nan = code.op(f"fcmp uno {kind.type} {x}, {x}")
        take = code.op(f"or i1 {is_first}, {is_nan}")
        return code.op(f"select i1 {take}, {kind.type} {x}, {kind.type} {y}")

    return emit


def _number_extremum(compare: str) -> Emit:
    """The larger or smaller of two floats; the number if one of them is NaN."""

    def emit(code: Code, kind: Kind, x: str, y: str) -> str:
        is_first = code.op(f"fcmp {compare} {kind.type} {x}, {y}")
        is_nan = code.op(f"fcmp uno {kind.type} {y}, {y}")
        take = code.op(f"or i1 {is_first}, {is_nan}")
        return code.op(f"select i1 {take}, {kind.type} {x}, {kind.type} {y}")

    return emit


def _select_int(compare: str) -> Emit:
    def emit(code: Code, kind: Kind, x: str, y: str) -> str:
        is_first = code.op(f"icmp {compare} {kind.type} {x}, {y}")
        return code.op(f"select i1 {is_first}, {kind.type} {x}, {kind.type} {y}")

    return emit


def _sign_float(code: Code, kind: Kind, x: str) -> str:
    above = code.op(f"fcmp ogt {kind.type} {x}, {real(0.0)}")
    below = code.op(f"fcmp olt {kind.type} {x}, {real(0.0)}")
    is_nan = code.op(f"fcmp uno {kind.type} {x}, {x}")
    out = code.op(f"select i1 {above}, {kind.type} {real(1.0)}, {kind.type} {real(0.0)}")
    out = code.op(f"select i1 {below}, {kind.type} {real(-1.0)}, {kind.type} {out}")
    return code.op(f"select i1 {is_nan}, {kind.type} {x}, {kind.type} {out}")


def _sign_int(code: Code, kind: Kind, x: str) -> str:
    above = code.op(f"icmp sgt {kind.type} {x}, 0")
    below = code.op(f"icmp slt {kind.type} {x}, 0")
    out = code.op(f"zext i1 {above} to {kind.type}")
    return code.op(f"select i1 {below}, {kind.type} -1, {kind.type} {out}")


def _abs_int(code: Code, kind: Kind, x: str) -> str:
    below = code.op(f"icmp slt {kind.type} {x}, 0")
    negated = code.op(f"sub {kind.type} 0, {x}")
    return code.op(f"select i1 {below}, {kind.type} {negated}, {kind.type} {x}")


def _invert(code: Code, kind: Kind, x: str) -> str:
    return code.op(f"xor {kind.type} {x}, {'true' if kind.dtype == BOOL else -1}")


def _is_nan(code: Code, kind: Kind, x: str) -> str:
    return code.op(f"fcmp uno {kind.type} {x}, {x}")


def _is_inf(code: Code, kind: Kind, x: str) -> str:
    return code.op(f"fcmp oeq {kind.type} {code.call('fabs', kind.type, x)}, {real(float('inf'))}")


def _is_finite(code: Code, kind: Kind, x: str) -> str:
    return code.op(f"fcmp olt {kind.type} {code.call('fabs', kind.type, x)}, {real(float('inf'))}")


def _sign_bit(code: Code, kind: Kind, x: str) -> str:
    whole = "i64" if kind.type == "double" else "i32"
    bits = code.op(f"bitcast {kind.type} {x} to {whole}")
    return code.op(f"icmp slt {whole} {bits}, 0")


def _never(value: str) -> Emit:
    return lambda code, kind, x: value


def _shift(text: str) -> Emit:
    """A shift; by the width or more, all bits are shifted out."""

    def emit(code: Code, kind: Kind, x: str, y: str) -> str:
        width = 8 * kind.dtype.itemsize
        is_in = code.op(f"icmp ult {kind.type} {y}, {width}")
        safe = code.op(f"select i1 {is_in}, {kind.type} {y}, {kind.type} 0")
        signed = text == "right" and kind.dtype.kind == "i"
        name = "shl" if text == "left" else "ashr" if signed else "lshr"
        out = code.op(f"{name} {kind.type} {x}, {safe}")
        rest = code.op(f"ashr {kind.type} {x}, {width - 1}") if signed else "0"
        return code.op(f"select i1 {is_in}, {kind.type} {out}, {kind.type} {rest}")

    return emit


def _divided_int(quotient: bool) -> Emit:
    """Floor division or its remainder; by zero, zero; the least number by -1 wraps around."""

    def emit(code: Code, kind: Kind, x: str, y: str) -> str:
        t, signed = kind.type, kind.dtype.kind == "i"
        is_zero = code.op(f"icmp eq {t} {y}, 0")
        unsafe = is_zero
        if signed:
            is_minus = code.op(f"icmp eq {t} {y}, -1")
            unsafe = code.op(f"or i1 {is_zero}, {is_minus}")
        safe = code.op(f"select i1 {unsafe}, {t} 1, {t} {y}")
        rest = code.op(f"{'srem' if signed else 'urem'} {t} {x}, {safe}")
        out = code.op(f"{'sdiv' if signed else 'udiv'} {t} {x}, {safe}") if quotient else rest
        if signed:
            signs = code.op(f"xor {t} {rest}, {safe}")
            differs = code.op(f"icmp slt {t} {signs}, 0")
            is_rest = code.op(f"icmp ne {t} {rest}, 0")
            fix = code.op(f"and i1 {differs}, {is_rest}")
            step = code.op(f"select i1 {fix}, {t} {-1 if quotient else safe}, {t} 0")
            out = code.op(f"add {t} {out}, {step}")
            other = code.op(f"sub {t} 0, {x}") if quotient else "0"
            out = code.op(f"select i1 {is_minus}, {t} {other}, {t} {out}")
        return code.op(f"select i1 {is_zero}, {t} 0, {t} {out}")

    return emit


def _fmod(code: Code, kind: Kind, x: str, y: str) -> str:
    return code.op(f"frem {kind.type} {x}, {y}")


def _remainder(code: Code, kind: Kind, x: str, y: str) -> str:
    """Python's remainder of floats: the sign of the divisor, and zero with that sign."""
    t = kind.type
    rest = _fmod(code, kind, x, y)
    is_zero = code.op(f"fcmp oeq {t} {rest}, {real(0.0)}")
    above = code.op(f"fcmp olt {t} {y}, {real(0.0)}")
    below = code.op(f"fcmp olt {t} {rest}, {real(0.0)}")
    differs = code.op(f"xor i1 {above}, {below}")
    moved = code.op(f"fadd {t} {rest}, {y}")
    out = code.op(f"select i1 {differs}, {t} {moved}, {t} {rest}")
    zero = code.call("copysign", t, real(0.0), y)
    return code.op(f"select i1 {is_zero}, {t} {zero}, {t} {out}")


def _floor_divide(code: Code, kind: Kind, x: str, y: str) -> str:
    """As NumPy: from the remainder, so that both agree."""
    t = kind.type
    rest = _fmod(code, kind, x, y)
    quotient = code.op(f"fdiv {t} {code.op(f'fsub {t} {x}, {rest}')}, {y}")
    above = code.op(f"fcmp olt {t} {y}, {real(0.0)}")
    below = code.op(f"fcmp olt {t} {rest}, {real(0.0)}")
    differs = code.op(f"xor i1 {above}, {below}")
    is_rest = code.op(f"fcmp une {t} {rest}, {real(0.0)}")
    fix = code.op(f"and i1 {differs}, {is_rest}")
    less = code.op(f"fsub {t} {quotient}, {real(1.0)}")
    quotient = code.op(f"select i1 {fix}, {t} {less}, {t} {quotient}")
    whole = code.call("floor", t, quotient)
    gap = code.op(f"fsub {t} {quotient}, {whole}")
    up = code.op(f"fcmp ogt {t} {gap}, {real(0.5)}")
    whole = code.op(f"select i1 {up}, {t} {code.op(f'fadd {t} {whole}, {real(1.0)}')}, {t} {whole}")
    direct = code.op(f"fdiv {t} {x}, {y}")
    zero = code.call("copysign", t, real(0.0), direct)
    is_zero = code.op(f"fcmp oeq {t} {quotient}, {real(0.0)}")
    out = code.op(f"select i1 {is_zero}, {t} {zero}, {t} {whole}")
    by_zero = code.op(f"fcmp oeq {t} {y}, {real(0.0)}")
    return code.op(f"select i1 {by_zero}, {t} {direct}, {t} {out}")


def _scaled(factor: float) -> Emit:
    return lambda code, kind, x: code.op(f"fmul {kind.type} {x}, {_rounded(factor, kind)}")


def _rounded(value: float, kind: Kind) -> str:
    return real(float(kind.dtype.type(value)))


def _power(code: Code, kind: Kind, x: str, y: str) -> str:
    """A power; the constant exponents that people write by products, a quotient or a root."""
    t, f = kind.type, code.flags
    if y == real(2.0):
        return code.op(f"fmul {f}{t} {x}, {x}")
    if y == real(1.0):
        return x
    if y == real(0.0):
        return real(1.0)
    if y == real(3.0):
        return code.op(f"fmul {f}{t} {code.op(f'fmul {f}{t} {x}, {x}')}, {x}")
    if y == real(-1.0):
        return _fdiv_one(code, kind, x)
    return elementary.emit("pow", code, kind.type, x, y)


# ---------------------------------------------------------------------------------------- the table

_ORDER = {"lt": "olt slt ult", "le": "ole sle ule", "gt": "ogt sgt ugt", "ge": "oge sge uge"}


def _comparison(name: str) -> dict[str, Emit]:
    floating, signed, unsigned = _ORDER[name].split()
    return {
        "f": _compare(f"fcmp {floating}"),
        "i": _compare(f"icmp {signed}"),
        "u": _compare(f"icmp {unsigned}"),
        "b": _compare(f"icmp {unsigned}"),
    }


_LARGER = {"i": _select_int("sgt"), "u": _select_int("ugt"), "b": _binary("or")}
_SMALLER = {"i": _select_int("slt"), "u": _select_int("ult"), "b": _binary("and")}
_WHOLE = dict.fromkeys("iub", _copy)
_NOT_NAN = {kind: _never("false") for kind in "iub"}

# By the primitive's `lower`, or its name where it has none. Kinds that stand nowhere go to NumPy.
# fmt: off
ELEMENTWISE: dict[str, dict[str, Emit]] = {
    "add": {"f": _float("fadd"), "i": _binary("add"), "u": _binary("add"), "b": _binary("or")},
    "sub": {"f": _float("fsub"), "i": _binary("sub"), "u": _binary("sub")},
    "mul": {"f": _float("fmul"), "i": _binary("mul"), "u": _binary("mul"), "b": _binary("and")},
    "div": {"f": _float("fdiv")},
    "neg": {"f": _fneg, "i": lambda code, kind, x: code.op(f"sub {kind.type} 0, {x}"),
            "u": lambda code, kind, x: code.op(f"sub {kind.type} 0, {x}")},
    "copy": {"f": _copy, **_WHOLE},
    "square": {"f": _square("fmul"), "i": _square("mul"), "u": _square("mul")},
    "reciprocal": {"f": _fdiv_one},
    "pow": {"f": _power},
    "abs": {"f": _intrinsic("fabs"), "i": _abs_int, "u": _copy, "b": _copy},
    "copysign": {"f": _intrinsic("copysign")},
    "max": {"f": _extremum("ogt"), **_LARGER},
    "min": {"f": _extremum("olt"), **_SMALLER},
    "fmax": {"f": _number_extremum("oge"), **_LARGER},
    "fmin": {"f": _number_extremum("ole"), **_SMALLER},
    "remainder": {"f": _remainder, "i": _divided_int(False), "u": _divided_int(False)},
    "fmod": {"f": _fmod},
    "floor_divide": {"f": _floor_divide, "i": _divided_int(True), "u": _divided_int(True)},
    "floor": {"f": _intrinsic("floor"), **_WHOLE},
    "ceil": {"f": _intrinsic("ceil"), **_WHOLE},
    "trunc": {"f": _intrinsic("trunc"), **_WHOLE},
    "rint": {"f": _intrinsic("rint")},
    "sqrt": {"f": _intrinsic("sqrt")},
    "sign": {"f": _sign_float, "i": _sign_int},
    "lt": _comparison("lt"),
    "le": _comparison("le"),
    "gt": _comparison("gt"),
    "ge": _comparison("ge"),
    "eq": {"f": _compare("fcmp oeq"), **{kind: _compare("icmp eq") for kind in "iub"}},
    "ne": {"f": _compare("fcmp une"), **{kind: _compare("icmp ne") for kind in "iub"}},
    "isnan": {"f": _is_nan, **_NOT_NAN},
    "isinf": {"f": _is_inf, **_NOT_NAN},
    "isfinite": {"f": _is_finite, **{kind: _never("true") for kind in "iub"}},
    "signbit": {"f": _sign_bit},
    "degrees": {"f": _scaled(180.0 / np.pi)},
    "radians": {"f": _scaled(np.pi / 180.0)},
    "invert": dict.fromkeys("iub", _invert),
    "bitwise_and": {kind: _binary("and") for kind in "iub"},
    "bitwise_or": {kind: _binary("or") for kind in "iub"},
    "bitwise_xor": {kind: _binary("xor") for kind in "iub"},
    "left_shift": {kind: _shift("left") for kind in "iu"},
    "right_shift": {kind: _shift("right") for kind in "iu"},
}
# fmt: on

_LOGICAL = {"not": "xor", "and": "and", "or": "or", "xor": "xor"}
_CONVERSIONS = frozenset({"astype", "truncate"})
_PARTS = frozenset({"real", "imag", "conjugate"})
# What stands in no row because it does not depend on the kind of dtype in that way.
OTHERS = frozenset({*_LOGICAL, *_CONVERSIONS, *_PARTS, "select", "stop_gradient"})


# ----------------------------------------------------------------------------------------- lowering


def name_of(op: Op) -> str:
    """Under which name a primitive stands in the tables."""
    return op.primitive.lower or op.primitive.name


def operand_dtypes(op: Op, specs: Sequence[Spec]) -> tuple[np.dtype[Any], ...] | None:
    """Which dtypes NumPy brings the operands to; None if it refuses."""
    given = [_PYTHON[s.dtype.kind] if s.kind == "python" else s.dtype for s in specs]
    function = op.primitive.function
    if isinstance(function, np.ufunc) and function.nin == len(specs) and function.nout == 1:
        try:
            return tuple(function.resolve_dtypes((*given, None))[:-1])
        except TypeError:
            return None
    if op.primitive.name == "where":
        kept = [s.dtype if s.kind != "python" else _WEAK[s.dtype.kind] for s in specs[1:]]
        common = np.result_type(*kept)
        return (BOOL, common, common)
    return tuple([s.dtype for s in specs])


_PYTHON: dict[str, Any] = {"f": float, "i": int, "c": complex, "b": np.dtype(bool)}
_WEAK: dict[str, Any] = {"f": 1.0, "i": 1, "c": 1j, "b": True}


def can_lower(op: Op, specs: Sequence[Spec]) -> bool:
    """True if this operation on values of these specs has native code."""
    name = name_of(op)
    if not all(is_native(s.dtype) and s.kind != "tuple" for s in (*specs, op.spec)):
        return False
    if name in _CONVERSIONS or name in _PARTS or name == "stop_gradient":
        return True
    dtypes = operand_dtypes(op, specs)
    if dtypes is None or not all(map(is_native, dtypes)):
        return False
    if name == "select" or name in _LOGICAL:
        return True
    kind = dtypes[0].kind
    if any(d != dtypes[0] for d in dtypes) or op.parameters:
        return False
    if kind == "c":
        return name in COMPLEX
    if kind in ELEMENTWISE.get(name, ()):
        return True
    return kind == "f" and name in elementary.NAMES


def emit(op: Op, specs: Sequence[Spec], code: Code, operands: Sequence[Scalar]) -> Scalar:
    """The instructions of one elementwise operation on numbers in registers."""
    name, out = name_of(op), op.spec.dtype
    depth = max([x.depth for x in operands])
    if name in _CONVERSIONS or name == "stop_gradient":
        return converted(code, operands[0], out)
    if name in _PARTS:
        return _part(name, code, operands[0], out)
    dtypes = operand_dtypes(op, specs)
    assert dtypes is not None
    given = [converted(code, x, d) for x, d in zip(operands, dtypes, strict=True)]
    if name == "select":
        condition, x, y = given
        return converted(code, select(code, condition.parts[0], x, y, depth), out)
    if name in _LOGICAL:
        bits = [truth(code, x) for x in given] + ["true"] * (name == "not")
        return Scalar(BOOL, (code.op(f"{_LOGICAL[name]} i1 {bits[0]}, {bits[1]}"),), depth)
    dtype = dtypes[0]
    if dtype.kind == "c":
        return COMPLEX[name](code, out, depth, *given)
    kind = Kind(dtype, llvm_type(dtype))
    row = ELEMENTWISE.get(name, {})
    registers = [x.parts[0] for x in given]
    if dtype.kind in row:
        result = row[dtype.kind](code, kind, *registers)
    else:
        result = elementary.emit(name, code, kind.type, *registers)
    is_truth = out == BOOL and name not in _WHOLE_OF_BOOL
    found = Scalar(BOOL if is_truth else dtype, (result,), depth)
    return converted(code, found, out)


_WHOLE_OF_BOOL = frozenset({"add", "mul", "copy", "max", "min"})


def _part(name: str, code: Code, x: Scalar, out: np.dtype[Any]) -> Scalar:
    """Real part, imaginary part or conjugate."""
    if x.dtype.kind != "c":
        return (
            literal(out, 0)._replace(depth=x.depth) if name == "imag" else converted(code, x, out)
        )
    if name == "conjugate":
        parts = (x.parts[0], code.op(f"fneg {llvm_type(x.dtype)} {x.parts[1]}"))
        return Scalar(out, parts, x.depth)
    return Scalar(out, (x.parts[0] if name == "real" else x.parts[1],), x.depth)


def add(code: Code, x: Scalar, y: Scalar) -> Scalar:
    """The sum of two numbers of one dtype."""
    kind = Kind(x.dtype, llvm_type(x.dtype))
    if x.dtype.kind == "c":
        return COMPLEX["add"](code, x.dtype, y.depth, x, y)
    part = ELEMENTWISE["add"][x.dtype.kind](code, kind, x.parts[0], y.parts[0])
    return Scalar(x.dtype, (part,), y.depth)


def select(code: Code, test: str, x: Scalar, y: Scalar, depth: int) -> Scalar:
    """One of two numbers of one dtype."""
    kind = llvm_type(x.dtype)
    pairs = zip(x.parts, y.parts, strict=True)
    parts = [code.op(f"select i1 {test}, {kind} {p}, {kind} {q}") for p, q in pairs]
    return Scalar(x.dtype, tuple(parts), depth)
