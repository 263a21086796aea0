"""Values that nobody asks for are not computed while tracing; those that are, once, and rightly."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from numpy._core.multiarray import empty, empty_like
from numpy.testing import assert_allclose
from tests.compile.agreement import assert_same
from tests.compile.programs import CASES, Case
from tests.compile.test_trace import name

import wengert as wg
from wengert.compile import late, miniature
from wengert.compile.late import Late
from wengert.compile.miniature import blank_of
from wengert.primitives.cholesky import cholesky_pullback
from wengert.primitives.einsum import contract
from wengert.primitives.exponential import exp
from wengert.primitives.indexing import write
from wengert.primitives.registry import REGISTRY
from wengert.primitives.triangular import solve_triangular

COUNT = 20_000  # elements: more than `late.LARGE`


class Calls:
    """The numbers of elements that a primitive's function has been called with."""

    def __init__(self, function: Any):
        self.function, self.sizes = function, []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if type(args[0]) is np.ndarray:
            self.sizes.append(args[0].size)
        return self.function(*args, **kwargs)

    def of(self, size: int) -> int:
        return self.sizes.count(size)


@pytest.fixture
def exponentials(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls(exp.function)
    monkeypatch.setattr(exp, "function", calls)
    return calls


class _Filled:
    """NumPy, but memory that nobody has touched holds what nobody would take for a result."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(np, attribute)

    def empty(self, *args: Any, **kwargs: Any) -> Any:
        return _fill(empty(*args, **kwargs))

    def empty_like(self, *args: Any, **kwargs: Any) -> Any:
        return _fill(empty_like(*args, **kwargs))


def _fill(array: np.ndarray) -> np.ndarray:
    array[...] = {"f": np.nan, "c": np.nan, "b": True}.get(array.dtype.kind, 99)
    return array


@pytest.fixture
def all_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever can be put off is, however small, and blanks hold NaN."""
    monkeypatch.setattr(late, "LARGE", 0)
    monkeypatch.setattr(late, "np", _Filled())
    monkeypatch.setattr(miniature, "np", _Filled())


def test_large_values_are_not_computed_while_tracing(exponentials: Calls) -> None:
    x = np.linspace(0.0, 1.0, COUNT)
    f = wg.compile(wg.value_and_grad(lambda x: np.sum(np.exp(-x * x) * x)))
    value, gradient = f(x)
    assert exponentials.of(COUNT) == 0
    assert_allclose(value, np.sum(np.exp(-x * x) * x), rtol=1e-12)
    assert_allclose(gradient, np.exp(-x * x) * (1 - 2 * x * x), rtol=1e-12, atol=1e-15)


def test_the_first_call_gives_the_bits_of_later_ones() -> None:
    x = np.linspace(0.1, 1.0, COUNT)
    f = wg.compile(wg.grad(lambda x: np.sum(np.sin(np.exp(x)))))
    assert np.array_equal(f(x), f(x))


def test_a_decision_computes_what_it_is_made_of_once(exponentials: Calls) -> None:
    def f(x: Any) -> Any:
        y = np.exp(x)
        if np.sum(y) > COUNT:
            y = y + 1.0
        if np.max(y) > 100.0:
            y = y * 0.0
        return np.sum(y)

    one, ones = wg.compile(f), np.ones(COUNT)
    for x in (ones, -ones, 10 * ones):
        exponentials.sizes.clear()
        assert_allclose(one(x), f(x), rtol=1e-12)
        assert exponentials.of(COUNT) == 1  # by the trace; `f` itself calls NumPy
    assert len(one.paths) == 3


def test_a_loop_until_convergence_goes_on_as_long_as_eagerly() -> None:
    def root(x: Any) -> Any:
        y = np.ones_like(x)
        for _ in range(50):
            new = 0.5 * (y + x / y)
            if np.max(np.abs(new - y)) < 1e-12:
                break
            y = new
        return np.sum(y)

    x = np.linspace(1.0, 2.0, COUNT)
    one = wg.compile(wg.grad(root))
    assert_allclose(one(x), wg.grad(root)(x), rtol=1e-12)
    assert len(one.paths) == 1


def test_text_and_integers_are_made_of_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        y = 2.0 * x
        print(f"{y[3]:.1f} {y.sum():.1f}")
        return y[: int(y[2])] * 1.0

    x = np.arange(float(COUNT))
    assert_allclose(wg.compile(f)(x), 2.0 * x[:4])
    assert capsys.readouterr().out == f"6.0 {2 * x.sum():.1f}\n"


def test_data_dependent_shapes_and_indices_are_those_of_the_numbers() -> None:
    def f(x: Any) -> Any:
        y = x * x
        chosen = np.nonzero(y > 0.25)[0]
        return np.sum(y[chosen]) + y[np.argmax(y)]

    x = np.random.default_rng(0).uniform(-1.0, 1.0, COUNT)
    assert_allclose(wg.compile(f)(x), f(x), rtol=1e-12)


def test_an_index_out_of_range_is_an_error_at_the_users_line() -> None:
    def f(x: Any, i: Any) -> Any:
        return np.sum((x * 2.0)[i])

    with pytest.raises(IndexError, match="out of bounds") as caught:
        wg.compile(f)(np.ones(COUNT), np.array([1, COUNT]))
    assert any(entry.name == "f" for entry in caught.traceback)


def _log_determinant(a: Any) -> Any:
    factor = np.linalg.cholesky(a * 1.0)  # the line that fails
    return np.sum(np.log(np.diagonal(factor)))


def test_an_operation_that_fails_late_names_the_users_line() -> None:
    f = wg.compile(_log_determinant)
    with pytest.raises(np.linalg.LinAlgError, match="positive definite") as caught:
        f(-np.eye(150))
    assert any("the line that fails" in note for note in caught.value.__notes__)
    assert_allclose(f(2 * np.eye(150)), 150 * np.log(2.0) / 2, rtol=1e-12)


def test_an_error_that_user_code_handles_is_raised_where_it_stands() -> None:
    def f(a: Any) -> Any:
        try:
            return _log_determinant(a)
        except np.linalg.LinAlgError:
            return np.sum(a)

    one = wg.compile(f)
    for _ in range(2):
        assert_allclose(one(-np.eye(150)), -150.0)
        assert_allclose(one(2 * np.eye(150)), 150 * np.log(2.0) / 2, rtol=1e-12)


def test_no_handler_that_numpy_would_not_reach_sees_a_late_error() -> None:
    def is_good(factor: Any) -> bool:
        try:
            return bool(np.sum(factor) > 0)
        except np.linalg.LinAlgError:
            return False

    def f(a: Any) -> Any:
        factor = np.linalg.cholesky(a)
        return np.sum(factor) if is_good(factor) else 0.0

    with pytest.raises(np.linalg.LinAlgError):
        wg.compile(f)(-np.eye(150))
    assert_allclose(wg.compile(f)(4 * np.eye(150)), 300.0)


def test_floating_point_errors_that_are_asked_for_are_raised() -> None:
    def f(x: Any) -> Any:
        with np.errstate(all="raise"):
            try:
                return np.sum(1.0 / (x - 1.0))
            except FloatingPointError:
                return np.sum(x)

    x = np.full(COUNT, 3.0)
    x[7] = 1.0
    assert_allclose(wg.compile(f)(x), np.sum(x))


def test_a_chain_of_writes_is_done_in_one_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        for k in range(100):
            y[k] = y[k + 1] + 1.0
        return y if np.sum(y) > 0 else -y

    expected = f(np.arange(float(COUNT)))
    copies = Calls(write.function)
    monkeypatch.setattr(write, "function", copies)
    assert_allclose(wg.compile(f)(np.arange(float(COUNT))), expected)
    assert copies.of(COUNT) <= 2


def test_what_was_written_before_is_seen_by_who_read_it_before() -> None:
    def f(x: Any) -> Any:
        y = x * 2.0
        first = y[:3]
        kept = y.copy()
        y[0] = 100.0
        turned = y.T.reshape(-1)
        turned[1] = 50.0
        if y[1] != 50.0 or first[0] != 100.0 or kept[0] == 100.0:
            return np.zeros(5)
        return np.stack([first[0], kept[0], y[1], turned[2], np.sum(y)])

    x = np.arange(float(COUNT)) + 1.0
    assert_allclose(wg.compile(f)(x), f(x), rtol=1e-12)


def test_a_copy_by_numpys_rules_of_layout_is_no_view() -> None:
    def f(x: Any) -> Any:
        y = x.T + 1.0  # lies as x.T does
        flat = y.reshape(-1)  # so this is a copy
        flat[0] = 100.0
        return y[0, 0] + np.sum(y)

    x = np.arange(float(COUNT)).reshape(100, -1)
    assert_allclose(wg.compile(f)(x), f(x), rtol=1e-12)


def test_a_compiled_function_lets_go_of_the_arguments_of_its_first_call() -> None:
    x = np.ones(COUNT)
    gone = weakref.ref(x)
    f = wg.compile(wg.grad(lambda x: np.sum(np.exp(x))))
    f(x)
    del x
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("transform", ["value", "grad"])
@pytest.mark.parametrize("case", CASES, ids=name)
@pytest.mark.usefixtures("all_late")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.filterwarnings("ignore::wengert.errors.DisconnectedWarning")
def test_programs_are_the_same_if_everything_is_put_off(case: Case, transform: str) -> None:
    if transform == "grad" and not case.is_scalar:
        pytest.skip("it has no gradient")
    function = wg.grad(case.function) if transform == "grad" else case.function
    one = wg.compile(function)
    for call in case.calls:
        try:
            expected = function(*call)
        except Exception as error:
            with pytest.raises(type(error)):
                one(*call)
        else:
            assert_same(one(*call), expected)


# ------------------------------------------------------------------------------------------ blanks


def _layout(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return isinstance(value, np.generic), np.shape(value), value.dtype
    steps = [s for s, n in zip(value.strides, value.shape, strict=True) if n > 1 and value.size]
    return value.shape, value.dtype, steps


def _assert_blank_fits(primitive: Any, values: Any, parameters: Any) -> bool:
    made = Late()
    blanks = []
    for value in values:
        blank = value
        if type(value) is np.ndarray:
            blank = value[...]  # as it lies in memory
            made.put_off(blank, np.copy, (value,), {})
        blanks.append(blank)
    found = blank_of(primitive, blanks, parameters, [made.is_known(x) for x in blanks])
    if found is None:
        return False
    with np.errstate(all="ignore"):
        expected = primitive.function(*values, **parameters)
    assert _layout(found) == _layout(expected)
    return True


@pytest.mark.parametrize("primitive", [p for p in REGISTRY if p.samples], ids=str)
def test_a_blank_has_the_form_of_the_result(primitive: Any) -> None:
    for sample in primitive.samples:
        values = list(sample.args)
        _assert_blank_fits(primitive, values, sample.kwargs)
        turned = [
            np.asfortranarray(x) if type(x) is np.ndarray and x.ndim == 2 else x for x in values
        ]
        _assert_blank_fits(primitive, turned, sample.kwargs)


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize(
    ("primitive", "shapes", "parameters"),
    [
        (contract, [(25, 10, 10), (300, 25, 10)], {"subscripts": "kij,nkj->nki"}),
        (contract, [(300, 25, 10), (300, 25, 10)], {"subscripts": "nki,nkj->kij"}),
        (contract, [(3, 4), (4, 3)], {"subscripts": "ij,jk->ki"}),
        (cholesky_pullback, [(200, 200), (200, 200)], {}),
        (solve_triangular, [(200, 200), (200, 9)], {"lower": True, "unit_diagonal": False}),
    ],
)
def test_a_blank_has_the_form_of_a_large_result(
    primitive: Any, shapes: Any, parameters: Any
) -> None:
    values = [_random(*shape) + 20 * np.eye(*shape[-2:]) for shape in shapes]
    assert _assert_blank_fits(primitive, values, parameters)


def _strided() -> list[np.ndarray]:
    x = _random(30, 40, 50)
    return [
        x,
        x.transpose(2, 0, 1),
        x[:, ::-1],
        x[::2, :, ::3],
        np.broadcast_to(x[:, :1], x.shape),
        np.broadcast_to(x[0], x.shape).swapaxes(0, 1),
        x[:1, :, :1],
    ]


@pytest.mark.parametrize("first", range(len(_strided())))
def test_blanks_of_elementwise_results_lie_as_numpys(first: int) -> None:
    x = _strided()[first]
    assert _assert_blank_fits(exp, [x], {})
    for y in _strided():
        if {*x.shape, 1} >= {*y.shape} and np.shape(x) == np.shape(y):
            assert _assert_blank_fits(REGISTRY.primitives["multiply"], [x, y], {})
    assert _assert_blank_fits(REGISTRY.primitives["sum"], [x], {"axis": (1,), "keepdims": False})


def test_whole_numbers_that_numpy_refuses_have_no_blank() -> None:
    small = np.ones(3, np.uint8)
    add, power = REGISTRY.primitives["add"], REGISTRY.primitives["power"]
    assert blank_of(add, [small, 300], {}, [False, True]) is None
    assert blank_of(add, [small, 3], {}, [False, True]).dtype == np.uint8
    assert blank_of(power, [small.astype(int), 2], {}, [False, True]) is None
