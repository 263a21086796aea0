"""`check_grads`: derivatives against finite differences.

The function and its point are reduced to a real function of real vectors along random directions,
so that one comparison per mode and order suffices; if it fails, single elements are compared.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import DisconnectedWarning, GradientCheckError
from wengert.tape.array import concrete
from wengert.transforms.arguments import name_of
from wengert.transforms.forward import jvp
from wengert.transforms.grad import grad


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    *,
    argnums: Sequence[int] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    eps: float | None = None,
    seed: int = 0,
) -> None:
    """Compare the derivatives of a function with finite differences.

    Parameters
    ----------
    f : callable
        Plain NumPy code; returns floating arrays or a tree of them.
    args : sequence
        Its arguments; those of floating dtype are differentiated by.
    order : int
        Check derivatives up to this order; each order is checked by differences of the one before.
    modes : sequence of {"fwd", "rev"}
        Check `jvp`, `grad` or both, and for higher orders all their combinations.
    argnums : sequence of int, optional
        Differentiate by these arguments only.
    rtol, atol : float, optional
        Tolerances; by default chosen by the dtype of the arguments (1e-6 for float64).
    eps : float, optional
        Step of the central differences, which are extrapolated once (L. F. Richardson, 1911); by
        default the fifth root of the machine epsilon.
    seed : int
        Of the random directions and weights along which derivatives are compared.

    Raises
    ------
    GradientCheckError
        If they disagree; it names the mode, the order, and the argument and index furthest off.

    Examples
    --------
    >>> wg.check_grads(lambda x, y: np.sin(x) * y, (np.array([0.1, 0.2]), 3.0))
    >>> wg.check_grads(lambda x: x * wg.stop_gradient(x), (1.0,))
    Traceback (most recent call last):
        ...
    wengert.errors.GradientCheckError: <lambda>: the derivative of order 1 in mode 'fwd' ...
    """
    unknown = [mode for mode in modes if mode not in ("fwd", "rev")]
    if unknown:
        raise ValueError(f"modes must be 'fwd' or 'rev', not {unknown}")
    args = tuple(args)
    chosen = (
        tuple(k for k, arg in enumerate(args) if _is_floating(arg))
        if argnums is None
        else tuple(argnums)
    )
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DisconnectedWarning)  # the derivative of a linear function
        _check(f, args, chosen, order, modes, rng, rtol, atol, eps, order)


def _check(
    f: Any,
    args: Any,
    chosen: Any,
    order: int,
    modes: Any,
    rng: Any,
    rtol: Any,
    atol: Any,
    eps: Any,
    top: int,
) -> None:
    directions = tuple(tree.map(lambda x: _direction(rng, x), args[k]) for k in chosen)
    weights = tree.map(lambda y: _direction(rng, concrete(y)), f(*args))
    step, relative, absolute = _tolerances(args, chosen, rtol, atol, eps)

    along = _along(f, args, chosen, weights)
    sources = tuple(args[k] for k in chosen)
    expected = _difference(along, sources, directions, step)
    for mode in modes:
        found = _derivative(along, sources, directions, mode)
        if not np.allclose(found, expected, rtol=relative, atol=absolute, equal_nan=False):
            raise _disagreement(
                along, f, sources, chosen, mode, top - order + 1, found, expected, step
            )
    if order > 1:
        for mode in modes:
            _check(
                _higher(f, args, chosen, mode),
                args,
                chosen,
                order - 1,
                modes,
                rng,
                rtol,
                atol,
                eps,
                top,
            )


def _higher(f: Any, args: Any, chosen: Any, mode: str) -> Callable[..., Any]:
    """A first derivative of `f` as a function to be checked in its turn."""
    rng = np.random.default_rng(7)
    weights = tree.map(lambda y: _direction(rng, concrete(y)), f(*args))
    directions = tuple(tree.map(lambda x: _direction(rng, x), args[k]) for k in chosen)

    def derivative(*full: Any) -> Any:
        along = _along(f, full, chosen, weights)
        sources = tuple(full[k] for k in chosen)
        if mode == "rev":
            return grad(along, tuple(range(len(chosen))))(*sources)
        return jvp(along, sources, directions)[1]

    derivative.__name__ = f"{mode} derivative of {name_of(f)}"
    return derivative


def _along(f: Any, args: Any, chosen: Any, weights: Any) -> Callable[..., Any]:
    """The weighted sum of the outputs as a function of the chosen arguments alone."""

    def along(*sources: Any) -> Any:
        full = list(args)
        for k, source in zip(chosen, sources, strict=True):
            full[k] = source
        return _weighted(f(*full), weights)

    return along


def _derivative(along: Any, sources: Any, directions: Any, mode: str) -> Any:
    if mode == "fwd":
        return jvp(along, sources, directions)[1]
    gradients = grad(along, tuple(range(len(sources))))(*sources)
    return _inner(gradients, directions)


def _inner(gradients: Any, directions: Any) -> Any:
    pairs = zip(tree.leaves(gradients), tree.leaves(directions), strict=True)
    return sum(np.real(np.sum(g * d)) for g, d in pairs)


def _weighted(out: Any, weights: Any) -> Any:
    pairs = zip(tree.leaves(out), tree.leaves(weights), strict=True)
    return sum(np.real(np.sum(y * w)) for y, w in pairs)


def _difference(along: Any, sources: Any, directions: Any, step: float) -> Any:
    """Central differences, extrapolated once (Richardson): error of order step**4."""

    def central(h: float) -> Any:
        ahead = tree.map(lambda x, d: _moved(x, d, h), sources, directions)
        behind = tree.map(lambda x, d: _moved(x, d, -h), sources, directions)
        return (float(concrete(along(*ahead))) - float(concrete(along(*behind)))) / (2 * h)

    return (4 * central(step / 2) - central(step)) / 3


def _moved(x: Any, d: Any, h: float) -> Any:
    moved = x + h * d
    return moved.astype(x.dtype) if isinstance(x, np.ndarray) else type(x)(moved)


def _tolerances(
    args: Any, chosen: Any, rtol: Any, atol: Any, eps: Any
) -> tuple[float, float, float]:
    worst = max(
        (np.finfo(np.asarray(leaf).dtype).eps for k in chosen for leaf in tree.leaves(args[k])),
        default=np.finfo(float).eps,
    )
    step = eps or float(worst) ** 0.2
    relative = rtol or max(1e-6, 20 * float(worst) ** 0.6)
    return step, relative, atol or relative


def _direction(rng: Any, x: Any) -> Any:
    x = np.asarray(x)
    if x.dtype.kind not in "fc":
        return np.zeros(x.shape)
    d = rng.uniform(0.5, 1.5, x.shape) * rng.choice([-1.0, 1.0], x.shape)
    if x.dtype.kind == "c":
        d = d + 1j * rng.uniform(0.5, 1.5, x.shape)
    d = np.asarray(d / np.sqrt(max(x.size, 1)))
    return d.astype(x.dtype) if x.shape else x.dtype.type(d)


def _is_floating(arg: Any) -> bool:
    leaves = tree.leaves(arg)
    return bool(leaves) and all(
        not isinstance(leaf, str | bytes) and np.asarray(leaf).dtype.kind in "fc" for leaf in leaves
    )


def _disagreement(
    along: Any,
    f: Any,
    sources: Any,
    chosen: Any,
    mode: str,
    order: int,
    found: Any,
    expected: Any,
    step: float,
) -> GradientCheckError:
    """Find the one element that is furthest off."""
    worst = (0.0, "", 0.0, 0.0)
    leaves, structure = tree.flatten(sources)
    for position, leaf in enumerate(leaves):
        for index in np.ndindex(np.shape(leaf)):
            units = [np.zeros(np.shape(x), np.asarray(x).dtype) for x in leaves]
            units[position][index] = 1
            unit = tree.unflatten(structure, [u if u.shape else u[()] for u in units])
            a = float(_derivative(along, sources, unit, mode))
            b = float(_difference(along, sources, unit, step))
            if not abs(a - b) <= worst[0]:
                where = (
                    f"leaf {position}"
                    if len(leaves) > len(chosen)
                    else f"argument {chosen[position]}"
                )
                worst = (abs(a - b), f"{where}, index {index}", a, b)
    return GradientCheckError(
        f"{name_of(f)}: the derivative of order {order} in mode {mode!r} disagrees with finite "
        f"differences: {float(found):.10g} against {float(expected):.10g} along a random "
        "direction.",
        f"The element furthest off is {worst[1]}: {worst[2]:.10g} against {worst[3]:.10g}.",
    )
