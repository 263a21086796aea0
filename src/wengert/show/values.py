"""Values as short text: numbers and small arrays as they are, larger ones by dtype and shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.tape.array import concrete

_DIGITS = {2: 4, 4: 7}  # significant ones, by the bytes of a number
_SHOWN = 6  # elements of an array that are shown one by one


def value_text(value: Any) -> str:
    """A number, or a small array, as it is; a larger one by its dtype and shape."""
    value = concrete(value)
    if value is None:
        return ""
    if isinstance(value, tuple):
        return f"({', '.join(value_text(part) for part in value)})"
    if isinstance(value, bool | np.bool_ | str | bytes):
        return repr(value) if isinstance(value, str | bytes) else str(value)
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | complex | np.floating | np.complexfloating):
        return f"{value:.{_DIGITS.get(np.asarray(value).dtype.itemsize, 10)}g}"
    array = np.asarray(value)
    if array.ndim == 0 and array.dtype.kind in "fciub":
        return value_text(array[()])
    if array.dtype.kind in "fciub" and 0 < array.size <= _SHOWN:
        return _elements(array)
    return f"{array.dtype}{list(array.shape)}"


def _elements(array: np.ndarray) -> str:
    if array.ndim == 0:
        return f"{array[()]:.6g}" if array.dtype.kind in "fc" else str(array[()])
    return f"[{', '.join(_elements(part) for part in array)}]"
