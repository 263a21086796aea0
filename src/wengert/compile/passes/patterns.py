"""Both sides of a rewrite, recorded: NumPy expressions of variables, as small trees.

A variable stands for an operand or, as a keyword argument, for a parameter. The lambdas of a table
run on variables, where NumPy's protocols and the primitives record what is done; they run on arrays
as well, so a test can compare the two sides.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from wengert.primitives.arithmetic import add, multiply
from wengert.primitives.family import Primitive
from wengert.primitives.registry import REGISTRY


class Pattern(NDArrayOperatorsMixin):
    """What an expression of variables is while it is recorded."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            raise TypeError(f"a rewrite cannot hold {ufunc.__name__}.{method} with {kwargs}")
        return Node(REGISTRY.ufuncs[ufunc], operands, {})

    @staticmethod
    def __record__(primitive: Primitive, operands: Any, parameters: dict[str, Any]) -> Node:
        return Node(primitive, operands, parameters)

    __hash__ = object.__hash__


class Variable(Pattern):
    """Any operand, or any value of a parameter."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name


class Node(Pattern):
    """An operation."""

    __slots__ = ("operands", "parameters", "primitive")

    def __init__(self, primitive: Primitive, operands: Any, parameters: dict[str, Any]):
        self.primitive, self.operands, self.parameters = primitive, tuple(operands), parameters

    def __repr__(self) -> str:
        parts = [*map(repr, self.operands)]
        parts += [f"{name}={value!r}" for name, value in self.parameters.items()]
        return f"{self.primitive.name}({', '.join(parts)})"


class Computed(Pattern):
    """A parameter or constant of the right side, computed from what the variables stand for."""

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]):
        self.function, self.arguments = function, arguments

    def __repr__(self) -> str:
        return f"{self.function.__name__}({', '.join(map(repr, self.arguments))})"


def computed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Declare, as a decorator, a function that a right side may apply to variables."""

    def apply(*arguments: Any) -> Any:
        if any(isinstance(argument, Pattern) for argument in arguments):
            return Computed(function, arguments)
        return function(*arguments)

    apply.__name__, apply.__doc__ = function.__name__, function.__doc__
    return apply


def recorded(side: Callable[..., Any]) -> Any:
    """The tree of one side."""
    return side(*[Variable(name) for name in inspect.signature(side).parameters])


def orders(tree: Any) -> Iterator[Any]:
    """A tree with the operands of sums and products in each order."""
    if not isinstance(tree, Node):
        yield tree
        return
    for operands in product(*[list(orders(operand)) for operand in tree.operands]):
        yield Node(tree.primitive, operands, tree.parameters)
        if tree.primitive in (add, multiply):
            yield Node(tree.primitive, operands[::-1], tree.parameters)
