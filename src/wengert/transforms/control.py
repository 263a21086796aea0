"""Where derivatives stop, and what is computed again: `stop_gradient`, `checkpoint`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import tree
from wengert.primitives.control import detached
from wengert.tape.array import Array
from wengert.transforms.primitive import operation


def stop_gradient(x: Any) -> Any:
    """The same value, taken as a constant by every transform around it.

    Parameters
    ----------
    x : array_like or pytree
        Any value; what is no array passes through.

    Returns
    -------
    as `x`
        Under vmap it stays batched.

    Examples
    --------
    >>> wg.grad(lambda x: x * wg.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return tree.map(
        lambda leaf: detached(leaf) if isinstance(leaf, Array | np.ndarray) else leaf, x
    )


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose intermediate values are computed again by the backward sweep.

    Parameters
    ----------
    f : callable
        Plain NumPy code of floating arrays or trees of them, passed by position; it must not use
        traced values from around it other than its arguments. Keyword arguments are passed on
        untouched.

    Returns
    -------
    callable
        Of the same arguments. On a tape it is one entry, which keeps its operands alone: memory is
        traded for one more run of `f` (A. Griewank and A. Walther, "Algorithm 799: revolve", ACM
        TOMS 26, 2000).

    Examples
    --------
    >>> wg.grad(wg.checkpoint(lambda x: np.sin(np.sin(x))))(0.0)
    np.float64(1.0)
    """

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = tree.flatten(args)
        shape: list[Any] = []

        def on_leaves(*values: Any) -> Any:
            out, found = tree.flatten(f(*tree.unflatten(structure, values), **kwargs))
            shape[:] = [found]
            return tuple(out) if len(out) != 1 else out[0]

        out = operation(on_leaves, f"checkpoint({getattr(f, '__name__', 'f')})", leaves)
        return tree.unflatten(shape[0], out if isinstance(out, tuple) else (out,))

    return checkpointed
