"""The seams of NumPy's protocols, closed while a trace is active (DESIGN, decision 5)."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from wengert.tape.levels import enter, leave


class tracing:  # noqa: N801 (a context manager, used like a function)
    """While it lasts, the current context traces one level deeper; gives the level."""

    __slots__ = ("token",)

    def __enter__(self) -> int:
        level, self.token = enter()
        return level

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leave(self.token)


def is_augmented_assignment(target: Any) -> bool:
    """True if user code is at ``target op= …``."""
    return False
