"""Tapes as text: the article's log, forwards with values, then backwards with gradients.

Both the article's tape of nodes and `wg.trace` come here as `Step`s. The one difficulty is
length: a stretch of steps that repeats (a loop of the user's) is shown once, with the number of
times.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.errors import Line
from wengert.primitives.adjoints import Like, like_of
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import read, write
from wengert.show.paths import read_text, write_text
from wengert.show.values import value_text
from wengert.tape.array import concrete
from wengert.tape.columns import Place
from wengert.transforms.trace import Entry, Trace

_LONGEST = 200  # steps of a stretch that is looked for
_FEWEST = 4  # times a stretch must repeat to be folded
_WIDE, _WIDER = 60, 110  # characters; longer lines do not push what stands beside the others
_TIMES = "\N{MULTIPLICATION SIGN}"


class Step(NamedTuple):
    """One line of a tape: an input if it has no operation."""

    name: str
    operation: str = ""
    operands: tuple[str, ...] = ()
    value: Any = None
    gradient: Any = None
    key: Hashable = None  # equal for steps that one place in user code makes; None for no other
    text: str = ""  # in place of ``operation(operands)``

    @property
    def expression(self) -> str:
        """What the step computes."""
        return self.text or f"{self.operation}({', '.join(self.operands)})"


class Stretch(NamedTuple):
    """Steps from `start`, `length` of them, that come `times` times one after the other."""

    start: int
    length: int
    times: int


def log(
    steps: Sequence[Step], word: str = "gradient", notes: Sequence[tuple[str, str]] = ()
) -> str:
    """The log of a tape: each step with its value, then each with its gradient, last first.

    Parameters
    ----------
    steps : sequence of Step
        In forward order. Steps without operation are not numbered.
    word : str
        What the derivative of the target is called: ``gradient`` or ``adjoint``.
    notes : sequence of (str, str), optional
        What more there is to say of each step, in columns of their own: its shape, its line.
    """
    numbers = _numbers(steps)
    forward = _aligned(_forward(steps, numbers))
    for column in zip(*notes, strict=True):
        shown = [column[k] if k is not None else "" for k in _forward_order(steps)]
        forward = _aligned(zip(forward, shown, strict=True), _WIDER)
    lines = ["forward", *forward]
    if any(step.gradient is not None for step in steps):
        lines += ["backward", *_aligned(_backward(steps, numbers, word))]
    return "\n".join(lines)


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
            arrow = f"-> {text}" if text else ""
            yield f"{numbers[k]}{step.name} = {step.expression}", arrow
        yield from _folded(stretch, numbers[stretch.start + stretch.length * stretch.times - 1])


def _forward_order(steps: Sequence[Step]) -> Iterator[int | None]:
    """Which step each line of the forward part shows; None for one that stands for many."""
    for stretch in stretches([step.key for step in steps]):
        yield from range(stretch.start, stretch.start + stretch.length)
        if stretch.times > 1:
            yield None


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


def _aligned(pairs: Iterable[tuple[str, str]], widest: int = _WIDE) -> list[str]:
    rows = list(pairs)
    width = max((len(left) for left, right in rows if right and len(left) <= widest), default=0)
    return [f"{left:<{width}}  {right}".rstrip() for left, right in rows]


def note_of(value: Any, line: Line | None, like: Like | None = None) -> tuple[str, str]:
    """Shape and dtype of a value, and of a large array the range; and the user's line.

    `like` is what a value is like that was not kept.
    """
    value, parts = concrete(value), []
    if like is None and value is not None and not isinstance(value, tuple):
        like = like_of(value)
    if like is not None:
        form = f"{like.dtype}{list(like.shape)}"
        told = "" if form == value_text(value) else form
        parts = [part for part in (told, _range_text(value)) if part]
    return "  ".join(parts), "" if line is None else str(line)


def _range_text(value: Any) -> str:
    """From where to where the elements of a large array go."""
    if not isinstance(value, np.ndarray) or value.size <= 6 or value.dtype.kind not in "fiu":
        return ""
    return f"from {np.min(value):.4g} to {np.max(value):.4g}"


def stretches(keys: Sequence[Hashable], longest: int = _LONGEST) -> Iterator[Stretch]:
    """Divide a sequence into stretches that repeat and single elements; None repeats nothing."""
    following = _next_equal(keys)
    start, count = 0, len(keys)
    while start < count:
        best = Stretch(start, 1, 1)
        at = following[start]
        for _ in range(4):  # a key may occur several times within one repetition
            length = at - start
            if at < 0 or length > longest:
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
    """The log of a recorded function, with shapes, dtypes and the user's lines."""
    places = [None if entry.is_input else entry.place for entry in trace.entries]
    notes = [
        note_of(entry.value, None if place is None else place.line)
        for entry, place in zip(trace.entries, places, strict=True)
    ]
    return log([step_of(entry) for entry in trace.entries], "adjoint", notes)


def step_of(entry: Entry) -> Step:
    """One entry of a recorded function as a line of its log."""
    primitive, parameters = entry.primitive, entry.parameters
    if primitive is None:
        return Step(entry.name, value=entry.value, gradient=entry.adjoint)
    operands = [
        operand.name if isinstance(operand, Entry) else value_text(operand.value)
        for operand in entry.operands
    ]
    return Step(
        entry.name,
        primitive.name,
        tuple(operands),
        entry.value,
        entry.adjoint,
        place_key(primitive.name, entry.place),
        expression_of(primitive, operands, parameters),
    )


def expression_of(
    primitive: Primitive, operands: Sequence[str], parameters: Mapping[str, Any]
) -> str:
    """An operation with its operands: ``multiply(x, y)``, ``x[1:]``."""
    if primitive is read:
        return read_text(operands[0], parameters["path"])
    if primitive is write:
        return write_text(operands[0], parameters["path"], operands[1], parameters["add"])
    # What NumPy does anyway is not said.
    told = {k: v for k, v in parameters.items() if not (k == "keepdims" and v is False)}
    static = [f"{name}={_static(given)}" for name, given in told.items()]
    return f"{primitive.name}({', '.join([*operands, *static])})"


def place_key(operation: Hashable, place: Place | None) -> Hashable:
    """Equal for steps of one operation that one instruction of user code makes, as a loop does."""
    return None if place is None else (operation, place.code, place.instruction)


def _static(given: Any) -> str:
    text = value_text(given) if isinstance(given, np.ndarray) else repr(given)
    return text if len(text) <= 40 else f"{text[:37]}..."


# Layer 4 holds the data, layer 5 shows it.
Trace.__str__ = trace_log  # type: ignore[method-assign, assignment]
