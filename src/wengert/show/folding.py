"""What a picture shows of a graph: frames around groups, and what repeats shown once.

Operations are a tree: those of a group are in its frame. Neighbours in a frame that were made by
the same code repeat each other; the first stands for all, with their number. Where that is still
too much to read, groups become boxes, the innermost first. The one difficulty is lines between two
repetitions: they leave the frame and come in again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wengert.errors import ArgumentError, TapeSizeError
from wengert.show.graph import Graph
from wengert.show.lettering import written_constants
from wengert.show.text import Stretch, stretches

READABLE = 60  # things in a picture, above which it is folded
_LOOPS = 3  # within one another, that may be frames
MOST = 2500  # things in a picture at all


@dataclass(eq=False)
class Item:
    """One thing in a picture: a node, a box that stands for several, or a frame with items in it.

    Attributes
    ----------
    nodes : list of int
        The nodes of the graph that it stands for; for a frame those of its items.
    label : str
        Name of the group; "" for a node or a stretch of a loop.
    times : int
        How often it repeats.
    is_box : bool
        Whether it is a group whose items are not shown.
    items : list of Item
        In the order of the tape; empty but for frames.
    parent : Item or None
        The frame that it is in.
    """

    nodes: list[int]
    label: str = ""
    times: int = 1
    is_box: bool = False
    is_frame: bool = False
    items: list[Item] = field(default_factory=list)
    parent: Item | None = None

    @property
    def title(self) -> str:
        """What is written on its frame or box."""
        times = f"\N{MULTIPLICATION SIGN} {self.times}" if self.times > 1 else ""
        return " ".join(part for part in (self.label, times) if part)

    @property
    def size(self) -> int:
        """Number of things shown."""
        return 1 + sum(item.size for item in self.items)


class Wire(NamedTuple):
    """A value that goes from one item to another.

    Attributes
    ----------
    source, target : Item
        Where it goes; neither is a frame.
    node : int
        The value: the first of those that the wire stands for.
    around : Item or None
        The frame that repeats, for a value that goes from one repetition to the next.
    uses : int
        How many uses of the value it stands for.
    """

    source: Item
    target: Item
    node: int
    around: Item | None
    uses: int


class View(NamedTuple):
    """A folded graph: the outermost frame, and the wires.

    Attributes
    ----------
    written : dict
        Constants that are written into their operation: by its node, their place and node.
    """

    root: Item
    wires: list[Wire]
    written: dict[int, tuple[int, int]]


def folded(graph: Graph, fold: bool | int | Collection[str] = True) -> View:
    """Choose what to show of a graph.

    Parameters
    ----------
    fold : bool, int or collection of str
        True: fold what repeats, and inner groups, if more than 60 things would be shown; a number:
        if more than that; names of groups: show these as boxes; False: show everything.

    Raises
    ------
    TapeSizeError
        If more than 2500 things are left.
    """
    is_wrong = isinstance(fold, str) or not isinstance(fold, bool | int | Collection)
    if is_wrong or (isinstance(fold, int) and not isinstance(fold, bool) and fold < 1):
        raise ArgumentError(
            f"fold={fold!r:.40} is no truth value, no number above 0, and no names of groups.",
            'Write fold=True, fold=100 or fold=["layer1", "layer2"].',
        )
    named = () if isinstance(fold, bool | int) else tuple(fold)
    known = dict.fromkeys(group.name for group in graph.groups if group.name)
    for name in named:
        if name not in known:
            raise ArgumentError(
                f"fold={fold!r:.60} names {name!r:.40}, which is no function and no scope here.",
                f"There are {', '.join(known)}."
                if known
                else 'Write with wg.scope("name"): first.',
            )
    limit = int(fold) if isinstance(fold, int) and fold is not True else READABLE
    plan = _Plan(graph, named)
    depths: list[tuple[bool, int]] = [(False, plan.depth)]
    if fold is not False:
        depths += [(True, depth) for depth in range(plan.depth, -1, -1)]
    for repeats, depth in depths:
        view = plan.view(repeats, depth)
        if view.root.size - 1 <= limit:
            break
    if view.root.size - 1 > MOST:
        raise TapeSizeError(
            f"the tape has {len(graph):,} entries and constants; "
            f"{'unfolded' if fold is False else 'folded'}, the picture would show "
            f"{view.root.size - 1:,} things, and it shows at most {MOST:,}.",
            'Put parts of the code into functions or with wg.scope("name"):, which are folded; '
            "draw fewer repetitions; or print the tape, which has no limit."
            if fold is not False
            else "Leave out fold=False: what repeats is then shown once.",
        )
    return view


def nested(keys: Sequence[Hashable]) -> list[Stretch]:
    """The outermost stretches that repeat, where these hold others that repeat."""
    found = [Stretch(k, 1, 1) for k in range(len(keys))]
    # The short ones first: a loop within a loop is then one step of it.
    for longest in (1, 2, 4, 8, 16, 32, 64, 128):
        tokens: list[Hashable] = [
            keys[s.start] if s.times == 1 else (tuple(keys[s.start : s.start + s.length]), s.times)
            for s in found
        ]
        outer = stretches(tokens, longest)
        found = [_joined(found[s.start : s.start + s.length], s.times) for s in outer]
    return found


def _joined(parts: Sequence[Stretch], times: int) -> Stretch:
    """Stretches that repeat together as one."""
    if times == 1:
        return parts[0]
    return Stretch(parts[0].start, sum(part.length * part.times for part in parts), times)


class _Plan:
    """The tree of groups, from which views are made."""

    def __init__(self, graph: Graph, named: Collection[str]):
        self.graph, self.named = graph, set(named)
        self.written = written_constants(graph)
        hidden = {node for _, node in self.written.values()}
        self.is_start = [not node.is_operation and node.id not in hidden for node in graph.nodes]
        self.is_hidden = [node.id in hidden for node in graph.nodes]
        self.skipped = self._skipped()
        # Of each group its operations and groups, in the order of the tape; a group is ~number.
        self.children: dict[int, list[int]] = defaultdict(list)
        self.depth = _LOOPS
        placed = {0}
        for node in graph.nodes:
            if not node.is_operation:
                continue
            path = [g for g in graph.path(node.group) if g not in self.skipped]
            self.depth = max(self.depth, len(path) + _LOOPS)
            for outer, inner in zip([0, *path], path, strict=False):
                if inner not in placed:
                    placed.add(inner)
                    self.children[outer].append(~inner)
            self.children[path[-1] if path else 0].append(node.id)
        self._codes: dict[Hashable, int] = {}
        self._signatures: dict[int, int] = {}

    def _skipped(self) -> set[int]:
        """Calls that need no frame: without name, of one operation, or alone in a scope."""
        counts = [0] * len(self.graph.groups)
        for node in self.graph.nodes:
            if node.is_operation:
                for group in self.graph.path(node.group):
                    counts[group] += 1
        groups = self.graph.groups
        return {
            k
            for k, group in enumerate(groups)
            if group.kind == "function"
            and (
                group.name.startswith("<")
                or counts[k] < 2
                # A scope's only call needs no frame of its own.
                or (groups[group.parent].kind == "scope" and counts[k] == counts[group.parent])
            )
        }

    def names_below(self, depth: int) -> set[str]:
        """Names of groups that lie in boxes only: these are boxes elsewhere too."""
        groups = self.graph.groups
        below: set[str] = set()
        above: set[str] = set()
        for k in {node.group for node in self.graph.nodes if node.is_operation}:
            path = [groups[g].name for g in self.graph.path(k) if g not in self.skipped]
            if len(path) > depth + 1:
                above.update(path[: depth + 1])
                below.update(path[depth + 1 :])
        return below - above

    def signature(self, child: int) -> int:
        """A number that is equal for children that repeat each other."""
        known = self._signatures.get(child)
        if known is not None:
            return known
        if child >= 0:
            node = self.graph.nodes[child]
            code: Hashable = (node.operation, node.key if node.key is not None else ("one", child))
        else:
            group = self.graph.groups[~child]
            name = re.sub(r"\d+", "#", group.name)
            inner = tuple([self.signature(k) for k in self.children[~child]])
            code = (group.kind, name, inner, self._shape(child))
        found = self._signatures[child] = self._codes.setdefault(code, len(self._codes))
        return found

    def _shape(self, child: int) -> Hashable:
        """Shape of a group's result: layers of different sizes are told apart."""
        while child < 0:
            child = self.children[~child][-1]
        return self.graph.nodes[child].shape

    def view(self, repeats: bool, depth: int) -> View:
        """The items where groups deeper than `depth` are boxes."""
        made = _Making(self, repeats, depth)
        made.fill(made.root, [(self.children[0], ())], 0)
        made.place_starts()
        return View(made.root, made.wires(), self.written)


# For each repetition that a node is in: the frame, and which of its repetitions.
Turns = tuple[tuple[Item, int], ...]


class _Making:
    """One view in the making."""

    def __init__(self, plan: _Plan, repeats: bool, depth: int):
        self.plan, self.graph = plan, plan.graph
        self.repeats, self.depth = repeats, depth
        self.root = Item([], is_frame=True)
        self.hidden = plan.names_below(depth)
        self.item_of: list[Item | None] = [None] * len(self.graph.nodes)
        self.turns: list[Turns] = [()] * len(self.graph.nodes)

    def fill(self, frame: Item, copies: Sequence[tuple[Sequence[int], Turns]], level: int) -> None:
        """Put children into a frame; `copies` are lists of children that repeat each other."""
        children = copies[0][0]
        keys: list[Hashable] = [self.plan.signature(k) for k in children]
        if not self.repeats:
            keys = [None] * len(children)
        for stretch in nested(keys):
            whole = range(stretch.start, stretch.start + stretch.length * stretch.times)
            if stretch.times == 1:
                for at in whole:
                    self._add(frame, [(copy[at], turns) for copy, turns in copies], level)
                continue
            self._repeat(frame, copies, stretch, level)

    def _repeat(
        self,
        frame: Item,
        copies: Sequence[tuple[Sequence[int], Turns]],
        stretch: Stretch,
        level: int,
    ) -> None:
        """Children that come several times one after the other, shown once."""
        start, length, times = stretch
        child = copies[0][0][start]
        is_call = length == 1 and child < 0  # of one function: its frame repeats
        item = self._group_item(child, times) if is_call else Item([], times=times, is_frame=True)
        inner = [
            (copy[start + k * length : start + (k + 1) * length], (*turns, (item, k)))
            for copy, turns in copies
            for k in range(times)
        ]
        item.parent = frame
        frame.items.append(item)
        if is_call:
            self._fill_group(item, [(part[0], turns) for part, turns in inner], level)
        elif length == 1 or level >= self.depth:
            item.is_frame, item.is_box = False, length > 1
            self._stand_for(item, [(k, turns) for part, turns in inner for k in part])
        else:
            self.fill(item, inner, level + 1)

    def _add(self, frame: Item, bundle: Sequence[tuple[int, Turns]], level: int) -> None:
        """One child, with those that repeat it."""
        child = bundle[0][0]
        item = self._group_item(child, 1) if child < 0 else Item([])
        item.parent = frame
        frame.items.append(item)
        if child < 0:
            self._fill_group(item, bundle, level)
        else:
            self._stand_for(item, bundle)

    def _group_item(self, child: int, times: int) -> Item:
        return Item([], label=self.graph.groups[~child].name, times=times, is_frame=True)

    def _fill_group(self, item: Item, bundle: Sequence[tuple[int, Turns]], level: int) -> None:
        name = self.graph.groups[~bundle[0][0]].name
        if level >= self.depth or name in self.plan.named or name in self.hidden:
            item.is_frame, item.is_box = False, True
            self._stand_for(item, bundle)
        else:
            copies = [(self.plan.children[~child], turns) for child, turns in bundle]
            self.fill(item, copies, level + 1)

    def _stand_for(self, item: Item, bundle: Sequence[tuple[int, Turns]]) -> None:
        waiting = list(reversed(bundle))
        while waiting:
            child, turns = waiting.pop()
            if child < 0:
                waiting += [(k, turns) for k in reversed(self.plan.children[~child])]
            else:
                item.nodes.append(child)
                self.item_of[child] = item
                self.turns[child] = turns

    # ----------------------------------------------------------------------- where it starts from

    def place_starts(self) -> None:
        """Put inputs and constants where they are used: into the frame that holds all uses."""
        shared: dict[Hashable, list[int]] = {}
        frames: dict[Hashable, tuple[Item, Turns]] = {}
        for node in self.graph.nodes:
            if not self.plan.is_start[node.id]:
                continue
            uses = self.graph.out_of(node.id)
            frame, turns = self._around([e.target for e in uses])
            if node.kind in ("input", "data") and node.index is not None:
                frame, turns = self.root, ()
            if frame.is_box:
                self._put(node.id, frame, turns)
                continue
            # The repetitions' own parameters and constants are shown once as well.
            used = tuple([(id(self.item_of[e.target]), e.position) for e in uses])
            key: Hashable = (id(frame), used, node.kind) if turns else node.id
            shared.setdefault(key, []).append(node.id)
            frames[key] = (frame, turns)
        for key, nodes in shared.items():
            frame, turns = frames[key]
            outermost = turns[0][0] if turns else frame
            if turns and len(nodes) < outermost.times and outermost.parent is not None:
                frame, turns = outermost.parent, ()  # what a loop starts from
            item = Item([], parent=frame, times=len(nodes))
            uses = self.graph.out_of(nodes[0])
            self._insert(frame, item, uses[0].target if uses else -1)
            for k, number in enumerate(nodes):
                self._put(number, item, turns and ((turns[0][0], k), *turns[1:]))

    def _put(self, node: int, item: Item, turns: Turns) -> None:
        item.nodes.append(node)
        self.item_of[node], self.turns[node] = item, turns

    def _insert(self, frame: Item, item: Item, use: int) -> None:
        """Before the item of the frame that uses it first."""
        user = self.item_of[use] if use >= 0 else None
        while user is not None and user.parent is not frame:
            user = user.parent
        at = frame.items.index(user) if user is not None else 0
        frame.items.insert(at, item)

    def _around(self, nodes: Sequence[int]) -> tuple[Item, Turns]:
        """The innermost item around nodes, of one repetition; and which repetition that is."""
        if not nodes:
            return self.root, ()
        paths = [self._path(node) for node in nodes]
        common = paths[0]
        for path in paths[1:]:
            same = 0
            while same < min(len(common), len(path)) and common[same] == path[same]:
                same += 1
            common = common[:same]
        item = common[-1][0]
        return item, tuple([(frame, k) for frame, k in common if k >= 0])

    def _path(self, node: int) -> list[tuple[Item, int]]:
        """The items around a node, outermost first, each with the number of its repetition."""
        turns = {id(frame): k for frame, k in self.turns[node]}
        item = self.item_of[node]
        assert item is not None
        found = [item] if item.is_box else []
        while item.parent is not None:
            item = item.parent
            found.append(item)
        return [(frame, turns.get(id(frame), -1)) for frame in reversed(found)]

    # -------------------------------------------------------------------------------------- wires

    def wires(self) -> list[Wire]:
        """The lines between items; uses of one value by one item for one purpose are one line."""
        found: dict[Hashable, Wire] = {}
        for edge in self.graph.edges:
            if self.plan.is_hidden[edge.source]:
                continue
            source, target = self.item_of[edge.source], self.item_of[edge.target]
            assert source is not None
            assert target is not None
            around = self._carried(edge.source, edge.target)
            if source is target and (source.is_box or source.times > 1):
                continue  # within a box, or from one repetition to the next
            position = -1 if target.is_box else edge.position
            value = id(source) if len(source.nodes) == 1 or not source.is_box else edge.source
            key = (value, id(target), position, id(around))
            if key in found:
                found[key] = found[key]._replace(uses=found[key].uses + 1)
            else:
                found[key] = Wire(source, target, edge.source, around, 1)
        return list(found.values())

    def _carried(self, source: int, target: int) -> Item | None:
        """The outermost frame of which two nodes are in different repetitions."""
        theirs = {id(frame): k for frame, k in self.turns[target]}
        for frame, k in self.turns[source]:
            if theirs.get(id(frame), k) != k:
                return frame
        return None
