"""How deep the current context (thread, task) is nested in traces; each counts for itself."""

from __future__ import annotations

from contextvars import ContextVar, Token

_depth: ContextVar[int] = ContextVar("wengert_depth", default=0)


def enter() -> tuple[int, Token[int]]:
    """One level deeper: the level, and what `leave` takes."""
    level = _depth.get() + 1
    return level, _depth.set(level)


def leave(token: Token[int]) -> None:
    """Back to where `enter` was called."""
    _depth.reset(token)


def depth() -> int:
    """The number of traces that are active in this context."""
    return _depth.get()
