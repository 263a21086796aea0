"""Constant arrays that are a diagonal: never read from memory, and as good as if they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wengert.compile.diagonals import diagonal
from wengert.primitives.taking import HOLE
from wengert.tape.columns import Constant

from .programs import agree, program


def with_one(array: np.ndarray, place: tuple[int, ...], number: float) -> np.ndarray:
    array = array.copy()
    array[place] = number
    return array


EYE = np.eye(20)
DIAGONALS: dict[str, Any] = {
    "eye": EYE,
    "columns": EYE[:, :-1],
    "shifted": EYE[:, 1:],
    "rows": EYE[3:],
    "scaled": -2.5 * EYE[:, ::-1][:, ::-1] + 0.0,
    "axes": EYE[:, None, :, None],
    "integers": np.eye(18, 20, 1, dtype=np.int32),
    "booleans": np.eye(20, 18, -2, dtype=bool),
    "infinite": np.where(EYE == 1, np.inf, 0.0),
    "one less at the end": with_one(EYE, (19, 19), 0.0),
    "part": np.where((np.arange(20) > 11) & (np.arange(20) < 15), EYE, 0.0),
    "part of the columns": np.where(np.arange(20) < 4, EYE, 0.0)[:, 1:],
    "one place": np.where(EYE[:, :1] * EYE[:1] == 1, 3.0, 0.0),
}
OTHERS: dict[str, Any] = {
    "one more": with_one(EYE, (7, 9), 1.0),
    "one less": with_one(EYE, (7, 7), 0.0),
    "another": with_one(EYE, (7, 7), 2.0),
    "negative zero": with_one(EYE, (7, 9), -0.0),
    "nan": np.where(EYE == 1, np.nan, 0.0),
    "reversed": EYE[::-1],
    "zeros": np.zeros((20, 20)),
    "cube": np.ones((8, 8, 8)),
    "complex": EYE + 0j,
}


@pytest.mark.parametrize("name", [*DIAGONALS, *OTHERS])
def test_what_is_a_diagonal(name: str) -> None:
    array = (DIAGONALS | OTHERS)[name]
    assert (diagonal(Constant(array)) is not None) == (name in DIAGONALS)


@pytest.mark.parametrize("name", [*DIAGONALS, *OTHERS])
def test_diagonals_are_not_in_memory_and_give_what_the_array_gives(name: str) -> None:
    array = (DIAGONALS | OTHERS)[name]
    x = np.random.default_rng(0).standard_normal(array.shape[-1])
    order = tuple(range(array.ndim))[::-1]
    lines = [
        ("multiply", (array, 0), {}),
        ("transpose", (1,), {"axes": order}),
        ("sum", (1,), {"axis": (0,), "keepdims": False}),
    ]
    native = agree(program([x], lines, [2, 3]), [x], rtol=1e-12)
    held = [c.shape for c in native.module.memory.constants]
    assert held == ([array.shape] if name in OTHERS and name not in ("zeros", "cube") else [])


def test_a_diagonal_at_places_that_an_array_holds() -> None:
    """The row is known when the code runs; the diagonal is written into an array, and cut."""
    x, places = np.arange(20.0), np.array([4, 0, 19, 4])
    lines = [
        ("gather", (EYE, 1), {"template": (HOLE, slice(None))}),
        ("multiply", (2, 0), {}),
        ("multiply", (EYE[:, 1:], 3.0), {}),
        ("write", (EYE, 4), {"path": (("getitem", np.s_[:, :-1]),), "add": True}),
        ("add", (5, 0), {}),
    ]
    agree(program([x, places], lines, [3, 5, 6]), [x, places])
