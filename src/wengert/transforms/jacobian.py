"""Whole matrices of derivatives: `jacobian`, `hessian`; and `hvp`, which never forms one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import ArgumentError, TargetTypeError
from wengert.primitives.adjoints import Like, like_of
from wengert.transforms.arguments import Call, check_sources, name_of
from wengert.transforms.compiled import compiled, compiled_call
from wengert.transforms.forward import jvp, push
from wengert.transforms.grad import grad
from wengert.transforms.reverse import Recording, record
from wengert.transforms.vmap import vmap

_CHUNK_BYTES = 256 * 2**20  # a batch of seeds is split so that one batched output stays below this


def jacobian(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] | None = None,
    *,
    argnames: str | tuple[str, ...] | None = None,
    mode: str | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    compile: bool = False,
) -> Callable[..., Any]:
    """Derivative of every element of the result by every element of the sources.

    Parameters
    ----------
    f : callable
        Plain NumPy code; returns a floating array or a tree of them.
    argnums, argnames : int or str, or tuple of them
        The sources: by default the first argument.
    mode : {"fwd", "rev"}, optional
        Forward mode costs one run per source element, reverse mode one sweep per result element,
        all of them batched together. By default the cheaper one is chosen by the shapes; `f` then
        runs twice if that is forward mode.
    has_aux : bool
        `f` returns a pair (result, auxiliary data).
    holomorphic : bool
        Promise that `f` is holomorphic; needed for complex sources.
    compile : bool
        Make native code of it when it is called: see `wengert.compile`.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns a tree shaped as the result, of trees shaped as the
        sources, of arrays of shape ``result.shape + source.shape``.

    Raises
    ------
    SourceTypeError, TargetTypeError
        If a source or a result is no floating-point number.

    Examples
    --------
    >>> wg.jacobian(lambda x: x[:2] * x[1])(np.array([1.0, 2.0, 3.0]))
    array([[2., 1., 0.],
           [0., 4., 0.]])
    """
    if mode not in (None, "fwd", "rev"):
        raise ArgumentError(
            f"mode must be 'fwd', 'rev' or None, not {mode!r}.", "Leave it out to choose by shape."
        )
    if argnums is None and argnames is None:
        argnums = 0

    @functools.wraps(f, assigned=("__module__", "__name__", "__qualname__"), updated=())
    def matrix(*args: Any, **kwargs: Any) -> Any:
        call = Call(f, args, kwargs, argnums, argnames)
        sources = check_sources(call)
        _check_holomorphic(sources, holomorphic)
        likes = [like_of(x) for x in sources]
        size = sum(like.size for like in likes)
        if mode != "fwd":
            recording = record(call, "jacobian", has_aux=has_aux)
            outs = [like_of(value) for value in recording.values]
            out_size = sum(out.size for out in outs)
            # A row of a complex result by a real source has a real adjoint: half of the derivative.
            is_mixed = not holomorphic and any(out.dtype.kind == "c" for out in outs)
            if mode == "rev" and is_mixed:
                raise TargetTypeError(
                    "jacobian in reverse mode needs a real result, but "
                    f"{name_of(f)} returned complex numbers for real sources.",
                    "Leave mode out, or pass mode='fwd': forward mode gives complex columns.",
                )
            if mode == "rev" or (out_size <= size and not is_mixed):
                rows = reverse_rows(recording, likes)
                return (rows, recording.aux) if has_aux else rows
        result, aux = _forward_columns(call, sources, likes, has_aux)
        return (result, aux) if has_aux else result

    return compiled(matrix, compile)


def _check_holomorphic(sources: list[Any], holomorphic: bool) -> None:
    if holomorphic:
        return
    for x in sources:
        if like_of(x).dtype.kind == "c":
            raise TargetTypeError(
                f"jacobian of a complex source ({like_of(x).dtype}) exists only for holomorphic "
                "functions.",
                "Pass holomorphic=True, or differentiate by real and imaginary parts.",
            )


def reverse_rows(recording: Recording, likes: list[Like]) -> Any:
    """The Jacobian of a recording, one sweep for a batch of rows."""
    call = recording.call
    blocks: list[Any] = []
    for position, value in enumerate(recording.values):
        like = like_of(value)

        def pull(seed: Any, position: int = position) -> Any:
            seeds: list[Any] = [None] * len(recording.values)
            seeds[position] = seed
            pulled = recording.pull(seeds)
            return [_or_zeros(a, source) for a, source in zip(pulled, likes, strict=True)]

        rows = _over_units(pull, like, sum(source.size * source.dtype.itemsize for source in likes))
        shaped = [
            np.reshape(row, (*like.shape, *source.shape))
            for row, source in zip(rows, likes, strict=True)
        ]
        blocks.append(call.packed(shaped))
    return tree.unflatten(recording.structure, blocks)


def _forward_columns(
    call: Call, sources: list[Any], likes: list[Like], has_aux: bool
) -> tuple[Any, Any]:
    """The Jacobian of a call, one run for a batch of columns."""
    found: dict[str, Any] = {}
    per_source: list[list[Any]] = []
    for position, like in enumerate(likes):

        def run(tangent: Any, position: int = position) -> Any:
            tangents: list[Any] = [None] * len(likes)
            tangents[position] = tangent
            out, pushed, aux = push(call, sources, tangents, has_aux)
            leaves, found["structure"] = tree.flatten(pushed)
            found["likes"], found["aux"] = [like_of(value) for value in tree.leaves(out)], aux
            return leaves

        columns = _over_units(run, like, 8 * like.size)
        per_source.append(
            [
                np.reshape(np.moveaxis(column, 0, -1), (*out.shape, *like.shape))
                for column, out in zip(columns, found["likes"], strict=True)
            ]
        )
    blocks = [
        call.packed([columns[k] for columns in per_source]) for k in range(len(found["likes"]))
    ]
    return tree.unflatten(found["structure"], blocks), found["aux"]


def _over_units(f: Callable[[Any], list[Any]], like: Like, bytes_per_unit: int) -> list[Any]:
    """``f`` of every unit array of a shape, stacked; in batches that fit in memory."""
    if like.size == 0:
        outs = f(np.zeros(like.shape, like.dtype))
        return [np.zeros((0, *np.shape(out)), like.dtype) for out in outs]
    if like.shape == ():
        return [np.reshape(out, (1, *np.shape(out))) for out in f(like.dtype.type(1))]
    units = np.reshape(np.eye(like.size, dtype=like.dtype), (like.size, *like.shape))
    chunk = max(1, _CHUNK_BYTES // max(1, bytes_per_unit))
    mapped = vmap(f)
    parts = [mapped(units[start : start + chunk]) for start in range(0, like.size, chunk)]
    return (
        parts[0] if len(parts) == 1 else [np.concatenate(part) for part in zip(*parts, strict=True)]
    )


def _or_zeros(adjoint: Any, like: Like) -> Any:
    return np.zeros(like.shape, like.dtype) if adjoint is None else adjoint


def hessian(
    f: Callable[..., Any],
    argnums: int | tuple[int, ...] | None = None,
    *,
    argnames: str | tuple[str, ...] | None = None,
    compile: bool = False,
) -> Callable[..., Any]:
    """Matrix of second derivatives of a scalar function: forward mode over reverse mode.

    Parameters
    ----------
    f : callable
        Returns a real scalar. Plain NumPy code.
    argnums, argnames : int or str, or tuple of them
        The sources: by default the first argument.
    compile : bool
        Make native code of it when it is called: see `wengert.compile`.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns, for one source of shape ``s``, an array of shape
        ``s + s``; for trees and several sources a tree of trees, as JAX's.

    Raises
    ------
    NonScalarTargetError
        If `f` returns more than one element.

    Examples
    --------
    >>> wg.hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    gradient = grad(f, argnums, argnames=argnames)
    return jacobian(gradient, argnums, argnames=argnames, mode="fwd", compile=compile)


def hvp(f: Callable[..., Any], x: Any, v: Any, *, compile: bool = False) -> Any:
    """Product of the Hessian of a scalar function with a vector.

    Parameters
    ----------
    f : callable
        ``f(x)`` is a real scalar: shape ``()``, floating dtype. Plain NumPy code.
    x : array_like or pytree of arrays, floating dtype, any shape
        The point.
    v : as `x`
        The direction.
    compile : bool
        Make native code of it, kept with `f` for further calls: see `wengert.compile`.

    Returns
    -------
    ndarray or pytree
        ``H(x) @ v``, with the shapes and dtypes of `x`. The Hessian is never formed [1]_.

    Raises
    ------
    NonScalarTargetError
        If ``f(x)`` has more than one element.

    References
    ----------
    .. [1] B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6(1),
       1994.

    Examples
    --------
    >>> wg.hvp(lambda x: np.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    if compile:
        return compiled_call(_product_of, f)(x, v)
    return jvp(grad(f), (x,), (v,))[1]


def _product_of(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, v: hvp(f, x, v)
