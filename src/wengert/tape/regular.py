"""Which values and partials may be infinite or NaN, known without looking at numbers.

An eager sweep carries masks of structural zeros only after it has made a NaN. What a program
records must not depend on the numbers of the day, so there it is decided from the entries alone:
masks are carried from a selection to the singular partials upstream of it, and nowhere else.
`REGULAR` is closed under differentiation: derivatives of all orders are finite where the operands
are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.primitives.brief import PULLS
from wengert.primitives.family import Elementwise, Linear, Primitive
from wengert.primitives.indexing import read as READ
from wengert.primitives.indexing import write as WRITE
from wengert.tape.array import Array, of_program
from wengert.tape.entries import ANY, BRIEF, whole

# fmt: off
REGULAR = frozenset({
    "add", "subtract", "negative", "positive", "multiply", "square", "absolute", "fabs", "copysign",
    "sin", "cos", "tanh", "arctan", "degrees", "radians", "rad2deg", "deg2rad", "erf", "erfc",
    "ndtr", "expit", "log_expit", "logaddexp", "softmax", "log_softmax", "logsumexp", "huber",
    "max", "min", "gather", "scatter",
})
# Their partials are 0, 1 or -1 whatever the operands are.
_SIGNS = frozenset({"absolute", "fabs", "add", "subtract", "negative", "positive"})
# Linear operations whose transposes leave no element out.
_SPREADING = frozenset({
    "sum", "mean", "reshape", "transpose", "broadcast_to", "astype", "join", "stack", "real",
    "imag", "conjugate", "fft", "ifft", "rfft", "irfft", "matmul", "contract", "convolve_full",
    "ldexp",
})
# fmt: on

FINITE, GIVEN, SINGULAR = 0, 1, 2  # the last two: as the caller's numbers are; may be infinite


def is_regular(primitive: Primitive, values: Sequence[Any]) -> bool:
    """True if all derivatives of a primitive are finite where its operands are.

    `values` holds constant operands as they are, and Arrays (or None) for the others.
    """
    if primitive.name in REGULAR or primitive.selects or isinstance(primitive, Linear):
        return True
    if primitive.name in ("divide", "power") and len(values) > 1:
        number = values[1]
        if number is None or isinstance(number, Array) or np.ndim(number):
            return False
        if primitive.name == "divide":
            return bool(number != 0 and np.isfinite(number))
        return bool(np.isreal(number) and number >= 0 and number == np.rint(np.real(number)))
    return primitive.family == "locally constant"


def grade(primitive: Primitive, values: Sequence[Any], grades: Sequence[int]) -> int:
    """What is known of a result, given what is known of the operands."""
    return max(grades, default=FINITE) if is_regular(primitive, values) else SINGULAR


def grade_of(value: Any) -> int:
    """What is known of an operand: of an Array by its program, of a constant by its numbers."""
    if type(value) is float or type(value) is np.float64:
        return FINITE if math.isfinite(value) else SINGULAR
    if type(value) is int:
        return FINITE
    found = of_program(value)
    if isinstance(found, Array):
        return found.tape.grade(found)
    if found is None or np.asarray(found).dtype.kind not in "fc":
        return FINITE
    if type(found) is np.ndarray and found.size and not any(found.strides):
        found = found[(0,) * found.ndim]  # a number, broadcast
    return FINITE if bool(np.isfinite(found).all()) else SINGULAR


def may_be_infinite(value: Any) -> bool:
    """True unless a value of a program, and all its derivatives, are known to be finite."""
    found = of_program(value)
    return not isinstance(found, Array) or found.tape.grade(found) > FINITE


class Need(NamedTuple):
    """What a sweep must do for structural zeros, entry by entry.

    Attributes
    ----------
    masks : list of bool
        The entry's adjoint carries a mask: there is a selection downstream (or it is one), and a
        singular partial upstream (or its own).
    cleaned : list of bool
        The entry selects, and its adjoint may be infinite where it was not taken.
    """

    masks: list[bool]
    cleaned: list[bool]


def entries_in_need(entries: Sequence[Any]) -> Need | None:
    """Where a sweep of these entries must care for structural zeros; None if nowhere."""
    if not any(map(_may_leave_out, entries)):  # most long tapes: nothing is selected
        return None
    entries = [None if entry is None else whole(entry) for entry in entries]
    is_singular = [entry is not None and _is_singular(entry) for entry in entries]
    if not any(is_singular):
        return None
    upstream = list(is_singular)
    for index, entry in enumerate(entries):
        if entry is not None and not upstream[index]:
            upstream[index] = any(upstream[p] for p in entry[1] if p >= 0)
    selected, is_infinite = [False] * len(entries), [False] * len(entries)
    for index in range(len(entries) - 1, -1, -1):
        entry = entries[index]
        if entry is None:
            continue
        leaves_out = selected[index] or _leaves_out(entry)
        makes_infinite = is_infinite[index] or is_singular[index]
        for parent in entry[1]:
            if parent >= 0:
                selected[parent] = selected[parent] or leaves_out
                is_infinite[parent] = is_infinite[parent] or makes_infinite
    masks = [u and s for u, s in zip(upstream, selected, strict=True)]
    cleaned = [
        e is not None and is_inf and e[0].selects and not isinstance(e[0], Linear)
        for e, is_inf in zip(entries, is_infinite, strict=True)
    ]
    return Need(masks, cleaned) if any(masks) or any(cleaned) else None


def _is_singular(entry: Any) -> bool:
    primitive, parents, saved, _, _ = entry
    if primitive.selects or primitive.name in _SIGNS:
        return False
    operands = [None if p >= 0 else v for p, v in zip(parents, saved, strict=False)]
    if not is_regular(primitive, operands):
        return True
    if isinstance(primitive, Linear) and not primitive.each:
        return False
    least = GIVEN if isinstance(primitive, Elementwise) else SINGULAR
    kept = primitive.keeps(tuple([parent >= 0 for parent in parents]))
    pairs = zip(saved, kept, strict=False)
    return any(is_kept and v is not None and _grade(v) >= least for v, is_kept in pairs)


def _grade(value: Any) -> int:
    return FINITE if isinstance(value, tuple) else grade_of(value)


def _may_leave_out(entry: Any) -> bool:
    """As `_leaves_out`, for an entry in any form."""
    if entry is None:
        return False
    if len(entry) == BRIEF:
        return PULLS[entry[0]].primitive.selects
    return len(entry) != ANY or _leaves_out(entry)


def _leaves_out(entry: Any) -> bool:
    """True if an entry may leave some of the adjoints of its operands structurally zero."""
    primitive, parameters = entry[0], entry[4]
    if isinstance(primitive, Elementwise):
        return primitive.selects
    if primitive is READ:
        return any(step[0] not in ("reshape", "transpose") for step in parameters["path"])
    if primitive is WRITE:
        return not parameters["add"]
    return primitive.name not in _SPREADING
