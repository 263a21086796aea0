"""What need not be in a loop is taken out of it.

Results that nobody reads; operations on values that stay the same, done once before; operations
that depend on no carried value, done before on whole arrays, and those that no carried value
depends on, done after, where that pays; sums of matrix products over iterations, done after as one
product. Loops then hold the recurrence alone. The one difficulty is rounding: elementwise results
stay as they are, but a matrix product of all iterations, and such a sum, may differ in the last
bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.compile.passes.inference import copied, infer, is_elementwise, spec_in
from wengert.compile.passes.loop import Stacked, collected_spec, loop, map_bodies
from wengert.compile.passes.stretches import span
from wengert.compile.program import Builder, Op, Operand, Program, Spec
from wengert.primitives.arithmetic import (
    absolute,
    add,
    maximum,
    minimum,
    multiply,
    negative,
    subtract,
)
from wengert.primitives.indexing import read
from wengert.primitives.joining import part
from wengert.primitives.products import matmul
from wengert.primitives.reductions import add_up
from wengert.primitives.shaping import broadcast, permute, reshape_to
from wengert.tape.columns import Constant

# Cheaper to do again than to write to memory and read back.
_CHEAP = frozenset({add, subtract, multiply, negative, absolute, maximum, minimum})
_LARGE = 2**18  # elements


def hoist(program: Program) -> Program:
    """Take out of loops what need not be there."""
    if not any(op.primitive is loop for op in program.ops):
        return program
    program = map_bodies(program, hoist)
    count = len(program.inputs)
    wanted = _wanted(program)
    builder = Builder(program.inputs, program.names)
    where: list[Operand] = list(range(count))
    results: dict[int, dict[int, Operand]] = {}
    for value, op in enumerate(program.ops, count):
        operands = [builder.moved(x, where) for x in op.operands]
        if op.primitive is loop:
            results[value] = _Hoisting(builder, op, operands, wanted.get(value, set())).write()
            where.append(_NOTHING)
        elif op.primitive is part and op.operands[0] in results:
            found = results[op.operands[0]]
            where.append(found.get(op.parameters["position"], _NOTHING))
        else:
            where.append(copied(builder, op, operands))
    return builder.program(program, where)


_NOTHING = Constant(None)  # never read


def _wanted(program: Program) -> dict[int, set[int]]:
    """Which results of each loop are read."""
    uses = program.uses()
    found: dict[int, set[int]] = {}
    for value, op in enumerate(program.ops, len(program.inputs)):
        if op.primitive is part and isinstance(op.operands[0], int) and uses[value]:
            found.setdefault(op.operands[0], set()).add(op.parameters["position"])
    return found


@dataclass
class _Sum:
    """A carried value that only adds up: after the loop it is ``initial + total``, or minus."""

    carried: int
    value: int  # its next value
    term: int  # what is added
    primitive: Any


class _Hoisting:
    """Writes one loop anew."""

    def __init__(self, builder: Builder, op: Op, operands: Sequence[Operand], wanted: set[int]):
        self.builder, self.op = builder, op
        self.body: Program = op.parameters["body"]
        self.count: int = op.parameters["count"]
        carried, stacked = op.parameters["carried"], op.parameters["stacked"]
        self.inputs = len(self.body.inputs)
        self.initial = list(operands[:carried])
        self.stacked: dict[int, tuple[Operand, Stacked]] = {
            k: (operands[k], moves) for k, moves in enumerate(stacked, carried)
        }
        # Values of the body that can be had outside: once, or for all iterations.
        self.once: dict[int, Operand] = {
            k: operands[k] for k in range(carried + len(stacked), self.inputs)
        }
        self.wide: dict[int, Operand] = {}
        self.wanted = wanted
        self.carries = range(carried)

    def write(self) -> dict[int, Operand]:
        """The results that are wanted, by position."""
        live = self._live()
        self._do_once(live)
        self.early = self._worthwhile(self._found_early(live))
        self.sums = self._sums(live)
        kept, collected, late = self._kept(live)
        finals, arrays = self._write_loop(kept, collected)
        for value, operand in arrays.items():
            self.wide[value] = operand
        for value in late:
            self._widened(value)
        results: dict[int, Operand] = {}
        for position in sorted(self.wanted):
            out = self.body.outputs[position]
            if position in self.sums:
                results[position] = self._summed(self.sums[position])
            elif position in finals:
                results[position] = finals[position]
            else:
                results[position] = self._repeated(out)
        return results

    # --------------------------------------------------------------------------------- analysis

    def _live(self) -> set[int]:
        """Values of the body that what is wanted depends on."""
        live: set[int] = set()
        roots = [self.body.outputs[k] for k in self.wanted]
        while True:
            before = len(live)
            self._mark(live, roots)
            if len(live) == before:
                return live
            roots = [self.body.outputs[k] for k in self.carries if k in live]

    def _mark(self, live: set[int], roots: Iterable[Operand]) -> None:
        """Add roots, and all that they depend on."""
        live.update(root for root in roots if isinstance(root, int))
        for value in range(self.inputs + len(self.body.ops) - 1, self.inputs - 1, -1):
            if value in live:
                live.update(x for x in self._op(value).operands if isinstance(x, int))

    def _op(self, value: int) -> Op:
        return self.body.ops[value - self.inputs]

    def _do_once(self, live: set[int]) -> None:
        for value, op in enumerate(self.body.ops, self.inputs):
            if value not in live or op.spec.kind == "tuple":
                continue
            if all(isinstance(x, Constant) or x in self.once for x in op.operands):
                operands = [x if isinstance(x, Constant) else self.once[x] for x in op.operands]
                self.once[value] = self.builder.add(op, operands)

    def _found_early(self, live: set[int]) -> set[int]:
        """Operations that could be done before the loop, for all iterations at once."""
        found: set[int] = set()
        for value, op in enumerate(self.body.ops, self.inputs):
            if value in live and value not in self.once and self._can_be_wide(op, found):
                found.add(value)
        return found

    def _can_be_wide(self, op: Op, others: set[int]) -> bool:
        specs: list[Spec] = []
        size = self.count * op.spec.size
        given = 0  # elements of what is read of all iterations
        for x in op.operands:
            is_single = isinstance(x, Constant) or x in self.once
            if not is_single and x not in self.stacked and x not in others:
                return False
            spec = self.body.spec(x)
            given = given if is_single else max(given, self.count * spec.size)
            if op.primitive is matmul:
                continue
            if is_single:
                if len(spec.shape) > len(op.spec.shape):
                    return False
            elif len(spec.shape) != len(op.spec.shape):
                return False
            specs.append(spec if is_single else collected_spec(spec, self.count))
        if size > max(_LARGE, 2 * given):  # a few numbers would fill memory
            return False
        if op.primitive is matmul:
            return self._is_long_product(op)
        if not is_elementwise(op.primitive):
            return False
        return infer(op.primitive, specs, op.parameters) == collected_spec(op.spec, self.count)

    def _is_long_product(self, op: Op) -> bool:
        """True for rows of each iteration times one matrix: rows of one long matrix times it."""
        rows, matrix = op.operands
        specs = (self.body.spec(rows), self.body.spec(matrix))
        if isinstance(rows, Constant) or rows in self.once:
            return False
        if not (isinstance(matrix, Constant) or matrix in self.once):
            return False
        return all(len(spec.shape) == 2 and spec.dtype == op.spec.dtype for spec in specs)

    def _worthwhile(self, found: set[int]) -> set[int]:
        """Of operations that can be done on whole arrays those that gain by it."""
        kept: set[int] = set()
        for value in sorted(found, reverse=True):
            op = self._op(value)
            if value in kept or not op.spec.shape or op.primitive not in _CHEAP:
                kept.add(value)
                kept.update(x for x in op.operands if isinstance(x, int) and x in found)
        return kept

    def _sums(self, live: set[int]) -> dict[int, _Sum]:
        """Carried values that only add up matrix products, or sums over rows."""
        readers: dict[int, list[int]] = {}
        for value, op in enumerate(self.body.ops, self.inputs):
            if value in live:
                for x in op.operands:
                    if isinstance(x, int):
                        readers.setdefault(x, []).append(value)
        found: dict[int, _Sum] = {}
        for k in self.carries:
            out = self.body.outputs[k]
            if k not in self.wanted or not isinstance(out, int) or out < self.inputs:
                continue
            op = self._op(out)
            if op.primitive not in (add, subtract) or readers.get(k) != [out] or out in readers:
                continue
            if self.body.outputs.count(out) > 1 or k in self.body.outputs:
                continue
            if k not in op.operands or (op.primitive is subtract and op.operands[0] != k):
                continue
            term = op.operands[1] if op.operands[0] == k else op.operands[0]
            if isinstance(term, int) and readers.get(term) == [out] and self._adds_up(term, op):
                found[k] = _Sum(k, out, term, op.primitive)
        return found

    def _adds_up(self, term: int, op: Op) -> bool:
        if term < self.inputs or term in self.once or term in self.body.outputs:
            return False
        made = self._op(term)
        if made.spec.dtype != op.spec.dtype or made.spec.shape != op.spec.shape:
            return False
        if made.primitive is add_up:
            return made.spec.kind == "array" and not made.parameters["keepdims"]
        specs = [self.body.spec(x) for x in made.operands]
        return made.primitive is matmul and all(
            len(spec.shape) == 2 and spec.dtype == op.spec.dtype for spec in specs
        )

    def _kept(self, live: set[int]) -> tuple[set[int], list[int], list[int]]:
        """What stays in the body; what of it is collected; what is done after it."""
        collected: list[Operand] = []
        for k in sorted(self.wanted):
            if k in self.sums:
                collected += self._parts(self.sums[k])
            elif k not in self.carries:
                collected.append(self.body.outputs[k])
        recurrence: set[int] = set()
        carries = [k for k in self.carries if k in live or k in self.wanted]
        self._mark_inside(recurrence, [self.body.outputs[k] for k in carries if k not in self.sums])
        late = self._late(recurrence, collected)
        needs = [x for x in collected if x not in late]
        needs += [x for value in late for x in self._op(value).operands]
        inside = {x for x in needs if isinstance(x, int) and self._is_inside(x) and x not in late}
        kept = set(recurrence)
        self._mark_inside(kept, inside)
        return kept, sorted(inside), sorted(late)

    def _is_inside(self, value: int) -> bool:
        return not (value in self.once or value in self.stacked or value in self.early)

    def _mark_inside(self, marked: set[int], roots: Iterable[Operand]) -> None:
        """Add roots, and all that they depend on, up to what comes from outside the loop."""
        marked.update(x for x in roots if isinstance(x, int) and self._is_inside(x))
        for value in range(self.inputs + len(self.body.ops) - 1, self.inputs - 1, -1):
            if value in marked:
                operands = self._op(value).operands
                marked.update(x for x in operands if isinstance(x, int) and self._is_inside(x))

    def _late(self, recurrence: set[int], collected: Sequence[Operand]) -> set[int]:
        """Operations on numbers that only what is collected depends on."""
        needed: set[int] = set()
        self._mark_inside(needed, collected)
        late: set[int] = set()
        inside = {x for x in needed if x < self.inputs} | recurrence
        for value in sorted(needed - recurrence):
            if value < self.inputs or self._op(value).spec.shape:
                inside.add(value)
            elif self._can_be_wide(self._op(value), inside | late | self.early):
                late.add(value)
            else:
                inside.add(value)
        return late

    # ---------------------------------------------------------------------------------- writing

    def _write_loop(
        self, kept: set[int], collected: Sequence[int]
    ) -> tuple[dict[int, Operand], dict[int, Operand]]:
        """The loop that remains: its final values by position, and its arrays by value."""
        carries = [
            k for k in self.carries if k in kept or (k in self.wanted and k not in self.sums)
        ]
        if not carries and not collected:
            return {}, {}
        entering: dict[int, None] = {}  # what comes from outside, in order
        for value in [*sorted(kept), *carries]:
            operands = self._op(value).operands if value >= self.inputs else ()
            roots = (self.body.outputs[value],) if value in carries else ()
            for x in (*operands, *roots):
                if isinstance(x, int) and not self._is_inside(x):
                    entering.setdefault(x)
        varying = [x for x in entering if x not in self.once]
        fixed = [x for x in entering if x in self.once]
        given = [self._given(x) for x in varying]
        inputs = [self.body.inputs[k] for k in carries]
        inputs += [self.body.spec(x) for x in (*varying, *fixed)]
        body = Builder(inputs)
        numbers: dict[int, Operand] = {x: n for n, x in enumerate((*carries, *varying, *fixed))}
        for value in sorted(kept):
            if value >= self.inputs:
                op = self._op(value)
                inside = [x if isinstance(x, Constant) else numbers[x] for x in op.operands]
                numbers[value] = body.add(op, inside)
        outputs: list[Operand] = [*[self.body.outputs[k] for k in carries], *collected]
        out = tuple([x if isinstance(x, Constant) else numbers[x] for x in outputs])
        program = Program(body.inputs, tuple(body.ops), out)
        around = [*[self.initial[k] for k in carries], *[array for array, _ in given]]
        around += [self.once[x] for x in fixed]
        parts = self._loop(program, around, len(carries), [moves for _, moves in given])
        finals = dict(zip(carries, parts, strict=False))
        return finals, dict(zip(collected, parts[len(carries) :], strict=True))

    def _given(self, value: int) -> tuple[Operand, Stacked]:
        """The array that a value of each iteration is read from."""
        if value in self.stacked:
            return self.stacked[value]
        return self._widened(value), Stacked(0, 0, 1)

    def _loop(
        self, body: Program, operands: Sequence[Operand], carried: int, stacked: Sequence[Stacked]
    ) -> list[Operand]:
        parameters = {
            **self.op.parameters,
            "body": body,
            "carried": carried,
            "stacked": tuple(stacked),
        }
        specs = [body.spec(out) for out in body.outputs]
        specs[carried:] = [collected_spec(spec, self.count) for spec in specs[carried:]]
        spec = specs[0]._replace(kind="tuple")
        whole = self.builder.add(Op(loop, (), parameters, spec, self.op.place), operands)
        return [self._add(part, [whole], spec, position=k) for k, spec in enumerate(specs)]

    def _add(
        self, primitive: Any, operands: Sequence[Operand], spec: Spec, **parameters: Any
    ) -> int:
        return self.builder.add(Op(primitive, (), parameters, spec, self.op.place), operands)

    # ---------------------------------------------------------------------------- arrays of values

    def _widened(self, value: int) -> Operand:
        """The array of a value of all iterations."""
        held = self.wide.get(value)
        if held is None:
            held = self._region(value) if value in self.stacked else self._done(value)
            self.wide[value] = held
        return held

    def _region(self, value: int) -> Operand:
        array, (axis, start, step) = self.stacked[value]
        whole = spec_in(self.builder, array)
        if (start, step, self.count) != (0, 1, whole.shape[axis]):
            index = (*(slice(None),) * axis, span(start, step, self.count))
            shape = (*whole.shape[:axis], self.count, *whole.shape[axis + 1 :])
            whole = whole._replace(shape=shape)
            path = (("getitem", index if axis else index[0]),)
            array = self._add(read, [array], whole, path=path)
        if axis == 0:
            return array
        axes = (axis, *[k for k in range(len(whole.shape)) if k != axis])
        spec = whole._replace(shape=tuple([whole.shape[k] for k in axes]))
        return self._add(permute, [array], spec, axes=axes)

    def _done(self, value: int) -> Operand:
        op = self._op(value)
        spec = collected_spec(op.spec, self.count)
        operands = [self._operand(x) for x in op.operands]
        if op.primitive is not matmul:
            return self.builder.add(Op(op.primitive, (), op.parameters, spec, op.place), operands)
        rows = self._as_rows(operands[0])
        height, width = spec_in(self.builder, rows).shape[0], spec.shape[-1]
        product = self._add(matmul, [rows, operands[1]], spec._replace(shape=(height, width)))
        return self._add(reshape_to, [product], spec, shape=spec.shape)

    def _operand(self, x: Operand) -> Operand:
        if isinstance(x, Constant):
            return x
        return self.once[x] if x in self.once else self._widened(x)

    def _as_rows(self, stack: Operand) -> Operand:
        """A stack of matrices as one matrix, one below the other."""
        spec = spec_in(self.builder, stack)
        shape = (spec.shape[0] * spec.shape[1], spec.shape[2])
        return self._add(reshape_to, [stack], spec._replace(shape=shape), shape=shape)

    def _repeated(self, out: Operand) -> Operand:
        """The array that collects a value."""
        if isinstance(out, int) and out not in self.once:
            return self._widened(out)
        single = self.once[out] if isinstance(out, int) else out
        spec = collected_spec(spec_in(self.builder, single), self.count)
        return self._add(broadcast, [single], spec, shape=spec.shape)

    # ---------------------------------------------------------------------------------------- sums

    def _parts(self, found: _Sum) -> list[Operand]:
        """What must be collected for a sum."""
        made = self._op(found.term)
        if made.primitive is add_up:
            return list(made.operands)
        return [self._transposed(made.operands[0])[0], made.operands[1]]

    def _transposed(self, x: Operand) -> tuple[Operand, bool]:
        """What a matrix is the transpose of, and True; or itself, and False."""
        if isinstance(x, int) and x >= self.inputs and x not in self.once:
            op = self._op(x)
            if op.primitive is permute and op.parameters["axes"] == (1, 0):
                return op.operands[0], True
        return x, False

    def _summed(self, found: _Sum) -> Operand:
        made = self._op(found.term)
        if made.primitive is add_up:
            axes = (0, *[k + 1 for k in made.parameters["axis"]])
            stack = self._repeated(made.operands[0])
            total = self._add(add_up, [stack], made.spec, axis=axes, keepdims=False)
        else:
            total = self._add(matmul, self._sides(made), made.spec)
        spec = self._op(found.value).spec
        return self._add(found.primitive, [self.initial[found.carried], total], spec)

    def _sides(self, made: Op) -> list[Operand]:
        """Both sides of the product that is the sum of the products of all iterations."""
        left, is_transposed = self._transposed(made.operands[0])
        stack = self._repeated(left)
        if not is_transposed:
            axes = (0, 2, 1)
            spec = spec_in(self.builder, stack)
            swapped = spec._replace(shape=tuple([spec.shape[k] for k in axes]))
            stack = self._add(permute, [stack], swapped, axes=axes)
        rows = self._as_rows(stack)
        spec = spec_in(self.builder, rows)
        turned = self._add(permute, [rows], spec._replace(shape=spec.shape[::-1]), axes=(1, 0))
        return [turned, self._as_rows(self._repeated(made.operands[1]))]
