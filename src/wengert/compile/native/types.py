"""LLVM's types for NumPy's dtypes, constants, conversions; and `Code`, which writes IR as text.

IR is written as text, not built as objects: it is five times as fast, which long tapes need. A
number in registers is a `Scalar`: a dtype and one name (two for complex numbers). The difficulty is
that truth values are i1 in registers and bytes in memory.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import numpy as np

# fmt: off
_TYPES = {"f8": "double", "f4": "float", "c16": "double", "c8": "float", "b1": "i1",
          "i1": "i8", "i2": "i16", "i4": "i32", "i8": "i64",
          "u1": "i8", "u2": "i16", "u4": "i32", "u8": "i64"}
# fmt: on

BOOL = np.dtype(bool)
INT64 = np.dtype(np.int64)


def is_native(dtype: np.dtype[Any]) -> bool:
    """True for dtypes that native code computes in; others go to NumPy."""
    return dtype.str[1:] in _TYPES and dtype.isnative


def llvm_type(dtype: np.dtype[Any]) -> str:
    """Type of a number in a register; of each part of a complex number."""
    return _TYPES[dtype.str[1:]]


def memory_type(dtype: np.dtype[Any]) -> str:
    """Type of a number in memory."""
    return "i8" if dtype == BOOL else llvm_type(dtype)


def part_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the parts of a complex dtype; any other dtype itself."""
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype


class Scalar(NamedTuple):
    """A number in registers: SSA names or literals, one or (complex) two; how deep in the loops."""

    dtype: np.dtype[Any]
    parts: tuple[str, ...]
    depth: int = 0


def literal(dtype: np.dtype[Any], value: Any) -> Scalar:
    """A constant."""
    number = np.asarray(value).astype(dtype)
    if dtype.kind == "c":
        part = part_of(dtype)
        return Scalar(dtype, (_text(part, number.real), _text(part, number.imag)))
    return Scalar(dtype, (_text(dtype, number),))


def _text(dtype: np.dtype[Any], number: Any) -> str:
    if dtype.kind == "f":
        return real(float(number))
    if dtype == BOOL:
        return "true" if number else "false"
    return str(int(number))


def real(value: float) -> str:
    """A floating-point literal, exact to the bit (of a float32: as the double that equals it)."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


class Names:
    """Numbers for the SSA names of one function, and what the module must declare or define."""

    def __init__(self, symbols: dict[str, str]):
        self.count = 0
        self.symbols = symbols  # name -> declaration or definition
        self.allocas: list[str] = []  # variables, for the start of the function

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def label(self) -> str:
        self.count += 1
        return f"b{self.count}"


class Code:
    """Lines of IR that are written one after the other."""

    def __init__(self, names: Names, suffix: str = ""):
        self.names = names
        self.lines: list[str] = []
        self.flags = ""  # of floating-point arithmetic, with fastmath
        self.called: frozenset[str] = frozenset()  # elementary functions not to be inlined

    def op(self, text: str) -> str:
        """One instruction; the name of what it gives."""
        names = self.names
        names.count += 1
        name = f"%v{names.count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """One instruction without result."""
        self.lines.append("  " + text)

    def start(self, label: str) -> None:
        """A basic block begins."""
        self.lines.append(label + ":")

    def call(self, intrinsic: str, kind: str, *operands: str) -> str:
        """A call of an LLVM intrinsic overloaded by the type of its operands."""
        name = f"@llvm.{intrinsic}.{_SUFFIX.get(kind, kind)}"
        kinds = ", ".join([kind] * len(operands))
        self.names.symbols.setdefault(name, f"declare {kind} {name}({kinds})")
        return self.op(
            f"call {self.flags if kind in _FLOATS else ''}{kind} {name}"
            f"({', '.join(f'{kind} {x}' for x in operands)})"
        )

    def variable(self, kind: str) -> str:
        """A place on the stack; LLVM keeps it in a register."""
        name = self.names.fresh()
        self.names.allocas.append(f"  {name} = alloca {kind}")
        return name


class Loop(NamedTuple):
    """A loop that has been opened in a `Code`."""

    turn: str
    counter: str
    head: str
    end: str


def open_loop(code: Code, low: str, high: str, index: str = "") -> Loop:
    """Begin ``for index in range(low, high)``; the range is not empty."""
    index = index or code.names.fresh()
    counter, head = code.variable("i64"), code.names.label()
    code.do(f"store i64 {low}, ptr {counter}")
    code.do(f"br label %{head}")
    code.start(head)
    code.do(f"{index} = load i64, ptr {counter}")
    return Loop(index, counter, head, high)


def close_loop(code: Code, loop: Loop, step: int = 1) -> None:
    """End a loop."""
    leave = code.names.label()
    following = code.op(f"add nuw nsw i64 {loop.turn}, {step}")
    code.do(f"store i64 {following}, ptr {loop.counter}")
    more = code.op(f"icmp slt i64 {following}, {loop.end}")
    code.do(f"br i1 {more}, label %{loop.head}, label %{leave}")
    code.start(leave)


_SUFFIX = {"double": "f64", "float": "f32"}
_FLOATS = frozenset(_SUFFIX)


def converted(code: Code, x: Scalar, dtype: np.dtype[Any]) -> Scalar:
    """A number in another dtype, as NumPy's astype converts it."""
    if x.dtype == dtype:
        return x
    if dtype == BOOL:
        return Scalar(dtype, (truth(code, x),), x.depth)
    if dtype.kind == "c":
        part = part_of(dtype)
        if x.dtype.kind == "c":
            parts = tuple([_number(code, p, part_of(x.dtype), part) for p in x.parts])
        else:
            parts = (_number(code, x.parts[0], x.dtype, part), real(0.0))
        return Scalar(dtype, parts, x.depth)
    return Scalar(dtype, (_number(code, x.parts[0], part_of(x.dtype), dtype),), x.depth)


def truth(code: Code, x: Scalar) -> str:
    """Whether a number is not zero; NaN is not."""
    kind = llvm_type(x.dtype)
    if x.dtype == BOOL:
        return x.parts[0]
    if x.dtype.kind in "iu":
        return code.op(f"icmp ne {kind} {x.parts[0]}, 0")
    nonzero = [code.op(f"fcmp une {kind} {p}, {real(0.0)}") for p in x.parts]
    return nonzero[0] if len(nonzero) == 1 else code.op(f"or i1 {nonzero[0]}, {nonzero[1]}")


def _number(code: Code, x: str, old: np.dtype[Any], new: np.dtype[Any]) -> str:
    """A register converted from one real dtype to another; not to bool."""
    if old == new:
        return x
    if not x.startswith("%"):
        return _converted_literal(x, old, new)
    source, target = llvm_type(old), llvm_type(new)
    if old.kind in "biu" and new.kind in "iu":
        if old.itemsize == new.itemsize and old != BOOL:
            return x
        if old.itemsize > new.itemsize:
            return code.op(f"trunc {source} {x} to {target}")
        return code.op(f"{'sext' if old.kind == 'i' else 'zext'} {source} {x} to {target}")
    if old.kind == "f" and new.kind == "f":
        return code.op(
            f"{'fpext' if new.itemsize > old.itemsize else 'fptrunc'} {source} {x} to {target}"
        )
    if new.kind == "f":
        return code.op(f"{'sitofp' if old.kind == 'i' else 'uitofp'} {source} {x} to {target}")
    return _from_float(code, x, source, new)


def _from_float(code: Code, x: str, source: str, new: np.dtype[Any]) -> str:
    """Truncation to an integer; out of range, where C leaves it open, what x86 and NumPy give."""
    wide = "i64" if new.itemsize == 8 or new == np.uint32 else "i32"
    if new.itemsize == 8 and new.kind == "u":
        top = real(2.0**63)
        low = code.op(f"fptosi {source} {x} to i64")
        less = code.op(f"fsub {source} {x}, {top}")
        high = code.op(f"fptosi {source} {less} to i64")
        high = code.op(f"xor i64 {high}, -9223372036854775808")
        is_low = code.op(f"fcmp olt {source} {x}, {top}")
        return code.op(f"select i1 {is_low}, i64 {low}, i64 {high}")
    limit = 2.0**63 if wide == "i64" else 2.0**31
    least = "-9223372036854775808" if wide == "i64" else "-2147483648"
    size = code.call("fabs", source, x)
    is_in = code.op(f"fcmp olt {source} {size}, {real(limit)}")
    safe = code.op(f"select i1 {is_in}, {source} {x}, {source} {real(0.0)}")
    whole = code.op(f"fptosi {source} {safe} to {wide}")
    whole = code.op(f"select i1 {is_in}, {wide} {whole}, {wide} {least}")
    target = llvm_type(new)
    return whole if target == wide else code.op(f"trunc {wide} {whole} to {target}")


def _converted_literal(x: str, old: np.dtype[Any], new: np.dtype[Any]) -> str:
    if old == BOOL:
        number: Any = np.bool_(x == "true")
    elif x.startswith("0x"):
        number = old.type(struct.unpack("<d", struct.pack("<Q", int(x, 16)))[0])
    else:
        number = old.type(int(x))
    with np.errstate(all="ignore"):
        return _text(new, np.asarray(number).astype(new))


def load(code: Code, pointer: str, dtype: np.dtype[Any], depth: int) -> Scalar:
    """A number from memory."""
    kind, size = memory_type(dtype), part_of(dtype).itemsize
    if dtype.kind == "c":
        second = code.op(f"getelementptr inbounds {kind}, ptr {pointer}, i64 1")
        parts = tuple([code.op(f"load {kind}, ptr {p}, align {size}") for p in (pointer, second)])
        return Scalar(dtype, parts, depth)
    x = code.op(f"load {kind}, ptr {pointer}, align {size}")
    if dtype == BOOL:
        x = code.op(f"icmp ne i8 {x}, 0")
    return Scalar(dtype, (x,), depth)


def store(code: Code, x: Scalar, pointer: str) -> None:
    """A number to memory."""
    kind, size = memory_type(x.dtype), part_of(x.dtype).itemsize
    if x.dtype == BOOL:
        byte = code.op(f"zext i1 {x.parts[0]} to i8")
        code.do(f"store i8 {byte}, ptr {pointer}, align 1")
        return
    code.do(f"store {kind} {x.parts[0]}, ptr {pointer}, align {size}")
    if x.dtype.kind == "c":
        second = code.op(f"getelementptr inbounds {kind}, ptr {pointer}, i64 1")
        code.do(f"store {kind} {x.parts[1]}, ptr {second}, align {size}")
