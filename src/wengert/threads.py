"""How many threads Wengert may use, and the workers that share large NumPy operations.

NumPy releases Python's lock while a ufunc runs, so two Python threads compute two halves of an
array at once. The one difficulty is that a worker must see the caller's context (`np.errstate`) and
hand its exceptions back; and that a forked child has no workers until it makes its own.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from wengert.errors import ThreadCountError

VARIABLE = "WENGERT_NUM_THREADS"


def available() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_count(count: Any, name: str) -> int:
    """A number of threads, or an error that says what it is instead."""
    if isinstance(count, str) and count.strip().isdecimal():
        count = int(count)
    if not isinstance(count, int) or count < 1:
        raise ThreadCountError(
            f"{name} is {count!r}, which is no number of threads.",
            "Give a whole number, 1 or more.",
        )
    return count


def _default() -> int:
    given = os.environ.get(VARIABLE)
    return available() if not given else checked_count(given, VARIABLE)


class Workers:
    """Threads that wait for work; made when first used, one fewer than may run at once."""

    def __init__(self) -> None:
        self.count = _default()
        self.listeners: list[Callable[[int], object]] = []  # told of a new count: native pools
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._started = 0
        self._guard = threading.Lock()

    def share(self, task: Callable[[int, int], None], ranges: Sequence[tuple[int, int]]) -> None:
        """Run ``task(start, stop)`` for each range, the first in this thread.

        Raises
        ------
        Exception
            The first that a task raised, in the order of the ranges, after all have ended.
        """
        self._start(len(ranges) - 1)
        done: SimpleQueue[Any] = SimpleQueue()
        for number, (start, stop) in enumerate(ranges[1:]):
            context = contextvars.copy_context()
            self._queue.put((context, task, start, stop, number, done))
        failures: list[Any] = [None] * len(ranges)
        try:
            task(*ranges[0])
        except Exception as error:  # raised below, once the others have let go of their arrays
            failures[0] = error
        for _ in ranges[1:]:
            number, failure = done.get()
            failures[number + 1] = failure
        for failure in failures:
            if failure is not None:
                raise failure

    def _start(self, wanted: int) -> None:
        if self._started >= wanted:
            return
        with self._guard:
            while self._started < wanted:
                threading.Thread(target=_work, args=(self._queue,), daemon=True).start()
                self._started += 1


def _work(queue: SimpleQueue[Any]) -> None:
    while True:
        context, task, start, stop, number, done = queue.get()
        failure = None
        try:
            context.run(task, start, stop)
        except BaseException as error:
            failure = error
        del context, task
        done.put((number, failure))
        del failure, done


WORKERS = Workers()


def get_num_threads() -> int:
    """The number of threads that large operations use.

    Returns
    -------
    int
        All processors of the process, unless ``WENGERT_NUM_THREADS`` or `set_num_threads` says
        otherwise.

    Examples
    --------
    >>> wg.get_num_threads() >= 1
    True
    """
    return WORKERS.count


def set_num_threads(count: int) -> None:
    """Choose the number of threads that large operations use. Results do not depend on it.

    Parameters
    ----------
    count : int
        1 or more; 1 starts no thread.

    Raises
    ------
    ThreadCountError
        If `count` is no positive integer.

    Examples
    --------
    >>> before = wg.get_num_threads()
    >>> wg.set_num_threads(1)
    >>> wg.get_num_threads()
    1
    >>> wg.set_num_threads(before)
    """
    WORKERS.count = checked_count(count, "set_num_threads' argument")
    for listener in WORKERS.listeners:
        listener(WORKERS.count)


def _after_fork() -> None:
    """A child has none of its parent's threads, and a queue that it may have been holding."""
    count, listeners = WORKERS.count, WORKERS.listeners
    WORKERS.__init__()  # type: ignore[misc]
    WORKERS.count, WORKERS.listeners = count, listeners


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
