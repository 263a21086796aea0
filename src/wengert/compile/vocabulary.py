"""The primitives that a traced program may consist of, by name.

They are the registry's, and the few of `trace.py` that bring decisions to the form of guards. Files
(`store.py`) and printed source (`source.py`) know these and no others.
"""

from __future__ import annotations

import functools

from wengert.compile.trace import ERROR, MEASURES, SAME, raises
from wengert.primitives.family import Primitive
from wengert.primitives.registry import REGISTRY

MEASURE = "size of "  # how the names of MEASURES begin: each gives one integer


@functools.cache
def _named() -> dict[str, Primitive]:
    return {**REGISTRY.primitives, **{p.name: p for p in (SAME, *MEASURES.values())}}


def primitive_of(name: str) -> Primitive | None:
    """The primitive of a name; None if a file, or printed source, cannot name it."""
    base = base_of_error(name)
    return raises(base) if base is not None else _named().get(name)


def base_of_error(name: str) -> Primitive | None:
    """The primitive whose exception one stands for, that was handled; None if it does not."""
    return REGISTRY.primitives.get(name[len(ERROR) :]) if name.startswith(ERROR) else None


def is_known(primitive: Primitive) -> bool:
    """True if a file, or printed source, can name a primitive."""
    return primitive_of(primitive.name) is primitive
