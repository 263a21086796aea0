"""Values as JSON: what constants and static parameters are in a stored program, and back.

JSON's own null, booleans, numbers, strings and lists stand for Python's; all else is an object with
one key that says what it is, such as ``{"slice": [0, null, 2]}``; arrays lie beside the document.
Only the kinds named here can be read: nothing is imported, looked up by name or evaluated. The one
difficulty is a hostile document: every branch checks what it finds, and depth is bounded.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert import tree
from wengert.compile.records import MAX_RECORDS, is_record, record
from wengert.errors import ArgumentError, ProgramFormatError
from wengert.primitives.taking import HOLE
from wengert.tape.columns import Constant

MAX_DEPTH = 64  # of nested containers: in parameters, in trees of arguments and results
MAX_NDIM = 64  # NumPy's own bound
_MAX_INT = 2**64  # shapes, seeds, masks; beyond it an integer is no parameter but an attack

# fmt: off
DTYPES = {dtype.name: dtype for dtype in map(np.dtype, (
    np.bool, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
    np.float16, np.float32, np.float64, np.complex64, np.complex128,
))}
# fmt: on
_TYPES: dict[str, type] = {"bool": bool, "int": int, "float": float, "complex": complex}
_TYPES |= {f"numpy.{name}": dtype.type for name, dtype in DTYPES.items()}
_NAMES_OF_TYPES = {kind: name for name, kind in _TYPES.items()}
_SINGLES = {"ellipsis": Ellipsis, "hole": HOLE}
_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Unstorable(Exception):  # noqa: N818 (a signal to the caller, who knows what the value belongs to)
    """A value of a kind that has no stored form."""


# ------------------------------------------------------------------------------------------ writing


def encode(value: Any, add_array: Callable[[np.ndarray], int], depth: int = 0) -> Any:
    """The JSON form of a value.

    Parameters
    ----------
    add_array : callable
        Takes an array, gives the number under which it is stored.

    Raises
    ------
    Unstorable
        Naming the type that has no stored form.
    """
    if depth > MAX_DEPTH:
        raise Unstorable(f"containers more than {MAX_DEPTH} deep")
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        if abs(value) >= _MAX_INT:
            raise Unstorable("an integer beyond 64 bits")
        return value
    if kind is float:
        return _float_to_json(value)
    if kind is str:
        return _checked_text(value)
    if kind is list:
        return [encode(part, add_array, depth + 1) for part in value]
    if kind is np.ndarray:
        if DTYPES.get(value.dtype.name) != value.dtype.newbyteorder("="):
            raise Unstorable(f"an array of dtype {value.dtype}")
        return {"array": add_array(value)}
    for name, single in _SINGLES.items():
        if value is single:
            return {name: True}
    writer = _WRITERS.get(kind)
    if writer is not None:
        name, parts = writer
        return {name: [encode(part, add_array, depth + 1) for part in parts(value)]}
    if isinstance(value, np.dtype) and DTYPES.get(value.name) == value:
        return {"dtype": value.name}
    if isinstance(value, np.generic) and DTYPES.get(value.dtype.name) == value.dtype:
        return {"scalar": [value.dtype.name, encode(value.item(), add_array, depth + 1)]}
    if isinstance(value, type) and value in _NAMES_OF_TYPES:
        return {"type": _NAMES_OF_TYPES[value]}
    raise Unstorable(f"{kind.__module__}.{kind.__qualname__}")


_WRITERS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    tuple: ("tuple", lambda value: value),
    complex: ("complex", lambda value: (value.real, value.imag)),
    slice: ("slice", lambda value: (value.start, value.stop, value.step)),
    dict: ("dict", lambda value: [list(item) for item in value.items()]),
}


def _float_to_json(value: float) -> Any:
    if math.isfinite(value):
        return value
    return {"float": "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"}


def _checked_text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unstorable("a string that is no valid Unicode") from None
    return value


# ------------------------------------------------------------------------------------------ reading


def decode(data: Any, arrays: Sequence[np.ndarray], depth: int = 0) -> Any:
    """The value that a JSON form stands for.

    Raises
    ------
    ProgramFormatError
        If it stands for none.
    """
    if depth > MAX_DEPTH:
        raise bad(f"containers are more than {MAX_DEPTH} deep")
    if data is None or type(data) in (bool, float):
        return data
    if type(data) is int:
        if abs(data) >= _MAX_INT:
            raise bad("an integer is beyond 64 bits")
        return data
    if type(data) is str:
        return text_from(data)
    if type(data) is list:
        return [decode(part, arrays, depth + 1) for part in data]
    if type(data) is not dict or len(data) != 1:
        raise bad(f"no value is written as {shown(data)}")
    ((name, content),) = data.items()
    reader = _READERS.get(name)
    if reader is None:
        raise bad(f"no value is written as {shown(data)}")
    return reader(content, arrays, depth + 1)


def _read_float(content: Any, arrays: Any, depth: int) -> float:
    if type(content) is not str or content not in _FLOATS:
        raise bad(f"no float is written as {shown(content)}")
    return _FLOATS[content]


def _read_parts(content: Any, arrays: Any, depth: int, kinds: Any, count: int) -> list[Any]:
    parts: Any = decode(content, arrays, depth)
    if type(parts) is not list or len(parts) != count:
        raise bad(f"{count} parts were expected, found {shown(content)}")
    if not all(type(part) in kinds for part in parts):
        raise bad(f"a part is of the wrong kind: {shown(content)}")
    return parts


def _read_complex(content: Any, arrays: Any, depth: int) -> complex:
    return complex(*_read_parts(content, arrays, depth, (float,), 2))


def _read_slice(content: Any, arrays: Any, depth: int) -> slice:
    return slice(*_read_parts(content, arrays, depth, (int, type(None)), 3))


def _read_dict(content: Any, arrays: Any, depth: int) -> dict[Any, Any]:
    items = decode(content, arrays, depth)
    if type(items) is not list or not all(
        type(i) is list and len(i) == 2 and type(i[0]) in (str, int) for i in items
    ):
        raise bad(f"no dictionary is written as {shown(content)}")
    found = dict(items)
    if len(found) != len(items):
        raise bad("a dictionary has a key twice")
    return found


def _read_tuple(content: Any, arrays: Any, depth: int) -> tuple[Any, ...]:
    parts = decode(content, arrays, depth)
    if type(parts) is not list:
        raise bad(f"no tuple is written as {shown(content)}")
    return tuple(parts)


def _read_scalar(content: Any, arrays: Any, depth: int) -> Any:
    value: Any
    name, value = _read_parts(content, arrays, depth, (str, bool, int, float, complex), 2)
    dtype = dtype_from(name)
    kind: Any = {"b": bool, "i": int, "u": int, "f": float, "c": complex}[dtype.kind]
    if type(value) is not kind:
        raise bad(f"no {dtype} is written as {shown(value)}")
    if dtype.kind in "iu" and not int(np.iinfo(dtype).min) <= value <= int(np.iinfo(dtype).max):
        raise bad(f"{value} is no {dtype}")
    with np.errstate(over="ignore"):
        return dtype.type(value)


def _read_array(content: Any, arrays: Any, depth: int) -> np.ndarray:
    return arrays[index_from(content, len(arrays), "array")]


def _read_type(content: Any, arrays: Any, depth: int) -> type:
    if type(content) is not str or content not in _TYPES:
        raise bad(f"no type is called {shown(content)}")
    return _TYPES[content]


def _read_single(name: str) -> Callable[[Any, Any, int], Any]:
    def read(content: Any, arrays: Any, depth: int) -> Any:
        if content is not True:
            raise bad(f"{name} is written with true, not {shown(content)}")
        return _SINGLES[name]

    return read


_READERS: dict[str, Callable[[Any, Any, int], Any]] = {
    "float": _read_float,
    "complex": _read_complex,
    "slice": _read_slice,
    "dict": _read_dict,
    "tuple": _read_tuple,
    "scalar": _read_scalar,
    "array": _read_array,
    "type": _read_type,
    "dtype": lambda content, arrays, depth: dtype_from(content),
    "ellipsis": _read_single("ellipsis"),
    "hole": _read_single("hole"),
}


# -------------------------------------------------------- what several parts of a document need


def bad(fact: str) -> ProgramFormatError:
    """The error of a document that is no stored program, to be raised."""
    return ProgramFormatError(
        f"the file holds no valid program: {fact}.", "Save the program again with program.save."
    )


def shown(data: Any) -> str:
    """What a message says of data from a file, however large or deep they are."""
    return _SHORT.repr(data)


_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 3, 60, 60, 40


def index_from(data: Any, count: int, what: str) -> int:
    """An index of a list of `count` things."""
    if type(data) is not int or not 0 <= data < count:
        raise bad(f"there is no {what} {shown(data)} among {count}")
    return data


def text_from(data: Any) -> str:
    """A string, in which there is nothing that cannot be printed or saved again."""
    if type(data) is not str:
        raise bad(f"text was expected, found {shown(data)}")
    try:
        return _checked_text(data)
    except Unstorable as error:
        raise bad(f"found {error}") from None


def dtype_from(data: Any) -> np.dtype[Any]:
    """A dtype by its name."""
    if type(data) is not str or data not in DTYPES:
        raise bad(f"no dtype is called {shown(data)}")
    return DTYPES[data]


def shape_from(data: Any, dtype: np.dtype[Any]) -> tuple[int, ...]:
    """A shape that NumPy can have: its bytes can be counted."""
    if type(data) is not list or len(data) > MAX_NDIM:
        raise bad(f"no shape is written as {shown(data)}")
    if not all(type(n) is int and n >= 0 for n in data):
        raise bad(f"no shape is written as {shown(data)}")
    if math.prod(n for n in data if n) * dtype.itemsize >= 2**62:
        raise bad(f"an array of shape {shown(data)} is beyond any memory")
    return tuple(data)


# -------------------------------------------------------------------------------------------- trees


class Layout(NamedTuple):
    """Where the inputs or outputs of a program stand in a tree.

    Attributes
    ----------
    structure : tree structure
        As ``tree.flatten`` gives it.
    leaves : tuple of int or Constant
        For each leaf the number of an input or output, or what stands there always.
    """

    structure: Any
    leaves: tuple[int | Constant, ...]

    def fill(self, values: Sequence[Any]) -> Any:
        """The tree, with these inputs or outputs in it."""
        leaves = [x.value if isinstance(x, Constant) else values[x] for x in self.leaves]
        return tree.unflatten(self.structure, leaves)


def encode_layout(layout: Layout, add_array: Callable[[np.ndarray], int], what: str) -> Any:
    """The JSON form of a tree; its leaves are numbers and constants.

    Its nodes may be lists, tuples, dictionaries, None, named tuples and dataclasses.

    Raises
    ------
    ArgumentError
        If the tree holds nodes of other types, or leaves that have no stored form.
    """
    found: list[Any] = []
    leaves: Sequence[Any] = layout.leaves
    for leaf in leaves:
        try:
            is_constant = isinstance(leaf, Constant)
            found.append({"constant": encode(leaf[0], add_array)} if is_constant else leaf)
        except Unstorable as error:
            raise ArgumentError(
                f"{what} holds {error}, which cannot be saved: {shown(leaf[0])}.",
                "Functions and objects cannot be in a file: make them arrays or strings.",
            ) from None
    return _encode_node(layout.structure, iter(found), what, 0)


def _encode_node(structure: Any, leaves: Iterator[Any], what: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ArgumentError(f"{what} is a tree more than {MAX_DEPTH} deep, which cannot be saved.")
    kind, parts, order = tree.top(structure)
    if kind is None:
        return next(leaves)
    if kind is type(None):
        return None
    found = {key: _encode_node(part, leaves, what, depth + 1) for key, part in parts.items()}
    if kind is list:
        return list(found.values())
    if kind is tuple:
        return {"tuple": list(found.values())}
    items = [[key, found[key]] for key in order]
    if kind is dict and all(type(key) in (str, int) for key in order):
        return {"dict": items}
    if tree.field_names(kind) is not None and is_record(kind.__name__, order):
        return {"record": [kind.__name__, items]}
    if kind is dict:
        keys = ", ".join(sorted({type(key).__name__ for key in order} - {"str", "int"}))
        raise ArgumentError(
            f"{what} holds a dictionary with keys of type {keys}, which cannot be saved.",
            "Use strings or integers as keys.",
        )
    raise ArgumentError(
        f"{what} holds a {kind.__name__}, which cannot be saved: a file names no classes.",
        "Use dictionaries with strings (or integers) as keys, lists, tuples, named tuples and "
        "dataclasses.",
    )


def decode_layout(
    data: Any, count: int, arrays: Sequence[np.ndarray], records: set[type], what: str
) -> Layout:
    """The tree, with `count` inputs or outputs in it, that a JSON form stands for.

    `records` are the kinds of named tuples that the file has named so far.
    """
    reader = _TreeReader(count, arrays, records, what)
    leaves, structure = tree.flatten(reader.node(data, 0))
    return Layout(structure, tuple([leaf[0] for leaf in leaves]))


class _Leaf(list[Any]):
    """A leaf, whatever it holds: no type that trees know."""


class _TreeReader:
    """Reads one tree."""

    def __init__(self, count: int, arrays: Sequence[np.ndarray], records: set[type], what: str):
        self.count, self.arrays, self.records, self.what = count, arrays, records, what

    def node(self, data: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise bad(f"{self.what} is a tree more than {MAX_DEPTH} deep")
        if data is None:
            return None
        if type(data) is int:
            return _Leaf([index_from(data, self.count, f"leaf of {self.what}")])
        if type(data) is list:
            return [self.node(part, depth + 1) for part in data]
        if type(data) is dict and len(data) == 1:
            ((name, parts),) = data.items()
            if name == "constant":
                return _Leaf([Constant(decode(parts, self.arrays))])
            if name == "tuple" and type(parts) is list:
                return tuple([self.node(part, depth + 1) for part in parts])
            if name == "dict" and type(parts) is list:
                return self._entries(parts, depth)
            if name == "record" and type(parts) is list and len(parts) == 2:
                return self._record(parts[0], parts[1], depth)
        raise bad(f"no tree is written as {shown(data)}")

    def _record(self, name: Any, items: Any, depth: int) -> Any:
        found = self._entries(items, depth) if type(items) is list else {}
        fields = tuple(found)
        if type(items) is not list or not is_record(name, fields):
            raise bad(f"no named tuple is called {shown(name)} with the fields {shown(fields)}")
        kind = record(name, fields)
        self.records.add(kind)
        if len(self.records) > MAX_RECORDS:
            raise bad(f"it names more than {MAX_RECORDS} kinds of named tuples")
        return kind._make(found.values())

    def _entries(self, items: list[Any], depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for item in items:
            if type(item) is not list or len(item) != 2 or type(item[0]) not in (str, int):
                raise bad(f"no entry of a tree is written as {shown(item)}")
            key = text_from(item[0]) if type(item[0]) is str else item[0]
            if key in found:
                raise bad(f"{self.what} has the key {shown(key)} twice")
            found[key] = self.node(item[1], depth + 1)
        return found
