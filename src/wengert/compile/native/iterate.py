"""The operation `loop` (passes/loop.py): a loop around the plan of its body.

The body is a function of its own, whose inputs and outputs are pointers that the loop sets in every
iteration: into the arrays it reads part by part, into those it collects. Numbers that are carried
on lie on the stack, so that LLVM keeps them in registers once the body is inlined; arrays that are
carried on go back and forth between two buffers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.compile.native import calls
from wengert.compile.native.bounds import check_extent
from wengert.compile.native.types import Code, close_loop, memory_type, open_loop
from wengert.compile.program import Spec

if TYPE_CHECKING:
    from wengert.compile.native.build import Writer

_INLINED = 400  # operations of a body of numbers


def write_loop(writer: Writer, value: int) -> str:
    """Write a loop into a plan; the status that its body left, an i32."""
    return _Iteration(writer, value).write()


class _Iteration:
    def __init__(self, writer: Writer, value: int):
        self.writer, self.value = writer, value
        self.division, self.code = writer.division, writer.code
        self.op = self.division.op(value)
        self.plan = writer.memory.plan.bodies[value]
        self.carried: int = self.op.parameters["carried"]
        self.stacked = self.op.parameters["stacked"]
        self.inputs = [
            calls.pointer_to(self.division, self.code, writer.pointers, x) for x in self.op.operands
        ]
        self.targets = {
            self.division.op(p).parameters["position"]: p
            for p in self.division.parts.get(value, [])
        }

    def write(self) -> str:
        """The loop."""
        code, name = self.code, f"{self.writer.name}.loop{self.value}"
        body = self.writer.memory.of_body(self.plan, self.op.parameters["count"])
        self.writer.write_body(body, name)
        arena = self.scratch(body.arena)
        inputs = code.variable(f"[{max(1, len(self.inputs))} x ptr]")
        outputs = code.variable(f"[{len(self.plan.program.outputs)} x ptr]")
        status = code.variable("i32")
        held = [self._carry(k) for k in range(self.carried)]
        loop = open_loop(code, "0", str(self.op.parameters["count"]))
        place = loop.turn
        if self.op.parameters["reverse"]:
            place = code.op(f"sub nsw i64 {self.op.parameters['count'] - 1}, {place}")
        for k, pointer in enumerate(self._inputs(held, place)):
            self.set(inputs, k, pointer)
        for k, pointer in enumerate(self._outputs(held, place)):
            self.set(outputs, k, pointer)
        way = " alwaysinline" if len(self.plan.program.ops) <= _INLINED else ""
        found = code.op(f"call i32 @{name}(ptr {inputs}, ptr {outputs}, ptr {arena}){way}")
        code.do(f"store i32 {found}, ptr {status}")
        go_on, leave = code.names.label(), code.names.label()
        fine = code.op(f"icmp eq i32 {found}, 0")
        code.do(f"br i1 {fine}, label %{go_on}, label %{leave}")
        code.start(go_on)
        for each in held:
            each.turn(code)
        close_loop(code, loop)
        code.do(f"br label %{leave}")
        code.start(leave)
        for k, each in enumerate(held):
            if k in self.targets:
                each.copy(code, each.current(code), self.writer.pointers(self.targets[k]))
        return code.op(f"load i32, ptr {status}")

    def scratch(self, size: int) -> str:
        """Memory of the loop's own."""
        at = self.writer.memory.scratch(max(16, size))
        return self.code.op(f"getelementptr inbounds i8, ptr %arena, i64 {at}")

    def set(self, array: str, k: int, pointer: str) -> None:
        """Write one pointer that the body gets."""
        place = self.code.op(f"getelementptr ptr, ptr {array}, i64 {k}")
        self.code.do(f"store ptr {pointer}, ptr {place}")

    def _carry(self, k: int) -> _Number | _Array:
        spec = self.plan.program.inputs[k]
        if spec.shape == ():
            return _Number(self.code, spec, self.inputs[k])
        size = _bytes(spec)
        return _Array(self.code, size, self.inputs[k], self.scratch(size), self.scratch(size))

    def _inputs(self, held: list[_Number | _Array], index: str) -> list[str]:
        code = self.code
        found = [each.current(code) for each in held]
        for k, (_, start, step) in enumerate(self.stacked, self.carried):
            place = code.op(f"mul nsw i64 {index}, {step}")
            place = code.op(f"add nsw i64 {place}, {start}")
            found.append(self._at(self.inputs[k], place, _bytes(self.plan.program.inputs[k])))
        return found + self.inputs[len(found) :]

    def _outputs(self, held: list[_Number | _Array], index: str) -> list[str]:
        found = [each.next(self.code) for each in held]
        for k in range(self.carried, len(self.plan.program.outputs)):
            size = _bytes(self.plan.program.spec(self.plan.program.outputs[k]))
            if k in self.targets:
                found.append(self._at(self.writer.pointers(self.targets[k]), index, size))
            else:
                found.append(self.scratch(size))
        return found

    def _at(self, pointer: str, index: str, size: int) -> str:
        offset = self.code.op(f"mul nsw i64 {index}, {size}")
        return self.code.op(f"getelementptr inbounds i8, ptr {pointer}, i64 {offset}")


def _bytes(spec: Spec) -> int:
    return spec.size * spec.dtype.itemsize


class _Number:
    """A number that is carried on: two places on the stack."""

    def __init__(self, code: Code, spec: Spec, start: str):
        pair = "2 x " if spec.dtype.kind == "c" else "1 x "
        self.kind = f"[{pair}{memory_type(spec.dtype)}]"
        self.places = [code.variable(self.kind), code.variable(self.kind)]
        self.copy(code, start, self.places[0])

    def copy(self, code: Code, source: str, target: str) -> None:
        """Write the number elsewhere."""
        number = code.op(f"load {self.kind}, ptr {source}, align 1")
        code.do(f"store {self.kind} {number}, ptr {target}, align 1")

    def current(self, code: Code) -> str:
        """Where it lies in this iteration."""
        return self.places[0]

    def next(self, code: Code) -> str:
        """Where the body leaves it for the next."""
        return self.places[1]

    def turn(self, code: Code) -> None:
        """Go to the next iteration."""
        self.copy(code, self.places[1], self.places[0])


class _Array:
    """An array that is carried on: two buffers, which change places."""

    def __init__(self, code: Code, size: int, start: str, first: str, second: str):
        self.size = size
        self.now, self.later = code.variable("ptr"), code.variable("ptr")
        # What is carried in is read where it lies, and never written.
        code.do(f"store ptr {start}, ptr {self.now}")
        code.do(f"store ptr {first}, ptr {self.later}")
        self.buffers = code.variable("ptr")
        code.do(f"store ptr {second}, ptr {self.buffers}")

    def copy(self, code: Code, source: str, target: str) -> None:
        """Write the array elsewhere."""
        name = "@llvm.memcpy.p0.p0.i64"
        code.names.symbols[name] = f"declare void {name}(ptr, ptr, i64, i1)"
        for pointer in (target, source):
            check_extent(code, pointer, self.size)
        code.do(f"call void {name}(ptr {target}, ptr {source}, i64 {self.size}, i1 false)")

    def current(self, code: Code) -> str:
        """Where it lies in this iteration."""
        return code.op(f"load ptr, ptr {self.now}")

    def next(self, code: Code) -> str:
        """Where the body leaves it for the next."""
        return code.op(f"load ptr, ptr {self.later}")

    def turn(self, code: Code) -> None:
        """Go to the next iteration: the buffer that held it before the last is free."""
        made, free = self.next(code), code.op(f"load ptr, ptr {self.buffers}")
        code.do(f"store ptr {made}, ptr {self.now}")
        code.do(f"store ptr {free}, ptr {self.later}")
        code.do(f"store ptr {made}, ptr {self.buffers}")
