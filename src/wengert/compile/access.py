"""What computing an element reads: places in memory, and conditions on the index.

`alternatives` says how an array put together from pieces (write, concatenate, stack) is read at an
index; `Scan` follows everything that an element needs down to memory. Planning learns from it what
overlaps, code generation in which ranges a loop needs no test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wengert.compile import views
from wengert.compile.fuse import Division, Home
from wengert.compile.lookup import Lookup
from wengert.compile.program import Op, Operand, Spec
from wengert.compile.views import Affine, Index
from wengert.tape.columns import Constant


class Condition(NamedTuple):
    """``low <= place < high``."""

    place: Affine
    low: int
    high: int

    def holds(self, extents: Sequence[tuple[int, int]]) -> bool | None:
        """Whether it holds everywhere in these ranges of the axes, or nowhere; None if partly."""
        if self.low >= self.high:  # a piece without elements
            return False
        bounds = self.place.bounds(extents)
        if bounds is None:
            return None
        least, greatest = bounds
        if self.low <= least and greatest < self.high:
            return True
        return False if greatest < self.low or least >= self.high else None


class Alternative(NamedTuple):
    """What an element is where the conditions hold (and those of no alternative before)."""

    conditions: tuple[Condition, ...]
    operand: Operand
    at: Index


def alternatives(op: Op, specs: Sequence[Spec], index: Index) -> list[Alternative]:
    """The pieces that an element at `index` may come from; the last has no condition.

    Where ``op.parameters["add"]``, the first is added to the last.
    """
    if op.primitive.name == "write":
        return _written(op, specs, index)
    axis = op.parameters["axis"]
    found: list[Alternative] = []
    if op.primitive.name == "stack":
        rest = (*index[:axis], *index[axis + 1 :])
        for k, operand in enumerate(op.operands):
            found.append(Alternative((Condition(index[axis], k, k + 1),), operand, rest))
    else:
        start = 0
        for operand, spec in zip(op.operands, specs, strict=True):
            stop = start + spec.shape[axis]
            moved = (*index[:axis], index[axis] + -start, *index[axis + 1 :])
            if stop > start:
                condition = Condition(index[axis], start, stop)
                found.append(Alternative((condition,), operand, moved))
            start = stop
    if not found:  # of empty arrays
        return [Alternative((), op.operands[0], index)]
    found[-1] = found[-1]._replace(conditions=())
    return found


def _written(op: Op, specs: Sequence[Spec], index: Index) -> list[Alternative]:
    base = Alternative((), op.operands[0], index)
    path = op.parameters["path"]
    if not path:
        return [Alternative((), op.operands[1], views.aligned(index, specs[1].shape)), base]
    pieces, out = views.pieces_of(path[0][1], specs[0].shape)
    conditions: list[Condition] = []
    inner: list[Affine] = []
    axis = 0
    for piece in pieces:
        if piece is None:
            inner.append(views.ZERO)
            continue
        place, size = index[axis], specs[0].shape[axis]
        axis += 1
        if piece.step == 0 or piece.length < size:
            conditions.append(Condition(place, piece.start, piece.start + piece.length))
        if piece.step:
            inner.append(place + -piece.start)
    source = views.aligned(tuple(inner), specs[1].shape[-len(out) :] if out else ())
    extra = len(specs[1].shape) - len(out)  # NumPy lets a value have more axes, of length one
    return [
        Alternative(tuple(conditions), op.operands[1], (views.ZERO,) * max(extra, 0) + source),
        base,
    ]


class Access(NamedTuple):
    """A read of memory: of which value, at which place counted in elements."""

    operand: Operand
    at: Index


class Scan:
    """Everything that roots of a step read, found once for each value and index."""

    def __init__(self, division: Division, home: Home, extents: Sequence[tuple[int, int]]):
        self.division, self.home, self.extents = division, home, extents
        self.accesses: list[Access] = []
        self.conditions: dict[Condition, None] = {}
        self._seen: set[tuple[int, Index]] = set()

    def root(self, value: int, index: Index) -> None:
        """Follow what a root of the step is computed from, at the index of the loop nest."""
        self._follow([(value, index)], is_root=True)

    def follow(self, operand: Operand, index: Index) -> None:
        """Follow what an element is computed from, or where it lies."""
        self._follow([(operand, index)])

    def _follow(self, todo: list[tuple[Operand, Index]], is_root: bool = False) -> None:
        division = self.division
        while todo:
            operand, index = todo.pop()
            if not isinstance(operand, int):
                self._constant(operand, index)
                continue
            if (operand, index) in self._seen:
                continue
            self._seen.add((operand, index))
            if not is_root and division.is_loaded(operand, self.home):
                self.accesses.append(Access(operand, index))
                continue
            is_root = False
            todo += [(a.operand, a.at) for a in self.reads(operand, index)]

    def _constant(self, constant: Constant, index: Index) -> None:
        """A constant is read, unless the index says what its element is."""
        found = self.division.diagonal(constant)
        if found is None:
            self.accesses.append(Access(constant, index))
            return
        conditions = [Condition(*part) for part in found.ranges(index)]
        known = [condition.holds(self.extents) for condition in conditions]
        if False in known:
            return
        for condition, is_known in zip(conditions, known, strict=True):
            if is_known is None:
                self.conditions[condition] = None

    def gathered(self, lookup: Lookup, source: Operand, index: Index) -> list[Alternative]:
        """What an element at a fancy index takes: the places, and an element at some place."""
        found: list[Alternative] = []
        places: list[Affine] = []
        for place in lookup.places(index):
            if isinstance(place, Affine):
                places.append(place)
            else:
                found.append(Alternative((), place.operand, place.at))
                places.append(Affine(0, (("?", 1),)))
        inside = lookup.back(tuple(places))
        assert inside is not None
        return [*found, Alternative((), source, inside)]

    def reads(self, value: int, index: Index) -> list[Alternative]:
        """What an element of a computed value is made from."""
        division = self.division
        op, role = division.op(value), division.role(value)
        assert role is not None
        if role.kind == "reduce":
            return [Alternative((), op.operands[0], index)]
        if role.kind == "view":
            assert role.back is not None
            place = role.back(index)
            assert place is not None
            return [Alternative((), op.operands[0], place)]
        if role.kind == "gather":
            assert role.lookup is not None
            return self.gathered(role.lookup, op.operands[0], index)
        specs = [division.spec(x) for x in op.operands]
        if role.kind == "pointwise":
            return [
                Alternative((), x, views.aligned(index, spec.shape))
                for x, spec in zip(op.operands, specs, strict=True)
            ]
        kept: list[Alternative] = []
        for choice in alternatives(op, specs, index):
            known = [c.holds(self.extents) for c in choice.conditions]
            if False in known:
                continue
            kept.append(choice)
            for condition, is_known in zip(choice.conditions, known, strict=True):
                if is_known is None:
                    self.conditions[condition] = None
            if all(known) and not op.parameters.get("add"):
                break
        return kept
