"""Where code finds memory: pointers to values, constants, scratch, and the names of a module.

All functions of a plan take ``ptr inputs, ptr outputs, ptr arena``. Constant arrays are reached
through a table that is filled when the code is loaded, so that no address stands in the code.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from wengert.compile.native.types import Code, Names
from wengert.compile.plan import Plan
from wengert.compile.program import Operand
from wengert.compile.rows import Rows
from wengert.compile.rows import key as key_of

_ALIGN = 64
_FAST = "reassoc nsz arcp contract afn "  # not "fast": NaN and infinity stay what they are
TABLE = "wg_constants"
# LLVM prefers half the width of AVX-512, for the sake of early processors' clocks.
ATTRIBUTES = 'nounwind "prefer-vector-width"="512"'
# Called once, it would be inlined: the plan would be one long function, which takes LLVM longer.
_KERNEL = f"noinline {ATTRIBUTES}"
_HOT = 20_000  # instructions, about, from which on a function is worth good code: a microsecond
PARAMETERS = "ptr %inputs, ptr %outputs, ptr %arena"


class Memory:
    """What the code of one plan shares.

    Attributes
    ----------
    symbols : dict
        Name to declaration or definition: the module.
    constants : list of ndarray
        In the order of the table.
    arena : int
        Bytes of the arena, with the scratch that code generation asked for.
    pieces : list of pair of int
        That scratch: where each piece of it begins, and its bytes.
    """

    def __init__(self, plan: Plan, symbols: dict[str, str], *, is_fast: bool = False):
        self.plan, self.division, self.symbols = plan, plan.division, symbols
        self.arena = plan.arena
        self.pieces: list[tuple[int, int]] = []
        self.constants: list[np.ndarray] = []
        self.times = 1  # that the plan is run in one call: a loop's body
        self.flags = _FAST if is_fast else ""
        self._numbers: dict[int, int] = {}
        self._held: list[Any] = []  # so that an id stays one object's

    def of_body(self, plan: Plan, times: int) -> Memory:
        """For the plan of a loop's body: an arena of its own, all else shared."""
        body = copy.copy(self)
        body.times *= times
        body.plan, body.division, body.arena, body.pieces = plan, plan.division, plan.arena, []
        return body

    def kernel(self, instructions: int) -> str:
        """The attributes of a function that runs so many instructions, about."""
        return ("hot " if instructions * self.times > _HOT else "") + _KERNEL

    def names(self) -> Names:
        """Names for one more function of the module."""
        return Names(self.symbols)

    def scratch(self, size: int) -> int:
        """A place in the arena for a step's own use."""
        at = -(-self.arena // _ALIGN) * _ALIGN
        self.arena = at + size
        self.pieces.append((at, size))
        return at

    def constant(self, array: np.ndarray) -> int:
        """The place of a constant array in the table."""
        if id(array) not in self._numbers:
            self._numbers[id(array)] = len(self.constants)
            self._held.append(array)
            self.constants.append(np.ascontiguousarray(array))
        return self._numbers[id(array)]

    def table(self) -> None:
        """Put the table of constants into the module."""
        count = max(1, len(self.constants))
        self.symbols["@" + TABLE] = f"@{TABLE} = global [{count} x ptr] zeroinitializer"


class Pointers:
    """Pointers to values, each found once, in the entry of a function.

    What `rows` hold lies in the memory of a block, ``ptr %rows``.
    """

    def __init__(self, memory: Memory, code: Code, rows: Rows | None = None):
        self.memory, self.code, self.rows = memory, code, rows
        self._found: dict[int, str] = {}

    def __call__(self, operand: Operand) -> str:
        """The SSA name of a pointer to the first element of a value."""
        if self.rows is not None and self.rows.holds(operand):
            return self._in_block(operand)
        key = operand if isinstance(operand, int) else -1 - self.memory.constant(operand.value)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._find(key)
        return found

    def _in_block(self, operand: Operand) -> str:
        assert self.rows is not None
        at = self.rows.places[key_of(operand)]
        return self.code.op(f"getelementptr inbounds i8, ptr %rows, i64 {at}")

    def _find(self, key: int) -> str:
        code = self.code
        if key < 0:
            count = f"getelementptr ptr, ptr @{TABLE}, i64 {-1 - key}"
            return code.op(f"load ptr, ptr {code.op(count)}")
        division = self.memory.division
        if key in division.aliases:
            base, offset = division.aliases[key]
            if not offset:
                return self(base)
            offset *= division.specs[base].dtype.itemsize
            return code.op(f"getelementptr inbounds i8, ptr {self(base)}, i64 {offset}")
        area, at = self.memory.plan.locations[key]
        if area == "arena":
            return code.op(f"getelementptr inbounds i8, ptr %arena, i64 {at}")
        place = code.op(f"getelementptr ptr, ptr %{area}s, i64 {at}")
        return code.op(f"load ptr, ptr {place}")
