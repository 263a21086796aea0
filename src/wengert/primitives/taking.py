"""Taking and putting by indices: `take`, `put`, `take_along_axis` …, and indices that are operands.

`gather` and `scatter` are `read` and `write` with a template of an index, whose holes the index operands
fill: under vmap, indices may differ along the batch. The one difficulty is where NumPy puts the axes of
index arrays; `_Layout` knows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wengert.errors import BatchError
from wengert.primitives.family import derived, general
from wengert.primitives.indexing import assign
from wengert.primitives.samples import call, normal
from wengert.primitives.shaping import as_array

_index = np.lib.array_utils.normalize_axis_index


class Hole:
    """Stands in a template for one of the index operands."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "_"


HOLE = Hole()


def pick(a: Any, key: tuple[Any, ...]) -> Any:
    """``a[key]``, where parts of the key may be Arrays (indices that differ along a vmapped axis)."""
    indices, template = holes(key)
    return gather(a, *indices, template=template) if indices else a[key]


def holes(key: tuple[Any, ...]) -> tuple[list[Any], tuple[Any, ...]]:
    """The Arrays in an index, and the template that is left without them."""
    indices = [part for part in key if _is_traced(part)]
    parts: list[Any] = []
    for part in key:
        if _is_traced(part):
            if part.dtype == bool:
                raise BatchError(
                    "a boolean index differs along the vmapped axis, so that the result would have "
                    "another shape for each element of the batch.",
                    "Use np.where(mask, a, b) instead of a[mask].",
                )
            parts.append(HOLE)
        elif isinstance(part, np.ndarray) and part.dtype == bool and indices:
            parts += part.nonzero()
        else:
            parts.append(part)
    return indices, tuple(parts)


def fill(template: tuple[Any, ...], indices: Any) -> tuple[Any, ...]:
    """The index that a template and its index operands make."""
    given = iter(indices)
    return tuple([next(given) if part is HOLE else part for part in template])


def _is_traced(x: Any) -> bool:
    return hasattr(type(x), "__record__")


# -------------------------------------------------------------------------------------------- batching


class _Layout(NamedTuple):
    """How an index is applied to all examples of a batch at once."""

    template: tuple[Any, ...]
    indices: list[Any]
    start: int  # where, in the result for one example, the axes of index arrays begin
    width: int  # how many there are
    shape: tuple[int, ...]  # of the result for one example


def _layout(like: tuple[int, ...], indices: Any, batched: Any, size: int, template: Any) -> _Layout:
    """Layout for an example of shape `like`; the batch is the first of the index arrays' axes."""
    examples = [
        np.shape(k)[1:] if b else np.shape(k) for k, b in zip(indices, batched, strict=True)
    ]
    parts = _without_ellipsis(template, len(like))
    ranks = [_rank(part) for part in parts if not _is_slice(part)] + [
        len(shape) for shape in examples
    ]
    width = max(ranks, default=0)
    aligned = [
        np.reshape(k, (size, *(1,) * (width - len(shape)), *shape)) if b else k
        for k, b, shape in zip(indices, batched, examples, strict=True)
    ]
    advanced = [k for k, part in enumerate(parts) if not _is_slice(part)]
    is_split = advanced != list(range(advanced[0], advanced[-1] + 1))
    zeros = [np.zeros(shape, np.intp) for shape in examples]
    shape = np.broadcast_to(np.empty(()), like)[fill(parts, zeros)].shape
    return _Layout(parts, aligned, 0 if is_split else advanced[0], width, shape)


def _is_slice(part: Any) -> bool:
    return part is None or isinstance(part, slice)


def _rank(part: Any) -> int:
    return 0 if part is HOLE else np.ndim(part)


def _without_ellipsis(template: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    used = len([part for part in template if part is not None and part is not Ellipsis])
    rest = (slice(None),) * (ndim - used)
    for position, part in enumerate(template):
        if part is Ellipsis:
            return (*template[:position], *rest, *template[position + 1 :])
    return (*template, *rest)


def _rows(size: int, width: int) -> np.ndarray:
    return np.arange(size).reshape(size, *(1,) * width)


def _batch_gather(primitive: Any, values: Any, batched: Any, size: int, *, template: Any) -> Any:
    a, *indices = values
    like = np.shape(a)[1:] if batched[0] else np.shape(a)
    layout = _layout(like, indices, batched[1:], size, template)
    if not batched[0]:
        out = primitive(a, *layout.indices, template=layout.template)
        return np.moveaxis(out, layout.start, 0)
    out = primitive(a, *layout.indices, template=(_rows(size, layout.width), *layout.template))
    start, width = layout.start + 1, layout.width
    return np.moveaxis(out, tuple(range(1, 1 + width)), tuple(range(start, start + width)))


def _batch_scatter(
    primitive: Any, values: Any, batched: Any, size: int, *, template: Any, add: bool
) -> Any:
    a, put, *indices = values
    if not batched[0]:
        a = np.broadcast_to(a, (size, *np.shape(a)))
    layout = _layout(np.shape(a)[1:], indices, batched[2:], size, template)
    if batched[1]:
        own = np.shape(put)[1:]
        put = np.reshape(put, (size, *(1,) * (len(layout.shape) - len(own)), *own))
    put = np.broadcast_to(put, (size, *layout.shape))
    start, width = layout.start + 1, layout.width
    put = np.moveaxis(put, tuple(range(start, start + width)), tuple(range(1, 1 + width)))
    full = (_rows(size, width), *layout.template)
    return primitive(a, put, *layout.indices, template=full, add=add)


# ------------------------------------------------------------------------------------------ primitives


def _gather(a: Any, *indices: Any, template: Any) -> Any:
    return a[fill(template, indices)]


def _gather_vjp(adjoint: Any, operands: Any, likes: Any, position: Any, *, template: Any) -> Any:
    zeros = np.zeros(likes[0].shape, likes[0].dtype)
    return scatter(zeros, adjoint, *operands[1:], template=template, add=True)


def _gather_jvp(tangent: Any, operands: Any, position: Any, *, template: Any) -> Any:
    return gather(tangent, *operands[1:], template=template)


def _scatter(a: Any, values: Any, *indices: Any, template: Any, add: bool) -> Any:
    out = np.array(a)
    assign(out, (("getitem", fill(template, indices)),), values, add=add)
    return out


def _scatter_vjp(
    adjoint: Any, operands: Any, likes: Any, position: Any, *, template: Any, add: bool
) -> Any:
    indices = operands[2:]
    if position == 0:
        zero = np.zeros((), likes[0].dtype)
        return adjoint if add else scatter(adjoint, zero, *indices, template=template, add=False)
    taken = gather(adjoint, *indices, template=template)
    return taken if add else taken * _survives(likes[0].shape, indices, template)


def _survives(shape: tuple[int, ...], indices: Any, template: Any) -> Any:
    """True where a written value survives: NumPy keeps the last of those with one position."""
    numbers = np.zeros(shape, np.intp)
    like = gather(numbers, *indices, template=template)
    order = np.arange(like.size).reshape(like.shape)
    written = scatter(numbers, order, *indices, template=template, add=False)
    return gather(written, *indices, template=template) == order


def _scatter_jvp(tangent: Any, operands: Any, position: Any, *, template: Any, add: bool) -> Any:
    a, _, *indices = operands
    if position == 0:
        if add:
            return tangent
        return scatter(tangent, np.zeros((), tangent.dtype), *indices, template=template, add=False)
    zeros = np.zeros(np.shape(a), np.result_type(a, tangent))
    return scatter(zeros, tangent, *indices, template=template, add=add)


_some = np.array([0, 2, 2])
_pairs = np.array([[0, 1], [1, 1]])

gather = general(
    _gather,
    name="gather",
    operands=("a",),
    variadic=True,
    vjp=_gather_vjp,
    jvp=_gather_jvp,
    formula="adjoint of a: the adjoint at the places read, added where read twice; zero elsewhere",
    batch=_batch_gather,
    samples=[
        call(normal(3, 4), _some, template=(HOLE,)),
        call(normal(3, 4), _some, _some, template=(HOLE, HOLE)),
        call(normal(3, 4, 2), _pairs, template=(slice(None), HOLE)),
        call(normal(3, 4, 2), _some, _pairs[0, 0], template=(HOLE, slice(1, 3), HOLE)),
    ],
)

scatter = general(
    _scatter,
    name="scatter",
    operands=("a",),
    variadic=True,
    vjp=_scatter_vjp,
    jvp=_scatter_jvp,
    formula="of a: zero at the places written; of values: the adjoint there, zero if overwritten again",
    batch=_batch_scatter,
    samples=[
        call(normal(3, 4), normal(3, 4), _some, template=(HOLE,), add=False),
        call(normal(3, 4), normal(3, 4), _some, template=(HOLE,), add=True),
        call(normal(3, 4), normal(), _some, template=(..., HOLE), add=False),
    ],
)


# ---------------------------------------------------------------------------------------------- taking


def as_indices(indices: Any) -> Any:
    """Indices as an integer array; an Array (of integers, under vmap) as it is."""
    indices = indices if _is_traced(indices) else np.asarray(indices)
    if not _is_traced(indices) and indices.size == 0 and indices.dtype.kind == "f":
        return indices.astype(np.intp)
    if indices.dtype.kind not in "iub":
        raise TypeError(
            f"Cannot cast array data from {indices.dtype!r} to dtype('int64') according to the rule "
            "'same_kind'"
        )
    return indices.astype(np.intp)


def _in_range(indices: Any, size: int, mode: str) -> Any:
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    if mode == "wrap":
        return indices % size
    if mode == "clip":
        return np.minimum(np.maximum(indices, 0), size - 1)
    if not _is_traced(indices) and size == 0 and indices.size:
        raise IndexError("cannot do a non-empty take from an empty axes.")
    return indices


@derived(
    np.take,
    samples=[
        call(normal(3, 4), [0, 2, 2], axis=1),
        call(normal(3, 4), _pairs),
        call(normal(3, 4), -1, axis=0),
        call(normal(3), [4, -5], mode="wrap"),
        call(normal(3), [4, -5], mode="clip"),
    ],
)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Any:
    a = as_array(a)
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = _index(axis, a.ndim)
    indices = _in_range(as_indices(indices), a.shape[axis], mode)
    taken = pick(a, ((slice(None),) * axis + (indices,)))
    return taken.copy() if indices.ndim == 0 else taken


def _along(shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """The index that `indices`, along one axis, make with all positions along the others."""
    ndim = len(shape)
    if indices.ndim != ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    grids = [
        np.arange(n).reshape((1,) * k + (n,) + (1,) * (ndim - k - 1)) for k, n in enumerate(shape)
    ]
    return tuple([indices if k == axis else grid for k, grid in enumerate(grids)])


@derived(
    np.take_along_axis,
    samples=[
        call(normal(3, 4), np.array([[0], [2], [0]]), axis=1),
        call(normal(3, 4), np.array([[2, 0, 0, 1]]), axis=0),
        call(normal(3, 4), np.array([5, 5, 1]), axis=None),
    ],
)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    arr = as_array(arr)
    if axis is None:
        if indices.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        arr, axis = np.ravel(arr), 0
    return pick(arr, _along(arr.shape, indices, _index(axis, arr.ndim)))


@derived(
    np.compress,
    samples=[call([True, False, True], normal(3, 4), axis=0), call([False, True], normal(3, 4))],
)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    return np.take(a, np.flatnonzero(np.asarray(condition)), axis=axis)


@derived(np.extract, samples=[call(np.array([[True, False], [True, True]]), normal(2, 2))])
def extract(condition: Any, arr: Any) -> Any:
    return np.take(np.ravel(arr), np.flatnonzero(np.ravel(condition)))


# --------------------------------------------------------------------------------------------- putting


def _repeated(values: Any, count: int) -> Any:
    """Values, flat and repeated, as many as there are places."""
    values = np.ravel(values)
    if values.size == count:
        return values
    if values.size == 0:
        raise ValueError("Cannot insert from an empty array!")
    return values[np.arange(count) % values.size]


@derived(np.put, samples=[call(normal(3, 4), [0, 5, -1], normal(2), max_order=0)])
def put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    places = np.ravel(_in_range(as_indices(ind), a.size, mode))
    if places.size:
        places = np.where(places < 0, places + a.size, places) if mode == "raise" else places
        if not _is_traced(places) and (places.min() < 0 or places.max() >= a.size):
            raise IndexError(f"index out of bounds for axis 0 with size {a.size}")
        a[_unravelled(places, a.shape)] = _repeated(v, places.size)


def _unravelled(places: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """As `np.unravel_index`, in arithmetic."""
    parts: list[Any] = []
    for n in reversed(shape):
        parts.append(places % n)
        places = places // n
    return tuple(reversed(parts))


@derived(
    np.put_along_axis,
    samples=[call(normal(3, 4), np.array([[0], [2], [0]]), normal(3, 1), axis=1, max_order=0)],
)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    if axis is None:
        arr[_unravelled(indices, arr.shape)] = values
    else:
        arr[_along(arr.shape, indices, _index(axis, arr.ndim))] = values


@derived(
    np.place, samples=[call(normal(4), np.array([True, False, True, True]), normal(2), max_order=0)]
)
def place(arr: Any, mask: Any, vals: Any) -> None:
    mask = np.asarray(mask).astype(bool)
    if mask.size != arr.size:
        raise ValueError("place: mask and data must be the same size")
    mask = mask.reshape(arr.shape)
    if mask.any():
        arr[mask] = _repeated(vals, int(np.count_nonzero(mask)))


@derived(
    np.putmask,
    samples=[call(normal(4), np.array([True, False, True, True]), normal(2), max_order=0)],
)
def putmask(a: Any, /, mask: Any, values: Any) -> None:
    mask = np.asarray(mask).astype(bool)
    if mask.size != a.size:
        raise ValueError("putmask: mask and data must be the same size")
    a[mask.reshape(a.shape)] = _repeated(values, a.size)[mask.ravel()]


@derived(np.copyto, samples=[call(normal(2, 3), normal(3), max_order=0)])
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    src = as_array(src)
    if not np.can_cast(src.dtype, dst.dtype, casting):
        raise TypeError(
            f"Cannot cast array data to {dst.dtype!r} according to the rule {casting!r}"
        )
    if where is True:
        dst[...] = src
    elif _is_traced(where):
        dst[...] = np.where(where, src, dst)
    else:
        mask = np.broadcast_to(where, dst.shape)
        dst[mask] = np.broadcast_to(src, dst.shape)[mask]
