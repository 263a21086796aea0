"""Ufuncs made of Python functions, by `numpy.frompyfunc`: they compute with objects, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.tape.array import Array
from wengert.tape.stacking import stack

_NUMBERS = (int, float, complex, np.generic)


def is_of_python(ufunc: np.ufunc) -> bool:
    """True for what `numpy.frompyfunc` makes."""
    return all(set(loop) <= set("O->") for loop in ufunc.types)


def on_objects(ufunc: np.ufunc, method: str, inputs: Any, options: dict[str, Any]) -> Any:
    """Call it on arrays of traced scalars; numbers that it gives are one Array again."""
    boxes = [np.asarray(x) if isinstance(x, Array) else x for x in inputs]
    result = getattr(ufunc, method)(*boxes, **options)
    return tuple(map(_joined, result)) if isinstance(result, tuple) else _joined(result)


def _joined(result: Any) -> Any:
    if type(result) is not np.ndarray:
        return result
    numbers = [np.shape(x) for x in result.flat if isinstance(x, (Array, *_NUMBERS))]
    return stack(result) if len(numbers) == result.size and len(set(numbers)) == 1 else result
