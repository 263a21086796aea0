"""Values of a program that nobody has asked for while it is traced.

What a trace gives native code computes again, so large values are not computed while tracing. In
place of each stands a blank (`miniature.py`), and beside it is kept what would compute it. A
decision, an index, a text asks for numbers: then what they are made of is computed, each operation
once. A blank that has died cannot be asked for, so it is weakly that blanks are known. The one
difficulty is memory: what an operation reads is let go when it has been done, and a chain of writes
into one array is done in one buffer.
"""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.compile.miniature import blank_of
from wengert.errors import Line
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import assign
from wengert.primitives.indexing import write as WRITE
from wengert.tape.columns import Place

LARGE = 8192  # elements of an operand; below it, computing costs as little as not computing

_SILENT = frozenset({"ignore", "warn"})


class LateError(BaseException):
    """An operation done late raised an error. User code handles it where it stands, not here."""

    def __init__(self, error: Exception):
        super().__init__(error)
        self.error = error


class Late:
    """The values of one trace that are not computed yet."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[Any, Pending]] = {}  # by the id of a blank that lives
        self._count = 0

    def is_large(self, values: Sequence[Any]) -> bool:
        """True if an operation on these is worth putting off, or reads what was."""
        held, first = self._held, None
        for value in values:
            if type(value) is np.ndarray:
                if value.size >= LARGE:
                    return True
                if first is None:
                    first = value
                elif value.shape != first.shape and _may_be_large(value.shape, first.shape):
                    return True
            if held and id(value) in held:
                return True
        return False

    def is_known(self, value: Any) -> bool:
        """True if a value is no blank."""
        return id(value) not in self._held

    def known(self, value: Any) -> Any:
        """A value with its numbers, which are computed now if they never were."""
        found = self._held.get(id(value))
        if found is None:
            return value
        pending = found[1]
        if pending.operands is not None:
            pending.compute()
        return pending.value

    def blank(self, primitive: Primitive, values: Sequence[Any], parameters: dict[str, Any]) -> Any:
        """A blank in place of the result of an operation; None if it must be computed now."""
        if not _SILENT.issuperset(np.geterr().values()):
            return None  # user code wants to be told of what happens to the numbers
        return blank_of(primitive, values, parameters, [id(v) not in self._held for v in values])

    def put_off(
        self,
        blank: Any,
        function: Callable[..., Any],
        values: Sequence[Any],
        parameters: dict[str, Any],
        place: Place | None = None,
    ) -> None:
        """Keep what computes the value that a blank stands for."""
        held = self._held
        operands = [held[id(value)][1] if id(value) in held else value for value in values]
        self._count += 1
        key = id(blank)
        pending = Pending(self._count, function, operands, parameters, place)
        held[key] = weakref.ref(blank, lambda _: held.pop(key, None)), pending

    def copied(self, value: Any) -> Any:
        """A copy of an array, of which it is known when it is asked for if it is a blank."""
        if self.is_known(value):
            return value.copy()
        blank = np.empty_like(value)
        self.put_off(blank, np.copy, (value,), {"order": "K"})
        return blank


class Pending:
    """An operation that has not been done.

    Attributes
    ----------
    operands : list or None
        Values, and operations that give them; None when it has been done.
    value : object
        What it gave.
    """

    __slots__ = ("function", "number", "operands", "parameters", "place", "value")

    def __init__(
        self,
        number: int,
        function: Callable[..., Any],
        operands: list[Any],
        parameters: dict[str, Any],
        place: Place | None,
    ):
        self.number, self.function, self.place = number, function, place
        self.operands: list[Any] | None = operands
        self.parameters = parameters
        self.value: Any = None

    def compute(self) -> None:
        """Do what has to be done for this, in the order in which it was recorded."""
        waiting = self._needed()
        with np.errstate(all="ignore"):  # native code is silent, too
            while waiting:
                one = waiting.pop()
                try:
                    one._do()
                except Exception as error:
                    if one.place is not None:
                        note_line(error, one.place.line)
                    raise LateError(error) from error

    def _needed(self) -> list[Pending]:
        found: dict[int, Pending] = {}
        stack = [self]
        while stack:
            one = stack.pop()
            if one.operands is not None and one.number not in found:
                found[one.number] = one
                stack += [x for x in one.operands if type(x) is Pending]
        return [found.pop(number) for number in sorted(found, reverse=True)]

    def _do(self) -> None:
        operands, self.operands = self.operands, None
        assert operands is not None
        if self.function is WRITE.function and type(operands[0]) is Pending:
            whole = operands[0]
            if sys.getrefcount(whole) <= _SOLE and sys.getrefcount(whole.value) <= _SOLE_VALUE:
                self.value = whole.value
                if self.value.base is None and self.value.flags.writeable:
                    assign(self.value, value=_value(operands[1]), **self.parameters)
                    return
        self.value = self.function(*[_value(x) for x in operands], **self.parameters)


def _may_be_large(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """True if two small arrays may give a large one: a product of matrices, or by broadcasting."""
    return len(one) == len(other) > 1 and math.prod(map(max, one, other)) >= LARGE


def _value(operand: Any) -> Any:
    return operand.value if type(operand) is Pending else operand


def _sole() -> tuple[int, int]:
    """What getrefcount says, in `_do`, of an operation and a value that nobody else holds."""
    if not hasattr(sys, "getrefcount"):
        return -1, -1
    operands = [Pending(0, np.copy, [], {}, None)]
    operands[0].value = np.empty(1)
    whole = operands[0]
    return sys.getrefcount(whole), sys.getrefcount(whole.value)


_SOLE, _SOLE_VALUE = _sole()


def note_line(error: Exception, line: Line) -> None:
    """Say which line recorded an operation that raised an error later."""
    error.add_note(f"  {line}")
