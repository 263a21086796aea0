"""Parts of arrays as user code writes them."""

import numpy as np
import pytest

from wengert.show.paths import read_text, write_text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), "x"),
        ((("getitem", 0),), "x[0]"),
        ((("getitem", (-1, slice(None, None, 2))),), "x[-1, ::2]"),
        ((("getitem", (slice(1, 5), None, ...)),), "x[1:5, None, ...]"),
        ((("getitem", ()),), "x[()]"),
        ((("getitem", (np.array([0, 2]), 1)),), "x[[0, 2], 1]"),
        ((("getitem", np.array([True, False])),), "x[[True, False]]"),
        ((("getitem", np.arange(9)),), f"x[{np.arange(9).dtype}[9]]"),
        ((("transpose", (1, 0)), ("getitem", 1)), "x.T[1]"),
        ((("transpose", (0, 2, 1)),), "x.transpose(0, 2, 1)"),
        ((("reshape", (2, 3)), ("getitem", slice(None, 1))), "x.reshape(2, 3)[:1]"),
        ((("diagonal", (0, 0, 1)),), "x.diagonal()"),
        ((("diagonal", (1, 0, 2)),), "x.diagonal(1, 0, 2)"),
        ((("imag", None),), "x.imag"),
    ],
)
def test_a_path_reads_as_numpy_code(path, text):
    assert read_text("x", path) == text


@pytest.mark.parametrize(
    ("path", "add", "text"),
    [
        ((("getitem", 0),), False, "x with [0] = v"),
        ((("getitem", slice(1, None)),), True, "x with [1:] += v"),
        ((("transpose", (1, 0)), ("getitem", 1)), False, "x with .T[1] = v"),
        ((), False, "x with [...] = v"),
    ],
)
def test_a_write_names_the_part_and_its_new_value(path, add, text):
    assert write_text("x", path, "v", add) == text
