"""From a program to something that runs: passes, then native code; or the interpreter.

``WENGERT_COMPILE=interpret`` keeps to the interpreter, which runs every operation by NumPy: a check
on the rooms after this one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.compile.ends import Ends, signature
from wengert.compile.passes.pipeline import PassReport, optimise
from wengert.compile.program import Op, Program, Spec, interpret, run_op, verify

VARIABLE = "WENGERT_COMPILE"


@dataclass(frozen=True)
class Options:
    """What the caller of `wg.compile` may choose of the code that is made.

    Attributes
    ----------
    fastmath : bool
        Reassociate arithmetic, and apply the rewrites that are not exact.
    """

    fastmath: bool = False


@dataclass
class Stages:
    """What was done to a program, for the report."""

    passes: list[PassReport] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    native: Any = None  # what the native room says of its code


class Lowered:
    """A program that can be run: a list of inputs in, a list of outputs out.

    Raises `GuardFailed` where the program does not hold.

    Attributes
    ----------
    program : Program
        After the passes.
    native : Native or None
        Its machine code; None where it is interpreted.
    """

    def __init__(self, program: Program, options: Options, ends: Ends | None):
        self.stages = Stages()
        verify(program)
        self.program, self.native = program, None
        if os.environ.get(VARIABLE) == "interpret":
            return
        start = time.perf_counter()
        self.program, self.stages.passes = optimise(program, options.fastmath)
        self.stages.seconds["passes"] = time.perf_counter() - start
        from wengert.compile.native.build import build  # noqa: PLC0415 (LLVM takes long to import)

        start = time.perf_counter()
        ends_of = signature(self.program, ends)
        self.native = build(self.program, is_fast=options.fastmath, signature=ends_of)
        self.stages.seconds["native"] = time.perf_counter() - start
        self.stages.native = self.native.described

    def bind(self, fallback: Callable[..., Any]) -> Any:
        """What native calls go through (`native/call.py`); None if there are none."""
        return None if self.native is None else self.native.bind(fallback)

    def bind_into(self, fallback: Callable[..., Any]) -> Any:
        """The same for calls that are given arrays for their result."""
        return None if self.native is None else self.native.bind_into(fallback)

    def __call__(self, inputs: Sequence[Any], given: Sequence[np.ndarray | None] = ()) -> list[Any]:
        if self.native is not None:
            return self.native.run(inputs, given)
        with np.errstate(all="ignore"):  # native code is silent, too
            outputs = interpret(self.program, inputs, _run)
        # In memory of their own: an output may be an input, a constant, a view, or another output.
        return [np.array(x, order="C") if isinstance(x, np.ndarray) else x for x in outputs]


def lower(program: Program, options: Options, ends: Ends | None = None) -> Lowered:
    """Make a program ready to run; with `ends`, to be called natively, too."""
    return Lowered(program, options, ends)


def _run(op: Op, operands: Sequence[Any]) -> Any:
    return as_kind(run_op(op, operands), op.spec)


def as_kind(value: Any, spec: Spec) -> Any:
    """A value as NumPy, or Python, held it while it was traced: Python's numbers are weak."""
    if spec.kind == "python":
        return value.item() if isinstance(value, np.generic | np.ndarray) else value
    if spec.kind == "scalar" and not isinstance(value, np.generic):
        return spec.dtype.type(value)
    return np.asarray(value) if spec.kind == "array" else value
