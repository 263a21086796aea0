"""`compile`: the front door. One cache entry per signature, and a tree of paths under each.

A call is taken apart into a key and inputs (`calls.py`); the entry of the key runs the path that
its decisions lead to (`guards.py`). A new signature, or a decision that no path has seen, is traced
(`trace.py`), made ready to run (`lower.py`) and kept. What cannot be compiled within its budget
runs as plain Python, after one warning.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType, MethodType
from typing import Any

import numpy as np

from wengert import tree
from wengert.compile.calls import Bound, Signature, Template
from wengert.compile.chain import Chain
from wengert.compile.encoding import Layout
from wengert.compile.ends import Ends
from wengert.compile.garbage import rarely_searched
from wengert.compile.given import Given
from wengert.compile.guards import Path, Paths
from wengert.compile.late import LateError
from wengert.compile.lower import Lowered, Options, lower
from wengert.compile.program import Guard, GuardFailed, Program
from wengert.compile.randomness import no_draws
from wengert.compile.report import Pass, PathReport, guard_text, report_text
from wengert.compile.trace import Recorder, TraceAbandoned
from wengert.compile.viewed import Viewed
from wengert.errors import ArgumentError, CompileWarning, user_frame
from wengert.tape.array import concrete
from wengert.tape.columns import Place
from wengert.tape.failures import explained
from wengert.tape.levels import depth
from wengert.tape.seams import tracing
from wengert.tape.structural import careful

_MANY = 64  # signatures, after which a warning says what makes them
_REGISTRY = "__warningregistry__"  # where the warnings module remembers what it has shown


def compile(
    f: Callable[..., Any] | None = None,
    *,
    static_argnums: int | tuple[int, ...] = (),
    static_argnames: str | tuple[str, ...] = (),
    max_paths: int = 64,
    max_entries: int = 1_000_000,
    max_seconds: float = 60.0,
    fastmath: bool = False,
) -> Any:
    """A compiled function; `wengert.compile`, the public name, says what it does."""
    if f is None:
        return functools.partial(
            compile,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            max_paths=max_paths,
            max_entries=max_entries,
            max_seconds=max_seconds,
            fastmath=fastmath,
        )
    if max_paths < 1 or max_entries < 1 or max_seconds < 0:
        raise ArgumentError(
            f"max_paths={max_paths}, max_entries={max_entries}, max_seconds={max_seconds}: such "
            "a budget allows nothing.",
            "Leave out what you do not want to bound.",
        )
    signature = Signature(f, static_argnums, static_argnames)
    budget = _Budget(max_paths, max_entries, max_seconds)
    return Compiled(f, signature, budget, Options(fastmath))


class _Budget:
    """What a signature may cost before it runs as plain Python."""

    def __init__(self, max_paths: int, max_entries: int, max_seconds: float):
        self.max_paths, self.max_entries, self.max_seconds = max_paths, max_entries, max_seconds


def _remade(function: Any, static: Any, budget: dict[str, Any], options: Options) -> Compiled:
    """A compiled function in another process: nothing is compiled yet."""
    return Compiled(function, Signature(function, *static), _Budget(**budget), options)


class _Entry:
    """What is known of one signature."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.paths = Paths()
        self.chain: Chain | None = None  # native calls; None if there are none
        self.copies: dict[str, str] = {}  # arguments that are copied at each call, and why
        self.eager = ""  # why it runs as plain Python; empty while it does not
        self.has_into = False  # whether a native call of `into` was made, or tried


class Compiled(Viewed):
    """A compiled function: called as the function, it runs native code. Made by `compile`."""

    def __init__(
        self, function: Callable[..., Any], signature: Signature, budget: _Budget, options: Options
    ):
        functools.update_wrapper(self, function)
        self.name = getattr(function, "__name__", type(function).__name__)
        self._function, self._signature = function, signature
        self._budget, self._options = budget, options
        self._entries: dict[Any, _Entry] = {}
        self._chains: list[Chain] = []  # of the signatures that have native calls, by age
        self._written: list[Any] = []  # native calls of `into`, a signature each, by age
        self._lock = threading.RLock()
        self._has_warned = False  # of arguments that are written into

    def __new__(cls, *args: Any, **kwargs: Any) -> Compiled:
        """Each has a class of its own, whose `__call__` is the native entry once there is one."""
        return super().__new__(type(cls.__name__, (cls,), {"__doc__": cls.__doc__}))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self._called(*args, **kwargs)

    def _called(self, *args: Any, **kwargs: Any) -> Any:
        """A call that no native entry takes."""
        if depth():  # inside a trace its operations are recorded there
            return self._function(*args, **kwargs)
        bound = self._signature.bind(args, kwargs)
        if bound.key is None:
            return self._function(*args, **kwargs)
        entry = self._entries.get(bound.key)
        if entry is not None and not entry.eager:
            path, found = entry.paths.run(bound.inputs)
            if path is not None:
                if bound.is_converted:
                    entry.copies |= self._signature.copies(args, kwargs)
                return path.template.result(found)
        return self._missed(bound, args, kwargs)

    def into(self, out: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and have the arrays of its result written into arrays of yours.

        Once the function is compiled for these arguments, such a call makes no new arrays. If it
        raises, what `out` holds is not defined.

        Parameters
        ----------
        out : tree
            As the result, with an array of the same shape and dtype for each array: C-contiguous,
            writable, and without memory in common with an argument or another of them. What stands
            where the result has a number is ignored. What the function has returned before will do.
        *args, **kwargs
            Arguments of the function.

        Returns
        -------
        tree
            The result: the arrays of `out`, and numbers.

        Raises
        ------
        ArgumentError
            If an array of `out` does not fit; the message says which, and why.

        Examples
        --------
        >>> import numpy as np
        >>> import wengert as wg
        >>> f = wg.compile(lambda x: {"sum": np.sum(x), "sine": np.sin(x)})
        >>> sine = np.empty(3)
        >>> found = f.into({"sum": None, "sine": sine}, np.zeros(3))
        >>> found["sine"] is sine
        True
        """
        return self._into(out, *args, **kwargs)

    def _into(self, out: Any, /, *args: Any, **kwargs: Any) -> Any:
        """A call of `into` that no native entry takes."""
        bound = None if depth() else self._signature.bind(args, kwargs)
        entry = None if bound is None else self._entries.get(bound.key)
        if bound is not None and entry is not None and not entry.eager:
            given = Given(out, bound.inputs, self.name)
            path, found = entry.paths.run(bound.inputs, given.buffers)
            if path is not None:
                self._link_into(entry, path)
                return given.result(path, found)
        result = self(*args, **kwargs)
        return Given(out, tree.leaves((args, kwargs)), self.name).filled(result)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<compiled {self.name}>"

    def __copy__(self) -> Compiled:
        """Itself, as a copy of a function is."""
        return self

    def __deepcopy__(self, memo: Any) -> Compiled:
        return self

    def __reduce__(self) -> Any:
        """Pickled by name, as a decorated function; or as what it was made of, to compile anew."""
        name = getattr(self, "__qualname__", "")
        found: Any = sys.modules.get(getattr(self, "__module__", None) or "")
        for part in name.split("."):
            found = getattr(found, part, None)
        return name if found is self else (_remade, self._made_of)

    @property
    def _made_of(self) -> tuple[Any, ...]:
        static = (self._signature.positions, self._signature.names)
        return self._function, static, vars(self._budget), self._options

    @property
    def signatures(self) -> list[str]:
        """The signatures that it was called with."""
        return [entry.text for entry in self._entries.values()]

    @property
    def paths(self) -> list[PathReport]:
        """Every compiled path, of all signatures, and why it was traced."""
        return [path.template.report(path) for e in self._entries.values() for path in e.paths]

    def report(self) -> str:
        """What was compiled, as text: passes, kernels, guards, time by stage."""
        eager = [f"{e.text}, because {e.eager}" for e in self._entries.values() if e.eager]
        return report_text(self.name, self.paths, eager)

    def program(self, *args: Any, **kwargs: Any) -> tuple[Program, list[Any]]:
        """The program of the path that a call takes, as it was traced, and its inputs.

        Raises
        ------
        ArgumentError
            If the call runs as plain Python.
        """
        bound = self._signature.bind(args, kwargs)
        self(*args, **kwargs)  # traces the path, if it is new
        entry = None if bound.key is None else self._entries.get(bound.key)
        path = None if entry is None or entry.eager else entry.paths.run(bound.inputs)[0]
        if path is None:
            raise ArgumentError(
                f"{self.name} runs as plain Python at these arguments: there is no program.",
                f"Look at the function itself; print({self.name}.report()) says why.",
            )
        return path.program, bound.inputs

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write every path to a file, from which `wg.load` brings the function back.

        Parameters
        ----------
        path : str or path
            The file; one that is there is replaced, in one step.

        Raises
        ------
        ArgumentError
            If nothing has been compiled yet.
        UnsupportedFunctionError
            If a path holds what a file cannot: an operation of your own, a function.
        """
        from wengert.compile.store import Stored, save_all  # noqa: PLC0415 (loads SciPy's rules)

        save_all(
            [
                Stored(way.program, way.template.arguments, way.template.layout, way.is_watched)
                for way in self._ways()
            ],
            path,
        )

    def to_source(self, path: int = 0, *, name: str | None = None, lines: bool = True) -> str:
        """A path as NumPy source, which imports nothing but numpy and scipy.

        Parameters
        ----------
        path : int
            Which of `paths`.
        name : str, optional
            What the printed function is called; by default as this one.
        lines : bool
            Name the user's lines, in comments.
        """
        from wengert.compile.source import to_source  # noqa: PLC0415 (loads SciPy's rules)

        ways = self._ways()
        if not -len(ways) <= path < len(ways):
            raise ArgumentError(
                f"{self.name} has {len(ways)} compiled path(s), and no path {path}.",
                "paths lists them, from 0 on.",
            )
        way = ways[path]
        program = way.lowered.program  # after the passes: loops are loops
        own = name or (self.name if self.name.isidentifier() else "compiled")
        return to_source(program, own, result=way.template.layout, lines=lines)

    def _ways(self) -> list[Path]:
        ways = [way for entry in self._entries.values() for way in entry.paths]
        if not ways:
            raise ArgumentError(
                f"{self.name} has not been compiled yet.",
                "Call it once with arguments of each kind.",
            )
        return ways

    def clear(self) -> None:
        """Forget all that was compiled; the next call traces anew."""
        with self._lock:
            self._entries.clear()
            self._chains.clear()
            self._written.clear()
            type(self).__call__ = Compiled.__call__  # type: ignore[method-assign]
            type(self).into = Compiled.into  # type: ignore[method-assign]

    # --------------------------------------------------------------------------------- new paths

    def _missed(self, bound: Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call that no path fits: trace one, or run the function as it is."""
        with self._lock:
            entry = self._entries.get(bound.key)
            failed = None
            if entry is not None and not entry.eager:
                path, failed = entry.paths.run(bound.inputs)  # another thread may have traced it
                if path is not None:
                    return path.template.result(failed)
                if len(entry.paths) >= self._budget.max_paths:
                    at = failed.place if isinstance(failed, Guard) else None
                    self._give_up(entry, _many_paths(self._budget.max_paths), at)
            if entry is None or not entry.eager:
                try:
                    with rarely_searched():
                        return self._trace(entry, bound, failed, args, kwargs)
                except TraceAbandoned as abandoned:
                    entry = self._entry(bound, args, kwargs)
                    self._give_up(entry, abandoned.reason, abandoned.at)
        return self._function(*args, **kwargs)

    def _entry(self, bound: Bound, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Entry:
        entry = self._entries.get(bound.key)
        if entry is None:
            text = self._signature.text(args, kwargs, self.name)
            entry = self._entries[bound.key] = _Entry(text)
            if len(self._entries) == _MANY:
                _warn(
                    f"{self.name} is compiled for {_MANY} signatures by now, the last {text}. Pass "
                    "numbers that change as floats or NumPy's integers: Python's are static."
                )
        return entry

    def _trace(
        self,
        entry: _Entry | None,
        bound: Bound,
        failed: Guard | Exception | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        start = time.perf_counter()
        program, template = self._recorded(bound, args, kwargs)
        template.arguments = self._signature.layout(args, kwargs)
        seconds = time.perf_counter() - start
        entry = self._entry(bound, args, kwargs)
        if entry.paths.knows(program):  # native code rounds otherwise: a decision on the edge
            return template.result(template.owned())
        trees = self._signature.argument_trees(args, kwargs)
        ends = None if trees is None else Ends(trees[0], trees[1], template.tree)
        lowered = lower(program, self._options, ends)
        lowered.stages.seconds = {"trace": seconds, **lowered.stages.seconds}
        entry.copies |= self._signature.copies(args, kwargs)
        template.describe(entry.text, failed, entry.copies)
        native = None if template.is_watched else lowered.bind(self._called)
        path = Path(program, lowered, template, native, template.is_watched)
        entry.paths.add(path)
        self._link(entry, path)
        try:
            return template.result(lowered(bound.inputs))
        except GuardFailed:
            return template.result(template.owned())
        except Exception:
            template.owned()  # raises it as NumPy does, and names the line
            raise
        finally:
            template.values.clear()

    def _link(self, entry: _Entry, path: Path) -> None:
        """Let native calls take a path; the signatures stand in a line by age."""
        if path.entry is None:
            return
        if entry.chain is not None:
            entry.chain.add(path)
            return
        entry.chain = Chain(self._called)
        entry.chain.add(path)
        if self._chains:
            self._chains[-1].continue_with(entry.chain)
        else:
            type(self).__call__ = staticmethod(path.entry.call)  # type: ignore[method-assign]
        self._chains.append(entry.chain)

    def _link_into(self, entry: _Entry, path: Path) -> None:
        """Let native calls of `into` take the first path of a signature that was written by one."""
        with self._lock:
            if entry.has_into or path.entry is None:
                return
            entry.has_into = True
            native = path.lowered.bind_into(self._into)
            if native is None:
                return
            if self._written:
                self._written[-1].targets[0] = native.call
            else:
                type(self).into = staticmethod(native.call)  # type: ignore[method-assign]
            self._written.append(native)

    def _recorded(
        self, bound: Bound, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Program, _Traced]:
        """Run the function once, with the inputs as Arrays of a program."""
        budget = self._budget
        recorder = Recorder(budget.max_entries, time.monotonic() + budget.max_seconds)
        with no_draws(self._function, (args, kwargs), self.name), careful(), tracing():
            try:
                inputs = [recorder.input(x) for x in bound.inputs]
                result, changed = self._signature.call(args, kwargs, inputs)
                template = _Traced(result, recorder, self.name)
                template.is_watched = recorder.is_watched
            except LateError as late:
                raise late.error from None
            except Exception as error:
                raise explained(error) from None
            finally:
                recorder.end()
        if changed and not self._has_warned:
            self._has_warned = True
            _warn(
                f"{self.name} writes into its argument {' and '.join(changed)}. Compiled, it "
                "leaves arguments as they are: return what has changed, or write into a copy."
            )
        names = self._signature.input_names(args, kwargs)
        return recorder.program(template.outputs, names), template

    def _give_up(self, entry: _Entry, reason: str, at: Place | None) -> None:
        line = f" {at.line}" if at is not None else ""
        entry.eager = f"{reason}{line}"
        _warn(f"{self.name} runs as plain Python for {entry.text}: {reason}{line}.")


class _Traced(Template):
    """A template that knows why its path was traced."""

    signature = reason = ""
    arguments: Layout | None = None  # where the inputs stand
    copies: Mapping[str, str] = MappingProxyType({})
    is_watched = False

    @property
    def layout(self) -> Layout:
        """Where in the result the outputs stand."""
        return Layout(self.structure, tuple(self.leaves))

    def describe(
        self, signature: str, failed: Guard | Exception | None, copies: dict[str, str]
    ) -> None:
        """Note the signature, what sent a call here (None for a first call), what is copied."""
        self.signature, self.reason, self.copies = signature, "first call", copies
        if isinstance(failed, Exception):
            self.reason = f"an operation raised {type(failed).__name__}, which may be handled"
        elif failed is not None:
            line = failed.place.line if failed.place is not None else None
            self.reason = f"a decision was not {guard_text(failed.expected, line)}"

    def owned(self) -> list[Any]:
        """The outputs as NumPy computes them, in memory of their own."""
        try:
            values = [concrete(x) for x in self.values]
        except LateError as late:
            raise late.error from None
        return [x.copy() if isinstance(x, np.ndarray) else x for x in values]

    def report(self, path: Path) -> PathReport:
        """What there is to say of a path with this template."""
        lowered: Any = path.lowered
        stages = lowered.stages
        return PathReport(
            self.signature,
            self.reason,
            len(path.program),
            tuple([guard_text(g.expected, g.place and g.place.line) for g in path.program.guards]),
            tuple([Pass(*one) for one in stages.passes]),
            dict(stages.native or {}),
            dict(stages.seconds),
            dict(self.copies),
        )


def _many_paths(most: int) -> str:
    return f"its decisions have led more than {most} ways (max_paths)"


def _warn(message: str) -> None:
    """Warn at the user's line, however many functions of ours stand between."""
    frame = user_frame()
    if frame is None:
        warnings.warn(message, CompileWarning, stacklevel=2)
        return
    name, registry = frame.f_globals.get("__name__"), frame.f_globals.setdefault(_REGISTRY, {})
    where = (frame.f_code.co_filename, frame.f_lineno, name, registry)
    warnings.warn_explicit(message, CompileWarning, *where)


__all__ = ["Compiled", "Lowered", "compile"]
