"""Tapes as text: the log, folded repetitions."""

import numpy as np
import pytest

import wengert as wg
from wengert.show.text import Step, Stretch, log, place_key, stretches


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


def test_operations_on_one_line_are_shown_each():
    text = str(wg.trace(lambda x: x * x * x * x * x * x, 2.0))
    assert "above" not in text
    assert any(line.startswith("#5: v5 = multiply(v4, x)  -> 64 ") for line in text.splitlines())


def test_a_loop_on_one_line_is_shown_once():
    text = str(wg.trace(lambda x: sum([x * x for _ in range(10)]), 2.0))
    assert "... the line above \N{MULTIPLICATION SIGN} 10, to #10" in text.splitlines()


def test_a_tape_whose_places_are_unknown_is_shown_in_full():
    assert place_key("multiply", None) is None


def test_reading_and_writing_are_shown_as_indexing():
    def f(x):
        a = np.zeros(3)
        a[0] = x[1]
        a[1:] += x.T[:2]
        return a

    shown = [line.split("->")[0].rstrip() for line in str(wg.trace(f, np.arange(3.0))).splitlines()]
    assert shown[:5] == [
        "forward",
        shown[1],
        "#1: a[0] = x[1]",
        "#2: v2 = [0, 0, 0] with [0] = a[0]",
        "#3: a[1:] = v2[1:]",
    ]
    assert shown[1].split("  ")[2:3] == ["x = [0, 1, 2]"]


def test_printing_a_long_tape_costs_linear_time():
    keys = list(range(100_000))
    assert len(list(stretches(keys))) == 100_000
    assert len(list(stretches([k % 50 for k in keys]))) == 1
