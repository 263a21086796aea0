"""How NumPy calls reach a trace: operators, methods, `__array_ufunc__`, `__array_function__`.

Everything here ends in `apply`: the innermost trace among the operands records the primitive. The
registry says which primitive or derived function stands for which NumPy function; this file binds
arguments to it and knows what all ufuncs share (`out=`, `where=`, `reduce` …).
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import UnsupportedFunctionError
from wengert.primitives.family import Derived, Primitive
from wengert.primitives.registry import REGISTRY
from wengert.primitives.ufunc_methods import METHODS
from wengert.tape.array import CONSTANTS, Array, Trace, concrete, constant, is_mutable
from wengert.tape.mirrors import mirror_of
from wengert.tape.objects import is_of_python, on_objects
from wengert.tape.reading import VIEWING
from wengert.tape.seams import is_augmented_assignment
from wengert.tape.stacking import stack
from wengert.tape.tape import NOTHING, SCALARS, Tape
from wengert.tape.views import additem, as_view, getitem, setitem
from wengert.tape.writing import assign_whole, write_plain

UFUNCS = REGISTRY.ufuncs
_OBJECT = np.dtype(object)


def apply(primitive: Primitive, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
    """Record a primitive on its operands' innermost trace; what NumPy would view is a View."""
    if primitive in VIEWING:
        seen = as_view(primitive, operands[0], parameters)
        if seen is not None:
            return seen
    if len(operands) == 1 and type(operands[0]) is Array:
        return operands[0].tape.record(primitive, operands, parameters)
    return innermost(*operands).record(primitive, operands, parameters)


def innermost(*operands: Any) -> Trace:
    """The trace that takes an operation on these operands."""
    trace: Trace = CONSTANTS
    for x in operands:
        if isinstance(x, Array) and x.tape.level > trace.level:
            trace = x.tape
    return trace


def lift(x: Any) -> Any:
    """An operand as a trace takes it: an Array, a number, or an ndarray that is no object array."""
    kind = type(x)
    if kind is Array or kind in _NUMBERS:
        return x
    if isinstance(x, Array):
        return x.current()
    if kind is np.ndarray:
        return x if x.dtype.kind != "O" else _numbers(stack(x))
    if isinstance(x, list | tuple):
        return stack(x)
    if isinstance(x, np.ma.MaskedArray | np.matrix):  # np.asarray would drop what they mean
        raise _lost_meaning(kind)
    if isinstance(x, np.generic):
        return x
    found = np.asarray(x)
    if found.dtype == object:  # a sparse matrix, a Fraction: nothing that NumPy computes with
        raise UnsupportedFunctionError(
            f"a {kind.__module__.partition('.')[0]} {kind.__name__} was combined with a traced "
            f"Array.",
            "Make it a number or an array first: float(fraction), matrix.toarray().",
        )
    return found


def _numbers(cells: Any) -> Any:
    """An object array of plain numbers alone, such as NumPy makes, as an array of numbers."""
    if isinstance(cells, Array) or not cells.size:
        return cells
    found = np.array(cells.tolist())
    return found if found.dtype.kind in "biufc" and found.shape == cells.shape else cells


def _lost_meaning(kind: type) -> UnsupportedFunctionError:
    return UnsupportedFunctionError(
        f"a {kind.__name__} was combined with a traced Array: its mask, or its product, would be "
        "lost.",
        "Pass np.asarray(matrix), or for masked data the values and np.where(mask, …, …).",
    )


# ------------------------------------------------------------------------------------------- ufuncs


def array_ufunc(self: Array, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """NEP 13."""
    if not kwargs and method == "__call__":
        primitive = UFUNCS.get(ufunc)
        if primitive is not None:
            if not primitive.is_smooth:
                return apply(primitive, tuple([lift(x) for x in inputs]), NOTHING)
            if len(inputs) == 2:
                x1, x2 = inputs
                other = x2 if x1 is self else x1
                if type(self) is Array and type(other) is np.ndarray and other.dtype is not _OBJECT:
                    return self.tape.binary(primitive, ufunc, x1, x2)
                x1, x2 = lift(x1), lift(x2)
                return innermost(x1, x2).binary(primitive, ufunc, x1, x2)
            if len(inputs) == 1:
                x = self.current()
                if type(x.tape) is Tape:
                    return x.tape.unary(primitive, x)
            return apply(primitive, tuple([lift(x) for x in inputs]), NOTHING)
    out = kwargs.pop("out", None)
    result = _ufunc_result(ufunc, method, inputs, kwargs, out)
    return result if out is None else _deliver(result, out)


def _ufunc_result(ufunc: np.ufunc, method: str, inputs: Any, kwargs: Any, out: Any) -> Any:
    if method == "at":
        return _ufunc_at(ufunc, *inputs)
    if is_of_python(ufunc):
        return on_objects(ufunc, method, inputs, kwargs)
    where, dtype = kwargs.pop("where", True), kwargs.pop("dtype", None)
    kwargs.pop("casting", None), kwargs.pop("order", None), kwargs.pop("subok", None)
    inputs = tuple(lift(x) for x in inputs)
    if method != "__call__":
        if where is not True:
            kwargs["where"] = where
        handler = REGISTRY.find((ufunc, method))
        if handler is None:
            return _general_method(ufunc, method)(
                ufunc, *inputs, **kwargs | ({"dtype": dtype} if dtype else {})
            )
        return (
            call(handler, *inputs, dtype=dtype, **kwargs)
            if dtype
            else call(handler, *inputs, **kwargs)
        )
    if dtype is not None:
        inputs = tuple(
            x.astype(dtype) if hasattr(x, "astype") else np.dtype(dtype).type(x) for x in inputs
        )
    handler = REGISTRY.find(ufunc)
    if handler is None:
        raise _unsupported(f"{_module(ufunc)}.{ufunc.__name__}")
    if where is True:
        return call(handler, *inputs, **kwargs)
    # NumPy leaves what `where` excludes as it was in `out`, or undefined: here zero.
    before = out[0] if out is not None else 0.0
    safe = tuple(np.where(where, x, 1) for x in inputs)
    return np.where(where, call(handler, *safe), before)


def _ufunc_at(ufunc: np.ufunc, target: Any, indices: Any, *values: Any) -> None:
    if not isinstance(target, Array):
        write_plain(target, values[0] if values else target)
    if ufunc is np.add or ufunc is np.subtract:  # one entry, in linear time
        additem(target, indices, values[0] if ufunc is np.add else np.negative(values[0]))
    else:
        _general_method(ufunc, "at")(ufunc, target, indices, *values)


def _general_method(ufunc: np.ufunc, method: str) -> Callable[..., Any]:
    """What stands for a method of a ufunc that has no rule of its own for it."""
    if REGISTRY.find(ufunc) is None or method not in METHODS:
        raise _unsupported(f"{_module(ufunc)}.{ufunc.__name__}.{method}")
    if method != "at" and ufunc.nin != 2:
        raise ValueError(f"{method} only supported for binary functions")
    return METHODS[method]


def _deliver(result: Any, out: tuple[Any, ...]) -> Any:
    results = result if isinstance(result, tuple) else (result,)
    for target, value in zip(out, results, strict=True):
        if target is None:
            continue
        if isinstance(target, Array):
            assign_whole(target, value)
        else:
            return _deliver_plain(target, value)
    return out[0] if len(out) == 1 else out


def _deliver_plain(target: np.ndarray, value: Any) -> Any:
    """``plain op= traced`` binds the name anew; any other use of a plain `out` would lose it."""
    if not isinstance(value, Array) or not value.tape.traces(value):
        target[...] = concrete(value)
        return target
    if is_augmented_assignment(target):
        return value if value.dtype == target.dtype else value.astype(target.dtype)
    write_plain(target, value)
    return None


# --------------------------------------------------------------------------------- NumPy functions


def array_function(self: Array, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """NEP 18."""
    for kind in types:
        if kind not in _PLAIN_KINDS and issubclass(kind, np.ma.MaskedArray | np.matrix):
            raise _lost_meaning(kind)
    handler = REGISTRY.find(function)
    if handler is None:
        mirrored = mirror_of(function)
        if mirrored is not None:  # bound before the trace: from numpy import linspace
            return mirrored(*args, **kwargs)
        if any(x.tape.is_traced for x in _arrays((args, kwargs))):
            raise _unsupported(f"{_module(function)}.{function.__name__}")
        args, kwargs = _unwrapped(args), _unwrapped(kwargs)
        return constant(function(*args, **kwargs))  # of constants NumPy computes everything
    if len(args) > 2:  # in none of NumPy's functions is `out` an earlier argument than the third
        place, names = _out_argument(function)
        kwargs |= dict(zip(names, args[place:], strict=False))
        args = args[:place]
    if "out" in kwargs:
        out = kwargs.pop("out")
        if out is not None:
            return _deliver(
                call(handler, *args, **kwargs), out if isinstance(out, tuple) else (out,)
            )
    return call(handler, *args, **kwargs)


_PLAIN_KINDS = frozenset({Array, np.ndarray})


def _arrays(value: Any) -> list[Array]:
    """The Arrays anywhere in the arguments of a NumPy function."""
    if isinstance(value, Array):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [x for part in value for x in _arrays(part)] if isinstance(value, list | tuple) else []


def _unwrapped(value: Any) -> Any:
    if isinstance(value, Array):
        return value.value
    if isinstance(value, dict):
        return {key: _unwrapped(part) for key, part in value.items()}
    return type(value)(map(_unwrapped, value)) if type(value) in (list, tuple) else value


@functools.cache
def _out_argument(function: Any) -> tuple[int | None, list[str]]:
    """Where `out` may be given by position, and the names of the arguments from there on."""
    try:
        found = inspect.signature(function).parameters.values()
    except ValueError:  # written in C, without a signature
        return None, []
    names = [p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return (names.index("out"), names[names.index("out") :]) if "out" in names else (None, [])


def call(handler: Primitive | Derived, *args: Any, **kwargs: Any) -> Any:
    """Call what stands for a NumPy function, with NumPy's arguments."""
    if isinstance(handler, Derived):
        return handler.definition(*args, **kwargs)
    count = len(handler.operands)
    if len(args) == count and not kwargs:
        return apply(handler, tuple([lift(x) for x in args]), NOTHING)
    operands, parameters = bind(handler, args, kwargs)
    for name, parameter in parameters.items():
        if isinstance(parameter, Array):
            raise UnsupportedFunctionError(
                f"{handler.name} was given a traced {name}, in which it has no derivative.",
                f"Pass {name} as a plain value: an argument of the function that is not "
                "differentiated, or wg.stop_gradient(x).",
            )
    return apply(handler, tuple([lift(x) for x in operands]), parameters)


def bind(primitive: Primitive, args: Any, kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    """Divide the arguments of a NumPy function into operands and static parameters."""
    names = _parameter_names(primitive.function)
    given = dict(zip(names, args, strict=False)) | kwargs
    operands = [given.pop(name) for name in primitive.operands if name in given]
    given.pop("out", None)
    return operands, given


def _parameter_names(function: Callable[..., Any]) -> list[str]:
    if isinstance(function, np.ufunc):
        return [f"x{k + 1}" for k in range(function.nin)] if function.nin > 1 else ["x"]
    return list(inspect.signature(function).parameters)


def _unsupported(name: str) -> UnsupportedFunctionError:
    return UnsupportedFunctionError(
        f"{name} has no rule in Wengert, so it cannot take a traced Array.",
        "Write it with supported functions (docs/reference/primitives lists them), declare it with "
        "wg.primitive, or pass wg.stop_gradient(x) if its derivative is not wanted.",
    )


def _module(function: Any) -> str:
    return getattr(function, "__module__", None) or (
        "numpy" if hasattr(np, getattr(function, "__name__", "")) else "scipy.special"
    )


# ------------------------------------------------------------------------------- operators, methods


def _binary(ufunc: np.ufunc, operate: Any) -> tuple[Any, Any]:
    primitive = UFUNCS[ufunc]
    if primitive.family == "locally constant":  # floor_divide, masks: there is nothing to record
        return _comparison(ufunc, operate), _reflected(ufunc, operate)

    number = primitive.number
    numbers = SCALARS if number >= 0 else frozenset()
    is_real = operate is not operator.pow  # a root of a negative number is complex

    # Both begin with numbers on one tape, which is what loops do most: in few bytecodes.
    def forward(self: Array, other: Any) -> Any:
        if type(self) is Array:
            tape: Any = self.tape
            x1: Any = self.value
            kind: Any = type(other)
            if type(x1) in numbers and tape.is_brief:
                if kind is Array:
                    x2, second = other.value, other.index
                    kind = type(x2) if other.tape is tape else None
                else:
                    x2, second = other, -1
                if kind in SCALARS or (kind is int and second < 0):
                    out = operate(x1, x2)
                    if is_real or type(out) in SCALARS:
                        entries = tape.entries
                        entries.append((number, self.index, second, x1, x2, out))
                        return Array(out, tape, len(entries) - 1)
                kind = type(other)
            if kind is Array:
                if tape is other.tape or tape.level >= other.tape.level:
                    return tape.binary(primitive, operate, self, other)
                return other.tape.binary(primitive, operate, self, other)
            if kind in _NUMBERS:
                return tape.binary(primitive, operate, self, other)
        return _slow(self, other)

    def reflected(self: Array, other: Any) -> Any:
        kind = type(other)
        if type(self) is Array and kind in _NUMBERS:
            tape: Any = self.tape
            x2 = self.value
            if type(x2) in numbers and tape.is_brief and (kind in SCALARS or kind is int):
                out = operate(other, x2)
                if is_real or type(out) in SCALARS:
                    entries = tape.entries
                    entries.append((number, -1, self.index, other, x2, out))
                    return Array(out, tape, len(entries) - 1)
            return tape.binary(primitive, operate, other, self)
        return _slow(other, self)

    def _slow(x1: Any, x2: Any) -> Any:
        if _defers(x1) or _defers(x2):
            return NotImplemented
        x1, x2 = lift(x1), lift(x2)
        return innermost(x1, x2).binary(primitive, operate, x1, x2)

    return forward, reflected


def _defers(x: Any) -> bool:
    return (
        isinstance(x, str | bytes | dict | set)
        or x is None
        or getattr(x, "__array_ufunc__", 0) is None
    )


def _in_place(operate: Any) -> Any:
    def method(self: Array, other: Any) -> Any:
        result = operate(self, other)
        if not is_mutable(self):
            return result  # NumPy's scalars are immutable: the name is bound anew
        return assign_whole(self, result)

    return method


def _comparison(ufunc: np.ufunc, operate: Any) -> Any:
    primitive = UFUNCS[ufunc]

    def method(self: Array, other: Any) -> Any:
        if _defers(other):
            return NotImplemented
        other = lift(other)
        if self.tape.is_program and innermost(other).level <= self.tape.level:
            return self.tape.binary(primitive, operate, self, other)
        return apply(primitive, (self, other), NOTHING)

    return method


def _reflected(ufunc: np.ufunc, operate: Any) -> Any:
    primitive = UFUNCS[ufunc]

    def method(self: Array, other: Any) -> Any:
        if _defers(other):
            return NotImplemented
        other = lift(other)
        if self.tape.is_program and innermost(other).level <= self.tape.level:
            return self.tape.binary(primitive, operate, other, self)
        return apply(primitive, (other, self), NOTHING)

    return method


def _divmod(self: Array, other: Any) -> Any:
    if _defers(other):
        return NotImplemented
    if _are_python(self, other):
        return self // other, self % other
    return np.divmod(self, other)


def _reflected_divmod(self: Array, other: Any) -> Any:
    if _defers(other):
        return NotImplemented
    if _are_python(self, other):
        return other // self, other % self
    return np.divmod(other, self)


def _are_python(self: Array, other: Any) -> bool:
    """True for Python's own numbers in a program."""
    if not self.tape.is_program:
        return False
    kinds = {type(x.value if isinstance(x, Array) else x) for x in (self, other)}
    return kinds <= {bool, int, float}


def unary(ufunc: np.ufunc, operate: Any) -> Any:
    """What applies a ufunc to an Array, as one of Python's operators does."""
    primitive = UFUNCS[ufunc]

    def method(self: Array) -> Any:
        x = self.current()
        tape: Any = x.tape
        if type(tape) is Tape:
            return tape.unary(primitive, x)
        if tape.is_program:  # Python's numbers stay Python's
            return tape.operator(primitive, operate, x)
        return apply(primitive, (x,), NOTHING)

    return method


_NUMBERS = frozenset(
    {
        float,
        int,
        bool,
        complex,
        np.float64,
        np.float32,
        np.float16,
        np.longdouble,
        np.int64,
        np.int32,
    }
    | {np.bool_, np.complex64, np.complex128, np.intp}
)

_BINARY = {
    "add": (np.add, operator.add),
    "sub": (np.subtract, operator.sub),
    "mul": (np.multiply, operator.mul),
    "truediv": (np.divide, operator.truediv),
    "pow": (np.power, operator.pow),
    "matmul": (np.matmul, operator.matmul),
    "floordiv": (np.floor_divide, operator.floordiv),
    "mod": (np.remainder, operator.mod),
    "and": (np.bitwise_and, operator.and_),
    "or": (np.bitwise_or, operator.or_),
    "xor": (np.bitwise_xor, operator.xor),
    "lshift": (np.left_shift, operator.lshift),
    "rshift": (np.right_shift, operator.rshift),
}
_COMPARISONS = {
    "lt": (np.less, operator.lt),
    "le": (np.less_equal, operator.le),
    "gt": (np.greater, operator.gt),
    "ge": (np.greater_equal, operator.ge),
    "eq": (np.equal, operator.eq),
    "ne": (np.not_equal, operator.ne),
}
_UNARY: dict[str, tuple[np.ufunc, Any]] = {
    "neg": (np.negative, operator.neg),
    "pos": (np.positive, operator.pos),
    "abs": (np.absolute, operator.abs),
    "invert": (np.invert, operator.invert),
}


def _attach() -> None:
    """Give Array its operators and protocols."""
    Array.__record__ = staticmethod(apply)
    Array.__array_ufunc__ = array_ufunc
    Array.__array_function__ = array_function
    Array.__getitem__, Array.__setitem__ = getitem, setitem
    for name, (ufunc, operate) in _BINARY.items():
        if ufunc not in UFUNCS:
            continue
        forward, reflected = _binary(ufunc, operate)
        setattr(Array, f"__{name}__", forward)
        setattr(Array, f"__r{name}__", reflected)
        setattr(Array, f"__i{name}__", _in_place(operate))
    Array.__divmod__, Array.__rdivmod__ = _divmod, _reflected_divmod
    for name, (ufunc, operate) in _COMPARISONS.items():
        setattr(Array, f"__{name}__", _comparison(ufunc, operate))
    for name, (ufunc, operate) in _UNARY.items():
        setattr(Array, f"__{name}__", unary(ufunc, operate))


_attach()
