"""``compile=True`` of the transforms. The compiler is imported when first asked for.

Transforms that give a function compile it once. Those that are called with values (`jvp`, `hvp`,
`vjp`, `linearize`) look the compiled function up by what was passed: `_made` keeps the latest.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any


def compile(f: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Will be documented here."""
    from wengert.compile import api  # noqa: PLC0415 (with LLVM, slow to import)

    return api.compile(f, **options)


def load(path: str | os.PathLike[str]) -> Any:
    """Will be documented here."""
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
