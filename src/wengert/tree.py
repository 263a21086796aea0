"""Pytrees: nested tuples, lists, dicts, named tuples, dataclasses and None, over optree.

Everything else (arrays, numbers, strings) is a leaf. Dataclasses are registered with optree the
first time one is met, in a namespace of our own, so that nobody else's trees change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import optree

_NAMESPACE = "wengert"
_LEAVES = {float, int, bool, complex, str, np.ndarray, np.float64, np.float32, np.complex128}
_LEAF: Any = 0.0  # optree's annotations know no tree that is a bare leaf
SINGLE = optree.tree_structure(_LEAF, namespace=_NAMESPACE)


def flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves of a tree, in order, and its structure."""
    if type(tree) in _LEAVES:
        return [tree], SINGLE
    leaves, structure = optree.tree_flatten(tree, namespace=_NAMESPACE)
    if any(_is_unregistered(leaf) for leaf in leaves):
        for leaf in leaves:
            if _is_unregistered(leaf):
                _register(type(leaf))
        return flatten(tree)
    return leaves, structure


def unflatten(structure: Any, leaves: Iterable[Any]) -> Any:
    """The tree of the given structure with these leaves."""
    if structure is SINGLE:
        (leaf,) = leaves
        return leaf
    return optree.tree_unflatten(structure, leaves)


def map(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Apply a function to the corresponding leaves of trees of one structure."""
    leaves, structure = flatten(tree)
    others = [structure.flatten_up_to(other) for other in rest]
    return unflatten(structure, [function(*group) for group in zip(leaves, *others, strict=True)])


def leaves(tree: Any) -> list[Any]:
    """The leaves of a tree, in order."""
    return flatten(tree)[0]


def paths(tree: Any) -> list[str]:
    """How user code reaches each leaf: ``['w'][0]`` and so on; the empty string for a bare leaf."""
    flatten(tree)  # registers dataclasses
    accessors, *_ = optree.tree_flatten_with_accessor(tree, namespace=_NAMESPACE)
    return [accessor.codify("") for accessor in accessors]


class Top(NamedTuple):
    """What a structure is at its top.

    Attributes
    ----------
    kind : type or None
        Of the container; `None` itself for a leaf.
    parts : dict
        Structures by position, key or name of field, in the order of the leaves.
    order : tuple
        Positions, keys or names in the order in which user code sees them.
    """

    kind: type | None
    parts: dict[Any, Any]
    order: tuple[Any, ...]


def top(structure: Any) -> Top:
    """Take a structure apart by one level; no class of the user's is called."""
    if structure.is_leaf():
        return Top(None, {}, ())
    kind = structure.type
    names = field_names(kind) or structure.entries()
    parts = dict(zip(names, structure.children(), strict=True))
    if kind is dict:  # whose leaves are in the order of the keys
        return Top(kind, parts, tuple(unflatten(structure.one_level(), names)))
    return Top(kind, parts, tuple(names))


def field_names(kind: type) -> tuple[str, ...] | None:
    """The fields of a named tuple or dataclass, as trees have them; None for other types."""
    if dataclasses.is_dataclass(kind):
        return tuple([field.name for field in dataclasses.fields(kind) if field.init])
    return getattr(kind, "_fields", None) if optree.is_namedtuple_class(kind) else None


def _is_unregistered(leaf: Any) -> bool:
    return dataclasses.is_dataclass(leaf) and not isinstance(leaf, type)


def _register(cls: type) -> None:
    names = field_names(cls) or ()

    def split(obj: Any) -> tuple[tuple[Any, ...], None, tuple[str, ...]]:
        return tuple(getattr(obj, name) for name in names), None, names

    def join(_: Any, children: Iterable[Any]) -> Any:
        return cls(**dict(zip(names, children, strict=True)))

    optree.register_pytree_node(
        cls, split, join, namespace=_NAMESPACE, path_entry_type=optree.GetAttrEntry
    )
