"""Exceptions that leave traced code: the one that helps is brought to the front.

NumPy and SciPy wrap what they catch, and refuse traced Arrays in words of their own; here such an
error becomes the Wengert error that names the function, the user's line and the remedy, chained to
the original.
"""

from __future__ import annotations

from collections.abc import Collection
from types import CellType, FunctionType, TracebackType
from typing import Any, NoReturn

import numpy as np

from wengert.errors import (
    BatchError,
    Line,
    MutationError,
    ShapeError,
    UnsupportedFunctionError,
    WengertError,
    is_user_file,
    line_of,
)
from wengert.primitives.adjoints import like_of
from wengert.primitives.family import Primitive
from wengert.tape.array import Array, bottom, is_batched, of_program
from wengert.tape.library import Called, called_at, instead_of, public_name_of_code


def fail(error: Exception, held: Collection[Any] = ()) -> NoReturn:
    """Raise, in place of an error that left user code, the one that helps.

    `held` are the plain arrays that a tape has made read-only.
    """
    better = explained(error, held)
    if better is error:
        raise error
    raise better from error


def explained(error: Exception, held: Collection[Any] = ()) -> Exception:
    """The error to raise in place of one that user code raised; the same one where it says all."""
    if isinstance(error, WengertError):
        return error
    cause = error.__cause__ or _wrapped(error)
    while cause is not None:
        if isinstance(cause, WengertError):
            return cause
        cause = cause.__cause__ or _wrapped(cause)
    line, called, spelled = _where(error.__traceback__)
    if isinstance(error, ValueError) and "read-only" in str(error) and held:
        return MutationError(
            "an array that the tape needs for the derivative was changed in place while it "
            "recorded.",
            "Change a copy made inside the function with np.array(x), or make a new array instead.",
            line,
        )
    unfit = _unfit_shapes(error)
    if unfit:
        return ShapeError(
            unfit,
            "Reshape, transpose or index the operands so that their shapes fit, as NumPy asks.",
            line,
        )
    index = _refused_index(error)
    if index is not None:
        raised = BatchError if is_batched(index) else UnsupportedFunctionError
        whose = "differ along the vmapped axis" if is_batched(index) else "the program computes"
        return raised(
            f"a plain ndarray was indexed by integers that {whose}.",
            "Use np.take(plain, i, axis=0), or make an Array of it: np.array(plain)[i]; in place "
            "of plain[mask], np.where(mask, plain, 0).",
            line,
        )
    if called and not called.name.startswith("numpy"):
        return UnsupportedFunctionError(
            f"{called.name} cannot take a traced Array ({_said(error)}).",
            instead_of(called),
            line,
        )
    if not called and any(words in str(error) for words in _OF_ITERATORS_AND_MEMORY):
        name = spelled.name if spelled else "A function that reads memory"
        return UnsupportedFunctionError(
            f"{name} cannot take a traced Array ({_said(error)}).",
            instead_of(spelled),
            line,
        )
    if spelled and spelled.name.startswith("scipy.") and _is_beside_traced(error):
        return UnsupportedFunctionError(
            f"{spelled.name} cannot take a traced Array ({_said(error)}).",
            instead_of(spelled),
            line,
        )
    is_refused = isinstance(error, TypeError) and "not supported for the input" in str(error)
    if called or is_refused:
        name = called.name if called else "A ufunc"
        return UnsupportedFunctionError(
            f"{name} cannot take a list, or an object array, of traced numbers ({_said(error)}).",
            "Make it an array first: np.array([a, b]) inside the function.",
            line,
        )
    return error


def _is_beside_traced(error: Exception) -> bool:
    """True if user code was where it called what raised it with traced variables at hand."""
    trace, seen = error.__traceback__, False
    while trace is not None:
        if is_user_file(trace.tb_frame.f_code.co_filename):
            seen = any(_is_traced(x) for x in trace.tb_frame.f_locals.values())
        trace = trace.tb_next
    return seen


def _refused_index(error: Exception) -> Array | None:
    """The integers of a batch or a program that NumPy refused as an index, in user code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if not isinstance(error, IndexError) or trace is None:
        return None
    is_users = is_user_file(trace.tb_frame.f_code.co_filename)
    if not is_users or not any(words in str(error) for words in _OF_INDICES):
        return None
    for x in trace.tb_frame.f_locals.values():
        if isinstance(x, Array) and (is_batched(x) or isinstance(of_program(x), Array)):
            return x
    return None


_OF_INDICES = ("valid indices", "integer (or boolean) type")


def _said(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


# What NumPy's functions written in C say of an object that is no array of theirs.
_OF_ITERATORS_AND_MEMORY = (
    "holds references",
    "bytes-like object is required, not 'Array'",
    "'Array' object has no attribute '__array_interface__'",
)


def _wrapped(error: BaseException) -> BaseException | None:
    """What NumPy was handling when it raised; an error that user code raised stands for itself."""
    return error.__context__ if type(error) in (TypeError, ValueError) else None


def _unfit_shapes(error: Exception) -> str:
    """What to say if a primitive refused the shapes of its operands; otherwise empty."""
    if type(error) is not ValueError:
        return ""
    trace, refused = error.__traceback__, None
    while trace is not None:
        if isinstance(trace.tb_frame.f_locals.get("primitive"), Primitive):
            refused = trace.tb_frame.f_locals
        elif is_user_file(trace.tb_frame.f_code.co_filename):
            refused = None
        trace = trace.tb_next
    if refused is None:
        return ""
    operands = refused.get("operands") or (refused.get("x1"), refused.get("x2"))
    shapes = [like_of(bottom(x)).shape for x in operands if x is not None]
    if len(shapes) < 2 or not any(
        word in str(error) for word in ("broadcast", "shape", "dimension")
    ):
        return ""
    listed = " and ".join(str(shape) for shape in shapes)
    told = str(error).strip()
    return f"{refused['primitive'].name} cannot take operands of shapes {listed}: {told}."


def _where(trace: TracebackType | None) -> tuple[Line | None, Called | None, Called | None]:
    """The last line of user code in a traceback, and the library function with traced arguments.

    Third, what that line calls by all means: functions written in C leave no frame.
    """
    line: Line | None = None
    called: Called | None = None
    spelled: Called | None = None
    while trace is not None:
        frame = trace.tb_frame
        if is_user_file(frame.f_code.co_filename):
            line = line_of(frame)
            line = line._replace(number=trace.tb_lineno) if line else None
            called, spelled = None, called_at(frame, trace.tb_lasti)
        else:
            module = frame.f_globals.get("__name__", "")
            if not called and not module.startswith("wengert") and _is_given(frame, module):
                called = spelled or Called(public_name_of_code(frame), None)
        trace = trace.tb_next
    return line, called, spelled


def _is_given(frame: Any, module: str) -> bool:
    """True if a function has traced arguments; NumPy's own sees them only inside lists."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    values = [frame.f_locals.get(name) for name in names]
    if module.startswith("numpy"):
        values = [value for value in values if not isinstance(value, Array)]
    return any(_is_traced(value) for value in values)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return None


def _is_traced(value: Any) -> bool:
    if isinstance(value, Array):
        return value.tape.is_traced
    if isinstance(value, list | tuple):
        return any(_is_traced(part) for part in value)
    if isinstance(value, FunctionType):  # one that SciPy is to call, of traced variables around it
        return any(_is_traced(_content(cell)) for cell in value.__closure__ or ())
    is_boxed = isinstance(value, np.ndarray) and value.dtype == object
    return is_boxed and any(_is_traced(cell) for cell in value.flat)
