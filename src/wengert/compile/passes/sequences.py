"""What a column of codes is: parts of an array, what an earlier loop collects, or a mere list.

A stretch reads the values of an earlier one forwards or backwards, one iteration off or with gaps:
such a column points into it in steps of whole iterations. The one difficulty is the first
iteration, which may have been given a value from before the stretch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.compile.passes.stretches import Carried, Codes, Earlier, Fixed, Moving, Plan
from wengert.primitives.indexing import read


@dataclass(frozen=True)
class Elements:
    """A sequence of parts of one array."""

    code: int
    moving: Moving


@dataclass(frozen=True)
class Collected:
    """A sequence that an earlier loop makes: from iteration `start`, every `step`-th."""

    plan: Plan
    what: Any
    start: int
    step: int


@dataclass(frozen=True)
class Listed:
    """A sequence of values of which nothing is known."""

    codes: tuple[int, ...]


Sequential = Elements | Collected | Listed


def sequence(codes: Codes, column: np.ndarray, plans: Sequence[Plan]) -> Sequential:
    """What a column of codes is, given the stretches before it."""
    middle = int(column[len(column) // 2])
    for made in reversed(plans):
        if middle in made:
            return _collected(codes, made, column) or Listed(tuple(column.tolist()))
    return Listed(tuple(column.tolist()))


def _collected(codes: Codes, made: Plan, column: np.ndarray) -> Sequential | None:
    """A column that points into one stretch, in steps of whole iterations."""
    length, times = made.stretch.length, made.stretch.times
    middle = len(column) // 2
    stride = int(column[middle]) - int(column[middle - 1])
    start = int(column[middle]) - middle * stride - made.first
    if stride == 0 or stride % length:
        return None
    step, q = stride // length, start % length
    expected = made.first + start + stride * np.arange(len(column))
    iterations = (start - q) // length + step * np.arange(len(column))
    is_inside = (iterations >= 0) & (iterations < times)
    if not np.all(column[is_inside] == expected[is_inside]):
        return None
    what: int | Carried = q
    if not np.all(is_inside):  # the first one may be what entered the first iteration
        what = Carried(q, (int(column[~is_inside][0]),))
        if list(iterations[~is_inside]) != [-1] or what not in made.carried:
            return None
        iterations += 1
        if np.any(iterations >= times):  # what left the last one is not among what entered
            return None
    if made.is_flipped:
        iterations, step = times - 1 - iterations, -step
    if what in made.moving:
        return _elements(codes, made, q, int(iterations[0]), step)
    return Collected(made, what, int(iterations[0]), step)


def _elements(codes: Codes, made: Plan, q: int, start: int, step: int) -> Sequential | None:
    """A column of what a stretch reads of an array, iteration by iteration."""
    source = made.sources[q][0]
    if codes.program.ops[made.stretch.start + q].primitive is not read:
        return None
    assert isinstance(source, Fixed)
    moving = made.moving[q]
    start, step = moving.start + moving.step * start, moving.step * step
    return Elements(source.code, moving._replace(start=start, step=step))


def earlier(made: Plan, source: Earlier) -> Elements:
    """What a moving read read some iterations before."""
    whole, moving = made.sources[source.position][0], made.moving[source.position]
    assert isinstance(whole, Fixed)
    lag = -source.lag if made.is_flipped else source.lag
    return Elements(whole.code, moving._replace(start=moving.start - moving.step * lag))
