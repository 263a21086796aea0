"""Part 6: NIST's 27 nonlinear regression problems, each from both starting points.

`scipy.optimize.least_squares` fits every problem with the same settings and four Jacobians:
SciPy's finite differences in three forms, and Wengert's. NIST certifies 11 digits of each
parameter; how many of them a fit has is its score. The models are in `nist_models.py`, the data in
`data/`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

import wengert as wg
from wengert.demo.nist_models import MODELS, RESPONSES
from wengert.demo.pictures import BLUE, GREEN, ORANGE, RED, RULE, SOFT, new_figure, save_picture
from wengert.demo.report import Check, Picture, Section, Table, Text
from wengert.demo.settings import Settings

FILE = "nist_strd_nonlinear.json"
CERTIFIED_DIGITS = 11
# A fit with fewer correct digits than this has ended elsewhere, or nowhere.
CONVERGED = 4
# A value rounded to 11 digits is known to 10.3 digits or more; one is left to other machines.
POLISHED = 9

# The trust region is measured in units of the starting values, because the parameters of one
# problem differ in size by up to 10^9. The tolerances are where float64 cannot tell sums of
# squares apart. Of "lm" and "trf", with x_scale "jac" or the starting values, this pair is among
# the three with which the exact Jacobian finds all 54 solutions; "lm" with "jac" misses one.
SOLVER: dict[str, Any] = {
    "method": "trf",
    "xtol": 1e-15,
    "ftol": 1e-15,
    "gtol": 1e-15,
    "max_nfev": 5000,
}
RELATIVE_STEP = np.finfo(float).eps ** (1 / 3)
DIFFERENCES: dict[str, dict[str, Any]] = {
    "2-point": {"jac": "2-point"},
    "3-point": {"jac": "3-point"},
    "3-point, relative step": {"jac": "3-point", "diff_step": RELATIVE_STEP},
}
EXACT, POLISH = "Wengert", "Wengert, and one Newton step"
METHODS = (*DIFFERENCES, EXACT, POLISH)


@dataclass(frozen=True)
class Problem:
    """One regression problem as NIST gives it."""

    name: str
    level: str
    formula: str
    starts: tuple[np.ndarray, np.ndarray]
    certified: np.ndarray
    certified_sum_of_squares: float
    response: np.ndarray
    predictors: Any

    def residual(self, b):
        """Model less measurement, shape ``(observations,)``."""
        return MODELS[self.name](self.predictors, b) - self.response

    def half_sum_of_squares(self, b):
        """Half the residual sum of squares: the cost of `least_squares`."""
        return 0.5 * np.sum(self.residual(b) ** 2)

    @cached_property
    def jacobian(self):
        """Derivatives of the residual, shape ``(observations, parameters)``, by Wengert."""
        return wg.jacobian(self.residual)

    @cached_property
    def gradient(self):
        """Derivatives of half the sum of squares, shape ``(parameters,)``, by Wengert."""
        return wg.grad(self.half_sum_of_squares)

    @cached_property
    def hessian(self):
        """Second derivatives of half the sum of squares, by Wengert."""
        return wg.hessian(self.half_sum_of_squares)


def read_problems(folder: Path) -> list[Problem]:
    """Read the 27 problems in `folder`, in alphabetical order.

    Raises
    ------
    FileNotFoundError
        If the folder does not hold them.
    """
    file = folder / FILE
    if not file.is_file():
        raise FileNotFoundError(
            f"there is no {FILE} in {folder}. It lies in the folder data/ of Wengert's "
            "repository, not in the installed package: run from a clone, or say where it is with "
            "--data."
        )
    entries = json.loads(file.read_text(encoding="utf-8"))
    return [_problem(name, entry) for name, entry in sorted(entries.items())]


def _problem(name: str, entry: dict[str, Any]) -> Problem:
    response, *predictors = np.array(entry["data"]).T
    return Problem(
        name=name,
        level=entry["level"],
        formula=entry["model"],
        starts=(np.array(entry["start1"]), np.array(entry["start2"])),
        certified=np.array(entry["certified"]),
        certified_sum_of_squares=entry["residual_sum_of_squares"],
        response=RESPONSES.get(name, np.asarray)(response),
        predictors=predictors[0] if len(predictors) == 1 else tuple(predictors),
    )


def digits_of_agreement(b: np.ndarray, certified: np.ndarray) -> float:
    """Log relative error: how many digits the worst parameter shares with its certified value."""
    error = np.max(np.abs(b - certified) / np.abs(certified))
    if not np.isfinite(error):
        return 0.0
    return float(np.clip(-np.log10(max(error, 10.0**-CERTIFIED_DIGITS)), 0, CERTIFIED_DIGITS))


def fit(problem: Problem, start: np.ndarray, **derivatives: Any) -> np.ndarray:
    """Parameters that `least_squares` ends at."""
    # Far from the solution some models overflow; the solver then takes a shorter step.
    with np.errstate(all="ignore"):
        return least_squares(
            problem.residual, start, x_scale=np.abs(start), **SOLVER, **derivatives
        ).x


def newton_step(problem: Problem, b: np.ndarray) -> np.ndarray:
    """One step towards a zero of the exact gradient.

    A solver that compares sums of squares cannot see a step shorter than about ``sqrt(eps)``: it
    changes the sum by less than its rounding. The gradient has no such floor. The step is taken in
    units of `b`, because the parameters of one problem differ in size by up to 10^9.
    """
    unit = np.abs(b)
    hessian = problem.hessian(b) * unit * unit[:, None]
    return b - unit * np.linalg.solve(hessian, problem.gradient(b) * unit)


def score(problem: Problem, start: np.ndarray) -> list[float]:
    """Digits of agreement of each of METHODS, in their order."""
    found = [fit(problem, start, **derivatives) for derivatives in DIFFERENCES.values()]
    exact = fit(problem, start, jac=problem.jacobian)
    found += [exact, newton_step(problem, exact)]
    return [digits_of_agreement(b, problem.certified) for b in found]


def run(settings: Settings) -> Section:
    """Fit them all and compare with what is certified."""
    problems = read_problems(settings.data)
    if settings.quick:
        problems = problems[::4]
    cases = [(problem, i) for problem in problems for i in (0, 1)]
    digits = np.array(
        [score(p, p.starts[i]) for p, i in settings.track(cases, description="NIST problems")]
    )
    exact, polished = digits[:, METHODS.index(EXACT)], digits[:, METHODS.index(POLISH)]
    return Section(
        title="NIST's nonlinear regression problems",
        blocks=[
            Text(_account(digits, cases)),
            _chart(digits, cases, settings),
            _table(digits, cases),
            _fits(problems, settings),
            _formulas(problems),
        ],
        checks=[
            Check(
                "NIST: share of the fits that find the certified solution",
                float(np.mean(exact >= CONVERGED)),
                1.0,
            ),
            Check("NIST: fewest digits after one Newton step", float(np.min(polished)), POLISHED),
        ],
    )


def _account(digits: np.ndarray, cases: list[tuple[Problem, int]]) -> str:
    median = dict(zip(METHODS, np.median(digits, axis=0), strict=True))
    found = dict(zip(METHODS, np.sum(digits >= CONVERGED, axis=0), strict=True))
    best = "3-point, relative step"
    return (
        f"{len(cases)} fits by `scipy.optimize.least_squares`: each problem from both of its "
        "starting points, always with `method='trf'`, tolerances of 1e-15 and the parameters "
        "scaled by their starting values; only the Jacobian differs. A fit has found the solution "
        f"when {CONVERGED} digits agree. SciPy's default, `2-point`, finds {found['2-point']} of "
        f"{len(cases)} with a median of {median['2-point']:.1f} digits; `3-point` with a step "
        f"relative to each parameter {found[best]} with {median[best]:.1f}; Wengert's Jacobian "
        f"{found[EXACT]} with {median[EXACT]:.1f}. What keeps that from 11 is not the derivative "
        "but the solver, which stops when the sum of squares no longer changes in float64. One "
        "Newton step with Wengert's gradient and Hessian goes past that, to a median of "
        f"{median[POLISH]:.1f} digits and never fewer than {np.min(digits[:, -1]):.1f}: all that "
        "NIST certifies, for a value rounded to 11 digits is known to 10.3 digits at least."
    )


def _table(digits: np.ndarray, cases: list[tuple[Problem, int]]) -> Table:
    rows = [
        (problem.name, problem.level, str(i + 1), *(f"{d:.1f}" for d in row))
        for (problem, i), row in zip(cases, digits, strict=True)
    ]
    rows.append(("median", "", "", *(f"{d:.1f}" for d in np.median(digits, axis=0))))
    rows.append(("fewest", "", "", *(f"{d:.1f}" for d in np.min(digits, axis=0))))
    columns = ("problem", "level", "start", *METHODS)
    return Table(
        columns,
        rows,
        "Digits that agree with the certified values, at most 11, of the worst parameter of each "
        "fit.",
    )


def _formulas(problems: list[Problem]) -> Table:
    rows = [
        (
            problem.name,
            str(len(problem.response)),
            f"`{problem.formula}`",
            f"{problem.certified_sum_of_squares:.10e}",
            f"{2 * problem.half_sum_of_squares(problem.certified):.10e}",
        )
        for problem in problems
    ]
    return Table(
        (
            "problem",
            "observations",
            "NIST's formula",
            "certified sum of squares",
            "by the NumPy model",
        ),
        rows,
        "The models against NIST: the residual sum of squares at the certified parameters. In "
        "Lanczos1 the data are exact to 14 digits, so that the rounding of the parameters to 11 "
        "digits shows.",
    )


def _chart(digits: np.ndarray, cases: list[tuple[Problem, int]], settings: Settings) -> Picture:
    figure, axis = new_figure(8.4, 1.4 + 0.19 * len(cases))
    places = np.arange(len(cases))[::-1]
    axis.hlines(places, digits.min(axis=1), digits.max(axis=1), color=RULE, linewidth=1.2, zorder=1)
    marks = (
        (RED, "v", 30),
        (ORANGE, "s", 20),
        (GREEN, "D", 20),
        (BLUE, "o", 36),
        (BLUE, "o", 60),
    )
    for column, (method, (colour, marker, size)) in enumerate(zip(METHODS, marks, strict=True)):
        is_hollow = method == POLISH
        axis.scatter(
            digits[:, column], places, s=size, marker=marker, label=method, zorder=2 + column / 10,
            facecolor="none" if is_hollow else colour, edgecolor=colour if is_hollow else "white",
            linewidth=1.2 if is_hollow else 0.5,
        )  # fmt: skip
    axis.axvline(CONVERGED, color=SOFT, linewidth=0.9, linestyle=":")
    names = [f"{problem.name if i == 0 else ''}  {i + 1}" for problem, i in cases]
    axis.set_yticks(places, names, fontsize=8)
    axis.set(xlim=(-0.3, 11.4), ylim=(-1, len(cases)), xticks=range(12))
    axis.set_xlabel("digits that agree with the certified values")
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    entries = axis.get_legend_handles_labels()
    figure.legend(*entries, loc="outside upper center", ncols=3, fontsize=9, frameon=False)
    return save_picture(
        figure, settings.out, "nist_digits",
        "Digits of agreement for each problem and starting point. Left of the dotted line a fit "
        "has not found the solution.",
    )  # fmt: skip


def _fits(problems: list[Problem], settings: Settings) -> Picture:
    columns = 6
    rows = -(-len(problems) // columns)
    figure, axes = new_figure(10.5, 1.55 * rows, rows, columns)
    for axis, problem in zip(axes.flat, problems, strict=False):
        model, x = MODELS[problem.name], problem.predictors
        if isinstance(x, np.ndarray):
            axis.plot(x, problem.response, ".", color=SOFT, markersize=2.5)
            line = np.linspace(x.min(), x.max(), 400)
            axis.plot(line, model(line, problem.certified), color=BLUE, linewidth=1.2)
        else:  # two predictors: measured against modelled, and the line where both are equal
            modelled = model(x, problem.certified)
            axis.plot(modelled, problem.response, ".", color=SOFT, markersize=2.5)
            axis.plot(modelled, modelled, color=BLUE, linewidth=1.2)
        axis.set_title(problem.name, fontsize=9)
        axis.set(xticks=[], yticks=[])
    for axis in axes.flat[len(problems) :]:
        axis.remove()
    return save_picture(
        figure, settings.out, "nist_fits",
        "The problems: measurements (grey) and the model at the certified parameters (blue). "
        "Nelson has two predictors: there the measurements stand above the values of the model.",
    )  # fmt: skip
