"""Derivatives written by hand in C++ (`workloads/derivatives.cpp`), built by g++ when asked for."""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .workload import Inputs

SOURCE = Path(__file__).parent / "workloads" / "derivatives.cpp"
FLAGS = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC", "-std=c++17")


def library() -> ctypes.CDLL:
    """Build the shared library, or load the one that was built from the same source."""
    digest = hashlib.sha256(SOURCE.read_bytes() + " ".join(FLAGS).encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"wengert-benchmarks-{digest}.so"
    if not path.exists():
        partial = path.with_suffix(f".{id(path)}.tmp")
        subprocess.run(["g++", *FLAGS, str(SOURCE), "-o", str(partial)], check=True)
        partial.replace(path)
    return ctypes.CDLL(str(path))


def prepare(name: str, inputs: Inputs, argnums: tuple[int, ...]) -> Callable[[], Any]:
    """A call of ``double name(sizes, inputs, gradients)``.

    ``sizes`` holds the shapes of all array inputs one after the other, then the integers;
    ``inputs`` and ``gradients`` are arrays of pointers.
    """
    function = getattr(library(), name)
    function.restype = ctypes.c_double
    arrays = [np.ascontiguousarray(x, np.float64) for x in inputs if not isinstance(x, int)]
    integers = [x for x in inputs if isinstance(x, int)]
    shapes = [length for array in arrays for length in array.shape] + integers
    sizes = (ctypes.c_int64 * len(shapes))(*shapes)
    given = (ctypes.c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])

    def call() -> Any:
        gradients = [np.zeros_like(arrays[k]) for k in argnums]
        written = (ctypes.c_void_p * len(gradients))(*[g.ctypes.data for g in gradients])
        value = function(sizes, given, written)
        return value, tuple(gradients)

    return call
