"""In-place code costs what it costs in NumPy: linear in the elements that are read and written."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.tape.seams import tracing
from wengert.tape.tape import Tape


def entries_and_bytes(f: Callable[..., Any], x: np.ndarray) -> tuple[int, int]:
    with tracing() as level:
        tape = Tape(level)
        handle = tape.input(x)
        tracemalloc.start()
        f(handle)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return len(tape.end()), peak


def fill_by_elements(x: Any) -> Any:
    a = x * 1.0
    for k in range(1, a.shape[0]):
        a[k] = a[k - 1] * 0.5 + x[k]
    return a


def fill_by_rows(x: Any) -> Any:
    a = x.reshape(-1, 4) * 1.0
    for k in range(1, a.shape[0]):
        a[k] = a[k - 1] * 0.5
    return a


def nested_elements(x: Any) -> Any:
    a = x.reshape(-1, 4) * 1.0
    for k in range(1, a.shape[0]):
        a[k][1] = a[k - 1][1] * 0.5
    return a


def shrinking(x: Any) -> Any:
    total = 0.0
    while x.shape[0]:
        total = total + x[0]
        x = x[1:]
    return total


def hoisted_views(x: Any) -> Any:
    a = x * 1.0
    first, second = a[:2], a[2:4]
    for _ in range(a.shape[0]):
        first += 0.1 * second
    return a


@pytest.mark.parametrize(
    "f",
    [fill_by_elements, fill_by_rows, nested_elements, shrinking, hoisted_views],
    ids=lambda f: f.__name__,
)
def test_reading_and_writing_in_loops_costs_linear_memory(f: Callable[..., Any]) -> None:
    small, large = (entries_and_bytes(f, np.ones(n)) for n in (3200, 12800))
    assert large[0] <= 4.1 * small[0]
    assert large[1] <= 6 * small[1]


@pytest.mark.parametrize("mode", ["grad", "jvp", "nested"])
@pytest.mark.parametrize(
    "f", [fill_by_elements, fill_by_rows, hoisted_views], ids=lambda f: f.__name__
)
def test_buffers_are_copied_a_fixed_number_of_times(f: Any, mode: str, monkeypatch: Any) -> None:
    copies: list[int] = []
    from wengert.tape import sweep, writing

    copied = writing.copied

    def counting(value: Any) -> Any:
        copies.append(1)
        return copied(value)

    for module in (writing, sweep):
        monkeypatch.setattr(module, "copied", counting)

    def total(x: Any) -> Any:
        return f(x).sum()

    counts = []
    for n in (200, 800):
        x = np.ones(n)
        copies.clear()
        if mode == "grad":
            wg.grad(total)(x)
        elif mode == "jvp":
            wg.jvp(total, (x,), (x,))
        else:
            wg.jvp(wg.grad(total), (x,), (x,))
        counts.append(len(copies))
    assert counts[1] <= counts[0] + 8
