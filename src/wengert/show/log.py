"""`Log`: any tape as text, with shapes, dtypes and the user's lines; in colour by rich.

The log itself is that of `text.py`; the steps come from a `Graph`. Every kind of tape gets its
``log`` here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from wengert.frontends.nodes import Tape
from wengert.primitives.adjoints import Like
from wengert.show.graph import Graph, Node
from wengert.show.sources import graph_of
from wengert.show.text import Step, log, note_of


class Log:
    """A tape as text: what was computed, forwards, and the adjoints, backwards.

    Attributes
    ----------
    text : str
        As ``print`` shows it.
    """

    def __init__(self, graph: Graph, shapes: bool, lines: bool, word: str = "adjoint"):
        shown = [node for node in graph.nodes if node.index is not None and _is_shown(node)]
        notes = [_note(node) for node in shown]
        told = [(note if shapes else "", line if lines else "") for note, line in notes]
        self.text = log([_step(node) for node in shown], word, told)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def show(self) -> None:
        """Print, in colour in a terminal if rich is installed."""
        if sys.stdout.isatty():
            try:
                from rich.console import Console  # an optional extra
            except ImportError:
                pass
            else:
                Console(soft_wrap=True).print(self)
                return
        print(self.text)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        # Only rich calls this, so it is installed.
        from rich.text import Text

        for line in self.text.splitlines():
            yield _coloured(Text(line, no_wrap=True, overflow="ignore"))


def _coloured(line: Any) -> Any:
    """Numbers of entries dim, names bold, values as they are, adjoints red."""
    line.highlight_regex(r"^(forward|backward)$", "bold underline")
    line.highlight_regex(r"^#\d+:", "dim")
    line.highlight_regex(r"^(?:#\d+:)?\s*(?P<name>\S+) = ", "bold")
    line.highlight_regex(r"  (?:gradient|adjoint) .*$", "red")
    line.highlight_regex(r"-> .*$", "cyan")
    line.highlight_regex(r"  at \S+, line \d+:.*$", "dim")
    line.highlight_regex(r"^\.\.\. .*$", "italic dim")
    return line


def _is_shown(node: Node) -> bool:
    """A number in the code is no line of a log."""
    return node.kind != "constant"


def _step(node: Node) -> Step:
    told = (node.value, node.adjoint, node.key, node.expression)
    return Step(node.name, node.operation, (), *told)


def _note(node: Node) -> tuple[str, str]:
    has_like = node.shape is not None and node.dtype is not None
    like = Like(node.shape, node.dtype) if has_like else None  # type: ignore[arg-type]
    return note_of(node.value, node.line if node.is_operation else None, like)


def tape_log(tape: Any, *args: Any, shapes: bool = True, lines: bool = True, **kwargs: Any) -> Log:
    """Read a tape as text.

    Parameters
    ----------
    tape : callable, Trace, Tape, GradientTape, Compiled, Program or Array
        As `draw` takes it, with what follows.
    shapes : bool
        Say the shape and the dtype of each value, and the range of arrays.
    lines : bool
        Say the user's line of each operation.

    Returns
    -------
    Log
        ``print`` shows it; ``show()`` in colour.

    Examples
    --------
    >>> from wengert.show.log import tape_log
    >>> print(tape_log(lambda x: np.sum(x * x), np.array([1.0, 2.0]), lines=False))
    forward
        x = [1, 2]                                          float64[2]
    #1: v1 = multiply(x, x)                      -> [1, 4]  float64[2]
    #2: v2 = sum(v1, axis=(0,))  -> 5       float64[]
    backward
    #2: v2 = 5       adjoint 1
    #1: v1 = [1, 4]  adjoint [1, 1]
        x = [1, 2]   adjoint [2, 4]
    """
    word = "gradient" if isinstance(tape, Tape) else "adjoint"
    return Log(graph_of(tape, *args, **kwargs), shapes, lines, word)
