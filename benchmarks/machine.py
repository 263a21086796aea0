"""What the measurements ran on, in words that identify no one: cores, vector units, memory."""

from __future__ import annotations

import os
import platform
from pathlib import Path

VECTOR_UNITS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"))


def describe_machine() -> str:
    """Return for example ``2-core x86-64 with AVX-512, 23 GiB, Linux``."""
    architecture = platform.machine().replace("_", "-")
    unit = next((name for flag, name in VECTOR_UNITS if flag in _cpu_flags()), None)
    vector = f" with {unit}" if unit else ""
    return f"{_cores()}-core {architecture}{vector}, {_memory()}, {platform.system()}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    flags = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return set(next(flags, "").split())


def _memory() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{pages / 2**30:.0f} GiB"
