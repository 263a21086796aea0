"""What an operation would give, by specs alone: for passes that write operations of their own.

An elementwise operation is run once on numbers of the operands' kinds: NumPy itself then says how
dtypes promote. The one difficulty is what a Python number beside Python numbers gives, which
`infer` leaves to NumPy: a scalar.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.compile.program import Builder, Op, Operand, Spec, spec_of
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import follow, read
from wengert.primitives.products import matmul
from wengert.primitives.reductions import add_up, kept_shape
from wengert.primitives.selection import either
from wengert.primitives.shaping import broadcast, convert, permute, reshape_to
from wengert.tape.columns import Constant


def spec_in(builder: Builder, operand: Operand) -> Spec:
    """The spec of an operand of a program that is being written."""
    if isinstance(operand, Constant):
        return spec_of(operand.value)
    count = len(builder.inputs)
    return builder.inputs[operand] if operand < count else builder.ops[operand - count].spec


def copied(builder: Builder, op: Op, operands: Sequence[Operand]) -> int:
    """As ``builder.add``, without a new `Op` where the old one will do."""
    for new, old in zip(operands, op.operands, strict=True):
        # Equal constants may be 1 and 1.0, or arrays: only the same one is no change.
        if new is not old and (type(new) is not int or new != old):
            return builder.add(op, operands)
    builder.ops.append(op)
    return len(builder.inputs) + len(builder.ops) - 1


def carried_over(builder: Builder, op: Op, where: Sequence[Operand]) -> int:
    """An operation of the old program in the new one: the same `Op` where its operands are."""
    for x in op.operands:
        if type(x) is int:
            new = where[x]
            if type(new) is not int or new != x:
                return builder.add(op, [builder.moved(x, where) for x in op.operands])
    builder.ops.append(op)
    return len(builder.inputs) + len(builder.ops) - 1


def is_elementwise(primitive: Primitive) -> bool:
    """True if operands broadcast against one another and each element is computed by itself."""
    if primitive.family == "elementwise" or primitive is either:
        return primitive.outputs == 1
    function = primitive.function
    return isinstance(function, np.ufunc) and function.signature is None and function.nout == 1


def infer(primitive: Primitive, specs: Sequence[Spec], parameters: dict[str, Any]) -> Spec | None:
    """The spec of what an operation gives; None if this file cannot tell."""
    if primitive in _SHAPES:
        return _SHAPES[primitive](*specs, **parameters)
    if parameters or not is_elementwise(primitive):
        return None
    try:
        shape = np.broadcast_shapes(*[spec.shape for spec in specs])
    except ValueError:
        return None
    found = _of_numbers(
        primitive, tuple([(spec.dtype, spec.kind, len(spec.shape)) for spec in specs])
    )
    return found and Spec(shape, found.dtype, found.kind)


@functools.lru_cache(maxsize=4096)
def _of_numbers(
    primitive: Primitive, operands: tuple[tuple[np.dtype[Any], str, int], ...]
) -> Spec | None:
    """The spec for operands whose axes have length one."""
    values: list[Any] = []
    for dtype, kind, ndim in operands:
        if kind == "tuple":
            return None
        one = np.ones((1,) * ndim, dtype)
        values.append(one if kind == "array" else one.item() if kind == "python" else one[()])
    try:
        with np.errstate(all="ignore"):
            return spec_of(primitive.function(*values))
    except (TypeError, ValueError):
        return None


def _reshaped(a: Spec, *, shape: tuple[int, ...]) -> Spec | None:
    return Spec(shape, a.dtype, "array") if math.prod(shape) == a.size else None


def _permuted(a: Spec, *, axes: tuple[int, ...]) -> Spec | None:
    if sorted(axes) != list(range(len(a.shape))):
        return None
    return Spec(tuple([a.shape[k] for k in axes]), a.dtype, "array")


def _broadcast(a: Spec, *, shape: tuple[int, ...]) -> Spec:
    return Spec(shape, a.dtype, "array")


def _converted(a: Spec, *, dtype: Any) -> Spec | None:
    if a.kind == "python":
        return None
    return Spec(a.shape, np.dtype(dtype), a.kind)


def _summed(a: Spec, *, axis: tuple[int, ...], keepdims: bool) -> Spec | None:
    if a.dtype.kind not in "fc" or a.kind == "python":
        return None
    kept = kept_shape(a.shape, axis)
    shape = kept if keepdims else tuple([n for k, n in enumerate(kept) if k not in axis])
    return Spec(shape, a.dtype, "array" if shape else "scalar")


def _product(x1: Spec, x2: Spec) -> Spec | None:
    if x1.dtype != x2.dtype or len(x1.shape) != 2 or len(x2.shape) != 2:
        return None
    if x1.shape[1] != x2.shape[0]:
        return None
    return Spec((x1.shape[0], x2.shape[1]), x1.dtype, "array")


def _viewed(a: Spec, *, path: Any) -> Spec | None:
    if a.kind != "array" or not is_view(path):
        return None
    return spec_of(follow(np.empty(a.shape, a.dtype), path))  # memory that is never touched


def is_view(path: Any) -> bool:
    """True for a path that copies nothing of a contiguous array."""
    return not any(kind == "getitem" and _copies(argument) for kind, argument in path)


def _copies(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, np.ndarray | list) for part in parts)


_SHAPES: dict[Primitive, Callable[..., Spec | None]] = {
    reshape_to: _reshaped,
    permute: _permuted,
    broadcast: _broadcast,
    convert: _converted,
    add_up: _summed,
    matmul: _product,
    read: _viewed,
}
