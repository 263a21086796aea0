"""`gradient_source`: NumPy source of a function's value and gradient, written by the compiler."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert import tree
from wengert.compile.source import to_source
from wengert.transforms.compiled import compile
from wengert.transforms.grad import value_and_grad
from wengert.transforms.trace import _input_names


def gradient_source(f: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """NumPy source of a function's value and gradient, as it runs at given arguments.

    Parameters
    ----------
    f : callable
        Plain NumPy code, of a scalar result.
    *args, **kwargs
        Its arguments; derivatives are by those in `args` that hold floating-point numbers.

    Returns
    -------
    str
        A module that imports nothing but numpy and scipy.
    """
    positions = tuple([k for k, arg in enumerate(args) if _holds_floats(arg)])
    program, _ = compile(value_and_grad(f, positions)).program(*args, **kwargs)
    names = tuple(_input_names(f, args, kwargs))
    if len(names) == len(program.inputs):
        program = dataclasses.replace(program, names=names)
    return to_source(program)


def _holds_floats(arg: Any) -> bool:
    leaves = tree.leaves(arg)
    return bool(leaves) and all(np.asarray(leaf).dtype.kind in "fc" for leaf in leaves)
