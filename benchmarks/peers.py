"""Who is measured: how each peer is named, found, and made to return a value and all gradients.

A peer turns a workload and its inputs into a function without arguments; a call of that is timed.
Each imports its library inside `prepare`: it is installed only in some interpreters.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import derivatives
from .workload import Inputs, Workload, rebind

Call = Callable[[], tuple[Any, tuple[Any, ...]]]


@dataclass(frozen=True)
class Peer:
    """One way to get a value and gradients.

    Attributes
    ----------
    name, label : str
        The name on the command line and in the report.
    module : str
        What has to be importable.
    distribution : str
        Whose version is reported.
    prepare : callable
        ``prepare(workload, inputs)`` returns a `Call`.
    """

    name: str
    label: str
    module: str
    distribution: str
    prepare: Callable[[Workload, Inputs], Call]

    def version(self) -> str | None:
        """Return the installed version, or None if the peer cannot be imported."""
        try:
            importlib.import_module(self.module)
        except ImportError:
            return None
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return str(getattr(importlib.import_module(self.module), "__version__", "source"))

    def runs(self, workload: Workload) -> str | None:
        """Return why this peer does not run `workload`, or None if it does."""
        if self.name == "by_hand" and workload.by_hand is None:
            return "not written"
        if self.name == "torch_idiom" and workload.torch_idiom is None:
            return "same"
        if self.name == "numpy" and workload.derivative != "gradient":
            return "no value"
        if self.name == "cpp" and workload.cpp is None:
            return "not written"
        return workload.lacks.get(self.name.removesuffix("_idiom"))


def prepare_numpy(workload: Workload, inputs: Inputs) -> Call:
    """The forward pass alone."""
    return lambda: (workload.function(*inputs), ())


def prepare_by_hand(workload: Workload, inputs: Inputs) -> Call:
    """Value and gradient written by a person, in NumPy (in floats where the inputs are floats)."""
    by_hand = workload.by_hand
    assert by_hand is not None
    return lambda: by_hand(*inputs)


def prepare_wengert(workload: Workload, inputs: Inputs) -> Call:
    """The plain NumPy function, as it is."""
    import wengert as wg

    return _called(workload, inputs, _derivative(workload, inputs, wg))


def prepare_compiled(workload: Workload, inputs: Inputs) -> Call:
    """The plain NumPy function, compiled with its derivative."""
    import wengert as wg

    return _called(workload, inputs, wg.compile(_derivative(workload, inputs, wg)))


def prepare_jax(workload: Workload, inputs: Inputs) -> Call:
    """The same code with ``jax.numpy``, under ``jit``; arrays are on its device before the call."""
    import jax

    jax.config.update("jax_enable_x64", True)
    if workload.jax is not None:
        twin = workload.jax
        function = functools.partial(twin, jax.numpy, jax.lax)
    else:
        names: dict[str, Any] = {"np": jax.numpy}
        if "erf" in workload.function.__globals__:
            names["erf"] = jax.scipy.special.erf
        function = rebind(workload.function, **names)
    static = tuple(k for k, value in enumerate(inputs) if isinstance(value, int))
    differentiated = jax.jit(
        _derivative(workload, inputs, jax, function=function), static_argnums=static
    )
    kept = tuple(jax.numpy.asarray(x) if isinstance(x, np.ndarray) else x for x in inputs)
    call = _called(workload, kept, differentiated)
    return lambda: jax.block_until_ready(call())  # type: ignore[no-any-return]


def _derivative(
    workload: Workload, inputs: Inputs, library: Any, function: Any = None
) -> Callable[..., Any]:
    """What the workload asks for, by a library with JAX's names."""
    function = function or workload.function
    if workload.derivative == "hessian":
        return library.hessian(function)  # type: ignore[no-any-return]
    if workload.derivative == "hvp":
        return lambda x, v: library.jvp(library.grad(function), (x,), (v,))[1]
    return library.value_and_grad(function, argnums=workload.argnums(inputs))  # type: ignore[no-any-return]


def _called(workload: Workload, inputs: Inputs, differentiated: Callable[..., Any]) -> Call:
    if workload.derivative == "gradient":
        return lambda: differentiated(*inputs)
    return lambda: (0.0, (differentiated(*inputs),))


def prepare_cpp(workload: Workload, inputs: Inputs) -> Call:
    """Derivatives written by hand in C++."""
    assert workload.cpp is not None
    return derivatives.prepare(workload.cpp, inputs, workload.argnums(inputs))


def prepare_advect(workload: Workload, inputs: Inputs) -> Call:
    """The plain NumPy function; erf comes from Advect's mirror of SciPy."""
    import advect

    names = {}
    if "erf" in workload.function.__globals__:
        names["erf"] = importlib.import_module("advect.scipy.special").erf
    function = rebind(workload.function, **names)
    differentiated = advect.value_and_grad(function, argnums=workload.argnums(inputs))
    return lambda: differentiated(*inputs)


def prepare_autograd(workload: Workload, inputs: Inputs) -> Call:
    """The same code with autograd's ``numpy`` and ``erf``."""
    import autograd

    names = {"np": importlib.import_module("autograd.numpy")}
    if "erf" in workload.function.__globals__:
        names["erf"] = importlib.import_module("autograd.scipy.special").erf
    function = rebind(workload.function, **names)
    differentiated = autograd.value_and_grad(function, argnum=workload.argnums(inputs))
    return lambda: differentiated(*inputs)


def prepare_mygrad(workload: Workload, inputs: Inputs) -> Call:
    """The same code with MyGrad as ``np``, and memory guarding off as its manual advises."""
    import mygrad

    mygrad.turn_memory_guarding_off()
    function = rebind(workload.function, np=mygrad)
    argnums = workload.argnums(inputs)

    def call() -> tuple[Any, tuple[Any, ...]]:
        args = list(inputs)
        for i in argnums:
            args[i] = mygrad.tensor(inputs[i], copy=False)
        value = function(*args)
        value.backward()
        return value.data, tuple(args[i].grad for i in argnums)

    return call


def prepare_torch(workload: Workload, inputs: Inputs) -> Call:
    """The same formula on PyTorch's tensors.

    Arrays become tensors once. Python floats become tensors in each call and floats again at its
    end, as for every other peer: a caller who has floats has to do that.
    """
    import torch

    function = _torch_function(workload, workload.torch)
    if not workload.is_scalar(inputs):
        return _call_on_kept_tensors(workload, inputs, function)
    argnums = workload.argnums(inputs)

    def call() -> tuple[Any, tuple[Any, ...]]:
        args = list(inputs)
        for i in argnums:
            args[i] = torch.tensor(inputs[i], dtype=torch.float64, requires_grad=True)
        value = function(*args)
        gradients = torch.autograd.grad(value, [args[i] for i in argnums])
        return value.item(), tuple(gradient.item() for gradient in gradients)

    return call


def prepare_torch_idiom(workload: Workload, inputs: Inputs) -> Call:
    """What suits PyTorch best: fused losses and layers, tensors kept between calls."""
    return _call_on_kept_tensors(workload, inputs, _torch_function(workload, workload.torch_idiom))


def _torch_function(workload: Workload, twin: Callable[..., Any] | None) -> Callable[..., Any]:
    import torch

    if twin is not None:
        return lambda *args: twin(torch, *args)
    return rebind(workload.function, np=torch, erf=torch.erf)


def _call_on_kept_tensors(workload: Workload, inputs: Inputs, function: Callable[..., Any]) -> Call:
    import torch

    argnums = workload.argnums(inputs)
    args = [_tensor(value, i in argnums) for i, value in enumerate(inputs)]
    leaves = [args[i] for i in argnums]
    if workload.derivative == "hessian":
        hessian = torch.func.hessian(function)
        return lambda: (0.0, (hessian(args[0].detach()),))
    if workload.derivative == "hvp":
        x, v = args[0].detach(), args[1].detach()
        return lambda: (0.0, (torch.func.jvp(torch.func.grad(function), (x,), (v,))[1],))

    def call() -> tuple[Any, tuple[Any, ...]]:
        value = function(*args)
        return value.detach(), torch.autograd.grad(value, leaves)

    return call


def _tensor(value: Any, is_leaf: bool) -> Any:
    import torch

    if isinstance(value, np.ndarray):
        return torch.tensor(value, requires_grad=is_leaf)
    return torch.tensor(value, dtype=torch.float64, requires_grad=True) if is_leaf else value


# fmt: off
PEERS: tuple[Peer, ...] = (
    Peer("numpy",       "NumPy, forward only", "numpy",    "numpy",    prepare_numpy),
    Peer("by_hand",     "NumPy, by hand",      "numpy",    "numpy",    prepare_by_hand),
    Peer("wengert",     "Wengert",             "wengert",  "wengert",  prepare_wengert),
    Peer("compiled",    "Wengert, compiled",   "wengert",  "wengert",  prepare_compiled),
    Peer("cpp",         "C++, by hand",        "numpy",    "numpy",    prepare_cpp),
    Peer("jax",         "JAX jit",             "jax",      "jax",      prepare_jax),
    Peer("torch",       "PyTorch",             "torch",    "torch",    prepare_torch),
    Peer("torch_idiom", "PyTorch, own idiom",  "torch",    "torch",    prepare_torch_idiom),
    Peer("autograd",    "autograd",            "autograd", "autograd", prepare_autograd),
    Peer("mygrad",      "MyGrad",              "mygrad",   "mygrad",   prepare_mygrad),
    Peer("advect",      "Advect",              "advect",   "advect",   prepare_advect),
)
# fmt: on

# Who is raced by ``python -m benchmarks``; the others by ``python -m benchmarks.compiled``.
EAGER = ("numpy", "by_hand", "wengert", "torch", "torch_idiom", "autograd", "mygrad", "advect")

BY_NAME: dict[str, Peer] = {peer.name: peer for peer in PEERS}
