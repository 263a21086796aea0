"""Re-rolling: a stretch of a program that repeats becomes one `loop` (see loop.py for its form).

`periods.py` finds what repeats, `stretches.py` and `sequences.py` what each iteration reads; this
file decides what is collected, and has `maps.py` and `bodies.py` write it: where iterations do not
depend on one another and are elementwise, as operations on whole arrays. What a later stretch
reads of an earlier one, forwards or backwards, is collected in an array; so is what is read of it
one by one. Moving writes into one buffer become one write.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wengert.compile.passes.bodies import LoopWriter
from wengert.compile.passes.dead import remove_dead
from wengert.compile.passes.inference import copied, spec_in
from wengert.compile.passes.maps import MapWriter
from wengert.compile.passes.periods import FEWEST, find_stretches
from wengert.compile.passes.sequences import (
    Collected,
    Elements,
    Listed,
    Sequential,
    earlier,
    sequence,
)
from wengert.compile.passes.stretches import (
    Carried,
    Codes,
    Column,
    Earlier,
    Fixed,
    Internal,
    Plan,
    plan,
    quietest,
    trimmed,
)
from wengert.compile.passes.writing import Writer
from wengert.compile.program import Op, Operand, Program
from wengert.primitives.indexing import write
from wengert.primitives.joining import pile
from wengert.tape.columns import Constant

_MOST_ROUNDS = 3


def reroll(program: Program) -> Program:
    """Write stretches that repeat as loops, and in their bodies those that repeat there."""
    for _ in range(_MOST_ROUNDS):  # loops may come in stretches themselves
        shorter = _rerolled(program)
        if len(shorter) >= len(program):
            break
        program = shorter
    return program


def _rerolled(program: Program) -> Program:
    codes = Codes(program)
    refused: set[int] = set()
    while True:
        plans = _plans(codes, refused)
        if not plans:
            return program
        try:
            return remove_dead(_Rerolling(codes, plans).write())
        except _Unsuitable as error:
            refused.add(error.args[0].origin)


class _Unsuitable(Exception):  # noqa: N818 (a signal inside this file)
    """A plan cannot be carried out: a Python number would have to be read from an array."""


def _plans(codes: Codes, refused: set[int]) -> list[Plan]:
    plans: list[Plan] = []
    for stretch in find_stretches(codes.keys):
        best: tuple[tuple[int, int], Plan, list[Sequential]] | None = None
        for shifted in (stretch, quietest(codes, stretch)):
            for trial in trimmed(shifted):
                made = None if stretch.start in refused else plan(codes, trial)
                if made is None:
                    continue
                found = [sequence(codes, column, plans) for column in made.columns]
                unknown = sum(_is_unknown(x) for x in found)
                cost = (unknown, len(made.carried))
                if best is None or cost < best[0]:
                    best = (cost, made, found)
                if unknown == 0:
                    break
        if best is not None and 2 * best[0][0] <= stretch.length:
            _, made, found = best
            if _runs_backwards(made, found):
                made.flip()
            made.origin = stretch.start
            plans.append(made)
    return plans


def _is_unknown(found: Sequential) -> bool:
    return isinstance(found, Listed) and any(code >= 0 for code in found.codes)


def _runs_backwards(made: Plan, found: Sequence[Sequential]) -> bool:
    """True if more is read from the end to the start than the other way."""
    steps = [x.step for x in found if isinstance(x, Collected)]
    steps += [x.moving.step for x in found if isinstance(x, Elements)]
    steps += [moving.step for moving in made.moving.values()]
    return sum(1 if step > 0 else -1 for step in steps) < 0


class _Rerolling(Writer):
    """Carries out the plans, and copies what lies between them."""

    def __init__(self, codes: Codes, plans: Sequence[Plan]):
        super().__init__(codes, plans)
        self.piles: dict[int, Sequential] = {}

    def write(self) -> Program:
        self._demand_all()
        position = 0
        ahead = {made.stretch.start: made for made in self.plans}
        while position < len(self.program.ops):
            made = ahead.get(position)
            if made is None:
                self._copy(position)
                position += 1
            else:
                self._carry_out(made)
                position = made.stretch.stop
        roots = [*self.program.outputs, *[guard.value for guard in self.program.guards]]
        where: list[Operand] = [Constant(None)] * (self.count + len(self.program.ops))
        for root in roots:
            if isinstance(root, int):
                where[root] = self.value(root)
        return self.builder.program(self.program, where)

    # ------------------------------------------------------------------------- what is collected

    def _demand_all(self) -> None:
        """Find out what each loop must collect, before any is written."""
        for made in self.plans:
            for found in self.columns[made.first]:
                self._demand_sequence(found)
            for sources in made.sources:
                for source in sources:
                    if isinstance(source, Fixed):
                        self._demand(source.code)
                    elif isinstance(source, Carried):
                        for code in source.starts:
                            self._demand(code)
            for chain in made.chains:
                for q in chain:
                    self._demand_written(made, q)
        for position in self._outside():
            op = self.program.ops[position]
            piled = self._piled(op)
            if piled is not None:
                self.piles[position] = piled
                self._demand_sequence(piled)
                continue
            for x in op.operands:
                if isinstance(x, int):
                    self._demand(x)
        for root in (*self.program.outputs, *[guard.value for guard in self.program.guards]):
            if isinstance(root, int):
                self._demand(root)

    def _outside(self) -> list[int]:
        """Positions of the operations that belong to no plan."""
        is_outside = np.ones(len(self.program.ops), bool)
        for made in self.plans:
            is_outside[made.stretch.start : made.stretch.stop] = False
        return np.flatnonzero(is_outside).tolist()

    def _piled(self, op: Op) -> Sequential | None:
        """The sequence that a `stack` of many values is, if an array holds it."""
        if op.primitive is not pile or len(op.operands) < FEWEST:
            return None
        column = np.array([x if isinstance(x, int) else -1 for x in op.operands])
        if np.any(column < 0) or len({self.program.spec(x).dtype for x in op.operands}) != 1:
            return None
        found = sequence(self.codes, column, self.plans)
        return None if isinstance(found, Listed) else found

    def _demand_written(self, made: Plan, q: int) -> None:
        source = made.sources[q][1]
        if isinstance(source, Internal):
            made.collect(source.position)
        elif isinstance(source, Carried):
            made.collect(source)

    def _demand_sequence(self, found: Sequential) -> None:
        if isinstance(found, Collected):
            found.plan.collect(found.what)
        elif isinstance(found, Elements):
            self._demand(found.code)
        else:
            for code in found.codes:
                self._demand(code)

    def _demand(self, code: int) -> None:
        """Note that one value is read by itself."""
        made = self.plan_of(code)
        if made is None:
            return
        t, q = made.at(code)
        if self.is_final(made, t, q):
            return
        if q in made.moving:
            source = made.sources[q][0]
            assert isinstance(source, Fixed)
            self._demand(source.code)
            return
        if self.codes.spec(code).kind == "python":
            raise _Unsuitable(made)
        made.collect(q)

    def _copy(self, position: int) -> None:
        op = self.program.ops[position]
        found = self.piles.get(position)
        if found is None:
            operands = [self.operand(x) for x in op.operands]
            self.new[self.count + position] = copied(self.builder, op, operands)
            return
        array = self.array(found, len(op.operands))
        axis = op.parameters["axis"]
        self.new[self.count + position] = self.to_axis(array, axis)

    # ------------------------------------------------------------------------------------- plans

    def _carry_out(self, made: Plan) -> None:
        as_map = MapWriter(self, made)
        if as_map.is_possible():
            as_map.write()
        else:
            LoopWriter(self, made, reroll).write()
        for chain in made.chains:
            self._write_chain(made, chain)

    def _write_chain(self, made: Plan, chain: list[int]) -> None:
        """Moving writes into one buffer: one write for each, ordered as each element saw them."""
        first = made.sources[chain[0]][0]
        assert isinstance(first, Carried)
        buffer = self.value(first.starts[0])
        for q in made.written_in_order(chain):
            op = self.program.ops[made.stretch.start + q]
            moving = made.moving[q]
            path = (("getitem", moving.every(made.stretch.times)),)
            values = self._written(made, q, moving.position)
            parameters = {**op.parameters, "path": path}
            buffer = self.add(write, [buffer, values], parameters, op.spec)
        self.finals[made.first, chain[-1]] = buffer

    def _written(self, made: Plan, q: int, axis: int) -> Operand:
        """What all iterations write, with iterations along the axis that moves."""
        source = made.sources[q][1]
        if isinstance(source, Fixed):
            value = self.value(source.code)
            return (
                value
                if axis == 0 or not spec_in(self.builder, value).shape
                else self._spread(value, axis, made.stretch.times)
            )
        if isinstance(source, Column):
            array = self.array(self.columns[made.first][source.number], made.stretch.times)
        elif isinstance(source, Earlier):
            array = self.array(earlier(made, source), made.stretch.times)
        else:
            what = source.position if isinstance(source, Internal) else source
            array = self.arrays[made.first, what]
        return self.to_axis(array, axis)

    def _spread(self, value: Operand, axis: int, count: int) -> Operand:
        spec = spec_in(self.builder, value)
        shape = (*spec.shape[:axis], count, *spec.shape[axis:])
        listed = [value] * count
        return self.add(pile, listed, {"axis": axis}, spec._replace(shape=shape))
