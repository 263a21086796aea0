"""`profile`: where the time and the memory of a tape go, entry by entry and line by line.

`measuring.py` runs the entries one by one; here the figures are summed by the user's lines, and
written as a table, as a file for speedscope, as shares to colour a picture by.
"""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wengert.compile.program import Program
from wengert.compile.viewed import Viewed
from wengert.errors import ArgumentError, Line
from wengert.frontends.gradient_tape import GradientTape
from wengert.frontends.nodes import Tape
from wengert.show.files import write_text
from wengert.show.measuring import Cost, Moment, measured_nodes, measured_trace
from wengert.tape.array import Array
from wengert.transforms.arguments import name_of
from wengert.transforms.trace import Trace, trace


@dataclass(frozen=True, slots=True)
class LineCost:
    """What the entries of one line of user code cost together."""

    line: Line | None
    entries: int
    forward: float
    backward: float
    nbytes: int
    kept: int

    @property
    def seconds(self) -> float:
        """Forward and backward together."""
        return self.forward + self.backward


def profile(f: Any, *args: Any, repeats: int = 7, **kwargs: Any) -> Profile:
    """Measure each entry of a tape: time forward and backward, and memory.

    Parameters
    ----------
    f : callable, Trace or Tape
        A function, with its arguments after it, what `wg.trace` recorded, or the article's tape.
    *args
        The arguments of a function.
    repeats : int
        Rounds of which the median is taken, after one that is not counted.
    **kwargs
        The arguments of a function by name.

    Returns
    -------
    Profile
        ``print`` shows a table by the lines of the user's code.

    Notes
    -----
    Forward is the primitive applied to its recorded operands; backward one step of the sweep, with
    the sum into the operands' adjoints. A call of the clock is in both, some 0.1 microseconds: of
    entries of single numbers the order matters more than the figure. Recording is not measured, and
    neither is what Python does between operations; writing into an array copies it here, which a
    tape does not. A result that is no scalar is swept from ones.

    Memory is that of arrays, inputs among them; a number on the tape, and the entry itself, take a
    few hundred bytes that are not counted. A value that the sweep does not need counts until its
    last use on the tape: a variable of the user's may hold it longer. The article's nodes are
    timed by their own `forward` and `backward`, and keep all their values and gradients.

    Examples
    --------
    >>> measured = wg.profile(lambda x: np.sum(np.sin(x) * x), np.ones(1000))
    >>> [cost.expression for cost in measured.costs[:2]]
    ['sin(x)', 'multiply(v1, x)']
    >>> measured.peak.nbytes >= 16000
    True
    """
    if not isinstance(repeats, int) or repeats < 1:
        raise ArgumentError(f"repeats is {repeats!r}.", "Pass a positive whole number: repeats=7.")
    if isinstance(f, Trace | Tape) and (args or kwargs):
        raise ArgumentError(
            f"profile was given a {type(f).__name__.lower()} and arguments.",
            "What was recorded has its arguments already: profile(traced).",
        )
    if isinstance(f, Tape):
        return Profile("Tape", *measured_nodes(f, repeats), repeats)
    if isinstance(f, GradientTape | Array | Program) or _is_loaded(f):
        raise ArgumentError(
            f"{type(f).__name__} keeps too little to run each entry again, as a profile does.",
            "Pass the function with its arguments: wg.profile(function, *args).",
        )
    if not callable(f) and not isinstance(f, Trace):
        raise ArgumentError(
            f"profile was given {type(f).__name__} ({f!r:.40}).",
            "Pass a function with its arguments, wg.trace(f, *args), or a Tape.",
        )
    traced = f if isinstance(f, Trace) else trace(f, *args, **kwargs)
    return Profile(name_of(traced.function), *measured_trace(traced, repeats), repeats)


def _is_loaded(f: Any) -> bool:
    """True for a compiled function that came without the function that it was compiled from."""
    return isinstance(f, Viewed) and not hasattr(f, "__wrapped__")


class Profile:
    """Time and memory of a tape.

    Attributes
    ----------
    title : str
        Name of what was measured.
    costs : tuple of Cost
        One for each operation, in the order of the tape.
    memory : tuple of Moment
        Bytes held after each entry: forward, then backward from the last entry to the first.
    repeats : int
        Rounds of which the medians are taken.
    """

    def __init__(self, title: str, costs: Sequence[Cost], memory: Sequence[Moment], repeats: int):
        self.title, self.repeats = title, repeats
        self.costs, self.memory = tuple(costs), tuple(memory)

    # ------------------------------------------------------------------------------------ figures

    @property
    def seconds(self) -> float:
        """All entries, forward and backward."""
        return sum(cost.seconds for cost in self.costs)

    @property
    def peak(self) -> Moment:
        """The moment with the most memory; the first of several."""
        return max(self.memory, key=lambda moment: moment.nbytes)

    @property
    def lines(self) -> tuple[LineCost, ...]:
        """Costs by the user's line, the most expensive first."""
        found: dict[Hashable, list[Cost]] = {}
        for cost in self.costs:
            found.setdefault(cost.line and cost.line[:2], []).append(cost)
        summed = [
            LineCost(
                costs[0].line,
                len(costs),
                sum(cost.forward for cost in costs),
                sum(cost.backward for cost in costs),
                sum(cost.nbytes for cost in costs),
                sum(cost.kept for cost in costs),
            )
            for costs in found.values()
        ]
        return tuple(sorted(summed, key=lambda cost: -cost.seconds))

    def shares(self, what: str = "seconds") -> dict[int, float]:
        """Share of each entry in the whole, to colour a picture by.

        Parameters
        ----------
        what : {"seconds", "forward", "backward", "nbytes", "kept"}
            What is shared.

        Returns
        -------
        dict of int to float
            From an entry's index to a number between 0 and 1; all of them add up to 1.
        """
        if what not in SHARED:
            raise ArgumentError(f"shares has no {what!r}.", f"Ask for one of {', '.join(SHARED)}.")
        total = sum(getattr(cost, what) for cost in self.costs)
        return {cost.index: getattr(cost, what) / total if total else 0.0 for cost in self.costs}

    def to_dict(self) -> dict[str, Any]:
        """Make plain data for JSON."""
        return {
            "function": self.title,
            "repeats": self.repeats,
            "entries": [
                {**asdict(cost), "line": None if cost.line is None else cost.line._asdict()}
                for cost in self.costs
            ],
            "memory": [asdict(moment) for moment in self.memory],
            "peak": asdict(self.peak),
        }

    # ---------------------------------------------------------------------------------- speedscope

    def speedscope(self) -> dict[str, Any]:
        """The profile in the file format of speedscope [1]_: phase, line, entry.

        References
        ----------
        .. [1] https://www.speedscope.app/file-format-schema.json
        """
        frames: list[dict[str, Any]] = []
        numbers: dict[Hashable, int] = {}

        def frame(name: str, line: Line | None = None) -> int:
            key = (name, line and line[:2])
            if key not in numbers:
                numbers[key] = len(frames)
                place = {} if line is None else {"file": line.filename, "line": line.number}
                frames.append({"name": name, **place})
            return numbers[key]

        samples, weights = [], []
        rows = [("forward", cost, cost.forward) for cost in self.costs]
        rows += [("backward", cost, cost.backward) for cost in reversed(self.costs)]
        for phase, cost, seconds in rows:
            where = [] if cost.line is None else [frame(_line_text(cost.line), cost.line)]
            entry = frame(f"{cost.name} = {cost.expression}", cost.line)
            samples.append([frame(phase), *where, entry])
            weights.append(seconds)
        return {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "name": self.title,
            "exporter": "wengert",
            "activeProfileIndex": 0,
            "shared": {"frames": frames},
            "profiles": [
                {
                    "type": "sampled",
                    "name": self.title,
                    "unit": "seconds",
                    "startValue": 0,
                    "endValue": sum(weights),
                    "samples": samples,
                    "weights": weights,
                }
            ],
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the profile for https://www.speedscope.app: a JSON file.

        Raises
        ------
        OutputPathError
            If the file cannot be written.
        """
        return write_text(path, json.dumps(self.speedscope()), "the profile")

    # -------------------------------------------------------------------------------------- tables

    def table(self, by: str = "line", count: int = 20) -> str:
        """The most expensive lines or entries as text.

        Parameters
        ----------
        by : {"line", "entry"}
            What a row stands for.
        count : int
            Rows at most.
        """
        rows = [HEADS, *self._rows(by, count)]
        widths = [max(len(row[k]) for row in rows) for k in range(len(HEADS))]
        lines = [
            "  ".join(
                cell.rjust(width) if k else cell.ljust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, *self._notes(by, count)])

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return self.table()

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        # Only rich calls this, so it is installed.
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for k, head in enumerate(HEADS):
            table.add_column(head, justify="right" if k else "left", no_wrap=bool(k))
        for row in self._rows("line", 20):
            table.add_row(*[Text(cell) for cell in row])
        yield table
        yield from (Text(note, style="dim") for note in self._notes("line", 20))

    def _rows(self, by: str, count: int) -> Iterator[tuple[str, ...]]:
        if by not in ("line", "entry"):
            raise ArgumentError(f"a profile has no table by {by!r}.", 'Write by="line" or "entry".')
        costs: list[Any] = list(self.lines)
        if by == "entry":
            costs = sorted(self.costs, key=lambda cost: -cost.seconds)
        total = self.seconds or 1.0
        for cost in costs[:count]:
            what = _line_text(cost.line) if by == "line" else f"{cost.name} = {cost.expression}"
            yield (
                what if len(what) <= 70 else f"{what[:69]}…",
                str(getattr(cost, "entries", 1)),
                _seconds_text(cost.forward),
                _seconds_text(cost.backward),
                f"{cost.seconds / total:.0%}",
                bytes_text(cost.nbytes),
                bytes_text(cost.kept),
            )

    def _notes(self, by: str, count: int) -> Iterator[str]:
        rows = len(self.lines) if by == "line" else len(self.costs)
        if rows > count:
            yield f"and {rows - count} more"
        forward = _seconds_text(sum(cost.forward for cost in self.costs))
        swept = _seconds_text(sum(cost.backward for cost in self.costs))
        total = f"{forward} forward, {swept} backward (medians of {self.repeats})"
        yield f"{len(self.costs)} entries: {total}"
        peak = self.peak
        cost = next(cost for cost in self.costs if cost.index == peak.index)
        where = "" if cost.line is None else f", {_line_text(cost.line)}"
        yield f"peak of memory: {bytes_text(peak.nbytes)}, {peak.phase} at {cost.name}{where}"


HEADS = ("where", "entries", "forward", "backward", "share", "values", "kept")
SHARED = ("seconds", "forward", "backward", "nbytes", "kept")


# --------------------------------------------------------------------------------------------- text


def _line_text(line: Line | None) -> str:
    if line is None:
        return "(no line)"
    text = f": {line.text}" if line.text else ""
    return f"{os.path.basename(line.filename)}:{line.number}{text}"


def _seconds_text(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.0f} ns" if seconds else "0"


def bytes_text(count: int) -> str:
    """A number of bytes with a unit: ``1.5 MB``."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"
