"""`player`: one page, without a network, that steps through a tape forward and backward.

The page is the template ``page.html`` with its style, its scripts and the data of `data.py` in it.
The one difficulty is that names and lines are the user's: as data they are JSON in which nothing
can end a script element, and the page puts them in as text.
"""

from __future__ import annotations

import json
import os
import string
from collections.abc import Collection, Sequence
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from wengert.show.files import write_text
from wengert.show.graph import Graph
from wengert.show.player.data import decisions, page_data
from wengert.show.sources import graph_of, is_tape
from wengert.transforms.trace import Trace, trace

# In the order in which they build on each other.
SCRIPTS = ("scalar.js", "layout.js", "page.js", "picture.js", "panel.js", "nudge.js")


def player(
    tape: Any,
    *args: Any,
    path: str | os.PathLike[str],
    title: str | None = None,
    parameters: Collection[str] = (),
    **kwargs: Any,
) -> Path:
    """Write a page that steps through a tape, forward and then backward.

    Parameters
    ----------
    tape : callable, Trace, Tape, GradientTape, Compiled, Program or Array
        A function, with its arguments after it, or what was recorded.
    *args
        The arguments of a function; the target of a GradientTape.
    path : path
        Where the page goes: one HTML file that needs nothing else.
    title : str, optional
        Its heading; by default the name of the function.
    parameters : collection of str
        Arguments that are parameters, the others being data.
    **kwargs
        The arguments of a function by name.

    Returns
    -------
    pathlib.Path
        The file. Open it in a browser: arrow keys step, Home and End jump, the space bar plays.
        On a tape of numbers the inputs can be nudged, and the page runs the tape again.

    Raises
    ------
    NonScalarTargetError
        If the result is not one number.
    TapeSizeError
        If the tape is too long to step through.
    OutputPathError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> page = wg.player(lambda x, y: (x * y) ** 2, 3.0, 2.0, path=folder / "circuit.html")
    >>> page.name
    'circuit.html'
    """
    graph, notes = _read(tape, args, parameters, kwargs)
    return write_text(path, page_of(graph, title=title, notes=notes), "the player")


def player_data(
    tape: Any,
    *args: Any,
    title: str | None = None,
    parameters: Collection[str] = (),
    **kwargs: Any,
) -> dict[str, Any]:
    """What the page of `player` knows of a tape; `mountPlayer` takes it."""
    graph, notes = _read(tape, args, parameters, kwargs)
    return _data(graph, title, notes)


def _read(
    tape: Any, args: tuple[Any, ...], parameters: Collection[str], kwargs: dict[str, Any]
) -> tuple[Graph, list[str]]:
    """The graph of a tape, and what stands below it."""
    if callable(tape) and not is_tape(tape):
        tape, args, kwargs = trace(tape, *args, **kwargs), (), {}
    graph = graph_of(tape, *args, parameters=parameters, **kwargs)
    return graph, decisions(tape) if isinstance(tape, Trace) else []


def page_of(graph: Graph, *, title: str | None = None, notes: Sequence[str] = ()) -> str:
    """Make the page of a graph, as a string; `notes` stand below everything else."""
    data = _data(graph, title, notes)
    template = string.Template(_source("page.html"))
    return template.substitute(
        title=escape(data["title"]).encode("utf-8", "replace").decode("utf-8"),
        css=style(),
        javascript=javascript(),
        data=json_in_html(data),
    )


def _data(graph: Graph, title: str | None, notes: Sequence[str]) -> dict[str, Any]:
    data = page_data(graph)
    data["notes"] += notes
    if title is not None:
        data["title"] = str(title)
    return data


def style() -> str:
    """The page's style."""
    return _source("page.css")


def javascript() -> str:
    """The page's program: it defines ``mountPlayer(element, data)``."""
    return "\n".join(_source(name) for name in SCRIPTS)


def widget_module() -> str:
    """The page's program as a module of anywidget."""
    return f"{javascript()}\n{_source('widget.js')}"


def json_in_html(data: Any) -> str:
    """JSON that can stand inside a script element: no tag, no comment and no line ends in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, code in _DANGEROUS.items():
        text = text.replace(character, code)
    # Lone surrogates are no text that a file can hold.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


_DANGEROUS = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


@cache
def _source(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
