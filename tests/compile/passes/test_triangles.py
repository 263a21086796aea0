"""Systems with triangular matrices: found by the operations that made them, and by nothing else."""

import numpy as np
import pytest

import wengert as wg
from wengert.compile.passes.triangles import substitute_triangles
from wengert.compile.program import Op, Program, spec_of, verify
from wengert.primitives.registry import REGISTRY


def positive(n, *batch):
    a = np.random.default_rng(0).normal(size=(*batch, n, n))
    return a @ a.mT + n * np.eye(n)


def names(program):
    return [op.primitive.name for op in program.ops]


def lowers(program):
    return [op.parameters["lower"] for op in program.ops if op.primitive.name == "solve_triangular"]


SIDES = np.random.default_rng(1).normal(size=(4, 2))


@pytest.mark.parametrize(
    ("f", "lower"),
    [
        (lambda a: np.linalg.solve(np.linalg.cholesky(a), SIDES), True),
        (lambda a: np.linalg.solve(np.linalg.cholesky(a).T, SIDES), False),
        (lambda a: np.linalg.solve(-np.linalg.cholesky(a, upper=True), SIDES), False),
        (lambda a: np.linalg.solve(np.linalg.cholesky(a, upper=True).mT, SIDES), True),
    ],
)
def test_a_system_with_a_factor_is_substituted(program, assert_same_results, f, lower):
    a = positive(4)
    traced = program(f, a)
    after = substitute_triangles(traced)
    assert "solve_matrices" not in names(after)
    assert lowers(after) == [lower]
    assert_same_results(traced, after, [a], exact=False)


def test_stacks_and_vectors(program, assert_same_results):
    a = positive(4, 3)
    traced = program(lambda a: np.linalg.solve(np.linalg.cholesky(a), SIDES[:, 0]), a)
    after = substitute_triangles(traced)
    assert lowers(after) == [True]
    assert_same_results(traced, after, [a], exact=False)
    traced = program(lambda a: np.linalg.solve(np.linalg.cholesky(a).mT, SIDES), a)
    after = substitute_triangles(traced)
    assert lowers(after) == [False]
    assert_same_results(traced, after, [a], exact=False)


@pytest.mark.parametrize(
    "f",
    [
        lambda a: np.linalg.solve(a, SIDES),
        lambda a: np.linalg.solve(np.linalg.cholesky(a) @ np.linalg.cholesky(a).T, SIDES),
        lambda a: np.linalg.solve(np.linalg.cholesky(a) * a[0, 0], SIDES),  # may be infinite
        lambda a: np.linalg.solve(a, np.linalg.cholesky(a)),
    ],
)
def test_what_is_not_known_to_be_triangular_is_left(program, f):
    traced = program(f, positive(4))
    after = substitute_triangles(traced)
    assert names(after) == names(traced)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [((1, 0, 2), []), ((2, 1, 0), []), ((1, 2, 0), []), ((0, 2, 1), [False]), ((0, 1, 2), [True])],
)
def test_transpositions_of_stacks(axes, expected):
    spec = spec_of(positive(4, 4))
    ops = (
        Op(REGISTRY["cholesky_factor"], (0,), {"upper": False}, spec),
        Op(REGISTRY["transpose"], (1,), {"axes": axes}, spec),
        Op(REGISTRY["solve_matrices"], (2, 0), {}, spec),
    )
    after = substitute_triangles(Program((spec,), ops, (3,)))
    verify(after)
    assert lowers(after) == expected


def test_a_program_without_systems_is_given_back(program):
    traced = program(np.linalg.cholesky, positive(4))
    assert substitute_triangles(traced) is traced


def test_compiled_likelihood_and_gradient_agree_with_the_textbook():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(90, 90)), rng.normal(size=90)
    k = x @ x.T + 90 * np.eye(90)

    def f(k):
        low = np.linalg.cholesky(k)
        half = np.linalg.solve(low, y)
        return 0.5 * half @ half + np.sum(np.log(np.diagonal(low)))

    compiled = wg.compile(wg.value_and_grad(f))
    value, found = compiled(k)
    alpha, inverse = np.linalg.solve(k, y), np.linalg.inv(k)
    np.testing.assert_allclose(value, 0.5 * y @ alpha + 0.5 * np.linalg.slogdet(k)[1], rtol=1e-12)
    d = 0.5 * (inverse - np.outer(alpha, alpha))  # NumPy reads the lower triangle alone
    expected = np.tril(2 * d, -1) + np.diag(np.diag(d))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-14)
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        compiled(-k)
    verify(next(iter(next(iter(compiled._entries.values())).paths)).lowered.program)
