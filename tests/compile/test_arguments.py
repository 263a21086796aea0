"""What goes into a compiled function: what it changes, what is static, messages; pickling."""

from __future__ import annotations

import copy
import operator
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.errors import ArgumentError, CompileWarning, LostDerivativeError


def _in_place(u: Any) -> Any:
    u[1:-1] += u[2:]
    return u


def _through_a_view(u: Any) -> None:
    u.reshape(-1)[0] = 7.0


def _of_a_dict(u: Any) -> None:
    u["w"] = u["w"] * 2


def _into_a_dict(u: Any) -> None:
    u["new"] = 1.0


def _into_a_list(u: Any) -> None:
    u.append(1.0)


@dataclass
class Model:
    w: Any


def _of_a_dataclass(u: Any) -> None:
    u.w = u.w + 1


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (_in_place, np.arange(4.0)),
        (_through_a_view, np.ones((2, 2))),
        (_of_a_dict, {"w": np.ones(2)}),
        (_into_a_dict, {"w": np.ones(2)}),
        (_into_a_list, [1.0, 2.0]),
        (_of_a_dataclass, Model(np.ones(2))),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_a_function_that_changes_an_argument_warns_once(function: Any, argument: Any) -> None:
    before = copy.deepcopy(argument)
    one = wg.compile(lambda x, u: (x, function(u))[0])
    with pytest.warns(CompileWarning, match="writes into its argument u. Compiled, it") as seen:
        one(1.0, argument)
    one(np.float64(1.0), argument)
    assert len(seen) == 1
    assert repr(argument) == repr(before)


def test_a_copy_or_a_new_name_is_no_change_of_an_argument() -> None:
    def f(u: Any, p: Any) -> Any:
        u = u.copy()
        u[0] = 1.0
        u += 1
        p = dict(p)
        p["w"] = u * 2
        s = p["s"]
        s += 1.0
        return u, p, s

    one = wg.compile(f)
    found, expected = (g(np.zeros(3), {"w": 0.0, "s": 1.0}) for g in (one, f))
    assert_array_equal(found[0], expected[0])
    assert found[2] == expected[2]


def test_derivatives_of_functions_that_write_into_their_argument_do_not_warn() -> None:
    gradient = wg.compile(wg.grad(lambda u: np.sum(_in_place(u) ** 2)))
    assert_allclose(gradient(np.arange(4.0)), wg.grad(lambda u: np.sum(_in_place(u) ** 2))(
        np.arange(4.0)))  # fmt: skip


@pytest.mark.parametrize("value", [[1], np.ones(2), {"a": 1}])
def test_a_static_argument_that_cannot_be_hashed_is_named(value: Any) -> None:
    one = wg.compile(lambda x, options: x, static_argnames="options")
    with pytest.raises(ArgumentError, match=r"options, a static argument of .*cannot be hashed"):
        one(1.0, value)


def test_an_argument_of_another_kind_is_named() -> None:
    one = wg.compile(lambda x, rest: x)
    with pytest.raises(ArgumentError, match=r"with a set \(\{1\}\) as rest\['a'\]"):
        one(1.0, {"a": {1}})
    with pytest.raises(ArgumentError, match=r"datetime64.* as x"):
        one(np.array(["2020"], "M8[Y]"), 1.0)


def test_options_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"was given 3 \(int\), which cannot be called"):
        wg.compile(3)
    with pytest.raises(ArgumentError, match=r"static_argnums=2 is no position of <lambda> \(x, n"):
        wg.compile(lambda x, n: x, static_argnums=2)
    for budget in ({"max_paths": 0}, {"max_entries": 0}, {"max_seconds": -1.0}):
        with pytest.raises(ArgumentError, match="allows nothing"):
            wg.compile(lambda x: x, **budget)
    assert wg.compile(lambda *x: x[0], static_argnums=7)(1.0) == 1.0
    assert wg.compile(lambda x, **more: x, static_argnames="n")(1.0, n=[].__len__) == 1.0


HELD = np.zeros(2)


def test_writing_a_traced_value_into_an_array_from_outside_says_what_to_do() -> None:
    def f(x: Any) -> Any:
        HELD[0] = x
        return HELD

    with pytest.raises(LostDerivativeError, match="make an array that is filled inside"):
        wg.compile(f)(1.0)


def test_shifts_of_whole_numbers() -> None:
    def f(a: Any, b: Any) -> Any:
        a = a * 1
        a <<= 1
        return a << 2, a >> b, 1 << b, operator.rshift(100, b)

    for args in ((np.array([1, 5]), np.array([2, 0])), (np.int64(3), np.int64(1))):
        for found, expected in zip(wg.compile(f)(*args), f(*args), strict=True):
            assert_array_equal(found, expected)


# ------------------------------------------------------------------------ sizes that depend on data


@pytest.mark.parametrize(
    ("function", "calls"),
    [
        (np.bincount, [([0, 2], [1.0, 2.0]), ([0, 5], [1.0, 2.0]), ([1, 1], [1.0, 2.0])]),
        (lambda x: np.bincount(x, minlength=4), [([0, 2],), ([0, 5],), ([3, 3],)]),
        (np.delete, [([1.0, 2.0, 3.0], [0, 1]), ([1.0, 2.0, 3.0], [1, 1])]),
        (np.delete, [([1.0, 2.0], [True, False]), ([1.0, 2.0], [True, True])]),
        (lambda x, i: np.insert(x, i, 9.0), [([1.0, 2.0], [0, 2]), ([1.0, 2.0], [1, 1])]),
        (
            lambda a, b: np.linalg.lstsq(a, b, rcond=None),
            [
                ([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]], [1.0, 2.0, 3.0]),
                ([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], [1.0, 2.0, 3.0]),
            ],
        ),
    ],
    ids=["weighted counts", "counts", "delete", "delete by mask", "insert", "least squares"],
)
def test_a_size_that_depends_on_data_is_a_decision(function: Any, calls: Any) -> None:
    one = wg.compile(lambda *args: function(*args))
    for _ in range(2):
        for call in calls:
            arrays = [np.array(x) for x in call]
            found, expected = one(*arrays), function(*arrays)
            pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [
                (found, expected)]  # fmt: skip
            for x, y in pairs:
                assert np.shape(x) == np.shape(y)
                assert_allclose(x, y, atol=1e-12)


# ----------------------------------------------------------------------------------------- pickling


@wg.compile
def decorated(x: Any) -> Any:
    return x * 2.0


def plain(x: Any, n: int) -> Any:
    return x**n


def test_compiled_functions_are_pickled_and_compiled_anew() -> None:
    assert decorated(1.0) == 2.0
    assert pickle.loads(pickle.dumps(decorated)) is decorated
    one = wg.compile(plain, static_argnames="n", max_paths=7, fastmath=True)
    assert one(2.0, n=3) == 8.0
    other = pickle.loads(pickle.dumps(one))
    assert other is not one
    assert other.signatures == []
    assert other(2.0, n=3) == 8.0
    assert (other._budget.max_paths, other._options.fastmath) == (7, True)
    assert other._signature.names == ("n",)


def test_a_copy_of_a_compiled_function_is_the_function() -> None:
    assert decorated(3.0) == 6.0
    assert copy.copy(decorated) is decorated
    assert copy.deepcopy({"f": decorated})["f"] is decorated


# ------------------------------------------------------------------------------------------ methods


class Doubler:
    @wg.compile
    def double(self, x: Any) -> Any:
        return x * 2.0


def test_a_compiled_method_is_bound_as_one_and_can_be_asked() -> None:
    one = Doubler()
    assert one.double(1.5) == 3.0
    assert one.double.__self__ is one
    assert "double: 1 compiled path" in one.double.report()
    assert one.double.signatures == Doubler.double.signatures


def test_a_path_that_there_is_not_has_no_source() -> None:
    assert decorated(1.0) == 2.0
    with pytest.raises(ArgumentError, match="no path 9"):
        decorated.to_source(9)
