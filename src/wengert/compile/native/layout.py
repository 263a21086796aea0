"""Where CPython and NumPy keep what native calls read: offsets into objects, checked by probing.

`call.py` reads arguments straight from memory. The offsets are those of CPython 3.11 to 3.13 with a
GIL and of NumPy 2, on 64 bits; `is_known` builds real objects and looks whether their contents lie
there. On any other interpreter it is False, and calls go through ctypes.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import sysconfig

import numpy as np

# PyObject, and what follows its head of two words.
TYPE = 8
VALUE = 16  # of float, complex and every NumPy scalar; an ndarray's data pointer; a capsule's
SIZE = 16  # of tuple and list
TUPLE_ITEMS = 24
LIST_ITEMS = 24  # a pointer to them

# PyArrayObject
DATA, NDIM, SHAPE, DESCR, FLAGS = 16, 24, 32, 56, 64
READABLE = 0x0001 | 0x0100  # flags: C-contiguous and aligned
WRITABLE = 0x0400
# PyArray_Descr
BYTEORDER, TYPE_NUM = 26, 28
NATIVE_ORDERS = (ord("="), ord("|"))

# PyCFunctionObject, and the PyMethodDef that it points to
METHOD, SELF = 16, 24
METHOD_DOC = 24

# Slots of NumPy's C table (numpy/_core/code_generators/numpy_api.py).
_ARRAY_TYPE, _NEW_FROM_DESCR = 2, 94
_TP_ALLOC = 47  # Py_tp_alloc in CPython's typeslots.h

# A handle of our own: the types of ctypes.pythonapi's functions are everybody's.
PYTHON = ctypes.PyDLL("python", handle=ctypes.pythonapi._handle)

SCALARS = tuple(np.dtype(code).type for code in "?bhilqBHILQefdFD")


@functools.cache
def is_known() -> bool:
    """True if this interpreter's objects are laid out as native calls expect."""
    if sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return False
    if ctypes.sizeof(ctypes.c_void_p) != 8 or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    return all(probe() for probe in _PROBES)


def _word(address: int) -> int:
    return int(ctypes.c_size_t.from_address(address).value)


def _numbers() -> bool:
    number, pair = float("1.25"), complex("2.5+3.5j")
    read = ctypes.c_double.from_address
    return (
        _word(id(number) + TYPE) == id(float)
        and read(id(number) + VALUE).value == number
        and complex(read(id(pair) + VALUE).value, read(id(pair) + VALUE + 8).value) == pair
    )


def _containers() -> bool:
    values = [object() for _ in range(3)]
    items = tuple(values)
    there = _word(id(values) + LIST_ITEMS)
    return (
        _word(id(items) + SIZE) == _word(id(values) + SIZE) == 3
        and [_word(id(items) + TUPLE_ITEMS + 8 * k) for k in range(3)] == [id(x) for x in values]
        and [_word(there + 8 * k) for k in range(3)] == [id(x) for x in values]
    )


def _arrays() -> bool:
    x = np.zeros((2, 3, 5), ">i2")
    dtype = x.dtype
    shape = _word(id(x) + SHAPE)
    other = x.T
    other.flags.writeable = False
    flags = [ctypes.c_int.from_address(id(y) + FLAGS).value for y in (x, other)]
    return (
        _word(id(x) + DATA) == x.ctypes.data
        and ctypes.c_int.from_address(id(x) + NDIM).value == 3
        and [_word(shape + 8 * k) for k in range(3)] == [2, 3, 5]
        and _word(id(x) + DESCR) == id(dtype)
        and [flag & READABLE == READABLE for flag in flags] == [True, False]
        and [flag & WRITABLE for flag in flags] == [WRITABLE, 0]
        and ctypes.c_char.from_address(id(dtype) + BYTEORDER).value == b">"
        and ctypes.c_char.from_address(id(np.dtype(float)) + BYTEORDER).value == b"="
        and all(
            ctypes.c_int.from_address(id(np.dtype(t)) + TYPE_NUM).value == np.dtype(t).num
            for t in SCALARS
        )
    )


def _scalars() -> bool:
    for kind in SCALARS:
        value = kind(1)
        dtype = np.dtype(kind)
        if ctypes.string_at(id(value) + VALUE, dtype.itemsize) != value.tobytes():
            return False
    return True


def _creates_arrays() -> bool:
    table = _table()
    if _word(table + 8 * _ARRAY_TYPE) != id(np.ndarray):
        return False
    create = ctypes.PYFUNCTYPE(
        ctypes.py_object, ctypes.py_object, ctypes.py_object, ctypes.c_int,
        *[ctypes.c_void_p] * 3, ctypes.c_int, ctypes.c_void_p,
    )(new_from_descr())  # fmt: skip
    dtype = np.dtype(np.float32)
    PYTHON.Py_IncRef(ctypes.py_object(dtype))  # the call takes one reference
    shape = (ctypes.c_ssize_t * 2)(4, 7)
    out = create(np.ndarray, dtype, 2, ctypes.addressof(shape), None, None, 0, None)
    return type(out) is np.ndarray and out.shape == (4, 7) and out.dtype == dtype


def _functions() -> bool:
    method = _word(id(len) + METHOD)
    doc = ctypes.string_at(_word(method + METHOD_DOC))
    return (
        _word(id(len) + SELF) == id(getattr(len, "__self__", None))
        and ctypes.string_at(_word(method)) == b"len"
        and (len.__doc__ or "").encode() in doc
    )


_PROBES = (_numbers, _containers, _arrays, _scalars, _creates_arrays, _functions)


def _table() -> int:
    from numpy._core import _multiarray_umath  # type: ignore[attr-defined]  # noqa: PLC0415  (the private name, in one place)

    pointer = PYTHON.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(_multiarray_umath._ARRAY_API, None))


@functools.cache
def new_from_descr() -> int:
    """Address of NumPy's PyArray_NewFromDescr."""
    return _word(_table() + 8 * _NEW_FROM_DESCR)


def allocator(kind: type) -> int:
    """Address of the function that allocates objects of a type: ``tp_alloc``."""
    slot = PYTHON.PyType_GetSlot
    slot.restype, slot.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_int]
    return int(slot(kind, _TP_ALLOC))
