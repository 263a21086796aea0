"""np.interp: piecewise linear interpolation, differentiable in the points, their abscissas and values.

NumPy reckons it in double precision whatever comes in. At a node the derivative is that of the segment
to the right, at the last node that of the segment to the left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import derived
from wengert.primitives.reductions import as_number
from wengert.primitives.samples import call, complex_normal, normal, unit
from wengert.primitives.shaping import as_array
from wengert.primitives.taking import pick

_nodes = np.array([-2.0, -0.7, 0.1, 1.3])


@derived(
    np.interp,
    samples=[
        call(unit(3, 2), _nodes, normal(4)),
        call(unit(), _nodes, normal(4)),
        call(normal(8), _nodes, normal(4), -1.5, 2.5),
        call(unit(3), [-1.0, 0.04, 1.0], complex_normal(3)),
        call(normal(5), _nodes, normal(4), period=3.5),
        call(unit(3), np.array([0.5]), normal(1), max_order=0),
    ],
)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Piecewise linear interpolation of the points (xp, fp) at x."""
    x, xp, fp = _double(x), _double(xp), _double(fp)
    if xp.ndim != 1 or fp.ndim != 1:
        raise ValueError("Data points must be 1-D sequences")
    if xp.shape[0] != fp.shape[0]:
        raise ValueError("fp and xp are not of the same length.")
    if xp.shape[0] == 0:
        raise ValueError("array of sample points is empty")
    if period is not None:
        x, xp, fp = _periodic(x, xp, fp, period)
        left = right = None
    if xp.shape[0] > 1:
        inside = _between_nodes(x, xp, fp)
    else:
        inside = np.broadcast_to(fp[0], x.shape)
    inside = np.where(x < xp[0], fp[0] if left is None else left, inside)
    return as_number(np.where(x > xp[-1], fp[-1] if right is None else right, inside))


def _double(x: Any) -> Any:
    x = as_array(x)
    dtype = np.dtype(complex if x.dtype.kind == "c" else float)
    return x if x.dtype == dtype else x.astype(dtype)


def _between_nodes(x: Any, xp: Any, fp: Any) -> Any:
    """The line through the nodes on both sides of each point."""
    before = np.searchsorted(xp, x, side="right") - 1
    before = np.minimum(np.maximum(before, 0), xp.shape[0] - 2)
    slopes = (fp[1:] - fp[:-1]) / (xp[1:] - xp[:-1])
    slope = pick(slopes, (before,))
    values = slope * (x - pick(xp, (before,))) + pick(fp, (before,))
    # The last value itself, which slope and difference may miss by a rounding error
    at_end = slope * (x - pick(xp, (before + 1,))) + pick(fp, (before + 1,))
    return np.where(x == xp[-1], at_end, values)


def _periodic(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """Points and nodes within one period, the nodes with their neighbours outside it."""
    if period == 0:
        raise ValueError("period must be a non-zero value")
    period = np.abs(period)
    x, xp = np.mod(x, period), np.mod(xp, period)
    order = np.argsort(xp)
    xp, fp = pick(xp, (order,)), pick(fp, (order,))
    xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, np.concatenate([fp[-1:], fp, fp[:1]])
