"""`graph_of`: any tape as a graph, by the reader of its kind."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from wengert.compile.program import Program
from wengert.compile.viewed import Viewed
from wengert.errors import ArgumentError
from wengert.frontends.gradient_tape import GradientTape
from wengert.frontends.nodes import Tape
from wengert.show.graph import Graph
from wengert.show.programs import compiled_graph, program_graph
from wengert.show.readers import nodes_graph, swept, trace_graph
from wengert.show.recorded import array_graph, tape_graph
from wengert.tape.array import Array
from wengert.transforms.trace import Trace, trace


def graph_of(tape: Any, *args: Any, parameters: Collection[str] = (), **kwargs: Any) -> Graph:
    """Read any tape as a graph.

    Parameters
    ----------
    tape : callable, Trace, Tape, Compiled, Program, GradientTape or Array
        A function is traced at the arguments that follow. An Array of PyTorch's form stands for all
        that it was computed from; after a `GradientTape` stand its target and, if wanted, sources.
    *args, **kwargs
        Arguments of a function or a program, or target and sources of a `GradientTape`.
    parameters : collection of str
        Arguments of the function that are parameters, the others being data. By default those are
        that hold several arrays: dictionaries, lists, tuples.

    Returns
    -------
    Graph
        Nodes, edges and groups. A function whose result is no scalar has the adjoints of its sum.

    Raises
    ------
    ArgumentError
        If it is none of these.
    """
    for kind, reader in READERS:
        if isinstance(tape, kind):
            return reader(tape, *args, parameters=parameters, **kwargs)
    if callable(tape):
        return trace_graph(swept(trace(tape, *args, **kwargs)), parameters=parameters)
    raise ArgumentError(
        f"{type(tape).__name__} ({tape!r:.40}) is no tape and no function.",
        "Pass a function with its arguments, wg.trace(...), a Tape, a GradientTape with its "
        "target, or an Array that was computed from others.",
    )


def _given(graph: Graph, *, parameters: Collection[str] = ()) -> Graph:
    return graph


def _traced(traced: Trace, *, parameters: Collection[str] = ()) -> Graph:
    return trace_graph(swept(traced), parameters=parameters)


READERS: tuple[tuple[type, Callable[..., Graph]], ...] = (
    (Trace, _traced),
    (Tape, nodes_graph),
    (Program, program_graph),
    (Viewed, compiled_graph),
    (GradientTape, tape_graph),
    (Array, array_graph),
    (Graph, _given),
)
TAPES = tuple(kind for kind, _ in READERS)


def is_tape(x: Any) -> bool:
    """True for what was recorded or compiled already, false for a function to be traced."""
    return isinstance(x, TAPES)
