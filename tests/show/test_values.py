"""Values as short text."""

import numpy as np
import pytest

from wengert.show.values import value_text


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
