"""`Viewed`: what compiled functions tell, so that `show/` can draw and print their programs."""

from __future__ import annotations

from typing import Any

from wengert.compile.program import Program


class Viewed:
    """A function made of programs. `show/methods.py` gives it ``draw``, ``log`` and ``player``.

    Attributes
    ----------
    name : str
        The title of its pictures.
    """

    name: str

    def program(self, *args: Any, **kwargs: Any) -> tuple[Program, list[Any]]:
        """The program that a call runs, as it was traced, and the program's inputs.

        Raises
        ------
        ArgumentError
            If the call runs as plain Python.
        UnsavedCallError
            If a file holds no program for it.
        """
        raise NotImplementedError
