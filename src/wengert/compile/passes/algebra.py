"""The table of algebraic rewrites: each row is one identity, both sides NumPy expressions.

A row applies only where both sides agree in shape, dtype and kind (`rewrite.py` sees to that), and
to real numbers unless it says `kinds`: a complex product with 1 is not exact at infinity. Rows are
exact to the bit, or say ``exact=False`` and wait for ``fastmath=True``. No row multiplies by 0, or
divides what may be 0 or infinite by itself.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.compile.passes.inference import is_view
from wengert.compile.passes.patterns import computed
from wengert.compile.passes.ranges import range_of
from wengert.compile.passes.rewrite import Table, Value, rewrite
from wengert.compile.program import Program
from wengert.primitives.arithmetic import absolute, multiply, square
from wengert.primitives.exponential import exp, exp2
from wengert.primitives.indexing import read, write
from wengert.primitives.products import matmul
from wengert.primitives.reductions import add_up, kept_shape
from wengert.primitives.selection import either
from wengert.primitives.shaping import broadcast, convert, permute, reshape_to
from wengert.primitives.trigonometric import cosh

# -------------------------------------------------------------------------------------- conditions

_NEVER_NEGATIVE = frozenset({absolute, exp, exp2, cosh, square})


def may_be_negative_zero(x: Value) -> bool:
    """False for integers, what is never negative, and constants without such a zero."""
    if x.dtype.kind not in "fc" or x.primitive in _NEVER_NEGATIVE:
        return False
    if x.primitive is multiply:
        first, second = x.operands
        return not (isinstance(first.operand, int) and first.operand == second.operand)
    number = x.number
    return number is None or bool(number == 0 and np.signbit(number))


def is_positive(x: Value) -> bool:
    """True for what is never negative nor zero, whatever its operands are."""
    if x.constant is None:
        return x.primitive in (exp, exp2, cosh)
    return np.isrealobj(x.constant) and bool(np.all(np.greater(x.constant, 0)))


def is_power_of_two(c: Value) -> bool:
    """True for a number whose reciprocal is exact in every floating dtype."""
    number = c.number
    if number is None or not np.isrealobj(number) or not 2.0**-14 <= abs(number) <= 2.0**14:
        return False
    return abs(math.frexp(number)[0]) == 0.5


def are_constants(c: Value, d: Value) -> bool:
    """True for two numbers."""
    return c.number is not None and d.number is not None


def is_constant(c: Value) -> bool:
    """True for a number."""
    return c.number is not None


def is_number_beside(c: Value, x: Value) -> bool:
    """True for a number that is a constant, or has no axes."""
    return c.shape == () and x.shape != () and x.number is None


def is_never_zero(x: Value) -> bool:
    """True for constants without a 0, and what is in a range without it."""
    if x.constant is not None:
        return bool(np.all(np.not_equal(x.constant, 0)))
    if x.dtype.kind != "f":
        return False
    found = range_of(x)
    return found is not None and found[0] >= float(np.finfo(x.dtype).tiny)


def is_mask(c: Value) -> bool:
    """True for booleans."""
    return c.dtype.kind == "b"


def is_in_order(axes: tuple[int, ...]) -> bool:
    """True for axes that a transposition leaves in place."""
    return axes == tuple(range(len(axes)))


def are_views(first: Any, second: Any) -> bool:
    """True for paths that copy nothing."""
    return is_view(first) and is_view(second)


def is_everything(x: Value, path: Any) -> bool:
    """True for a path that leads to every element, in place."""
    if len(path) > 1 or any(kind != "getitem" for kind, _ in path):
        return False
    index = path[0][1] if path else ...
    parts = index if isinstance(index, tuple) else (index,)
    if any(part is not ... and not isinstance(part, slice) for part in parts):
        return False
    if any(part is ... for part in parts):
        return all(part is ... or part == slice(None) for part in parts)
    return all(part.indices(n) == (0, n, 1) for part, n in zip(parts, x.shape, strict=False))


def holds_all(x: Value, inner: Any) -> bool:
    """True for a conversion that loses nothing."""
    return np.can_cast(x.dtype, np.dtype(inner), "safe")


def has_length_one(x: Value, axis: tuple[int, ...]) -> bool:
    """True for axes along which there is one element."""
    return all(x.shape[k] == 1 for k in axis)


def sums_what_was_broadcast(x: Value, axis: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """True for a sum over every axis along which an operand was repeated."""
    own = (1,) * (len(shape) - len(x.shape)) + x.shape
    repeated = {k for k, (n, count) in enumerate(zip(own, shape, strict=True)) if n != count}
    return repeated <= set(axis) and math.prod(shape) > 0


# ------------------------------------------------------------------------------------- right sides


@computed
def inverse_of(c: Any) -> Any:
    """``1 / c``."""
    return 1 / _number(c)


@computed
def product_of(c: Any, d: Any) -> Any:
    """``c * d``."""
    return _number(c) * _number(d)


def _number(c: Any) -> Any:
    return c.number if isinstance(c, Value) else c


@computed
def after(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of two transpositions, one after the other."""
    return tuple([first[k] for k in second])


@computed
def joined(first: Any, second: Any) -> Any:
    """A path that follows both."""
    return (*first, *second)


@computed
def reduced_shape(x: Any, axis: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """The shape of a sum."""
    kept = kept_shape(x.shape, axis)
    return kept if keepdims else tuple([n for k, n in enumerate(kept) if k not in axis])


@computed
def own_axes(x: Any, axis: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of an operand among those of what it was broadcast to."""
    before = len(shape) - len(x.shape)
    return tuple([k - before for k in axis if k >= before])


@computed
def times_as_many(x: Any, shape: tuple[int, ...]) -> float:
    """How many elements a broadcast makes of each."""
    return float(math.prod(shape) // math.prod(x.shape))


ANY = "biufc"

# fmt: off
ALGEBRA = [
    # neutral elements
    rewrite(lambda x: x * 1,                lambda x: x),
    rewrite(lambda x: x / 1,                lambda x: x),
    rewrite(lambda x: x - 0,                lambda x: x),
    rewrite(lambda x: x + (-0.0),           lambda x: x),
    rewrite(lambda x: x + 0,                lambda x: x, unless=may_be_negative_zero),
    rewrite(lambda x: x**1,                 lambda x: x),
    rewrite(lambda x: np.positive(x),       lambda x: x, kinds=ANY),
    # signs
    rewrite(lambda x: x * -1,               lambda x: -x),
    rewrite(lambda x: x / -1,               lambda x: -x),
    rewrite(lambda x: -(-x),                lambda x: x, kinds=ANY),  # noqa: B002
    rewrite(lambda x, y: x * (-y),          lambda x, y: -(x * y)),
    rewrite(lambda x, y: x / (-y),          lambda x, y: -(x / y)),
    rewrite(lambda x, y: (-x) / y,          lambda x, y: -(x / y)),
    rewrite(lambda x, y: x + (-y),          lambda x, y: x - y, kinds=ANY),
    rewrite(lambda x, y: x - (-y),          lambda x, y: x + y, kinds=ANY),
    rewrite(lambda x: np.abs(-x),           lambda x: np.abs(x)),
    rewrite(lambda x: np.abs(np.abs(x)),    lambda x: np.abs(x)),
    rewrite(lambda x: np.square(-x),        lambda x: x * x),
    rewrite(lambda x: np.square(np.abs(x)), lambda x: x * x),
    rewrite(lambda x: np.cos(-x),           lambda x: np.cos(x)),
    # powers and quotients
    rewrite(lambda x: x**2,                 lambda x: x * x),
    rewrite(lambda x: np.square(x),         lambda x: x * x),
    rewrite(lambda x: x**-1,                lambda x: 1 / x),
    rewrite(lambda x, c: x / c,             lambda x, c: x * inverse_of(c), when=is_power_of_two),
    # choices
    rewrite(lambda x: np.maximum(x, x),     lambda x: x),
    rewrite(lambda x: np.minimum(x, x),     lambda x: x),
    rewrite(lambda c, x: either(c, x, x),   lambda c, x: x, kinds=ANY),
    rewrite(lambda c, x, y, z: either(c, either(c, x, y), z),
            lambda c, x, y, z: either(c, x, z), kinds=ANY),
    # masks: a sweep carries structural zeros along as booleans and numbers
    rewrite(lambda c: c != 0,               lambda c: c),  # of booleans: only there the specs agree
    rewrite(lambda c: c | c,                lambda c: c),
    rewrite(lambda c: c & c,                lambda c: c),
    rewrite(lambda c: np.logical_or(c, c),  lambda c: c),
    rewrite(lambda c: np.logical_and(c, c), lambda c: c),
    rewrite(lambda c, x: either(c, x, 0) != 0, lambda c, x: c, when=is_never_zero, mixed=True),
    rewrite(lambda c, x: either(c, x * c, 0),  lambda c, x: either(c, x, 0), when=is_mask),
    rewrite(lambda x, shape: broadcast(x, shape=shape) != 0,
            lambda x, shape: broadcast(x != 0, shape=shape), mixed=True, kinds=ANY),
    rewrite(lambda c, x, shape: reshape_to(either(c, x, 0), shape=shape) != 0,
            lambda c, x, shape: reshape_to(c, shape=shape), when=is_never_zero, mixed=True),
    # with other rounding
    rewrite(lambda x: np.exp(np.log(x)),    lambda x: x, when=is_positive, exact=False),
    rewrite(lambda x: np.log(np.exp(x)),    lambda x: x, exact=False),  # exp overflows above 709
    rewrite(lambda x: np.sqrt(x * x),       lambda x: np.abs(x), exact=False),
    rewrite(lambda x, y: np.exp(x) * np.exp(y), lambda x, y: np.exp(x + y), exact=False),
    rewrite(lambda x, y: x * (1 / y),       lambda x, y: x / y, exact=False),
    rewrite(lambda x: x**3,                 lambda x: x * x * x, exact=False),
    rewrite(lambda x, c, d: c * (d * x),    lambda x, c, d: product_of(c, d) * x,
            when=are_constants, exact=False),
]

# Scalar factors, moved out of products and sums.
FACTORS = [
    rewrite(lambda x, y, c: (c * x) * y,    lambda x, y, c: c * (x * y),
            when=is_number_beside, exact=False),
    rewrite(lambda x, y, c: matmul(c * x, y), lambda x, y, c: c * matmul(x, y),
            when=is_number_beside, exact=False),
    rewrite(lambda x, y, c: matmul(y, c * x), lambda x, y, c: c * matmul(y, x),
            when=is_number_beside, exact=False),
    rewrite(lambda x, c, axis, keepdims: add_up(c * x, axis=axis, keepdims=keepdims),
            lambda x, c, axis, keepdims: c * add_up(x, axis=axis, keepdims=keepdims),
            when=is_number_beside, exact=False),
    rewrite(lambda x, axis, keepdims: add_up(-x, axis=axis, keepdims=keepdims),
            lambda x, axis, keepdims: 0 - add_up(x, axis=axis, keepdims=keepdims)),  # never -0.0
    # Twice x is exact, and the order of a sum is ours: what two adjoints of a square add up to.
    rewrite(lambda x, axis, keepdims: add_up(x + x, axis=axis, keepdims=keepdims),
            lambda x, axis, keepdims: (
                add_up(x, axis=axis, keepdims=keepdims) + add_up(x, axis=axis, keepdims=keepdims)
            )),
    rewrite(lambda x, shape, axis: add_up(broadcast(x, shape=shape), axis=axis, keepdims=False),
            lambda x, shape, axis: (
                add_up(x, axis=own_axes(x, axis, shape), keepdims=False) * times_as_many(x, shape)
            ),
            when=sums_what_was_broadcast, exact=False),
]

SHAPES = [
    rewrite(lambda x, axes: permute(x, axes=axes), lambda x, axes: x, when=is_in_order, kinds=ANY),
    rewrite(lambda x, first, second: permute(permute(x, axes=first), axes=second),
            lambda x, first, second: permute(x, axes=after(first, second)), kinds=ANY),
    rewrite(lambda x, shape: reshape_to(x, shape=shape), lambda x, shape: x, kinds=ANY),
    rewrite(lambda x, inner, shape: reshape_to(reshape_to(x, shape=inner), shape=shape),
            lambda x, inner, shape: reshape_to(x, shape=shape), kinds=ANY),
    rewrite(lambda x, shape: broadcast(x, shape=shape), lambda x, shape: x, kinds=ANY),
    rewrite(lambda x, inner, shape: broadcast(broadcast(x, shape=inner), shape=shape),
            lambda x, inner, shape: broadcast(x, shape=shape), kinds=ANY),
    rewrite(lambda x, dtype: convert(x, dtype=dtype), lambda x, dtype: x, kinds=ANY),
    rewrite(lambda x, axis, keepdims: add_up(x, axis=axis, keepdims=keepdims),
            lambda x, axis, keepdims: reshape_to(x, shape=reduced_shape(x, axis, keepdims)),
            when=has_length_one, unless=may_be_negative_zero, kinds=ANY),  # np.sum(-0.0) is 0.0
    # reads and writes
    rewrite(lambda x, path: read(x, path=path), lambda x, path: x, when=is_everything, kinds=ANY),
    rewrite(lambda x, y, path: write(x, y, path=path, add=False),
            lambda x, y, path: y, when=is_everything, kinds=ANY),
    rewrite(lambda x, y, path: write(x, y, path=path, add=True),
            lambda x, y, path: x + y, when=is_everything, kinds=ANY),
    rewrite(lambda x, first, second: read(read(x, path=first), path=second),
            lambda x, first, second: read(x, path=joined(first, second)),
            when=are_views, kinds=ANY),
]
# fmt: on

TABLE = [*ALGEBRA, *FACTORS, *SHAPES]
_EXACT = Table([row for row in TABLE if row.exact])
_FAST = Table(TABLE)


def simplify(program: Program) -> Program:
    """Apply identities that are exact."""
    return _EXACT.apply(program)


def simplify_fast(program: Program) -> Program:
    """Apply identities, also those that round otherwise."""
    return _FAST.apply(program)
