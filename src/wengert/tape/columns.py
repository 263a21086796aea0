"""What a tape keeps when it is looked at: values, operands, parameters, lines, decisions.

The sweep does not read these; a tape without them is as small as its gradient allows.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType
from typing import Any, NamedTuple

from wengert.errors import Line, line_of, user_frame
from wengert.tape.array import Array, Trace


class Constant(NamedTuple):
    """An operand that is not traced."""

    value: Any


class Place(NamedTuple):
    """Where in user code an entry was recorded: enough to find the line and the variable's name."""

    code: CodeType
    instruction: int
    line: Line

    @property
    def name(self) -> str | None:
        """The variable that user code stores the result in, read from its bytecode."""
        return stored_name(self.code, self.instruction)


class Columns:
    """Parallel lists, one element per entry."""

    def __init__(self, trace: Trace | None = None):
        self.trace = trace
        self.values: list[Any] = []
        self.operands: list[tuple[Any, ...]] = []
        self.parameters: list[dict[str, Any]] = []
        self.places: list[Place | None] = []

    def add(self, value: Any, operands: Any, parameters: dict[str, Any]) -> None:
        """One more entry."""
        self.values.append(value)
        self.operands.append(tuple(self._operand(x) for x in operands))
        self.parameters.append(parameters)
        self.places.append(place())

    def _operand(self, x: Any) -> Any:
        """An index for what is on the tape, a Constant for all else."""
        if isinstance(x, Array):
            x = x.current()
            if x.trace is self.trace:
                return x.index
            return Constant(x.value)
        return x if type(x) is int and self.trace is None else Constant(x)


def place() -> Place | None:
    """Where user code is now."""
    frame = user_frame(sys._getframe(1))
    if frame is None:
        return None
    line = line_of(frame)
    return None if line is None else Place(frame.f_code, frame.f_lasti, line)


def stored_name(code: CodeType, instruction: int) -> str | None:
    """Name of the variable that the instruction after the given one stores into."""
    following = (i for i in dis.get_instructions(code) if i.offset > instruction)
    for found in following:
        if found.opname == "CACHE":
            continue
        return found.argval if found.opname.startswith("STORE_") and found.argval else None
    return None
