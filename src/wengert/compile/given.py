"""Arrays that a call writes its results into: what `Compiled.into` is given.

Where they fit, native code writes into them; all else (constants, results of a first call, which
is traced) is copied. The one difficulty is that a function may return another tree on each of its
paths: only the path that a call takes in the end says whether the arrays fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert import tree
from wengert.compile.guards import Path
from wengert.compile.program import Program
from wengert.errors import ArgumentError
from wengert.tape.array import Array


class Given:
    """The arrays of one call.

    Parameters
    ----------
    out : tree
        As the result, with an array for each of its arrays, and anything for its numbers.
    arguments : sequence
        Leaves of the arguments: no array may share memory with one of them.
    name : str
        Of the function, for errors.
    """

    def __init__(self, out: Any, arguments: Sequence[Any], name: str):
        self.out, self.name = out, name
        self.taken = [x for x in arguments if isinstance(x, np.ndarray)]
        self._fitting: tuple[Path, list[Any]] | None = None  # the last that fits; parts of `out`

    def buffers(self, path: Path) -> list[np.ndarray | None] | None:
        """What each output of a path is written into (None: memory of its own).

        None if the arrays do not fit this path; `result` says why, if it was the right one.
        """
        template, program = path.template, path.program
        parts = self._parts(template.structure)
        if parts is None:
            return None
        found: list[np.ndarray | None] = [None] * len(program.outputs)
        arrays: list[np.ndarray] = []
        for leaf, part in zip(template.leaves, parts, strict=True):
            made = _form(program, leaf)
            if made is None:
                continue
            if _fault(part, *made, [*self.taken, *arrays]):
                return None
            if type(leaf) is int:
                found[leaf] = part
            arrays.append(part)
        self._fitting = path, parts
        return found

    def result(self, path: Path, outputs: Sequence[Any]) -> Any:
        """The result of a path, after `buffers`; raises as `filled`."""
        if self._fitting is None or self._fitting[0] is not path:
            return self.filled(path.template.result(outputs))
        leaves = [outputs[x] if type(x) is int else x.value for x in path.template.leaves]
        return tree.unflatten(path.template.structure, _placed(leaves, self._fitting[1]))

    def filled(self, result: Any) -> Any:
        """The result, its arrays in those that were given.

        Raises
        ------
        ArgumentError
            If one of them does not fit.
        """
        leaves, structure = tree.flatten(result)
        parts = self._parts(structure)
        if parts is None:
            raise ArgumentError(
                f"{self.name} returns the tree {_shown(structure)}, and `out` is another: "
                f"{_shown(tree.flatten(self.out)[1])}.",
                f"Give a tree like the result: one that {self.name} has returned will do.",
            )
        arrays: list[np.ndarray] = []
        for number, (leaf, part) in enumerate(zip(leaves, parts, strict=True)):
            if isinstance(leaf, Array):
                raise ArgumentError(
                    f"{self.name}.into was called while a derivative is recorded: what it returns "
                    "is on a tape, and cannot be written into an array.",
                    f"Call {self.name} itself there.",
                )
            if isinstance(leaf, np.ndarray):
                fault = _fault(part, leaf.shape, leaf.dtype, self.taken + arrays)
                if fault:
                    place = tree.paths(tree.unflatten(structure, range(len(leaves))))[number]
                    raise ArgumentError(
                        f"{self.name} cannot write its result into out{place}: {fault}.",
                        f"Give np.empty({leaf.shape}, {leaf.dtype.str!r}), or the result of "
                        "another call.",
                    )
                arrays.append(part)
        return tree.unflatten(structure, _placed(leaves, parts))

    def _parts(self, structure: Any) -> list[Any] | None:
        """What stands in `out` at the leaves of a result; None if it is another tree."""
        try:
            return list(structure.flatten_up_to(self.out))
        except ValueError:
            return None


def _form(program: Program, leaf: Any) -> tuple[tuple[int, ...], np.dtype] | None:
    """The shape and dtype of an array at a leaf of a template; None if it is no array."""
    if type(leaf) is int:
        spec = program.spec(program.outputs[leaf])
        return (spec.shape, spec.dtype) if spec.kind == "array" else None
    value = leaf.value
    return (value.shape, value.dtype) if isinstance(value, np.ndarray) else None


def _placed(leaves: Sequence[Any], parts: Sequence[Any]) -> list[Any]:
    """The leaves of a result, with arrays in their places in `out`."""
    placed = []
    for leaf, part in zip(leaves, parts, strict=True):
        is_array = isinstance(leaf, np.ndarray)
        if is_array and part is not leaf:
            part[...] = leaf
        placed.append(part if is_array else leaf)
    return placed


def _fault(part: Any, shape: tuple[int, ...], dtype: np.dtype, taken: Sequence[np.ndarray]) -> str:
    """Why a result of this shape and dtype cannot be written there; empty if it can."""
    if type(part) is not np.ndarray:
        return f"it is a {type(part).__name__}, no array"
    if part.dtype != dtype or part.shape != shape:
        return f"it is {part.dtype}{list(part.shape)}, and the result {dtype}{list(shape)}"
    flags = part.flags
    if not (flags.c_contiguous and flags.aligned):
        return "its elements do not lie one after the other"
    if not flags.writeable:
        return "it is read-only"
    if any(np.may_share_memory(part, other) for other in taken):
        return "it shares memory with an argument, or with another array of out"
    return ""


def _shown(structure: Any) -> str:
    return str(structure).removeprefix("PyTreeSpec(").removesuffix(")").split(", namespace")[0]
