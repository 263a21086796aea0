"""Reading part of an Array: what a view, or an index, records when its value is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.complex import imag, real
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import follow, read
from wengert.primitives.shaping import broadcast, permute, reshape_to
from wengert.tape.array import CONSTANTS, Array, Path

# Primitives whose result NumPy makes a view of their operand: the kind of step, and its parameter.
VIEWING: dict[Primitive, tuple[str, str]] = {
    reshape_to: ("reshape", "shape"),
    permute: ("transpose", "axes"),
    broadcast: ("broadcast", "shape"),
    real: ("real", ""),
    imag: ("imag", ""),
    read: ("diagonal", "path"),
}
# Steps that are recorded by primitives of their own, whose transposes need no buffer.
_STEPS = {
    kind: (primitive, name) for primitive, (kind, name) in VIEWING.items() if primitive is not read
}
_WHOLE = frozenset({"reshape", "transpose"})


def root_of(x: Any) -> tuple[Array, Path]:
    """The Array that owns the memory of `x`, and the path from it to `x`."""
    return (x, ()) if type(x) is Array else (x.root, x.path)


def memory(x: Array) -> Any:
    """What NumPy would hold for `x`: its shape and layout; under vmap, without its values."""
    if type(x) is not Array:
        return x.laid_out(memory(x.root))
    value: Any = x
    while isinstance(value, Array):
        if value.tape.hidden:
            shape = x.shape
            value = np.empty(shape, x.dtype) if shape else None  # a scalar, in one example
            break
        value = value.value
    return value


def look_up(root: Array, path: Path) -> Any:
    """The part of an Array at the end of a path: a plain handle, or a number of a constant."""
    part: Any = root
    start, end = 0, len(path)
    if end == 1 and path[0][0] not in _STEPS and root.tape is not CONSTANTS:
        part = root.tape.read(root, path)
        _settle(part, root)
        return part
    if root.tape is CONSTANTS:
        part = follow(root.value, path)
        part = Array(part, CONSTANTS) if type(part) is np.ndarray else part
    else:
        is_whole = all(step[0] in _WHOLE for step in path)
        while start < end:
            kind, argument = path[start]
            if kind in _STEPS and (is_whole or kind not in _WHOLE):
                primitive, name = _STEPS[kind]
                part = part.tape.record(primitive, (part,), {name: argument} if name else {})
                start += 1
                continue
            stop = start + 1
            while stop < end and (path[stop][0] not in _STEPS or path[stop][0] in _WHOLE):
                stop += 1
            part = part.tape.read(part, path[start:stop])
            start = stop
    if isinstance(part, Array) and part is not root:
        _settle(part, root)
    return part


def _settle(part: Array, root: Array) -> None:
    """Make what was read independent of the root: a later write to it need not copy."""
    is_written = root.writes > 0
    link: Any = part
    while isinstance(
        link, Array
    ):  # its value may be a handle of an outer level, made by this reading
        value, tangent = link.value, link.index
        if isinstance(value, Array):
            link.value = value = value.current()
        elif is_written and type(value) is np.ndarray and value.base is not None:
            link.value = link.tape.copied(value)
        if isinstance(tangent, Array):
            link.index = tangent.current()
        elif is_written and type(tangent) is np.ndarray and tangent.base is not None:
            link.index = tangent.copy()
        link = value
