"""Assignment and views: `x[i] = v`, `x += y`, `x.T[...] = v`, as NumPy does them.

An entry of a tape never changes, so a write makes a new entry and moves the handle. Its value is written
in place all the same, if nobody else holds the buffer: a loop over elements costs linear time. A `View`
keeps (root, path, number of writes it has seen) and looks itself up again when the root has moved. The
one difficulty is to know that nobody holds a buffer: reference counts say so, and after the first write
to an Array its elements are copied out when read, so that no NumPy view pins the buffer.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from wengert.errors import LostDerivativeError
from wengert.primitives.indexing import assign, follow, read
from wengert.tape.array import CONSTANTS, Array, Path, Trace, concrete, constant


class View(Array):
    """A handle onto part of another: `root` followed along `path`, looked up when it is used."""

    __slots__ = ("cached", "path", "root", "seen")

    def __init__(self, root: Array, path: Path):  # no value, trace, index: they are looked up
        self.root, self.path = root, path
        self.cached: Array | None = None
        self.seen: tuple[Trace, int] | None = None

    def current(self) -> Array:
        root = self.root
        stamp = (root.trace, getattr(root, "writes", 0))
        if self.cached is None or self.seen != stamp:
            self.cached, self.seen = look_up(root, self.path), stamp
        return self.cached

    @property
    def value(self) -> Any:  # type: ignore[override]
        return self.current().value

    @property
    def trace(self) -> Trace:  # type: ignore[override]
        return self.current().trace

    @property
    def index(self) -> Any:  # type: ignore[override]
        return self.current().index


def look_up(root: Array, path: Path) -> Any:
    """Record the reading of part of an Array."""
    if root.trace is CONSTANTS:
        part = follow(root.value, path)
        return Array(part, CONSTANTS) if type(part) is np.ndarray else part
    part = root.trace.record(read, (root,), {"path": path})
    if getattr(root, "writes", 0):
        _copy_out(part, root)
    return part


def _copy_out(part: Array, root: Array) -> None:
    """Keep elements, not a NumPy view, so that the root's buffer stays free to be written."""
    held = part.value
    if type(held) is np.ndarray and held.base is not None:
        part.value = held.copy()


def root_of(x: Array) -> tuple[Array, Path]:
    """The Array that owns the memory of `x`, and the path from it to `x`."""
    return (x.root, x.path) if isinstance(x, View) else (x, ())


def view(x: Array, step: tuple[str, Any]) -> Array:
    """`x` seen through one more step, which NumPy would make a view."""
    root, path = root_of(x)
    return View(root, (*path, step))


# ------------------------------------------------------------------------------------------ indexing


def getitem(x: Array, key: Any) -> Any:
    """``x[key]``: a view for basic indices of an array, a copy or a number otherwise."""
    key, is_basic, is_element = _plain_key(x, key)
    root, path = root_of(x)
    path = (*path, ("getitem", key))
    if is_basic and not is_element:
        made = View(root, path)
        made.current()  # an index out of range is an error now, not later
        return made
    return look_up(root, path)


def setitem(x: Array, key: Any, value: Any) -> None:
    """``x[key] = value``."""
    key, _, _ = _plain_key(x, key)
    root, path = root_of(x)
    _forget(x)
    write(root, (*path, ("getitem", key)), value)


def _forget(x: Array) -> None:
    """Let a view that is written through go of its value: the buffer has one owner again."""
    if isinstance(x, View):
        x.cached = None


def _plain_key(x: Array, key: Any) -> tuple[Any, bool, bool]:
    """The index with plain parts; whether it is basic; whether it selects one element."""
    kind = type(key)
    if kind is int:
        return key, True, len(x.shape) == 1
    if kind is slice:
        return _plain_slice(key), True, False
    if kind is not tuple:
        if key is Ellipsis or key is None:
            return key, True, False
        plain = _plain_part(key)
        basic = isinstance(plain, int)
        return plain, basic, basic and x.ndim == 1
    parts = tuple(_plain_part(part) for part in key)
    basic = all(isinstance(p, int | slice) or p is None or p is Ellipsis for p in parts)
    element = basic and len(parts) == x.ndim and all(isinstance(p, int) for p in parts)
    return parts, basic, element


def _plain_part(part: Any) -> Any:
    if type(part) is int or part is None or part is Ellipsis:
        return part
    if isinstance(part, slice):
        return _plain_slice(part)
    part = np.asarray(concrete(part)) if not isinstance(part, np.ndarray) else part
    if part.dtype == object:
        part = np.array([int(entry) for entry in part.ravel()]).reshape(part.shape)
    if part.size == 0 and part.dtype.kind == "f":
        part = part.astype(np.intp)  # x[[]]: an empty list
    if part.dtype.kind not in "iub":
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and integer or boolean arrays "
            f"are valid indices, not {part.dtype}"
        )
    if part.ndim == 0 and part.dtype.kind in "iu":
        return int(part)
    return part.copy()  # the caller may change an index array later


def _plain_slice(part: slice) -> slice:
    ends = (part.start, part.stop, part.step)
    if all(end is None or type(end) is int for end in ends):
        return part
    return slice(*(None if end is None else end.__index__() for end in ends))


# ------------------------------------------------------------------------------------------- writing


def write(root: Array, path: Path, value: Any, *, add: bool = False) -> None:
    """Assign to (or add to) the part of `root` at `path`; the handle moves, the tape grows."""
    trace = root.trace
    if isinstance(value, Array):
        value = value.current()
        if value.trace.level > trace.level:
            trace = value.trace
    elif isinstance(value, list | tuple) or (type(value) is np.ndarray and value.dtype == object):
        value = stack(value)
        if isinstance(value, Array) and value.trace.level > trace.level:
            trace = value.trace
    if trace is CONSTANTS:
        value = value.value if isinstance(value, Array) else value
        put(root, path, value, add=add)
        _count(root)
    else:
        trace.write(root, path, value, add)
        _count(root)


def _count(root: Array) -> None:
    root.writes = getattr(root, "writes", 0) + 1


def put(root: Array, path: Path, value: Any, *, add: bool = False) -> None:
    """Write into the value of a handle, in place if no other holds it; the handle keeps its index."""
    if not is_exclusive(root):
        root.value = _copied(root.value)
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
    count = sys.getrefcount(handle.value)
    return count <= _SOLE and getattr(handle.value, "base", None) is None


def _copied(value: Any) -> Any:
    if isinstance(value, Array):
        return Array(value.value, value.trace, value.index)
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
    if path or not isinstance(result, Array) or result.shape != x.shape or result.dtype != x.dtype:
        _check_cast(x, result)
        _forget(x)
        write(root, path or (("getitem", ...),), result)
        return x
    result = result.current()
    root.value, root.trace, root.index = result.value, result.trace, result.index
    _count(root)
    return x


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
        f"a traced value of shape {np.shape(result)} was to be written into a plain ndarray of shape "
        f"{target.shape} ({target.dtype}), which would lose its derivative.",
        "Make the array inside the function with np.empty, np.zeros or np.array(existing).",
    )


# ------------------------------------------------------------------------------------------ stacking


def stack(cells: Any) -> Any:
    """One Array from nested lists or an object array of traced scalars."""
    if isinstance(cells, Array) or (type(cells) is np.ndarray and cells.dtype != object):
        return cells
    if isinstance(cells, list | tuple):
        if not _holds_array(cells):
            return np.asarray(cells)
        parts = [stack(cell) if isinstance(cell, list | tuple) else cell for cell in cells]
        return np.stack([_as_operand(part) for part in parts])
    if type(cells) is np.ndarray:
        flat = [_as_operand(cell) for cell in cells.ravel()]
        if not any(isinstance(cell, Array) for cell in flat):
            return cells
        return np.reshape(np.stack(flat), cells.shape)
    return cells


def _as_operand(part: Any) -> Any:
    if isinstance(part, Array):
        return part
    return stack(part) if isinstance(part, np.ndarray) else np.asarray(part)


def _holds_array(cells: Any) -> bool:
    return any(
        isinstance(cell, Array)
        or (isinstance(cell, list | tuple) and _holds_array(cell))
        or (type(cell) is np.ndarray and cell.dtype == object)
        for cell in cells
    )


def _sole() -> int:
    """What getrefcount says of a value that only a handle holds; -1 where there are no counts."""
    if not hasattr(sys, "getrefcount"):
        return -1
    handle = Array(np.empty(1), CONSTANTS)
    return sys.getrefcount(handle.value)


_SOLE = _sole()
__all__ = ["View", "constant", "getitem", "setitem", "stack", "view", "write"]
