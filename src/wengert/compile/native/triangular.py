"""Triangular matrices by BLAS: systems, and the pullback of the Cholesky factor.

Rows that lie one after the other are, for BLAS, columns of the transpose: every call says what it
does to the transposed matrices. The large calls use the threads of BLAS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

_BLOCK = 64  # rows


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
        code, size = write.code, min(n, _BLOCK)
        with Loop(code, -(-n // size)) as number:  # from the last block to the first
            end = code.op(f"sub i64 {n}, {code.op(f'mul i64 {number}, {size}')}")
            start = code.op(f"sub i64 {end}, {size}")
            is_first = code.op(f"icmp slt i64 {start}, 0")
            start = code.op(f"select i1 {is_first}, i64 0, i64 {start}")
            _pull_block(_Rows(code, dtype, n), matrix, out, start, end)
        clear_triangle(code, out, n, n, dtype, is_upper=True)

    return step.planned(body)


def _pull_block(rows: _Rows, factor: str, out: str, start: str, end: str) -> None:
    """Pull one block of rows of the factorisation back; in its corner remains its pullback."""
    count = rows.code.op(f"sub i64 {end}, {start}")
    rest = rows.code.op(f"sub i64 {rows.n}, {end}")
    size, below, before = rows.length(count), rows.length(rest), rows.length(start)
    corner, left = rows.at(factor, start, start), rows.at(factor, start, 0)
    own, own_left = rows.at(out, start, start), rows.at(out, start, 0)
    panel = rows.at(out, end, start)  # where nothing is below, no call does anything
    rows.divide(corner, panel, below, size)
    rows.subtract("N", panel, left, rows.at(out, end, 0), (below, before, size))
    rows.subtract("T", panel, rows.at(factor, end, 0), own_left, (size, before, below))
    rows.subtract("T", panel, rows.at(factor, end, start), own, (size, size, below))
    _clear_above(rows, own, count)
    rows.multiply_transposed(corner, own, size)
    _mirror(rows, own, count)
    rows.divide_transposed(corner, own, size)
    rows.divide(corner, own, size, size)
    rows.subtract("N", own, left, own_left, (size, before, size))
    _halve_diagonal(rows, own, count)


class _Rows(NamedTuple):
    """Operations on blocks of matrices of n columns that lie by rows; lengths are pointers."""

    code: Code
    dtype: np.dtype[Any]
    n: int

    def at(self, matrix: str, row: str, column: str | int) -> str:
        """A pointer to an element."""
        place = self.code.op(f"mul i64 {row}, {self.n}")
        return offset(self.code, matrix, self.code.op(f"add i64 {place}, {column}"), self.dtype)

    def length(self, value: str) -> str:
        """A pointer to a length, as BLAS takes them."""
        place = self.code.names.fresh()
        self.code.names.allocas.append(f"  {place} = alloca i32")
        self.code.do(f"store i32 {self.code.op(f'trunc i64 {value} to i32')}, ptr {place}")
        return place

    def number(self, value: float) -> str:
        """A pointer to a constant."""
        return blas.number(self.code, self.dtype, value)

    def call(self, name: str, *arguments: str | int) -> None:
        """Call BLAS."""
        blas.call(self.code, f"{blas.letter(self.dtype)}{name}", *arguments)

    def subtract(self, turn: str, a: str, b: str, c: str, shape: tuple[str, str, str]) -> None:
        """``c -= a @ b``, or of ``a.T``; the shape is (rows of c, columns of c, length of sums)."""
        (m, columns, k), n = shape, self.n
        minus, one = self.number(-1.0), self.number(1.0)
        self.call("gemm", "N", turn, columns, m, k, minus, b, n, a, n, one, c, n)

    def divide(self, low: str, b: str, m: str, size: str) -> None:
        """``b @ inv(low)``, in place."""
        self.call("trsm", "L", "U", "N", "N", size, m, self.number(1.0), low, self.n, b, self.n)

    def divide_transposed(self, low: str, b: str, size: str) -> None:
        """``inv(low).T @ b``, in place."""
        self.call("trsm", "R", "U", "T", "N", size, size, self.number(1.0), low, self.n, b, self.n)

    def multiply_transposed(self, low: str, b: str, size: str) -> None:
        """``low.T @ b``, in place."""
        self.call("trmm", "R", "U", "T", "N", size, size, self.number(1.0), low, self.n, b, self.n)


def _clear_above(rows: _Rows, block: str, size: str) -> None:
    """Zero what lies above the diagonal of a block: BLAS multiplies NaN by zeros."""
    with _facing(rows, block, size) as (_, above):
        rows.code.do(f"store {llvm_type(rows.dtype)} {real(0.0)}, ptr {above}")


def _mirror(rows: _Rows, block: str, size: str) -> None:
    """Copy the lower triangle of a block onto the upper one."""
    kind = llvm_type(rows.dtype)
    with _facing(rows, block, size) as (below, above):
        x = rows.code.op(f"load {kind}, ptr {below}")
        rows.code.do(f"store {kind} {x}, ptr {above}")


@contextmanager
def _facing(rows: _Rows, block: str, size: str) -> Iterator[tuple[str, str]]:
    """A loop over the elements below the diagonal, and those above it that face them."""
    code = rows.code
    with Loop(code, size) as i, Loop(code, i) as j:
        yield rows.at(block, i, j), rows.at(block, j, i)


def _halve_diagonal(rows: _Rows, block: str, size: str) -> None:
    code, kind = rows.code, llvm_type(rows.dtype)
    with Loop(code, size) as i:
        place = offset(code, block, code.op(f"mul i64 {i}, {rows.n + 1}"), rows.dtype)
        half = code.op(f"fmul {kind} {code.op(f'load {kind}, ptr {place}')}, {real(0.5)}")
        code.do(f"store {kind} {half}, ptr {place}")


CALLS = {"solve_triangular": solve_triangular, "cholesky_pullback": pullback}
