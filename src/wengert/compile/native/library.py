"""Which primitives are calls of BLAS or LAPACK, or our own kernels of matrices: one table.

`fuse.py` asks `has_library` when it divides a program, `build.py` asks for a `LibraryCall` when it
writes the plan. An operand may be strided, as a transposed view is; results are C-contiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from wengert.compile.native import (
    blas,
    call,
    callbacks,
    gemm,
    lapack,
    matmul,
    threads,
    triangular,
)
from wengert.compile.native.operands import Layout, LibraryCall
from wengert.compile.program import Op, Spec

__all__ = ["LIBRARY", "Layout", "LibraryCall", "has_library", "install", "library_call"]

Emitter = Callable[[Op, Sequence[Layout], Sequence[Spec]], LibraryCall | None]

LIBRARY: dict[str, Emitter] = {"matmul": matmul.call, **lapack.CALLS, **triangular.CALLS}


def has_library(op: Op, specs: Sequence[Spec]) -> bool:
    """Whether an operation on operands of these specs is in the table.

    Parameters
    ----------
    specs : sequence of Spec
        Of all operands, constants included.
    """
    return op.primitive.name in LIBRARY and not any(spec.kind == "tuple" for spec in specs)


def library_call(op: Op, operands: Sequence[Layout], results: Sequence[Spec]) -> LibraryCall | None:
    """How an operation is called, or None: then it is a callback.

    Parameters
    ----------
    operands : sequence of Layout
        How each operand lies in memory.
    results : sequence of Spec
        Of the result, or of every part of it if it is a tuple (also of parts that nobody reads).
    """
    emitter = LIBRARY.get(op.primitive.name)
    return None if emitter is None else emitter(op, operands, results)


def install(symbols: Iterable[str]) -> None:
    """Make known to LLVM what a module declares of us.

    Parameters
    ----------
    symbols : iterable of str
        The names (with ``@``) that the module declares.
    """
    names = set(symbols)
    if "@wg_parallel_for" in names:
        threads.load()
    if "@wg_callback" in names:
        callbacks.install()
    if "@wg_leave" in names:
        call.install()
    gemm.install(filter(gemm.is_kernel, names))
    for name in names:
        bare = name.removeprefix("@wg_")
        if bare[1:] in blas.FUNCTIONS:
            assert blas.symbol(bare) is not None, name


def names() -> list[str]:
    """The primitives of the table, for the documentation."""
    return sorted(LIBRARY)
