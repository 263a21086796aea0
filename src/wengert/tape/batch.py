"""`Batch`: the trace of vmap. A value has the batch as its leading axis, hidden from user code.

Primitives say how they are batched: "broadcast" (elementwise), "axis" (the `axis` parameter moves
up by one), "leading" (NumPy's function takes leading axes itself), "path", a function of their own,
or "loop" (once per element, then stacked), which is always right and never fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import BatchError, TraceEndedError
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import follow
from wengert.tape.array import Array, Path, Trace, from_outside, rebuild
from wengert.tape.writing import put


class Batch(Trace):
    """The trace of vmap.

    Parameters
    ----------
    level : int
        Depth of nesting.
    size : int
        Length of the batch.
    """

    hidden = 1

    def __init__(self, level: int, size: int):
        self.level, self.size = level, size
        self.has_ended = False

    def input(self, value: Any, axis: int) -> Array:
        """An input whose `axis` is the batch."""
        return Array(np.moveaxis(value, axis, 0), self)

    def truth(self, x: Array) -> bool:
        raise BatchError(
            f"a decision (if, while, and, or, not) was taken on a value that differs along the "
            f"vmapped axis (size {self.size}).",
            "Use np.where(condition, a, b), or loop over the batch in Python.",
        )

    def split(self, x: Any) -> tuple[Any, bool]:
        """The value of an operand and whether its leading axis is the batch."""
        if not isinstance(x, Array):
            return x, False
        x = x.current()
        if x.tape is self:
            return x.value, True
        return from_outside(x), False

    def record(
        self, primitive: Primitive, operands: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Any:
        if self.has_ended:
            raise TraceEndedError(
                "an Array was used after the vmap that made it had ended.",
                "Return values from the mapped function instead of storing them outside it.",
            )
        values, batched = zip(*[self.split(x) for x in operands], strict=True)
        out = batch(primitive, values, batched, self.size, parameters)
        if isinstance(out, tuple):
            return rebuild(out, [Array(part, self) for part in out])
        return Array(out, self)

    def write(self, root: Array, path: Path, value: Any, add: bool) -> None:
        v, has_batch = self.split(value)
        if root.tape is not self:
            held = from_outside(root)
            root.value = np.array(np.broadcast_to(held, (self.size, *np.shape(held))))
        moved = batch_path(path, self.size)
        if ends_in_copy(moved):
            for k in range(self.size):
                put(root, (("getitem", k), *path), v[k] if has_batch else v, add=add)
        else:
            if has_batch:
                v = align(v, target_ndim(root.value, moved))
            put(root, moved, v, add=add)
        root.tape, root.index = self, None


def batch(
    primitive: Primitive,
    values: Sequence[Any],
    batched: Sequence[bool],
    size: int,
    parameters: dict[str, Any],
) -> Any:
    """Apply a primitive to values of which some have the batch in front."""
    how = primitive.batch
    if callable(how):
        return how(primitive, values, batched, size, **parameters)
    if how is None and (
        primitive.family == "elementwise" or isinstance(primitive.function, np.ufunc)
    ):
        how = "broadcast"
    if how == "broadcast":
        ndim = max(np.ndim(v) - b for v, b in zip(values, batched, strict=True))
        aligned = [align(v, ndim) if b else v for v, b in zip(values, batched, strict=True)]
        return primitive(*aligned, **parameters)
    if how not in ("axis", "leading", "path"):
        return loop(primitive, values, batched, size, parameters)
    full = [v if b else spread(v, size) for v, b in zip(values, batched, strict=True)]
    if how == "leading":
        return primitive(*full, **parameters)
    if how == "axis":
        return primitive(*full, **(parameters | {"axis": move_axis(parameters["axis"])}))
    path = batch_path(parameters["path"], size)
    if len(full) > 1 and ends_in_copy(path):
        return loop(primitive, values, batched, size, parameters)
    if len(full) > 1:
        full[1] = align(full[1], target_ndim(full[0], path))
    return primitive(*full, **(parameters | {"path": path}))


def loop(
    primitive: Primitive,
    values: Sequence[Any],
    batched: Sequence[bool],
    size: int,
    parameters: dict[str, Any],
) -> Any:
    """Apply a primitive to one element of the batch after the other, and stack."""
    if size == 0:
        raise BatchError(
            f"{primitive.name} is batched by a loop, which needs a batch of at least one element.",
            "Handle the empty batch before calling the mapped function.",
        )
    outs = [
        primitive(*[v[k] if b else v for v, b in zip(values, batched, strict=True)], **parameters)
        for k in range(size)
    ]
    if isinstance(outs[0], tuple):
        return rebuild(outs[0], [np.stack(part) for part in zip(*outs, strict=True)])
    return np.stack(outs)


def align(value: Any, ndim: int) -> Any:
    """A batched value whose axes after the batch are padded with ones to `ndim`."""
    missing = ndim - (np.ndim(value) - 1)
    if missing <= 0:
        return value
    shape = np.shape(value)
    return np.reshape(value, (shape[0], *(1,) * missing, *shape[1:]))


def spread(value: Any, size: int) -> Any:
    """A value without batch, repeated along a new leading axis."""
    return np.broadcast_to(value, (size, *np.shape(value)))


def move_axis(axis: Any) -> Any:
    """An axis, or several, one further up; negative ones count from the back and stay."""
    if isinstance(axis, tuple):
        return tuple(move_axis(k) for k in axis)
    return axis + 1 if axis >= 0 else axis


def batch_path(path: Path, size: int) -> Path:
    """The path that follows the given one in every element of a batch."""
    moved: list[Any] = []
    for kind, argument in path:
        if kind == "getitem":
            key = argument if isinstance(argument, tuple) else (argument,)
            moved.append((kind, (slice(None), *key)))
            if _moves_to_front(key):
                moved.append(("moveaxis", (_advanced_ndim(key), 0)))
        elif kind == "reshape":
            moved.append((kind, (size, *argument)))
        elif kind == "transpose":
            moved.append((kind, (0, *(k + 1 for k in argument))))
        elif kind == "diagonal":
            offset, axis1, axis2 = argument
            moved.append((kind, (offset, axis1 + 1, axis2 + 1)))
        else:
            moved.append((kind, argument))
    return tuple(moved)


def ends_in_copy(path: Path) -> bool:
    """True if the path reorders the axes of a fancy index, through which nothing can be written."""
    return bool(path) and path[-1][0] == "moveaxis"


def _moves_to_front(key: tuple[Any, ...]) -> bool:
    """True if NumPy would put the axes of separated index arrays before the batch."""
    if not any(isinstance(p, np.ndarray) for p in key):
        return False
    advanced = [isinstance(p, int | np.ndarray) for p in key]
    first, last = advanced.index(True), len(advanced) - 1 - advanced[::-1].index(True)
    return not all(advanced[first : last + 1])


def _advanced_ndim(key: tuple[Any, ...]) -> int:
    return np.broadcast(*[p for p in key if isinstance(p, int | np.ndarray)]).ndim


def target_ndim(value: Any, path: Path) -> int:
    """Number of axes, after the batch, of the part at the end of a path."""
    shape = np.shape(value)
    return np.ndim(follow(np.broadcast_to(np.empty(()), shape), path)) - 1
