"""Fancy indices: which element of an array each element of ``a[index]`` is.

An index that holds integer arrays (or masks, which are constants here) is a list of parts, one per
axis of the array: an affine place, or an array in which the place stands. `read`, `write`, `gather`
and `scatter` are brought to this form. The one difficulty is where NumPy puts the arrays' axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.compile import views
from wengert.compile.program import Op, Operand, Spec, spec_of
from wengert.compile.views import Affine, Back, Index, Shape
from wengert.primitives.taking import HOLE
from wengert.tape.columns import Constant


class Found(NamedTuple):
    """The place along an axis stands in an array: at this index of this operand."""

    operand: Operand
    at: Index
    size: int  # of the axis: a negative place counts from its end


class Lookup:
    """A fancy index into an array.

    Attributes
    ----------
    shape : tuple of int
        Of what the index selects.
    arrays : list
        The operands that hold places, but for those that are evenly spaced.
    """

    def __init__(self, key: tuple[Any, ...], shapes: Sequence[Shape], source: Shape, way: Back):
        self._way, self.source = way, source
        fancy = [k for k, part in enumerate(key) if not _is_slice(part)]
        self._whole = np.broadcast_shapes(*shapes) if shapes else ()
        self._shapes = list(shapes)
        is_split = fancy != list(range(fancy[0], fancy[-1] + 1))
        self._start = 0 if is_split else fancy[0]
        kept: list[int] = []
        sizes = iter(source)
        self.arrays: list[Operand] = []
        self._parts: list[Any] = []
        for part in key:
            self._parts.append(part)
            if part is None:
                kept.append(1)
                continue
            size = next(sizes)
            if isinstance(part, slice):
                kept.append(len(range(*part.indices(size))))
            elif isinstance(part, Held):
                self._parts[-1] = _simplified(part, size)
                if self._parts[-1] is part or isinstance(self._parts[-1], Held):
                    self.arrays.append(self._parts[-1].operand)
        self.shape = (*kept[: self._start], *self._whole, *kept[self._start :])

    def places(self, index: Index) -> list[Affine | Found]:
        """Where the element at `index` of what is selected lies, along each axis."""
        width = len(self._whole)
        inner = index[self._start : self._start + width]
        outer = iter((*index[: self._start], *index[self._start + width :]))
        shapes, sizes = iter(self._shapes), iter(self.source)
        found: list[Affine | Found] = []
        for part in self._parts:
            if part is None:
                next(outer)
                continue
            size = next(sizes)
            if isinstance(part, slice):
                span = range(*part.indices(size))
                found.append(next(outer).times(span.step) + span.start)
            elif isinstance(part, Held):
                found.append(Found(part.operand, views.aligned(inner, next(shapes)), size))
            elif isinstance(part, Regular):
                (place,) = views.aligned(inner, next(shapes))
                found.append(place.times(part.step) + part.start)
            else:
                found.append(Affine(int(part) % size))
        return found

    def back(self, places: Index) -> Index | None:
        """From places along the axes of the array viewed to those of the array itself."""
        return self._way(places)


class Regular(NamedTuple):
    """An array of places that are evenly spaced along its last axis."""

    start: int
    step: int


class Held(NamedTuple):
    """A part of an index that an operand holds."""

    operand: Operand


def _simplified(part: Held, size: int) -> Held | Regular:
    """A constant array with every place counted from the start; evenly spaced ones by a formula."""
    if not isinstance(part.operand, Constant):
        return part
    array = part.operand.value
    array = np.where(array < 0, array + size, array)
    if array.ndim == 1 and len(array) > 1:
        steps = np.diff(array)
        if np.all(steps == steps[0]):
            return Regular(int(array[0]), int(steps[0]))
    return Held(Constant(array))


def _is_slice(part: Any) -> bool:
    return part is None or isinstance(part, slice)


def lookup(op: Op, specs: Sequence[Spec]) -> Lookup | None:
    """The fancy index of an operation; None if it has none, or one of another form."""
    name, shape = op.primitive.name, specs[0].shape
    if name in ("gather", "scatter"):
        first = 1 if name == "gather" else 2
        return _of_template(op.parameters["template"], op.operands[first:], specs[first:], shape)
    if name not in ("read", "write") or not op.parameters["path"]:
        return None
    *way, (kind, key) = op.parameters["path"]
    if kind != "getitem" or views.is_basic(key):
        return None
    back = views.path_back(way, shape)
    if back is None:
        return None
    viewed = _shape_after(way, shape)
    if back(views.axes(len(viewed))) is None:
        return None
    return _of_parts(list(_integers(key)), viewed, back)


def _shape_after(way: Any, shape: Shape) -> Shape:
    for kind, argument in way:
        shape = views.step_shape(kind, argument, shape)
    return shape


def _integers(key: Any) -> Iterator[Any]:
    """The parts of an index, masks as places, arrays as constants."""
    for part in key if isinstance(key, tuple) else (key,):
        if part is None or part is Ellipsis or isinstance(part, slice):
            yield part
            continue
        array = np.asarray(part)
        if array.dtype == bool:
            yield from [Held(Constant(x)) for x in array.nonzero()]
        elif array.ndim:
            yield Held(Constant(array.astype(np.int64)))
        else:
            yield int(array)


def _of_template(
    template: Any, operands: Sequence[Operand], specs: Sequence[Spec], shape: Shape
) -> Lookup | None:
    given = iter(zip(operands, specs, strict=True))
    parts: list[Any] = []
    for part in template:
        if part is HOLE:
            operand, spec = next(given)
            if spec.dtype.kind not in "iu":
                return None
            parts.append(Held(operand))
        else:
            parts += _integers((part,))
    return _of_parts(parts, shape, lambda index: index, dict(_shapes(operands, specs)))


def _shapes(operands: Sequence[Operand], specs: Sequence[Spec]) -> Iterator[tuple[int, Shape]]:
    for operand, spec in zip(operands, specs, strict=True):
        if isinstance(operand, int):
            yield operand, spec.shape


def _of_parts(
    parts: list[Any], shape: Shape, way: Back, known: dict[int, Shape] | None = None
) -> Lookup | None:
    parts = full_key(parts, len(shape))
    held = [p.operand for p in parts if isinstance(p, Held)]
    shapes = [(known or {})[x] if isinstance(x, int) else spec_of(x.value).shape for x in held]
    if not held:
        return None
    return Lookup(tuple(parts), shapes, shape, way)


def full_key(parts: Sequence[Any], ndim: int) -> list[Any]:
    """The parts of an index with slices in place of ``...`` and of what is left out."""
    used = len([p for p in parts if p is not None and p is not Ellipsis])
    fill = [slice(None)] * (ndim - used)
    dots = [k for k, p in enumerate(parts) if p is Ellipsis]
    if dots:
        return [*parts[: dots[0]], *fill, *parts[dots[0] + 1 :]]
    return [*parts, *fill]
