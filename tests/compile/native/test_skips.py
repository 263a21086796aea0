"""Loops that add zeros are left out, and nobody can tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .programs import agree, program

SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0])


def masked(rows: int, turns: int, name: str, axis: int, after: Any) -> tuple[Any, Any]:
    """Sums of what a comparison, along the last axis the same, lets through."""
    x = np.random.default_rng(0).standard_normal((rows, 3, turns))
    x[1] = np.resize(SPECIAL, (3, turns))
    y = np.zeros((rows, 3, 1))
    y[0, 0], y[2], y[3, 1] = 1.0, 1.0, np.nan
    lines = [
        (name, (1, 1.0), {}),
        ("where", (2, 0, 0.0), {}),
        *after,
        ("sum", (2 + len(after) + 1,), {"axis": (axis,), "keepdims": False}),
    ]
    return program([x, y], lines, [2 + len(lines) - 1]), [x, y]


NEGATIVE = [("negative", (3,), {}), ("add", (4, 4), {})]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("after", [[], NEGATIVE], ids=["as it is", "negative"])
@pytest.mark.parametrize(
    ("name", "turns"),
    [("equal", 8), ("less", 8), ("less", 80), ("not_equal", 70)],
)
def test_sums_are_those_of_all_terms(name: str, turns: int, after: Any, axis: int) -> None:
    code, inputs = masked(40, turns, name, axis, after)
    agree(code, inputs, rtol=1e-12)


@pytest.mark.parametrize("primitive", ["prod", "max", "min"])
def test_zeros_count_in_other_reductions(primitive: str) -> None:
    x, y = np.random.default_rng(0).standard_normal((40, 3, 80)), np.ones((40, 3, 1))
    y[::2] = 0.0
    lines = [
        ("equal", (1, 1.0), {}),
        ("where", (2, 0, 0.0), {}),
        (primitive, (3,), {"axis": (0,), "keepdims": False}),
    ]
    agree(program([x, y], lines, [4]), [x, y])


def test_a_sum_beside_one_without_the_mask_is_whole() -> None:
    x, y = np.random.default_rng(0).standard_normal((40, 3, 8)), np.ones((40, 3, 1))
    y[::2] = 0.0
    lines = [
        ("equal", (1, 1.0), {}),
        ("where", (2, 0, 0.0), {}),
        ("sum", (3,), {"axis": (0,), "keepdims": False}),
        ("sum", (0,), {"axis": (0,), "keepdims": False}),
        ("where", (2, 0, 2.0), {}),
        ("sum", (6,), {"axis": (0,), "keepdims": False}),
    ]
    for outputs in ([4], [5], [4, 5], [7], [4, 7]):
        agree(program([x, y], lines, outputs), [x, y], rtol=1e-12)


@pytest.mark.parametrize("after", [[], NEGATIVE], ids=["as it is", "negative"])
def test_a_short_loop_is_skipped_where_equality_is_asked_for(after: Any) -> None:
    """The code has one more branch."""
    counts = []
    for name in ("equal", "less"):
        code, inputs = masked(40, 8, name, 0, after)
        counts.append(agree(code, inputs, rtol=1e-12).module.text.count("br i1 "))
    assert counts[0] == counts[1] + 1


def test_a_constant_mask() -> None:
    x = np.random.default_rng(0).standard_normal((40, 3, 80))
    lines = [
        ("where", (np.arange(3).reshape(3, 1) == 1, 0, 0.0), {}),
        ("sum", (1,), {"axis": (0,), "keepdims": False}),
        ("sum", (1,), {"axis": (2,), "keepdims": False}),
    ]
    agree(program([x], lines, [2, 3]), [x], rtol=1e-12)
