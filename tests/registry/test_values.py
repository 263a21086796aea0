"""What a traced call gives is what the plain one gives: values, shapes, dtypes, kinds of tuples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.primitives.registry import REGISTRY

SAMPLES = [
    (entry, sample)
    for entry in REGISTRY.derived.values()
    for sample in entry.samples
    if sample.differentiable
]

# What says something about a trace instead of a value, or about memory.
ABOUT_TRACES = {"array_repr", "array_str", "shares_memory", "may_share_memory", "empty_like"}


def name(pair: Any) -> str:
    entry, sample = pair
    return f"{entry.name}({sample})"


@pytest.mark.parametrize("pair", SAMPLES, ids=name)
def test_a_traced_call_gives_what_the_plain_one_gives(as_function: Any, pair: Any) -> None:
    entry, sample = pair
    if entry.name in ABOUT_TRACES:
        pytest.skip("has a value of its own")
    function, args = as_function(entry, sample)
    own = entry.function
    expected = (getattr(*own) if isinstance(own, tuple) else own)(*sample.args, **sample.kwargs)
    found: list[Any] = []

    def traced(*sources: Any) -> Any:
        found.append(wg.stop_gradient(function(*sources)))
        return 0.0

    wg.vjp(traced, *args)
    compare(found[0], expected)


def compare(found: Any, expected: Any) -> None:
    if isinstance(expected, tuple | list):
        assert isinstance(found, tuple | list)
        assert len(found) == len(expected)
        for part, whole in zip(found, expected, strict=True):
            compare(part, whole)
        return
    if expected is None or isinstance(expected, np.dtype | type | str):
        assert found == expected
        return
    assert np.shape(found) == np.shape(expected)
    found_dtype, dtype = np.asarray(found).dtype, np.asarray(expected).dtype
    assert found_dtype == dtype or found_dtype.kind == dtype.kind == "i"  # positions, ranks
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
