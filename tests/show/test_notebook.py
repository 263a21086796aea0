"""The widget's data and page, and ``%%tape`` in a shell of IPython: numbers, names, errors."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError, MissingExtraError, NonScalarTargetError
from wengert.show import notebook
from wengert.tape.array import Array


@pytest.fixture
def shell():
    """A shell with the extension; it does not keep a history."""
    interactive = pytest.importorskip("IPython.core.interactiveshell", reason="pip install ipython")
    config = importlib.import_module("traitlets.config").Config()
    config.HistoryManager.enabled = False
    made = interactive.InteractiveShell(config=config)
    made.run_line_magic("load_ext", "wengert")
    made.user_ns["np"] = np
    return made


@pytest.fixture
def tape(shell, capsys):
    """Run a cell under ``%%tape``: what it printed, and the variables."""

    def run(cell, line="", **variables):
        shell.user_ns.update(variables)
        shell.run_cell_magic("tape", line, cell)
        return capsys.readouterr().out, shell.user_ns

    return run


def inputs(variables):
    return [entry.name for entry in variables["_tape"].entries if entry.is_input]


# ------------------------------------------------------------------------------------- the widget


def test_the_widget_has_the_page_s_data_and_program():
    pytest.importorskip("anywidget", reason="pip install anywidget")
    traced = wg.trace(lambda x, y: (x * y) ** 2, 3.0, 2.0)
    shown = traced.widget(title="a circuit")
    assert shown.data["title"] == "a circuit"
    assert shown.data["values"][shown.data["target"]] == 36.0
    by_name = dict(zip(shown.data["names"], shown.data["adjoints"], strict=True))
    assert (by_name["x"], by_name["y"]) == (24.0, 36.0)
    assert "function mountPlayer" in shown._esm
    assert "export default" in shown._esm
    assert shown._css.startswith("@scope (.wengert-widget) {")


def test_the_widget_tells_the_decisions_on_the_way():
    pytest.importorskip("anywidget", reason="pip install anywidget")
    shown = wg.widget(lambda x: x * x if x > 0 else x, 3.0)
    assert any("greater(x, 0) is True" in note for note in shown.data["notes"])


def test_a_target_that_is_no_number_is_refused():
    pytest.importorskip("anywidget", reason="pip install anywidget")
    with pytest.raises(NonScalarTargetError):
        wg.widget(lambda x: x * x, np.array([1.0, 2.0]))


def test_without_anywidget_the_error_says_what_to_install(monkeypatch):
    notebook._widget_class.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'wengert\[notebook\]'"):
        wg.widget(lambda x: x * x, 3.0)


def test_importing_wengert_imports_neither_ipython_nor_anywidget():
    program = "import sys, wengert; print({'IPython', 'anywidget', 'traitlets'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


# ----------------------------------------------------------------------------------------- %%tape


def test_numbers_in_the_first_lines_are_inputs_and_the_last_value_is_the_target(tape):
    out, variables = tape("import math\nx, y, z = 3.0, 2.0, 1.0\nh = (x*y) * (y*z)\no = h**2")
    assert inputs(variables) == ["x", "y", "z"]
    assert "#4: o = power(h, 2)       -> 144" in out
    assert "    y = 2    adjoint 288" in out
    assert "<picture of cell: 8 nodes, 7 shown>" in out


def test_variables_of_earlier_cells_are_inputs(tape):
    x = np.array([1.0, 2.0])
    out, variables = tape("np.sum(w * x)", x=x, w=0.5, n=3, unread=1.0)
    assert inputs(variables) == ["w", "x"]
    assert "adjoint 3" in out
    assert variables["x"] is x


def test_what_a_cell_computes_itself_is_no_input_when_it_runs_again(tape):
    cell = "h = x * 2\nfor k in range(2):\n    h = h * h\ns = sum([v * x for v in [h, h]])"
    for _ in range(2):
        _, variables = tape(cell, x=3.0, v=1.0)
        assert inputs(variables) == ["x"]
        assert variables["s"] == 2 * 36.0**2 * 3


def test_afterwards_all_variables_are_plain(tape):
    p = {"w": np.array([1.0, 2.0]), "b": 0.5}
    _, variables = tape(
        "p['w'] = p['w'] * 2\nparts = [p['b'] * x, 'text']\nx += 1\no = x*x", "", p=p, x=2.0
    )
    assert np.array_equal(variables["p"]["w"], [2.0, 4.0])
    assert type(variables["p"]["w"]) is np.ndarray
    assert variables["x"] == 3.0
    assert variables["parts"] == [1.0, "text"]
    assert not any(
        isinstance(v, Array) for v in (variables["x"], variables["o"], *variables["parts"])
    )


def test_inputs_and_target_can_be_named(tape):
    _, variables = tape("a = w * x\nb = a * 2", "w -> a", w=2.0, x=3.0)
    assert inputs(variables) == ["w"]
    assert [entry.adjoint for entry in variables["_tape"].entries if entry.is_input] == [3.0]


@pytest.mark.parametrize(
    ("line", "cell", "message"),
    [
        ("w => a", "a = w * 2", "cannot be read"),
        ("n", "a = n * 2", "'n', which is no floating-point variable"),
        ("nowhere", "a = w * 2", "'nowhere', which is no floating-point variable"),
        ("-> b", "a = w * 2", "no variable 'b'"),
        ("", "a = w * 2\nfor k in range(2): pass", "no last value"),
        ("", "a = n * 2", "there is nothing to follow"),
    ],
)
def test_what_cannot_be_shown_is_an_error(shell, line, cell, message):
    shell.user_ns.update(w=2.0, n=3)
    with pytest.raises(ArgumentError, match=message):
        shell.run_cell_magic("tape", line, cell)
    assert type(shell.user_ns["w"]) is float
    assert not isinstance(shell.user_ns.get("a"), Array)


def test_an_error_in_the_cell_is_the_user_s_and_leaves_plain_variables(shell):
    shell.user_ns.update(w=2.0)
    with pytest.raises(ZeroDivisionError):
        shell.run_cell_magic("tape", "", "a = w * 2\n1 / 0\n")
    assert type(shell.user_ns["w"]) is float
    assert not isinstance(shell.user_ns["a"], Array)
