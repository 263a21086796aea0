"""``from wengert.scipy import special``: scipy.special, of traced arrays throughout.

The ufuncs of scipy.special dispatch by themselves; the others that have a rule stand here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special as _special

from wengert.primitives.registry import REGISTRY
from wengert.tape.array import Array
from wengert.tape.dispatch import call, lift
from wengert.tape.stacking import stack


def __getattr__(name: str) -> Any:
    return getattr(_special, name)


def __dir__() -> list[str]:
    return sorted({*dir(_special), *__all__})


def _mirror(original: Callable[..., Any]) -> Callable[..., Any]:
    handler = REGISTRY.by_function[original]

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        args = tuple(stack(x) if isinstance(x, list | tuple | np.ndarray) else x for x in args)
        if any(isinstance(x, Array) for x in (*args, *kwargs.values())):
            return call(handler, *(lift(x) if isinstance(x, Array) else x for x in args), **kwargs)
        return original(*args, **kwargs)

    return function


__all__ = sorted(
    name
    for name, function in vars(_special).items()
    if callable(function)
    and not isinstance(function, np.ufunc | type)
    and not name.startswith("_")
    and function in REGISTRY.by_function
)
globals().update({name: _mirror(getattr(_special, name)) for name in __all__})
