"""Tapes as text with shapes, dtypes and lines, of every kind of tape; in colour by rich."""

import io
import sys

import numpy as np
import pytest
from rich.console import Console

import wengert as wg
from wengert.compile.api import compile as wg_compile
from wengert.show.log import tape_log


def square(x):
    y = x * x
    return np.sum(y)


def traced(value):
    return wg.trace(square, value)


def test_shapes_dtypes_and_lines_stand_beside_the_log():
    lines = str(traced(np.ones(2, np.float32)).log()).splitlines()
    assert lines[1].split() == ["x", "=", "[1,", "1]", "float32[2]"]
    assert lines[2].endswith("-> [1, 1]  float32[2]  at test_log.py, line 16:   y = x * x")


def test_a_printed_tape_is_its_log():
    found = traced(np.ones(2))
    assert str(found.log()) == str(found)
    plain = str(found.log(shapes=False, lines=False))
    assert "float64" not in plain
    assert "line" not in plain


def test_a_large_array_says_from_where_to_where_it_goes_and_its_shape_once():
    lines = str(traced(np.arange(9.0)).log()).splitlines()
    line = next(line for line in lines if line.startswith("#1"))
    assert "from 0 to 64" in line
    assert line.count("float64[9]") == 1


def test_the_article_s_tape_says_gradient():
    t = wg.Tape()
    x = wg.ConstantNode(3.0, t)
    wg.Square(x, t)
    t.forward()
    t.backward()
    assert "gradient 6" in str(t.log())
    assert str(t.log()) == str(t)


def test_every_kind_of_tape_has_a_log():
    v = wg.Variable(np.ones(2), name="v")
    with wg.GradientTape(persistent=True, keep="all") as tape:
        loss = square(v)
    a = wg.array([1.0, 1.0], requires_grad=True)
    logs = [tape.log(loss), tape_log(square(a)), tape_log(wg_compile(square), np.ones(2))]
    for found in logs:
        assert "adjoint [2, 2]" in str(found)
        assert "float64[2]" in str(found)


def test_a_loop_is_folded_and_its_line_is_said_once():
    def f(x):
        for _ in range(100):
            x = np.sin(x)
        return x

    text = str(wg.trace(f, 1.0).log())
    assert len(text.splitlines()) == 8
    assert text.count("x = np.sin(x)") == 1


def test_rich_shows_the_same_text_in_colour():
    found = traced(np.ones(2)).log()
    plain, coloured = io.StringIO(), io.StringIO()
    Console(file=plain, width=200).print(found)
    Console(file=coloured, width=200, force_terminal=True).print(found)
    assert plain.getvalue() == f"{found}\n"
    assert "\x1b[31m" in coloured.getvalue()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_show_colours_a_terminal_only(monkeypatch, is_terminal):
    out = io.StringIO()
    out.isatty = lambda: is_terminal
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", out)
    traced(2.0).log().show()
    assert ("\x1b[" in out.getvalue()) == is_terminal


def test_show_is_plain_where_rich_is_not_installed(monkeypatch):
    out = io.StringIO()
    out.isatty = lambda: True
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(sys, "stdout", out)
    found = traced(2.0).log()
    found.show()
    assert out.getvalue() == f"{found}\n"
