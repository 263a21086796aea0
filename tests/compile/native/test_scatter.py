"""Additions to places that arrays name: what is added is computed first, chunks have own sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.primitives.taking import HOLE

from .programs import agree, program


def scattered(count: int, places: int, dtype: Any, *, add: bool = True, seed: int = 0) -> Any:
    """A program that adds the sines of `count` numbers to `places` sums, and its inputs."""
    rng = np.random.default_rng(seed)
    start = rng.standard_normal(places).astype(dtype)
    given = rng.standard_normal(count).astype(dtype)
    index = rng.integers(-places, places, count)
    lines = [
        ("sin", (1,), {}),
        ("multiply", (3, 1), {}),
        ("scatter", (0, 4, 2), {"template": (HOLE,), "add": add}),
    ]
    inputs = [start, given, index]
    return program(inputs, lines, [5]), inputs


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("places", [1, 7, 1000, 3000])
@pytest.mark.parametrize("count", [5, 63, 64, 49_999, 50_000, 64_001, 200_003])
def test_additions_agree_with_numpy(count: int, places: int, dtype: Any) -> None:
    code, inputs = scattered(count, places, dtype)
    native = agree(code, inputs, rtol=1e-11, atol=1e-10)
    is_shared = count >= max(50_000, 64 * places)
    assert ("@wg_parallel_for" in native.module.text) >= is_shared
    assert (".sum(" in native.module.text) == is_shared


def test_assignments_are_made_in_order() -> None:
    agree(*scattered(80_000, 100, np.float64, add=False))


def test_additions_of_rows_agree_with_numpy() -> None:
    rng = np.random.default_rng(1)
    start, index = rng.standard_normal((5, 3)), rng.integers(0, 5, 40_000)
    rows = rng.standard_normal((40_000, 3))
    lines = [("scatter", (0, 1, 2), {"template": (HOLE, slice(None)), "add": True})]
    agree(program([start, rows, index], lines, [3]), [start, rows, index], rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("places", [3, 900, 100_000])
def test_the_bits_are_the_same_for_any_number_of_threads(places: int) -> None:
    rng = np.random.default_rng(2)
    index, weights = rng.integers(0, places, 150_000), rng.standard_normal(150_000)
    x = rng.standard_normal(places)
    objective = lambda x, weights, index: np.sum(np.sin(x[index]) * weights)  # noqa: E731
    compiled = wg.compile(wg.grad(objective))
    before = wg.get_num_threads()
    found = []
    try:
        for threads in range(1, 9):
            wg.set_num_threads(threads)
            found.append(compiled(x, weights, index))
    finally:
        wg.set_num_threads(before)
    np.testing.assert_allclose(
        found[0], wg.grad(objective)(x, weights, index), rtol=1e-9, atol=1e-9
    )
    assert all(np.array_equal(found[0], other) for other in found[1:])


def test_a_place_out_of_range_is_an_error_before_anything_is_added() -> None:
    compiled = wg.compile(wg.grad(lambda x, index: np.sum(x[index] ** 2)))
    x, index = np.ones(4), np.arange(60_000) % 4
    compiled(x, index)
    index[-1] = 4
    with pytest.raises(IndexError, match="4"):
        compiled(x, index)
