"""Assignment: `x[i] = v`, `x += y`, `np.add(a, b, out=c)`, `x.T[...] = v`.

An entry of a tape never changes, so a write makes a new entry and moves the handle. Its value is
written in place all the same, if nobody else holds the buffer: a loop over elements costs linear
time. The one difficulty is to know that nobody holds it: reference counts say so, and after the
first write to an Array its elements are copied out when read (`reading.py`), so that none pins it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from wengert.errors import LostDerivativeError, MutationError
from wengert.primitives.indexing import assign
from wengert.tape.array import CONSTANTS, Array, Path, bottom
from wengert.tape.reading import look_up, root_of
from wengert.tape.stacking import stack

_PARTS = frozenset({"real", "imag"})


def write(root: Array, path: Path, value: Any, *, add: bool = False) -> None:
    """Assign to (or add to) the part of `root` at `path`; the handle moves, the tape grows."""
    if type(root) is not Array:
        root.forget()
        root, path = root.root, (*root.path, *path)
    if path and any(step[0] not in _PLAIN_STEPS for step in path):
        path, value = _through_parts(root, path, value, add)
    trace = root.tape
    if isinstance(value, Array):
        value = value.current()
        if value.tape.level > trace.level:
            trace = value.tape
    elif isinstance(value, list | tuple) or (type(value) is np.ndarray and value.dtype == object):
        value = stack(value)
        if isinstance(value, Array) and value.tape.level > trace.level:
            trace = value.tape
    if trace is CONSTANTS:
        value = value.value if isinstance(value, Array) else value
        put(root, path, value, add=add)
    else:
        trace.write(root, path, value, add)
    count_write(root)


_PLAIN_STEPS = frozenset({"getitem", "reshape", "transpose", "diagonal", "moveaxis"})


def _through_parts(root: Array, path: Path, value: Any, add: bool) -> tuple[Path, Any]:
    """A write into real or imaginary parts, as one of complex numbers."""
    if any(step[0] == "broadcast" for step in path):
        raise MutationError(
            "part of a broadcast array was to be written: some of its elements are one in memory.",
            "Write into a copy: np.broadcast_to(x, shape).copy().",
        )
    part = next(step[0] for step in path if step[0] in _PARTS)
    path = tuple([step for step in path if step[0] not in _PARTS])
    value = stack(value)
    if part == "imag":
        value = 1j * value
    if add:
        return path, value
    held = look_up(root, path)
    return path, (1j * np.imag(held) if part == "real" else np.real(held)) + value


def count_write(root: Array) -> None:
    """Let views of `root` know that it has moved."""
    root.writes += 1


def put(root: Array, path: Path, value: Any, *, add: bool = False) -> None:
    """Write into the value of a handle, in place if no other holds it; its index stays."""
    if not is_exclusive(root):
        root.value = copied(root.value)
    held = root.value
    if isinstance(held, Array):
        write(held, path, value, add=add)
    elif isinstance(value, Array):
        handle = Array(held, CONSTANTS)
        del held
        root.value = handle
        write(handle, path, value, add=add)
    else:
        assign(held, path, value, add=add)


def is_exclusive(handle: Array) -> bool:
    """True if the handle's value is a buffer (or an inner handle) that nobody else holds."""
    if sys.getrefcount(handle.value) > _SOLE or getattr(handle.value, "base", None) is not None:
        return False
    return not isinstance(handle.value, np.ndarray) or handle.value.flags.writeable


def copied(value: Any) -> Any:
    """The same value in a buffer, or under a handle, that nobody else holds."""
    if isinstance(value, Array):
        value = value.current()
        return Array(value.value, value.tape, value.index)
    return np.array(value)


def add_into(buffer: Any, path: Path, part: Any) -> Any:
    """Add an adjoint into a buffer that the caller owns, and return the buffer."""
    if isinstance(buffer, Array):
        write(buffer, path, part, add=True)
        return buffer
    if isinstance(part, Array):
        handle = Array(buffer, CONSTANTS)
        write(handle, path, part, add=True)
        return handle
    assign(buffer, path, part, add=True)
    return buffer


def assign_whole(x: Array, result: Any) -> Array:
    """``x op= y``: give an existing array a new value, seen through all its handles."""
    root, path = root_of(x)
    if path or not _replaces(x, result):
        _check_cast(x, result)
        if type(x) is not Array:
            x.forget()
        write(root, path or (("getitem", ...),), result)
        return x
    if type(x) is not Array:
        x.forget()
    root.tape.move(root, result.current())
    count_write(root)
    return x


def _replaces(x: Array, result: Any) -> bool:
    """True if the result can take the place of the value as it is."""
    if not isinstance(result, Array) or result.shape != x.shape or result.dtype != x.dtype:
        return False
    return bool(x.shape) or not isinstance(bottom(x), np.ndarray)  # a 0-d array stays one


def _check_cast(x: Array, result: Any) -> None:
    dtype = result.dtype if hasattr(result, "dtype") else np.asarray(result).dtype
    if not np.can_cast(dtype, x.dtype, "same_kind"):
        raise TypeError(  # NumPy's own exception is a TypeError with these words
            f"Cannot cast ufunc output from {dtype!r} to {x.dtype!r} with casting rule 'same_kind'"
        )
    if np.broadcast_shapes(np.shape(result), x.shape) != x.shape:
        raise ValueError(
            f"non-broadcastable output operand with shape {x.shape} doesn't match the broadcast "
            f"shape {np.broadcast_shapes(np.shape(result), x.shape)}"
        )


def write_plain(target: np.ndarray, result: Any) -> None:
    """Refuse to write a traced value into a plain ndarray."""
    raise LostDerivativeError(
        f"a traced value of shape {np.shape(result)} was to be written into a plain ndarray of "
        f"shape {target.shape} ({target.dtype}), which would lose its derivative.",
        "Make the array inside the function with np.empty, np.zeros or np.array(existing).",
    )


def _sole() -> int:
    """What getrefcount says of a value that only a handle holds; -1 where there are no counts."""
    if not hasattr(sys, "getrefcount"):
        return -1
    handle = Array(np.empty(1), CONSTANTS)
    return sys.getrefcount(handle.value)


_SOLE = _sole()
