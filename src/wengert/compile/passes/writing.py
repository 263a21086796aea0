"""Values and arrays of a program that is written with its stretches re-rolled.

A value made in a loop is read from what the loop collects; a sequence of values is an array, or
part of one. `reroll.py` decides what is collected; `maps.py` and `bodies.py` write the stretches.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.compile.passes.inference import spec_in
from wengert.compile.passes.loop import collected_spec
from wengert.compile.passes.sequences import Elements, Listed, Sequential, sequence
from wengert.compile.passes.stretches import Codes, Plan, span
from wengert.compile.program import Builder, Op, Operand, Spec
from wengert.primitives.indexing import follow, read
from wengert.primitives.joining import pile
from wengert.primitives.shaping import permute
from wengert.tape.columns import Constant


class Writer:
    """Writes the program with its plans carried out."""

    def __init__(self, codes: Codes, plans: Sequence[Plan]):
        self.codes, self.plans = codes, plans
        self.program = codes.program
        self.count = len(self.program.inputs)
        self.builder = Builder(self.program.inputs, self.program.names)
        self.new: dict[int, Operand] = {k: k for k in range(self.count)}
        # By the first value of a plan, and what it collects; or the position of a final value.
        self.arrays: dict[tuple[int, Any], Operand] = {}
        self.finals: dict[tuple[int, int], Operand] = {}
        self.columns = {
            made.first: [sequence(codes, column, plans[:k]) for column in made.columns]
            for k, made in enumerate(plans)
        }
        self._firsts = [made.first for made in plans]

    def operand(self, x: Operand) -> Operand:
        return x if isinstance(x, Constant) else self.value(x)

    def value(self, code: int) -> Operand:
        """A value of the old program; one made in a loop is read from what the loop gave."""
        if code < 0:
            return self.codes.operand(code)
        held = self.new.get(code)
        if held is None:
            held = self.new[code] = self._read(code)
        return held

    def _read(self, code: int) -> Operand:
        made = self.plan_of(code)
        assert made is not None, f"v{code} is in a plan"
        t, q = made.at(code)
        op = self.program.ops[code - self.count]
        if self.is_final(made, t, q):
            return self.finals[made.first, q]
        if q in made.moving:
            return self.builder.add(op, [self.operand(x) for x in op.operands])
        index = t if op.spec.kind == "scalar" else (t, ...)
        array = self.arrays[made.first, q]
        return self.add(read, [array], {"path": (("getitem", index),)}, op.spec)

    def add(
        self,
        primitive: Any,
        operands: Sequence[Operand],
        parameters: dict[str, Any],
        spec: Spec,
    ) -> int:
        return self.builder.add(Op(primitive, (), parameters, spec), operands)

    # ----------------------------------------------------------------------------- whole sequences

    def array(self, found: Sequential, count: int) -> Operand:
        """An array with a sequence along its first axis."""
        if isinstance(found, Elements):
            return self._region(found, count)
        if isinstance(found, Listed):
            return self._stacked(found)
        array = self.arrays[found.plan.first, found.what]
        if (found.start, found.step, count) == (0, 1, found.plan.stretch.times):
            return array
        spec = spec_in(self.builder, array)
        path = (("getitem", span(found.start, found.step, count)),)
        return self.add(
            read, [array], {"path": path}, spec._replace(shape=(count, *spec.shape[1:]))
        )

    def _region(self, found: Elements, count: int) -> Operand:
        """All that moving reads read, as one read."""
        source = self.value(found.code)
        spec = spec_in(self.builder, source)
        if found.moving.after:
            return self._pieces(found, source, count)
        index = found.moving.every(count)
        shape = np.broadcast_to(0, spec.shape)[index].shape
        if shape == spec.shape and found.moving.step == 1:
            out = source
        else:
            read_spec = Spec(shape, spec.dtype, "array")
            out = self.add(read, [source], {"path": (("getitem", index),)}, read_spec)
        return self.to_axis(out, 0, found.moving.position)

    def _pieces(self, found: Elements, source: Operand, count: int) -> Operand:
        """As `_region`, for paths that go on after the index: one read for each place."""
        whole = np.broadcast_to(0, spec_in(self.builder, source).shape)
        dtype = spec_in(self.builder, source).dtype
        reads: list[Operand] = []
        for t in range(count):
            path = found.moving.path(t)
            shape = np.shape(follow(whole, path))
            spec = Spec(shape, dtype, "array" if shape else "scalar")
            reads.append(self.add(read, [source], {"path": path}, spec))
        spec = collected_spec(Spec(shape, dtype, "array"), count)
        return self.add(pile, reads, {"axis": 0}, spec)

    def to_axis(self, array: Operand, axis: int, held: int = 0) -> Operand:
        """`array` with its axis `held` moved to `axis`."""
        if axis == held:
            return array
        spec = spec_in(self.builder, array)
        axes = [k for k in range(len(spec.shape)) if k != held]
        axes.insert(axis, held)
        shape = tuple([spec.shape[k] for k in axes])
        return self.add(permute, [array], {"axes": tuple(axes)}, spec._replace(shape=shape))

    def _stacked(self, found: Listed) -> Operand:
        spec = collected_spec(self.codes.spec(found.codes[0]), len(found.codes))
        operands = [self.value(code) for code in found.codes]
        if all(isinstance(x, Constant) for x in operands):
            return Constant(np.stack([x.value for x in operands if isinstance(x, Constant)]))
        return self.add(pile, operands, {"axis": 0}, spec)

    def is_final(self, made: Plan, t: int, q: int) -> bool:
        """True for what a loop gives anyway: a buffer, or a value carried on to the end."""
        if any(q in chain for chain in made.chains):
            return True
        return t == made.last and any(c.position == q for c in made.carried)

    def plan_of(self, code: int) -> Plan | None:
        """The plan that makes a value."""
        k = bisect_right(self._firsts, code) - 1
        return self.plans[k] if k >= 0 and code in self.plans[k] else None
