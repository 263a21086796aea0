"""A scene as a matplotlib figure, for PNG and PDF: the same shapes, lines and texts as in the SVG.

matplotlib brings its font, so that no program of the system is needed. It is an extra, and slow to
load: it is imported here, when a picture is written.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from wengert.errors import MissingExtraError
from wengert.show.lettering import visible
from wengert.show.lines import commands
from wengert.show.scene import Line, Scene, Shape, Text
from wengert.show.themes import LINES, SHAPES, TEXTS, THEMES

_PIXELS = 96.0  # in an inch, as in SVG
_LARGEST = 60_000  # pixels of a side: what matplotlib's renderer takes
_MOST = 4e7  # pixels in all: compressing more takes longer than drawing


def raster_of(scene: Scene, kind: str, theme: str = "light", scale: float = 2.0) -> bytes:
    """Write a scene as PNG or PDF.

    Parameters
    ----------
    kind : {"png", "pdf"}
    theme : {"auto", "light", "dark"}
        "auto" is light: a file does not know its reader.
    scale : float
        Pixels of a PNG per pixel of the SVG.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise MissingExtraError(
            f"a picture as {kind.upper()} is drawn by matplotlib, which is not installed.",
            "pip install 'wengert[plot]', or save it as .svg or .dot, which need nothing.",
        ) from missing
    colours = THEMES["light" if theme == "auto" else theme]
    area = scene.width * scene.height
    scale = min(scale, _LARGEST / max(scene.width, scene.height), (_MOST / area) ** 0.5)
    # Text in a PDF as text, in fonts that every reader takes.
    with mpl.rc_context({"pdf.fonttype": 42, "font.family": "DejaVu Sans"}):
        size = (scene.width / _PIXELS, scene.height / _PIXELS)
        figure = Figure(figsize=size, facecolor=colours["paper"])
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set(xlim=(0, scene.width), ylim=(scene.height, 0))
        axes.axis("off")
        for patch in _patches(scene, colours):
            # Unlike add_patch, this does not measure each patch to fit the axes to it.
            axes.add_artist(patch)
        for text in scene.texts:
            _draw_text(axes, text, colours)
        written = io.BytesIO()
        with warnings.catch_warnings():
            # Names in scripts that its font has not: they are shown as boxes.
            warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
            options: dict[str, Any] = {"pil_kwargs": {"compress_level": 3}} if kind == "png" else {}
            figure.savefig(written, format=kind, dpi=scale * _PIXELS, **options)
    return written.getvalue()


def _patches(scene: Scene, colours: Mapping[str, str]) -> Iterator[Any]:
    for shape in scene.shapes:
        yield from _shape(shape, colours)
    for line in scene.lines:
        yield from _line(line, colours)


def _shape(shape: Shape, colours: Mapping[str, str]) -> Iterator[Any]:
    from matplotlib.patches import PathPatch, Polygon

    fill, stroke = SHAPES[shape.role]
    if shape.is_marked:
        stroke = "warning"
    style = {
        "facecolor": colours[fill],
        "edgecolor": colours[stroke],
        "linewidth": 2.0 if shape.is_marked else 1.05,
        "linestyle": "--" if shape.is_marked else "-",
        "zorder": 1 if shape.kind == "frame" else 3,
    }
    x, y, w, h = shape.x, shape.y, shape.width, shape.height
    if shape.kind == "slant":
        corners = [(x + 9, y), (x + w, y), (x + w - 9, y + h), (x, y + h)]
        yield Polygon(corners, closed=True, **style)
        return
    radius = {"circle": h / 2, "pill": h / 2, "frame": 8.0}.get(shape.kind, 4.0)
    for shift in (6, 3, 0) if shape.kind == "stack" else (0,):
        path = _rounded(x + shift, y - shift, w, h, min(radius, w / 2))
        yield PathPatch(path, **style)
    if shape.shade > 0:
        heat = {"facecolor": colours["heat"], "linewidth": 0, "alpha": shape.shade, "zorder": 3}
        yield PathPatch(path, **heat)


def _rounded(x: float, y: float, w: float, h: float, radius: float) -> Any:
    """A rectangle with round corners; as wide as high, a circle."""
    from matplotlib.path import Path

    near = radius * (1 - 0.5522847)  # a cubic along a quarter of a circle, within 3e-4 of it
    right, bottom = x + w, y + h
    points = [(x + radius, y), (right - radius, y)]
    points += [(right - near, y), (right, y + near), (right, y + radius), (right, bottom - radius)]
    points += [(right, bottom - near), (right - near, bottom), (right - radius, bottom)]
    points += [(x + radius, bottom), (x + near, bottom), (x, bottom - near), (x, bottom - radius)]
    points += [(x, y + radius), (x, y + near), (x + near, y), (x + radius, y), (x + radius, y)]
    side = [Path.LINETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    return Path(points, [Path.MOVETO, *side, *side, *side, *side, Path.CLOSEPOLY])


def _line(line: Line, colours: Mapping[str, str]) -> Iterator[Any]:
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    codes = {"M": [Path.MOVETO], "L": [Path.LINETO], "C": [Path.CURVE4] * 3, "Q": [Path.CURVE3] * 2}
    points: list[tuple[float, float]] = []
    moves: list[Any] = []
    for letter, numbers in commands(line.steps):
        points += list(zip(numbers[::2], numbers[1::2], strict=True))
        moves += codes[letter]
    colour = colours[LINES[line.role]]
    style = "--" if line.role == "loop" else "-"
    path = Path(points, moves)
    yield PathPatch(path, fill=False, edgecolor=colour, linewidth=1.05, linestyle=style, zorder=2)
    if line.has_arrow:
        x, y = line.steps[-1].x, line.steps[-1].y
        corners = [(x, y), (x - 7, y - 3.5), (x - 7, y + 3.5)]
        yield Polygon(corners, closed=True, facecolor=colour, linewidth=0, zorder=2)


def _draw_text(axes: Any, text: Text, colours: Mapping[str, str]) -> None:
    axes.text(
        text.x,
        text.y,
        visible(text.text),
        fontsize=text.size * 72 / _PIXELS,
        color=colours[TEXTS.get(text.role, "value")],
        ha={"start": "left", "middle": "center", "end": "right"}[text.anchor],
        va="baseline",
        fontweight="bold" if text.is_bold else "normal",
        fontstyle="italic" if text.role == "name" else "normal",
        parse_math=False,
        zorder=4,
    )
