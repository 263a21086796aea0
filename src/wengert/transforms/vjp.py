"""Reverse mode for any output: `vjp`; and `linearize`, which is two transpositions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import tree
from wengert.primitives.adjoints import like_of
from wengert.transforms.arguments import Call, same_structure
from wengert.transforms.compiled import compiled_call
from wengert.transforms.forward import checked_seed, jvp
from wengert.transforms.grad import filled
from wengert.transforms.reverse import Recording, record


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False, compile: bool = False) -> Any:
    """Value of a function, and the function that pulls adjoints back through it.

    Parameters
    ----------
    f : callable
        Plain NumPy code; returns a floating array or a tree of them.
    *primals : array_like or pytree of arrays, floating dtype
        Where to evaluate it.
    has_aux : bool
        `f` returns a pair (result, auxiliary data).
    compile : bool
        Make native code of both, kept with `f` for further calls: see `wengert.compile`. The
        derivative then computes `f` again, instead of keeping a tape.

    Returns
    -------
    out : as returned by `f`
    vjp_fn : callable
        ``vjp_fn(adjoint)``, with `adjoint` shaped as `out`, gives a tuple with one gradient for
        each primal. It may be called any number of times, and after the primals have changed.
    aux : object
        Only with ``has_aux=True``.

    Raises
    ------
    SourceTypeError
        If a primal is no floating-point number.
    SeedError, ShapeError
        By `vjp_fn`, if the adjoint does not fit the result.

    Examples
    --------
    >>> out, vjp_fn = wg.vjp(lambda x, y: x * y, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    >>> vjp_fn(np.array([1.0, 10.0]))
    (array([ 3., 40.]), array([ 1., 20.]))
    """
    if compile:
        return _compiled_pair(f, primals, has_aux, _pull_of)
    call = Call(f, primals, {}, tuple(range(len(primals))), None)
    recording = record(call, "vjp", has_aux=has_aux, keep=True)
    out = tree.unflatten(recording.structure, recording.values)

    def vjp_fn(adjoint: Any) -> tuple[Any, ...]:
        seeds = checked_adjoints(adjoint, recording)
        return tuple(call.rebuilt(filled(recording, recording.pull(seeds), "vjp", strict=False)))

    return (out, vjp_fn, recording.aux) if has_aux else (out, vjp_fn)


def _compiled_pair(
    f: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool, make: Callable[..., Any]
) -> tuple[Any, ...]:
    """Value of a function, its derivative there as a compiled function, auxiliary data."""
    result = compiled_call(_itself, f)(*primals)
    out, aux = result if has_aux else (result, None)
    derivative = compiled_call(make, f, has_aux)
    kept = tree.map(lambda x: x.copy() if isinstance(x, np.ndarray) else x, primals)

    def at_primals(direction: Any) -> Any:
        return derivative(kept, direction)

    return (out, at_primals, aux) if has_aux else (out, at_primals)


def _itself(f: Callable[..., Any]) -> Callable[..., Any]:
    return f


def _pull_of(f: Callable[..., Any], has_aux: bool) -> Callable[..., Any]:
    return lambda primals, adjoint: vjp(f, *primals, has_aux=has_aux)[1](adjoint)


def _push_of(f: Callable[..., Any], has_aux: bool) -> Callable[..., Any]:
    return lambda primals, tangents: jvp(f, primals, tangents, has_aux=has_aux)[1]


def checked_adjoints(adjoint: Any, recording: Recording) -> list[Any]:
    """The leaves of an adjoint, in the shapes and dtypes of the result's."""
    leaves = same_structure(adjoint, recording.structure, "the adjoint", "the result")
    return [
        checked_seed(seed, like_of(value), "the adjoint" if len(leaves) == 1 else f"adjoint {k}")
        for k, (seed, value) in enumerate(zip(leaves, recording.values, strict=True))
    ]


def linearize(
    f: Callable[..., Any], *primals: Any, has_aux: bool = False, compile: bool = False
) -> Any:
    """Value of a function, and its derivative there as a linear function of tangents.

    Parameters
    ----------
    f : callable
        Plain NumPy code; returns a floating array or a tree of them.
    *primals : array_like or pytree of arrays, floating dtype
        Where to evaluate it. `f` runs once, here; each call of `jvp_fn` only multiplies.
    has_aux : bool
        `f` returns a pair (result, auxiliary data).
    compile : bool
        Make native code of both, kept with `f` for further calls: see `wengert.compile`. The
        derivative then computes `f` again, instead of keeping a tape.

    Returns
    -------
    out : as returned by `f`
    jvp_fn : callable
        ``jvp_fn(*tangents)``, one tangent for each primal, gives the tangent of the result.
    aux : object
        Only with ``has_aux=True``.

    Notes
    -----
    The derivative is the transpose of the transpose: the backward sweep, which is linear in its
    adjoint, is itself recorded and swept (the "double backward" of D. Maclaurin et al.'s autograd,
    2015).

    Examples
    --------
    >>> out, jvp_fn = wg.linearize(np.sin, 0.0)
    >>> jvp_fn(2.0)
    np.float64(2.0)
    """
    if compile:
        out, push, *aux = _compiled_pair(f, primals, has_aux, _push_of)
        return (out, lambda *tangents: push(tangents), *aux)
    call = Call(f, primals, {}, tuple(range(len(primals))), None)
    recording = record(call, "linearize", has_aux=has_aux, keep=True)
    out = tree.unflatten(recording.structure, recording.values)
    transposed = transposed_pull(recording)

    def jvp_fn(*tangents: Any) -> Any:
        found: list[Any] = []
        for position, structure in enumerate(call.structures):
            found += same_structure(
                tangents[position], structure, f"tangent {position}", "its primal"
            )
        seeds = [
            checked_seed(t, like, f"the tangent of {call.describe(k)}")
            for k, (t, like) in enumerate(zip(found, recording.likes, strict=True))
        ]
        return tree.unflatten(recording.structure, transposed(seeds))

    return (out, jvp_fn, recording.aux) if has_aux else (out, jvp_fn)


def transposed_pull(recording: Recording) -> Callable[[list[Any]], list[Any]]:
    """The function from tangents of the inputs to tangents of the outputs of a recording."""
    likes = [like_of(value) for value in recording.values]
    zeros = tuple(np.zeros(like.shape, like.dtype) for like in likes)
    connected: list[bool] = []

    def pulled(*seeds: Any) -> Any:
        adjoints = recording.pull(seeds)
        connected[:] = [adjoint is not None for adjoint in adjoints]
        return tuple(adjoint for adjoint in adjoints if adjoint is not None)

    backward = record(
        Call(pulled, zeros, {}, tuple(range(len(zeros))), None), "linearize", keep=True
    )

    def push(tangents: list[Any]) -> list[Any]:
        live = [t for t, is_live in zip(tangents, connected, strict=True) if is_live]
        return filled(backward, backward.pull(live), "linearize", strict=False)

    return push
