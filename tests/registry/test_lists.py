"""A nested list of traced numbers is taken wherever NumPy takes an array."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.primitives.registry import REGISTRY

PLACES = {"numpy": "np", "numpy.linalg": "np.linalg", "numpy.fft": "np.fft"}
# They write into a plain array, which is an error of its own.
WRITING = {"put", "put_along_axis", "place", "putmask", "copyto"}
# Of objects NumPy adds and multiplies without a mask only; the error says to write np.array([...]).
WITHOUT_MASK = {"sum", "prod"}


def cases() -> list[Any]:
    found = []
    for entry, sample in REGISTRY.samples():
        function = entry.function
        place = PLACES.get(getattr(function, "__module__", None) or "")
        is_public = place and not isinstance(function, tuple | np.ufunc)
        if not is_public or not hasattr(eval(place), function.__name__):
            continue
        if function.__name__ in WRITING or (
            entry.name in WITHOUT_MASK and "where" in sample.kwargs
        ):
            continue
        for position in sample.differentiable:
            value = sample.args[position]
            if isinstance(value, np.ndarray) and value.ndim and value.size and value.dtype == float:
                name = f"{place}.{function.__name__}"
                found.append(
                    pytest.param(name, sample, position, id=f"{name}({sample})-{position}")
                )
    return found


def total(result: Any) -> Any:
    if isinstance(result, tuple | list):
        return sum((total(part) for part in result), 0.0)
    kind = result.dtype.kind if hasattr(result, "dtype") else "f" if type(result) is float else ""
    return np.sum(np.real(result) if kind != "O" else result) if kind in "fcO" else 0.0


@pytest.mark.parametrize(("name", "sample", "position"), cases())
def test_lists_of_traced_numbers_are_taken(name: str, sample: Any, position: int) -> None:
    called = eval(f"lambda *args, **kwargs: {name}(*args, **kwargs)")

    def along(x: Any) -> Any:
        args = list(sample.args)
        args[position] = x
        return total(called(*args, **sample.kwargs)) + 0.0 * np.sum(np.array(x))

    value = sample.args[position]
    try:
        along(value.tolist())
    except (AttributeError, TypeError, ValueError):
        pytest.skip("NumPy itself takes no list here")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = wg.value_and_grad(along)(value)
        found = wg.value_and_grad(lambda x: along(x.tolist()))(value)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-10, atol=1e-12)
