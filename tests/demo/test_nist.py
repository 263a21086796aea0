"""The models against NIST's certified values, and the measure of agreement."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime

import wengert as wg
from wengert.demo import nist
from wengert.demo.nist_models import MODELS
from wengert.demo.settings import CLONE_DATA

PROBLEMS = nist.read_problems(CLONE_DATA)


def half_unit_of_last_digit(certified):
    """What rounding to 11 digits may have taken from each parameter."""
    return 0.5 * 10.0 ** (np.floor(np.log10(np.abs(certified))) - nist.CERTIFIED_DIGITS + 1)


def test_there_are_27_problems_and_a_model_for_each():
    assert len(PROBLEMS) == 27
    assert sorted(MODELS) == [problem.name for problem in PROBLEMS]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_the_model_has_the_certified_sum_of_squares(problem):
    residual = problem.residual(problem.certified)
    slopes = problem.jacobian(problem.certified)
    # At the minimum the sum of squares is flat: rounding the parameters changes it in second order.
    moved = np.abs(slopes) @ half_unit_of_last_digit(problem.certified)
    # Where the fit is perfect (Lanczos1) the rounding of the data itself shows: an ulp of y each.
    rounding = np.sum((2 * np.spacing(problem.response)) ** 2)
    assert_allclose(
        np.sum(residual**2),
        problem.certified_sum_of_squares,
        rtol=1e-10,
        atol=np.sum(moved**2) + 4 * rounding,
    )


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_the_jacobian_agrees_with_finite_differences(problem):
    b = problem.certified
    numeric = approx_fprime(b, problem.residual, epsilon=np.abs(b) * np.finfo(float).eps ** 0.5)
    size = np.max(np.abs(numeric), axis=0)
    # A forward difference with a step of sqrt(eps): half the digits, fewer where y is large.
    assert_allclose(problem.jacobian(b) / size, numeric / size, atol=1e-4)


@pytest.mark.parametrize("name", ["Misra1a", "Nelson", "MGH09", "Thurber"])
def test_the_gradient_is_that_of_half_the_sum_of_squares(name):
    problem = next(problem for problem in PROBLEMS if problem.name == name)
    b = problem.starts[1]
    expected = problem.jacobian(b).T @ problem.residual(b)
    assert_allclose(problem.gradient(b), expected, rtol=1e-9)
    hessian = problem.hessian(b)
    assert_allclose(hessian, wg.jacobian(problem.gradient)(b), rtol=1e-9)
    assert_allclose(hessian, hessian.T, rtol=1e-9)


@pytest.mark.parametrize(
    ("found", "digits"),
    [
        ([1.0, 2.0], 11.0),
        ([1.001, 2.0], 3.0),
        ([1.001, 2.2], 1.0),
        ([1.0, 40.0], 0.0),
        ([np.nan, 2.0], 0.0),
        ([np.inf, 2.0], 0.0),
    ],
)
def test_digits_of_agreement_are_those_of_the_worst_parameter(found, digits):
    agreement = nist.digits_of_agreement(np.array(found), np.array([1.0, 2.0]))
    assert agreement == pytest.approx(digits, abs=1e-9)


def test_both_starts_of_a_hard_problem_reach_every_certified_digit():
    problem = next(problem for problem in PROBLEMS if problem.name == "MGH09")
    for start in problem.starts:
        scores = dict(zip(nist.METHODS, nist.score(problem, start), strict=True))
        assert scores[nist.EXACT] >= nist.CONVERGED
        assert scores[nist.POLISH] >= nist.POLISHED


def test_missing_data_are_named_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nist_strd_nonlinear.json.*--data"):
        nist.read_problems(tmp_path)
