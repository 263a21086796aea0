"""What a selection did not take is structurally zero, which alone annihilates infinity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.primitives.adjoints import like_of
from wengert.primitives.logsumexp import logsumexp
from wengert.primitives.registry import REGISTRY
from wengert.tape import structural
from wengert.tape.structural import Masked, _pull

pytestmark = pytest.mark.filterwarnings(
    "ignore::RuntimeWarning"
)  # NumPy's own, of the forward pass


class Case(NamedTuple):
    """A function of one number, a point where it is singular, and its derivatives there."""

    function: Callable[[Any], Any]
    x: float
    first: float
    second: float


def _filled(x: Any) -> Any:
    y = np.sqrt(x * np.ones(3))
    y[:] = x
    return np.sum(y)


CASES = {
    "where beside sqrt": Case(lambda x: np.where(x < 1, x, np.sqrt(x)), 0.0, 1.0, 0.0),
    "where beside log": Case(lambda x: np.where(x > 0.1, np.log(x), 2 * x), 0.0, 2.0, 0.0),
    "where with x > 0": Case(lambda x: np.where(x > 0, np.log(x), 0), 0.0, 0.0, 0.0),
    "a root whose first derivative exists": Case(
        lambda x: np.where(x < 0.1, x**2, x**1.5), 0.0, 0.0, 2.0
    ),
    "arccos of clip": Case(lambda x: np.arccos(np.clip(x, -1, 1)), 1.5, 0.0, 0.0),
    "sqrt of maximum": Case(lambda x: np.sqrt(np.maximum(x, 0)), -1.0, 0.0, 0.0),
    "sqrt of a masked sum": Case(
        lambda x: np.sum(np.sqrt(x * np.array([0.0, 1.0])), where=np.array([False, True])),
        4.0,
        0.25,
        -1 / 32,
    ),
    "a maximum not taken": Case(lambda x: np.max(np.stack([x + 1, np.sqrt(x)])), 0.0, 1.0, 0.0),
    "an element sorted to the end": Case(
        lambda x: np.sort(np.stack([x + 1, -np.sqrt(x)]))[1], 0.0, 1.0, 0.0
    ),
    "an overwritten array": Case(_filled, 0.0, 3.0, 0.0),
    "an element not read": Case(lambda x: np.sqrt(x * np.array([0.0, 1.0]))[1], 4.0, 0.25, -1 / 32),
    "select": Case(lambda x: np.select([x < 1], [3 * x], np.log(x)), 0.0, 3.0, 0.0),
    "x**0": Case(lambda x: x**0, 0.0, 0.0, 0.0),
    "x**1": Case(lambda x: x**1.0, 0.0, 1.0, 0.0),
    "x**2": Case(lambda x: x**2.0, 0.0, 0.0, 2.0),
    "x**3": Case(lambda x: x**3, 0.0, 0.0, 0.0),
    "prod with a zero": Case(lambda x: np.prod(np.stack([x, x + 1, x + 2])), 0.0, 2.0, 6.0),
    "prod with two zeros": Case(lambda x: np.prod(np.stack([x, x, x + 2])), 0.0, 0.0, 4.0),
}


def _reverse(f: Any) -> Any:
    return wg.grad(f)


def _forward(f: Any) -> Any:
    return lambda x: wg.jvp(f, (x,), (1.0,))[1]


MODES = {"forward": _forward, "reverse": _reverse}


@pytest.mark.filterwarnings("ignore::wengert.errors.DisconnectedWarning")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_first_derivatives_are_finite_and_right(case: Case, mode: str) -> None:
    assert_allclose(MODES[mode](case.function)(case.x), case.first, rtol=1e-14)


@pytest.mark.filterwarnings("ignore::wengert.errors.DisconnectedWarning")
@pytest.mark.parametrize("outer", MODES)
@pytest.mark.parametrize("inner", MODES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_second_derivatives_are_finite_and_right(case: Case, inner: str, outer: str) -> None:
    found = MODES[outer](MODES[inner](case.function))(case.x)
    assert_allclose(found, case.second, rtol=1e-13, atol=1e-14)


@pytest.mark.filterwarnings("ignore::wengert.errors.DisconnectedWarning")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_vmap_of_a_derivative_finds_the_same(case: Case, mode: str) -> None:
    points = np.array([case.x, 0.7, case.x, 2.5])
    derivative = MODES[mode](case.function)
    expected = np.array([derivative(x) for x in points])
    assert_allclose(wg.vmap(derivative)(points), expected, rtol=1e-13)
    second = _forward(derivative)
    expected = np.array([second(x) for x in points])
    assert_allclose(wg.vmap(second)(points), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_a_derivative_of_vmap_finds_the_same(mode: str) -> None:
    f = CASES["where beside sqrt"].function

    def total(x: Any) -> Any:
        return np.sum(wg.vmap(f)(x * np.array([0.0, 1.0, 4.0])))

    assert_allclose(MODES[mode](total)(1.0), 1.0 * 0 + 0.5 + 1.0)


def test_a_third_derivative_is_finite() -> None:
    f = CASES["a root whose first derivative exists"].function
    assert wg.grad(wg.grad(wg.grad(f)))(0.0) == 0
    assert _forward(_reverse(_forward(f)))(0.0) == 0


@pytest.mark.parametrize("mode", MODES)
def test_a_genuine_zero_times_infinity_stays_nan(mode: str) -> None:
    for f in (
        lambda x: np.sqrt(x) ** 2,
        lambda x: 0.0 * np.sqrt(x),
        lambda x: np.where(x < 1, np.sqrt(x) ** 2, x),
    ):
        assert np.isnan(MODES[mode](f)(0.0))


@pytest.mark.parametrize("mode", MODES)
def test_an_infinite_slope_that_is_taken_stays_infinite(mode: str) -> None:
    assert MODES[mode](lambda x: np.where(x < 1, np.sqrt(x), x))(0.0) == np.inf


# ------------------------------------------------------------------------------------- arrays


def _distances(points: Any) -> Any:
    """Sum of all pairwise distances, with the diagonal masked."""
    differences = points[:, None, :] - points[None, :, :]
    squares = np.sum(differences**2, axis=-1)
    return np.sum(np.where(np.eye(len(points), dtype=bool), 0.0, np.sqrt(squares)))


POINTS = np.array([[0.0, 0.0], [3.0, 4.0], [-1.0, 2.0]])


def _without_diagonal(points: Any) -> Any:
    pairs = ((j, k) for j in range(3) for k in range(3) if j != k)
    return sum(np.sqrt(np.sum((points[j] - points[k]) ** 2)) for j, k in pairs)


def test_pairwise_distances_with_a_masked_diagonal() -> None:
    expected = wg.grad(_without_diagonal)(POINTS)
    assert_allclose(wg.grad(_distances)(POINTS), expected, rtol=1e-14)
    direction = np.arange(6.0).reshape(3, 2)
    found = wg.jvp(_distances, (POINTS,), (direction,))[1]
    assert_allclose(found, np.sum(expected * direction), rtol=1e-14)
    curved = wg.jvp(wg.grad(_without_diagonal), (POINTS,), (direction,))[1]
    assert_allclose(wg.jvp(wg.grad(_distances), (POINTS,), (direction,))[1], curved, rtol=1e-12)
    hessian = wg.jacobian(wg.grad(_distances))(POINTS)
    assert_allclose(np.tensordot(hessian, direction, 2), curved, rtol=1e-12)


def test_a_masked_norm() -> None:
    x = np.array([[0.0, 0.0], [3.0, 4.0]])

    def norms(x: Any) -> Any:
        lengths = np.sqrt(np.sum(x**2, axis=1))
        return np.sum(np.where(lengths > 1, lengths, 0.0))

    assert_allclose(wg.grad(norms)(x), [[0.0, 0.0], [0.6, 0.8]])
    assert np.isfinite(wg.jacobian(wg.grad(norms))(x)).all()


def test_a_gaussian_of_a_norm_is_flat_at_its_top() -> None:
    x = np.zeros(3)

    def bump(x: Any) -> Any:
        return np.exp(-(np.linalg.norm(x) ** 2))

    assert_array_equal(wg.grad(bump)(x), np.zeros(3))
    assert wg.jvp(bump, (x,), (np.ones(3),))[1] == 0


def test_logsumexp_of_masked_rows() -> None:
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    mask = np.array([[True, False, True], [False, False, False]])

    def masked(x: Any) -> Any:
        return np.sum(np.exp(logsumexp(np.where(mask, x, -np.inf), axis=1)))

    expected = np.where(mask, np.exp(x), 0)
    assert_allclose(wg.grad(masked)(x), expected, rtol=1e-14)
    assert_allclose(wg.jvp(masked, (x,), (np.ones_like(x),))[1], expected.sum(), rtol=1e-14)
    hessian = wg.jacobian(wg.grad(masked))(x)
    assert_allclose(hessian.reshape(6, 6), np.diag(expected.ravel()), rtol=1e-13, atol=1e-12)


def test_masks_pass_through_products_and_reductions() -> None:
    a = np.array([[0.0, 1.0], [4.0, 9.0]])
    mask = np.array([[False, True], [True, True]])

    def f(a: Any) -> Any:
        roots = np.where(mask, np.sqrt(a), 0.0)
        return np.sum(np.matmul(roots, np.array([[1.0, 2.0], [3.0, 4.0]])) ** 2)

    found = wg.grad(f)(a)
    assert found[0, 0] == 0
    assert np.isfinite(found).all()


def test_an_unused_part_of_a_decomposition_stays_out() -> None:
    def f(x: Any) -> Any:
        values, _ = np.linalg.eigh(x * np.diag([1.0, 2.0]))
        return np.where(x < 1, x, np.sqrt(values[0] - x))

    assert wg.grad(f)(0.5) == 1.0
    assert wg.jvp(f, (0.5,), (1.0,))[1] == 1.0


def test_the_masked_sweep_stays_linear_in_reads_and_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    touched = 0

    def counted(function: Any) -> Any:
        def count(mask: Any, value: Any) -> Any:
            nonlocal touched
            touched += np.size(value)
            return function(mask, value)

        return count

    monkeypatch.setattr(structural, "_kept", counted(structural._kept))

    def work(n: int) -> int:
        nonlocal touched

        def f(x: Any) -> Any:
            total = np.where(x[0] > 1, np.log(x[0]), 0)
            table = x * 1.0
            for k in range(1, n):
                table[k] = x[k] * 2
                total = total + table[k]
            return total

        touched = 0
        assert_array_equal(wg.grad(f)(np.zeros(n))[1:], np.full(n - 1, 2.0))
        return touched

    assert work(400) < 12 * work(40)


DECLARED = [(p, s) for p in REGISTRY if p.live is not None for s in p.samples]


@pytest.mark.parametrize(("primitive", "sample"), DECLARED, ids=str)
def test_what_a_rule_says_is_zero_by_structure_is_what_it_gives(
    primitive: Any, sample: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = sample.args
    saved = (*values, primitive.function(*values, **sample.kwargs))
    likes = tuple([like_of(x) for x in values])
    adjoint = np.ones_like(saved[-1])

    def masks() -> list[Any]:
        parents = tuple(range(len(values)))
        parts = _pull(primitive, Masked(adjoint, None), parents, saved, likes, sample.kwargs)
        return [np.broadcast_to(True if p.mask is None else p.mask, p.value.shape) for p in parts]

    declared = masks()
    monkeypatch.setattr(primitive, "live", None)  # so that random numbers say it
    for one, other in zip(declared, masks(), strict=True):
        assert np.array_equal(one, other)
