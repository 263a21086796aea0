"""Arrays put together from pieces, read at places that are known only when the code runs."""

from __future__ import annotations

import numpy as np
import pytest

from wengert.primitives.taking import HOLE

from .programs import agree, program


@pytest.fixture(autouse=True)
def _checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_DEBUG", "bounds")


PLACES = np.array([[0, 1, 5, 2], [4, 3, -1, -6]])


@pytest.mark.parametrize("name", ["join", "stack"])
def test_no_piece_is_read_where_it_is_not(name: str) -> None:
    """Every piece is read, and one of them chosen; the last one has no condition of its own."""
    source, order = np.arange(4.0), np.array([2, 3, 0, 1])
    if name == "join":
        pieces = [("read", (2,), {"path": (("getitem", key),)}) for key in (np.s_[-1:], np.s_[:1])]
        parameters = {"axis": 0, "starts": (0, 1, 5)}
    else:
        pieces = [("multiply", (2, 2.0), {}), ("multiply", (2, 3.0), {})]
        parameters = {"axis": 0}
    places = PLACES if name == "join" else PLACES % 3
    lines = [
        ("read", (0,), {"path": (("getitem", (order,)),)}),
        *pieces,
        (name, (3, 2, 4), parameters),
        ("gather", (5, 1), {"template": (HOLE,)}),
    ]
    agree(program([source, places], lines, [6]), [source, places])


@pytest.mark.parametrize("add", [False, True])
def test_what_is_written_nowhere_is_read_nowhere(add: bool) -> None:
    source, nothing = np.arange(4.0), np.zeros(0)
    lines = [
        ("multiply", (0, 2.0), {}),
        ("multiply", (1, 2.0), {}),
        ("write", (3, 4), {"path": (("getitem", np.s_[2:2]),), "add": add}),
        ("gather", (5, 2), {"template": (HOLE,)}),
    ]
    inputs = [source, nothing, PLACES % 4]
    agree(program(inputs, lines, [6]), inputs)
