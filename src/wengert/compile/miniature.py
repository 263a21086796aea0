"""What an operation gives, but for the numbers: found out on small arrays.

A `blank` has the shape, dtype, kind and layout in memory of a result, and no numbers: memory that
nobody has touched, or a number that is NaN. Most operations treat all lengths alike, so their
function is run once on arrays of a few elements, a length of its own for each length among the
operands, and what NumPy gives there is enlarged. Views and moves are done on the blanks themselves.
The one difficulty is what cannot be told so, data-dependent shapes and errors: then there is none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.compile.passes.inference import is_view
from wengert.primitives.einsum import contract, plan
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import follow, write
from wengert.primitives.registry import REGISTRY
from wengert.primitives.taking import fill, scatter

_LENGTHS = (5, 7, 11, 13, 17, 19, 23, 29)  # of axes in miniature
_PYTHON = frozenset({bool, int, float, complex})

# Operations that move elements: done on blanks, which costs a pass over memory, or nothing. Those
# of the second set make views.
_MOVES = frozenset(
    {"reshape", "transpose", "broadcast_to", "real", "imag", "read", "join", "stack", "gather"}
)
_VIEWS = _MOVES - {"join", "stack", "gather"}
# Operations, beside those of elements, that treat all lengths alike: what shape, dtype and layout
# their result has says a small example.
_UNIFORM = frozenset({
    "where", "astype", "conjugate", "sum", "mean", "max", "min", "prod", "argmax", "argmin",
    "cumsum", "cumprod", "matmul", "contract", "logsumexp", "softmax", "log_softmax",
    "triangle_of", "from_triangle", "solve_triangular", "cholesky_factor", "cholesky_pullback",
    "solve_matrices", "inv",
})  # fmt: skip


def blank_of(
    primitive: Primitive, values: Sequence[Any], parameters: dict[str, Any], known: Sequence[bool]
) -> Any:
    """A blank in place of a result; None where it must be computed.

    Parameters
    ----------
    values : sequence
        The operands: numbers and arrays, or blanks.
    known : sequence of bool
        Whether an operand is no blank.
    """
    way = _way(primitive)
    if way is None:
        return None
    try:
        return way(primitive, values, parameters, known)
    except Exception:  # of any function: the run on the real numbers raises it again
        return None


@functools.cache
def _way(primitive: Primitive) -> Callable[..., Any] | None:
    """How the blank of an operation is found."""
    if REGISTRY.primitives.get(primitive.name) is not primitive:  # a user's own
        return None
    if primitive.name in _MOVES:
        return _moved
    if primitive is write or primitive is scatter:
        return _written
    function = primitive.function
    of_elements = primitive.family == "elementwise" or (
        isinstance(function, np.ufunc) and function.signature is None and function.nout == 1
    )
    if primitive.outputs == 1 and (of_elements or primitive.name in _UNIFORM):
        return _enlarged
    return None


# ------------------------------------------------------------------------------------------- moves


def _moved(primitive: Primitive, values: Any, parameters: Any, known: Sequence[bool]) -> Any:
    if all(known) and primitive.name in _VIEWS:
        return None  # of real memory: it costs nothing
    if primitive.name == "gather" and not all(known[1:]):
        return None  # an index may be out of range
    out = primitive.function(*values, **parameters)
    if not isinstance(out, np.ndarray):
        return number_of(out.dtype)
    return out[...] if any(out is value for value in values) else out


def _written(primitive: Primitive, values: Any, parameters: Any, known: Sequence[bool]) -> Any:
    whole, value, *indices = values
    if not all(known[2:]) or type(whole) is not np.ndarray:
        return None
    path = (("getitem", fill(parameters["template"], indices)),) if indices else parameters["path"]
    # The part to be written: of memory that is nowhere, if it would be copied.
    is_seen = is_view(path) and whole.flags.c_contiguous
    nowhere = np.broadcast_to(np.zeros((), whole.dtype), whole.shape)
    part = follow(whole if is_seen else nowhere, path)
    if np.broadcast_shapes(np.shape(value), part.shape) != part.shape:
        return None
    kind = whole.dtype.kind
    if type(value) in _PYTHON:
        is_safe = kind == "c" or (kind == "f" and type(value) is not complex)
    else:
        is_safe = np.can_cast(value.dtype, whole.dtype, "same_kind")
    return np.empty_like(whole) if is_safe else None


# --------------------------------------------------------------------------------------- enlarging


def _enlarged(primitive: Primitive, values: Any, parameters: Any, known: Sequence[bool]) -> Any:
    lengths: dict[int, int] = {0: 0, 1: 1}  # in miniature, of each length
    forms = tuple([_form(value, lengths) for value in values])
    found = _in_miniature(primitive, forms, tuple(parameters.items()))
    if found is None:
        return None
    shape, order, dtype = found
    if shape is None:
        return number_of(dtype)
    real = {small: length for length, small in lengths.items()}
    whole = tuple([real[n] for n in shape])
    if primitive is contract:  # large ones are matrix products, which lie otherwise
        way = plan(parameters["subscripts"], values[0].shape, values[1].shape)
        if way is not None:
            return np.transpose(np.empty(way.shape, dtype), way.order)
    if order is None:
        return np.empty(whole, dtype)
    lying = np.empty([whole[k] for k in order], dtype).transpose(np.argsort(order))
    return np.empty_like(lying)


def _form(value: Any, lengths: dict[int, int]) -> Any:
    """All that matters of an operand: its kind, and in miniature its shape and layout."""
    if type(value) is not np.ndarray:
        if isinstance(value, np.generic):
            return value.dtype
        if type(value) is int:
            return value  # NumPy refuses those that its integers cannot hold
        return type(value)
    for length in value.shape:
        if length not in lengths:
            lengths[length] = _LENGTHS[len(lengths) - 2]
    shape = tuple([lengths[n] for n in value.shape])
    if value.flags.c_contiguous:
        return value.dtype, shape, None
    # The axes from the longest step in memory to the shortest; those that go backwards; those that
    # stand still.
    steps = value.strides
    order = tuple(sorted(range(value.ndim), key=lambda k: -abs(steps[k])))
    return value.dtype, shape, (order, tuple([(s > 0) - (s < 0) for s in steps]))


Found = tuple[tuple[int, ...] | None, tuple[int, ...] | None, Any]


@functools.lru_cache(maxsize=4096)
def _in_miniature(primitive: Primitive, forms: Any, parameters: Any) -> Found | None:
    """Shape (None: a number), order of axes in memory (None: C's) and dtype of what comes out."""
    with np.errstate(all="ignore"):
        out = primitive.function(*[_small(form) for form in forms], **dict(parameters))
    if isinstance(out, np.generic):
        return None, None, out.dtype
    if type(out) is not np.ndarray:
        return None
    if out.dtype.kind in "iu" and primitive.name == "power":
        return None  # negative exponents raise
    if out.flags.c_contiguous:
        return out.shape, None, out.dtype
    order = tuple(sorted(range(out.ndim), key=lambda k: -out.strides[k]))
    is_dense = out.transpose(order).flags.c_contiguous
    return (out.shape, order, out.dtype) if is_dense else None


def _small(form: Any) -> Any:
    """An operand in miniature: ones, or where matrices are square the identity."""
    if type(form) is not tuple:
        if isinstance(form, np.dtype):
            return form.type(1)
        return form if type(form) is int else form(1)
    dtype, shape, layout = form
    square = len(shape) > 1 and shape[-1] == shape[-2]
    plain = np.zeros(shape, dtype) + np.eye(shape[-1]).astype(dtype) if square else np.ones(shape)
    plain = plain.astype(dtype)
    if layout is None:
        return plain
    order, signs = layout
    lying = np.ascontiguousarray(plain.transpose(order)).transpose(np.argsort(order))
    still = tuple([slice(0, 1) if sign == 0 else slice(None, None, sign) for sign in signs])
    return np.broadcast_to(lying[still], shape)


# ----------------------------------------------------------------------------------------- numbers


def number_of(dtype: np.dtype[Any]) -> Any:
    """A blank in place of one of NumPy's numbers: of a class of its own, and NaN."""
    kind = _kinds(dtype)
    return None if kind is None else kind("nan" if dtype.kind in "fc" else 0)


@functools.cache
def _kinds(dtype: np.dtype[Any]) -> Any:
    if dtype.kind not in "fciu":
        return None  # booleans can have no subclass, and are asked for at once
    return type(dtype.type.__name__, (dtype.type,), {})
