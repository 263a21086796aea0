"""What the tests over the registry share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from wengert.primitives.family import Derived


def _target(entry: Any) -> Any:
    """What a user calls; for SciPy's functions in Python, what their mirrors call."""
    if not isinstance(entry, Derived):
        return entry
    if isinstance(entry.function, tuple):
        ufunc, method = entry.function
        return getattr(ufunc, method)
    is_ufunc = isinstance(entry.function, np.ufunc)  # SciPy's dispatch by themselves
    is_scipys = not is_ufunc and "scipy" in entry.function.__module__
    return entry if is_scipys else entry.function


@pytest.fixture(scope="session")
def as_function() -> Callable[[Any, Any], tuple[Any, tuple[Any, ...]]]:
    """A sample's call as a function of its differentiable arguments only; and these."""

    def made(entry: Any, sample: Any) -> tuple[Any, tuple[Any, ...]]:
        args, positions = sample.args, sample.differentiable
        target = _target(entry)

        def function(*sources: Any) -> Any:
            full = list(args)
            for position, source in zip(positions, sources, strict=True):
                full[position] = source
            return target(*full, **sample.kwargs)

        function.__name__ = entry.name
        return function, tuple(args[k] for k in positions)

    return made
