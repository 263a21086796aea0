"""The registry's samples as functions to compile, of what is drawn in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert import tree
from wengert.primitives.family import Derived, LocallyConstant
from wengert.primitives.registry import REGISTRY
from wengert.primitives.samples import _build

Pair = Any  # an entry of the registry, and one of its samples
_NOT_NUMBERS = ("empty_like", "array_str", "array_repr")  # undefined, or text

ALL: list[Pair] = [
    (e, s)
    for e, s in REGISTRY.samples()
    if e.name not in _NOT_NUMBERS
    and (s.differentiable or any(isinstance(x, np.ndarray) for x in s.recipes))
]
DRAWN = [(e, s) for e, s in ALL if s.differentiable]
SMOOTH = [(e, s) for e, s in DRAWN if not isinstance(e, LocallyConstant) and s.max_order]


def named(pair: Pair) -> str:
    """What a test of a sample is called."""
    return f"{pair[0].name}({pair[1]})"


def target_of(entry: Any) -> Any:
    """What a user calls; for SciPy's functions in Python, what their mirrors call."""
    if not isinstance(entry, Derived):
        return entry
    if isinstance(entry.function, tuple):
        return getattr(*entry.function)
    is_ufunc = isinstance(entry.function, np.ufunc)  # SciPy's dispatch by themselves
    is_scipys = not is_ufunc and "scipy" in entry.function.__module__
    return entry if is_scipys else entry.function


def function_of(pair: Pair) -> tuple[Callable[..., Any], list[tuple[Any, ...]]]:
    """A sample as a function of what is drawn in it, and two draws of that.

    Where nothing is drawn, it is a function of its arrays, and the second draw is the first one's,
    backwards.
    """
    entry, sample = pair
    drawn = [[_build(r, k + shift) for k, r in enumerate(sample.recipes)] for shift in (0, 31)]
    positions = sample.differentiable
    if not positions:
        is_array = [isinstance(x, np.ndarray) for x in drawn[0]]
        positions = tuple([k for k, x in enumerate(is_array) if x])
        drawn[1] = [np.flip(x) if isinstance(x, np.ndarray) else x for x in drawn[1]]

    def function(*sources: Any) -> Any:
        full = list(drawn[0])
        for position, source in zip(positions, sources, strict=True):
            full[position] = source
        return target_of(entry)(*full, **sample.kwargs)

    return function, [tuple(args[k] for k in positions) for args in drawn]


def pulled_back(function: Callable[..., Any]) -> Callable[..., Any]:
    """The products of fixed weights with the derivatives of a function."""

    def pulled(*sources: Any) -> Any:
        out, pull = wg.vjp(function, *sources)
        return pull(tree.map(weights, out))

    return pulled


def pushed_forward(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function, and its derivative in a fixed direction."""
    return lambda *sources: wg.jvp(function, sources, tree.map(weights, sources))


def weights(out: Any) -> Any:
    """Fixed numbers in the shape and dtype of a value."""
    if not np.shape(out):
        return 1.0
    return np.cos(np.arange(np.size(out))).reshape(np.shape(out)).astype(out.dtype)
