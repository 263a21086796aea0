"""Colours for those who do not see red, green or blue: simulated, and compared by difference.

The simulation is Machado, Oliveira and Fernandes, IEEE Trans. Visualization and Computer Graphics
15(6), 2009, at its full strength; the difference that of CIELAB of 1976, in which about 2 is seen
and 10 is plain. What colours tell apart, a form, a place or a sign tells too.
"""

import itertools
import re

import numpy as np
import pytest

from wengert.show.player import style
from wengert.show.themes import THEMES

SIGHT = {
    "normal": np.eye(3),
    "no red": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "no green": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "no blue": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = TO_XYZ @ np.ones(3)


def lab(colour, sight):
    parts = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    seen = TO_XYZ @ np.clip(SIGHT[sight] @ linear, 0, 1) / WHITE
    f = np.where(seen > 216 / 24389, np.cbrt(seen), (24389 / 27 * seen + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def difference(one, other, sight):
    return np.linalg.norm(lab(one, sight) - lab(other, sight))


def least(sight):
    return 12 if sight == "no blue" else 20  # one in 10,000 people; red and green one in 20


TOLD_APART = [
    ("value", "adjoint", "warning"),
    ("input-line", "parameter-line", "data-line"),
    ("wire", "loop"),
    ("operation", "heat"),
]


def test_the_simulation_sees_red_and_green_as_alike_as_they_are_seen():
    # Ishihara's plates rest on it: a green and a reddish brown of one lightness.
    assert difference("#8a7f3d", "#b0703d", "normal") > 3 * difference(
        "#8a7f3d", "#b0703d", "no green"
    )


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", THEMES)
def test_pictures_tell_apart_what_they_colour(theme, sight):
    colours = THEMES[theme]
    for group in TOLD_APART:
        for one, other in itertools.combinations(group, 2):
            found = difference(colours[one], colours[other], sight)
            assert found >= least(sight), (one, other)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_player_tells_apart_what_it_colours(theme, sight):
    # The first block of variables is light, the others are dark.
    found = re.findall(r"--([\w-]+): (#[0-9a-f]{6})", style())
    light, dark = dict(reversed(found)), dict(found)
    assert light["paper"] != dark["paper"]
    colours = light if theme == "light" else dark
    pairs = [*itertools.combinations(("value", "adjoint", "forward"), 2), ("current", "paper")]
    pairs += [("edge", "forward"), ("edge", "adjoint")]
    for one, other in pairs:
        assert difference(colours[one], colours[other], sight) >= least(sight), (one, other)


def test_both_ways_into_the_dark_give_the_same_colours():
    by_preference, by_notebook = re.findall(r"\{([^{}]*color-scheme: dark;)", style())
    assert by_preference.split() == by_notebook.split()
