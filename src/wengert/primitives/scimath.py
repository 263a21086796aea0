"""numpy.emath: functions whose result is complex where the real one would have none.

Whether it is complex is decided by the values, so under vmap it must be one way for all of the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.primitives.family import Derived, derived
from wengert.primitives.samples import call, normal, positive, unit
from wengert.primitives.shaping import as_array


def _widened(x: Any, is_outside: Callable[[Any], Any]) -> Any:
    """Complex if an element is outside of the real domain."""
    x = as_array(x)
    if x.dtype.kind not in "c" and bool(np.any(is_outside(x))):
        return x.astype(np.complex64 if x.dtype.char in "fbhBH" else complex)
    return x


def _is_negative(x: Any) -> Any:
    return x < 0


def _is_beyond_one(x: Any) -> Any:
    return np.abs(x) > 1


def _of_one(name: str, is_outside: Callable[[Any], Any], inside: Any, outside: Any) -> Derived:
    ufunc = getattr(np, name)

    @derived(getattr(np.emath, name), name=f"emath.{name}", samples=[call(inside), call(outside)])
    def function(x: Any) -> Any:
        return ufunc(_widened(x, is_outside))

    return function


sqrt = _of_one("sqrt", _is_negative, positive(3), normal(4))
log = _of_one("log", _is_negative, positive(3), normal(4))
log2 = _of_one("log2", _is_negative, positive(3), normal(4))
log10 = _of_one("log10", _is_negative, positive(3), normal(4))
arcsin = _of_one("arcsin", _is_beyond_one, unit(3), normal(4))
arccos = _of_one("arccos", _is_beyond_one, unit(3), normal(4))
arctanh = _of_one("arctanh", _is_beyond_one, unit(3), normal(4))


@derived(np.emath.logn, name="emath.logn", samples=[call(2.0, normal(4)), call(3, positive(3))])
def logn(n: Any, x: Any) -> Any:
    return np.log(_widened(x, _is_negative)) / np.log(_widened(n, _is_negative))


@derived(
    np.emath.power, name="emath.power", samples=[call(normal(4), 1.5), call(positive(3), normal(3))]
)
def power(x: Any, p: Any) -> Any:
    p = as_array(p)
    if p.dtype.kind in "iub" and bool(np.any(p < 0)):
        p = p * 1.0
    return np.power(_widened(x, _is_negative), p)
