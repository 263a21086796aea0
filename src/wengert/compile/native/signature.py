"""What a compiled call takes and gives: trees whose leaves are inputs and outputs of a program.

Trees are plain nested tuples, lists and dicts. `entry.py` reads and builds them natively,
`portable.py` in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from wengert.compile.native.types import is_native
from wengert.compile.program import Spec

_PYTHON_KINDS = {"inputs": "fc", "outputs": "fcib"}


@dataclass(frozen=True)
class Static:
    """A leaf that is no input or output: an argument that must be this value, or a constant result.

    Exact Python ints, floats, strings and bytes are compared by value, all else by identity.
    """

    value: Any


@dataclass(frozen=True)
class Made:
    """A part of a result that a callable makes of other parts: a named tuple, a dataclass."""

    function: Callable[..., Any]
    parts: tuple[Any, ...]


class Signature(NamedTuple):
    """What a call takes and gives.

    Attributes
    ----------
    inputs, outputs : tuple of Spec
        Those of the program. Of kind "python": float, complex; as outputs int and bool, too.
    arguments : tuple of trees
        One tree for each positional argument: nested tuples, lists and dicts (keys are strings)
        whose leaves are numbers of inputs, or `Static`.
    result : tree
        The same, whose leaves are numbers of outputs, `Static` or `Made`. An output may stand in it
        more than once: it is one object then.
    keywords : mapping
        A tree for each keyword argument, as `arguments`.
    """

    inputs: tuple[Spec, ...]
    arguments: tuple[Any, ...]
    outputs: tuple[Spec, ...]
    result: Any
    keywords: Mapping[str, Any] = MappingProxyType({})

    def check(self) -> None:
        """Refuse what no entry can be written for; for the compiler, not for users."""
        for name in ("inputs", "outputs"):
            for spec in getattr(self, name):
                assert is_native(spec.dtype), f"{name}: {spec}"
                if spec.kind == "python":
                    assert spec.dtype.str[1:] in ("f8", "c16", "i8", "b1"), f"{name}: {spec}"
                    assert spec.dtype.kind in _PYTHON_KINDS[name], f"{name}: {spec}"
        trees = (self.arguments, dict(self.keywords))
        assert sorted(numbers(trees)) == list(range(len(self.inputs))), "inputs"
        assert set(numbers(self.result)) == set(range(len(self.outputs))), "outputs"


def numbers(tree: Any) -> Iterator[int]:
    """The numbers of inputs or outputs at the leaves of a tree."""
    if isinstance(tree, int):
        yield tree
    elif isinstance(tree, Made):
        yield from numbers(tree.parts)
    elif isinstance(tree, dict):
        for key, part in tree.items():
            assert type(key) is str, f"key {key!r}"
            yield from numbers(part)
    elif not isinstance(tree, Static):
        assert type(tree) in (tuple, list), f"{type(tree)} in a tree"
        for part in tree:
            yield from numbers(part)


def has_made(tree: Any) -> bool:
    """True if a part of a result is made by a callable."""
    if isinstance(tree, dict):
        return any(map(has_made, tree.values()))
    if isinstance(tree, tuple | list) and not isinstance(tree, Made):
        return any(map(has_made, tree))
    return isinstance(tree, Made)
