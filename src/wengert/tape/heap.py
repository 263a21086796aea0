"""Keep freed arrays in the process, so that the next gradient need not fault its memory in again.

A gradient allocates what its tape saves, and frees it all at the end. The C library of Linux then
gives the memory back to the system, which clears and maps it again, page by page, for the next
gradient: for arrays of a megabyte that takes longer than the arithmetic. The library keeps as much
as twice the largest array it has seen freed, of up to 32 MiB. So one such is made, and freed.
"""

from __future__ import annotations

import numpy as np

LARGEST = 2**25 - 2**16  # bytes: what the library's rule counts, less the space for its header


def keep_freed_memory() -> None:
    """Let the C library keep up to 64 MiB of freed memory; where there is no glibc, do nothing."""
    np.empty(LARGEST, np.uint8)
