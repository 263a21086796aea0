"""How one thing of a picture looks, apart from where: its outline, its label, its size.

An item is its outline and, to the right of it, the start of its wire with the value above and the
adjoint below. What repeats shows the first and the last of its values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from wengert.show.folding import Item
from wengert.show.graph import Graph, Node
from wengert.show.lettering import (
    adjoint_text,
    name_of,
    number_text,
    shortened,
    symbol_of,
    width_of,
)
from wengert.show.values import value_text

GLYPH = 32.0  # height of a circle or box
LABEL = 12.0  # font sizes
SMALL = 10.5
LINE = 15.0  # height of a line of text
BEHIND = 6.0  # of a stack, what is seen of those behind
STUB = 16.0  # the straight piece of a wire without label
_NONE: Mapping[int, tuple[int, int]] = {}
_TIMES = "\N{MULTIPLICATION SIGN}"
_OUTLINES = {"parameter": "pill", "data": "slant", "input": "box", "constant": "none"}


class Look(NamedTuple):
    """What an item looks like.

    Attributes
    ----------
    outline : str
        circle, pill, box, slant, stack (several things in one) or none.
    width, height : float
        Of the outline.
    role : str
        Whose colours it has.
    caption, subtitle : str
        What is written in it.
    name, above, below : str
        What is written at the start of its wire.
    notes : tuple of str
        What is written below; a warning starts with an exclamation mark.
    hover : str
        What is shown when a pointer rests on it.
    trunk : float
        Length of the start of its wire.
    """

    outline: str
    width: float
    height: float
    role: str
    caption: str
    subtitle: str
    name: str
    above: str
    below: str
    notes: tuple[str, ...]
    hover: str
    trunk: float

    @property
    def total_width(self) -> float:
        """With the start of the wire."""
        notes = max((width_of(note, SMALL) + 8 for note in self.notes), default=0.0)
        return max(self.width + self.behind + self.trunk, notes)

    @property
    def is_marked(self) -> bool:
        """Whether something is wrong with it."""
        return any(note.startswith("!") for note in self.notes)

    @property
    def behind(self) -> float:
        """What a stack takes more, above and to the right."""
        return BEHIND if self.outline == "stack" else 0.0

    @property
    def ascent(self) -> float:
        """Height above the wire."""
        label = LINE + 3 if self.above or self.name else 0.0
        return max(self.height / 2 + self.behind, label)

    @property
    def descent(self) -> float:
        """Height below the wire."""
        least = max(self.height / 2, LINE + 3 if self.below else 0.0)
        return least + LINE * len(self.notes)


def look_of(
    graph: Graph,
    item: Item,
    arrivals: int,
    notes: Sequence[str] = (),
    written: Mapping[int, tuple[int, int]] = _NONE,
) -> Look:
    """What an item looks like where so many wires arrive."""
    nodes = [graph.nodes[k] for k in item.nodes]
    if item.is_box:
        return _box(graph, item, nodes, arrivals, tuple(notes))
    node = nodes[0]
    if node.is_operation:
        position, constant = written.get(node.id, (0, -1))
        number = None if constant < 0 else (position, graph.nodes[constant].value)
        caption = symbol_of(node, number)
        last = caption if number is not None else symbol_of(nodes[-1])
        if last != caption:  # the element that a loop has come to
            caption = f"{caption} \N{HORIZONTAL ELLIPSIS} {last}"
        name = "" if _is_inner(graph, node) else name_of(node)
        above = _range(nodes, number_text, "value")
    elif node.index is None or node.kind == "constant":  # what is on no tape: its value names it
        caption, name, above = number_text(node.value), "", ""
    else:
        caption, name, above = shortened(node.name), "", _range(nodes, number_text, "value")
    below = _range(nodes, adjoint_text, "adjoint") if node.kind != "constant" else ""
    outline = "circle" if node.is_operation and len(caption) <= 3 else "pill"
    outline = outline if node.is_operation else _OUTLINES[node.kind]
    subtitle = f"{_TIMES} {item.times}" if item.times > 1 else ""
    if above == "" and node.shape is not None and node.kind != "constant":
        above = f"{node.dtype}{list(node.shape)}" if node.index is not None else ""
    role = "target" if node.is_target else node.kind
    height = max(GLYPH, 9.0 * arrivals) if outline != "none" else LINE + 4
    height += 4.0 if subtitle and outline == "circle" else 0.0
    width = _outline_width(outline, caption, subtitle, height)
    trunk = _trunk(name, above, below)
    told = (caption, subtitle, name, above, below, tuple(notes), hover_text(node), trunk)
    return Look(outline, width, height, role, *told)


def _is_inner(graph: Graph, node: Node) -> bool:
    """True for a step within a function of NumPy, whose result alone has the variable's name."""
    if not isinstance(node.key, tuple):
        return False
    following = next((n for n in graph.nodes[node.id + 1 : node.id + 4] if n.is_operation), None)
    if following is None or not isinstance(following.key, tuple):
        return False
    return following.key[1:] == node.key[1:] and following.key[0] != node.key[0]


def _box(
    graph: Graph, item: Item, nodes: list[Node], arrivals: int, notes: tuple[str, ...]
) -> Look:
    """A group as one thing."""
    operations = [node for node in nodes if node.is_operation]
    last = operations[-1]
    each = len(operations) // item.times
    steps = f"{each} step{'s' * (each > 1)}"
    caption = shortened(item.label) or (f"{steps} {_TIMES} {item.times}")
    times = f" {_TIMES} {item.times}" if item.times > 1 else ""
    subtitle = f"{steps}{times}" if item.label else shortened(_operations_text(operations[:each]))
    above, below = number_text(last.value), adjoint_text(last.adjoint)
    if last.value is None and last.shape is not None:
        above = f"{last.dtype}{list(last.shape)}"
    outline = "stack" if item.times > 1 else "box"
    height = max(GLYPH + 8, 9.0 * arrivals)
    width = max(width_of(caption, LABEL) * 1.1, width_of(subtitle, SMALL)) + 20
    lines = "".join(f"\n{node.line}" for node in operations[:1] if node.line is not None)
    hover = f"{item.label or 'a loop'}: {len(operations)} operations{lines}"
    role = "target" if last.is_target else "group"
    trunk = _trunk("", above, below)
    told = (caption, subtitle, "", above, below, notes, hover, trunk)
    return Look(outline, width, height, role, *told)


def _operations_text(operations: Sequence[Node]) -> str:
    found = list(dict.fromkeys(symbol_of(node) for node in operations))
    return " ".join(found)


def _range(nodes: Sequence[Node], text: Callable[..., str], what: str) -> str:
    """A value; of what repeats the first and the last, in fewer characters."""
    few = len(nodes) > 1
    first = text(getattr(nodes[0], what), few)
    last = text(getattr(nodes[-1], what), few)
    if first == last or not last:
        return first
    head = first.partition(" = ")[0]
    if head and last.startswith(f"{head} = "):
        last = last.partition(" = ")[2]
    return f"{first} \N{HORIZONTAL ELLIPSIS} {last}"


def _outline_width(outline: str, caption: str, subtitle: str, height: float) -> float:
    size = LABEL if outline != "circle" else 14.0
    text = max(width_of(caption, size), width_of(subtitle, SMALL))
    if outline == "circle":
        return max(height, text + 10)
    if outline == "pill":  # never as round as a circle, which stands for an operation
        return max(text + 20.0, 1.4 * height)
    return text + {"none": 4.0, "slant": 30.0}.get(outline, 20.0)


def _trunk(name: str, above: str, below: str) -> float:
    top = width_of(f"{name} = {above}" if name and above else name or above, LABEL)
    text = max(top, width_of(below, LABEL))
    return text + 12.0 if text else STUB


def hover_text(node: Node) -> str:
    """All that is known of a node, on a few lines."""
    what = f"{node.name} = {node.expression}" if node.is_operation else f"{node.kind} {node.name}"
    lines = [what]
    if node.value is not None:
        lines.append(f"value {value_text(node.value)}")
    if node.shape is not None and node.dtype is not None:
        lines.append(f"{node.dtype}{list(node.shape)}")
    if node.adjoint is not None:
        lines.append(f"adjoint {value_text(node.adjoint)}")
    if node.line is not None:
        lines.append(str(node.line))
    return "\n".join(lines)
