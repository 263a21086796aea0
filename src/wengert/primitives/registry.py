"""The registry: the list of topics, and all that they declare.

Importing a topic changes nothing but its own names; this file reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from wengert.primitives.family import Derived, Primitive
from wengert.primitives.samples import Sample

TOPICS = (
    "arithmetic",
    "exponential",
    "trigonometric",
    "special",
    "gamma",
    "bessel",
    "hypergeometric",
    "rounding",
    "reductions",
    "selection",
    "logsumexp",
    "ufunc_methods",
    "cumulative",
    "differences",
    "sorting",
    "statistics",
    "quantiles",
    "nan_variants",
    "interpolation",
    "applying",
    "shaping",
    "questions",
    "joining",
    "indexing",
    "taking",
    "padding",
    "editing",
    "diagonals",
    "repeating",
    "products",
    "einsum",
    "polynomials",
    "decompositions",
    "linalg",
    "norms",
    "complex",
    "fft",
    "control",
)


class Registry:
    """Everything that has a rule, by name and by the NumPy function that it stands for."""

    def __init__(self, topics: tuple[str, ...]):
        self.topics: dict[str, ModuleType] = {
            topic: import_module(f"wengert.primitives.{topic}") for topic in topics
        }
        self.primitives: dict[str, Primitive] = {}
        self.derived: dict[str, Derived] = {}
        self.by_function: dict[Any, Primitive | Derived] = {}
        for module in self.topics.values():
            for declared in vars(module).values():
                if isinstance(declared, Primitive | Derived):
                    self._add(declared, module)
        for entry in self.derived.values():  # a derived front takes precedence over the primitive
            self.by_function[entry.function] = entry

    def _add(self, declared: Primitive | Derived, module: ModuleType) -> None:
        table: dict[str, Any] = self.primitives if isinstance(declared, Primitive) else self.derived
        if table.get(declared.name, declared) is not declared:
            raise TypeError(f"{declared.name} is declared twice, again in {module.__name__}")
        table[declared.name] = declared
        self.by_function[declared.function] = declared

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


REGISTRY = Registry(TOPICS)
