"""One graph of every kind of tape: the same nodes, edges, values, and derivatives that add up."""

import gc
import json
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg
from wengert.compile.api import compile as wg_compile
from wengert.compile.program import Op, Program, Spec
from wengert.errors import ArgumentError, DisconnectedError, TapeReleasedError
from wengert.primitives.registry import REGISTRY
from wengert.show.picture import draw
from wengert.show.sources import graph_of
from wengert.tape.columns import Constant
from wengert.tape.scopes import scope


def diamond(x, y, z):
    h1 = x * y
    h2 = y * z
    h = h1 * h2
    o = np.square(h)
    return o  # noqa: RET504 (the result has a name)


def traced():
    return graph_of(diamond, 3.0, 2.0, 1.0)


def of_a_trace():
    return graph_of(wg.trace(diamond, 3.0, 2.0, 1.0))


def of_nodes():
    t = wg.Tape()
    x, y, z = (wg.ConstantNode(v, t) for v in (3, 2, 1))
    h1 = wg.Multiply(x, y, t)
    h2 = wg.Multiply(y, z, t)
    h = wg.Multiply(h1, h2, t)
    o = wg.Square(h, t)
    t.forward()
    t.backward()
    del h1, h2, h, o
    return graph_of(t)


def of_an_eager_tape():
    t = wg.Tape(eager=True)
    x, y, z = (wg.ConstantNode(v, t) for v in (3, 2, 1))
    o = ((x * y) * (y * z)) ** 2
    t.backward()
    del o
    return graph_of(t)


def of_a_gradient_tape(keep="all"):
    x, y, z = wg.Variable(3.0, name="x"), wg.Variable(2.0, name="y"), wg.Variable(1.0, name="z")
    with wg.GradientTape(persistent=True, keep=keep) as tape:
        o = diamond(x, y, z)
    return graph_of(tape, o)


def of_a_frugal_gradient_tape():
    return of_a_gradient_tape("needed")


def of_an_array():
    x, y, z = (wg.array(v, requires_grad=True) for v in (3.0, 2.0, 1.0))
    return graph_of(diamond(x, y, z))


def of_a_program():
    number = Spec((), np.dtype(float), "python")
    multiply, square = REGISTRY["multiply"], REGISTRY["square"]
    ops = [
        Op(multiply, (0, 1), {}, number),
        Op(multiply, (1, 2), {}, number),
        Op(multiply, (3, 4), {}, number),
        Op(square, (5,), {}, number),
    ]
    program = Program((number,) * 3, tuple(ops), (6,), (), ("x", "y", "z"))
    return graph_of(program, 3.0, 2.0, 1.0)


def of_a_compiled_function():
    return graph_of(wg_compile(diamond), 3.0, 2.0, 1.0)


EVERY = [
    of_a_compiled_function,
    traced,
    of_a_trace,
    of_nodes,
    of_an_eager_tape,
    of_a_gradient_tape,
    of_a_frugal_gradient_tape,
    of_an_array,
    of_a_program,
]


@pytest.mark.parametrize("read", EVERY)
def test_every_kind_of_tape_is_the_same_graph(read):
    graph = read()
    assert [node.is_operation for node in graph.nodes] == [False] * 3 + [True] * 4
    assert [float(node.value) for node in graph.nodes] == [3, 2, 1, 6, 2, 12, 144]
    assert [float(node.adjoint) for node in graph.nodes] == [96, 288, 288, 48, 144, 24, 1]
    assert [(e.source, e.target) for e in graph.edges] == [
        (0, 3), (1, 3), (1, 4), (2, 4), (3, 5), (4, 5), (5, 6),
    ]  # fmt: skip
    assert [node.id for node in graph.targets] == [6]
    assert {node.operation.lower() for node in graph.nodes} == {"", "multiply", "square"}
    assert all(node.shape == () for node in graph.nodes)


@pytest.mark.parametrize("read", EVERY)
def test_what_the_edges_pass_back_adds_up_to_the_adjoint(read):
    graph = read()
    for node in graph.nodes[:-1]:
        parts = [graph.local(edge).contribution for edge in graph.out_of(node.id)]
        assert sum(map(float, parts)) == float(node.adjoint)
    h_to_o = graph.local(graph.into(6)[0])
    assert float(h_to_o.value) == 24


@pytest.mark.parametrize("read", [traced, of_nodes, of_a_gradient_tape, of_a_program])
def test_names_are_those_of_the_inputs(read):
    assert [node.name for node in read().nodes[:3]] == ["x", "y", "z"]


@pytest.mark.parametrize(
    "read", [traced, of_a_trace, of_nodes, of_a_gradient_tape, of_a_compiled_function]
)
def test_names_are_those_of_the_user_s_variables(read):
    graph = read()
    assert [node.name for node in graph.nodes[3:6]] == ["h1", "h2", "h"]
    assert graph.local(graph.into(6)[0]).formula == "2*h"


@pytest.mark.parametrize("read", [traced, of_nodes, of_a_gradient_tape])
def test_operations_know_the_user_s_line(read):
    assert read().nodes[3].line.text.startswith("h1 = ")


@pytest.mark.parametrize("read", EVERY)
def test_every_kind_of_tape_is_drawn(read):
    picture = draw(read(), diagnose=True)
    shown = {text.text for text in picture.scene.texts}
    assert {"144", "288", "24"} <= shown
    assert picture.marks == []


@pytest.mark.parametrize("read", EVERY)
def test_every_kind_of_tape_is_plain_data(read):
    data = json.loads(json.dumps(read().to_dict()))
    assert len(data["nodes"]) == 7
    assert data["nodes"][0]["adjoint"] == 96.0


def test_arrays_and_rules_in_words_add_up_too():
    rng = np.random.default_rng(0)

    def f(W, x, y):
        h = np.tanh(W @ x)
        h[0] = x[1] * 2.0
        w, v = np.linalg.eigh(W + W.T)
        return np.sum((h - y) ** 2) + np.max(w) + np.sum(v[0] * x)

    W = rng.standard_normal((3, 3))
    graph = graph_of(f, W, rng.standard_normal(3), rng.standard_normal(3))
    checked = 0
    for node in graph.nodes:
        uses = [e for e in graph.out_of(node.id) if e.is_differentiable]
        parts = [graph.local(e).contribution for e in uses]
        if node.adjoint is None or not uses or any(part is None for part in parts):
            continue
        assert_allclose(sum(parts), node.adjoint, rtol=1e-12, atol=1e-12)
        checked += 1
    assert checked > 10


def test_a_user_s_own_node_tells_what_it_passes_back():
    class Cube(wg.CompNode):
        def __init__(self, x, tape):
            self.x = x
            super().__init__(tape)

        def forward(self):
            self.output = self.x.output**3

        def backward(self):
            self.x.add_gradient(3 * self.x.output**2 * self.gradient)

    t = wg.Tape()
    x = wg.ConstantNode(2.0, t)
    y = Cube(x, t)
    wg.Square(y, t)
    t.forward()
    t.backward()
    graph = graph_of(t)
    local = graph.local(graph.into(1)[0])
    assert (float(local.value), float(local.contribution)) == (12.0, 192.0)
    assert (x.gradient, y.gradient) == (192.0, 16.0)  # looking changes nothing


def test_constants_are_nodes_before_their_use_and_an_array_is_one_node():
    c = np.arange(100.0)
    graph = graph_of(lambda x: np.sum(x * c + c) * 2.0, np.ones(100))
    data = [node for node in graph.nodes if node.kind == "data"]
    assert len(data) == 1
    assert [node.name for node in graph.nodes if node.kind == "constant"] == ["2"]
    assert all(edge.source < edge.target for edge in graph.edges)
    assert not any(e.is_differentiable for e in graph.out_of(data[0].id))


def test_parameters_are_told_from_data():
    def loss(params, x):
        return np.sum(params["w"] * x)

    kinds = [n.kind for n in graph_of(loss, {"w": np.ones(2)}, np.ones(2)).nodes[:2]]
    assert kinds == ["parameter", "data"]
    named = graph_of(lambda w, x: w * x, 1.0, 2.0, parameters=("w",))
    assert [n.kind for n in named.nodes[:2]] == ["parameter", "data"]
    assert [n.kind for n in graph_of(lambda w, x: w * x, 1.0, 2.0).nodes[:2]] == ["input"] * 2


def test_groups_are_calls_and_scopes():
    def layer(x, w):
        return np.tanh(w * x)

    def f(x, w):
        with scope("first"):
            h = layer(x, w)
        return layer(h, w) + 1.0

    graph = graph_of(f, 1.0, 2.0)
    paths = [
        [graph.groups[g].name for g in graph.path(node.group)]
        for node in graph.nodes
        if node.is_operation
    ]
    assert paths == [["first", "layer"]] * 2 + [["layer"]] * 2 + [[]]
    assert graph.nodes[2].group != graph.nodes[4].group


def test_calls_are_groups_of_the_article_s_nodes():
    def neuron(x, w):
        return wg.Sigmoid(x * w)

    t = wg.Tape()
    x, w = wg.ConstantNode(2.0, t), wg.ConstantNode(3.0, t)
    with scope("layer"):
        h = neuron(x, w)
    o = neuron(h, w) + x
    t.forward()
    wg.Square(o, t)  # of no call that is known any more
    t.forward()
    graph = graph_of(t)
    paths = [[graph.groups[g].name for g in graph.path(n.group)] for n in graph.nodes]
    assert paths == [[], [], *[["layer", "neuron"]] * 2, *[["neuron"]] * 2, [], []]
    assert len(graph.groups) == 4


def test_calls_are_groups_of_a_gradient_tape_that_keeps_all():
    def square(y):
        return y * y

    v = wg.Variable(2.0)
    with wg.GradientTape(keep="all") as tape:
        with scope("layer"):
            h = square(v)
        y = square(h) + 1.0
    graph = graph_of(tape, y)
    paths = [[graph.groups[g].name for g in graph.path(n.group)] for n in graph.nodes]
    operations = [p for p, n in zip(paths, graph.nodes, strict=True) if n.is_operation]
    assert operations == [["layer", "square"], ["square"], []]


def test_neither_nodes_nor_gradient_tapes_keep_what_calls_held():
    class Big:
        pass

    def hold(make):
        held = Big()
        kept.append(weakref.ref(held))
        return make()

    kept = []
    t = wg.Tape()
    x = wg.ConstantNode(2.0, t)
    hold(lambda: x * x)
    t.forward()
    v = wg.Variable(2.0)
    with wg.GradientTape(persistent=True, keep="all") as tape:
        y = hold(lambda: v * v)
    gc.collect()
    assert [reference() for reference in kept] == [None, None]
    assert tape.gradient(y, v) == 4.0


def test_scopes_reach_the_article_s_nodes_and_gradient_tapes():
    t = wg.Tape()
    with scope("outer"):
        x = wg.ConstantNode(2.0, t)
        with scope("inner"):
            x * x
    t.forward()
    graph = graph_of(t)
    assert [graph.groups[g].name for g in graph.path(graph.nodes[-1].group)] == ["outer", "inner"]

    v = wg.Variable(2.0)
    with wg.GradientTape(keep="all") as tape, scope("outer"):
        y = v * v
    graph = graph_of(tape, y)
    assert [graph.groups[g].name for g in graph.path(graph.nodes[-1].group)] == ["outer"]


def test_a_scope_decorates_a_function_and_may_be_nested_in_itself():
    @scope("block")
    def f(x, depth):
        return f(x * 2.0, depth - 1) if depth else x

    graph = graph_of(lambda x: f(x, 3) + 1.0, 1.0)
    deepest = max((graph.path(n.group) for n in graph.nodes), key=len)
    assert [graph.groups[g].name for g in deepest].count("block") == 3


@pytest.mark.parametrize("name", ["", 3, None])
def test_a_scope_has_a_name(name):
    with pytest.raises(ArgumentError, match="scope was given"):
        scope(name)


def test_a_scope_ends_when_an_error_leaves_it():
    def f(x):
        try:
            with scope("fails"):
                raise KeyError("x")
        except KeyError:
            pass
        return x * x

    assert graph_of(f, 2.0).nodes[-1].group == 0


def test_what_influences_what():
    graph = traced()
    assert graph.depends_on(3) == {0, 1}
    assert graph.influences(2) == {4, 5, 6}


def test_a_gradient_tape_keeps_constants_only_if_it_keeps_all():
    v = wg.Variable(2.0, name="v")
    texts = {}
    for keep in ("all", "needed"):
        with wg.GradientTape(persistent=True, keep=keep) as tape:
            y = v + 5.0
        texts[keep] = graph_of(tape, y).nodes[-1].expression
        assert tape.gradient(y, v) == 1.0
    assert texts == {"all": "add(v, 5)", "needed": "add(v, ?)"}


def test_looking_at_a_gradient_tape_leaves_it_to_be_differentiated():
    v = wg.Variable(3.0)
    with wg.GradientTape(keep="all") as tape:
        y = v * v
    tape.draw(y)
    assert tape.gradient(y, v) == 6.0
    with pytest.raises(TapeReleasedError):
        tape.draw(y)


def test_a_gradient_tape_that_writes_into_arrays_keeps_each_state():
    v = wg.Variable(3.0)
    with wg.GradientTape(keep="all") as tape:
        a = np.zeros(2)
        a[0] = v
        a[1] = v * v
        y = np.sum(a)
    values = [n.value.tolist() for n in graph_of(tape, y).nodes if n.operation == "write"]
    assert values == [[3.0, 0.0], [3.0, 9.0]]


def test_what_is_no_tape_is_an_error():
    with pytest.raises(ArgumentError, match="no tape and no function"):
        graph_of(3.0)
    with pytest.raises(ArgumentError, match="without the target"):
        graph_of(wg.GradientTape())
    with pytest.raises(DisconnectedError, match="requires_grad"):
        graph_of(wg.array(3.0))
    with pytest.raises(ArgumentError, match="'needed' nor 'all'"):
        wg.GradientTape(keep="some")


def test_a_program_without_arguments_has_no_values():
    number = Spec((2,), np.dtype(float), "array")
    program = Program(
        (number,), (Op(REGISTRY["multiply"], (0, Constant(2.0)), {}, number),), (1,), (), ()
    )
    graph = graph_of(program)
    assert graph.nodes[-1].value is None
    assert graph.nodes[-1].shape == (2,)
    assert "float64[2]" in {text.text for text in draw(program).scene.texts}
    with pytest.raises(ArgumentError, match="1 inputs, but 2"):
        graph_of(program, 1.0, 2.0)


def test_recording_lets_go_of_the_frames_of_the_user():
    import gc
    import weakref

    class Held:
        pass

    found = []

    def f(x):
        held = Held()
        found.append(weakref.ref(held))
        return x * 2.0

    traced = wg.trace(f, 1.0)
    gc.collect()
    assert found[0]() is None
    assert len(traced) == 2
