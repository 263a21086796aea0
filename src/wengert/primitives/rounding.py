"""What is constant wherever it is smooth: rounding, signs, comparisons, questions about values.

Such results carry no derivative and are no error. What only looks like them is defined by others: the
sign of a complex number turns with it, and what `nan_to_num` keeps keeps its derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived, locally_constant
from wengert.primitives.reductions import as_number
from wengert.primitives.samples import call, complex_normal, normal

# Nothing to differentiate: the samples give values only.
_one = [call(normal(3, 4), max_order=0), call(normal(), max_order=0)]
_two = [call(normal(3, 4), normal(4), max_order=0), call(normal(3), 0.5, max_order=0)]
_either = [*_one, call(complex_normal(3), max_order=0)]
_shapes = [call(normal(3), normal(3), max_order=0), call(normal(2, 3), normal(2), max_order=0)]
_whole = [call(np.array([1, 2, 6]), np.array([3, 1, 2]))]


def _decimal_round(x: Any, *, digits: int) -> Any:
    """Python rounds its numbers to the nearest decimal one, which NumPy misses by a unit at times."""
    return round(x, digits) if type(x) is float else np.round(x, digits)


# fmt: off
floor = locally_constant(np.floor, lower="floor", samples=_one)
ceil  = locally_constant(np.ceil,  lower="ceil",  samples=_one)
trunc = locally_constant(np.trunc, lower="trunc", samples=_one)
rint  = locally_constant(np.rint,  lower="rint",  samples=_one)
spacing = locally_constant(np.spacing, samples=_one)
real_sign = locally_constant(lambda x: np.sign(x), name="sign", lower="sign", batch="broadcast", samples=_one)
floor_divide = locally_constant(np.floor_divide, ("x1", "x2"), lower="floor_divide", samples=_two)

less          = locally_constant(np.less,          ("x1", "x2"), lower="lt", samples=_two)
less_equal    = locally_constant(np.less_equal,    ("x1", "x2"), lower="le", samples=_two)
greater       = locally_constant(np.greater,       ("x1", "x2"), lower="gt", samples=_two)
greater_equal = locally_constant(np.greater_equal, ("x1", "x2"), lower="ge", samples=_two)
equal         = locally_constant(np.equal,         ("x1", "x2"), lower="eq", samples=_two)
not_equal     = locally_constant(np.not_equal,     ("x1", "x2"), lower="ne", samples=_two)

isnan    = locally_constant(np.isnan,    lower="isnan",    samples=_one)
isinf    = locally_constant(np.isinf,    lower="isinf",    samples=_one)
isfinite = locally_constant(np.isfinite, lower="isfinite", samples=_one)
signbit  = locally_constant(np.signbit,  lower="signbit",  samples=_one)

logical_not = locally_constant(np.logical_not,                lower="not", samples=_one)
logical_and = locally_constant(np.logical_and, ("x1", "x2"), lower="and", samples=_two)
logical_or  = locally_constant(np.logical_or,  ("x1", "x2"), lower="or",  samples=_two)
logical_xor = locally_constant(np.logical_xor, ("x1", "x2"), lower="xor", samples=_two)

# Masks and whole numbers are Arrays under vmap, and `mask1 & mask2` is how people join them.
invert      = locally_constant(np.invert,                     samples=[call(np.array([1, 2]))])
bitwise_and = locally_constant(np.bitwise_and, ("x1", "x2"), samples=_whole)
bitwise_or  = locally_constant(np.bitwise_or,  ("x1", "x2"), samples=_whole)
bitwise_xor = locally_constant(np.bitwise_xor, ("x1", "x2"), samples=_whole)
left_shift  = locally_constant(np.left_shift,  ("x1", "x2"), samples=_whole)
right_shift = locally_constant(np.right_shift, ("x1", "x2"), samples=_whole)
gcd = locally_constant(np.gcd, ("x1", "x2"), samples=_whole)
lcm = locally_constant(np.lcm, ("x1", "x2"), samples=_whole)

rounded = locally_constant(np.round, ("a",), batch="leading", samples=[call(normal(3, 4)), call(normal(3), decimals=1)])
around  = locally_constant(np.around, ("a",), name="around", batch="leading", samples=[call(normal(3), decimals=1)])
fix     = locally_constant(np.fix, ("x",), batch="leading", samples=_one)
decimal_round = locally_constant(
    _decimal_round, name="decimal_round", batch="leading", samples=[call(normal(), digits=2)]
)
binary_exponent = locally_constant(
    lambda x: np.frexp(x)[1], name="binary_exponent", batch="broadcast", samples=_one
)
# fmt: on
isclose = locally_constant(
    np.isclose,
    ("a", "b", "rtol", "atol"),
    batch="broadcast",
    samples=[*_two, call(normal(3), 1.0, rtol=0.5)],
)


@derived(np.sign, samples=[call(normal(3, 4), max_order=0), call(complex_normal(3))])
def sign(x: Any) -> Any:
    """-1, 0 or 1; for a complex number, the number of size 1 in its direction."""
    if np.iscomplexobj(x):
        size = np.abs(x)
        return x / np.where(size == 0, 1, size)
    return real_sign(x)


# -------------------------------------------------------------------------------------- questions


@derived(np.iscomplexobj, samples=_either)
def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex."""
    return x.dtype.kind == "c"


@derived(np.isrealobj, samples=_either)
def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return x.dtype.kind != "c"


@derived(np.iscomplex, samples=_either)
def iscomplex(x: Any) -> Any:
    """Where the imaginary part is not 0."""
    return np.not_equal(np.imag(x), 0)


@derived(np.isreal, samples=_either)
def isreal(x: Any) -> Any:
    """Where the imaginary part is 0."""
    return np.imag(x) == 0


@derived(np.isposinf, samples=_one)
def isposinf(x: Any, out: Any = None) -> Any:
    """Where `x` is positive infinity."""
    return np.logical_and(np.isinf(x), np.logical_not(_signbit(x, "isposinf")), out=out)


@derived(np.isneginf, samples=_one)
def isneginf(x: Any, out: Any = None) -> Any:
    """Where `x` is negative infinity."""
    return np.logical_and(np.isinf(x), _signbit(x, "isneginf"), out=out)


def _signbit(x: Any, name: str) -> Any:
    if np.iscomplexobj(x):
        raise TypeError(f"{name} is not supported for {x.dtype} values: it would be ambiguous.")
    return np.signbit(x)


@derived(np.allclose, samples=[*_two, call(normal(3), normal(3), atol=9.0, max_order=0)])
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """Whether all elements are close."""
    return _answer(np.all(np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)))


@derived(np.array_equal, samples=_shapes)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """Whether shapes and all elements are equal."""
    if np.shape(a1) != np.shape(a2):
        return False
    is_same = np.equal(a1, a2)
    if equal_nan:
        is_same = np.logical_or(is_same, np.logical_and(np.isnan(a1), np.isnan(a2)))
    return _answer(np.all(is_same))


@derived(np.array_equiv, samples=_shapes)
def array_equiv(a1: Any, a2: Any) -> Any:
    """Whether all elements are equal after broadcasting."""
    try:
        np.broadcast_shapes(np.shape(a1), np.shape(a2))
    except ValueError:
        return False
    return _answer(np.all(np.equal(a1, a2)))


def _answer(truth: Any) -> Any:
    """A Python bool, as NumPy gives; under vmap there is one answer for each element of the batch."""
    if isinstance(truth, np.bool_ | np.ndarray):
        return bool(truth)
    weak = getattr(truth.tape, "weak", None)  # of a program that is recorded
    return truth if weak is None else weak(truth)


# ------------------------------------------------------------------------------- choosing by value


@derived(
    np.real_if_close,
    samples=[call(normal(3)), call(complex_normal(3)), call(complex_normal(3), tol=1e300)],
)
def real_if_close(a: Any, tol: Any = 100) -> Any:
    """The real part, if the imaginary ones are all close to 0."""
    if not np.iscomplexobj(a):
        return a
    if tol > 1:
        tol = np.finfo(a.dtype).eps * tol
    return np.real(a) if np.all(np.abs(np.imag(a)) < tol) else a


@derived(
    np.nan_to_num,
    samples=[call(normal(3, 4)), call(complex_normal(3)), call(normal(3), nan=1.0, posinf=2.0)],
)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Numbers in place of NaN and infinity, where the derivative is 0."""
    if x.dtype.kind == "c":
        parts = [_finite(part, nan, posinf, neginf) for part in (np.real(x), np.imag(x))]
        out = parts[0] + 1j * parts[1]
    else:
        out = _finite(x, nan, posinf, neginf)
    if not copy:
        x[...] = out
        out = x
    return as_number(out)


def _finite(x: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    bounds = np.finfo(x.dtype)
    high = bounds.max if posinf is None else posinf
    low = bounds.min if neginf is None else neginf
    is_high = np.logical_and(np.isinf(x), np.logical_not(np.signbit(x)))
    is_low = np.logical_and(np.isinf(x), np.signbit(x))
    out = np.where(np.isnan(x), nan, np.where(is_high, high, np.where(is_low, low, x)))
    return out.astype(x.dtype) if out.dtype != x.dtype else out
