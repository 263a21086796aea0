"""Lines of a picture: points with straight pieces and curves between them, as moves of a pen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

ROUND = 6.0  # radius of corners


class Step(NamedTuple):
    """One piece of a line, to a point: straight, or a curve that starts and ends level."""

    x: float
    y: float
    is_curve: bool = False


def commands(steps: Sequence[Step]) -> Iterator[tuple[str, tuple[float, ...]]]:
    """A line as moves of a pen: M to a point, L straight, C along a cubic, Q along a parabola."""
    yield "M", (steps[0].x, steps[0].y)
    x, y = steps[0].x, steps[0].y
    for k, step in enumerate(steps[1:], 1):
        if step.is_curve:
            middle = (x + step.x) / 2
            yield "C", (middle, y, middle, step.y, step.x, step.y)
            x, y = step.x, step.y
            continue
        following = steps[k + 1] if k + 1 < len(steps) else None
        if following is None or following.is_curve or not _is_corner((x, y), step, following):
            yield "L", (step.x, step.y)
            x, y = step.x, step.y
            continue
        before, after = _near(step, x, y), _near(step, following.x, following.y)
        yield "L", before
        yield "Q", (step.x, step.y, *after)
        x, y = after


def _is_corner(before: tuple[float, float], step: Step, after: Step) -> bool:
    return (before[0] == step.x) != (after.x == step.x)


def _near(step: Step, x: float, y: float) -> tuple[float, float]:
    """A point near a corner, on the way to another point."""
    length = abs(x - step.x) + abs(y - step.y)
    part = min(ROUND, length / 2) / length if length else 0.0
    return step.x + part * (x - step.x), step.y + part * (y - step.y)


def straightened(steps: list[Step]) -> list[Step]:
    """Without points on the way along a level line."""
    kept = steps[:1]
    for k, step in enumerate(steps[1:], 1):
        following = steps[k + 1] if k + 1 < len(steps) else None
        is_passed = (
            following is not None
            and not following.is_curve
            and kept[-1].y == step.y == following.y
            and not step.is_curve
        )
        if not is_passed and (step.x, step.y) != (kept[-1].x, kept[-1].y):
            kept.append(step)
    return kept
