"""Tapes as text: the article's log, forwards with values, then backwards with gradients.

Both the article's tape of nodes and `wg.trace` come here as `Step`s. The one difficulty is
length: a stretch of steps that repeats (a loop of the user's) is shown once, with the number of
times.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.tape.array import concrete
from wengert.transforms.trace import Entry, Trace

_LONGEST = 200  # steps of a stretch that is looked for
_FEWEST = 4  # times a stretch must repeat to be folded
_TIMES = "\N{MULTIPLICATION SIGN}"
_DIGITS = {2: 4, 4: 7}  # significant ones, by the bytes of a number
_SHOWN = 6  # elements of an array that are shown one by one


class Step(NamedTuple):
    """One line of a tape: an input if it has no operation."""

    name: str
    operation: str = ""
    operands: tuple[str, ...] = ()
    value: Any = None
    gradient: Any = None
    key: Hashable = None  # equal for steps that do the same


class Stretch(NamedTuple):
    """Steps from `start`, `length` of them, that come `times` times one after the other."""

    start: int
    length: int
    times: int


def log(steps: Sequence[Step], word: str = "gradient") -> str:
    """The log of a tape: each step with its value, then each with its gradient, last first.

    Parameters
    ----------
    steps : sequence of Step
        In forward order. Steps without operation are not numbered.
    word : str
        What the derivative of the target is called: ``gradient`` or ``adjoint``.
    """
    numbers = _numbers(steps)
    lines = ["forward", *_aligned(_forward(steps, numbers))]
    if any(step.gradient is not None for step in steps):
        lines += ["backward", *_aligned(_backward(steps, numbers, word))]
    return "\n".join(lines)


def value_text(value: Any) -> str:
    """A number, or a small array, as it is; a larger one by its dtype and shape."""
    value = concrete(value)
    if value is None:
        return ""
    if isinstance(value, tuple):
        return f"({', '.join(value_text(part) for part in value)})"
    if isinstance(value, bool | np.bool_ | str | bytes):
        return repr(value) if isinstance(value, str | bytes) else str(value)
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | complex | np.floating | np.complexfloating):
        return f"{value:.{_DIGITS.get(np.asarray(value).dtype.itemsize, 10)}g}"
    array = np.asarray(value)
    if array.ndim == 0 and array.dtype.kind in "fciub":
        return value_text(array[()])
    if array.dtype.kind in "fciub" and 0 < array.size <= _SHOWN:
        return _elements(array)
    return f"{array.dtype}{list(array.shape)}"


def _elements(array: np.ndarray) -> str:
    if array.ndim == 0:
        return f"{array[()]:.6g}" if array.dtype.kind in "fc" else str(array[()])
    return f"[{', '.join(_elements(part) for part in array)}]"


def _numbers(steps: Sequence[Step]) -> list[str]:
    """``#1:`` and so on for operations, blanks for inputs."""
    count = sum(bool(step.operation) for step in steps)
    width = len(f"#{count}: ")
    numbers, k = [], 0
    for step in steps:
        k += bool(step.operation)
        numbers.append((f"#{k}: " if step.operation else "").ljust(width))
    return numbers


def _forward(steps: Sequence[Step], numbers: Sequence[str]) -> Iterator[tuple[str, str]]:
    for stretch in stretches([step.key for step in steps]):
        for k in range(stretch.start, stretch.start + stretch.length):
            step = steps[k]
            text = value_text(step.value)
            if not step.operation:
                yield f"{numbers[k]}{step.name} = {text}", ""
                continue
            operands = ", ".join(step.operands)
            arrow = f"-> {text}" if text else ""
            yield f"{numbers[k]}{step.name} = {step.operation}({operands})", arrow
        yield from _folded(stretch, numbers[stretch.start + stretch.length * stretch.times - 1])


def _backward(
    steps: Sequence[Step], numbers: Sequence[str], word: str
) -> Iterator[tuple[str, str]]:
    last = len(steps) - 1
    for stretch in stretches([step.key for step in reversed(steps)]):
        for k in range(stretch.start, stretch.start + stretch.length):
            step = steps[last - k]
            if step.gradient is not None:
                left = f"{numbers[last - k]}{step.name} = {value_text(step.value)}"
                yield left, f"{word} {value_text(step.gradient)}"
        end = last - (stretch.start + stretch.length * stretch.times - 1)
        yield from _folded(stretch, numbers[end])


def _folded(stretch: Stretch, number: str) -> Iterator[tuple[str, str]]:
    if stretch.times > 1:
        what = "line" if stretch.length == 1 else f"{stretch.length} lines"
        where = number.strip().rstrip(":")
        yield f"... the {what} above {_TIMES} {stretch.times}, to {where}", ""


def _aligned(pairs: Iterator[tuple[str, str]]) -> list[str]:
    rows = list(pairs)
    width = max((len(left) for left, right in rows if right and len(left) <= 60), default=0)
    return [f"{left:<{width}}  {right}".rstrip() for left, right in rows]


def stretches(keys: Sequence[Hashable]) -> Iterator[Stretch]:
    """Divide a sequence into stretches that repeat and single elements; None repeats nothing."""
    following = _next_equal(keys)
    start, count = 0, len(keys)
    while start < count:
        best = Stretch(start, 1, 1)
        at = following[start]
        for _ in range(4):  # a key may occur several times within one repetition
            length = at - start
            if at < 0 or length > _LONGEST:
                break
            times = _times(keys, start, length)
            if times >= _FEWEST and times * length > best.times * best.length:
                best = Stretch(start, length, times)
            at = following[at]
        yield best
        start += best.length * best.times


def _times(keys: Sequence[Hashable], start: int, length: int) -> int:
    times = 1
    block = keys[start : start + length]
    while keys[start + times * length : start + (times + 1) * length] == block:
        times += 1
    return times


def _next_equal(keys: Sequence[Hashable]) -> list[int]:
    """Where each key comes next; -1 if it does not."""
    seen: dict[Hashable, int] = {}
    following = [-1] * len(keys)
    for k in range(len(keys) - 1, -1, -1):
        if keys[k] is not None:
            following[k] = seen.get(keys[k], -1)
            seen[keys[k]] = k
    return following


# ----------------------------------------------------------------------------------- recorded tapes


def trace_log(trace: Trace) -> str:
    """The log of a recorded function."""
    return log([_step(entry) for entry in trace.entries], word="adjoint")


def _step(entry: Entry) -> Step:
    value, gradient = entry.value, entry.adjoint
    if entry.primitive is None:
        return Step(entry.name, value=value, gradient=gradient)
    operands = [
        operand.name if isinstance(operand, Entry) else value_text(operand.value)
        for operand in entry.operands
    ]
    operands += [f"{name}={_static(given)}" for name, given in entry.parameters.items()]
    place = entry.place
    key = (entry.primitive.name, None if place is None else (place.code, place.number))
    return Step(entry.name, entry.primitive.name, tuple(operands), value, gradient, key)


def _static(given: Any) -> str:
    text = value_text(given) if isinstance(given, np.ndarray) else repr(given)
    return text if len(text) <= 40 else f"{text[:37]}..."


# Layer 4 holds the data, layer 5 shows it.
Trace.__str__ = trace_log  # type: ignore[method-assign, assignment]
