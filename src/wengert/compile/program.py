"""`Program`: a traced function as straight-line data, which every room of the compiler reads.

Values are numbered: inputs first, then one per operation. An operation is a primitive of the
registry applied to earlier values and constants, so a program can be run by NumPy (`interpret`, the
reference that native code is compared with), printed, saved, and rewritten. Nothing here knows
tapes or native code. The one difficulty is NumPy's weak Python numbers: a `Spec` tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from wengert.primitives.adjoints import Like, like_of
from wengert.primitives.family import Primitive
from wengert.primitives.joining import part as PART
from wengert.tape.columns import Constant, Place
from wengert.tape.scopes import WHOLE, Group

Operand = int | Constant

_PYTHON = (bool, int, float, complex)


class Spec(NamedTuple):
    """What a value is: shape, dtype, and whether NumPy holds it as an array, a scalar or neither.

    Attributes
    ----------
    kind : str
        "python": a Python number, which is weak in promotion; "scalar": a NumPy scalar; "array";
        "tuple": several values, taken apart by the operations that follow; shape and dtype are
        those of the first.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    kind: str

    @property
    def like(self) -> Like:
        """Shape and dtype."""
        return Like(self.shape, self.dtype)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.like.size

    def __str__(self) -> str:
        """``float`` is Python's number, ``float64`` NumPy's, ``float64[3]`` an array."""
        if self.kind == "python":
            return type(self.dtype.type().item()).__name__
        axes = ",".join(map(str, self.shape))
        return self.dtype.name + {"array": f"[{axes}]", "scalar": "", "tuple": " tuple"}[self.kind]


def spec_of(value: Any) -> Spec:
    """The spec of a number, an ndarray or a tuple of them."""
    if isinstance(value, tuple):
        first = spec_of(value[0])
        return Spec(first.shape, first.dtype, "tuple")
    like = like_of(value)
    kind = "python" if type(value) in _PYTHON else "array"
    return Spec(like.shape, like.dtype, "scalar" if isinstance(value, np.generic) else kind)


@dataclass(slots=True)  # not frozen: long programs have many, and those take four times as long
class Op:
    """One operation: a primitive, what it is applied to, and what it gives. Nobody changes one.

    Attributes
    ----------
    operands : tuple of int or Constant
        Numbers of earlier values; constants with their ``value``.
    parameters : dict
        Static parameters of the primitive.
    place : Place, optional
        The user's line.
    """

    primitive: Primitive
    operands: tuple[Operand, ...]
    parameters: dict[str, Any]
    spec: Spec
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """A decision that user code took: the program holds only while `value` equals `expected`.

    Every decision is brought to this form by recording: ``if x > 0`` guards the boolean scalar
    ``x > 0``, ``range(int(k))`` the integer, a data-dependent shape the count.

    Attributes
    ----------
    value : int
        Number of a boolean or integer scalar of the program.
    expected : bool or int
        What it was while tracing.
    place : Place, optional
        The line that branches.
    """

    value: int
    expected: bool | int
    place: Place | None = None


class Groups(NamedTuple):
    """Calls of functions and scopes: the groups, and the number of that of each operation."""

    groups: tuple[Group, ...]
    members: tuple[int, ...]


NO_GROUPS = Groups((WHOLE,), ())


@dataclass(frozen=True)
class Program:
    """Straight-line code: inputs, operations, outputs, and the guards under which it holds.

    Attributes
    ----------
    inputs : tuple of Spec
        Values 0 to ``len(inputs) - 1``.
    ops : tuple of Op
        Value ``len(inputs) + k`` is what ``ops[k]`` gives.
    outputs : tuple of int or Constant
        The leaves of the result.
    guards : tuple of Guard
        In the order in which they were decided.
    names : tuple of str
        How user code calls the inputs.
    groups : Groups
        The calls and scopes that the operations were recorded in, for those who look; empty unless
        the program is as it was traced.
    """

    inputs: tuple[Spec, ...]
    ops: tuple[Op, ...]
    outputs: tuple[Operand, ...]
    guards: tuple[Guard, ...] = ()
    names: tuple[str, ...] = field(default=())
    groups: Groups = field(default=NO_GROUPS, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.ops)

    def spec(self, operand: Operand) -> Spec:
        """The spec of a value or constant."""
        if isinstance(operand, Constant):
            return spec_of(operand.value)
        count = len(self.inputs)
        return self.inputs[operand] if operand < count else self.ops[operand - count].spec

    def op(self, value: int) -> Op | None:
        """The operation that gives a value; None for an input."""
        return self.ops[value - len(self.inputs)] if value >= len(self.inputs) else None

    def uses(self) -> list[int]:
        """How often each value is read: by operations, outputs and guards."""
        counts = [0] * (len(self.inputs) + len(self.ops))
        for op in self.ops:
            for operand in op.operands:
                if isinstance(operand, int):
                    counts[operand] += 1
        for out in self.outputs:
            if isinstance(out, int):
                counts[out] += 1
        for guard in self.guards:
            counts[guard.value] += 1
        return counts

    def __str__(self) -> str:
        lines = [f"v{k} = input {spec}" for k, spec in enumerate(self.inputs)]
        for k, op in enumerate(self.ops, len(self.inputs)):
            operands = [_text(x) for x in op.operands]
            operands += [f"{name}={value!r:.40}" for name, value in op.parameters.items()]
            lines.append(f"v{k} = {op.primitive.name}({', '.join(operands)})  {op.spec}")
        lines += [f"guard v{guard.value} == {guard.expected!r}" for guard in self.guards]
        return "\n".join([*lines, f"return {', '.join(map(_text, self.outputs))}"])


def _text(operand: Operand) -> str:
    if isinstance(operand, int):
        return f"v{operand}"
    spec = spec_of(operand.value)
    return repr(operand.value) if spec.size == 1 and spec.kind != "array" else f"<{spec}>"


class Builder:
    """Writes a program, one operation after the other; passes rebuild programs with it.

    Examples
    --------
    A pass reads one program and writes another::

        builder = Builder(program.inputs, program.names)
        where = list(range(len(program.inputs)))       # new number, or Constant, of each old value
        for op in program.ops:
            where.append(builder.add(op, [builder.moved(x, where) for x in op.operands]))
        return builder.program(program, where)
    """

    def __init__(self, inputs: Sequence[Spec], names: Sequence[str] = ()):
        self.inputs, self.names = tuple(inputs), tuple(names)
        self.ops: list[Op] = []

    def add(self, op: Op, operands: Sequence[Operand]) -> int:
        """Append an operation with other operands; the number of its value."""
        self.ops.append(Op(op.primitive, tuple(operands), op.parameters, op.spec, op.place))
        return len(self.inputs) + len(self.ops) - 1

    @staticmethod
    def moved(operand: Operand, where: Sequence[Operand]) -> Operand:
        """An operand of the old program as it is called in the new one."""
        return operand if isinstance(operand, Constant) else where[operand]

    def program(self, old: Program, where: Sequence[Operand]) -> Program:
        """The program written, with the outputs and guards of the old one.

        A guard whose value became the constant expected is gone.
        """
        guards: list[Guard] = []
        for guard in old.guards:
            value = where[guard.value]
            if isinstance(value, int):
                guards.append(Guard(value, guard.expected, guard.place))
            elif value.value != guard.expected:
                raise AssertionError(f"a pass made {guard} never hold")
        outputs = tuple([self.moved(x, where) for x in old.outputs])
        return Program(self.inputs, tuple(self.ops), outputs, tuple(guards), self.names)


class GuardFailed(Exception):  # noqa: N818 (a signal between rooms, never seen by users)
    """A decision would go another way: this path is not the one."""

    def __init__(self, guard: Guard):
        super().__init__(guard)
        self.guard = guard


def interpret(
    program: Program, inputs: Sequence[Any], call: Callable[..., Any] | None = None
) -> list[Any]:
    """Run a program by NumPy.

    Parameters
    ----------
    inputs : sequence
        One value for each input, of its spec.
    call : callable, optional
        What runs one operation, ``call(op, operands)``; by default the primitive's function.

    Returns
    -------
    list
        The outputs.

    Raises
    ------
    GuardFailed
        At the first guard that does not hold.
    """
    guards: dict[int, list[Guard]] = {}
    for guard in program.guards:
        guards.setdefault(guard.value, []).append(guard)
    values: list[Any] = []

    def keep(value: Any) -> None:
        for guard in guards.get(len(values), ()):
            if value != guard.expected:
                raise GuardFailed(guard)
        values.append(value)

    def operand(x: Operand) -> Any:
        return values[x] if isinstance(x, int) else x.value

    for value in inputs:
        keep(value)
    for op in program.ops:
        operands = [operand(x) for x in op.operands]
        keep(run_op(op, operands) if call is None else call(op, operands))
    return [operand(x) for x in program.outputs]


def run_op(op: Op, operands: Sequence[Any]) -> Any:
    """Apply one operation to values; the operands are left as they are."""
    if op.primitive is PART:
        return operands[0][op.parameters["position"]]
    return op.primitive.function(*operands, **op.parameters)


def verify(program: Program) -> None:
    """Check the form of a program: what every room relies on, and passes must keep."""
    count = len(program.inputs)
    for k, op in enumerate(program.ops, count):
        for operand in op.operands:
            assert isinstance(operand, Constant) or 0 <= operand < k, f"v{k} reads {operand}"
        if op.primitive.outputs > 1:
            assert op.spec.kind == "tuple", f"v{k} is a tuple"
    total = count + len(program.ops)
    for out in program.outputs:
        assert isinstance(out, Constant) or 0 <= out < total, f"output {out}"
        assert program.spec(out).kind != "tuple", "an output is a tuple"
    for guard in program.guards:
        assert 0 <= guard.value < total, f"guard on {guard.value}"
        spec = program.spec(guard.value)
        assert spec.shape == (), f"guard on {spec}"
        assert spec.dtype.kind in "biu", f"guard on {spec}"
