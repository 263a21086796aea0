"""`vmap`: a function of one example as a function of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import BatchError
from wengert.tape.array import Array
from wengert.tape.batch import Batch
from wengert.tape.failures import fail
from wengert.tape.seams import tracing
from wengert.tape.stacking import stack
from wengert.transforms.arguments import name_of
from wengert.transforms.compiled import compiled


def vmap(
    f: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    *,
    axis_size: int | None = None,
    compile: bool = False,
) -> Callable[..., Any]:
    """Map a function over an axis of its arguments, all examples at once.

    Parameters
    ----------
    f : callable
        Plain NumPy code for one example.
    in_axes : int, None, or tuple and tree of them
        Which axis of each positional argument is mapped; None passes an argument whole. One number
        serves all arguments. Keyword arguments are mapped over their first axis.
    out_axes : int, None, or tree of them
        Where the mapped axis stands in the results; None for results that do not depend on it.
    axis_size : int, optional
        Length of the mapped axis, needed if nothing is mapped.
    compile : bool
        Make native code of it when it is called: see `wengert.compile`.

    Returns
    -------
    callable
        Takes and returns whole batches.

    Raises
    ------
    BatchError
        If the axes do not exist or differ in length, or if `f` takes a decision (``if x > 0``) on a
        value that differs along the axis.

    Examples
    --------
    >>> wg.vmap(np.dot)(np.ones((4, 3)), np.arange(12.0).reshape(4, 3))
    array([ 3., 12., 21., 30.])
    """

    @functools.wraps(f, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = tree.flatten((args, kwargs))
        axes = _input_axes(in_axes, args, kwargs)
        leaves = [
            _as_array(x) if axis is not None else x for x, axis in zip(leaves, axes, strict=True)
        ]
        size = _batch_size(leaves, axes, axis_size, f)
        with tracing() as level:
            trace = Batch(level, size)
            try:
                inputs = [
                    x if axis is None else trace.input(x, axis)
                    for x, axis in zip(leaves, axes, strict=True)
                ]
                new_args, new_kwargs = tree.unflatten(structure, inputs)
                result, out_structure = tree.flatten(f(*new_args, **new_kwargs))
                positions = _broadcast_axes(
                    out_axes, tree.unflatten(out_structure, result), "out_axes"
                )
                outs = [
                    _output(stack(x), trace, axis)
                    for x, axis in zip(result, positions, strict=True)
                ]
            except Exception as error:
                fail(error)
            finally:
                trace.has_ended = True
        return tree.unflatten(out_structure, outs)

    return compiled(mapped, compile)


def _as_array(x: Any) -> Any:
    return x.current() if isinstance(x, Array) else np.asarray(x)


def _input_axes(in_axes: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int | None]:
    """One axis for each leaf of the arguments."""
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise BatchError(
            f"in_axes has {len(in_axes)} elements, but the function was called with {len(args)} "
            "positional arguments.",
            "Give one axis (or None) for each positional argument.",
        )
    axes: list[int | None] = []
    for k, arg in enumerate(args):
        axes += _broadcast_axes(
            in_axes[k] if isinstance(in_axes, tuple) else in_axes, arg, "in_axes"
        )
    return axes + [0] * len(tree.leaves(kwargs))


def _broadcast_axes(axes: Any, value: Any, what: str) -> list[int | None]:
    """A prefix tree of axes, with one axis for every leaf below it."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(tree.leaves(value))
    if isinstance(axes, dict) and isinstance(value, dict) and axes.keys() == value.keys():
        found: list[int | None] = []
        for key in tree.unflatten(*reversed(tree.flatten({k: k for k in value}))):
            found += _broadcast_axes(axes[key], value[key], what)
        return found
    if (
        isinstance(axes, list | tuple)
        and isinstance(value, list | tuple)
        and len(axes) == len(value)
    ):
        return [
            axis for a, v in zip(axes, value, strict=True) for axis in _broadcast_axes(a, v, what)
        ]
    raise BatchError(
        f"{what}={axes!r} does not fit the tree {tree.flatten(value)[1]}.",
        f"Give one number, or a tree of numbers and None that is a prefix of it, as {what}.",
    )


def _batch_size(leaves: list[Any], axes: list[int | None], given: int | None, f: Any) -> int:
    sizes: dict[int, int] = {}
    for k, (x, axis) in enumerate(zip(leaves, axes, strict=True)):
        if axis is None:
            continue
        if not -x.ndim <= axis < x.ndim:
            raise BatchError(
                f"in_axes={axis} names no axis of leaf {k} of the arguments of {name_of(f)}, "
                f"which has shape {x.shape}.",
                "Pass an array with that axis, or None to pass it whole.",
            )
        sizes[k] = x.shape[axis]
    found = set(sizes.values()) | ({given} if given is not None else set())
    if len(found) > 1:
        listed = ", ".join(f"leaf {k}: {n}" for k, n in sizes.items())
        raise BatchError(
            f"vmap of {name_of(f)}: the mapped axes have different lengths ({listed}"
            + (f", axis_size: {given})." if given is not None else ")."),
            "Pass arrays whose mapped axes have one length.",
        )
    if not found:
        raise BatchError(
            f"vmap of {name_of(f)}: no argument is mapped, so the length of the axis is unknown.",
            "Map at least one argument with in_axes, or pass axis_size=.",
        )
    return found.pop()


def _output(x: Any, trace: Batch, axis: int | None) -> Any:
    x = x.current() if isinstance(x, Array) else x
    if isinstance(x, Array) and x.tape is trace:
        if axis is None:
            raise BatchError(
                f"out_axes is None for a result of shape {x.shape} that differs along the mapped "
                "axis.",
                "Give the position of the mapped axis in that result.",
            )
        value = x.value if axis == 0 else np.moveaxis(x.value, 0, axis)
        return value.copy() if type(value) is np.ndarray and value.base is not None else value
    if isinstance(x, Array) and not x.tape.is_traced:
        x = x.value
    if axis is None or not (
        isinstance(x, Array) or hasattr(x, "dtype") or isinstance(x, int | float | complex)
    ):
        return x
    full = np.broadcast_to(x, (trace.size, *np.shape(x)))
    moved = full if axis == 0 else np.moveaxis(full, 0, axis)
    return np.array(moved) if type(moved) is np.ndarray else moved
