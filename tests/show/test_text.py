"""Tapes as text: the log, short values, folded repetitions."""

import numpy as np
import pytest

import wengert as wg
from wengert.show.text import Step, Stretch, log, stretches, value_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (6.0, "6"),
        (np.float32(0.1), "0.1"),
        (0.5498339973124778, "0.5498339973"),
        (3, "3"),
        (True, "True"),
        (np.nan, "nan"),
        (1 + 2j, "1+2j"),
        (np.array(2.5), "2.5"),
        (np.array([1.0, -2.0]), "[1, -2]"),
        (np.eye(2, dtype=np.float32), "[[1, 0], [0, 1]]"),
        (np.zeros((3, 4), np.float32), "float32[3, 4]"),
        (np.zeros((0, 2)), "float64[0, 2]"),
        ((1.0, np.zeros(9)), "(1, float64[9])"),
        (np.array([[True], [False]]), "[[True], [False]]"),
        (None, ""),
    ],
)
def test_values_are_short(value, text):
    assert value_text(value) == text


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("abc", [Stretch(0, 1, 1), Stretch(1, 1, 1), Stretch(2, 1, 1)]),
        ("aaaaa", [Stretch(0, 1, 5)]),
        ("aaa", [Stretch(0, 1, 1), Stretch(1, 1, 1), Stretch(2, 1, 1)]),
        ("xabababaBy", None),
        ("x" + "aab" * 6 + "y", [Stretch(0, 1, 1), Stretch(1, 3, 6), Stretch(19, 1, 1)]),
        ("", []),
    ],
)
def test_stretches_that_repeat_are_found(keys, expected):
    found = list(stretches(keys))
    assert "".join(keys[s.start : s.start + s.length] * s.times for s in found) == keys
    if expected is not None:
        assert found == expected


def test_keys_of_none_are_never_folded():
    assert len(list(stretches([None] * 10))) == 10


def test_a_step_without_value_has_no_arrow():
    assert log([Step("x"), Step("y", "Square", ("x",))]) == "forward\n    x =\n#1: y = Square(x)"


def test_a_loop_is_shown_once():
    def f(x):
        h = x
        for _ in range(1000):
            h = np.sin(h) * x
        return h

    text = str(wg.trace(f, 1.0))
    assert len(text.splitlines()) == 10
    assert text.count("... the 2 lines above \N{MULTIPLICATION SIGN} 1000") == 2
    assert "#2000: h.1000" in text.splitlines()[6]


def test_printing_a_long_tape_costs_linear_time():
    keys = list(range(100_000))
    assert len(list(stretches(keys))) == 100_000
    assert len(list(stretches([k % 50 for k in keys]))) == 1
