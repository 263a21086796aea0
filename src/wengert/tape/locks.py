"""Plain arrays that tapes hold are read-only while they record: none can change under a tape.

Counts are kept per array, so that nested tapes and threads can hold one array together; the
caller's flag is given back when the last of them lets go.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

# id -> [array, count, views to be given back with it]; holding the array keeps its id its own
_held: dict[int, list[Any]] = {}
_guard = threading.Lock()


def hold(array: np.ndarray, mine: dict[int, np.ndarray]) -> None:
    """Make an array, and the arrays it is a view of, read-only on behalf of `mine`."""
    if array.base is None and id(array) not in mine:  # as most are
        with _guard:
            entry = _held.get(id(array))
            flags = array.flags
            if entry is None and not flags.writeable:
                return
            if entry is not None or flags.owndata:
                if entry is None:
                    entry = _held[id(array)] = [array, 0, []]
                entry[1] += 1
                array.setflags(write=False)
                mine[id(array)] = array
                return
    link: Any = array
    while type(link) is np.ndarray and (key := id(link)) not in mine:
        if key in _held or (link.flags.writeable and _is_restorable(link)):
            with _guard:
                entry = _held.get(key)
                if entry is None:
                    entry = _held[key] = [link, 0, []]
                entry[1] += 1
                link.setflags(write=False)
            mine[key] = link
        link = link.base


def _is_restorable(array: np.ndarray) -> bool:
    """True if NumPy will make it writable again: not for memory lent by C code (MINPACK's)."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if owner.flags.owndata:
        return True
    try:
        return not memoryview(owner.base).readonly  # type: ignore[arg-type]
    except TypeError:
        return False


def release(mine: dict[int, np.ndarray]) -> None:
    """Give back all that `mine` holds."""
    if not mine:
        return
    with _guard:
        # Bases before their views: a view of a locked base stays locked.
        for key, array in reversed(mine.items()):
            entry = _held[key]
            entry[1] -= 1
            if entry[1] == 0:
                del _held[key]
                if array.base is None and not entry[2]:
                    array.setflags(write=True)
                else:
                    _give_back(array, entry[2])
    mine.clear()


def _give_back(array: np.ndarray, waiting: list[np.ndarray]) -> None:
    """Make an array writable, and the views that waited for it; a view of a locked base waits."""
    link: Any = array.base
    while type(link) is np.ndarray:
        if id(link) in _held:
            _held[id(link)][2].extend([array, *waiting])
            return
        link = link.base
    array.setflags(write=True)
    for freed in waiting:
        freed.setflags(write=True)
