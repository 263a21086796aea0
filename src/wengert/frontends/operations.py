"""The article's operations as nodes, and arithmetic on nodes.

A node class names a NumPy function and no more: its value and its derivatives are those of the
registry, so that an operation is defined in one place. Functions without a class of their own are
`FunctionNode`s.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from wengert import tree
from wengert.errors import ArgumentError, UnsupportedFunctionError
from wengert.frontends.nodes import CompNode, ConstantNode, Tape
from wengert.primitives.adjoints import like_of
from wengert.primitives.family import Primitive
from wengert.primitives.registry import REGISTRY
from wengert.show.values import value_text
from wengert.transforms.arguments import Call
from wengert.transforms.reverse import Recording, record


class FunctionNode(CompNode):
    """A NumPy function of nodes, of other values, and of static arguments.

    Parameters
    ----------
    function : callable
        Anything that plain NumPy code may call.
    args : tuple
        Its arguments; the nodes among them, also within lists, are the operands.
    kwargs : dict
        Its keyword arguments.
    tape : Tape
        What the node is added to.
    name : str, optional
        What it is called in print.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        tape: Tape,
        *,
        name: str | None = None,
    ):
        self._function, self._given = function, (args, kwargs)
        self._leaves, self._structure = tree.flatten(self._given)
        self._places = [k for k, leaf in enumerate(self._leaves) if isinstance(leaf, CompNode)]
        self._recording: Recording | None = None
        super().__init__(tape, name=name)

    @property
    def operands(self) -> tuple[CompNode, ...]:
        """The nodes among the arguments."""
        return tuple([self._leaves[k] for k in self._places])

    def evaluate(self, *values: Any) -> Any:
        """The function of these values in place of the operands."""
        leaves = list(self._leaves)
        for k, value in zip(self._places, values, strict=True):
            leaves[k] = value
        args, kwargs = tree.unflatten(self._structure, leaves)
        return self._function(*args, **kwargs)

    def forward(self) -> None:
        """Record the function at the operands' outputs."""
        values = tuple([x.output for x in self.operands])
        call = Call(self.evaluate, values, {}, tuple(range(len(values))), None)
        self._recording = record(call, self._operation(), keep=True)
        self.output = self._recording.values[0]

    def backward(self) -> None:
        """Sweep back through what was recorded."""
        assert self._recording is not None
        parts = self._recording.pull([self.gradient])
        for operand, part in zip(self.operands, parts, strict=True):
            if part is not None:
                operand.add_gradient(part)

    def _operation(self) -> str:
        return getattr(self._function, "__name__", "function")

    def _arguments(self, names: dict[int, str]) -> tuple[str, ...]:
        args, kwargs = self._given
        shown = [_shown(arg, names) for arg in args]
        return tuple(shown + [f"{key}={_shown(value, names)}" for key, value in kwargs.items()])


def _shown(value: Any, names: dict[int, str]) -> str:
    if isinstance(value, CompNode):
        return names.get(id(value), "?")
    if isinstance(value, list | tuple):
        return f"[{', '.join(_shown(part, names) for part in value)}]"
    return value_text(value) if isinstance(value, np.ndarray | float) else repr(value)


class Operation(CompNode):
    """A node that stands for one function of NumPy or SciPy.

    Parameters
    ----------
    *operands : CompNode or number
        As many as the function takes; the tape may follow as the last argument.
    tape : Tape, optional
        What the node is added to; by default that of the operands.
    name : str, optional
        What it is called in print.
    **parameters
        Static parameters of the function, such as ``axis``.
    """

    function: ClassVar[Callable[..., Any]]
    count: ClassVar[int] = 1  # operands
    constants: ClassVar[tuple[float, ...]] = ()  # further operands that are always the same

    def __init__(
        self, *operands: Any, tape: Tape | None = None, name: str | None = None, **parameters: Any
    ):
        if operands and isinstance(operands[-1], Tape):
            *operands, tape = operands  # type: ignore[assignment]
        if len(operands) != self.count:
            raise ArgumentError(
                f"{type(self).__name__} takes {self.count} operand{'s' * (self.count > 1)}, but "
                f"{len(operands)} were given.",
                f"Write {type(self).__name__}({'x' if self.count == 1 else 'left, right'}, tape).",
            )
        if tape is None:  # an empty tape is false
            tape = _tape_of(operands, type(self).__name__)
        self._operands = tuple([_as_node(x, tape) for x in operands])
        self._parameters = parameters
        self._recording: Recording | None = None
        super().__init__(tape, name=name)

    @property
    def operands(self) -> tuple[CompNode, ...]:
        """The nodes that this one is computed from."""
        return self._operands

    @property
    def primitive(self) -> Primitive | None:
        """The primitive of the registry, if the function is one as it stands."""
        found = REGISTRY.find(type(self).function)
        return found if isinstance(found, Primitive) and not self._parameters else None

    def evaluate(self, *values: Any) -> Any:
        """The function of these values in place of the operands."""
        primitive = self.primitive
        if primitive is not None:
            return primitive(*values, *self.constants)
        return type(self).function(*values, *self.constants, **self._parameters)

    def forward(self) -> None:
        """Compute the output from the operands' outputs."""
        values = tuple([x.output for x in self._operands])
        if self.primitive is not None:
            self.output = self.evaluate(*values)
            return
        call = Call(self.evaluate, values, {}, tuple(range(len(values))), None)
        self._recording = record(call, type(self).__name__, keep=True)
        self.output = self._recording.values[0]

    def backward(self) -> None:
        """Add to the operands' gradients, by the rules of the registry."""
        for operand, part in zip(self._operands, self._pulled(), strict=True):
            if part is not None:
                operand.add_gradient(part)

    def _pulled(self) -> list[Any]:
        primitive = self.primitive
        if primitive is None:
            assert self._recording is not None
            return self._recording.pull([self.gradient])
        values = (*[x.output for x in self._operands], *self.constants)
        # A literal of the user's arithmetic is a constant; it takes no part in ties.
        parents = [-1 if getattr(x, "is_literal", False) else 0 for x in self._operands]
        parents += [-1] * len(self.constants)
        likes = tuple([like_of(value) for value in values])
        parts = primitive.pull(self.gradient, parents, (*values, self.output), likes, {})
        return parts[: len(self._operands)]

    def _arguments(self, names: dict[int, str]) -> tuple[str, ...]:
        shown = [names.get(id(x), "?") for x in self._operands]
        return tuple(shown + [f"{key}={value!r}" for key, value in self._parameters.items()])


def _as_node(x: Any, tape: Tape) -> CompNode:
    """An operand: a node of the tape, or a constant made of a number."""
    if not isinstance(x, CompNode):
        node = ConstantNode(x, tape)
        node.is_literal = not like_of(node._value).shape
        return node
    if x not in tape:
        raise ArgumentError(
            f"{x!r} is on another tape.", "Put all nodes of one computation on the same tape."
        )
    return x


def _tape_of(operands: Any, what: str) -> Tape:
    for x in operands:
        if isinstance(x, CompNode):
            return x.tape
    for x in tree.leaves(operands):
        if isinstance(x, CompNode):
            return x.tape
    raise ArgumentError(
        f"{what} was given no node and no tape.", "Pass the tape as the last argument."
    )


# ----------------------------------------------------------------------------------- the operations


class Add(Operation):
    """Sum of two nodes."""

    function, count = np.add, 2


class Subtract(Operation):
    """Difference of two nodes."""

    function, count = np.subtract, 2


class Multiply(Operation):
    """Product of two nodes."""

    function, count = np.multiply, 2


class Divide(Operation):
    """Quotient of two nodes."""

    function, count = np.divide, 2


class Power(Operation):
    """The first node to the power of the second."""

    function, count = np.power, 2


class Maximum(Operation):
    """The larger of two nodes."""

    function, count = np.maximum, 2


class Minimum(Operation):
    """The smaller of two nodes."""

    function, count = np.minimum, 2


class MatMul(Operation):
    """Matrix product of two nodes."""

    function, count = np.matmul, 2


class Invert(Operation):
    """The negative of a node."""

    function = np.negative


class Square(Operation):
    """The square of a node."""

    function = np.square


class Absolute(Operation):
    """The absolute value of a node; its derivative at 0 is 0."""

    function = np.absolute


class Sqrt(Operation):
    """The square root of a node."""

    function = np.sqrt


class Exp(Operation):
    """The exponential of a node."""

    function = np.exp


class Log(Operation):
    """The natural logarithm of a node."""

    function = np.log


class Sin(Operation):
    """The sine of a node."""

    function = np.sin


class Cos(Operation):
    """The cosine of a node."""

    function = np.cos


class Tanh(Operation):
    """The hyperbolic tangent of a node."""

    function = np.tanh


class Sigmoid(Operation):
    """The logistic function of a node, 1 / (1 + exp(-x))."""

    @property
    def primitive(self) -> Primitive | None:
        """scipy.special.expit, which is not imported before it is used."""
        return None if self._parameters else REGISTRY["expit"]

    @staticmethod
    def function(x: Any, **parameters: Any) -> Any:
        """As scipy.special.expit."""
        return REGISTRY["expit"].function(x, **parameters)


class ReLU(Operation):
    """The positive part of a node; its derivative at 0 is 0."""

    function, constants = np.maximum, (0.0,)


class Sum(Operation):
    """The sum of a node's elements, or along an ``axis``."""

    function = np.sum


class Mean(Operation):
    """The mean of a node's elements, or along an ``axis``."""

    function = np.mean


# --------------------------------------------------------------------------------------- arithmetic

OPERATIONS: dict[Any, type[Operation]] = {
    operation.function: operation
    for operation in Operation.__subclasses__()
    if not operation.constants
}


def made(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> CompNode:
    """The node for a function of nodes."""
    given = (*args, *kwargs.values())
    tape = _tape_of(given, getattr(function, "__name__", "a function"))
    operation = OPERATIONS.get(function)
    if function is np.power and _is_two(args[1]):
        operation, args = Square, args[:1]
    if operation is not None and len(args) == operation.count and not _holds_nodes(kwargs):
        return operation(*args, tape=tape, **kwargs)
    return FunctionNode(function, args, kwargs, tape)


def _is_two(x: Any) -> bool:
    return type(x) in (int, float) and x == 2


def _holds_nodes(kwargs: dict[str, Any]) -> bool:
    return bool(kwargs) and any(isinstance(x, CompNode) for x in tree.leaves(kwargs))


def _array_ufunc(
    self: CompNode, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any
) -> CompNode:
    """NEP 13."""
    if kwargs.get("out") is not None:
        raise UnsupportedFunctionError(
            f"numpy.{ufunc.__name__} cannot write a node into out=.", "Use its result."
        )
    if method == "__call__":
        return made(ufunc, inputs, kwargs)
    return made(getattr(ufunc, method), inputs, kwargs)


def _array_function(self: CompNode, function: Any, types: Any, args: Any, kwargs: Any) -> CompNode:
    """NEP 18."""
    return made(function, args, kwargs)


def _binary(function: np.ufunc) -> tuple[Any, Any]:
    def forward(self: CompNode, other: Any) -> CompNode:
        return made(function, (self, other), {})

    def reflected(self: CompNode, other: Any) -> CompNode:
        return made(function, (other, self), {})

    return forward, reflected


def _unary(function: np.ufunc) -> Any:
    return lambda self: made(function, (self,), {})


def _getitem(self: CompNode, key: Any) -> CompNode:
    return FunctionNode(operator.getitem, (self, key), {}, self.tape)


def _attach() -> None:
    """Give nodes their arithmetic."""
    operators = {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "truediv": np.divide,
        "pow": np.power,
        "matmul": np.matmul,
    }
    for name, function in operators.items():
        forward, reflected = _binary(function)
        setattr(CompNode, f"__{name}__", forward)
        setattr(CompNode, f"__r{name}__", reflected)
    for name, function in {"neg": np.negative, "abs": np.absolute}.items():
        setattr(CompNode, f"__{name}__", _unary(function))
    protocols = {
        "__pos__": lambda self: self,
        "__getitem__": _getitem,
        "__array_ufunc__": _array_ufunc,
        "__array_function__": _array_function,
    }
    for name, method in protocols.items():
        setattr(CompNode, name, method)


_attach()
