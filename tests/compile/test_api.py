"""The front door: signatures, trees, types, budgets, refusals; by the interpreter and natively."""

from __future__ import annotations

import dataclasses
import decimal
import random
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.compile.agreement import in_threads

import wengert as wg
from wengert.compile.api import compile as compiled
from wengert.errors import (
    ArgumentError,
    CapturedArrayError,
    CompileWarning,
    LostDerivativeError,
    MutationError,
    RandomDrawError,
    TargetTypeError,
    TraceEndedError,
)
from wengert.tape.levels import depth


@pytest.fixture(params=["interpret", "native"], autouse=True)
def _both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_COMPILE", request.param)


X = np.arange(3.0)


# ------------------------------------------------------------------------------------ signatures


def test_one_entry_for_each_signature() -> None:
    one = compiled(lambda x, n: x * n)
    for x, n in [(X, 2), (X + 1, 2), (X, 3), (X.astype(np.float32), 2), (1.5, 2), (np.ones(4), 2)]:
        expected = x * n
        assert_array_equal(one(x, n), expected)
        assert type(one(x, n)) is type(expected)
    assert len(one.signatures) == 5
    assert "x: float64[3], n=2" in one.signatures[0]


def test_python_numbers_and_numpy_scalars_are_told_apart() -> None:
    single = np.ones(2, np.float32)
    one = compiled(lambda x, y: x * y)
    assert one(2.0, single).dtype == np.float32
    assert one(np.float64(2.0), single).dtype == np.float64
    assert one(np.array(2.0), single).dtype == np.float64


def test_static_arguments_by_position_and_by_name() -> None:
    options = SimpleNamespace(power=3)

    class Frozen:
        power = 2

    by_position = compiled(lambda x, o: x**o.power, static_argnums=1)
    by_name = compiled(lambda x, o: x**o.power, static_argnames="o")
    frozen = Frozen()
    assert_array_equal(by_position(X, frozen), X**2)
    assert_array_equal(by_name(X, o=frozen), X**2)
    with pytest.raises(ArgumentError, match="SimpleNamespace"):
        by_position(X, options)


def test_floats_in_a_static_argument_are_constants() -> None:
    one = compiled(lambda x, shape: np.zeros(shape) + x, static_argnums=1)
    assert one(1.0, (2, 3)).shape == (2, 3)


@dataclasses.dataclass(frozen=True)
class Setting:
    scale: Any
    name: str = dataclasses.field(default="", compare=False)


@pytest.mark.parametrize(
    "values",
    [
        [1, 1.0, True, np.float64(1), np.int64(1), 1 + 0j],
        [0.0, -0.0],
        [np.float64(0.0), np.float64(-0.0), np.float32(0.0)],
        [(1, 2), (1.0, 2), (True, 2)],
        [(1, (0.0, "a")), (1, (-0.0, "a"))],
        [frozenset([1]), frozenset([1.0])],
        [Setting(1), Setting(1.0), Setting(True)],
        [Setting(0.0), Setting(-0.0)],
        [Setting((Setting(1),)), Setting((Setting(1.0),))],
        [decimal.Decimal("1.0"), decimal.Decimal("1.00")],
    ],
    ids=str,
)
@pytest.mark.parametrize("given", ["position", "name"])
def test_static_values_that_compare_equal_have_programs_of_their_own(
    values: list[Any], given: str
) -> None:
    made = []

    def f(x: Any, static: Any) -> Any:
        made.append(static)
        return x, repr(static)

    one = compiled(f, static_argnums=1, static_argnames="static")
    for _ in range(2):
        for value in values:
            found = one(X, value) if given == "position" else one(X, static=value)
            assert found[1] == repr(value)
    assert len(one.signatures) == len(made) == len(values)


def test_a_static_nan_is_found_again() -> None:
    one = compiled(lambda x, fill: np.full(2, fill) + x, static_argnums=1)
    for _ in range(3):
        one(1.0, float("nan"))
    assert len(one.signatures) == 1


def test_fields_that_a_static_dataclass_does_not_compare_do_not_matter() -> None:
    one = compiled(lambda x, setting: x * setting.scale, static_argnames="setting")
    one(X, setting=Setting(2, "a"))
    one(X, setting=Setting(2, "b"))
    assert len(one.signatures) == 1


def test_a_static_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ArgumentError, match="names no parameter"):
        compiled(lambda x: x, static_argnames="y")


def test_keyword_arguments_and_defaults() -> None:
    def f(x: Any, *, scale: float = 2.0, name: str = "plain") -> Any:
        return x * scale + (1 if name == "plain" else 0)

    one = compiled(f)
    assert_array_equal(one(X), f(X))
    assert_array_equal(one(X, scale=3.0, name="other"), f(X, scale=3.0, name="other"))
    assert_array_equal(one(X, name="other", scale=4.0), f(X, scale=4.0, name="other"))


def test_views_of_a_fortran_array_are_those_of_numpy() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        flat = y.reshape(-1)
        flat[0] = 100.0
        return y

    for x in (np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3))):
        assert_array_equal(compiled(f)(x), f(x))


def test_strided_and_foreign_arrays() -> None:
    one = compiled(lambda x: np.cumsum(x) * 2)
    big = np.arange(12.0)
    for x in (big[::2], big[::-1], big.astype(">f8"), big.reshape(3, 4).T, big[3:]):
        assert_array_equal(one(x), np.cumsum(x) * 2)


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Model:
    weights: Any
    bias: Any


def test_trees_of_every_kind() -> None:
    def f(model: Model, point: Point, rest: Any) -> Any:
        return {
            "model": Model(model.weights * 2, model.bias),
            "point": Point(point.y, [point.x, None]),
            "rest": (rest["b"][0] + 1, rest["a"]),
        }

    one = compiled(f)
    for k in range(3):
        rest = {"b": [float(k)], "a": X}
        found = one(Model(X + k, 1.0), Point(2.0 * k, X), rest)
        assert_array_equal(found["model"].weights, (X + k) * 2)
        assert (found["model"].bias, type(found["point"])) == (1.0, Point)
        assert found["point"].y == [2.0 * k, None]
        assert found["rest"][0] == k + 1.0


def test_names_of_inputs_are_those_of_user_code() -> None:
    def f(params: Any, x: float, *more: float, scale: float) -> Any:
        return params["w"] * x + more[0] * scale

    one = compiled(f)
    one({"w": X}, 1.0, 2.0, scale=3.0)
    assert one.signatures == ["f(params['w']: float64[3], x: float, more[0]: float, scale: float)"]


# --------------------------------------------------------------------------------------- results


def test_results_are_in_memory_of_their_own() -> None:
    constant = np.ones(3)

    def f(x: Any) -> Any:
        return x, x, x.reshape(3, 1), x[::-1], constant, np.zeros(3)

    one = compiled(f)
    for _ in range(2):
        found = one(X)
        for k, first in enumerate(found):
            assert first.flags.writeable
            assert not np.shares_memory(first, X)
            assert not np.shares_memory(first, constant)
            assert not any(np.shares_memory(first, other) for other in found[k + 1 :])
        for array in found:
            array[...] = 7.0
    assert_array_equal(X, [0.0, 1.0, 2.0])


def test_arguments_are_unharmed() -> None:
    def f(x: Any) -> Any:
        x[0] = 5.0
        x += 1.0
        return x

    x = np.arange(3.0)
    one = compiled(f)
    with pytest.warns(CompileWarning, match="writes into its argument x"):
        assert_array_equal(one(x), [6.0, 2.0, 3.0])
    assert_array_equal(one(x), [6.0, 2.0, 3.0])
    assert_array_equal(x, [0.0, 1.0, 2.0])


def test_constants_and_static_values_are_returned_as_they_are() -> None:
    one = compiled(lambda x: (1, 2.5, "text", None, True, np.float32(2), X > 1))
    for _ in range(2):
        found = one(1.0)
        assert found[:5] == (1, 2.5, "text", None, True)
        assert type(found[5]) is np.float32
        assert_array_equal(found[6], X > 1)


def test_what_is_no_number_or_tree_cannot_be_returned() -> None:
    with pytest.raises(TargetTypeError, match="returned a function"):
        compiled(lambda x: lambda: x)(1.0)


def test_text_of_a_value_cannot_be_returned() -> None:
    with pytest.raises(TargetTypeError, match="returned text"):
        compiled(lambda x: f"{x:.3f}")(1.0)


def test_print_shows_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print(x[1], f"{x[2]:.2f}")
        return x

    one = compiled(f)
    one(X), one(X + 1)
    assert capsys.readouterr().out == "1.0 2.00\n"
    assert len(one.paths) == 1


# ----------------------------------------------------------------------------- around and inside


def test_decorators_with_and_without_arguments() -> None:
    @compiled
    def double(x: Any) -> Any:
        """Twice."""
        return x * 2

    @compiled(max_paths=3)
    def triple(x: Any) -> Any:
        return x * 3

    assert (double(2.0), triple(2.0)) == (4.0, 6.0)
    assert (double.__name__, double.__doc__) == ("double", "Twice.")


def test_a_method() -> None:
    class Model:
        scale = 3.0

        @compiled
        def apply(self, x: Any) -> Any:
            return x * self.scale

    model = Model()
    for _ in range(2):
        assert_array_equal(model.apply(X), X * 3)


def test_inside_other_transforms_it_is_the_function() -> None:
    f = compiled(lambda x: np.sum(x**3))
    assert f(X) == 9.0
    assert_allclose(wg.grad(f)(X), 3 * X**2)
    assert_allclose(wg.hessian(f)(X), np.diag(6 * X))
    assert_allclose(wg.vmap(f)(np.stack([X, 2 * X])), [9.0, 72.0])
    assert_allclose(wg.jvp(f, (X,), (np.ones(3),))[1], 15.0)
    assert_allclose(compiled(wg.grad(compiled(f)))(X), 3 * X**2)
    scale = 2.0
    assert wg.grad(lambda s: compiled(lambda x: np.sum(x * s))(X))(scale) == 3.0


def test_recursion() -> None:
    @compiled
    def factorial(n: Any) -> Any:
        return 1.0 if n <= 1 else n * factorial(n - 1)

    assert [factorial(n) for n in (5.0, 3.0, 5.0, 1.0)] == [120.0, 6.0, 120.0, 1.0]


def test_all_that_differentiates_can_be_compiled() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * x) + wg.stop_gradient(x)[0]

    for transform in (wg.grad, wg.value_and_grad, wg.jacobian, wg.hessian, wg.elementwise_grad):
        one = compiled(transform(f))
        for x in (X, X + 1):
            found, expected = one(x), transform(f)(x)
            assert_allclose(found[1], expected[1], atol=1e-12)
    product = compiled(lambda x, v: wg.hvp(f, x, v))
    assert_allclose(product(X, X + 1), wg.hvp(f, X, X + 1))
    pulled = compiled(lambda x, y: wg.vjp(lambda x: np.sin(x) * x, x)[1](y))
    assert_allclose(pulled(X, X + 1)[0], wg.vjp(lambda x: np.sin(x) * x, X)[1](X + 1)[0])
    checkpointed = compiled(wg.grad(wg.checkpoint(lambda x: np.sum(np.exp(np.sin(x))))))
    for x in (X, X + 1):
        assert_allclose(checkpointed(x), np.exp(np.sin(x)) * np.cos(x))


def test_an_own_primitive_is_called_at_every_run() -> None:
    @wg.primitive(vjp=lambda adjoint, x: adjoint * 3 * x**2)
    def cube(x: Any) -> Any:
        return x**3 if np.all(x < 10) else -(x**3)

    one = compiled(wg.value_and_grad(lambda x: np.sum(cube(x))))
    for x in (X, X + 20, X):
        value, gradient = one(x)
        expected, slope = wg.value_and_grad(lambda x: np.sum(cube(x)))(x)
        assert_allclose(value, expected)
        assert_allclose(gradient, slope)


def test_a_variable_is_no_constant() -> None:
    x = wg.Variable(X)
    one = compiled(lambda y: np.sum(y * x))
    with pytest.raises(CapturedArrayError, match="not among its arguments"):
        one(X)
    with wg.GradientTape() as tape:  # inside a tape it is the function
        y = one(X)
    assert_allclose(tape.gradient(y, x), X)


# --------------------------------------------------------------------------------------- refusals


def _global_draw(x: Any) -> Any:
    return x + np.random.normal(size=3)


_RNG = np.random.default_rng(0)


class _Noisy:
    def __init__(self) -> None:
        self.generators = {"all": [np.random.RandomState(0)]}

    def __call__(self, x: Any) -> Any:
        return x + self.generators["all"][0].rand(3)

    def noise(self, x: Any) -> Any:
        return x + self.generators["all"][0].rand(3)


def _helper(x: Any) -> Any:
    return x + _RNG.normal(size=3)


DRAWS = {
    "global": _global_draw,
    "a generator in a global": lambda x: x + _RNG.normal(size=3),
    "in a function that is called": lambda x: _helper(x) * 2,
    "in a default": lambda x, rng=_RNG: x + rng.random(3),
    "without a seed": lambda x: x + np.random.default_rng().random(3),
    "an object": _Noisy(),
    "a method": _Noisy().noise,
    "Python's": lambda x: x + random.random(),
    "in a gradient": wg.grad(lambda x: np.sum(x * _RNG.normal(size=3))),
    "shuffled": lambda x: x[_RNG.permutation(3)],
}


@pytest.mark.parametrize("function", DRAWS.values(), ids=list(DRAWS))
def test_a_random_draw_is_refused(function: Any) -> None:
    with pytest.raises(RandomDrawError, match="pass the numbers in"):
        compiled(function)(X)


def test_a_generator_with_a_seed_inside_gives_the_same_numbers_each_time() -> None:
    def f(x: Any) -> Any:
        return x + np.random.default_rng(5).normal(size=3)

    assert_array_equal(compiled(f)(X), f(X))


def test_a_generator_that_is_not_used_is_no_draw() -> None:
    assert_array_equal(compiled(lambda x, rng: x * 2)(X, np.random.default_rng(0)), X * 2)


def test_conversion_to_a_python_float_is_refused() -> None:
    with pytest.raises(LostDerivativeError, match="of a function that is compiled"):
        compiled(lambda x: float(x[0]))(X)


def test_a_value_kept_outside_cannot_be_used_later() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x)
        return kept[0] * 2

    one = compiled(f)
    assert_array_equal(one(X), X * 2)
    with pytest.raises(TraceEndedError):
        one(np.arange(4.0))


def test_writing_to_a_row_chosen_by_a_traced_index_is_refused() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        row = y[np.argmax(x[:, 0])]
        row += 1.0
        return y

    with pytest.raises(MutationError, match="in one step"):
        compiled(f)(np.arange(6.0).reshape(3, 2))


def test_a_row_chosen_by_a_traced_index_sees_later_writes() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        row = y[np.argmax(x[:, 0])]
        y[:] = y * 10
        return np.sum(row)

    one = compiled(f)
    for x in (np.arange(6.0).reshape(3, 2), -np.arange(6.0).reshape(3, 2)):
        assert one(x) == f(x)


def test_an_index_out_of_range_raises_as_in_numpy() -> None:
    one = compiled(lambda x, k: x[k])
    assert one(X, np.int64(-1)) == 2.0
    for k in (3, -4):
        with pytest.raises(IndexError, match="out of bounds"):
            one(X, np.int64(k))
    assert len(one.paths) == 1


def test_errors_of_user_code_pass_and_leave_nothing_behind() -> None:
    zeros = np.zeros

    def f(x: Any) -> Any:
        if x > 5:
            raise KeyError("mine")
        return 1.0 / x

    one = compiled(f)
    assert one(2.0) == 0.5
    with pytest.raises(KeyError, match="mine"):
        one(6.0)
    with pytest.raises(ZeroDivisionError):
        one(0.0)
    assert np.zeros is zeros
    assert depth() == 0
    assert one(4.0) == 0.25


# ----------------------------------------------------------------------------------------- budget


def test_a_runaway_trace_ends_in_plain_python_with_one_warning() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for k in range(1000):
            total = total + x * k
        return total

    one = compiled(f, max_entries=100)
    with pytest.warns(CompileWarning, match=r"more than 100 operations at test_api.py") as seen:
        assert one(2.0) == f(2.0)
    assert one(3.0) == f(3.0)
    assert len(seen) == 1


def test_a_trace_that_takes_too_long_ends_in_plain_python() -> None:
    def f(x: Any) -> Any:
        for _ in range(3000):
            x = x * 1.0001
        return x

    one = compiled(f, max_seconds=0.0)
    with pytest.warns(CompileWarning, match="takes too long"):
        assert one(2.0) == f(2.0)


def test_many_signatures_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_COMPILE", "interpret")  # 64 times native code takes long
    one = compiled(lambda x, step: x / step)
    with pytest.warns(CompileWarning, match="64 signatures.*step=64.*Python's are static") as seen:
        results = [one(1.0, step) for step in range(1, 70)]
    assert results == [1.0 / step for step in range(1, 70)]
    assert len(seen) == 1


def test_clear_forgets() -> None:
    scale = [2.0]
    one = compiled(lambda x: x * scale[0])
    assert one(3.0) == 6.0
    scale[0] = 5.0
    assert one(3.0) == 6.0
    one.clear()
    assert (one.signatures, one.paths) == ([], [])
    assert one(3.0) == 15.0


def test_what_was_not_called_has_no_report() -> None:
    assert compiled(lambda x: x).report() == "<lambda>: not called yet"


def test_threads_may_share_a_function() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for element in x:
            total = total + (element**2 if element > 0 else -element)
        return total

    one, plain = compiled(wg.grad(f)), wg.grad(f)
    failures: list[Any] = []

    def run(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(20):
            x = rng.normal(size=3)
            if not np.allclose(one(x), plain(x)):
                failures.append(x)

    in_threads(run, 8)
    assert not failures
    assert len(one.paths) == 8
