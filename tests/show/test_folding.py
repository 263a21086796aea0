"""What a picture shows: repetitions once, groups as frames and boxes, in as few things as asked."""

import numpy as np
import pytest

from wengert.show.folding import folded
from wengert.show.sources import graph_of
from wengert.tape.scopes import scope


def items(frame):
    for item in frame.items:
        yield item
        yield from items(item)


def cell(h, x, W):
    return np.tanh(W @ h + x)


def rnn(params, xs):
    h = np.zeros(3)
    for t in range(30):
        h = cell(h, xs[t], params["W"])
    return np.sum(h)


@pytest.fixture(scope="module")
def recurrent():
    return graph_of(rnn, {"W": np.eye(3) / 2}, np.ones((30, 3)))


def test_every_node_is_in_one_item_or_written_into_its_operation(recurrent):
    for fold in (True, False, 5, ["cell"]):
        view = folded(recurrent, fold)
        nodes = [k for item in items(view.root) for k in item.nodes]
        written = [constant for _, constant in view.written.values()]
        assert sorted(nodes + written) == list(range(len(recurrent)))


def test_calls_that_repeat_are_one_frame(recurrent):
    view = folded(recurrent, True)
    (frame,) = [item for item in items(view.root) if item.is_frame]
    assert frame.title == "cell \N{MULTIPLICATION SIGN} 30"
    assert all(item.times == 1 or len(item.nodes) == 30 for item in frame.items)


def test_what_one_repetition_gives_to_the_next_goes_around_the_frame(recurrent):
    view = folded(recurrent, True)
    (around,) = [wire for wire in view.wires if wire.around is not None]
    assert around.around.title == "cell \N{MULTIPLICATION SIGN} 30"
    assert around.uses == 29


def test_what_a_loop_starts_from_is_outside_of_its_frame(recurrent):
    view = folded(recurrent, True)
    zeros = next(node.id for node in recurrent.nodes if node.kind == "data" and node.index is None)
    item = next(item for item in items(view.root) if zeros in item.nodes)
    assert item.parent is view.root


def test_without_folding_everything_is_shown(recurrent):
    view = folded(recurrent, False)
    shown = [item for item in items(view.root) if not item.is_frame]
    assert all(len(item.nodes) == 1 for item in shown)
    assert sum(item.is_frame for item in items(view.root)) == 30


def test_named_groups_are_boxes(recurrent):
    view = folded(recurrent, ["cell"])
    boxes = [item for item in items(view.root) if item.is_box]
    assert boxes
    assert all(item.label == "cell" for item in boxes)


def test_a_number_bounds_what_is_shown(recurrent):
    sizes = [folded(recurrent, count).root.size - 1 for count in (6, 15, 1000)]
    assert sizes[0] <= 6
    assert sizes[1] <= 15
    assert sizes[2] > 100


def test_a_loop_without_a_function_is_a_frame_without_name():
    def f(x):
        for _ in range(50):
            x = np.sin(x) * 1.5
        return x

    view = folded(graph_of(f, 1.0))
    (frame,) = [item for item in items(view.root) if item.times == 50 and item.is_frame]
    assert frame.title == "\N{MULTIPLICATION SIGN} 50"


def test_one_operation_that_repeats_is_one_node():
    def f(x):
        for _ in range(100):
            x = np.sin(x)
        return x

    view = folded(graph_of(f, 1.0))
    assert [item.times for item in view.root.items] == [1, 100]
    assert len(view.wires) == 1


def test_loops_within_loops_are_frames_within_frames():
    def f(x):
        for _ in range(10):
            for _ in range(10):
                x = np.sin(x) * 1.5
            x = np.cos(x)
        return x

    view = folded(graph_of(f, 1.0))
    outer = next(item for item in items(view.root) if item.is_frame)
    inner = next(item for item in outer.items if item.is_frame)
    assert (outer.times, inner.times) == (10, 10)
    assert all(len(item.nodes) == 100 for item in inner.items)


def test_layers_of_different_sizes_do_not_repeat_each_other():
    def layer(x, W):
        return np.tanh(x @ W)

    def f(params, x):
        for W in params:
            x = layer(x, W)
        return np.sum(x)

    sizes = [4] * 20 + [6] * 20 + [4]
    rng = np.random.default_rng(0)
    params = [rng.standard_normal((a, b)) for a, b in zip([4, *sizes[:-1]], sizes, strict=True)]
    view = folded(graph_of(f, params, np.ones((2, 4))))
    times = [item.times for item in items(view.root) if item.label == "layer"]
    assert times == [20, 20, 1]


def test_the_parameters_of_layers_that_repeat_are_in_their_frame():
    def layer(x, W, b):
        return np.tanh(x @ W + b)

    def f(params, x):
        for W, b in params:
            x = layer(x, W, b)
        return np.sum(x)

    graph = graph_of(f, [(np.eye(3), np.zeros(3))] * 30, np.ones((2, 3)))
    view = folded(graph)
    (frame,) = [item for item in items(view.root) if item.is_frame]
    kinds = [graph.nodes[item.nodes[0]].kind for item in frame.items]
    assert kinds.count("parameter") == 2
    assert all(item.times == 30 for item in frame.items if item.nodes and item.times > 1)


def test_a_scope_and_its_only_call_are_one_frame():
    def layer(x):
        return np.tanh(x * 2.0)

    def f(x):
        with scope("first"):
            x = layer(x)
        return x + 1.0

    frames = [item.title for item in items(folded(graph_of(f, 1.0)).root) if item.is_frame]
    assert frames == ["first"]


def test_constants_are_written_into_their_operation():
    view = folded(graph_of(lambda x: 2.0 * x + 1.0, 3.0))
    assert len(view.written) == 2
    assert len(list(items(view.root))) == 3


def test_a_generator_that_is_left_and_entered_again_can_be_drawn():
    # Its operations are a group that others run in between of.
    def steps(x):
        for _ in range(3):
            x = x * 1.5
            y = yield np.sin(x)
            x = x + y

    def f(x):
        generator = steps(x)
        y = next(generator)
        for _ in range(2):
            y = generator.send(np.cos(y))
        return y

    from wengert.show.scene import scene_of

    graph = graph_of(f, 0.3)
    for fold in (True, 3):
        assert scene_of(graph, folded(graph, fold)).width > 0
