"""Plain arrays that a program holds: copied, as their owner may change them, and kept narrow.

Backward sweeps are full of large arrays of one number: seeds that are broadcast, zeros that are
added into. Each is kept as that number, broadcast, which is cheaper to make, to compare and to look
through than the array.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.compile.passes.broadcasts import uniform

_SMALL = 1024  # elements; below it, an array costs little as it is


def copied(array: np.ndarray) -> np.ndarray:
    """The same elements, in memory that nobody else writes."""
    if array.size < _SMALL:
        return array.copy()
    narrow = _narrow(array)
    if narrow.size >= _SMALL and not array.dtype.hasobject:
        number = uniform(narrow)
        if number is not None:
            narrow = narrow[(slice(1),) * array.ndim]
    copy = narrow.copy()
    return copy if copy.shape == array.shape else np.broadcast_to(copy, array.shape)


def is_same(copy: np.ndarray, array: np.ndarray) -> bool:
    """True while an array is, to the bit, what it was when it was copied."""
    if copy.shape != array.shape or copy.dtype != array.dtype:
        return False
    narrow = _narrow(array)
    copy = np.broadcast_to(_narrow(copy), narrow.shape)
    bits = _BITS.get(array.dtype.itemsize)
    if bits is not None and not array.dtype.hasobject:
        return bool(np.array_equal(copy.view(bits), narrow.view(bits)))
    return bool(np.array_equal(copy, narrow, equal_nan=array.dtype.kind in "fc"))


_BITS = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


def _narrow(array: np.ndarray) -> Any:
    """An array without its repetitions: axes along which nothing moves have one element."""
    if all(array.strides):
        return array
    return array[tuple([slice(1) if step == 0 else slice(None) for step in array.strides])]
