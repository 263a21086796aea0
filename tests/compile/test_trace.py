"""Tracing: what is recorded holds for other numbers than those it was traced with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.compile.agreement import assert_same
from tests.compile.programs import CASES, Case
from tests.compile.samples import DRAWN, SMOOTH, function_of, named, pulled_back
from tests.tape.test_programs import PROGRAMS, A
from tests.transforms.test_random_programs import programs, run
from tests.transforms.test_structural_zeros import CASES as KINKS

import wengert as wg
from wengert import tree
from wengert.compile.api import compile as compiled


def name(case: Any) -> str:
    return str(case.function.__name__)


def _jvp(f: Any) -> Any:
    return lambda x: wg.jvp(f, (x,), (np.cos(np.arange(np.size(x)).reshape(np.shape(x))) * 1.0,))


@pytest.fixture(autouse=True)
def _interpreted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_COMPILE", "interpret")  # native code has tests of its own


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "value": lambda f: f,
    "grad": wg.grad,
    "value_and_grad": wg.value_and_grad,
    "jvp": _jvp,
    "jacobian": wg.jacobian,
    "hessian": wg.hessian,
    "vmap of grad": lambda f: lambda x: wg.vmap(wg.grad(f))(np.stack([x, np.multiply(x, 1.0)])),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("case", CASES, ids=name)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # logarithms of zero
@pytest.mark.filterwarnings("ignore::wengert.errors.DisconnectedWarning")
def test_a_compiled_function_agrees_with_the_function_on_new_arguments(
    case: Case, transform: str
) -> None:
    if transform != "value" and not case.is_scalar:
        pytest.skip("it has no gradient")
    function = TRANSFORMS[transform](case.function)
    expected = [_outcome(function, call) for call in case.calls]
    one = compiled(function)
    for call, result in zip([*case.calls, *case.calls], [*expected, *expected], strict=True):
        found = _outcome(one, call)
        if isinstance(result, Exception):
            assert type(found) is type(result), found
        elif isinstance(found, Exception):
            raise found
        else:
            assert_same(found, result)


def _outcome(function: Any, call: Any) -> Any:
    try:
        return function(*call)
    except Exception as error:
        return error


# ------------------------------------------------------------------------- all primitives at once

# What NumPy returns and our definition gives differ in kind: a number, or an array without axes.
KINDS = {"nanquantile"}


def _numbers_only(found: Any) -> Any:
    return tree.map(_as_complex, found)


def _as_complex(x: Any) -> Any:
    return np.asarray(x, complex) if np.asarray(x).dtype.kind in "biufc" else x


def _agree(function: Any, calls: Sequence[Any], kind_differs: bool) -> None:
    one = compiled(function)
    for call in [*calls, *calls]:
        expected = _outcome(function, call)
        if isinstance(expected, Exception):
            continue  # other numbers than those of the sample may not suit
        found = one(*call)
        if kind_differs:
            expected, found = _numbers_only(expected), _numbers_only(found)
        assert_same(found, expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pair", DRAWN, ids=named)
def test_a_primitive_traced_at_one_value_holds_at_another(pair: Any) -> None:
    function, calls = function_of(pair)
    _agree(function, calls, pair[0].name in KINDS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pair", SMOOTH, ids=named)
def test_a_backward_sweep_traced_at_one_value_holds_at_another(pair: Any) -> None:
    function, calls = function_of(pair)
    _agree(pulled_back(function), calls, pair[0].name in KINDS)


# ----------------------------------------------------------- programs and kinks of other tests


@pytest.mark.parametrize("transform", ["value", "grad", "jvp"])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: str(p.__name__))
def test_programs_that_fill_arrays_in_loops(program: Any, transform: str) -> None:
    def summed(a: Any) -> Any:
        return np.sum(np.sin(program(a)))

    function = TRANSFORMS[transform](program if transform == "value" else summed)
    one = compiled(function)
    for a in (A, A.T.copy(), 0.5 * A + 1, -A, A):
        assert_same(one(a), function(a))


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::wengert.errors.DisconnectedWarning")
@pytest.mark.parametrize("inner", [None, "grad", "jvp"])
@pytest.mark.parametrize("outer", ["grad", "jvp"])
@pytest.mark.parametrize("case", KINKS.values(), ids=KINKS)
def test_structural_zeros_do_not_depend_on_the_numbers_traced_with(
    case: Any, outer: str, inner: str | None
) -> None:
    function = case.function if inner is None else DERIVATIVES[inner](case.function)
    function = DERIVATIVES[outer](function)
    one = compiled(function)
    for x in (0.7, case.x, 2.5, case.x):
        assert_same(one(x), function(x))


DERIVATIVES: dict[str, Any] = {
    "grad": wg.grad,
    "jvp": lambda f: lambda x: wg.jvp(f, (x,), (1.0,))[1],
}


def test_masks_are_recorded_only_where_a_singular_partial_meets_a_selection() -> None:
    def network(x: Any, w: Any) -> Any:
        return np.sum(np.tanh(np.maximum(x @ w, 0) @ w) ** 2)

    def singular(x: Any, w: Any) -> Any:
        return np.sum(np.where(x > 0, np.log(x), x) @ w)

    x, w = np.ones((3, 4)), np.ones((4, 4))
    for f, has_masks in ((network, False), (singular, True)):
        one = compiled(wg.grad(f))
        one(x, w)
        (entry,) = one._entries.values()
        (path,) = entry.paths
        names = [op.primitive.name for op in path.program.ops]
        assert (names.count("where") > names.count("not_equal") > 0) is has_masks


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(programs(), st.integers(0, 2**32 - 1))
def test_random_programs(steps: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def f(x: Any) -> Any:
        return run(steps, x)

    for function in (f, wg.value_and_grad(f), _jvp(f), lambda x: wg.hvp(f, x, np.cos(x))):
        one = compiled(function)
        for _ in range(3):
            x = rng.normal(size=(3, 4))
            assert_same(one(x), function(x))
        assert len(one.paths) == 1
