"""Programs in files: `save` and `load`; docs/reference/program-format.md describes the format.

A file is a zip, nothing in it compressed, of one JSON document and one block of raw little-endian
arrays. Equal programs give equal bytes. What a value is in JSON, `encoding.py` says; what an
operation may claim, `admission.py`. The one difficulty is that a file may be damaged, or made to
harm: reading it imports nothing, runs nothing of it, and ends in a program or `ProgramFormatError`.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import secrets
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import IO, Any, NamedTuple

import numpy as np

from wengert.compile.admission import Admission, Found, agree, given
from wengert.compile.encoding import (
    Layout,
    Unstorable,
    bad,
    decode,
    decode_layout,
    dtype_from,
    encode,
    encode_layout,
    index_from,
    shape_from,
    shown,
    text_from,
)
from wengert.compile.program import Guard, Op, Operand, Program, Spec
from wengert.compile.vocabulary import is_known, primitive_of
from wengert.errors import Line, ProgramFormatError, UnsupportedFunctionError
from wengert.tape.columns import Constant, Place

FORMAT = "wengert program"
VERSION = 1  # of the format, and of what the primitives' names mean

_DOCUMENT, _ARRAYS = "program.json", "arrays.bin"
_ALIGNMENT = 64
_MAX_DOCUMENT = 2**28  # bytes; a million operations
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that zip knows
_KINDS = ("python", "scalar", "array", "tuple")
_NUMBERS = (bool, int, float, complex)


class Stored(NamedTuple):
    """What a file holds of one program.

    Attributes
    ----------
    program : Program
    arguments : Layout, optional
        Where in ``(args, kwargs)`` the program's inputs stand.
    result : Layout, optional
        Where in the result its outputs stand.
    is_watched : bool
        The function may handle an error that an operation raises, and take another way.
    """

    program: Program
    arguments: Layout | None = None
    result: Layout | None = None
    is_watched: bool = False


class StoredPlace(Place):
    """A line of user code as a file tells it: text alone."""

    text: str
    variable: str | None

    def __new__(
        cls, index: int, filename: str, number: int, text: str, variable: str | None
    ) -> StoredPlace:
        code = _NO_CODE.replace(co_filename=filename)
        self = super().__new__(cls, code, index, number)  # the index tells places of a line apart
        self.text, self.variable = text, variable
        return self

    @property
    def line(self) -> Line:
        """The user's line; no file is opened for it."""
        return Line(self.code.co_filename, self.number, self.text)

    @property
    def name(self) -> str | None:
        """The variable that user code stores the result in."""
        return self.variable


_NO_CODE: CodeType = (lambda: None).__code__


def save(
    program: Program,
    path: str | os.PathLike[str],
    *,
    arguments: Layout | None = None,
    result: Layout | None = None,
) -> None:
    """Write a program to a file, from which `load` brings it back without the code that made it.

    Parameters
    ----------
    path : str or path
        The file; one that is there is replaced, in one step.
    arguments, result : Layout, optional
        The trees that inputs stand in and outputs are put into: lists, tuples, dictionaries, None,
        named tuples and dataclasses.

    Raises
    ------
    UnsupportedFunctionError
        If an operation is no primitive of Wengert, or has a parameter that has no stored form.
    """
    save_all([Stored(program, arguments, result)], path)


def load(path: str | os.PathLike[str]) -> Stored:
    """Read a file with one program, checking everything.

    Raises
    ------
    ProgramFormatError
        If the file is damaged, or is no such file.
    """
    stored = load_all(path)
    if len(stored) != 1:
        raise ProgramFormatError(
            f"{os.fspath(path)!r} holds {len(stored)} programs, not one.", "Read it with load_all."
        )
    return stored[0]


def save_all(stored: Sequence[Stored], path: str | os.PathLike[str]) -> None:
    """Write several programs, such as the paths of one function, to one file."""
    document, arrays = _described(stored, lines=True)
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as file:
            _pack(file, document, arrays)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load_all(path: str | os.PathLike[str]) -> tuple[Stored, ...]:
    """Read all programs of a file."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ProgramFormatError(f"{os.fspath(path)!r} is no regular file.")
    with open(path, "rb") as file:
        return _unpacked(file)


def to_bytes(stored: Sequence[Stored], *, lines: bool = True) -> bytes:
    """What `save_all` writes; without the user's lines and names it is the key of a cache."""
    file = io.BytesIO()
    _pack(file, *_described(stored, lines=lines))
    return file.getvalue()


def from_bytes(data: bytes) -> tuple[Stored, ...]:
    """What `load_all` reads."""
    return _unpacked(io.BytesIO(data))


# ------------------------------------------------------------------------------------------ writing


def _described(stored: Sequence[Stored], *, lines: bool) -> tuple[dict[str, Any], list[np.ndarray]]:
    writer = _Writer(lines)
    programs = [writer.program(one) for one in stored]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "programs": programs,
        "specs": [_spec_to_json(spec) for spec in writer.specs],
        "places": list(writer.places),
        "arrays": writer.headers,
    }
    return document, writer.arrays


class _Writer:
    """Describes programs; specs, places and arrays that occur more than once, once."""

    def __init__(self, lines: bool):
        self.lines = lines
        self.specs: dict[Spec, int] = {}
        self.places: dict[Any, int] = {}
        self.arrays: list[np.ndarray] = []
        self.headers: list[dict[str, Any]] = []
        self._numbers: dict[Any, int] = {}
        self._end = 0

    def program(self, stored: Stored) -> dict[str, Any]:
        program = stored.program
        return {
            "inputs": [self._spec(spec) for spec in program.inputs],
            "names": list(program.names) if self.lines else [],
            "operations": [self._operation(op) for op in program.ops],
            "outputs": [self._operand(x, "an output") for x in program.outputs],
            "guards": [
                [guard.value, guard.expected, self._place(guard.place)] for guard in program.guards
            ],
            "arguments": self._layout(stored.arguments, "an argument"),
            "result": self._layout(stored.result, "the result"),
            "watched": stored.is_watched,
        }

    def _operation(self, op: Op) -> dict[str, Any]:
        name = op.primitive.name
        if not is_known(op.primitive):
            raise UnsupportedFunctionError(
                f"{name} is no primitive of Wengert's own, and cannot be saved.",
                "A file holds no Python code: write the function in terms of NumPy's.",
                op.place.line if op.place is not None else None,
            )
        found: dict[str, Any] = {
            "primitive": name,
            "operands": [self._operand(x, name, op) for x in op.operands],
            "spec": self._spec(op.spec),
        }
        if op.parameters:
            found["parameters"] = {
                parameter: self._value(value, f"parameter {parameter} of {name}", op)
                for parameter, value in sorted(op.parameters.items())
            }
        place = self._place(op.place)
        if place is not None:
            found["place"] = place
        return found

    def _operand(self, operand: Operand, what: str, op: Op | None = None) -> Any:
        if isinstance(operand, Constant):
            return {"constant": self._value(operand.value, f"a constant of {what}", op)}
        return operand

    def _value(self, value: Any, what: str, op: Op | None) -> Any:
        try:
            return encode(value, self._array)
        except Unstorable as error:
            raise UnsupportedFunctionError(
                f"{what} is {error}, which cannot be saved: {shown(value)}.",
                "A file holds numbers, strings, arrays, indices and containers of them, no code.",
                op.place.line if op is not None and op.place is not None else None,
            ) from None

    def _layout(self, layout: Layout | None, what: str) -> Any:
        return None if layout is None else {"tree": encode_layout(layout, self._array, what)}

    def _spec(self, spec: Spec) -> int:
        return self.specs.setdefault(spec, len(self.specs))

    def _place(self, place: Place | None) -> int | None:
        if place is None or not self.lines:
            return None
        line = place.line
        known = (os.path.basename(line.filename), line.number, line.text, place.name)
        return self.places.setdefault(known, len(self.places))

    def _array(self, array: np.ndarray) -> int:
        order = "F" if array.flags.fnc else "C"
        raw = np.asarray(array, array.dtype.newbyteorder("<"))
        flat = np.ascontiguousarray(raw.T if order == "F" else raw)
        header = {"dtype": array.dtype.name, "shape": list(array.shape), "order": order}
        digest = hashlib.sha256(flat.data.cast("B") if flat.size else b"").digest()
        key = (array.dtype.name, array.shape, order, digest)
        number = self._numbers.setdefault(key, len(self.arrays))
        if number == len(self.arrays):
            self.headers.append(header | {"offset": self._end})
            self.arrays.append(flat)
            self._end = _aligned(self._end + flat.nbytes)
        return number


def _spec_to_json(spec: Spec) -> list[Any]:
    return [list(spec.shape), spec.dtype.name, spec.kind]


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def _pack(file: IO[bytes], document: dict[str, Any], arrays: Sequence[np.ndarray]) -> None:
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        with archive.open(_member(_DOCUMENT), "w", force_zip64=True) as part:
            part.write(text.encode("ascii"))
        with archive.open(_member(_ARRAYS), "w", force_zip64=True) as part:
            for array in arrays:
                part.write(array.data.cast("B") if array.size else b"")
                part.write(bytes(_aligned(array.nbytes) - array.nbytes))


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3  # Unix, wherever it is written: equal programs give equal bytes
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info


# ------------------------------------------------------------------------------------------ reading


def _unpacked(file: IO[bytes]) -> tuple[Stored, ...]:
    size = file.seek(0, os.SEEK_END)
    try:
        with zipfile.ZipFile(file) as archive:
            text, raw = _members(archive, size)
    except ProgramFormatError:
        raise
    except Exception as error:  # zipfile raises some ten kinds for damaged archives
        raise bad(f"it is no intact zip archive ({error!s:.100})") from None
    try:
        document = json.loads(
            text.decode("ascii"),
            object_pairs_hook=_object,
            parse_float=_number,
            parse_constant=_number,
        )
    except RecursionError:
        raise bad("the document is too deep") from None
    except ValueError as error:  # bytes that are no text, integers of too many digits
        raise bad(f"the document is no JSON ({error!s:.100})") from None
    return _Reader(document, raw).programs()


def _members(archive: zipfile.ZipFile, size: int) -> tuple[bytes, bytes]:
    found = archive.infolist()
    if [info.filename for info in found] != [_DOCUMENT, _ARRAYS]:
        raise bad(f"it should hold {_DOCUMENT} and {_ARRAYS}, in this order and nothing else")
    for info in found:
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise bad(f"{info.filename} is compressed")
        if info.flag_bits & 1:
            raise bad(f"{info.filename} is encrypted")
    if sum(info.file_size for info in found) > size or found[0].file_size > _MAX_DOCUMENT:
        raise bad("a size is declared that the file does not have")
    return archive.read(found[0]), archive.read(found[1])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.40} is no number of JSON")
    return value


class _Reader:
    """Brings programs back from a document, of which nothing is believed."""

    def __init__(self, document: Any, raw: bytes):
        _check_header(document)
        self._programs = _list(document, "programs")
        self._arrays = _arrays(_list(document, "arrays"), raw)
        self._specs = [_spec(data) for data in _list(document, "specs")]
        self._place_list = _list(document, "places")
        self._places = [_place(k, data) for k, data in enumerate(self._place_list)]
        self._records: set[type] = set()
        self._admission = Admission()

    def programs(self) -> tuple[Stored, ...]:
        if not self._programs:
            raise bad("there is no program in it")
        return tuple([self._program(data) for data in self._programs])

    def _program(self, data: Any) -> Stored:
        _fields(data, _PROGRAM_FIELDS, "program")
        inputs = [self._spec(number) for number in _list(data, "inputs")]
        for spec in inputs:
            if spec.kind == "tuple":
                raise bad("an input is a tuple")
        names = tuple([text_from(name) for name in _list(data, "names")])
        if len(names) not in (0, len(inputs)):
            raise bad(f"there are {len(names)} names for {len(inputs)} inputs")
        known = [given(spec) for spec in inputs]
        ops = []
        for entry in _list(data, "operations"):
            op, found = self._operation(entry, known)
            ops.append(op)
            known.append(found)
        outputs = tuple([self._operand(x, known) for x in _list(data, "outputs")])
        if any(not isinstance(x, Constant) and known[x].is_tuple for x in outputs):
            raise bad("an output is a tuple")
        guards = tuple([self._guard(x, known) for x in _list(data, "guards")])
        program = Program(tuple(inputs), tuple(ops), outputs, guards, names)
        arguments = self._layout(data["arguments"], len(inputs), "the arguments")
        if arguments is not None:
            numbers = [x for x in arguments.leaves if not isinstance(x, Constant)]
            if sorted(numbers) != list(range(len(inputs))):
                raise bad("the arguments do not hold each input once")
        result = self._layout(data["result"], len(outputs), "the result")
        if type(data["watched"]) is not bool:
            raise bad(f"watched is true or false, not {shown(data['watched'])}")
        return Stored(program, arguments, result, data["watched"])

    def _layout(self, data: Any, count: int, what: str) -> Layout | None:
        if data is None:
            return None
        _fields(data, {"tree"}, "tree")
        return decode_layout(data["tree"], count, self._arrays, self._records, what)

    def _operation(self, data: Any, known: list[Found]) -> tuple[Op, Found]:
        if type(data) is not dict or not _OPERATION_FIELDS <= data.keys() <= _ALL_OPERATION_FIELDS:
            raise bad(f"no operation is written as {shown(data)}")
        name = text_from(data["primitive"])
        primitive = primitive_of(name)
        if primitive is None:
            raise bad(f"there is no primitive {shown(name)} in this version of Wengert")
        operands = tuple([self._operand(x, known) for x in _list(data, "operands")])
        given_parameters = data.get("parameters", {})
        if type(given_parameters) is not dict:
            raise bad(f"no parameters are written as {shown(given_parameters)}")
        parameters = {
            text_from(key): decode(value, self._arrays) for key, value in given_parameters.items()
        }
        spec = self._spec(data["spec"])
        found = self._admission.admit(
            primitive,
            [x if isinstance(x, Constant) else known[x] for x in operands],
            parameters,
            json.dumps(given_parameters) if parameters else "",
        )
        if not agree(found, spec):
            raise bad(f"{name} gives {found.specs[0]}, but {spec} is declared")
        if not found.is_tuple:
            found = given(spec)
        return Op(primitive, operands, parameters, spec, self._place(data.get("place"))), found

    def _operand(self, data: Any, known: list[Found]) -> Operand:
        if type(data) is dict and data.keys() == {"constant"}:
            return Constant(_checked_constant(decode(data["constant"], self._arrays)))
        return index_from(data, len(known), "earlier value")

    def _guard(self, data: Any, known: list[Found]) -> Guard:
        if type(data) is not list or len(data) != 3:
            raise bad(f"no guard is written as {shown(data)}")
        value = index_from(data[0], len(known), "value to guard")
        spec = known[value].specs[0]
        if known[value].is_tuple or spec.shape or spec.dtype.kind not in "biu":
            raise bad(f"a guard stands on {spec}")
        expected = bool if spec.dtype.kind == "b" else int
        if type(data[1]) is not expected or abs(data[1]) >= 2**64:
            raise bad(f"a guard expects {shown(data[1])}")
        place = None if self._place(data[2]) is None else _place(data[2], self._place_list[data[2]])
        return Guard(value, data[1], place)  # its own place: what tells guards apart

    def _spec(self, data: Any) -> Spec:
        return self._specs[index_from(data, len(self._specs), "spec")]

    def _place(self, data: Any) -> Place | None:
        if data is None:
            return None
        return self._places[index_from(data, len(self._places), "place")]


_PROGRAM_FIELDS = {"inputs", "names", "operations", "outputs", "guards"}
_PROGRAM_FIELDS |= {"arguments", "result", "watched"}
_OPERATION_FIELDS = {"primitive", "operands", "spec"}
_ALL_OPERATION_FIELDS = _OPERATION_FIELDS | {"parameters", "place"}


def _check_header(document: Any) -> None:
    if type(document) is not dict or document.get("format") != FORMAT:
        raise bad(f"the document does not say that it is a {FORMAT}")
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        raise ProgramFormatError(
            f"the file is of version {shown(version)}, and this Wengert reads version {VERSION}.",
            "Load it with the version of Wengert that saved it, or save it again with this one.",
        )
    _fields(document, {"format", "version", "programs", "specs", "places", "arrays"}, "document")


def _fields(data: Any, expected: set[str], what: str) -> None:
    if type(data) is not dict or data.keys() != expected:
        raise bad(f"a {what} has the fields {', '.join(sorted(expected))}, not {shown(data)}")


def _list(data: dict[str, Any], name: str) -> list[Any]:
    found = data[name]
    if type(found) is not list:
        raise bad(f"{name} is no list")
    return found


def _spec(data: Any) -> Spec:
    if type(data) is not list or len(data) != 3 or data[2] not in _KINDS:
        raise bad(f"no spec is written as {shown(data)}")
    dtype = dtype_from(data[1])
    spec = Spec(shape_from(data[0], dtype), dtype, data[2])
    if spec.shape and spec.kind in ("python", "scalar"):
        raise bad(f"a {spec.kind} number has no shape {spec.shape}")
    if spec.kind == "python" and dtype.name not in ("bool", "int64", "float64", "complex128"):
        raise bad(f"no number of Python's is a {dtype}")
    return spec


def _place(index: int, data: Any) -> StoredPlace:
    if type(data) is not list or len(data) != 4:
        raise bad(f"no place is written as {shown(data)}")
    filename, text = text_from(data[0]), text_from(data[2])
    number = index_from(data[1], 2**31, "line")
    variable = None if data[3] is None else text_from(data[3])
    return StoredPlace(index, filename, number, text, variable)


def _arrays(headers: list[Any], raw: bytes) -> list[np.ndarray]:
    found = []
    end = 0
    for header in headers:
        _fields(header, {"dtype", "shape", "order", "offset"}, "header of an array")
        dtype = dtype_from(header["dtype"])
        shape = shape_from(header["shape"], dtype)
        count = math.prod(shape)
        if header["order"] not in ("C", "F"):
            raise bad(f"there is no order {shown(header['order'])}")
        # Arrays follow each other, so that no file can name more of them than it holds.
        if type(header["offset"]) is not int or header["offset"] != end:
            raise bad(f"an array does not start at {end}")
        start, end = end, _aligned(end + count * dtype.itemsize)
        if end > len(raw):
            raise bad(f"an array of shape {shape} is not there as a whole")
        array = np.frombuffer(raw, dtype.newbyteorder("<"), count, start) if count else np.empty(0)
        found.append(_shaped(array.astype(dtype, copy=False), shape, header["order"]))
    if end != len(raw):
        raise bad("bytes are left over after the last array")
    return found


def _shaped(flat: np.ndarray, shape: tuple[int, ...], order: str) -> np.ndarray:
    if flat.dtype == bool and flat.size and flat.view(np.uint8).max() > 1:
        raise bad("a truth value is neither 0 nor 1")
    array = flat.reshape(shape, order=order)  # type: ignore[call-overload]
    array.flags.writeable = False
    return array


def _checked_constant(value: Any) -> Any:
    parts = value if type(value) is tuple and value else (value,)
    for part in parts:
        if not isinstance(part, (np.ndarray, np.generic, *_NUMBERS)):
            raise bad(f"a constant is {shown(part)}")
        if type(part) is int and not -(2**63) <= part < 2**63:
            raise bad(f"a constant is {shown(part)}")
    return value
