"""A function that was loaded from a file: it needs none of the code that it was made from.

A file holds the ways that a function has taken, for each signature. A call takes the one whose
arguments fit and whose decisions hold; there is no function to trace another with, so anything
else is an error that names what is there. The one difficulty is static arguments: whether a number
is one is in the file, so the arguments of a call are held against those of each signature.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert import tree
from wengert.compile.calls import kind_of
from wengert.compile.encoding import Layout
from wengert.compile.guards import Path, Paths
from wengert.compile.lower import Options, lower
from wengert.compile.program import (
    PART,
    GuardFailed,
    Op,
    Program,
    Spec,
    interpret,
    run_op,
    spec_of,
)
from wengert.compile.records import as_records
from wengert.compile.store import Stored, from_bytes, load_all, save_all, to_bytes
from wengert.compile.viewed import Viewed
from wengert.errors import ProgramFormatError, UnsavedCallError
from wengert.tape.array import Array
from wengert.tape.columns import Constant


def load_function(path: str | os.PathLike[str]) -> Loaded:
    """Load a function that was saved; it is called as it was.

    Parameters
    ----------
    path : str or path
        A file that a compiled function's ``save`` has written.

    Returns
    -------
    Loaded
        Takes arguments of the same trees, shapes and dtypes, in the same way (by position or by
        keyword), and returns what the function did.

    Raises
    ------
    ProgramFormatError
        If the file is damaged, or is no such file.
    """
    return Loaded(load_all(path))


class Loaded(Viewed):
    """A function from a file. Made by `load_function`.

    Attributes
    ----------
    stored : tuple of Stored
        Every way of every signature, as in the file.
    """

    name = "loaded function"

    def __init__(self, stored: Sequence[Stored]):
        self.stored = tuple(stored)
        self._signatures: list[_Signature] = []
        for one in stored:
            self._add(one)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; inside a trace its operations are recorded there."""
        signature, inputs = self._signature_of(args, kwargs)
        if any(isinstance(x, Array) for x in inputs):
            return signature.record(inputs)
        return signature.run(inputs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file again."""
        save_all(self.stored, path)

    def __reduce__(self) -> Any:
        return _from_bytes, (to_bytes(self.stored),)

    def program(self, *args: Any, **kwargs: Any) -> tuple[Program, list[Any]]:
        """The program that a call runs, as it was traced, and its inputs."""
        signature, inputs = self._signature_of(args, kwargs)
        signature.run(inputs)  # says so if no way in the file fits
        path, _ = signature.paths.run(inputs)
        assert path is not None
        return path.program, inputs

    def _signature_of(self, args: Any, kwargs: Any) -> tuple[_Signature, list[Any]]:
        leaves, structure = tree.flatten(as_records((args, kwargs)))
        for signature in self._signatures:
            inputs = signature.inputs(leaves, structure)
            if inputs is not None:
                return signature, inputs
        raise UnsavedCallError(
            f"the file holds no program for {_text((args, kwargs))}.",
            f"It holds {'; '.join(self.signatures)}. Save the function after a call like this one.",
        )

    def __repr__(self) -> str:
        return f"<loaded function of {', '.join(self.signatures)}>"

    @property
    def signatures(self) -> list[str]:
        """The arguments that it takes."""
        return [signature.text for signature in self._signatures]

    def _add(self, stored: Stored) -> None:
        for signature in self._signatures:
            if signature.fits(stored):
                break
        else:
            signature = _Signature(stored)
            self._signatures.append(signature)
        signature.paths.add(_path(stored))


def _from_bytes(data: bytes) -> Loaded:
    return Loaded(from_bytes(data))


class _Signature:
    """The ways of one signature."""

    def __init__(self, stored: Stored):
        self.specs = stored.program.inputs
        self.layout = stored.arguments or _flat_arguments(stored.program)
        self.paths = Paths()

    @property
    def text(self) -> str:
        return _text(self.layout.fill([_Shown(spec) for spec in self.specs]))

    def fits(self, stored: Stored) -> bool:
        """True if another program takes the same arguments."""
        layout = stored.arguments or _flat_arguments(stored.program)
        if stored.program.inputs != self.specs or layout.structure != self.layout.structure:
            return False
        pairs = zip(layout.leaves, self.layout.leaves, strict=True)
        return all(_is_same_leaf(one, other) for one, other in pairs)

    def inputs(self, leaves: Sequence[Any], structure: Any) -> list[Any] | None:
        """The inputs of a call, in order; None if its arguments do not fit."""
        if structure != self.layout.structure:
            return None
        found: list[Any] = [None] * len(self.specs)
        for own, leaf in zip(self.layout.leaves, leaves, strict=True):
            if isinstance(own, Constant):
                if not _is_same(own.value, leaf):
                    return None
                continue
            if isinstance(leaf, Array):
                if leaf.shape != self.specs[own].shape or leaf.dtype != self.specs[own].dtype:
                    return None
                found[own] = leaf
                continue
            if not isinstance(leaf, float | complex | np.ndarray | np.generic):
                return None
            if isinstance(leaf, np.ndarray):
                leaf = np.asarray(leaf, leaf.dtype.newbyteorder("="), order="C")
            if spec_of(leaf) != self.specs[own]:
                return None
            found[own] = leaf
        return found

    def run(self, inputs: list[Any]) -> Any:
        """What the way gives that these inputs lead."""
        path, found = self.paths.run(inputs)
        if path is not None:
            return path.template.fill(found)
        held = f"The file holds {len(self.paths)} for {self.text}."
        remedy = f"{held} Save the function after it has taken this way."
        if isinstance(found, Exception):
            raise UnsavedCallError(
                f"an operation raised {type(found).__name__} ({found!s:.80}), and the file does "
                "not hold how the function handles that, if it does.",
                remedy,
            ) from found
        at = f" {found.place.line}" if found.place is not None else ""
        raise UnsavedCallError(
            f"the call takes a way that the file does not hold: a decision is not "
            f"{found.expected}{at}.",
            remedy,
        )

    def record(self, inputs: list[Any]) -> Any:
        """The same inside a trace: operation by operation; its guards are decisions there."""
        for path in self.paths:
            with contextlib.suppress(GuardFailed):
                return path.template.fill(interpret(path.program, inputs, _recorded))
        raise UnsavedCallError(
            "the call, inside a trace, takes a way that the file does not hold.",
            f"The file holds {len(self.paths)} for {self.text}. Save the function after it has "
            "taken this way.",
        )


def _recorded(op: Op, operands: Sequence[Any]) -> Any:
    if op.primitive is PART:
        return run_op(op, operands)
    return op.primitive(*operands, **op.parameters)


def _path(stored: Stored) -> Path:
    program = stored.program
    runs: Any = _Later(program)
    result = stored.result or _flat_result(program)
    return Path(program, runs, result, is_watched=stored.is_watched)


class _Later:
    """A program that is made ready at its first call: a file may hold many."""

    def __init__(self, program: Program):
        self._program = program

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        return self._lowered(inputs)

    @functools.cached_property
    def _lowered(self) -> Any:
        try:
            return lower(self._program, Options())
        except AssertionError as error:  # no file that was saved gets here
            raise ProgramFormatError(f"the program contradicts itself: {error!s:.200}.") from None


def _flat_arguments(program: Program) -> Layout:
    """The inputs as positional arguments, where a file tells no tree."""
    count = len(program.inputs)
    _, structure = tree.flatten((tuple(range(count)), {}))
    return Layout(structure, tuple(range(count)))


def _flat_result(program: Program) -> Layout:
    count = len(program.outputs)
    _, structure = tree.flatten(tuple(range(count)) if count != 1 else 0)
    return Layout(structure, tuple(range(count)))


def _is_same_leaf(one: int | Constant, other: int | Constant) -> bool:
    if isinstance(one, Constant) and isinstance(other, Constant):
        return _is_same(one.value, other.value)
    return type(one) is type(other) and one == other


def _is_same(one: Any, other: Any) -> bool:
    """True if static arguments are equal, and of one kind in all their parts."""
    if kind_of(one) != kind_of(other):
        return False
    return type(one) in (float, complex) or bool(np.all(one == other))


class _Shown(str):
    """The spec of an input, as a leaf of a tree."""


def _text(arguments: Any) -> str:
    """Arguments as text: specs of arrays and numbers, values of all else."""
    parts = []
    for path, leaf in zip(tree.paths(arguments), tree.leaves(arguments), strict=True):
        name = ("args" if path.startswith("[0]") else "kwargs") + path[len("[0]") :]
        if isinstance(leaf, Array):
            leaf = _Shown(Spec(leaf.shape, leaf.dtype, "array"))
        elif isinstance(leaf, float | complex | np.ndarray | np.generic):
            leaf = _Shown(spec_of(leaf))
        parts.append(f"{name}: {leaf}" if isinstance(leaf, _Shown) else f"{name}={leaf!r:.40}")
    return f"({', '.join(parts)})"
