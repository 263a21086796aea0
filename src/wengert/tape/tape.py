"""`Tape`: the append-only list of entries that a reverse-mode trace records.

An entry is a tuple (primitive, parents, saved, likes, parameters): indices of the traced operands
(-1 for a constant), the values that the backward sweep will read, and shapes where an operand's
differs from the output's; shorter forms are in `entries.py`. An input's entry is None. `columns`
holds, for tapes that are looked at, what a sweep does not need: every value, every operand, the
user's line. The one difficulty is speed: `binary` and `unary` record the commonest entries in a few
bytecodes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from operator import pow
from typing import Any

import numpy as np

from wengert.errors import TraceEndedError
from wengert.primitives.adjoints import Like, like_of
from wengert.primitives.blocks import LARGE
from wengert.primitives.blocks import apply as in_blocks
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import follow
from wengert.primitives.indexing import read as READ
from wengert.primitives.indexing import write as WRITE
from wengert.primitives.joining import part as PART
from wengert.primitives.products import matmul as MATMUL
from wengert.tape import locks
from wengert.tape.array import CONSTANTS, Array, Path, Trace, constant, from_outside, rebuild
from wengert.tape.columns import Columns
from wengert.tape.writing import put

Entry = tuple[Primitive, tuple[int, ...], tuple[Any, ...], Any, dict[str, Any]]
NOTHING: dict[str, Any] = {}  # the parameters of an entry that has none

ndarray = np.ndarray  # looked up once: what recording does most is to look at types
_UNSAVED = (None, None, None)
_FLOAT64 = np.dtype(np.float64)
SCALARS = frozenset({float, np.float64})
_REAL = frozenset({_FLOAT64, np.dtype(np.float32)})


class Ended(list[Any]):
    """Takes the place of the entries of a trace that has ended."""

    def append(self, entry: Any) -> None:
        raise TraceEndedError(
            "an Array was used after the trace that made it had ended.",
            "Return values from the differentiated function instead of storing them outside it; "
            "to keep a value alone, store wg.stop_gradient(x).",
        )


class Tape(Trace):
    """The trace of reverse mode.

    Parameters
    ----------
    level : int
        Depth of nesting.
    columns : Columns, optional
        Keep every value, operand and line, for looking at the tape.
    """

    __slots__ = ("columns", "entries", "held", "is_brief", "level")

    def __init__(self, level: int, columns: Columns | None = None):
        self.level = level
        self.entries: list[Any] = []
        self.held: dict[int, np.ndarray] = {}  # plain arrays of entries, read-only for the while
        self.columns = columns
        self.is_brief = columns is None

    def input(self, value: Any) -> Array:
        """A new input, by which the tape can be differentiated."""
        if type(value) is np.ndarray:
            locks.hold(value, self.held)
        self.entries.append(None)
        if self.columns is not None:
            self.columns.add(value, (), NOTHING)
        return Array(value, self, len(self.entries) - 1)

    def end(self) -> list[Any]:
        """Stop recording; an Array of this tape is of no use from now on. Returns the entries."""
        entries, self.entries = self.entries, Ended()
        locks.release(self.held)
        return entries

    # ------------------------------------------------------------------------------- recording

    def record(
        self, primitive: Primitive, operands: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Any:
        if self.is_brief and primitive.alone is not None and primitive.outputs == 1:
            return self._record_alone(primitive, operands[0], parameters)
        values: list[Any] = []
        parents: list[int] = []
        for position, x in enumerate(operands):
            value, index = self.split(x)
            values.append(value)
            parents.append(index if index < 0 or primitive.is_differentiable(position) else -1)
        out = primitive(*values, **parameters)
        if max(parents, default=-1) < 0:
            if self.columns is not None and primitive.family == "locally constant":
                self.columns.note(primitive, operands, out)
            return constant(out)
        return self.add(primitive, tuple(parents), values, out, parameters, operands)

    def _record_alone(self, primitive: Primitive, x: Any, parameters: dict[str, Any]) -> Any:
        """As `record` for one operand, in fewer steps."""
        if type(x) is Array and x.tape is self:
            value, index = x.value, x.index
        else:
            value, index = self.split(x)
        if type(value) is Array:
            out = primitive(value, **parameters)
        else:
            out = primitive.function(value, **parameters)
        if index < 0 or not primitive.is_smooth:
            return constant(out)
        if primitive.outputs > 1:  # known only now: an operation made at run time
            return self.add(primitive, (index,), (value,), out, parameters, (x,))
        keeps_x, keeps_out = primitive.alone  # type: ignore[misc] # `record` has looked
        saved = (value if keeps_x else None, out if keeps_out else None)
        likes = (like_of(value),) if primitive.needs_likes else likes_of((value,), (index,), out)
        entries = self.entries
        entries.append((primitive, (index,), saved, likes, parameters))
        return Array(out, self, len(entries) - 1)

    def add(
        self,
        primitive: Primitive,
        parents: tuple[int, ...],
        values: Sequence[Any],
        out: Any,
        parameters: dict[str, Any],
        operands: Sequence[Any],
    ) -> Any:
        """Append one entry, and an entry for each part of a tuple."""
        kept = primitive.keeps(tuple([parent >= 0 for parent in parents]))
        saved = tuple([v if keep else None for v, keep in zip((*values, out), kept, strict=True)])
        for value, parent in zip(saved, parents, strict=False):
            if parent < 0 and type(value) is np.ndarray:
                locks.hold(value, self.held)
        if primitive.needs_likes or primitive.outputs > 1:
            likes: Any = tuple([like_of(value) for value in values])
        else:
            likes = likes_of(values, parents, out)
        self.entries.append((primitive, parents, saved, likes, parameters))
        index = len(self.entries) - 1
        if self.columns is not None:
            self.columns.add(out, operands, parameters, 4)
        if primitive.outputs > 1:
            return self._parts(out, index)
        return Array(out, self, index)

    def _parts(self, out: tuple[Any, ...], index: int) -> tuple[Any, ...]:
        """An entry for each part of a tuple-valued one."""
        likes = tuple([like_of(value) for value in out])
        handles: list[Any] = []
        for position, value in enumerate(out):
            if likes[position].dtype.kind not in "fc":
                handles.append(constant(value))
                continue
            parameters = {"position": position}
            self.entries.append((PART, (index,), (), likes, parameters))
            if self.columns is not None:
                self.columns.add(value, (Array(out, self, index),), parameters)
            handles.append(Array(value, self, len(self.entries) - 1))
        return rebuild(out, handles)

    def binary(self, primitive: Primitive, operate: Any, x1: Any, x2: Any) -> Any:
        """As `record` for two operands, of which at least one is of this tape, in fewer steps."""
        if type(x1) is Array and x1.tape is self:
            v1, i1 = x1.value, x1.index
        else:
            v1, i1 = self.split(x1)
        if type(x2) is Array and x2.tape is self:
            v2, i2 = x2.value, x2.index
        else:
            v2, i2 = self.split(x2)
        is_array1, is_array2 = type(v1) is ndarray, type(v2) is ndarray
        if primitive is MATMUL and is_array1 and is_array2 and self.is_brief:
            out = operate(v1, v2)
            if v1.ndim == 2 == v2.ndim and v1.dtype in _REAL and v1.dtype is v2.dtype:
                kept1, kept2 = v1 if i2 >= 0 else None, v2 if i1 >= 0 else None
                if i1 < 0:
                    locks.hold(v1, self.held)
                elif i2 < 0:
                    locks.hold(v2, self.held)
                entries = self.entries
                entries.append((i1, i2, kept1, kept2, v1.shape, v2.shape, v1.dtype))
                return Array(out, self, len(entries) - 1)
        elif (
            (is_array1 and v1.size >= LARGE) or (is_array2 and v2.size >= LARGE)
        ) and primitive.is_elementwise:
            out = in_blocks(operate if operate is pow else primitive.function, v1, v2)
        else:
            out = operate(v1, v2)
        if not self.is_brief:
            return self.add(primitive, (i1, i2), (v1, v2), out, NOTHING, (x1, x2))
        if i1 < 0:
            k1, k2, k3 = primitive.second
            if k1 and is_array1:
                locks.hold(v1, self.held)
        elif i2 < 0:
            k1, k2, k3 = primitive.first
            if k2 and is_array2:
                locks.hold(v2, self.held)
        else:
            k1, k2, k3 = primitive.both
        kept1, kept2, kept3 = v1 if k1 else None, v2 if k2 else None, out if k3 else None
        number, entries = primitive.number, self.entries
        likes: Any = None
        if primitive.needs_likes:
            likes = (like_of(v1), like_of(v2))
        elif is_array1 and is_array2:
            shape, dtype = out.shape, out.dtype
            like1 = None if i1 < 0 or (v1.shape == shape and v1.dtype is dtype) else like_of(v1)
            like2 = None if i2 < 0 or (v2.shape == shape and v2.dtype is dtype) else like_of(v2)
            if like1 is not None or like2 is not None:
                likes = (like1, like2)
        else:
            likes = likes_of((v1, v2), (i1, i2), out)
        if number < 0:
            entries.append((primitive, (i1, i2), (kept1, kept2, kept3), likes, NOTHING))
        elif likes is None:
            entries.append((number, i1, i2, kept1, kept2, kept3))
        else:
            entries.append((number, i1, i2, kept1, kept2, kept3, *likes))
        return Array(out, self, len(entries) - 1)

    def split(self, x: Any) -> tuple[Any, int]:
        """Value and index of an operand; -1 for what is constant here."""
        if type(x) is not Array:
            if not isinstance(x, Array):
                return x, -1
            x = x.current()
        if x.tape is self:
            return x.value, x.index
        return from_outside(x), -1

    def unary(self, primitive: Primitive, x: Array) -> Any:
        """As `record` for a ufunc of one operand of this tape, in fewer steps."""
        value = x.value
        if type(value) is ndarray:
            if value.size >= LARGE:
                out = in_blocks(primitive.function, value)
            else:
                out = primitive.function(value)
            is_same = type(out) is ndarray and value.dtype is out.dtype
        else:
            out = primitive.function(value)
            is_same = type(out) is np.float64 and type(value) in SCALARS
        if not (is_same and self.is_brief):
            return self.add(primitive, (x.index,), (value,), out, NOTHING, (x,))
        keeps_x, keeps_out = primitive.alone  # type: ignore[misc] # a ufunc of one operand has it
        kept, result = value if keeps_x else None, out if keeps_out else None
        entries = self.entries
        if primitive.number >= 0:
            entries.append((primitive.number, x.index, -1, kept, None, result))
        else:
            entries.append((primitive, (x.index,), (kept, result), None, NOTHING))
        return Array(out, self, len(entries) - 1)

    # ------------------------------------------------------------------------ single elements

    def element(self, x: Array, value: np.ndarray, key: Any) -> Any:
        """``x[key]``, one element: what loops over elements do most."""
        out = value[key]
        if type(out) is not np.float64 or self.columns is not None:
            return self.record(READ, (x,), {"path": (("getitem", key),)})
        entries = self.entries
        entries.append((x.index, key, value.shape))
        return Array(out, self, len(entries) - 1)

    def read(self, x: Array, path: Path) -> Any:
        """As ``record(READ, …)``, which this is for an ndarray, in fewer steps."""
        value = x.value
        if type(value) is not np.ndarray or self.columns is not None:
            return self.record(READ, (x,), {"path": path})
        out = follow(value, path)
        entries = self.entries
        like = Like(value.shape, value.dtype)
        entries.append((READ, (x.index,), _UNSAVED, (like,), {"path": path}))
        return Array(out, self, len(entries) - 1)

    def put_element(self, x: Array, key: Any, value: Any) -> bool:
        """``x[key] = value``, one element; False if it must go the long way."""
        if type(value) is Array and value.tape is self:
            v, index = value.value, value.index
        else:
            v, index = value, -1
        held = x.value
        if (
            type(v) not in SCALARS
            or type(held) is not np.ndarray
            or held.dtype is not _FLOAT64
            or sys.getrefcount(held) > _SOLE
            or held.base is not None
            or self.columns is not None
            or x.writes == 0  # the first write may find the buffer read-only
        ):
            return False
        held[key] = v
        entries = self.entries
        entries.append((x.index, index, key, held.shape))
        x.index = len(entries) - 1
        x.writes += 1
        return True

    # --------------------------------------------------------------------------------- writing

    def write(self, root: Array, path: Path, value: Any, add: bool) -> None:
        if root.tape is self:
            parent = root.index
        else:
            parent = -1
            root.value = from_outside(root)
        if isinstance(value, Array):
            value = value.current()
        v, index = self.split(value)
        like = like_of(root.value)
        before = None
        if self.columns is not None:
            before = Array(root.value, self if parent >= 0 else CONSTANTS, parent)
            root.value = np.array(root.value) if type(root.value) is np.ndarray else root.value
        put(root, path, v, add=add)
        root.tape = self
        parameters = {"path": path, "add": add}
        self.entries.append(
            (WRITE, (parent, index), (None, None, None), (like, like_of(v)), parameters)
        )
        if self.columns is not None:
            self.columns.add(root.value, (before, value), parameters)
        root.index = len(self.entries) - 1


def likes_of(
    values: Sequence[Any], parents: Sequence[int], out: Any
) -> tuple[Like | None, ...] | None:
    """Shape and dtype of traced operands where they differ from the output's; None if none does."""
    if type(out) is ndarray:
        shape, dtype = out.shape, out.dtype
    elif type(out) is Array and _are_alike(values, parents, out):
        return None
    else:
        shape, dtype = like_of(out)
    found: list[Like | None] | None = None
    for position, parent in enumerate(parents):
        if parent < 0:
            continue
        value = values[position]
        if type(value) is ndarray:
            if value.shape == shape and (value.dtype is dtype or value.dtype == dtype):
                continue
            like = Like(value.shape, value.dtype)
        else:
            like = like_of(value)
            if like == (shape, dtype):
                continue
        if found is None:
            found = [None] * len(parents)
        found[position] = like
    return None if found is None else tuple(found)


def _are_alike(values: Sequence[Any], parents: Sequence[int], out: Array) -> bool:
    """True if the traced operands are seen at once to have the shape and dtype of a result."""
    made, tape = out.value, out.tape
    is_number, is_array = type(made) in SCALARS, type(made) is np.ndarray
    for value, parent in zip(values, parents, strict=True):
        if parent < 0:
            continue
        if type(value) is not Array or value.tape is not tape:
            return False
        held = value.value
        if is_number:
            if type(held) not in SCALARS:
                return False
        elif not (
            is_array
            and type(held) is np.ndarray
            and held.shape == made.shape
            and held.dtype is made.dtype
        ):
            return False
    return True


def _sole() -> int:
    """What getrefcount says of a buffer that a handle and one variable hold; -1 without counts."""
    if not hasattr(sys, "getrefcount"):
        return -1
    handle = Array(np.empty(1), CONSTANTS)
    held = handle.value
    return sys.getrefcount(held)


_SOLE = _sole()
