"""Where an element of a view lies in what is viewed: index maps of reshapes, transposes, slices.

An index is one `Affine` number per axis: a constant and multiples of symbols, which are axes of a
loop nest (ints) or values found at run time (strings). The one difficulty is reshape, which is
affine only where it splits axes, or merges axes of length one: `back` gives None otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.program import Op

Shape = tuple[int, ...]
Symbol = int | str


class Affine(NamedTuple):
    """``constant + sum(coefficient * symbol)``; no coefficient is zero, symbols are in order."""

    constant: int
    terms: tuple[tuple[Symbol, int], ...] = ()

    def __add__(self, other: Any) -> Affine:
        if isinstance(other, int):
            return Affine(self.constant + other, self.terms)
        if not other.terms:
            return Affine(self.constant + other.constant, self.terms)
        if not self.terms:
            return Affine(self.constant + other.constant, other.terms)
        total = dict(self.terms)
        for symbol, coefficient in other.terms:
            total[symbol] = total.get(symbol, 0) + coefficient
        kept = sorted([t for t in total.items() if t[1]], key=_order)
        return Affine(self.constant + other.constant, tuple(kept))

    def times(self, factor: int) -> Affine:
        """A multiple."""
        if factor == 0:
            return ZERO
        return Affine(self.constant * factor, tuple([(s, c * factor) for s, c in self.terms]))

    def bounds(self, extents: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
        """Least and greatest value while each axis k is in ``range(*extents[k])``."""
        low = high = self.constant
        for symbol, coefficient in self.terms:
            if isinstance(symbol, str):
                return None
            first, last = extents[symbol][0], extents[symbol][1] - 1
            low += coefficient * (first if coefficient > 0 else last)
            high += coefficient * (last if coefficient > 0 else first)
        return low, high


def _order(term: tuple[Symbol, int]) -> tuple[bool, Any]:
    return isinstance(term[0], str), term[0]


ZERO = Affine(0)
Index = tuple[Affine, ...]


def axes(count: int) -> Index:
    """The index of a loop nest itself."""
    return tuple([Affine(0, ((k, 1),)) for k in range(count)])


def aligned(index: Index, shape: Shape) -> Index:
    """The index into an operand of `shape` that is broadcast to where `index` points."""
    if not shape:
        return ()
    extra = len(index) - len(shape)
    return tuple([ZERO if n == 1 else index[extra + k] for k, n in enumerate(shape)])


def strides_of(shape: Shape) -> Shape:
    """Elements from one place to the next, along each axis, in C order."""
    out = [1] * len(shape)
    for k in range(len(shape) - 2, -1, -1):
        out[k] = out[k + 1] * shape[k + 1]
    return tuple(out)


def flat(index: Index, strides: Shape) -> Affine:
    """The place of an index among elements that lie `strides` apart."""
    total = ZERO
    for place, stride in zip(index, strides, strict=True):
        total = total + place.times(stride)
    return total


# -------------------------------------------------------------------------------------------- views

Back = Callable[[Index], Index | None]


def back(op: Op, shape: Shape) -> Back | None:
    """The index map of an operation that only views its operand (of `shape`), or None."""
    name, parameters = op.primitive.name, op.parameters
    if name == "read":
        return path_back(parameters["path"], shape)
    step = VIEWS.get(name)
    return None if step is None else step(parameters, shape, op.spec.shape)


def path_back(path: Any, shape: Shape) -> Back | None:
    """The index map of a path of steps from an array of `shape` on."""
    maps: list[Back] = []
    for kind, argument in path:
        found = _step_back(kind, argument, shape)
        if found is None:
            return None
        maps.append(found[0])
        shape = found[1]

    def through(index: Index) -> Index | None:
        place: Index | None = index
        for step in reversed(maps):
            if place is None:
                return None
            place = step(place)
        return place

    return through


def _step_back(kind: str, argument: Any, shape: Shape) -> tuple[Back, Shape] | None:
    """Index map of one step of a path, and the shape after it."""
    if kind == "getitem":
        return _getitem(argument, shape)
    if kind == "reshape":
        out = np.reshape(_dummy(shape), argument).shape
        return (lambda index: reshaped(index, out, shape)), out
    if kind in ("transpose", "moveaxis"):
        order = tuple(range(len(shape)))
        numbered = _dummy(tuple(10 + k for k in order))
        moved = (
            np.transpose(numbered, argument)
            if kind == "transpose"
            else np.moveaxis(numbered, *argument)
        )
        source = [n - 10 for n in moved.shape]
        return (lambda index: _permuted(index, source)), tuple([shape[k] for k in source])
    if kind == "broadcast":
        out = np.broadcast_to(_dummy(shape), argument).shape
        return (lambda index: aligned(index, shape)), out
    if kind == "diagonal":
        return _diagonal(argument, shape)
    return None


def step_shape(kind: str, argument: Any, shape: Shape) -> Shape:
    """The shape after one step of a path that is a view."""
    found = _step_back(kind, argument, shape)
    assert found is not None
    return found[1]


def _dummy(shape: Shape) -> np.ndarray:
    """An array of any shape that takes no memory."""
    return np.broadcast_to(np.empty(()), shape)


def _permuted(index: Index, source: Sequence[int]) -> Index:
    """Axis ``source[k]`` of the operand is axis k of the result."""
    out = [ZERO] * len(source)
    for place, axis in zip(index, source, strict=True):
        out[axis] = place
    return tuple(out)


def _diagonal(argument: Any, shape: Shape) -> tuple[Back, Shape]:
    offset, axis1, axis2 = argument
    axis1, axis2 = axis1 % len(shape), axis2 % len(shape)
    out = np.diagonal(_dummy(shape), offset, axis1, axis2).shape

    def through(index: Index) -> Index:
        rest, along = list(index[:-1]), index[-1]
        first, second = along + max(0, -offset), along + max(0, offset)
        for axis, place in sorted([(axis1, first), (axis2, second)]):
            rest.insert(axis, place)
        return tuple(rest)

    return through, out


def is_basic(key: Any) -> bool:
    """True if an index holds ints, slices, None and ... only: NumPy makes a view."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(p is None or p is Ellipsis or isinstance(p, slice) or _is_int(p) for p in parts)


def _is_int(part: Any) -> bool:
    return isinstance(part, int | np.integer) and not isinstance(part, bool | np.bool_)


def _getitem(key: Any, shape: Shape) -> tuple[Back, Shape] | None:
    if not is_basic(key):
        return None
    pieces, out = pieces_of(key, shape)

    def through(index: Index) -> Index:
        places = iter(index)
        source: list[Affine] = []
        for piece in pieces:
            if piece is None:
                next(places)
            elif piece.step == 0:
                source.append(Affine(piece.start))
            else:
                source.append(next(places).times(piece.step) + piece.start)
        return tuple(source)

    return through, out


class Piece(NamedTuple):
    """What an index takes of an axis: `length` places from `start`; `step` 0: one, no axis."""

    start: int
    step: int
    length: int


def pieces_of(key: Any, shape: Shape) -> tuple[list[Piece | None], Shape]:
    """A basic index as pieces (None: a new axis), and the shape of the result."""
    parts = list(key) if isinstance(key, tuple) else [key]
    used = len([p for p in parts if p is not None and p is not Ellipsis])
    fill = [slice(None)] * (len(shape) - used)
    dots = [k for k, p in enumerate(parts) if p is Ellipsis]
    parts = [*parts[: dots[0]], *fill, *parts[dots[0] + 1 :]] if dots else [*parts, *fill]
    pieces: list[Piece | None] = []
    out: list[int] = []
    sizes = iter(shape)
    for part in parts:
        if part is None:
            pieces.append(None)
            out.append(1)
        elif isinstance(part, slice):
            span = range(*part.indices(next(sizes)))
            pieces.append(Piece(span.start, span.step, len(span)))
            out.append(len(span))
        else:
            size = next(sizes)
            pieces.append(Piece(int(part) % size, 0, 1))
    return pieces, tuple(out)


def reshaped(index: Index, out: Shape, shape: Shape) -> Index | None:
    """The index into `shape` of the element at `index` of the same elements in shape `out`."""
    if 0 in out:
        return tuple([ZERO] * len(shape))
    places = [(place, n) for place, n in zip(index, out, strict=True) if n != 1]
    sizes = [n for n in shape if n != 1]
    found: list[Affine] = []
    k = 0
    while sizes:
        count = 1
        group = [sizes.pop(0)]
        merged = ZERO
        while count != prod(group):
            if count < prod(group):
                if k == len(places):
                    return None
                merged = merged.times(places[k][1]) + places[k][0]
                count *= places[k][1]
                k += 1
            else:
                group.append(sizes.pop(0))
        if len(group) == 1:
            found.append(merged)
        elif not merged.terms:
            found += [Affine(int(n)) for n in np.unravel_index(merged.constant, group)]
        else:
            return None
    rest = iter(found)
    return tuple([ZERO if n == 1 else next(rest) for n in shape])


# Operations that only view their operand; `read` along a path does, too.
VIEWS: dict[str, Callable[[dict[str, Any], Shape, Shape], Back]] = {
    "reshape": lambda p, shape, out: lambda index: reshaped(index, out, shape),
    "transpose": lambda p, shape, out: lambda index: _permuted(index, p["axes"]),
    "broadcast_to": lambda p, shape, out: lambda index: aligned(index, shape),
}
