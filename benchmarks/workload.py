"""What a workload is: a function in plain NumPy, its inputs, its twins where a peer needs one.

A peer that has its own ``numpy`` (autograd, PyTorch) runs the same code object with another meaning
of the names ``np`` and ``erf``, which is what changing a file's import lines does: `rebind`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Inputs = tuple[Any, ...]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Workload:
    """One function to differentiate, and what the peers need to know about it.

    Attributes
    ----------
    name, title : str
        The name on the command line and the line in the report.
    function : callable
        Plain NumPy code returning a real scalar.
    inputs : callable
        ``inputs(size)`` returns the positional arguments, the same in every process.
    argnums : callable
        ``argnums(inputs)`` returns the positions of the arguments to differentiate.
    size, quick_size : int
        What `inputs` is given, in a full and in a quick run.
    by_hand : callable, optional
        NumPy code, written by a person, with the arguments of `function`: ``(value, gradients)``.
    torch : callable, optional
        The same formula for PyTorch, ``torch(module, *tensors)``, where `rebind` is not enough.
    torch_idiom : callable, optional
        What a PyTorch user would write instead, with the library's fused functions.
    jax : callable, optional
        The same for JAX, ``jax(numpy, lax, *arrays)``, where its compiler wants loops as `scan`.
    cpp : str, optional
        Name of the hand-written value and gradients in ``workloads/derivatives.cpp``.
    derivative : str
        What is asked for: "gradient" (with the value), "hessian", or "hvp", whose direction is the
        last of the inputs.
    lacks : mapping
        Peer name to the reason why it cannot run the workload.
    rtol : float
        Largest allowed difference between peers, relative to the largest element.
    """

    name: str
    title: str
    function: Function
    inputs: Callable[[int], Inputs]
    argnums: Callable[[Inputs], tuple[int, ...]]
    size: int
    quick_size: int
    by_hand: Function | None = None
    torch: Function | None = None
    torch_idiom: Function | None = None
    jax: Function | None = None
    cpp: str | None = None
    derivative: str = "gradient"
    lacks: Mapping[str, str] = field(default_factory=dict)
    rtol: float = 1e-9

    def is_scalar(self, inputs: Inputs) -> bool:
        """Whether every differentiated argument is a Python float."""
        return all(isinstance(inputs[i], float) for i in self.argnums(inputs))


def first(count: int) -> Callable[[Inputs], tuple[int, ...]]:
    """Return the `argnums` of a workload that differentiates its first `count` arguments."""
    return lambda inputs: tuple(range(count))


def rebind(function: Function, **names: Any) -> Function:
    """Return a copy of `function`, and of its module's helpers, that sees other global names."""
    assert isinstance(function, types.FunctionType)
    scope = {**function.__globals__, **names}
    for name, helper in function.__globals__.items():
        if isinstance(helper, types.FunctionType) and helper.__module__ == function.__module__:
            scope[name] = types.FunctionType(
                helper.__code__, scope, name, helper.__defaults__, helper.__closure__
            )
    rebound: Function = scope[function.__name__]
    return rebound
