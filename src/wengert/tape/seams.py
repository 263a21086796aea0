"""The seams of NumPy's protocols, closed while a trace is active (DESIGN, decision 5).

Functions with no array argument to dispatch on (`np.zeros`, `np.array`) and those that convert
(`math.sin`) are seen in their modules as wrappers while any trace is active anywhere: the module
then has another class, whose attributes they are. A wrapper hands a call to its mirror only if user
code itself makes it, in a context that is tracing, and passes it straight through otherwise. The
mirrors register here; this file knows none of them. The one difficulty is to change nothing for
others: threads, installed packages, extension modules (they leave no frame: `called_names` reads
the user's bytecode), and all once the last trace has ended.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import Any

import numpy as np

from wengert.errors import LostDerivativeError, is_user_file, user_frame
from wengert.tape.array import Array
from wengert.tape.levels import depth, enter, leave
from wengert.tape.library import called_names, looked_up
from wengert.tape.mirrors import SEAMS, GlobalsSeam, ModuleSeam
from wengert.tape.stacking import stack
from wengert.tape.tape import Tape

_enabled: ContextVar[bool] = ContextVar("wengert_intercept", default=True)


def mirror(module: ModuleType, mirrors: dict[str, Callable[..., Any]]) -> None:
    """Register mirrors of a module's functions."""
    originals = {name: getattr(module, name) for name in mirrors if hasattr(module, name)}
    wrappers = {name: _wrapper(original, mirrors[name]) for name, original in originals.items()}
    SEAMS.modules.append(ModuleSeam.of(module, wrappers, originals))


def mirror_conversions(namespace: dict[str, Any]) -> None:
    """Let `asanyarray`, as a function of NumPy's looks it up, keep the numbers of object arrays.

    `numpy.vectorize` so brings what it has computed to the dtype that its `otypes` ask for.
    """
    original = namespace["asanyarray"]

    @functools.wraps(original)
    def asanyarray(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        is_conversion = type(a) is np.ndarray and a.dtype == object and dtype is not None
        if is_conversion and np.dtype(dtype) != object and depth() and _enabled.get():
            found = stack(a)
            if isinstance(found, Array):
                return found.astype(dtype)
        return original(a, dtype, *args, **kwargs)

    SEAMS.globals.append(GlobalsSeam(namespace, {"asanyarray": asanyarray}))


def mirror_type_tests(namespace: dict[str, Any]) -> None:
    """Let ``isinstance(x, np.ndarray)``, in functions of one of NumPy's modules, hold for an Array.

    What they do with other objects differs: `chebval` then takes several polynomials for others.
    """

    def is_instance(x: Any, kind: Any) -> bool:
        return isinstance(x, kind) or (kind is np.ndarray and isinstance(x, Array))

    SEAMS.globals.append(GlobalsSeam(namespace, {"isinstance": is_instance}))


def _wrapper(original: Any, replacement: Callable[..., Any]) -> Any:
    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if depth() and _enabled.get() and _is_called_by_user(sys._getframe(1), wrapper, name):
            return replacement(*args, **kwargs)
        return original(*args, **kwargs)

    name = original.__name__
    wrapper.mirror = replacement  # type: ignore[attr-defined]
    return wrapper


def _is_called_by_user(frame: FrameType, wrapper: Any, name: str) -> bool:
    """True if the call that `frame` is at is written in user code as a call of the wrapper.

    An extension module (numpy.random, say) that user code calls looks `np.empty` up in the module
    too, and leaves no frame of its own. Given anything but an ndarray, it crashes the process.
    """
    code = frame.f_code
    if not is_user_file(code.co_filename):
        return False
    known = _CALLS.get(id(code))
    if known is None:
        known = _CALLS[id(code)] = (code, {})  # holding the code keeps its id its own
    names = known[1].get(frame.f_lasti)
    if names is None:
        names = known[1][frame.f_lasti] = called_names(code, frame.f_lasti)
    if not names:
        return False
    found = looked_up(frame, names)
    return found is wrapper or (found is None and names[-1] == name)


_CALLS: dict[int, tuple[CodeType, dict[int, tuple[str, ...]]]] = {}


class tracing:  # noqa: N801 (a context manager, used like a function)
    """While it lasts, the current context traces one level deeper; gives the level."""

    __slots__ = ("level", "token")

    def __enter__(self) -> int:
        self.level, self.token = enter()
        if self.level == 1:
            try:
                SEAMS.open()
            except BaseException:  # of an import: nothing of this trace stays behind
                leave(self.token)
                raise
        return self.level

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leave(self.token)
        if self.level == 1:
            SEAMS.close()


class intercept:  # noqa: N801 (called as a function; also a context manager)
    """Switch the interception of functions like ``np.zeros`` and ``math.sin`` on or off.

    Parameters
    ----------
    on : bool
        Off: inside a trace they are NumPy's and Python's own, and filling their arrays with traced
        values is an error. It holds for the current context (thread, task); used as a context
        manager, until its end.

    Examples
    --------
    >>> with wg.intercept(False):
    ...     wg.grad(lambda x: x * np.zeros(3).size)(2.0)
    np.float64(3.0)
    """

    def __init__(self, on: bool = True):
        self.token: Token[bool] = _enabled.set(bool(on))

    def __enter__(self) -> None:
        """Switched already."""

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _enabled.reset(self.token)


# ----------------------------------------------------------------------------- plain op= traced

_BINARY_OP = dis.opmap["BINARY_OP"]
# Operands of BINARY_OP from here on are `+=` and its like (CPython 3.11 to 3.13).
_FIRST_IN_PLACE = 13


class _Holders:
    """How many references an array has, at ``plain += traced``, that only one variable names."""

    count: int | None = None

    @classmethod
    def of_one_variable(cls) -> int:
        if cls.count is None:
            cls.count = -1  # while it is measured: is_augmented_assignment then only counts
            namespace: dict[str, Any] = {}
            code = "def probe(make, traced):\n    plain = make(1)\n    plain += traced\n"
            # Code of its own, which is user code to us.
            exec(compile(code, "<wengert-probe>", "exec"), namespace)
            namespace["probe"](np.ndarray, Tape(1).input(1.0))
        return cls.count


def is_augmented_assignment(target: np.ndarray) -> bool:
    """True if user code is at ``target op= …`` and names `target` only once.

    The name is then bound to the traced result. An array with a second holder would keep the old
    value there: that is an error, as NumPy would have changed it.
    """
    holders = sys.getrefcount(target)
    frame = user_frame(sys._getframe(1))
    if frame is None:
        return False
    code, at = frame.f_code.co_code, frame.f_lasti
    if at < 0 or code[at] != _BINARY_OP or code[at + 1] < _FIRST_IN_PLACE:
        return False
    if _Holders.count == -1:
        _Holders.count = holders
        return True
    if holders > _Holders.of_one_variable():
        raise LostDerivativeError(
            f"a plain array of shape {target.shape} that more than one name (or a tape) holds was "
            "to be changed in place by a traced value: the other holder would lose the derivative.",
            "Write plain = plain + x, or make the array inside the function with np.array(plain).",
        )
    return True
