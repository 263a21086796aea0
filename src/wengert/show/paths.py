"""Parts of arrays as user code writes them: ``x[1:]``, ``x.T[0]``, ``x with [0] = v``.

A path is what the primitives `read` and `write` follow into an array; see `primitives/indexing.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.show.values import value_text


def read_text(operand: str, path: Sequence[tuple[str, Any]]) -> str:
    """The part of an operand at the end of a path."""
    return operand + "".join(_step_text(kind, argument) for kind, argument in path)


def write_text(operand: str, path: Sequence[tuple[str, Any]], value: str, add: bool) -> str:
    """An operand, of which the part at the end of a path has another value."""
    return f"{operand} with {read_text('', path) or '[...]'} {'+=' if add else '='} {value}"


def _step_text(kind: str, argument: Any) -> str:
    if kind == "getitem":
        return f"[{_key_text(argument)}]"
    if kind in ("real", "imag"):
        return f".{kind}"
    if kind == "transpose" and tuple(argument) == tuple(range(len(argument)))[::-1]:
        return ".T"
    if kind == "diagonal" and tuple(argument) == (0, 0, 1):
        return ".diagonal()"
    return f".{kind}({', '.join(str(part) for part in argument)})"


def _key_text(key: Any) -> str:
    """What stands between the brackets of an index."""
    if isinstance(key, tuple):
        return ", ".join(_key_text(part) for part in key) or "()"
    if key is Ellipsis:
        return "..."
    if isinstance(key, slice):
        ends = [key.start, key.stop] if key.step is None else [key.start, key.stop, key.step]
        return ":".join("" if end is None else str(end) for end in ends)
    return value_text(np.asarray(key)) if isinstance(key, list) else value_text(key) or "None"
