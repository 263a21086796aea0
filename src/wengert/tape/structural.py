"""Structural zeros: masks that travel with adjoints and tangents.

A mask is True where a value is *not* structurally zero; None stands for True everywhere. Elementwise
rules pass masks on as they are; for the others a rule is asked about its structure by running it on
random positive numbers under the mask: what comes out exactly zero does not depend on anything live.
Selecting primitives (`maximum`, `where`) are asked with their real operands, others with random ones, so that a zero
that happens to stand in the data (a genuine 0 * inf) is not mistaken for structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.primitives.family import Elementwise, Linear, Primitive, fit, fit_tangent, like_of, unbroadcast
from wengert.primitives.joining import part as PART
from wengert.tape.array import concrete

Mask = Any


class Masked:
    """An adjoint or tangent with its mask."""

    __slots__ = ("mask", "value")

    def __init__(self, value: Any, mask: Mask):
        self.value, self.mask = value, mask

    @property
    def clean(self) -> Any:
        """The value, with exact zeros where it is structurally zero."""
        return self.value if self.mask is None else np.where(self.mask, self.value, 0)


def has_nan(value: Any) -> bool:
    """True if a number or array holds NaN; one pass over memory."""
    if type(value) is np.float64 or type(value) is float:
        return bool(value != value)
    value = concrete(value)
    if value is None:
        return False
    array = np.asarray(value)
    if array.dtype.kind not in "fc":
        return False
    if array.size < 64:
        return bool(np.isnan(array).any())
    with np.errstate(all="ignore"):  # a product with itself is NaN if anything is; inf stays inf
        total = np.vdot(array, array) if array.flags.c_contiguous else array.sum()
    return bool(np.isnan(total)) and bool(np.isnan(array).any())


# ------------------------------------------------------------------------------------------ backward


def backward_masked(entries: Sequence[Any], adjoints: list[Any], seeds: Sequence[int]) -> None:
    """As `sweep.backward`, with masks; leaves clean adjoints of the inputs."""
    for index in seeds:
        if adjoints[index] is not None:
            adjoints[index] = Masked(adjoints[index], None)
    for index in range(len(entries) - 1, -1, -1):
        adjoint, entry = adjoints[index], entries[index]
        if adjoint is None:
            continue
        if entry is None:
            adjoints[index] = adjoint.clean
            continue
        adjoints[index] = None
        primitive, parents, saved, likes, parameters = entry
        if primitive is PART:
            _gather(adjoints, adjoint, parents[0], likes, parameters["position"])
            continue
        parts = _pull(primitive, adjoint, parents, saved, likes, parameters)
        for parent, part in zip(parents, parts, strict=True):
            if part is not None:
                adjoints[parent] = _plus(adjoints[parent], part)


def _gather(adjoints: list[Any], adjoint: Masked, parent: int, likes: Any, position: int) -> None:
    held = adjoints[parent]
    if held is None:
        zeros = tuple(np.zeros(like.shape, like.dtype) for like in likes)
        masks = tuple(np.zeros(like.shape, bool) for like in likes)
        held = Masked(zeros, masks)
    mask = np.ones(likes[position].shape, bool) if adjoint.mask is None else adjoint.mask
    values, masks = list(held.value), list(held.mask)
    values[position] = values[position] + adjoint.value
    masks[position] = masks[position] | mask
    adjoints[parent] = Masked(tuple(values), tuple(masks))


def _plus(held: Masked | None, part: Masked) -> Masked:
    if held is None:
        return part
    mask = None if held.mask is None or part.mask is None else held.mask | part.mask
    return Masked(held.clean + part.clean, mask)


def _pull(
    primitive: Primitive, adjoint: Masked, parents: Any, saved: Any, likes: Any, parameters: Any
) -> list[Masked | None]:
    if isinstance(primitive, Elementwise):
        return _pull_elementwise(primitive, adjoint, parents, saved, likes, parameters)
    clean = adjoint.clean
    if isinstance(adjoint.value, tuple):
        clean = tuple(np.where(m, v, 0) for m, v in zip(adjoint.mask, adjoint.value, strict=True))
    parts = primitive.pull(clean, parents, saved, likes, parameters)
    probe = _probe(adjoint)
    try:
        with np.errstate(all="ignore"):
            live = primitive.pull(probe, parents, _probed(primitive, saved), likes, parameters)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError):  # no structure to be found this way
        live = [None] * len(parts)
    result: list[Masked | None] = []
    for part, found in zip(parts, live, strict=True):
        if part is None:
            result.append(None)
            continue
        mask = None if found is None or has_nan(found) else concrete(found) != 0
        result.append(Masked(part, mask))
    return result


def _pull_elementwise(
    primitive: Elementwise, adjoint: Masked, parents: Any, saved: Any, likes: Any, parameters: Any
) -> list[Masked | None]:
    result: list[Masked | None] = []
    tie = 0.0 if min(parents) < 0 else 0.5
    for position, parent in enumerate(parents):
        if parent < 0 or primitive.rules[position] is None:
            result.append(None)
            continue
        partial = primitive.partial(position, saved, parameters, tie)
        part = adjoint.value * partial
        mask = adjoint.mask
        if primitive.selects:
            taken = np.broadcast_to(concrete(partial) != 0, np.shape(concrete(part)))
            mask = taken if mask is None else mask & taken
        if mask is not None:
            part = np.where(mask, part, 0)
        like = likes[position] if likes is not None else None
        if like is not None:
            shape = np.shape(concrete(part))
            if mask is not None and shape != like.shape:
                counts = unbroadcast(mask.astype(float), shape, like.shape)
                mask = np.asarray(counts) != 0
            part = fit(part, like, primitive)
        result.append(Masked(part, mask))
    return result


def _probe(adjoint: Masked) -> Any:
    if isinstance(adjoint.value, tuple):
        return tuple(
            np.where(m, _random(like_of(v)), 0)
            for m, v in zip(adjoint.mask, adjoint.value, strict=True)
        )
    random = _random(like_of(adjoint.value))
    return random if adjoint.mask is None else np.where(adjoint.mask, random, 0)


def _probed(primitive: Primitive, saved: Sequence[Any]) -> Sequence[Any]:
    """The values a rule reads, replaced by random ones unless they select."""
    if primitive.selects or (isinstance(primitive, Linear) and not primitive.each):
        return tuple(concrete(v) for v in saved)
    return tuple(
        None if v is None else _random(like_of(v)) if like_of(v).dtype.kind in "fc" else concrete(v)
        for v in saved
    )


def _random(like: Any) -> Any:
    numbers = np.random.default_rng(like.size).uniform(0.5, 1.5, like.shape)
    return np.asarray(numbers, dtype=like.dtype if like.dtype.kind in "fc" else float)


# ------------------------------------------------------------------------------------------- forward


def push_masked(
    primitive: Primitive, tangents: Sequence[Any], values: Sequence[Any], out: Any, parameters: Any
) -> Any:
    """As `Primitive.push`, for masked tangents."""
    if isinstance(primitive, Elementwise):
        return _push_elementwise(primitive, tangents, values, out, parameters)
    clean = [None if t is None else t.clean for t in tangents]
    pushed = primitive.push(clean, values, out, parameters)
    if pushed is None:
        return None
    probes = [None if t is None else _probe(t) for t in tangents]
    probed = [concrete(v) for v in values]
    try:
        with np.errstate(all="ignore"):
            if not (primitive.selects or (isinstance(primitive, Linear) and not primitive.each)):
                probed = list(_probed(primitive, values))
                found = primitive.push(probes, probed, primitive(*probed, **parameters), parameters)
            else:
                found = primitive.push(probes, probed, concrete(out), parameters)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError):
        found = None
    if primitive.outputs > 1:
        founds = found or (None,) * len(pushed)
        return tuple(None if p is None else _masked(p, f) for p, f in zip(pushed, founds, strict=True))
    return _masked(pushed, found)


def _masked(value: Any, found: Any) -> Masked:
    return Masked(value, None if found is None or has_nan(found) else concrete(found) != 0)


def _push_elementwise(
    primitive: Elementwise, tangents: Sequence[Any], values: Sequence[Any], out: Any, parameters: Any
) -> Masked | None:
    total: Any = None
    mask: Mask = np.zeros(like_of(out).shape, bool)
    tie = 0.0 if any(t is None for t in tangents) else 0.5
    for position, tangent in enumerate(tangents):
        if tangent is None or primitive.rules[position] is None:
            continue
        partial = primitive.partial(position, (*values, out), parameters, tie)
        part, own = tangent.value * partial, tangent.mask
        if primitive.selects:
            taken = concrete(partial) != 0
            own = taken if own is None else own & taken
        if own is not None:
            part = np.where(own, part, 0)
        mask = None if own is None or mask is None else mask | own
        total = part if total is None else total + part
    return None if total is None else Masked(fit_tangent(total, out), mask)
