"""Seeded sample inputs that stand beside each primitive: what the tests over the registry run.

``call(normal(3, 4), axis=0)`` is one call of the primitive; arrays are made anew, from a seed of their
own, each time they are asked for, so that no test can spoil another's.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np


class Draw:
    """A recipe for one random array."""

    def __init__(self, label: str, shape: tuple[int, ...], make: Callable[..., Any]):
        self.label, self.shape, self.make = label, shape, make

    def array(self, position: int = 0) -> Any:
        """The array; the same each time for the same recipe and position."""
        seed = zlib.crc32(f"{self.label}{self.shape}{position}".encode())
        return self.make(np.random.default_rng(seed), self.shape)


class Sample:
    """One call: operands (recipes, arrays or static values) and keyword parameters."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], max_order: int = 2):
        self.recipes, self.kwargs, self.max_order = args, kwargs, max_order

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments, made anew."""
        return tuple(_build(arg, k) for k, arg in enumerate(self.recipes))

    @property
    def differentiable(self) -> tuple[int, ...]:
        """Positions of floating-point arguments that were drawn (constants are given as arrays)."""
        return tuple(k for k, arg in enumerate(self.recipes) if _is_drawn(arg))

    def __str__(self) -> str:
        parts = [_describe(arg) for arg in self.recipes]
        return ", ".join(parts + [f"{k}={_describe(v)}" for k, v in self.kwargs.items()])


def call(*args: Any, max_order: int = 2, **kwargs: Any) -> Sample:
    """One sample call; `max_order` is the highest derivative that finite differences can check there."""
    return Sample(args, kwargs, max_order)


def normal(*shape: int) -> Draw:
    """Standard normal numbers."""
    return Draw("normal", shape, lambda rng, s: rng.standard_normal(s))


def positive(*shape: int) -> Draw:
    """Uniform in [0.5, 2]."""
    return Draw("positive", shape, lambda rng, s: rng.uniform(0.5, 2.0, s))


def unit(*shape: int) -> Draw:
    """Uniform in [-0.9, 0.9]: inside the domain of arcsin and arctanh."""
    return Draw("unit", shape, lambda rng, s: rng.uniform(-0.9, 0.9, s))


def probability(*shape: int) -> Draw:
    """Uniform in [0.1, 0.9]."""
    return Draw("probability", shape, lambda rng, s: rng.uniform(0.1, 0.9, s))


def distinct(*shape: int) -> Draw:
    """Well separated numbers in random order: no ties, and none that a small step makes."""

    def make(rng: np.random.Generator, s: tuple[int, ...]) -> Any:
        n = int(np.prod(s))
        return (rng.permutation(n).reshape(s) - n / 2) / 3.0 + 0.05

    return Draw("distinct", shape, make)


def well_conditioned(*shape: int) -> Draw:
    """Square matrices near the identity: invertible, with distinct singular values."""

    def make(rng: np.random.Generator, s: tuple[int, ...]) -> Any:
        return 0.3 * rng.standard_normal(s) + np.diag(np.linspace(1.0, 2.0, s[-1]))

    return Draw("well_conditioned", shape, make)


def positive_definite(*shape: int) -> Draw:
    """Symmetric positive definite matrices with distinct eigenvalues."""

    def make(rng: np.random.Generator, s: tuple[int, ...]) -> Any:
        a = rng.standard_normal(s)
        return a @ np.swapaxes(a, -1, -2) / s[-1] + np.diag(np.linspace(1.0, 2.0, s[-1]))

    return Draw("positive_definite", shape, make)


def complex_normal(*shape: int) -> Draw:
    """Complex numbers with normal parts."""
    return Draw(
        "complex",
        shape,
        lambda rng, s: rng.standard_normal(s) + 1j * rng.standard_normal(s),
    )


def _build(arg: Any, position: int) -> Any:
    if isinstance(arg, Draw):
        return arg.array(position)
    if isinstance(arg, list | tuple) and any(isinstance(part, Draw) for part in arg):
        return type(arg)(_build(part, 100 * position + k) for k, part in enumerate(arg))
    return arg.copy() if isinstance(arg, np.ndarray) else arg


def _is_drawn(arg: Any) -> bool:
    return isinstance(arg, Draw) or (
        isinstance(arg, list | tuple) and any(isinstance(part, Draw) for part in arg)
    )


def _describe(arg: Any) -> str:
    """What a test's name says of an argument: the same in every process."""
    if isinstance(arg, Draw):
        return f"{arg.label}{list(arg.shape)}"
    if isinstance(arg, list):
        return "[" + ", ".join(_describe(part) for part in arg) + "]"
    if isinstance(arg, tuple):
        return "(" + ", ".join(_describe(part) for part in arg) + ")"
    if isinstance(arg, np.ndarray):
        return f"{arg.dtype}{list(arg.shape)}"
    return str(arg.__name__) if hasattr(arg, "__name__") else repr(arg)
