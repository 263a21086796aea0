"""Results in parts, some of them not read: NumPy computes, of what lies as it wants it."""

from __future__ import annotations

import numpy as np
import pytest

from wengert.primitives.joining import part as PART

from .programs import agree, program

RNG = np.random.default_rng(2)
SVD = ("svd_of", (1,), {"full_matrices": False})


@pytest.mark.parametrize("wanted", [(0,), (2,), (0, 2), (2, 1), (0, 1, 2)])
@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 2, 0)])
def test_a_transposed_operand(wanted: tuple[int, ...], shape: tuple[int, ...]) -> None:
    a = RNG.normal(size=shape)
    parts = [(PART, (2,), {"position": k}) for k in wanted]
    lines = [("transpose", (0,), {"axes": (1, 0, 2)}), SVD, *parts]
    outputs = [3 + k for k in range(len(wanted))]
    agree(program([a], lines, outputs), [a], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("wanted", [(0,), (1,), (1, 0)])
def test_the_indices_of_one_axis(wanted: tuple[int, ...]) -> None:
    a = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    parts = [(PART, (2,), {"position": k}) for k in wanted]
    lines = [("transpose", (0,), {"axes": (1, 0)}), ("nonzero", (1,), {}), *parts]
    outputs = [3 + k for k in range(len(wanted))]
    agree(program([a], lines, outputs), [a])
