"""A scene as SVG: text written by hand, with every string of the user's escaped.

Light and dark pictures carry their colours in attributes, which every program reads; "auto" has
both in a style sheet that follows the reader's preference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from wengert.show.lettering import visible
from wengert.show.lines import Step, commands
from wengert.show.scene import Line, Scene, Shape, Text
from wengert.show.themes import LINES, SHAPES, TEXTS, THEMES

FONT = "'DejaVu Sans', Verdana, 'Segoe UI', Helvetica, Arial, sans-serif"


def svg_of(scene: Scene, theme: str = "auto") -> str:
    """Write a scene as SVG.

    Parameters
    ----------
    theme : {"auto", "light", "dark"}
        "auto" follows the reader's preference.
    """
    ink = _Ink(scene, theme)
    width, height = _number(scene.width), _number(scene.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img"{ink.identity} font-family="{FONT}">',
        f"<title>{escaped(scene.title)}</title>",
        f"<desc>{escaped(scene.description)}</desc>",
        *ink.style(),
        f'<rect width="{width}" height="{height}"{ink.fill("paper")}/>',
        # Frames below wires, wires below what they lead to.
        *(_shape(shape, ink) for shape in scene.shapes if shape.kind == "frame"),
        *(_line(line, ink) for line in scene.lines),
        *(_shape(shape, ink) for shape in scene.shapes if shape.kind != "frame"),
        *(_text(text, ink) for text in scene.texts),
        "</svg>",
    ]
    return "\n".join(parts)


def escaped(text: str) -> str:
    """A text as it may stand in XML, between tags or in an attribute.

    Characters that XML does not allow, or that turn the direction of writing, are replaced.
    """
    shown = "\n".join(visible(line) for line in text.split("\n"))
    for character, entity in _ENTITIES.items():
        shown = shown.replace(character, entity)
    return shown


_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\n": "&#10;"}


class _Ink:
    """Colours as attributes, or as classes of a style sheet."""

    def __init__(self, scene: Scene, theme: str):
        self.theme = theme
        self.id = ""
        if theme == "auto":  # several pictures on one page must not share a style sheet
            told = repr([scene.width, scene.height, scene.title, [t.text for t in scene.texts]])
            self.id = f"wengert-{hashlib.sha256(told.encode('utf-8', 'replace')).hexdigest()[:10]}"

    @property
    def identity(self) -> str:
        return f' id="{self.id}"' if self.id else ""

    def fill(self, colour: str) -> str:
        return self._attribute("fill", colour)

    def stroke(self, colour: str) -> str:
        return self._attribute("stroke", colour)

    def _attribute(self, name: str, colour: str) -> str:
        if not self.id:
            return f' {name}="{THEMES[self.theme][colour]}"'
        # The attribute is for readers without style sheets, which get the light theme.
        return f' {name}="{THEMES["light"][colour]}" class="{name[0]}-{colour}"'

    def both(self, fill: str, stroke: str) -> str:
        if not self.id:
            return self.fill(fill) + self.stroke(stroke)
        light = THEMES["light"]
        return f' fill="{light[fill]}" stroke="{light[stroke]}" class="f-{fill} s-{stroke}"'

    def style(self) -> Iterator[str]:
        if not self.id:
            return
        yield "<style>@media (prefers-color-scheme: dark) {"
        for colour, value in THEMES["dark"].items():
            yield f"#{self.id} .f-{colour} {{ fill: {value}; }}"
            yield f"#{self.id} .s-{colour} {{ stroke: {value}; }}"
        yield "}</style>"


def _number(x: float) -> str:
    return f"{x:.1f}".removesuffix(".0")


def _titled(tag: str, attributes: str, title: str) -> str:
    if not title:
        return f"<{tag}{attributes}/>"
    return f"<{tag}{attributes}><title>{escaped(title)}</title></{tag}>"


def _shape(shape: Shape, ink: _Ink) -> str:
    fill, stroke = SHAPES[shape.role]
    x, y, w, h = shape.x, shape.y, shape.width, shape.height
    thickness = ' stroke-width="1.4"'
    if shape.is_marked:
        stroke, thickness = "warning", ' stroke-width="2.6" stroke-dasharray="4 2"'
    colours = ink.both(fill, stroke) + thickness
    if shape.kind == "slant":
        corners = [(x + 9, y), (x + w, y), (x + w - 9, y + h), (x, y + h)]
        points = " ".join(f"{_number(a)},{_number(b)}" for a, b in corners)
        return _titled("polygon", f' points="{points}"{colours}', shape.title)
    radius = {"circle": h / 2, "pill": h / 2, "frame": 8.0}.get(shape.kind, 4.0)
    main = _titled("rect", _rectangle(x, y, w, h, radius) + colours, shape.title)
    if shape.shade > 0:
        heat = f'{ink.fill("heat")} fill-opacity="{shape.shade:.2f}" pointer-events="none"'
        main += f"<rect{_rectangle(x, y, w, h, radius)}{heat}/>"
    if shape.kind != "stack":
        return main
    behind = "".join(f"<rect{_rectangle(x + d, y - d, w, h, radius)}{colours}/>" for d in (6, 3))
    return behind + main


def _rectangle(x: float, y: float, w: float, h: float, radius: float) -> str:
    box = f' x="{_number(x)}" y="{_number(y)}" width="{_number(w)}" height="{_number(h)}"'
    return f'{box} rx="{_number(min(radius, w / 2))}"'


def path_data(steps: Sequence[Step]) -> str:
    """A line as SVG's path data."""
    return "".join(
        f"{letter}{' '.join(_number(number) for number in numbers)}"
        for letter, numbers in commands(steps)
    )


def _line(line: Line, ink: _Ink) -> str:
    stroke = ink.stroke(LINES[line.role])
    dashes = ' stroke-dasharray="5 3"' if line.role == "loop" else ""
    attributes = f' d="{path_data(line.steps)}" fill="none"{stroke} stroke-width="1.4"{dashes}'
    path = _titled("path", attributes, line.title)
    if not line.has_arrow:
        return path
    x, y = line.steps[-1].x, line.steps[-1].y
    corners = f"{_number(x)},{_number(y)} {_number(x - 7)},{_number(y - 3.5)}"
    corners += f" {_number(x - 7)},{_number(y + 3.5)}"
    return f'{path}<polygon points="{corners}"{ink.fill(LINES[line.role])}/>'


def _text(text: Text, ink: _Ink) -> str:
    anchor = f' text-anchor="{text.anchor}"' if text.anchor != "start" else ""
    weight = ' font-weight="bold"' if text.is_bold else ""
    style = ' font-style="italic"' if text.role == "name" else ""
    place = f' x="{_number(text.x)}" y="{_number(text.y)}" font-size="{_number(text.size)}"'
    colour = ink.fill(TEXTS.get(text.role, "value"))
    # Spaces at the ends count: a name and its value are two texts.
    attributes = f'{place}{anchor}{weight}{style}{colour} xml:space="preserve"'
    return f"<text{attributes}>{escaped(text.text)}</text>"
