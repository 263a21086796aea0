"""Norms, and what is made of norms and singular values: cond, matrix_rank.

One primitive for the p-norm of vectors; the norms of matrices are made of singular values and of sums.
The one difficulty is zero: there a norm has a kink, and its derivative is zero (DESIGN, Semantics).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.decompositions import matrices, square
from wengert.primitives.family import derived, general, locally_constant
from wengert.primitives.products import conjugated
from wengert.primitives.reductions import normalized_axes, spread
from wengert.primitives.samples import call, complex_normal, normal, positive, well_conditioned
from wengert.primitives.shaping import as_array

# -------------------------------------------------------------------------------- the p-norm of vectors


def _p_norm(x: Any, *, ord: Any, axis: Any, keepdims: Any) -> Any:
    """As numpy.linalg.norm computes it, along any number of axes."""
    if ord == 2:
        if len(axis) == np.ndim(x):
            size = np.linalg.norm(x)
            return np.reshape(size, (1,) * x.ndim) if keepdims else size
        return np.sqrt(np.add.reduce(np.real(np.conjugate(x) * x), axis=axis, keepdims=keepdims))
    if ord == 1:
        return np.add.reduce(np.abs(x), axis=axis, keepdims=keepdims)
    powers = np.abs(x) ** ord
    return np.add.reduce(powers, axis=axis, keepdims=keepdims) ** np.reciprocal(
        ord, dtype=powers.dtype
    )


def _partials(x: Any, out: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """The derivative of each norm by its elements; zero where the norm is, or the element."""
    size, length = spread(out, x, axis, keepdims), np.abs(x)
    alive = np.logical_and(length != 0, size != 0)
    safe = np.where(alive, length, 1)
    direction = np.where(alive, conjugated(x), 0) / safe
    return direction if ord == 1 else direction * (safe / np.where(alive, size, 1)) ** (ord - 1)


def _p_norm_vjp(adjoint: Any, x: Any, out: Any, *, ord: Any, axis: Any, keepdims: bool) -> Any:
    if ord == 2:  # the division is that of few numbers, the norms
        return spread(adjoint / np.where(out == 0, 1, out), x, axis, keepdims) * conjugated(x)
    return spread(adjoint, x, axis, keepdims) * _partials(x, out, ord, axis, keepdims)


def _p_norm_jvp(tangent: Any, x: Any, out: Any, *, ord: Any, axis: Any, keepdims: bool) -> Any:
    if ord == 2:
        change = np.sum(np.real(conjugated(x) * tangent), axis=axis, keepdims=keepdims)
        return change / np.where(out == 0, 1, out)
    change = np.real(_partials(x, out, ord, axis, keepdims) * tangent)
    return np.sum(change, axis=axis, keepdims=keepdims)


p_norm = general(
    _p_norm,
    name="p_norm",
    operands=("x",),
    vjp=_p_norm_vjp,
    jvp=_p_norm_jvp,
    formula="conj(x)/abs(x) * (abs(x)/out)**(ord - 1)",
    kinks={0.0: 0.0},
    batch="axis",
    samples=[
        call(normal(3, 4), ord=2, axis=(0, 1), keepdims=False),
        call(normal(3, 4), ord=2, axis=(1,), keepdims=True),
        call(complex_normal(3), ord=2, axis=(0,), keepdims=False),
        call(normal(3, 4), ord=1, axis=(0,), keepdims=False),
        call(normal(4), ord=3, axis=(0,), keepdims=False),
        call(positive(4), ord=0.5, axis=(0,), keepdims=True),
        call(complex_normal(2, 3), ord=-1.5, axis=(1,), keepdims=False),
        call(normal(0), ord=2, axis=(0,), keepdims=False),
    ],
)

count_nonzero_as_float = locally_constant(
    lambda x, *, axis, keepdims: np.add.reduce(
        (x != 0).astype(np.finfo(x.dtype).dtype), axis=axis, keepdims=keepdims
    ),
    name="norm_of_order_zero",
    batch="axis",
    samples=[call(normal(3, 4), axis=(1,), keepdims=False)],
)


# --------------------------------------------------------------------------------- NumPy's functions


@derived(
    np.linalg.norm,
    samples=[
        call(normal(2, 3, 2)),
        call(normal(3, 4), "fro"),
        call(complex_normal(4), 2),
        *(call(normal(4), ord) for ord in (1, 3, np.inf, -np.inf, 0.5)),
        call(normal(4), 0, max_order=0),
        *(call(normal(3, 4), ord) for ord in (1, -1, np.inf, -np.inf, 2, -2, "nuc")),
        call(normal(2, 3, 4), 2, axis=(0, 2)),
        call(normal(2, 3, 4), "nuc", axis=(2, 1), keepdims=True),
        call(normal(2, 3, 4), 1, axis=(-1, 0), keepdims=True),
        call(normal(3, 4), axis=1, keepdims=True),
        call(normal(3, 4), keepdims=True),
    ],
)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = as_array(x)
    if x.dtype.kind not in "fc":
        x = x.astype(float)
    if axis is None:
        if ord is None or (ord in ("f", "fro") and x.ndim == 2) or (ord == 2 and x.ndim == 1):
            return p_norm(x, ord=2, axis=tuple(range(x.ndim)), keepdims=bool(keepdims))
        axis = tuple(range(x.ndim))
    elif not isinstance(axis, tuple):
        axis = (_as_integer(axis),)
    axis = tuple(np.lib.array_utils.normalize_axis_tuple(axis, x.ndim, allow_duplicate=True))
    if len(axis) == 1:
        return _vector_norm(x, ord, axis, bool(keepdims))
    if len(axis) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    if axis[0] == axis[1]:
        raise ValueError("Duplicate axes given.")
    return _matrix_norm(x, ord, axis, bool(keepdims))


def _as_integer(axis: Any) -> int:
    try:
        return int(axis)
    except Exception as error:
        raise TypeError("'axis' must be None, an integer or a tuple of integers") from error


def _vector_norm(x: Any, ord: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord is None:
        ord = 2
    if ord == np.inf:
        return np.max(np.abs(x), axis=axis, keepdims=keepdims, initial=0)
    if ord == -np.inf:
        return np.min(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return count_nonzero_as_float(x, axis=axis, keepdims=keepdims)
    return p_norm(x, ord=ord, axis=axis, keepdims=keepdims)


def _matrix_norm(x: Any, ord: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    if ord in (None, "fro", "f"):
        return p_norm(x, ord=2, axis=axis, keepdims=keepdims)
    if ord in (1, -1, np.inf, -np.inf):
        sums = np.sum(np.abs(x), axis=axis[1] if abs(ord) != 1 else axis[0], keepdims=True)
        out = np.max(sums, axis=axis, initial=0) if ord > 0 else np.min(sums, axis=axis)
    elif ord in (2, -2, "nuc"):
        s = np.linalg.svd(np.moveaxis(x, axis, (-2, -1)), compute_uv=False)
        if ord == -2:
            out = np.min(s, axis=-1)
        else:
            out = np.sum(s, axis=-1) if ord == "nuc" else np.max(s, axis=-1, initial=0)
    else:
        raise ValueError("Invalid norm order for matrices.")
    if not keepdims:
        return out
    return np.reshape(out, tuple(1 if k in axis else n for k, n in enumerate(x.shape)))


@derived(
    np.linalg.vector_norm,
    samples=[
        call(normal(2, 3)),
        call(normal(2, 3, 4), axis=(0, 2), ord=3),
        call(normal(2, 3), axis=-1, keepdims=True, ord=np.inf),
    ],
)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = as_array(x)
    if x.dtype.kind not in "fc":
        x = x.astype(float)
    return _vector_norm(x, ord, normalized_axes(axis, x.ndim), bool(keepdims))


@derived(
    np.linalg.matrix_norm, samples=[call(normal(2, 3, 4)), call(normal(3, 4), ord=2, keepdims=True)]
)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return np.linalg.norm(x, axis=(-2, -1), keepdims=keepdims, ord=ord)


@derived(
    np.linalg.cond,
    samples=[
        call(normal(3, 2)),
        *(call(well_conditioned(3, 3), p) for p in (1, -2, "fro", np.inf)),
    ],
)
def cond(x: Any, p: Any = None) -> Any:
    x = matrices(x)
    if 0 in x.shape[-2:]:
        raise np.linalg.LinAlgError("cond is not defined on empty arrays")
    if p in (None, 2, -2):
        s = np.linalg.svd(x, compute_uv=False)
        with np.errstate(all="ignore"):
            return s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    inverse = np.linalg.inv(square(x))
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(inverse, p, axis=(-2, -1))


matrix_rank = locally_constant(
    lambda A, *, tol, hermitian, **given: np.linalg.matrix_rank(A, tol, hermitian, **given),
    ("A",),
    name="rank",
    batch="leading",
    samples=[call(normal(3, 2), tol=None, hermitian=False)],
)


@derived(
    np.linalg.matrix_rank,
    samples=[call(normal(3, 2), max_order=0), call(normal(3, 3), rtol=1e-3, max_order=0)],
)
def matrix_rank_of(A: Any, tol: Any = None, hermitian: bool = False, **given: Any) -> Any:
    return matrix_rank(as_array(A), tol=tol, hermitian=hermitian, **given)
