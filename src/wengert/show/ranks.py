"""The column of each box of a layout: so that links lead to the right, and lines are short.

The one difficulty is that a line is drawn once for all that it leads to: many boxes that take from
one place are better moved together than one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

SHORT = 9  # columns, in which inputs stay at the left


def ranked(
    count: int,
    links: Sequence[tuple[int, int]],
    first: set[int],
    last: set[int],
    left: set[int],
) -> list[int]:
    """The column of each box: far enough to the right, and near what it is linked with.

    Parameters
    ----------
    count : int
        Of boxes, in an order in which every link leads forwards.
    links : sequence of (int, int)
        From a box to another.
    first, last : set of int
        Boxes that belong in the first and in the last column, and nothing beside them.
    left : set of int
        Boxes without links to them that stay left in a short drawing.
    """
    into: list[list[int]] = [[] for _ in range(count)]
    out: list[list[int]] = [[] for _ in range(count)]
    for source, target in links:
        assert source < target, "a link leads backwards"
        into[target].append(source)
        out[source].append(target)
    ranks = [0] * count
    for k in range(count):
        ranks[k] = max((ranks[j] + 1 for j in into[k]), default=0)
        if k not in first and not into[k] and first:
            ranks[k] = 1
    end = max(ranks)
    if any(ranks[k] == end and k not in last for k in range(count)) and last:
        end += 1
    for k in last:
        ranks[k] = end
    held = first | last | (left if end < SHORT else set())
    # Each by itself first; but what many take from one place is better moved all at once.
    apart = _moved_right(ranks, into, out, held)
    together = _moved_left(_moved_right(ranks, into, out, held, is_forced=True), into, out, held)
    return min(apart, together, key=lambda found: _length(found, out))


def _moved_right(
    early: list[int],
    into: list[list[int]],
    out: list[list[int]],
    held: set[int],
    is_forced: bool = False,
) -> list[int]:
    """Columns further to the right where that makes no line longer, or wherever it can be.

    Starts go to their first use, and what is used later than it could be goes with its use.
    """
    ranks = list(early)
    for k in range(len(ranks) - 1, -1, -1):
        if k in held or not out[k]:
            continue
        if is_forced or len(set(out[k])) >= len(set(into[k])):
            ranks[k] = min(ranks[j] for j in out[k]) - 1
    return ranks


def _moved_left(
    late: list[int], into: list[list[int]], out: list[list[int]], held: set[int]
) -> list[int]:
    """Columns further to the left where that makes more lines shorter than longer."""
    ranks = list(late)
    for k in range(len(ranks)):
        if k in held or not into[k]:
            continue
        # A line that leads at least as far to another box gets no shorter.
        shorter = sum(
            all(j == k or ranks[j] < ranks[k] for j in reversed(out[source]))
            for source in set(into[k])
        )
        if shorter > bool(out[k]):
            ranks[k] = max(ranks[source] for source in into[k]) + 1
    return ranks


def _length(ranks: list[int], out: list[list[int]]) -> int:
    """Of all lines, in columns; those from one box are one."""
    return sum(max(ranks[j] for j in users) - ranks[k] for k, users in enumerate(out) if users)
