"""Keep freed arrays in the process, so that the next gradient need not fault its memory in again.

A gradient allocates what its tape saves, and frees it all at the end. The C library of Linux then
gives the memory back to the system, which clears and maps it again, page by page, for the next
gradient: for arrays of a megabyte that takes longer than the arithmetic. So the library is told to
keep some (mallopt(3)). Arrays of more than 32 MiB still come from the system and go back to it.
"""

from __future__ import annotations

import ctypes
import os

KEPT = 2**28  # bytes of freed memory that a process keeps: a tape of 16 arrays of 2e6 numbers
LARGEST = 2**25  # bytes: the largest array that the library will keep

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def keep_freed_memory() -> None:
    """Let the C library keep freed memory; where it is not glibc, do nothing."""
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(_M_MMAP_THRESHOLD, LARGEST)
    mallopt(_M_TRIM_THRESHOLD, KEPT)
