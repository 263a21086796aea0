"""Calls of plans by ctypes, on interpreters whose objects do not lie where `layout.py` expects.

The same checks and results as the native entry, in Python; some 10 us a call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.compile.native.signature import Made, Signature, Static
from wengert.compile.program import Spec

_PYTHON_TYPES = {"f": float, "c": complex, "i": int, "b": bool}
_PLAN = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_ALIGN = 64


class _Mismatch(Exception):  # noqa: N818 (a signal inside this file)
    """An argument is not what the program was traced with."""


class Entry:
    """A callable over a plan.

    Parameters
    ----------
    signature : Signature
        What a call takes and gives.
    arena_bytes : int
        Scratch memory, made anew for each call: calls of several threads do not meet.
    plan : int
        Address of the plan.
    targets : list of callable
        As in `call.Bound`.
    pending : callable
        Returns and forgets the exception that a callback stored in this thread.
    owner : object
        What keeps the machine code loaded.
    """

    def __init__(
        self,
        signature: Signature,
        arena_bytes: int,
        plan: int,
        targets: Sequence[Callable[..., Any]],
        pending: Callable[[], BaseException],
        owner: Any,
    ):
        self._signature, self._arena_bytes, self._targets = signature, arena_bytes, targets
        self._plan, self._pending, self._owner = _PLAN(plan), pending, owner

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Check, run, build the result; or leave it to a target."""
        inputs: dict[int, np.ndarray[Any, Any]] = {}
        try:
            wanted = self._signature.keywords
            if keywords.keys() != wanted.keys() or len(args) != len(self._signature.arguments):
                raise _Mismatch
            for tree, value in zip(self._signature.arguments, args, strict=True):
                self._read(tree, value, inputs)
            for name, tree in wanted.items():
                self._read(tree, keywords[name], inputs)
        except _Mismatch:
            return self._targets[0](*args, **keywords)
        outputs = [np.empty(spec.shape, spec.dtype) for spec in self._signature.outputs]
        arena = np.empty(self._arena_bytes + _ALIGN, np.uint8)
        start = arena.ctypes.data + -arena.ctypes.data % _ALIGN
        operands = _pointers([inputs[k] for k in range(len(inputs))])
        status = self._plan(operands, _pointers(outputs), start)
        if status < 0:
            raise self._pending()
        if status > 0:
            return self._targets[status](*args, **keywords)
        leaves = [
            _leaf(spec, out) for spec, out in zip(self._signature.outputs, outputs, strict=True)
        ]
        return _build(self._signature.result, leaves)

    def _read(self, tree: Any, value: Any, inputs: dict[int, np.ndarray[Any, Any]]) -> None:
        if isinstance(tree, Static):
            if value is not tree.value and not _is_equal(tree.value, value):
                raise _Mismatch
        elif isinstance(tree, int):
            inputs[tree] = _input(self._signature.inputs[tree], value)
        elif type(value) is not type(tree) or len(value) != len(tree):
            raise _Mismatch
        elif isinstance(tree, dict):
            for key, part in tree.items():
                if key not in value:
                    raise _Mismatch
                self._read(part, value[key], inputs)
        else:
            for part, item in zip(tree, value, strict=True):
                self._read(part, item, inputs)


def _is_equal(known: Any, value: Any) -> bool:
    if type(known) is not type(value):
        return False
    if type(known) is float:
        return bool(np.float64(known).view(np.int64) == np.float64(value).view(np.int64))
    return type(known) in (int, str, bytes) and bool(known == value)


def _input(spec: Spec, value: Any) -> np.ndarray[Any, Any]:
    if spec.kind == "array":
        fits = type(value) is np.ndarray and value.dtype == spec.dtype and value.shape == spec.shape
        if not (fits and value.flags.c_contiguous and value.flags.aligned):
            raise _Mismatch
        return value
    kind = _PYTHON_TYPES[spec.dtype.kind] if spec.kind == "python" else spec.dtype.type
    if type(value) is not kind:
        raise _Mismatch
    return np.asarray(value, spec.dtype)


def _pointers(arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    return (ctypes.c_void_p * max(1, len(arrays)))(*[x.ctypes.data for x in arrays])


def _leaf(spec: Spec, out: np.ndarray[Any, Any]) -> Any:
    if spec.kind == "array":
        return out
    return out.item() if spec.kind == "python" else out[()]


def _build(tree: Any, leaves: Sequence[Any]) -> Any:
    if isinstance(tree, Static):
        return tree.value
    if isinstance(tree, int):
        return leaves[tree]
    if isinstance(tree, Made):
        return tree.function(*[_build(part, leaves) for part in tree.parts])
    if isinstance(tree, dict):
        return {key: _build(part, leaves) for key, part in tree.items()}
    return type(tree)([_build(part, leaves) for part in tree])
