"""Forward mode: `jvp`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import SeedError
from wengert.primitives.adjoints import Like, like_of, zeros_like
from wengert.tape.array import Array, bottom
from wengert.tape.failures import fail
from wengert.tape.forward import Tangents
from wengert.tape.seams import tracing
from wengert.tape.structural import Masked, careful, count_sweep, has_nan, is_careful
from wengert.transforms.arguments import (
    Call,
    check_sources,
    same_structure,
    split_aux,
    target_leaf,
)
from wengert.transforms.compiled import compiled_call
from wengert.transforms.reverse import own_result


def jvp(
    f: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    has_aux: bool = False,
    compile: bool = False,
) -> tuple[Any, ...]:
    """Value and directional derivative of a function: forward mode.

    Parameters
    ----------
    f : callable
        Plain NumPy code; returns a floating array or a tree of them.
    primals : tuple
        The arguments of `f`: numbers, arrays or trees of them, of floating dtype.
    tangents : tuple
        The direction: one for each primal, of its structure and shapes.
    has_aux : bool
        `f` returns a pair (result, auxiliary data).
    compile : bool
        Make native code of it, kept with `f` for further calls: see `wengert.compile`.

    Returns
    -------
    out : as returned by `f`
    tangent : as `out`
    aux : object
        Only with ``has_aux=True``.

    Raises
    ------
    SourceTypeError
        If a primal is no floating-point number.
    SeedError, ShapeError
        If the tangents do not fit the primals.

    Examples
    --------
    >>> wg.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    if compile:
        made = compiled_call(_jvp_of, f, has_aux)
        return made(tuple(primals), tuple(tangents))
    primals = tuple(primals)
    call = Call(f, primals, {}, tuple(range(len(primals))), None)
    values = check_sources(call)
    seeds = checked_tangents(tangents, call, values)
    out, tangent, aux = push(call, values, seeds, has_aux)
    return (out, tangent, aux) if has_aux else (out, tangent)


def _jvp_of(f: Callable[..., Any], has_aux: bool) -> Callable[..., Any]:
    return lambda primals, tangents: jvp(f, primals, tangents, has_aux=has_aux)


def push(
    call: Call, values: list[Any], tangents: list[Any], has_aux: bool = False
) -> tuple[Any, Any, Any]:
    """Value, tangent and auxiliary result of a call; a second run with masks if there is a NaN."""
    count_sweep()
    with np.errstate(all="ignore"):
        result = _pushed(call, values, tangents, has_aux, masked=is_careful())
        if not is_careful() and any(has_nan(t) for t in tree.leaves(result[1])):
            with careful():
                result = _pushed(call, values, tangents, has_aux, masked=True)
    return result


def _pushed(
    call: Call, values: list[Any], tangents: list[Any], has_aux: bool, masked: bool
) -> tuple[Any, Any, Any]:
    aux = None
    with tracing() as level:
        trace = Tangents(level, masked)
        try:
            inputs = [
                x if t is None else trace.input(_snapshot(x), _snapshot(t))
                for x, t in zip(values, tangents, strict=True)
            ]
            result = call.with_leaves(inputs)
            if has_aux:
                result, aux = split_aux(result, call, "jvp")
            leaves, structure = tree.flatten(result)
            leaves = [target_leaf(leaf, "jvp") for leaf in leaves]
            given = (*values, *tangents)
            pairs = [_split(x, trace, given) for x in leaves]
            aux = tree.map(lambda x: _split(x, trace, given)[0], aux)
        except Exception as error:
            fail(error)
        finally:
            trace.has_ended = True
    outs = tree.unflatten(structure, [value for value, _ in pairs])
    return outs, tree.unflatten(structure, [tangent for _, tangent in pairs]), aux


def _snapshot(x: Any) -> Any:
    return Array(x.value, x.tape, x.index) if isinstance(x, Array) else x


def _split(x: Any, trace: Tangents, given: Any) -> tuple[Any, Any]:
    if isinstance(x, Array) and x.tape is trace:
        x = x.current()
        tangent = x.index.clean if isinstance(x.index, Masked) else x.index
        return own_result(x.value, given), _number(own_result(tangent, given))
    if isinstance(x, Array) and not x.tape.is_traced:
        x = x.value
    like = like_of(x)
    zero = zeros_like(x) if like.shape else like.dtype.type(0) if like.dtype.kind in "fc" else 0.0
    return x, zero


def _number(tangent: Any) -> Any:
    """NumPy's number in place of an array without axes, whichever way it was computed."""
    known = bottom(tangent)
    if isinstance(known, np.generic) or np.shape(known):
        return tangent
    return (tangent if hasattr(tangent, "shape") else np.asarray(tangent))[()]


def checked_tangents(tangents: Any, call: Call, values: list[Any]) -> list[Any]:
    """The leaves of the tangents, one per source, of its shape."""
    found: list[Any] = []
    tangents = tuple(tangents)
    if len(tangents) != len(call.structures):
        raise SeedError(
            f"jvp was given {len(call.structures)} primals but {len(tangents)} tangents.",
            "Pass one tangent for each primal: jvp(f, (x, y), (dx, dy)).",
        )
    for position, structure in enumerate(call.structures):
        found += same_structure(
            tangents[position], structure, f"tangent {position}", f"primal {position}"
        )
    return [
        checked_seed(t, like_of(x), f"the tangent of {call.describe(k)}")
        for k, (t, x) in enumerate(zip(found, values, strict=True))
    ]


def checked_seed(seed: Any, like: Like, what: str) -> Any:
    """A seed in the dtype of what it belongs to, or an error."""
    if not isinstance(seed, Array):
        seed = np.asarray(seed)
        if seed.dtype.kind not in "fciub":
            raise SeedError(f"{what} is {seed.dtype}, but a number was expected.", "Pass floats.")
        if seed.dtype.kind == "c" and like.dtype.kind == "f":
            raise SeedError(
                f"{what} is {seed.dtype}, but it belongs to a real value ({like.dtype}).",
                "Pass a real seed.",
            )
        seed = seed.astype(like.dtype, copy=False)
        if has_nan(seed):
            raise SeedError(f"{what} holds NaN.", "Pass finite numbers.")
    if seed.shape != like.shape:
        raise SeedError(
            f"{what} has shape {seed.shape}, but {like.shape} was expected.",
            "Pass a seed of the shape of what it belongs to.",
        )
    return seed if isinstance(seed, Array) or seed.shape else seed[()]
