"""Marks: where NaN begin, inputs that do not count, zero adjoints, lost digits."""

import numpy as np
import pytest

import wengert as wg
from wengert.show.diagnose import diagnosed
from wengert.show.picture import draw
from wengert.show.sources import graph_of


def marks(f, *args):
    with np.errstate(all="ignore"):
        graph = graph_of(f, *args)
    return {(graph.nodes[m.node].name, m.kind): m.text for m in diagnosed(graph)}


def test_a_sound_tape_has_no_marks():
    assert marks(lambda x, y: np.sin(x) * y, 0.3, 2.0) == {}


def test_nan_is_marked_where_it_begins_and_not_where_it_goes():
    def f(x):
        bad = np.log(x)
        worse = bad + 1.0
        return worse * 2.0

    found = marks(f, -1.0)
    assert ("bad", "nan") in found
    assert not any(name == "worse" for name, _ in found)


def test_an_infinite_derivative_is_marked_where_it_is_made():
    def f(x):
        root = np.sqrt(x)
        return root * 3.0

    assert marks(f, 0.0) == {("root", "inf"): "passes back inf"}


def test_a_nan_that_comes_in_is_the_input_s():
    assert ("x", "nan") in marks(lambda x: x * 2.0, np.nan)


def test_an_input_without_influence_is_marked():
    found = marks(lambda x, y: x * 2.0, 1.0, 2.0)
    assert found == {("y", "disconnected"): "does not reach the target"}


def test_an_adjoint_that_becomes_zero_is_marked_where_it_does():
    def f(x):
        before = x * 2.0
        return np.maximum(before, 0.0) * 3.0

    found = marks(f, -1.0)
    assert found == {("before", "zero"): "adjoint is zero"}


@pytest.mark.parametrize(("dtype", "digits"), [(np.float64, 16), (np.float32, 7)])
def test_a_difference_of_nearly_equal_numbers_is_marked(dtype, digits):
    def f(x):
        close = (1.0 + x) - 1.0
        return close * 1.0

    small = dtype(1e-10 if digits == 16 else 1e-5)
    found = marks(f, np.full(3, small))
    assert found["close", "precision"].endswith(f"of {digits} digits")


def test_an_exact_zero_has_lost_nothing():
    assert marks(lambda x: (x - x) + 1.0 * x, 2.0) == {}


def test_the_article_s_tape_is_diagnosed_too():
    t = wg.Tape()
    x, unused = wg.ConstantNode(-1.0, t), wg.ConstantNode(2.0, t)
    wg.Square(wg.ReLU(x, t), t)
    t.forward()
    t.backward()
    kinds = {(m.node, m.kind) for m in diagnosed(graph_of(t))}
    assert (t.computations.index(unused), "disconnected") in kinds
    assert any(kind == "zero" for _, kind in kinds)


def test_a_tape_that_was_not_swept_has_no_marks_of_adjoints():
    t = wg.Tape()
    wg.Square(wg.ConstantNode(-1.0, t), t)
    t.forward()
    assert diagnosed(graph_of(t)) == []


def test_marks_are_on_the_picture_only_if_asked_for():
    def f(x, y):
        return x * 2.0

    marked, plain = draw(f, 1.0, 2.0, diagnose=True), draw(f, 1.0, 2.0)
    assert "! does not reach the target" in {t.text for t in marked.scene.texts}
    assert "does not reach the target" not in plain.svg()
    assert "does not reach the target" in marked.dot()
    assert any(shape.is_marked for shape in marked.scene.shapes)
