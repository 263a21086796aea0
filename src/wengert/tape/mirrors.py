"""The table of what is replaced in other modules while a trace is active.

`seams.py` fills it and decides which calls take part; the mirrors are in `wengert.numpy`,
`wengert.math` and `wengert.scipy`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

_guard = threading.Lock()


class Seam(NamedTuple):
    """What is replaced in one module while a trace is active."""

    namespace: dict[str, Any]  # of the module
    wrappers: dict[str, Any]
    originals: dict[str, Any]


class _Seams:
    """The table of intercepted names, and how many contexts are tracing now."""

    def __init__(self) -> None:
        self.table: list[Seam] = []
        self.late: dict[str, Callable[[], None]] = {}  # modules not imported yet: who mirrors them
        self.active = 0

    def open(self) -> None:
        """One more context traces."""
        if self.late:
            self.mirror_late()
        with _guard:
            self.active += 1
            if self.active == 1:
                for seam in self.table:
                    seam.namespace.update(seam.wrappers)

    def mirror_late(self) -> None:
        """Mirror the modules that user code has imported since."""
        for name in [name for name in self.late if name in sys.modules]:
            self.late.pop(name)()

    def close(self) -> None:
        """One context fewer traces."""
        with _guard:
            self.active -= 1
            if self.active == 0:
                for seam in self.table:
                    seam.namespace.update(seam.originals)


SEAMS = _Seams()


def mirror_of(function: Any) -> Callable[..., Any] | None:
    """The mirror of a function, or of the wrapper that stands in its place; None if it has none."""
    SEAMS.mirror_late()
    for seam in SEAMS.table:
        for name, original in seam.originals.items():
            if function is original or function is seam.wrappers[name]:
                return seam.wrappers[name].mirror
    return None


def bound_early(function: Any) -> bool:
    """True for a function that is replaced while a trace is active, and was got hold of before."""
    SEAMS.mirror_late()
    return any(function is original for seam in SEAMS.table for original in seam.originals.values())
