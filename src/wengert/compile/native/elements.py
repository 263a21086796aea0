"""Elements of values as numbers in registers: what a loop's body, or straight-line code, computes.

`Elements.at` gives the element of a value at an index, computing what is virtual and loading what
lies in memory, each once. Every instruction is written at the depth of the loop nest at which its
operands are known, so that nothing is computed in a loop that does not change there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.compile import views
from wengert.compile.access import Alternative, Condition, alternatives
from wengert.compile.diagonals import Diagonal
from wengert.compile.fuse import Division, Home
from wengert.compile.lookup import Found, Lookup
from wengert.compile.native import bounds, elementwise
from wengert.compile.native.types import (
    INT64,
    Code,
    Names,
    Scalar,
    converted,
    literal,
    load,
    memory_type,
)
from wengert.compile.program import Op, Operand, spec_of
from wengert.compile.rows import Rows
from wengert.compile.rows import key as key_of
from wengert.compile.views import Affine, Index, Symbol
from wengert.tape.columns import Constant

Pointer = Callable[[Operand], str]  # the SSA name of where a value lies, at depth 0


class Elements:
    """Writes the computation of elements into `sections`, one for each depth of a loop nest.

    Parameters
    ----------
    extents : sequence of pair
        The range of each axis of the nest.
    axes : sequence of pair
        For each axis: the SSA name it is counted by and the depth at which that is known. An axis
        that is merged into a later one has no name: places in memory count in the later one.
    false : set of Condition
        What is known to hold nowhere in the nest.
    rows : Rows, optional
        The nest is for the block of rows that begins at ``%begin``, and these say what of it lies
        in memory of its own.
    """

    def __init__(
        self,
        division: Division,
        home: Home,
        names: Names,
        pointer: Pointer,
        extents: Sequence[tuple[int, int]] = (),
        axes: Sequence[tuple[str, int]] = (),
        depth: int = 0,
        flags: str = "",
        false: frozenset[Condition] = frozenset(),
        rows: Rows | None = None,
    ):
        self.division, self.home, self.pointer, self.false = division, home, pointer, false
        self.rows = rows
        self.extents, self.axes = extents, axes
        self.sections = [Code(names) for _ in range(depth + 1)]
        for section in self.sections:
            section.flags = flags
        self._known: dict[tuple[int, Index], Scalar] = {}
        self._depths: dict[str, int] = {}  # of names that stand in an Affine
        self._given: dict[tuple[int, Index], list[Alternative]] = {}
        self._looked: dict[tuple[int, Index], str] = {}
        self._places: dict[tuple[int, Affine], tuple[str, int]] = {}

    # ----------------------------------------------------------------------------------- elements

    def at(self, operand: Operand, index: Index, *, is_root: bool = False) -> Scalar:
        """The element of a value at an index."""
        if is_root and not index and isinstance(operand, int) and self.division.is_plain(operand):
            return self._number(operand)
        found = self._found(operand, index, is_root)
        todo = [] if found is not None else [(operand, index)]
        while todo:
            value, place = todo[-1]
            assert isinstance(value, int)
            if (value, place) in self._known:
                todo.pop()
                continue
            missing = []
            given = self._given.get((value, place))
            if given is None:  # once: it may write instructions
                given = self._given[value, place] = self._reads(value, place)
            for choice in given:
                if self._found(choice.operand, choice.at) is None:
                    missing.append((choice.operand, choice.at))
            if missing:
                todo += missing
                continue
            self._known[value, place] = self._compute(value, place, given)
            todo.pop()
        result = found or self._found(operand, index)
        if result is None:
            assert isinstance(operand, int)
            result = self._known[operand, index]
        return result

    def _number(self, value: int) -> Scalar:
        """A step of straight-line code: its operands are known."""
        op = self.division.op(value)
        parts = [self._found(x, ()) for x in op.operands]
        operands = [x for x in parts if x is not None]
        if len(operands) < len(parts):
            return self.at(value, (), is_root=False)
        specs = [self.division.spec(x) for x in op.operands]
        out = self._known[value, ()] = elementwise.emit(op, specs, self.sections[0], operands)
        return out

    def _found(self, operand: Operand, index: Index, is_root: bool = False) -> Scalar | None:
        """An element that needs no computing, or was computed before."""
        if isinstance(operand, Constant):
            if self.is_uniform(operand):
                return literal(spec_of(operand.value).dtype, np.asarray(operand.value).flat[0])
            diagonal = self.division.diagonal(operand)
            if diagonal is not None:
                return self._on(diagonal, spec_of(operand.value).dtype, index)
            return self._load(operand, index)
        known = self._known.get((operand, index))
        if known is not None or is_root or not self.division.is_loaded(operand, self.home):
            return known
        known = self._known[operand, index] = self._load(operand, index)
        return known

    @staticmethod
    def is_uniform(operand: Operand) -> bool:
        """True for a constant all of whose elements are the same to the bit: it is not read."""
        return isinstance(operand, Constant) and _is_uniform(operand)

    def _on(self, diagonal: Diagonal, dtype: np.dtype[Any], index: Index) -> Scalar:
        """An element of a diagonal: conditions on its index."""
        conditions = [Condition(*part) for part in diagonal.ranges(index)]
        number, zero = literal(dtype, diagonal.number), literal(dtype, 0)
        known = [self._holds(condition) for condition in conditions]
        if False in known:
            return zero
        if all(known):
            return number
        open_ = [c for c, is_known in zip(conditions, known, strict=True) if is_known is None]
        test, depth = self._all_hold(open_)
        return elementwise.select(self.sections[depth], test, number, zero, depth)

    def _load(self, operand: Operand, index: Index) -> Scalar:
        spec = self.division.spec(operand)
        pointer, depth = self.address(operand, index)
        return load(self.sections[depth], pointer, spec.dtype, depth)

    def _reads(self, value: int, index: Index) -> list[Alternative]:
        op, role = self.division.op(value), self.division.role(value)
        assert role is not None
        if role.kind == "view":
            assert role.back is not None
            place = role.back(index)
            assert place is not None
            return [Alternative((), op.operands[0], place)]
        if role.kind == "gather":
            assert role.lookup is not None
            return [Alternative((), op.operands[0], self.located(role.lookup, index))]
        if role.kind == "pointwise":
            shapes = [self.division.spec(x).shape for x in op.operands]
            return [
                Alternative((), x, views.aligned(index, shape))
                for x, shape in zip(op.operands, shapes, strict=True)
            ]
        return self._pieces(op, index)

    def _pieces(self, op: Op, index: Index) -> list[Alternative]:
        """The pieces an element may come from; places are brought into range where it is open."""
        specs = [self.division.spec(x) for x in op.operands]
        kept: list[Alternative] = []
        for choice in alternatives(op, specs, index):
            known = [self._holds(c) for c in choice.conditions]
            if False in known:
                continue
            open_ = tuple(
                [
                    c
                    for c, is_known in zip(choice.conditions, known, strict=True)
                    if is_known is None
                ]
            )
            choice = choice._replace(conditions=open_)
            if open_ or kept:  # it is read where another piece is chosen, too
                safe = self._in_range(choice, self.division.spec(choice.operand).shape)
                choice = choice._replace(at=safe)
            kept.append(choice)
            if not open_ and not op.parameters.get("add"):
                break
        return kept

    def _in_range(self, choice: Alternative, shape: tuple[int, ...]) -> Index:
        """The index of a piece, where every place that could lie outside is moved inside."""
        places: list[Affine] = []
        for place, size in zip(choice.at, shape, strict=True):
            bounds = place.bounds(self.extents)
            if bounds is not None and bounds[0] >= 0 and bounds[1] < size:
                places.append(place)
                continue
            name, depth = self.number(place)
            code = self.sections[depth]
            name = code.call("smax", "i64", name, "0")
            name = code.call("smin", "i64", name, str(size - 1))
            self._depths[name] = depth
            places.append(Affine(0, ((name, 1),)))
        return tuple(places)

    def _compute(self, value: int, index: Index, given: list[Alternative]) -> Scalar:
        op, role = self.division.op(value), self.division.role(value)
        assert role is not None
        parts = [self._found(c.operand, c.at) for c in given]
        operands = [x for x in parts if x is not None]
        if role.kind in ("view", "gather"):
            return operands[0]
        if role.kind == "pointwise":
            specs = [self.division.spec(x) for x in op.operands]
            depth = max([x.depth for x in operands])
            return elementwise.emit(op, specs, self.sections[depth], operands)
        return self._chosen(op, given, operands)

    def _chosen(self, op: Op, given: list[Alternative], operands: list[Scalar]) -> Scalar:
        """One of several pieces, or the sum of what is written and what was there."""
        dtype = op.spec.dtype
        operands = [self.converted(x, dtype) for x in operands]
        result = operands[-1]
        if op.parameters.get("add") and len(operands) == 1 and given[0].operand == op.operands[0]:
            return result
        for choice, x in reversed(list(zip(given[:-1], operands[:-1], strict=True))):
            test, depth = self._all_hold(choice.conditions)
            depth = max(depth, x.depth, result.depth)
            code = self.sections[depth]
            if op.parameters.get("add"):
                x = elementwise.add(code, result, x._replace(depth=depth))
            if test:
                result = elementwise.select(code, test, x, result, depth)
            else:
                result = x._replace(depth=depth)
        return result

    def converted(self, x: Scalar, dtype: np.dtype[Any]) -> Scalar:
        """A number in another dtype."""
        return converted(self.sections[x.depth], x, dtype)

    def _holds(self, condition: Condition) -> bool | None:
        return False if condition in self.false else condition.holds(self.extents)

    def _all_hold(self, conditions: Sequence[Condition]) -> tuple[str, int]:
        test, depth = "", 0
        for condition in conditions:
            name, at = self.number(condition.place + -condition.low)
            code = self.sections[at]
            # Unsigned, so that one comparison does for both ends.
            holds = code.op(f"icmp ult i64 {name}, {condition.high - condition.low}")
            depth = max(depth, at)
            test = self.sections[depth].op(f"and i1 {test}, {holds}") if test else holds
        return test, depth

    # -------------------------------------------------------------------------------------- places

    def located(self, lookup: Lookup, index: Index) -> Index:
        """Where in an array an element at a fancy index lies."""
        places = lookup.places(index)
        found = [p if isinstance(p, Affine) else self._looked_up(p) for p in places]
        inside = lookup.back(tuple(found))
        assert inside is not None
        return inside

    def _looked_up(self, place: Found) -> Affine:
        key = (key_of(place.operand), place.at)
        name = self._looked.get(key)
        if name is None:
            x = self.at(place.operand, place.at)
            code = self.sections[x.depth]
            (name,) = converted(code, x, INT64).parts
            if not isinstance(place.operand, Constant) and x.dtype.kind == "i":
                wrapped = code.op(f"add nsw i64 {name}, {place.size}")
                below = code.op(f"icmp slt i64 {name}, 0")
                name = code.op(f"select i1 {below}, i64 {wrapped}, i64 {name}")
            if not name.startswith("%"):
                return Affine(int(name))
            self._depths[name] = x.depth
            self._looked[key] = name
        return Affine(0, ((name, 1),))

    def number(self, place: Affine) -> tuple[str, int]:
        """The value of an affine number, and the depth at which it is known."""
        total, depth = "", 0
        for symbol, coefficient in sorted(place.terms, key=lambda t: self.depth(t[0])):
            name, at = (
                (symbol, self.depth(symbol)) if isinstance(symbol, str) else self.axes[symbol]
            )
            depth = max(depth, at)
            code = self.sections[at]
            term = name if coefficient == 1 else code.op(f"mul nsw i64 {name}, {coefficient}")
            total = self.sections[depth].op(f"add nsw i64 {total}, {term}") if total else term
        if not total:
            return str(place.constant), 0
        if place.constant:
            total = self.sections[depth].op(f"add nsw i64 {total}, {place.constant}")
        return total, depth

    def depth(self, symbol: Symbol) -> int:
        """The depth at which a symbol is known."""
        return self._depths[symbol] if isinstance(symbol, str) else self.axes[symbol][1]

    def address(self, operand: Operand, index: Index) -> tuple[str, int]:
        """A pointer to the element of a value at an index, and the depth at which it is known."""
        spec = self.division.spec(operand)
        rows = self.rows if self.rows is not None and self.rows.holds(operand) else None
        strides = views.strides_of(spec.shape) if rows is None else rows.strides(spec.shape)
        place = self.merged(views.flat(index, strides))
        key = (key_of(operand), place)
        found = self._places.get(key)
        if found is not None:
            return found
        kind, pointer = memory_type(spec.dtype), self.pointer(operand)
        if rows is None:
            found = self.offset(pointer, place, kind, spec.dtype.kind == "c", spec.size)
        else:
            size = rows.block * prod(spec.shape[1:])
            found = self.offset(pointer, place, kind, size=size, start="%begin")
        self._places[key] = found
        return found

    def offset(
        self,
        pointer: str,
        place: Affine,
        kind: str,
        is_pair: bool = False,
        size: int = 0,
        start: str = "",
    ) -> tuple[str, int]:
        """A pointer to the element at a flat place of an array (of `size`: 0 is not checked).

        `start`: the place at which the pointer points, if not 0.
        """
        if not place.terms and not place.constant:
            return pointer, 0
        name, depth = self.number(place.times(2) if is_pair else place)
        if start:  # added, for that tells `lanes.py` that neighbours lie side by side
            back = self.sections[0].op(f"sub nsw i64 0, {start}")
            name = self.sections[depth].op(f"add nsw i64 {name}, {back}")
        if size and bounds.is_on():
            name = bounds.checked(self.sections[depth], name, size * (1 + is_pair))
        text = f"getelementptr inbounds {kind}, ptr {pointer}, i64 {name}"
        return self.sections[depth].op(text), depth

    def merged(self, place: Affine) -> Affine:
        """A flat place in terms of the nest's own loops: merged axes count as one."""
        terms = [t for t in place.terms if isinstance(t[0], str) or self.axes[t[0]][0]]
        return Affine(place.constant, tuple(terms))


def _is_uniform(constant: Constant) -> bool:
    array = np.asarray(constant.value)
    if array.size < 2 or not any(array.strides):
        return array.size > 0
    flat = array.reshape(-1)
    if flat[0] != flat[-1]:  # most arrays
        return False
    first = np.broadcast_to(flat[:1], flat.shape)
    return bool(np.all(flat == first) and np.all(np.signbit(flat.real) == np.signbit(first.real)))
