"""A folded graph as shapes, lines and texts at their places: what pictures are written from.

Each thing brings its label with it: a wire starts as a straight piece with the value above and the
adjoint below, and this piece belongs to the box that is placed. So no label can meet anything else.
The one difficulty is frames: each is laid out by itself and is then one box of the layout around
it, with places at its sides where wires go through.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from wengert.show.folding import Item, View, Wire
from wengert.show.graph import Graph
from wengert.show.layout import LANE, SLACK, Box, Layout, Link, layered
from wengert.show.lettering import NORM, shortened, width_of
from wengert.show.lines import ROUND, Step, straightened
from wengert.show.looks import LABEL, LINE, SMALL, Look, look_of
from wengert.show.values import value_text

PAD = 12.0  # between a frame and what is in it
TITLE = 18.0  # height of a frame's title
EDGE = 14.0  # around the picture
_ROOMS = (0.75, 0.55, 0.4)  # shares of the width that frames get if it does not fit otherwise
_REFITTED = 400  # things in a picture, up to which that is tried
_TALKATIVE = 400  # wires of a picture, up to which each tells its derivative


class Shape(NamedTuple):
    """An outline: circle, pill, box, slant, stack or frame; `role` says whose colours it has."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    role: str
    title: str = ""  # shown when a pointer rests on it
    is_marked: bool = False
    shade: float = 0.0  # how much of the colour of heat it has, up to 1


class Text(NamedTuple):
    """One line of text; `y` is its baseline."""

    x: float
    y: float
    text: str
    role: str
    size: float = LABEL
    anchor: str = "start"  # start, middle, end
    is_bold: bool = False

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what it covers, at most."""
        width = width_of(self.text, self.size) * (1.08 if self.is_bold else 1.0)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return left, self.y - 0.78 * self.size, left + width, self.y + 0.24 * self.size


class Line(NamedTuple):
    """A wire or a piece of it."""

    steps: tuple[Step, ...]
    role: str
    has_arrow: bool = False
    title: str = ""


class Scene(NamedTuple):
    """A picture before it is written: everything at its place, from the top left."""

    width: float
    height: float
    shapes: list[Shape]
    lines: list[Line]
    texts: list[Text]
    title: str
    description: str


class End(NamedTuple):
    """Where a link starts or ends: an item, or a place at the side of a frame."""

    item: Item
    port: Any = None

    @property
    def key(self) -> Hashable:
        return (id(self.item), self.port)


class Piece(NamedTuple):
    """The part of a wire within one frame."""

    source: End
    target: End
    wire: Wire
    arrives: bool


class Arranged(NamedTuple):
    """A frame with its items laid out."""

    layout: Layout
    ends: list[End]  # of the boxes of the layout
    pieces: list[Piece]  # of its links
    width: float
    height: float
    left: float  # where the layout is in the frame
    top: float
    ports: dict[Any, float]  # their heights in the frame


def scene_of(
    graph: Graph,
    view: View,
    *,
    widest: float = 1400.0,
    marks: Mapping[int, Sequence[str]] | None = None,
    shades: Mapping[int, float] | None = None,
    has_legend: bool = True,
) -> Scene:
    """Lay out a folded graph.

    Parameters
    ----------
    widest : float
        Width beyond which the drawing goes on in a further row.
    marks : mapping of int to sequence of str, optional
        Notes beside nodes, as `diagnose` gives them.
    shades : mapping of int to float, optional
        Shares of nodes in a whole, shown by colour and in percent.
    has_legend : bool
        Say below what the colours mean.
    """
    stage = _Stage(graph, view, marks or {}, shades or {})
    for wire in view.wires:
        stage.lead(wire)
    arranged = stage.fit(widest)
    stage.emit(view.root, EDGE, EDGE)
    width, height = arranged.width + 2 * EDGE, arranged.height + 2 * EDGE
    if has_legend:
        width, height = stage.add_legend(width, height)
    title = shortened(graph.title or "tape", 60)
    description = f"Computation graph of {title}: {len(graph)} values, inputs left, result right."
    return Scene(width, height, stage.shapes, stage.lines, stage.texts, title, description)


class _Stage:
    """One picture in the making."""

    def __init__(
        self,
        graph: Graph,
        view: View,
        marks: Mapping[int, Sequence[str]],
        shades: Mapping[int, float],
    ):
        self.graph, self.view, self.marks, self.shades = graph, view, marks, shades
        self.hottest = max(map(self._share, _leaves(view.root)), default=0.0) or 1.0
        self.looks: dict[int, Look] = {}
        self.arranged: dict[int, Arranged] = {}
        self.shapes: list[Shape] = []
        self.lines: list[Line] = []
        self.texts: list[Text] = []
        self.pieces: dict[int, dict[Hashable, Piece]] = defaultdict(dict)
        self.arrivals: dict[int, int] = defaultdict(int)

    # -------------------------------------------------------------------------- through the frames

    def lead(self, wire: Wire) -> None:
        """Divide a wire into pieces within one frame each."""
        value = (id(wire.source), wire.node if wire.source.is_box else 0)
        up, down = _frames(wire.source), _frames(wire.target)
        meeting = wire.around
        if meeting is None:
            meeting = next(frame for frame in up if any(frame is other for other in down))
        self.arrivals[id(wire.target)] += 1
        source, target = End(wire.source), End(wire.target)
        for frame in up:
            if frame is meeting:
                break
            outer = End(frame, ("out", value))
            self._add(frame, Piece(source, outer, wire, False))
            source = outer
        for frame in down:
            if frame is meeting:
                break
            outer = End(frame, ("in", value))
            self._add(frame, Piece(outer, target, wire, target.item is wire.target))
            target = outer
        piece = Piece(source, target, wire, target.item is wire.target)
        for part in [piece] if wire.around is None else _around(meeting, piece):
            self._add(meeting, part)

    def _add(self, frame: Item, piece: Piece) -> None:
        """One piece; where several wires take one value the same way, they are one line."""
        found = self.pieces[id(frame)]
        key: Hashable = (piece.source.key, piece.target.key)
        found.setdefault((key, len(found)) if piece.arrives else key, piece)

    # ------------------------------------------------------------------------------------ arranging

    def fit(self, widest: float) -> Arranged:
        """Lay out everything, with less room for frames where they have others beside them."""
        is_small = self.view.root.size < _REFITTED
        for room in [widest, *(widest * share for share in _ROOMS if is_small)]:
            arranged = self.arrange(self.view.root, widest, room)
            if arranged.width <= SLACK * widest:
                return arranged
        return self.arrange(self.view.root, widest, widest)

    def arrange(self, frame: Item, widest: float, room: float) -> Arranged:
        """Lay out a frame, the frames in it first, each in so much room."""
        for item in frame.items:
            if item.is_frame:
                self.arrange(item, room - 2 * PAD, room - 2 * PAD)
            else:
                shown = self._notes(item)
                count = self.arrivals[id(item)]
                look = look_of(self.graph, item, count, shown, self.view.written)
                if look.role == "target" and self._share(item):
                    look = look._replace(role="warm target")  # black would hide the heat
                self.looks[id(item)] = look
        items, pieces = _in_order(frame, list(self.pieces[id(frame)].values()))
        ports = {end.key: end for p in pieces for end in (p.source, p.target) if end.item is frame}
        # Loops last: in the lowest places, from where they lead around below.
        sides = sorted(ports.values(), key=lambda end: _is_loop(end.port))
        entries = [end for end in sides if end.port[0] == "in"]
        exits = [end for end in sides if end.port[0] == "out"]
        ends = [*entries, *map(End, items), *exits]
        return self._placed(frame, ends, len(entries), len(exits), pieces, widest)

    def _placed(
        self,
        frame: Item,
        ends: list[End],
        entries: int,
        exits: int,
        pieces: list[Piece],
        widest: float,
    ) -> Arranged:
        """The layout of a frame's items between its entries and exits."""
        number = {end.key if end.item is frame else id(end.item): k for k, end in enumerate(ends)}
        boxes = [Box(0.0, LANE) if end.item is frame else self._box(end.item) for end in ends]
        links = [self._link(frame, piece, number) for piece in pieces]
        is_root = frame is self.view.root
        loops = sum(_is_loop(end.port) for end in ends[:entries])
        side = 0.0 if is_root and not loops else PAD + 0.6 * LANE * loops
        left = [k for k, end in enumerate(ends) if is_root and self._stays_left(end.item)]
        last = range(len(ends) - exits, len(ends))
        room = widest - 2 * side
        layout = layered(boxes, links, range(entries), last, left=left, widest=room)
        title = TITLE if frame.title else 0.0
        top = title + (0.0 if is_root else 0.6 * PAD)
        width = max(layout.width + 2 * side, width_of(frame.title, SMALL) * 1.1 + 2 * PAD)
        height = top + layout.height + (0.0 if is_root else 0.6 * PAD) + loops * LANE
        heights = {
            end.port: top + layout.corners[k][1] + LANE / 2
            for k, end in enumerate(ends)
            if end.item is frame
        }
        if is_root and not frame.title and not loops:
            width = layout.width
        made = Arranged(layout, ends, pieces, width, height, side, top, heights)
        self.arranged[id(frame)] = made
        return made

    def _share(self, item: Item) -> float:
        return sum(self.shades.get(k, 0.0) for k in item.nodes)

    def _notes(self, item: Item) -> list[str]:
        """What is written below an item: its share in the whole, and what is wrong with it."""
        marks = dict.fromkeys(mark for k in item.nodes for mark in self.marks.get(k, ()))
        shown = [f"! {mark}" for mark in marks][:2]
        share = self._share(item)
        return [f"{100 * share:.2g} %", *shown] if share >= 0.001 else shown

    def _stays_left(self, item: Item) -> bool:
        return not item.is_frame and self.graph.nodes[item.nodes[0]].kind == "input"

    def _box(self, item: Item) -> Box:
        if item.is_frame:
            made = self.arranged[id(item)]
            inputs, outputs = (tuple([y for _, y in _side(made, s)]) for s in ("in", "out"))
            return Box(made.width, made.height, inputs, outputs)
        look = self.looks[id(item)]
        return Box(look.total_width, look.ascent + look.descent, middle=look.ascent)

    def _link(self, frame: Item, piece: Piece, number: Mapping[Hashable, int]) -> Link:
        ends = []
        for end, side in ((piece.source, "out"), (piece.target, "in")):
            place = -1
            if end.item.is_frame and end.item is not frame:
                ports = [port for port, _ in _side(self.arranged[id(end.item)], side)]
                place = ports.index(end.port)
            ends.append((number[end.key if end.item is frame else id(end.item)], place))
        (source, output), (target, into) = ends
        return Link(source, target, max(output, 0), into)

    # ------------------------------------------------------------------------------------- drawing

    def emit(self, frame: Item, x: float, y: float) -> None:
        """Draw what is in a frame whose top left is at (x, y)."""
        made = self.arranged[id(frame)]
        left, top = x + made.left, y + made.top
        for (corner_x, corner_y), end in zip(made.layout.corners, made.ends, strict=True):
            if end.item is frame:
                self._draw_port(frame, end, x, y, left + corner_x)
            elif end.item.is_frame:
                self._draw_frame(end.item, left + corner_x, top + corner_y)
            else:
                self._draw_item(end.item, left + corner_x, top + corner_y)
        drawn: set[tuple[Step, Step]] = set()
        for piece, route in zip(made.pieces, made.layout.routes, strict=True):
            moved = [Step(s.x + left, s.y + top, s.is_curve) for s in route]
            for steps in _undrawn(moved, drawn):
                self._draw_wire(piece, tuple(straightened(steps)), steps[-1] is moved[-1])

    def _draw_port(self, frame: Item, end: End, x: float, y: float, at: float) -> None:
        """The piece of a wire between the side of a frame and what is laid out in it."""
        made = self.arranged[id(frame)]
        height = y + made.ports[end.port]
        if _is_loop(end.port):
            if end.port[0] == "out":
                self._draw_loop(frame, end, x, y, at)
            return
        side = x if end.port[0] == "in" else x + made.width
        self.lines.append(Line((Step(min(side, at), height), Step(max(side, at), height)), "wire"))

    def _draw_loop(self, frame: Item, end: End, x: float, y: float, at: float) -> None:
        """From the right side of a frame below everything in it to its left side."""
        made = self.arranged[id(frame)]
        loops = [port for port in made.ports if _is_loop(port) and port[0] == "out"]
        k = loops.index(end.port)
        room = 0.6 * LANE * (k + 1)
        below = y + made.height - LANE * (len(loops) - k) + LANE / 2 - 2.0
        start, again = y + made.ports[end.port], y + made.ports["in", end.port[1]]
        left, right = x + made.left, x + made.left + made.layout.width
        path = [(at, start), (right + room, start), (right + room, below)]
        entry = next(
            corner[0]
            for corner, other in zip(made.layout.corners, made.ends, strict=True)
            if other.item is frame and other.port == ("in", end.port[1])
        )
        path += [(left - room, below), (left - room, again), (left + entry, again)]
        title = "goes into the next repetition"
        self.lines.append(Line(tuple([Step(*p) for p in path]), "loop", True, title))

    def _draw_frame(self, frame: Item, x: float, y: float) -> None:
        made = self.arranged[id(frame)]
        role = "repeat" if frame.times > 1 else "frame"
        hover = f"{frame.label or 'a loop'}"
        self.shapes.append(Shape("frame", x, y, made.width, made.height, role, hover))
        if frame.title:
            text = shortened(frame.label, 40)
            times = frame.title[len(frame.label) :].strip()
            shown = " ".join(part for part in (text, times) if part)
            self.texts.append(Text(x + PAD * 0.7, y + 14, shown, "frame", SMALL, is_bold=True))
        self.emit(frame, x, y)

    def _draw_item(self, item: Item, x: float, y: float) -> None:
        look = self.looks[id(item)]
        wire = y + look.ascent
        box = (x, wire - look.height / 2, look.width, look.height)
        if look.outline != "none":
            told = (look.role, look.hover, look.is_marked, self._share(item) / self.hottest)
            self.shapes.append(Shape(look.outline, *box, *told))
        self._draw_caption(look, x + look.width / 2, wire)
        start = x + look.width + look.behind
        stub = (Step(x + look.width, wire), Step(x + look.total_width, wire))
        self.lines.append(Line(stub, _wire_role(look)))
        at = start + 6
        if look.name:
            shown = f"{look.name} = " if look.above else look.name
            self.texts.append(Text(at, wire - 6, shown, "name"))
            at += width_of(shown, LABEL)
        if look.above:
            self.texts.append(Text(at, wire - 6, look.above, "value"))
        if look.below:
            self.texts.append(Text(start + 6, wire + 14, look.below, "adjoint"))
        bottom = wire + look.descent - LINE * len(look.notes)
        for k, note in enumerate(look.notes):
            role = "warning" if note.startswith("!") else "legend"
            self.texts.append(Text(x, bottom + LINE * k + 11, note, role, SMALL))

    def _draw_caption(self, look: Look, x: float, y: float) -> None:
        size = 14.0 if look.outline == "circle" else LABEL
        role = "constant" if look.outline == "none" else f"{look.role}-text"
        is_bold = look.role == "group"
        if not look.subtitle:
            self.texts.append(Text(x, y + 0.36 * size, look.caption, role, size, "middle", is_bold))
            return
        self.texts.append(Text(x, y - 2, look.caption, role, LABEL, "middle", is_bold))
        self.texts.append(Text(x, y + 12, look.subtitle, role, SMALL, "middle"))

    def _draw_wire(self, piece: Piece, steps: tuple[Step, ...], is_end: bool) -> None:
        wire = piece.wire
        look = self.looks[id(wire.source)]
        title = self._wire_title(wire) if len(self.view.wires) <= _TALKATIVE else ""
        self.lines.append(Line(steps, _wire_role(look), piece.arrives and is_end, title))

    def _wire_title(self, wire: Wire) -> str:
        """The local derivative, and what flows back: shown when a pointer rests on a wire."""
        if wire.source.is_box or wire.target.is_box or wire.uses > 1:
            return ""
        target = wire.target.nodes[0]
        edge = next((e for e in self.graph.into(target) if e.source == wire.node), None)
        if edge is None or not edge.is_differentiable:
            return ""
        local = self.graph.local(edge)
        out, source = self.graph.nodes[target].name, self.graph.nodes[edge.source].name
        number = value_text(local.value)
        sides = [part for part in (local.formula, number) if part]
        text = f"\N{PARTIAL DIFFERENTIAL}{out}/\N{PARTIAL DIFFERENTIAL}{source}"
        text = " = ".join([text, *dict.fromkeys(sides)])
        if local.contribution is not None:
            text += f"\npasses back {value_text(local.contribution)}"
        return text

    def add_legend(self, width: float, height: float) -> tuple[float, float]:
        """One line below that says what the colours mean; gives the new size."""
        roles = {shape.role for shape in self.shapes}
        x, y = EDGE, height + 4
        adjoints = [text.text for text in self.texts if text.role == "adjoint"]
        words = [("value", "value above")]
        if adjoints:
            has_norms = any(text.startswith(NORM) for text in adjoints)
            norms = f", of a large array its norm {NORM}" if has_norms else ""
            words.append(("adjoint", f"adjoint below{norms}"))
        for role, text in words:
            self.texts.append(Text(x, y, text, role, SMALL))
            x += width_of(text, SMALL) + 18
        kinds = [(role, kind, role) for role, kind in _EXPLAINED if role in roles]
        if self.shades:
            kinds.append(("heat", "box", "share of the whole"))
        for role, kind, text in kinds:
            self.shapes.append(Shape(kind, x, y - 9, 22, 11, role))
            self.texts.append(Text(x + 28, y, text, "legend", SMALL))
            x += 28 + width_of(text, SMALL) + 18
        return max(width, x + EDGE - 18), y + 12


_EXPLAINED = (("parameter", "pill"), ("data", "slant"))


def _wire_role(look: Look) -> str:
    return "wire-constant" if look.role in ("constant", "data") and not look.below else "wire"


def _undrawn(route: list[Step], drawn: set[tuple[Step, Step]]) -> Iterator[list[Step]]:
    """The parts of a line that no other line from the same output has drawn already."""
    part: list[Step] = []
    for before, step in pairwise(route):
        if (before, step) in drawn:
            if part:
                yield part
            part = []
            continue
        drawn.add((before, step))
        if not part:
            # A line that leaves another beyond its round corner starts after the corner.
            is_upright = before.x == step.x and before.y != step.y
            shift = min(ROUND, abs(step.y - before.y)) * (1 if step.y > before.y else -1)
            part = [Step(before.x, before.y + (shift if is_upright and drawn else 0.0))]
        part.append(step)
    if part:
        yield part


def _is_loop(port: Any) -> bool:
    return port is not None and port[1][0] == "loop"


def _side(made: Arranged, side: str) -> list[tuple[Any, float]]:
    """The places at one side of a frame where wires go through."""
    return [(port, y) for port, y in made.ports.items() if port[0] == side and not _is_loop(port)]


def _leaves(frame: Item) -> Iterator[Item]:
    """What is shown in a frame, and in the frames in it."""
    for item in frame.items:
        if item.is_frame:
            yield from _leaves(item)
        else:
            yield item


def _frames(item: Item) -> list[Item]:
    """The frames around an item, the innermost first."""
    found = []
    while item.parent is not None:
        item = item.parent
        found.append(item)
    return found


def _around(frame: Item, piece: Piece) -> list[Piece]:
    """Out of a frame and in again: what one repetition gives to the next."""
    key = ("loop", (piece.source.key, piece.target.key))
    out, again = End(frame, ("out", key)), End(frame, ("in", key))
    return [
        Piece(piece.source, out, piece.wire, False),
        Piece(again, piece.target, piece.wire, piece.arrives),
    ]


def _in_order(frame: Item, pieces: list[Piece]) -> tuple[list[Item], list[Piece]]:
    """Items so that pieces lead forwards; a piece that cannot goes around the frame."""
    inner = [p for p in pieces if p.source.item is not frame and p.target.item is not frame]
    following: dict[int, list[int]] = defaultdict(list)
    number = {id(item): k for k, item in enumerate(frame.items)}
    waits = [0] * len(frame.items)
    for piece in inner:
        source, target = number[id(piece.source.item)], number[id(piece.target.item)]
        if source != target:
            following[source].append(target)
            waits[target] += 1
    if all(number[id(p.source.item)] < number[id(p.target.item)] for p in inner):
        return frame.items, pieces
    order: list[int] = []
    left = list(range(len(frame.items)))
    while left:
        k = next((k for k in left if not waits[k]), left[0])
        left.remove(k)
        order.append(k)
        for target in following[k]:
            waits[target] -= 1
    place = {id(frame.items[k]): j for j, k in enumerate(order)}
    turned = []
    for piece in pieces:
        is_inner = piece.source.item is not frame and piece.target.item is not frame
        if is_inner and place[id(piece.source.item)] >= place[id(piece.target.item)]:
            turned += _around(frame, piece)
        else:
            turned.append(piece)
    return [frame.items[k] for k in order], turned
