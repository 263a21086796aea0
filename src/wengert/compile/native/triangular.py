"""Triangular matrices by BLAS: systems, and the pullback of the Cholesky factor.

Rows that lie one after the other are, for BLAS, columns of the transpose: every call says what it
does to the transposed matrices. The large calls use the threads of BLAS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.native import blas
from wengert.compile.native.lapack import Step, Writer, can_call, clear_triangle
from wengert.compile.native.operands import Layout, LibraryCall, Loop, contiguous, offset
from wengert.compile.native.types import Code, llvm_type, part_of, real
from wengert.compile.program import Op, Spec

# ----------------------------------------------------------------------------------------- systems


def solve_triangular(
    op: Op, operands: Sequence[Layout], results: Sequence[Spec]
) -> LibraryCall | None:
    """``solve_triangular(a, b, lower=…, unit_diagonal=…)``: `a` is read where it lies."""
    (result,) = results
    dtype = result.dtype
    if not can_call(dtype, operands, ["trsm", "trsv"]):
        return None
    is_unit = bool(op.parameters["unit_diagonal"])
    step = Step(operands, results, [2], dtype, "" if is_unit else "Singular matrix")
    n, sides = operands[1].shape[-2:]
    a = step.matrix(0)
    place = None
    if a.dtype != dtype or _columns_apart(a) is None:
        place = step.take(n * n, dtype)
        a = contiguous(a.shape, dtype)
    apart = _columns_apart(a)
    assert apart is not None
    # Columns first, rows that lie one after the other are the transpose.
    is_turned = a.strides[1] == 1 and n > 1
    part = "L" if bool(op.parameters["lower"]) != is_turned else "U"
    unit = "U" if is_unit else "N"

    def body(write: Writer) -> None:
        (out,) = write.results
        if out is None or n == 0 or sides == 0:
            return
        matrix = write.operands[0]
        if place is not None:
            matrix = write.at(place)
            write.copy_rows(matrix)
        if not is_unit:
            _fail_at_zero(write, matrix, a, n)
        write.copy_rows(out, 1)
        letter, one = blas.letter(dtype), blas.number(write.code, dtype, 1.0)
        if sides == 1:
            turn = "T" if is_turned else "N"
            blas.call(write.code, f"{letter}trsv", part, turn, unit, n, matrix, apart, out, 1)
        else:  # the transposed system: out.T @ a.T = b.T
            turn = "N" if is_turned else "T"
            blas.call(write.code, f"{letter}trsm", "R", part, turn, unit, sides, n, one, matrix,
                      apart, out, sides)  # fmt: skip

    return step.planned(body)


def _columns_apart(x: Layout) -> int | None:
    """The leading dimension of a square matrix that lies by rows or by columns; or None."""
    n, (first, second) = x.shape[0], x.strides
    if n <= 1:
        return 1
    inner, outer = min(first, second), max(first, second)
    return outer if inner == 1 and outer >= n else None


def _fail_at_zero(write: Writer, matrix: str, layout: Layout, n: int) -> None:
    """Fail if there is a zero on the diagonal."""
    code, dtype = write.code, write.step.dtype
    kind, parts = llvm_type(part_of(dtype)), 2 if dtype.kind == "c" else 1
    with Loop(code, n) as k:
        at = offset(code, matrix, code.op(f"mul i64 {k}, {sum(layout.strides)}"), dtype)
        found = [offset(code, at, part, part_of(dtype)) for part in range(parts)]
        numbers = [code.op(f"load {kind}, ptr {x}") for x in found]
        zeros = [code.op(f"fcmp oeq {kind} {x}, {real(0.0)}") for x in numbers]
        is_zero = zeros[0] if parts == 1 else code.op(f"and i1 {zeros[0]}, {zeros[1]}")
        before = code.op(f"load i32, ptr {write.failed}")
        bad = code.op(f"or i32 {before}, {code.op(f'zext i1 {is_zero} to i32')}")
        code.do(f"store i32 {bad}, ptr {write.failed}")


# ------------------------------------------------------------------------- pullback of the factor

_LEAST, _MOST = 64, 16  # rows of a block at least; blocks at most, as each is code of its own


def pullback(op: Op, operands: Sequence[Layout], results: Sequence[Spec]) -> LibraryCall | None:
    """``cholesky_pullback(factor, given)`` by the blocked algorithm (primitives/cholesky.py)."""
    (result,) = results
    dtype = result.dtype
    if dtype.kind == "c" or not can_call(dtype, operands, ["gemm", "trsm", "trmm"]):
        return None
    step = Step(operands, results, [2], dtype)
    n = step.shape[0]
    factor = step.matrix(0)
    is_copied = factor.dtype != dtype or not factor.is_contiguous
    place = step.take(n * n, dtype) if is_copied else 0

    def body(write: Writer) -> None:
        (out,) = write.results
        if out is None or n == 0:
            return
        matrix = write.operands[0]
        if is_copied:
            matrix = write.at(place)
            write.copy_rows(matrix)
        write.copy_rows(out, 1)
        size = max(_LEAST, -(-n // _MOST))
        for end in range(n, 0, -size):
            _pull_block(_Rows(write.code, dtype, n), matrix, out, max(0, end - size), end)
        clear_triangle(write.code, out, n, n, dtype, is_upper=True)

    return step.planned(body)


def _pull_block(rows: _Rows, factor: str, out: str, start: int, end: int) -> None:
    """Pull one block of rows of the factorisation back; in its corner remains its pullback."""
    size, below = end - start, rows.n - end
    corner, left = rows.at(factor, start, start), rows.at(factor, start, 0)
    own, own_left = rows.at(out, start, start), rows.at(out, start, 0)
    if below:
        panel = rows.at(out, end, start)
        rows.divide(corner, panel, below, size)
        rows.subtract("N", panel, left, rows.at(out, end, 0), (below, start, size))
        rows.subtract("T", panel, rows.at(factor, end, 0), own_left, (size, start, below))
        rows.subtract("T", panel, rows.at(factor, end, start), own, (size, size, below))
    rows.multiply_transposed(corner, own, size)
    _mirror(rows, own, size)
    rows.divide_transposed(corner, own, size)
    rows.divide(corner, own, size, size)
    rows.subtract("N", own, left, own_left, (size, start, size))
    _halve_diagonal(rows, own, size)


class _Rows(NamedTuple):
    """Operations on blocks of matrices of n columns that lie by rows."""

    code: Code
    dtype: np.dtype[Any]
    n: int

    def at(self, matrix: str, row: int, column: int) -> str:
        """A pointer to an element."""
        return offset(self.code, matrix, row * self.n + column, self.dtype)

    def number(self, value: float) -> str:
        """A pointer to a constant."""
        return blas.number(self.code, self.dtype, value)

    def call(self, name: str, *arguments: str | int) -> None:
        """Call BLAS."""
        blas.call(self.code, f"{blas.letter(self.dtype)}{name}", *arguments)

    def subtract(self, turn: str, a: str, b: str, c: str, shape: tuple[int, int, int]) -> None:
        """``c -= a @ b``, or of ``a.T``; the shape is (rows of c, columns of c, length of sums)."""
        m, columns, k = shape
        if m * columns * k:
            minus, one, n = self.number(-1.0), self.number(1.0), self.n
            self.call("gemm", "N", turn, columns, m, k, minus, b, n, a, n, one, c, n)

    def divide(self, low: str, b: str, m: int, size: int) -> None:
        """``b @ inv(low)``, in place."""
        self.call("trsm", "L", "U", "N", "N", size, m, self.number(1.0), low, self.n, b, self.n)

    def divide_transposed(self, low: str, b: str, size: int) -> None:
        """``inv(low).T @ b``, in place."""
        self.call("trsm", "R", "U", "T", "N", size, size, self.number(1.0), low, self.n, b, self.n)

    def multiply_transposed(self, low: str, b: str, size: int) -> None:
        """``low.T @ b``, in place."""
        self.call("trmm", "R", "U", "T", "N", size, size, self.number(1.0), low, self.n, b, self.n)


def _mirror(rows: _Rows, block: str, size: int) -> None:
    """Copy the lower triangle of a block onto the upper one."""
    code, dtype, kind = rows.code, rows.dtype, llvm_type(rows.dtype)
    with Loop(code, size) as i, Loop(code, i, as_it_is=True) as j:
        below = code.op(f"add i64 {code.op(f'mul i64 {i}, {rows.n}')}, {j}")
        above = code.op(f"add i64 {code.op(f'mul i64 {j}, {rows.n}')}, {i}")
        x = code.op(f"load {kind}, ptr {offset(code, block, below, dtype)}")
        code.do(f"store {kind} {x}, ptr {offset(code, block, above, dtype)}")


def _halve_diagonal(rows: _Rows, block: str, size: int) -> None:
    code, kind = rows.code, llvm_type(rows.dtype)
    with Loop(code, size, as_it_is=True) as i:
        place = offset(code, block, code.op(f"mul i64 {i}, {rows.n + 1}"), rows.dtype)
        half = code.op(f"fmul {kind} {code.op(f'load {kind}, ptr {place}')}, {real(0.5)}")
        code.do(f"store {kind} {half}, ptr {place}")


CALLS = {"solve_triangular": solve_triangular, "cholesky_pullback": pullback}
