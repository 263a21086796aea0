"""The registry: the list of topics, and all that they declare.

Importing a topic changes nothing but its own names; this file reads them. SciPy's modules take longer
to import than all else together, so their topics wait until the module is there; so do those of
modules that NumPy itself imports late.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from wengert.primitives.family import Derived, Primitive
from wengert.primitives.samples import Sample

TOPICS = (
    "arithmetic",
    "exponential",
    "trigonometric",
    "rounding",
    "reductions",
    "selection",
    "ufunc_methods",
    "cumulative",
    "differences",
    "sorting",
    "sets",
    "statistics",
    "histograms",
    "quantiles",
    "nan_variants",
    "interpolation",
    "applying",
    "shaping",
    "questions",
    "joining",
    "indexing",
    "taking",
    "places",
    "padding",
    "editing",
    "diagonals",
    "repeating",
    "products",
    "einsum",
    "polynomials",
    "triangular",
    "decompositions",
    "cholesky",
    "linalg",
    "norms",
    "complex",
    "scimath",
    "fft",
    "control",
)
LATE = {
    "numpy.polynomial": ("bivariate",),
    "scipy.special": ("special", "gamma", "bessel", "hypergeometric", "logsumexp", "spherical"),
    "scipy.linalg": ("matrix_functions", "lu", "scipy_linalg"),
}


class Registry:
    """Everything that has a rule, by name and by the NumPy function that it stands for."""

    def __init__(self, topics: tuple[str, ...], late: dict[str, tuple[str, ...]]):
        self.ufuncs: dict[np.ufunc, Primitive] = {}
        self._topics: dict[str, ModuleType] = {}
        self._primitives: dict[str, Primitive] = {}
        self._derived: dict[str, Derived] = {}
        self._by_function: dict[Any, Primitive | Derived] = {}
        self._waiting = dict(late)
        self._load(topics)

    def _load(self, topics: tuple[str, ...]) -> None:
        for topic in topics:
            module = self._topics[topic] = import_module(f"wengert.primitives.{topic}")
            for declared in vars(module).values():
                if isinstance(declared, Primitive | Derived):
                    self._add(declared, module)
        for entry in self._derived.values():  # a derived front takes precedence over the primitive
            self._by_function[entry.function] = entry
            self.ufuncs.pop(entry.function, None)

    def _add(self, declared: Primitive | Derived, module: ModuleType) -> None:
        is_primitive = isinstance(declared, Primitive)
        table: dict[str, Any] = self._primitives if is_primitive else self._derived
        if table.get(declared.name, declared) is not declared:
            raise TypeError(f"{declared.name} is declared twice, again in {module.__name__}")
        table[declared.name] = declared
        self._by_function[declared.function] = declared
        if isinstance(declared, Primitive) and isinstance(declared.function, np.ufunc):
            self.ufuncs[declared.function] = declared

    def find(self, function: Any) -> Primitive | Derived | None:
        """What stands for a NumPy or SciPy function; None if nothing does."""
        found = self._by_function.get(function)
        if found is None and self._waiting:
            for name in [name for name in self._waiting if name in sys.modules]:
                self._load(self._waiting.pop(name))
            found = self._by_function.get(function)
        return found

    def complete(self) -> None:
        """Load the topics that wait for modules."""
        while self._waiting:
            self._load(self._waiting.pop(next(iter(self._waiting))))

    @property
    def topics(self) -> dict[str, ModuleType]:
        """The topic files, by name."""
        self.complete()
        return self._topics

    @property
    def primitives(self) -> dict[str, Primitive]:
        """Every primitive, by name."""
        self.complete()
        return self._primitives

    @property
    def derived(self) -> dict[str, Derived]:
        """Every derived function, by name."""
        self.complete()
        return self._derived

    @property
    def by_function(self) -> dict[Any, Primitive | Derived]:
        """Everything, by the function that it stands for."""
        self.complete()
        return self._by_function

    def __iter__(self) -> Iterator[Primitive]:
        return iter(self.primitives.values())

    def __getitem__(self, name: str) -> Primitive:
        return self.primitives[name]

    def topic_of(self, declared: Primitive | Derived) -> str:
        """Name of the file that declares it."""
        return next(
            topic
            for topic, module in self.topics.items()
            if any(declared is known for known in vars(module).values())
        )

    def samples(self) -> list[tuple[Primitive | Derived, Sample]]:
        """Every sample call, with what it calls."""
        everything: list[Primitive | Derived] = [*self.primitives.values(), *self.derived.values()]
        return [(entry, sample) for entry in everything for sample in entry.samples]


REGISTRY = Registry(TOPICS, LATE)
