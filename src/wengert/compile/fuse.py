"""Divides a program into steps: straight-line scalars, fused loop nests, calls.

Values are *virtual* unless they are needed in memory: a virtual value is computed, element by
element, inside whatever step reads it. Steps are ordered by level: what comes out of a reduction or
a call at level n is there at level n + 1, and everything of one level and shape is one loop nest.
Within a level, scalars come first, then loops, then calls. The one difficulty is what to store and
what to compute again: `_Division` counts what an element costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from wengert.compile import composites, views
from wengert.compile.composites import CHECKED
from wengert.compile.diagonals import Diagonal, diagonal
from wengert.compile.lookup import Lookup, lookup
from wengert.compile.native import elementary, elementwise, library, reduce
from wengert.compile.native.types import is_native
from wengert.compile.program import Op, Operand, Program, Spec
from wengert.primitives.family import Primitive
from wengert.primitives.joining import part as PART
from wengert.tape.columns import Constant

_CHEAP = 24  # what an element may cost to be computed again rather than stored and loaded
_ROW_CHEAP = 3  # the same, for what is broadcast: it is computed once for each element around it
_ONE_BY_ONE = 10  # the same, for what is written element by element: by no vectors, nor threads
_SOME = 64  # elements for which that is worth a nest
_ALWAYS = 10**6
_STRETCH = 1000  # numbers in one function: LLVM's time grows faster than its length


class Home(NamedTuple):
    """Where a value is computed: steps run in the order of level, then rank.

    Attributes
    ----------
    level : int
        How many reductions and calls lie before it.
    rank : int
        0: straight-line scalars; 1: a loop nest; 2: a call.
    shape : tuple of int
        The loop nest's.
    value : int
        What tells homes apart: a call's result, the stretch of straight-line code; -1 for others.
    """

    level: int
    rank: int
    shape: tuple[int, ...] = ()
    value: int = -1


SCALARS, LOOP, CALL = 0, 1, 2


@dataclass
class Step:
    """What is computed at one home: values in program order; each a root that is kept in memory."""

    home: Home
    roots: list[int] = field(default_factory=list)


class Role(NamedTuple):
    """How an operation is computed."""

    # "pointwise", "view", "pieces", "gather", "reduce", "alias", "update", "part" or "call"
    kind: str
    back: views.Back | None = None
    lookup: Lookup | None = None


def role_of(op: Op, specs: Sequence[Spec]) -> Role:
    """How an operation on values of these specs is computed."""
    if op.primitive is PART:
        return Role("part")
    if op.spec.kind == "tuple" or not all(is_native(s.dtype) for s in (*specs, op.spec)):
        return Role("call")
    if any(s.kind == "tuple" for s in specs):
        return Role("call")
    if op.primitive is CHECKED:
        return Role("alias")
    if len(specs) == 1:
        back = views.back(op, specs[0].shape)
        if back is not None and back(views.axes(len(op.spec.shape))) is not None:
            return Role("view", back)
        if op.primitive.name == "reshape" and isinstance(op.operands[0], int):
            return Role("alias")
    if op.primitive.name in _INDEXED:
        found = lookup(op, specs)
        if found is not None:
            is_read = op.primitive.name in ("read", "gather")
            return Role("gather" if is_read else "update", lookup=found)
    if op.primitive.name in _PIECES and _PIECES[op.primitive.name](op, specs):
        return Role("pieces")
    if reduce.can_lower(op, specs):
        return Role("reduce")
    if op.primitive.name == "write" and _view_written(op, specs) is not None:
        return Role("update", _view_written(op, specs))
    if elementwise.can_lower(op, specs) and _broadcasts(op, specs):
        return Role("pointwise")
    return Role("call")


def lowering_of(primitive: Primitive) -> str:
    """How a primitive is computed, for most dtypes: "native", "BLAS", "LAPACK" or "callback"."""
    name = primitive.lower or primitive.name
    if primitive is PART:
        return "native"
    if primitive.name in library.LIBRARY:
        return "BLAS" if primitive.name == "matmul" else "LAPACK"
    tables = (
        elementwise.ELEMENTWISE,
        elementwise.OTHERS,
        elementary.NAMES,
        reduce.REDUCTIONS,
        views.VIEWS,
        composites.EXPANSIONS,
        _PIECES,
        _INDEXED,
    )
    has_code = any(name in table or primitive.name in table for table in tables)
    return "native" if has_code else "callback"


def _broadcasts(op: Op, specs: Sequence[Spec]) -> bool:
    return np.broadcast_shapes(*[s.shape for s in specs]) == op.spec.shape


def _is_plain_write(op: Op, specs: Sequence[Spec]) -> bool:
    """A write of a box: one basic index, steps of one."""
    path = op.parameters["path"]
    if len(path) > 1 or specs[0].dtype != op.spec.dtype:
        return False
    if not path:
        return True
    kind, key = path[0]
    if kind != "getitem" or not views.is_basic(key):
        return False
    pieces, _ = views.pieces_of(key, specs[0].shape)
    return all(p is None or p.step in (0, 1) for p in pieces)


def _view_written(op: Op, specs: Sequence[Spec]) -> views.Back | None:
    """The index map of the view that is written; None if it is none, or lies in the copy of one."""
    back = views.path_back(op.parameters["path"], specs[0].shape)
    if back is None:
        return None
    shape = view_shape(op, specs)
    return back if back(views.axes(len(shape))) is not None else None


def view_shape(op: Op, specs: Sequence[Spec]) -> views.Shape:
    """The shape of what a write goes through."""
    shape = specs[0].shape
    for kind, argument in op.parameters["path"]:
        shape = views.step_shape(kind, argument, shape)
    return shape


_INDEXED = frozenset({"read", "write", "gather", "scatter"})
_PIECES: dict[str, Callable[[Op, Sequence[Spec]], bool]] = {
    "write": _is_plain_write,
    "join": lambda op, specs: True,
    "stack": lambda op, specs: True,
}


class Division:
    """The steps of a program, and for every value where it is computed.

    Attributes
    ----------
    roles : list of Role
        One per operation.
    homes : list of Home
        One per value.
    kept : set of int
        Values that lie in memory: inputs, and roots of the steps.
    parts : dict
        The values that are taken out of each tuple.
    aliases : dict
        For each value that shares the memory of another: that one, and the element it begins at.
    steps : list of Step
        In the order in which they run.
    """

    def __init__(self, program: Program):
        self.program = program
        count = len(program.inputs)
        self.count = count
        self.specs: list[Spec] = [*program.inputs, *[op.spec for op in program.ops]]
        self.roles = [role_of(op, [self.spec(x) for x in op.operands]) for op in program.ops]
        self.kept: set[int] = set(range(count))
        self._lengths: dict[int, int] = {}  # of the straight-line code of each level
        self._available = [0] * len(self.specs)
        self._costs = [1] * len(self.specs)
        self.homes: list[Home] = [Home(-1, CALL)] * len(self.specs)
        self.parts: dict[int, list[int]] = {}
        self.aliases: dict[int, tuple[int, int]] = {}
        self._diagonals: dict[int, tuple[Any, Diagonal | None]] = {}
        self._find_homes()
        self._choose()
        self.steps = self._collect()

    def spec(self, operand: Operand) -> Spec:
        """As `Program.spec`, without a search."""
        return self.specs[operand] if isinstance(operand, int) else self.program.spec(operand)

    def role(self, value: int) -> Role | None:
        """How a value is computed; None for an input."""
        return self.roles[value - self.count] if value >= self.count else None

    def op(self, value: int) -> Op:
        """The operation that gives a value."""
        return self.program.ops[value - self.count]

    def is_plain(self, value: int) -> bool:
        """True for an operation on numbers, as nearly all of a long scalar tape are."""
        if self.roles[value - self.count].kind != "pointwise":
            return False
        return all(self.specs[x].shape == () for x in self.sources(value))

    def is_update(self, value: int) -> bool:
        """True for an array of which some elements are written."""
        role = self.role(value)
        return role is not None and role.kind == "update"

    def view_shape(self, value: int) -> tuple[int, ...]:
        """The shape of what an update writes."""
        op, role = self.op(value), self.role(value)
        assert role is not None
        if role.lookup is not None:
            return role.lookup.shape
        return view_shape(op, [self.spec(x) for x in op.operands])

    def target(self, value: int) -> views.Index | None:
        """Where an update writes, by the index of what is written; None if arrays say where."""
        role = self.role(value)
        assert role is not None
        if role.back is None:
            return None
        return role.back(views.axes(len(self.view_shape(value))))

    def sources(self, value: int) -> Iterator[int]:
        """The values that an operation reads."""
        if value >= self.count:
            for operand in self.op(value).operands:
                if isinstance(operand, int):
                    yield operand

    def diagonal(self, constant: Constant) -> Diagonal | None:
        """The diagonal that a constant of the program is, if it is one; looked at once."""
        key = id(constant.value)
        if key not in self._diagonals:
            self._diagonals[key] = (constant.value, diagonal(constant))
        return self._diagonals[key][1]

    def cost(self, value: int) -> int:
        """About how many instructions an element of a value takes, from what lies in memory."""
        return self._costs[value]

    # ------------------------------------------------------------------------------ where and when

    def _find_homes(self) -> None:
        guarded = sorted({guard.value for guard in self.program.guards}, reverse=True)
        self._checked = 0  # the level at which the guards decided so far are known to hold
        for k in range(len(self.program.ops)):
            while guarded and guarded[-1] < self.count + k:
                self._checked = max(self._checked, self._available[guarded.pop()])
            value = self.count + k
            role = self.roles[k]
            if role.kind in ("call", "part"):
                self._place_call(value, role)
            elif role.kind == "alias":
                self._place_alias(value)
            elif role.kind == "update":
                self._place_update(value)
            else:
                self._place_loop(value, role)

    def _place_call(self, value: int, role: Role) -> None:
        # A call may raise, so it waits for the decisions that led to it.
        level = max([self._checked, *[self._available[x] for x in self.sources(value)]])
        if role.kind == "part":
            self.homes[value] = self.homes[self._first_source(value)]
            self._available[value] = level
            self.kept.add(value)
            return
        op = self.op(value)
        is_strided = library.has_library(op, [self.spec(x) for x in op.operands])
        for x in self.sources(value):
            self._need(x, is_strided)
        self.homes[value] = Home(level, CALL, (), value)
        self._available[value] = level + 1
        self.kept.add(value)

    def _place_alias(self, value: int) -> None:
        """The memory of another value: as another shape, or once its numbers have been checked."""
        source = self._first_source(value)
        self._need(source, is_strided=False)
        base, offset = self._start(source)
        self.aliases[value] = (base, offset)
        self.kept.add(value)
        is_step = self.op(value).primitive is CHECKED
        level = self._available[source]
        if not is_step:
            level += base >= self.count and self.homes[base].rank == LOOP
        else:
            level = max(level, self._checked)
        self.homes[value] = Home(level, CALL, (), value)
        self._available[value] = level + is_step

    def _start(self, value: int) -> tuple[int, int]:
        """The value in memory that a contiguous view is part of, and where in it it begins."""
        index: views.Index | None = views.axes(len(self.specs[value].shape))
        while value not in self.kept:
            role = self.role(value)
            assert role is not None
            assert role.back is not None
            assert index is not None
            index = role.back(index)
            value = self._first_source(value)
        assert index is not None
        offset = views.flat(index, views.strides_of(self.specs[value].shape)).constant
        if value in self.aliases:
            return self.aliases[value][0], self.aliases[value][1] + offset
        return value, offset

    def _place_update(self, value: int) -> None:
        """A copy of an array, or the array itself, with some of its elements written."""
        written = self.op(value).operands[1]
        if isinstance(written, int) and self._is_worth_a_nest(written):
            self.kept.add(written)  # places are written one by one
        level = max([self._checked, *[self._available[x] for x in self.sources(value)]])
        self.homes[value] = Home(level, CALL, (), value)
        self._available[value] = level + 1
        self.kept.add(value)

    def _is_worth_a_nest(self, value: int) -> bool:
        return self.specs[value].size >= _SOME and self._costs[value] > _ONE_BY_ONE

    def _first_source(self, value: int) -> int:
        return next(self.sources(value))

    def _need(self, value: int, is_strided: bool) -> None:
        """A call reads this value: it lies in memory, or is a view of what does."""
        if self.base(value) is None or not (is_strided or self._is_contiguous(value)):
            self.kept.add(value)

    def _is_contiguous(self, value: int) -> bool:
        """True if the elements of a view lie one after the other."""
        shape = self.specs[value].shape
        index: views.Index | None = views.axes(len(shape))
        while value not in self.kept:
            role = self.role(value)
            assert role is not None
            assert role.back is not None
            assert index is not None
            index = role.back(index)
            (source,) = self.sources(value)
            value = source
        if index is None:
            return False
        flat = dict(views.flat(index, views.strides_of(self.specs[value].shape)).terms)
        strides = views.strides_of(shape)
        return all(flat.get(k, 0) == strides[k] for k, n in enumerate(shape) if n != 1)

    def base(self, value: int) -> int | None:
        """The value in memory that this one is (a view of); None if it is computed."""
        while value not in self.kept:
            role = self.role(value)
            if role is None or role.kind != "view":
                return None
            source = self.op(value).operands[0]
            if not isinstance(source, int):
                return None
            value = source
        return value

    def _place_loop(self, value: int, role: Role) -> None:
        op = self.op(value)
        shape = self.spec(op.operands[0]).shape if role.kind == "reduce" else op.spec.shape
        level, cost = 0, _cost(op, role)
        for x in self.sources(value):
            if x not in self.kept and self.specs[x].shape != shape:
                self._cross(x, shape, role)
            level = max(level, self._available[x] + self._wait(x, shape))
            cost += 1 if x in self.kept else self._costs[x]
        self._costs[value] = min(cost, _ALWAYS)
        is_reduced = role.kind == "reduce"
        if shape == () and not is_reduced:
            count = self._lengths[level] = self._lengths.get(level, -1) + 1
            self.homes[value] = Home(level, SCALARS, shape, count // _STRETCH)
        else:
            self.homes[value] = Home(level, LOOP, shape)
        self._available[value] = level
        if is_reduced:
            self._available[value] = level + 1
            self.kept.add(value)

    def _cross(self, x: int, shape: tuple[int, ...], role: Role) -> None:
        """Something of another shape is read: stored, unless it is cheap to compute again."""
        size = self.specs[x].size
        is_spread = size < np.prod(shape, dtype=int) and role.kind == "pointwise"
        if self.specs[x].shape == () or self._costs[x] > (_ROW_CHEAP if is_spread else _CHEAP):
            self.kept.add(x)

    def _wait(self, x: int, shape: tuple[int, ...]) -> int:
        """1 if `x` is stored by a loop nest of its level that is not the reader's."""
        home = self.homes[x]
        return int(
            x in self.kept
            and home.rank == LOOP
            and home.shape != shape
            and self._available[x] == home.level
        )

    # -------------------------------------------------------------------------- what lies in memory

    def _choose(self) -> None:
        """From the last value to the first: who reads it; whether it is stored for that."""
        program = self.program
        readers: list[set[Home]] = [set() for _ in self.specs]
        for out in program.outputs:
            if isinstance(out, int):
                self.kept.add(out)
        for guard in program.guards:
            self.kept.add(guard.value)
        alive = [False] * len(self.specs)
        for value in [
            *[x for x in program.outputs if isinstance(x, int)],
            *[guard.value for guard in program.guards],
        ]:
            alive[value] = True
        for value in range(len(self.specs) - 1, self.count - 1, -1):
            if not alive[value]:
                self.kept.discard(value)
                continue
            if self.roles[value - self.count].kind == "part":
                self.parts.setdefault(self._first_source(value), []).append(value)
            for x in self.sources(value):
                alive[x] = True
            home = self.homes[value]
            others = readers[value] - {home}
            if others and value not in self.kept and self._is_stored(value, readers[value]):
                self.kept.add(value)
            within = {home} if value in self.kept else set(readers[value])
            if value in self.kept:
                # Another nest of the level cannot wait for it, and computes it again.
                within |= {h for h in others if not self.is_loaded(value, h)}
            for x in self.sources(value):
                readers[x] |= within
        self.alive = alive

    def _is_stored(self, value: int, readers: set[Home]) -> bool:
        """Whether a value that is read in these steps is stored for them."""
        if self.homes[value].rank == SCALARS:
            return True
        return self._costs[value] > _CHEAP and len(readers) > 1

    def is_loaded(self, value: int, home: Home) -> bool:
        """True if a step at `home` finds this value in memory."""
        if value not in self.kept:
            return False
        own = self.homes[value]
        if value < self.count or own.rank == CALL or own.level < home.level:
            return True
        if own.level != home.level:
            return False
        return own.rank < home.rank or (own.rank == home.rank == SCALARS and own.value < home.value)

    def _collect(self) -> list[Step]:
        steps: dict[Home, Step] = {}
        for value in range(self.count, len(self.specs)):
            if not self.alive[value]:
                continue
            role = self.roles[value - self.count]
            home = self.homes[value]
            if role.kind == "part" or (
                role.kind == "alias" and self.op(value).primitive is not CHECKED
            ):
                continue
            if value in self.kept or home.rank == SCALARS:
                steps.setdefault(home, Step(home)).roots.append(value)
        return [steps[home] for home in sorted(steps, key=lambda h: (h.level, h.rank, h.value))]


def _cost(op: Op, role: Role) -> int:
    """About how many arithmetic instructions an element takes."""
    if role.kind == "view":
        return 0
    name = elementwise.name_of(op)
    if name in ("div", "sqrt", "reciprocal"):
        return 5
    if role.kind == "pointwise" and name in elementary.NAMES:
        return 20
    return 1
