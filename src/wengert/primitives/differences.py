"""Differences and what is made of them: diff, ediff1d, gradient, trapezoid, unwrap.

All are derived functions. They follow NumPy's order of operations, so that values agree to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from wengert.primitives.cumulative import along
from wengert.primitives.family import derived
from wengert.primitives.reductions import normalized_axis
from wengert.primitives.samples import call, complex_normal, distinct, normal, positive
from wengert.primitives.shaping import as_array

_ascending = np.array([0.0, 1.0, 1.5, 3.0])


def _step(a: Any, axis: int) -> Any:
    after, before = a[along(axis, slice(1, None))], a[along(axis, slice(None, -1))]
    return after != before if a.dtype == bool else after - before


@derived(
    np.diff,
    samples=[
        call(normal(3, 4)),
        call(normal(5, 2), n=2, axis=0),
        call(normal(3, 4), 1, -1, normal(3, 1), 2.0),
        call(normal(1)),
        call(normal(3), n=0),
        call(complex_normal(4)),
    ],
)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours, `n` times."""
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    a = as_array(a)
    if a.ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    axis = normalized_axis(axis, a.ndim)
    ends = [_end(part, a, axis) for part in (prepend, append)]
    parts = [part for part in (ends[0], a, ends[1]) if part is not None]
    a = np.concatenate(parts, axis) if len(parts) > 1 else a
    for _ in range(n):
        a = _step(a, axis)
    return a


def _end(part: Any, a: Any, axis: int) -> Any:
    if part is None or part is np._NoValue:
        return None
    part = as_array(part)
    if part.ndim:
        return part
    return np.broadcast_to(part, (*a.shape[:axis], 1, *a.shape[axis + 1 :]))


@derived(
    np.ediff1d,
    samples=[
        call(normal(3, 4)),
        call(normal(4), normal(2), 1.0),
        call(normal(0), to_begin=[1.0, 2.0]),
    ],
)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours of the flattened array, with ends put on."""
    ary = np.ravel(as_array(ary))
    parts = [_step(ary, 0)]
    for name, end in (("to_begin", to_begin), ("to_end", to_end)):
        if end is None:
            continue
        end = np.ravel(as_array(end))
        if not np.can_cast(end.dtype, ary.dtype, "same_kind"):
            raise TypeError(
                f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule."
            )
        end = end if end.dtype == ary.dtype else end.astype(ary.dtype)
        parts.insert(0 if name == "to_begin" else len(parts), end)
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


@derived(
    np.trapezoid,
    samples=[
        call(normal(3, 4)),
        call(normal(3, 4), None, 0.5, 0),
        call(normal(3, 4), distinct(4)),
        call(normal(3, 4), x=_ascending),
        call(normal(3, 4), distinct(3, 4), axis=0),
        call(normal(4), None, positive(3)),
        call(normal(2), normal(3, 2)),
    ],
)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """Integral by the trapezoidal rule."""
    y = as_array(y)
    along_y = normalized_axis(axis, y.ndim)
    if x is None:
        widths = dx
    else:
        x = as_array(x)
        widths = np.diff(x, axis=axis if x.ndim != 1 else 0)  # x may have other axes than y
        if x.ndim == 1:
            widths = np.reshape(widths, _column(y.ndim, along_y))
    sums = y[along(along_y, slice(1, None))] + y[along(along_y, slice(None, -1))]
    return np.sum(widths * sums / 2.0, axis)


def _column(ndim: int, axis: int) -> tuple[int, ...]:
    """The shape of a 1-d array that is to lie along an axis."""
    return tuple([-1 if k == axis else 1 for k in range(ndim)])


# ------------------------------------------------------------------------------------ np.gradient


@derived(
    np.gradient,
    samples=[
        call(normal(5)),
        call(normal(4, 3)),
        call(normal(4, 3), 0.5, axis=0, edge_order=2),
        call(normal(4, 3), 0.5, 2.0),
        call(normal(4), _ascending, edge_order=2),
        call(normal(3, 4), positive(), distinct(4)),
        call(normal(2, 4), distinct(4), axis=-1, edge_order=2),
    ],
)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Derivative by central differences in the interior, one-sided ones at the ends."""
    f = as_array(f)
    axes = tuple(range(f.ndim)) if axis is None else normalize_axis_tuple(axis, f.ndim)
    spacings = _spacings(f, varargs, axes)
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    f = f if f.dtype.kind in "fc" else f.astype(float)
    outs = []
    for k, spacing in zip(axes, spacings, strict=True):
        if f.shape[k] < edge_order + 1:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, "
                "at least (edge_order + 1) elements are required."
            )
        outs.append(_derivative(f, spacing, k, edge_order))
    return outs[0] if len(axes) == 1 else tuple(outs)


def _spacings(f: Any, varargs: tuple[Any, ...], axes: tuple[int, ...]) -> list[Any]:
    """For each axis the step between neighbours: a number, or an array of them."""
    if not varargs:
        return [1.0] * len(axes)
    if len(varargs) == 1 and np.ndim(varargs[0]) == 0:
        return list(varargs) * len(axes)
    if len(varargs) != len(axes):
        raise TypeError("invalid number of arguments")
    return [_steps(distances, f.shape[k]) for distances, k in zip(varargs, axes, strict=True)]


def _steps(distances: Any, length: int) -> Any:
    if np.ndim(distances) == 0:
        return distances
    distances = as_array(distances)
    if distances.ndim != 1:
        raise ValueError("distances must be either scalars or 1d")
    if len(distances) != length:
        raise ValueError("when 1d, distances must match the length of the corresponding dimension")
    steps = np.diff(distances if distances.dtype.kind in "fc" else distances.astype(float))
    # NumPy takes equal steps for a number. Traced ones stay apart: each has its own derivative.
    return steps[0] if type(steps) is np.ndarray and (steps == steps[0]).all() else steps


def _derivative(f: Any, spacing: Any, axis: int, edge_order: int) -> Any:
    def at(key: Any) -> Any:
        return f[along(axis, key)]

    first, middle, last = at(slice(None, -2)), at(slice(1, -1)), at(slice(2, None))
    if np.ndim(spacing) == 0:
        interior = (last - first) / (2.0 * spacing)
        steps = (spacing,) * 4
    else:
        a, b, c = _three_points(spacing[:-1], spacing[1:], "middle")
        shape = _column(f.ndim, axis)
        a, b, c = (np.reshape(w, shape) for w in (a, b, c))
        interior = a * first + b * middle + c * last
        steps = (
            spacing[0],
            spacing[min(1, len(spacing) - 1)],
            spacing[max(-2, -len(spacing))],
            spacing[-1],
        )
    if edge_order == 1:
        start = (at(1) - at(0)) / steps[0]
        end = (at(-1) - at(-2)) / steps[3]
    else:
        a, b, c = _end_weights(steps[:2], "start", np.ndim(spacing) == 0)
        start = a * at(0) + b * at(1) + c * at(2)
        a, b, c = _end_weights(steps[2:], "end", np.ndim(spacing) == 0)
        end = a * at(-3) + b * at(-2) + c * at(-1)
    parts = [np.expand_dims(start, axis), interior, np.expand_dims(end, axis)]
    out = np.concatenate(parts, axis)
    return out if out.dtype == f.dtype else out.astype(f.dtype)


def _end_weights(steps: tuple[Any, Any], where: str, is_uniform: bool) -> tuple[Any, Any, Any]:
    if not is_uniform:
        return _three_points(*steps, where)
    h = steps[0]
    return (-1.5 / h, 2.0 / h, -0.5 / h) if where == "start" else (0.5 / h, -2.0 / h, 1.5 / h)


def _three_points(h: Any, k: Any, where: str) -> tuple[Any, Any, Any]:
    """Weights of three neighbours, `h` and `k` apart, for the slope of their parabola at one of them."""
    if where == "start":
        return -(2.0 * h + k) / (h * (h + k)), (h + k) / (h * k), -h / (k * (h + k))
    if where == "end":
        return k / (h * (h + k)), -(k + h) / (h * k), (2.0 * k + h) / (k * (h + k))
    return -k / (h * (h + k)), (k - h) / (h * k), h / (k * (h + k))


# ---------------------------------------------------------------------------------------- unwrap


@derived(
    np.unwrap,
    samples=[
        call(np.linspace(0, 9, 4), max_order=0),
        call(distinct(3, 4)),
        call(distinct(3, 4), axis=0, period=3.0),
        call(distinct(5), discont=4.0),
    ],
)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """Take out jumps by more than half a period, by adding whole periods."""
    p = as_array(p)
    axis = normalized_axis(axis, p.ndim)
    steps = np.diff(p, axis=axis)
    discont = period / 2 if discont is None else discont
    if steps.dtype.kind in "iub" and np.result_type(steps.dtype, period).kind in "iu":
        high, odd = divmod(period, 2)
        is_ambiguous = odd == 0
    else:
        high, is_ambiguous = period / 2, True
    wrapped = np.mod(steps + high, period) - high
    if is_ambiguous:  # a step by exactly half a period keeps its sign
        wrapped = np.where((wrapped == -high) & (steps > 0), high, wrapped)
    corrections = np.where(np.abs(steps) < discont, 0, wrapped - steps)
    rest = p[along(axis, slice(1, None))] + np.cumsum(corrections, axis)
    first = p[along(axis, slice(None, 1))]
    return np.concatenate(
        [first if first.dtype == rest.dtype else first.astype(rest.dtype), rest], axis
    )
