"""What all entries do with objects, as native code that is compiled once per process.

Entries call these rather than hold them, so that a first call does not wait for LLVM to compile the
same checks again for each argument.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from wengert.compile.native import layout, runtime
from wengert.compile.native.layout import PYTHON
from wengert.compile.program import Spec

# What entries declare.
DECLARED = {
    "wg_fits": "i1 (ptr, ptr)",  # an object, a record: is it such an array?
    "wg_make": "ptr (ptr)",  # a new array of a record
    "wg_keyword": "i64 (ptr, ptr)",  # names of keywords, a name: its place, or -1
    "wg_drop": "void (ptr, i64)",  # let go of an array of objects; null is none
    "wg_leave": "ptr (ptr, ptr, i64, ptr, i64)",  # call a target with the arguments of the entry
}
# An entry that does not return an object returns 1 + the number of the target to go to.
MOST = 1 << 16
TRY = 2  # word of an entry's state: the address of what `wg_leave` calls
_DOC = b"A compiled function."


class ArrayRecord:
    """What native code knows of an array: type, dtype and its number, ndim, shape; in words."""

    def __init__(self, spec: Spec):
        self._held = (np.ndarray, spec.dtype)
        words = [id(np.ndarray), id(spec.dtype), spec.dtype.num, len(spec.shape), *spec.shape]
        self._words: Any = (ctypes.c_size_t * len(words))(*words)
        self.address = ctypes.addressof(self._words)


_TEXT = """
@wg_function_type = global ptr null
@wg_doc = constant [{length} x i8] c"{doc}\\00"

declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @wg_new_array(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)

define i1 @wg_fits(ptr %object, ptr %record) {{
entry:
  %type.at = getelementptr i8, ptr %object, i64 {TYPE}
  %type = load ptr, ptr %type.at
  %wanted = load ptr, ptr %record
  %is_array = icmp eq ptr %type, %wanted
  br i1 %is_array, label %array, label %no
array:
  %dtype.at = getelementptr i64, ptr %record, i64 1
  %dtype = load ptr, ptr %dtype.at
  %own.at = getelementptr i8, ptr %object, i64 {DESCR}
  %own = load ptr, ptr %own.at
  %is_same = icmp eq ptr %own, %dtype
  br i1 %is_same, label %form, label %other
other:  ; another object that may mean the same
  %number.at = getelementptr i64, ptr %record, i64 2
  %number = load i32, ptr %number.at
  %own.number.at = getelementptr i8, ptr %own, i64 {TYPE_NUM}
  %own.number = load i32, ptr %own.number.at
  %is_equal = icmp eq i32 %number, %own.number
  %order.at = getelementptr i8, ptr %own, i64 {BYTEORDER}
  %order = load i8, ptr %order.at
  %is_native = icmp eq i8 %order, {native}
  %is_byte = icmp eq i8 %order, {orderless}
  %is_readable = or i1 %is_native, %is_byte
  %fits = and i1 %is_equal, %is_readable
  br i1 %fits, label %form, label %no
form:
  %flags.at = getelementptr i8, ptr %object, i64 {FLAGS}
  %flags = load i32, ptr %flags.at
  %some = and i32 %flags, {READABLE}
  %is_plain = icmp eq i32 %some, {READABLE}
  %ndim.at = getelementptr i64, ptr %record, i64 3
  %ndim = load i32, ptr %ndim.at
  %own.ndim.at = getelementptr i8, ptr %object, i64 {NDIM}
  %own.ndim = load i32, ptr %own.ndim.at
  %has_ndim = icmp eq i32 %ndim, %own.ndim
  %go = and i1 %is_plain, %has_ndim
  br i1 %go, label %shapes, label %no
shapes:
  %shape = getelementptr i64, ptr %record, i64 4
  %own.shape.at = getelementptr i8, ptr %object, i64 {SHAPE}
  %own.shape = load ptr, ptr %own.shape.at
  br label %head
head:
  %k = phi i32 [ 0, %shapes ], [ %next, %axis ]
  %more = icmp slt i32 %k, %ndim
  br i1 %more, label %axis, label %yes
axis:
  %x.at = getelementptr i64, ptr %shape, i32 %k
  %x = load i64, ptr %x.at
  %y.at = getelementptr i64, ptr %own.shape, i32 %k
  %y = load i64, ptr %y.at
  %next = add i32 %k, 1
  %same = icmp eq i64 %x, %y
  br i1 %same, label %head, label %no
yes:
  ret i1 true
no:
  ret i1 false
}}

define ptr @wg_make(ptr %record) {{
  %kind = load ptr, ptr %record
  %dtype.at = getelementptr i64, ptr %record, i64 1
  %dtype = load ptr, ptr %dtype.at
  %ndim.at = getelementptr i64, ptr %record, i64 3
  %ndim = load i32, ptr %ndim.at
  %shape = getelementptr i64, ptr %record, i64 4
  call void @Py_IncRef(ptr %dtype)  ; the call takes a reference, also when it fails
  %made = call ptr @wg_new_array(ptr %kind, ptr %dtype, i32 %ndim, ptr %shape, ptr null, ptr null,
                                 i32 0, ptr null)
  ret ptr %made
}}

; Names are interned, as those of calls in code are: another object is no match, and goes to Python.
define i64 @wg_keyword(ptr %names, ptr %name) {{
entry:
  %count.at = getelementptr i8, ptr %names, i64 {SIZE}
  %count = load i64, ptr %count.at
  %items = getelementptr i8, ptr %names, i64 {TUPLE_ITEMS}
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %next, %other ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %one, label %none
one:
  %item.at = getelementptr ptr, ptr %items, i64 %k
  %item = load ptr, ptr %item.at
  %is_same = icmp eq ptr %item, %name
  br i1 %is_same, label %exit, label %other
other:
  %next = add i64 %k, 1
  br label %head
none:
  ret i64 -1
exit:
  ret i64 %k
}}

define void @wg_drop(ptr %owned, i64 %count) {{
entry:
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %next, %rest ]
  %more = icmp ult i64 %k, %count
  br i1 %more, label %one, label %exit
one:
  %place = getelementptr ptr, ptr %owned, i64 %k
  %object = load ptr, ptr %place
  %is_null = icmp eq ptr %object, null
  br i1 %is_null, label %rest, label %release
release:
  call void @Py_DecRef(ptr %object)
  br label %rest
rest:
  %next = add i64 %k, 1
  br label %head
exit:
  ret void
}}

; Call a target with the arguments of an entry. Another entry is run right here, not as a call in a
; call: a function of many signatures, each with an entry, must not reach the limit of recursion.
define ptr @wg_leave(ptr %self, ptr %args, i64 %nargs, ptr %kwnames, i64 %number) {{
entry:
  br label %head
head:
  %own = phi ptr [ %self, %entry ], [ %next, %follow ]
  %held = phi ptr [ null, %entry ], [ %target, %follow ]
  %index = phi i64 [ %number, %entry ], [ %index.next, %follow ]
  %targets.at = getelementptr i8, ptr %own, i64 {targets}
  %targets = load ptr, ptr %targets.at
  %items.at = getelementptr i8, ptr %targets, i64 {LIST_ITEMS}
  %items = load ptr, ptr %items.at
  %target.at = getelementptr ptr, ptr %items, i64 %index
  %target = load ptr, ptr %target.at
  call void @Py_IncRef(ptr %target)  ; the list may be written to meanwhile
  %is_first = icmp eq ptr %held, null
  br i1 %is_first, label %look, label %release
release:
  call void @Py_DecRef(ptr %held)
  br label %look
look:
  %type.at = getelementptr i8, ptr %target, i64 {TYPE}
  %type = load ptr, ptr %type.at
  %function = load ptr, ptr @wg_function_type
  %is_function = icmp eq ptr %type, %function
  br i1 %is_function, label %method, label %other
method:
  %method.at = getelementptr i8, ptr %target, i64 {METHOD}
  %method.1 = load ptr, ptr %method.at
  %doc.at = getelementptr i8, ptr %method.1, i64 {METHOD_DOC}
  %doc = load ptr, ptr %doc.at
  %is_entry = icmp eq ptr %doc, @wg_doc
  br i1 %is_entry, label %native, label %other
native:
  %next.at = getelementptr i8, ptr %target, i64 {SELF}
  %next = load ptr, ptr %next.at
  %array.at = getelementptr i8, ptr %next, i64 {TUPLE_ITEMS}
  %array = load ptr, ptr %array.at
  %state.at = getelementptr i8, ptr %array, i64 {DATA}
  %state = load ptr, ptr %state.at
  %try.at = getelementptr ptr, ptr %state, i64 {TRY}
  %try = load ptr, ptr %try.at
  %found = call ptr %try(ptr %next, ptr %args, i64 %nargs, ptr %kwnames)
  %word = ptrtoint ptr %found to i64
  %index.next = sub i64 %word, 1
  %goes_on = icmp ult i64 %index.next, {MOST}
  br i1 %goes_on, label %follow, label %done
follow:
  br label %head
other:
  %called = call ptr @PyObject_Vectorcall(ptr %target, ptr %args, i64 %nargs, ptr %kwnames)
  br label %done
done:
  %out = phi ptr [ %found, %native ], [ %called, %other ]
  call void @Py_DecRef(ptr %target)
  ret ptr %out
}}
"""


@functools.cache
def install() -> int:
    """Make these functions known to LLVM; the address of the documentation that marks entries."""
    names = ("PyObject_Vectorcall", "Py_IncRef", "Py_DecRef")
    symbols = runtime.addresses(PYTHON, names) | {"wg_new_array": layout.new_from_descr()}
    native, orderless = layout.NATIVE_ORDERS
    offsets = {name: value for name, value in vars(layout).items() if isinstance(value, int)}
    targets = layout.TUPLE_ITEMS + 8
    text = _TEXT.format(
        **offsets, native=native, orderless=orderless, targets=targets, TRY=TRY, MOST=MOST,
        doc=_DOC.decode(), length=len(_DOC) + 1,
    )  # fmt: skip
    unit = runtime.load(text, symbols)
    function = ctypes.c_void_p.from_address(unit.address("wg_function_type"))
    function.value = id(type(len))
    runtime.register({name: unit.address(name) for name in DECLARED})
    return unit.address("wg_doc")
