"""Random draws while a function is traced: found by the states of the generators it can reach.

A draw would become a constant of the program. Generators are C objects that cannot be watched, so
their states before and after are compared: those of NumPy's and Python's global generators, and of
every generator that the function reaches through arguments, closures, globals that its code names,
attributes and containers. One made without a seed inside the function shows by the entropy that it
takes.
"""

from __future__ import annotations

import functools
import inspect
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from wengert.errors import Line, RandomDrawError, is_user_file

_MOST = 20_000  # objects looked at: a function that reaches more holds its data in Python lists
_GENERATORS = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
_LEAVES = (str, bytes, int, float, complex, bool, type(None), np.ndarray, np.generic, type)


@contextmanager
def no_draws(function: Callable[..., Any], args: Any, name: str) -> Iterator[None]:
    """Refuse, at the end, if random numbers were drawn meanwhile.

    Raises
    ------
    RandomDrawError
        It says which generator has moved, and to pass numbers in.
    """
    watched = {"np.random": _legacy(), "random": random.random.__self__}  # type: ignore[attr-defined]
    for position, found in enumerate(_reached(function, args)):
        if all(found is not known for known in watched.values()):
            watched[f"a {type(found).__name__} (number {position + 1} that it reaches)"] = found
    before = {label: _state(found) for label, found in watched.items()}
    with _Entropy() as seeds:
        yield
    moved = [label for label, found in watched.items() if not _same(before[label], _state(found))]
    if moved or seeds[0]:
        raise _drawn(name, moved[0] if moved else "a generator made without a seed", function)


def _drawn(name: str, label: str, function: Any) -> RandomDrawError:
    code = getattr(inspect.unwrap(function), "__code__", None)
    line = Line(code.co_filename, code.co_firstlineno, f"def {name}") if code else None
    return RandomDrawError(
        f"random numbers were drawn from {label} while {name} was traced: every later call would "
        "see the same ones.",
        "Draw outside and pass the numbers in: f(x, rng.normal(size=3)).",
        line,
    )


def _legacy() -> Any:
    return np.random.mtrand._rand


def _state(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return generator.state


def _same(x: Any, y: Any) -> bool:
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(_same(x[key], y[key]) for key in x)
    if isinstance(x, np.ndarray):
        return bool(np.array_equal(x, y))
    return bool(x == y)


class _Entropy:
    """Counts how often NumPy asks the system for a seed: ``np.random.default_rng()`` does.

    While somebody traces, NumPy's source of seeds is replaced; each context counts for itself.
    """

    guard = threading.Lock()
    users = 0
    original: Any = None
    counts: ContextVar[list[int] | None] = ContextVar("wengert_seeds", default=None)

    @classmethod
    def counted(cls, bits: int) -> int:
        count = cls.counts.get()
        if count is not None:
            count[0] += 1
        return int(cls.original(bits))

    def __enter__(self) -> list[int]:
        count = [0]
        self.token = self.counts.set(count)
        with self.guard:
            if _Entropy.users == 0:
                _Entropy.original = _SEEDS.randbits
                _SEEDS.randbits = _Entropy.counted
            _Entropy.users += 1
        return count

    def __exit__(self, *error: object) -> None:
        self.counts.reset(self.token)
        with self.guard:
            _Entropy.users -= 1
            if _Entropy.users == 0:
                _SEEDS.randbits = _Entropy.original


_SEEDS: Any = np.random.bit_generator  # where NumPy's generators look the function up


# ----------------------------------------------------------------------------------------- reaching


def _reached(function: Any, args: Any) -> Iterator[Any]:
    """Generators that a function can reach, each once."""
    seen: dict[int, Any] = {}
    waiting: list[Any] = [function, args]
    while waiting and len(seen) < _MOST:
        found = waiting.pop()
        if isinstance(found, _LEAVES) or id(found) in seen:
            continue
        seen[id(found)] = found
        if isinstance(found, _GENERATORS):
            yield found
        else:
            waiting += _next(found)


def _next(found: Any) -> Iterator[Any]:
    """What an object holds, as far as a function could come by it."""
    if isinstance(found, dict):
        yield from found.values()
    elif isinstance(found, list | tuple | set | frozenset):
        yield from found
    elif isinstance(found, MethodType):
        yield from (found.__func__, found.__self__)
    elif isinstance(found, functools.partial):
        yield from (found.func, found.args, found.keywords)
    elif isinstance(found, FunctionType):
        yield from _of_function(found)
    elif type(found).__module__.startswith("wengert.compile"):
        yield getattr(found, "__wrapped__", None)
    elif not isinstance(found, ModuleType):
        # What an object holds; of a class of the user's, its methods, too, by their code.
        yield from _attributes(found).values()
        if _is_users(type(found)):
            yield from vars(type(found)).values()
            slots = getattr(type(found), "__slots__", ())
            for slot in (slots,) if isinstance(slots, str) else slots:
                yield getattr(found, slot, None)


def _attributes(found: Any) -> dict[str, Any]:
    """The ``__dict__`` of an object, past any `__getattr__` of its own."""
    try:
        attributes = object.__getattribute__(found, "__dict__")
    except AttributeError:
        return {}
    return attributes if isinstance(attributes, dict) else {}


def _is_users(kind: type) -> bool:
    return _is_users_module(inspect.getmodule(kind))


def _is_users_module(module: Any) -> bool:
    file = getattr(module, "__file__", None)
    return module is not None and (file is None or is_user_file(file))


def _of_function(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    yield function.__defaults__
    yield function.__kwdefaults__
    yield function.__dict__
    if _has_no_generators(function):
        return
    names = set(_names(function.__code__))
    for name in names & function.__globals__.keys():
        value = function.__globals__[name]
        if isinstance(value, ModuleType) and _is_users_module(value):
            yield from (vars(value)[part] for part in names & vars(value).keys())
        else:
            yield value


def _has_no_generators(function: FunctionType) -> bool:
    """True for code of Wengert, NumPy and SciPy: their one global generator is watched in any case.

    Without this, nearly all that there is would be reached by way of the registry.
    """
    package = (function.__module__ or "").partition(".")[0]
    return package in _QUIET and not is_user_file(function.__code__.co_filename)


_QUIET = frozenset({"wengert", "numpy", "scipy", "optree"})


def _names(code: CodeType) -> Iterator[str]:
    """The names that a function's code, and code within it, look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
