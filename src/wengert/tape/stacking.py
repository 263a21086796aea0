"""One Array from many: nested lists, and the object arrays that NumPy makes of traced scalars."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.tape.array import Array


def stack(cells: Any) -> Any:
    """One Array from nested lists or an object array of traced scalars."""
    if isinstance(cells, Array) or (type(cells) is np.ndarray and cells.dtype != object):
        return cells
    if isinstance(cells, list | tuple):
        if not holds_array(cells):
            return np.asarray(cells)
        parts = [stack(cell) if isinstance(cell, list | tuple) else cell for cell in cells]
        return np.stack([_as_operand(part) for part in parts])
    if type(cells) is np.ndarray:
        flat = [_as_operand(cell) for cell in cells.ravel()]
        if not any(isinstance(cell, Array) for cell in flat):
            return cells
        return np.reshape(np.stack(flat), cells.shape)
    return cells


def _as_operand(part: Any) -> Any:
    if isinstance(part, Array):
        return part
    return stack(part) if isinstance(part, np.ndarray) else np.asarray(part)


def holds_array(cells: Any) -> bool:
    """True if an Array stands somewhere in nested lists."""
    return any(
        isinstance(cell, Array)
        or (isinstance(cell, list | tuple) and holds_array(cell))
        or (type(cell) is np.ndarray and cell.dtype == object)
        for cell in cells
    )
