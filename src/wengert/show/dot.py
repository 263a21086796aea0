"""A folded graph in the DOT language, for Graphviz and the many programs that read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wengert.show.folding import Item, View
from wengert.show.graph import Graph
from wengert.show.lettering import shortened
from wengert.show.looks import Look, look_of
from wengert.show.themes import SHAPES, THEMES

_FORMS = {"circle": "ellipse", "pill": "box", "slant": "parallelogram", "none": "plaintext"}


def dot_of(
    graph: Graph,
    view: View,
    theme: str = "light",
    marks: Mapping[int, Sequence[str]] | None = None,
) -> str:
    """Write a folded graph as DOT: frames are clusters, labels hold value and adjoint."""
    colours = THEMES["light" if theme == "auto" else theme]
    numbers: dict[int, str] = {}
    name = quoted(shortened(graph.title or "tape", 60))
    lines = [
        f"digraph {name} {{",
        f'  rankdir=LR; bgcolor="{colours["paper"]}"; fontname="Helvetica";',
        '  node [fontname="Helvetica", fontsize=11, style=filled];',
        f'  edge [color="{colours["wire"]}", arrowsize=0.6, fontname="Helvetica", fontsize=10];',
    ]
    lines += _items(graph, view, view.root, numbers, colours, marks or {}, "  ")
    for wire in view.wires:
        ends = f"{numbers[id(wire.source)]} -> {numbers[id(wire.target)]}"
        times = f"\N{MULTIPLICATION SIGN} {wire.uses}"
        more = f"label={quoted(times)}" if wire.uses > 1 else ""
        if wire.around is not None:
            more = 'style=dashed, constraint=false, label="next"'
        lines.append(f"  {ends}{f' [{more}]' if more else ''};")
    return "\n".join([*lines, "}"])


def quoted(text: str) -> str:
    """A text as a string of DOT."""
    plain = "".join(
        c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    plain = plain.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{plain}"'


def _items(
    graph: Graph,
    view: View,
    frame: Item,
    numbers: dict[int, str],
    colours: Mapping[str, str],
    marks: Mapping[int, Sequence[str]],
    indent: str,
) -> Iterator[str]:
    for item in frame.items:
        numbers[id(item)] = number = f"n{len(numbers)}"
        if item.is_frame:
            yield f"{indent}subgraph cluster_{number} {{"
            yield f"{indent}  label={quoted(shortened(item.title, 40))};"
            yield f'{indent}  color="{colours["frame-line"]}";'
            yield from _items(graph, view, item, numbers, colours, marks, indent + "  ")
            yield f"{indent}}}"
            continue
        notes = list(dict.fromkeys(f"! {m}" for k in item.nodes for m in marks.get(k, ())))
        look = look_of(graph, item, 1, notes, view.written)
        yield f"{indent}{number} [{_attributes(look, colours)}];"


def _attributes(look: Look, colours: Mapping[str, str]) -> str:
    above = f"{look.name} = {look.above}" if look.name and look.above else look.name or look.above
    parts = [look.caption, look.subtitle, above, look.below and f"adjoint {look.below}"]
    label = "\n".join([*filter(None, parts), *look.notes])
    fill, line = SHAPES.get(look.role, ("paper", "faint"))
    ink = colours["target-text"] if look.role == "target" else colours["value"]
    return (
        f"label={quoted(label)}, tooltip={quoted(look.hover)}, "
        f'shape={_FORMS.get(look.outline, "box")}, fillcolor="{colours[fill]}", '
        f'color="{colours["warning" if look.is_marked else line]}", fontcolor="{ink}"'
    )
