"""Mirrors of a SciPy module's functions: given an Array, what stands for them is called."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from wengert.primitives.registry import REGISTRY
from wengert.tape.array import Array
from wengert.tape.dispatch import call, lift
from wengert.tape.stacking import stack


def mirrors(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """A mirror of each function of a module that has a rule and cannot dispatch by itself."""
    return {
        name: _mirror(function)
        for name, function in sorted(vars(module).items())
        if callable(function)
        and not isinstance(function, np.ufunc | type)
        and not name.startswith("_")
        and function in REGISTRY.by_function
    }


def _mirror(original: Callable[..., Any]) -> Callable[..., Any]:
    handler = REGISTRY.by_function[original]

    @functools.wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        args = tuple([_joined(x) for x in args])
        kwargs = {name: _joined(x) for name, x in kwargs.items()}
        if any(_holds_array(x) for x in (*args, *kwargs.values())):
            return call(handler, *[lift(x) if isinstance(x, Array) else x for x in args], **kwargs)
        return original(*args, **kwargs)

    return function


def _joined(x: Any) -> Any:
    """Lists and object arrays of traced numbers as one Array; a tuple's parts, each by itself."""
    if type(x) is tuple:
        return tuple([_joined(part) for part in x])
    if not isinstance(x, list) and type(x) is not np.ndarray:
        return x
    found = stack(x)
    return found if isinstance(found, Array) else x


def _holds_array(x: Any) -> bool:
    return isinstance(x, Array) or (type(x) is tuple and any(_holds_array(part) for part in x))
