"""What a traced call gives is what the plain one gives: values, shapes, dtypes, kinds of tuples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import tree
from wengert.primitives.registry import REGISTRY

SAMPLES = [
    (entry, sample)
    for entry in REGISTRY.derived.values()
    for sample in entry.samples
    if sample.differentiable
]

# What says something about a trace instead of a value, or about memory.
ABOUT_TRACES = {"array_repr", "array_str", "shares_memory", "may_share_memory", "empty_like"}
# Before version 1.18 SciPy leaves what it finds in the other triangle.
OTHERWISE = {"cho_factor"}


def name(pair: Any) -> str:
    entry, sample = pair
    return f"{entry.name}({sample})"


@pytest.mark.filterwarnings("ignore:logm result may be inaccurate", "ignore:overflow encountered")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("pair", SAMPLES, ids=name)
def test_a_traced_call_gives_what_the_plain_one_gives(
    as_function: Any, pair: Any, dtype: Any
) -> None:
    entry, sample = pair
    if entry.name in ABOUT_TRACES | OTHERWISE:
        pytest.skip("has a value of its own")
    function, args = as_function(entry, sample)
    args = tuple(tree.map(lambda x: narrowed(x, dtype), arg) for arg in args)
    full = list(sample.args)
    for position, arg in zip(sample.differentiable, args, strict=True):
        full[position] = arg
    own = entry.function
    expected = (getattr(*own) if isinstance(own, tuple) else own)(*full, **sample.kwargs)
    found: list[Any] = []

    def traced(*sources: Any) -> Any:
        found.append(wg.stop_gradient(function(*sources)))
        return 0.0

    wg.vjp(traced, *args)
    is_numpys = not isinstance(own, np.ufunc) and "scipy" not in getattr(own, "__module__", "")
    # SciPy's functions in Python differ in what they make of single precision, by version too.
    dtypes = "fc" if is_numpys or dtype is np.float64 else ""
    compare(found[0], expected, 1e-11 if dtype is np.float64 else 1e-3, dtypes)


def narrowed(x: Any, dtype: Any) -> Any:
    """A drawn array in another dtype."""
    x = np.asarray(x)
    return x.astype(np.result_type(dtype, np.complex64)) if x.dtype.kind == "c" else x.astype(dtype)


def compare(found: Any, expected: Any, rtol: float, dtypes: str) -> None:
    if isinstance(expected, tuple | list):
        assert isinstance(found, tuple | list)
        assert len(found) == len(expected)
        for part, whole in zip(found, expected, strict=True):
            compare(part, whole, rtol, dtypes)
        return
    if expected is None or isinstance(expected, np.dtype | type | str):
        assert found == expected
        return
    assert np.shape(found) == np.shape(expected)
    found_dtype, dtype = np.asarray(found).dtype, np.asarray(expected).dtype
    assert found_dtype.kind == dtype.kind
    assert found_dtype == dtype or dtype.kind not in dtypes  # positions and ranks may differ
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
