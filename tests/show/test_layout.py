"""Layered layout: columns, order, heights; no line meets a box that is not its own."""

import itertools

import numpy as np
import pytest

from wengert.show.layout import SPACE, Box, Link, layered
from wengert.show.lines import Step, commands, straightened


def random_graph(seed, count=30, most=3):
    rng = np.random.default_rng(seed)
    boxes = [Box(*rng.uniform((10, 10), (120, 50))) for _ in range(count)]
    links = [
        Link(int(source), target)
        for target in range(1, count)
        for source in rng.integers(max(0, target - 12), target, rng.integers(0, most + 1))
    ]
    return boxes, links


def points_of(steps, count=40):
    """Points along a line, as it is drawn."""
    x, y = steps[0].x, steps[0].y
    for letter, numbers in commands(steps):
        if letter == "M":
            continue
        *controls, end = list(zip(numbers[::2], numbers[1::2], strict=True))
        curve = [(x, y), *controls, end]
        for t in np.linspace(0, 1, count):
            level = curve
            while len(level) > 1:
                level = [
                    (a + t * (c - a), b + t * (d - b))
                    for (a, b), (c, d) in itertools.pairwise(level)
                ]
            yield level[0]
        x, y = end


def rectangles(layout, boxes):
    return [
        (x, y, x + b.width, y + b.height) for (x, y), b in zip(layout.corners, boxes, strict=True)
    ]


@pytest.mark.parametrize("widest", [float("inf"), 700.0])
@pytest.mark.parametrize("seed", range(8))
def test_boxes_do_not_overlap_and_lines_meet_no_other_box(seed, widest):
    boxes, links = random_graph(seed)
    layout = layered(boxes, links, widest=widest)
    placed = rectangles(layout, boxes)
    for (a, b, c, d), (e, f, g, h) in itertools.combinations(placed, 2):
        assert a >= g or e >= c or b >= h or f >= d
    for link, route in zip(links, layout.routes, strict=True):
        for x, y in points_of(route):
            inside = [
                k
                for k, (left, top, right, bottom) in enumerate(placed)
                if left < x < right and top < y < bottom
            ]
            assert set(inside) <= {link.source, link.target}


@pytest.mark.parametrize("seed", range(8))
def test_all_is_within_the_size_given(seed):
    boxes, links = random_graph(seed)
    layout = layered(boxes, links, widest=600.0)
    xs, ys = zip(*(p for route in layout.routes for p in points_of(route)), strict=True)
    right = max(x for _, _, x, _ in rectangles(layout, boxes))
    bottom = max(y for _, _, _, y in rectangles(layout, boxes))
    assert min(xs) >= 0
    assert max(*xs, right) <= layout.width + 1e-9
    assert max(*ys, bottom) <= layout.height + 1e-9
    assert min(ys) >= -1e-9


def test_lines_start_at_their_boxes_or_at_lines_from_there_and_end_at_their_boxes():
    boxes, links = random_graph(3)
    layout = layered(boxes, links)
    placed = rectangles(layout, boxes)
    drawn = {}
    for link, route in zip(links, layout.routes, strict=True):
        _, top, right, bottom = placed[link.source]
        start = (route[0].x, route[0].y)
        is_at_box = start[0] == right and top <= start[1] <= bottom
        assert is_at_box or start in drawn[link.source]
        drawn.setdefault(link.source, set()).update((s.x, s.y) for s in route)
        left, top, _, bottom = placed[link.target]
        assert route[-1].x == left
        assert top <= route[-1].y <= bottom


def test_a_tree_has_no_crossing_whatever_the_order_of_its_boxes():
    # Eight leaves, in an order in which neighbours do not belong together.
    leaves = [0, 4, 2, 6, 1, 5, 3, 7]
    links = [Link(leaf, 8 + k // 2) for k, leaf in enumerate(leaves)]
    links += [Link(8, 12), Link(10, 12), Link(9, 13), Link(11, 13), Link(12, 14), Link(13, 14)]
    boxes = [Box(20, 20)] * 15
    layout = layered(boxes, links)
    columns = {}
    for link in links:
        start, end = layout.corners[link.source], layout.corners[link.target]
        columns.setdefault(start[0], []).append((start[1], end[1]))
    for ends in columns.values():
        ordered = [end for _, end in sorted(ends)]
        assert ordered == sorted(ordered)


def test_a_long_line_passes_between_boxes():
    boxes = [Box(20, 20)] * 4
    links = [Link(0, 1), Link(1, 2), Link(2, 3), Link(0, 3)]
    layout = layered(boxes, links)
    heights = {y for x, y in points_of(layout.routes[3]) if 40 < x < 100}
    _, top, _, bottom = rectangles(layout, boxes)[1]
    assert all(y <= top or y >= bottom for y in heights)


def test_what_each_step_of_a_loop_takes_stands_beside_the_step():
    """Of a recurrent network: xs -> x[t], then u @ x[t], then h = cell(h, u @ x[t])."""
    boxes, links = [Box(40, 30), Box(40, 30), Box(40, 30)], []  # xs, u, h
    h = 2
    for _ in range(12):
        x, product, cell = (len(boxes) + k for k in range(3))
        boxes += [Box(40, 30)] * 3
        links += [Link(0, x), Link(1, product), Link(x, product), Link(h, cell)]
        links += [Link(product, cell)]
        h = cell
    layout = layered(boxes, links)
    lefts = [x for x, _ in layout.corners]
    for cell in range(5, len(boxes), 3):
        assert 0 < lefts[cell] - lefts[cell - 1] < 150


def test_a_wide_drawing_goes_on_in_rows():
    boxes = [Box(100, 20)] * 20
    links = [Link(k, k + 1) for k in range(19)]
    one, many = layered(boxes, links), layered(boxes, links, widest=600.0)
    assert one.height == 20
    assert many.width < 800
    assert many.height > 5 * 20
    assert [x for x, _ in many.corners[:3]] == sorted(x for x, _ in many.corners[:3])


def test_first_and_last_boxes_stand_alone_in_their_columns():
    boxes = [Box(0, 10), Box(30, 30), Box(30, 30), Box(0, 10)]
    links = [Link(0, 2), Link(1, 2), Link(2, 3)]
    layout = layered(boxes, links, first=[0], last=[3])
    xs = [x for x, _ in layout.corners]
    assert xs[0] < xs[1] < xs[2] < xs[3]


def test_neighbours_keep_their_distance():
    boxes = [Box(20, 20)] * 5 + [Box(20, 20)]
    layout = layered(boxes, [Link(k, 5) for k in range(5)])
    ys = sorted(y for _, y in layout.corners[:5])
    assert min(np.diff(ys)) >= 20 + SPACE - 1e-9


def test_level_pieces_are_joined():
    steps = [Step(0, 5), Step(10, 5), Step(20, 5), Step(30, 9, True), Step(40, 9)]
    assert straightened(steps) == [Step(0, 5), Step(20, 5), Step(30, 9, True), Step(40, 9)]


def test_an_empty_layout_has_no_size():
    assert layered([], []) == ([], [], 0.0, 0.0)
