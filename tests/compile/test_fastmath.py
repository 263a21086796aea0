"""``fastmath=True``: other rounding, the same NaN and infinity; and never a cache of the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg

X = np.random.default_rng(0).normal(size=1000)
ODD = np.array([np.nan, 1.0, np.inf, -np.inf, -2.0, 0.0])


def chain(x: Any) -> Any:
    return np.sum(x**3 * np.exp(x) * np.exp(-x * x) / (1 + x * x))


def test_it_takes_fewer_operations_and_rounds_otherwise() -> None:
    exact, fast = (wg.compile(wg.grad(chain), fastmath=f) for f in (False, True))
    assert_allclose(fast(X), exact(X), rtol=1e-12)
    (one,), (other,) = exact.paths, fast.paths
    assert other.native["flops"] < one.native["flops"]
    assert "simplify_fast" in {found.name for found in other.passes}


def test_sums_are_reassociated_only_then() -> None:
    """``(x + 1e16) - 1e16`` loses the last digits of x, which another order keeps."""

    def f(x: Any) -> Any:
        return (x + 1e16) - 1e16

    x = np.linspace(0.0, 1.0, 100)
    assert_array_equal(wg.compile(f)(x), f(x))
    assert_allclose(wg.compile(f, fastmath=True)(x), x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.where(np.isnan(x), 0.0, x),
        lambda x: np.where(np.isfinite(x), x, 7.0),
        lambda x: np.maximum(x, 0.0),
        lambda x: x - x,
        lambda x: x * 0.0,
        lambda x: x / x,
        np.max,
        np.sum,
        np.nansum,
        np.exp,
        lambda x: x != x,
    ],
    ids=range(11),
)
def test_what_is_not_finite_stays_so(function: Any) -> None:
    with np.errstate(all="ignore"):
        assert_allclose(wg.compile(function, fastmath=True)(ODD), function(ODD))


def test_code_on_disk_is_of_one_kind(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    names: list[set[str]] = []
    for fastmath in (False, True, False, True):
        before = {path.name for path in tmp_path.iterdir()}
        function = wg.compile(lambda x: (x + 1e16) - 1e16, fastmath=fastmath)
        found = function(np.full(3, 0.3))
        assert_allclose(found, 0.3 if fastmath else 0.0)
        names.append({path.name for path in tmp_path.iterdir()} - before)
    assert names[0]
    assert names[1]
    assert not names[2] | names[3]  # both were found
