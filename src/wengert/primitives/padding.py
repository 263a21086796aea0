"""`np.pad`, every mode of it.

Modes that repeat elements take them by positions, which NumPy's own `pad` of an array of positions gives;
the others join edges, ramps or statistics to the array, one axis after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.samples import call, distinct, normal
from wengert.primitives.shaping import as_array

_BY_POSITION = ("edge", "reflect", "symmetric", "wrap")
_STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": np.max,
    "minimum": np.min,
    "mean": np.mean,
    "median": np.median,
}
_ALLOWED = {
    "constant": {"constant_values"},
    "edge": set(),
    "empty": set(),
    "linear_ramp": {"end_values"},
    "maximum": {"stat_length"},
    "mean": {"stat_length"},
    "median": {"stat_length"},
    "minimum": {"stat_length"},
    "reflect": {"reflect_type"},
    "symmetric": {"reflect_type"},
    "wrap": set(),
}


@derived(
    np.pad,
    samples=[
        call(normal(2, 3), 1),
        call(normal(2, 3), ((1, 0), (2, 1)), constant_values=2.0),
        call(normal(3), (2, 1), mode="edge"),
        call(normal(2, 3), ((1, 1), (5, 4)), mode="reflect"),
        call(normal(2, 3), ((1, 1), (4, 3)), mode="symmetric"),
        call(normal(4), (6, 3), mode="reflect", reflect_type="odd"),
        call(normal(2, 3), ((1, 1), (4, 3)), mode="symmetric", reflect_type="odd"),
        call(normal(2, 3), ((3, 2), (1, 7)), mode="wrap"),
        call(normal(2, 3), ((2, 1), (0, 3)), mode="linear_ramp", end_values=0.5),
        call(distinct(2, 3), ((2, 1), (1, 2)), mode="maximum"),
        call(distinct(2, 3), ((2, 1), (1, 2)), mode="minimum", stat_length=2),
        call(normal(2, 3), ((2, 1), (1, 2)), mode="mean", stat_length=((1, 2), (2, 3))),
        call(distinct(2, 3), ((2, 1), (1, 2)), mode="median"),
    ],
)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    array = as_array(array)
    widths = _widths(pad_width, array.ndim)
    if callable(mode):
        return _by_function(array, widths, mode, kwargs)
    if mode not in _ALLOWED:
        raise ValueError(f"mode '{mode}' is not supported")
    unknown = set(kwargs) - _ALLOWED[mode]
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")
    if mode in ("constant", "linear_ramp"):
        values = _pairs(kwargs.get("constant_values", kwargs.get("end_values", 0)), array.ndim)
    lengths = _pairs(kwargs.get("stat_length"), array.ndim)
    is_odd = kwargs.get("reflect_type", "even") == "odd"
    for axis, width in enumerate(widths):
        if width == (0, 0):
            continue
        if mode in _BY_POSITION:
            array = _by_position(array, axis, width, mode, is_odd)
        elif mode == "empty":
            array = _joined(array, axis, width, (0, 0))
        elif mode == "constant":
            array = _joined(array, axis, width, values[axis])
        elif mode == "linear_ramp":
            array = _ramped(array, axis, width, values[axis])
        else:
            array = _summarised(array, axis, width, _STATISTICS[mode], lengths[axis])
    return array


def _widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(pad_width, dict):
        full: list[tuple[int, ...]] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            full[axis] = (int(width), int(width)) if np.ndim(width) == 0 else tuple(map(int, width))
        pad_width = full
    widths = np.asarray(pad_width)
    if widths.dtype.kind != "i":
        raise TypeError("`pad_width` must be of integral type.")
    pairs = [(int(a), int(b)) for a, b in np.broadcast_to(widths, (ndim, 2))]
    if any(min(pair) < 0 for pair in pairs):
        raise ValueError("index can't contain negative values")
    return pairs


def _pairs(values: Any, ndim: int) -> list[tuple[Any, Any]]:
    """A pair (before, after) for each axis; the values may be traced, or None."""
    if values is None or np.ndim(values) == 0:
        return [(values, values)] * ndim
    if isinstance(values, list | tuple):
        if all(np.ndim(v) == 0 for v in values):
            before, after = (values[0], values[0]) if len(values) == 1 else values
            return [(before, after)] * ndim
        rows = [(v[0], v[0]) if len(v) == 1 else (v[0], v[1]) for v in values]
        return rows * ndim if len(rows) == 1 else rows
    full = np.broadcast_to(values, (ndim, 2))
    return [(full[k, 0], full[k, 1]) for k in range(ndim)]


def _filled(array: Any, axis: int, width: int, value: Any) -> Any:
    shape = (*array.shape[:axis], width, *array.shape[axis + 1 :])
    value = value.astype(array.dtype) if hasattr(value, "astype") else array.dtype.type(value)
    return np.broadcast_to(value, shape)


def _joined(array: Any, axis: int, width: tuple[int, int], values: tuple[Any, Any]) -> Any:
    before, after = (_filled(array, axis, n, value) for n, value in zip(width, values, strict=True))
    return np.concatenate((before, array, after), axis=axis)


def _slab(array: Any, axis: int, start: int, stop: int) -> Any:
    return array[(slice(None),) * axis + (slice(start, stop),)]


def _by_position(array: Any, axis: int, width: tuple[int, int], mode: Any, is_odd: bool) -> Any:
    size = array.shape[axis]
    if size == 0:
        raise ValueError(
            f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
        )
    if is_odd and size > 1:
        return _reflected(array, axis, width, is_edge_twice=mode == "symmetric")
    positions = np.pad(np.arange(size), width, mode=mode)
    return np.take(array, positions, axis=axis)


def _reflected(array: Any, axis: int, width: tuple[int, int], is_edge_twice: bool) -> Any:
    """Reflected about the edges as points are, twice the edge minus the element, as often as it takes."""
    period = array.shape[axis] - (not is_edge_twice)
    left, right = width
    while left or right:
        size = array.shape[axis]
        reach = (size - (not is_edge_twice)) // period * period  # whole periods only
        skip = 0 if is_edge_twice else 1
        before, after = min(reach, left), min(reach, right)
        first, last = _slab(array, axis, 0, 1), _slab(array, axis, size - 1, size)
        head = np.flip(_slab(array, axis, skip, skip + before), axis)
        tail = np.flip(_slab(array, axis, size - skip - after, size - skip), axis)
        array = np.concatenate((2 * first - head, array, 2 * last - tail), axis=axis)
        left, right = left - before, right - after
    return array


def _ramped(array: Any, axis: int, width: tuple[int, int], ends: tuple[Any, Any]) -> Any:
    size = array.shape[axis]
    shape = (-1,) + (1,) * (array.ndim - axis - 1)
    parts = [array]
    for side in (0, 1):
        if width[side] == 0:
            continue
        edge = _slab(array, axis, 0, 1) if side == 0 else _slab(array, axis, size - 1, size)
        share = np.linspace(0, 1, width[side], endpoint=False, dtype=array.dtype).reshape(shape)
        end = ends[side]
        if side == 0:
            parts.insert(0, end + (edge - end) * share)
        else:
            parts.append(np.flip(end + (edge - end) * share, axis))
    return np.concatenate([part.astype(array.dtype) for part in parts], axis=axis)


def _summarised(
    array: Any,
    axis: int,
    width: tuple[int, int],
    statistic: Callable[..., Any],
    lengths: tuple[Any, Any],
) -> Any:
    size = array.shape[axis]
    if size == 0:
        raise ValueError(
            f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
        )
    sizes = [size if n is None else min(int(n), size) for n in lengths]
    if 0 in sizes and statistic in (np.max, np.min):
        raise ValueError("stat_length of 0 yields no value for padding")
    before = statistic(_slab(array, axis, 0, sizes[0]), axis=axis, keepdims=True)
    after = statistic(_slab(array, axis, size - sizes[1], size), axis=axis, keepdims=True)
    shapes = [(*array.shape[:axis], n, *array.shape[axis + 1 :]) for n in width]
    return np.concatenate(
        (np.broadcast_to(before, shapes[0]), array, np.broadcast_to(after, shapes[1])), axis=axis
    )


def _by_function(
    array: Any, widths: list[tuple[int, int]], function: Any, kwargs: dict[str, Any]
) -> Any:
    """The user's function fills the margins of every vector in place, as NumPy lets it."""
    padded = array
    for axis, width in enumerate(widths):
        padded = _joined(padded, axis, width, (0, 0))
    padded = padded.copy()
    for axis in range(padded.ndim):
        others = [n for k, n in enumerate(padded.shape) if k != axis]
        for place in np.ndindex(*others):
            key = (*place[:axis], slice(None), *place[axis:])
            vector = padded[key]
            function(vector, widths[axis], axis, kwargs)
    return padded
