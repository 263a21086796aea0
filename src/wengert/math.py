"""``import wengert.math as math``: Python's math, of traced numbers too.

A traced argument goes to the NumPy or SciPy function of the same meaning, after Python's own has
had its say about the domain. The names here are those intercepted in plain `math` inside a trace.
"""

from __future__ import annotations

import functools
import math as _math
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import numpy as np

from wengert.errors import BatchError
from wengert.tape.array import Array, concrete, decided, is_batched, of_program


def _of_scipy(name: str) -> Callable[..., Any]:
    """A function of scipy.special, which takes long to import, from its first call on."""
    return lambda x: getattr(import_module("scipy.special"), name)(x)


_SAME = {
    **{
        name: getattr(np, name)
        for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1")
    },
    **{
        name: getattr(np, name)
        for name in ("log10", "log1p", "log2", "sqrt", "fabs", "copysign", "fmod")
    },
    **{name: getattr(np, name) for name in ("degrees", "radians", "ldexp", "modf", "frexp")},
    **{
        f"a{name}": getattr(np, f"arc{name}")
        for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")
    },
    "atan2": np.arctan2,
    "pow": np.power,
    "cbrt": np.cbrt,
    "exp2": np.exp2,
    "erf": _of_scipy("erf"),
    "erfc": _of_scipy("erfc"),
    "gamma": _of_scipy("gamma"),
    "lgamma": _of_scipy("gammaln"),
}


def __getattr__(name: str) -> Any:
    return getattr(_math, name)


def __dir__() -> list[str]:
    return sorted({*dir(_math), *__all__})


def _is_traced(*args: Any) -> bool:
    return any(isinstance(x, Array) for x in args)


def _like_numpy(name: str, ufunc: Any) -> Callable[..., Any]:
    original = getattr(_math, name)

    def function(*args: Any) -> Any:
        if not _is_traced(*args):
            return original(*args)
        _check(original, *args)
        return _checked(ufunc(*args))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As `math.{name}`; the arguments may be traced."
    return function


def _check(original: Callable[..., Any], *args: Any) -> None:
    """Raise for what Python's function does not accept; under vmap, for shapes alone."""
    for x in args:
        _real(x)
    if not any(is_batched(x) for x in args):
        original(*(concrete(x) for x in args))


def _checked(out: Any) -> Any:
    """A result that Python's function gave, too: in a program, while it is a finite number."""
    number = of_program(out)
    if not isinstance(number, Array):
        return out
    if not bool(np.isfinite(number)):
        decided(number)
    return number.tape.weak(number) if number is out else out


def _real(x: Any) -> Any:
    if (x.ndim if isinstance(x, Array) else np.ndim(x)) > 0:
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    return x


def _scalar(x: Any, name: str) -> Any:
    """The number whose value is asked for, which must be one number for all of a batch.

    In a program it stays an Array: what is decided on it becomes a guard.
    """
    if is_batched(_real(x)):
        raise BatchError(
            f"math.{name} was asked of a value that differs along the vmapped axis.",
            f"Use the NumPy function of the same meaning for all at once, such as np.{name}.",
        )
    return of_program(x)


def log(x: Any, *base: Any) -> Any:
    """As `math.log`; the arguments may be traced."""
    if not _is_traced(x, *base):
        return _math.log(x, *base)
    _check(_math.log, x, *base)
    return _checked(np.log(x) / np.log(base[0]) if base else np.log(x))


def fsum(seq: Iterable[Any]) -> Any:
    """As `math.fsum`; traced elements are added in order."""
    parts = list(seq)
    if not _is_traced(*parts):
        return _math.fsum(parts)
    total: Any = 0.0
    for part in parts:
        total = total + part
    return total


def prod(iterable: Iterable[Any], *, start: Any = 1) -> Any:
    """As `math.prod`; the factors may be traced."""
    total = start
    for factor in iterable:
        total = total * factor
    return total


def dist(p: Iterable[Any], q: Iterable[Any]) -> Any:
    """As `math.dist`; the coordinates may be traced."""
    p, q = list(p), list(q)
    if not _is_traced(*p, *q):
        return _math.dist(p, q)
    return np.linalg.norm(np.stack([np.subtract(a, b) for a, b in zip(p, q, strict=True)]))


def hypot(*coordinates: Any) -> Any:
    """As `math.hypot`; the coordinates may be traced."""
    if not _is_traced(*coordinates):
        return _math.hypot(*coordinates)
    return _checked(functools.reduce(np.hypot, [_real(x) for x in coordinates], 0.0))


def sumprod(p: Iterable[Any], q: Iterable[Any]) -> Any:
    """As `math.sumprod`; the elements may be traced."""
    total: Any = 0
    for a, b in zip(p, q, strict=True):
        total = total + a * b
    return total


def remainder(x: Any, y: Any) -> Any:
    """As `math.remainder`; the arguments may be traced."""
    if not _is_traced(x, y):
        return _math.remainder(x, y)
    _check(_math.remainder, x, y)
    return _checked(x - np.rint(x / y) * y)


def _of_value(name: str) -> Callable[..., Any]:
    original = getattr(_math, name)

    def function(*args: Any, **kwargs: Any) -> Any:
        values = [_scalar(x, name) for x in args]
        options = {key: _scalar(x, name) for key, x in kwargs.items()}
        if name in _QUESTIONS and _is_traced(*values, *options.values()):
            return bool(_QUESTIONS[name](*values, **options))
        return original(*values, **options)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"As `math.{name}`: an answer about the value, without derivative."
    return function


def _is_close(a: Any, b: Any, *, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> Any:
    """As `math.isclose`, of numbers of a program."""
    largest = np.maximum(np.abs(a), np.abs(b))
    bound = np.maximum(rel_tol * largest, abs_tol)
    return np.logical_or(a == b, np.isfinite(largest) & (np.abs(a - b) <= bound))


# Questions about a number of a program: the answer is a decision.
_QUESTIONS: dict[str, Callable[..., Any]] = {
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "isnan": np.isnan,
    "isclose": _is_close,
}
_ABOUT_VALUES = ("floor", "ceil", "trunc", "isfinite", "isinf", "isnan", "isclose")
_mirrors = {name: _like_numpy(name, ufunc) for name, ufunc in _SAME.items() if hasattr(_math, name)}
_mirrors |= {name: _of_value(name) for name in _ABOUT_VALUES}
_written: dict[str, Callable[..., Any]] = {
    "log": log,
    "fsum": fsum,
    "prod": prod,
    "dist": dist,
    "hypot": hypot,
    "remainder": remainder,
}
if hasattr(_math, "sumprod"):
    _written["sumprod"] = sumprod
_mirrors |= _written
globals().update(_mirrors)
__all__ = sorted(_mirrors)
