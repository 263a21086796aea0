"""Admission of operations read from a file: each declares the spec that NumPy gives, or is refused.

Native code trusts specs, so a file must not invent them. Each operation is run once on stand-ins:
small ones, where the sizes of its result are those of its operands (`_by_stand_ins`); or some of
the true shape with all strides zero, which take no memory (`_RULES`). The one difficulty is to need
little memory and time for any file: sizes are bounded before NumPy is called, and equal operations
are looked at once.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.compile.encoding import DTYPES, bad, shown
from wengert.compile.program import PART, Spec, spec_of
from wengert.compile.vocabulary import MEASURE, base_of_error
from wengert.errors import ProgramFormatError
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import step_into
from wengert.primitives.taking import HOLE, fill
from wengert.tape.columns import Constant

LIMIT = 2**26  # elements that one check may make: 0.5 GB of float64
TOTAL = 2**30  # elements that all checks of a file may make: some seconds
_LINALG = 64  # what an element of a small matrix costs, beside one that is copied
_KEPT = 4  # sizes that stand-ins keep: 0 and 1 broadcast, cross takes 2 or 3
_PYTHON = {"b": True, "i": 1, "f": 1.0, "c": 1 + 0j}


class Found(NamedTuple):
    """What an operation gives.

    Attributes
    ----------
    specs : tuple of Spec
        One, or as many as the tuple has parts.
    is_tuple : bool
    open : frozenset of int
        Positions of specs whose shapes depend on data: what runs the operation checks them.
    may_be_complex : bool
        The dtype depends on data: it is the one found, or complex.
    """

    specs: tuple[Spec, ...]
    is_tuple: bool = False
    open: frozenset[int] = frozenset()
    may_be_complex: bool = False


class _RefusedError(ProgramFormatError):
    """NumPy refuses an operation."""


class Admission:
    """Looks at the operations of one file."""

    def __init__(self) -> None:
        self._known: dict[Any, Found] = {}
        self._left = TOTAL

    def admit(
        self,
        primitive: Primitive,
        operands: Sequence[Found | Constant],
        parameters: dict[str, Any],
        key: str,
    ) -> Found:
        """What an operation gives; an error if NumPy refuses it.

        Parameters
        ----------
        operands : sequence
            What earlier operations gave, and constants.
        key : str
            Stands for the parameters: equal if they are.
        """
        if primitive.name.startswith(MEASURE):
            return given(Spec((), np.dtype(np.intp), "scalar"))
        base = base_of_error(primitive.name)
        if base is not None:  # what NumPy refuses here was refused while tracing, too
            with contextlib.suppress(_RefusedError):
                self.admit(base, operands, parameters, key)
            return given(Spec((), np.dtype(bool), "scalar"))
        whole = primitive is PART or primitive.name in _RULES
        if whole and any(isinstance(x, Constant) for x in operands):
            return self._found(primitive, operands, parameters)
        known = (primitive.name, key, *[_found(x) for x in operands])
        found = self._known.get(known)
        if found is None:
            found = self._known[known] = self._found(primitive, operands, parameters)
        return found

    def _found(
        self, primitive: Primitive, operands: Sequence[Found | Constant], parameters: dict[str, Any]
    ) -> Found:
        _check_operands(primitive, operands)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if primitive is PART:
                    found = _part(_found(operands[0]), **parameters)
                else:
                    rule = _RULES.get(primitive.name, _by_stand_ins)
                    found = rule(primitive, operands, parameters, self._spend)
        except ProgramFormatError:
            raise
        except Exception as error:  # whatever NumPy says to operands and parameters that do not fit
            raise _RefusedError(
                f"the file holds no valid program: {primitive.name} cannot be applied to "
                f"{_listed(operands)}: {type(error).__name__}: {error!s:.200}."
            ) from None
        for spec in found.specs:
            if DTYPES.get(spec.dtype.name) != spec.dtype:
                raise bad(f"{primitive.name} of {_listed(operands)} gives {spec.dtype}")
        return found

    def _spend(self, count: int) -> None:
        self._left -= count
        if count > LIMIT or self._left < 0:
            raise bad(f"to check its operations takes more than {min(count, LIMIT)} elements")


def agree(found: Found, declared: Spec) -> bool:
    """True if an operation declares what it gives; but whose number it is, it says itself.

    What has no axes may be held as a 0-d array, NumPy's scalar or Python's number.
    """
    first = found.specs[0]
    if found.is_tuple != (declared.kind == "tuple"):
        return False
    if declared.kind == "python" and declared.dtype not in _PYTHON_DTYPES:
        return False
    if declared.shape and declared.kind not in ("array", "tuple"):
        return False
    if found.may_be_complex and declared.dtype.kind == "c":
        first = first._replace(dtype=np.result_type(first.dtype, np.complex64))
    if 0 in found.open:
        return len(declared.shape) == len(first.shape) and declared.dtype == first.dtype
    return declared.like == first.like


_PYTHON_DTYPES = frozenset(np.asarray(x).dtype for x in _PYTHON.values())


def given(spec: Spec) -> Found:
    """What an operand of that spec is."""
    return Found((spec,))


def _found(operand: Found | Constant) -> Found:
    if isinstance(operand, Constant):
        parts = operand.value if isinstance(operand.value, tuple) else (operand.value,)
        return Found(tuple([spec_of(x) for x in parts]), isinstance(operand.value, tuple))
    return operand


def _listed(operands: Sequence[Found | Constant]) -> str:
    return ", ".join(str(_found(x).specs[0]) for x in operands[:4]) or "nothing"


def _check_operands(primitive: Primitive, operands: Sequence[Found | Constant]) -> None:
    most = len(primitive.operands)
    if len(operands) < most - _optional(primitive) or (
        len(operands) > most and not primitive.variadic
    ):
        raise bad(f"{primitive.name} takes {most} operands, not {len(operands)}")
    for operand in operands:
        if _found(operand).is_tuple != (primitive is PART):
            raise bad(f"{primitive.name} cannot take a tuple" if primitive is not PART else
                      "part takes a tuple apart, and its operand is none")  # fmt: skip


@functools.cache
def _optional(primitive: Primitive) -> int:
    """How many of the last operands have a default."""
    try:
        given = inspect.signature(primitive.function).parameters
    except (TypeError, ValueError):  # of a ufunc, of what is written in C
        return 0
    found = [given[name] for name in primitive.operands if name in given]
    return sum(parameter.default is not parameter.empty for parameter in found)


Spend = Callable[[int], None]  # says how many elements are about to be made; raises if too many


# ----------------------------------------------------------------------- results of small stand-ins


def _by_stand_ins(
    primitive: Primitive,
    operands: Sequence[Found | Constant],
    parameters: dict[str, Any],
    spend: Spend,
) -> Found:
    """Where all sizes of the result are sizes of operands: equal sizes stay equal, and in order."""
    specs = [_found(x).specs[0] for x in operands]
    function = primitive.function
    if isinstance(function, np.ufunc) and parameters:  # `where` would leave memory as it was
        raise bad(f"{primitive.name} takes no parameters")
    if isinstance(function, np.ufunc) and function.signature is None:
        return _of_ufunc(function, specs)
    small, large = _sizes(specs)
    stand_ins = [_stand_in(spec, small) for spec in specs]
    spend(_LINALG * _work(primitive, [x.shape for x in stand_ins], parameters))
    result = function(*map(_as_declared, stand_ins, specs), **parameters)
    return _restored(result, large)


def _work(primitive: Primitive, shapes: list[Any], parameters: dict[str, Any]) -> int:
    """A bound of the size of what is made of arrays of these shapes."""
    if primitive.name == "contract":
        return _work_of_contraction(shapes, parameters)
    if primitive.name == "matmul" and min(map(len, shapes)) >= 2:
        stack = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
        return math.prod(stack) * math.prod(shapes[0][-2:]) * shapes[1][-1]
    if primitive.name not in _OUTER:
        try:
            return math.prod(np.broadcast_shapes(*shapes))
        except ValueError:
            pass
    return math.prod(map(math.prod, shapes))


_OUTER = frozenset({"weighted_place"})


def _work_of_contraction(shapes: list[Any], parameters: dict[str, Any]) -> int:
    (subscripts,) = _exactly(parameters, "subscripts")
    terms = subscripts.split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        sizes.update(zip(term, shape, strict=True))
    return math.prod(sizes.values())


def _of_ufunc(function: np.ufunc, specs: Sequence[Spec]) -> Found:
    weak = [_PYTHON_TYPES if spec.kind == "python" else {} for spec in specs]
    types = [types.get(s.dtype.kind, s.dtype) for types, s in zip(weak, specs, strict=True)]
    dtypes = function.resolve_dtypes((*types, *(None,) * function.nout))[function.nin :]
    shape = np.broadcast_shapes(*[spec.shape for spec in specs])
    kind = "array" if shape else "scalar"
    return Found(tuple([Spec(shape, dtype, kind) for dtype in dtypes]), function.nout > 1)


_PYTHON_TYPES: dict[str, Any] = {"i": int, "f": float, "c": complex}


def _sizes(specs: Sequence[Spec]) -> tuple[dict[int, int], dict[int, int]]:
    """Small sizes for the large ones, and back."""
    sizes = sorted({n for spec in specs for n in spec.shape if n > _KEPT})
    small = {n: n for n in range(_KEPT + 1)} | {n: _KEPT + 1 + k for k, n in enumerate(sizes)}
    return small, {value: n for n, value in small.items()}


def _stand_in(spec: Spec, small: dict[int, int]) -> np.ndarray:
    """Ones; stacks of identity matrices, which linear algebra accepts; integers are zero."""
    shape = tuple([small[n] for n in spec.shape])
    if spec.dtype.kind in "iu":
        return np.broadcast_to(np.zeros((), spec.dtype), shape)
    if len(shape) < 2:
        return np.broadcast_to(np.ones((), spec.dtype), shape)
    return np.broadcast_to(np.eye(*shape[-2:], dtype=spec.dtype), shape)


def _as_declared(stand_in: np.ndarray, spec: Spec) -> Any:
    if spec.kind == "python":
        return _PYTHON[spec.dtype.kind]
    return stand_in[()] if spec.kind == "scalar" else stand_in


def _restored(result: Any, large: dict[int, int]) -> Found:
    parts = result if isinstance(result, tuple) else (result,)
    specs = []
    for spec in map(spec_of, parts):
        if any(n not in large for n in spec.shape):
            raise bad("an operation gives sizes that are none of its operands'")
        specs.append(spec._replace(shape=tuple([large[n] for n in spec.shape])))
    return Found(tuple(specs), isinstance(result, tuple))


def _part(parts: Found, *, position: Any) -> Found:
    count = len(parts.specs)
    if type(position) is not int or not 0 <= position < count:
        raise bad(f"there is no part {shown(position)} among {count}")
    is_open = frozenset({0} if position in parts.open else ())
    return parts._replace(specs=(parts.specs[position],), is_tuple=False, open=is_open)


# --------------------------------------------------------- results whose sizes parameters decide


def _flat(operand: Found | Constant) -> Any:
    """An array of the true shape without memory; a constant itself."""
    if isinstance(operand, Constant):
        return operand.value
    spec = operand.specs[0]
    if spec.kind == "python":
        return _PYTHON[spec.dtype.kind]
    array = np.broadcast_to(np.zeros((), spec.dtype), spec.shape)
    return array[()] if spec.kind == "scalar" else array


def _whole(primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend) -> Found:
    """Run as it is: the result is a view, or as large as an operand."""
    flat = [_flat(x) for x in operands]
    spend(sum(np.size(x) for x in flat) if primitive.name not in _VIEWS else 0)
    return given(spec_of(primitive.function(*flat, **parameters)))


_VIEWS = frozenset({"broadcast_to", "transpose"})


def _reshape(
    primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend
) -> Found:
    return given(spec_of(np.reshape(_zero_strided(_flat(operands[0])), **parameters)))


def _zero_strided(array: Any) -> np.ndarray:
    return np.broadcast_to(np.zeros((), np.asarray(array).dtype), np.shape(array))


def _full(primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend) -> Found:
    shape = parameters["shape"]
    one = primitive.function(1.0, **(parameters | {"shape": (1,)}))
    return given(Spec(np.broadcast_to(one[0], shape).shape, one.dtype, "array"))


def _along(primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend) -> Found:
    """Where the result's sizes differ from the operand's along `axis` alone: the others are one."""
    spec = _found(operands[0]).specs[0]
    axis, n = parameters["axis"], parameters.get("n")
    if axis is None:
        return _whole(primitive, operands, parameters, spend)
    length = spec.shape[axis]
    spend(max(length, n if type(n) is int else 0))
    line = [1] * len(spec.shape)
    line[axis] = length
    result = primitive.function(np.broadcast_to(np.zeros((), spec.dtype), line), **parameters)
    shape = list(spec.shape)
    shape[axis] = np.shape(result)[axis]
    return given(spec_of(result)._replace(shape=tuple(shape)))


def _join(primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend) -> Found:
    specs = [_found(x).specs[0] for x in operands]
    axis, starts, first = parameters["axis"], parameters["starts"], specs[0].shape
    if type(axis) is not int or not 0 <= axis < len(first) or len(parameters) != 2:
        raise bad(f"there is no axis {shown(axis)} to join along")
    ends = np.cumsum([0] + [spec.shape[axis] for spec in specs]).tolist()
    if tuple(ends[:-1]) != starts:
        raise bad("the starts of joined pieces are not where they begin")
    if any(s.shape[:axis] + s.shape[axis + 1 :] != first[:axis] + first[axis + 1 :] for s in specs):
        raise bad("pieces of different shapes are joined")
    shape = (*first[:axis], ends[-1], *first[axis + 1 :])
    return given(Spec(shape, np.result_type(*[s.dtype for s in specs]), "array"))


def _stack(primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend) -> Found:
    specs = [_found(x).specs[0] for x in operands]
    if any(spec.shape != specs[0].shape for spec in specs):
        raise bad("arrays of different shapes are stacked")
    views = [np.broadcast_to(np.zeros((), spec.dtype), (1,) * len(spec.shape)) for spec in specs]
    line = primitive.function(*views, **parameters)
    axis = np.lib.array_utils.normalize_axis_index(parameters["axis"], line.ndim)
    shape = (*specs[0].shape[:axis], len(specs), *specs[0].shape[axis:])
    return given(Spec(shape, line.dtype, "array"))


def _convolve(
    primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend
) -> Found:
    specs = [_found(x).specs[0] for x in operands]
    lengths = [math.prod(spec.shape) for spec in specs]
    if min(lengths) == 0 or max(len(spec.shape) for spec in specs) > 1:
        raise bad("an empty array, or one of several axes, is convolved")
    one = primitive.function(*[np.ones(1, spec.dtype) for spec in specs], **parameters)
    return given(Spec((sum(lengths) - 1,), one.dtype, "array"))


def _histogram_counts(
    primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend
) -> Found:
    specs = [_found(x).specs[0] for x in operands]
    if len(specs[1].shape) != 1 or specs[1].shape[0] < 2:
        raise bad("the edges of a histogram are fewer than two")
    few = primitive.function(np.ones(1, specs[0].dtype), np.ones(2, specs[1].dtype), **parameters)
    return given(Spec((specs[1].shape[0] - 1,), few.dtype, "array"))


def _open(primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend) -> Found:
    """Where the shape depends on data: its number of axes, and the dtype, are checked."""
    specs = [_found(x).specs[0] for x in operands]
    arrays = [np.ones((1,) * len(spec.shape), spec.dtype) for spec in specs]
    few = {name: 1 if type(value) is int and name in _COUNTS else value
           for name, value in parameters.items()}  # fmt: skip
    result = primitive.function(*arrays, **few)
    parts = result if isinstance(result, tuple) else (result,)
    specs = [spec_of(part) for part in parts]
    return Found(tuple(specs), isinstance(result, tuple), frozenset(range(len(specs))))


_COUNTS = frozenset({"bins", "minlength"})


def _eig(primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend) -> Found:
    return _by_stand_ins(primitive, operands, parameters, spend)._replace(may_be_complex=True)


# -------------------------------------------------------------------------------- parts of arrays


def _read(primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend) -> Found:
    (path,) = _exactly(parameters, "path")
    array = _zero_strided(_flat(operands[0]))
    return given(spec_of(_followed(array, path, spend)))


def _write(primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend) -> Found:
    path, add = _exactly(parameters, "path", "add")
    return _written(operands, path, add, spend)


def _gather(primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend) -> Found:
    (template,) = _exactly(parameters, "template")
    array = _zero_strided(_flat(operands[0]))
    path = (("getitem", _key(template, operands[1:])),)
    return given(spec_of(_followed(array, path, spend)))


def _scatter(
    primitive: Primitive, operands: Any, parameters: dict[str, Any], spend: Spend
) -> Found:
    template, add = _exactly(parameters, "template", "add")
    return _written(operands[:2], (("getitem", _key(template, operands[2:])),), add, spend)


def _exactly(parameters: dict[str, Any], *names: str) -> list[Any]:
    if parameters.keys() != set(names):
        raise bad(f"the parameters {', '.join(names)} were expected, not {shown(list(parameters))}")
    return [parameters[name] for name in names]


def _key(template: Any, indices: Sequence[Found | Constant]) -> Any:
    arrays = [np.asarray(_flat(x)) for x in indices]
    if any(array.dtype.kind not in "iu" for array in arrays):
        raise bad("an index is no integer")
    key = fill(template, arrays)
    if any(part is HOLE for part in key) or len(arrays) != sum(p is HOLE for p in template):
        raise bad("a template does not have as many holes as there are indices")
    return key


def _written(operands: Any, path: Any, add: Any, spend: Spend) -> Found:
    array, values = _zero_strided(_flat(operands[0])), np.asarray(_flat(operands[1]))
    if type(add) is not bool:
        raise bad(f"add is true or false, not {shown(add)}")
    part = np.asarray(_followed(array, path, spend))
    shape = values.shape
    while len(shape) > part.ndim and shape[0] == 1:  # as NumPy's assignment has it
        shape = shape[1:]
    if np.broadcast_shapes(shape, part.shape) != part.shape:
        raise bad(f"values of shape {values.shape} are written into a part of shape {part.shape}")
    if add and not np.can_cast(np.result_type(part, values), part.dtype, "same_kind"):
        raise bad(f"{values.dtype} is added into {part.dtype}")
    return given(Spec(array.shape, array.dtype, "array"))


def _followed(array: np.ndarray, path: Any, spend: Spend) -> Any:
    """The part of an array at the end of a path, of which no step makes much memory."""
    if type(path) is not tuple or not all(type(s) is tuple and len(s) == 2 for s in path):
        raise bad(f"no path is {shown(path)}")
    part: Any = array
    for step in path:
        kind, argument = step
        if kind == "getitem":
            spend(_size_of_part(part, argument))
        part = step_into(part, step)
        if kind == "getitem" and isinstance(part, np.ndarray):
            part = _zero_strided(part)
    return part


def _size_of_part(array: Any, key: Any) -> int:
    """A bound of the size of ``array[key]``, if that is a copy; zero for a view."""
    parts = list(key) if isinstance(key, tuple) else [key]
    arrays = [np.asarray(p) for p in parts if isinstance(p, np.ndarray | np.bool | list | bool)]
    if not arrays:
        return 0
    masks = [int(np.count_nonzero(mask)) for mask in arrays if mask.dtype.kind == "b"]
    taken = math.prod(masks)
    taken *= math.prod(np.broadcast_shapes(*[a.shape for a in arrays if a.dtype.kind != "b"], ()))
    shape = np.shape(array)
    axes = sum(_axes_of(part) for part in parts)
    if Ellipsis not in [part for part in parts if not isinstance(part, np.ndarray)]:
        parts.append(Ellipsis)
    axis = 0
    for part in parts:
        count = len(shape) - axes if part is Ellipsis else _axes_of(part)
        if part is Ellipsis or isinstance(part, slice):
            taken *= math.prod(shape[axis : axis + count])
        axis += count
    return taken


def _axes_of(part: Any) -> int:
    """How many axes a part of an index takes."""
    if part is None or part is Ellipsis:
        return 0
    if isinstance(part, np.ndarray | np.bool | list | bool):
        array = np.asarray(part)
        return array.ndim if array.dtype.kind == "b" else 1
    return 1


_Rule = Callable[[Primitive, Any, dict[str, Any], Spend], Found]
# Every primitive not named here gives sizes of its operands: a test runs all samples at odd sizes.
_RULES: dict[str, _Rule] = {
    "reshape": _reshape,
    "transpose": _whole,
    "broadcast_to": _whole,
    "filled_like": _full,
    "join": _join,
    "stack": _stack,
    "convolve_full": _convolve,
    "histogram_counts": _histogram_counts,
    "read": _read,
    "write": _write,
    "gather": _gather,
    "scatter": _scatter,
    "eig": _eig,
    **dict.fromkeys(["fft", "ifft", "rfft", "irfft", "add.reduceat", "argpartition"], _along),
    **dict.fromkeys(["nonzero", "unique_positions", "bincount", "count", "histogram_edges"], _open),
}
