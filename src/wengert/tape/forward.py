"""`Tangents`: the trace of forward mode. A handle's index is its tangent; nothing is recorded.

With `masked`, every tangent carries the mask of places where it is not structurally zero, so that
what a selection did not take annihilates an infinite partial (DESIGN, Semantics); see
`structural.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import TraceEndedError
from wengert.primitives.adjoints import zeros_like
from wengert.primitives.family import Elementwise, Primitive
from wengert.primitives.indexing import write as WRITE
from wengert.tape.array import CONSTANTS, Array, Path, Trace, constant, from_outside, rebuild
from wengert.tape.structural import Masked, push_masked
from wengert.tape.writing import put


class Tangents(Trace):
    """The trace of forward mode.

    Parameters
    ----------
    level : int
        Depth of nesting.
    masked : bool
        Carry structural zeros.
    """

    def __init__(self, level: int, masked: bool = False):
        self.level = level
        self.masked = masked
        self.has_ended = False

    def input(self, value: Any, tangent: Any) -> Array:
        """An input with its tangent."""
        return Array(value, self, Masked(tangent, None) if self.masked else tangent)

    def record(
        self, primitive: Primitive, operands: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Any:
        if self.has_ended:
            raise TraceEndedError(
                "an Array was used after the trace that made it had ended.",
                "Return values from the differentiated function instead of storing them outside "
                "it.",
            )
        values: list[Any] = []
        tangents: list[Any] = []
        for position, x in enumerate(operands):
            value, tangent = self.split(x)
            values.append(value)
            tangents.append(tangent if primitive.is_differentiable(position) else None)
        out = primitive(*values, **parameters)
        if all(tangent is None for tangent in tangents):
            return constant(out)
        if self.masked:
            tangent = push_masked(primitive, tangents, values, out, parameters)
        else:
            tangent = primitive.push(tangents, values, out, parameters)
        if primitive.outputs > 1:
            parts = zip(out, tangent, strict=True)
            return rebuild(out, [constant(v) if t is None else Array(v, self, t) for v, t in parts])
        return constant(out) if tangent is None else Array(out, self, tangent)

    def binary(self, primitive: Primitive, operate: Any, x1: Any, x2: Any) -> Any:
        if self.has_ended or not isinstance(primitive, Elementwise):
            return self.record(primitive, (x1, x2), {})
        v1, t1 = self.split(x1)
        v2, t2 = self.split(x2)
        out = operate(v1, v2)
        if self.masked:
            return Array(out, self, push_masked(primitive, (t1, t2), (v1, v2), out, {}))
        return Array(out, self, primitive.push((t1, t2), (v1, v2), out, {}))

    def split(self, x: Any) -> tuple[Any, Any]:
        """Value and tangent of an operand; None for the tangent of a constant."""
        if not isinstance(x, Array):
            return x, None
        x = x.current()
        if x.tape is self:
            return x.value, x.index
        return from_outside(x), None

    def write(self, root: Array, path: Path, value: Any, add: bool) -> None:
        v, tangent = self.split(value)
        if root.tape is self:
            own = root.index
        else:
            own = None
            root.value = from_outside(root)
        if self.masked:
            before = (root.value, v)
            own = push_masked(WRITE, [own, tangent], before, before[0], {"path": path, "add": add})
            put(root, path, v, add=add)
            root.index = own
        else:
            holder = Array(_as_array(zeros_like(root.value) if own is None else own), CONSTANTS)
            root.index = own = None  # the holder alone has the buffer: it is written in place
            put(root, path, v, add=add)
            if tangent is not None or not add:
                put(holder, path, zeros_like(v) if tangent is None else tangent, add=add)
            root.index = holder.value
        root.tape = self


def _as_array(tangent: Any) -> Any:
    """The tangent of an array without axes may be a number, in which nothing can be written."""
    return tangent if isinstance(tangent, Array | np.ndarray) else np.asarray(tangent)
