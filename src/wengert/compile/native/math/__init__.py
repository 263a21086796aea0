"""Elementary functions as branch-free LLVM IR for one number, which `lanes.py` makes vectors of.

`emit` calls a function of this module by the name that a primitive has as its `lower`. Each is
defined once a module, by the file that is named after its family, and LLVM inlines it where it
is called; equal calls are merged before that, equal subexpressions after it. `floats.py` is the
language they are written in. Accuracy and speed: docs/reference/native-math.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from llvmlite import ir

from wengert.compile.native.math import (
    error,
    exp,
    gamma,
    hyperbolic,
    inverse_trigonometric,
    log,
    power,
    rounding,
    sigmoid,
    trigonometric,
)
from wengert.compile.native.math.floats import Real

FUNCTIONS: dict[str, Callable[..., Real]] = {
    name: function
    for family in (
        exp,
        log,
        power,
        trigonometric,
        inverse_trigonometric,
        hyperbolic,
        error,
        gamma,
        sigmoid,
        rounding,
    )
    for name, function in family.FUNCTIONS.items()
}
NAMES = frozenset(FUNCTIONS)


class Called(NamedTuple):
    """A function that a call reaches in place of the one that is inlined."""

    symbol: str
    function: Callable[..., Real | tuple[Real, ...]]
    results: int = 1
    which: int = 0  # of the result that is meant, where there are several


# Sine and cosine come from one function: two calls with one argument become one.
CALLED = {
    "sin": Called("sin_and_cos", trigonometric.sin_and_cos, results=2, which=0),
    "cos": Called("sin_and_cos", trigonometric.sin_and_cos, results=2, which=1),
    "tan": Called("tan_by_branch", trigonometric.tan_by_branch),
}


def emit(
    name: str, builder: ir.IRBuilder, operands: Sequence[ir.Value], *, inline: bool = True
) -> ir.Value:
    """The value of an elementary function at the builder's place.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    builder : IRBuilder
        Where to emit.
    operands : sequence of Value
        Scalars of one LLVM type, double or float.
    inline : bool, optional
        Into loops: yes, for speed. Long straight-line code stays small, and is
        compiled fast, with a call.

    Returns
    -------
    Value
        Of the operands' type.
    """
    if name == "pow" and isinstance(operands[1], ir.Constant):
        product = power.known_power(Real(builder, operands[0]), float(operands[1].constant))
        if product is not None:
            return product.value
    function, which = define(
        name, builder.module, [operand.type for operand in operands], inline=inline
    )
    value = builder.call(function, operands, attrs=("alwaysinline" if inline else "noinline",))
    return value if which is None else builder.extract_value(value, which)


class Definition(NamedTuple):
    """A function of a module, and which of its results is meant; None where it has one."""

    function: ir.Function
    which: int | None


def define(
    name: str, module: ir.Module, kinds: Sequence[ir.Type], *, inline: bool = True
) -> Definition:
    """What `emit` calls, made in the module on its first use; `kinds` are the operands' types."""
    called = Called(name, FUNCTIONS[name])
    if not inline:
        called = CALLED.get(name, called)
    symbol = f"wengert.{called.symbol}.{kinds[0]}"
    function = module.globals.get(symbol) or _defined(symbol, called, module, kinds)
    return Definition(function, None if called.results == 1 else called.which)


def _defined(
    symbol: str, called: Called, module: ir.Module, kinds: Sequence[ir.Type]
) -> ir.Function:
    result = kinds[0] if called.results == 1 else ir.LiteralStructType([kinds[0]] * called.results)
    defined = ir.Function(module, ir.FunctionType(result, kinds), symbol)
    defined.linkage = "internal"
    # Nothing in it touches memory that changes: said, equal calls are merged.
    defined.attributes.add("nounwind")
    defined.attributes.add("readnone")
    builder = ir.IRBuilder(defined.append_basic_block())
    value = called.function(*(Real(builder, argument) for argument in defined.args))
    builder.ret(value.value if isinstance(value, Real) else _packed(builder, result, value))
    return defined


def _packed(builder: ir.IRBuilder, kind: ir.Type, values: Sequence[Real]) -> ir.Value:
    """The values as a structure."""
    structure = ir.Constant(kind, ir.Undefined)
    for index, value in enumerate(values):
        structure = builder.insert_value(structure, value.value, index)
    return structure
