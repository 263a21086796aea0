"""Reverse mode: record a call on a tape, sweep back from its results.

`record` runs a function and returns a `Recording`: the entries, where inputs and outputs are, and
how to pull adjoints back through them. `grad`, `vjp`, `jacobian` are thin layers over it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import DisconnectedError, DisconnectedWarning, user_frame
from wengert.primitives.adjoints import NUMBER, Like, fit, like_of
from wengert.tape.array import Array, of_program
from wengert.tape.entries import ANY
from wengert.tape.failures import fail
from wengert.tape.levels import depth
from wengert.tape.seams import tracing
from wengert.tape.structural import (
    backward_in_program,
    backward_masked,
    careful,
    count_sweep,
    has_nan,
    is_careful,
    sweeps,
)
from wengert.tape.sweep import backward
from wengert.tape.tape import SCALARS, Tape
from wengert.transforms.arguments import Call, check_sources, name_of, split_aux, target_leaf

float64 = np.float64
_REGISTRY = "__warningregistry__"  # where the warnings module remembers what it has shown


class Recording:
    """A recorded call.

    Attributes
    ----------
    entries : list
        The tape's entries; the inputs come first.
    outputs : list of int
        Index of each leaf of the result; -1 for one that depends on no input.
    values : list
        The leaves of the result, as the caller knows them (of the outer level).
    has_inner : bool
        The function took derivatives itself; then it may have to be recorded again (see `careful`).
    """

    __slots__ = (
        "aux", "call", "entries", "has_inner", "how", "likes", "outputs", "structure", "values"
    )  # fmt: skip
    entries: list[Any]
    has_inner: bool
    how: tuple[str, bool]  # what `record` was called with
    outputs: list[int]
    structure: Any
    values: list[Any]

    def __init__(self, call: Call, inputs: Sequence[Any]):
        self.call = call
        self.likes = [like_of(x) for x in inputs]
        self.aux: Any = None

    def pull(self, seeds: Sequence[Any]) -> list[Any]:
        """Adjoints of the inputs, given those of the outputs (None where there is none)."""
        count_sweep()
        with np.errstate(all="ignore"):
            is_masked = is_careful()
            adjoints = self._swept(seeds, masked=is_masked)
            numbers = _as_numbers(adjoints, self.likes)
            if numbers is not None:
                return numbers
            if not is_masked and _have_nan(adjoints):
                adjoints = self._swept(seeds, masked=True)
                if self.has_inner and _have_nan(adjoints):
                    with careful():
                        again = record(self.call, self.how[0], has_aux=self.how[1])
                        adjoints = again._swept(seeds, masked=True)
        return _of_caller(adjoints, self.likes, seeds)

    def _swept(self, seeds: Sequence[Any], masked: bool) -> list[Any]:
        """Adjoints of the inputs as a sweep leaves them."""
        adjoints = self._seeded(seeds)
        if masked:
            sweep = backward_in_program if self.is_in_program else backward_masked
            sweep(self.entries, adjoints, sorted({k for k in self.outputs if k >= 0}))
        else:
            backward(self.entries, adjoints)
        return adjoints[: len(self.likes)]

    @property
    def is_in_program(self) -> bool:
        """True if a program is recorded, and what was recorded here is part of it."""
        return any(isinstance(of_program(value), Array) for value in self.values)

    def _seeded(self, seeds: Sequence[Any]) -> list[Any]:
        adjoints: list[Any] = [None] * len(self.entries)
        for index, seed in zip(self.outputs, seeds, strict=True):
            if index >= 0 and seed is not None:
                adjoints[index] = seed if adjoints[index] is None else adjoints[index] + seed
        return adjoints


def _as_numbers(adjoints: Sequence[Any], likes: Sequence[Like]) -> list[Any] | None:
    """As the caller gets them, if all are numbers and none is NaN: what long loops have."""
    found: list[Any] = []
    for position, adjoint in enumerate(adjoints):
        kind = type(adjoint)
        if kind not in SCALARS or likes[position] is not NUMBER or adjoint != adjoint:
            return None
        found.append(adjoint if kind is float64 else float64(adjoint))
    return found


def _have_nan(adjoints: Sequence[Any]) -> bool:
    return any(has_nan(adjoint) for adjoint in adjoints)


def _of_caller(adjoints: Sequence[Any], likes: Sequence[Like], seeds: Sequence[Any]) -> list[Any]:
    """The adjoints as inputs have them, with a buffer each.

    A sweep does not see to that: ``x + y`` hands its own to both, and a seed to everybody.
    """
    found: list[Any] = []
    taken = {id(seed) for seed in seeds}
    for adjoint, like in zip(adjoints, likes, strict=True):
        if not (
            type(adjoint) is np.ndarray
            and adjoint.dtype is like.dtype
            and adjoint.shape == like.shape
            and adjoint.base is None
            and adjoint.flags.writeable
        ):
            adjoint = _as_input(adjoint, like)
        kind = type(adjoint)
        if kind is np.ndarray or kind is Array:
            if id(adjoint) in taken:
                adjoint = adjoint.copy()
            taken.add(id(adjoint))
        found.append(adjoint)
    return found


def _as_input(adjoint: Any, like: Like) -> Any:
    """An adjoint as the caller gets it: shape and dtype of the source, and the caller's own."""
    kind = type(adjoint)
    if adjoint is None or (kind is np.float64 and like is NUMBER):
        return adjoint
    if kind is not np.ndarray and kind is not Array:
        if not isinstance(adjoint, Array):
            return like.dtype.type(adjoint)
        adjoint = adjoint.current()
    adjoint = fit(adjoint, like)
    if type(adjoint) is np.ndarray and (adjoint.base is not None or not adjoint.flags.writeable):
        return adjoint.copy()
    return adjoint


def record(call: Call, transform: str, *, has_aux: bool = False, keep: bool = False) -> Recording:
    """Run a call with its sources on a new tape.

    With `keep`, plain arrays that entries hold are copied at the end, so that the caller may change
    them while the recording lives on.
    """
    sources = check_sources(call)
    recording = Recording(call, sources)
    before = sweeps()
    with tracing() as level:
        tape = Tape(level)
        try:
            handles = [tape.input(x) for x in sources]
            result = call.with_leaves(handles)
            if has_aux:
                result, recording.aux = split_aux(result, call, transform)
            if type(result) is Array and result.tape is tape:  # one result: a scalar function's
                recording.structure, recording.outputs = tree.SINGLE, [result.index]
                recording.values = [own_result(result.value, sources)]
            else:
                leaves, recording.structure = tree.flatten(result)
                leaves = [target_leaf(leaf, transform) for leaf in leaves]
                recording.outputs = [
                    x.index if isinstance(x, Array) and x.tape is tape else -1 for x in leaves
                ]
                recording.values = [_of_outer_level(x, tape, sources) for x in leaves]
            if has_aux:
                recording.aux = tree.map(lambda x: _of_outer_level(x, tape, sources), recording.aux)
        except Exception as error:
            fail(error, tape.held)
        finally:
            held = list(tape.held.values()) if keep else []
            recording.entries = tape.end()
    # What the caller may have changed since cannot be recorded again.
    recording.has_inner, recording.how = not keep and sweeps() != before, (transform, has_aux)
    if keep:
        _own_values(recording, held)
    return recording


def _own_values(recording: Recording, held: list[Any]) -> None:
    """Copy what entries share with the caller."""
    foreign = {id(array) for array in held}
    copies: dict[int, Any] = {}

    def own(value: Any) -> Any:
        if type(value) is np.ndarray and _root_id(value) in foreign:
            if id(value) not in copies:
                copies[id(value)] = (value.copy(), value)
            return copies[id(value)][0]
        return value

    for k, entry in enumerate(recording.entries):
        if entry is None:
            continue
        if len(entry) != ANY:
            recording.entries[k] = tuple([own(part) for part in entry])
        elif any(type(v) is np.ndarray for v in entry[2]):
            recording.entries[k] = (*entry[:2], tuple([own(v) for v in entry[2]]), *entry[3:])


def _root_id(array: np.ndarray) -> int:
    while type(array.base) is np.ndarray:
        array = array.base
    return id(array)


def _of_outer_level(x: Any, tape: Tape, sources: Sequence[Any]) -> Any:
    """A result as the caller of the transform knows it."""
    if not isinstance(x, Array):
        return x
    x = x.current()
    if x.tape is tape or not x.tape.is_traced:
        return own_result(x.value, sources)
    return x


def own_result(value: Any, sources: Sequence[Any]) -> Any:
    """A result of the caller's own: no argument, no view of one, no read-only broadcast."""
    if type(value) is not np.ndarray:
        return value
    if value.base is not None or any(value is source for source in sources):
        return value.copy()
    return value


def report_disconnected(
    recording: Recording, found: Sequence[Any], transform: str, strict: bool
) -> None:
    """Say which sources the result does not depend on: an error if strict, else one warning."""
    lacking = [k for k, adjoint in enumerate(found) if adjoint is None]
    # A program that is recorded is no transform: the outermost one inside it warns.
    if not lacking or (not strict and depth() > recording.is_in_program):
        return
    names = ", ".join(recording.call.describe(k) for k in lacking)
    fact = (
        f"{transform}: the result of {name_of(recording.call.function)} does not depend on {names}."
    )
    if strict:
        raise DisconnectedError(
            fact,
            "Check that it is used, and not through wg.stop_gradient, an integer or a comparison; "
            "without strict=True its gradient is zero.",
        )
    frame = user_frame()
    if frame is not None:  # the user's line, however many functions of ours stand between
        name, registry = frame.f_globals.get("__name__"), frame.f_globals.setdefault(_REGISTRY, {})
        where = (frame.f_code.co_filename, frame.f_lineno, name, registry)
        warnings.warn_explicit(f"{fact} The gradient is zero.", DisconnectedWarning, *where)
