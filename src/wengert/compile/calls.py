"""What a compiled function is called with, and what it returns: signatures and templates.

A call is taken apart into inputs (floats, NumPy's numbers, arrays) and static values (Python's
integers, strings, functions …), which with the shapes, dtypes and trees make up its key. What a
traced function returned is kept as a template, which outputs are put into.
"""

from __future__ import annotations

import dataclasses
import decimal
import inspect
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert import tree
from wengert.compile.encoding import Layout
from wengert.compile.ends import arguments_of, is_plain, result_of
from wengert.compile.program import spec_of
from wengert.compile.trace import Recorder
from wengert.errors import ArgumentError, TargetTypeError
from wengert.tape.array import Array
from wengert.tape.columns import Constant
from wengert.tape.stacking import stack

_NUMBERS = frozenset({float, complex})
_INPUT = frozenset({np.dtype(c) for c in "?bBhHiIlLqQefdgFDG"})
_STATIC_RESULTS = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype, type)


class Bound(NamedTuple):
    """One call, taken apart.

    Attributes
    ----------
    key : tuple or None
        Calls with the same key may share a program; None if an argument is traced already.
    inputs : list
        The leaves that are numbers or arrays.
    is_converted : bool
        An array was copied for that: its bytes were in the order of other machines.
    """

    key: Any
    inputs: list[Any]
    is_converted: bool = False


class Static(NamedTuple):
    """A static leaf: an argument's value is part of the key.

    Attributes
    ----------
    kind : object
        What equal values can differ in, see `kind_of`.
    value : object
    """

    kind: Any
    value: Any


class Signature:
    """How the arguments of a function are divided into inputs and static values.

    Parameters
    ----------
    static_argnums, static_argnames : tuple
        Arguments that are static as a whole.
    """

    def __init__(self, function: Callable[..., Any], static_argnums: Any, static_argnames: Any):
        if not callable(function):
            raise ArgumentError(
                f"wg.compile was given {function!r:.60} ({type(function).__name__}), which cannot "
                "be called.",
                "Give it a function: wg.compile(f).",
            )
        self.function = function
        self.positions = _as_tuple(static_argnums)
        self.names = _as_tuple(static_argnames)
        self.parameters = _parameters(function)
        self._check_names()

    def _check_names(self) -> None:
        """Refuse static arguments that there are not."""
        kinds = [parameter.kind for parameter in self.parameters.values()]
        listed = f"{_name(self.function)} ({', '.join(self.parameters)})"
        most = len(kinds) - kinds.count(inspect.Parameter.KEYWORD_ONLY)
        if kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
            for position in self.positions:
                if not -most <= position < most:
                    raise ArgumentError(
                        f"static_argnums={position} is no position of {listed}.",
                        "Positions begin with 0.",
                    )
        if kinds and inspect.Parameter.VAR_KEYWORD not in kinds:
            for name in self.names:
                if name not in self.parameters:
                    raise ArgumentError(
                        f"static_argnames={name!r} names no parameter of {listed}.",
                        "Give the name of a parameter.",
                    )

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        """Take a call apart."""
        if self.positions or self.names:
            args, kwargs = self._fixed(args, kwargs)
        leaves, structure = tree.flatten((args, kwargs))
        inputs: list[Any] = []
        keys: list[Any] = [structure]
        is_converted = False
        for position, leaf in enumerate(leaves):
            kind = type(leaf)
            if kind in _NUMBERS:
                keys.append(kind)
            elif kind is np.ndarray:
                if leaf.dtype not in _INPUT or not leaf.dtype.isnative:
                    leaf = self._native(leaf, args, kwargs, position)
                    if isinstance(leaf, Array):
                        return Bound(None, [])
                    is_converted = True
                keys.append(leaf.dtype)
                keys.append(leaf.shape)
                keys.append(None if leaf.flags.c_contiguous else leaf.strides)
            elif isinstance(leaf, np.generic) and leaf.dtype in _INPUT:
                keys.append(kind)
            elif isinstance(leaf, Array):
                return Bound(None, [])
            else:
                keys.append(self._static(leaf, args, kwargs, position))
                continue
            inputs.append(leaf)
        return Bound(tuple(keys), inputs, is_converted)

    def call(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], inputs: Sequence[Any]
    ) -> tuple[Any, list[str]]:
        """Call the function with other inputs in the places of those that `bind` found.

        Returns
        -------
        result : object
        changed : list of str
            The arguments that the function has written into.
        """
        leaves, structure = tree.flatten(self._fixed(args, kwargs))
        given = iter(inputs)
        new = [next(given) if _is_input(leaf) else leaf for leaf in leaves]
        new_args, new_kwargs = tree.unflatten(structure, new)
        unwrapped = [x.value if isinstance(x, _Fixed) else x for x in new_args]
        named = {k: x.value if isinstance(x, _Fixed) else x for k, x in new_kwargs.items()}
        result = self.function(*unwrapped, **named)
        names = [*_positional_names(self.parameters, len(args)), *new_kwargs]
        held = zip(names, (*new_args, *new_kwargs.values()), strict=True)
        old = {id(x): k for k, x in enumerate(inputs)}
        before = tree.unflatten(structure, leaves)
        parts = (*before[0], *before[1].values())
        return result, [
            name
            for (name, now), then in zip(held, parts, strict=True)
            if _is_changed(now, then, old)
        ]

    def argument_trees(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The arguments as native calls know them: numbers of inputs, and Constants, as leaves.

        None if there can be no native call: for arrays that are not contiguous, for trees of other
        kinds than tuples, lists and dicts.
        """
        fixed_args, fixed_kwargs = self._fixed(args, kwargs)
        leaves, structure = tree.flatten((fixed_args, fixed_kwargs))
        numbers: list[Any] = []
        count = 0
        for leaf in leaves:
            if isinstance(leaf, np.ndarray) and not (
                leaf.flags.c_contiguous and leaf.flags.aligned
            ):
                return None
            if _is_input(leaf):
                numbers.append(count)
                count += 1
            else:
                numbers.append(Constant(leaf.value if isinstance(leaf, _Fixed) else leaf))
        return arguments_of(numbers, structure)

    def layout(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Layout:
        """Where in ``(args, kwargs)`` the inputs stand: so that a stored program can be called."""
        numbers = itertools.count()

        def marked(leaf: Any) -> Any:
            if _is_input(leaf):
                return _Number(next(numbers))
            return leaf.value if isinstance(leaf, _Fixed) else leaf

        leaves, structure = tree.flatten(tree.map(marked, self._fixed(args, kwargs)))
        own = [x.number if isinstance(x, _Number) else Constant(x) for x in leaves]
        return Layout(structure, tuple(own))

    def input_names(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
        """How user code calls each input: ``x``, ``params['w']``."""
        return [name for name, leaf in self._named(args, kwargs) if _is_input(leaf)]

    def text(self, args: tuple[Any, ...], kwargs: dict[str, Any], name: str) -> str:
        """A call's signature, for people: ``f(x: float64[3], n=4)``."""
        parts = []
        for own, leaf in self._named(args, kwargs):
            if _is_input(leaf):
                parts.append(f"{own}: {spec_of(leaf)}{_layout_text(leaf)}")
            else:
                parts.append(f"{own}={leaf.value if isinstance(leaf, _Fixed) else leaf!r:.40}")
        return f"{name}({', '.join(parts)})"

    def copies(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, str]:
        """The arguments of a call that native code cannot read as they lie, and why."""
        arrays = [pair for pair in self._named(args, kwargs) if isinstance(pair[1], np.ndarray)]
        return {name: reason for name, leaf in arrays if (reason := _copied(leaf))}

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[str, Any]]:
        """Every leaf of the arguments, and how user code calls it."""
        fixed_args, fixed_kwargs = self._fixed(args, kwargs)
        named = list(zip(_positional_names(self.parameters, len(args)), fixed_args, strict=True))
        named += [(name, fixed_kwargs[name]) for name in _in_tree_order(fixed_kwargs)]
        return [
            (name + path, leaf)
            for name, argument in named
            for path, leaf in zip(tree.paths(argument), tree.leaves(argument), strict=True)
        ]

    def _fixed(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments, with those that are static as a whole as leaves."""
        if not self.positions and not self.names:
            return args, kwargs
        count = len(args)
        static = {k % count for k in self.positions if -count <= k < count}
        names = list(self.parameters)
        static |= {names.index(name) for name in self.names if name in names}
        args = tuple([_Fixed(x) if k in static else x for k, x in enumerate(args)])
        fixed = {names[k] for k in static if k < len(names)} | set(self.names)
        return args, {k: _Fixed(x) if k in fixed else x for k, x in kwargs.items()}

    def _native(self, leaf: np.ndarray, args: Any, kwargs: Any, position: int) -> Any:
        if leaf.dtype == object:
            leaf = stack(leaf)
            if isinstance(leaf, Array):
                return leaf
        if leaf.dtype.newbyteorder("=") in _INPUT:
            return leaf.astype(leaf.dtype.newbyteorder("="))
        raise self._refused(leaf, args, kwargs, position)

    def _static(self, leaf: Any, args: Any, kwargs: Any, position: int) -> Static:
        value = leaf.value if isinstance(leaf, _Fixed) else leaf
        if not isinstance(value, np.ndarray):
            try:
                hash(value)
            except TypeError:
                pass
            else:
                # A number's kind says all; and NaN, which is not equal to itself, is found again.
                return Static(kind_of(value), None if type(value) in _NUMBERS else value)
        if isinstance(leaf, _Fixed):
            name = self._named(args, kwargs)[position][0]
            raise ArgumentError(
                f"{name}, a static argument of {_name(self.function)}, was a "
                f"{type(value).__name__}, which cannot be hashed.",
                "Pass a tuple, a frozen dataclass, or another value that can be hashed; or do not "
                "make it static.",
            )
        raise self._refused(value, args, kwargs, position)

    def _refused(self, leaf: Any, args: Any, kwargs: Any, position: int) -> ArgumentError:
        path = self._named(args, kwargs)[position][0]
        found = f"{leaf.dtype} of shape {leaf.shape}" if hasattr(leaf, "dtype") else repr(leaf)
        return ArgumentError(
            f"{_name(self.function)}, which is compiled, was called with a {type(leaf).__name__} "
            f"({found:.60}) as {path}.",
            "Pass numbers, arrays of them, trees (tuple, list, dict, dataclass), or static values "
            "that can be hashed.",
        )


class _Fixed:
    """An argument that is static as a whole: one leaf, whatever it holds."""

    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value


class _Number:
    """The number of an input, as a leaf."""

    __slots__ = ("number",)

    def __init__(self, number: int):
        self.number = number


def kind_of(value: Any) -> Any:
    """What tells a static value from an equal one: 1, 1.0 and True are equal; 0.0 and -0.0 are.

    It looks into tuples, frozen sets and frozen dataclasses. Whether other objects are the same,
    their own ``==`` decides.
    """
    kind = type(value)
    if kind in _NUMBERS or isinstance(value, np.inexact | decimal.Decimal):
        return kind, repr(value)
    if isinstance(value, tuple):
        return kind, tuple([kind_of(part) for part in value])
    if isinstance(value, frozenset):
        return kind, frozenset([(kind_of(part), part) for part in value])
    if _is_compared_by_fields(kind):
        names = [field.name for field in dataclasses.fields(value) if field.compare]
        return kind, tuple([kind_of(getattr(value, name)) for name in names])
    return kind


def _is_compared_by_fields(kind: type) -> bool:
    made = getattr(kind, "__dataclass_params__", None)
    return made is not None and made.eq and (made.frozen or made.unsafe_hash)


def _is_changed(now: Any, then: Any, inputs: dict[int, int]) -> bool:
    """True if a function has written into an argument: into its arrays, or its containers.

    `inputs` are the numbers of the inputs, by the identities of their handles.
    """
    leaves, structure = tree.flatten(now)
    given, given_structure = tree.flatten(then)
    if structure != given_structure:
        return True
    for leaf, before in zip(leaves, given, strict=True):
        is_same = inputs.get(id(leaf)) == leaf.index if isinstance(leaf, Array) else leaf is before
        if not is_same:
            return True
    return False


def _layout_text(leaf: Any) -> str:
    """How an array lies in memory, where that is not in rows."""
    if not isinstance(leaf, np.ndarray) or leaf.flags.c_contiguous:
        return ""
    return " in columns" if leaf.flags.f_contiguous else f" of strides {leaf.strides}"


def _copied(leaf: np.ndarray) -> str:
    """Why an array is copied for native code; empty if it is not."""
    if not leaf.dtype.isnative:
        return "whose bytes are in the order of other machines"
    if not leaf.flags.aligned:
        return "which lies at an odd address"
    return "" if leaf.flags.c_contiguous else "which does not lie in rows"


def _is_input(leaf: Any) -> bool:
    kind = type(leaf)
    return (
        kind in _NUMBERS
        or kind is np.ndarray
        or (isinstance(leaf, np.generic) and leaf.dtype in _INPUT)
    )


def _as_tuple(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, tuple | list) else (given,)


def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # written in C
        return {}


def _positional_names(parameters: dict[str, Any], count: int) -> list[str]:
    names: list[str] = []
    for name, parameter in parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{name}[{k}]" for k in range(count - len(names))]
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            names.append(name)
    return (names + [f"args[{k}]" for k in range(len(names), count)])[:count]


def _in_tree_order(kwargs: dict[str, Any]) -> list[str]:
    return [str(name) for name in tree.leaves({name: name for name in kwargs})]


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


# ------------------------------------------------------------------------------------------ results


class Template:
    """What a traced function returned: outputs of the program, constants, and static values.

    Attributes
    ----------
    outputs : list of int
        Values of the program, in the order of the leaves that are among them.
    leaves : list
        A number of `outputs`, or a Constant, for each leaf of the result.
    """

    def __init__(self, result: Any, trace: Recorder, name: str):
        found, self.structure = tree.flatten(result)
        self.outputs: list[int] = []
        self.values: list[Array] = []  # of the outputs, as they were while tracing
        self.leaves: list[Any] = [self._leaf(leaf, trace, name) for leaf in found]
        self.tree = result_of(self.leaves, self.structure, is_plain(result))

    def _leaf(self, leaf: Any, trace: Recorder, name: str) -> Any:
        if isinstance(leaf, np.ndarray) and leaf.dtype == object:
            leaf = stack(leaf)
        if isinstance(leaf, Array):
            leaf = leaf.current()
            if leaf.tape is trace:
                self.outputs.append(leaf.index)
                self.values.append(leaf)
                return len(self.outputs) - 1
            leaf = leaf.value
        if isinstance(leaf, np.ndarray) and leaf.dtype != object:
            return Constant(leaf.copy())
        if isinstance(leaf, str) and trace.has_text:
            raise TargetTypeError(
                f"{name}, which is compiled, returned text ({leaf!r:.60}) and made text of its "
                "values: later calls would get the same text.",
                "Return the numbers, and make the text of what the compiled function returns.",
            )
        if isinstance(leaf, _STATIC_RESULTS):
            return Constant(leaf)
        raise TargetTypeError(
            f"{name}, which is compiled, returned a {type(leaf).__name__} ({leaf!r:.60}).",
            "Return numbers, arrays, or a tree (tuple, list, dict, dataclass) of them.",
        )

    def result(self, outputs: Sequence[Any]) -> Any:
        """What the function returns, given the outputs of the program."""
        leaves = [outputs[x] if type(x) is int else _own(x.value) for x in self.leaves]
        return tree.unflatten(self.structure, leaves)


def _own(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value
