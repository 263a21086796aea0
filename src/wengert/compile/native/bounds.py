"""``WENGERT_DEBUG=bounds``: every place in memory that plans compute is checked before it is used.

A place out of range is replaced by the first, and noted in a variable of the module. What BLAS,
LAPACK and copies of whole arrays are given must lie in one buffer: an input, an output, a constant,
a value or a step's scratch in the arena; `extents.py` knows how much of an operand BLAS touches.
After the run, the plan's `Native` raises. It is a check of our own code, not of what users give.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence

from wengert.compile.native.types import Code

_VARIABLE, _BEYOND, _BUFFERS = "wg_outside", "wg_beyond", "wg_buffers"
_NOTE = f"""
define internal i64 @wg_inside(i64 %place, i64 %size) {{
  %fine = icmp ult i64 %place, %size
  br i1 %fine, label %exit, label %note
note:
  store i64 %place, ptr @{_VARIABLE}
  %second = getelementptr i64, ptr @{_VARIABLE}, i64 1
  store i64 %size, ptr %second
  br label %exit
exit:
  %safe = select i1 %fine, i64 %place, i64 0
  ret i64 %safe
}}"""
# Buffers are pairs of a first and a last address; a pair of zeros is behind the last of them.
_WITHIN = f"""
define internal void @wg_within(ptr %pointer, i64 %bytes) {{
entry:
  %first = ptrtoint ptr %pointer to i64
  %last = add i64 %first, %bytes
  %table = load ptr, ptr @{_BUFFERS}
  %is_some = icmp sgt i64 %bytes, 0
  %is_known = icmp ne ptr %table, null
  %go = and i1 %is_some, %is_known
  br i1 %go, label %head, label %exit
head:
  %at = phi ptr [ %table, %entry ], [ %next, %other ]
  %begin = load i64, ptr %at
  %end.at = getelementptr i64, ptr %at, i64 1
  %end = load i64, ptr %end.at
  %next = getelementptr i64, ptr %at, i64 2
  %is_over = icmp eq i64 %end, 0
  br i1 %is_over, label %note, label %compare
compare:
  %above = icmp ule i64 %begin, %first
  %below = icmp ule i64 %last, %end
  %fine = and i1 %above, %below
  br i1 %fine, label %exit, label %other
other:
  br label %head
note:
  store i64 %bytes, ptr @{_BEYOND}
  br label %exit
exit:
  ret void
}}"""


def is_on() -> bool:
    """True if code that is written now is to be checked."""
    return os.environ.get("WENGERT_DEBUG") == "bounds"


def checked(code: Code, place: str, size: int) -> str:
    """A place that is in range, whatever was computed."""
    code.names.symbols["@" + _VARIABLE] = f"@{_VARIABLE} = global [2 x i64] zeroinitializer"
    code.names.symbols["@wg_inside"] = _NOTE
    return code.op(f"call i64 @wg_inside(i64 {place}, i64 {size})")


def check_extent(code: Code, pointer: str, size: str | int) -> None:
    """Write a check that bytes at a pointer lie in one buffer; nothing if checks are off."""
    if not is_on():
        return
    symbols = code.names.symbols
    symbols["@" + _BEYOND] = f"@{_BEYOND} = global i64 0"
    symbols["@" + _BUFFERS] = f"@{_BUFFERS} = global ptr null"
    symbols["@wg_within"] = _WITHIN
    code.do(f"call void @wg_within(ptr {pointer}, i64 {size})")


def note(
    symbols: dict[str, str], address: Callable[[str], int], buffers: Sequence[tuple[int, int]]
) -> object:
    """Tell the module which buffers there are: addresses and bytes. Keep what is returned."""
    if "@" + _BUFFERS not in symbols:
        return None
    words = [word for start, size in buffers for word in (start, start + size)]
    table = (ctypes.c_int64 * (len(words) + 2))(*words, 0, 0)
    ctypes.c_void_p.from_address(address(_BUFFERS)).value = ctypes.addressof(table)
    return table


def verify(symbols: dict[str, str], address: Callable[[str], int]) -> None:
    """Raise if a place was out of range since the module was loaded."""
    if "@" + _VARIABLE in symbols:
        place, size = (ctypes.c_int64 * 2).from_address(address(_VARIABLE))
        assert size == 0, f"native code computed the place {place} in an array of {size} elements"
    if "@" + _BEYOND in symbols:
        size = ctypes.c_int64.from_address(address(_BEYOND)).value
        assert size == 0, f"native code gave a call {size} bytes that lie in no one buffer"
