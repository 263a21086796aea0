"""Operations of a user's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg

x, y = np.array([0.5, 1.0, 2.0]), np.array([1.0, -1.0, 3.0])


def make(**rules: Any) -> Any:
    @wg.primitive(**rules)
    def weighted(x: Any, y: Any, *, n: int = 2) -> Any:
        assert type(x) is not object
        return np.asarray(x) ** n * np.asarray(y)  # converts: it only ever sees plain arrays

    return weighted


VJP = (
    lambda adjoint, x, y, *, n: adjoint * n * x ** (n - 1) * y,
    lambda adjoint, x, *, n: adjoint * x**n,
)
JVP = (lambda t, x, y, *, n: t * n * x ** (n - 1) * y, lambda t, x, *, n: t * x**n)


def joint(adjoint: Any, x: Any, y: Any, *, n: int) -> Any:
    return adjoint * n * x ** (n - 1) * y, adjoint * x**n


@pytest.mark.parametrize(
    "rules",
    [{"vjp": VJP}, {"jvp": JVP}, {"vjp": VJP, "jvp": JVP}, {"vjp": joint}],
    ids=["vjp", "jvp", "both", "joint"],
)
def test_either_rule_gives_both_modes_and_every_order(rules: Any) -> None:
    f = make(**rules)
    wg.check_grads(lambda x, y: f(x, y, n=3), (x, y), order=2)


def test_it_is_batched_by_a_loop_or_by_its_rule() -> None:
    f = make(vjp=VJP)
    assert_allclose(wg.vmap(f)(x, y), x**2 * y)
    assert_allclose(wg.vmap(wg.grad(f))(x, y), 2 * x * y)
    assert_allclose(wg.vmap(make(vjp=VJP, batch="broadcast"), in_axes=(0, None))(x, 2.0), 2 * x**2)


def test_a_rule_that_does_not_fit_is_named() -> None:
    f = wg.primitive(lambda x: x * 1, vjp=lambda adjoint: np.ones(7), name="odd")
    with pytest.raises(wg.errors.RuleError, match=r"odd .*shape \(7,\)"):
        wg.grad(lambda x: np.sum(f(x)))(x)
    with pytest.raises(wg.errors.RuleError, match="2 derivatives were expected"):
        wg.grad(lambda x: np.sum(make(vjp=lambda adjoint, x, **_: (adjoint,))(x, y)))(x)
    with pytest.raises(wg.errors.ArgumentError, match="without a rule"):
        wg.primitive(lambda x: x)


def test_operands_without_a_rule_take_no_part() -> None:
    f = make(vjp=(VJP[0], None))
    assert_allclose(wg.grad(lambda x: np.sum(f(x, x)))(x), 2 * x * x)
