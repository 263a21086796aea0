"""Reading and writing parts of arrays: basic, fancy and boolean indexing, through views.

`read` and `write` follow a path of steps (an index, a reshape, a transpose) into an array, as NumPy's
views do. The one difficulty is repeated positions: reading them adds adjoints up, writing them keeps
the last value only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import linear
from wengert.primitives.samples import call, normal

# ------------------------------------------------------------------------------------------- paths


def step_into(x: Any, step: tuple[str, Any]) -> Any:
    """One step of a path: a NumPy view where NumPy would make one."""
    kind, argument = step
    if kind == "getitem":
        return x[argument] if hasattr(x, "shape") else np.asarray(x)[argument]
    if kind == "reshape":
        return np.reshape(x, argument)
    if kind == "transpose":
        return np.transpose(x, argument)
    if kind == "moveaxis":
        return np.moveaxis(x, *argument)
    if kind == "broadcast":
        return np.broadcast_to(x, argument)
    if kind == "real":
        return np.real(x)
    if kind == "imag":
        return np.imag(x)
    if kind == "diagonal":
        return _writable_diagonal(x, *argument)
    raise ValueError(f"unknown step {kind!r}")


def follow(x: Any, path: Any) -> Any:
    """The part of `x` at the end of a path."""
    for step in path:
        x = step_into(x, step)
    return x


def _writable_diagonal(x: Any, offset: int, axis1: int, axis2: int) -> Any:
    view = np.diagonal(x, offset, axis1, axis2)
    if isinstance(view, np.ndarray) and not view.flags.writeable and x.flags.writeable:
        view.flags.writeable = True  # NumPy's own view of memory that we own
    return view


def assign(x: Any, path: Any, value: Any, *, add: bool = False) -> None:
    """Write into the ndarray `x` itself, at the end of a path."""
    way, (kind, key) = path[:-1], path[-1] if path else _EVERYTHING
    if kind != "getitem":
        way, key = path, ...
    view = x
    for position, step in enumerate(way):
        part = step_into(view, step)
        if step[0] == "reshape" and not _is_view(part, view):
            # `x` lies in memory otherwise than where the path was made: write into the copy, and that back
            assign(part, (*way[position + 1 :], ("getitem", key)), value, add=add)
            view[...] = np.reshape(part, view.shape)
            return
        view = part
    if not add:
        view[key] = value
    elif type(key) in _SIMPLE or not is_fancy(key):
        view[key] += value
    else:
        np.add.at(view, key, value)


_EVERYTHING: tuple[str, Any] = ("getitem", ...)
_SIMPLE = frozenset({int, slice})


def _is_view(part: Any, whole: Any) -> bool:
    return whole.flags.c_contiguous or np.may_share_memory(part, whole)


def is_fancy(key: Any) -> bool:
    """True if an index holds integer arrays, which may repeat positions."""
    parts = key if isinstance(key, tuple) else (key,)
    return any(isinstance(p, np.ndarray) and p.ndim and p.dtype.kind in "iu" for p in parts)


def _read(a: Any, *, path: Any) -> Any:
    return follow(a, path)


def _write(a: Any, values: Any, *, path: Any, add: bool) -> Any:
    out = np.array(a)
    assign(out, path, values, add=add)
    return out


def _zeros_with(adjoint: Any, like: Any, *, path: Any) -> Any:
    return write(np.zeros(like.shape, like.dtype), adjoint, path=path, add=True)


def _into(buffer: Any, adjoint: Any, *, path: Any) -> None:
    assign(buffer, path, adjoint, add=True)


def _cleared(adjoint: Any, *, path: Any, add: bool) -> Any:
    if add:
        return adjoint
    return write(adjoint, np.zeros((), adjoint.dtype), path=path, add=False)


def _taken(adjoint: Any, like: Any, *, path: Any, add: bool) -> Any:
    taken = read(adjoint, path=path) if path else adjoint
    if add or not path or path[-1][0] != "getitem" or not is_fancy(path[-1][1]):
        return taken
    return taken * _last_writers(adjoint.shape, path)


def _last_writers(shape: tuple[int, ...], path: Any) -> Any:
    """True where a written value survives: NumPy keeps the last of those with one position."""
    numbers = np.zeros(shape, dtype=np.intp)
    order = np.arange(follow(numbers, path).size).reshape(follow(numbers, path).shape)
    assign(numbers, path, order)
    return follow(numbers, path) == order


_row = np.array([0, 2, 2])
_mask = np.array(
    [[True, False, True, True], [False, True, False, True], [True, True, False, False]]
)

read = linear(
    _read,
    name="read",
    operands=("a",),
    transpose=_zeros_with,
    into=_into,
    formula="adjoint of a: the adjoint at the places read, added where read twice; zero elsewhere",
    batch="path",
    samples=[
        call(normal(3, 4), path=(("getitem", (1, slice(None, None, 2))),)),
        call(normal(3, 4), path=(("reshape", (12,)), ("getitem", slice(2, 9, 3)))),
        call(normal(3, 4), path=(("transpose", (1, 0)), ("getitem", (slice(None), 1)))),
        call(normal(3, 4), path=(("getitem", (_row,)),)),
        call(normal(3, 4), path=(("getitem", (slice(None), _row)),)),
        call(normal(3, 4), path=(("getitem", _mask),)),
        call(normal(3, 4), path=(("getitem", (None, ..., 0)),)),
        call(normal(0, 4), path=(("getitem", (slice(None), 1)),)),
        call(normal(3, 3), path=(("diagonal", (0, 0, 1)),)),
    ],
)

write = linear(
    _write,
    name="write",
    operands=("a", "values"),
    transpose=(_cleared, _taken),
    formula=(
        "zero at the places written",
        "adjoint at the places written; zero if overwritten again",
    ),
    batch="path",
    samples=[
        call(normal(3, 4), normal(4), path=(("getitem", 1),), add=False),
        call(normal(3, 4), normal(2), path=(("getitem", (1, slice(None, None, 2))),), add=False),
        call(
            normal(3, 4),
            normal(),
            path=(("reshape", (12,)), ("getitem", slice(2, 9, 3))),
            add=False,
        ),
        call(normal(3, 4), normal(3, 4), path=(("getitem", (_row,)),), add=False),
        call(normal(3, 4), normal(3, 4), path=(("getitem", (_row,)),), add=True),
        call(normal(3, 4), normal(), path=(("getitem", _mask),), add=False),
        call(normal(3, 4), normal(3, 1), path=(), add=False),
        call(normal(3, 3), normal(3), path=(("diagonal", (0, 0, 1)),), add=False),
    ],
)
