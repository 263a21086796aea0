"""vmap over integers: they index plain arrays, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import wengert as wg
from wengert.errors import BatchError, UnsupportedFunctionError

PLAIN = np.arange(12.0).reshape(4, 3)
SINGLE = np.array([0, 2, 1, 3, 3])
SEVERAL = np.array([[0, 1], [2, 3]])


@pytest.mark.parametrize(
    ("f", "indices"),
    [
        (lambda i: np.take(PLAIN, i, axis=0), SINGLE),
        (lambda i: np.take(PLAIN, i, axis=0), SEVERAL),
        (lambda i: np.take(PLAIN, i), SINGLE),
        (lambda i: np.take([1.0, 2.0, 3.0, 4.0], i), SINGLE),
        (lambda i: np.take(PLAIN, indices=i, axis=1, mode="clip"), SINGLE),
        (lambda i: np.array(PLAIN)[i], SINGLE),
        (lambda i: np.array(PLAIN)[:, i % 3], SINGLE),
        (lambda i: np.take_along_axis(PLAIN, i[:, None], axis=0), SEVERAL),
        (lambda i: np.eye(4)[i], SINGLE),
        (lambda i: np.choose(i, [1.0, 2.0, 3.0, 4.0]), SINGLE),
        (lambda i: np.bincount(i, minlength=4), SEVERAL),
        (lambda i: np.bincount(i, weights=np.array([0.5, 2.0]), minlength=4), SEVERAL),
    ],
)
def test_indices_are_batched(f: Callable[[Any], Any], indices: Any) -> None:
    assert_array_equal(wg.vmap(f)(indices), np.stack([f(i) for i in indices]))


def test_the_gradient_of_a_table_by_index_is_batched() -> None:
    def gradient(i: Any) -> Any:
        return wg.grad(lambda table: np.sum(np.take(table, i, axis=0) ** 2))(PLAIN)

    assert_array_equal(wg.vmap(gradient)(SINGLE), np.stack([gradient(int(i)) for i in SINGLE]))


@pytest.mark.parametrize(
    "f",
    [
        lambda i: PLAIN[i],
        lambda i: PLAIN[i, 0],
        lambda i: PLAIN[i > 1],
        lambda i: PLAIN.take(i, axis=0),
        lambda i: [1.0, 2.0, 3.0, 4.0][i],
    ],
)
@pytest.mark.parametrize("indices", [SINGLE, SEVERAL])
def test_what_only_takes_plain_integers_names_the_remedy(
    f: Callable[[Any], Any], indices: Any
) -> None:
    with pytest.raises((BatchError, TypeError), match=r"np\.take\(|list indices must be"):
        wg.vmap(f)(indices)


def test_errors_of_numpy_are_explained() -> None:
    with pytest.raises(UnsupportedFunctionError, match=r"numpy\.nditer"):
        wg.vmap(lambda x: sum(e for e in np.nditer(x)))(PLAIN)
