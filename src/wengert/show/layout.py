"""Layered layout of boxes and links, left to right, so that no line meets a box or a label.

Sugiyama's method [1]_: a column for each box (`ranks.py`), dummies where a link passes through a
column, an order in each column with few crossings, then heights: of least squared distance under
the order, solved exactly in each column by pooling adjacent violators [2]_. All curves lie between
columns, and share one shape, so two of them cross only where their ends are in opposite order. The
one difficulty is width: what is wider than a page goes on in the next row.
"""
# .. [1] K. Sugiyama, S. Tagawa, M. Toda, IEEE Trans. Systems, Man, and Cybernetics 11(2), 1981.
# .. [2] M. J. Best, N. Chakravarti, Mathematical Programming 47, 1990.

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from wengert.show.lines import Step
from wengert.show.ranks import ranked

SPACE = 16.0  # between boxes of a column
LANE = 10.0  # between lines that pass
CHANNEL = 26.0  # between columns, at least
SLACK = 1.25  # of the width wanted, before a drawing goes on in a further row
_ROUNDS = 12  # of ordering; a few are enough, and the best is kept


class Box(NamedTuple):
    """What is to be placed.

    Attributes
    ----------
    width, height : float
        Its size.
    inputs : tuple of float or None
        Heights, from its top, where links end; None where they may end anywhere near `middle`.
    outputs : tuple of float
        Heights where links start; empty: one, at `middle`.
    middle : float or None
        Where the wire of a plain box is; None: half its height.
    """

    width: float
    height: float
    inputs: tuple[float, ...] | None = None
    outputs: tuple[float, ...] = ()
    middle: float | None = None

    @property
    def centre(self) -> float:
        return self.height / 2 if self.middle is None else self.middle


class Link(NamedTuple):
    """A line from an output of one box to an input of another; -1 for any input."""

    source: int
    target: int
    output: int = 0
    input: int = -1


class Layout(NamedTuple):
    """Where everything is.

    Attributes
    ----------
    corners : list of (float, float)
        Top left of each box.
    routes : list of list of Step
        Each link as a line, from where it leaves those of earlier links from the same output.
    width, height : float
        Of all of it.
    """

    corners: list[tuple[float, float]]
    routes: list[list[Step]]
    width: float
    height: float


def layered(
    boxes: Sequence[Box],
    links: Sequence[Link],
    first: Collection[int] = (),
    last: Collection[int] = (),
    *,
    left: Collection[int] = (),
    widest: float = float("inf"),
) -> Layout:
    """Place boxes so that links lead from left to right.

    Parameters
    ----------
    boxes : sequence of Box
        In an order in which every link leads forwards.
    links : sequence of Link
        A link that leads backwards is an error of the caller.
    first, last : collection of int
        Boxes that belong in the first and in the last column, and nothing beside them.
    left : collection of int
        Boxes without links to them that stay left in a short drawing.
    widest : float
        Columns beyond this width go on in a further row.

    Returns
    -------
    Layout
        No two boxes overlap, and no link meets a box other than its own.
    """
    if not boxes:
        return Layout([], [], 0.0, 0.0)
    ends = [(link.source, link.target) for link in links]
    ranks = ranked(len(boxes), ends, set(first), set(last), set(left))
    net = _Net(boxes, links, ranks)
    net.order()
    net.align()
    return net.drawn(widest)


class _Vertex:
    """A box, or the place where lines from one output pass through a column."""

    __slots__ = ("above", "below", "box", "into", "out", "place", "rank", "weight", "y")

    def __init__(self, rank: int, box: int, above: float, below: float, weight: float):
        self.rank, self.box, self.weight = rank, box, weight
        self.above, self.below = above, below  # what it takes, from the height that it is known by
        self.into: list[tuple[_Vertex, float, float]] = []  # neighbour, its offset, own offset
        self.out: list[tuple[_Vertex, float, float]] = []
        self.place = 0
        self.y = 0.0


class _Net:
    """Boxes and dummies in columns."""

    def __init__(self, boxes: Sequence[Box], links: Sequence[Link], ranks: Sequence[int]):
        self.boxes, self.links = boxes, links
        self.columns: list[list[_Vertex]] = [[] for _ in range(max(ranks) + 1)]
        self.vertices: list[_Vertex] = []
        for k, box in enumerate(boxes):
            centre = box.centre
            vertex = _Vertex(ranks[k], k, centre, box.height - centre, 1.0)
            self.vertices.append(vertex)
            self.columns[ranks[k]].append(vertex)
        self._dummies: dict[tuple[int, int], list[_Vertex]] = defaultdict(list)
        self._joined: set[tuple[int, int, float, float]] = set()
        self.chains = [self._chain(link) for link in links]

    def _chain(self, link: Link) -> list[_Vertex]:
        """The vertices that a link passes, from where it leaves those of earlier links."""
        source, target = self.vertices[link.source], self.vertices[link.target]
        leaves = self._output(link)
        # Links from one output share their dummies, so that they are one line as far as they can.
        shared = self._dummies[link.source, link.output]
        start = min(len(shared), target.rank - source.rank - 1)
        chain = [shared[start - 1] if start else source]
        for rank in range(source.rank + 1 + start, target.rank):
            dummy = _Vertex(rank, -1, LANE / 2, LANE / 2, 3.0)
            self.columns[rank].append(dummy)
            shared.append(dummy)
            chain.append(dummy)
        chain.append(target)
        for left, right in pairwise(chain):
            begin = leaves if left is source else 0.0
            end = self._input(link) if right is target else 0.0
            joint = (id(left), id(right), begin, end)
            if joint not in self._joined:
                self._joined.add(joint)
                left.out.append((right, end, begin))
                right.into.append((left, begin, end))
        return chain

    def _output(self, link: Link) -> float:
        """Where a link starts, from the height that its source is known by."""
        box = self.boxes[link.source]
        return box.outputs[link.output] - box.centre if box.outputs else 0.0

    def _input(self, link: Link) -> float:
        box = self.boxes[link.target]
        return box.inputs[link.input] - box.centre if box.inputs and link.input >= 0 else 0.0

    # ------------------------------------------------------------------------------------ order

    def order(self) -> None:
        """Order each column so that few lines cross."""
        self._number()
        best, fewest = self._state(), self._crossings()
        starts = [best]
        size = sum(map(len, self.columns))
        if fewest:
            self._order_by_depth()
            starts.append(self._state())
        for start in starts:
            self._restore(start)
            for k in range(_ROUNDS if size < 1000 else 4):
                if not fewest:
                    break
                self._sweep(forwards=k % 2 == 0)
                if size < 3000:
                    self._transpose()
                count = self._crossings()
                if count < fewest:
                    best, fewest = self._state(), count
        self._restore(best)

    def _number(self) -> None:
        for column in self.columns:
            for k, vertex in enumerate(column):
                vertex.place = k

    def _state(self) -> list[list[_Vertex]]:
        return [list(column) for column in self.columns]

    def _restore(self, state: list[list[_Vertex]]) -> None:
        self.columns = [list(column) for column in state]
        self._number()

    def _order_by_depth(self) -> None:
        """Order each column as a walk backwards from the last column comes upon its vertices."""
        seen: dict[int, int] = {}
        for vertex in reversed([v for column in self.columns for v in column]):
            waiting = [vertex]
            while waiting:
                found = waiting.pop()
                if id(found) not in seen:
                    seen[id(found)] = len(seen)
                    waiting += [left for left, _, _ in reversed(found.into)]
        for column in self.columns:
            column.sort(key=lambda vertex: seen[id(vertex)])
        self._number()

    def _sweep(self, forwards: bool) -> None:
        """Order each column by the mean place of its neighbours in the column before."""
        columns = self.columns[1:] if forwards else self.columns[-2::-1]
        for column in columns:
            for vertex in column:
                joints = vertex.into if forwards else vertex.out
                if joints:
                    # Offsets are below 1 in places, so that lines from one box keep their order.
                    places = [other.place + _fraction(other, offset) for other, offset, _ in joints]
                    vertex.y = sum(places) / len(places)
                else:
                    vertex.y = float(vertex.place)
            column.sort(key=lambda vertex: vertex.y)
            for k, vertex in enumerate(column):
                vertex.place = k

    def _transpose(self) -> None:
        """Swap neighbours in a column where fewer lines cross that way."""
        for _ in range(4):
            is_better = False
            for column in self.columns:
                if len(column) > 200:  # the work grows with the square
                    continue
                for k in range(len(column) - 1):
                    upper, lower = column[k], column[k + 1]
                    if _pair_crossings(upper, lower) > _pair_crossings(lower, upper):
                        column[k], column[k + 1] = lower, upper
                        lower.place, upper.place = k, k + 1
                        is_better = True
            if not is_better:
                return

    def _crossings(self) -> int:
        total = 0
        for column in self.columns[:-1]:
            ends: list[tuple[float, float]] = []
            for vertex in column:
                start = float(vertex.place)
                ends += [
                    (start + _fraction(vertex, own), right.place + _fraction(right, offset))
                    for right, offset, own in vertex.out
                ]
            total += _inversions([end for _, end in sorted(ends)])
        return total

    # ---------------------------------------------------------------------------------- heights

    def align(self) -> None:
        """Give each vertex a height: near its neighbours, in the order of its column."""
        for column in self.columns:
            y = 0.0
            for before, vertex in zip([None, *column], column, strict=False):
                y = 0.0 if before is None else before.y + _apart(before, vertex)
                vertex.y = y
        rounds = 40 if len(self.vertices) < 300 else 10
        for k in range(rounds):
            columns = self.columns[1:] if k % 2 == 0 else self.columns[-2::-1]
            sides = "into" if k % 2 == 0 else "out"
            for column in columns:
                self._settle(column, sides if k < 6 else "both")
        self._straighten()
        top = min(v.y - v.above for column in self.columns for v in column)
        for column in self.columns:
            for vertex in column:
                vertex.y -= top

    def _straighten(self) -> None:
        """Make lines level that lack little: on from a box that leads to one only, and dummies."""
        for column in self.columns[1:]:
            for k, vertex in enumerate(column):
                if len(vertex.into) != 1:
                    continue
                other, offset, own = vertex.into[0]
                if len(other.out) > 1 and not (vertex.box < 0 and other.box < 0):
                    continue
                wanted = other.y + offset - own
                upper = column[k - 1] if k else None
                lower = column[k + 1] if k + 1 < len(column) else None
                is_free = (upper is None or upper.y + _apart(upper, vertex) <= wanted) and (
                    lower is None or wanted + _apart(vertex, lower) <= lower.y
                )
                if is_free:
                    vertex.y = wanted

    def _settle(self, column: list[_Vertex], sides: str) -> None:
        """The heights of one column, given those of its neighbours, with least squared distance."""
        if not column:
            return
        shift, shifts = 0.0, []
        for before, vertex in zip([None, *column], column, strict=False):
            shift += 0.0 if before is None else _apart(before, vertex)
            shifts.append(shift)
        wanted, weights = [], []
        for vertex, moved in zip(column, shifts, strict=True):
            joints = (vertex.into if sides != "out" else []) + (
                vertex.out if sides != "into" else []
            )
            ys = [(other.y + offset - own, other.weight) for other, offset, own in joints]
            weight = sum(w for _, w in ys)
            wanted.append((sum(y * w for y, w in ys) / weight if ys else vertex.y) - moved)
            weights.append(vertex.weight * weight if ys else 0.01)
        for vertex, moved, y in zip(column, shifts, _isotonic(wanted, weights), strict=True):
            vertex.y = y + moved

    # ---------------------------------------------------------------------------------- drawing

    def drawn(self, widest: float) -> Layout:
        """Columns side by side, in as many rows as it takes."""
        widths = [
            max((self.boxes[v.box].width for v in column if v.box >= 0), default=0.0)
            for column in self.columns
        ]
        channels = [self._channel(k) for k in range(len(self.columns) - 1)] + [0.0]
        rows = _rows(widths, channels, widest)
        turns = [self._turning(row[-1]) for row in rows[:-1]]  # lines that go on in the next row
        margin = max((len(turn) for turn in turns), default=0) * LANE
        lefts = [0.0] * len(widths)
        heights = [0.0] * len(widths)  # what is added to the heights in a column
        top, width = 0.0, 0.0
        bottoms: list[float] = []
        for number, row in enumerate(rows):
            x = margin + (LANE if margin else 0.0)
            for k in row:
                lefts[k] = x
                x += widths[k] + channels[k]
            x -= channels[row[-1]]
            width = max(width, x)
            vertices = [v for k in row for v in self.columns[k]]
            highest = min(v.y - v.above for v in vertices)
            for k in row:
                heights[k] = top - highest
            bottom = top + max(v.y + v.below for v in vertices) - highest
            bottoms.append(bottom)
            lanes = len(turns[number]) if number < len(turns) else 0
            top = bottom + (lanes + 2) * LANE + SPACE
        place = _Places(self, lefts, widths, heights, rows, turns, bottoms, width)
        corners = [(place.left_of(v), v.y - v.above + heights[v.rank]) for v in self.vertices]
        routes = place.routes()
        return Layout(corners, routes, width + (margin + LANE if margin else 0.0), bottoms[-1])

    def _channel(self, rank: int) -> float:
        """Width between two columns: more where lines are steep."""
        steepest = max(
            (
                abs(right.y + offset - vertex.y - own)
                for vertex in self.columns[rank]
                for right, offset, own in vertex.out
            ),
            default=0.0,
        )
        sides = (self.columns[rank], self.columns[rank + 1])
        is_side = any(all(v.box < 0 or not self.boxes[v.box].width for v in c) for c in sides)
        return (CHANNEL / 2 if is_side else CHANNEL) + min(0.22 * steepest, 70.0)

    def _turning(self, rank: int) -> list[tuple[_Vertex, float]]:
        """Lines that leave a column to the right, top to bottom: their vertex and offset."""
        found = {(id(v), own): (v, own) for v in self.columns[rank] for _, _, own in v.out}
        return sorted(found.values(), key=lambda line: line[0].y + line[1])


class _Places:
    """Turns chains of vertices into lines."""

    def __init__(
        self,
        net: _Net,
        lefts: list[float],
        widths: list[float],
        heights: list[float],
        rows: list[range],
        turns: list[list[tuple[_Vertex, float]]],
        bottoms: list[float],
        width: float,
    ):
        self.net, self.lefts, self.widths, self.heights = net, lefts, widths, heights
        self.bottoms, self.width = bottoms, width
        self.turns = [{(id(v), own): k for k, (v, own) in enumerate(lines)} for lines in turns]
        self.row_of = {k: number for number, row in enumerate(rows) for k in row}

    def left_of(self, vertex: _Vertex) -> float:
        """Left side of a box: what nothing leads to stands near what it leads to."""
        left = self.lefts[vertex.rank]
        if vertex.into or not vertex.out or vertex.rank == 0:
            return left
        return left + self.widths[vertex.rank] - self.net.boxes[vertex.box].width

    def routes(self) -> list[list[Step]]:
        """The line of each link."""
        ports = self._ports()
        return [
            self._route(link, chain, ports[k])
            for k, (link, chain) in enumerate(zip(self.net.links, self.net.chains, strict=True))
        ]

    def _ports(self) -> list[float]:
        """Where each link ends, from its target's height: in the order in which they arrive."""
        arriving: dict[int, list[int]] = defaultdict(list)
        for k, link in enumerate(self.net.links):
            arriving[link.target].append(k)
        ports = [0.0] * len(self.net.links)
        for target, found in arriving.items():
            box = self.net.boxes[target]
            if box.inputs is not None:
                for k in found:
                    ports[k] = self.net._input(self.net.links[k])
                continue
            found.sort(key=self._arrival)
            step = min(12.0, 2 * min(box.centre, box.height - box.centre, 15.0) / len(found))
            for j, k in enumerate(found):
                ports[k] = (j - (len(found) - 1) / 2) * step
        return ports

    def _arrival(self, k: int) -> tuple[float, int]:
        chain, link = self.net.chains[k], self.net.links[k]
        before = chain[-2]
        return before.y + (self.net._output(link) if len(chain) == 2 else 0.0), k

    def _route(self, link: Link, chain: list[_Vertex], port: float) -> list[Step]:
        source, target = self.net.vertices[link.source], chain[-1]
        steps: list[Step] = []
        for left, right in pairwise(chain):
            offset = self.net._output(link) if left is source else 0.0
            y = left.y + offset + self.heights[left.rank]
            if left is source:
                steps.append(Step(self.left_of(source) + self.net.boxes[link.source].width, y))
            steps.append(Step(self.lefts[left.rank] + self.widths[left.rank], y))
            end = right.y + (port if right is target else 0.0) + self.heights[right.rank]
            if self.row_of[left.rank] != self.row_of[right.rank]:
                steps += self._turn(left, offset, y, end)
            at = self.left_of(right) if right is target else self.lefts[right.rank]
            steps.append(Step(at, end, is_curve=steps[-1].y != end))
        return steps

    def _turn(self, left: _Vertex, offset: float, y: float, end: float) -> list[Step]:
        """Around the end of a row to the start of the next, within lines that turn further in."""
        number = self.row_of[left.rank]
        lines = self.turns[number]
        k = lines[(id(left), offset)]
        inward = len(lines) - k
        right = self.width + inward * LANE
        lane = self.bottoms[number] + inward * LANE + LANE / 2
        x = inward * LANE
        return [Step(right, y), Step(right, lane), Step(x, lane), Step(x, end)]


def _rows(widths: list[float], channels: list[float], widest: float) -> list[range]:
    """Columns in rows of about equal width, where that makes a drawing much narrower."""
    total = sum(widths) + sum(channels)
    whole = [range(len(widths))]
    if total <= SLACK * widest:
        return whole
    share = total / -(-total // widest)  # of each row
    rows: list[range] = []
    start, filled, used = 0, 0.0, 0.0
    for k, width in enumerate(widths):
        if k > start and used + filled + width / 2 > share * (len(rows) + 1):
            rows.append(range(start, k))
            start, used, filled = k, used + filled, 0.0
        filled += width + channels[k]
    rows.append(range(start, len(widths)))
    longest = max(sum(widths[k] + channels[k] for k in row) for row in rows)
    return rows if longest < 0.8 * total else whole


def _apart(upper: _Vertex, lower: _Vertex) -> float:
    """The least distance of two neighbours in a column."""
    space = LANE / 2 if upper.box < 0 or lower.box < 0 else SPACE
    if upper.box < 0 and lower.box < 0:
        space = 0.0
    return upper.below + space + lower.above


def _fraction(vertex: _Vertex, offset: float) -> float:
    """An offset within a vertex as a fraction of a place."""
    return offset / (2.0 * (vertex.above + vertex.below) + 1.0)


def _pair_crossings(upper: _Vertex, lower: _Vertex) -> int:
    """How often lines of two neighbours cross, if the first is above the second."""
    count = 0
    for joints, others in ((upper.into, lower.into), (upper.out, lower.out)):
        ends = [other.place + _fraction(other, offset) for other, offset, _ in joints]
        for other, offset, _ in others:
            end = other.place + _fraction(other, offset)
            count += sum(e > end for e in ends)
    return count


def _inversions(ends: list[float]) -> int:
    """How many pairs are in the wrong order."""
    seen: list[float] = []
    count = 0
    for end in ends:
        place = bisect_right(seen, end)
        count += len(seen) - place
        seen.insert(place, end)
    return count


def _isotonic(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-decreasing sequence nearest to the one wanted, in weighted squares."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for y, w in zip(wanted, weights, strict=True):
        mean, weight, length = y, w, 1
        while blocks and blocks[-1][0] > mean:
            other, heavy, longer = blocks.pop()
            mean = (mean * weight + other * heavy) / (weight + heavy)
            weight, length = weight + heavy, length + longer
        blocks.append((mean, weight, length))
    return [mean for mean, _, length in blocks for _ in range(length)]
