"""The mirrors that NumPy's seams are closed with, and `adapt` for names imported directly.

Adding a function to a mirror module (`wengert.numpy`, `wengert.math`, `wengert.scipy.*`) is all it
takes to intercept it: the table is read from their ``__all__``.
"""

from __future__ import annotations

import functools
import math as python_math
from collections.abc import Callable
from importlib import import_module
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as plain_numpy

from wengert import math, numpy
from wengert.errors import is_user_file
from wengert.tape.mirrors import SEAMS, mirror_of
from wengert.tape.seams import mirror, mirror_conversions, mirror_type_tests

MIRRORS: dict[ModuleType, ModuleType] = {plain_numpy: numpy, python_math: math}


def _mirror_module(plain: ModuleType, ours: ModuleType) -> None:
    MIRRORS[plain] = ours
    mirror(plain, {name: getattr(ours, name) for name in ours.__all__})


def _mirror_scipy(name: str) -> None:
    _mirror_module(import_module(name), import_module(f"wengert.{name}"))


def _mirror_masked() -> None:
    mirror(plain_numpy.ma, numpy.masked())


def _mirror_polynomials() -> None:
    for name in ("chebyshev", "hermite", "hermite_e", "laguerre", "legendre", "polynomial"):
        mirror_type_tests(vars(import_module(f"numpy.polynomial.{name}")))


for _plain, _ours in tuple(MIRRORS.items()):
    _mirror_module(_plain, _ours)
mirror(plain_numpy.linalg, numpy.LINALG)
mirror(plain_numpy.fft, numpy.FFT)
mirror(plain_numpy.lib.stride_tricks, numpy.STRIDE_TRICKS)
mirror_conversions(plain_numpy.vectorize.__call__.__globals__)
SEAMS.late |= {  # when user code has imported them
    "scipy.special": functools.partial(_mirror_scipy, "scipy.special"),
    "scipy.linalg": functools.partial(_mirror_scipy, "scipy.linalg"),
    "numpy.ma": _mirror_masked,
    "numpy.polynomial": _mirror_polynomials,
}


def adapt(f: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a function in which names that were imported directly are rebound.

    ``from math import sin`` and ``from numpy import zeros`` bind functions before Wengert can see
    them. In the copy these names, wherever the function or anything written in Python that it calls
    looks them up, are those of `wengert.math`, `wengert.numpy` and `wengert.scipy`.

    Parameters
    ----------
    f : callable
        A function or method written in Python, of your own or of an installed package.

    Returns
    -------
    callable
        The copy. Outside a trace it computes what `f` computes. Global variables that it assigns
        are its own; the original is untouched.

    Raises
    ------
    TypeError
        If `f` is not written in Python.

    Examples
    --------
    >>> from math import sin
    >>> wg.grad(wg.adapt(lambda x: sin(x)))(0.0)
    np.float64(1.0)
    """
    adapted = _Adapter().adapted(f)
    if adapted is f:
        raise TypeError(
            f"adapt needs a function written in Python, not {type(f).__name__} ({f!r}).\n"
            "  Declare what is not as an operation of its own with wg.primitive."
        )
    return adapted


class _Adapter:
    """Copies of functions, made when first looked up; each once, so that recursion ends."""

    def __init__(self) -> None:
        self.copies: dict[int, tuple[Any, Any]] = {}  # id -> (original, copy); holds the id's owner
        self.globals: dict[int, _Globals] = {}

    def adapted(self, value: Any) -> Any:
        """What a name is bound to in the copy."""
        if isinstance(value, ModuleType):
            SEAMS.mirror_late()
            return MIRRORS.get(value, value)
        mirrored = mirror_of(value) if callable(value) else None
        if mirrored is not None:
            return mirrored
        if isinstance(value, MethodType):
            return MethodType(self.adapted(value.__func__), value.__self__)
        if isinstance(value, functools.partial):
            return functools.partial(self.adapted(value.func), *value.args, **value.keywords)
        if not isinstance(value, FunctionType) or _is_ours(value):
            return value
        if id(value) not in self.copies:
            self._copy(value)
        return self.copies[id(value)][1]

    def _copy(self, f: FunctionType) -> None:
        namespace = self.globals.setdefault(id(f.__globals__), _Globals(f.__globals__, self))
        cells = tuple(CellType() for _ in f.__closure__ or ())
        copy = FunctionType(f.__code__, namespace, f.__name__, f.__defaults__, cells or None)
        copy.__kwdefaults__ = f.__kwdefaults__
        copy.__dict__.update(f.__dict__)
        self.copies[id(f)] = (f, copy)
        for cell, original in zip(cells, f.__closure__ or (), strict=True):
            cell.cell_contents = self.adapted(original.cell_contents)
        functools.update_wrapper(copy, f)


def _is_ours(f: FunctionType) -> bool:
    return f.__module__.startswith("wengert") and not is_user_file(f.__code__.co_filename)


class _Globals(dict[str, Any]):
    """The globals of a copy: the original's, adapted when a name is looked up."""

    def __init__(self, original: dict[str, Any], adapter: _Adapter):
        super().__init__()
        self.original, self.adapter = original, adapter

    def __missing__(self, name: str) -> Any:
        if name == "__builtins__":
            return self.original[name]
        return self.adapter.adapted(self.original[name])
