"""Who is measured: how each peer is named, found, and made to return a value and all gradients.

A peer turns a workload and its inputs into a function without arguments; a call of that is timed.
Each imports its library inside `prepare`: it is installed only in some interpreters.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

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

    differentiated = wg.value_and_grad(workload.function, argnums=workload.argnums(inputs))
    return lambda: differentiated(*inputs)


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
    Peer("torch",       "PyTorch",             "torch",    "torch",    prepare_torch),
    Peer("torch_idiom", "PyTorch, own idiom",  "torch",    "torch",    prepare_torch_idiom),
    Peer("autograd",    "autograd",            "autograd", "autograd", prepare_autograd),
    Peer("mygrad",      "MyGrad",              "mygrad",   "mygrad",   prepare_mygrad),
    Peer("advect",      "Advect",              "advect",   "advect",   prepare_advect),
)
# fmt: on

BY_NAME: dict[str, Peer] = {peer.name: peer for peer in PEERS}
