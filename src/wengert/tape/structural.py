"""Structural zeros: masks that travel with adjoints and tangents.

A mask is True where a value is *not* structurally zero; None stands for True everywhere.
Elementwise rules pass masks on as they are. Any other rule is run on random positive numbers under
the mask: what comes out exactly zero depends on nothing live. Selecting primitives (`maximum`,
`where`) are asked with their real operands, others with random ones, so that a zero in the data (a
genuine 0 * inf) is not mistaken for structure. The one difficulty is nesting: a mask has no
derivative, but under vmap it differs along the batch, and in a program with the numbers it is run
on: masks are plain arrays, or Arrays of vmap or of a program. In a program no number decides what
is masked (`regular.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from wengert.primitives.adjoints import fit, fit_tangent, like_of, unbroadcast
from wengert.primitives.family import Elementwise, Linear, Primitive
from wengert.primitives.indexing import assign
from wengert.primitives.indexing import read as READ
from wengert.primitives.indexing import write as WRITE
from wengert.primitives.joining import part as PART
from wengert.tape.array import Array, bottom, of_program
from wengert.tape.entries import whole
from wengert.tape.regular import entries_in_need, may_be_infinite
from wengert.tape.sweep import Parts, backward
from wengert.tape.writing import add_into, copied, write

Mask = Any

_careful: ContextVar[bool] = ContextVar("wengert_careful", default=False)
_sweeps: ContextVar[int] = ContextVar("wengert_sweeps", default=0)


@contextmanager
def careful() -> Iterator[None]:
    """While it lasts, every sweep of this context carries masks from the start.

    An inner derivative that is recorded by an outer one has structural zeros too. They are plain
    zeros to the outer sweep unless the inner one selected them away, which it does under masks
    only. So an outer derivative that comes out NaN is taken again, carefully.
    """
    token = _careful.set(True)
    try:
        yield
    finally:
        _careful.reset(token)


def is_careful() -> bool:
    """True while an outer derivative is taken again."""
    return _careful.get()


def count_sweep() -> None:
    """Note that a derivative was taken, for those that record it."""
    _sweeps.set(_sweeps.get() + 1)


def sweeps() -> int:
    """How many derivatives were taken in this context: more than before, if a function took one."""
    return _sweeps.get()


class Masked:
    """An adjoint or tangent with its mask.

    `is_owned` if its buffers are nobody else's; `is_clean` if it has its zeros already.
    """

    __slots__ = ("is_clean", "is_owned", "mask", "value")

    def __init__(self, value: Any, mask: Mask, is_owned: bool = False, is_clean: bool = False):
        self.value = value
        self.mask = mask
        self.is_owned = is_owned
        self.is_clean = is_clean or is_owned

    @property
    def clean(self) -> Any:
        """The value, with exact zeros where it is structurally zero."""
        if self.is_clean:
            return self.value
        if isinstance(self.value, tuple):
            return tuple([_cleaned(m, v) for m, v in zip(self.mask, self.value, strict=True)])
        return _cleaned(self.mask, self.value)

    @property
    def is_plain(self) -> bool:
        """True if neither value nor mask belongs to an outer level."""
        return not isinstance(self.value, Array | tuple) and not isinstance(self.mask, Array)


def _kept(mask: Mask, value: Any) -> Any:
    if mask is None:
        return value
    kept = np.where(mask, value, 0)
    return kept if kept.shape or isinstance(bottom(value), np.ndarray) else kept[()]


def _cleaned(mask: Mask, value: Any) -> Any:
    """As `_kept`, for a product: where it is finite, it is zero there by itself."""
    return value if mask is None or not may_be_infinite(value) else _kept(mask, value)


def _both(mask: Mask, other: Mask) -> Mask:
    if mask is None or other is None:
        return other if mask is None else mask
    return np.logical_and(mask, other)


def _any(mask: Mask, other: Mask) -> Mask:
    return None if mask is None or other is None else np.logical_or(mask, other)


def _still(x: Any) -> Any:
    """A value without derivatives: of the outer levels, batches of vmap and programs stay."""
    if not isinstance(x, Array):
        return x
    x = x.current()
    if x.tape.is_program:
        return x
    value = _still(x.value)
    return Array(value, x.tape) if x.tape.hidden else value


def has_nan(value: Any) -> bool:
    """True if a number or array holds NaN; one pass over memory."""
    if type(value) is np.float64 or type(value) is float:
        return bool(value != value)
    if type(value) is not np.ndarray:
        value = of_program(value)
    if value is None or isinstance(value, Array):  # a program decides without its numbers
        return False
    array = np.asarray(value)
    if array.dtype in _BLAS and array.size <= _SMALL:
        squares = np.vdot(array, array)  # infinite squares stay infinite: no NaN comes of them
        return bool(squares != squares)
    if array.dtype.kind not in "fc":
        return False
    # One pass that allocates nothing: a sum is NaN if an element is. That of infinities of both
    # signs is too, which the second look sorts out. (A dot product would wake the BLAS's threads.)
    total = np.add.reduce(array, axis=None)
    return bool(total != total) and bool(np.isnan(array).any())


_BLAS = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
_SMALL = 4096  # elements; the BLAS's threads sleep through a product of so few

# ----------------------------------------------------------------------------------------- backward


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
        entry = whole(entry)
        primitive, parents, saved, likes, parameters = entry
        if primitive is PART:
            _gather(adjoints, adjoint, parents[0], likes, parameters["position"])
            continue
        if adjoint.is_plain and _moved_in_place(adjoints, adjoint, entry):
            continue
        parts = _pull(primitive, adjoint, parents, saved, likes, parameters)
        for parent, part in zip(parents, parts, strict=True):
            if part is not None:
                adjoints[parent] = _plus(adjoints[parent], part)


def _gather(adjoints: list[Any], adjoint: Masked, parent: int, likes: Any, position: int) -> None:
    held = adjoints[parent]
    if held is None:
        zeros = tuple([np.zeros(like.shape, like.dtype) for like in likes])
        held = Masked(zeros, tuple([np.zeros(like.shape, bool) for like in likes]))
    mask = np.ones(likes[position].shape, bool) if adjoint.mask is None else adjoint.mask
    values, masks = list(held.value), list(held.mask)
    values[position] = values[position] + adjoint.clean
    masks[position] = np.logical_or(masks[position], mask)
    adjoints[parent] = Masked(tuple(values), tuple(masks))


def _plus(held: Masked | None, part: Masked) -> Masked:
    if held is None:
        return part
    return Masked(held.clean + part.clean, _any(held.mask, part.mask))


def _pull(
    primitive: Primitive, adjoint: Masked, parents: Any, saved: Any, likes: Any, parameters: Any
) -> list[Masked | None]:
    if isinstance(primitive, Elementwise):
        return _pull_elementwise(primitive, adjoint, parents, saved, likes, parameters)
    parts = primitive.pull(adjoint.clean, parents, saved, likes, parameters)
    if adjoint.mask is None and primitive.live is not None and like_of(adjoint.value).size:
        return [
            None if part is None else Masked(part, _triangle(kind, like_of(part).shape))
            for part, kind in zip(parts, primitive.live(**parameters), strict=True)
        ]
    found: Sequence[Any] = [None] * len(parts)
    if adjoint.mask is not None or not _is_product(primitive):
        try:
            with np.errstate(all="ignore"):
                probes = _probe(adjoint)
                found = primitive.pull(
                    probes, parents, _probed(primitive, saved), likes, parameters
                )
        except Exception:  # a rule may refuse random numbers (cholesky): nothing is known then
            found = [None] * len(parts)
    return [
        None if part is None else Masked(part, _mask_of(live), is_clean=_is_sum(primitive))
        for part, live in zip(parts, found, strict=True)
    ]


def _triangle(kind: str, shape: tuple[int, ...]) -> Mask:
    """The mask of a derivative of which a rule says that it is "lower", "upper" or "all" live."""
    if kind == "all":
        return None
    rows, columns = shape[-2:]
    matrix = np.tri(rows, columns, 0 if kind == "lower" else -1, dtype=bool)
    mask = np.broadcast_to(matrix if kind == "lower" else ~matrix, shape)
    return None if mask.all() else mask


def _is_sum(primitive: Primitive) -> bool:
    """True if nothing is multiplied by data: of zeros come zeros."""
    return isinstance(primitive, Linear) and not primitive.each


def _is_product(primitive: Primitive) -> bool:
    return isinstance(primitive, Linear) and primitive.each and not primitive.selects


def _mask_of(found: Any) -> Mask:
    """Where a rule, run on random numbers, gave anything; everywhere if it cannot be said."""
    if found is None or has_nan(found):
        return None
    live = _still(found) != 0
    return None if not isinstance(live, Array) and np.all(live) else live


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
        mask = _both(adjoint.mask, _still(partial) != 0 if primitive.selects else None)
        like = likes[position] if likes is not None else None
        part = _cleaned(mask, part)
        if like is not None:
            shape = like_of(part).shape
            if mask is not None and shape != like.shape:
                # Truth values are counted; those of a batch or program are made numbers first.
                counted = mask if type(mask) is np.ndarray else np.where(mask, 1.0, 0.0)
                mask = unbroadcast(np.broadcast_to(counted, shape), shape, like.shape) != 0
            part = fit(part, like, primitive)
        result.append(Masked(part, mask, is_clean=True))
    return result


def _probe(adjoint: Masked, position: int = 0) -> Any:
    """Random numbers in place of an adjoint or tangent, zero where it is structurally zero."""
    if isinstance(adjoint.value, tuple):
        pairs = zip(adjoint.mask, adjoint.value, strict=True)
        probes = [(m, _random(like_of(v), k)) for k, (m, v) in enumerate(pairs, position)]
        return tuple([_kept(mask, probe) for mask, probe in probes])
    return _kept(adjoint.mask, _random(like_of(adjoint.value), position))


def _probed(primitive: Primitive, saved: Sequence[Any]) -> Sequence[Any]:
    """The values that a rule reads, random in place of numbers unless the primitive selects."""
    if primitive.selects or (isinstance(primitive, Linear) and not primitive.each):
        return tuple([_still(v) for v in saved])
    return tuple([_randomized(v, k) for k, v in enumerate(saved, _SAVED)])


_SAVED = 100  # where the numbers of saved values begin: no two operands may get the same ones


def _randomized(value: Any, position: int) -> Any:
    if value is None:
        return None
    if isinstance(value, tuple):
        parts = [_randomized(part, 10 * position + k) for k, part in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    like = like_of(value)
    return _random(like, position) if like.dtype.kind in "fc" else _still(value)


def _random(like: Any, position: int) -> Any:
    draw = np.random.default_rng([like.size, position]).uniform
    real = draw(0.5, 1.5, like.shape)
    if like.dtype.kind == "c":
        return np.asarray(real + 1j * draw(0.5, 1.5, like.shape), dtype=like.dtype)
    return np.asarray(real, dtype=like.dtype if like.dtype.kind == "f" else float)


# --------------------------------------------------------------------- reading and writing in place


def _moved_in_place(adjoints: list[Any], adjoint: Masked, entry: Any) -> bool:
    """Pull through a read or a write in buffers of our own: loops over elements stay linear."""
    primitive, parents, saved, likes, parameters = entry
    if primitive is READ:
        held = adjoints[parents[0]]
        if held is None:
            zeros = np.zeros(likes[0].shape, likes[0].dtype)
            held = Masked(zeros, np.zeros(zeros.shape, bool), is_owned=True)
        elif not held.is_plain:
            return False
        adjoints[parents[0]] = held = _owned(held)
        assign(held.value, parameters["path"], adjoint.clean, add=True)
        if held.mask is not None:
            live = True if adjoint.mask is None else adjoint.mask
            assign(held.mask, parameters["path"], live, add=True)
        return True
    if primitive is not WRITE or type(adjoint.value) is not np.ndarray:
        return False
    root, value = parents
    if value >= 0:
        pair = (-1, value)
        part = primitive.pull(adjoint.clean, pair, saved, likes, parameters)[1]
        live = np.ones(adjoint.value.shape, bool) if adjoint.mask is None else adjoint.mask
        mask = primitive.pull(live, pair, saved, likes, parameters)[1] != 0
        part = part.copy() if type(part) is np.ndarray else part  # a view of what is cleared next
        adjoints[value] = _plus(adjoints[value], Masked(part, mask))
    if root >= 0:
        if not parameters["add"]:
            adjoint = _owned(adjoint, with_mask=True)
            assign(adjoint.value, parameters["path"], 0)
            assign(adjoint.mask, parameters["path"], False)
        adjoints[root] = _plus(adjoints[root], adjoint)
    return True


def _owned(held: Masked, with_mask: bool = False) -> Masked:
    """The same, clean, in buffers that can be written."""
    mask = np.ones(held.value.shape, bool) if held.mask is None and with_mask else held.mask
    if held.is_owned:
        return held if mask is held.mask else Masked(held.value, mask, is_owned=True)
    value = copied(held.clean)
    return Masked(value, None if mask is None else np.array(mask), is_owned=True)


# ------------------------------------------------------------------------------------ in a program


def backward_in_program(entries: Sequence[Any], adjoints: list[Any], seeds: Sequence[int]) -> None:
    """As `backward_masked`, for what a program records: masks only where entries show the need.

    The adjoint of an entry is a `Masked` if it needs a mask, and plain otherwise.
    """
    need = entries_in_need(entries)
    if need is None:
        backward(entries, adjoints)
        return
    is_masked, is_cleaned = need
    for index in seeds:
        if is_masked[index] and adjoints[index] is not None:
            adjoints[index] = Masked(adjoints[index], None)
    for index in range(len(entries) - 1, -1, -1):
        adjoint = adjoints[index]
        if adjoint is None or entries[index] is None:
            continue
        entry = whole(entries[index])
        is_plain = not (is_cleaned[index] or any(p >= 0 and is_masked[p] for p in entry[1]))
        if type(adjoint) is Masked or not is_plain:
            adjoint = _as_masked(adjoint)
            is_plain = is_plain and adjoint.mask is None
            adjoints[index] = adjoint.value
        if is_plain:
            backward(entries, adjoints, only=index)
            continue
        adjoints[index] = None
        for parent, part in _pulled_in_program(adjoints, is_masked, adjoint, entry):
            _give(adjoints, is_masked, parent, part)


def _as_masked(adjoint: Any) -> Masked:
    """An adjoint with its mask, None if nothing is masked."""
    if type(adjoint) is Parts:
        adjoint = Masked(adjoint.filled(), (None,) * len(adjoint.likes))
    if type(adjoint) is not Masked:
        return Masked(adjoint, None)
    if isinstance(adjoint.mask, np.ndarray | np.bool_) and np.all(adjoint.mask):
        adjoint.mask = None
    return adjoint


def _give(adjoints: list[Any], is_masked: Sequence[bool], parent: int, part: Masked) -> None:
    held = adjoints[parent]
    if is_masked[parent]:
        adjoints[parent] = _plus(held, part)
    else:
        adjoints[parent] = part.clean if held is None else held + part.clean


def _pulled_in_program(
    adjoints: list[Any], is_masked: Sequence[bool], adjoint: Masked, entry: Any
) -> list[tuple[int, Masked]]:
    """The contributions of an entry to the adjoints of its operands."""
    primitive, parents, saved, likes, parameters = entry
    if primitive is PART:
        _gather(adjoints, adjoint, parents[0], likes, parameters["position"])
        return []
    if not isinstance(adjoint.mask, Array):  # which places are read or written is known now
        if primitive is READ and _read_in_program(adjoints, adjoint, entry):
            return []
        if primitive is WRITE:
            return _written_in_program(adjoint, entry)
    parts = _pull(primitive, adjoint, parents, saved, likes, parameters)
    return [(p, part) for p, part in zip(parents, parts, strict=True) if part is not None]


def _read_in_program(adjoints: list[Any], adjoint: Masked, entry: Any) -> bool:
    _, (parent,), _, (like,), parameters = entry
    path, held = parameters["path"], adjoints[parent]
    if held is None:
        held = Masked(np.zeros(like.shape, like.dtype), np.zeros(like.shape, bool), is_owned=True)
    elif isinstance(held.mask, Array):
        return False
    held = _owned(held)
    held.value = add_into(held.value, path, adjoint.clean)
    if held.mask is not None:
        assign(held.mask, path, True if adjoint.mask is None else adjoint.mask, add=True)
    adjoints[parent] = held
    return True


def _written_in_program(adjoint: Masked, entry: Any) -> list[tuple[int, Masked]]:
    primitive, (root, value), saved, likes, parameters = entry
    found: list[tuple[int, Masked]] = []
    if value >= 0:
        pair = (-1, value)
        part = primitive.pull(adjoint.clean, pair, saved, likes, parameters)[1]
        live = np.ones(likes[0].shape, bool) if adjoint.mask is None else adjoint.mask
        mask = primitive.pull(live, pair, saved, likes, parameters)[1] != 0
        found.append((value, Masked(part.copy() if hasattr(part, "copy") else part, mask)))
    if root >= 0 and parameters["add"]:
        found.append((root, adjoint))
    elif root >= 0:
        adjoint = _owned(adjoint, with_mask=True)
        if isinstance(adjoint.value, Array):
            write(adjoint.value, parameters["path"], np.zeros((), adjoint.value.dtype))
        else:
            assign(adjoint.value, parameters["path"], 0)
        assign(adjoint.mask, parameters["path"], False)
        found.append((root, adjoint))
    return found


# ------------------------------------------------------------------------------------------ forward


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
    found = None
    try:
        with np.errstate(all="ignore"):
            probes = [None if t is None else _probe(t, k) for k, t in enumerate(tangents)]
            probed = _probed(primitive, values)
            is_real = primitive.selects or (isinstance(primitive, Linear) and not primitive.each)
            probed_out = _still_parts(out) if is_real else primitive(*probed, **parameters)
            found = primitive.push(probes, probed, probed_out, parameters)
    except Exception:  # as in reverse mode: no zero is taken for structural
        found = None
    if primitive.outputs > 1:
        founds = found or (None,) * len(pushed)
        pairs = zip(pushed, founds, strict=True)
        return tuple([None if p is None else Masked(p, _mask_of(f)) for p, f in pairs])
    return Masked(pushed, _mask_of(found), is_clean=_is_sum(primitive))


def _still_parts(out: Any) -> Any:
    return tuple([_still(part) for part in out]) if isinstance(out, tuple) else _still(out)


def _push_elementwise(
    primitive: Elementwise,
    tangents: Sequence[Any],
    values: Sequence[Any],
    out: Any,
    parameters: Any,
) -> Masked | None:
    total: Any = None
    mask: Mask = False
    tie = 0.0 if any(t is None for t in tangents) else 0.5
    for position, tangent in enumerate(tangents):
        if tangent is None or primitive.rules[position] is None:
            continue
        partial = primitive.partial(position, (*values, out), parameters, tie)
        own = _both(tangent.mask, _still(partial) != 0 if primitive.selects else None)
        part = _cleaned(own, tangent.value * partial)
        mask = own if mask is False else _any(mask, own)
        total = part if total is None else total + part
    if total is None:
        return None
    shape = like_of(out).shape
    if mask is not None and like_of(mask).shape != shape:
        mask = np.broadcast_to(mask, shape)
    return Masked(fit_tangent(total, out), mask)
