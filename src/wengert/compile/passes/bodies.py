"""One stretch as a loop: its body, and the operands in the order of the body's inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.compile.passes.dead import remove_dead
from wengert.compile.passes.loop import Stacked, collected_spec, loop
from wengert.compile.passes.sequences import Elements, Listed, earlier
from wengert.compile.passes.stretches import Carried, Column, Earlier, Fixed, Internal, Plan, Source
from wengert.compile.passes.writing import Writer
from wengert.compile.program import Builder, Op, Operand, Program, Spec
from wengert.primitives.indexing import read
from wengert.primitives.joining import part


class LoopWriter:
    """Writes a plan as a loop; `again` re-rolls its body."""

    def __init__(self, writer: Writer, made: Plan, again: Callable[[Program], Program]):
        self.writer, self.made, self.again = writer, made, again
        self.carried: list[tuple[Carried, int]] = []  # with the lag of each
        self.initial: list[Operand] = []
        self.stacked: dict[Any, tuple[Operand, Stacked, Spec]] = {}
        self.fixed: dict[int, Spec] = {}

    def write(self) -> None:
        made, writer = self.made, self.writer
        for carried in made.carried:
            lags = len(carried.starts)
            self.carried += [(carried, lag) for lag in range(lags, 0, -1)]
            self.initial += [writer.value(code) for code in carried.starts]
        self._gather()
        body = self.again(remove_dead(self._body()))
        if not body.outputs:
            return
        stacked = list(self.stacked.values())
        operands = [
            *self.initial,
            *[operand for operand, _, _ in stacked],
            *[writer.value(code) for code in self.fixed],
        ]
        parameters = {
            "body": body,
            "count": made.stretch.times,
            "carried": len(self.carried),
            "stacked": tuple([moves for _, moves, _ in stacked]),
            "reverse": made.is_flipped,
        }
        specs = [body.spec(out) for out in body.outputs]
        given = [
            spec if k < len(self.carried) else collected_spec(spec, made.stretch.times)
            for k, spec in enumerate(specs)
        ]
        place = writer.program.ops[made.stretch.start].place
        spec = given[0]._replace(kind="tuple")
        whole = writer.builder.add(Op(loop, (), parameters, spec, place), operands)
        for k, spec in enumerate(given):
            out = writer.builder.add(Op(part, (), {"position": k}, spec), [whole])
            self._note(k, out)

    def _note(self, k: int, out: Operand) -> None:
        made = self.made
        if k >= len(self.carried):
            what = list(made.collected)[k - len(self.carried)]
            self.writer.arrays[made.first, what] = out
            return
        carried, lag = self.carried[k]
        if lag == 1:
            self.writer.finals[made.first, carried.position] = out

    def _gather(self) -> None:
        """Find the arrays that iterations read parts of, and the values that stay the same."""
        made, writer = self.made, self.writer
        for q, sources in enumerate(made.sources):
            op = writer.program.ops[made.stretch.start + q]
            if q in made.moving:
                if op.primitive is read:
                    source = sources[0]
                    assert isinstance(source, Fixed)
                    self._add_elements(Elements(source.code, made.moving[q]))
                continue
            for source in sources:
                if isinstance(source, Fixed) and source.code >= 0:
                    self.fixed[source.code] = writer.codes.spec(source.code)
                elif isinstance(source, Column):
                    self._add_column(source.number)
                elif isinstance(source, Earlier):
                    self._add_elements(earlier(made, source))

    def _key(self, found: Elements) -> Any:
        return (found.code, found.moving.axis, found.moving.start, found.moving.step)

    def _add_elements(self, found: Elements) -> None:
        whole = self.writer.codes.spec(found.code)
        axis, start, step = found.moving.axis, found.moving.start, found.moving.step
        shape = whole.shape[:axis] + whole.shape[axis + 1 :]
        spec = Spec(shape, whole.dtype, "array" if shape else "scalar")
        array = self.writer.value(found.code)
        self.stacked[self._key(found)] = (array, Stacked(axis, start, step), spec)

    def _add_column(self, index: int) -> None:
        found = self.writer.columns[self.made.first][index]
        if isinstance(found, Elements):
            self._add_elements(found)
            return
        spec = self.writer.codes.spec(int(self.made.columns[index][0]))
        if index in self.stacked:
            return
        if isinstance(found, Listed):
            self.stacked[index] = (self.writer.array(found, 0), Stacked(0, 0, 1), spec)
            return
        array = self.writer.arrays[found.plan.first, found.what]
        self.stacked[index] = (array, Stacked(0, found.start, found.step), spec)

    # ---------------------------------------------------------------------------------- the body

    def _body(self) -> Program:
        made, program = self.made, self.writer.program
        ops = program.ops[made.stretch.start : made.stretch.start + made.stretch.length]
        inputs = [ops[carried.position].spec for carried, _ in self.carried]
        inputs += [spec for _, _, spec in self.stacked.values()]
        inputs += self.fixed.values()
        body = Builder(inputs)
        first = len(self.carried)
        self.numbers: dict[Any, int] = {entry: k for k, entry in enumerate(self.carried)}
        self.numbers |= {name: first + k for k, name in enumerate(self.stacked)}
        first += len(self.stacked)
        self.numbers |= {("fixed", code): first + k for k, code in enumerate(self.fixed)}
        inside: dict[int, Operand] = {}
        for q, op in enumerate(ops):
            if q in made.moving:
                if op.primitive is read:
                    source = made.sources[q][0]
                    assert isinstance(source, Fixed)
                    found = Elements(source.code, made.moving[q])
                    inside[q] = self._element(found, op.spec, body)
                continue
            operands = [
                self._operand(source, inside, body, x)
                for source, x in zip(made.sources[q], op.operands, strict=True)
            ]
            inside[q] = body.add(op, operands)
        outputs = [self._next(entry, inside) for entry in self.carried]
        outputs += [
            self.numbers[what, len(what.starts)] if isinstance(what, Carried) else inside[what]
            for what in made.collected
        ]
        return Program(body.inputs, tuple(body.ops), tuple(outputs))

    def _next(self, entry: tuple[Carried, int], inside: dict[int, Operand]) -> Operand:
        carried, lag = entry
        return inside[carried.position] if lag == 1 else self.numbers[carried, lag - 1]

    def _operand(
        self, source: Source, inside: dict[int, Operand], body: Builder, x: Operand
    ) -> Operand:
        if isinstance(source, Internal):
            return inside[source.position]
        if isinstance(source, Carried):
            return self.numbers[source, len(source.starts)]
        if isinstance(source, Fixed):
            if source.code < 0:
                return self.writer.codes.operand(source.code)
            return self.numbers["fixed", source.code]
        if isinstance(source, Earlier):
            found = earlier(self.made, source)
            return self._element(found, self.writer.program.spec(x), body)
        column = self.writer.columns[self.made.first][source.number]
        if isinstance(column, Elements):
            return self._element(column, self.writer.program.spec(x), body)
        return self.numbers[source.number]

    def _element(self, found: Elements, spec: Spec, body: Builder) -> Operand:
        """What one iteration reads of an array: what lies at its place, or further on its path."""
        number = self.numbers[self._key(found)]
        if not found.moving.rest:
            return number
        return body.add(Op(read, (), {"path": found.moving.rest}, spec), [number])
