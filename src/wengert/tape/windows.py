"""Views whose elements stand where strides say: `as_strided`, `sliding_window_view`.

A `Window` is one index of integer arrays into the memory's owner; views of it index those arrays.
So it is read by a gather, written by an assignment, and both sides see what the other writes. The
one difficulty is to find the elements without touching memory: addresses are computed, and what is
none of the owner's elements is an error, where NumPy would read any memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wengert.errors import MutationError, ShapeError, UnsupportedFunctionError
from wengert.primitives.indexing import step_into
from wengert.tape.array import Array, Path
from wengert.tape.reading import memory, root_of
from wengert.tape.views import View

_BESIDE = frozenset({"real", "imag"})


class Window(View):
    """A handle onto elements of another, each at a place of its own; places may coincide.

    Parameters
    ----------
    root, path : Array, tuple
        As of every view; the first step is an index of integer arrays.
    home, layout : ndarray
        How the root lies in memory; and, in the same memory, the view.
    is_writable : bool
        Whether NumPy would let one write into it.
    """

    __slots__ = ("is_writable", "offset", "strides")

    is_window = True

    def __init__(
        self, root: Array, path: Path, home: np.ndarray, layout: np.ndarray, is_writable: bool
    ):
        super().__init__(root, path, layout, layout.shape)
        self.offset = _address(layout) - _address(home)
        self.strides = layout.strides
        self.is_writable = is_writable

    def laid_out(self, home: np.ndarray) -> np.ndarray:
        return _view_at(home, self.offset, self.sizes, self.strides, self.kind)

    def forget(self) -> None:
        if not self.is_writable:
            raise MutationError(
                f"a read-only view of shape {self.sizes} was to be written: by default "
                "sliding_window_view makes such, and so does all that sees a broadcast array.",
                "Pass writeable=True to sliding_window_view, or write into a copy of the view.",
            )
        super().forget()

    def part(self, step: tuple[str, Any]) -> Window:
        home = memory(self.root)  # anew each time: it may be without values, in memory of its own
        layout = step_into(self.laid_out(home), step)
        return Window(self.root, self.extended(step), home, layout, self.is_writable)

    def extended(self, step: tuple[str, Any]) -> Path:
        """The path with one more step."""
        (kind, places), *rest = self.path
        if step[0] in _BESIDE:  # each element by itself: it goes behind all that chooses elements
            return self.path if self.dtype.kind != "c" else (*self.path, step)
        chosen = tuple([step_into(place, step) for place in places])
        if not np.ndim(chosen[0]):
            chosen = tuple([int(place) for place in chosen])
        return ((kind, chosen), *rest)


def strided(x: Array, shape: Any, strides: Any, is_writable: bool) -> Window:
    """`x` seen through other strides, as `numpy.lib.stride_tricks.as_strided` sees memory."""
    root, path = root_of(x)
    if any(step[0] in _BESIDE for step in path):
        raise UnsupportedFunctionError(
            f"as_strided was given the real or imaginary part, of shape {x.shape}, of an array.",
            "Copy it first: np.lib.stride_tricks.as_strided(x.real.copy(), ...).",
        )
    home = memory(root)
    if not isinstance(home, np.ndarray) or not home.shape:
        raise UnsupportedFunctionError(
            f"as_strided was given a single number, to be seen in shape {shape}.",
            "Use np.broadcast_to(x, shape).",
        )
    whole = x.laid_out(home) if isinstance(x, View) else home
    shape = whole.shape if shape is None else tuple([int(n) for n in shape])
    strides = whole.strides if strides is None else tuple([int(n) for n in strides])
    layout = _Layout(_address(whole), shape, strides)
    places = _places(home, layout)
    seen = _view_at(whole, 0, shape, strides, whole.dtype)
    is_writable = is_writable and all(step[0] != "broadcast" for step in path)
    if isinstance(x, Window):
        is_writable = is_writable and x.is_writable
    return Window(root, (("getitem", places),), home, seen, is_writable)


# ------------------------------------------------------------------------------------------- memory


class _Layout(NamedTuple):
    """How an array lies in memory."""

    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def addresses(self) -> np.ndarray:
        """Where each element stands."""
        out = np.full(self.shape, self.start, np.intp)
        for axis, (length, stride) in enumerate(zip(self.shape, self.strides, strict=True)):
            out += (np.arange(length) * stride).reshape(-1, *(1,) * (len(self.shape) - axis - 1))
        return out


def _address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


class _At:
    """Lets NumPy see the memory of an array through another shape and strides."""

    def __init__(self, base: np.ndarray, interface: dict[str, Any]):
        self.base, self.__array_interface__ = base, interface


def _view_at(
    base: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any
) -> np.ndarray:
    interface = {
        "version": 3,
        "data": (_address(base) + offset, False),
        "shape": shape,
        "strides": strides,
        "typestr": dtype.str,
    }
    return np.asarray(_At(base, interface))


def _places(home: np.ndarray, seen: _Layout) -> tuple[np.ndarray, ...]:
    """The index, into the owner's array, of what stands at each of the addresses."""
    held = _Layout(_address(home), home.shape, home.strides).addresses().ravel()
    wanted = seen.addresses()
    order = np.argsort(held, kind="stable")
    at = np.searchsorted(held, wanted, sorter=order)
    found = np.append(order, 0)[at]
    if wanted.size and not (held.size and np.all((at < held.size) & (held[found] == wanted))):
        raise ShapeError(
            f"as_strided with shape {seen.shape} and strides {seen.strides} reaches memory that "
            f"holds no element of the array, of shape {home.shape} ({home.dtype}).",
            "Compute strides from x.strides, and the shape so that the last element is in the "
            "array; np.lib.stride_tricks.sliding_window_view does both.",
        )
    return np.unravel_index(found, home.shape)
