"""How much memory BLAS and LAPACK touch, by function and arguments: for `bounds.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wengert.compile.native import bounds
from wengert.compile.native.types import Code

Argument = str | int


class Matrix(NamedTuple):
    """An operand, by the places of arguments: itself, its rows, columns and leading dimension.

    `turn`: the letter that exchanges rows and columns unless it is "N"; `side`: the letter that
    says whether a square matrix has the rows' length ("L") or the columns'.
    """

    at: int
    rows: int
    columns: int
    leading: int
    turn: int = -1
    side: int = -1


class Vector(NamedTuple):
    """An operand: where it stands among the arguments, and its length; `bytes` of an element."""

    at: int
    length: int
    bytes: int = 0


_SIDED = (Matrix(7, 4, 5, 8, side=0), Matrix(9, 4, 5, 10))
# fmt: off
OPERANDS: dict[str, tuple[Matrix | Vector, ...]] = {
    "gemm": (Matrix(6, 2, 4, 7, turn=0), Matrix(8, 4, 3, 9, turn=1), Matrix(11, 2, 3, 12)),
    "trsm": _SIDED,
    "trmm": _SIDED,
    "trsv": (Matrix(4, 3, 3, 5), Vector(6, 3)),
    "potrf": (Matrix(2, 1, 1, 3),),
    "getrf": (Matrix(2, 0, 1, 3),),
    "getrs": (Matrix(3, 1, 1, 4), Vector(5, 1, 4), Matrix(6, 1, 2, 7)),
    "getri": (Matrix(1, 0, 0, 2), Vector(3, 0, 4), Vector(4, 5)),
    "gesdd": (Matrix(3, 1, 2, 4),),
    "syevd": (Matrix(3, 2, 2, 4), Vector(6, 7), Vector(8, 9, 4)),
    "heevd": (Matrix(3, 2, 2, 4), Vector(6, 7), Vector(10, 11, 4)),
    "geqrf": (Matrix(2, 0, 1, 3), Vector(5, 6)),
    "orgqr": (Matrix(3, 0, 1, 4), Vector(5, 2), Vector(6, 7)),
    "ungqr": (Matrix(3, 0, 1, 4), Vector(5, 2), Vector(6, 7)),
}
# fmt: on
_ITEMS = {"s": 4, "d": 8, "c": 8, "z": 16}


def check(code: Code, name: str, arguments: Sequence[Argument]) -> None:
    """Write the checks of a call; nothing if they are off."""
    if not bounds.is_on():
        return
    for operand in OPERANDS[name[1:]]:
        size = _bytes(code, operand, arguments, _ITEMS[name[0]])
        bounds.check_extent(code, str(arguments[operand.at]), size)


def _bytes(
    code: Code, operand: Matrix | Vector, arguments: Sequence[Argument], item: int
) -> str | int:
    """From an operand's first element to behind its last."""
    if isinstance(operand, Vector):
        count = _number(code, arguments[operand.length])
        return code.op(f"mul i64 {count}, {operand.bytes or item}")
    rows, columns = operand.rows, operand.columns
    if operand.turn >= 0 and arguments[operand.turn] != "N":
        rows, columns = columns, rows
    if operand.side >= 0:
        rows = columns = rows if arguments[operand.side] == "L" else columns
    length, count, apart = (_number(code, arguments[x]) for x in (rows, columns, operand.leading))
    before = code.op(f"mul i64 {code.op(f'sub i64 {count}, 1')}, {apart}")
    total = code.op(f"add i64 {before}, {length}")
    is_some = code.op(f"icmp sgt i64 {code.op(f'mul i64 {count}, {length}')}, 0")
    return code.op(f"select i1 {is_some}, i64 {code.op(f'mul i64 {total}, {item}')}, i64 0")


def _number(code: Code, x: Argument) -> str:
    """An integer argument; a pointer to one is read."""
    if isinstance(x, int):
        return str(x)
    return code.op(f"sext i32 {code.op(f'load i32, ptr {x}')} to i64")
