"""Adjoints and tangents as values: brought to the shape and dtype of what they belong to, scaled.

Families use this, so that no rule mentions unbroadcasting or dtypes. The one difficulty is to write
into a buffer rather than make another, where nobody else holds it.
"""

from __future__ import annotations

import functools
import math
import sys
from typing import Any, NamedTuple

import numpy as np

from wengert.errors import RuleError
from wengert.primitives.blocks import uniform

_LARGE = 2048  # elements; below it, reusing a buffer saves less than asking whether one may


class Like(NamedTuple):
    """Shape and dtype of a value that is not kept."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def zeros(self) -> Any:
        """Zeros of this shape and dtype: a number where there are no axes."""
        return np.zeros(self.shape, self.dtype) if self.shape else self.dtype.type(0)

    def ones(self) -> Any:
        """Ones of this shape and dtype: a number where there are no axes."""
        return np.ones(self.shape, self.dtype) if self.shape else self.dtype.type(1)


NUMBER = Like((), np.dtype(np.float64))  # of every Python float, so that `is` finds it


def like_of(value: Any) -> Like:
    """Shape and dtype of a number, an ndarray or an Array."""
    if type(value) is float or type(value) is np.float64:
        return NUMBER
    try:
        return _new(Like, (value.shape, value.dtype))  # as Like(…), without its Python
    except AttributeError:
        return Like(np.shape(value), np.asarray(value).dtype)


_new = tuple.__new__


def scale(adjoint: Any, partial: Any, is_spent: bool = False) -> Any:
    """``adjoint * partial``, written into a buffer that nobody else needs if there is one."""
    if type(partial) is not np.ndarray or type(adjoint) is not np.ndarray:
        return times_number(adjoint, partial, is_spent)
    if partial.dtype == bool:  # a selection: NumPy multiplies numbers faster by numbers
        partial = partial.astype(adjoint.dtype)
    if partial.size > _LARGE and partial.shape == adjoint.shape and partial.dtype == adjoint.dtype:
        if sys.getrefcount(partial) <= _UNSHARED and partial.base is None:
            return np.multiply(partial, adjoint, out=partial)
        if is_spent:
            return np.multiply(adjoint, partial, out=adjoint)
    return adjoint * partial


def times_number(adjoint: Any, partial: Any, is_spent: bool) -> Any:
    """As `scale`, where one of the two is no plain array."""
    if type(partial) in (int, float) and type(adjoint) is np.ndarray and adjoint.size > _LARGE:
        same = uniform(adjoint)
        if same is not None:
            return np.broadcast_to(same * partial, adjoint.shape)
    if is_spent and type(partial) in (int, float):
        return np.multiply(adjoint, partial, out=adjoint)
    return adjoint * partial


def fit(part: Any, like: Like, primitive: Any = None) -> Any:
    """Bring a contribution to the shape and dtype of its operand: sum over what was broadcast."""
    try:
        shape, dtype = part.shape, part.dtype
    except AttributeError:  # a Python number
        shape, dtype = like_of(part)
    if shape != like.shape:
        part = unbroadcast(part, shape, like.shape, primitive)
    if dtype is not like.dtype and dtype != like.dtype:
        part = cast(part, dtype, like.dtype)
    return part


def unbroadcast(
    part: Any, shape: tuple[int, ...], target: tuple[int, ...], primitive: Any = None
) -> Any:
    """Sum over the axes along which an operand of shape `target` was broadcast to `shape`."""
    axes = _broadcast_axes(shape, target)
    try:
        if axes:
            part = _summed(part, axes) if type(part) is np.ndarray else np.sum(part, axes)
        return part if part.shape == target else part.reshape(target)
    except ValueError:
        raise RuleError(
            f"a rule of {primitive.name if primitive else 'a primitive'} gave a derivative of shape "
            f"{shape} for an operand of shape {target}.",
            "Return the adjoint in the operand's shape.",
        ) from None


def _summed(part: np.ndarray, axes: tuple[int, ...]) -> Any:
    if axes == (0,) and part.ndim == 2 and part.size > _LARGE and part.dtype in _BLAS:
        return np.ones(len(part), part.dtype) @ part  # three times as fast as a reduction over rows
    return np.add.reduce(part, axes)


_BLAS = frozenset({np.dtype(np.float32), np.dtype(np.float64)})


@functools.lru_cache(maxsize=4096)
def _broadcast_axes(shape: tuple[int, ...], target: tuple[int, ...]) -> tuple[int, ...]:
    extra = len(shape) - len(target)
    pairs = enumerate(zip(target, shape[extra:], strict=False))
    return (*range(extra), *(extra + k for k, (size, full) in pairs if size == 1 != full))


def cast(part: Any, dtype: Any, target: Any) -> Any:
    """`part` in another dtype; the real part where the operand is real."""
    if dtype.kind == "c" and target.kind == "f":
        part = np.real(part)
    return part.astype(target) if hasattr(part, "astype") else target.type(part)


def fit_tangent(tangent: Any, out: Any) -> Any:
    """Bring a tangent to the shape and dtype of the output."""
    like = like_of(out)
    found = like_of(tangent)
    if found.dtype != like.dtype:
        tangent = cast(tangent, found.dtype, like.dtype)
    return tangent if found.shape == like.shape else np.broadcast_to(tangent, like.shape)


def zeros_like(value: Any) -> Any:
    """Plain zeros of a value's shape and dtype."""
    like = like_of(value)
    dtype = like.dtype if like.dtype.kind in "fc" else np.dtype(float)
    return np.zeros(like.shape, dtype)


def _unshared() -> int:
    """What getrefcount says, inside a callee, of an argument that only the callee holds.

    It differs between interpreters, so it is measured; where there is no such count, none is small enough.
    """

    def count(argument: Any) -> int:
        return sys.getrefcount(argument)

    return count(np.empty(1)) if hasattr(sys, "getrefcount") else -1


_UNSHARED = _unshared()
