"""What tests of compiled functions share: results that agree, and calls from many threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from wengert import tree


def assert_same(found: Any, expected: Any) -> None:
    """The same trees, types, dtypes and shapes; numbers as close as their dtype lets them be."""
    leaves, structure = tree.flatten(found)
    others, other_structure = tree.flatten(expected)
    assert structure == other_structure
    for one, other in zip(leaves, others, strict=True):
        assert type(one) is type(other)
        if not isinstance(one, np.ndarray | np.generic | float | complex):
            assert one == other
            continue
        x, y = np.asarray(one), np.asarray(other)
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        if y.dtype.kind in "fc":
            scale = np.finfo(y.dtype).eps / np.finfo(float).eps
            assert_allclose(x, y, rtol=1e-10 * min(scale, 1e6), atol=1e-12 * min(scale, 1e7))
        else:
            assert_array_equal(x, y)


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Run ``work(k)`` in `count` threads at once."""
    threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
