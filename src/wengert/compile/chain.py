"""Native calls: an entry for each path, linked so that a failed guard goes on to the next path.

The oldest path of a signature is called first. Where one of its guards fails, its entry goes to the
oldest path that parts from it there, and so on; whatever no path takes goes to Python. The one
difficulty is not to go round in circles when two paths round a decision differently: paths that
part at one guard stand in a line by age, whose last leads to Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.compile.guards import Path


class Chain:
    """The entries of one signature's paths.

    Attributes
    ----------
    first : Bound or None
        The entry of the oldest path.
    """

    def __init__(self, fallback: Callable[..., Any]):
        self.fallback = fallback
        self.first: Any = None
        self._paths: list[Path] = []  # by age

    def continue_with(self, other: Chain) -> None:
        """Let calls with arguments of another signature go on there."""
        self.first.targets[0] = other.first.call

    def add(self, path: Path) -> None:
        """Link the entry of one more path, if it has one."""
        if path.entry is None:
            return
        if self.first is None:
            self.first = path.entry
        self._paths.append(path)
        for depth in {_common(path.outcomes, other.outcomes) for other in self._paths[:-1]}:
            self._link(path.outcomes, depth)

    def _link(self, outcomes: tuple[Any, ...], depth: int) -> None:
        """Stand the paths that part after `depth` guards in a line."""
        groups: dict[Any, list[Path]] = {}
        for path in self._paths:
            if len(path.outcomes) > depth and path.outcomes[:depth] == outcomes[:depth]:
                groups.setdefault(path.outcomes[depth], []).append(path)
        following = [*list(groups.values())[1:], []]
        for members, behind in zip(groups.values(), following, strict=True):
            for path in members:
                number = path.guard_number(depth)
                if number is not None and path.entry is not None:
                    next_call = behind[0].entry.call if behind and behind[0].entry else None
                    path.entry.targets[number + 1] = next_call or self.fallback


def _common(first: tuple[Any, ...], second: tuple[Any, ...]) -> int:
    """How many outcomes two paths share."""
    for k, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return k
    return min(len(first), len(second))
