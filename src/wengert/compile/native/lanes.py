"""Code of one element, rewritten for several: registers become vectors, one lane an element.

A loop over arrays is written as straight-line text for one turn. `Lanes.write` writes it again for
some turns at once: what depends on the index of the loop becomes a vector, what does not stays a
number; neighbours in memory are read and written as one vector, others gathered and scattered.
LLVM's vectoriser does the same in ten times the time, and leaves the loop for one element behind
for the rest, which is as long again. The one difficulty is to tell numbers from vectors: a name
that is not known here was there before the loop, and is a number.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

import llvmlite.binding as llvm

from wengert.compile.native.types import Code, Names

_BYTES = {"double": 8, "float": 4, "i64": 8, "i32": 4, "i16": 2, "i8": 1, "i1": 1, "ptr": 8}
_CASTS = frozenset(
    "trunc zext sext fptrunc fpext fptoui fptosi uitofp sitofp bitcast".split()  # noqa: SIM905
)
_CALL = re.compile(r"call ((?:\w+ )*?)(\w+) @([\w.]+)\((.*)\)( \w+)?$")
_ACCESS = re.compile(r"(?:load|store) (\w+)")


class Host(NamedTuple):
    """What vectors this processor has."""

    bytes: int
    has_masks: bool  # for loads and stores of some of the lanes, of any type


@functools.cache
def host() -> Host:
    """Of this machine."""
    features = llvm.get_host_cpu_features()
    if all(features.get(f"avx512{part}") for part in ("f", "bw", "dq", "vl")):
        return Host(64, True)
    return Host(32 if features.get("avx2") else 16, False)


def lanes_of(lines: Sequence[str]) -> int:
    """How many elements of the widest type in a loop's body a vector has."""
    widest = 1
    for line in lines:
        if "double" in line:
            return host().bytes // 8
        if "float" in line:
            widest = max(widest, 4)
        found = _ACCESS.search(line)
        if found and found[1] != "ptr":
            widest = max(widest, _BYTES[found[1]])
    return min(host().bytes // widest, 16)


class Line(NamedTuple):
    """A number that grows by the same from lane to lane: of lane 0, and by how much."""

    first: str
    step: int


class Lanes:
    """Writes the turns ``first``, ``first + 1``, … of a loop at once.

    Parameters
    ----------
    code : Code
        Where they are written.
    before : Code
        What stands before the loop: numbers are copied into all lanes there, once.
    count : int
        How many turns.
    mask : str, optional
        A vector of truth values: lanes that are false touch no memory.
    """

    def __init__(self, code: Code, before: Code, count: int, mask: str = ""):
        self.code, self.before, self.count, self.mask = code, before, count, mask
        self.vectors: dict[str, str] = {}
        self.counts: dict[str, Line] = {}  # integers
        self.addresses: dict[str, Line] = {}
        self.numbers: dict[str, str] = {}  # what is computed in the loop, but the same in all lanes
        self.variables: dict[
            str, str
        ] = {}  # on the stack, and those that hold vectors in their stead
        self._held: dict[str, str] = {}  # what was read from a variable last
        self._spread: dict[tuple[str, str], str] = {}

    def write(self, lines: Sequence[str], index: str = "", first: str = "0") -> None:
        """Write straight-line code in which `index` is the turn, for the turns from `first` on."""
        self.counts[index] = Line(first, 1)
        for line in lines:
            name, _, text = line.strip().rpartition(" = ")
            text = " ".join(text.split())
            opcode = text.split(" ", 1)[0]
            _WAYS.get(opcode, Lanes._binary)(self, name, text)

    # ------------------------------------------------------------------------------------ operands

    def vector(self, x: str, kind: str) -> str:
        """An operand as a vector."""
        found = self.vectors.get(x)
        if found is not None:
            return found
        if x in self.counts or x in self.addresses:
            found = self.vectors[x] = self._counted(x)
            return found
        if not x.startswith("%"):
            return f"splat ({kind} {x})"
        found = self._spread.get((x, kind))
        if found is None:
            code = self.code if x in self.numbers else self.before
            found = self._spread[x, kind] = spread(code, self.number(x), kind, self.count)
        return found

    def number(self, x: str) -> str:
        """An operand that is the same in all lanes."""
        return self.numbers.get(x, x)

    def _is_number(self, x: str) -> bool:
        return x not in self.vectors and x not in self.counts and x not in self.addresses

    def _counted(self, x: str) -> str:
        """What grows evenly from lane to lane, as a vector."""
        first, step = self.counts.get(x) or self.addresses[x]
        steps = ", ".join([f"i64 {k * step}" for k in range(self.count)])
        if x in self.addresses:
            return self.code.op(f"getelementptr i8, ptr {first}, <{self.count} x i64> <{steps}>")
        start = spread(self.code, first, "i64", self.count)
        return self.code.op(f"add <{self.count} x i64> {start}, <{steps}>")

    def _line(self, x: str) -> Line | None:
        """How an integer or address grows; None if it is no line."""
        found = self.counts.get(x) or self.addresses.get(x)
        if found is None and x not in self.vectors:
            return Line(self.number(x), 0)
        return found

    def _typed(self, kind: str, x: str) -> str:
        """An operand and its type, as a number if it is one."""
        if self._is_number(x):
            return f"{kind} {self.number(x)}"
        return f"{self._wide(kind)} {self.vector(x, kind)}"

    def _wide(self, kind: str) -> str:
        return f"<{self.count} x {kind}>"

    # -------------------------------------------------------------------------------- instructions

    def _binary(self, name: str, text: str) -> None:
        """Arithmetic and comparisons."""
        head, right = text.rsplit(", ", 1)
        head, left = head.rsplit(" ", 1)
        instruction, kind = head.rsplit(" ", 1)
        if self._is_number(left) and self._is_number(right):
            text = f"{instruction} {kind} {self.number(left)}, {self.number(right)}"
            self.numbers[name] = self.code.op(text)
            return
        line = self._sum(instruction, left, right) if kind == "i64" else None
        if line is not None:
            self.counts[name] = line
            return
        x, y = self.vector(left, kind), self.vector(right, kind)
        self.vectors[name] = self.code.op(f"{instruction} {self._wide(kind)} {x}, {y}")

    def _sum(self, instruction: str, left: str, right: str) -> Line | None:
        """A sum or product that grows evenly from lane to lane; None if it does not."""
        x, y = self._line(left), self._line(right)
        if x is None or y is None:
            return None
        if instruction.startswith("add"):
            step = x.step + y.step
        elif instruction.startswith("mul") and not y.step and not y.first.startswith("%"):
            step = x.step * int(y.first)
        else:
            return None
        return Line(self.code.op(f"{instruction} i64 {x.first}, {y.first}"), step)

    def _negative(self, name: str, text: str) -> None:
        head, x = text.rsplit(" ", 1)
        instruction, kind = head.rsplit(" ", 1)
        found = self.numbers if self._is_number(x) else self.vectors
        found[name] = self.code.op(f"{instruction} {self._typed(kind, x)}")

    def _cast(self, name: str, text: str) -> None:
        head, target = text.rsplit(" to ", 1)
        instruction, kind, x = head.split(" ")
        if self._is_number(x):
            self.numbers[name] = self.code.op(f"{head[: -len(x)]}{self.number(x)} to {target}")
            return
        x = self.vector(x, kind)
        text = f"{instruction} {self._wide(kind)} {x} to {self._wide(target)}"
        self.vectors[name] = self.code.op(text)

    def _select(self, name: str, text: str) -> None:
        test, first, second = text.removeprefix("select i1 ").split(", ")
        (kind, x), (_, y) = first.split(" "), second.split(" ")
        condition = self._typed("i1", test)
        if all(map(self._is_number, (test, x, y))):
            x, y = self.number(x), self.number(y)
            self.numbers[name] = self.code.op(f"select {condition}, {kind} {x}, {kind} {y}")
            return
        wide, x, y = self._wide(kind), self.vector(x, kind), self.vector(y, kind)
        self.vectors[name] = self.code.op(f"select {condition}, {wide} {x}, {wide} {y}")

    def _call(self, name: str, text: str) -> None:
        found = _CALL.match(text)
        assert found is not None, text
        flags, kind, function, given, way = found.groups("")
        operands = [x.split(" ") for x in given.split(", ")]
        if all(self._is_number(x) for _, x in operands):
            values = ", ".join([f"{k} {self.number(x)}" for k, x in operands])
            self.numbers[name] = self.code.op(f"call {flags}{kind} @{function}({values}){way}")
            return
        values = ", ".join([f"{self._wide(k)} {self.vector(x, k)}" for k, x in operands])
        callee = self._function(function, kind, len(operands))
        text = f"call {flags}{self._wide(kind)} {callee}({values}){way}"
        self.vectors[name] = self.code.op(text)

    def _function(self, function: str, kind: str, operands: int) -> str:
        """A function's name for vectors; what is needed of it goes to the module."""
        stem, last = function.rsplit(".", 1)
        name, symbols = f"@{stem}.v{self.count}{last}", self.code.names.symbols
        if function.startswith("llvm."):
            kinds = ", ".join([self._wide(kind)] * operands)
            symbols.setdefault(name, f"declare {self._wide(kind)} {name}({kinds})")
        elif name not in symbols:
            definition = symbols["@" + function]
            for symbol, text in widened(definition, "@" + function, name, self.count).items():
                symbols.setdefault(symbol, text)
        return name

    # -------------------------------------------------------------------------------------- memory

    def _address(self, name: str, text: str) -> None:
        head, pointer, *indices = text.split(", ")
        pointer, index = pointer.removeprefix("ptr "), indices[-1].removeprefix("i64 ")
        start, place = self._line(pointer), self._line(index)
        if len(indices) > 1 or start is None or place is None:
            operands = [self._typed(*x.split(" ")) for x in (f"ptr {pointer}", *indices)]
            self.vectors[name] = self.code.op(", ".join([head, *operands]))
            return
        first = self.code.op(f"{head}, ptr {start.first}, i64 {place.first}")
        step = start.step + place.step * _BYTES[head.rsplit(" ", 1)[1]]
        if step:
            self.addresses[name] = Line(first, step)
        else:
            self.numbers[name] = first

    def _load(self, name: str, text: str) -> None:
        kind, pointer, *rest = text.removeprefix("load ").split(", ")
        rest = rest or [f"align {_BYTES[kind]}"]
        pointer, wide = pointer.removeprefix("ptr "), self._wide(kind)
        if pointer in self.variables:
            found = self.code.op(f"load {wide}, ptr {self.variables[pointer]}")
            self.vectors[name] = self._held[pointer] = found
        elif self._is_number(pointer):
            where = ", ".join([f"ptr {self.number(pointer)}", *rest])
            self.numbers[name] = self.code.op(f"load {kind}, {where}")
        elif self._is_row(pointer, kind) and not self.mask:
            text = f"load {wide}, ptr {self.addresses[pointer].first}, {rest[0]}"
            self.vectors[name] = self.code.op(text)
        else:
            self.vectors[name] = self._access("load", kind, pointer, rest[0])

    def _store(self, name: str, text: str) -> None:
        number, pointer, *rest = text.removeprefix("store ").split(", ")
        kind, x = number.split(" ")
        pointer, wide = pointer.removeprefix("ptr "), self._wide(kind)
        value = self.vector(x, kind)
        if pointer in self.variables:
            held = self._held.get(pointer)
            if self.mask and held is not None:
                lanes = f"{self._wide('i1')} {self.mask}"
                value = self.code.op(f"select {lanes}, {wide} {value}, {wide} {held}")
            self.code.do(f"store {wide} {value}, ptr {self.variables[pointer]}")
        elif self._is_row(pointer, kind) and not self.mask:
            where = f"ptr {self.addresses[pointer].first}"
            self.code.do(f"store {wide} {value}, {where}, {rest[0]}")
        else:
            assert not self._is_number(pointer), text  # all lanes would write into one place
            self._access("store", kind, pointer, rest[0], value)

    def _is_row(self, pointer: str, kind: str) -> bool:
        """Whether the elements lie one behind the other."""
        line = self.addresses.get(pointer)
        return line is not None and line.step == _BYTES[kind]

    def _access(self, what: str, kind: str, pointer: str, align: str, value: str = "") -> str:
        """A load or store of the lanes that the mask has, or of lanes that lie apart."""
        size, wide, lanes = self.count, self._wide(kind), self._wide("i1")
        mask = self.mask or "splat (i1 true)"
        short = f"v{size}{_SHORT.get(kind, kind)}"
        if self._is_row(pointer, kind):
            name, place = f"@llvm.masked.{what}.{short}.p0", f"ptr {self.addresses[pointer].first}"
        else:
            what = "gather" if what == "load" else "scatter"
            name = f"@llvm.masked.{what}.{short}.v{size}p0"
            place = f"{self._wide('ptr')} {self.vector(pointer, 'ptr')}"
        place_kind, align = place.rsplit(" ", 1)[0], align.removeprefix("align ")
        symbols = self.code.names.symbols
        if value:
            symbols.setdefault(name, f"declare void {name}({wide}, {place_kind}, i32, {lanes})")
            self.code.do(f"call void {name}({wide} {value}, {place}, i32 {align}, {lanes} {mask})")
            return ""
        symbols.setdefault(name, f"declare {wide} {name}({place_kind}, i32, {lanes}, {wide})")
        rest = f"{lanes} {mask}, {wide} zeroinitializer"
        return self.code.op(f"call {wide} {name}({place}, i32 {align}, {rest})")


_SHORT = {"double": "f64", "float": "f32"}
_WAYS = {
    "call": Lanes._call,
    "fneg": Lanes._negative,
    "getelementptr": Lanes._address,
    "load": Lanes._load,
    "select": Lanes._select,
    "store": Lanes._store,
    **dict.fromkeys(_CASTS, Lanes._cast),
}


def spread(code: Code, x: str, kind: str, count: int) -> str:
    """A number in every lane of a vector."""
    if not x.startswith("%"):
        return f"splat ({kind} {x})"
    wide = f"<{count} x {kind}>"
    first = code.op(f"insertelement {wide} poison, {kind} {x}, i32 0")
    order = f"<{count} x i32> zeroinitializer"
    return code.op(f"shufflevector {wide} {first}, {wide} poison, {order}")


@functools.cache
def widened(text: str, name: str, wide_name: str, count: int) -> dict[str, str]:
    """The definition of a function without branches, for vectors; and what it needs, by symbol."""
    symbols: dict[str, str] = {}
    code = Code(Names(symbols))
    lanes = Lanes(code, code, count)
    head, *lines = text.replace('"', "").splitlines()
    result, given, rest = _HEAD.match(head.replace(f"{name}(", "@(")).groups()  # type: ignore[union-attr]
    kinds = []
    for operand in given.split(", "):
        kind, x = operand.split(" ")
        kinds.append(f"<{count} x {kind}> {x}")
        lanes.vectors[x] = x
    end = next(k for k, line in enumerate(lines) if line.lstrip().startswith("ret "))
    start = next(k for k, line in enumerate(lines) if line.endswith(":")) + 1
    lanes.write(lines[start:end])
    out = lanes.vector(lines[end].rsplit(" ", 1)[1], result)
    wide = f"<{count} x {result}>"
    head = f"define internal {wide} {wide_name}({', '.join(kinds)}){rest} {{"
    symbols[wide_name] = "\n".join([head, *code.lines, f"  ret {wide} {out}", "}"])
    return symbols


_HEAD = re.compile(r"define internal (\w+) @\((.*)\)([^{]*)")
