"""Gradients of scalar functions: `grad`, `value_and_grad`, `elementwise_grad`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import NonScalarTargetError, TargetTypeError, line_of, user_frame
from wengert.primitives.family import like_of
from wengert.tape.array import Array
from wengert.transforms.arguments import Argnums, Call, name_of
from wengert.transforms.reverse import Recording, record, report_disconnected


def grad(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] | None = None,
    *,
    argnames: str | tuple[str, ...] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    strict: bool = False,
) -> Callable[..., Any]:
    both = value_and_grad(
        f, argnums, argnames=argnames, has_aux=has_aux, holomorphic=holomorphic, strict=strict
    )

    @functools.wraps(f, assigned=("__module__", "__name__", "__qualname__"), updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return gradient


def value_and_grad(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] | None = None,
    *,
    argnames: str | tuple[str, ...] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    strict: bool = False,
) -> Callable[..., Any]:
    if argnums is None and argnames is None:
        argnums = 0

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        call = Call(f, args, kwargs, argnums, argnames)
        recording = record(call, "grad", has_aux=has_aux)
        value = scalar_target(recording, holomorphic)
        adjoints = recording.pull([_one(value)])
        gradients = call.packed(filled(recording, adjoints, "grad", strict))
        return ((value, recording.aux) if has_aux else value), gradients

    return evaluate


def filled(recording: Recording, adjoints: list[Any], transform: str, strict: bool) -> list[Any]:
    """Adjoints with zeros where the result does not depend on a source."""
    if all(adjoint is not None for adjoint in adjoints):
        return adjoints
    report_disconnected(recording, adjoints, transform, strict)
    return [
        _zero(like) if adjoint is None else adjoint
        for adjoint, like in zip(adjoints, recording.likes, strict=True)
    ]


def _zero(like: Any) -> Any:
    return np.zeros(like.shape, like.dtype) if like.shape else like.dtype.type(0)


def _one(value: Any) -> Any:
    if type(value) in (float, np.float64):
        return 1.0
    like = like_of(value)
    return np.ones(like.shape, like.dtype) if like.shape else like.dtype.type(1)


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


