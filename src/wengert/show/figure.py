"""A scene drawn by matplotlib, for PNG and PDF: the same shapes, lines and texts as in the SVG.

matplotlib brings its font, so that no program of the system is needed. It is an extra, and slow to
load: it is imported here, when a picture is written. The one difficulty is its speed, as a tape has
thousands of texts: the scene is drawn by the renderer at once, without an object for each part, and
in a PNG texts are outlines of characters, of which each is made once.
"""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from wengert.errors import MissingExtraError
from wengert.show.lettering import visible
from wengert.show.lines import commands
from wengert.show.scene import Line, Scene, Shape, Text
from wengert.show.themes import LINES, SHAPES, TEXTS, THEMES

_PIXELS = 96.0  # in an inch, as in SVG
_WIDTH = 1.05  # of lines, in points
_LARGEST = 60_000  # pixels of a side: what matplotlib's renderer takes
_MOST = 3e7  # pixels in all: compressing more takes longer than drawing


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
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise MissingExtraError(
            f"a picture as {kind.upper()} is drawn by matplotlib, which is not installed.",
            "pip install 'wengert[plot]', or save it as .svg or .dot, which need nothing.",
        ) from missing
    colours = THEMES["light" if theme == "auto" else theme]
    area = scene.width * scene.height
    scale = min(scale, _LARGEST / max(scene.width, scene.height), (_MOST / area) ** 0.5)
    size = (scene.width / _PIXELS, scene.height / _PIXELS)
    figure = Figure(figsize=size, facecolor=colours["paper"], dpi=scale * _PIXELS)
    figure.add_artist(_artist(figure, scene, colours, has_outlines=kind == "png"))
    written = io.BytesIO()
    with warnings.catch_warnings():
        # Names in scripts that its font has not: they are shown as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        # Text in a PDF as text, in fonts that every reader takes.
        with mpl.rc_context({"pdf.fonttype": 42}):
            if kind == "pdf":
                figure.savefig(written, format="pdf")
            else:
                canvas = FigureCanvasAgg(figure)
                canvas.draw()
                _save_png(np.asarray(canvas.buffer_rgba()), written)
    return written.getvalue()


def _save_png(pixels: np.ndarray, written: io.BytesIO) -> None:
    from PIL import Image  # matplotlib needs it, so it is there

    Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(written, "png", compress_level=1)


def _artist(figure: Any, scene: Scene, colours: Mapping[str, str], has_outlines: bool) -> Any:
    """What matplotlib asks to draw itself: the whole scene, from the back to the front."""
    from matplotlib.artist import Artist
    from matplotlib.transforms import Affine2D

    class Drawing(Artist):
        def draw(self, renderer: Any) -> None:
            # A renderer counts from below, in its own dots.
            scale = figure.dpi / _PIXELS
            dots = Affine2D().scale(scale, -scale).translate(0, scene.height * scale)
            pen = _Pen(renderer, dots, colours)
            for shape in scene.shapes:
                if shape.kind == "frame":
                    _draw_shape(pen, shape)
            for line in scene.lines:
                _draw_line(pen, line)
            for shape in scene.shapes:
                if shape.kind != "frame":
                    _draw_shape(pen, shape)
            if has_outlines:
                _draw_outlines(pen, scene.texts)
            else:
                for text in scene.texts:
                    pen.write(text)

    return Drawing()


class _Pen:
    """Draws with colours by their names, in pixels of the scene."""

    def __init__(self, renderer: Any, dots: Any, colours: Mapping[str, str]):
        from matplotlib.colors import to_rgba

        self.renderer, self.dots = renderer, dots
        self._colours = {name: to_rgba(colour) for name, colour in colours.items()}

    def draw(
        self,
        path: Any,
        fill: str | None,
        stroke: str | None = None,
        width: float = _WIDTH,
        is_dashed: bool = False,
        alpha: float | None = None,
    ) -> None:
        """A path, filled and outlined."""
        context = self.renderer.new_gc()
        context.set_linewidth(width if stroke else 0)  # in points, as dashes are
        context.set_foreground(self._colours[stroke or fill or "value"], isRGBA=True)
        if is_dashed:
            context.set_dashes(0, [3.7 * width, 1.6 * width])
        if alpha is not None:
            context.set_alpha(alpha)
        face = None if fill is None else self._colours[fill]
        self.renderer.draw_path(context, path, self.dots, face)
        context.restore()

    def write(self, text: Text) -> None:
        """A text as text."""
        from matplotlib.font_manager import FontProperties

        style, weight = _face(text)
        size = text.size * 72 / _PIXELS
        font = FontProperties(family="DejaVu Sans", style=style, weight=weight, size=size)
        shown = visible(text.text)
        width, _, _ = self.renderer.get_text_width_height_descent(shown, font, False)
        x, y = self.dots.transform((text.x, text.y))
        x -= _SHIFTS[text.anchor] * width
        context = self.renderer.new_gc()
        context.set_foreground(self._colours[TEXTS.get(text.role, "value")], isRGBA=True)
        self.renderer.draw_text(context, x, y, shown, font, 0)
        context.restore()


_SHIFTS = {"start": 0.0, "middle": 0.5, "end": 1.0}


def _face(text: Text) -> tuple[Any, Any]:
    """Style and weight of a text."""
    return "italic" if text.role == "name" else "normal", "bold" if text.is_bold else "normal"


def _draw_shape(pen: _Pen, shape: Shape) -> None:
    from matplotlib.path import Path

    fill, stroke = SHAPES[shape.role]
    width = _WIDTH
    if shape.is_marked:
        stroke, width = "warning", 2 * _WIDTH
    x, y, w, h = shape.x, shape.y, shape.width, shape.height
    if shape.kind == "slant":
        corners = [(x + 9, y), (x + w, y), (x + w - 9, y + h), (x, y + h), (x + 9, y)]
        pen.draw(Path(corners, closed=True), fill, stroke, width, shape.is_marked)
        return
    radius = {"circle": h / 2, "pill": h / 2, "frame": 8.0}.get(shape.kind, 4.0)
    for shift in (6, 3, 0) if shape.kind == "stack" else (0,):
        path = _rounded(x + shift, y - shift, w, h, min(radius, w / 2))
        pen.draw(path, fill, stroke, width, shape.is_marked)
    if shape.shade > 0:
        pen.draw(path, "heat", alpha=shape.shade)


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


def _draw_line(pen: _Pen, line: Line) -> None:
    from matplotlib.path import Path

    codes = {"M": [Path.MOVETO], "L": [Path.LINETO], "C": [Path.CURVE4] * 3, "Q": [Path.CURVE3] * 2}
    points: list[tuple[float, float]] = []
    moves: list[Any] = []
    for letter, numbers in commands(line.steps):
        points += list(zip(numbers[::2], numbers[1::2], strict=True))
        moves += codes[letter]
    colour = LINES[line.role]
    pen.draw(Path(points, moves), None, colour, is_dashed=line.role == "loop")
    if line.has_arrow:
        x, y = line.steps[-1].x, line.steps[-1].y
        corners = [(x, y), (x - 7, y - 3.5), (x - 7, y + 3.5), (x, y)]
        pen.draw(Path(corners, closed=True), colour)


# ---- texts as outlines ---------------------------------------------------------------------------

_DRAWN_SIZE = 100.0  # of the outlines that are kept
_TOGETHER = 500  # texts in one path: the renderer sorts what it fills


def _draw_outlines(pen: _Pen, texts: list[Text]) -> None:
    """All texts, those of one colour together."""
    from matplotlib.path import Path

    by_colour: dict[str, list[Text]] = {}
    for text in texts:
        by_colour.setdefault(TEXTS.get(text.role, "value"), []).append(text)
    for colour, written in by_colour.items():
        for start in range(0, len(written), _TOGETHER):
            pieces = [
                piece for text in written[start : start + _TOGETHER] for piece in _outlines(text)
            ]
            if pieces:
                points = np.concatenate([points for points, _ in pieces])
                codes = np.concatenate([codes for _, codes in pieces])
                pen.draw(Path(points, codes), colour)


def _outlines(text: Text) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The characters of a text at their places: points and moves."""
    glyphs = [_glyph(character, *_face(text)) for character in visible(text.text)]
    scale = text.size / _DRAWN_SIZE
    x = text.x - _SHIFTS[text.anchor] * scale * sum(advance for _, _, advance in glyphs)
    for points, codes, advance in glyphs:
        if len(points):
            yield points * (scale, -scale) + (x, text.y), codes
        x += scale * advance


@functools.lru_cache(maxsize=4096)
def _glyph(character: str, style: Any, weight: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Outline of a character, and how far the next one is from it."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans", style=style, weight=weight)

    # With a bar behind it, which no font kerns, so that it stands where the character ends.
    bar, both = [
        TextPath((0, 0), shown, size=_DRAWN_SIZE, prop=font, usetex=False)
        for shown in ("|", f"{character}|")
    ]
    count = len(both) - len(bar)
    advance = both.vertices[count, 0] - bar.vertices[0, 0]
    return both.vertices[:count], both.codes[:count], float(advance)
