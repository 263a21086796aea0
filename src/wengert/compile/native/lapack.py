"""Linear algebra by LAPACK: cholesky, solve, inv, det, slogdet, eigh, svd, qr.

LAPACK reads columns first. What is the same for a matrix and its transpose (cholesky, inv, det, LU)
is computed on the transpose, without a copy that transposes; of the rest, a column-first copy is
factored as NumPy does it, so that signs and phases are NumPy's. Workspaces are asked for when the
call is planned. An error is NumPy's LinAlgError, raised by a callback.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.compile.native import blas
from wengert.compile.native.callbacks import Callbacks, raising
from wengert.compile.native.operands import Layout, LibraryCall, Loop, contiguous, copy, offset
from wengert.compile.native.types import Code, is_native, llvm_type, part_of, real
from wengert.compile.program import Op, Spec

_ALIGN = 64
_INT = np.dtype(np.intc)
_BYTE = np.dtype(np.int8)


class Step:
    """One call for every matrix of a stack: where its operands, results and workspaces are.

    Attributes
    ----------
    dtype : dtype
        What is computed in.
    shape : tuple of int
        Of one matrix of the first operand.
    workspace_bytes : int
        Taken so far.
    """

    def __init__(self, operands: Sequence[Layout], results: Sequence[Spec], cores: Sequence[int],
                 dtype: np.dtype[Any], error: str = ""):  # fmt: skip
        self.operands, self.results, self.cores = operands, results, cores
        self.dtype, self.error = dtype, error
        self.batch = np.broadcast_shapes(*[x.shape[:-2] for x in operands])
        self.shape = operands[0].shape[-2:]
        self.workspace_bytes = 0
        self.body: Callable[[Writer], None] | None = None

    def take(self, count: int, dtype: np.dtype[Any]) -> int:
        """Reserve workspace; its offset in bytes."""
        at = self.workspace_bytes
        self.workspace_bytes += -(-max(1, count) * dtype.itemsize // _ALIGN) * _ALIGN
        return at

    def matrix(self, operand: int = 0) -> Layout:
        """The layout of one matrix of an operand."""
        x = self.operands[operand]
        return Layout(x.shape[-2:], x.dtype, x.strides[-2:])

    def planned(self, body: Callable[[Writer], None]) -> LibraryCall:
        """The call, given what is written for each matrix."""
        self.body = body
        return LibraryCall(self.workspace_bytes, self.emit)

    def emit(self, code: Code, operands: Sequence[str], results: Sequence[str | None],
             workspace: str, callbacks: Callbacks) -> str | None:  # fmt: skip
        """Write the call."""
        assert self.body is not None
        if not prod(self.batch):
            return None
        writer = Writer(self, code, workspace)
        if prod(self.batch) == 1:
            writer.operands, writer.results = list(operands), list(results)
            self.body(writer)
        else:
            with Loop(code, prod(self.batch)) as index:
                writer.operands = self._moved(code, operands, index)
                writer.results = [
                    x and offset(code, x, self._step(code, index, k), spec.dtype)
                    for k, (x, spec) in enumerate(zip(results, self.results, strict=True))
                ]
                self.body(writer)
        return writer.status(callbacks) if self.error else None

    def _step(self, code: Code, index: str, result: int) -> str:
        spec, core = self.results[result], self.cores[result]
        return code.op(f"mul i64 {index}, {prod(spec.shape[len(spec.shape) - core :])}")

    def _moved(self, code: Code, pointers: Sequence[str], index: str) -> list[str]:
        """Pointers to the matrices of a number in the stack."""
        found = list(pointers)
        for axis in reversed(range(len(self.batch))):
            digit = code.op(f"urem i64 {index}, {self.batch[axis]}")
            index = code.op(f"udiv i64 {index}, {self.batch[axis]}")
            for k, x in enumerate(self.operands):
                own = axis - len(self.batch) + len(x.shape) - 2
                if own >= 0 and x.shape[own] != 1:
                    step = code.op(f"mul i64 {digit}, {x.strides[own]}")
                    found[k] = offset(code, found[k], step, x.dtype)
        return found


class Writer:
    """Writes what is done for one matrix."""

    def __init__(self, step: Step, code: Code, workspace: str):
        self.step, self.code, self.workspace = step, code, workspace
        self.operands: list[str] = []
        self.results: list[str | None] = []
        names = code.names
        self.info, self.failed = names.fresh(), names.fresh()
        names.allocas += [f"  {self.info} = alloca i32", f"  {self.failed} = alloca i32"]
        code.do(f"store i32 0, ptr {self.failed}")

    def at(self, place: int) -> str:
        """A pointer into the workspace."""
        return offset(self.code, self.workspace, place, _BYTE)

    def result(self, number: int, spare: int) -> str:
        """A pointer to a result; where nobody reads it, into the workspace."""
        return self.results[number] or self.at(spare)

    def call(self, name: str, *arguments: str | int) -> None:
        """Call LAPACK; the last argument, info, is added."""
        letter = blas.letter(self.step.dtype)
        blas.call(self.code, f"{letter}{name}", *arguments, self.info)
        code = self.code
        info = code.op(f"load i32, ptr {self.info}")
        before = code.op(f"load i32, ptr {self.failed}")
        code.do(f"store i32 {code.op(f'or i32 {before}, {info}')}, ptr {self.failed}")

    def copy_rows(self, target: str, operand: int = 0) -> None:
        """Copy an operand's matrix, row by row: for LAPACK that is the transpose."""
        layout = self.step.matrix(operand)
        goal = contiguous(layout.shape, self.step.dtype)
        copy(self.code, self.operands[operand], target, layout, goal)

    def copy_columns(self, target: str, operand: int = 0) -> None:
        """Copy an operand's matrix, column by column."""
        layout = self.step.matrix(operand)
        goal = Layout(layout.shape, self.step.dtype, (1, layout.shape[0]))
        copy(self.code, self.operands[operand], target, layout, goal)

    def give_columns(self, source: str, number: int, rows: int, shape: tuple[int, int]) -> None:
        """Copy a result that lies column by column, `rows` apart, to where it belongs."""
        target = self.results[number]
        if target is not None:
            layout = Layout(shape, self.step.dtype, (1, rows))
            copy(self.code, source, target, layout, contiguous(shape, self.step.dtype))

    def status(self, callbacks: Callbacks) -> str:
        """0; or raise NumPy's error if a call failed."""
        code, names = self.code, self.code.names
        before, fail, after = names.label(), names.label(), names.label()
        code.do(f"br label %{before}")
        code.start(before)
        info = code.op(f"load i32, ptr {self.failed}")
        bad = code.op(f"icmp ne i32 {info}, 0")
        code.do(f"br i1 {bad}, label %{fail}, label %{after}")
        code.start(fail)
        raised = callbacks.emit(code, raising(np.linalg.LinAlgError, self.step.error), [], [])
        code.do(f"br label %{after}")
        code.start(after)
        return code.op(f"phi i32 [ 0, %{before} ], [ {raised}, %{fail} ]")


def can_call(dtype: np.dtype[Any], operands: Sequence[Layout], names: Sequence[str]) -> bool:
    """Whether LAPACK computes in a dtype, and has these functions."""
    letter = blas.letter(dtype)
    if letter is None or not all(is_native(x.dtype) and len(x.shape) > 1 for x in operands):
        return False
    return all(blas.symbol(letter + name) is not None for name in names)


# --------------------------------------------------------------------------------------- cholesky


def cholesky(op: Op, operands: Sequence[Layout], results: Sequence[Spec]) -> LibraryCall | None:
    """``cholesky_factor(a, upper=…)``."""
    (result,) = results
    if not can_call(result.dtype, operands, ["potrf"]):
        return None
    upper = bool(op.parameters["upper"])
    step = Step(operands, results, [2], result.dtype, "Matrix is not positive definite")
    n = step.shape[0]

    def body(write: Writer) -> None:
        (out,) = write.results
        if out is None or n == 0:
            return
        write.copy_rows(out)
        write.call("potrf", "L" if upper else "U", n, out, n)
        clear_triangle(write.code, out, n, n, result.dtype, is_upper=not upper)

    return step.planned(body)


def clear_triangle(code: Code, out: str, rows: int, columns: int, dtype: np.dtype[Any], *,
                    is_upper: bool) -> None:  # fmt: skip
    """Zero what lies above, or below, the diagonal of a row-first matrix."""
    name = "@llvm.memset.p0.i64"
    code.names.symbols[name] = f"declare void {name}(ptr, i8, i64, i1)"
    with Loop(code, rows if not is_upper else min(rows, columns)) as row:
        start = code.op(f"mul i64 {row}, {columns}")
        if is_upper:
            count = code.op(f"sub i64 {columns - 1}, {row}")
            start = code.op(f"add i64 {code.op(f'add i64 {start}, {row}')}, 1")
        else:
            is_wide = code.op(f"icmp slt i64 {row}, {columns}")
            count = code.op(f"select i1 {is_wide}, i64 {row}, i64 {columns}")
        size = code.op(f"mul i64 {count}, {dtype.itemsize}")
        place = offset(code, out, start, dtype)
        code.do(f"call void {name}(ptr {place}, i8 0, i64 {size}, i1 false)")


# ---------------------------------------------------------------------------------- solve, inverse


def solve(op: Op, operands: Sequence[Layout], results: Sequence[Spec]) -> LibraryCall | None:
    """``solve_matrices(a, b)``: LU of the transpose, solved for the transpose of that."""
    (result,) = results
    if not can_call(result.dtype, operands, ["getrf", "getrs"]):
        return None
    step = Step(operands, results, [2], result.dtype, "Singular matrix")
    n, sides = operands[1].shape[-2:]
    factors, columns = step.take(n * n, result.dtype), step.take(n * sides, result.dtype)
    pivots = step.take(n, _INT)

    def body(write: Writer) -> None:
        (out,) = write.results
        if out is None or n == 0:
            return
        a, b, order = write.at(factors), write.at(columns), write.at(pivots)
        write.copy_rows(a)
        write.call("getrf", n, n, a, n, order)
        if sides:
            write.copy_columns(b, 1)
            write.call("getrs", "T", n, sides, a, n, order, b, n)
            write.give_columns(b, 0, n, (n, sides))

    return step.planned(body)


def inverse(op: Op, operands: Sequence[Layout], results: Sequence[Spec]) -> LibraryCall | None:
    """``inv(a)``: the inverse of the transpose is the transpose of the inverse."""
    (result,) = results
    if not can_call(result.dtype, operands, ["getrf", "getri"]):
        return None
    step = Step(operands, results, [2], result.dtype, "Singular matrix")
    n, dtype = step.shape[0], result.dtype
    pivots = step.take(n, _INT)
    name = f"{blas.letter(dtype)}getri"
    (size,) = blas.query(name, dtype, [n, None, max(1, n), None, "work", -1, 0])
    work = step.take(size, dtype)

    def body(write: Writer) -> None:
        (out,) = write.results
        if out is None or n == 0:
            return
        write.copy_rows(out)
        write.call("getrf", n, n, out, n, write.at(pivots))
        write.call("getri", n, out, n, write.at(pivots), write.at(work), size)

    return step.planned(body)


# ------------------------------------------------------------------------------------ determinants


def determinant(op: Op, operands: Sequence[Layout], results: Sequence[Spec]) -> LibraryCall | None:
    """``det(a)`` and ``slogdet(a)`` of real matrices, from the diagonal of the LU factors."""
    dtype = results[0].dtype
    if dtype.kind == "c" or not can_call(dtype, operands, ["getrf"]):
        return None
    step = Step(operands, results, [0] * len(results), dtype)
    n = step.shape[0]
    factors, pivots = step.take(n * n, dtype), step.take(n, _INT)

    def body(write: Writer) -> None:
        if n:
            write.copy_rows(write.at(factors))
            write.call("getrf", n, n, write.at(factors), n, write.at(pivots))
        sign, size = _sign_and_log(write, write.at(factors), write.at(pivots), n)
        _give_determinant(write.code, llvm_type(dtype), write.results, sign, size)

    return step.planned(body)


def _sign_and_log(write: Writer, factors: str, pivots: str, n: int) -> tuple[str, str]:
    """The sign and the logarithm of the size, added up in memory."""
    code, dtype = write.code, write.step.dtype
    kind = llvm_type(dtype)
    sign, size = code.names.fresh(), code.names.fresh()
    code.names.allocas += [f"  {sign} = alloca {kind}", f"  {size} = alloca {kind}"]
    code.do(f"store {kind} {real(1.0)}, ptr {sign}")
    code.do(f"store {kind} {real(0.0)}, ptr {size}")
    with Loop(code, n) as k:
        x = code.op(
            f"load {kind}, ptr {offset(code, factors, code.op(f'mul i64 {k}, {n + 1}'), dtype)}"
        )
        pivot = code.op(f"load i32, ptr {offset(code, pivots, k, _INT)}")
        own = code.op(f"add i32 {code.op(f'trunc i64 {k} to i32')}, 1")
        is_swapped = code.op(f"icmp ne i32 {pivot}, {own}")
        is_negative = code.op(f"fcmp olt {kind} {x}, {real(0.0)}")
        turns = code.op(f"xor i1 {is_swapped}, {is_negative}")
        is_zero = code.op(f"fcmp oeq {kind} {x}, {real(0.0)}")
        factor = code.op(f"select i1 {turns}, {kind} {real(-1.0)}, {kind} {real(1.0)}")
        factor = code.op(f"select i1 {is_zero}, {kind} {real(0.0)}, {kind} {factor}")
        before = code.op(f"load {kind}, ptr {sign}")
        code.do(f"store {kind} {code.op(f'fmul {kind} {before}, {factor}')}, ptr {sign}")
        logarithm = code.call("log", kind, code.call("fabs", kind, x))
        total = code.op(f"load {kind}, ptr {size}")
        code.do(f"store {kind} {code.op(f'fadd {kind} {total}, {logarithm}')}, ptr {size}")
    return code.op(f"load {kind}, ptr {sign}"), code.op(f"load {kind}, ptr {size}")


def _give_determinant(
    code: Code, kind: str, results: Sequence[str | None], sign: str, size: str
) -> None:
    values = [sign, size]
    if len(results) == 1:  # a determinant of zero is sign 0 times exp(-inf)
        values = [code.op(f"fmul {kind} {sign}, {code.call('exp', kind, size)}")]
    for target, value in zip(results, values, strict=True):
        if target is not None:
            code.do(f"store {kind} {value}, ptr {target}")


# ------------------------------------------------------------------------------------- eigenvalues


def eigenvalues(op: Op, operands: Sequence[Layout], results: Sequence[Spec]) -> LibraryCall | None:
    """``eigh_of(a, lower=…)`` and ``eigvalsh_of``: values, and vectors if there are two results."""
    has_vectors = len(results) == 2
    real_dtype = results[0].dtype
    dtype = results[1].dtype if has_vectors else _complex_if(operands[0], real_dtype)
    name = "heevd" if dtype.kind == "c" else "syevd"
    if not can_call(dtype, operands, [name]):
        return None
    step = Step(operands, results, [1, 2][: len(results)], dtype, "Eigenvalues did not converge")
    n = step.shape[0]
    job, part = "V" if has_vectors else "N", "L" if op.parameters["lower"] else "U"
    works: list[str | int] = ["work", -1, "rwork", -1, "iwork", -1]
    if dtype.kind != "c":
        del works[2:4]
    asked: list[str | int | None] = [job, part, n, None, max(1, n), None, *works, 0]
    sizes = blas.query(f"{blas.letter(dtype)}{name}", dtype, asked)
    matrix, values = step.take(n * n, dtype), step.take(n, real_dtype)
    kinds = [dtype, real_dtype, _INT] if dtype.kind == "c" else [dtype, _INT]
    places = [step.take(size, kind) for size, kind in zip(sizes, kinds, strict=True)]

    def body(write: Writer) -> None:
        if n == 0:
            return
        a = write.at(matrix)
        write.copy_columns(a)
        given = [x for place, size in zip(places, sizes, strict=True)
                 for x in (write.at(place), size)]  # fmt: skip
        write.call(name, job, part, n, a, n, write.result(0, values), *given)
        if has_vectors:
            write.give_columns(a, 1, n, (n, n))

    return step.planned(body)


def _complex_if(operand: Layout, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The complex dtype of a precision if the operand is complex."""
    return np.result_type(dtype, np.complex64) if operand.dtype.kind == "c" else dtype


# ---------------------------------------------------------------------------------- singular values


def singular_values(
    op: Op, operands: Sequence[Layout], results: Sequence[Spec]
) -> LibraryCall | None:
    """``svd_of(a, full_matrices=…)``: u, s, vh; and ``svdvals_of``: s alone."""
    has_vectors = len(results) == 3
    spec_s = results[1] if has_vectors else results[0]
    dtype = results[0].dtype if has_vectors else _complex_if(operands[0], spec_s.dtype)
    if not can_call(dtype, operands, ["gesdd"]):
        return None
    cores = [2, 1, 2] if has_vectors else [1]
    step = Step(operands, results, cores, dtype, "SVD did not converge")
    m, n = step.shape
    k = min(m, n)
    if k == 0:  # NumPy makes identities of what is left over
        return None
    full = has_vectors and bool(op.parameters["full_matrices"])
    job = ("A" if full else "S") if has_vectors else "N"
    left, right = (m, n) if full else (k, k)
    is_complex = dtype.kind == "c"
    asked: list[str | int | None] = [
        job,
        m,
        n,
        None,
        m,
        None,
        None,
        m,
        None,
        right,
        "work",
        -1,
        *([None] if is_complex else []),
        None,
        0,
    ]
    (size,) = blas.query(f"{blas.letter(dtype)}gesdd", dtype, asked)
    a, work, integers = step.take(m * n, dtype), step.take(size, dtype), step.take(8 * k, _INT)
    u, vh = step.take(m * left, dtype), step.take(right * n, dtype)
    s = step.take(k, spec_s.dtype)
    # LAPACK 3.7's bound for every job.
    count = k * max(5 * k + 7, 2 * max(m, n) + 2 * k + 1)
    more = step.take(count, part_of(dtype)) if is_complex else 0

    def body(write: Writer) -> None:
        write.copy_columns(write.at(a))
        given: list[str | int] = [
            write.at(work),
            size,
            *([write.at(more)] if is_complex else []),
            write.at(integers),
        ]
        values = write.result(1 if has_vectors else 0, s)
        write.call("gesdd", job, m, n, write.at(a), m, values, write.at(u), m, write.at(vh), right,
                   *given)  # fmt: skip
        if has_vectors:
            write.give_columns(write.at(u), 0, m, (m, left))
            write.give_columns(write.at(vh), 2, right, (right, n))

    return step.planned(body)


# ---------------------------------------------------------------------------------------------- qr


def orthogonal(op: Op, operands: Sequence[Layout], results: Sequence[Spec]) -> LibraryCall | None:
    """``qr_of(a, complete=…)``: q and r."""
    dtype = results[0].dtype
    make = "ungqr" if dtype.kind == "c" else "orgqr"
    if not can_call(dtype, operands, ["geqrf", make]):
        return None
    message = "Incorrect argument found while performing QR factorization"
    step = Step(operands, results, [2, 2], dtype, message)
    m, n = step.shape
    k = min(m, n)
    if k == 0:
        return None
    columns = m if op.parameters["complete"] else k
    letter = blas.letter(dtype)
    asked = [(f"{letter}geqrf", [m, n, None, m, None, "work", -1, 0]),
             (f"{letter}{make}", [m, columns, k, None, m, None, "work", -1, 0])]  # fmt: skip
    sizes = [blas.query(name, dtype, given)[0] for name, given in asked]
    matrix = step.take(m * max(n, columns), dtype)
    factors, work = step.take(k, dtype), step.take(max(sizes), dtype)

    def body(write: Writer) -> None:
        a, tau = write.at(matrix), write.at(factors)
        write.copy_columns(a)
        write.call("geqrf", m, n, a, m, tau, write.at(work), sizes[0])
        rows = columns
        write.give_columns(a, 1, m, (rows, n))
        if write.results[1] is not None:
            clear_triangle(write.code, write.results[1], rows, n, dtype, is_upper=False)
        if write.results[0] is not None:
            write.call(make, m, columns, k, a, m, tau, write.at(work), sizes[1])
            write.give_columns(a, 0, m, (m, columns))

    return step.planned(body)


CALLS = {
    "cholesky_factor": cholesky,
    "solve_matrices": solve,
    "inv": inverse,
    "det": determinant,
    "slogdet": determinant,
    "eigh_of": eigenvalues,
    "eigvalsh_of": eigenvalues,
    "svd_of": singular_values,
    "svdvals_of": singular_values,
    "qr_of": orthogonal,
}
