"""Formulas and kinks that elementwise primitives state, against their rules; the dtypes of rules.

A formula is a NumPy expression in the operands and `out`, with the names of `numpy` and
`scipy.special`. It says what holds for real operands away from kinks.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.special

import wengert as wg
from wengert.errors import UnsupportedFunctionError
from wengert.primitives.family import Elementwise
from wengert.primitives.registry import REGISTRY

NAMES = {**vars(scipy.special), **vars(np)}
ELEMENTWISE = [p for p in REGISTRY if isinstance(p, Elementwise)]
SAMPLES = [(p, s) for p in ELEMENTWISE for s in p.samples]
KINKS = [(p, point) for p in ELEMENTWISE for point in p.kinks]
WITHOUT_RULE = "there is no rule for the derivative"


def name(case: Any) -> str:
    primitive, what = case
    return f"{primitive.name}({what})"


def is_complex(sample: Any) -> bool:
    return any(np.iscomplexobj(arg) for arg in sample.args)


def partial_or_none(primitive: Any, position: int, slots: Any, kwargs: Any) -> Any:
    """The partial derivative; None where the primitive says that there is none."""
    if primitive.rules[position] is None:
        return None
    try:
        with np.errstate(all="ignore"):
            return primitive.partial(position, slots, kwargs)
    except UnsupportedFunctionError:
        return None


# Formulas are those of real operands; a function of complex numbers only has no others.
REAL = [(p, s) for p, s in SAMPLES if not is_complex(s) or all(is_complex(t) for t in p.samples)]


@pytest.mark.parametrize("case", REAL, ids=name)
def test_the_formula_of_a_partial_derivative_agrees_with_its_rule(case: Any) -> None:
    primitive, sample = case
    args = sample.args
    assert len(primitive.formula) == len(primitive.operands)
    out = primitive(*args, **sample.kwargs)
    values = dict(zip(primitive.operands, args, strict=True)) | {"out": out}
    for position in sample.differentiable:
        partial = partial_or_none(primitive, position, (*args, out), sample.kwargs)
        formula = primitive.formula[position]
        if partial is None:
            assert formula in ("", "0")
            continue
        with np.errstate(all="ignore"):
            expected = np.broadcast_to(eval(formula, {**NAMES, **values}), np.shape(out))
        regular = np.isfinite(
            expected
        )  # a formula may divide 0 by 0 where the rule knows the limit
        assert 2 * np.count_nonzero(regular) >= regular.size - 1
        found = np.broadcast_to(partial, expected.shape)
        np.testing.assert_allclose(found[regular], expected[regular], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("as_array", [False, True], ids=["number", "array"])
@pytest.mark.parametrize("case", KINKS, ids=name)
def test_a_stated_kink_is_what_grad_gives(case: Any, as_array: bool) -> None:
    primitive, point = case
    stated = primitive.kinks[point]
    operands, stated = (point, stated) if isinstance(point, tuple) else ((point,), (stated,))
    stated = stated if isinstance(stated, tuple) else (stated,)
    values = [
        operands[0] if x == "constant" else x for x in operands
    ]  # a constant that ties with the first
    traced = tuple(k for k, x in enumerate(operands) if x != "constant")

    def along(k: int) -> Any:
        def f(*sources: Any) -> Any:
            full = list(values)
            for position, source in zip(traced, sources, strict=True):
                full[position] = source
            return np.sum(primitive(*full))

        sources = [np.full(2, values[j]) if as_array else values[j] for j in traced]
        return wg.grad(f, traced.index(k))(*sources)

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.errors.DisconnectedWarning)
        found = [
            along(k) if len(traced) == 1 else _both(primitive, values, as_array)[k] for k in traced
        ]
    for derivative, expected in zip(found, stated, strict=True):
        np.testing.assert_allclose(derivative, np.full(np.shape(derivative), expected), rtol=1e-12)


def _both(primitive: Any, values: Any, as_array: bool) -> Any:
    sources = [np.full(2, x) if as_array else x for x in values]
    return wg.grad(lambda *xs: np.sum(primitive(*xs)), tuple(range(len(values))))(*sources)


# ------------------------------------------------------------------------------------------ dtypes


def cast(arg: Any, dtype: Any) -> Any:
    """A drawn operand in another dtype; constants stay as they are."""
    if not isinstance(arg, np.ndarray | np.generic) or arg.dtype.kind not in "fc":
        return arg
    if arg.dtype.kind == "c":
        dtype = np.result_type(dtype, np.complex64)
    return arg.astype(dtype)


def in_dtype(primitive: Any, sample: Any, dtype: Any) -> Any:
    """Operands and result in a dtype, or None if the function has no loop for it."""
    args = [cast(x, dtype) if k in sample.differentiable else x for k, x in enumerate(sample.args)]
    try:
        with np.errstate(all="ignore"):
            return args, primitive(*args, **sample.kwargs)
    except TypeError:
        return None


DTYPES = (np.float16, np.float32, np.longdouble)
TYPED = [(p, s, d) for p, s in SAMPLES for d in DTYPES if in_dtype(p, s, d) is not None]


@pytest.mark.parametrize(
    "case", TYPED, ids=lambda case: f"{name(case[:2])}-{np.dtype(case[2]).name}"
)
def test_derivatives_have_the_dtype_of_what_they_belong_to(case: Any) -> None:
    primitive, sample, dtype = case
    args, out = in_dtype(primitive, sample, dtype)
    for position in sample.differentiable:
        like = np.asarray(args[position])
        partial = partial_or_none(primitive, position, (*args, out), sample.kwargs)
        if partial is None:
            continue
        if like.dtype == out.dtype:  # nothing brings dtypes back where operand and result agree
            assert (out * partial).dtype == out.dtype, (
                f"the rule of operand {position} widens {like.dtype}"
            )

        def f(x: Any, position: int = position) -> Any:
            return primitive(*args[:position], x, *args[position + 1 :], **sample.kwargs)

        with np.errstate(all="ignore"):
            value, tangent = wg.jvp(f, (args[position],), (np.ones_like(args[position]),))
            result, pull = wg.vjp(f, args[position])
            (adjoint,) = _tuple(pull(np.ones_like(result)))
        assert value.dtype == result.dtype == out.dtype == tangent.dtype
        assert adjoint.dtype == like.dtype
        assert np.shape(adjoint) == like.shape


def _tuple(x: Any) -> Any:
    return x if isinstance(x, tuple) else (x,)


@pytest.mark.parametrize("case", SAMPLES, ids=name)
def test_float32_derivatives_agree_with_those_in_float64(case: Any) -> None:
    primitive, sample = case
    found = in_dtype(primitive, sample, np.float32)
    assert found is not None
    args32, out32 = found
    args = [cast(x, np.float64) for x in args32]  # the same point
    out = primitive(*args, **sample.kwargs)
    for position in sample.differentiable:
        exact = partial_or_none(primitive, position, (*args, out), sample.kwargs)
        rough = partial_or_none(primitive, position, (*args32, out32), sample.kwargs)
        if exact is None:
            continue
        exact, rough = np.broadcast_arrays(np.multiply(exact, 1.0), rough)
        # Digits that a zero of the derivative costs nearby are counted against its size elsewhere.
        size = np.max(np.abs(exact), initial=0.0, where=np.isfinite(exact))
        np.testing.assert_allclose(rough, exact, rtol=3e-4, atol=3e-4 * size)
