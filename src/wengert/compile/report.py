"""What `compiled.paths` and `compiled.report()` tell: small dataclasses, and their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from wengert.errors import Line


class Pass(NamedTuple):
    """What a pass did: entries before and after, and seconds."""

    name: str
    before: int
    after: int
    seconds: float


@dataclass(frozen=True)
class PathReport:
    """One compiled path.

    Attributes
    ----------
    signature : str
        Types of the inputs, with their names; values of static arguments.
    reason : str
        Why it was traced: the first call of a signature, or which decision went another way.
    entries : int
        Operations as traced.
    guards : tuple of str
        The decisions under which it holds, with the user's lines.
    passes : tuple of Pass
        In order.
    native : dict
        Kernels, flops, bytes moved, buffers, callbacks: what the native code says of itself.
    seconds : dict
        Time by stage: trace, passes, native.
    """

    signature: str
    reason: str
    entries: int
    guards: tuple[str, ...]
    passes: tuple[Pass, ...] = ()
    native: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.signature}", f"  traced: {self.reason}", f"  entries: {self.entries}"]
        for one in self.passes:
            if one.before != one.after:
                lines.append(f"    {one.name}: {one.before} -> {one.after}")
        lines += [f"  {name}: {value}" for name, value in self.native.items()]
        lines.append(f"  guards: {len(self.guards)}")
        lines += [f"    {guard}" for guard in self.guards[:_MOST_GUARDS]]
        if len(self.guards) > _MOST_GUARDS:
            lines.append(f"    … and {len(self.guards) - _MOST_GUARDS} more")
        stages = ", ".join(f"{name} {1e3 * t:.1f} ms" for name, t in self.seconds.items())
        return "\n".join([*lines, f"  time: {stages}"])


_MOST_GUARDS = 8


def guard_text(expected: Any, line: Line | None) -> str:
    """A decision, with the line that took it."""
    return f"{expected!r} {line}" if line else f"{expected!r}"


def report_text(name: str, paths: Sequence[PathReport], eager: Sequence[str]) -> str:
    """The report of a compiled function."""
    if not paths and not eager:
        return f"{name}: not called yet"
    head = f"{name}: {len(paths)} compiled path{'s' if len(paths) != 1 else ''}"
    return "\n".join([head, *map(str, paths), *(f"eager: {reason}" for reason in eager)])
