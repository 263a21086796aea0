"""Native code that all plans share: written once as LLVM text, loaded once per process.

`threads.py` and `callbacks.py` each hold a piece of it. What is loaded here is never unloaded: a
parked thread stands in it until the process ends. Symbols are put where LLVM looks for the names
that a module declares, so plans just declare what they call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import llvmlite.binding as llvm

from wengert.compile.native.engine import Effort, Unit
from wengert.compile.native.layout import PYTHON

EFFORT = Effort(False, 0)  # short, in SSA form, and mostly waiting: better code took 20 ms to make


def load(text: str, symbols: Mapping[str, int]) -> Unit:
    """Compile a module for good.

    Parameters
    ----------
    text : str
        LLVM assembly.
    symbols : mapping
        Address of each function that the text declares.
    """
    register(symbols)
    unit = Unit(text, EFFORT)
    PYTHON.Py_IncRef(ctypes.py_object(unit))  # so that the end of the interpreter leaves it alone
    return unit


def register(symbols: Mapping[str, int]) -> None:
    """Make addresses known by name to every module compiled from now on."""
    for name, address in symbols.items():
        llvm.add_symbol(name, address)


def addresses(library: ctypes.CDLL, names: tuple[str, ...]) -> dict[str, int]:
    """Where a library holds these functions.

    Raises
    ------
    AttributeError
        If it lacks one.
    """
    return {name: ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0 for name in names}
