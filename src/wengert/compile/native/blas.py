"""BLAS and LAPACK for native code: the functions that SciPy exports, and how a call is written.

`scipy.linalg.cython_blas` and `cython_lapack` hold function pointers in capsules whose names are C
signatures; those are checked before use. All arguments are pointers, integers of 32 bits, as in
Fortran. Calls stand outside of our own parallel loops, so the threads of BLAS and ours never work
at the same time; `wg.set_num_threads` sets both.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.compile.native import extents, runtime
from wengert.compile.native.layout import PYTHON
from wengert.compile.native.types import Code, real
from wengert.threads import WORKERS, available

LETTERS = {"f4": "s", "f8": "d", "c8": "c", "c16": "z"}

# How many arguments each function has; SciPy's signature must agree.
_ARGUMENTS = {
    "gemm": 13, "potrf": 5, "getrf": 6, "getrs": 9, "getri": 7, "gesdd": 14, "syevd": 11,
    "heevd": 13, "geqrf": 8, "orgqr": 9, "ungqr": 9, "trsm": 11, "trmm": 11,
    "trsv": 8,
}  # fmt: skip
FUNCTIONS = frozenset(_ARGUMENTS)
_MORE_IF_COMPLEX = {"gesdd": 1}  # a workspace of real numbers
_PARALLEL_SETTERS = (
    "scipy_openblas_set_num_threads", "openblas_set_num_threads", "MKL_Set_Num_Threads",
)  # fmt: skip


def letter(dtype: np.dtype[Any]) -> str | None:
    """BLAS's letter of a dtype; None if it computes in no such numbers."""
    return LETTERS.get(dtype.str[1:]) if dtype.isnative else None


@functools.cache
def _modules() -> tuple[Any, ...]:
    # SciPy's linear algebra takes 30 ms to import, which not every compiled function needs.
    from scipy.linalg import cython_blas, cython_lapack  # noqa: PLC0415

    _share_threads(cython_blas.__file__)
    return cython_blas, cython_lapack


def _share_threads(library: str) -> None:
    """Let BLAS have as many threads as we, from now on, where it has a function for that."""
    try:
        loaded = ctypes.CDLL(library)  # looks in what it depends on, too
    except OSError:
        return
    for name in _PARALLEL_SETTERS:
        if hasattr(loaded, name):
            setter = getattr(loaded, name)
            setter.argtypes, setter.restype = (ctypes.c_int,), None
            WORKERS.listeners.append(setter)
            if WORKERS.count != available():
                setter(WORKERS.count)
            return


@functools.cache
def symbol(name: str) -> str | None:
    """LLVM's name of a function such as ``dgemm``; None if SciPy has none that we could call."""
    arguments = _ARGUMENTS[name[1:]]
    arguments += _MORE_IF_COMPLEX.get(name[1:], 0) if name[0] in "cz" else 0
    for module in _modules():
        capsule = module.__pyx_capi__.get(name)
        if capsule is not None and _has_signature(_name(capsule), arguments):
            runtime.register({f"wg_{name}": _pointer(capsule)})
            return f"@wg_{name}"
    return None


def _has_signature(text: str, arguments: int) -> bool:
    """Whether a C signature returns nothing and takes pointers, those to integers of 32 bits."""
    head, _, rest = text.partition("(")
    kinds = [kind.strip() for kind in rest.rstrip(")").split(",")]
    if head.strip() != "void" or len(kinds) != arguments:
        return False
    return all(
        kind in ("char *", "int *") or (kind.startswith("__pyx_t_") and kind.endswith(" *"))
        for kind in kinds
    )


def _name(capsule: Any) -> str:
    get = PYTHON.PyCapsule_GetName
    get.restype, get.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return bytes(get(capsule)).decode()


def _pointer(capsule: Any) -> int:
    get = PYTHON.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(get(capsule, _name(capsule).encode()))


def call(code: Code, name: str, *arguments: str | int) -> None:
    """Write a call.

    Parameters
    ----------
    name : str
        As in ``dgemm``; one for which `symbol` gives a name.
    arguments : str or int
        A letter ("N", "T", "U" …), an integer, or an SSA pointer (begins with % or @).
    """
    found = symbol(name)
    assert found is not None, name
    extents.check(code, name, arguments)
    operands = [_argument(code.names.symbols, x) for x in arguments]
    kinds = ", ".join(["ptr"] * len(operands))
    code.names.symbols[found] = f"declare void {found}({kinds})"
    code.do(f"call void {found}({', '.join(f'ptr {x}' for x in operands)})")


def _argument(symbols: dict[str, str], x: str | int) -> str:
    if isinstance(x, str) and x[0] in "%@":
        return x
    if isinstance(x, str):
        name = f"@wg_char_{x}"
        symbols[name] = f"{name} = private constant i8 {ord(x)}"
    else:
        name = f"@wg_int_{x}".replace("-", "m")
        symbols[name] = f"{name} = private constant i32 {x}"
    return name


def number(code: Code, dtype: np.dtype[Any], value: float) -> str:
    """A pointer to a constant of a dtype, for the factors of BLAS."""
    kind = "float" if dtype.itemsize in (4,) or dtype == np.complex64 else "double"
    parts = [value, 0.0] if dtype.kind == "c" else [value]
    name = f"@wg_{letter(dtype)}_{value:g}".replace("-", "m").replace(".", "p")
    text = ", ".join(f"{kind} {real(x)}" for x in parts)
    code.names.symbols[name] = f"{name} = private constant [{len(parts)} x {kind}] [{text}]"
    return name


def query(name: str, dtype: np.dtype[Any], arguments: Sequence[str | int | None]) -> list[int]:
    """Ask LAPACK how much workspace a call needs.

    Parameters
    ----------
    arguments : sequence
        As for `call`; None for arrays. The sizes of workspaces are -1, and each workspace that is
        asked for is ``"work"`` (of numbers), ``"rwork"`` (real) or ``"iwork"`` (integers).

    Returns
    -------
    list of int
        The sizes, in elements, in the order of the workspaces.
    """
    found = symbol(name)
    assert found is not None, name
    kept: list[Any] = []
    answers: list[np.ndarray[Any, Any]] = []
    for x in arguments:
        if x in ("work", "rwork", "iwork"):
            kind: Any = {"work": dtype, "rwork": np.empty(0, dtype).real.dtype, "iwork": np.intc}[x]
            kept.append(np.zeros(4, kind))
            answers.append(kept[-1])
        elif isinstance(x, str):
            kept.append(np.array([ord(x)], np.uint8))
        else:
            kept.append(np.zeros(64) if x is None else np.array([x], np.intc))
    address = _address(name)
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(kept))
    prototype(address)(*[x.ctypes.data for x in kept])
    return [int(np.ceil(answer[0].real)) for answer in answers]


def _address(name: str) -> int:
    module = next(m for m in _modules() if name in m.__pyx_capi__)
    return _pointer(module.__pyx_capi__[name])
