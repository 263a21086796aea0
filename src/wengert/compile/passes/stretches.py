"""What a stretch that repeats reads and carries on, iteration by iteration: the plan of a loop.

Operands are codes: numbers of values, or negative for constants. For each operand of the body, the
codes of all iterations form a column: it points into the same iteration, or a fixed number of them
back (carried), or at one value (fixed), or at a sequence of values made before (a column of its
own, later read from an array). Reads and writes at places that move along an axis with the
iterations are taken out of the body. The one difficulty is the ends: iterations there may read
something else, so `plan` tries with some of them left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.passes.identity import Keys, key
from wengert.compile.passes.inference import is_elementwise
from wengert.compile.passes.periods import FEWEST, Stretch
from wengert.compile.program import Operand, Program, Spec, spec_of
from wengert.primitives.indexing import read, write
from wengert.primitives.joining import join, pile
from wengert.primitives.products import matmul
from wengert.primitives.reductions import add_up
from wengert.primitives.shaping import broadcast, convert, permute, reshape_to
from wengert.tape.columns import Constant

_MOST_LAGS = 4  # iterations that a value is carried over
_SAFE = frozenset(
    {read, write, reshape_to, permute, broadcast, convert, add_up, matmul, pile, join}
)
_FOREVER = np.iinfo(np.int64).max


class Internal(NamedTuple):
    """An operand made in the same iteration, at a position of the body."""

    position: int


class Carried(NamedTuple):
    """An operand made ``len(starts)`` iterations earlier; the first ones are the codes `starts`."""

    position: int
    starts: tuple[int, ...]


class Fixed(NamedTuple):
    """The same operand in every iteration."""

    code: int


class Column(NamedTuple):
    """An operand of its own in every iteration: the number of a column of codes."""

    number: int


class Earlier(NamedTuple):
    """What a moving read at a position of the body read `lag` iterations earlier."""

    position: int
    lag: int


Source = Internal | Carried | Fixed | Column | Earlier


class Moving(NamedTuple):
    """A read or write whose place moves.

    Attributes
    ----------
    axis, start, step : int
        Iteration ``t`` is at ``start + step * t`` along the axis.
    rest : tuple
        The path into what lies there.
    parts, after : tuple
        The first index, of which part number `axis` moves; and the steps after it.
    """

    axis: int
    start: int
    step: int
    rest: tuple[Any, ...]
    parts: tuple[Any, ...]
    after: tuple[Any, ...]

    def every(self, count: int) -> Any:
        """The index of all places, in the order of `count` iterations."""
        place, step = self.start, self.step
        parts = (*self.parts[: self.axis], span(place, step, count), *self.parts[self.axis + 1 :])
        return parts if len(parts) > 1 else parts[0]

    def path(self, iteration: int) -> tuple[Any, ...]:
        """The path of one iteration."""
        place = self.start + self.step * iteration
        parts = (*self.parts[: self.axis], place, *self.parts[self.axis + 1 :])
        return (("getitem", parts if len(parts) > 1 else place), *self.after)

    def reversed(self, count: int) -> Moving:
        """The same places from the last to the first."""
        return self._replace(start=self.start + self.step * (count - 1), step=-self.step)

    @property
    def position(self) -> int:
        """Which axis of the result of `every` the iterations run along."""
        return sum(isinstance(part, slice) for part in self.parts[: self.axis])


def span(start: int, step: int, count: int) -> slice:
    """The slice of `count` places from `start` on, none of them negative."""
    stop = start + step * count
    return slice(start, stop if stop >= 0 else None, step)


@dataclass
class Plan:
    """How a stretch is written as a loop.

    Attributes
    ----------
    stretch : Stretch
        In positions of the program's operations.
    first : int
        The number of the first value that it makes.
    sources : list of list of Source
        For each operation of the body, where its operands come from.
    columns : list of ndarray
        Codes, one for each iteration.
    moving : dict of int to Moving
        Positions of reads and writes whose place moves.
    collected : dict
        What is collected, in order: a position, or a `Carried`, for what enters an iteration.
    is_flipped : bool
        True if arrays hold iterations from the last to the first.
    """

    stretch: Stretch
    first: int
    sources: list[list[Source]]
    columns: list[np.ndarray]
    moving: dict[int, Moving]
    chains: list[list[int]]
    origin: int = -1  # where the stretch began before its ends were tried
    is_flipped: bool = False
    collected: dict[int | Carried, int] = field(default_factory=dict)

    def __contains__(self, code: int) -> bool:
        return 0 <= code - self.first < self.stretch.length * self.stretch.times

    def at(self, code: int) -> tuple[int, int]:
        """Iteration, as arrays number them, and position of a value."""
        t, q = divmod(code - self.first, self.stretch.length)
        return (self.stretch.times - 1 - t if self.is_flipped else t), q

    def flip(self) -> None:
        """Number iterations in arrays from the last to the first."""
        self.is_flipped = True
        self.columns = [column[::-1].copy() for column in self.columns]
        times = self.stretch.times
        self.moving = {q: moving.reversed(times) for q, moving in self.moving.items()}

    @property
    def last(self) -> int:
        """The iteration that is done last."""
        return 0 if self.is_flipped else self.stretch.times - 1

    def written_in_order(self, chain: list[int]) -> list[int]:
        """The writes of a chain, so that each element sees what it saw one by one.

        Of two writes the one whose place lies further ahead comes to any element first.
        """
        sign = 1 if self.is_flipped else -1
        return sorted(chain, key=lambda q: sign * self.moving[q].start / self.moving[q].step)

    def collect(self, what: int | Carried) -> int:
        """Have something collected; its place among what is."""
        return self.collected.setdefault(what, len(self.collected))

    @property
    def carried(self) -> dict[Carried, None]:
        """What is carried from one iteration to the next, in order."""
        buffers = {q for chain in self.chains for q in chain}
        found: dict[Carried, None] = {}
        for q, sources in enumerate(self.sources):
            for source in sources:
                if isinstance(source, Carried) and q not in buffers:
                    found.setdefault(source)
        for what in self.collected:
            if isinstance(what, Carried):
                found.setdefault(what)
        return found


class Codes:
    """A program's operands as codes, in one flat array, with keys that tell what repeats."""

    def __init__(self, program: Program):
        self.program = program
        self._keys = Keys()
        self._constants: dict[int, Constant] = {}
        self._constant_specs: dict[int, Spec] = {}
        self._specs: dict[int, tuple[Spec, int]] = {}  # numbers of specs, by identity
        flat: list[int] = []
        offsets: list[int] = []
        keys: list[int] = []
        self.places: list[tuple[int, ...]] = []  # the integers in the path of a read or write
        specs = [self._spec_number(spec) for spec in program.inputs]
        for op in program.ops:
            offsets.append(len(flat))
            parameters, places = self._masked(op.primitive, op.parameters)
            self.places.append(places)
            spec = self._spec_number(op.spec)
            found = [id(op.primitive), parameters, spec]
            specs.append(spec)
            for x in op.operands:
                if type(x) is int:
                    flat.append(x)
                    found.append(specs[x])
                else:
                    code = self._code(x)
                    flat.append(code)
                    found.append(self._spec_number(self._constant_specs[code]))
            keys.append(self._keys.number(tuple(found)))
        offsets.append(len(flat))
        self.flat = np.array(flat, np.int64)
        self.offsets = np.array(offsets, np.int64)
        self.keys = np.array(keys, np.int64)
        self.last_use = self._last_use()
        self._guarded = np.array([guard.value for guard in program.guards], np.int64)

    def operand(self, code: int) -> Operand:
        """What a code stands for."""
        return code if code >= 0 else self._constants[code]

    def spec(self, code: int) -> Spec:
        """Its spec."""
        return self.program.spec(self.operand(code))

    def has_guards(self, first: int, stop: int) -> bool:
        """True if one of these values is a decision."""
        return bool(np.any((self._guarded >= first) & (self._guarded < stop)))

    def never_raises(self, stretch: Stretch) -> bool:
        """True if no operation of a stretch can fail."""
        ops = self.program.ops[stretch.start : stretch.start + stretch.length]
        return all(op.primitive in _SAFE or is_elementwise(op.primitive) for op in ops)

    def _code(self, operand: Operand) -> int:
        if isinstance(operand, int):
            return operand
        code = -1 - self._keys.content(operand.value)
        if code not in self._constants:
            self._constants[code] = operand
            self._constant_specs[code] = spec_of(operand.value)
        return code

    def _spec_number(self, spec: Spec) -> int:
        held = self._specs.get(id(spec))
        if held is None:
            held = self._specs[id(spec)] = (spec, self._keys.number(spec))
        return held[1]

    def _masked(self, primitive: Any, parameters: dict[str, Any]) -> tuple[Hashable, Any]:
        """A key of the parameters without the integers of a path; and these."""
        if primitive is not read and primitive is not write:
            return self._keys.content(parameters), ()
        path = parameters["path"]
        index = path[0][1] if path and path[0][0] == "getitem" else None
        parts = index if isinstance(index, tuple) else (index,)
        free = _leading(parts)
        if not any(type(part) is int for part in parts[:free]):
            return self._keys.content(parameters), ()
        places = tuple([part for part in parts[:free] if type(part) is int])
        masked = tuple(
            ["place" if type(part) is int and k < free else part for k, part in enumerate(parts)]
        )
        rest = {**parameters, "path": (masked, *path[1:])}
        return self._keys.content(rest), places

    def _last_use(self) -> np.ndarray:
        count = len(self.program.inputs)
        last = np.full(count + len(self.program.ops), -1, np.int64)
        users = np.repeat(np.arange(len(self.program.ops)), np.diff(self.offsets))
        is_value = self.flat >= 0
        np.maximum.at(last, self.flat[is_value], users[is_value])
        for root in (*self.program.outputs, *[g.value for g in self.program.guards]):
            if isinstance(root, int):
                last[root] = _FOREVER
        return last


def _leading(parts: Sequence[Any]) -> int:
    """How many parts of an index are integers and slices, before anything else."""
    if any(isinstance(part, np.ndarray | list) for part in parts):
        return 0
    for k, part in enumerate(parts):
        if type(part) is not int and not isinstance(part, slice):
            return k
    return len(parts)


def quietest(codes: Codes, stretch: Stretch) -> Stretch:
    """The stretch begun where the fewest values cross from one iteration to the next."""
    start, length, times, rest = stretch
    middle = start + length * (times // 2)
    first = len(codes.program.inputs) + middle
    crossing = np.zeros(2 * length + 1, np.int64)
    reach: dict[int, int] = {}
    for k in range(2 * length):
        if middle + k >= stretch.stop:
            break
        for code in codes.flat[codes.offsets[middle + k] : codes.offsets[middle + k + 1]].tolist():
            if 0 <= code - first < length:
                reach[code - first] = k
    for made, used in reach.items():
        crossing[made + 1] += 1
        crossing[min(used, made + length) + 1] -= 1
    alive = np.cumsum(crossing)
    shift = int(np.argmin(alive[:length] + alive[length : 2 * length]))
    covered = length * times + rest - shift
    return Stretch(start + shift, length, covered // length, covered % length)


def trimmed(stretch: Stretch) -> Iterator[Stretch]:
    """The stretch, then with more and more iterations left out at its ends."""
    for ends in sorted(np.ndindex(4, 4), key=sum):
        before, after = ends
        times = stretch.times - before - after
        if times >= FEWEST:
            yield Stretch(stretch.start + before * stretch.length, stretch.length, times)


def plan(codes: Codes, stretch: Stretch) -> Plan | None:
    """How a stretch may be written as a loop; None if it is none."""
    start, length, times, _ = stretch
    if any(op.spec.dtype.hasobject for op in codes.program.ops[start : start + length]):
        return None
    first = len(codes.program.inputs) + start
    if codes.has_guards(first, first + length * times) and not codes.never_raises(stretch):
        return None  # an error of the run would come before the guard that keeps it from happening
    begin, end = codes.offsets[start], codes.offsets[stretch.stop]
    table = codes.flat[begin:end].reshape(times, -1)
    bases = first + length * np.arange(times)
    made = Plan(stretch, first, [], [], {}, [])
    known: dict[bytes, int] = {}
    slot = 0
    for q in range(length):
        sources: list[Source] = []
        for _ in codes.program.ops[start + q].operands:
            source = _source(table[:, slot], bases, length, made, known)
            if source is None:
                return None
            sources.append(source)
            slot += 1
        made.sources.append(sources)
        if not _follow_place(codes, made, q):
            return None
    _read_again(codes, made)
    if not _has_whole_chains(codes, made) or not _is_storable(codes, made):
        return None
    return made


def _source(
    column: np.ndarray, bases: np.ndarray, length: int, made: Plan, known: dict[bytes, int]
) -> Source | None:
    last = int(column[-1])
    if last < made.first and np.all(column == last):
        return Fixed(last)
    offset = last - int(bases[-1])
    if offset >= 0:
        return Internal(offset) if np.all(column - bases == offset) else None
    lag = (-offset - 1) // length + 1
    if last >= made.first and lag <= _MOST_LAGS:
        if not np.all((column - bases)[lag:] == offset) or np.any(column[:lag] >= made.first):
            return None
        return Carried(offset + lag * length, tuple(column[:lag].tolist()))
    if np.any(column >= made.first):
        return None
    index = known.setdefault(column.tobytes(), len(made.columns))
    if index == len(made.columns):
        made.columns.append(column)
    return Column(index)


def _follow_place(codes: Codes, made: Plan, q: int) -> bool:
    """Note a read or write whose place moves; False if no loop can follow how it moves."""
    start, length, times, _ = made.stretch
    if not codes.places[start + q]:
        return True
    rows = codes.places[start + q : made.stretch.stop : length]
    if rows.count(rows[0]) == times:
        return True
    op = codes.program.ops[start + q]
    spec = codes.program.spec(op.operands[0])
    moving = moving_along(op.parameters["path"], np.array(rows), spec)
    if moving is None or (op.primitive is read and not isinstance(made.sources[q][0], Fixed)):
        return False
    made.moving[q] = moving
    return True


def _read_again(codes: Codes, made: Plan) -> None:
    """Read an element anew in a later iteration rather than carry it there."""
    for sources in made.sources:
        for slot, source in enumerate(sources):
            if isinstance(source, Carried) and _is_read_before(codes, made, source):
                sources[slot] = Earlier(source.position, len(source.starts))


def _is_read_before(codes: Codes, made: Plan, source: Carried) -> bool:
    """True if the first iterations, too, are given what moving reads would have read before."""
    moving, lag = made.moving.get(source.position), len(source.starts)
    whole = made.sources[source.position][0]
    if moving is None or not isinstance(whole, Fixed) or moving.start < moving.step * lag:
        return False
    for iteration, code in enumerate(source.starts, -lag):
        op = codes.program.op(code) if code >= 0 else None
        if op is None or op.primitive is not read:
            return False
        if codes.flat[codes.offsets[code - len(codes.program.inputs)]] != whole.code:
            return False
        if key(op.parameters["path"]) != key(moving.path(iteration)):
            return False
    return True


def moving_along(path: Any, places: np.ndarray, spec: Spec) -> Moving | None:
    """How paths that differ in the integers of their first index move; `places`: a row for each."""
    steps = np.diff(places, axis=0)
    moves = np.flatnonzero(np.any(steps != 0, axis=0))
    if len(moves) != 1 or np.any(steps != steps[0]) or spec.kind != "array":
        return None
    index = path[0][1]
    parts = index if isinstance(index, tuple) else (index,)
    integers = [k for k, part in enumerate(parts) if type(part) is int]
    axis = integers[int(moves[0])]
    size, step = spec.shape[axis], int(steps[0][moves[0]])
    begin, end = int(places[0][moves[0]]), int(places[-1][moves[0]])
    if (begin < 0) != (end < 0):
        return None
    begin += size if begin < 0 else 0
    left = (*parts[:axis], *parts[axis + 1 :])
    is_plain = all(part == slice(None) for part in left)
    rest = path[1:] if is_plain else (("getitem", left), *path[1:])
    return Moving(axis, begin, step, tuple(rest), parts, tuple(path[1:]))


def _has_whole_chains(codes: Codes, made: Plan) -> bool:
    """Find chains of moving writes into one buffer; False if something else reads the buffer."""
    writes = [
        q for q in made.moving if codes.program.ops[made.stretch.start + q].primitive is write
    ]
    if not writes:
        return True
    before: dict[int, int] = {}  # the write that each one follows
    for q in writes:
        source = made.sources[q][0]
        if not isinstance(source, Internal | Carried) or source.position not in writes:
            return False
        if isinstance(source, Carried) and len(source.starts) != 1:
            return False
        before[q] = source.position
    if len(set(before.values())) != len(writes):
        return False
    for q, sources in enumerate(made.sources):
        for slot, source in enumerate(sources):
            is_link = slot == 0 and q in before
            if not is_link and getattr(source, "position", None) in before:
                return False
    made.chains += _chains(made, writes)
    return all(_is_private(codes, made, chain) for chain in made.chains)


def _chains(made: Plan, writes: list[int]) -> list[list[int]]:
    chains: list[list[int]] = []
    of: dict[int, list[int]] = {}
    for q in writes:  # in order: a link within the iteration points at an earlier one
        source = made.sources[q][0]
        if isinstance(source, Carried):
            chains.append([q])
            of[q] = chains[-1]
        else:
            assert isinstance(source, Internal)
            of[q] = of[source.position]
            of[q].append(q)
    return chains


def _is_private(codes: Codes, made: Plan, chain: list[int]) -> bool:
    """True if only the last write of the last iteration is read outside."""
    first = made.sources[chain[0]][0]
    if not isinstance(first, Carried) or first.position != chain[-1]:
        return False
    if len({(abs(made.moving[q].step), made.moving[q].axis) for q in chain}) != 1:
        return False
    if len({made.moving[q].step for q in chain}) != 1:
        return False
    for q in chain:
        last = _last_uses(codes, made, q)
        if np.any((last[:-1] if q == chain[-1] else last) >= made.stretch.stop):
            return False
        written = codes.program.ops[made.stretch.start + q].operands[1]
        if codes.program.spec(written).shape != element_shape(codes, made, q):
            return False
    return True


def _last_uses(codes: Codes, made: Plan, q: int) -> np.ndarray:
    """The last operation that reads what position `q` makes, for each iteration."""
    stop = made.first + made.stretch.length * made.stretch.times
    return codes.last_use[made.first + q : stop : made.stretch.length]


def element_shape(codes: Codes, made: Plan, q: int) -> tuple[int, ...] | None:
    """The shape that a moving write writes; None if its path goes on after the index."""
    op = codes.program.ops[made.stretch.start + q]
    if len(op.parameters["path"]) != 1:
        return None
    return np.broadcast_to(0, op.spec.shape)[made.moving[q].parts].shape


def _is_storable(codes: Codes, made: Plan) -> bool:
    """True if no tuple, and no integer too large for an array, enters or leaves an iteration."""
    start, length, _, _ = made.stretch
    specs = [codes.spec(int(column[0])) for column in made.columns]
    tuples = {q for q in range(length) if codes.program.ops[start + q].spec.kind == "tuple"}
    for sources in made.sources:
        if any(isinstance(s, Carried) and s.position in tuples for s in sources):
            return False
        specs += [codes.spec(s.code) for s in sources if isinstance(s, Fixed)]
    if any(spec.kind == "tuple" or spec.dtype.hasobject for spec in specs):
        return False
    return all(np.all(_last_uses(codes, made, q) < made.stretch.stop) for q in tuples)
