"""``compile=True`` of the transforms. The compiler is imported when first asked for.

Transforms that give a function compile it once. Those that are called with values (`jvp`, `hvp`,
`vjp`, `linearize`) look the compiled function up by what was passed: `_made` keeps the latest.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import wengert.compile  # noqa: F401 (the package, now: later it would take wg.compile's place)


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
    """A function of NumPy code, made into native code when it is called.

    Parameters
    ----------
    f : callable
        Plain NumPy code, with Wengert's transforms in it or around it:
        ``wg.compile(wg.value_and_grad(loss))``. Without it, a decorator.
    static_argnums, static_argnames : int or str, or tuple of them
        Arguments that are static as a whole: part of the signature, to be hashed. Python's
        integers, booleans, strings and functions are static wherever they stand.
    max_paths : int
        How many ways through the function are kept for a signature.
    max_entries : int
        How many operations a path may have.
    max_seconds : float
        How long tracing a path may take.
    fastmath : bool
        Reckon sums, products and quotients in another order where that is faster, and use
        identities that hold up to rounding (``exp(x) * exp(y)`` is ``exp(x + y)``). Last bits and
        the sign of a zero may differ, and what overflows on the way; NaN and infinity that are
        among the values stay what they are.

    Returns
    -------
    Compiled
        Called as `f`. It returns what `f` does: the same types, dtypes and trees, in memory of
        their own. `f` runs once for each signature (shapes, dtypes, trees, static arguments) and
        each way that its decisions lead; what it does besides computing (printing, changing
        arguments or globals) happens only then, and what it takes from outside itself stays as it
        was then. Its ``into(out, *args)`` writes the arrays of the result into those of `out`.

    Raises
    ------
    RandomDrawError
        If `f` draws random numbers itself.
    ArgumentError
        If an argument is neither number, array, tree nor hashable.

    Warns
    -----
    CompileWarning
        Once, if a signature has more than `max_paths` ways, or a path is too long: it runs as
        plain Python from then on.

    Examples
    --------
    >>> @wg.compile
    ... def collatz(n):
    ...     steps = 0
    ...     while n != 1:
    ...         n, steps = (n / 2, steps + 1) if n % 2 == 0 else (3 * n + 1, steps + 1)
    ...     return steps
    >>> collatz(6.0), collatz(7.0), len(collatz.paths)
    (8, 16, 2)
    """
    from wengert.compile import api  # noqa: PLC0415 (with LLVM, slow to import)

    return api.compile(
        f,
        static_argnums=static_argnums,
        static_argnames=static_argnames,
        max_paths=max_paths,
        max_entries=max_entries,
        max_seconds=max_seconds,
        fastmath=fastmath,
    )


def load(path: str | os.PathLike[str]) -> Callable[..., Any]:
    """Load a compiled function that was saved; none of the code that made it is needed.

    Parameters
    ----------
    path : str or path
        A file that a compiled function's ``save`` has written. It is read as data: nothing in it is
        imported or run as Python.

    Returns
    -------
    callable
        Takes arguments of the same trees, shapes and dtypes, in the same way (by position or by
        keyword), and returns what the function did.

    Raises
    ------
    ProgramFormatError
        If the file is damaged, or is no such file.
    UnsavedCallError
        By the function, if no saved signature or way fits a call.

    Examples
    --------
    >>> import tempfile
    >>> square = wg.compile(lambda x: x * x)
    >>> square(3.0)
    9.0
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     square.save(f"{folder}/square.wg")
    ...     loaded = wg.load(f"{folder}/square.wg")
    >>> loaded(4.0)
    16.0
    """
    from wengert.compile.loaded import load_function  # noqa: PLC0415 (as above)

    return load_function(path)


def compiled(function: Callable[..., Any], is_wanted: bool = True) -> Callable[..., Any]:
    """A function, compiled if that is wanted."""
    if not is_wanted:
        return function
    return compile(function)


def compiled_call(
    make: Callable[..., Callable[..., Any]], f: Callable[..., Any], *options: Any
) -> Callable[..., Any]:
    """What ``make(f, *options)`` gives, compiled; the same object for the same arguments."""
    try:
        return _made(make, f, *options)
    except TypeError:  # an unhashable callable
        return compiled(make(f, *options))


@functools.lru_cache(maxsize=128)
def _made(
    make: Callable[..., Callable[..., Any]], f: Callable[..., Any], *options: Any
) -> Callable[..., Any]:
    return compiled(make(f, *options))
