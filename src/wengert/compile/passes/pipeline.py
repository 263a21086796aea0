"""The order of the passes: a list. `optimise` runs it and says what each pass did.

Long programs are re-rolled first, so that what follows has short bodies to work on; then rounds of
rewriting, as one pass makes work for another, with hoisting out of loops between them. Every pass
but those that write loops is run inside their bodies as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from wengert.compile.passes.algebra import simplify, simplify_fast
from wengert.compile.passes.broadcasts import leave_broadcasts
from wengert.compile.passes.dead import remove_dead
from wengert.compile.passes.fold import fold_constants
from wengert.compile.passes.hoist import hoist
from wengert.compile.passes.loop import loop, map_bodies
from wengert.compile.passes.reroll import reroll
from wengert.compile.passes.slices import forward_elements
from wengert.compile.passes.subexpressions import share_subexpressions
from wengert.compile.passes.triangles import substitute_triangles
from wengert.compile.passes.views import name_views
from wengert.compile.program import Program

Pass = Callable[[Program], Program]


class PassReport(NamedTuple):
    """What one pass did: entries before and after it, and the seconds it took."""

    name: str
    before: int
    after: int
    seconds: float
    task: str = ""  # in words


_ROUND: list[Pass] = [
    fold_constants,
    name_views,
    leave_broadcasts,
    simplify,
    forward_elements,
    share_subexpressions,
    remove_dead,
]
_LOOPS: list[Pass] = [reroll, hoist]
STAGES: list[list[Pass]] = [
    [name_views, forward_elements, reroll],
    _ROUND,
    [substitute_triangles, hoist],
    _ROUND,
    _LOOPS,
    _ROUND,  # where loops were found only now
]
PASSES: list[Pass] = [one for stage in STAGES for one in stage]

_WITH_BODIES = frozenset({reroll, hoist})  # these go into the bodies of loops by themselves
_INSTEAD: dict[Pass, Pass] = {simplify: simplify_fast}  # with fastmath


def optimise(program: Program, fastmath: bool = False) -> tuple[Program, list[PassReport]]:
    """Run every pass.

    Parameters
    ----------
    fastmath : bool
        Allow rewrites whose last bits differ.

    Returns
    -------
    Program
        One that gives the same. Without `fastmath` only sums and matrix products over the
        iterations of a loop, and systems with triangular matrices, may differ, in their last bits.
    list of PassReport
        A report for each pass that was run, in order; entries in bodies of loops count once.
    """
    reports: list[PassReport] = []
    done = False
    for stage in STAGES:
        given = program
        for one in [] if done else stage:
            chosen = _INSTEAD.get(one, one) if fastmath else one
            start, before = time.perf_counter(), entries(program)
            program = chosen(program)
            if one not in _WITH_BODIES:
                program = _inside(chosen, program)
            seconds = time.perf_counter() - start
            task = (chosen.__doc__ or "").partition("\n")[0].rstrip(".")
            reports.append(PassReport(chosen.__name__, before, entries(program), seconds, task))
        done = done or (stage is _LOOPS and program is given)
    return program, reports


def entries(program: Program) -> int:
    """How many operations a program has, those in bodies of loops included."""
    bodies = [op.parameters["body"] for op in program.ops if op.primitive is loop]
    return len(program.ops) + sum(map(entries, bodies))


def _inside(one: Pass, program: Program) -> Program:
    """A program with a pass done in the bodies of its loops."""
    return map_bodies(program, lambda body: _inside(one, one(body)))
