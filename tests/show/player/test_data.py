# ruff: noqa: RET504 (the name of a result is what the page shows)
"""What the page holds: the tape's numbers, shared tables, safe text; and what is refused."""

import json
import os
import re

import numpy as np
import pytest

import wengert as wg
from wengert.errors import (
    ArgumentError,
    NonScalarTargetError,
    OutputPathError,
    TapeSizeError,
)
from wengert.show.player import data as page
from wengert.show.player import json_in_html, page_of, player
from wengert.show.player.data import decisions, page_data
from wengert.show.sources import graph_of


def circuit(x, y, z):
    h1 = x * y
    h2 = y * z
    h = h1 * h2
    o = h**2
    return o


def test_the_data_are_the_numbers_of_the_tape():
    traced = wg.trace(circuit, 3.0, 2.0, 1.0)
    data = page_data(graph_of(traced))
    by_name = dict(
        zip(data["names"], zip(data["values"], data["adjoints"], strict=True), strict=True)
    )
    for entry in traced.entries:
        assert by_name[entry.name] == (entry.value, entry.adjoint)
    assert data["names"][data["target"]] == "o"
    assert [data["names"][k] for k in data["inputs"]] == ["x", "y", "z"]


def test_all_lists_have_an_element_for_each_node_and_operands_come_before():
    data = page_data(graph_of(circuit, 3.0, 2.0, 1.0))
    count = len(data["names"])
    assert {len(data[name]) for name in page.COLUMNS} == {count}
    for k, operands in enumerate(data["operands"]):
        assert all(j < k for j in operands)
        for name in ("flows", "locals", "contributions"):
            assert len(data[name][k]) == len(operands)


def test_contributions_add_up_to_adjoints():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=2)
    data = page_data(graph_of(lambda x, y: np.sin(x * y) * x + np.exp(y) / (x * x), x, y))
    sums = [0.0] * len(data["names"])
    for k, operands in enumerate(data["operands"]):
        for j, part in zip(operands, data["contributions"][k], strict=True):
            sums[j] += part or 0.0
    for k, adjoint in enumerate(data["adjoints"]):
        if k != data["target"] and adjoint is not None:
            np.testing.assert_allclose(sums[k], adjoint, rtol=1e-13)


def test_operations_and_lines_that_repeat_are_stored_once():
    def f(x):
        for _ in range(100):
            x = x + np.sin(x)
        return x

    data = page_data(graph_of(f, 1.0))
    assert sorted(operation["name"] for operation in data["table"]) == ["add", "sin"]
    assert len(data["places"]) == 1


def test_a_power_with_a_number_as_exponent_has_the_rule_that_one_learns():
    def rule(f):
        data = page_data(graph_of(f, 2.0))
        operation = data["table"][data["operations"][data["target"]]]
        return operation["rules"][0]["tree"]

    assert rule(lambda x: x**2) == ["*", 2, ["slot", 0]]
    assert rule(lambda x: x**3.5) == ["*", 3.5, ["**", ["slot", 0], 2.5]]
    assert rule(lambda x: x**1.0) == 1
    assert rule(lambda x: x**-1.0) == ["*", -1, ["**", ["slot", 0], -2]]


def test_infinities_and_nan_are_words_and_everything_is_json():
    with np.errstate(all="ignore"):
        data = page_data(graph_of(lambda x: np.log(x) * 2.0, 0.0))
    assert data["values"][data["target"]] == "-Infinity"
    assert json.loads(json_in_html(data)) == data


def test_long_texts_of_the_users_are_cut():
    name = "n" * 10_000
    data = page_data(graph_of(lambda p: p[name] * 2.0, {name: 1.0}))
    assert max(map(len, data["names"])) <= page.TEXT


@pytest.mark.parametrize(
    "hostile",
    [
        "</script>",
        "<!--",
        "]]>",
        "\u2028\u2029",
        "\"'\\",
        "\ud800",
        "\x00",
        "&amp;",
        "$title ${css}",
    ],
)
def test_no_string_ends_the_script_or_changes_on_its_way(hostile):
    data = {"names": [hostile], hostile: 1}
    text = json_in_html(data)
    assert json.loads(text) == data
    assert not re.search("[<>&\u2028\u2029]", text)
    text.encode("utf-8")


@pytest.mark.parametrize("hostile", ["</title><script>", "$data", "\ud800", "a & b"])
def test_a_hostile_title_is_text(hostile, tmp_path):
    made = page_of(graph_of(circuit, 3.0, 2.0, 1.0), title=hostile)
    assert made.count("<script") == 2
    assert made.count("</title>") == 1
    file = player(circuit, 3.0, 2.0, 1.0, path=tmp_path / "page.html", title=hostile)
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_page_of_five_thousand_entries_stays_small():
    def f(x):
        for _ in range(2500):
            x = x + 0.01 * np.sin(x)
        return x

    graph = graph_of(f, 1.0)
    assert len(graph) >= 7500
    assert len(page_of(graph)) < 250 * len(graph)


def test_decisions_on_the_way_are_told_because_a_nudge_does_not_take_them_again():
    def f(x):
        return x * x if x > 0 else -x

    notes = decisions(wg.trace(f, 3.0))
    assert notes[0].startswith("Decided on the way: greater(x, 0) is True (at test_data.py")
    assert "keeps to this path" in notes[-1]
    assert decisions(wg.trace(lambda x: x * x, 3.0)) == []


def test_groups_are_told_with_those_around_them():
    def layer(x):
        return np.tanh(2.0 * x)

    def f(x):
        return layer(layer(x))

    data = page_data(graph_of(f, 1.0))
    assert "layer" in [data["groups"][k] for k in data["group"]]


def loss_of_a_gradient_tape():
    x = wg.Variable(3.0)
    with wg.GradientTape() as tape:
        y = x * x + x
    return tape, y


def test_what_a_gradient_tape_recorded_has_a_page(tmp_path):
    tape, y = loss_of_a_gradient_tape()
    data = page_data(graph_of(tape, y))
    assert data["adjoints"][data["inputs"][0]] == 7.0
    assert player(tape, y, path=tmp_path / "tape.html").exists()


def test_an_array_of_the_form_of_pytorch_has_a_page(tmp_path):
    x = wg.array(3.0, requires_grad=True)
    y = x * x + x
    data = page_data(graph_of(y))
    assert data["adjoints"][data["inputs"][0]] == 7.0
    assert player(y, path=tmp_path / "array.html").exists()


# ----------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("f", [lambda x: x * np.ones(3), lambda x: (x, 2 * x)])
def test_a_result_that_is_not_one_number_is_refused(f, tmp_path):
    with pytest.raises(NonScalarTargetError, match=r"np\.sum"):
        player(f, 2.0, path=tmp_path / "page.html")


def test_a_result_that_depends_on_no_input_is_refused(tmp_path):
    with pytest.raises(NonScalarTargetError, match="no result that depends"):
        player(lambda x: 2.0, 2.0, path=tmp_path / "page.html")


def test_a_tape_that_was_not_run_is_refused(tmp_path):
    t = wg.Tape()
    wg.Square(wg.ConstantNode(2.0, t), t)
    with pytest.raises(NonScalarTargetError, match=r"t\.forward"):
        player(t, path=tmp_path / "page.html")


def test_a_tape_that_is_too_long_is_refused_with_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "LONGEST", 5)
    with pytest.raises(TapeSizeError, match=r"8 nodes.*at most 5"):
        player(circuit, 3.0, 2.0, 1.0, path=tmp_path / "page.html")


def test_a_path_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    for path in (tmp_path / "no" / "folder.html", tmp_path):
        with pytest.raises(OutputPathError, match="cannot be written") as caught:
            player(circuit, 3.0, 2.0, 1.0, path=path)
        assert isinstance(caught.value, OSError)
        assert os.path.basename(path) in str(caught.value)
    with pytest.raises(OutputPathError, match="null"):
        player(circuit, 3.0, 2.0, 1.0, path="a\0b.html")
    with pytest.raises(ArgumentError, match="NoneType"):
        player(circuit, 3.0, 2.0, 1.0, path=None)


def test_what_is_no_tape_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="no tape"):
        player(3.0, path=tmp_path / "page.html")
