"""One stretch as operations on whole arrays: where iterations are elementwise and independent."""

from __future__ import annotations

from wengert.compile.passes.inference import infer, is_elementwise
from wengert.compile.passes.loop import collected_spec
from wengert.compile.passes.sequences import Elements, earlier
from wengert.compile.passes.stretches import Column, Earlier, Fixed, Internal, Plan, Source
from wengert.compile.passes.writing import Writer
from wengert.compile.program import Op, Operand, Spec
from wengert.primitives.indexing import write


class MapWriter:
    """Writes a plan as operations on whole arrays."""

    def __init__(self, writer: Writer, made: Plan):
        self.writer, self.made = writer, made
        self.wide: dict[int, Operand] = {}

    def is_possible(self) -> bool:
        """True if all iterations can be done at once, elementwise."""
        made = self.made
        if made.carried:
            return False
        ops = self.writer.program.ops[made.stretch.start :][: made.stretch.length]
        return all(self._is_wide(q, op) for q, op in enumerate(ops))

    def _is_wide(self, q: int, op: Op) -> bool:
        made = self.made
        if q in made.moving:
            return op.primitive is write or not made.moving[q].after
        if not is_elementwise(op.primitive):
            return False
        specs: list[Spec] = []
        for source in made.sources[q]:
            spec = self._spec(op, source)
            if spec is None:
                return False
            specs.append(spec)
        wide = collected_spec(op.spec, made.stretch.times)
        return infer(op.primitive, specs, op.parameters) == wide

    def _spec(self, op: Op, source: Source) -> Spec | None:
        """The spec of an operand of all iterations; None if its axes would not line up."""
        made, codes = self.made, self.writer.codes
        if isinstance(source, Fixed):
            spec = codes.spec(source.code)
            return spec if len(spec.shape) <= len(op.spec.shape) else None
        if isinstance(source, Column):
            spec = codes.spec(int(made.columns[source.number][0]))
        else:
            assert isinstance(source, Internal | Earlier)
            spec = codes.program.ops[made.stretch.start + source.position].spec
        if len(spec.shape) != len(op.spec.shape):
            return None
        return collected_spec(spec, made.stretch.times)

    def write(self) -> None:
        made, writer = self.made, self.writer
        for q, sources in enumerate(made.sources):
            op = writer.program.ops[made.stretch.start + q]
            if op.primitive is write and q in made.moving:
                continue
            if q in made.moving:
                source = sources[0]
                assert isinstance(source, Fixed)
                found = Elements(source.code, made.moving[q])
                self.wide[q] = writer.array(found, made.stretch.times)
                continue
            spec = collected_spec(op.spec, made.stretch.times)
            operands = [self._operand(source) for source in sources]
            wide = Op(op.primitive, (), op.parameters, spec, op.place)
            self.wide[q] = writer.builder.add(wide, operands)
        for what in made.collected:
            assert isinstance(what, int)
            writer.arrays[made.first, what] = self.wide[what]

    def _operand(self, source: Source) -> Operand:
        if isinstance(source, Fixed):
            return self.writer.value(source.code)
        if isinstance(source, Column):
            found = self.writer.columns[self.made.first][source.number]
            return self.writer.array(found, self.made.stretch.times)
        if isinstance(source, Earlier):
            return self.writer.array(earlier(self.made, source), self.made.stretch.times)
        assert isinstance(source, Internal)
        return self.wide[source.position]
