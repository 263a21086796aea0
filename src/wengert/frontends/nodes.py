"""The article's framework: a `Tape` of nodes, each with an output and a gradient.

A node is an operation seen as an object. Nodes run in the order in which they were made,
backwards in the opposite one; nothing is recursive. The operations themselves are in
`operations.py`; a user's own is a subclass of `CompNode` with `forward` and `backward`. The one
difficulty is a constant that changes between the sweeps: the tape then knows that its outputs are
stale, and runs forward before it runs back.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

import numpy as np

from wengert import tree
from wengert.errors import (
    ArgumentError,
    Line,
    NonScalarTargetError,
    ShapeError,
    SourceTypeError,
    StaleNodeError,
    WengertError,
    user_frame,
)
from wengert.frontends.replay import replayed
from wengert.primitives.adjoints import Like, fit, like_of
from wengert.show.text import Step, log, note_of, place_key
from wengert.show.values import value_text
from wengert.tape.array import Array
from wengert.tape.columns import Place, place_of
from wengert.tape.scopes import Calls, Member
from wengert.transforms.forward import checked_seed
from wengert.transforms.trace import unused


class _Construction(type):
    """Sees a node when its constructor is done, in whichever order a subclass does things."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        node = super().__call__(*args, **kwargs)
        node._made_at(user_frame(sys._getframe(1)))
        return node


class CompNode(metaclass=_Construction):
    """One step of a computation. Subclasses give `forward` and `backward`.

    Parameters
    ----------
    tape : Tape
        What the node is added to.
    name : str, optional
        What it is called in print; by default the variable that it is stored in.

    Examples
    --------
    >>> class Cube(wg.CompNode):
    ...     def __init__(self, x, tape):
    ...         self.x = x
    ...         super().__init__(tape)
    ...     def forward(self):
    ...         self.output = self.x.output**3
    ...     def backward(self):
    ...         self.x.add_gradient(3 * self.x.output**2 * self.gradient)
    >>> t = wg.Tape()
    >>> x = wg.ConstantNode(2.0, t)
    >>> y = Cube(x, t)
    >>> t.forward()
    >>> t.backward()
    >>> y.output, x.gradient
    (8.0, np.float64(12.0))
    """

    __array_priority__ = 1000.0
    __iter__ = None  # x[0] makes a node, so Python's own way to iterate would never end
    _output: Any = None
    _gradient: Any = None  # None stands for zero
    _place: Place | None = None
    _member: Member | None = None  # of calls and scopes
    tape: Tape
    name: str | None = None

    def __init__(self, tape: Tape, *, name: str | None = None):
        if not isinstance(tape, Tape):
            raise ArgumentError(
                f"{type(self).__name__} was given {type(tape).__name__} as its tape.",
                "Make one with t = wg.Tape() and pass it last.",
            )
        if name is not None:
            self.name = name
        tape.add(self)

    def forward(self) -> None:
        """Compute `output` from the outputs of the operands."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def backward(self) -> None:
        """Add to the gradients of the operands, given the `gradient` of the output."""
        raise NotImplementedError(f"{type(self).__name__} has no backward()")

    @property
    def output(self) -> Any:
        """What `forward` computed."""
        if self.tape.eager:
            self.tape._refresh()
        if self._output is None:
            raise StaleNodeError(
                f"{self._described()} has no output yet.",
                "Call forward() on its tape first.",
                self._line,
            )
        return self._output

    @output.setter
    def output(self, value: Any) -> None:
        self._output = value

    @property
    def gradient(self) -> Any:
        """Derivative of the target by this output, from the last `backward` of the tape."""
        if self._gradient is not None or self._output is None:
            return 0.0 if self._gradient is None else self._gradient
        like = like_of(self._output)
        return np.zeros(like.shape, like.dtype) if like.shape else 0.0

    @gradient.setter
    def gradient(self, value: Any) -> None:
        self._gradient = value

    def set_gradient(self, gradient: Any) -> None:
        """Give the gradient a value."""
        self._gradient = gradient

    def add_gradient(self, gradient: Any) -> None:
        """Add one contribution to the gradient, summed over what was broadcast."""
        if self._output is not None:
            gradient = _fitted(gradient, like_of(self._output))
        if self._gradient is not None:
            self._gradient = self._gradient + gradient
        else:  # a buffer of its own: a sum hands one and the same to both of its operands
            self._gradient = gradient.copy() if isinstance(gradient, np.ndarray) else gradient

    @property
    def operands(self) -> tuple[CompNode, ...]:
        """The nodes that this one is computed from: those among its attributes."""
        held = [v for k, v in vars(self).items() if k != "tape" and not k.startswith("_")]
        found = {id(x): x for x in tree.leaves(held) if isinstance(x, CompNode)}
        found.pop(id(self), None)
        return tuple(found.values())

    # ------------------------------------------------------------------------------- description

    def _made_at(self, frame: FrameType | None) -> None:
        self._place = place_of(frame)
        if not isinstance(getattr(self, "tape", None), Tape) or self not in self.tape:
            raise ArgumentError(
                f"{type(self).__name__} is on no tape: its __init__ did not call "
                "super().__init__(tape).",
                "Call it as the first or last line of __init__.",
            )
        self._member = self.tape._member_at(frame)
        if self.tape.eager:
            self.tape._run_new(self)

    @property
    def _line(self) -> Line | None:
        return None if self._place is None else self._place.line

    def _operation(self) -> str:
        """What is printed before the operands; empty for a constant."""
        return type(self).__name__

    def _arguments(self, names: dict[int, str]) -> tuple[str, ...]:
        """What is printed between the parentheses."""
        return tuple(names.get(id(x), "?") for x in self.operands)

    def _described(self) -> str:
        names = self.tape._names()
        if not self._operation():
            return names[id(self)]
        operands = ", ".join(self._arguments(names))
        return f"#{self.tape._number(self)}: {names[id(self)]} = {self._operation()}({operands})"

    def __repr__(self) -> str:
        if getattr(self, "tape", None) is None:
            return f"<{type(self).__name__} without tape>"
        value = "" if self._output is None else f", output {value_text(self._output)}"
        return f"<{type(self).__name__} {self._described()}{value}>"


class ConstantNode(CompNode):
    """A number or array that a computation starts from.

    Parameters
    ----------
    value : number or array_like
        Copied. Integers become floats.
    tape : Tape
        What the node is added to.
    name : str, optional
        What it is called in print.

    Examples
    --------
    >>> t = wg.Tape()
    >>> x = wg.ConstantNode(3, t)
    >>> y = x * x
    >>> t.forward()
    >>> x.value = 5
    >>> t.forward()
    >>> y.output
    np.float64(25.0)
    """

    is_literal = False  # a number that stands in the user's arithmetic: it needs no gradient

    def __init__(self, value: Any, tape: Tape, *, name: str | None = None):
        self._value = _checked_value(value)
        self._output = self._value
        super().__init__(tape, name=name)

    @property
    def value(self) -> Any:
        """The value; assign another to run the same tape again."""
        if isinstance(self._value, np.ndarray):
            self.tape._is_stale = True  # who holds an array may write into it
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._value = _checked_value(value)
        self._output = self._value
        self.tape._is_stale = True

    def forward(self) -> None:
        """Give the value on."""
        self._output = self._value

    def backward(self) -> None:
        """Do nothing: there are no operands."""

    @property
    def operands(self) -> tuple[CompNode, ...]:
        """None: a computation starts here."""
        return ()

    def _operation(self) -> str:
        return ""


class Tape:
    """A computation as a list of nodes: run it forwards, then backwards, as often as you like.

    Parameters
    ----------
    eager : bool
        Run each node as it is made.

    Attributes
    ----------
    computations : list of CompNode
        All nodes, in forward order.

    Examples
    --------
    >>> t = wg.Tape()
    >>> x, y, z = wg.ConstantNode(3, t), wg.ConstantNode(2, t), wg.ConstantNode(1, t)
    >>> h1 = wg.Multiply(x, y, t)
    >>> h2 = wg.Multiply(y, z, t)
    >>> h = wg.Multiply(h1, h2, t)
    >>> o = wg.Square(h, t)
    >>> t.forward()
    >>> t.backward()
    >>> print(t)
    forward
        x = 3                        float64[]
        y = 2                        float64[]
        z = 1                        float64[]
    #1: h1 = Multiply(x, y)   -> 6    float64[]  at ..., line 1: ...
    #2: h2 = Multiply(y, z)   -> 2    float64[]  at ..., line 1: ...
    #3: h = Multiply(h1, h2)  -> 12   float64[]  at ..., line 1: ...
    #4: o = Square(h)         -> 144  float64[]  at ..., line 1: ...
    backward
    #4: o = 144  gradient 1
    #3: h = 12   gradient 24
    #2: h2 = 2   gradient 144
    #1: h1 = 6   gradient 48
        z = 1    gradient 288
        y = 2    gradient 288
        x = 3    gradient 96
    """

    def __init__(self, eager: bool = False):
        self.eager = eager
        self.computations: list[CompNode] = []
        self._positions: dict[int, int] = {}
        self._is_stale = False
        self._is_running = False
        self._is_swept = False
        self._calls: Calls | None = Calls()

    def _member_at(self, frame: FrameType | None) -> Member:
        """The call and scope that a node is made in."""
        if self._calls is None:
            self._calls = Calls()
        return self._calls.member(frame)

    def _end_calls(self) -> None:
        """Let go of the user's frames; what calls make later on are further groups."""
        if self._calls is not None:
            self._calls.end()
            self._calls = None

    def add(self, node: CompNode) -> None:
        """Append a node; one that is there already stays where it is."""
        if node in self:
            return
        node.tape = self
        self._positions[id(node)] = len(self.computations)
        self.computations.append(node)
        if not self.eager:
            self._is_stale = True

    def __contains__(self, node: object) -> bool:
        return id(node) in self._positions

    def __len__(self) -> int:
        return len(self.computations)

    def forward(self) -> None:
        """Compute the output of every node, in order."""
        self._end_calls()
        self._is_running = True
        try:
            for node in list(self.computations):
                self._run(node)
            self._is_stale = False
        finally:
            self._is_running = False

    def backward(self, seed: Any = None, target: CompNode | None = None) -> None:
        """Compute the gradient of every node: the derivative of the target by its output.

        Runs forward first if a node or a value is new.

        Parameters
        ----------
        seed : array_like, optional
            The gradient of the target to start from; needed if the target is no scalar.
        target : CompNode, optional
            By default the last node.

        Raises
        ------
        NonScalarTargetError
            If the target has more than one element and there is no seed.
        """
        if not self.computations:
            raise StaleNodeError("backward was called on an empty tape.", "Add nodes first.")
        target = self.computations[-1] if target is None else target
        if target not in self:
            raise ArgumentError(
                "the target of backward is not on this tape.", "Pass one of its nodes."
            )
        self._end_calls()
        if self._is_stale:
            self.forward()
        adjoint = _seed(target, seed)
        for node in self.computations:
            node.set_gradient(None)
        target.set_gradient(adjoint)
        with np.errstate(all="ignore"):
            for node in self.computations[self._positions[id(target)] :: -1]:
                if node._gradient is not None:
                    self._guarded(node, node.backward)
        self._is_swept = True

    def as_function(
        self,
        inputs: CompNode | Sequence[CompNode],
        target: CompNode | Sequence[CompNode] | None = None,
    ) -> Callable[..., Any]:
        """The tape as a function, for `wg.grad` and every other transform.

        Parameters
        ----------
        inputs : CompNode or sequence of CompNode
            Whose values the function takes, in this order; all other constants are as they are now.
        target : CompNode or sequence of CompNode, optional
            What it returns; by default the last node.

        Returns
        -------
        callable
            Leaves outputs and gradients of the nodes alone.

        Examples
        --------
        >>> t = wg.Tape()
        >>> x = wg.ConstantNode(3.0, t)
        >>> y = x**2 * x
        >>> wg.grad(wg.grad(t.as_function(x)))(3.0)
        np.float64(18.0)
        """
        given = [inputs] if isinstance(inputs, CompNode) else list(inputs)
        targets = self.computations[-1] if target is None else target
        wanted = [targets] if isinstance(targets, CompNode) else list(targets)
        for node in (*given, *wanted):
            if node not in self:
                raise ArgumentError(
                    f"as_function was given {node!r}, which is not on this tape.",
                    "Pass nodes of this tape.",
                )
        run = replayed(self, given, wanted)

        def function(*values: Any) -> Any:
            outs = run(values)
            return outs[0] if isinstance(targets, CompNode) else tuple(outs)

        return function

    # ------------------------------------------------------------------------------------ running

    def _run(self, node: CompNode) -> None:
        self._guarded(node, node.forward)
        if node._output is None:
            raise StaleNodeError(
                f"forward() of {node._described()} set no output.",
                "Assign self.output in forward().",
                node._line,
            )

    def _run_new(self, node: CompNode) -> None:
        """Run a node that was just made; all of them if a value has changed since."""
        if self._is_stale:
            self.forward()
            return
        self._is_running = True
        try:
            self._run(node)
        finally:
            self._is_running = False

    def _refresh(self) -> None:
        """Bring an eager tape up to date."""
        if self._is_stale and not self._is_running:
            self.forward()

    def _guarded(self, node: CompNode, run: Callable[[], None]) -> None:
        try:
            run()
        except WengertError:
            raise
        except Exception as error:
            self._explain(node, error)

    def _explain(self, node: CompNode, error: Exception) -> NoReturn:
        """Raise an error of one node again, in words that name the node and its line."""
        shapes = [like_of(x._output).shape for x in node.operands if x._output is not None]
        if isinstance(error, ValueError) and type(node).__module__.startswith("wengert."):
            raise ShapeError(
                f"{node._described()} cannot take operands of shapes {shapes}: {error}.",
                "Give operands whose shapes fit.",
                node._line,
            ) from error
        error.add_note(f"in {node._described()}, {node._line}")
        raise error

    # ----------------------------------------------------------------------------------- printing

    def _number(self, node: CompNode) -> int:
        """The number of an operation in print; constants have none."""
        before = self.computations[: self._positions[id(node)] + 1]
        return sum(bool(x._operation()) for x in before)

    def _names(self, found: dict[int, str] | None = None) -> dict[int, str]:
        """What each node is called, by its id; `found` are variables that hold nodes."""
        names: dict[int, str] = {}
        used: set[str] = set()
        counts: dict[str, int] = {}
        number = 0
        for node in self.computations:
            number += bool(node._operation())
            if isinstance(node, ConstantNode) and node.is_literal:
                names[id(node)] = value_text(node._value)
                continue
            name = node.name or (node._place.name if node._place is not None else None)
            name = name or (found or {}).get(id(node))
            if not name:
                is_constant = not node._operation()
                name = f"c{len(names) + 1 - number}" if is_constant else f"v{number}"
            names[id(node)] = unused(name, used, counts)
        return names

    def __str__(self) -> str:
        names = self._names(dict(_variables()))
        shown = [node for node in self.computations if not _is_literal(node)]
        notes = [note_of(x._output, x._line if x._operation() else None) for x in shown]
        return log([self._step(node, names) for node in shown], notes=notes)

    def _step(self, node: CompNode, names: dict[int, str]) -> Step:
        gradient = node.gradient if self._is_swept else None
        operation = node._operation()
        if not operation:
            return Step(names[id(node)], value=node._output, gradient=gradient)
        key = place_key(type(node), node._place)
        arguments = node._arguments(names)
        return Step(names[id(node)], operation, arguments, node._output, gradient, key)

    def __repr__(self) -> str:
        return f"<Tape with {len(self)} nodes>"


def _is_literal(node: CompNode) -> bool:
    return isinstance(node, ConstantNode) and node.is_literal


def _variables() -> Iterator[tuple[int, str]]:
    """The nodes that the caller's variables hold, by id; innermost frames last: they win."""
    frames = []
    frame = user_frame(sys._getframe(2))
    while frame is not None:
        frames.append(frame)
        frame = user_frame(frame.f_back) if frame.f_back is not None else None
    for frame in reversed(frames):
        for name, value in list(frame.f_locals.items()):
            if name.startswith("_"):
                continue
            if isinstance(value, CompNode):
                yield id(value), name
            elif isinstance(value, list | tuple):
                yield from (
                    (id(x), f"{name}[{k}]") for k, x in enumerate(value) if isinstance(x, CompNode)
                )
            elif isinstance(value, dict):
                yield from (
                    (id(x), f"{name}[{k!r}]") for k, x in value.items() if isinstance(x, CompNode)
                )


# --------------------------------------------------------------------------------- values and seeds


def _checked_value(value: Any) -> Any:
    """A constant's value: a float, a complex number, or an array of them, of our own."""
    if isinstance(value, Array):
        return value.current()
    if isinstance(value, bool | int | np.integer | np.bool_):
        return float(value)
    if isinstance(value, float | complex | np.floating | np.complexfloating):
        return value
    made = np.array(value)
    if made.dtype.kind in "iub":
        made = made.astype(float)
    if made.dtype.kind not in "fc":
        raise SourceTypeError(
            f"ConstantNode was given {type(value).__name__} ({value!r:.40}), and only numbers and "
            "arrays of numbers can be computed with.",
            "Pass a number or an array of numbers.",
        )
    return made


def _seed(target: CompNode, seed: Any) -> Any:
    like = like_of(target._output)
    if seed is not None:
        return checked_seed(seed, like, "the seed of backward")
    if like.size != 1:
        raise NonScalarTargetError(
            f"backward needs a scalar target, but {target._described()} has shape {like.shape} "
            f"({like.dtype}).",
            "Pass the gradient to start from: t.backward(seed=...), or end in wg.Sum(x, t).",
            target._line,
        )
    kind = like.dtype if like.dtype.kind in "fc" else np.dtype(float)
    return Like(like.shape, kind).ones()


def _fitted(gradient: Any, like: Like) -> Any:
    """A contribution in the shape of the output that it belongs to."""
    if type(gradient) in (int, float, bool):
        gradient = (like.dtype if like.dtype.kind in "fc" else np.dtype(float)).type(gradient)
    found = like_of(gradient)
    if found == like or like.dtype.kind not in "fc":
        return gradient
    if len(found.shape) < len(like.shape) or found.size < like.size:
        gradient = gradient + np.zeros(like.shape, like.dtype)
    return fit(gradient, like)
