"""Where the conditions on a nest's innermost loop hold: in a narrow band that moves with the rows.

The derivatives of elementwise functions by vectors, and second derivatives of sums over neighbours,
are matrices of a few diagonals. A condition such as ``column - row == 1`` holds once in each row:
before and after the band of such places no condition needs to be tested, and mostly there is
nothing left that changes along the row, so that it is filled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from wengert.compile.access import Condition
from wengert.compile.views import Affine

_SHARE = 8  # a band is worth its loops if a row is so many times as long
_WIDEST = 16  # places; within it, code is not vectorised


class Band(NamedTuple):
    """The turns of the innermost loop in which some of these conditions may hold.

    Attributes
    ----------
    start : Affine
        The first, by the axes of the loops around it; may lie outside of the loop.
    width : int
        How many there are.
    conditions : frozenset of Condition
        What is false everywhere else.
    """

    start: Affine
    width: int
    conditions: frozenset[Condition]

    def is_worth(self, turns: int) -> bool:
        """True if a loop of so many turns is better divided."""
        return turns >= _SHARE * self.width


def band(conditions: Iterable[Condition], axis: int) -> Band | None:
    """The band along an axis of all conditions that tie it to others; None if there is no one."""
    found: dict[Condition, Affine] = {}  # where each begins to hold
    for condition in conditions:
        terms = dict(condition.place.terms)
        sign = terms.pop(axis, 0)
        if not sign or not terms:
            continue
        if abs(sign) != 1 or any(isinstance(symbol, str) for symbol in terms):
            return None
        rest = Affine(condition.place.constant, tuple(terms.items()))
        found[condition] = (
            rest.times(-1) + condition.low if sign > 0 else rest + (1 - condition.high)
        )
    starts = list(found.values())
    if not starts or any(start.terms != starts[0].terms for start in starts):
        return None
    first = min(start.constant for start in starts)
    last = max(start.constant + c.high - c.low for c, start in found.items())
    if last - first > _WIDEST:
        return None
    return Band(starts[0]._replace(constant=first), last - first, frozenset(found))
