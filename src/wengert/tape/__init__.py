"""Recording: traces, the Arrays they hand out, and how NumPy calls reach them."""

from wengert.tape import dispatch, heap, methods  # attach operators, protocols and methods to Array

heap.keep_freed_memory()

__all__ = ["dispatch", "methods"]
