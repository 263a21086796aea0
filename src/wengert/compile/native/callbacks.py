"""Calls from a plan into Python, for an operation without native code; and how errors leave a plan.

A plan calls ``wg_callback(record, operands, results)``: it takes the GIL, makes read-only arrays
over the plan's memory without copying, and calls a Python function that writes the result into an
array over the result's memory. An exception stays set in the thread, traceback and all, and the
plan returns -1. The one difficulty is that nobody may keep such an array: `_forget` clears what a
traceback would hold, and an operand that is held nevertheless is an error.
"""

from __future__ import annotations

import ctypes
import functools
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from wengert.compile.native import layout, runtime
from wengert.compile.native.layout import PYTHON
from wengert.compile.native.types import Code
from wengert.compile.program import Spec
from wengert.tape.columns import Constant

_RECORDS = "wg_records"  # variable of a module: the record of each of its callbacks


@dataclass(frozen=True)
class Callback:
    """A Python function as one step of a plan.

    Attributes
    ----------
    function : callable
        Called with one value for each operand: a Python number, NumPy scalar or array by the kind
        of its spec. Returns the result; a tuple, if there are several results.
    operands : tuple of Spec or Constant
        A constant is passed as it is, without a pointer.
    results : tuple of Spec
        What the function must return.
    is_tuple : bool
        Whether it returns a tuple.
    copies : bool
        Give it copies of its operands, which it may keep: for functions that users wrote.
    """

    function: Callable[..., Any]
    operands: tuple[Spec | Constant, ...]
    results: tuple[Spec, ...]
    is_tuple: bool = False
    copies: bool = False

    @functools.cached_property
    def specs(self) -> tuple[Spec, ...]:
        """Of the operands that are passed by pointer."""
        return tuple([x for x in self.operands if isinstance(x, Spec)])

    def __call__(self, *arrays: Any) -> None:
        """Run it: the arrays of the operands, then those of the results (None: not wanted)."""
        try:
            self._run(arrays)
        except BaseException as error:
            del arrays
            _forget(error)
            raise

    def _run(self, arrays: tuple[Any, ...]) -> None:
        count = len(self.specs)
        operands = arrays[:count] if self._is_plain else self._values(iter(arrays[:count]))
        value = self.function(*operands)
        parts = value if self.is_tuple else (value,)
        for spec, part, out in zip(self.results, parts, arrays[count:], strict=True):
            if out is not None:
                _write(out, spec, part, self.function)

    @functools.cached_property
    def _is_plain(self) -> bool:
        """True if the function takes the arrays as they are."""
        return not self.copies and all(
            isinstance(x, Spec) and x.kind == "array" for x in self.operands
        )

    def _values(self, arrays: Any) -> list[Any]:
        return [
            x.value if isinstance(x, Constant) else self._value(x, next(arrays))
            for x in self.operands
        ]

    def _value(self, spec: Spec, array: Any) -> Any:
        if spec.kind == "python":
            return array.item()
        if spec.kind == "scalar":
            return array[()]
        return array.copy() if self.copies else array


class ResultError(RuntimeError):
    """A callback returned something of another shape or dtype than when it was traced."""


def _write(out: Any, spec: Spec, value: Any, function: Callable[..., Any]) -> None:
    found = value if type(value) is np.ndarray else np.asarray(value)
    if found.shape != spec.shape or found.dtype != spec.dtype:
        raise ResultError(
            f"{getattr(function, '__name__', function)} returned {found.dtype}{list(found.shape)} "
            f"where it had returned {spec.dtype}{list(spec.shape)} while it was traced."
        )
    out[...] = found


def _forget(error: BaseException) -> None:
    """Clear the local variables of the frames that an exception holds: arrays over plan memory."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            traceback.clear_frames(each.__traceback__)
            waiting += [each.__cause__, each.__context__]


def raising(error: type[Exception], message: str) -> Callback:
    """A callback without operands or results that raises."""

    def fail() -> None:
        raise error(message)

    return Callback(fail, (), ())


# ------------------------------------------------------------------------------------- for the plan


class Callbacks:
    """The callbacks of one module.

    Parameters
    ----------
    symbols : dict
        Name to declaration or definition, of the module.

    Examples
    --------
    ::

        callbacks = Callbacks(symbols)
        status = callbacks.emit(code, Callback(np.sort, (spec,), (spec,)), ["%x"], ["%out"])
        # … branch to `ret i32 -1` if status is not 0
        symbols |= callbacks.table()                 # when all are emitted
        held = callbacks.bind(unit.variable)         # when the module is loaded; keep it alive
    """

    def __init__(self, symbols: dict[str, str]):
        self.symbols = symbols
        self.callbacks: list[Callback] = []

    def emit(
        self,
        code: Code,
        callback: Callback,
        operands: Sequence[str],
        results: Sequence[str | None],
    ) -> str:
        """Write a call.

        Parameters
        ----------
        operands : sequence of str
            Pointer to each operand that is no constant, C-contiguous.
        results : sequence of str or None
            Pointer to where each result goes; None for one that nobody reads.

        Returns
        -------
        str
            The status, an i32: 0, or -1 if it raised.
        """
        install()
        index = len(self.callbacks)
        self.callbacks.append(callback)
        counts = len(operands), len(results)
        assert counts == (len(callback.specs), len(callback.results))
        thunk = f"@wg_call_{counts[0]}_{counts[1]}"
        self.symbols.setdefault(thunk, _thunk(thunk, *counts))
        self.symbols["@wg_callback"] = "declare i32 @wg_callback(ptr, ptr, ptr)"
        self.symbols["@" + _RECORDS] = f"@{_RECORDS} = external global ptr"  # until `table`
        place = f"getelementptr (ptr, ptr @{_RECORDS}, i64 {index})"
        record = code.op(f"load ptr, ptr {place}")
        pointers = [f"ptr {x or 'null'}" for x in (*operands, *results)]
        return code.op(f"call i32 {thunk}({', '.join([f'ptr {record}', *pointers])})")

    def table(self) -> dict[str, str]:
        """The variable of the module that `bind` fills."""
        count = len(self.callbacks)
        text = f"@{_RECORDS} = global [{count} x ptr] zeroinitializer"
        return {"@" + _RECORDS: text} if count else {}

    def bind(self, variable: Callable[[str], int]) -> list[Record]:
        """Tell the loaded module where its callbacks are; what is returned must outlive it."""
        records = [Record(callback) for callback in self.callbacks]
        if records:
            place = (ctypes.c_void_p * len(records)).from_address(variable(_RECORDS))
            place[:] = [record.address for record in records]
        return records


def _thunk(name: str, operands: int, results: int) -> str:
    """A function of its own, whose stack holds the pointers: a callback may stand in a loop."""
    count = operands + results
    arguments = ", ".join(["ptr %record", *[f"ptr %p{k}" for k in range(count)]])
    lines = [
        f"define internal i32 {name}({arguments}) noinline {{",
        f"  %all = alloca [{max(1, count)} x ptr]",
    ]
    for k in range(count):
        lines.append(f"  %at{k} = getelementptr ptr, ptr %all, i64 {k}")
        lines.append(f"  store ptr %p{k}, ptr %at{k}")
    lines.append(f"  %results = getelementptr ptr, ptr %all, i64 {operands}")
    lines.append("  %status = call i32 @wg_callback(ptr %record, ptr %all, ptr %results)")
    return "\n".join([*lines, "  ret i32 %status", "}"])


class Record:
    """What native code reads of a callback: words, and the objects they point to.

    Function, number of operands, number of results; then dtype, ndim and shape of each array.
    """

    def __init__(self, callback: Callback):
        specs = (*callback.specs, *callback.results)
        self.callback = callback
        self._shapes = [(ctypes.c_ssize_t * max(1, len(s.shape)))(*s.shape) for s in specs]
        self._dtypes = [spec.dtype for spec in specs]
        words = [id(callback), len(callback.specs), len(callback.results)]
        for spec, shape in zip(specs, self._shapes, strict=True):
            words += [id(spec.dtype), len(spec.shape), ctypes.addressof(shape)]
        self._words = (ctypes.c_size_t * len(words))(*words)
        self.address = ctypes.addressof(self._words)
        if not layout.is_known():
            _by_address[self.address] = callback


# ------------------------------------------------------------------------------ shared native code

# wg_objects: ndarray, None, RuntimeError.
_NATIVE = """
@wg_objects = global [3 x ptr] zeroinitializer
@kept = private constant [{length} x i8] c"{kept}\\00"

declare i32 @PyGILState_Ensure()
declare void @PyGILState_Release(i32)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare void @PyErr_SetString(ptr, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @wg_new_array(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)

; Arrays over memory; how many were made (fewer than wanted: one failed).
define internal i64 @wrap(ptr %specs, ptr %data, ptr %out, i64 %count, i32 %flags) {{
entry:
  %kind = load ptr, ptr @wg_objects
  %none = load ptr, ptr getelementptr (ptr, ptr @wg_objects, i64 1)
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %next, %keep ]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %one, label %exit
one:
  %pointer.at = getelementptr ptr, ptr %data, i64 %k
  %pointer = load ptr, ptr %pointer.at
  %unwanted = icmp eq ptr %pointer, null
  br i1 %unwanted, label %nothing, label %array
nothing:
  call void @Py_IncRef(ptr %none)
  br label %keep
array:
  %spec = getelementptr [3 x i64], ptr %specs, i64 %k
  %dtype = load ptr, ptr %spec
  %ndim.at = getelementptr i64, ptr %spec, i64 1
  %ndim = load i32, ptr %ndim.at
  %shape.at = getelementptr i64, ptr %spec, i64 2
  %shape = load ptr, ptr %shape.at
  call void @Py_IncRef(ptr %dtype)
  %made = call ptr @wg_new_array(ptr %kind, ptr %dtype, i32 %ndim, ptr %shape, ptr null,
                                 ptr %pointer, i32 %flags, ptr null)
  %failed = icmp eq ptr %made, null
  br i1 %failed, label %exit, label %keep
keep:
  %object = phi ptr [ %none, %nothing ], [ %made, %array ]
  %place = getelementptr ptr, ptr %out, i64 %k
  store ptr %object, ptr %place
  %next = add i64 %k, 1
  br label %head
exit:
  ret i64 %k
}}

define i32 @wg_callback(ptr %record, ptr %operands, ptr %results) {{
entry:
  %function = load ptr, ptr %record
  %n.at = getelementptr i64, ptr %record, i64 1
  %n = load i64, ptr %n.at
  %m.at = getelementptr i64, ptr %record, i64 2
  %m = load i64, ptr %m.at
  %count = add i64 %n, %m
  %specs = getelementptr i64, ptr %record, i64 3
  %more.specs = getelementptr [3 x i64], ptr %specs, i64 %n
  %arrays = alloca ptr, i64 %count
  %out = getelementptr ptr, ptr %arrays, i64 %n
  %gil = call i32 @PyGILState_Ensure()
  %made.0 = call i64 @wrap(ptr %specs, ptr %operands, ptr %arrays, i64 %n, i32 {readable})
  %some = icmp eq i64 %made.0, %n
  br i1 %some, label %rest, label %release
rest:
  %made.1 = call i64 @wrap(ptr %more.specs, ptr %results, ptr %out, i64 %m, i32 {writable})
  %made.2 = add i64 %n, %made.1
  %all = icmp eq i64 %made.2, %count
  br i1 %all, label %call, label %release
call:
  %value = call ptr @PyObject_Vectorcall(ptr %function, ptr %arrays, i64 %count, ptr null)
  %raised = icmp eq ptr %value, null
  br i1 %raised, label %release, label %drop
drop:
  call void @Py_DecRef(ptr %value)
  br label %release
release:
  %made = phi i64 [ %made.0, %entry ], [ %made.2, %rest ], [ %count, %call ], [ %count, %drop ]
  %status.0 = phi i32 [ -1, %entry ], [ -1, %rest ], [ -1, %call ], [ 0, %drop ]
  br label %head
head:
  %k = phi i64 [ 0, %release ], [ %next, %each ]
  %held = phi i1 [ false, %release ], [ %held.1, %each ]
  %more = icmp ult i64 %k, %made
  br i1 %more, label %each, label %done
each:
  %place = getelementptr ptr, ptr %arrays, i64 %k
  %array = load ptr, ptr %place
  %references = load i32, ptr %array  ; the low half, which is the count in every version
  %others = icmp ne i32 %references, 1
  %none = load ptr, ptr getelementptr (ptr, ptr @wg_objects, i64 1)
  %is_array = icmp ne ptr %array, %none
  %held.0 = and i1 %others, %is_array
  %held.1 = or i1 %held, %held.0
  call void @Py_DecRef(ptr %array)
  %next = add i64 %k, 1
  br label %head
done:
  %fine = icmp eq i32 %status.0, 0
  %bad = and i1 %held, %fine
  br i1 %bad, label %complain, label %exit
complain:
  %error = load ptr, ptr getelementptr (ptr, ptr @wg_objects, i64 2)
  call void @PyErr_SetString(ptr %error, ptr @kept)
  br label %exit
exit:
  %status = phi i32 [ %status.0, %done ], [ -1, %complain ]
  call void @PyGILState_Release(i32 %gil)
  ret i32 %status
}}
"""
_KEPT = (
    "a compiled function called Python code that kept one of its operands, "
    "whose memory is about to be used again; it must keep a copy"
)
_WRITEABLE = 0x0400
_CALLED = (
    "PyGILState_Ensure", "PyGILState_Release", "Py_IncRef", "Py_DecRef", "PyErr_SetString",
    "PyObject_Vectorcall",
)  # fmt: skip


@functools.cache
def install() -> None:
    """Make ``wg_callback`` known to LLVM; once per process."""
    if not layout.is_known():
        runtime.register({"wg_callback": ctypes.cast(_portable, ctypes.c_void_p).value or 0})
        return
    symbols = runtime.addresses(PYTHON, _CALLED) | {"wg_new_array": layout.new_from_descr()}
    readable = layout.READABLE
    text = _NATIVE.format(
        kept=_KEPT, length=len(_KEPT) + 1, readable=readable, writable=readable | _WRITEABLE
    )
    unit = runtime.load(text, symbols)
    objects = (ctypes.c_void_p * 3).from_address(unit.address("wg_objects"))
    objects[:] = [id(np.ndarray), id(None), id(RuntimeError)]
    runtime.register({"wg_callback": unit.address("wg_callback")})


# ------------------------------------------------------------ where objects are laid out otherwise

_by_address: dict[int, Callback] = {}
_thread = threading.local()


def pending() -> BaseException:
    """The exception that a callback of this thread left, once (only for `portable.py`)."""
    error: BaseException = _thread.error
    del _thread.error
    return error


@ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
def _portable(record: int, operands: int, results: int) -> int:
    callback = _by_address[record]
    try:
        specs = (callback.specs, callback.results)
        arrays = [_arrays(*each) for each in zip(specs, (operands, results), strict=True)]
        for x in arrays[0]:
            x.flags.writeable = False
        callback(*arrays[0], *arrays[1])
    except BaseException as error:
        _thread.error = error
        return -1
    return 0


def _arrays(specs: Sequence[Spec], pointers: int) -> list[Any]:
    places = (ctypes.c_void_p * len(specs)).from_address(pointers) if specs else ()
    return [place and _array(spec, place) for spec, place in zip(specs, places, strict=True)]


def _array(spec: Spec, place: int) -> Any:
    memory: Any = (ctypes.c_char * max(1, prod(spec.shape) * spec.dtype.itemsize)).from_address(
        place
    )
    return np.frombuffer(memory, spec.dtype, prod(spec.shape)).reshape(spec.shape)
