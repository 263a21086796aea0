"""The table of what is seen differently in other modules while a trace is active.

`seams.py` fills it and decides which calls take part; the mirrors are in `wengert.numpy`,
`wengert.math` and `wengert.scipy`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

_guard = threading.Lock()


class Wrapped:
    """A module's attribute while a trace is active: the wrapper, if the module has the original.

    A name that user code has bound anew (a test's mock) is what it was bound to.
    """

    __slots__ = ("name", "original", "wrapper")

    def __init__(self, name: str, original: Any, wrapper: Any):
        self.name, self.original, self.wrapper = name, original, wrapper

    def __get__(self, module: Any, owner: type | None = None) -> Any:
        if module is None:
            return self
        try:
            found = module.__dict__[self.name]
        except KeyError:
            raise AttributeError(
                f"module {module.__name__!r} has no attribute {self.name!r}"
            ) from None
        return self.wrapper if found is self.original else found

    def __set__(self, module: Any, value: Any) -> None:
        # Who read the name while a trace was active, and puts it back, has the wrapper.
        module.__dict__[self.name] = self.original if value is self.wrapper else value

    def __delete__(self, module: Any) -> None:
        del module.__dict__[self.name]


class ModuleSeam(NamedTuple):
    """The attributes of a module that are seen as wrappers: by giving it another class."""

    module: ModuleType
    plain: type  # the module's class
    tracing: type  # the same with a `Wrapped` for each name
    wrappers: dict[str, Any]
    originals: dict[str, Any]

    @classmethod
    def of(
        cls, module: ModuleType, wrappers: dict[str, Any], originals: dict[str, Any]
    ) -> ModuleSeam:
        """The seam of a module."""
        plain = type(module)
        attributes = {name: Wrapped(name, originals[name], wrappers[name]) for name in wrappers}
        tracing = type(plain.__name__, (plain,), {"__slots__": (), **attributes})
        return cls(module, plain, tracing, wrappers, originals)


class GlobalsSeam(NamedTuple):
    """Names that a module's own functions look up, replaced from the first trace on.

    For anything but an Array, of which there are none before, the wrappers are the originals.
    """

    namespace: dict[str, Any]  # of the module
    wrappers: dict[str, Any]


class _Seams:
    """The tables of intercepted names, and how many contexts are tracing now."""

    def __init__(self) -> None:
        self.modules: list[ModuleSeam] = []
        self.globals: list[GlobalsSeam] = []
        self.late: dict[str, Callable[[], None]] = {}  # modules not imported yet: who mirrors them
        self.imported = 0  # the number of modules when it was last looked for those
        self.active = 0

    def open(self) -> None:
        """One more context traces."""
        if len(sys.modules) != self.imported:
            self.mirror_late()
        with _guard:
            self.active += 1
            if self.active == 1:
                for module, _, tracing, _, _ in self.modules:
                    module.__class__ = tracing
                while self.globals:
                    replaced = self.globals.pop()
                    replaced.namespace.update(replaced.wrappers)

    def mirror_late(self) -> None:
        """Mirror the modules that user code has imported since."""
        for name in [name for name in self.late if name in sys.modules]:
            self.late.pop(name)()
        self.imported = len(sys.modules)

    def close(self) -> None:
        """One context fewer traces."""
        with _guard:
            self.active -= 1
            if self.active == 0:
                for module, plain, _, _, _ in self.modules:
                    module.__class__ = plain


SEAMS = _Seams()


def mirror_of(function: Any) -> Callable[..., Any] | None:
    """The mirror of a function, or of the wrapper that stands in its place; None if it has none."""
    SEAMS.mirror_late()
    for seam in SEAMS.modules:
        for name, original in seam.originals.items():
            if function is original or function is seam.wrappers[name]:
                return seam.wrappers[name].mirror
    return None


def bound_early(function: Any) -> bool:
    """True for a function that is replaced while a trace is active, and was got hold of before."""
    SEAMS.mirror_late()
    return any(
        function is original for seam in SEAMS.modules for original in seam.originals.values()
    )
