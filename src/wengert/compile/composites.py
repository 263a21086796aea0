"""Operations taken apart before a program is divided: mean, logsumexp, softmax; checks; copies.

What these primitives do is said once more here, in terms of primitives with a lowering, so that it
fuses with what stands around it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.compile.lookup import full_key
from wengert.compile.native.types import is_native
from wengert.compile.passes.loop import Stacked
from wengert.compile.passes.loop import loop as LOOP
from wengert.compile.program import Builder, Op, Operand, Program, Spec, spec_of
from wengert.primitives import einsum
from wengert.primitives.family import locally_constant
from wengert.primitives.registry import REGISTRY
from wengert.primitives.taking import HOLE
from wengert.tape.columns import Constant

# An output that is an input, a constant, or another output as well.
copied = locally_constant(lambda x: x, ("x",), name="copied", lower="copy")


def _unchecked(a: Any, *, axis: int, shape: tuple[int, ...]) -> Any:
    """The index itself, unless it is out of range: then NumPy's IndexError."""
    if np.any((a < -shape[axis]) | (a >= shape[axis])):
        np.broadcast_to(0, shape)[(*(slice(None),) * axis, a)]
    return a


# An index that is an operand of `gather` or `scatter`, once it is known to be in range.
CHECKED = locally_constant(_unchecked, ("a",), name="checked")


def prepared(program: Program) -> Program:
    """The program with composite operations taken apart, and each output computed on its own."""
    builder = _Writer(program.inputs, program.names)
    where: list[Operand] = list(range(len(program.inputs)))
    for op in program.ops:
        operands = [builder.moved(x, where) for x in op.operands]
        if op.primitive.name in _FOLDS and op.parameters.get("axis") == ():
            where.append(builder.apply(copied, *operands, spec=op.spec))
        elif op.primitive is LOOP:
            where.append(_with_first_axes(builder, op, operands))
        elif op.primitive.name in ("gather", "scatter"):
            where.append(_with_checks(builder, op, operands))
        else:
            found = _expanded(builder, op, operands)
            where.append(builder.add(op, operands) if found is None else found)
    seen: set[int] = set()
    outputs: list[Operand] = []
    for x in program.outputs:
        operand = builder.moved(x, where)
        if not isinstance(operand, int) or operand < len(program.inputs) or operand in seen:
            operand = builder.apply(copied, operand, spec=program.spec(x))
        seen.add(operand)
        outputs.append(operand)
    out = builder.program(program, where)
    return Program(out.inputs, tuple(builder.ops), tuple(outputs), out.guards, out.names)


def _expanded(to: _Writer, op: Op, operands: list[Operand]) -> Operand | None:
    """What an operation is in terms of others; None if it stays as it is."""
    expand = EXPANSIONS.get(op.primitive.name)
    dtypes = [op.spec.dtype, *[to.spec(x).dtype for x in operands]]
    if expand is None or not all(is_native(d) for d in dtypes) or op.spec.dtype.kind != "f":
        return None
    if op.primitive.name != "mean" and any(d.kind != "f" for d in dtypes):
        return None
    return expand(to, op, operands)


def with_copies(program: Program, outputs: Sequence[Operand]) -> Program:
    """The program with copies in place of some of its outputs."""
    builder = _Writer(program.inputs, program.names)
    builder.ops = list(program.ops)
    copies = {x: builder.apply(copied, x, spec=program.spec(x)) for x in outputs}
    found = tuple([copies.get(x, x) for x in program.outputs])
    return Program(program.inputs, tuple(builder.ops), found, program.guards, program.names)


_FOLDS = frozenset({"sum", "prod", "max", "min", "mean"})  # along no axis, each gives its operand


def _with_first_axes(to: _Writer, op: Op, operands: list[Operand]) -> int:
    """A loop that runs along the first axis of every array that it reads part by part."""
    carried, stacked = op.parameters["carried"], list(op.parameters["stacked"])
    given = list(operands)
    for k, (axis, start, step) in enumerate(stacked):
        at = carried + k
        spec = to.spec(given[at])
        if axis:
            order = (axis, *[n for n in range(len(spec.shape)) if n != axis])
            shape = tuple([spec.shape[n] for n in order])
            moved = spec._replace(shape=shape)
            given[at] = to.apply("transpose", given[at], spec=moved, axes=order)
            stacked[k] = Stacked(0, start, step)
    parameters = {**op.parameters, "stacked": tuple(stacked)}
    return to.add(Op(op.primitive, (), parameters, op.spec, op.place), given)


def _with_checks(to: _Writer, op: Op, operands: list[Operand]) -> int:
    """A gather or scatter whose indices are checked first."""
    first = 1 if op.primitive.name == "gather" else 2
    shape = to.spec(operands[0]).shape
    given = list(operands)
    key = full_key(op.parameters["template"], len(shape))
    axis = 0
    for part in key:
        if part is HOLE:
            spec = to.spec(given[first])
            if isinstance(given[first], int) and spec.dtype.kind in "iu":
                given[first] = to.checked(given[first], axis, shape)
            first += 1
        axis += part is not None
    return to.add(op, given)


class _Writer(Builder):
    """A builder that finds the spec of what it appends."""

    def __init__(self, inputs: Sequence[Spec], names: Sequence[str] = ()):
        super().__init__(inputs, names)
        self._checks: dict[tuple[Operand, int], int] = {}

    def checked(self, index: Operand, axis: int, shape: tuple[int, ...]) -> int:
        """An index that is in the range of an axis; each is looked at once."""
        key = (index, shape[axis])
        if key not in self._checks:
            own = Op(CHECKED, (), {"axis": axis, "shape": shape}, self.spec(index))
            self._checks[key] = self.add(own, [index])
        return self._checks[key]

    def apply(
        self, primitive: Any, *operands: Operand, spec: Spec | None = None, **parameters: Any
    ) -> int:
        """Append a primitive on values of this program."""
        if primitive in _FOLDS and parameters["axis"] == ():
            primitive, parameters = copied, {}
        if isinstance(primitive, str):
            primitive = REGISTRY[primitive]
        if spec is None:
            given = [self._example(x) for x in operands]
            with np.errstate(all="ignore"):
                found = spec_of(primitive.function(*given, **parameters))
            shape = self._shape(primitive.name, operands, parameters)
            spec = Spec(shape, found.dtype, "array" if shape else "scalar")
        return self.add(Op(primitive, (), parameters, spec), operands)

    def spec(self, operand: Operand) -> Spec:
        """The spec of a value of the program so far."""
        if not isinstance(operand, int):
            return spec_of(operand.value)
        count = len(self.inputs)
        return self.inputs[operand] if operand < count else self.ops[operand - count].spec

    def _example(self, operand: Operand) -> Any:
        if not isinstance(operand, int):
            return operand.value
        spec = self.spec(operand)
        if spec.kind == "python":
            return spec.dtype.type(1).item()
        return np.ones((1,) * len(spec.shape), spec.dtype)

    def _shape(
        self, name: str, operands: tuple[Operand, ...], parameters: dict[str, Any]
    ) -> tuple[int, ...]:
        shapes = [self.spec(x).shape for x in operands]
        if "keepdims" in parameters:
            axis = parameters["axis"]
            kept = [1 if k in axis else n for k, n in enumerate(shapes[0])]
            if parameters["keepdims"]:
                return tuple(kept)
            return tuple([n for k, n in enumerate(shapes[0]) if k not in axis])
        if "shape" in parameters:
            return tuple(parameters["shape"])
        return np.broadcast_shapes(*shapes)


def _constant(dtype: np.dtype[Any], value: Any) -> Constant:
    return Constant(dtype.type(value))


def _mean(to: _Writer, op: Op, operands: list[Operand]) -> int:
    (a,) = operands
    axis, dtype = op.parameters["axis"], op.spec.dtype
    count = int(np.prod([to.spec(a).shape[k] for k in axis], dtype=int))
    if to.spec(a).dtype != dtype:
        a = to.apply("astype", a, dtype=dtype)
    total = to.apply("sum", a, spec=op.spec, **op.parameters)
    return to.apply("divide", total, _constant(dtype, count), spec=op.spec)


def _finite_maximum(to: _Writer, op: Op, operands: list[Operand]) -> int:
    (a,) = operands
    top = to.apply("max", a, axis=op.parameters["axis"], keepdims=True)
    zero = _constant(op.spec.dtype, 0)
    return to.apply("where", to.apply("isfinite", top), top, zero, spec=op.spec)


def _shift(to: _Writer, a: Operand, top: int, dtype: np.dtype[Any]) -> int:
    safe = to.apply("where", to.apply("isfinite", top), top, _constant(dtype, 0))
    return to.apply("subtract", a, safe)


def _logsumexp(to: _Writer, op: Op, operands: list[Operand]) -> int:
    (a,) = operands
    axis, dtype = op.parameters["axis"], op.spec.dtype
    top = to.apply("max", a, axis=axis, keepdims=True)
    is_top = to.apply("equal", a, top)
    one, zero = _constant(dtype, 1), _constant(dtype, 0)
    ones = to.apply("where", is_top, one, zero)
    count = to.apply("maximum", to.apply("sum", ones, axis=axis, keepdims=True), one)
    rest = to.apply("where", is_top, zero, to.apply("exp", _shift(to, a, top, dtype)))
    total = to.apply("divide", to.apply("sum", rest, axis=axis, keepdims=True), count)
    log = to.apply("add", to.apply("log1p", total), to.apply("log", count))
    out = to.apply("add", log, top)
    if to.spec(out).shape == op.spec.shape:
        return out
    return to.apply("reshape", out, shape=op.spec.shape, spec=op.spec)


def _softmax(to: _Writer, op: Op, operands: list[Operand]) -> int:
    (x,), axis = operands, op.parameters["axis"]
    top = to.apply("max", x, axis=axis, keepdims=True)
    terms = to.apply("exp", to.apply("subtract", x, top))
    total = to.apply("sum", terms, axis=axis, keepdims=True)
    return to.apply("divide", terms, total, spec=op.spec)


def _log_softmax(to: _Writer, op: Op, operands: list[Operand]) -> int:
    (x,), axis = operands, op.parameters["axis"]
    top = to.apply("max", x, axis=axis, keepdims=True)
    shifted = _shift(to, x, top, op.spec.dtype)
    total = to.apply("sum", to.apply("exp", shifted), axis=axis, keepdims=True)
    return to.apply("subtract", shifted, to.apply("log", total), spec=op.spec)


def _contract(to: _Writer, op: Op, operands: list[Operand]) -> int:
    """A sum over products of two arrays: a product of matrices, or a fused loop if it is small."""
    x1, x2 = operands
    subscripts: str = op.parameters["subscripts"]
    shape1, shape2 = to.spec(x1).shape, to.spec(x2).shape
    way = einsum.plan(subscripts, shape1, shape2)
    if way is None:
        return _multiplied_up(to, op, operands, subscripts)
    drop = 1 if way.shape1[0] == 1 else 0  # no stack: one product of matrices
    matrix1 = _arranged(to, x1, way.order1, way.shape1[drop:])
    matrix2 = _arranged(to, x2, way.order2, way.shape2[drop:])
    rows, columns = way.shape1[:-1], way.shape2[-1:]
    product = Spec((*rows[drop:], *columns), op.spec.dtype, "array")
    out = to.apply("matmul", matrix1, matrix2, spec=product)
    out = to.apply("reshape", out, shape=way.shape, spec=product._replace(shape=way.shape))
    return to.apply("transpose", out, axes=way.order, spec=op.spec)


def _arranged(to: _Writer, x: Operand, order: tuple[int, ...], shape: tuple[int, ...]) -> int:
    """An array with its axes in another order, and then in another shape."""
    spec = to.spec(x)
    moved = spec._replace(shape=tuple([spec.shape[k] for k in order]))
    out = to.apply("transpose", x, axes=order, spec=moved)
    return to.apply("reshape", out, shape=shape, spec=spec._replace(shape=shape))


def _multiplied_up(to: _Writer, op: Op, operands: list[Operand], subscripts: str) -> int:
    inputs, out = subscripts.split("->")
    letters = [*out, *sorted(set(inputs) - set(out) - {","})]
    parts = [
        _along(to, x, axes, letters) for x, axes in zip(operands, inputs.split(","), strict=True)
    ]
    product = to.apply("multiply", *parts)
    summed = tuple(range(len(out), len(letters)))
    if not summed:
        return product
    return to.apply("sum", product, spec=op.spec, axis=summed, keepdims=False)


def _along(to: _Writer, x: Operand, axes: str, letters: list[str]) -> int:
    """An array with an axis for each of the letters, of length one where it has none."""
    own = [k for k in letters if k in axes]
    spec = to.spec(x)
    sizes = dict(zip(axes, spec.shape, strict=True))
    order = tuple([axes.index(k) for k in own])
    shape = tuple([sizes.get(k, 1) for k in letters])
    return _arranged(to, x, order, shape)


def _p_norm(to: _Writer, op: Op, operands: list[Operand]) -> int | None:
    (x,), parameters = operands, dict(op.parameters)
    order = parameters.pop("ord")
    if order == 1:
        return to.apply("sum", to.apply("absolute", x), spec=op.spec, **parameters)
    if order != 2:
        return None
    total = to.apply("sum", to.apply("multiply", x, x), spec=op.spec, **parameters)
    return to.apply("sqrt", total, spec=op.spec)


def _triangle(to: _Writer, op: Op, operands: list[Operand]) -> Operand:
    (a,), n = operands, op.spec.shape[-1]
    factor, zero = op.parameters["diagonal"], _constant(op.spec.dtype, 0)
    inside = _is_inside(n, op.parameters["lower"], factor == 0)
    out = to.apply("where", Constant(inside), a, zero, spec=op.spec)
    if factor in (0, 1):
        return out
    scaled = to.apply("multiply", out, _constant(op.spec.dtype, factor), spec=op.spec)
    return to.apply("where", Constant(_is_diagonal(n)), scaled, out, spec=op.spec)


def _from_triangle(to: _Writer, op: Op, operands: list[Operand]) -> Operand:
    (a,), ndim = operands, len(op.spec.shape)
    axes = (*range(ndim - 2), ndim - 1, ndim - 2)
    mirrored = to.apply("transpose", a, axes=axes, spec=op.spec)
    inside = _is_inside(op.spec.shape[-1], op.parameters["lower"], False)
    return to.apply("where", Constant(inside), a, mirrored, spec=op.spec)


@functools.lru_cache(maxsize=8)
def _is_inside(n: int, lower: bool, strictly: bool) -> Any:
    """Where a triangle is; one array for all that ask."""
    inside = np.tri(n, k=-1 if strictly else 0, dtype=bool)
    return inside if lower else inside.T.copy()


@functools.lru_cache(maxsize=8)
def _is_diagonal(n: int) -> Any:
    return np.eye(n, dtype=bool)


def _filled_like(to: _Writer, op: Op, operands: list[Operand]) -> Operand:
    number = np.asarray(op.parameters["value"]).astype(op.spec.dtype)
    return Constant(np.broadcast_to(number, op.spec.shape))


Expansion = Callable[["_Writer", Op, list[Operand]], Operand | None]

EXPANSIONS: dict[str, Expansion] = {
    "contract": _contract,
    "p_norm": _p_norm,
    "filled_like": _filled_like,
    "triangle_of": _triangle,
    "from_triangle": _from_triangle,
    "mean": _mean,
    "_finite_maximum": _finite_maximum,
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
}
