"""Every sample of the registry under vmap: the same as a Python loop over the batch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import tree
from wengert.primitives.registry import REGISTRY

SIZE = 3
# What vmap cannot do, and why.
NOT_BATCHED = {
    "the shape of the result depends on values": {
        "nonzero", "flatnonzero", "argwhere", "unique", "unique_values", "unique_positions",
        "where(normal[3, 4])", "trim_zeros", "roots", "poly", "polydiv", "real_if_close",
        "union1d", "intersect1d", "setdiff1d", "setxor1d", "unique_all", "unique_counts",
        "unique_inverse",
    },
    "the dtype of the result depends on values": {
        entry for entry in REGISTRY.derived if entry.startswith("emath.")
    },
    "the result is no array, or holds nothing": {
        "result_type", "common_type", "min_scalar_type", "array_repr", "array_str", "einsum_path",
        "empty_like",
    },
    "a sample outside its domain is an error": {"multigammaln"},
}  # fmt: skip
# NumPy asks other arguments only, or writes into the first, which is a plain array then.
FIRST_DECIDES = {
    "select", "full_like", "put", "put_along_axis", "place", "putmask", "copyto", "fill_diagonal",
}  # fmt: skip
EXCLUDED = frozenset().union(*NOT_BATCHED.values())


def name(pair: Any) -> str:
    entry, sample = pair
    return f"{entry.name}({sample})"


def _can_be_batched(pair: Any) -> bool:
    entry, sample = pair
    if not sample.differentiable:
        return False
    return entry.name not in EXCLUDED and name(pair) not in EXCLUDED


PAIRS = [pair for pair in REGISTRY.samples() if _can_be_batched(pair)]


def batched(args: Any) -> Any:
    """A batch of arguments near the sample's."""

    def near(x: Any) -> Any:
        x = np.asarray(x)
        return np.stack([x + np.asarray(0.001 * k, x.real.dtype) for k in range(SIZE)])

    return tuple(tree.map(near, arg) for arg in args)


def assert_same(found: Any, expected: Any) -> None:
    pairs = zip(tree.leaves(found), tree.leaves(expected), strict=True)
    for a, b in pairs:
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape
        assert a.dtype == b.dtype or a.dtype.kind == b.dtype.kind == "i"  # of LAPACK's ranks
        tolerance = 1e-12 if b.dtype.kind in "fc" else 0
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def looped(function: Any, batch: Any) -> Any:
    """The function applied to one element of the batch after the other, stacked."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        outs = [function(*tree.map(lambda x, k=k: x[k], batch)) for k in range(SIZE)]
    leaves = [tree.leaves(out) for out in outs]
    return [np.stack(group) for group in zip(*leaves, strict=True)]


def vmapped(function: Any, batch: Any, in_axes: Any = 0) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return wg.vmap(function, in_axes)(*batch)


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_vmap_agrees_with_a_loop(as_function: Any, pair: Any) -> None:
    function, args = as_function(*pair)
    batch = batched(args)
    assert_same(vmapped(function, batch), looped(function, batch))


SEVERAL = [(e, s) for e, s in PAIRS if len(s.differentiable) > 1 and e.name not in FIRST_DECIDES]


@pytest.mark.parametrize("pair", SEVERAL, ids=name)
@pytest.mark.parametrize("mapped", [0, 1])
def test_vmap_over_one_argument_only_agrees_with_a_loop(
    as_function: Any, pair: Any, mapped: int
) -> None:
    function, args = as_function(*pair)

    def partly(source: Any) -> Any:
        return function(*args[:mapped], source, *args[mapped + 1 :])

    batch = batched(args)[mapped : mapped + 1]
    assert_same(vmapped(partly, batch), looped(partly, batch))


SMOOTH = [
    (e, s) for e, s in PAIRS if s.max_order and getattr(e, "family", "") != "locally constant"
]


@pytest.mark.parametrize("pair", SMOOTH, ids=name)
def test_vmap_of_a_gradient_agrees_with_a_loop(as_function: Any, pair: Any) -> None:
    function, args = as_function(*pair)

    def total(*sources: Any) -> Any:
        parts = tree.leaves(function(*sources))
        return sum(np.sum(np.real(part) ** 2) for part in parts)

    gradient = wg.grad(total, tuple(range(len(args))))
    batch = batched(args)
    found, expected = vmapped(gradient, batch), looped(gradient, batch)
    for a, b in zip(tree.leaves(found), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
