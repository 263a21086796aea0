"""``x.flat`` of an Array: an iterator over its elements, and access to them by position."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.tape.array import Array


class Flat:
    """``x.flat``: the elements of an Array in C order, one after the other."""

    __slots__ = ("base", "index")

    def __init__(self, base: Array):
        self.base = base
        self.index = 0  # of the next element

    @property
    def coords(self) -> tuple[int, ...]:
        """Where in the array the next element stands."""
        return tuple([int(part) for part in np.unravel_index(self.index, self.base.shape)])

    def __len__(self) -> int:
        return self.base.size

    def __iter__(self) -> Flat:
        return self

    def __next__(self) -> Any:
        if self.index >= len(self):
            raise StopIteration
        self.index += 1
        return self[self.index - 1]

    def __getitem__(self, key: Any) -> Any:
        found = self.base[self._position(key)]
        return found.copy() if isinstance(found, Array) else found

    def __setitem__(self, key: Any, value: Any) -> None:
        position = self._position(key)
        value = _elements(value)
        if np.ndim(value):
            count = np.broadcast(*position).size if position else 1
            value = np.ravel(value)
            if value.size == 0:
                raise ValueError("Error setting single item of array.")
            value = np.reshape(value[np.arange(count) % value.size], np.broadcast(*position).shape)
        self.base[position] = value

    def _position(self, key: Any) -> tuple[Any, ...]:
        shape = self.base.shape
        if type(key) is int and shape:
            if not -self.base.size <= key < self.base.size:
                raise IndexError(f"index {key} is out of bounds for size {self.base.size}")
            parts = np.unravel_index(key % self.base.size, shape)
            return tuple([int(part) for part in parts])
        chosen = np.arange(self.base.size)[key]
        return (
            tuple(np.unravel_index(chosen, shape)) if shape else (chosen[..., None] * 0 == 0,)[:0]
        )

    def copy(self) -> Any:
        """The elements as an array of one axis."""
        return self.base.flatten()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return getattr(ufunc, method)(*_elements(inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*_elements(args), **_elements(kwargs))


def _elements(value: Any) -> Any:
    """Arguments with arrays of one axis in place of flat iterators."""
    if isinstance(value, Flat):
        return value.copy()
    if isinstance(value, dict):
        return {key: _elements(part) for key, part in value.items()}
    return type(value)(map(_elements, value)) if type(value) in (list, tuple) else value


def _comparison(ufunc: np.ufunc) -> Any:
    return lambda self, other: ufunc(self.copy(), other)


for _name, _ufunc in {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}.items():  # all that NumPy's flat iterators compute
    setattr(Flat, f"__{_name}__", _comparison(_ufunc))
