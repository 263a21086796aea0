"""From LLVM assembly to machine code of this processor.

One lock: LLVM's passes are not run by two threads at once. Code lives as long as its `Unit`.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import os
import re
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import llvmlite.binding as llvm

from wengert.compile import disk_cache
from wengert.compile.native.layout import PYTHON

_LOCK = threading.RLock()


class Effort(NamedTuple):
    """How hard LLVM works: whether passes are run, and the level of code generation."""

    has_passes: bool
    codegen: int


LEAN = Effort(True, 2)  # what runs long
QUICK = Effort(True, 1)  # long straight-line code: there is little to gain in it
LEAST = Effort(True, 0)  # short, or run once, or very long: generated five times as fast

# As fast code as all of LLVM's, in a third of the time: loops are written as they shall run.
_PASSES = (
    "always_inliner",
    "sroa",
    "instruction_combine",
    "simplify_cfg",
    "new_gvn",
    "global_dead_code_eliminate",
)


class Part(NamedTuple):
    """A module, and what is to be done with it."""

    text: str
    effort: Effort


class Unit:
    """Machine code in memory, and the symbols in it.

    Attributes
    ----------
    seconds : dict
        Time spent in each stage.
    """

    def __init__(self, text: str, effort: Effort = LEAN, *others: Part):
        self.seconds: dict[str, float] = {}
        parts = [Part(text, effort), *others]
        with _LOCK:
            codes = [self._code(*part) for part in parts]
            start = time.perf_counter()
            self._linked = _link("\n".join([part.text for part in parts]), codes)
            self._note("link", start)

    def _code(self, text: str, effort: Effort) -> bytes:
        """The object file of a module, from the disk if it is there."""
        cache = disk_cache.from_environment()
        if cache is None:
            return self._compile(text, effort)
        name = disk_cache.key(text, repr(effort), *_target())
        return cache.lookup(name) or cache.store(name, self._compile(text, effort))

    def _compile(self, text: str, effort: Effort) -> bytes:
        start = time.perf_counter()
        module = llvm.parse_assembly(text)
        module.triple = llvm.get_process_triple()
        self._note("parse", start)
        start = time.perf_counter()
        machine = _machine(effort.codegen)
        if effort.has_passes:
            _manager().run(module, _builder(effort.codegen))
        self._note("optimise", start)
        start = time.perf_counter()
        code: bytes = machine.emit_object(module)
        self._note("generate", start)
        return code

    def _note(self, stage: str, start: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def address(self, name: str) -> int:
        """Where a function begins, or a global variable lies, that others may know.

        Raises
        ------
        KeyError
            If the module has none of this name.
        """
        return int(self._linked[name])


_DECLARED = re.compile(r'^declare [^@]*@"?([\w.]+)"?\(', re.M)
_FUNCTION = re.compile(r'^define (?!internal )[^@]*@"?([\w.]+)"?\(', re.M)
_VARIABLE = re.compile(r'^@"?([\w.]+)"? = (?!internal |private |external )', re.M)
_NUMBERS = itertools.count()


def _link(text: str, codes: Sequence[bytes]) -> llvm.ResourceTracker:
    """Load object files, with the addresses that their text declares; what they define."""
    library = llvm.JITLibraryBuilder().add_current_process()
    for code in codes:
        library.add_object_img(code)
    for name in _DECLARED.findall(text):
        address = None if name.startswith("llvm.") else llvm.address_of_symbol(name)
        if address is not None:
            library.import_symbol(name, address)
    for name in _FUNCTION.findall(text) + _VARIABLE.findall(text):
        library.export_symbol(name)
    return library.link(_linker(), f"wengert{next(_NUMBERS)}")


@functools.cache
def _linker() -> llvm.LLJIT:
    """What loads all code of this process; never disposed of, for parked threads stand in it."""
    linker = llvm.create_lljit_compiler(_machine(0), use_jit_link=os.name != "nt")
    PYTHON.Py_IncRef(ctypes.py_object(linker))
    return linker


def _target() -> tuple[str, ...]:
    """What code depends on besides its text."""
    return (".".join(map(str, llvm.llvm_version_info)), *_processor())


@functools.cache
def _processor() -> tuple[str, str]:
    """Name and features of this machine's processor."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@functools.cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()


@functools.cache
def _machine(level: int) -> llvm.TargetMachine:
    """What code is generated for.

    The linker puts what belongs to an object file into one block of memory, so places in it are
    32 bits apart and constants can be operands: shorter code in all respects. On Windows places
    are absolute, as LLVM's default for code in memory.
    """
    _initialise()
    cpu, features = _processor()
    target = llvm.Target.from_default_triple()
    places = {} if os.name == "nt" else {"reloc": "pic", "codemodel": "small"}
    return target.create_target_machine(cpu=cpu, features=features, opt=level, **places)


def _builder(level: int) -> llvm.PassBuilder:
    """What passes know of the machine; of one use, as a run leaves references to its own in it."""
    return llvm.create_pass_builder(_machine(level), llvm.create_pipeline_tuning_options())


@functools.cache
def _manager() -> llvm.ModulePassManager:
    """The list of passes."""
    manager = llvm.create_new_module_pass_manager()
    for name in _PASSES:
        getattr(manager, f"add_{name}_pass")()
    return manager


def assembly(text: str, effort: Effort = LEAN) -> str:
    """What the processor will run, for people and tests."""
    with _LOCK:
        machine = _machine(effort.codegen)
        module = llvm.parse_assembly(text)
        if effort.has_passes:
            _manager().run(module, _builder(effort.codegen))
        return str(machine.emit_assembly(module))
