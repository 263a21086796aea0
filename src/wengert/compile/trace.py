"""`Recorder`: the trace that writes a `Program` while user code runs with concrete values.

It is the outermost trace; transforms inside the function run above it, so that what they do, their
backward sweeps too, is in the program. Every decision taken on a value becomes a guard: a boolean
or integer scalar of the program that must be what it was. The one difficulty is that nothing may
slip past: whatever asks an Array for its number goes through `decide`.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from types import FrameType
from typing import Any

import numpy as np

from wengert.compile.constants import copied, is_same
from wengert.compile.late import Late
from wengert.compile.program import Groups, Guard, Op, Operand, Program, Spec, spec_of
from wengert.errors import CapturedArrayError, TraceEndedError, is_user_file
from wengert.primitives.adjoints import like_of
from wengert.primitives.family import Primitive, locally_constant
from wengert.primitives.indexing import write as WRITE
from wengert.primitives.joining import part as PART
from wengert.primitives.registry import REGISTRY
from wengert.primitives.selection import nonzero_of
from wengert.primitives.sorting import unique_positions
from wengert.primitives.statistics import edges_of
from wengert.tape.array import CONSTANTS, Array, Path, Trace, decided, from_outside, rebuild
from wengert.tape.columns import Constant, Place, place
from wengert.tape.regular import FINITE, GIVEN, REGULAR, grade, grade_of
from wengert.tape.scopes import Calls, Scope, active_scope
from wengert.tape.tape import NOTHING
from wengert.tape.writing import put

_WHOLE = frozenset("iub")
_ADD = REGISTRY.primitives["add"]
_FLOATS = {float: spec_of(0.0), np.float64: spec_of(np.float64(0))}  # what long programs are of
_PYTHON = frozenset({bool, int, float, complex})
_PLAIN = frozenset({bool, int, float, str, type(None), np.dtype, type, slice})
_EVERY = 1024  # operations between two looks at the clock
_LONG = 1024  # elements that take a while to look through
_DEEP = 4  # frames that operations of a sweep differ in; those further out stand still
_GENERATOR = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_REGULAR = frozenset([p for p in REGISTRY if p.name in REGULAR])
# Python's operators that raise for no floats.
_NEVER_RAISING = frozenset([REGISTRY.primitives[name] for name in ("add", "subtract", "multiply")])


class TraceAbandoned(BaseException):
    """The budget of a trace is spent. No ``except Exception`` of user code stops it."""

    def __init__(self, reason: str, at: Place | None = None):
        super().__init__(reason)
        self.reason, self.at = reason, at


class Recorder(Trace):
    """The trace of a compiled function.

    Parameters
    ----------
    max_ops : int
        How many operations it records before it gives up.
    deadline : float
        When it gives up, in seconds of ``time.monotonic()``.
    """

    level = 1
    is_program = True

    def __init__(self, max_ops: int = 10**9, deadline: float = float("inf")):
        self.max_ops, self.deadline = max_ops, deadline
        self.inputs: list[Spec] = []
        self.ops: list[Op] = []
        self.guards: list[Guard] = []
        self.grades: list[int] = []  # of every value; see `tape/regular.py`
        self.has_ended = False
        self.has_text = False  # text was made of a value
        self.is_watched = False  # an operation that may raise stands where errors may be handled
        self._guarded: set[int] = set()
        self._look = min(max_ops, _EVERY)  # at how many operations the budget is looked at
        self._places: dict[tuple[int, int], Place] = {}  # by code object and instruction
        self._anchor: tuple[FrameType | None, Place | None] = (None, None)
        self._calls = Calls()
        self._entered: list[tuple[int, int]] = []  # from which operation on which group
        self._frame: FrameType | None = None  # of the last operation; and its scope
        self._scope = active_scope()
        self._copies: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._known_grades: dict[int, int] = {}  # of large constants
        self._specs: dict[tuple[Any, Any], Spec] = {}  # of arrays
        self._late = Late()

    def input(self, value: Any) -> Array:
        """A new input; all come before the first operation."""
        spec = spec_of(value)
        self.inputs.append(spec)
        self.grades.append(GIVEN if spec.dtype.kind in "fc" else FINITE)
        return Array(value, self, len(self.inputs) - 1)

    def program(self, outputs: Sequence[Operand], names: Sequence[str] = ()) -> Program:
        """What was recorded."""
        starts = [0, *(start for start, _ in self._entered), len(self.ops)]
        numbers = [0, *(number for _, number in self._entered)]
        members = [
            number
            for number, (start, stop) in zip(numbers, pairwise(starts), strict=True)
            for _ in range(start, stop)
        ]
        return Program(
            tuple(self.inputs),
            tuple(self.ops),
            tuple(outputs),
            tuple(self.guards),
            tuple(names),
            Groups(tuple(self._calls.groups), tuple(members)),
        )

    # ------------------------------------------------------------------------------- recording

    def record(
        self, primitive: Primitive, operands: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Any:
        if self.has_ended:
            raise _ended()
        inner = getattr(primitive, "f", None)
        if inner is not None:  # a function run again by its derivative: its operations are recorded
            return _inlined(primitive, inner, operands)
        parameters = _settled(parameters)
        values, own = self._split(operands)
        if self._late.is_large(values):
            late = self._put_off(primitive, primitive.function, values, own, parameters)
            if late is not None:
                return late
            values = [self._late.known(value) for value in values]
        measure = MEASURES.get(primitive.name)
        if measure is not None:
            sizes = self._add(measure, own, measure.function(*values, **parameters), parameters)
            self.decide(sizes)
        try:
            out = primitive.function(*values, **parameters)
        except Exception:  # should user code handle it, that was a decision
            self.decide(self._add(raises(primitive), own, np.bool_(True), parameters))
            raise
        if not self.is_watched and _may_raise(primitive):
            self.is_watched = _is_watched(sys._getframe(1))
        return self._add(primitive, own, out, parameters)

    def end(self) -> None:
        """Stop recording: from now on, what uses a handle of this trace is refused."""
        self.has_ended = True
        self._frame = None  # nor are the user's frames held any more
        self._calls.end()
        self._anchor = (None, None)

    def binary(self, primitive: Primitive, operate: Any, x1: Any, x2: Any) -> Any:
        """As `operator`; of numbers, which long programs are of, in fewer steps."""
        is_own1 = type(x1) is Array and x1.tape is self
        is_own2 = type(x2) is Array and x2.tape is self
        v1 = x1.value if is_own1 else x1
        v2 = x2.value if is_own2 else x2
        kind1, kind2 = type(v1), type(v2)
        if (
            (kind1 not in _FLOATS and (kind1 is not int or is_own1))
            or (kind2 not in _FLOATS and (kind2 is not int or is_own2))
            or (kind1 in _PYTHON and kind2 in _PYTHON and primitive not in _NEVER_RAISING)
            or self.has_ended
        ):
            return self.operator(primitive, operate, x1, x2)
        out = operate(v1, v2)
        own = (x1.index if is_own1 else Constant(v1), x2.index if is_own2 else Constant(v2))
        spec = _FLOATS.get(type(out))
        if spec is None:
            return self._add(primitive, own, out, NOTHING)
        grades, ops = self.grades, self.ops
        if len(ops) >= self._look:
            self._check_budget()
        if primitive in _REGULAR:
            grade1 = grades[x1.index] if is_own1 else grade_of(v1)
            grade2 = grades[x2.index] if is_own2 else grade_of(v2)
            found = grade1 if grade1 > grade2 else grade2
        else:
            found = self._graded(primitive, own, spec)
        ops.append(Op(primitive, own, NOTHING, spec, self._place()))
        grades.append(found)
        return Array(out, self, len(grades) - 1)

    def operator(self, primitive: Primitive, operate: Any, *operands: Any) -> Any:
        """One of Python's operators, which between Python's numbers gives such a number."""
        if self.has_ended:
            raise _ended()
        values, own = self._split(operands)
        if _PYTHON.issuperset(map(type, values)):
            return self._of_python(primitive, operate, operands, values, own)
        if self._late.is_large(values):
            late = self._put_off(primitive, operate, values, own, {})
            if late is not None:
                return late
            values = [self._late.known(value) for value in values]
        return self._add(primitive, own, operate(*values), {})

    def write(self, root: Array, path: Path, value: Any, add: bool) -> None:
        if self.has_ended:
            raise _ended()
        if root.tape is not self:
            root.value = from_outside(root)
        before = root if root.tape is self else root.value
        values, own = self._split((before, value))
        parameters = {"path": path, "add": add}
        if not all(map(self._late.is_known, values)):
            late = self._put_off(WRITE, WRITE.function, values, own, parameters)
            if late is not None:
                root.value, root.tape, root.index = late.value, self, late.index
                return
            root.value, values[1] = map(self._late.known, values)
            values[0] = None  # nobody else may hold it while it is written
        put(root, path, values[1], add=add)
        made = self._add(WRITE, own, root.value, parameters)
        root.tape, root.index = self, made.index

    def _put_off(
        self,
        primitive: Primitive,
        function: Callable[..., Any],
        values: list[Any],
        own: list[Operand],
        parameters: dict[str, Any],
    ) -> Any:
        """Record an operation that is not done before somebody asks; None if it must be done."""
        if _may_raise(primitive) and _is_watched(sys._getframe(2)):
            return None  # whether it raises is a decision of user code
        blank = self._late.blank(primitive, values, parameters)
        if blank is None:
            return None
        out = self._add(primitive, own, blank, parameters)
        self._late.put_off(blank, function, values, parameters, self.ops[-1].place)
        return out

    def known(self, x: Array) -> Any:
        return self._late.known(x.value)

    def copied(self, value: Any) -> Any:
        return self._late.copied(value)

    def _of_python(
        self, primitive: Primitive, operate: Any, operands: Any, values: Any, own: list[Operand]
    ) -> Any:
        """An operator between Python's numbers, which raise where NumPy's give inf or NaN."""
        if primitive.name in ("divide", "floor_divide", "remainder") and type(own[1]) is int:
            bool(operands[1] == 0)  # a decision: Python raises ZeroDivisionError
        result = operate(*values)
        if type(result) is int and {*map(type, values)} == {bool}:  # which NumPy reckons otherwise
            own[0] = self._add(_ADD, (own[0], Constant(0)), int(values[0]), {}).index
        if type(result) is complex and complex not in map(type, values):
            base, exponent = operands  # decisions: other powers are real
            bool(base < 0)
            bool(np.floor(exponent) != exponent)
        out = self._add(primitive, own, result, {})
        if primitive.name == "power" and not _is_natural(own[1]) and not bool(np.isfinite(out)):
            self.decide(out)  # Python may raise, or turn to complex numbers
        return out

    def _add(
        self, primitive: Primitive, own: Sequence[Operand], out: Any, parameters: dict[str, Any]
    ) -> Any:
        """Append an operation; the handle of its result, or a tuple of them."""
        ops = self.ops
        if len(ops) >= self._look:
            self._check_budget()
        kind = type(out)
        if kind is np.ndarray:
            form = out.shape, out.dtype
            spec = self._specs.get(form)
            if spec is None:  # one object for all alike
                spec = self._specs[form] = spec_of(out)
        else:
            spec = _FLOATS.get(kind) or spec_of(out)
        ops.append(Op(primitive, tuple(own), parameters, spec, self._place()))
        self.grades.append(self._graded(primitive, own, spec))
        index = len(self.grades) - 1
        if kind in _FLOATS or not isinstance(out, tuple):
            return Array(out, self, index)
        parts = [self._add(PART, (index,), x, {"position": k}) for k, x in enumerate(out)]
        return rebuild(out, parts)

    def _check_budget(self) -> None:
        count = len(self.ops)
        if count >= self.max_ops:
            raise TraceAbandoned(f"it records more than {self.max_ops} operations", place())
        if time.monotonic() > self.deadline:
            raise TraceAbandoned("tracing it takes too long", place())
        self._look = min(self.max_ops, count + _EVERY)

    def _place(self) -> Place | None:
        """Where user code is: one object for each of its instructions.

        A backward sweep, deep in Wengert's own frames, records thousands of operations while what
        called it stands still. Once a long way out is known, it is gone only as far as a frame
        that has not been left since.
        """
        frame: FrameType | None = sys._getframe(3)
        anchor, known = self._anchor
        steps, deep = 0, None
        while frame is not None:  # `errors.user_frame`, in fewer steps
            if frame is anchor:
                return known
            name = frame.f_code.co_filename
            is_users = _is_users.get(name)
            if is_users or (is_users is None and _noted(name)):
                break
            if steps == _DEEP:
                deep = frame
            steps += 1
            frame = frame.f_back
        scope = active_scope()
        if frame is not self._frame or scope is not self._scope:
            self._enter(frame, scope)
        found = None if frame is None else self._place_in(frame)
        if deep is not None and not deep.f_code.co_flags & _GENERATOR:
            self._anchor = deep, found
        return found

    def _enter(self, frame: FrameType | None, scope: Scope | None) -> None:
        """User code goes on in another frame or scope than before."""
        if scope is not self._scope:
            self._calls.enter(scope)
        self._frame, self._scope = frame, scope
        self._entered.append((len(self.ops), self._calls.group_of(frame, scope)))

    def _place_in(self, frame: FrameType) -> Place:
        key = (id(frame.f_code), frame.f_lasti)
        found = self._places.get(key)
        if found is None:  # holding the code, so that its id stays its own
            found = self._places[key] = Place(frame.f_code, frame.f_lasti, frame.f_lineno)
        return found

    def _graded(self, primitive: Primitive, own: Sequence[Operand], spec: Spec) -> int:
        if spec.dtype.kind not in "fc":
            return FINITE
        held = self.grades
        grades = [held[x] if type(x) is int else self._grade_of(x.value) for x in own]  # type: ignore[union-attr]
        if primitive in _REGULAR:
            return max(grades)
        constants = [x.value if type(x) is Constant else None for x in own]
        return grade(primitive, constants, grades)

    def _grade_of(self, constant: Any) -> int:
        if type(constant) is not np.ndarray or constant.size < _LONG:
            return grade_of(constant)
        found = self._known_grades.get(id(constant))
        if found is None:  # looked through once; the operations hold it, so that its id stays
            found = self._known_grades[id(constant)] = grade_of(constant)
        return found

    def grade(self, x: Array) -> int:
        return self.grades[x.index]

    def _split(self, operands: Sequence[Any]) -> tuple[list[Any], list[Operand]]:
        """The operands' values, and how the program calls them."""
        values: list[Any] = []
        own: list[Operand] = []
        for x in operands:
            if type(x) is Array and x.tape is self:
                values.append(x.value)
                own.append(x.index)
                continue
            if isinstance(x, Array):
                x = x.current()
                if x.tape is self:
                    values.append(x.value)
                    own.append(x.index)
                    continue
                x = self._captured(x)
            elif type(x) is np.ndarray:
                x = self._kept(x)
            values.append(x)
            own.append(Constant(x))
        return values, own

    def _captured(self, x: Array) -> Any:
        """The value of an Array from outside the program."""
        if x.tape is CONSTANTS:
            return x.value  # copied before it is written, as the program holds it too
        if x.tape.level == 0:
            raise CapturedArrayError(
                f"a compiled function used an Array of shape {x.shape} ({x.dtype}) that is not "
                "among its arguments; it would stay as it is today.",
                "Pass it as an argument, and differentiate with wg.grad or wg.value_and_grad.",
            )
        raise _ended()

    def _kept(self, array: np.ndarray) -> np.ndarray:
        """A copy, as the owner may change the array; one for all uses while it stays as it is."""
        held = self._copies.get(id(array))
        if held is None or not is_same(held[1], array):
            held = self._copies[id(array)] = (array, copied(array))
        return held[1]

    def note_text(self) -> None:
        self.has_text = True

    def weak(self, x: Array) -> Array:
        """A result just recorded, as the Python number that `math` would have returned."""
        at = x.index - len(self.inputs)
        op = self.ops[at]
        spec = op.spec._replace(kind="python")
        self.ops[at] = Op(op.primitive, op.operands, op.parameters, spec, op.place)
        return Array(np.asarray(self.known(x)).item(), self, x.index)

    # ------------------------------------------------------------------------------- decisions

    def truth(self, x: Array) -> bool:
        if np.size(x.value) != 1:
            return bool(x.value)  # NumPy's own refusal of an array
        if x.dtype != bool:
            x = _array(np.not_equal(x, 0))
        return bool(self.decide(_array(np.reshape(x, ())) if x.shape else x))

    def decide(self, x: Array) -> Any:
        """The value of `x`, which the program now holds for."""
        if self.has_ended:
            raise _ended()
        value = self.known(x)
        if x.index in self._guarded:
            return value
        self._guarded.add(x.index)
        if not np.shape(value) and like_of(value).dtype.kind in _WHOLE:
            own = np.asarray(value).item()
            self.guards.append(Guard(x.index, own, _distinct(place())))
            return value
        kept = value.copy() if isinstance(value, np.ndarray) else value
        same = self._add(SAME, (x.index, Constant(kept)), np.bool_(True), {})
        self.guards.append(Guard(same.index, True, _distinct(place())))
        return value


_is_users: dict[str, bool] = {}


def _noted(filename: str) -> bool:
    found = _is_users[filename] = is_user_file(filename)
    return found


def _array(x: Any) -> Array:
    """What NumPy's functions make of an Array, for those who check types."""
    return x


def _distinct(at: Place | None) -> Place | None:
    """A place of its own for each guard: passes hand it on, so that it tells which guard it was."""
    return None if at is None else Place(*at)


def _same(x: Any, y: Any) -> Any:
    x, y = np.asarray(x), np.asarray(y)
    return bool(np.array_equal(x, y, equal_nan=x.dtype.kind in "fc" and y.dtype.kind in "fc"))


# The decision on a whole array, or on a float: it is what it was.
SAME = locally_constant(lambda a, b: np.bool_(_same(a, b)), ("a", "b"), name="same")


def _is_natural(own: Operand) -> bool:
    """True for a constant exponent 0, 1, 2 …: no such power of a float raises but by overflow."""
    if not isinstance(own, Constant) or isinstance(own.value, complex):
        return False
    return own.value >= 0 and own.value == int(own.value)


def _ended() -> TraceEndedError:
    return TraceEndedError(
        "an Array was used after the compiled function that made it had been traced.",
        "Return values from the function instead of storing them outside it.",
    )


def _settled(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters are static: a traced one is a decision."""
    for value in parameters.values():
        if type(value) not in _PLAIN and _holds_array(value):
            return {name: _plain(part) for name, part in parameters.items()}
    return parameters


def _holds_array(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_array(part) for part in value)
    return isinstance(value, Array)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)([_plain(part) for part in value])
    return decided(value)


def _inlined(primitive: Any, function: Callable[..., Any], operands: Any) -> Any:
    out = function(*operands)
    primitive.outputs = len(out) if isinstance(out, tuple) else 1
    return out


# ---------------------------------------------------------------------------- handled exceptions

_RAISING = frozenset({
    "cholesky_factor", "eigh_of", "eigvalsh_of", "svd_of", "svdvals_of", "qr_of", "eig",
    "solve_matrices", "inv", "det", "slogdet", "pinv_cut", "least_squares", "gather", "scatter",
    "index_in_range", "quantile_range", "searchsorted",
})  # fmt: skip


def _may_raise(primitive: Primitive) -> bool:
    """True for operations that raise for some numbers; a user's own may."""
    return primitive.name in _RAISING or (primitive.family == "general" and not primitive.samples)


def _is_watched(frame: FrameType | None) -> bool:
    """True if a function that runs inside the compiled one has a ``try`` or ``with`` in it."""
    while frame is not None:
        code = frame.f_code
        if code.co_filename == _FRONT:  # outside, errors pass in any case
            return False
        if is_user_file(code.co_filename) and getattr(code, "co_exceptiontable", True):
            return True
        frame = frame.f_back
    return False


@functools.cache
def raises(primitive: Primitive) -> Primitive:
    """Whether an operation raises an exception, as a value that can be guarded."""

    def fails(*operands: Any, **parameters: Any) -> Any:
        try:
            primitive.function(*operands, **parameters)
        except Exception:
            return np.bool_(True)
        return np.bool_(False)

    return locally_constant(fails, primitive.operands, name=f"{ERROR}{primitive.name}")


_FRONT = os.path.join(os.path.dirname(__file__), "api.py")  # calls the function that is traced
ERROR = "error of "  # how the names of these primitives begin


# ------------------------------------------------------------------------- data-dependent shapes


def _measure(primitive: Primitive) -> Primitive:
    """How many elements the (first) result of a primitive has, as a value that can be guarded."""

    def size(*operands: Any, **parameters: Any) -> Any:
        out = primitive.function(*operands, **parameters)
        return np.intp(np.size(out[0] if isinstance(out, tuple) else out))

    return locally_constant(size, primitive.operands, name=f"size of {primitive.name}")


# Primitives whose result has a shape that depends on numbers: the program guards its size.
MEASURES = {p.name: _measure(p) for p in (nonzero_of, unique_positions, edges_of)}
if np.linalg.eigvals(np.eye(1)).dtype.kind != "c":  # before NumPy 2.5 the dtype depends, too
    MEASURES["eig"] = locally_constant(
        lambda a: np.bool_(np.linalg.eigvals(a).dtype.kind == "c"), ("a",), name="dtype of eig"
    )
