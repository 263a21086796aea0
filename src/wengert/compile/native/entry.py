"""Writes the entry of a compiled function as LLVM text: checks, the call of the plan, the result.

What it reads of objects lies where `layout.py` says. An entry may take a tree of arrays before its
arguments, into which it writes the arrays of its result. The one difficulty is ownership on every
way out: what the entry holds stands in one array, ``%owned``, that `wg_drop` empties.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.native import layout, objects
from wengert.compile.native.objects import ArrayRecord
from wengert.compile.native.signature import Made, Signature, Static, numbers
from wengert.compile.native.types import Code, Names
from wengert.compile.program import Spec

# The state of an entry, in words: a flag (the arena is in use), the arena, the function that tries
# (`objects.TRY`), then constants.
BUSY, ARENA, CONSTANTS = 0, 1, 3
STACK = 4096  # a smaller arena is on the stack
ALIGN = 64

_PYTHON_TYPES = {"f": float, "c": complex, "i": int, "b": bool}
_COMPARED = (int, str, bytes)

DECLARED = {
    "PyObject_Vectorcall": "ptr (ptr, ptr, i64, ptr)",
    "PyObject_RichCompareBool": "i32 (ptr, ptr, i32)",
    "PyDict_GetItemWithError": "ptr (ptr, ptr)",
    "PyDict_Size": "i64 (ptr)",
    "PyDict_New": "ptr ()",
    "PyDict_SetItem": "i32 (ptr, ptr, ptr)",
    "PyTuple_New": "ptr (i64)",
    "PyList_New": "ptr (i64)",
    "PyFloat_FromDouble": "ptr (double)",
    "PyComplex_FromDoubles": "ptr (double, double)",
    "PyLong_FromLongLong": "ptr (i64)",
    "Py_IncRef": "void (ptr)",
    "Py_DecRef": "void (ptr)",
    "PyErr_Clear": "void ()",
    "PyErr_NoMemory": "ptr ()",
    "PyEval_SaveThread": "ptr ()",
    "PyEval_RestoreThread": "void (ptr)",
    "PyMem_RawMalloc": "ptr (i64)",
    "PyMem_RawFree": "void (ptr)",
}


class Address(NamedTuple):
    """A constant that is no object: a function's address."""

    address: int


class Writer:
    """Writes one entry. Branches of checks lead to ``mismatch``, those of failures to ``fail``."""

    def __init__(
        self,
        symbols: dict[str, str],
        signature: Signature,
        attributes: str = "",
        *,
        takes_results: bool = False,
    ):
        self.attributes = attributes  # of its functions
        self.before = int(takes_results)  # arguments that are none of the signature's
        self.symbols, self.signature = symbols, signature
        self.constants: list[Any] = []
        self.places: dict[Any, int] = {}  # of constants: by identity, addresses by value
        self.code = Code(Names(symbols))
        self.allocas: list[str] = []
        self.inputs: dict[int, str] = {}  # where the data of each input lies
        self.nested: list[str] = []  # arguments that a container holds: it may let go of them
        self.slots = 0  # of %owned
        self.given: dict[int, str] = {}  # arrays that outputs are written into
        self.made: dict[int, int] = {}  # output -> slot of the object that it became
        self.records: dict[Any, ArrayRecord] = {}
        self.uses = Counter(numbers(signature.result))

    # ------------------------------------------------------------------------------ small pieces

    def declare(self, name: str) -> str:
        kind = DECLARED.get(name) or objects.DECLARED[name]
        result, _, operands = kind.partition(" ")
        self.symbols.setdefault("@" + name, f"declare {result} @{name}{operands}")
        return result

    def call(self, name: str, *operands: str) -> str:
        result = self.declare(name)
        text = f"call {result} @{name}({', '.join(operands)})"
        if result == "void":
            self.code.do(text)
            return ""
        return self.code.op(text)

    def at(self, pointer: str, offset: int) -> str:
        return self.code.op(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    def load(self, pointer: str, offset: int, kind: str = "ptr") -> str:
        return self.code.op(f"load {kind}, ptr {self.at(pointer, offset)}")

    def store(self, value: str, pointer: str, offset: int) -> None:
        self.code.do(f"store ptr {value}, ptr {self.at(pointer, offset)}")

    def constant(self, value: Any) -> str:
        """A pointer to an object that the entry keeps alive."""
        key = value if isinstance(value, Address) else id(value)
        index = self.places.setdefault(key, len(self.constants))
        if index == len(self.constants):
            self.constants.append(value)
        return self.load("%state", 8 * (CONSTANTS + index))

    def require(self, condition: str, otherwise: str = "mismatch") -> None:
        label = self.code.names.label()
        self.code.do(f"br i1 {condition}, label %{label}, label %{otherwise}")
        self.code.start(label)

    def require_equal(self, kind: str, x: str, y: Any) -> None:
        self.require(self.code.op(f"icmp eq {kind} {x}, {y}"))

    def require_made(self, pointer: str) -> None:
        """A call into Python gave an object."""
        self.require(self.code.op(f"icmp ne ptr {pointer}, null"), "fail")

    def slot(self, pointer: str) -> int:
        """Own an object."""
        self.store(pointer, "%owned", 8 * self.slots)
        self.slots += 1
        return self.slots - 1

    def disown(self, slots: Sequence[int]) -> None:
        for slot in slots:
            self.store("null", "%owned", 8 * slot)

    # ----------------------------------------------------------------------------------- function

    def function(self, plan: str, name: str, arena_bytes: int, release_gil: bool) -> str:
        code = self.code
        count = len(self.signature.arguments) + self.before
        self.require_equal("i64", "%nargs", count)
        self.check_keyword_count()
        for k, tree in enumerate(self.signature.arguments):
            self.check(tree, self.load("%args", 8 * (k + self.before)), is_nested=False)
        for word, tree in self.signature.keywords.items():
            self.check(tree, self.keyword(word), is_nested=False)
        if self.before:
            self.check_given(self.signature.result, self.load("%args", 0))
            self.require_apart()
        first = len(code.lines)  # the array of what is owned begins here, when its size is known
        self.allocate_outputs()
        for pointer in self.nested:
            self.call("Py_IncRef", f"ptr {pointer}")
        self.run(plan, arena_bytes, release_gil)
        code.do("switch i32 %status, label %fail [ i32 0, label %build ]")
        code.start("build")
        out = self.load("%owned", 8 * self.build(self.signature.result))
        for output, uses in self.uses.items():  # what stands in several places has an owner more
            if uses > 1:
                self.call("Py_DecRef", f"ptr {self.load('%owned', 8 * self.made[output])}")
        code.do(f"ret ptr {out}")
        self.ways_out()
        size = max(1, self.slots)
        code.lines.insert(first, f"  store [{size} x ptr] zeroinitializer, ptr %owned")
        attempt = [*self.head(name, size, arena_bytes), *code.lines, "}"]
        return "\n".join([*attempt, self.entry(name)])

    def entry(self, name: str) -> str:
        """What Python calls: try, or leave it to a target."""
        self.declare("wg_leave")
        given = "ptr %self, ptr %args, i64 %nargs, ptr %kwnames"
        return f"""define ptr @{name}({given}) {self.attributes}{{
  %found = call ptr @{name}.try({given})
  %word = ptrtoint ptr %found to i64
  %number = sub i64 %word, 1
  %leaves = icmp ult i64 %number, {objects.MOST}
  br i1 %leaves, label %leave, label %done
leave:
  %other = call ptr @wg_leave({given}, i64 %number)
  ret ptr %other
done:
  ret ptr %found
}}"""

    def head(self, name: str, size: int, arena_bytes: int) -> list[str]:
        inputs, outputs = len(self.signature.inputs), len(self.signature.outputs)
        scratch = arena_bytes if arena_bytes <= STACK else 0
        return [
            f"define ptr @{name}.try(ptr %self, ptr %args, i64 %nargs, ptr %kwnames) "
            f"{self.attributes}{{",
            "start:",
            f"  %owned = alloca [{size} x ptr]",
            f"  %inputs = alloca [{max(1, inputs)} x ptr]",
            f"  %outputs = alloca [{max(1, outputs)} x ptr]",
            f"  %scratch = alloca [{max(1, scratch)} x i8], align {ALIGN}",
            f"  %numbers = alloca [{max(1, outputs)} x [16 x i8]], align 16",
            *self.allocas,
            f"  %self.0 = getelementptr i8, ptr %self, i64 {layout.TUPLE_ITEMS}",
            "  %self.1 = load ptr, ptr %self.0",
            f"  %self.2 = getelementptr i8, ptr %self.1, i64 {layout.DATA}",
            "  %state = load ptr, ptr %self.2",
        ]

    def ways_out(self) -> None:
        code = self.code
        code.start("missing")  # a key of the caller's may have raised when it was compared
        self.call("PyErr_Clear")
        code.do("br label %mismatch")
        code.start("mismatch")
        code.do("ret ptr inttoptr (i64 1 to ptr)")
        code.start("failed.guard")
        self.call("wg_drop", "ptr %owned", f"i64 {self.slots}")
        is_known = code.op(f"icmp slt i32 %status, {objects.MOST - 1}")
        number = code.op(f"select i1 {is_known}, i32 %status, i32 0")
        following = code.op(f"add i32 {number}, 1")
        code.do(f"ret ptr {code.op(f'inttoptr i32 {following} to ptr')}")
        code.start("fail")
        self.call("wg_drop", "ptr %owned", f"i64 {self.slots}")
        code.do("ret ptr null")

    # ---------------------------------------------------------------------------------- arguments

    def check_keyword_count(self) -> None:
        count = len(self.signature.keywords)
        if count == 0:
            self.require_equal("ptr", "%kwnames", "null")
            return
        self.require(self.code.op("icmp ne ptr %kwnames, null"))
        self.require_equal("i64", self.load("%kwnames", layout.SIZE, "i64"), count)

    def keyword(self, name: str) -> str:
        """A keyword argument; they may come in any order."""
        names = ("ptr %kwnames", f"ptr {self.constant(sys.intern(name))}")
        place = self.call("wg_keyword", *names)
        self.require(self.code.op(f"icmp sge i64 {place}, 0"))
        before = len(self.signature.arguments) + self.before
        index = self.code.op(f"add i64 {place}, {before}")
        return self.code.op(
            f"load ptr, ptr {self.code.op(f'getelementptr ptr, ptr %args, i64 {index}')}"
        )

    def check(self, tree: Any, pointer: str, is_nested: bool) -> None:
        """Compare one argument with what it must be; note where its data lies."""
        if isinstance(tree, Static):
            self.check_static(tree.value, pointer)
        elif isinstance(tree, int):
            spec = self.signature.inputs[tree]
            if spec.kind == "array":
                self.check_array(spec, pointer)
                self.inputs[tree] = self.load(pointer, layout.DATA)
            else:
                self.check_type(number_type(spec), pointer)
                self.inputs[tree] = self.at(pointer, layout.VALUE)
            if is_nested:
                self.nested.append(pointer)
        else:
            self.check_type(type(tree), pointer)
            self.check_container(tree, pointer)

    def check_type(self, kind: type, pointer: str) -> None:
        self.require_equal("ptr", self.load(pointer, layout.TYPE), self.constant(kind))

    def check_container(self, tree: Any, pointer: str) -> None:
        for part, item in self.items(tree, pointer):
            self.check(part, item, is_nested=True)

    def items(self, tree: Any, pointer: str) -> Iterator[tuple[Any, str]]:
        """The parts of a container, and pointers to those of an object that must have as many."""
        if isinstance(tree, dict):
            self.require_equal("i64", self.call("PyDict_Size", f"ptr {pointer}"), len(tree))
            for key, part in tree.items():
                operands = (f"ptr {pointer}", f"ptr {self.constant(key)}")
                item = self.call("PyDict_GetItemWithError", *operands)
                self.require(self.code.op(f"icmp ne ptr {item}, null"), "missing")
                yield part, item
            return
        self.require_equal("i64", self.load(pointer, layout.SIZE, "i64"), len(tree))
        is_list = isinstance(tree, list)
        items = self.load(pointer, layout.LIST_ITEMS) if is_list and tree else pointer
        start = 0 if is_list else layout.TUPLE_ITEMS
        for k, part in enumerate(tree):
            yield part, self.load(items, start + 8 * k)

    def check_array(self, spec: Spec, pointer: str) -> None:
        self.require(self.call("wg_fits", f"ptr {pointer}", f"ptr {self.record(spec)}"))

    def record(self, spec: Spec) -> str:
        """A pointer to what native code knows of an array."""
        found = self.records.setdefault((spec.shape, spec.dtype), ArrayRecord(spec))
        return self.constant(found)

    def check_given(self, tree: Any, pointer: str) -> None:
        """Compare a tree of arrays with the result; where that has no array, all is ignored."""
        if isinstance(tree, dict | list | tuple):
            self.check_type(type(tree), pointer)
            for part, item in self.items(tree, pointer):
                self.check_given(part, item)
        elif isinstance(tree, Static) and tree.value is None:  # to Python, a tree without leaves
            self.require_equal("ptr", pointer, self.constant(None))
        elif isinstance(tree, int) and self.signature.outputs[tree].kind == "array":
            self.check_array(self.signature.outputs[tree], pointer)
            flags = self.load(pointer, layout.FLAGS, "i32")
            writable = self.code.op(f"and i32 {flags}, {layout.WRITABLE}")
            self.require(self.code.op(f"icmp ne i32 {writable}, 0"))
            self.given[tree] = pointer

    def require_apart(self) -> None:
        """No array that is written has memory in common with another."""
        inputs = [
            (self.inputs[k], spec)
            for k, spec in enumerate(self.signature.inputs)
            if spec.kind == "array"
        ]
        outputs = [
            (self.load(pointer, layout.DATA), self.signature.outputs[k])
            for k, pointer in self.given.items()
        ]
        for k, first in enumerate(outputs):
            for second in [*inputs, *outputs[:k]]:
                ends = [self.ends(*first), self.ends(*second)]
                before, behind = (
                    self.code.op(f"icmp ule ptr {ends[x][1]}, {ends[y][0]}")
                    for x, y in ((0, 1), (1, 0))
                )
                self.require(self.code.op(f"or i1 {before}, {behind}"))

    def ends(self, pointer: str, spec: Spec) -> tuple[str, str]:
        """Where the memory of an array begins and ends."""
        return pointer, self.at(pointer, spec.size * spec.dtype.itemsize)

    def check_static(self, value: Any, pointer: str) -> None:
        code = self.code
        known = self.constant(value)
        if type(value) not in (*_COMPARED, float):
            self.require_equal("ptr", pointer, known)
            return
        same, other = code.names.label(), code.names.label()
        is_same = code.op(f"icmp eq ptr {pointer}, {known}")
        code.do(f"br i1 {is_same}, label %{same}, label %{other}")
        code.start(other)
        self.check_type(type(value), pointer)
        if type(value) is float:  # by its bits: -0.0 is not 0.0, and NaN is NaN
            bits = [self.load(x, layout.VALUE, "i64") for x in (pointer, known)]
            self.require_equal("i64", *bits)
        else:
            equal = self.call("PyObject_RichCompareBool", f"ptr {pointer}", f"ptr {known}", "i32 2")
            self.require_equal("i32", equal, 1)
        code.do(f"br label %{same}")
        code.start(same)

    # ---------------------------------------------------------------------------------------- run

    def allocate_outputs(self) -> None:
        for k, spec in enumerate(self.signature.outputs):
            if spec.kind != "array":
                place = self.at("%numbers", 16 * k)
            elif k in self.given:
                array = self.given[k]
                self.call("Py_IncRef", f"ptr {array}")
                self.made[k] = self.slot(array)
                place = self.load(array, layout.DATA)
            else:
                array = self.call("wg_make", f"ptr {self.record(spec)}")
                self.made[k] = self.slot(array)
                self.require_made(array)
                place = self.load(array, layout.DATA)
            self.store(place, "%outputs", 8 * k)

    def run(self, plan: str, arena_bytes: int, release_gil: bool) -> None:
        code = self.code
        for k, pointer in self.inputs.items():
            self.store(pointer, "%inputs", 8 * k)
        is_kept = arena_bytes > STACK
        arena = self.take_arena(arena_bytes) if is_kept else "%scratch"
        thread = self.call("PyEval_SaveThread") if release_gil else ""
        code.do(f"%status = call i32 @{plan}(ptr %inputs, ptr %outputs, ptr {arena})")
        if release_gil:
            self.call("PyEval_RestoreThread", f"ptr {thread}")
        if is_kept:
            self.return_arena()
        for pointer in self.nested:
            self.call("Py_DecRef", f"ptr {pointer}")
        is_guard = code.op("icmp sgt i32 %status, 0")
        self.require(code.op(f"xor i1 {is_guard}, true"), "failed.guard")

    def take_arena(self, arena_bytes: int) -> str:
        """The entry's arena; or new memory if another thread, or a caller of ours, has that."""
        code = self.code
        swap = code.op("cmpxchg ptr %state, i64 0, i64 1 acquire monotonic")
        code.do(f"%is_ours = extractvalue {{ i64, i1 }} {swap}, 1")
        code.do("br i1 %is_ours, label %arena.ours, label %arena.other")
        code.start("arena.ours")
        ours = self.load("%state", 8 * ARENA)
        code.do("br label %arena.found")
        code.start("arena.other")
        raw = self.call("PyMem_RawMalloc", f"i64 {arena_bytes + ALIGN}")
        missing = code.op(f"icmp eq ptr {raw}, null")
        code.do(f"br i1 {missing}, label %arena.none, label %arena.align")
        code.start("arena.none")
        for pointer in self.nested:
            self.call("Py_DecRef", f"ptr {pointer}")
        self.call("PyErr_NoMemory")
        code.do("br label %fail")
        code.start("arena.align")
        number = code.op(f"ptrtoint ptr {raw} to i64")
        up = code.op(f"add i64 {number}, {ALIGN - 1}")
        down = code.op(f"and i64 {up}, {-ALIGN}")
        aligned = code.op(f"inttoptr i64 {down} to ptr")
        code.do("br label %arena.found")
        code.start("arena.found")
        code.do(f"%raw = phi ptr [ null, %arena.ours ], [ {raw}, %arena.align ]")
        return code.op(f"phi ptr [ {ours}, %arena.ours ], [ {aligned}, %arena.align ]")

    def return_arena(self) -> None:
        code = self.code
        code.do("br i1 %is_ours, label %arena.keep, label %arena.free")
        code.start("arena.keep")
        code.do("store atomic i64 0, ptr %state release, align 8")
        code.do("br label %arena.done")
        code.start("arena.free")
        self.call("PyMem_RawFree", "ptr %raw")
        code.do("br label %arena.done")
        code.start("arena.done")

    # ------------------------------------------------------------------------------------- result

    def build(self, tree: Any) -> int:
        """Make an object of a part of the result; the slot that owns it."""
        if isinstance(tree, Static):
            return self.shared(self.constant(tree.value))
        if isinstance(tree, int):
            return self.leaf(tree)
        if isinstance(tree, Made):
            return self.made_by(tree)
        if isinstance(tree, dict):
            return self.dictionary(tree)
        return self.sequence(tree)

    def shared(self, pointer: str) -> int:
        self.call("Py_IncRef", f"ptr {pointer}")
        return self.slot(pointer)

    def leaf(self, output: int) -> int:
        if output not in self.made:
            self.made[output] = self.number(output)
        if self.uses[output] == 1:
            return self.made[output]
        return self.shared(self.load("%owned", 8 * self.made[output]))

    def number(self, output: int) -> int:
        """A Python number or a NumPy scalar."""
        spec, place = self.signature.outputs[output], self.at("%numbers", 16 * output)
        if spec.dtype.kind == "b":
            pair = (True, False) if spec.kind == "python" else (np.True_, np.False_)
            truth = self.code.op(f"icmp ne i8 {self.load(place, 0, 'i8')}, 0")
            yes, no = map(self.constant, pair)
            return self.shared(self.code.op(f"select i1 {truth}, ptr {yes}, ptr {no}"))
        if spec.kind == "python":
            made = self.python_number(spec.dtype.kind, place)
        else:
            kind = self.constant(spec.dtype.type)
            allocate = self.constant(Address(layout.allocator(spec.dtype.type)))
            made = self.code.op(f"call ptr {allocate}(ptr {kind}, i64 0)")
        slot = self.slot(made)
        self.require_made(made)
        if spec.kind != "python":
            bits = f"i{8 * spec.dtype.itemsize}"
            value = self.code.op(f"load {bits}, ptr {place}, align 8")
            self.code.do(f"store {bits} {value}, ptr {self.at(made, layout.VALUE)}, align 8")
        return slot

    def python_number(self, kind: str, place: str) -> str:
        if kind == "i":
            return self.call("PyLong_FromLongLong", f"i64 {self.load(place, 0, 'i64')}")
        real = self.load(place, 0, "double")
        if kind == "f":
            return self.call("PyFloat_FromDouble", f"double {real}")
        imaginary = self.load(place, 8, "double")
        return self.call("PyComplex_FromDoubles", f"double {real}", f"double {imaginary}")

    def sequence(self, tree: Any) -> int:
        slots = [self.build(part) for part in tree]
        is_list = isinstance(tree, list)
        made = self.call("PyList_New" if is_list else "PyTuple_New", f"i64 {len(tree)}")
        slot = self.slot(made)
        self.require_made(made)
        items = self.load(made, layout.LIST_ITEMS) if is_list and tree else made
        start = 0 if is_list else layout.TUPLE_ITEMS
        for k, part in enumerate(slots):
            self.store(self.load("%owned", 8 * part), items, start + 8 * k)
        self.disown(slots)
        return slot

    def dictionary(self, tree: dict[str, Any]) -> int:
        made = self.call("PyDict_New")
        slot = self.slot(made)
        self.require_made(made)
        for key, part in tree.items():
            inner = self.build(part)
            value = self.load("%owned", 8 * inner)
            operands = (f"ptr {made}", f"ptr {self.constant(key)}", f"ptr {value}")
            status = self.call("PyDict_SetItem", *operands)
            self.require(self.code.op(f"icmp eq i32 {status}, 0"), "fail")
            self.disown([inner])
            self.call("Py_DecRef", f"ptr {value}")
        return slot

    def made_by(self, tree: Made) -> int:
        slots = [self.build(part) for part in tree.parts]
        count = len(slots)
        parts = self.code.names.fresh()
        self.allocas.append(f"  {parts} = alloca [{max(1, count)} x ptr]")
        for k, slot in enumerate(slots):
            self.store(self.load("%owned", 8 * slot), parts, 8 * k)
        function = self.constant(tree.function)
        operands = (f"ptr {function}", f"ptr {parts}", f"i64 {count}", "ptr null")
        slot = self.slot(self.call("PyObject_Vectorcall", *operands))
        for k, inner in enumerate(slots):
            self.disown([inner])
            self.call("Py_DecRef", f"ptr {self.load(parts, 8 * k)}")
        self.require_made(self.load("%owned", 8 * slot))
        return slot


def number_type(spec: Spec) -> type:
    """The exact type of a number of a spec."""
    return _PYTHON_TYPES[spec.dtype.kind] if spec.kind == "python" else spec.dtype.type
