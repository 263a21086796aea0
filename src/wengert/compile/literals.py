"""Values as Python literals: numbers, dtypes, indices, arrays, as `ast` nodes that print exactly.

Reading a literal again gives the same bits. Arrays become names, which the caller defines: see
`array_lines`. The one difficulty is float32, whose shortest digits may read back differently when
they pass through float64.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.compile.formatting import WIDTH, assignment, expression, flat
from wengert.errors import UnsupportedFunctionError

LARGE = 1000  # elements; arrays beyond that are arguments of the printed function

_ROWS = 12  # lines; an array of more is written with elements side by side
_TYPES = {bool: "bool", int: "int", float: "float", complex: "complex"}
_IMPLIED = frozenset({np.dtype(np.float64), np.dtype(np.int64), np.dtype(bool)})


def literal(value: Any, name_array: Callable[[np.ndarray], str]) -> ast.expr:
    """The expression of a constant or static parameter.

    Parameters
    ----------
    name_array : callable
        The name under which an array is known.

    Raises
    ------
    UnsupportedFunctionError
        For a value that no literal stands for.
    """
    if isinstance(value, ast.expr):
        return value
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return _call("np.array", [number(value[()].item(), value.dtype)], value.dtype)
        return ast.Name(name_array(value))
    if isinstance(value, np.generic):
        return expression(f"np.{_name(value.dtype)}({flat(number(value.item(), value.dtype))})")
    if type(value) in (bool, str, type(None), type(Ellipsis)):
        return ast.Constant(value)
    if isinstance(value, int | float | complex):
        return number(value)
    if isinstance(value, tuple | list):
        parts = [literal(part, name_array) for part in value]
        return ast.Tuple(parts) if isinstance(value, tuple) else ast.List(parts)
    if isinstance(value, slice):
        ends = [literal(end, name_array) for end in (value.start, value.stop, value.step)]
        return ast.Call(ast.Name("slice"), ends, [])
    if isinstance(value, np.dtype):
        return expression(f"np.{_name(value)}")
    if isinstance(value, type) and value in _TYPES:
        return ast.Name(_TYPES[value])
    if isinstance(value, type) and issubclass(value, np.generic):
        return expression(f"np.{_name(np.dtype(value))}")
    raise UnsupportedFunctionError(
        f"{value!r:.60} ({type(value).__name__}) has no literal in Python.",
        "Only numbers, strings, dtypes, indices, arrays and containers of them can be printed.",
    )


def number(value: Any, dtype: np.dtype[Any] | None = None) -> ast.expr:
    """A Python number, exactly; `dtype` is that of what it is converted to."""
    return expression(_number(value, dtype))


def _number(value: Any, dtype: np.dtype[Any] | None = None) -> str:
    if isinstance(value, complex):
        return f"complex({_number(value.real)}, {_number(value.imag)})"
    if isinstance(value, float):
        if math.isnan(value):
            return "np.nan"
        if math.isinf(value):
            return "np.inf" if value > 0 else "-np.inf"
        if dtype is not None and dtype.itemsize < 8:
            short = repr(float(str(dtype.type(value))))
            return short if dtype.type(float(short)) == value else repr(value)
    return repr(value)


def key(value: Any, name_array: Callable[[np.ndarray], str]) -> ast.expr:
    """The expression of an index: slices as they stand in brackets."""
    if isinstance(value, slice):
        ends = [None if end is None else literal(end, name_array)
                for end in (value.start, value.stop, value.step)]  # fmt: skip
        return ast.Slice(*ends)
    if isinstance(value, tuple) and value:
        parts = [key(part, name_array) for part in value]
        return parts[0] if len(parts) == 1 else ast.Tuple(parts)
    return literal(value, name_array)


def short_array(array: np.ndarray) -> ast.expr | None:
    """The expression of an array that follows a rule: equal elements, or a range of integers."""
    return _uniform(array) or _range(array)


def array_lines(name: str, array: np.ndarray) -> list[str]:
    """The lines that define an array of at least one axis, element by element."""
    dtype = None if array.dtype in _IMPLIED else array.dtype
    lines = assignment(name, _ordered(_call("np.array", [_nested(array)], dtype), array))
    if len(lines) <= _ROWS:
        return lines
    flat_array = array.ravel()
    value = _call("np.array", [_nested(flat_array)], dtype)
    if array.ndim > 1:
        shape = ast.Tuple([ast.Constant(n) for n in array.shape])
        value = ast.Call(expression("np.reshape"), [value, shape], [])
    lines = assignment(name, _ordered(value, array))
    return ["# fmt: off", *_filled(lines), "# fmt: on"]


def _ordered(value: ast.expr, array: np.ndarray) -> ast.expr:
    """In the order of memory that the array has: sums may round by it."""
    if array.flags.fnc:
        return ast.Call(expression("np.asfortranarray"), [value], [])
    return value


def _range(array: np.ndarray) -> ast.expr | None:
    if array.ndim != 1 or array.size < 4 or array.dtype != np.int64:
        return None
    start, step = int(array[0]), int(array[1]) - int(array[0])
    stop = start + step * array.size
    if not step or abs(stop) >= 2**63 or not np.array_equal(array, np.arange(start, stop, step)):
        return None
    ends = [stop] if (start, step) == (0, 1) else [start, stop] + ([step] if step != 1 else [])
    return ast.Call(expression("np.arange"), [number(end) for end in ends], [])


def _uniform(array: np.ndarray) -> ast.expr | None:
    """An expression for an array of equal elements, the sign of zero included."""
    shape = ast.Tuple([ast.Constant(n) for n in array.shape]) if array.ndim > 1 else None
    size = shape or ast.Constant(array.shape[0])
    first = array.flat[0] if array.size else array.dtype.type(0)
    is_same = array == first
    if array.dtype.kind in "fc":
        is_same &= np.signbit(array.real) == np.signbit(first.real)
        is_same &= np.signbit(array.imag) == np.signbit(first.imag)
    if not is_same.all() or (0 < array.size < 3):
        return None
    dtype = None if array.dtype == np.float64 else array.dtype
    if first == 0 and not np.signbit(first.real) and not np.signbit(first.imag):
        return _call("np.zeros", [size], dtype)
    if first == 1 and not first.imag:
        return _call("np.ones", [size], dtype)
    dtype = None if array.dtype in _IMPLIED else array.dtype
    return _call("np.full", [size, number(first.item(), array.dtype)], dtype)


def _nested(array: np.ndarray) -> ast.expr:
    if array.ndim == 1:
        return ast.List([number(x, array.dtype) for x in array.tolist()])
    return ast.List([_nested(row) for row in array])


def _filled(lines: list[str]) -> list[str]:
    """Elements side by side, as many as fit: one on each line would hide the program."""
    filled: list[str] = []
    for line in lines:
        text = line.strip()
        joined = f"{filled[-1]} {text}" if filled else ""
        is_element = bool(filled) and filled[-1].endswith(",") and text.endswith(",")
        if is_element and "[" not in text and "]" not in filled[-1] and len(joined) <= WIDTH:
            filled[-1] = joined
        else:
            filled.append(line)
    return filled


def _call(function: str, arguments: list[ast.expr], dtype: np.dtype[Any] | None) -> ast.expr:
    keywords = []
    if dtype is not None and dtype not in (np.dtype(np.float64),):
        keywords = [ast.keyword("dtype", expression(f"np.{_name(dtype)}"))]
    return ast.Call(expression(function), arguments, keywords)


def _name(dtype: np.dtype[Any]) -> str:
    return "bool" if dtype.kind == "b" else dtype.name
