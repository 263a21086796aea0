# ruff: noqa: E501 (a table, line by line)
"""`explain`: the table of a tape, its formulas in the user's names, and its finite differences."""

import io

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rich.console import Console

from wengert.show.explain import explain


def diamond(x, y, z):
    h1 = x * y
    h2 = y * z
    h = h1 * h2
    o = h**2
    return o  # noqa: RET504 (the result has a name)


def test_the_diamond_as_a_table():
    rows = [
        ("#   name  operation         value  adjoint", "local derivatives", "passes back"),
        ("    x                           3       96", "", ""),
        ("    y                           2      288", "", ""),
        ("    z                           1      288", "", ""),
        ("#1  h1    multiply(x, y)        6       48", "by x: y = 2; by y: x = 3", "96 to x; 144 to y"),
        ("#2  h2    multiply(y, z)        2      144", "by y: z = 1; by z: y = 2", "144 to y; 288 to z"),
        ("#3  h     multiply(h1, h2)     12       24", "by h1: h2 = 2; by h2: h1 = 6", "48 to h1; 144 to h2"),
        ("#4  o     power(h, 2)         144        1", "by h: 2*h = 24", "24 to h"),
    ]  # fmt: skip
    table = [f"{entry}  {rule:28}  {passed}".rstrip() for entry, rule, passed in rows]
    table.append("Paths meet at y: 144 through h1 + 144 through h2 = 288")
    assert str(explain(diamond, 3.0, 2.0, 1.0)).split("\n") == table


def test_a_rich_console_shows_the_same_cells():
    console = Console(file=io.StringIO(), width=200)
    explanation = explain(diamond, 3.0, 2.0, 1.0)
    console.print(explanation)
    # There each operand has a line of its own.
    words = console.file.getvalue().replace("─", "").split()
    assert sorted(words) == sorted(str(explanation).replace(";", "").split())


def test_the_chain_rule_holds_between_the_rows():
    rows = {row.name: row for row in explain(diamond, 3.0, 2.0, 1.0).rows}
    for name in ("x", "y", "z", "h1", "h2", "h"):
        paths = [
            row.adjoint * local.value
            for row in rows.values()
            for local in row.locals
            if local.operand == name
        ]
        assert sum(paths) == rows[name].adjoint


def test_names_of_operands_take_the_place_of_those_of_the_rule():
    def f(a, x):
        ratio = a / x
        return np.exp(ratio)

    rows = explain(f, 1.0, 2.0).rows
    assert [(x.operand, x.formula) for x in rows[2].locals] == [("a", "1/x"), ("x", "-ratio/x")]
    assert [x.formula for x in rows[3].locals] == [rows[3].name]


def test_rules_in_words_keep_their_words():
    def f(a):
        return np.sum(a)

    (local,) = explain(f, np.ones(3)).rows[1].locals
    assert local.formula == "the adjoint for every element that was summed"
    assert local.value is None


def test_what_is_not_on_the_tape_has_no_local_derivative():
    (local,) = explain(lambda x: 3.0 * x, 2.0).rows[1].locals
    assert (local.operand, local.value) == ("x", 3.0)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (lambda x, y: np.sin(x) * np.exp(y), (0.3, -0.2)),
        (lambda x: np.sum(np.tanh(x) ** 3), (np.linspace(-1, 1, 6).reshape(2, 3),)),
        (lambda p: p["a"] * p["b"][0] ** 2, ({"a": 2.0, "b": [3.0]},)),
        (lambda z: np.real(z**3) + np.imag(np.exp(z)), (0.4 + 0.3j,)),
        (lambda x: (np.sin(x), x**2), (np.array([0.5, 1.5]),)),
    ],
)
def test_finite_differences_agree_with_the_adjoints(function, args):
    explanation = explain(function, *args, check=True)
    assert explanation.is_checked
    for row in explanation.rows:
        if row.operation == "":
            assert_allclose(row.difference, row.adjoint, rtol=1e-8, atol=1e-10)
    assert "finite difference" in str(explanation)


def test_finite_differences_show_a_wrong_derivative():
    # The derivative of what was rounded is lost, which differences over a wide step can see.
    (x, *_) = explain(lambda x: x + np.round(x * 1e6) / 1e6, 2.0, check=True).rows
    assert x.adjoint == 1
    assert x.difference == pytest.approx(2, rel=1e-3)


def test_a_loop_is_shown_once():
    def f(x):
        for _ in range(500):
            x = x + 0.001 * np.sin(x)
        return x

    text = str(explain(f, 1.0))
    assert "... 3 above, 500 times, to #1500" in text
    assert len(text.splitlines()) < 10


def test_equal_operations_on_one_line_are_all_shown():
    def f(x):
        return x * x * x * x * x * x

    assert "times" not in str(explain(f, 2.0))
    assert len(str(explain(f, 2.0)).splitlines()) == 8
    assert "Paths meet at x: 32 through v1 + 32 through v1 + 32 through v2" in str(explain(f, 2.0))


def test_an_expression_written_by_hand_counts_every_use():
    rows = explain(lambda x: x * x, 3.0).rows
    assert rows[0].adjoint == 6
    assert [local.value for local in rows[1].locals] == [3, 3]


def test_a_result_that_depends_on_nothing_is_said_so():
    explanation = explain(lambda x: np.float64(7.0), 1.0)
    assert explanation.notes == ("The result depends on no input.",)


def test_json_holds_infinities_as_words_and_complex_numbers_as_text():
    with np.errstate(all="ignore"):
        data = explain(lambda x: np.log(x), np.array([0.0, 1.0])).to_dict()
    assert data["result"] == ["-inf", 0.0]
    assert explain(lambda z: np.real(z), 1 + 2j).to_dict()["entries"][0]["value"] == "(1+2j)"
