"""From LLVM assembly to machine code of this processor.

One lock: LLVM's passes are not run by two threads at once. Code lives as long as its `Unit`.
"""

from __future__ import annotations

import functools
import threading
import time
from typing import NamedTuple

import llvmlite.binding as llvm

from wengert.compile import disk_cache

_LOCK = threading.RLock()


class Effort(NamedTuple):
    """How hard LLVM works: levels of the passes, or `FEW` of them, and of instruction selection."""

    passes: int
    codegen: int


FEW = -1
THOROUGH = Effort(2, 2)
QUICK = Effort(1, 1)  # long straight-line code: there is little to gain in it
LEAN = Effort(FEW, 2)  # straight-line code: as fast as with all passes, which take twice the time
LEAST = Effort(FEW, 0)  # short straight-line code: calls of Python take longer than all else in it

_FEW = ("always_inliner", "sroa", "instruction_combine", "simplify_cfg", "new_gvn")


class Unit:
    """Machine code in memory, and the symbols in it.

    Attributes
    ----------
    seconds : dict
        Time spent in each stage.
    """

    def __init__(self, text: str, effort: Effort = THOROUGH):
        self.seconds: dict[str, float] = {}
        cache = disk_cache.from_environment()
        name = disk_cache.key(text, repr(effort), *_target()) if cache is not None else ""
        code = cache.lookup(name) if cache is not None else None
        with _LOCK:
            start = time.perf_counter()
            machine = _machine(effort.codegen)
            module = llvm.parse_assembly(text if code is None else "")
            module.triple = llvm.get_process_triple()
            self._note("parse", start)
            start = time.perf_counter()
            if code is None:
                _optimise(module, machine, effort.passes)
            self._note("optimise", start)
            start = time.perf_counter()
            self._engine = llvm.create_mcjit_compiler(module, machine)
            if code is not None:
                self._engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
            elif cache is not None:
                self._engine.set_object_cache(lambda _, data: cache.store(name, data))
            self._engine.finalize_object()
            self._note("generate", start)

    def _note(self, stage: str, start: float) -> None:
        self.seconds[stage] = time.perf_counter() - start

    def address(self, name: str) -> int:
        """Where a function begins."""
        with _LOCK:
            return int(self._engine.get_function_address(name))

    def variable(self, name: str) -> int:
        """Where a global variable lies."""
        with _LOCK:
            return int(self._engine.get_global_value_address(name))


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


def _machine(level: int) -> llvm.TargetMachine:
    """A target machine of its own: an engine takes it over."""
    _initialise()
    cpu, features = _processor()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=cpu, features=features, opt=level)


def _optimise(module: llvm.ModuleRef, machine: llvm.TargetMachine, level: int) -> None:
    if level == FEW:
        builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
        manager = llvm.create_new_module_pass_manager()
        for name in _FEW:
            getattr(manager, f"add_{name}_pass")()
        manager.run(module, builder)
        return
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = level > 1
    options.slp_vectorization = False  # a twentieth of the time, for nothing that was seen
    options.loop_interleaving = level > 1
    options.loop_unrolling = False  # but where code asks for it (`Memory.loop_metadata`)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def assembly(text: str, effort: Effort = THOROUGH) -> str:
    """What the processor will run, for people and tests."""
    with _LOCK:
        machine = _machine(effort.codegen)
        module = llvm.parse_assembly(text)
        _optimise(module, machine, effort.passes)
        return str(machine.emit_assembly(module))
