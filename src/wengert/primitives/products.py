"""Products of arrays: matmul, dot, tensordot, kron, cross … linear in each operand.

`matmul` is the one primitive behind nearly all of them; its rules are single BLAS calls on views. Sums
over arbitrary indices are in `einsum.py`, polynomials and convolutions in `polynomials.py`. The one
difficulty is matmul's many forms: vectors, matrices and stacks of matrices, each with each.
"""

from __future__ import annotations

import operator
import warnings
from math import prod
from typing import Any

import numpy as np

from wengert.primitives.family import derived, linear
from wengert.primitives.reductions import as_number
from wengert.primitives.samples import call, complex_normal, normal
from wengert.primitives.shaping import as_array


def conjugated(x: Any) -> Any:
    """The complex conjugate; a real array as it is, without an entry of its own."""
    if isinstance(x, float | int):  # Python's, which have no dtype
        return x
    return np.conjugate(x) if x.dtype.kind == "c" else x


# -------------------------------------------------------------------------------------------- matmul


def _matmul_x1(adjoint: Any, x2: Any, like: Any) -> Any:
    ndim1, ndim2 = len(like.shape), x2.ndim
    if ndim2 == 2:
        if ndim1 == 2:
            return adjoint @ x2.T
        return x2 @ adjoint if ndim1 == 1 else _rows_times(adjoint, x2.T)
    if ndim2 == 1:
        return adjoint * x2 if ndim1 == 1 else adjoint[..., None] * x2
    return adjoint @ x2.mT if ndim1 > 1 else (x2 @ adjoint[..., None])[..., 0]


def _matmul_x2(adjoint: Any, x1: Any, like: Any) -> Any:
    ndim1, ndim2 = x1.ndim, len(like.shape)
    if ndim1 == 2 and ndim2 <= 2:
        return x1.T @ adjoint if ndim2 == 2 else adjoint @ x1
    if ndim1 == 1:
        return x1 * adjoint if ndim2 == 1 else x1[:, None] * adjoint[..., None, :]
    if ndim2 == 2:  # one product for a whole stack: its rows are those of one long matrix
        return _as_rows(x1).T @ _as_rows(adjoint)
    return x1.mT @ adjoint if ndim2 > 1 else np.reshape(adjoint, (-1,)) @ _as_rows(x1)


def _as_rows(x: Any) -> Any:
    return np.reshape(x, (prod(x.shape[:-1]), x.shape[-1]))


def _rows_times(stack: Any, matrix: Any) -> Any:
    return np.reshape(_as_rows(stack) @ matrix, (*stack.shape[:-1], matrix.shape[-1]))


def _matmul_batched(primitive: Any, values: Any, batched: Any, size: int) -> Any:
    """Matmul of operands with a batch in front: as stacks of matrices, without the axes added for it."""
    x1, x2 = (as_array(x) for x in values)
    ndim1, ndim2 = x1.ndim - batched[0], x2.ndim - batched[1]
    if ndim1 == 1 and not batched[1] and ndim2 <= 2:
        return primitive(x1, x2)  # the batch is the rows of a matrix
    if ndim1 == 1 and batched[0]:
        x1 = x1[:, None, :]
    elif ndim1 == 1:
        x1 = x1[None, :]
    x2 = x2[..., None] if ndim2 == 1 else x2
    ndim = max(ndim1, ndim2, 2)
    x1 = _padded(x1, ndim) if batched[0] else x1
    x2 = _padded(x2, ndim) if batched[1] else x2
    out = primitive(x1, x2)
    out = out[..., 0] if ndim2 == 1 else out
    return out if ndim1 > 1 else out[..., 0, :] if ndim2 > 1 else out[..., 0]


def _padded(x: Any, ndim: int) -> Any:
    """A batch whose elements have axes of length one put in front, up to `ndim`."""
    missing = ndim + 1 - x.ndim
    return np.reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:])) if missing > 0 else x


matmul = linear(
    np.matmul,
    each=True,
    operands=("x1", "x2"),
    transpose=(_matmul_x1, _matmul_x2),
    formula=("adjoint @ x2.T", "x1.T @ adjoint"),
    lower="matmul",
    batch=_matmul_batched,
    samples=[
        call(normal(3, 4), normal(4, 2)),
        call(normal(3, 3), normal(3, 3)),
        call(normal(4), normal(4)),
        call(normal(4), normal(4, 2)),
        call(normal(3, 4), normal(4)),
        call(normal(5, 3, 4), normal(4, 2)),
        call(normal(3, 4), normal(5, 4, 2)),
        call(normal(5, 3, 4), normal(2, 1, 4, 2)),
        call(normal(4), normal(5, 4, 2)),
        call(normal(5, 3, 4), normal(4)),
        call(complex_normal(3, 4), normal(4, 2)),
        call(normal(0, 4), normal(4, 2)),
        call(normal(3, 0), normal(0, 2)),
        call(normal(0, 3, 4), normal(4, 2)),
    ],
)


# --------------------------------------------------------------------- what is made of matmul and ravel


@derived(
    np.dot,
    samples=[
        call(normal(3, 4), normal(4, 2)),
        call(normal(4), normal(4)),
        call(normal(), normal(2, 3)),
        call(normal(2, 3, 4), normal(4)),
        call(normal(4), normal(2, 4, 3)),
        call(normal(2, 3, 4), normal(5, 4, 2)),
    ],
)
def dot(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    ndim1, ndim2 = a.ndim, b.ndim
    if ndim1 == 0 or ndim2 == 0:
        return np.multiply(a, b)
    if ndim1 == 1 or ndim2 == 1 or (ndim1 == 2 and ndim2 == 2):
        return np.matmul(a, b)
    return np.tensordot(a, b, (-1, -2))


@derived(
    np.vdot, samples=[call(normal(2, 3), normal(3, 2)), call(complex_normal(4), complex_normal(4))]
)
def vdot(a: Any, b: Any, /) -> Any:
    return np.matmul(np.ravel(conjugated(as_array(a))), np.ravel(as_array(b)))


@derived(
    np.inner,
    samples=[
        call(normal(4), normal(4)),
        call(normal(), normal(4)),
        call(normal(2, 4), normal(3, 4)),
        call(normal(4), normal(2, 3, 4)),
    ],
)
def inner(a: Any, b: Any, /) -> Any:
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    return as_number(np.tensordot(a, b, (-1, -1)))


@derived(
    np.outer,
    samples=[call(normal(3), normal(4)), call(normal(2, 2), normal(3)), call(normal(), normal(0))],
)
def outer(a: Any, b: Any) -> Any:
    return np.multiply(np.ravel(as_array(a))[:, None], np.ravel(as_array(b))[None, :])


@derived(
    np.tensordot,
    samples=[
        call(normal(2, 3, 4), normal(3, 4, 2)),
        call(normal(2, 3, 4), normal(4, 3, 2), axes=([1, 2], [1, 0])),
        call(normal(2, 3), normal(4), axes=0),
        call(normal(3, 4), normal(5, 4), axes=(1, -1)),
        call(normal(0, 3), normal(3, 2), axes=1),
    ],
)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = as_array(a), as_array(b)
    axes1, axes2 = _summed_axes(axes, a.ndim, b.ndim)
    if [a.shape[k] for k in axes1] != [b.shape[k] for k in axes2]:
        raise ValueError("shape-mismatch for sum")
    free1 = [k for k in range(a.ndim) if k not in axes1]
    free2 = [k for k in range(b.ndim) if k not in axes2]
    count = prod(a.shape[k] for k in axes1)
    rows = _as_matrix(a, [*free1, *axes1], (prod(a.shape[k] for k in free1), count))
    columns = _as_matrix(b, [*axes2, *free2], (count, prod(b.shape[k] for k in free2)))
    shape = (*(a.shape[k] for k in free1), *(b.shape[k] for k in free2))
    out = np.matmul(rows, columns)
    return out if out.shape == shape else np.reshape(out, shape)


def _summed_axes(axes: Any, ndim1: int, ndim2: int) -> tuple[list[int], list[int]]:
    """The axes of either operand that tensordot sums over, counted from the front."""
    try:
        first, second = axes
    except TypeError:
        count = operator.index(axes)
        first, second = range(ndim1 - count, ndim1), range(count)
        if count > min(ndim1, ndim2):
            raise IndexError("tuple index out of range") from None
    chosen1 = [first] if np.ndim(first) == 0 else list(first)
    chosen2 = [second] if np.ndim(second) == 0 else list(second)
    if len(chosen1) != len(chosen2):
        raise ValueError("shape-mismatch for sum")
    normalize = np.lib.array_utils.normalize_axis_tuple
    try:
        return list(normalize(chosen1, ndim1)), list(normalize(chosen2, ndim2))
    except np.exceptions.AxisError as error:
        raise IndexError("tuple index out of range") from error  # what NumPy's own lookup raises


def _as_matrix(a: Any, order: list[int], shape: tuple[int, int]) -> Any:
    if order != list(range(a.ndim)):
        a = np.transpose(a, order)
    return a if a.shape == shape else np.reshape(a, shape)


@derived(
    np.kron,
    samples=[
        call(normal(2, 3), normal(3, 2)),
        call(normal(3), normal(2, 2)),
        call(normal(2, 1, 2), normal(3)),
        call(normal(), normal(3)),
    ],
)
def kron(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return np.multiply(a, b)
    ndim = max(a.ndim, b.ndim)
    sizes1 = (1,) * (ndim - a.ndim) + a.shape
    sizes2 = (1,) * (ndim - b.ndim) + b.shape
    blocks = np.reshape(a, tuple(n for size in sizes1 for n in (size, 1)))
    cells = np.reshape(b, tuple(n for size in sizes2 for n in (1, size)))
    return np.reshape(blocks * cells, tuple(n * m for n, m in zip(sizes1, sizes2, strict=True)))


# ---------------------------------------------------------------------------------------------- cross

cross_of_three = linear(
    lambda a, b: np.cross(a, b),
    name="cross3",
    operands=("a", "b"),
    each=True,
    transpose=(lambda adjoint, b: np.cross(b, adjoint), lambda adjoint, a: np.cross(adjoint, a)),
    formula=("b x adjoint", "adjoint x a"),
    batch="broadcast",
    samples=[
        call(normal(3), normal(3)),
        call(normal(2, 1, 3), normal(4, 3)),
        call(complex_normal(3), normal(2, 3)),
    ],
)


@derived(
    np.cross,
    samples=[
        call(normal(3), normal(2, 3)),
        call(normal(3, 4), normal(4, 3), axisa=0, axisb=1, axisc=0),
        call(normal(3, 2), normal(3, 2), axis=0),
    ],
)
def cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    a, b = as_array(a), as_array(b)
    if axis is not None:
        axisa = axisb = axisc = axis
    if a.ndim < 1 or b.ndim < 1:
        raise ValueError("At least one array has zero dimension")
    normalize = np.lib.array_utils.normalize_axis_index
    a = _axis_last(a, normalize(axisa, a.ndim, msg_prefix="axisa"))
    b = _axis_last(b, normalize(axisb, b.ndim, msg_prefix="axisb"))
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ValueError("incompatible dimensions for cross product\n(dimension must be 2 or 3)")
    if a.shape[-1] == b.shape[-1] == 3:
        out = cross_of_three(a, b)
    else:
        out = _cross_with_plane(a, b)
        if a.shape[-1] == b.shape[-1]:
            return out
    axisc = normalize(axisc, out.ndim, msg_prefix="axisc")
    return out if axisc == out.ndim - 1 else np.moveaxis(out, -1, axisc)


def _cross_with_plane(a: Any, b: Any) -> Any:
    """The cross product where a vector has two components, up to NumPy 2.4: its third is zero."""
    if np.lib.NumpyVersion(np.__version__) >= "2.5.0":
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, but they are "
            f"{a.shape[-1]} and {b.shape[-1]} dimensional instead."
        )
    warnings.warn(
        "Arrays of 2-dimensional vectors are deprecated. Use arrays of 3-dimensional vectors instead. "
        "(deprecated in NumPy 2.0)",
        DeprecationWarning,
        stacklevel=4,
    )
    last = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    if a.shape[-1] == b.shape[-1]:
        return last
    if a.shape[-1] == 2:
        first, second = a[..., 1] * b[..., 2], -(a[..., 0] * b[..., 2])
    else:
        first, second = -(a[..., 2] * b[..., 1]), a[..., 2] * b[..., 0]
    return np.stack([first, second, last], axis=-1)


def _axis_last(a: Any, axis: int) -> Any:
    return a if axis == a.ndim - 1 else np.moveaxis(a, axis, -1)


# ------------------------------------------------------------------------------- trace; vectors in stacks


@derived(
    np.trace,
    samples=[call(normal(3, 4)), call(normal(3, 4, 2), offset=1), call(normal(2, 3, 3), 0, 1, 2)],
)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@derived(
    np.vecdot,
    samples=[
        call(normal(2, 3), normal(3)),
        call(normal(3, 1, 2), normal(3, 4, 1), axis=0),
        call(complex_normal(3), complex_normal(2, 3)),
    ],
)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1, keepdims: bool = False) -> Any:
    x1, x2 = (_axis_last(x, _core_axis(axis, x.ndim)) for x in (as_array(x1), as_array(x2)))
    out = np.matmul(conjugated(x1)[..., None, :], x2[..., :, None])
    if not keepdims:
        return out[..., 0, 0]
    return _axis_first_of_last(out[..., 0], axis)


def _core_axis(axis: int, ndim: int) -> int:
    return int(np.lib.array_utils.normalize_axis_index(operator.index(axis), ndim))


def _axis_first_of_last(out: Any, axis: int) -> Any:
    return np.moveaxis(out, -1, axis)


def _matvec(x1: Any, x2: Any, /) -> Any:
    x2 = as_array(x2)
    return np.matmul(x1, x2) if x2.ndim == 1 else np.matmul(x1, x2[..., None])[..., 0]


def _vecmat(x1: Any, x2: Any, /) -> Any:
    x1 = conjugated(as_array(x1))
    return np.matmul(x1, x2) if x1.ndim == 1 else np.matmul(x1[..., None, :], x2)[..., 0, :]


if hasattr(np, "matvec"):  # NumPy 2.2
    matvec = derived(
        np.matvec, samples=[call(normal(3, 4), normal(4)), call(normal(3, 4), normal(2, 4))]
    )(_matvec)
    vecmat = derived(
        np.vecmat, samples=[call(normal(4), normal(4, 3)), call(complex_normal(2, 4), normal(4, 3))]
    )(_vecmat)


# --------------------------------------------------------------------------- their names in numpy.linalg


@derived(np.linalg.matmul, name="linalg.matmul", samples=[call(normal(2, 3), normal(3, 2))])
def linalg_matmul(x1: Any, x2: Any, /) -> Any:
    return np.matmul(x1, x2)


@derived(np.linalg.outer, name="linalg.outer", samples=[call(normal(3), normal(2))])
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    x1, x2 = as_array(x1), as_array(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(
            f"Input arrays must be one-dimensional, but they are {x1.ndim=} and {x2.ndim=}."
        )
    return np.outer(x1, x2)


@derived(np.linalg.cross, name="linalg.cross", samples=[call(normal(2, 3), normal(2, 3))])
def linalg_cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    x1, x2 = as_array(x1), as_array(x2)
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, "
            f"but they are {x1.shape[axis]} and {x2.shape[axis]} dimensional instead."
        )
    return np.cross(x1, x2, axis=axis)


@derived(
    np.linalg.tensordot, name="linalg.tensordot", samples=[call(normal(2, 3), normal(3, 2), axes=1)]
)
def linalg_tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    return np.tensordot(x1, x2, axes=axes)


@derived(np.linalg.vecdot, name="linalg.vecdot", samples=[call(normal(2, 3), normal(2, 3))])
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return vecdot(x1, x2, axis=axis)


@derived(
    np.linalg.trace,
    name="linalg.trace",
    samples=[call(normal(2, 3, 3)), call(normal(2, 3), offset=1)],
)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return np.trace(x, offset, -2, -1, dtype=dtype)


@derived(np.linalg.diagonal, name="linalg.diagonal", samples=[call(normal(2, 3, 3), offset=-1)])
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return np.diagonal(x, offset, -2, -1)


@derived(
    np.linalg.matrix_transpose, name="linalg.matrix_transpose", samples=[call(normal(2, 3, 4))]
)
def linalg_matrix_transpose(x: Any, /) -> Any:
    if x.ndim < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {x.ndim}")
    return np.moveaxis(x, -1, -2)
