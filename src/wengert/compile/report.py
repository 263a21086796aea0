"""What `compiled.paths` and `compiled.report()` tell: small dataclasses, and their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from wengert.errors import Line


class Pass(NamedTuple):
    """What a pass did: entries before and after, and seconds; its task in words."""

    name: str
    before: int
    after: int
    seconds: float
    task: str = ""


@dataclass(frozen=True)
class PathReport:
    """One compiled path: the program of one signature and one way through the function.

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
        What the native code says of itself: numbers of ``kernels`` (fused loops over arrays),
        ``scalars`` (operations on single numbers), ``buffers`` and ``arena`` (values kept on the
        way, and the bytes they take), ``flops`` and ``moved`` (arithmetic, and bytes that kernels
        read and write, in one call); by name of the primitive, ``library`` (calls of BLAS, LAPACK
        and our kernels of matrices), ``callbacks`` (to NumPy), ``writes`` into arrays, ``loops``.
        Empty if it is interpreted.
    seconds : dict
        Time by stage: trace, passes, native.
    copies : dict
        Arguments that each call copies, with the reason.
    """

    signature: str
    reason: str
    entries: int
    guards: tuple[str, ...]
    passes: tuple[Pass, ...] = ()
    native: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [self.signature, f"  traced: {self.reason}", *self._entries(), *self._native()]
        if self.copies:
            lines.append("  copied at each call:")
            lines += [f"    {name}, {reason}" for name, reason in self.copies.items()]
        lines.append(f"  guards: {len(self.guards)}")
        lines += [f"    {guard}" for guard in self.guards[:_MOST_GUARDS]]
        if len(self.guards) > _MOST_GUARDS:
            lines.append(f"    … and {len(self.guards) - _MOST_GUARDS} more")
        stages = ", ".join(f"{name} {1e3 * t:.1f} ms" for name, t in self.seconds.items())
        return "\n".join([*lines, f"  time to compile: {stages}"])

    def _entries(self) -> list[str]:
        """How many operations there are, before and after each pass that changed that."""
        if not self.passes:
            return [f"  entries: {self.entries} traced"]
        lines = [f"  entries: {self.entries} traced, {self.passes[-1].after} after the passes"]
        changes = [one for one in self.passes if one.before != one.after]
        width = max((len(one.name) for one in changes), default=0)
        for one in changes:
            counts = f"{one.before} -> {one.after}"
            lines.append(f"    {one.name:{width}}  {counts:16} {one.task}".rstrip())
        rest = len(self.passes) - len(changes)
        return [*lines, f"    {rest} runs of passes left the number as it was"] if rest else lines

    def _native(self) -> list[str]:
        """What one call of the native code does."""
        found = self.native
        if not found:
            return ["  interpreted by NumPy"]
        return [
            f"  kernels: {found['kernels']} fused loops over arrays",
            f"  library: {_named(found['library'])} of BLAS, LAPACK and small matrices",
            f"  callbacks: {_named(found['callbacks'])} of NumPy",
            f"  loops: {sum(found['loops'].values())} that repeat a stretch of entries",
            f"  writes: {_named(found['writes'])} into parts of arrays",
            f"  scalars: {found['scalars']} operations on single numbers",
            f"  buffers: {found['buffers']} values kept on the way, in {found['arena']} bytes",
            f"  flops: {found['flops']} of kernels and matrix products in a call",
            f"  moved: {found['moved']} bytes that kernels read and write in a call",
        ]


_MOST_GUARDS = 8


def _named(counts: dict[str, int]) -> str:
    """``3 calls (2 matmul, 1 solve)``."""
    total = sum(counts.values())
    calls = f"{total} call{'s' if total != 1 else ''}"
    parts = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{calls} ({parts})" if parts else calls


def guard_text(expected: Any, line: Line | None) -> str:
    """A decision, with the line that took it."""
    return f"{expected!r} {line}" if line else f"{expected!r}"


def report_text(name: str, paths: Sequence[PathReport], eager: Sequence[str]) -> str:
    """The report of a compiled function."""
    if not paths and not eager:
        return f"{name}: not called yet"
    head = f"{name}: {len(paths)} compiled path{'s' if len(paths) != 1 else ''}"
    return "\n".join([head, *map(str, paths), *(f"as plain Python: {text}" for text in eager)])
