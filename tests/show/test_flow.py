"""`Flow`: norms, ratios and dead units by group, and what is said about them."""

import io
import sys
import types

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError, MissingExtraError, ShapeError
from wengert.show.flow import Flow, Limits, first_part, sparkline


def params_of(**layers):
    return {name: {"w": np.array(w, float), "b": np.zeros(len(w[0]))} for name, w in layers.items()}


ONE = params_of(first=[[3.0, 0.0], [0.0, 4.0]])


def grads_like(params, w):
    return {name: {"w": np.array(w, float), "b": np.zeros(2)} for name in params}


def test_norms_are_those_of_all_leaves_of_a_group():
    flow = Flow()
    flow.update(
        ONE, {"first": {"w": np.array([[1.0, 2.0], [2.0, 0.0]]), "b": np.array([4.0, 0.0])}}
    )
    (numbers,) = flow.history["first"]
    assert numbers.gradient == pytest.approx(5.0)
    assert numbers.weight == pytest.approx(5.0)
    assert numbers.rms == pytest.approx(5.0 / np.sqrt(6))
    assert np.isnan(numbers.ratio)


def test_the_ratio_is_that_of_the_last_update_to_the_weights_before_it():
    flow = Flow()
    grads = grads_like(ONE, np.ones((2, 2)))
    flow.update(ONE, grads)
    moved = {"first": {"w": ONE["first"]["w"] + [[0.0, 0.3], [0.4, 0.0]], "b": np.zeros(2)}}
    flow.update(moved, grads)
    assert flow.history["first"][1].ratio == pytest.approx(0.5 / 5.0)


def test_updates_that_are_given_count_at_once():
    flow = Flow()
    grads = grads_like(ONE, np.ones((2, 2)))
    flow.update(ONE, grads, updates=grads_like(ONE, np.full((2, 2), -0.05)))
    assert flow.history["first"][0].ratio == pytest.approx(0.1 / 5.0)


def test_parameters_changed_in_place_are_noticed():
    flow = Flow()
    params = {"w": np.ones((2, 2))}
    grads = {"w": np.ones((2, 2))}
    flow.update(params, grads)
    params["w"] -= 0.5
    flow.update(params, grads)
    assert flow.history["w"][1].ratio == pytest.approx(0.5)


# ------------------------------------------------------------------------------------------- groups


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("['layer1']['w']", "layer1"),
        ("[0][1]", "0"),
        (".encoder.weight", "encoder"),
        ("", "parameters"),
    ],
)
def test_a_group_is_the_first_part_of_the_path(path, name):
    assert first_part(path) == name


def test_groups_can_be_chosen():
    flow = Flow(group=lambda path: "biases" if "'b'" in path else "weights")
    flow.update(ONE, grads_like(ONE, np.ones((2, 2))))
    assert set(flow.groups) == {"biases", "weights"}
    single = Flow()
    single.update(np.ones(3), np.ones(3))
    assert single.groups == ("parameters",)


# ----------------------------------------------------------------------------------------- warnings


def run(flow, params, gradients, steps=1):
    """The warnings of so many equal steps."""
    found = []
    for _ in range(steps):
        found += flow.update(params, gradients)
    return found


def test_gradients_that_vanish_are_said_once_after_their_patience():
    params = params_of(first=np.ones((2, 2)), last=np.ones((2, 2)))
    grads = {
        "first": {"w": np.full((2, 2), 1e-9), "b": np.zeros(2)},
        **grads_like(["last"], np.ones((2, 2))),
    }
    flow = Flow(patience=3)
    said = [x for x in run(flow, params, grads, 10) if x.kind == "vanishing"]
    assert [(x.step, x.group) for x in said] == [(2, "first")]
    assert "gradients of first vanish" in str(said[0])
    assert said[0] in flow.warnings


def test_a_suspicion_that_comes_back_is_said_again():
    params = params_of(first=np.ones((2, 2)), last=np.ones((2, 2)))
    fine = grads_like(params, np.ones((2, 2)))
    grads = {"first": {"w": np.full((2, 2), 1e-9), "b": np.zeros(2)}, "last": fine["last"]}
    flow = Flow(patience=1)
    steps = [grads, grads, fine, grads]
    assert [[x.kind for x in flow.update(params, g) if x.kind == "vanishing"] for g in steps] == [
        ["vanishing"], [], [], ["vanishing"],
    ]  # fmt: skip


def test_gradients_that_explode_are_said_at_once():
    flow = Flow()
    ones = grads_like(ONE, np.ones((2, 2)))
    run(flow, ONE, ones, 10)
    assert [x.kind for x in run(flow, ONE, grads_like(ONE, np.full((2, 2), 99.0)))] == []
    (said,) = run(flow, ONE, grads_like(ONE, np.full((2, 2), 101.0)))
    assert said.kind == "exploding"
    assert "usually 2" in said.text


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradients_that_are_not_finite_are_said_at_once(bad):
    (said,) = run(Flow(), ONE, grads_like(ONE, [[bad, 1.0], [1.0, 1.0]]))
    assert said.kind == "exploding"
    assert "nan_origin" in said.text


def test_updates_of_a_wrong_size_are_said_with_their_ratio():
    grads = grads_like(ONE, np.ones((2, 2)))
    for size, kind in ((1e-8, "small updates"), (5.0, "large updates"), (1e-3, None)):
        flow = Flow(patience=2)
        updates = grads_like(ONE, np.full((2, 2), size))
        said = [x for _ in range(3) for x in flow.update(ONE, grads, updates=updates)]
        assert [x.kind for x in said] == ([] if kind is None else [kind])


def test_dead_units_are_those_that_no_gradient_reaches_for_a_while():
    flow = Flow(patience=3)
    half = grads_like(ONE, [[1.0, 0.0], [1.0, 0.0]])
    said = run(flow, ONE, half, 4)
    assert [(x.step, x.kind) for x in said if x.kind == "dead"] == [(2, "dead")]
    assert [numbers.dead for numbers in flow.history["first"]] == [0.0, 0.0, 0.5, 0.5]
    flow.update(ONE, grads_like(ONE, np.ones((2, 2))))
    assert flow.history["first"][-1].dead == 0.0


def test_a_unit_that_learns_its_bias_is_not_dead():
    flow = Flow(patience=1)
    flow.update(ONE, {"first": {"w": np.zeros((2, 2)), "b": np.array([0.0, 1.0])}})
    assert flow.history["first"][0].dead == 0.5


def test_units_can_stand_along_the_first_axis():
    flow = Flow(patience=1, unit_axis=0)
    flow.update({"w": np.ones((4, 2))}, {"w": np.array([[1.0, 0], [0, 0], [0, 0], [0, 0]])})
    assert flow.history["w"][0].dead == 0.75


def test_a_dead_relu_of_a_network_is_found():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 5))
    params = {
        "hidden": {"w": rng.normal(size=(5, 6)), "b": np.array([0.0, 0, 0, -50, -50, -50])},
        "last": {"w": rng.normal(size=(6, 1)), "b": np.zeros(1)},
    }

    def loss(p):
        h = np.maximum(x @ p["hidden"]["w"] + p["hidden"]["b"], 0)
        return np.mean((h @ p["last"]["w"] + p["last"]["b"]) ** 2)

    flow = Flow(patience=2)
    gradient = wg.grad(loss)(params)
    said = [x for x in run(flow, params, gradient, 2) if x.kind == "dead"]
    assert [x.group for x in said] == ["hidden"]
    assert flow.history["hidden"][-1].dead == 0.5


# ------------------------------------------------------------------------------------------ showing


def watched():
    flow = Flow(patience=2)
    params = params_of(first=np.ones((2, 2)), last=np.ones((2, 2)))
    for _ in range(5):
        grads = {
            **grads_like(["first"], np.full((2, 2), 1e-9)),
            **grads_like(["last"], np.ones((2, 2))),
        }
        params = {name: {"w": p["w"] - 0.001, "b": p["b"]} for name, p in params.items()}
        flow.update(params, grads)
    return flow


def test_the_table_has_a_line_for_each_group_and_the_warnings():
    flow = watched()
    head, first, last, *warnings = flow.table().splitlines()
    assert head.split()[0] == "group"
    assert first.startswith("first")
    assert last.startswith("last")
    assert any("vanish" in line for line in warnings)
    assert str(Flow()) == "no step yet"


def test_sparklines_are_logarithmic_and_mark_what_has_no_logarithm():
    assert sparkline([1.0, 10.0, 100.0]) == "▁▅█"
    assert sparkline([0.0, 1.0, np.nan, 10.0]) == "·▁·█"
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([0.0]) == "·"
    assert len(sparkline([1.0] * 100)) == 24


def test_html_escapes_the_names_of_groups():
    flow = Flow()
    name = "<script>alert(1)</script>"
    flow.update({name: np.ones(2)}, {name: np.ones(2)})
    assert "<script>" not in flow._repr_html_()
    assert "&lt;script&gt;" in flow._repr_html_()
    assert "no step" in Flow()._repr_html_()


def test_rich_shows_groups_and_warnings():
    console = pytest.importorskip("rich.console").Console(width=200, file=io.StringIO())
    console.print(watched())
    text = console.file.getvalue()
    assert "first" in text
    assert "vanish" in text


def test_live_draws_at_each_step_in_a_terminal(capsys):
    pytest.importorskip("rich")
    flow = Flow()
    with flow.live() as shown:
        assert shown is flow
        flow.update(ONE, grads_like(ONE, np.ones((2, 2))))
    assert "first" in capsys.readouterr().out
    flow.update(ONE, grads_like(ONE, np.ones((2, 2))))  # quiet again
    assert capsys.readouterr().out == ""


def test_the_figure_has_a_curve_for_each_group_in_each_panel():
    pytest.importorskip("matplotlib")
    figure = watched().figure()
    norms, ratios, dead = figure.axes
    named = [line for line in norms.get_lines() if not line.get_label().startswith("_")]
    assert [line.get_label() for line in named] == ["first", "last"]
    np.testing.assert_allclose(named[1].get_ydata(), 2.0)
    assert len(dead.get_lines()) >= 2
    assert ratios.get_yscale() == "log"
    assert len({(line.get_color(), line.get_linestyle()) for line in named}) == 2


def test_a_network_that_is_dead_has_a_figure_too():
    pytest.importorskip("matplotlib")
    flow = Flow()
    for _ in range(3):
        flow.update({"w": np.ones((2, 2))}, {"w": np.zeros((2, 2))})
    figure = flow.figure()
    figure.canvas.draw()
    assert [axes.texts[-1].get_text() for axes in figure.axes[:2]] == ["nothing but zeros"] * 2


def test_what_is_missing_is_said_with_the_extra(monkeypatch):
    flow = watched()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"wengert\[plot\]"):
        flow.figure()
    monkeypatch.setitem(sys.modules, "rich.live", None)
    with pytest.raises(MissingExtraError, match=r"wengert\[cli\]"), flow.live():
        pass
    assert issubclass(MissingExtraError, ImportError)


# ----------------------------------------------------------------------------------------- refusals


def test_trees_and_shapes_that_do_not_fit_are_refused():
    flow = Flow()
    with pytest.raises(ShapeError, match="another structure"):
        flow.update({"w": np.ones(2)}, {"v": np.ones(2)})
    with pytest.raises(ShapeError, match=r"\['w'\] are float64\[3\]"):
        flow.update({"w": np.ones(2)}, {"w": np.ones(3)})
    with pytest.raises(ShapeError, match="numbers"):
        flow.update({"w": np.ones(2)}, {"w": np.array(["a", "b"])})
    flow.update({"w": np.ones(2)}, {"w": np.ones(2)})
    with pytest.raises(ShapeError, match="one Flow for each model"):
        flow.update({"w": np.ones(3)}, {"w": np.ones(3)})


def test_limits_have_names():
    assert Flow(Limits(dead=0.9), patience=7).limits == Limits(dead=0.9, patience=7)
    with pytest.raises(ArgumentError, match="patients"):
        Flow(patients=3)


def test_a_flow_without_steps_has_no_figure():
    with pytest.raises(ArgumentError, match="no step"):
        Flow().figure()


def test_live_replaces_one_output_in_a_notebook(monkeypatch):
    class Handle:
        def update(self, flow):
            shown.append(flow._repr_html_())

    def display(flow, display_id):
        assert display_id is True
        shown.append(flow._repr_html_())
        return Handle()

    shown = []
    shell = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(
        get_ipython=lambda: shell, display=types.SimpleNamespace(display=display)
    )
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    flow = Flow()
    with flow.live():
        for size in (1.0, 2.0):
            flow.update(ONE, grads_like(ONE, np.full((2, 2), size)))
    assert len(shown) == 2
    assert "<td>2</td>" in shown[0]
    assert "<td>4</td>" in shown[1]
