"""Ranges hold whatever is computed, and are None where nothing is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.compile.passes.pipeline import optimise
from wengert.compile.passes.ranges import range_of
from wengert.compile.passes.rewrite import Value
from wengert.compile.program import Builder, Op, run_op, spec_of
from wengert.primitives.registry import REGISTRY
from wengert.tape.columns import Constant

MASK = np.arange(12).reshape(3, 4) % 3 == 0


def of(dtype: Any, lines: Any) -> tuple[Any, Any]:
    """The range of the last of some operations on a mask, an unknown array, and constants."""
    values: list[Any] = [MASK, np.arange(12.0).reshape(3, 4).astype(dtype)]
    builder = Builder([spec_of(x) for x in values])
    for name, operands, parameters in lines:
        own = tuple([x if type(x) is int else Constant(x) for x in operands])
        op = Op(REGISTRY[name], own, parameters, spec_of(0.0))
        with np.errstate(all="ignore"):
            value = run_op(op, [values[x] if isinstance(x, int) else x.value for x in own])
        values.append(value)
        builder.add(Op(REGISTRY[name], (), parameters, spec_of(value)), own)
    return range_of(Value(builder, len(values) - 1)), values[-1]


ALONG = {"axis": (1,), "keepdims": True}


def counted(dtype: Any) -> list[Any]:
    one, zero = dtype(1), dtype(0)
    return [("where", (0, one, zero), {}), ("sum", (2,), ALONG), ("maximum", (3, one), {})]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_range_holds_what_is_computed(dtype: Any, count: int) -> None:
    lines = [*counted(dtype), ("divide", (np.array([[0.5], [2.0], [1.0]], dtype), 4), {})]
    found, value = of(dtype, lines[:count])
    assert found[0] <= value.min() <= value.max() <= found[1]
    assert (found[0] > 0) == (count > 2)


UNKNOWN: dict[str, Any] = {
    "an input": [("maximum", (1, 1.0), {})],
    "nan": [("where", (0, np.nan, 1.0), {})],
    "infinity": [("where", (0, np.inf, 1.0), {})],
    "division by what may be zero": [*counted(np.float64)[:2], ("divide", (1.0, 3), {})],
    "overflow": [("where", (0, 1e308, 1.0), {}), ("sum", (2,), ALONG)],
    "underflow": [("where", (0, 1e-320, 1.0), {}), ("divide", (1.0, 2), {})],
    "another operation": [("where", (0, 1.0, 0.0), {}), ("exp", (2,), {})],
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_nothing_is_known(name: str) -> None:
    assert of(np.float64, UNKNOWN[name])[0] is None


def test_a_gradient_of_a_minimum_asks_no_quotient_whether_it_is_zero(program: Any) -> None:
    def nearest(x: Any) -> Any:
        return np.sum(np.min(np.sum(x * x, axis=2), axis=1))

    x = np.random.default_rng(0).standard_normal((30, 5, 4))
    x[:3] = 1.0  # several that are the smallest
    found = program(wg.grad(nearest), x)
    names = [op.primitive.name for op in optimise(found)[0].ops]
    assert "not_equal" not in names
    np.testing.assert_allclose(wg.compile(wg.grad(nearest))(x), wg.grad(nearest)(x), rtol=1e-14)
