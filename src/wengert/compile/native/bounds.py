"""``WENGERT_DEBUG=bounds``: every place in memory that plans compute is checked before it is used.

A place out of range is replaced by the first, and noted in a variable of the module; after the run,
the plan's `Native` raises. It is a check of our own loops, not of what users give.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

from wengert.compile.native.types import Code

_VARIABLE = "wg_outside"
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


def is_on() -> bool:
    """True if code that is written now is to be checked."""
    return os.environ.get("WENGERT_DEBUG") == "bounds"


def checked(code: Code, place: str, size: int) -> str:
    """A place that is in range, whatever was computed."""
    code.names.symbols["@" + _VARIABLE] = f"@{_VARIABLE} = global [2 x i64] zeroinitializer"
    code.names.symbols["@wg_inside"] = _NOTE
    return code.op(f"call i64 @wg_inside(i64 {place}, i64 {size})")


def verify(symbols: dict[str, str], variable: Callable[[str], int]) -> None:
    """Raise if a place was out of range since the module was loaded."""
    if "@" + _VARIABLE not in symbols:
        return
    place, size = (ctypes.c_int64 * 2).from_address(variable(_VARIABLE))
    assert size == 0, f"native code computed the place {place} in an array of {size} elements"
