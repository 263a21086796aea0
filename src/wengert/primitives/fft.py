"""Fourier transforms: numpy.fft.

Four primitives along one axis (fft, ifft, rfft, irfft) and what NumPy makes of them. All are linear; the
matrix of fft is symmetric, so its transpose is itself. The one difficulty is rfft and irfft: a spectrum
of half length stands for both halves, so that all but its ends count twice.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.primitives.adjoints import Like
from wengert.primitives.family import Primitive, derived, linear
from wengert.primitives.samples import call, complex_normal, normal
from wengert.primitives.shaping import as_array

# The scaling of a transform whose direction is reversed while its factor stays.
_REVERSED: dict[Any, Any] = {
    None: "forward",
    "backward": "forward",
    "ortho": "ortho",
    "forward": "backward",
}


def _resized(a: Any, axis: int, length: int) -> Any:
    """`a` cropped, or padded with zeros at the end, along an axis: the transpose of padding, of cropping."""
    if a.shape[axis] >= length:
        return a if a.shape[axis] == length else a[(slice(None),) * axis + (slice(length),)]
    missing = (*a.shape[:axis], length - a.shape[axis], *a.shape[axis + 1 :])
    return np.concatenate([a, np.zeros(missing, a.dtype)], axis=axis)


def _fft_transpose(adjoint: Any, like: Like, *, n: int, axis: int, norm: Any) -> Any:
    return _resized(fft_along(adjoint, n=n, axis=axis, norm=norm), axis, like.shape[axis])


def _ifft_transpose(adjoint: Any, like: Like, *, n: int, axis: int, norm: Any) -> Any:
    return _resized(ifft_along(adjoint, n=n, axis=axis, norm=norm), axis, like.shape[axis])


def _counts(n: int, ndim: int, axis: int, dtype: Any) -> Any:
    """How often each entry of a half spectrum stands in the whole: once at the ends, else twice."""
    counts = np.full(n // 2 + 1, 2, dtype=np.finfo(dtype).dtype)
    counts[0] = 1
    if n % 2 == 0:
        counts[-1] = 1
    return counts.reshape((-1,) + (1,) * (ndim - 1 - axis))


def _rfft_transpose(adjoint: Any, like: Like, *, n: int, axis: int, norm: Any) -> Any:
    once = np.conjugate(adjoint) / _counts(n, adjoint.ndim, axis, adjoint.dtype)
    return _resized(irfft_along(once, n=n, axis=axis, norm=_REVERSED[norm]), axis, like.shape[axis])


def _irfft_transpose(adjoint: Any, like: Like, *, n: int, axis: int, norm: Any) -> Any:
    half = np.conjugate(rfft_along(adjoint, n=n, axis=axis, norm=_REVERSED[norm]))
    return _resized(half * _counts(n, adjoint.ndim, axis, adjoint.dtype), axis, like.shape[axis])


def _samples(draw: Any, smallest: int) -> list[Any]:
    norms = (None, "ortho", "forward")
    found = [
        call(draw(2, 4), n=n, axis=1, norm=norm) for n, norm in zip((4, 7, 3), norms, strict=True)
    ]
    found += [
        call(draw(5, 2), n=n, axis=0, norm=norm) for n, norm in zip((5, 8, 2), norms, strict=True)
    ]
    return [
        *found,
        call(draw(0, 3), n=3, axis=1, norm=None),
        call(draw(1), n=smallest, axis=0, norm=None),
    ]


def _along(function: Any, name: str, transpose: Any, formula: str, samples: Any) -> Any:
    return linear(
        lambda a, *, n, axis, norm: function(a, n, axis, norm),
        name=name,
        operands=("a",),
        transpose=transpose,
        formula=formula,
        batch="axis",
        samples=samples,
    )


fft_along = _along(
    np.fft.fft,
    "fft",
    _fft_transpose,
    "fft(adjoint), cropped or padded",
    _samples(complex_normal, 1),
)
ifft_along = _along(
    np.fft.ifft,
    "ifft",
    _ifft_transpose,
    "ifft(adjoint), cropped or padded",
    _samples(complex_normal, 1),
)
rfft_along = _along(
    np.fft.rfft,
    "rfft",
    _rfft_transpose,
    "unscaled irfft of the adjoint's conjugate, with all but its ends halved",
    _samples(normal, 1),
)
irfft_along = _along(
    np.fft.irfft,
    "irfft",
    _irfft_transpose,
    "conjugate of the rfft of the adjoint, with all but its ends doubled",
    _samples(complex_normal, 1),
)


# ------------------------------------------------------------------------------------------ one axis


def _transformed(primitive: Primitive, a: Any, n: Any, axis: Any, norm: Any) -> Any:
    """Apply a transform with NumPy's arguments, checked as NumPy checks them."""
    a = as_array(a)
    axis = int(np.lib.array_utils.normalize_axis_index(operator.index(axis), a.ndim))
    if n is None:
        n = a.shape[axis] if primitive is not irfft_along else 2 * (a.shape[axis] - 1)
    n = operator.index(n)
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    if norm not in _REVERSED:
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    if primitive is rfft_along and a.dtype.kind == "c":
        raise TypeError(
            "ufunc 'rfft_n_even' did not contain a loop with signature matching types: a complex array "
            "has no rfft; take its real part, or use np.fft.fft"
        )
    return primitive(a, n=n, axis=axis, norm=norm)


_complex_calls = [
    call(complex_normal(2, 4)),
    call(normal(3, 2), 5, axis=0),
    call(normal(4), norm="ortho"),
]
_real_calls = [
    call(normal(2, 4)),
    call(normal(3, 2), 5, axis=0),
    call(normal(5), 3, norm="forward"),
]
_half_calls = [
    call(complex_normal(2, 4)),
    call(complex_normal(3, 2), 5, 0),
    call(normal(4), norm="ortho"),
]


@derived(np.fft.fft, name="fft.fft", samples=_complex_calls)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return _transformed(fft_along, a, n, axis, norm)


@derived(np.fft.ifft, name="fft.ifft", samples=_complex_calls)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return _transformed(ifft_along, a, n, axis, norm)


@derived(np.fft.rfft, name="fft.rfft", samples=_real_calls)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return _transformed(rfft_along, a, n, axis, norm)


@derived(np.fft.irfft, name="fft.irfft", samples=_half_calls)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return _transformed(irfft_along, a, n, axis, norm)


@derived(np.fft.hfft, name="fft.hfft", samples=_half_calls)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    if norm not in _REVERSED:
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    return np.fft.irfft(np.conjugate(as_array(a)), n, axis, _REVERSED[norm])


@derived(np.fft.ihfft, name="fft.ihfft", samples=_real_calls)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    if norm not in _REVERSED:
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    return np.conjugate(np.fft.rfft(as_array(a), n, axis, _REVERSED[norm]))


# -------------------------------------------------------------------------------------- several axes


def _lengths(a: Any, s: Any, axes: Any, halved: bool = False) -> tuple[list[Any], list[int]]:
    """The lengths and axes of a transform along several axes, as NumPy completes them."""
    given = s is not None
    if s is None:
        s = a.shape if axes is None else [a.shape[k] for k in axes]
    elif axes is None:
        _deprecate("`axes` should not be `None` if `s` is not `None` (Deprecated in NumPy 2.0).")
    s = list(s)
    axes = list(range(-len(s), 0)) if axes is None else list(axes)
    if len(s) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    if halved and not given and axes:
        s[-1] = 2 * (a.shape[axes[-1]] - 1)
    if None in s:
        _deprecate("Passing an array containing `None` values to `s` is deprecated in NumPy 2.0.")
    return [a.shape[k] if n == -1 else n for n, k in zip(s, axes, strict=True)], axes


def _deprecate(message: str) -> None:
    warnings.warn(message, DeprecationWarning, stacklevel=5)


def _along_each(function: Any, a: Any, s: Sequence[Any], axes: Sequence[int], norm: Any) -> Any:
    """One transform after the other, the last axis first."""
    for n, axis in zip(reversed(s), reversed(axes), strict=True):
        a = function(a, n, axis, norm)
    return a


_complex_nd = [
    call(complex_normal(2, 3)),
    call(normal(2, 3, 2), s=(4, 2), axes=(2, 1), norm="ortho"),
    call(complex_normal(3, 2), s=(-1, 3), axes=(0, 1), norm="forward"),
]
_real_nd = [call(normal(2, 3)), call(normal(2, 4, 3), s=(4, 2), axes=(0, 1), norm="ortho")]
_half_nd = [
    call(complex_normal(2, 3)),
    call(complex_normal(2, 4, 3), s=(4, 3), axes=(0, 1), norm="ortho"),
]


@derived(np.fft.fftn, name="fft.fftn", samples=[*_complex_nd, call(normal(2, 3), axes=(0, 0))])
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    a = as_array(a)
    return _along_each(np.fft.fft, a, *_lengths(a, s, axes), norm)


@derived(np.fft.ifftn, name="fft.ifftn", samples=_complex_nd)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    a = as_array(a)
    return _along_each(np.fft.ifft, a, *_lengths(a, s, axes), norm)


@derived(np.fft.rfftn, name="fft.rfftn", samples=[*_real_nd, call(normal(2, 3), axes=(1,))])
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    a = as_array(a)
    s, axes = _lengths(a, s, axes)
    a = np.fft.rfft(a, s[-1], axes[-1], norm)
    return _along_each(np.fft.fft, a, s[:-1], axes[:-1], norm)


@derived(
    np.fft.irfftn, name="fft.irfftn", samples=[*_half_nd, call(complex_normal(2, 3), axes=(1,))]
)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    a = as_array(a)
    s, axes = _lengths(a, s, axes, halved=True)
    for n, axis in zip(s[:-1], axes[:-1], strict=True):
        a = np.fft.ifft(a, n, axis, norm)
    return np.fft.irfft(a, s[-1], axes[-1], norm)


@derived(np.fft.fft2, name="fft.fft2", samples=_complex_nd)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    return np.fft.fftn(a, s, axes, norm)


@derived(np.fft.ifft2, name="fft.ifft2", samples=_complex_nd)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    return np.fft.ifftn(a, s, axes, norm)


@derived(np.fft.rfft2, name="fft.rfft2", samples=_real_nd)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    return np.fft.rfftn(a, s, axes, norm)


@derived(np.fft.irfft2, name="fft.irfft2", samples=_half_nd)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
    return np.fft.irfftn(a, s, axes, norm)


# -------------------------------------------------------------------------------------------- shifts


def _shifted(x: Any, axes: Any, shift: Any) -> Any:
    """Rolled by a shift that depends on an axis's length."""
    x = as_array(x)
    if axes is None:
        axes = tuple(range(x.ndim))
    elif isinstance(axes, int | np.integer):
        axes = (axes,)
    return np.roll(x, [shift(x.shape[k]) for k in axes], tuple(axes))


_shifts = [
    call(normal(5)),
    call(normal(2, 3)),
    call(normal(4, 3), axes=1),
    call(complex_normal(2, 3), axes=(0, 1)),
]


@derived(np.fft.fftshift, name="fft.fftshift", samples=_shifts)
def fftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(x, axes, lambda n: n // 2)


@derived(np.fft.ifftshift, name="fft.ifftshift", samples=_shifts)
def ifftshift(x: Any, axes: Any = None) -> Any:
    return _shifted(x, axes, lambda n: -(n // 2))
