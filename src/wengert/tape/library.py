"""Functions of libraries that user code calls: how it names them, and what to use in their place.

The names come from the user's bytecode, as functions written in C leave no frame and decorated ones
leave that of a wrapper. What to use in place of a function without a rule is a table.
"""

from __future__ import annotations

import dis
import inspect
import sys
from types import CodeType, FrameType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from wengert.errors import is_user_file
from wengert.primitives.registry import REGISTRY
from wengert.tape.mirrors import bound_early, mirror_of


class Called(NamedTuple):
    """A function of a library, as user code calls it."""

    name: str  # the public one: scipy.linalg.expm
    function: Any  # None for a method


def called_at(frame: FrameType | None, instruction: int | None = None) -> Called | None:
    """The library's function that user code calls at an instruction (by default, now)."""
    if frame is None:
        return None
    names = called_names(frame.f_code, frame.f_lasti if instruction is None else instruction)
    return _resolved(frame, names) if names else None


def _resolved(frame: FrameType, names: tuple[str, ...]) -> Called | None:
    first, *rest = names
    found = _bound(frame, first)
    spelled = ""
    while rest and isinstance(found, ModuleType):
        spelled = f"{found.__name__}.{rest[0]}"
        found = getattr(found, rest.pop(0), None)
    kind = type(found)
    if not rest and not callable(found):  # np.r_[...]
        is_array = isinstance(found, np.ndarray | np.generic | ModuleType)
        name = "" if is_array or not _is_library(f"{kind.__module__}.") else spelled
        return Called(name, None) if name else None
    if not rest:  # an instance that is called, such as a spline, goes by its class
        name = public_name(found if hasattr(found, "__name__") else kind)
    elif isinstance(found, type):  # Rotation.from_rotvec(...)
        name = f"{public_name(found)}.{rest[0]}"
    elif callable(getattr(kind, rest[0], None)):  # in the class: that runs none of the user's code
        name = f"{spelled or public_name(kind)}.{rest[0]}"
    elif callable(found):  # default_rng(0).normal(...)
        name = f"{public_name(found)}(...).{rest[-1]}"
    else:
        return None
    return Called(name, None if rest else found) if _is_library(name) else None


def _is_library(name: str) -> bool:
    package = name.partition(".")[0]
    if package in ("", "builtins", "wengert"):
        return False
    file = getattr(sys.modules.get(package), "__file__", None)
    return package in sys.modules and not (file and is_user_file(file))


def public_name(function: Any) -> str:
    """The name that a function, or a class, goes by: without private modules."""
    name = str(getattr(function, "__qualname__", None) or getattr(function, "__name__", ""))
    if isinstance(function, np.ufunc):
        return f"{'numpy' if hasattr(np, name) else 'scipy.special'}.{name}"
    return _public(getattr(function, "__module__", None) or "", name)


def public_name_of_code(frame: FrameType) -> str:
    """As `public_name`, of the function that a frame runs."""
    return _public(frame.f_globals.get("__name__", ""), frame.f_code.co_qualname)


def _public(module: str, name: str) -> str:
    parts: list[str] = []
    for part in module.split("."):
        if part.startswith("_"):
            break
        parts.append(part)
    if parts and parts[0] == "numpy" and hasattr(np, name.partition(".")[0]):
        parts = ["numpy"]
    return ".".join([*parts, name]) if parts else name


def looked_up(frame: FrameType, names: tuple[str, ...]) -> Any:
    """What ``a.b.c`` is in a frame; None if that is not to be known without running user code."""
    first, *rest = names
    found = _bound(frame, first)
    for name in rest:
        if not isinstance(found, ModuleType):
            return None
        found = getattr(found, name, None)
    return found


def _bound(frame: FrameType, name: str) -> Any:
    """What a name is bound to in a frame; asking the frame for all of its own takes long."""
    code = frame.f_code
    may_be_local = not code.co_flags & inspect.CO_OPTIMIZED or (
        name in code.co_varnames or name in code.co_cellvars or name in code.co_freevars
    )
    if may_be_local:
        found = frame.f_locals
        if name in found:
            return found[name]
    return frame.f_globals.get(name)


def called_names(code: CodeType, instruction: int) -> tuple[str, ...]:
    """How user code names what it calls at an instruction: ``("np", "zeros")``; empty if unknown.

    The function's expression starts where the call does; the names loaded there, by how far they
    reach, spell it.
    """
    positions = list(code.co_positions())
    line, last_line, column, last_column = positions[instruction // 2]
    if line is None or column is None:  # python -X no_debug_ranges
        return ()
    loaded: dict[tuple[Any, Any], str] = {}
    for found in dis.get_instructions(code):
        if found.offset >= instruction or not found.opname.startswith("LOAD_"):
            continue
        start_line, end_line, start, end = positions[found.offset // 2]
        is_part = (start_line, start) == (line, column) and (end_line, end) != (
            last_line,
            last_column,
        )
        if is_part and isinstance(found.argval, str):
            loaded[end_line, end] = found.argval
    return tuple(loaded[reach] for reach in sorted(loaded))


# ------------------------------------------------------------------------------ what to use instead

_SUPPORTED = (
    "Write it with supported functions (docs/reference lists them), declare it with wg.primitive, "
    "or pass wg.stop_gradient(x) if its derivative is not wanted."
)
_OWN_RULE = "declare it with wg.primitive and a rule of its own (docs/how-to/own-primitives)"

# By the beginning of the name; the first that fits.
_INSTEAD = {
    "scipy.linalg.": "Use what wengert.scipy.linalg mirrors, or numpy.linalg; or " + _OWN_RULE,
    "scipy.fft.": "Use np.fft, which has every kind but the cosine and sine transforms; of those, "
    "np.fft.rfft of the mirrored signal",
    "scipy.integrate.": "Write the steps as a loop of NumPy code, which differentiates as it "
    "stands (np.trapezoid for samples); or " + _OWN_RULE,
    "scipy.optimize.": "Write the iterations as NumPy code; or, by the implicit function theorem, "
    + _OWN_RULE,
    "scipy.interpolate.": "Use np.interp, or np.polyval of coefficients; or " + _OWN_RULE,
    "scipy.sparse.": "Use a dense array (matrix.toarray() @ x); or, with matrix.T @ adjoint as the "
    "rule, " + _OWN_RULE,
    "scipy.signal.": "Use np.convolve, np.correlate or np.fft, or write the filter as a loop of "
    "NumPy code; or " + _OWN_RULE,
    "scipy.ndimage.": "Use np.lib.stride_tricks.sliding_window_view with np.einsum, or np.pad and "
    "slices; or " + _OWN_RULE,
    "scipy.stats.": "Write the density with NumPy and scipy.special: of the normal distribution, "
    "-x**2 / 2 - np.log(2 * np.pi) / 2, and scipy.special.ndtr(x) for its cdf; or " + _OWN_RULE,
    "scipy.spatial.": "Write it with NumPy: np.linalg.norm(x[:, None] - y, axis=-1) for distances; "
    "or " + _OWN_RULE,
    "numpy.random.": "Draw plain numbers, and shift and scale them by traced ones: "
    "mean + std * rng.normal(size=n)",
    "numpy.r_": "Use np.linspace(start, stop, number) or np.arange, and np.concatenate",
    "numpy.nditer": "Loop over np.ndenumerate(x), or over np.ndindex(x.shape) and x[index]",
    "numpy.float": "Leave the conversion out (traced numbers are NumPy's already), or convert "
    "with x.astype(dtype)",
    "numpy.vectorize": "Leave otypes out, or use np.stack([f(v) for v in x])",
}


def instead_of(called: Called | None) -> str:
    """What to write in place of a library's function that cannot take traced values."""
    if called is None:
        return _SUPPORTED
    module, _, name = called.name.rpartition(".")
    if bound_early(called.function):
        return (
            f"{name} was bound by its own name before the trace: call {called.name}(...), or let "
            "wg.adapt(f) rebind it in a copy of f."
        )
    for place, theirs in (("np.linalg", np.linalg), ("np.fft", np.fft), ("np", np)):
        found = getattr(theirs, name, None)
        if not module.startswith("scipy.") or found is None:
            continue
        if REGISTRY.find(found) is not None or mirror_of(found) is not None:
            return f"Use {place}.{name}, which has a rule."
    for beginning, remedy in _INSTEAD.items():
        if called.name.startswith(beginning):
            return f"{remedy}."
    return _SUPPORTED
