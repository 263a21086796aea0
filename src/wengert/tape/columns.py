"""What a tape keeps when it is looked at: values, operands, parameters, places, decisions.

The sweep does not read these; a tape without them is as small as its gradient allows. The one
difficulty is the name of a result: it is the variable that the user's statement stores it in,
found from the position of the running instruction, in the source if there is one and in the
bytecode otherwise.
"""

from __future__ import annotations

import ast
import dis
import functools
import linecache
import sys
from bisect import bisect_right
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

from wengert.errors import Line, is_user_file, user_frame
from wengert.primitives.family import Primitive
from wengert.tape.array import Array, Trace
from wengert.tape.scopes import Calls, Scope, active_scope

UNSEEN: Any = object()
_getframe = sys._getframe
_SMALL = 64  # elements; below it, copying an array costs less than looking for an equal copy


class Constant(NamedTuple):
    """An operand that is not on the tape."""

    value: Any


class Place(NamedTuple):
    """Where in user code an entry was recorded: enough to find the line and the variable's name."""

    code: CodeType
    instruction: int
    number: int

    @property
    def line(self) -> Line:
        """The user's line."""
        name = self.code.co_filename
        return Line(name, self.number, linecache.getline(name, self.number).strip())

    @property
    def name(self) -> str | None:
        """The variable that user code stores the result in, if it stores it at once."""
        return assigned_name(self.code, self.instruction)


class _Code:
    """A code object that runs while recording; held, so that no other gets its identity."""

    __slots__ = ("code", "is_user", "places")

    def __init__(self, code: CodeType):
        self.code = code
        self.is_user = is_user_file(code.co_filename)
        self.places: dict[int, Place | None] = {}  # by instruction


class Decision(NamedTuple):
    """A result without derivative, such as ``x > 0``, that user code may have branched on."""

    before: int  # the number of entries recorded by then
    primitive: Primitive
    operands: tuple[Any, ...]
    value: Any
    place: Place | None


class Columns:
    """Parallel lists, one element per entry; and the decisions taken between them."""

    def __init__(self) -> None:
        self.tape: Trace | None = None  # whose entries these are
        self.values: list[Any] = []
        self.operands: list[tuple[Any, ...]] = []
        self.parameters: list[dict[str, Any]] = []
        self.places: list[Place | None] = []
        self.decisions: list[Decision] = []
        self.calls = Calls()
        self.groups: list[int] = []  # of `calls`, for each entry
        self._codes: dict[int, _Code] = {}  # by identity
        self._here: dict[int, Place | None] = {}  # places in the last entry's code, by instruction
        self._frame: Any = UNSEEN  # of the last entry; and its scope, and group
        self._scope: Scope | None = active_scope()
        self._group = 0
        self._copies: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def add(self, value: Any, operands: Any, parameters: dict[str, Any], outwards: int = 3) -> None:
        """One more entry; the frames before `outwards` from here are Wengert's own."""
        self.operands.append(tuple([self._operand(x) for x in operands]))
        self.values.append(value)
        self.parameters.append(parameters)
        # From here on: most of what looking at a tape costs while recording. An entry comes nearly
        # always from the same frame as the last; and a frame is slow to make, and to hold.
        frame: FrameType | None = _getframe(outwards)
        if frame is not self._frame or active_scope() is not self._scope:
            frame = self._enter(frame)
        instruction = -1 if frame is None else frame.f_lasti
        place = self._here.get(instruction, UNSEEN)
        if place is UNSEEN:  # to look a line number up costs more than all the rest
            place = self._here[instruction] = place_of(frame)
        self.places.append(place)
        self.groups.append(self._group)

    def _enter(self, frame: FrameType | None) -> FrameType | None:
        """User code goes on in another frame or scope than before; the innermost user's frame."""
        codes = self._codes
        while frame is not None:
            code = frame.f_code
            known = codes.get(id(code))
            if known is None:
                known = codes[id(code)] = _Code(code)
            if known.is_user:
                self._here = known.places
                break
            frame = frame.f_back
        else:
            self._here = {-1: None}
        scope = active_scope()
        if scope is not self._scope:
            self.calls.enter(scope)
        self._frame, self._scope = frame, scope
        self._group = self.calls.group_of(frame, scope)
        return frame

    def end(self) -> None:
        """Let go of what only recording needs: the user's frames."""
        self._codes.clear()
        self._here = {}
        self._frame = UNSEEN
        self._scope = None
        self._copies.clear()
        self.calls.end()

    def note(self, primitive: Primitive, operands: Any, out: Any) -> None:
        """A result that carries no derivative."""
        found = tuple([self._operand(x) for x in operands])
        self.decisions.append(Decision(len(self.values), primitive, found, out, place()))

    def _operand(self, x: Any) -> Any:
        """An index for what is on the tape, a Constant for all else."""
        if isinstance(x, Array):
            x = x.current()
            if x.tape is self.tape and x.index is not None:
                return x.index
            if x.tape.is_traced:
                return Constant(Array(x.value, x.tape, x.index))
            x = x.value
        return Constant(self._kept(x) if type(x) is np.ndarray else x)

    def _kept(self, array: np.ndarray) -> np.ndarray:
        """A copy, as its owner may change the array; one for all uses while it stays as it is."""
        if array.size < _SMALL:
            return array.copy()
        held = self._copies.get(id(array))
        if held is None or not np.array_equal(held[1], array, equal_nan=array.dtype.kind in "fc"):
            held = self._copies[id(array)] = (array, array.copy())
        return held[1]


def place(frame: FrameType | None = None) -> Place | None:
    """Where user code is now: the innermost frame of it, from the given one outwards."""
    return place_of(user_frame(frame or sys._getframe(1)))


def place_of(found: FrameType | None) -> Place | None:
    """Where a frame of user code stands."""
    return None if found is None else Place(found.f_code, found.f_lasti, found.f_lineno)


# -------------------------------------------------------------------------------------------- names


@functools.lru_cache(maxsize=4096)
def assigned_name(code: CodeType, instruction: int) -> str | None:
    """How user code calls the result of one of its instructions; None if it gives it no name."""
    position = _position(code, instruction)
    if position is not None:
        name = _assignments("".join(linecache.getlines(code.co_filename))).get(position)
        if name is not None:
            return name
    return stored_name(code, instruction)


Position = tuple[int, int, int, int]  # first line, last line, first column, column after the last


def _position(code: CodeType, instruction: int) -> Position | None:
    positions = _positions(code)
    found = positions[instruction // 2] if 0 <= instruction < 2 * len(positions) else None
    if found is None or any(part is None for part in found):
        return None
    return found  # type: ignore[return-value]


@functools.lru_cache(maxsize=256)
def _positions(code: CodeType) -> tuple[tuple[int | None, ...], ...]:
    """Where in the source stands each instruction."""
    return tuple(code.co_positions())


@functools.lru_cache(maxsize=64)
def _assignments(source: str) -> dict[Position, str]:
    """Where in a source stands an expression that is given a name, and the name."""
    try:
        module = ast.parse(source)
    except SyntaxError:
        return {}
    names: dict[Position, str] = {}
    for statement in ast.walk(module):
        for target, value in _pairs(statement):
            at = (value.lineno, value.end_lineno, value.col_offset, value.end_col_offset)
            names[at] = ast.unparse(target)  # type: ignore[index]
    return names


def _pairs(statement: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """The (target, value) pairs of an assignment, taken apart where both are tuples."""
    if isinstance(statement, ast.Assign):
        # Of several targets, as in a = b = f(), the first names it.
        yield from _matched(statement.targets[0], statement.value)
    elif isinstance(statement, ast.AnnAssign | ast.NamedExpr) and statement.value is not None:
        yield from _matched(statement.target, statement.value)
    elif isinstance(statement, ast.AugAssign):
        # The instruction of x += y stands for the whole statement.
        whole = ast.copy_location(ast.Name("", ast.Load()), statement)
        yield statement.target, whole


def _matched(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple | ast.List):
        if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
            for part, expression in zip(target.elts, value.elts, strict=True):
                yield from _matched(part, expression)
    elif isinstance(value, ast.IfExp):
        yield from _matched(target, value.body)
        yield from _matched(target, value.orelse)
    elif not isinstance(target, ast.Subscript) or isinstance(target.slice, ast.Constant):
        yield target, value


_LOOKED_OVER = frozenset({"CACHE", "RESUME", "NOP", "EXTENDED_ARG"})


def stored_name(code: CodeType, instruction: int) -> str | None:
    """Name of the variable that the instruction after the given one stores into."""
    offsets, names = _stored_names(code)
    at = bisect_right(offsets, instruction)
    return names[at] if at < len(names) else None


@functools.lru_cache(maxsize=256)
def _stored_names(code: CodeType) -> tuple[list[int], list[str | None]]:
    """Where each instruction is that does something, and what variable it stores into."""
    offsets: list[int] = []
    names: list[str | None] = []
    for found in dis.get_instructions(code):
        if found.opname in _LOOKED_OVER:
            continue
        is_named = found.opname.startswith("STORE_") and isinstance(found.argval, str)
        # Tools store in variables whose names are no identifiers.
        names.append(found.argval if is_named and found.argval.isidentifier() else None)
        offsets.append(found.offset)
    return offsets, names
