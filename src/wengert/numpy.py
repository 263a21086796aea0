"""``import wengert.numpy as np``: NumPy, with the functions that its protocols cannot see.

What makes an array from nothing traced (`zeros`, `array`, `arange` …) makes, while a trace is
active, a constant `Array`, which becomes traced when something traced is written into it.
Everything else is NumPy's own. The names defined here are also what is intercepted in plain NumPy
inside a trace.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as _np

from wengert.errors import UnsupportedFunctionError
from wengert.primitives.registry import REGISTRY
from wengert.tape.array import (
    Array,
    bottom,
    concrete,
    constant,
    decided,
    is_mutable,
    of_program,
    shown,
)
from wengert.tape.dispatch import call
from wengert.tape.flat import Flat
from wengert.tape.levels import depth
from wengert.tape.reading import memory
from wengert.tape.stacking import holds_array, stack
from wengert.tape.windows import strided

__all__ = [
    "arange",
    "array",
    "array2string",
    "asanyarray",
    "asarray",
    "asarray_chkfinite",
    "ascontiguousarray",
    "asfortranarray",
    "copy",
    "diag",
    "diagflat",
    "empty",
    "empty_like",
    "eye",
    "fromfunction",
    "fromiter",
    "full",
    "full_like",
    "geomspace",
    "identity",
    "isscalar",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "require",
    "take",
    "tri",
    "vander",
    "zeros",
    "zeros_like",
]


def __getattr__(name: str) -> Any:
    return getattr(_np, name)


def __dir__() -> list[str]:
    return sorted({*dir(_np), *__all__})


def _made(value: Any) -> Any:
    """A new floating array, as something that traced values can be written into."""
    return constant(value) if depth() else value


def _gathered(value: Any) -> Any:
    """Nested lists and object arrays of traced scalars as one Array; all else as it is."""
    if isinstance(value, Flat):
        return value.copy()
    return stack(value) if isinstance(value, list | tuple | _np.ndarray) else value


def zeros(shape: Any, dtype: Any = float, order: Any = "C", **kwargs: Any) -> Any:
    """As `numpy.zeros`."""
    return _made(_np.zeros(_plain(shape), dtype, order, **kwargs))


def ones(shape: Any, dtype: Any = None, order: Any = "C", **kwargs: Any) -> Any:
    """As `numpy.ones`."""
    return _made(_np.ones(_plain(shape), dtype, order, **kwargs))


def empty(shape: Any, dtype: Any = float, order: Any = "C", **kwargs: Any) -> Any:
    """As `numpy.empty`, filled with zeros, so that no derivative depends on what memory held."""
    return _made(_np.zeros(_plain(shape), dtype, order, **kwargs))


def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **kwargs: Any) -> Any:
    """As `numpy.full`; `fill_value` may be traced."""
    fill_value = _gathered(fill_value)
    if not isinstance(fill_value, Array):
        return _made(_np.full(_plain(shape), fill_value, dtype, order, **kwargs))
    shape = _plain(shape)
    filled = _np.broadcast_to(
        fill_value, (shape,) if isinstance(shape, int) else tuple(shape)
    ).copy()
    return filled if dtype is None else filled.astype(dtype)


def zeros_like(a: Any, *args: Any, **kwargs: Any) -> Any:
    """As `numpy.zeros_like`."""
    return _made(_np.zeros_like(a, *args, **kwargs))


def ones_like(a: Any, *args: Any, **kwargs: Any) -> Any:
    """As `numpy.ones_like`."""
    return _made(_np.ones_like(a, *args, **kwargs))


def empty_like(prototype: Any, *args: Any, **kwargs: Any) -> Any:
    """As `numpy.empty_like`, filled with zeros."""
    return _made(_np.zeros_like(prototype, *args, **kwargs))


def full_like(a: Any, fill_value: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    """As `numpy.full_like`; `fill_value` may be traced."""
    fill_value = _gathered(fill_value)
    if not isinstance(fill_value, Array):
        return _made(_np.full_like(a, fill_value, dtype, *args, **kwargs))
    filled = _np.broadcast_to(fill_value, kwargs.get("shape") or _np.shape(a)).copy()
    return filled.astype(dtype or (a.dtype if hasattr(a, "dtype") else _np.asarray(a).dtype))


def eye(*args: Any, **kwargs: Any) -> Any:
    """As `numpy.eye`."""
    return _made(_np.eye(*args, **kwargs))


def identity(n: Any, *args: Any, **kwargs: Any) -> Any:
    """As `numpy.identity`."""
    return _made(_np.identity(_plain(n), *args, **kwargs))


def tri(*args: Any, **kwargs: Any) -> Any:
    """As `numpy.tri`."""
    return _made(_np.tri(*args, **kwargs))


def array(
    object: Any, dtype: Any = None, *, copy: Any = True, ndmin: int = 0, **kwargs: Any
) -> Any:
    """As `numpy.array`; traced values may stand anywhere in nested lists."""
    if dtype is not None and _np.dtype(dtype).kind == "O":
        return _np.array(object, dtype, copy=copy, ndmin=ndmin, **kwargs)
    value = _gathered(object)
    if not isinstance(value, Array):
        return _made(_np.array(value, dtype, copy=copy, ndmin=ndmin, **kwargs))
    made = _converted(_array(value), dtype)
    made = made.copy() if copy and made is object else made
    while made.ndim < ndmin:
        made = _np.expand_dims(made, 0)
    return made


def array2string(a: Any, *args: Any, **kwargs: Any) -> str:
    """As `numpy.array2string`: text of the value."""
    value = _gathered(a)
    return _np.array2string(
        _np.asarray(shown(value)) if isinstance(value, Array) else value, *args, **kwargs
    )


def asarray(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    """As `numpy.asarray`; an `Array` is one already."""
    value = _gathered(a)
    if isinstance(value, Array):
        return _converted(_array(value), dtype)
    made = _np.asarray(value, dtype, *args, **kwargs)
    # An array that is the caller's own stays so: writing a traced value into it is then an error.
    return made if made is a or isinstance(a, _np.ndarray) else _made(made)


asanyarray = asarray


def ascontiguousarray(a: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """As `numpy.ascontiguousarray`, which gives a number an axis."""
    made = asarray(a, dtype, **kwargs)
    return made if made.ndim else _np.reshape(made, (1,))


asfortranarray = ascontiguousarray


def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    """As `numpy.asarray_chkfinite`."""
    value = _gathered(a)
    if isinstance(value, Array):
        if not bool(_np.all(_np.isfinite(of_program(value)))):
            raise ValueError("array must not contain infs or NaNs")  # NumPy's words
        return _converted(_array(value), dtype)
    return _made(_np.asarray_chkfinite(a, dtype, order))


def require(a: Any, dtype: Any = None, requirements: Any = None, **kwargs: Any) -> Any:
    """As `numpy.require`."""
    value = _gathered(a)
    if isinstance(value, Array):
        return _converted(_array(value), dtype)
    return _np.require(a, dtype, requirements, **kwargs)


def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    """As `numpy.copy`."""
    value = _gathered(a)
    if isinstance(value, Array):
        made = _array(value)
        return made.copy() if made is value else made
    return _made(_np.array(value, order=order, subok=subok))


def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Any:
    """As `numpy.take`; the indices may be traced, which NumPy does not look at."""
    a, indices = _joined(a), _joined(indices)
    if isinstance(indices, Array) and not isinstance(a, Array) and out is None:
        handler = REGISTRY.find(_TAKE)
        assert handler is not None
        return call(handler, _np.asarray(a), indices, axis, mode=mode)
    return _TAKE(a, indices, axis, out, mode)


_TAKE = _np.take


def fromiter(iter: Any, dtype: Any, count: int = -1, **kwargs: Any) -> Any:
    """As `numpy.fromiter`; the elements may be traced."""
    cells = list(iter)
    cells = cells if count < 0 else cells[:count]
    value = stack(cells)
    if isinstance(value, Array):
        return _converted(value, dtype)
    return _made(_np.fromiter(cells, dtype, **kwargs))


def fromfunction(function: Any, shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    """As `numpy.fromfunction`."""
    return function(*_np.indices(_plain(shape), dtype=dtype), **kwargs)


def arange(*args: Any, **kwargs: Any) -> Any:
    """As `numpy.arange`; start, stop and step may be traced: the number of points is a decision."""
    for given in (*args, *kwargs.values()):
        if isinstance(given, Array):
            break
    else:
        return _made(_np.arange(*args, **kwargs))
    plain = _np.arange(*(concrete(a) for a in args), **{k: concrete(v) for k, v in kwargs.items()})
    start = kwargs.get("start", args[0] if len(args) > 1 else 0)
    step = kwargs.get("step", args[2] if len(args) > 2 else 1)
    stop = kwargs.get("stop", args[0] if len(args) == 1 else args[1] if len(args) > 1 else 0)
    lengths = of_program((stop - start) / step)
    if isinstance(lengths, Array):  # the number of points is a decision
        int(_np.ceil(lengths))
    return (start + step * _np.arange(len(plain))).astype(plain.dtype)


def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: Any = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """As `numpy.linspace`; start and stop may be traced."""
    start, stop = _gathered(start), _gathered(stop)
    if not (isinstance(start, Array) or isinstance(stop, Array)):
        made = _np.linspace(start, stop, _plain(num), endpoint, retstep, dtype, axis)
        return (_made(made[0]), made[1]) if retstep else _made(made)
    num = int(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    pieces = num - 1 if endpoint else num
    kind = _np.result_type(bottom(start), bottom(stop), 0.0)  # Python's numbers are weak
    start, stop = _floating(start).astype(kind), _floating(stop).astype(kind)
    points, step = _spaced(start, stop, num, pieces)
    if endpoint and num > 1:
        points[-1, ...] = stop  # to the bit, as NumPy does
    points = points if axis == 0 else _np.moveaxis(points, 0, axis)
    if dtype is not None:
        is_whole = _np.issubdtype(dtype, _np.integer)
        points = (_np.floor(points) if is_whole else points).astype(dtype)
    return (points, step) if retstep else points


def _floating(x: Any) -> Any:
    x = x if isinstance(x, Array) else _np.asarray(x)
    return x if x.dtype.kind in "fc" else x * 1.0


def _spaced(start: Any, stop: Any, num: int, pieces: int) -> tuple[Any, Any]:
    """`num` points, each `pieces`-th of the way from the last; NumPy's order of operations."""
    length = stop - start
    steps = _np.arange(num).reshape(-1, *(1,) * length.ndim).astype(length.dtype)
    if pieces == 0:
        return steps * length + start, _np.nan
    step = length / pieces
    is_tiny = bool(_np.any(_np.equal(of_program(step), 0)))  # it has underflowed
    return (steps / pieces * length if is_tiny else steps * step) + start, step


def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """As `numpy.logspace`; start, stop and base may be traced."""
    if not any(isinstance(x, Array) for x in (start, stop, base)):
        return _made(_np.logspace(start, stop, _plain(num), endpoint, base, dtype, axis))
    points = _np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return points if dtype is None else points.astype(dtype)


def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """As `numpy.geomspace`; start and stop (of one sign) may be traced."""
    if not any(isinstance(x, Array) for x in (start, stop)):
        return _made(_np.geomspace(start, stop, _plain(num), endpoint, dtype, axis))
    if any(bool(_np.any(_np.equal(of_program(x), 0))) for x in (start, stop)):
        raise ValueError("Geometric sequence cannot include zero")
    start, stop = _floating(start), _floating(stop)
    kind = _np.result_type(start.dtype, stop.dtype, _np.zeros((), dtype))
    start, stop = start.astype(kind), stop.astype(kind)
    sign = _np.sign(start)
    first, last = start / sign, stop / sign
    points = logspace(_np.log10(first), _np.log10(last), num, endpoint)
    if num > 0:
        points[0] = first
    if num > 1 and endpoint:
        points[-1] = last
    points = points * sign
    points = points if axis == 0 else _np.moveaxis(points, 0, axis)
    return points if dtype is None else points.astype(dtype)


def isscalar(element: Any) -> bool:
    """As `numpy.isscalar`: a traced number is one."""
    if isinstance(element, Array):
        return element.shape == () and not is_mutable(element)
    return bool(_np.isscalar(element))


def diag(v: Any, k: int = 0) -> Any:
    """As `numpy.diag`."""
    value = _gathered(v)
    return _np.diag(value, k) if isinstance(value, Array) else _made(_np.diag(value, k))


def diagflat(v: Any, k: int = 0) -> Any:
    """As `numpy.diagflat`."""
    value = _gathered(v)
    return _np.diagflat(value, k) if isinstance(value, Array) else _made(_np.diagflat(value, k))


def vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    """As `numpy.vander`."""
    value = _gathered(x)
    made = _np.vander(value, N, increasing)
    return made if isinstance(value, Array) else _made(made)


def _plain(shape: Any) -> Any:
    """A shape without Arrays in it."""
    if isinstance(shape, list | tuple):
        return tuple(int(decided(n)) for n in shape)
    return decided(shape)


def _array(value: Array) -> Any:
    """What NumPy makes an array of: in a program a number becomes one, too.

    Under a derivative it stays the number that it is: what is made of it is the same.
    """
    if value.tape.is_program and not isinstance(bottom(value), _np.ndarray):
        return value[...].copy()
    return value


def _converted(value: Array, dtype: Any) -> Any:
    return value if dtype is None or value.dtype == _np.dtype(dtype) else value.astype(dtype)


# -------------------------------------------------------------------------- lists of traced numbers


def _of_lists(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose arguments may be lists of traced numbers.

    NumPy does not look into lists for what might take the call, and computes with objects one by
    one. Most functions come to the same result so; these fail, or compare numbers where they tie.
    """

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        args = tuple([_joined(x) for x in args])
        return original(*args, **{name: _joined(x) for name, x in kwargs.items()})

    return function


def _joined(x: Any) -> Any:
    is_list = isinstance(x, list | tuple) and holds_array(x)
    if not is_list and not (type(x) is _np.ndarray and x.dtype == object):
        return x
    found = stack(x)
    return found if isinstance(found, Array) else x


# fmt: off
_OF_LISTS = (
    "average", "max", "mean", "median", "min", "std", "var",
    "allclose", "angle", "array_split", "bincount", "corrcoef", "correlate", "cov", "delete",
    "ediff1d", "gradient", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd", "i0",
    "insert", "interp", "isclose", "isneginf", "isposinf", "nanmax", "nanmean", "nanmedian",
    "nanmin", "nanpercentile", "nanprod", "nanquantile", "nanstd", "nansum", "nanvar", "percentile",
    "poly", "polydiv", "polyfit", "quantile", "sort_complex", "trapezoid", "unique",
)
_LINALG = (
    "cholesky", "cond", "det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matrix_norm",
    "matrix_power", "matrix_rank", "norm", "pinv", "qr", "slogdet", "solve", "svd", "svdvals",
    "tensorinv", "tensorsolve",
)
_FFT = (
    "fft", "fft2", "fftn", "hfft", "ifft", "ifft2", "ifftn", "ihfft", "irfft", "rfft", "rfft2",
    "rfftn",
)
# fmt: on
globals().update({name: _of_lists(getattr(_np, name)) for name in _OF_LISTS})
__all__ += _OF_LISTS
FFT = {name: _of_lists(getattr(_np.fft, name)) for name in _FFT}
LINALG = {name: _of_lists(getattr(_np.linalg, name)) for name in _LINALG}


# -------------------------------------------------------------------------- numpy.lib.stride_tricks


def as_strided(
    x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True
) -> Any:
    """As `numpy.lib.stride_tricks.as_strided`: a view; it cannot leave the memory of `x`."""
    x = _gathered(x)
    if isinstance(x, Array):
        return strided(x, shape, strides, writeable)
    return _np.lib.stride_tricks.as_strided(x, shape, strides, subok, writeable)


def sliding_window_view(
    x: Any,
    window_shape: Any,
    axis: Any = None,
    *,
    subok: bool = False,
    writeable: bool = False,
) -> Any:
    """As `numpy.lib.stride_tricks.sliding_window_view`: a view."""
    x = _gathered(x)
    if not isinstance(x, Array):
        return _np.lib.stride_tricks.sliding_window_view(
            x, window_shape, axis, subok=subok, writeable=writeable
        )
    seen = _np.lib.stride_tricks.sliding_window_view(memory(x), window_shape, axis)
    return strided(x, seen.shape, seen.strides, writeable)


STRIDE_TRICKS: dict[str, Callable[..., Any]] = {
    "as_strided": as_strided,
    "sliding_window_view": sliding_window_view,
}


# ----------------------------------------------------------------------------------------- numpy.ma


def _without_masks(name: str) -> Callable[..., Any]:
    original = getattr(_np.ma, name)

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Array) and x.tape.is_traced for x in (*args, *kwargs.values())):
            raise UnsupportedFunctionError(
                f"numpy.ma.{name} has no rule in Wengert, so it cannot take a traced Array.",
                "Use the values: np.where(mask, ..., ...), where=~mask, or the nan-functions.",
            )
        return original(*args, **kwargs)

    return function


def masked() -> dict[str, Callable[..., Any]]:
    """The mirrors of `numpy.ma`, which NumPy imports when it is first asked for."""
    return {
        name: _without_masks(name)
        for name in _np.ma.__all__
        if callable(getattr(_np.ma, name)) and not isinstance(getattr(_np.ma, name), type)
    }
