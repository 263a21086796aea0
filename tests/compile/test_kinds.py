"""What compiled functions return is of the type, dtype and shape that plain ones return.

Of every sample of the registry, of value and derivatives, of NumPy's numbers, arrays without axes
and Python's numbers; by the interpreter, as kinds are those of the trace.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tests.compile.samples import ALL, SMOOTH, function_of, named, pulled_back, pushed_forward

import wengert as wg
from wengert import tree
from wengert.compile.api import compile as compiled
from wengert.errors import TargetTypeError

# Compiled by itself, np.copy is not called from user code: nobody sees that it takes a number.
_NOT_OF_NUMBERS = ("copy",)
_HOLDERS: dict[str, Any] = {
    "as drawn": lambda x: x,
    "an array": np.asarray,
    "Python's": lambda x: np.asarray(x).item(),
}


@pytest.fixture(autouse=True)
def _interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_COMPILE", "interpret")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pair", ALL, ids=named)
def test_of_every_sample(pair: Any) -> None:
    function, calls = function_of(pair)
    transforms = [lambda f: f, *([pulled_back, pushed_forward] if pair in SMOOTH else [])]
    for arguments in _held(calls[0], pair[0].name):
        for transform in transforms:
            plain = transform(function)
            try:
                expected = plain(*arguments)
            except (AttributeError, TargetTypeError):  # of arrays only; of whole numbers
                continue
            assert _kinds(compiled(plain)(*arguments)) == _kinds(expected)


def _held(arguments: tuple[Any, ...], name: str) -> list[tuple[Any, ...]]:
    """The arguments, with what has no axes held in each way."""
    are_numbers = [not isinstance(x, list | tuple) and np.shape(x) == () for x in arguments]
    holders = [_HOLDERS["as drawn"]]
    if any(are_numbers) and name not in _NOT_OF_NUMBERS:
        holders = list(_HOLDERS.values())
    pairs = list(zip(arguments, are_numbers, strict=True))
    return [tuple([hold(x) if is_number else x for x, is_number in pairs]) for hold in holders]


def _kinds(result: Any) -> Any:
    leaves, structure = tree.flatten(result)
    return structure, [
        (type(x), getattr(x, "dtype", None), getattr(x, "shape", None)) for x in leaves
    ]


_OF_A_NUMBER: list[Any] = [
    lambda x: x.conjugate(),
    lambda x: np.conjugate(x),
    lambda x: (x.real, x.imag),
    lambda x: np.array(x),
    lambda x: np.asarray(x) * 2,
    lambda x: np.asanyarray(x),
    lambda x: np.ascontiguousarray(x),
    lambda x: np.asfortranarray(x),
    lambda x: np.copy(x),
    lambda x: np.require(x),
    lambda x: np.array(x, dtype=np.complex64),
    lambda x: np.array(x, ndmin=1),
    lambda x: np.asarray(x, complex),
    lambda x: np.linalg.norm(x),
    lambda x: np.nan_to_num(x),
    lambda x: np.isreal(x),
    lambda x: np.iscomplex(x),
    lambda x: np.asarray(x).item(),
    lambda x: np.array([x, 1.0]).tolist(),
    lambda x: np.array([x, 1.0]).item(1) * np.float32(2),
    lambda x: np.array([x], np.complex64).item() * np.float32(3),
    lambda x: np.append([x], x),
    lambda x: np.correlate([x, 1.0], [x]),
    lambda x: np.delete([x, 1.0], 0),
    lambda x: np.fft.fft([x, 1.0]),
    lambda x: np.trapezoid([x, 1.0]),
    lambda x: np.unique([x, x]),
]
_OF_A_REAL_NUMBER: list[Any] = [
    lambda x: [round(x, n) for n in (0, 1, 2)],
    lambda x: x.is_integer(),
    lambda x: np.histogram([x, x], 3),
    lambda x: np.histogram([x, 1.0], 3),
    lambda x: np.bincount([0, 1], [x, x]),
    lambda x: np.asarray(x, np.float32),
    lambda x: [1, 2, 3, 4][int(x)] * x,
]
_NUMBERS = [2.675, np.float64(2.675), np.float32(0.5), 2.0]


@pytest.mark.parametrize("number", [*_NUMBERS, 2.0 - 1.0j, np.complex64(1j)], ids=repr)
@pytest.mark.parametrize("function", _OF_A_NUMBER, ids=range(len(_OF_A_NUMBER)))
def test_of_functions_of_a_number(function: Any, number: Any) -> None:
    _same(function, number)


@pytest.mark.parametrize("number", _NUMBERS, ids=repr)
@pytest.mark.parametrize("function", _OF_A_REAL_NUMBER, ids=range(len(_OF_A_REAL_NUMBER)))
def test_of_functions_of_a_real_number(function: Any, number: Any) -> None:
    _same(function, number)


def _same(function: Any, number: Any) -> None:
    expected = function(number)
    one = compiled(function)
    for _ in range(2):
        found = one(number)
        assert _kinds(found) == _kinds(expected)
        for x, y in zip(tree.leaves(found), tree.leaves(expected), strict=True):
            assert_array_equal(x, y)


def test_of_tangents_of_numbers_that_are_computed_as_arrays() -> None:
    x = np.arange(6.0).reshape(2, 3)
    for f in (np.max, np.nanmax, np.nanmin, lambda x: np.where(x[0, 0] > 0, x[0, 1], 2.0)):
        plain = lambda x, f=f: wg.jvp(f, (x,), (np.ones_like(x),))  # noqa: E731
        _, tangent = plain(x)
        assert type(tangent) is np.float64
        assert _kinds(compiled(plain)(x)) == _kinds(plain(x))


def test_weights_that_sum_to_zero_are_an_error_compiled_too() -> None:
    one = compiled(lambda x, w: np.average(x, weights=w))
    assert one(np.ones(2), np.array([1.0, 2.0])) == 1.0
    with pytest.raises(ZeroDivisionError, match="Weights sum to zero"):
        one(np.ones(2), np.array([1.0, -1.0]))
