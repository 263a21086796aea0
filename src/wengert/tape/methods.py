"""The methods and attributes of ndarray, for `Array`.

Most are NumPy's function of the same name, on its way through `__array_function__`; `x.T`,
`x.flat`, ``x.copy()`` and what changes an array in place have a few lines here. ``x.item()`` and
``x.tolist()`` of a traced Array give traced scalars, so that no derivative is lost; of a constant,
Python's numbers.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from wengert.errors import LostDerivativeError, UnsupportedFunctionError
from wengert.primitives.complex import imag, real
from wengert.primitives.shaping import full_shape, permute, reshape_to
from wengert.tape.array import Array, bottom, concrete
from wengert.tape.dispatch import UFUNCS, apply, array_function, array_ufunc, unary
from wengert.tape.flat import Flat
from wengert.tape.reading import memory
from wengert.tape.views import View
from wengert.tape.writing import assign_whole

# Methods that are NumPy's function of the same name, with the array as first argument.
_FUNCTIONS = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "choose",
    "cumprod",
    "cumsum",
    "diagonal",
    "dot",
    "max",
    "mean",
    "min",
    "nonzero",
    "prod",
    "put",
    "ravel",
    "repeat",
    "searchsorted",
    "squeeze",
    "std",
    "sum",
    "swapaxes",
    "take",
    "trace",
    "var",
]

# Methods that hand out memory, which a traced value cannot do.
_MEMORY = ["byteswap", "dump", "dumps", "getfield", "setfield", "tobytes", "tofile"]


def _method(name: str, function: Any) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return array_function(self, function, (), (self, *args), kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"As ``np.{function.__name__}``."
    return method


def _ufunc_method(name: str, ufunc: np.ufunc) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return array_ufunc(self, ufunc, "__call__", self, *args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"As ``np.{ufunc.__name__}``; NumPy's loops over objects call it."
    return method


# ------------------------------------------------------------------------------------------- shapes


def _transposed(self: Any) -> Array:
    """The array with its axes reversed: a view."""
    ndim = self.ndim
    return apply(permute, (self,), {"axes": tuple(range(ndim - 1, -1, -1))}) if ndim else self


def _matrix_transposed(self: Any) -> Array:
    """The array with its last two axes exchanged: a view."""
    ndim = self.ndim
    if ndim < 2:
        raise ValueError("matrix transpose with ndim < 2 is undefined")
    return apply(permute, (self,), {"axes": (*range(ndim - 2), ndim - 1, ndim - 2)})


def _reshape(self: Any, *shape: Any, order: Any = "C", copy: Any = None) -> Any:
    """As ``np.reshape``; the new shape as one argument or several."""
    given = shape[0] if len(shape) == 1 else shape
    if order == "C" and copy is None:
        return apply(reshape_to, (self,), {"shape": full_shape(given, self.size)})
    return np.reshape(self, given, order=order, copy=copy)


def _clip(self: Any, min: Any = None, max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    """As ``np.clip``; the method takes one bound alone."""
    return np.clip(self, min, max, out=out, **kwargs)


def _transpose(self: Any, *axes: Any) -> Any:
    """As ``np.transpose``; the axes as one argument or several."""
    return np.transpose(self, axes[0] if len(axes) == 1 else axes or None)


def _flatten(self: Any, order: Any = "C") -> Any:
    """A copy with one axis."""
    return np.ravel(self, order=order).copy()


def _resize(self: Any, *shape: Any, refcheck: bool = True) -> None:
    """Not supported: a handle keeps its shape."""
    raise UnsupportedFunctionError(
        f"x.resize(…) in place is not supported for an Array of shape {self.shape}.",
        "Write x = np.resize(x, shape).",
    )


def _view(self: Any, dtype: Any = None, type: Any = None) -> Any:
    """The same memory under the same dtype; another would see bytes, which have no derivative."""
    if dtype is None or (not isinstance(dtype, builtin_type) and np.dtype(dtype) == self.dtype):
        return self[...] if isinstance(bottom(self), np.ndarray) else self
    raise UnsupportedFunctionError(
        f"x.view({dtype!r}) would see the bytes of a {self.dtype} array under another dtype, and "
        "bytes have no derivative.",
        "Convert with x.astype(dtype); real and imaginary parts are x.real and x.imag.",
    )


builtin_type = type


def _set_shape(self: Any, shape: Any) -> None:
    raise UnsupportedFunctionError(
        f"x.shape = {shape!r} is not supported: views of an Array know its shape.",
        "Write x = x.reshape(shape), which makes a view.",
    )


# ------------------------------------------------------------------------------------------- values


def _copy(self: Any, order: Any = "C") -> Array:
    """A copy. Nothing is recorded, and no memory copied until one of the two is written."""
    x = self.current()
    return Array(x.value, x.tape, x.index)


def _astype(
    self: Any,
    dtype: Any,
    order: Any = "K",
    casting: Any = "unsafe",
    subok: Any = True,
    copy: Any = True,
) -> Any:
    """As ``np.astype``."""
    if casting != "unsafe" and not np.can_cast(self.dtype, dtype, casting):
        raise TypeError(
            f"Cannot cast array data from {self.dtype!r} to {np.dtype(dtype)!r} according to the "
            f"rule {casting!r}"
        )
    return np.astype(self, dtype, copy=copy)


def _item(self: Any, *args: Any) -> Any:
    """One element: of a traced Array as a traced scalar, whose derivative is kept."""
    position = args[0] if len(args) == 1 else args
    if not args:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        position = 0
    if not isinstance(position, tuple):
        position = np.unravel_index(position, self.shape) if self.shape else ()
    found = self[tuple([int(k) for k in position])]
    if not isinstance(found, Array) or not found.tape.is_traced:
        return concrete(found).item()
    return _of_python(found) if found.tape.is_program else found


def _of_python(number: Any) -> Any:
    """An element of a program's array as the Python number that NumPy makes of it."""
    kind = _WIDEST.get(number.dtype.kind, number.dtype)
    made = number.astype(kind) if number.dtype != kind else np.positive(number)
    return made.tape.weak(made)


_WIDEST = {dtype.kind: dtype for dtype in map(np.dtype, (bool, int, float, complex))}


def _tolist(self: Any) -> Any:
    """Nested lists of elements, as ``item`` gives them."""
    return [row.tolist() for row in _rows(self)] if self.shape else self.item()


def _rows(self: Any) -> list[Any]:
    return [self[k] for k in range(self.shape[0])]


def _conjugate(self: Any, *args: Any, **kwargs: Any) -> Any:
    """As ``np.conjugate``; of Python's number such a number."""
    if not args and not kwargs:
        return _CONJUGATE(self)
    return array_ufunc(self, np.conjugate, "__call__", self, *args, **kwargs)


_CONJUGATE = unary(np.conjugate, operator.methodcaller("conjugate"))


def _round(self: Any, decimals: Any = 0, out: Any = None) -> Any:
    """As ``np.round``."""
    return np.round(self, decimals) if out is None else np.round(self, decimals, out=out)


def _is_integer(self: Any) -> bool:
    """As a number's ``is_integer``: a decision."""
    return bool(np.logical_and(np.isfinite(self), np.equal(np.floor(self), self)))


def _compress(self: Any, condition: Any, axis: Any = None) -> Any:
    """As ``np.compress``."""
    return np.compress(condition, self, axis=axis)


def _to_device(self: Any, device: Any, /, *, stream: Any = None) -> Array:
    """The array itself: there is one device."""
    if device != "cpu":
        raise ValueError(f'Unsupported device: {device}. Only "cpu" is allowed.')
    return self


# ------------------------------------------------------------------------------------- in place


def _fill(self: Any, value: Any) -> None:
    """Set all elements to one value."""
    self[...] = value


def _sort(self: Any, axis: Any = -1, **kwargs: Any) -> None:
    """Sort in place."""
    assign_whole(self, np.sort(self, axis=axis, **kwargs))


def _partition(self: Any, kth: Any, axis: Any = -1, **kwargs: Any) -> None:
    """Partition in place."""
    assign_whole(self, np.partition(self, kth, axis=axis, **kwargs))


def _set_real(self: Any, value: Any) -> None:
    _part(self, real)[...] = value


def _set_imag(self: Any, value: Any) -> None:
    if self.dtype.kind != "c":
        raise TypeError("array does not have imaginary part to set")
    _part(self, imag)[...] = value


def _part(self: Any, primitive: Any) -> Array:
    return apply(primitive, (self,), {})


def _real(self: Any) -> Array:
    """The real part: a view."""
    return _part(self, real) if self.dtype.kind == "c" or self.shape else self


def _set_flat(self: Any, value: Any) -> None:
    Flat(self)[:] = value


# ------------------------------------------------------------------------------------------- memory


def _memory_method(name: str) -> Any:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.tape.is_traced:
            raise _no_memory(self, f"x.{name}()")
        return getattr(np.asarray(concrete(self)), name)(*args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Of a constant as ``ndarray.{name}``; a traced Array has no bytes of its own."
    return method


def _memory_attribute(name: str) -> property:
    def get(self: Any) -> Any:
        if self.tape.is_traced:
            raise _no_memory(self, f"x.{name}")
        return getattr(np.asarray(concrete(self)), name)

    return property(get, doc=f"Of a constant as ``ndarray.{name}``.")


def _no_memory(x: Array, what: str) -> LostDerivativeError:
    return LostDerivativeError(
        f"{what} was asked of a traced Array of shape {x.shape} ({x.dtype}): its bytes have no "
        "derivative.",
        "For the value alone, use wg.stop_gradient(x).",
    )


def _setflags(self: Any, write: Any = None, align: Any = None, uic: Any = None) -> None:
    """Has no effect: an Array can always be written, and its aliases see it."""


# ------------------------------------------------------------------------------------ attaching

_OWN: dict[str, Any] = {
    "clip": _clip,
    "reshape": _reshape,
    "transpose": _transpose,
    "flatten": _flatten,
    "resize": _resize,
    "view": _view,
    "copy": _copy,
    "astype": _astype,
    "item": _item,
    "tolist": _tolist,
    "conj": _conjugate,
    "conjugate": _conjugate,
    "round": _round,
    "is_integer": _is_integer,
    "compress": _compress,
    "to_device": _to_device,
    "fill": _fill,
    "sort": _sort,
    "partition": _partition,
    "setflags": _setflags,
    "memory": memory,
    "T": property(_transposed),
    "mT": property(_matrix_transposed),
    "real": property(_real, _set_real),
    "imag": property(lambda self: _part(self, imag), _set_imag, doc="The imaginary part: a view."),
    "flat": property(Flat, _set_flat, doc="The elements in C order."),
    "ctypes": _memory_attribute("ctypes"),
    "data": _memory_attribute("data"),
    "flags": property(lambda self: np.asarray(memory(self)).flags, doc="Layout in memory."),
    "strides": property(
        lambda self: getattr(memory(self), "strides", ()), doc="Steps in memory, in bytes."
    ),
}


def attach() -> None:
    """Give Array the methods and attributes of an ndarray."""
    for name in _FUNCTIONS:
        setattr(Array, name, _method(name, getattr(np, name)))
    for name in _MEMORY:
        setattr(Array, name, _memory_method(name))
    for name, member in _OWN.items():
        if callable(member):
            member.__name__ = name
        setattr(Array, name, member)
    for kind in (Array, View):
        kind.shape = kind.shape.setter(_set_shape)  # type: ignore[attr-defined, method-assign]
    for ufunc in UFUNCS:
        name = ufunc.__name__
        if name not in vars(Array) and any("O" in loop for loop in ufunc.types):
            setattr(Array, name, _ufunc_method(name, ufunc))


attach()
