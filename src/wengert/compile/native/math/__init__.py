"""Elementary functions as branch-free LLVM IR, which LLVM's loop vectoriser vectorises.

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
    index: int = 0  # of the result that is meant, where there are several


# Sine and cosine come from one function: two calls with one argument become one.
CALLED = {
    "sin": Called("sin_and_cos", trigonometric.sin_and_cos, results=2, index=0),
    "cos": Called("sin_and_cos", trigonometric.sin_and_cos, results=2, index=1),
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
        Into loops: yes, or they are not vectorised. Long straight-line code stays small, and is
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
    called = Called(name, FUNCTIONS[name])
    if not inline:
        called = CALLED.get(name, called)
    function = _definition(called, builder.module, operands)
    value = builder.call(function, operands, attrs=("alwaysinline" if inline else "noinline",))
    return value if called.results == 1 else builder.extract_value(value, called.index)


def _definition(called: Called, module: ir.Module, operands: Sequence[ir.Value]) -> ir.Function:
    """The module's function of this name and type, made on its first use."""
    kind = operands[0].type
    symbol = f"wengert.{called.symbol}.{kind}"
    if symbol in module.globals:
        return module.globals[symbol]
    result = kind if called.results == 1 else ir.LiteralStructType([kind] * called.results)
    defined = ir.Function(module, ir.FunctionType(result, [kind] * len(operands)), symbol)
    defined.linkage = "internal"
    defined.attributes.add("nounwind")
    defined.attributes.add("readnone")
    builder = ir.IRBuilder(defined.append_basic_block())
    value = called.function(*(Real(builder, argument) for argument in defined.args))
    if isinstance(value, Real):
        builder.ret(value.value)
    else:
        builder.ret(_packed(builder, result, value))
    return defined


def _packed(builder: ir.IRBuilder, kind: ir.Type, values: Sequence[Real]) -> ir.Value:
    """The values as a structure."""
    structure = ir.Constant(kind, ir.Undefined)
    for index, value in enumerate(values):
        structure = builder.insert_value(structure, value.value, index)
    return structure
