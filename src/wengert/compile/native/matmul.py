"""`matmul` in native code: small products as loops of our own, large ones by BLAS.

Every form (vectors, matrices, stacks) is brought to one product of matrices, or to a loop over a
stack of them. A transposed or strided operand is read as it lies where the kernel or BLAS can do
so, and copied otherwise. Where our own loops stop being faster was measured: see `_is_small`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from wengert.compile.native import blas, gemm
from wengert.compile.native.callbacks import Callbacks
from wengert.compile.native.gemm import Sizes
from wengert.compile.native.operands import (
    Layout,
    LibraryCall,
    Loop,
    contiguous,
    copy,
    fill,
    offset,
)
from wengert.compile.native.types import Code, Names, is_native
from wengert.compile.program import Op, Spec

_FEW_ROWS = 24  # fewer rows are multiplied as dot products rather than after a transposing copy
_ALIGN = 64


def call(op: Op, operands: Sequence[Layout], results: Sequence[Spec]) -> LibraryCall | None:
    """The call of a matmul; None where neither we nor BLAS compute in its dtype."""
    (result,) = results
    if op.parameters or not all(is_native(x.dtype) for x in operands):
        return None
    if result.dtype != np.result_type(*[x.dtype for x in operands]):
        return None
    if result.dtype.kind == "c" and _blas(result.dtype) is None:
        return None
    stack = _Stack(*_matrices(*operands), result.dtype)
    return LibraryCall(stack.product.workspace_bytes, stack.emit)


def _blas(dtype: np.dtype[Any]) -> str | None:
    letter = blas.letter(dtype)
    return None if letter is None else blas.symbol(letter + "gemm")


# -------------------------------------------------------------------------------------- one product


class Product:
    """How two matrices are multiplied: by which kernel, after copying what.

    Parameters
    ----------
    dtype : dtype
        Of the result, which is C-contiguous.
    a, b : Layout
        The matrices (m, k) and (k, n).

    Attributes
    ----------
    way : str
        "fill", "outer", "dot" (see `gemm.py`) or "blas".
    """

    def __init__(self, dtype: np.dtype[Any], a: Layout, b: Layout):
        self.dtype = dtype
        (m, k), (_, n) = a.shape, b.shape
        self.shape = (m, n)
        self.sources = [_freed(a), _freed(b)]
        self.strides = (n, 1)
        self.is_swapped = False  # the transposed product is computed: b.T @ a.T
        self.copies: dict[int, Layout] = {}
        for operand, source in enumerate(self.sources):
            if source.dtype != dtype and m * n * k:
                self._copy(operand, (source.shape[1], 1))
        if m * n * k == 0:
            self.way = "fill"
        elif dtype.kind == "c" or (blas.letter(dtype) and not _is_small(dtype, m, n, k)):
            self.way = "blas"
            for operand in (0, 1):
                if _leading(self._layout(operand)) is None:
                    self._copy(operand, (self.sources[operand].shape[1], 1))
        else:
            self.way = self._choose(m, n, k)

    @property
    def workspace_bytes(self) -> int:
        """What the copies take."""
        return sum(_bytes(x) for x in self.copies.values())

    def _layout(self, operand: int) -> Layout:
        return self.copies.get(operand, self.sources[operand])

    @property
    def sizes(self) -> Sizes:
        """Of the product that is computed."""
        a, b = self._layout(0), self._layout(1)
        (m, k), n = a.shape, b.shape[1]
        return Sizes(m, n, k, _pair(a), _pair(b), self.strides)

    def _choose(self, m: int, n: int, k: int) -> str:
        """The native kernel, by which strides are one."""
        a, b = _pair(self._layout(0)), _pair(self._layout(1))
        narrow = gemm.lanes(self.dtype) // 2
        if b[1] == 1 and (n >= narrow or (m < narrow and a[0] != 1)):
            return "outer"
        if a[0] == 1 and n < narrow:
            self._swap()
            return "outer"
        if a[1] == 1 and b[0] == 1 and (m < _FEW_ROWS or n < narrow):
            return "dot"
        if a[1] == 1 and n < narrow:
            self._copy(1, (1, k))
            return "dot"
        if b[1] != 1:
            self._copy(1, (n, 1))
        return "outer"

    def _swap(self) -> None:
        self.is_swapped = True
        self.sources = [_transposed(x) for x in reversed(self.sources)]
        self.copies = {1 - k: _transposed(x) for k, x in self.copies.items()}
        self.strides = (self.strides[1], self.strides[0])

    def _copy(self, operand: int, strides: tuple[int, int]) -> None:
        """Plan a copy of an operand in the workspace; 0 is a, 1 is b."""
        self.copies[operand] = Layout(self.sources[operand].shape, self.dtype, strides)

    def emit(self, code: Code, a: str, b: str, c: str, workspace: str) -> None:
        """Write the product of two matrices."""
        if self.way == "fill":
            fill(code, c, contiguous(self.shape, self.dtype))
            return
        found = [b, a] if self.is_swapped else [a, b]
        for operand, layout in self.copies.items():
            copy(code, found[operand], workspace, self.sources[operand], layout)
            found[operand] = workspace
            workspace = offset(code, workspace, _bytes(layout), np.dtype("b"))
        if self.way == "blas":
            self._call_blas(code, found[0], found[1], c)
            return
        name = gemm.function(code.names.symbols, self.way, self.dtype, self.sizes)
        code.do(f"call void {name}(ptr {found[0]}, ptr {found[1]}, ptr {c})")

    def _call_blas(self, code: Code, a: str, b: str, c: str) -> None:
        """In Fortran's order all matrices are transposed: c.T = b.T @ a.T."""
        m, n, k = self.sizes[:3]
        first, second = _leading(self._layout(1)), _leading(self._layout(0))
        assert first is not None
        assert second is not None
        one, zero = (blas.number(code, self.dtype, x) for x in (1.0, 0.0))
        name = f"{blas.letter(self.dtype)}gemm"
        sides = (first[0], second[0], n, m, k)
        blas.call(code, name, *sides, one, b, first[1], a, second[1], zero, c, max(1, n))


def _is_small(dtype: np.dtype[Any], m: int, n: int, k: int) -> bool:
    """True where our own loops are at least as fast as OpenBLAS, and steadier beside other work.

    Measured with AVX-512, one and two threads, f4 and f8: OpenBLAS is faster from about 512 x 512
    numbers of f8 on, where b leaves the second cache; below, it takes up to five times as long.
    """
    if min(m, n) == 1:  # bound by memory
        return True
    return k * n * dtype.itemsize <= _CACHED and m * n * k <= _SMALL


_CACHED = 1 << 20  # bytes of b, which goes by once for each block of rows
_SMALL = 1 << 26  # multiplications


def _leading(x: Layout) -> tuple[str, int] | None:
    """BLAS's letter and leading dimension for a matrix; None if it cannot read it."""
    (rows, columns), strides = x.shape, _pair(x)
    if strides[1] == 1 and (rows == 1 or strides[0] >= columns):
        return "N", max(1, columns, strides[0] if rows > 1 else 1)
    if strides[0] == 1 and (columns == 1 or strides[1] >= rows):
        return "T", max(1, rows, strides[1] if columns > 1 else 1)
    return None


def _pair(x: Layout) -> tuple[int, int]:
    return x.strides[0], x.strides[1]


def _freed(x: Layout) -> Layout:
    """The same matrix; along an axis of length one any stride will do, and one does best."""
    strides = tuple([1 if n == 1 else s for n, s in zip(x.shape, x.strides, strict=True)])
    return x._replace(strides=strides)


def _transposed(x: Layout) -> Layout:
    return Layout(x.shape[::-1], x.dtype, x.strides[::-1])


def _bytes(x: Layout) -> int:
    """Of a copy, up to the next line of the cache."""
    return -(-x.size * x.dtype.itemsize // _ALIGN) * _ALIGN


# ---------------------------------------------------------------------------------------- stacks


def _matrices(x1: Layout, x2: Layout) -> tuple[Layout, Layout]:
    """Vectors as matrices of one row, or one column."""
    if len(x1.shape) == 1:
        x1 = Layout((1, *x1.shape), x1.dtype, (0, *x1.strides))
    if len(x2.shape) == 1:
        x2 = Layout((*x2.shape, 1), x2.dtype, (*x2.strides, 0))
    return x1, x2


class _Stack:
    """Products of stacks of matrices, which broadcast; at best one product of a long matrix."""

    def __init__(self, x1: Layout, x2: Layout, dtype: np.dtype[Any]):
        x1 = self._as_long_matrix(x1, x2)
        self.batch = np.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
        self.steps = [_batch_strides(x, self.batch) for x in (x1, x2)]
        inner = [Layout(x.shape[-2:], x.dtype, x.strides[-2:]) for x in (x1, x2)]
        self.product = Product(dtype, *inner)
        self.dtype = dtype
        self.dtypes = [x1.dtype, x2.dtype]

    @staticmethod
    def _as_long_matrix(x1: Layout, x2: Layout) -> Layout:
        """x1 with its stack put into its rows, where every matrix meets the same x2."""
        if prod(x2.shape[:-2]) != 1 or len(x2.shape) > len(x1.shape) or len(x1.shape) == 2:
            return x1
        axes = [(n, s) for n, s in zip(x1.shape[:-1], x1.strides[:-1], strict=True) if n != 1]
        for (_, outer), (length, step) in pairwise(axes):
            if outer != length * step:
                return x1
        rows = prod(x1.shape[:-1])
        step = axes[-1][1] if axes else 1
        return Layout((rows, x1.shape[-1]), x1.dtype, (step, x1.strides[-1]))

    def emit(self, code: Code, operands: Sequence[str], results: Sequence[str | None],
             workspace: str, callbacks: Callbacks) -> None:  # fmt: skip
        """Write the call."""
        (out,) = results
        if out is None:
            return
        if prod(self.batch) == 1:
            self.product.emit(code, operands[0], operands[1], out, workspace)
        elif prod(self.batch) * prod(self.product.shape):
            self._emit_stack(code, (*operands, out, workspace))

    def _emit_stack(self, code: Code, pointers: Sequence[str]) -> None:
        """A function of its own for a stretch of the stack, so that threads can share it."""
        symbols = code.names.symbols
        name = f"@wg_stack_{sum(key.startswith('@wg_stack') for key in symbols)}"
        symbols[name] = ""
        symbols[name] = self._function(symbols, name)
        context = code.names.fresh()
        code.names.allocas.append(f"  {context} = alloca [4 x ptr]")
        for k, pointer in enumerate(pointers):
            place = code.op(f"getelementptr ptr, ptr {context}, i64 {k}")
            code.do(f"store ptr {pointer}, ptr {place}")
        count, total = prod(self.batch), prod(self.batch) * self.product.sizes.work
        grain = gemm.grain_of(count, total)
        # Copies in the workspace would be those of another thread; BLAS has threads of its own.
        if self.product.copies or self.product.way == "blas" or grain >= count:
            code.do(f"call void {name}(ptr {context}, i64 0, i64 {count})")
        else:
            symbols["@wg_parallel_for"] = gemm.PARALLEL_FOR
            code.do(
                f"call void @wg_parallel_for(ptr {name}, ptr {context}, i64 0, i64 {count}, "
                f"i64 {grain})"
            )

    def _function(self, symbols: dict[str, str], name: str) -> str:
        code = Code(Names(symbols))
        a, b, c, workspace = (
            code.op(f"load ptr, ptr {code.op(f'getelementptr ptr, ptr %context, i64 {k}')}")
            for k in range(4)
        )
        with Loop(code, "%end", "%begin") as index:
            first = self._offset(code, index, self.steps[0], a, self.dtypes[0])
            second = self._offset(code, index, self.steps[1], b, self.dtypes[1])
            step = code.op(f"mul i64 {index}, {prod(self.product.shape)}")
            self.product.emit(code, first, second, offset(code, c, step, self.dtype), workspace)
        head = f"define internal void {name}(ptr %context, i64 %begin, i64 %end) {{"
        allocas = code.names.allocas
        return "\n".join([head, "entry:", *allocas, *code.lines, "  ret void", "}"])

    def _offset(
        self, code: Code, index: str, steps: Sequence[int], pointer: str, dtype: np.dtype[Any]
    ) -> str:
        """Where the matrix of a number in the stack begins."""
        for length, step in reversed(list(zip(self.batch, steps, strict=True))):
            digit = code.op(f"urem i64 {index}, {length}")
            pointer = offset(code, pointer, code.op(f"mul i64 {digit}, {step}"), dtype)
            index = code.op(f"udiv i64 {index}, {length}")
        return pointer


def _batch_strides(x: Layout, batch: tuple[int, ...]) -> list[int]:
    """Strides along the axes of the stack; zero where the operand is broadcast."""
    own = [0 if n == 1 else s for n, s in zip(x.shape[:-2], x.strides[:-2], strict=True)]
    return [0] * (len(batch) - len(own)) + own
