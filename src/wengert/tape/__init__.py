"""Recording: traces, the Arrays they hand out, and how NumPy calls reach them."""

from wengert.tape import dispatch, methods  # attach operators, protocols and methods to Array

__all__ = ["dispatch", "methods"]
