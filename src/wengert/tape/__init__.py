"""Recording: traces, the Arrays they hand out, and how NumPy calls reach them."""

from wengert.tape import dispatch  # attaches operators and protocols to Array

__all__ = ["dispatch"]
