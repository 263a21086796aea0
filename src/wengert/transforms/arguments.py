"""What every transform does with arguments: choose by position or name, check, flatten.

`Call` binds one call of a function: the leaves of the chosen arguments are what is differentiated,
all else is passed on untouched.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import ArgumentError, ShapeError, SourceTypeError, TargetTypeError
from wengert.tape.array import Array, concrete
from wengert.tape.stacking import stack

_FLOATS = frozenset({float, np.float64, np.float32, np.float16, np.longdouble})
_COMPLEX = frozenset({complex, np.complex64, np.complex128, np.clongdouble})
_DTYPES = frozenset({np.dtype(kind) for kind in (_FLOATS | _COMPLEX)})
_LEAVES = _FLOATS | {np.ndarray}  # the commonest leaves: no tree to look into


class Call:
    """One call of a function with some of its arguments as sources.

    Attributes
    ----------
    leaves : list
        The leaves of the sources, in order.
    """

    __slots__ = (
        "args", "function", "is_flat", "is_single", "kwargs", "leaves", "names", "structures",
        "widths",
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        argnums: Any,
        argnames: Any,
    ):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.is_single = isinstance(argnums, int) and argnames is None
        self.names: tuple[int | str, ...] = ()
        if argnames is None and type(argnums) is tuple:
            self.names = _positions(argnums, len(args))
        self.names = self.names or self._names(argnums, argnames)
        values = [args[name] if isinstance(name, int) else kwargs[name] for name in self.names]
        self.leaves: list[Any] = values
        self.structures: list[Any] = [tree.SINGLE] * len(values)
        self.widths: list[int] = [1] * len(values)
        self.is_flat = True
        for value in values:
            if type(value) not in _LEAVES:
                self._flatten(values)
                break

    def _flatten(self, values: list[Any]) -> None:
        flattened = [tree.flatten(value) for value in values]
        self.leaves = [leaf for leaves, _ in flattened for leaf in leaves]
        self.structures = [structure for _, structure in flattened]
        self.widths = [len(leaves) for leaves, _ in flattened]
        self.is_flat = self.structures.count(tree.SINGLE) == len(self.structures)

    def _names(self, argnums: Any, argnames: Any) -> tuple[int | str, ...]:
        if type(argnums) is int and argnames is None and 0 <= argnums < len(self.args):
            return (argnums,)
        positions = () if argnums is None else argnums
        positions = tuple(positions) if isinstance(positions, tuple | list) else (positions,)
        names = (
            ()
            if argnames is None
            else (argnames,)
            if isinstance(argnames, str)
            else tuple(argnames)
        )
        count = len(self.args)
        fixed = []
        if not all(isinstance(position, int) for position in positions):
            raise ArgumentError(
                f"argnums={argnums!r} is no position of an argument, nor a tuple of them.",
                "Choose by position with argnums= or by name with argnames=.",
            )
        for position in positions:
            if not -count <= position < count:
                raise ArgumentError(
                    f"argnums={position} names no argument: the function was called with {count} "
                    "positional arguments.",
                    "Pass the argument by position, or choose it by name with argnames=.",
                )
            fixed.append(position % count)
        for name in names:
            if name not in self.kwargs:
                raise ArgumentError(
                    f"argnames={name!r} names no keyword argument of this call "
                    f"(given: {sorted(self.kwargs)}).",
                    f"Pass it by keyword: {name}=…",
                )
        if not fixed and not names:
            raise ArgumentError(
                "there is nothing to differentiate by: no argument is chosen.",
                "Choose by position with argnums= or by name with argnames=.",
            )
        if len(set(fixed)) < len(fixed) or len(set(names)) < len(names):
            raise ArgumentError(
                f"argnums={argnums!r}, argnames={argnames!r} choose one argument twice.",
                "Choose every argument once.",
            )
        return (*fixed, *names)

    def _argument(self, name: int | str) -> Any:
        return self.args[name] if isinstance(name, int) else self.kwargs[name]

    def with_leaves(self, leaves: Sequence[Any]) -> Any:
        """Call the function with other leaves in place of the sources."""
        args, kwargs = list(self.args), self.kwargs
        values = leaves if self.is_flat else self.rebuilt(leaves)
        for name, value in zip(self.names, values, strict=True):
            if isinstance(name, int):
                args[name] = value
            else:
                kwargs = kwargs | {name: value}
        return self.function(*args, **kwargs)

    def rebuilt(self, leaves: Sequence[Any]) -> list[Any]:
        """One tree per source, with these leaves."""
        if self.is_flat:
            return list(leaves)
        trees, start = [], 0
        for structure, width in zip(self.structures, self.widths, strict=True):
            trees.append(tree.unflatten(structure, leaves[start : start + width]))
            start += width
        return trees

    def packed(self, leaves: Sequence[Any]) -> Any:
        """As `rebuilt`: one tree for a single source or a single name, otherwise a tuple."""
        trees = self.rebuilt(leaves)
        if self.is_single or (len(trees) == 1 and isinstance(self.names[0], str)):
            return trees[0]
        return tuple(trees)

    def describe(self, position: int) -> str:
        """How user code calls one of the leaves: ``argument 0['w']``."""
        for name, width in zip(self.names, self.widths, strict=True):
            if position < width:
                path = tree.paths(self._argument(name))[position]
                return f"argument {name!r}{path}"
            position -= width
        return "an argument"


@functools.lru_cache(maxsize=256)
def _positions(argnums: tuple[Any, ...], count: int) -> tuple[int, ...]:
    """`argnums` if they are different positions of arguments, as they mostly are; else nothing."""
    is_plain = all(type(k) is int and 0 <= k < count for k in argnums)
    return argnums if is_plain and len(set(argnums)) == len(argnums) else ()


def check_sources(call: Call) -> list[Any]:
    """The leaves as numbers or arrays that can be differentiated by, or an error."""
    checked = []
    for position, leaf in enumerate(call.leaves):
        kind = type(leaf)
        if kind in _FLOATS or kind in _COMPLEX or (kind is np.ndarray and leaf.dtype in _DTYPES):
            checked.append(leaf)
            continue
        if isinstance(leaf, Array):
            leaf = leaf.current()
            leaf = Array(leaf.value, leaf.tape, leaf.index)
        elif not isinstance(leaf, np.ndarray | np.generic):
            leaf = _array_like(leaf, call, position)
        elif leaf.dtype == object:
            leaf = stack(leaf)
        if isinstance(leaf, np.ma.MaskedArray | np.matrix):
            raise _special_source(leaf, call, position)
        if leaf.dtype.kind not in "fc":
            raise _no_source(leaf, call, position)
        checked.append(leaf)
    return checked


def _array_like(leaf: Any, call: Call, position: int) -> Any:
    if isinstance(leaf, int | bool | str | bytes) or not hasattr(leaf, "__array__"):
        raise _no_source(leaf, call, position)
    return np.asarray(leaf)


def _special_source(leaf: Any, call: Call, position: int) -> SourceTypeError:
    return SourceTypeError(
        f"{call.describe(position)} is a {type(leaf).__name__}, whose mask or product plain arrays "
        "do not have.",
        "Pass np.asarray(x); for masked data the values, and np.where(mask, 0, x) in the function.",
    )


def _no_source(leaf: Any, call: Call, position: int) -> SourceTypeError:
    described = call.describe(position)
    if hasattr(leaf, "dtype"):
        found = f"{leaf.dtype} of shape {leaf.shape}"
    else:
        found = f"{type(leaf).__name__} ({leaf!r:.40})"
    remedy = (
        "Pass a float: 3.0 instead of 3, or x.astype(float)."
        if isinstance(leaf, int | bool) or getattr(leaf, "dtype", np.dtype("O")).kind in "iub"
        else "Pass floats or arrays of floats; to leave an argument out, choose others with "
        "argnums=."
    )
    return SourceTypeError(
        f"{described} is {found}, and only real or complex floating-point numbers have "
        "derivatives.",
        remedy,
    )


def target_leaf(leaf: Any, transform: str) -> Any:
    """A leaf of what the function returned, as a number or array of floats."""
    if isinstance(leaf, Array) and not (leaf.tape.is_program and leaf.dtype.kind in "iub"):
        return leaf.current()
    if isinstance(leaf, np.ndarray) and leaf.dtype == object:
        leaf = stack(leaf)
        if isinstance(leaf, Array):
            return leaf.current()
    if isinstance(leaf, float | complex | np.floating | np.complexfloating):
        return leaf
    dtype = getattr(leaf, "dtype", None)
    if dtype is not None and dtype.kind in "fc":
        return leaf
    if isinstance(leaf, int | np.integer | bool | np.bool_) or (
        dtype is not None and dtype.kind in "iub"
    ):
        found = f"{dtype or type(leaf).__name__}"
        remedy = (
            "Integers and booleans carry no derivative; return a float that depends on the sources."
        )
    else:
        found = type(leaf).__name__
        remedy = "Return a number, an array, or a tree (tuple, list, dict, dataclass) of them."
    raise TargetTypeError(
        f"{transform} needs a function that returns floating-point numbers, but it returned "
        f"{found} ({concrete(leaf)!r:.60}).",
        remedy,
    )


def split_aux(result: Any, call: Call, transform: str) -> tuple[Any, Any]:
    """The target and the auxiliary data that a function returned as a pair."""
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TargetTypeError(
            f"{transform} with has_aux=True needs a function that returns a pair (target, "
            f"auxiliary), but {name_of(call.function)} returned {type(result).__name__}.",
            "Return (target, auxiliary), or leave has_aux out.",
        )
    return result


def same_structure(given: Any, structure: Any, what: str, expected: str) -> list[Any]:
    """The leaves of a tree that must have a given structure."""
    leaves, found = tree.flatten(given)
    if found != structure:
        raise ShapeError(
            f"{what} has the structure {found}, but {expected} has the structure {structure}.",
            f"Pass {what} as a tree of the same structure.",
        )
    return leaves


def name_of(function: Any) -> str:
    """A function's name, for messages."""
    return getattr(function, "__name__", type(function).__name__)
