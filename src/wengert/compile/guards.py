"""The tree of paths of a signature: which program a call takes.

Python code that takes the same decisions goes the same way, so paths that agree in the outcomes of
their first guards share a beginning, and part at the first guard whose outcomes differ. A call runs
the path that was taken last; where a guard fails, only paths that part from it just there are
left. The one difficulty is that passes drop guards: a guard is known by its `Place` object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from wengert.compile.lower import Lowered
from wengert.compile.program import Guard, GuardFailed, Program
from wengert.compile.trace import ERROR, SAME
from wengert.tape.columns import Constant


def outcomes_of(program: Program) -> tuple[Any, ...]:
    """What was decided, in order; of a whole array, its numbers."""
    outcomes: list[Any] = []
    for guard in program.guards:
        op = program.op(guard.value)
        if op is not None and op.primitive is SAME and isinstance(op.operands[1], Constant):
            known = np.asarray(op.operands[1].value)
            outcomes.append((known.shape, known.dtype.str, known.tobytes()))
        elif op is not None and op.primitive.name.startswith(ERROR):
            outcomes.append(op.primitive.name)  # the path without the error has no guard here
        else:
            outcomes.append(guard.expected)
    return tuple(outcomes)


class Path:
    """One way through a function.

    Attributes
    ----------
    program : Program
        As traced.
    outcomes : tuple
        What was decided, in order.
    """

    def __init__(
        self,
        program: Program,
        lowered: Lowered,
        template: Any,
        entry: Any = None,
        is_watched: bool = False,
    ):
        self.program, self.lowered, self.template = program, lowered, template
        self.entry = entry  # what native calls go through: `native/call.py`
        self.is_watched = is_watched  # user code may handle an error: another path then
        self.outcomes = outcomes_of(program)
        self._positions = {
            id(guard.place): k for k, guard in enumerate(program.guards) if guard.place is not None
        }

    def position(self, guard: Guard) -> int | None:
        """Which of the program's guards this is; None if it cannot be said."""
        return self._positions.get(id(guard.place))

    def guard_number(self, position: int) -> int | None:
        """Which guard of the lowered program stands for one of the traced; None if none does."""
        at = self.program.guards[position].place
        guards = self.lowered.program.guards
        return next((k for k, guard in enumerate(guards) if guard.place is at), None)

    def branches_from(self, other: Path, position: int) -> bool:
        """True if this path agrees with another up to a guard, and differs there."""
        own, others = self.outcomes, other.outcomes
        if own[:position] != others[:position]:
            return False
        return len(own) <= position or own[position] != others[position]


class Paths:
    """The paths of one signature."""

    def __init__(self) -> None:
        self._recent: list[Path] = []  # the one taken last comes first

    def __len__(self) -> int:
        return len(self._recent)

    def __iter__(self) -> Iterator[Path]:
        return iter(self._recent)

    def add(self, path: Path) -> None:
        """One more way; one that takes the decisions of a known path takes its place."""
        self._recent = [path, *[p for p in self._recent if p.outcomes != path.outcomes]]

    def knows(self, program: Program) -> bool:
        """True if a path takes the decisions that a program was traced with."""
        outcomes = outcomes_of(program)
        return any(path.outcomes == outcomes for path in self._recent)

    def run(
        self, inputs: Sequence[Any], buffers: Callable[[Path], Any] | None = None
    ) -> tuple[Path | None, Any]:
        """The path that a call takes and its outputs; or None and why there is none.

        That is the last guard that failed; or an exception, which the function may handle.
        `buffers` says what a path's outputs are written into; None for memory of their own.
        """
        candidates = self._recent
        failed: Guard | Exception | None = None
        while candidates:
            path = candidates[0]
            try:
                given = buffers and buffers(path)
                outputs = path.lowered(inputs, given) if given else path.lowered(inputs)
            except GuardFailed as failure:
                guard = failure.guard
                failed = failed if isinstance(failed, Exception) else guard
                at = path.position(guard)
                rest = [p for p in candidates if p is not path]
                candidates = rest if at is None else [p for p in rest if p.branches_from(path, at)]
                continue
            except Exception as error:
                if not path.is_watched:
                    raise
                failed = error
                candidates = [p for p in candidates if p is not path]
                continue
            if path is not self._recent[0]:
                self._recent = [path, *[p for p in self._recent if p is not path]]
            return path, outputs
        return None, failed
