"""Python's search for cycles of garbage while a program is made: rarely.

A trace makes many objects, and keeps them. By default every 700 new ones start a search, which
finds nothing: it took a sixth of the time.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NEW = 200_000  # objects between two searches

_lock = threading.Lock()
_inside = 0
_usual = (0, 0, 0)


@contextmanager
def rarely_searched() -> Iterator[None]:
    """While it lasts, in whatever thread, garbage is searched for less often."""
    global _inside, _usual
    with _lock:
        _inside += 1
        if _inside == 1:
            _usual = gc.get_threshold()
            if 0 < _usual[0] < _NEW:  # zero: never
                gc.set_threshold(_NEW, *_usual[1:])
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside and gc.get_threshold()[0] == _NEW:  # unless user code has set it
                gc.set_threshold(*_usual)
