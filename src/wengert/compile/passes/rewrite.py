"""The engine that applies a table of rewrites: matching, conditions, and agreement of specs.

Operations are matched as they are written, their operands being rewritten already, so one walk over
the program does. A row applies only if what it gives has the spec of what it replaces. The one
difficulty is speed: rows are looked up by the primitives of the operation and of its operands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.compile.passes.broadcasts import uniform
from wengert.compile.passes.identity import key
from wengert.compile.passes.inference import copied, infer, spec_in
from wengert.compile.passes.loop import conformed
from wengert.compile.passes.patterns import Computed, Node, Variable, orders, recorded
from wengert.compile.program import Builder, Op, Operand, Program, Spec, spec_of
from wengert.primitives.family import Primitive
from wengert.tape.columns import Constant, Place

_MOST = 16  # rewrites of one operation, one after the other


class Rewrite:
    """A row: what is replaced by what, and when.

    Attributes
    ----------
    left, right : callable
        Both sides, as functions of the variables; trees of them in `patterns` and `result`.
    when, unless : callable, optional
        Conditions; their arguments, by name, are the `Value` of a variable or a parameter.
    exact : bool
        True if both sides agree to the bit.
    kinds : str
        Kinds of dtypes for which it holds.
    mixed : bool
        True if inner operations may have other dtypes than the whole; otherwise one that was
        rounded, or wrapped around, in another dtype is let alone.
    """

    def __init__(
        self,
        left: Callable[..., Any],
        right: Callable[..., Any],
        when: Callable[..., bool] | None,
        unless: Callable[..., bool] | None,
        exact: bool,
        kinds: str,
        mixed: bool,
    ):
        self.left, self.right, self.when, self.unless = left, right, when, unless
        self.exact, self.kinds, self.mixed = exact, kinds, mixed
        self._conditions = [
            (condition, tuple(inspect.signature(condition).parameters), wanted)
            for condition, wanted in ((when, True), (unless, False))
            if condition is not None
        ]
        self.result = recorded(right)
        unique = {repr(tree): tree for tree in orders(recorded(left))}
        self.patterns: tuple[Node, ...] = tuple(unique.values())

    def holds(self, bound: dict[str, Any], builder: Builder) -> bool:
        """True if the conditions are met."""
        return all(
            condition(*[_seen(bound[name], builder) for name in names]) is wanted
            for condition, names, wanted in self._conditions
        )

    def __repr__(self) -> str:
        return f"{self.patterns[0]} -> {self.result}"


def rewrite(
    left: Callable[..., Any],
    right: Callable[..., Any],
    *,
    when: Callable[..., bool] | None = None,
    unless: Callable[..., bool] | None = None,
    exact: bool = True,
    kinds: str = "biuf",
    mixed: bool = False,
) -> Rewrite:
    """Declare a row of a table of rewrites; see `Rewrite`."""
    return Rewrite(left, right, when, unless, exact, kinds, mixed)


class Value:
    """What a condition may ask about an operand."""

    __slots__ = ("_builder", "operand")

    def __init__(self, builder: Builder, operand: Operand):
        self._builder, self.operand = builder, operand

    @property
    def spec(self) -> Spec:
        """Shape, dtype and kind."""
        return spec_in(self._builder, self.operand)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""
        return self.spec.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Dtype."""
        return self.spec.dtype

    @property
    def number(self) -> Any:
        """The number that a constant is throughout; None if it is none."""
        return _number(self.operand) if isinstance(self.operand, Constant) else None

    @property
    def constant(self) -> Any:
        """The value of a constant; None for others."""
        return self.operand.value if isinstance(self.operand, Constant) else None

    @property
    def primitive(self) -> Primitive | None:
        """What gives it; None for inputs and constants."""
        op = _op(self._builder, self.operand)
        return None if op is None else op.primitive

    @property
    def operands(self) -> tuple[Value, ...]:
        """What that is applied to."""
        op = _op(self._builder, self.operand)
        return () if op is None else tuple([Value(self._builder, x) for x in op.operands])


def _op(builder: Builder, operand: Operand) -> Op | None:
    if isinstance(operand, Constant) or operand < len(builder.inputs):
        return None
    return builder.ops[operand - len(builder.inputs)]


def _number(constant: Constant) -> Any:
    value = constant.value
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject or value.size == 0:
            return None
        return value.flat[0] if value.size == 1 else uniform(value)
    return value


def _seen(found: Any, builder: Builder) -> Any:
    """An operand as a `Value`, a parameter as it is."""
    return found.value if isinstance(found, _Parameter) else Value(builder, found)


class _Parameter:
    """What a variable in a parameter's place stands for."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value


class Table:
    """Rewrites, to be applied together."""

    def __init__(self, rows: Sequence[Rewrite]):
        self.rows = tuple(rows)
        self._patterns = [(pattern, row) for row in rows for pattern in row.patterns]
        self._found: dict[Any, tuple[tuple[Node, Rewrite], ...]] = {}

    def apply(self, program: Program) -> Program:
        """A program with every row applied wherever it can be."""
        builder = Builder(program.inputs, program.names)
        where: list[Operand] = list(range(len(program.inputs)))
        changed = False
        for op in program.ops:
            operands = [builder.moved(x, where) for x in op.operands]
            out = self._rewritten(op, operands, builder)
            changed |= out is not None
            where.append(copied(builder, op, operands) if out is None else out)
        return builder.program(program, where) if changed else program

    def _rewritten(self, op: Op, operands: Sequence[Operand], builder: Builder) -> Operand | None:
        """The value that takes the place of an operation, or None; further rewrites included."""
        out: Operand | None = None
        for _ in range(_MOST):
            found = self._match(op, operands, builder)
            if found is None:
                break
            row, bound = found
            new = _built(row.result, bound, op, builder)
            if new is None:
                break
            if not isinstance(new, Op):
                return new
            op, operands = new, new.operands
            out = -1
        return builder.add(op, operands) if out is not None else None

    def _match(
        self, op: Op, operands: Sequence[Operand], builder: Builder
    ) -> tuple[Rewrite, dict[str, Any]] | None:
        for pattern, row in self._candidates(op, operands, builder):
            if op.spec.dtype.kind not in row.kinds:
                continue
            bound: dict[str, Any] = {}
            dtype = None if row.mixed else op.spec.dtype
            if not _bind_op(pattern, op, operands, bound, builder, dtype):
                continue
            if row.holds(bound, builder) and _agrees(row.result, bound, op, builder):
                return row, bound
        return None

    def _candidates(
        self, op: Op, operands: Sequence[Operand], builder: Builder
    ) -> tuple[tuple[Node, Rewrite], ...]:
        """The rows whose root and operands have the right primitives."""
        tags = (op.primitive, *[_tag(operand, builder) for operand in operands[:3]])
        found = self._found.get(tags)
        if found is None:
            found = self._found[tags] = tuple(
                [pair for pair in self._patterns if _may_match(pair[0], tags, len(operands))]
            )
        return found


def _tag(operand: Operand, builder: Builder) -> Any:
    if isinstance(operand, Constant):
        return Constant
    k = operand - len(builder.inputs)
    return None if k < 0 else builder.ops[k].primitive


def _may_match(pattern: Node, tags: tuple[Any, ...], count: int) -> bool:
    if pattern.primitive is not tags[0] or len(pattern.operands) != count:
        return False
    for part, tag in zip(pattern.operands, tags[1:], strict=False):
        if isinstance(part, Node):
            if part.primitive is not tag:
                return False
        elif not isinstance(part, Variable) and tag is not Constant:
            return False
    return True


# ---------------------------------------------------------------------------------------- matching


def _bind_op(
    pattern: Node,
    op: Op,
    operands: Sequence[Operand],
    bound: dict[str, Any],
    builder: Builder,
    dtype: np.dtype[Any] | None,
) -> bool:
    """Match an operation; `bound` gets what the variables stand for."""
    if pattern.primitive is not op.primitive or len(pattern.operands) != len(operands):
        return False
    if pattern.parameters.keys() != op.parameters.keys():
        return False
    for name, wanted in pattern.parameters.items():
        if isinstance(wanted, Variable):
            bound[wanted.name] = _Parameter(op.parameters[name])
        elif key(wanted) != key(op.parameters[name]):
            return False
    for part, operand in zip(pattern.operands, operands, strict=True):
        if not _bind(part, operand, bound, builder, dtype):
            return False
    return True


def _bind(
    pattern: Any,
    operand: Operand,
    bound: dict[str, Any],
    builder: Builder,
    dtype: np.dtype[Any] | None,
) -> bool:
    if isinstance(pattern, Variable):
        held = bound.setdefault(pattern.name, operand)
        return held is operand or _same(held, operand)
    if isinstance(pattern, Node):
        op = _op(builder, operand)
        if op is None or (dtype is not None and op.spec.dtype != dtype):
            return False
        return _bind_op(pattern, op, op.operands, bound, builder, dtype)
    return isinstance(operand, Constant) and _is_number(operand, pattern)


def _same(x: Operand, y: Operand) -> bool:
    if isinstance(x, Constant) and isinstance(y, Constant):
        return key(x.value) == key(y.value)
    return isinstance(x, int) and isinstance(y, int) and x == y


def _is_number(constant: Constant, wanted: Any) -> bool:
    """True if a constant is the number wanted, with its sign if it is zero."""
    number = _number(constant)
    if number is None or isinstance(number, bool | np.bool_ | str) or not np.isscalar(number):
        return False
    if number != wanted:
        return False
    return wanted != 0 or bool(np.signbit(np.real(number)) == np.signbit(wanted))


# ----------------------------------------------------------------------------------------- writing


def _agrees(result: Any, bound: dict[str, Any], op: Op, builder: Builder) -> bool:
    return _spec(result, bound, op, builder) == op.spec


def _spec(tree: Any, bound: dict[str, Any], op: Op, builder: Builder) -> Spec | None:
    """The spec of a tree with the variables bound."""
    if isinstance(tree, Variable):
        return spec_in(builder, bound[tree.name])
    if isinstance(tree, Node):
        specs = [_spec(part, bound, op, builder) for part in tree.operands]
        if any(spec is None for spec in specs):
            return None
        parameters = _parameters(tree, bound, builder)
        found = infer(tree.primitive, [spec for spec in specs if spec is not None], parameters)
        if found is not None and all(spec is not None and spec.kind == "python" for spec in specs):
            return found._replace(kind=op.spec.kind)  # an operator gave it, or a NumPy function
        return found
    return spec_of(_evaluated(tree, bound, builder))


def _evaluated(tree: Any, bound: dict[str, Any], builder: Builder) -> Any:
    """A number or parameter of the right side."""
    if isinstance(tree, Computed):
        arguments = [
            _seen(bound[x.name], builder) if isinstance(x, Variable) else x for x in tree.arguments
        ]
        return tree.function(*arguments)
    if isinstance(tree, Variable):
        return bound[tree.name].value
    return tree


def _parameters(tree: Node, bound: dict[str, Any], builder: Builder) -> dict[str, Any]:
    return {name: _evaluated(part, bound, builder) for name, part in tree.parameters.items()}


def _built(result: Any, bound: dict[str, Any], op: Op, builder: Builder) -> Operand | Op | None:
    """The right side: its root as an operation still to be written, all below it written."""
    if isinstance(result, Variable):
        found: Operand = bound[result.name]
        if isinstance(found, Constant):
            return Constant(conformed(found.value, op.spec))
        return found
    if not isinstance(result, Node):
        return Constant(conformed(_evaluated(result, bound, builder), op.spec))
    operands = [_written(part, bound, op, builder) for part in result.operands]
    parameters = _parameters(result, bound, builder)
    return Op(result.primitive, tuple(operands), parameters, op.spec, op.place)


def _written(tree: Any, bound: dict[str, Any], op: Op, builder: Builder) -> Operand:
    if isinstance(tree, Variable):
        found: Operand = bound[tree.name]
        return found
    if not isinstance(tree, Node):
        return Constant(_evaluated(tree, bound, builder))
    spec = _spec(tree, bound, op, builder)
    assert spec is not None, f"{tree} was found to fit"
    operands = [_written(part, bound, op, builder) for part in tree.operands]
    place: Place | None = op.place
    parameters = _parameters(tree, bound, builder)
    return builder.add(Op(tree.primitive, (), parameters, spec, place), operands)
