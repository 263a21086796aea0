"""Programs for the tests of native code: written by hand, traced, or one operation of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.compile.native.build import Native, build
from wengert.compile.passes.loop import conformed
from wengert.compile.program import Op, Program, interpret, run_op, spec_of
from wengert.primitives.registry import REGISTRY
from wengert.tape.columns import Constant


def program(inputs: Any, lines: Any, outputs: Any, guards: Any = ()) -> Program:
    """A program from lines ``(name, operands, parameters)``; what is no int is a constant."""
    values, ops = list(inputs), []
    for name, operands, parameters in lines:
        own = tuple([x if isinstance(x, int) else Constant(x) for x in operands])
        primitive = REGISTRY[name] if isinstance(name, str) else name
        op = Op(primitive, own, parameters, spec_of(0.0))
        with np.errstate(all="ignore"):
            value = run_op(op, [values[x] if isinstance(x, int) else x.value for x in own])
        values.append(value)
        ops.append(Op(primitive, own, parameters, spec_of(value)))
    specs = tuple([spec_of(x) for x in inputs])
    return Program(specs, tuple(ops), tuple(outputs), tuple(guards))


def expected(code: Program, inputs: Any) -> list[Any]:
    """What NumPy gives, of the kinds that the program says."""
    with np.errstate(all="ignore"):
        found = interpret(code, inputs)
    return [conformed(x, code.spec(out)) for x, out in zip(found, code.outputs, strict=True)]


def agree(code: Program, inputs: Any, rtol: float = 1e-13, atol: float = 0.0) -> Native:
    """Build a program, run it, and compare with NumPy: types, dtypes, shapes, values."""
    native = build(code)
    for got, want in zip(native.run(inputs), expected(code, inputs), strict=True):
        same(got, want, rtol, atol)
    return native


def same(got: Any, want: Any, rtol: float, atol: float = 0.0) -> None:
    """Compare two results; tolerances are double precision's, others are scaled to theirs."""
    assert type(got) is type(want), (type(got), type(want))
    x, y = np.asarray(got), np.asarray(want)
    assert x.dtype == y.dtype
    assert x.shape == y.shape
    if y.dtype.kind in "fc":
        scale = np.finfo(y.dtype).eps / np.finfo(float).eps
        np.testing.assert_allclose(x, y, rtol * scale, atol * scale)
    else:
        np.testing.assert_array_equal(x, y)
