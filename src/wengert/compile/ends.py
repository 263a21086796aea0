"""The two ends of a native call: the trees that it takes and gives, for `native/call.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert import tree
from wengert.compile.native.signature import Made, Signature, Static
from wengert.compile.native.types import is_native
from wengert.compile.program import Program
from wengert.tape.columns import Constant


class Ends(NamedTuple):
    """What a native call takes and gives, as `native/signature.py` describes trees."""

    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    result: Any


def arguments_of(
    leaves: Sequence[Any], structure: Any
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Trees of arguments: numbers of inputs (ints) and Constants at the leaves.

    None if they are no plain tuples, lists and dicts.
    """
    args, kwargs = tree.unflatten(structure, leaves)
    return (_static(args), _static(kwargs)) if is_plain((args, kwargs)) else None


def result_of(leaves: Sequence[Any], structure: Any, is_plain_tree: bool) -> Any:
    """A tree of the result: numbers of outputs (ints) and Constants at the leaves."""
    parts = [_made(leaf) for leaf in leaves]
    if not is_plain_tree:
        return Made(lambda *outs: tree.unflatten(structure, outs), tuple(parts))
    return _static(tree.unflatten(structure, parts))


def is_plain(found: Any) -> bool:
    """True for nested tuples, lists and dicts with strings as keys; anything else is a leaf."""
    if type(found) is dict:
        return all(type(key) is str and is_plain(part) for key, part in found.items())
    if type(found) in (tuple, list):
        return all(is_plain(part) for part in found)
    return not _is_node(found)


def _is_node(found: Any) -> bool:
    """True for what a tree takes apart: a named tuple, a dataclass, an ordered dict."""
    if found is None or type(found) is Constant:
        return False
    leaves, _ = tree.flatten(found)
    return len(leaves) != 1 or leaves[0] is not found


def _static(found: Any) -> Any:
    if type(found) is dict:
        return {key: _static(part) for key, part in found.items()}
    if type(found) in (tuple, list):
        return type(found)([_static(part) for part in found])
    if found is None:
        return Static(None)
    return Static(found.value) if type(found) is Constant else found


def _made(leaf: Any) -> Any:
    """A constant array is copied for each result."""
    if type(leaf) is int:
        return leaf
    return Made(leaf.value.copy, ()) if isinstance(leaf.value, np.ndarray) else Static(leaf.value)


_INPUTS, _OUTPUTS = {"f8", "c16"}, {"f8", "c16", "i8", "b1"}  # Python's numbers


def signature(program: Program, ends: Ends | None) -> Signature | None:
    """What the entry of a program takes and gives; None if it can have none."""
    if ends is None:
        return None
    outputs = tuple([program.spec(x) for x in program.outputs])
    for specs, python in ((program.inputs, _INPUTS), (outputs, _OUTPUTS)):
        for spec in specs:
            if not is_native(spec.dtype):
                return None
            if spec.kind == "python" and spec.dtype.str[1:] not in python:
                return None
    return Signature(program.inputs, ends.arguments, outputs, ends.result, ends.keywords)
