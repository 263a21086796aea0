"""Gradients of scalar functions: `grad`, `value_and_grad`, `elementwise_grad`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import NonScalarTargetError, TargetTypeError
from wengert.primitives.adjoints import like_of
from wengert.transforms.arguments import Call, name_of
from wengert.transforms.compiled import compiled
from wengert.transforms.reverse import Recording, record, report_disconnected


def grad(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] | None = None,
    *,
    argnames: str | tuple[str, ...] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    strict: bool = False,
    compile: bool = False,
) -> Callable[..., Any]:
    """Gradient of a scalar function.

    Parameters
    ----------
    f : callable
        Plain NumPy code that returns one real number: one element, of floating dtype.
    argnums : int or tuple of int, optional
        Which positional arguments to differentiate by; the first by default. Each may be a number,
        an array or a tree (dict, list, tuple, named tuple, dataclass, None) of them, of floating
        dtype.
    argnames : str or tuple of str, optional
        Which keyword arguments to differentiate by.
    has_aux : bool
        `f` returns a pair (target, auxiliary data); the gradient function returns (gradient,
        auxiliary).
    holomorphic : bool
        Promise that `f` is holomorphic: its result may then be complex.
    strict : bool
        Raise `DisconnectedError` where the result does not depend on a source, instead of warning.
    compile : bool
        Make native code of it when it is called: see `wengert.compile`.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns the gradient with the shape, dtype and tree structure of
        the source, or a tuple of them for several.

    Raises
    ------
    SourceTypeError
        If a source is no floating-point number.
    NonScalarTargetError, TargetTypeError
        If `f` returns something other than one real number.

    Notes
    -----
    For a complex source ``x + iy`` and a real target the gradient is ``df/dx - i df/dy``, as in
    JAX and autograd; PyTorch returns the conjugate.

    Examples
    --------
    >>> wg.grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    array([2., 4.])
    >>> wg.grad(lambda w: w["a"] * w["b"])({"a": 2.0, "b": 3.0})
    {'a': np.float64(3.0), 'b': np.float64(2.0)}
    """
    both = value_and_grad(
        f, argnums, argnames=argnames, has_aux=has_aux, holomorphic=holomorphic, strict=strict
    )

    @functools.wraps(f, assigned=("__module__", "__name__", "__qualname__"), updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return compiled(gradient, compile)


def value_and_grad(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] | None = None,
    *,
    argnames: str | tuple[str, ...] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    strict: bool = False,
    compile: bool = False,
) -> Callable[..., Any]:
    """Value and gradient of a scalar function, from one run.

    Parameters and exceptions are those of `grad`.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns (value, gradient), or ((value, auxiliary), gradient)
        with ``has_aux=True``.

    Examples
    --------
    >>> wg.value_and_grad(lambda x, y: x * y, (0, 1))(2.0, 3.0)
    (6.0, (np.float64(3.0), np.float64(2.0)))
    """
    if argnums is None and argnames is None:
        argnums = 0

    @functools.wraps(f, assigned=("__module__", "__name__", "__qualname__"), updated=())
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        call = Call(f, args, kwargs, argnums, argnames)
        recording = record(call, "grad", has_aux=has_aux)
        value = scalar_target(recording, holomorphic)
        adjoints = recording.pull([_one(value)])
        gradients = call.packed(filled(recording, adjoints, "grad", strict))
        return ((value, recording.aux) if has_aux else value), gradients

    return compiled(evaluate, compile)


def elementwise_grad(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] | None = None,
    *,
    argnames: str | tuple[str, ...] | None = None,
    compile: bool = False,
) -> Callable[..., Any]:
    """Derivative of every element of the result by the element of the source at its place.

    Parameters
    ----------
    f : callable
        Elementwise: each element of the result depends on one element of each source. Otherwise the
        result is the sum of the derivatives of all elements, the gradient of ``np.sum(f(x))``.
    argnums, argnames : int or str, or tuple of them
        The sources: by default the first argument.
    compile : bool
        Make native code of it when it is called: see `wengert.compile`.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns arrays shaped as the sources.

    Examples
    --------
    >>> wg.elementwise_grad(np.square)(np.array([1.0, 2.0, 3.0]))
    array([2., 4., 6.])
    """
    if argnums is None and argnames is None:
        argnums = 0

    @functools.wraps(f, assigned=("__module__", "__name__", "__qualname__"), updated=())
    def derivative(*args: Any, **kwargs: Any) -> Any:
        call = Call(f, args, kwargs, argnums, argnames)
        recording = record(call, "elementwise_grad")
        if any(like_of(v).dtype.kind == "c" for v in recording.values) and not all(
            like.dtype.kind == "c" for like in recording.likes
        ):
            raise TargetTypeError(
                f"elementwise_grad needs a real result of real sources, but {name_of(f)} returned "
                "complex numbers.",
                "Use wg.jvp(f, (x,), (np.ones_like(x),)), whose tangent is complex.",
            )
        adjoints = recording.pull([_one(value) for value in recording.values])
        return call.packed(filled(recording, adjoints, "elementwise_grad", strict=False))

    return compiled(derivative, compile)


def filled(recording: Recording, adjoints: list[Any], transform: str, strict: bool) -> list[Any]:
    """Adjoints with zeros where the result does not depend on a source."""
    for adjoint in adjoints:
        if adjoint is None:
            break
    else:
        return adjoints
    report_disconnected(recording, adjoints, transform, strict)
    return [
        like.zeros() if adjoint is None else adjoint
        for adjoint, like in zip(adjoints, recording.likes, strict=True)
    ]


def _one(value: Any) -> Any:
    return 1.0 if type(value) in (float, np.float64) else like_of(value).ones()


def scalar_target(recording: Recording, holomorphic: bool) -> Any:
    """The one number that a function returned, or an error that says what it returned instead."""
    values = recording.values
    if len(values) == 1 and type(values[0]) in (float, np.float64):
        return values[0]
    name = name_of(recording.call.function)
    if len(values) != 1:
        raise NonScalarTargetError(
            f"grad needs a scalar target, but {name} returned {len(values)} values "
            f"({recording.structure}).",
            "Return one number; pass others along with has_aux=True, or use wg.jacobian or wg.vjp.",
        )
    like = like_of(values[0])
    if like.size != 1:
        raise NonScalarTargetError(
            f"grad needs a scalar target, but {name} returned shape {like.shape} ({like.dtype}).",
            "To differentiate the sum, return np.sum(…). For every output by itself, use "
            "wg.jacobian(f); for elementwise functions, wg.elementwise_grad(f).",
        )
    if like.dtype.kind == "c" and not holomorphic:
        raise TargetTypeError(
            f"grad needs a real target, but {name} returned {like.dtype}.",
            "Return a real number (np.real, np.abs), or pass holomorphic=True if the function is "
            "holomorphic.",
        )
    return values[0]
