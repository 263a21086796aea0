"""`Array`: the handle that user code holds while a tape records; it behaves as an ndarray.

A handle is a value, the trace that knows it and its index there. It is mutable, the tape is not:
writing moves the handle to a new entry. Operators, methods and indexing are attached by
`dispatch.py` and `views.py`; this file holds what needs no primitive. The one difficulty is
`__array__`, which only constants may have (DESIGN, decision 5).
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wengert.errors import (
    BatchError,
    LostDerivativeError,
    PicklingError,
    TraceEndedError,
    UnsupportedFunctionError,
    is_user_file,
    user_frame,
)
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import read as READ
from wengert.primitives.rounding import decimal_round
from wengert.tape.library import called_at, instead_of

Step = tuple[str, Any]
Path = tuple[Step, ...]


class Trace:
    """What interprets operations on the Arrays it knows; the innermost among operands takes one.

    Attributes
    ----------
    level : int
        Depth of nesting; constants have -1, recording outside any transform has 0.
    hidden : int
        Number of leading axes of a value that user code does not see (1 under vmap).
    """

    level = -1
    hidden = 0
    is_traced = True
    is_brief = False  # an operation on numbers may be recorded as a tuple of atoms
    is_lazy = True  # a view is read when its value is asked for, not when it is made
    is_program = False  # its values are those of a program: a decision taken on one is a guard

    # Shortcuts for one element of a vector, for traces that have them: reading it, given the
    # vector's value, and writing it (False: not this way).
    element: Callable[[Array, Any, int], Any] | None = None
    put_element: Callable[[Array, int, Any], bool] | None = None

    def record(
        self, primitive: Primitive, operands: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Any:
        """Apply a primitive; at least one operand belongs to this trace."""
        raise NotImplementedError

    def read(self, x: Array, path: Path) -> Any:
        """The part of `x` at `path`."""
        return self.record(READ, (x,), {"path": path})

    def write(self, root: Array, path: Path, value: Any, add: bool) -> None:
        """Assign to (or add to) the part of `root` at `path`, moving the handle."""
        raise NotImplementedError

    def binary(self, primitive: Primitive, operate: Any, x1: Any, x2: Any) -> Any:
        """An operator of two operands."""
        return self.record(primitive, (x1, x2), {})

    def truth(self, x: Array) -> bool:
        """``bool(x)``: a decision taken on a value."""
        return bool(x.value)

    def decide(self, x: Array) -> Any:
        """The number or array that a decision is taken on; a program notes what it was."""
        return x.value

    def known(self, x: Array) -> Any:
        """The value of a plain handle, with its numbers: a program may not have computed them."""
        return x.value

    def copied(self, value: Any) -> Any:
        """A copy of an array that is a value of this trace."""
        return value.copy()

    def note_text(self) -> None:
        """Text was made of one of the trace's values."""

    def grade(self, x: Array) -> int:
        """What is known of a value of a program without looking at it (`regular.py`)."""
        raise NotImplementedError

    def traces(self, x: Array) -> bool:
        """True if an Array of this trace carries a derivative."""
        return self.is_traced

    def move(self, root: Array, result: Array) -> None:
        """``root op= …``: let a handle of this trace stand for the result."""
        root.value, root.tape, root.index = result.value, result.tape, result.index


class Array:
    """A traced number or array. Made by transforms, never by hand.

    Parameters
    ----------
    value : number, ndarray, or Array of an outer level
        What NumPy would hold here.
    tape : Trace
        What records operations on it.
    index : object
        What the trace knows it by: an entry's index on a tape, a tangent in forward mode.
    """

    __slots__ = ("__weakref__", "index", "tape", "value", "writes")
    __array_priority__ = 1000.0

    if TYPE_CHECKING:  # attached by dispatch.py, methods.py and frontends/backward.py
        __record__: ClassVar[Callable[..., Any]]
        __array_ufunc__: ClassVar[Callable[..., Any]]
        __array_function__: ClassVar[Callable[..., Any]]
        __getitem__: Any
        __setitem__: Any
        __divmod__: Any
        __rdivmod__: Any
        item: Any
        requires_grad: Any
        grad: Any
        is_leaf: Any

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, value: Any, tape: Trace, index: Any = None):
        self.value = value
        self.tape = tape
        self.index = index
        self.writes = 0  # how often it has moved: what its views compare with

    def current(self) -> Array:
        """The plain handle with this value (a view looks itself up)."""
        return self

    # ------------------------------------------------------------------ attributes

    @property
    def shape(self) -> tuple[int, ...]:
        value, hidden = self.value, self.tape.hidden
        try:
            shape: tuple[int, ...] = value.shape
        except AttributeError:  # a Python number
            shape = np.shape(value)
        return shape[hidden:] if hidden else shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def dtype(self) -> np.dtype[Any]:
        value = self.value
        return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.itemsize * self.size

    @property
    def base(self) -> Any:
        """The Array that this is a view of, or None."""
        return None

    @property
    def device(self) -> str:
        return "cpu"

    @property
    def __array__(self) -> Any:
        # An AttributeError makes NumPy treat a traced Array as an object without `__array__`:
        # it then builds object arrays of traced scalars, and no derivative is lost.
        _check_strides(self)
        if self.tape.traces(self):
            raise AttributeError("a traced Array has no __array__")
        return np.asarray(self.value).__array__

    # ------------------------------------------------------------------ Python's protocols

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError("len() of unsized object")
        return shape[0]

    def __iter__(self) -> Iterator[Any]:
        shape = self.shape
        if not shape:
            raise TypeError("iteration over a 0-d array")
        return (self[k] for k in range(shape[0]))

    def __contains__(self, item: Any) -> bool:
        return bool(np.any(self == item))

    def __hash__(self) -> int:
        # A number of a program stands where NumPy would give one: in sets, as a key.
        if type(self) is Array and self.tape.is_program and not is_mutable(self):
            return hash(decided(self))
        return object.__hash__(self)

    def __bool__(self) -> bool:
        x = self.current()
        return x.tape.truth(x)

    def __float__(self) -> float:
        if not self.tape.traces(self) or is_whole(self):
            return float(decided(self))
        raise _lost(self, "float()")

    def __complex__(self) -> complex:
        if not self.tape.traces(self) or is_whole(self):
            return complex(decided(self))
        raise _lost(self, "complex()")

    def __int__(self) -> int:
        return int(_decided(self, "int()", np.trunc))

    def __index__(self) -> int:
        return operator.index(_decided(self, "use as an index"))

    def __round__(self, ndigits: int | None = None) -> Any:
        if ndigits is None:
            return round(_decided(self, "round()", np.rint))
        if type(bottom(self)) is float:  # Python rounds its own numbers otherwise than NumPy
            return self.__record__(decimal_round, (self,), {"digits": operator.index(ndigits)})
        return np.round(self, ndigits)

    def __trunc__(self) -> int:
        return math.trunc(_decided(self, "math.trunc()", np.trunc))

    def __floor__(self) -> int:
        return math.floor(_decided(self, "math.floor()", np.floor))

    def __ceil__(self) -> int:
        return math.ceil(_decided(self, "math.ceil()", np.ceil))

    def __repr__(self) -> str:
        try:
            self.current()
        except TraceEndedError:  # a view, which would have to read; a repr never fails
            return "Array(of a trace that has ended)"
        return f"Array({np.array2string(np.asarray(shown(self)), separator=', ')}, {self.dtype})"

    def __str__(self) -> str:
        return str(shown(self))

    def __format__(self, spec: str) -> str:
        value = shown(self)
        if spec and self.tape.hidden:  # under vmap: a number for each example
            formatter: Any = {"all": lambda number: format(number, spec)}
            return np.array2string(value, separator=", ", formatter=formatter)
        return format(value, spec)

    def __reduce__(self) -> Any:
        if not self.tape.traces(self):
            return (np.asarray, (concrete(self),))
        raise PicklingError(
            f"an Array of shape {self.shape} cannot be pickled while it is traced: "
            "its derivative lives on a tape of this process.",
            "Return it from the differentiated function and pickle the result, or pickle "
            "wg.stop_gradient(x), its value alone.",
        )

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()


class Constants(Trace):
    """The trace of constants: Arrays made inside a trace that nothing traced has reached."""

    is_traced = False

    def record(
        self, primitive: Primitive, operands: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Any:
        values = [x.value if isinstance(x, Array) else x for x in operands]
        return constant(primitive.function(*values, **parameters))


CONSTANTS = Constants()


def constant(value: Any) -> Any:
    """A floating ndarray as a constant Array; numbers and other arrays as they are."""
    if type(value) is np.ndarray:
        return Array(value, CONSTANTS) if value.dtype.kind in "fc" else value
    if isinstance(value, tuple):
        return rebuild(value, [constant(part) for part in value])
    return value


def from_outside(x: Array) -> Any:
    """What a plain handle is to a trace further in: it stays as it is when the handle moves."""
    return x.value if x.tape is CONSTANTS else Array(x.value, x.tape, x.index)


def rebuild(like: tuple[Any, ...], parts: list[Any]) -> tuple[Any, ...]:
    """A tuple of the same type: NumPy returns named ones from its linear algebra."""
    return type(like)(*parts) if hasattr(like, "_fields") else tuple(parts)


def concrete(x: Any) -> Any:
    """The ndarray or number at the bottom of any nesting of traces."""
    while isinstance(x, Array):
        x = x.current()
        x = x.tape.known(x)
    return x


def bottom(x: Any) -> Any:
    """As `concrete`, for its type, shape and layout: the numbers may be of no meaning."""
    while isinstance(x, Array):
        x = x.value
    return x


def is_batched(x: Any) -> bool:
    """True if a value has axes, at any level, that user code does not see."""
    while isinstance(x, Array):
        if x.tape.hidden:
            return True
        x = x.value
    return False


def is_mutable(x: Array) -> bool:
    """True if NumPy would hold an array here, not a number: all handles see what is written."""
    return bool(x.shape) or (isinstance(bottom(x), np.ndarray) and not is_batched(x))


def of_program(x: Any) -> Any:
    """The value below all transforms: an Array of the recorded program, or as `concrete`."""
    while isinstance(x, Array):
        x = x.current()
        if x.tape.is_program:
            return x
        x = x.value
    return x


def decided(x: Any) -> Any:
    """As `concrete`, for a value that decides what happens next: a program notes what it was."""
    x = of_program(x)
    return x.tape.decide(x) if isinstance(x, Array) else x


def shown(x: Array) -> Any:
    """As `concrete`, for text: a program notes that there is text made of its values."""
    found = of_program(x)
    if isinstance(found, Array):
        found.tape.note_text()
    return concrete(x)


def is_whole(x: Array) -> bool:
    """True for a single integer or boolean, the same for all of a batch."""
    return x.shape == () and x.dtype.kind in "iub" and not is_batched(x)


def _decided(x: Array, operation: str, rounding: Any = None) -> Any:
    """The number that Python's integers are made of: a decision, without derivative."""
    if is_batched(x):
        raise BatchError(
            f"{operation} was asked of a value that differs along the vmapped axis "
            f"(shape {x.shape}).",
            "Use np.floor, np.rint or x.astype(int) for all at once; to index a plain array, use "
            "np.take(array, i, axis=0).",
        )
    found = of_program(x)
    if rounding is not None and isinstance(found, Array) and found.dtype.kind == "f":
        found = rounding(found)
        if abs(concrete(found)) < 2**53:  # the program's guard is on the whole number alone
            return int(decided(found.astype(np.int64)))
    return decided(found)


_AS_STRIDED = np.lib.stride_tricks.as_strided.__code__


def _check_strides(x: Array) -> None:
    """Refuse `as_strided`, which would use strides of `x` in an object array: in any memory."""
    frame: FrameType | None = sys._getframe(2)
    if frame is not None and frame.f_code is not _AS_STRIDED:  # np.array may stand between
        frame = frame.f_back
    if frame is None or frame.f_code is not _AS_STRIDED:
        return
    caller = frame.f_back  # a package may look at a constant; user code would write and lose it
    if not x.tape.is_traced and not (caller and is_user_file(caller.f_code.co_filename)):
        return
    raise UnsupportedFunctionError(
        f"numpy.lib.stride_tricks.as_strided, bound early or called by an installed package, was "
        f"given an Array of shape {x.shape} ({x.dtype}), whose memory it cannot see.",
        "Call np.lib.stride_tricks.as_strided(...) by its full name, or use wg.adapt(f), of your "
        "function or of the package's.",
    )


def _lost(x: Array, operation: str) -> LostDerivativeError:
    called = called_at(user_frame())
    where = f"{called.name} called {operation} on" if called else f"{operation} was called on"
    if x.tape.is_program:
        return LostDerivativeError(
            f"{where} a value of shape {x.shape} ({x.dtype}) of a function that is compiled: its "
            "number of today would become part of the program.",
            instead_of(called)
            if called
            else f"Leave {operation} out (NumPy's numbers compute as Python's do), or convert what "
            "the compiled function returns; make an array that is filled inside the function, with "
            "np.zeros or np.array.",
        )
    return LostDerivativeError(
        f"{where} a traced Array of shape {x.shape} ({x.dtype}), which would lose its derivative.",
        instead_of(called)
        if called
        else "Make the array that is filled inside the function with np.zeros, np.empty or "
        "np.array; for functions bound early (from math import sin) use wg.adapt(f) or import "
        "wengert.numpy as np; for the value alone, without derivative, use wg.stop_gradient(x).",
    )
