"""Keys of constants, parameters and programs: equal keys mean that nothing can tell them apart.

``0.0 == -0.0``, ``1 == True`` and ``nan != nan``, so Python's equality will not do: a key holds the
type, and the bits. What this file does not know has its identity for a key.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable
from typing import Any

import numpy as np

from wengert.compile.program import Op, Program
from wengert.tape.columns import Constant

_SMALL = 64  # bytes that a key holds by itself
_SAMPLED = 64  # elements of a longer array that its hash is made of


def key(value: Any) -> Hashable:
    """A key of a constant or parameter."""
    kind = type(value)
    if kind is float and value and value == value:
        return (kind, value)
    if kind is int or kind is str or kind is bool or value is None or value is ...:
        return (kind, value)
    if kind is float:
        return (kind, struct.pack("d", value))
    if kind is complex:
        return (kind, struct.pack("2d", value.real, value.imag))
    if kind is tuple or kind is list:
        return (kind, *[key(part) for part in value])
    if kind is slice:
        return (kind, key(value.start), key(value.stop), key(value.step))
    if kind is dict:
        return (kind, *[(key(name), key(part)) for name, part in value.items()])
    if isinstance(value, np.dtype):
        return (np.dtype, value.str, str(value))
    if isinstance(value, np.generic | np.ndarray):
        return _array_key(value)
    if isinstance(value, tuple):  # a named one
        return (kind, *[key(part) for part in value])
    if isinstance(value, Program):
        return program_key(value)
    return (kind, id(value))


def _array_key(value: np.generic | np.ndarray) -> Hashable:
    if value.dtype.hasobject:
        return (type(value), id(value))
    data = value.tobytes() if value.nbytes <= _SMALL else _Bits(value)
    return (type(value), value.dtype.str, value.shape, data)


class _Bits:
    """The bits of a long array: all are compared, but only with those that agree in a few."""

    __slots__ = ("_array", "_hash")

    def __init__(self, array: Any):
        self._array = array
        self._hash = hash(array.flat[:: max(1, array.size // _SAMPLED)].tobytes())

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Bits) or self._hash != other._hash:
            return False
        return self._array is other._array or self._array.tobytes() == other._array.tobytes()


def program_key(program: Program) -> Hashable:
    """A key of a whole program: of the body of a loop."""
    keys = Keys()
    ops = tuple([(keys.of(op), *[keys.operand(x) for x in op.operands]) for op in program.ops])
    outputs = tuple([keys.operand(x) for x in program.outputs])
    guards = tuple([(guard.value, key(guard.expected)) for guard in program.guards])
    return (Program, program.inputs, ops, outputs, guards)


class Keys:
    """Keys of the operations of one program; each constant and dict of parameters is read once.

    Numbers stand for equal keys, so that comparing two costs nothing.
    """

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._by_identity: dict[int, tuple[Any, int]] = {}

    def number(self, found: Hashable) -> int:
        """A small number for a key; equal for equal keys."""
        return self._numbers.setdefault(found, len(self._numbers))

    def content(self, value: Any) -> int:
        """A number for a constant or parameters."""
        if type(value) is dict and not value:
            return self.number(dict)
        held = self._by_identity.get(id(value))
        if held is None:
            held = self._by_identity[id(value)] = (value, self.number(key(value)))
        return held[1]

    def of(self, op: Op) -> Hashable:
        """What an operation does, whatever its operands are."""
        return (op.primitive.name, id(op.primitive), self.content(op.parameters))

    def operand(self, x: int | Constant) -> tuple[bool, int]:
        """A key of an operand."""
        return (True, x) if isinstance(x, int) else (False, self.content(x.value))
