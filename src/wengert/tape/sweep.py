"""The two sweeps over the entries of a tape: adjoints backward, tangents forward.

The plain backward sweep comes first. If it makes a NaN, a second one carries masks of structural
zeros (what a selection did not take), which alone annihilate an infinite partial; a genuine 0 * inf
stays NaN (DESIGN, Semantics). The one difficulty is memory: adjoints of elements are added into one
buffer, which is written in place if the sweep alone holds it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.primitives.blocks import add_into as add_into_large
from wengert.primitives.brief import PULLS
from wengert.primitives.indexing import assign, is_fancy
from wengert.primitives.indexing import read as READ
from wengert.primitives.indexing import write as WRITE
from wengert.primitives.joining import part as PART
from wengert.tape.array import Array
from wengert.tape.entries import ANY, BRIEF, ELEMENT_READ, FITTED, PRODUCT, whole
from wengert.tape.products import Waiting, gather, gathered
from wengert.tape.writing import add_into, copied, write

_LARGE = 2048
ndarray = np.ndarray  # looked up once: what a sweep does most is to look at types
_NUMBERS = frozenset({float, np.float64})


class Parts:
    """Adjoints of the parts of a tuple-valued entry."""

    __slots__ = ("adjoints", "likes")

    def __init__(self, likes: Sequence[Any]):
        self.likes = likes
        self.adjoints: list[Any] = [None] * len(likes)

    def filled(self) -> tuple[Any, ...]:
        """One adjoint for each part; zeros for one that the target does not depend on."""
        return tuple(
            np.zeros(like.shape, like.dtype) if adjoint is None else adjoint
            for adjoint, like in zip(self.adjoints, self.likes, strict=True)
        )


def backward(
    entries: Sequence[Any], adjoints: list[Any], keep: bool = False, only: int | None = None
) -> None:
    """Sweep from the last entry to the first, adding into `adjoints` (one per entry, or None).

    With `keep`, adjoints of intermediate entries stay, for those who look at them; otherwise only
    those of inputs do. With `only`, one entry is swept.
    """
    waiting: Waiting = {}
    for index in range(len(entries) - 1, -1, -1) if only is None else (only,):
        if waiting and index in waiting:
            _add(adjoints, index, gathered(waiting, index))
        adjoint = adjoints[index]
        if adjoint is None:
            continue
        entry = entries[index]
        if entry is None:
            continue
        if not keep:
            adjoints[index] = None
        is_large = type(adjoint) is ndarray and adjoint.size > _LARGE
        form = len(entry)
        if form == BRIEF and not is_large:
            PULLS[entry[0]].pull(adjoints, adjoint, entry)
            continue
        if form == PRODUCT and type(adjoint) is ndarray and adjoint.dtype == entry[-1]:
            _pull_product(adjoints, adjoint, entry, waiting)
            continue
        if form == FITTED and not is_large:
            PULLS[entry[0]].fitted(adjoints, adjoint, entry)
            continue
        if form == ELEMENT_READ:
            _pull_element(adjoints, adjoint, entry)
            continue
        if form != ANY:
            entry = whole(entry)
        primitive, parents, saved, likes, parameters = entry
        pull = _PULLS.get(primitive)
        if pull is not None:
            pull(adjoints, adjoint, entry, keep)
            continue
        if type(adjoint) is Parts:
            adjoint = adjoint.filled()
        if (
            is_large
            and not keep
            and primitive.is_elementwise
            and sys.getrefcount(adjoint) <= _ALONE
            and adjoint.base is None
        ):
            parts = primitive.pull(adjoint, parents, saved, likes, parameters, True)
        else:
            parts = primitive.pull(adjoint, parents, saved, likes, parameters)
        adjoint = None
        for position, part in enumerate(parts):
            if part is not None:
                _add(adjoints, parents[position], part)  # a name for the sum would hold its buffer
    for index in list(waiting):  # of one entry alone
        _add(adjoints, index, gathered(waiting, index))


def _add(adjoints: list[Any], parent: int, part: Any) -> None:
    """One more contribution to an adjoint."""
    adjoints[parent] = part if adjoints[parent] is None else _sum(adjoints, parent, part)


def _pull_product(adjoints: list[Any], adjoint: Any, entry: Any, waiting: Waiting) -> None:
    """``x1 @ x2`` of matrices."""
    first, second, x1, x2, _, _, _ = entry
    if first >= 0:
        part = adjoint @ x2.T
        adjoints[first] = part if adjoints[first] is None else _sum(adjoints, first, part)
    if second >= 0 and gather(waiting, second, x1, adjoint):
        _add(adjoints, second, gathered(waiting, second))


def _pull_element(adjoints: list[Any], adjoint: Any, entry: Any) -> None:
    """``x[key]``: add to one element of the array's adjoint."""
    parent, key, shape = entry
    held, adjoints[parent] = adjoints[parent], None
    if held is None:
        held = np.zeros(shape)
    elif not is_sole(held):
        held = copied(held)
    if type(held) is np.ndarray and type(adjoint) in _NUMBERS:
        held[key] += adjoint
    else:
        held = add_into(held, (("getitem", key),), adjoint)
    adjoints[parent] = held


def _sum(adjoints: list[Any], parent: int, part: Any) -> Any:
    """The adjoint so far plus one more contribution, in place if nobody else holds the buffer."""
    held = adjoints[parent]
    if type(held) is ndarray and held.size > _LARGE and type(part) is ndarray:
        adjoints[parent] = None
        if is_sole(held) and held.dtype == part.dtype:
            add_into_large(held, part)
            return held
    return held + part


def is_sole(held: Any) -> bool:
    """True if the caller's variable is the only holder of a buffer that can be written."""
    return sys.getrefcount(held) <= _SOLE and _owns(held)


def _pull_read(adjoints: list[Any], adjoint: Any, entry: Any, keep: bool) -> None:
    """Part of an array: the adjoint goes to that part."""
    _, (parent,), _, (like,), parameters = entry
    path = parameters["path"]
    held, adjoints[parent] = adjoints[parent], None
    if held is None:
        held = np.zeros(like.shape, like.dtype)
        if type(adjoint) is np.ndarray and adjoint.size > _LARGE and not is_fancy(path[-1][1]):
            assign(held, path, adjoint)  # into zeros: one pass over memory less than adding
            adjoints[parent] = held
            return
    elif not is_sole(held):
        held = copied(held)
    adjoints[parent] = add_into(held, path, adjoint)


def _pull_write(adjoints: list[Any], adjoint: Any, entry: Any, keep: bool) -> None:
    """Take the adjoint of the written part; what remains, with that part cleared, goes on."""
    primitive, (root, value), saved, likes, parameters = entry
    if value >= 0:
        path = parameters["path"]
        if (
            type(adjoint) is np.ndarray
            and likes[1] == ((), adjoint.dtype)
            and _is_element(path, adjoint)
        ):
            part = adjoint[path[0][1]]  # one element: what loops write most
        else:
            part = primitive.pull(adjoint, (-1, value), saved, likes, parameters)[1]
        if type(part) is np.ndarray and part.base is not None:
            part = part.copy()  # a view of the adjoint, which is cleared next
        held = adjoints[value]
        adjoints[value] = part if held is None else _sum(adjoints, value, part)
    if root < 0:
        return
    if not parameters["add"]:
        # Held by `backward`, by this function and by the call of getrefcount: as many as in
        # is_sole.
        if keep or sys.getrefcount(adjoint) > _SOLE or not _owns(adjoint):
            adjoint = copied(adjoint)
        if isinstance(adjoint, Array):
            write(adjoint, parameters["path"], np.zeros((), adjoint.dtype))
        else:
            assign(adjoint, parameters["path"], 0)
    held = adjoints[root]
    adjoints[root] = adjoint if held is None else _sum(adjoints, root, adjoint)


def _is_element(path: Any, adjoint: np.ndarray) -> bool:
    return len(path) == 1 and type(path[0][1]) is int and adjoint.ndim == 1


def _owns(adjoint: Any) -> bool:
    """True unless writing into the adjoint would write into another: it is a view, or a number."""
    return type(adjoint) is Array or (type(adjoint) is np.ndarray and adjoint.base is None)


def _pull_part(adjoints: list[Any], adjoint: Any, entry: Any, keep: bool) -> None:
    """One part of a tuple-valued entry."""
    _, (parent,), _, likes, parameters = entry
    position = parameters["position"]
    parts = adjoints[parent]
    if parts is None:
        parts = adjoints[parent] = Parts(likes)
    held = parts.adjoints[position]
    parts.adjoints[position] = adjoint if held is None else held + adjoint


# What a sweep pulls itself: their adjoints are added into buffers.
_PULLS = {READ: _pull_read, WRITE: _pull_write, PART: _pull_part}


def _alone() -> int:
    """What getrefcount says of a buffer that one variable holds; -1 where there are no counts."""
    if not hasattr(sys, "getrefcount"):
        return -1
    buffer = np.empty(1)
    return sys.getrefcount(buffer)


def _sole() -> int:
    """What getrefcount says in `is_sole` of a buffer that only the caller's variable holds."""
    if not hasattr(sys, "getrefcount"):
        return -1

    def count(argument: Any) -> int:
        return sys.getrefcount(argument)

    buffer = np.empty(1)
    return count(buffer)


_SOLE, _ALONE = _sole(), _alone()
