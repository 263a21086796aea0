"""Every rule of the registry, by itself: nobody keeps a second list."""

from __future__ import annotations

from typing import Any

import pytest

from wengert import check_grads
from wengert.primitives.family import LocallyConstant
from wengert.primitives.registry import REGISTRY

SAMPLES = REGISTRY.samples()
SMOOTH = [
    (e, s)
    for e, s in SAMPLES
    if not isinstance(e, LocallyConstant) and s.differentiable and s.max_order
]


def name(pair: Any) -> str:
    entry, sample = pair
    return f"{entry.name}({sample})"


@pytest.mark.parametrize("mode", ["fwd", "rev"])
@pytest.mark.parametrize("pair", SMOOTH, ids=name)
def test_first_derivative_agrees_with_finite_differences(
    as_function: Any, pair: Any, mode: str
) -> None:
    function, args = as_function(*pair)
    check_grads(function, args, order=1, modes=(mode,))


@pytest.mark.parametrize("pair", [p for p in SMOOTH if p[1].max_order >= 2], ids=name)
def test_second_derivative_agrees_with_finite_differences(as_function: Any, pair: Any) -> None:
    function, args = as_function(*pair)
    check_grads(function, args, order=2)


def test_everything_declared_has_samples() -> None:
    made_by_tapes_only = {"part"}
    lacking = [
        e.name for e in (*REGISTRY.primitives.values(), *REGISTRY.derived.values()) if not e.samples
    ]
    assert set(lacking) <= made_by_tapes_only
