"""`trace`: record a function on a tape that keeps everything, to look at it.

A `Trace` is read-only data: entries with their values, operands, names and lines; adjoints once
they are asked for. `show/text.py` prints it. What it cannot show are the user's decisions: it
holds the path that was taken.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import NonScalarTargetError, SourceTypeError
from wengert.primitives.adjoints import fit, like_of
from wengert.primitives.family import Elementwise, Primitive
from wengert.primitives.joining import part as PART
from wengert.tape.array import Array
from wengert.tape.columns import Columns, Constant, Decision, Place
from wengert.tape.failures import fail
from wengert.tape.seams import tracing
from wengert.tape.structural import backward_masked, has_nan
from wengert.tape.sweep import Parts, backward
from wengert.tape.tape import Tape
from wengert.transforms.arguments import name_of, same_structure, target_leaf
from wengert.transforms.forward import checked_seed


def trace(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Trace:
    """Run a function and keep its tape, to print it and to look at every value and derivative.

    Parameters
    ----------
    f : callable
        Plain NumPy code.
    *args, **kwargs
        Its arguments. Every floating-point number or array in them is an input of the tape.

    Returns
    -------
    Trace
        ``print`` shows it as a log: what was computed, forwards, with shapes, dtypes and your
        lines, and if the result is a scalar the adjoints, backwards.

    Raises
    ------
    SourceTypeError
        If no argument is a floating-point number or array.

    Examples
    --------
    >>> print(wg.trace(lambda x, y: x * y + y, 3.0, 2.0))
    forward
        x = 3                      float64[]
        y = 2                      float64[]
    #1: v1 = multiply(x, y)  -> 6  float64[]  at ..., line 1: ...
    #2: v2 = add(v1, y)      -> 8  float64[]  at ..., line 1: ...
    backward
    #2: v2 = 8  adjoint 1
    #1: v1 = 6  adjoint 1
        y = 2   adjoint 4
        x = 3   adjoint 2
    """
    leaves, structure = tree.flatten((args, kwargs))
    chosen = [k for k, leaf in enumerate(leaves) if _is_floating(leaf)]
    if not chosen:
        raise SourceTypeError(
            f"trace was given no floating-point argument for {name_of(f)}: there is nothing to "
            "follow.",
            "Pass floats: 3.0 instead of 3, x.astype(float) instead of integers.",
        )
    names = _input_names(f, args, kwargs)
    columns = Columns()
    with tracing() as level:
        tape = columns.tape = Tape(level, columns)
        try:
            for k in chosen:
                leaves[k] = tape.input(_own(leaves[k]))
            args, kwargs = tree.unflatten(structure, leaves)
            results, out_structure = tree.flatten(f(*args, **kwargs))
            results = [target_leaf(result, "trace") for result in results]
            outputs = [_output(result, tape) for result in results]
        except Exception as error:
            fail(error, tape.held)
        finally:
            recorded = tape.end()
            columns.end()
    chosen_names = [names[k] for k in chosen]
    structures = (structure, chosen, out_structure)
    return Trace(f, recorded, columns, chosen_names, outputs, structures)


class Entry:
    """One line of a tape. Read-only.

    Attributes
    ----------
    index : int
        Its place on the tape.
    name : str
        The variable that user code stores it in, or ``v`` and a number.
    primitive : Primitive or None
        What was applied; None for an input.
    parameters : dict
        Its static parameters.
    value : number, ndarray
        What it gave.
    place : Place or None
        The user's line: ``entry.place.line``.
    """

    __slots__ = ("_trace", "index", "name", "parameters", "place", "primitive", "value")

    def __init__(self, owner: Trace, index: int, primitive: Primitive | None, name: str):
        columns = owner.columns
        self._trace, self.index, self.primitive, self.name = owner, index, primitive, name
        self.parameters = columns.parameters[index]
        self.value = columns.values[index]
        self.place: Place | None = columns.places[index]

    @property
    def is_input(self) -> bool:
        return self.primitive is None

    @property
    def operands(self) -> tuple[Entry | Constant, ...]:
        """What it was applied to: other entries, or constants with a ``value``."""
        found = self._trace.columns.operands[self.index]
        return tuple([self._trace.entries[x] if isinstance(x, int) else x for x in found])

    @property
    def adjoint(self) -> Any:
        """Derivative of the target by this value; None if the target does not depend on it.

        A tape with several targets, or one that is no scalar, has none until it is swept:
        ``traced.sweep(seeds)``.
        """
        return self._trace.adjoints[self.index]

    @property
    def locals(self) -> tuple[Any, ...] | None:
        """The partial derivative by each operand, for elementwise primitives; else None."""
        if not isinstance(self.primitive, Elementwise):
            return None
        values = [x.value for x in self.operands]
        tie = 0.0 if any(isinstance(x, Constant) for x in self.operands) else 0.5
        with np.errstate(all="ignore"):
            return tuple(
                None
                if self.primitive.rules[k] is None
                else self.primitive.partial(k, (*values, self.value), self.parameters, tie)
                for k in range(len(values))
            )

    def __repr__(self) -> str:
        what = "input" if self.primitive is None else self.primitive.name
        return f"<entry {self.index}: {self.name} = {what}>"


class Trace:
    """A recorded function. Read-only.

    Attributes
    ----------
    function : callable
        What was recorded.
    entries : tuple of Entry
        Inputs first, then every operation in its order.
    columns : Columns
        The same, as parallel lists.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        recorded: list[Any],
        columns: Columns,
        names: Sequence[str],
        outputs: list[Any],
        structures: tuple[Any, list[int], Any],
    ):
        self.function, self.columns = function, columns
        self._recorded, self._outputs = recorded, outputs
        self._structure, self._chosen, self._out_structure = structures
        self._adjoints: list[Any] | None = None
        self.entries: tuple[Entry, ...] = tuple(
            Entry(self, k, None if entry is None else entry[0], name)
            for k, (entry, name) in enumerate(zip(recorded, self._names(names), strict=True))
        )

    def _names(self, inputs: Sequence[str]) -> list[str]:
        names, used = list(inputs), set(inputs)
        counts: dict[str, int] = {}
        for k in range(len(inputs), len(self._recorded)):
            at = self.columns.places[k]
            name = at.name if at is not None else None
            names.append(unused(name or f"v{k - len(inputs) + 1}", used, counts))
        return names

    @property
    def inputs(self) -> tuple[Entry, ...]:
        """The entries of the floating-point arguments."""
        return self.entries[: len(self._chosen)]

    @property
    def outputs(self) -> tuple[Entry | Constant, ...]:
        """The entries of what was returned; a Constant for what depends on no input."""
        return tuple([self.entries[x] if isinstance(x, int) else x for x in self._outputs])

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Results without derivative, such as comparisons, in the order of the tape."""
        return tuple(self.columns.decisions)

    @property
    def value(self) -> Any:
        """What the function returned."""
        return tree.unflatten(self._out_structure, [out.value for out in self.outputs])

    @property
    def adjoints(self) -> list[Any]:
        """The adjoint of each entry; see `Entry.adjoint`."""
        if self._adjoints is None:
            values = [out.value for out in self.outputs]
            if len(values) == 1 and like_of(values[0]).size == 1:
                self._adjoints = self._swept([like_of(values[0]).ones()])
            else:
                self._adjoints = [None] * len(self._recorded)
        return self._adjoints

    def sweep(self, *seeds: Any) -> Trace:
        """Compute adjoints from given ones, one for each output.

        Parameters
        ----------
        *seeds : array_like
            Of the shape of each output.

        Returns
        -------
        Trace
            The same, whose entries have adjoints now.
        """
        values = [out.value for out in self.outputs]
        if len(seeds) != len(values):
            raise NonScalarTargetError(
                f"sweep was given {len(seeds)} seeds, but {name_of(self.function)} returned "
                f"{len(values)} values.",
                "Pass one adjoint for each.",
            )
        pairs = zip(seeds, values, strict=True)
        self._adjoints = self._swept(
            [checked_seed(seed, like_of(value), "a seed") for seed, value in pairs]
        )
        return self

    def replay(self, *args: Any, **kwargs: Any) -> Any:
        """Run the recorded operations on other arguments, of the same shapes.

        Decisions are not taken again. Arguments may be traced by a transform.
        """
        given = same_structure((args, kwargs), self._structure, "the arguments", "those traced")
        values: list[Any] = [given[k] for k in self._chosen]
        for entry in self.entries[len(values) :]:
            operands = [
                values[x] if isinstance(x, int) else x.value
                for x in self.columns.operands[entry.index]
            ]
            assert entry.primitive is not None
            if entry.primitive is PART:
                values.append(operands[0][entry.parameters["position"]])
            else:
                values.append(entry.primitive(*operands, **entry.parameters))
        outs = [values[x] if isinstance(x, int) else x.value for x in self._outputs]
        return tree.unflatten(self._out_structure, outs)

    def _swept(self, seeds: Sequence[Any]) -> list[Any]:
        def seeded() -> list[Any]:
            adjoints: list[Any] = [None] * len(self._recorded)
            for index, seed in zip(self._outputs, seeds, strict=True):
                if isinstance(index, int):
                    held = adjoints[index]
                    adjoints[index] = seed if held is None else held + seed
            return adjoints

        count = len(self._chosen)
        with np.errstate(all="ignore"):
            adjoints = seeded()
            backward(self._recorded, adjoints, keep=True)
            if any(has_nan(adjoint) for adjoint in adjoints[:count]):
                # Structural zeros: their sweep gives the adjoints of inputs only.
                clean = seeded()
                seeds_at = [x for x in self._outputs if isinstance(x, int)]
                backward_masked(self._recorded, clean, seeds_at)
                adjoints[:count] = clean[:count]
        return [self._shaped(adjoint, k) for k, adjoint in enumerate(adjoints)]

    def _shaped(self, adjoint: Any, index: int) -> Any:
        if type(adjoint) is Parts:
            return adjoint.filled()
        if adjoint is None:
            return None
        return fit(adjoint, like_of(self.columns.values[index]))

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        count = len(self.entries) - len(self._chosen)
        return f"<trace of {name_of(self.function)}: {len(self._chosen)} inputs, {count} entries>"


def unused(name: str, used: set[str], counts: dict[str, int]) -> str:
    """A name; if it is taken, with a number: a loop stores many results in one variable."""
    if name not in used:
        used.add(name)
        return name
    number = counts.get(name, 1)
    while True:
        number += 1
        if f"{name}.{number}" not in used:
            break
    counts[name] = number
    used.add(f"{name}.{number}")
    return f"{name}.{number}"


# ------------------------------------------------------------------------------- inputs and outputs


def _is_floating(leaf: Any) -> bool:
    if isinstance(leaf, Array | np.ndarray | np.generic):
        return leaf.dtype.kind in "fc"
    return isinstance(leaf, float | complex)


def _own(leaf: Any) -> Any:
    """An input that its owner cannot change under the tape."""
    if isinstance(leaf, Array):
        leaf = leaf.current()
        return Array(leaf.value, leaf.tape, leaf.index)
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf


def _output(result: Any, tape: Tape) -> Any:
    """The index of a result on the tape, or a Constant."""
    if isinstance(result, Array):
        result = result.current()
        if result.tape is tape:
            return result.index
        return Constant(result if result.tape.is_traced else result.value)
    return Constant(result)


def _input_names(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """How user code calls each leaf of the arguments: ``x``, ``params['w']``."""
    positional = [f"x{k + 1}" for k in range(len(args))]
    try:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):  # a function of C without signature
        parameters = []
    for k, parameter in enumerate(parameters[: len(args)]):
        if parameter.kind in kinds:
            positional[k] = parameter.name
        elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            positional[k:] = [f"{parameter.name}[{j}]" for j in range(len(args) - k)]
            break
    names: list[str] = []
    for name, value in [*zip(positional, args, strict=True), *sorted(kwargs.items())]:
        names += [f"{name}{path}" for path in tree.paths(value)]
    return names
