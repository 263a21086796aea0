"""The primitives that a traced program may consist of, by name.

They are the registry's, and the few of `trace.py` that bring decisions to the form of guards. Files
(`store.py`) and printed source (`source.py`) know these and no others.
"""

from __future__ import annotations

import functools

from wengert.compile.trace import MEASURES, SAME
from wengert.primitives.family import Primitive
from wengert.primitives.registry import REGISTRY

MEASURE = "size of "  # how the names of MEASURES begin: each gives one integer


@functools.cache
def known_primitives() -> dict[str, Primitive]:
    """Every primitive, by name."""
    return {**REGISTRY.primitives, **{p.name: p for p in (SAME, *MEASURES.values())}}


def is_known(primitive: Primitive) -> bool:
    """True if a file, or printed source, can name a primitive."""
    return known_primitives().get(primitive.name) is primitive
