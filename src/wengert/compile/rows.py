"""Runs of steps that go row by row: several loop nests, computed a block of rows at a time.

Consecutive nests over the same rows, each of a few numbers, become one pass: all of them for a
block of rows, then for the next. What one leaves for another is held for a block only, column by
column, so that loops along the rows read and write neighbours; what is read from elsewhere is
copied into that form. The one difficulty is what may be in a run: a nest reads of the others' rows
only its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from wengert.compile import views
from wengert.compile.access import Scan
from wengert.compile.fuse import LOOP, Division, Step
from wengert.compile.program import Operand
from wengert.compile.views import Affine

_WIDEST = 1024  # numbers in a row of a nest
_MOST = 64  # steps of a run
_APART = 4  # so many steps for each value whose rows are written apart
_WORTH = 50_000  # instructions, about, of a run
_HELD = 32_768  # bytes of a block: what the nearest cache holds
_LONGEST, _SHORTEST, _UNIT = 256, 32, 16  # rows of a block, and what their number is a multiple of
_ALIGN = 64
_OWN = Affine(0, ((0, 1),))


@dataclass
class Rows:
    """A run of steps.

    Attributes
    ----------
    first, last : int
        Its steps are numbers `first` to ``last - 1``.
    count, block : int
        How many rows there are, and how many of them are computed at a time.
    places : dict
        Where in the memory of a block each value begins that is held there, by `key`.
    copied : list of operand
        What is copied into that memory first.
    size : int
        Bytes of that memory.
    """

    first: int
    last: int
    count: int
    block: int = 0
    places: dict[int, int] = field(default_factory=dict)
    copied: list[Operand] = field(default_factory=list)
    size: int = 0

    @property
    def is_even(self) -> bool:
        """True if every block has as many rows."""
        return self.count % self.block == 0

    def holds(self, operand: Operand) -> bool:
        """True for what is in the memory of a block."""
        return key(operand) in self.places

    def strides(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """How far apart neighbours along each axis are in that memory."""
        return (1, *[self.block * stride for stride in views.strides_of(shape[1:])])


def key(operand: Operand) -> int:
    """What tells operands apart."""
    return operand if isinstance(operand, int) else -1 - id(operand.value)


def runs(division: Division, reads: Sequence[set[int]]) -> list[Rows]:
    """The runs among the steps of a division, of which it is known what each reads."""
    found: list[Rows] = []
    first = 0
    while first < len(division.steps):
        run, rows = _Run(division, first, _MOST), None
        following = first + max(1, len(run.steps))  # what begins later in it is worth no more
        if run.is_worth():
            following = first + -(-len(run.steps) // 2)
        while rows is None and run.is_worth():
            rows = run.rows(reads)
            run = _Run(division, first, len(run.steps) // 2)  # half of it, so that time is linear
        if rows is not None:
            found.append(rows)
            following = rows.last
        first = following
    return found


class _Run:
    """The longest run that begins at a step, of so many steps at most."""

    def __init__(self, division: Division, first: int, most: int):
        self.division, self.first = division, first
        self.steps: list[Step] = []
        self.made: set[int] = set()  # by row
        self.totals: set[int] = set()  # reduced over the rows
        self.outside: dict[int, Operand | None] = {}  # what is read; None: not by its own row
        shape = division.steps[first].home.shape
        self.count = shape[0] if shape else 0
        for step in division.steps[first : first + most]:
            if self.count < _SHORTEST or not self._take(step):
                break

    def _take(self, step: Step) -> bool:
        """Add a step, if it may be in the run."""
        division, shape = self.division, step.home.shape
        if step.home.rank != LOOP or not shape or shape[0] != self.count:
            return False
        if 0 in shape or prod(shape[1:]) > _WIDEST:
            return False
        if any(division.specs[value].dtype.kind == "c" for value in step.roots):
            return False
        scan = Scan(division, step.home, [(0, n) for n in shape])
        for root in step.roots:
            scan.root(root, views.axes(len(shape)))
        if any(0 in dict(condition.place.terms) for condition in scan.conditions):
            return False
        inside = self.made | self.totals
        for operand, index in scan.accesses:
            if not isinstance(operand, int):
                continue
            base = division.aliases.get(operand, (operand, 0))[0]
            if base in self.totals or (base in inside and operand != base):
                return False
            if operand in self.made and not _is_own(index):
                return False
        for operand, index in scan.accesses:
            if key(operand) not in self.made:
                is_copied = _is_own(index) and self.outside.get(key(operand), operand) is not None
                self.outside[key(operand)] = operand if is_copied else None
        for value in step.roots:
            role = division.role(value)
            is_total = role is not None and role.kind == "reduce" and 0 in _axes(division, value)
            (self.totals if is_total else self.made).add(value)
        self.steps.append(step)
        return True

    def is_worth(self) -> bool:
        """True if it is long, and a nest of it has more than one number in a row."""
        if len(self.steps) < 2 or self.count < _SHORTEST:
            return False
        if all(prod(step.home.shape) == self.count for step in self.steps):
            return False
        costs = [
            prod(step.home.shape) * sum([self.division.cost(value) for value in step.roots])
            for step in self.steps
        ]
        return sum(costs) > _WORTH

    def rows(self, reads: Sequence[set[int]]) -> Rows | None:
        """The run, with a place for everything; None if it would be slow, or not fit into one."""
        division = self.division
        out = Rows(self.first, self.first + len(self.steps), self.count)
        seen: set[int] = {guard.value for guard in division.program.guards}
        seen.update([x for x in division.program.outputs if isinstance(x, int)])
        for k, found in enumerate(reads):
            if not out.first <= k < out.last:
                seen |= found
        wide = [value for value in self.made & seen if division.specs[value].size > self.count]
        if _APART * len(wide) > len(self.steps):
            return None  # rows that others read, too, are written as they lie: apart
        held: list[Operand] = sorted(self.made - seen)
        out.copied = [x for x in self.outside.values() if x is not None and self._is_spread(x)]
        held += out.copied
        sizes = [
            division.spec(x).size * division.spec(x).dtype.itemsize // self.count for x in held
        ]
        block = _block(self.count, sum(sizes))
        if block is None:
            return None
        out.block = block
        for operand, size in zip(held, sizes, strict=True):
            out.places[key(operand)] = out.size
            out.size += -(-size * block // _ALIGN) * _ALIGN
        return out

    def _is_spread(self, operand: Operand) -> bool:
        """True if rows are apart, and of numbers that are worth copying."""
        spec = self.division.spec(operand)
        is_known = not isinstance(operand, int) and self.division.diagonal(operand) is not None
        width = prod(spec.shape[1:])
        return spec.shape[:1] == (self.count,) and width > 1 and not is_known


def _is_own(index: views.Index) -> bool:
    """True if an index names the row that is computed, and nothing else depends on it."""
    if not index or index[0] != _OWN:
        return False
    return all(isinstance(s, int) and s != 0 for place in index[1:] for s, _ in place.terms)


def _axes(division: Division, value: int) -> tuple[int, ...]:
    return tuple(division.op(value).parameters["axis"])


def _block(count: int, width: int) -> int | None:
    """How many rows of `width` bytes are computed at a time; some that divide all, if there are."""
    most = min(_LONGEST, _HELD // max(1, width), count) // _UNIT * _UNIT
    if most < _SHORTEST:
        return None
    even = [n for n in range(most, _SHORTEST - 1, -_UNIT) if count % n == 0]
    return even[0] if even else most
