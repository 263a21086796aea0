"""Where an entry belongs: the call of a user's function that recorded it, and `scope`s around.

A tape that is looked at numbers its groups as they come: each call of a function and each
``with wg.scope(name)`` is one, within another. The one difficulty is telling two calls of one
function apart at the cost of a dictionary's look per entry: frames are known by their identity,
and held until the recording ends so that no other frame gets it.
"""

from __future__ import annotations

import contextlib
import sys
from contextvars import ContextVar
from types import FrameType, TracebackType
from typing import NamedTuple

from wengert.errors import ArgumentError, user_frame


class Group(NamedTuple):
    """Entries that belong together.

    Attributes
    ----------
    parent : int
        Number of the group around it; group 0 is the whole tape, its own parent.
    name : str
        The function's name, or the scope's.
    kind : str
        "function", "scope", or "" for the whole.
    """

    parent: int
    name: str
    kind: str


WHOLE = Group(0, "", "")


class Scope:
    """One stay within a ``with wg.scope(name)``."""

    __slots__ = ("frame", "name", "parent")

    def __init__(self, name: str, parent: Scope | None, frame: int):
        self.name, self.parent = name, parent
        self.frame = frame  # identity of the user's frame that entered it: alive as long as it is

    @property
    def path(self) -> tuple[str, ...]:
        """Names from the outermost scope to this one."""
        return (*(self.parent.path if self.parent is not None else ()), self.name)


_active: ContextVar[Scope | None] = ContextVar("wengert_scope", default=None)


active_scope = _active.get  # the innermost scope of the current context


class scope(contextlib.ContextDecorator):  # noqa: N801 (used as a statement: with wg.scope("x"))
    """What is recorded within belongs together: pictures frame it, fold it, and show its name.

    Parameters
    ----------
    name : str
        Any text.

    Raises
    ------
    ArgumentError
        If the name is no text, or empty.

    Examples
    --------
    >>> from wengert.tape.scopes import scope
    >>> def f(x):
    ...     with scope("square"):
    ...         y = x * x
    ...     return y + x
    >>> wg.trace(f, 3.0).columns.calls.groups
    [Group(parent=0, name='', kind=''), Group(parent=0, name='f', kind='function'), ...]
    """

    def __init__(self, name: str):
        if not isinstance(name, str) or not name:
            raise ArgumentError(
                f"scope was given {name!r:.40} as its name.", 'Write with wg.scope("layer1"):'
            )
        self.name = name
        self._outer: list[Scope | None] = []

    def _recreate_cm(self) -> scope:
        return type(self)(self.name)  # a decorated function may call itself, or run in threads

    def __enter__(self) -> scope:
        outer = _active.get()
        self._outer.append(outer)
        _active.set(Scope(self.name, outer, id(user_frame(sys._getframe(1)))))
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _active.set(self._outer.pop())


class Calls:
    """The groups of one recording, numbered as they are met; group 0 is the whole."""

    def __init__(self) -> None:
        # (parent, name, kind): as plain tuples, for a call of a function makes one.
        self._groups: list[tuple[int, str, str]] = [WHOLE]
        self._known: dict[int, dict[int, int]] = {}  # numbers by scope and frame
        self._held: list[FrameType | Scope] = []
        frame = user_frame(sys._getframe(1))
        self._start: set[int] = set()  # frames that run already: what they record is no call
        while frame is not None:
            self._held.append(frame)
            self._start.add(id(frame))
            frame = _outer(frame)
        self._outside = self._scope = active_scope()
        self._here = self._known_in(self._outside)

    @property
    def groups(self) -> list[Group]:
        """The groups, by number."""
        return [Group(*group) for group in self._groups]

    def group(self, number: int) -> Group:
        """One of them."""
        return Group(*self._groups[number])

    def member(self, frame: FrameType | None) -> Member:
        """What is recorded now, from this frame, belongs to."""
        scope = active_scope()
        if scope is not self._scope:
            self._scope = scope
            self.enter(scope)
        return Member(self, self.group_of(frame, scope))

    def enter(self, scope: Scope | None) -> None:
        """What is recorded from here on is within a scope."""
        self._here = self._known_in(scope)

    def group_of(self, frame: FrameType | None, scope: Scope | None) -> int:
        """Number of the group that this frame, within the scope entered last, records into."""
        known = self._here
        here = id(frame)
        number = known.get(here)
        if number is not None:
            return number
        if frame is None or here in self._start or (scope is not None and scope.frame == here):
            return self._find(frame, scope)
        outer = known.get(id(frame.f_back))
        if outer is None:
            return self._find(frame, scope)
        # Nearly always: a call from a function that is known already.
        self._held.append(frame)
        number = known[here] = self._named(outer, frame.f_code.co_name, "function")
        return number

    def _known_in(self, scope: Scope | None) -> dict[int, int]:
        return self._known.setdefault(id(scope), {})

    def _named(self, outer: int, name: str, kind: str) -> int:
        """A new group within another; what Python itself makes, a <listcomp>, is none."""
        if name[0] == "<" and kind == "function" and name != "<lambda>":
            return outer
        groups = self._groups
        groups.append((outer, name, kind))
        return len(groups) - 1

    def end(self) -> None:
        """Let go of the frames: nothing more is recorded."""
        self._known.clear()
        self._held.clear()

    def _find(self, frame: FrameType | None, inner: Scope | None) -> int:
        """Climb to a known place, and number the groups on the way back."""
        steps: list[tuple[Scope | None, int, str, str]] = []
        number = 0
        while True:
            known = self._known_in(inner).get(id(frame))
            if known is not None:
                number = known
                break
            is_start = frame is None or id(frame) in self._start
            self._held += [x for x in (frame, inner) if x is not None]
            if inner is self._outside and is_start:
                break
            if inner is not None and (is_start or inner.frame == id(frame)):
                steps.append((inner, id(frame), inner.name, "scope"))
                inner = inner.parent
            else:
                assert frame is not None
                steps.append((inner, id(frame), frame.f_code.co_name, "function"))
                frame = _outer(frame)
        for scope, here, name, kind in reversed(steps):
            number = self._known_in(scope)[here] = self._named(number, name, kind)
        return number


class Member(NamedTuple):
    """The group that one thing was recorded in: its number among those of a recording."""

    calls: Calls
    number: int


def _outer(frame: FrameType) -> FrameType | None:
    return None if frame.f_back is None else user_frame(frame.f_back)
