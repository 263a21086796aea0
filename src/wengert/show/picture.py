"""`draw`: a tape as a picture, to look at, to save, and to show in a notebook.

The picture is laid out when it is first written; `graph.py` is what it is made from, `folding.py`
chooses what is shown, `scene.py` places it. Every kind of tape gets its ``draw`` here.
"""

from __future__ import annotations

import functools
import os
import tempfile
import webbrowser
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from wengert.errors import ArgumentError, PictureError
from wengert.show.diagnose import Mark, diagnosed
from wengert.show.dot import dot_of
from wengert.show.figure import raster_of
from wengert.show.files import path_of, write_bytes
from wengert.show.folding import View, folded
from wengert.show.graph import Graph
from wengert.show.scene import Scene, scene_of
from wengert.show.sources import graph_of
from wengert.show.svg import svg_of
from wengert.show.themes import THEMES

Fold = bool | int | Collection[str]
_NONE: Mapping[int, float] = {}


def draw(
    f: Any,
    *args: Any,
    theme: str = "auto",
    fold: Fold = True,
    diagnose: bool = False,
    parameters: Collection[str] = (),
    widest: float = 1400.0,
    shades: Mapping[int, float] | None = None,
    **kwargs: Any,
) -> Picture:
    """Draw a computation as a circuit: values in black above its wires, adjoints in red below.

    Parameters
    ----------
    f : callable, Trace, Tape, GradientTape, Compiled, Program or Array
        Plain NumPy code, run at the arguments that follow; or any tape. After a `GradientTape`
        follow the target and, if wanted, the sources; an Array of PyTorch's form stands for all
        that it was computed from.
    *args
        Arguments of the function.
    theme : {"auto", "light", "dark"}
        "auto" follows the reader's preference.
    fold : bool, int or collection of str
        True: show once what repeats, and inner groups as boxes, if more than 60 things would be
        seen; a number in place of 60; names of functions and scopes to show as boxes; False: show
        every operation.
    diagnose : bool
        Mark where NaN and infinities begin, inputs that do not reach the target, adjoints that are
        zero, and differences that lose half of their digits.
    parameters : collection of str
        Arguments that are parameters, the others being data. By default those are that hold several
        arrays.
    widest : float
        Width in pixels beyond which the picture goes on in a further row.
    shades : mapping of int to float, optional
        Shares of the entries in a whole, by their index on the tape, shown by colour and in
        percent: ``tape.draw(shades=profile.shares())``.
    **kwargs
        Arguments of the function by name.

    Returns
    -------
    Picture
        Shown as it is in a notebook; ``save("circuit.svg")`` writes SVG, PNG, PDF or DOT.

    Raises
    ------
    TapeSizeError
        If more than 2500 things are left after folding.

    Examples
    --------
    >>> picture = wg.draw(lambda x, y: x * y + y, 3.0, 2.0)
    >>> picture
    <picture of <lambda>: 4 nodes, 4 shown>
    >>> picture.svg()[:35]
    '<svg xmlns="http://www.w3.org/2000/'
    """
    if theme not in ("auto", *THEMES):
        raise ArgumentError(
            f"theme={theme!r:.40} is none of 'auto', 'light' and 'dark'.", "Pass one of these."
        )
    if not isinstance(widest, int | float) or not widest > 0:
        raise ArgumentError(f"widest={widest!r:.40} is no width.", "Pass pixels: widest=1400.")
    if shades is not None and not isinstance(shades, Mapping):
        raise ArgumentError(
            f"shades is {type(shades).__name__}, not a mapping from indices of entries to shares.",
            "Pass what profile.shares() gives.",
        )
    graph = graph_of(f, *args, parameters=parameters, **kwargs)
    _check_parameters(graph, parameters)
    return Picture(graph, theme, fold, diagnose, widest, shades or _NONE)


def _check_parameters(graph: Graph, parameters: Collection[str]) -> None:
    """Every name is that of an argument, or of an array in one."""
    inputs = [node.name for node in graph.nodes if not node.is_operation and node.index is not None]
    known = {*inputs, *(name.partition("[")[0] for name in inputs)}
    shown = f"Its inputs are {', '.join(inputs[:12])}."
    if isinstance(parameters, str):
        raise ArgumentError(
            f"parameters={parameters!r:.40} is a string, not a collection of names.",
            f"Write parameters=({parameters!r:.40},). {shown}",
        )
    for name in parameters:
        if name not in known:
            raise ArgumentError(f"parameters has {name!r:.40}, which is no input here.", shown)


class Picture:
    """A drawn tape.

    Attributes
    ----------
    graph : Graph
        What it shows.
    theme : str
        "auto", "light" or "dark".
    marks : list of Mark
        What a diagnosis found; empty if none was asked for.
    """

    def __init__(
        self,
        graph: Graph,
        theme: str = "auto",
        fold: Fold = True,
        diagnose: bool = False,
        widest: float = 1400.0,
        shades: Mapping[int, float] = _NONE,
    ):
        self.graph, self.theme = graph, theme
        self._shades = {
            node.id: shades[node.index]
            for node in graph.nodes
            if node.index is not None and node.index in shades
        }
        self.marks: list[Mark] = diagnosed(graph) if diagnose else []
        self._fold, self._widest = fold, widest
        self._view = folded(graph, fold)

    @property
    def view(self) -> View:
        """What is shown of the graph."""
        return self._view

    @functools.cached_property
    def scene(self) -> Scene:
        """The picture as shapes, lines and texts at their places."""
        return scene_of(
            self.graph, self._view, widest=self._widest, marks=self._notes, shades=self._shades
        )

    @property
    def _notes(self) -> dict[int, list[str]]:
        notes: dict[int, list[str]] = defaultdict(list)
        for mark in self.marks:
            notes[mark.node].append(mark.text)
        return notes

    @property
    def shown(self) -> int:
        """How many things are seen: nodes, boxes and frames."""
        return self._view.root.size - 1

    def svg(self) -> str:
        """The picture as SVG, which needs no other file."""
        return svg_of(self.scene, self.theme)

    def dot(self) -> str:
        """The graph in the DOT language."""
        return dot_of(self.graph, self._view, self.theme, self._notes)

    def png(self, scale: float = 2.0) -> bytes:
        """The picture as PNG, drawn by matplotlib.

        Parameters
        ----------
        scale : float
            Pixels per pixel of the SVG.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        return raster_of(self.scene, "png", self.theme, scale)

    def pdf(self) -> bytes:
        """The picture as PDF, drawn by matplotlib."""
        return raster_of(self.scene, "pdf", self.theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file; its suffix says as what: .svg, .png, .pdf, .dot or .gv.

        Raises
        ------
        PictureError
            If the suffix is none of these.
        MissingExtraError
            If matplotlib is not installed for .png and .pdf.
        OutputPathError
            If the file cannot be written.
        """
        path = path_of(path, "the picture")
        write = WRITERS.get(path.suffix.lower())
        if write is None:
            end = f"ends in {path.suffix!r}" if path.suffix else "has no suffix"
            raise PictureError(
                f"{str(path)!r} {end}: a picture is written as {', '.join(WRITERS)}.",
                "Let it end in .svg, say, which every browser shows.",
            )
        written = write(self)
        data = written.encode("utf-8") if isinstance(written, str) else written
        return write_bytes(path, data, "the picture")

    def show(self) -> None:
        """Open the picture in the web browser.

        Raises
        ------
        PictureError
            If there is no display or no browser.
        """
        page = f"<!doctype html><meta charset='utf-8'><title>Wengert</title>{self._repr_html_()}"
        with tempfile.NamedTemporaryFile(
            "w", suffix=".html", delete=False, encoding="utf-8"
        ) as file:
            file.write(page)
        if not webbrowser.open(Path(file.name).as_uri()):
            raise PictureError(
                "no web browser can be opened here: there is no display.",
                'Write a file with picture.save("circuit.svg"), or use a notebook.',
            )

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x: auto">{self.svg()}</div>'

    def __repr__(self) -> str:
        title = self.graph.title or "a tape"
        return f"<picture of {title}: {len(self.graph)} nodes, {self.shown} shown>"


WRITERS: dict[str, Callable[[Picture], str | bytes]] = {
    ".svg": Picture.svg,
    ".png": Picture.png,
    ".pdf": Picture.pdf,
    ".dot": Picture.dot,
    ".gv": Picture.dot,
}
