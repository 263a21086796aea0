"""`constant` and `Variable`: Arrays for TensorFlow's form, which belong to no transform.

The one difficulty is `Variable`, an Array whose value changes: every reading is a snapshot of the
value, known by the one node of the variable, so that a tape adds up the derivatives by all values.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from wengert.errors import MutationError, ShapeError, SourceTypeError
from wengert.tape.ambient import AMBIENT, NOBODY, Node, active
from wengert.tape.array import CONSTANTS, Array, concrete
from wengert.tape.stacking import stack


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Array:
    """A number or array whose derivative a `GradientTape` gives once it is watched.

    Parameters
    ----------
    value : array_like
        Copied.
    dtype : dtype, optional
        NumPy's choice by default: Python floats are float64, where TensorFlow has float32.
    shape : int or tuple of int, optional
        A single number is repeated, anything else is reshaped.
    name : str, optional
        Accepted for TensorFlow's sake.

    Returns
    -------
    Array
        Behaves as an ndarray.

    Examples
    --------
    >>> x = wg.constant(3.0)
    >>> with wg.GradientTape(persistent=True) as t:
    ...     t.watch(x)
    ...     y = x * x
    ...     z = y * y
    >>> t.gradient(z, x)
    Array(108., float64)
    >>> t.gradient(y, x)
    Array(6., float64)
    """
    made = new_value(value, dtype)
    if shape is not None:
        made = np.full(shape, made) if made.size == 1 else made.reshape(shape)
    return Array(made, AMBIENT)


def new_value(value: Any, dtype: Any = None) -> np.ndarray:
    """A plain array of our own with a given value."""
    if isinstance(value, Array):
        value = value.current()
        if value.tape is not AMBIENT and value.tape is not CONSTANTS:
            raise SourceTypeError(
                f"an Array of shape {value.shape} that a transform traces was to become a new "
                "Array of wg.constant, wg.Variable or wg.array, which would lose its derivative.",
                "Use it as it is; for the value alone, pass wg.stop_gradient(x).",
            )
        value = concrete(value)
    made = np.array(value, dtype=dtype)
    if made.dtype == object:
        stacked = stack(made)
        made = np.array(concrete(stacked), dtype=dtype) if isinstance(stacked, Array) else made
    if made.dtype.kind not in "fciub":
        raise SourceTypeError(
            f"{type(value).__name__} ({value!r:.40}) is no number or array of numbers.",
            "Pass floats or arrays of floats.",
        )
    return made


class Snapshot(Array):
    """What ``variable.value`` gives: the Array itself, or the result of calling it."""

    __slots__ = ("root",)
    path = ()

    def __init__(self, x: Array):
        super().__init__(x.value, x.tape, x.index)
        self.root = x

    def current(self) -> Array:
        return self.root

    def forget(self) -> None:
        """Nothing is remembered."""

    def __call__(self) -> Array:
        return self.root


class Variable(Array):
    """A number or array that changes by assignment, watched by every active `GradientTape`.

    Parameters
    ----------
    initial_value : array_like
        Copied.
    trainable : bool
        If False, a tape does not watch it unless asked to.
    name : str, optional
        For its owner's use.
    dtype : dtype, optional
        By default that of the initial value.

    Examples
    --------
    >>> w = wg.Variable(2.0)
    >>> with wg.GradientTape() as t:
    ...     y = w**3
    >>> gradient = t.gradient(y, w)
    >>> gradient
    Array(12., float64)
    >>> w.assign_sub(0.1 * gradient).numpy()
    array(0.8)
    """

    __slots__ = ("_held", "_node", "name", "trainable")
    path = ()

    def __init__(
        self, initial_value: Any, trainable: bool = True, name: str | None = None, dtype: Any = None
    ):
        self._held = new_value(initial_value, dtype)
        self._node = Node(NOBODY)
        self.trainable, self.name = trainable, name

    def current(self) -> Array:
        if self._held.dtype.kind in "fc":
            for recorder in active():
                recorder.notice(self)
        return Array(self._held, AMBIENT, self._node)

    def laid_out(self, home: Any) -> Any:
        """What a view says of itself: of all that is held, a variable sees the whole."""
        return home

    @property
    def root(self) -> Array:
        """What views of the variable are taken of: its value now."""
        return self.current()

    def forget(self) -> None:
        """Refuse to be written into."""
        raise _not_assigned()

    @property
    def value(self) -> Any:
        """The value now, as an Array; ``variable.value()`` is the same."""
        return Snapshot(self.current())

    @property
    def tape(self) -> Any:  # type: ignore[override]
        return AMBIENT

    @property
    def index(self) -> Any:
        return self._node

    @property
    def shape(self) -> tuple[int, ...]:
        return self._held.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._held.dtype

    def read_value(self) -> Array:
        """The value now."""
        return self.current()

    def numpy(self) -> np.ndarray:
        """A copy of the value as a plain array."""
        return self._held.copy()

    def assign(self, value: Any) -> Variable:
        """Give a new value of the same shape; what was recorded keeps the old one."""
        made = new_value(value)
        if made.shape != self.shape:
            raise ShapeError(
                f"a value of shape {made.shape} was assigned to a Variable of shape {self.shape}.",
                "Pass a value of the variable's shape.",
            )
        self._held = made.astype(self.dtype, casting="same_kind", copy=False)
        return self

    def assign_add(self, delta: Any) -> Variable:
        """Add to the value."""
        return self.assign(self._held + new_value(delta))

    def assign_sub(self, delta: Any) -> Variable:
        """Subtract from the value."""
        return self.assign(self._held - new_value(delta))

    def __repr__(self) -> str:
        name = f", name={self.name!r}" if self.name else ""
        return f"Variable({np.array2string(self._held, separator=', ')}, {self.dtype}{name})"

    def __reduce__(self) -> Any:
        return (Variable, (self._held, self.trainable, self.name))

    def __copy__(self) -> Variable:
        return Variable(self._held, self.trainable, self.name)

    def __deepcopy__(self, memo: Any) -> Variable:
        return self.__copy__()

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise _not_assigned()

    def _in_place(self, other: Any) -> NoReturn:
        raise _not_assigned()

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = _in_place
    __imatmul__ = __ifloordiv__ = __imod__ = _in_place


def _not_assigned() -> MutationError:
    return MutationError(
        "a Variable was changed in place, which no tape would see.",
        "Write variable.assign(value), variable.assign_add(delta) or variable.assign_sub(delta).",
    )
