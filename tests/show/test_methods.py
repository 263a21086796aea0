"""Every view of every kind of tape: what works, and what says why it does not."""

import gc
import weakref

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError, UnsavedCallError
from wengert.show.sources import graph_of


def f(x, y):
    h = x * y
    return np.sin(h) + y


def gradient_tape():
    x, y = wg.Variable(3.0), wg.Variable(2.0)
    with wg.GradientTape(persistent=True) as tape:
        target = f(x, y)
    return tape, target


def nodes():
    t = wg.Tape()
    x, y = wg.ConstantNode(3.0, t), wg.ConstantNode(2.0, t)
    wg.Add(wg.Sin(wg.Multiply(x, y, t), t), y, t)
    t.forward()
    t.backward()
    return (t,)


def compiled():
    return wg.compile(f), 3.0, 2.0


def loaded(folder):
    made = wg.compile(f)
    made(3.0, 2.0)
    made.save(folder / "f.wg")
    return wg.load(folder / "f.wg"), 3.0, 2.0


def program():
    found, inputs = wg.compile(f).program(3.0, 2.0)
    return found, *inputs


def array():
    x, y = (wg.array(v, requires_grad=True) for v in (3.0, 2.0))
    return (f(x, y),)


KINDS = {
    "function": lambda folder: (f, 3.0, 2.0),
    "trace": lambda folder: (wg.trace(f, 3.0, 2.0),),
    "GradientTape": lambda folder: gradient_tape(),
    "nodes": lambda folder: nodes(),
    "compiled": lambda folder: compiled(),
    "loaded": loaded,
    "program": lambda folder: program(),
    "array": lambda folder: array(),
}
WITH_METHODS = [kind for kind in KINDS if kind not in ("function", "array")]
WITHOUT_PROFILE = ("GradientTape", "loaded", "program", "array")
ADJOINT = f"{2 * np.cos(6.0):.5g}"  # of x


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def test_it_is_drawn(kind, tmp_path):
    assert f">{ADJOINT}<" in wg.draw(*KINDS[kind](tmp_path)).svg()


def test_it_is_explained(kind, tmp_path):
    assert "cos(" in str(wg.explain(*KINDS[kind](tmp_path)))


def test_it_is_played(kind, tmp_path):
    page = wg.player(*KINDS[kind](tmp_path), path=tmp_path / "page.html")
    assert "<!doctype html>" in page.read_text(encoding="utf-8")


def test_it_is_profiled_or_says_why_not(kind, tmp_path):
    arguments = KINDS[kind](tmp_path)
    if kind in WITHOUT_PROFILE:
        with pytest.raises(ArgumentError, match=r"(?s)keeps too little.*wg\.profile\(function"):
            wg.profile(*arguments)
    else:
        assert len(wg.profile(*arguments, repeats=1).costs) == 3


@pytest.mark.parametrize("kind", WITH_METHODS)
def test_the_views_are_methods(kind, tmp_path):
    tape, *rest = KINDS[kind](tmp_path)
    assert tape.draw(*rest).svg() == wg.draw(tape, *rest).svg()
    assert "backward" in str(tape.log(*rest))
    assert tape.player(tmp_path / "page.html", *rest).exists()


def test_a_compiled_function_tells_its_program():
    found, inputs = wg.compile(f).program(3.0, 2.0)
    assert [op.primitive.name for op in found.ops] == ["multiply", "sin", "add"]
    assert inputs == [3.0, 2.0]


def test_a_call_that_is_not_in_the_file_has_no_program(tmp_path):
    tape, *_ = loaded(tmp_path)
    with pytest.raises(UnsavedCallError, match="holds no program"):
        tape.draw(np.ones(3), 2.0)


def test_a_gradient_tape_says_how_to_look_at_it():
    tape, target = gradient_tape()
    assert "tape.log(target)" in repr(tape)
    assert "multiply" in str(tape.log(target))


def grouped(x):
    def square(y):
        return y * y

    with wg.scope("first"):
        h = square(x) + 1.0
    return square(np.sin(h)) * 2.0


def groups_of_node(graph, node):
    """Names of the groups around a node, the outermost first."""
    return [graph.groups[k].name for k in graph.path(node.group)]


@pytest.mark.parametrize("kind", ["trace", "compiled", "program"])
def test_calls_and_scopes_are_groups_in_every_view_of_a_function(kind):
    if kind == "trace":
        graph = graph_of(grouped, 2.0)
    else:
        compiled = wg.compile(grouped)
        found, inputs = compiled.program(2.0)
        graph = graph_of(compiled, 2.0) if kind == "compiled" else graph_of(found, *inputs)
    outer = [
        (node.operation, *groups_of_node(graph, node)) for node in graph.nodes if node.is_operation
    ]
    assert outer == [
        ("multiply", "first", "square"),
        ("add", "first"),
        ("sin",),
        ("multiply", "square"),
        ("multiply",),
    ]


def test_a_program_keeps_no_frame_of_the_user():
    class Big:
        pass

    def f(x):
        held = Big()
        kept.append(weakref.ref(held))
        return x * x

    kept = []
    compiled = wg.compile(f)
    compiled(3.0)
    gc.collect()
    assert kept
    assert [reference() for reference in kept] == [None] * len(kept)
