"""Builds native code of a plan: writes the module, compiles it, runs it.

`write` gives ``i32 @plan(ptr inputs, ptr outputs, ptr arena)`` and all it needs as text, which
`call.py` can add its entry to; `build` compiles it and gives a `Native`, which runs it by ctypes.
Straight-line scalars are written into the plan itself; loop nests and calls are called from it.
"""

from __future__ import annotations

import ctypes
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.compile.composites import CHECKED
from wengert.compile.fuse import CALL, SCALARS, Home, Step
from wengert.compile.native import bounds, call, calls, elementary, engine, library, parts, runtime
from wengert.compile.native.callbacks import Callback, Callbacks
from wengert.compile.native.elements import Elements
from wengert.compile.native.iterate import write_loop
from wengert.compile.native.loops import Nest
from wengert.compile.native.memory import ATTRIBUTES, PARAMETERS, TABLE, Memory, Pointers
from wengert.compile.native.operands import contiguous, copy
from wengert.compile.native.rows import Run
from wengert.compile.native.signature import Signature
from wengert.compile.native.types import Code, literal, llvm_type, load, store
from wengert.compile.native.update import write_check, write_update
from wengert.compile.passes.loop import loop as LOOP
from wengert.compile.plan import Plan
from wengert.compile.plan import plan as make_plan
from wengert.compile.program import GuardFailed, Program, Spec
from wengert.compile.rows import Rows
from wengert.tape.columns import Constant

_NUMBERS = itertools.count()  # of plans that other modules call
_WORTH_RELEASING = 100_000  # flops and bytes: some 50 us, beside which 0.1 us is little
_ARGUMENTS = "ptr %inputs, ptr %outputs, ptr %arena"
_LONG = 400  # operations of straight-line code from which on each stretch is a function
_LONGEST = 20_000  # from which on it runs once for each time that it is compiled, or nearly
_SHORT = 32  # operations up to which a program of numbers is inlined into its entry


class Module:
    """The text of a plan's module, and what must be given to it when it is loaded.

    Attributes
    ----------
    symbols : dict
        Name to declaration or definition; ``@plan`` among them.
    memory : Memory
        Constants, and the size of the arena.
    callbacks : Callbacks
        What the code calls of Python.
    called : dict of Counter
        For the report, by name of the primitive: calls of BLAS, LAPACK and our kernels of matrices
        ("library"), callbacks to NumPy ("callbacks"), stretches that are repeated, writes.
    """

    def __init__(self, plan: Plan, *, is_fast: bool = False, name: str = "plan"):
        self.plan = plan
        self.symbols: dict[str, str] = {}
        self.memory = Memory(plan, self.symbols, is_fast=is_fast)
        self.callbacks = Callbacks(self.symbols)
        kinds = ("library", "callbacks", "loops", "writes")
        self.called: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
        self.scalars = _count_scalars(plan)
        Writer(self, self.memory, name).write()

    @property
    def parts(self) -> list[engine.Part]:
        """The module as LLVM assembly: loops over arrays that run long by themselves."""
        self.memory.table()
        self.symbols |= self.callbacks.table()
        rest, hot = parts.divided(self.symbols)
        found = [engine.Part(rest, self.effort)]
        return [*found, engine.Part(hot, engine.LEAN)] if hot else found

    @property
    def text(self) -> str:
        """The whole module."""
        return "\n".join([part.text for part in self.parts])

    @property
    def effort(self) -> engine.Effort:
        """Straight-line code is not worth, and would take, much time."""
        if self.scalars > _LONG:
            return engine.QUICK if self.scalars <= _LONGEST else engine.LEAST
        if self.plan.bodies:
            return engine.LEAN
        if any(step.home.rank != SCALARS for step in self.plan.steps):
            return engine.LEAST
        return engine.LEAST if self.is_short else engine.LEAN

    @property
    def is_short(self) -> bool:
        """A few numbers: a call takes no longer than what Python does for it."""
        are_numbers = all(step.home.rank == SCALARS for step in self.plan.steps)
        return are_numbers and self.scalars <= _SHORT


def _count_scalars(plan: Plan) -> int:
    own = sum(len(step.roots) for step in plan.steps if step.home.rank == SCALARS)
    return own + sum(map(_count_scalars, plan.bodies.values()))


class Writer:
    """Writes the function of a plan."""

    def __init__(
        self,
        module: Module,
        memory: Memory,
        name: str,
        linkage: str = "",
        is_stretch: bool = False,
    ):
        self.module, self.name, self.linkage = module, name, linkage
        self.is_stretch = is_stretch
        self.memory, self.division = memory, memory.division
        names = self.memory.names()
        self.entry = Code(names)
        self.pointers = Pointers(self.memory, self.entry)
        none = self.division.steps[0].home if self.division.steps else Home(0, SCALARS)
        self.elements = Elements(self.division, none, names, self.pointers, flags=self.memory.flags)
        self.code = self.elements.sections[0]
        is_repeated = bool(linkage) and module.scalars <= _LONG  # the body of a loop of numbers
        self.code.called = elementary.BRANCHING if is_repeated else elementary.NAMES
        self.guards: dict[int, list[int]] = {}
        for number, guard in enumerate(memory.plan.program.guards):
            self.guards.setdefault(guard.value, []).append(number)

    def write(self) -> None:
        for value in range(self.division.count):
            self._check(value)
        runs = {run.first: run for run in self.memory.plan.rows}
        together = {k for run in runs.values() for k in range(run.first, run.last)}
        for number, step in enumerate(self.division.steps):
            self.elements.home = step.home
            if number in runs:
                self._rows(runs[number], f"{self.name}.r{number}")
            if number in together:
                continue
            if step.home.rank == SCALARS:
                self._stretch(step)
            elif step.home.rank == CALL:
                self._call(step.roots[0])
            else:
                Nest(self.memory, step, f"{self.name}.k{number}").run(self.code)
                for value in step.roots:
                    self._check(value)
        self._finish()

    def _rows(self, rows: Rows, name: str) -> None:
        """Steps that are computed together, a block of rows at a time."""
        steps = self.division.steps[rows.first : rows.last]
        Run(self.memory, rows, steps, name).write(self.code)
        for step in steps:
            for value in step.roots:
                self._check(value)

    def write_body(self, memory: Memory, name: str) -> None:
        """Write the plan of a loop's body as a function of its own."""
        Writer(self.module, memory, name, "internal ").write()

    def _finish(self) -> None:
        names, entry = self.entry.names, self.entry
        entry.do("%context = alloca [3 x ptr]")
        for k, pointer in enumerate(("%inputs", "%outputs", "%arena")):
            place = entry.op(f"getelementptr ptr, ptr %context, i64 {k}")
            entry.do(f"store ptr {pointer}, ptr {place}")
        # A stretch, called once, would be inlined, and the plan be one long function again.
        way = "alwaysinline " if self.module.is_short else "noinline " if self.is_stretch else ""
        head = f"define {self.linkage}i32 @{self.name}({PARAMETERS}) {way}{ATTRIBUTES} {{"
        lines = [head, "entry:", *names.allocas, *entry.lines, *self.code.lines, "  ret i32 0", "}"]
        self.module.symbols["@" + self.name] = "\n".join(lines)
        smin = "@llvm.smin.i64"
        self.module.symbols[smin] = f"declare i64 {smin}(i64, i64)"

    def _stretch(self, step: Step) -> None:
        """A stretch of straight-line code; of long code, each is a function of its own."""
        if self.module.scalars <= _LONG or self.is_stretch:
            self._scalars(step)
            return
        name = f"{self.name}.s{step.home.level}.{step.home.value}"
        part = Writer(self.module, self.memory, name, "internal ", is_stretch=True)
        part.elements.home = step.home
        part._scalars(step)
        part._finish()
        self._leave_if(self.code.op(f"call i32 @{name}({_ARGUMENTS})"))

    def _scalars(self, step: Step) -> None:
        division, code = self.division, self.code
        for value in step.roots:
            x = self.elements.at(value, (), is_root=True)
            if value in division.kept:
                store(
                    code,
                    self.elements.converted(x, division.specs[value].dtype),
                    self.pointers(value),
                )
            self._check(value)

    def _check(self, value: int) -> None:
        """Leave the plan if a guard on this value does not hold."""
        code = self.code
        for number in self.guards.get(value, ()):
            guard = self.memory.plan.program.guards[number]
            dtype = self.division.specs[value].dtype
            x = self.elements._known.get((value, ()))
            x = x or load(code, self.pointers(value), dtype, 0)
            expected = literal(dtype, guard.expected).parts[0]
            holds = code.op(f"icmp eq {llvm_type(dtype)} {x.parts[0]}, {expected}")
            fail, go_on = code.names.label(), code.names.label()
            code.do(f"br i1 {holds}, label %{go_on}, label %{fail}")
            code.start(fail)
            code.do(f"ret i32 {number + 1}")
            code.start(go_on)

    def _call(self, value: int) -> None:
        division = self.division
        op, called = division.op(value), self.module.called
        if op.primitive is LOOP:
            called["loops"][op.primitive.name] += 1
            self._leave_if(write_loop(self, value))
            return
        if division.is_update(value):
            called["writes"][op.primitive.name] += 1
            write_update(self.memory, value, f"{self.name}.write{value}", self.elements)
            return
        if op.primitive is CHECKED:
            self._leave_if(self._checked_index(value))
            return
        status = self._library(value)
        called["callbacks" if status is None else "library"][op.primitive.name] += 1
        status = self._callback(value) if status is None else status
        if status != "0":
            self._leave_if(status)
        self._check(value)
        for part in self.division.parts.get(value, ()):
            self._check(part)

    def _checked_index(self, value: int) -> str:
        """Write the check of an index; NumPy's IndexError if it is out of range."""
        code, division = self.code, self.division
        op = division.op(value)
        spec = division.specs[value]
        pointer = self.pointers(value)
        size = op.parameters["shape"][op.parameters["axis"]]
        bad = write_check(self.memory, code, spec, pointer, size, f"{self.name}.check{value}")
        fail, go_on = code.names.label(), code.names.label()
        status = code.variable("i32")
        code.do(f"store i32 0, ptr {status}")
        code.do(f"br i1 {bad}, label %{fail}, label %{go_on}")
        code.start(fail)
        found = Callback(calls.function_of(op), (spec,), (spec,))
        raised = self.module.callbacks.emit(code, found, [pointer], [pointer])
        code.do(f"store i32 {raised}, ptr {status}")
        code.do(f"br label %{go_on}")
        code.start(go_on)
        return code.op(f"load i32, ptr {status}")

    def _library(self, value: int) -> str | None:
        """Write a call of BLAS or LAPACK: its status; None if it is none."""
        code, division = self.code, self.division
        op = division.op(value)
        results = calls.all_results(division, value)
        if results is None or not library.has_library(op, [division.spec(x) for x in op.operands]):
            return None
        layouts = [calls.layout_of(division, x) for x in op.operands]
        specs = [division.specs[x] for x in results]
        found = library.library_call(op, layouts, specs)
        if found is None:
            return None
        operands = [calls.pointer_to(division, code, self.pointers, x) for x in op.operands]
        pointers = [self.pointers(x) for x in results]
        at = self.memory.scratch(found.workspace_bytes) if found.workspace_bytes else 0
        workspace = code.op(f"getelementptr inbounds i8, ptr %arena, i64 {at}")
        status = found.emit(code, operands, pointers, workspace, self.module.callbacks)
        return status or "0"

    def _callback(self, value: int) -> str:
        """Write a callback: its status."""
        code, division = self.code, self.division
        operands = [
            self._gathered(x) for x in division.op(value).operands if not isinstance(x, Constant)
        ]
        results = [self.pointers(x) for x in calls.results_of(division, value)]
        found = calls.callback(division, value)
        return self.module.callbacks.emit(code, found, operands, results)

    def _gathered(self, value: int) -> str:
        """A pointer to an operand whose elements lie one after the other, as callbacks take them.

        A view that the library could have read as it lies, had it been called, is copied.
        """
        division, code = self.division, self.code
        pointer = calls.pointer_to(division, code, self.pointers, value)
        layout = calls.layout_of(division, value)
        if layout.is_contiguous:
            return pointer
        at = self.memory.scratch(layout.size * layout.dtype.itemsize)
        target = code.op(f"getelementptr inbounds i8, ptr %arena, i64 {at}")
        copy(code, pointer, target, layout, contiguous(layout.shape, layout.dtype))
        return target

    def _leave_if(self, status: str) -> None:
        """Leave the plan as a part of it was left: by a guard, or because a call raised."""
        code = self.code
        failed = code.op(f"icmp ne i32 {status}, 0")
        fail, go_on = code.names.label(), code.names.label()
        code.do(f"br i1 {failed}, label %{fail}, label %{go_on}")
        code.start(fail)
        code.do(f"ret i32 {status}")
        code.start(go_on)


class Native:
    """Machine code of a plan.

    Attributes
    ----------
    plan : Plan
    seconds : dict
        Time of each stage of compiling.
    """

    def __init__(self, plan: Plan, *, is_fast: bool = False, signature: Signature | None = None):
        self.plan = plan
        self.module = Module(plan, is_fast=is_fast)
        self._signature = signature
        self._entry = None if signature is None else self._emit(self.module.symbols, signature)
        library.install(self.module.symbols)
        first, *others = self.module.parts
        self.unit = engine.Unit(*first, *others)
        self.seconds = self.unit.seconds
        self._constants = self.module.memory.constants
        self._fill()
        prototype = ctypes.PYFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)
        self._function = prototype(self.unit.address("plan"))
        self._arenas: list[np.ndarray] = []  # that no call uses

    def _emit(
        self,
        symbols: dict[str, str],
        signature: Signature,
        *,
        plan: str = "plan",
        takes_results: bool = False,
    ) -> call.Entry:
        """Write an entry that Python calls into a module."""
        call.install()
        summary, count = self.plan.summary, len(self.plan.program.guards)
        is_long = summary.flops + summary.moved > _WORTH_RELEASING
        arena = self.module.memory.arena
        return call.emit(
            symbols,
            signature,
            plan=plan,
            arena_bytes=arena,
            guards=count,
            release_gil=is_long,
            is_hot=self.module.is_short and not takes_results,
            takes_results=takes_results,
        )

    @property
    def described(self) -> dict[str, Any]:
        """What the report tells: the plan's summary, and what is called, by name."""
        found = {kind: dict(counts) for kind, counts in self.module.called.items()}
        return vars(self.plan.summary) | found

    def bind(self, fallback: Callable[..., Any]) -> call.Bound | None:
        """The Python callable, if a signature was given."""
        if self._entry is None or bounds.is_on():  # the entry does not look at what was noted
            return None
        return self._entry.bind(self.unit.address, owner=self, fallback=fallback)

    def bind_into(self, fallback: Callable[..., Any]) -> call.Bound | None:
        """The Python callable that takes arrays for its result; a module of its own, made now."""
        signature = self._signature
        if signature is None or bounds.is_on() or not call.can_take_results(signature):
            return None
        plan = f"wg_plan{next(_NUMBERS)}"
        runtime.register({plan: self.unit.address("plan")})
        symbols = {"@" + plan: f"declare i32 @{plan}(ptr, ptr, ptr)"}
        entry = self._emit(symbols, signature, plan=plan, takes_results=True)
        unit = engine.Unit("\n".join(symbols.values()), engine.LEAST)
        return entry.bind(unit.address, owner=(self, unit), fallback=fallback)

    def _fill(self) -> None:
        table = self.unit.address(TABLE)
        for k, array in enumerate(self._constants):
            ctypes.c_void_p.from_address(table + 8 * k).value = array.ctypes.data
        self._records = self.module.callbacks.bind(self.unit.address)

    def run(self, inputs: Sequence[Any], given: Sequence[np.ndarray | None] = ()) -> list[Any]:
        """Run on values of the program's specs.

        Parameters
        ----------
        inputs : sequence
            Of numbers and arrays.
        given : sequence, optional
            An array that each output is written into; None for one of its own.

        Raises
        ------
        GuardFailed
            At the first guard that does not hold.
        """
        program = self.plan.program
        held = [_as_memory(x, spec) for x, spec in zip(inputs, program.inputs, strict=True)]
        specs = [program.spec(x) for x in program.outputs]
        results = [
            np.empty(spec.shape, spec.dtype) if own is None else own
            for spec, own in zip(specs, given or [None] * len(specs), strict=True)
        ]
        try:
            arena = self._arenas.pop()
        except IndexError:  # the first call, or others are under way
            arena = np.empty(self.module.memory.arena + 64, np.uint8)
        start = arena.ctypes.data + -arena.ctypes.data % 64
        table = self._noted([*held, *results, *self._constants], start)
        status = self._function(_addresses(held), _addresses(results), start)
        del table
        self._arenas.append(arena)
        bounds.verify(self.module.symbols, self.unit.address)
        if status > 0:
            raise GuardFailed(program.guards[status - 1])
        return [_as_value(x, spec) for x, spec in zip(results, specs, strict=True)]

    def _noted(self, arrays: Sequence[np.ndarray], arena: int) -> object:
        """Tell checks of bounds where buffers lie; what must live until they are over."""
        if not bounds.is_on():
            return None
        memory, specs = self.module.memory, self.plan.division.specs
        buffers = [(x.ctypes.data, x.nbytes) for x in arrays]
        buffers += [(arena + at, size) for at, size in memory.pieces]
        for value, place in self.plan.locations.items():
            if place.area == "arena":
                size = specs[value].size * specs[value].dtype.itemsize
                buffers.append((arena + place.at, size))
        return bounds.note(self.module.symbols, self.unit.address, buffers)


def _as_memory(value: Any, spec: Spec) -> np.ndarray:
    array = np.ascontiguousarray(value, spec.dtype).reshape(np.shape(value))
    if array.shape != spec.shape:
        raise ValueError(f"an input has shape {array.shape}, not {spec.shape}")
    return array


def _addresses(arrays: Sequence[np.ndarray]) -> Any:
    return (ctypes.c_void_p * max(1, len(arrays)))(*[x.ctypes.data for x in arrays])


def _as_value(array: np.ndarray, spec: Spec) -> Any:
    if spec.kind == "array":
        return array
    return array.item() if spec.kind == "python" else array[()]


def build(
    source: Plan | Program, *, is_fast: bool = False, signature: Signature | None = None
) -> Native:
    """Compile a plan, or plan and compile a program; with a signature, its native entry, too."""
    plan = make_plan(source) if isinstance(source, Program) else source
    return Native(plan, is_fast=is_fast, signature=signature)
