"""Tapes get their views as methods: the layers below hold data, this one shows it.

``tape.draw()``, ``tape.log()``, ``tape.player(path)``, ``tape.widget()`` and ``tape.profile()`` are
the functions of the same names with the tape as first argument.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wengert.compile.program import Program
from wengert.compile.viewed import Viewed
from wengert.errors import TapeSizeError
from wengert.frontends.gradient_tape import GradientTape
from wengert.frontends.nodes import Tape
from wengert.show.log import tape_log
from wengert.show.notebook import widget
from wengert.show.picture import draw
from wengert.show.player import player
from wengert.show.profile import profile
from wengert.transforms.trace import Trace

KINDS: tuple[type, ...] = (Trace, Tape, GradientTape, Program, Viewed)


def _player(tape: Any, path: str | os.PathLike[str], *target: Any, **options: Any) -> Path:
    return player(tape, *target, path=path, **options)


def _hint(tape: Any) -> str:
    """A GradientTape is shown from a target on, which it does not know."""
    return "<GradientTape: print(tape.log(target)) shows what led to a target>"


def _svg(tape: Any) -> str | None:
    """What a notebook shows of a tape: its picture, unless there is too much of it."""
    try:
        return draw(tape).svg()
    except TapeSizeError:
        return None


# name, function, kinds of tape, docstring
METHODS: tuple[tuple[str, Callable[..., Any], tuple[type, ...], str], ...] = (
    ("draw", draw, KINDS, "Draw the tape: see `wengert.draw`."),
    ("log", tape_log, KINDS, "Read the tape as text, with shapes and lines."),
    ("player", _player, KINDS, "Write a page: see `wengert.player`."),
    ("widget", widget, KINDS, "Step through it in a notebook: see `wengert.widget`."),
    ("profile", profile, KINDS, "Measure each entry: see `wengert.profile`."),
    ("__repr__", _hint, (GradientTape,), "How to look at it."),
    ("_repr_svg_", _svg, (Trace, Tape), "What a notebook shows."),
)


def _attach() -> None:
    for name, function, kinds, text in METHODS:

        def method(
            self: Any, *args: Any, _function: Callable[..., Any] = function, **options: Any
        ) -> Any:
            return _function(self, *args, **options)

        method.__name__, method.__doc__ = name, text
        for kind in kinds:
            setattr(kind, name, method)


_attach()
