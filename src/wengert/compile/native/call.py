"""The entry of a compiled function: a C callable that checks, runs the plan and builds the result.

`emit` writes it as LLVM text beside ``@plan``, so that LLVM inlines the plan of a small program;
`Entry.bind` makes the Python callable of it. A call that is not what the program was traced with
goes to a Python fallback, with the same arguments. What is written is in `entry.py`; on
interpreters that it does not know, `portable.py` does the same by ctypes. The one difficulty is
what must live as long as the callable: all of it hangs on the callable's ``__self__``.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.native import callbacks, layout, objects, portable, runtime
from wengert.compile.native.entry import ALIGN, DECLARED, STACK, Address, Writer
from wengert.compile.native.layout import PYTHON
from wengert.compile.native.objects import ArrayRecord
from wengert.compile.native.signature import Signature, has_made, numbers


class Bound(NamedTuple):
    """A Python callable, and where it goes when the program does not hold.

    Attributes
    ----------
    call : callable
        Takes positional and keyword arguments.
    targets : list of callable
        Number 0 is called with the same arguments if they do not fit the signature, number
        ``k + 1`` if guard ``k`` failed. May be written to at any time: another path's `call` makes
        the tree of paths native. All are the fallback at first.
    """

    call: Callable[..., Any]
    targets: list[Callable[..., Any]]


_FASTCALL_KEYWORDS = 0x0080 | 0x0002
_MOST_PAIRS = 200  # of arrays that are compared: more take longer than Python's call
_POINTERS = (Address, ArrayRecord)  # constants that are no objects for the machine code


def emit(
    symbols: dict[str, str],
    signature: Signature,
    *,
    plan: str = "plan",
    name: str = "entry",
    arena_bytes: int = 0,
    guards: int = 0,
    release_gil: bool = False,
    is_hot: bool = True,
    takes_results: bool = False,
) -> Entry:
    """Write the entry of a plan into a module.

    Parameters
    ----------
    symbols : dict
        Name (with ``@``) to declaration or definition, of the module that holds the plan. Gets the
        entry, and declarations of what it calls.
    signature : Signature
        What a call takes and gives.
    plan : str
        Name of the function ``i32 (ptr inputs, ptr outputs, ptr arena)``.
    name : str
        Name of the function written, and of the callable.
    arena_bytes : int
        Scratch memory of the plan, aligned to 64 bytes. It is kept between calls.
    guards : int
        How many guards the program has.
    release_gil : bool
        Whether other Python threads run meanwhile: worth its 0.1 us for plans above some 50 us.
    is_hot : bool
        Whether LLVM optimises the entry and inlines the plan: worth its 10 ms for plans of
        some nanoseconds.
    takes_results : bool
        Whether a tree of arrays for the result comes before the arguments: `can_take_results`.

    Returns
    -------
    Entry
        To be bound once the module is loaded.

    Examples
    --------
    ::

        entry = emit(module.symbols, signature, arena_bytes=size, guards=len(program.guards))
        library.install(module.symbols)
        unit = engine.Unit(module.text)
        call, targets = entry.bind(unit.address, owner=(unit, module), fallback=slow_path)
    """
    signature.check()
    way = "" if is_hot else "noinline optnone "
    writer = Writer(symbols, signature, way, takes_results=takes_results)
    if layout.is_known():
        symbols["@" + name] = writer.function(plan, name, arena_bytes, release_gil)
    return Entry(signature, plan, name, arena_bytes, guards, tuple(writer.constants))


def can_take_results(signature: Signature) -> bool:
    """True if an entry can be given the arrays of its result: plain trees, each array once."""
    found = Counter(numbers(signature.result))
    arrays = [k for k, spec in enumerate(signature.outputs) if spec.kind == "array"]
    pairs = len(arrays) * (len(arrays) + len(signature.inputs))
    is_plain = not has_made(signature.result) and all(found[k] == 1 for k in arrays)
    return layout.is_known() and is_plain and pairs <= _MOST_PAIRS


@dataclass(frozen=True)
class Entry:
    """An entry that was written into a module, waiting for its address."""

    signature: Signature
    plan: str
    name: str
    arena_bytes: int
    guards: int
    constants: tuple[Any, ...]

    def bind(
        self, address: Callable[[str], int], *, owner: Any, fallback: Callable[..., Any]
    ) -> Bound:
        """The Python callable.

        Parameters
        ----------
        address : callable
            ``address(name)`` of a function of the loaded module.
        owner : object
            What keeps the machine code loaded; it lives as long as the callable.
        fallback : callable
            Called with the same arguments where the program does not hold.
        """
        targets = [fallback] * (1 + self.guards)
        if not layout.is_known():
            plan = address(self.plan)
            call = portable.Entry(
                self.signature, self.arena_bytes, plan, targets, callbacks.pending, owner
            )
            return Bound(call, targets)
        memory = np.zeros(self.arena_bytes + ALIGN if self.arena_bytes > STACK else 0, np.uint8)
        words = [0, memory.ctypes.data + -memory.ctypes.data % ALIGN, address(f"{self.name}.try")]
        words += [x.address if isinstance(x, _POINTERS) else id(x) for x in self.constants]
        state = np.array(words, np.uintp)
        text = self.name.encode()
        doc = objects.install()
        method = _MethodDef(text, address(self.name), _FASTCALL_KEYWORDS, doc)
        # The callable holds this tuple, and this tuple all else.
        held = (state, targets, method, text, memory, self.constants, owner)
        return Bound(_new_function(ctypes.addressof(method), held, None), targets)


class _MethodDef(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_void_p),
    )


_new_function = PYTHON.PyCFunction_NewEx
_new_function.restype = ctypes.py_object
_new_function.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)


def install() -> None:
    """Make the functions that entries call known to LLVM."""
    if layout.is_known():
        objects.install()
        runtime.register(runtime.addresses(PYTHON, tuple(DECLARED)))
