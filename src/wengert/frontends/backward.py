"""PyTorch's form: `array(..., requires_grad=True)`, `y.backward()`, `x.grad`, `no_grad`.

All of it is one recorder of `tape/ambient.py`, which is always active but for `no_grad`. The
attributes are attached to `Array` here, for Arrays of every kind: on those that a transform
traces they are errors that say what to use instead.
"""

from __future__ import annotations

import contextlib
import warnings
from types import TracebackType
from typing import Any

import numpy as np

from wengert.errors import (
    BackwardError,
    DisconnectedError,
    LostDerivativeError,
    NonScalarTargetError,
    ShapeError,
    SourceTypeError,
)
from wengert.frontends.variables import new_value
from wengert.primitives.adjoints import fit, like_of
from wengert.tape.ambient import (
    AMBIENT,
    BY_BACKWARD,
    NOBODY,
    Node,
    active,
    pull,
    reachable,
    set_active,
)
from wengert.tape.array import CONSTANTS, Array, concrete
from wengert.tape.stacking import stack
from wengert.transforms.forward import checked_seed


def array(object: Any, dtype: Any = None, *, requires_grad: bool = False) -> Array:
    """An Array that, with `requires_grad`, collects gradients in ``x.grad``.

    Parameters
    ----------
    object : array_like
        Copied. Arrays that a transform traces keep their derivative.
    dtype : dtype, optional
        NumPy's choice by default: Python floats are float64, where PyTorch has float32.
    requires_grad : bool
        Record what is computed from it, for ``backward``.

    Returns
    -------
    Array
        Behaves as an ndarray; ``backward``, ``grad``, ``detach`` and so on are PyTorch's.

    Raises
    ------
    SourceTypeError
        If integers or booleans are to require a gradient.

    Examples
    --------
    >>> x = wg.array(3.0, requires_grad=True)
    >>> y = np.sin(x) * x
    >>> y.backward()
    >>> x.grad == np.sin(3.0) + 3.0 * np.cos(3.0)
    np.True_
    """
    given = stack(object) if isinstance(object, list | tuple) else object
    if isinstance(given, Array) and not requires_grad:
        copied = given.copy()
        return copied if dtype is None else copied.astype(dtype)
    made = Array(new_value(given, dtype), AMBIENT)
    return _requires_grad(made) if requires_grad else made


# ---------------------------------------------------------------------------------------- recording


class _GradMode(contextlib.ContextDecorator):
    """Switches recording for `backward` in the current context."""

    is_recorded = True

    def __init__(self) -> None:
        self._was_recorded: list[bool] = []

    def _recreate_cm(self) -> _GradMode:
        return type(self)()  # a decorated function may call itself, or run in several threads

    def __enter__(self) -> None:
        self._was_recorded.append(BY_BACKWARD in active())
        _switch(self.is_recorded)

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _switch(self._was_recorded.pop())


class no_grad(_GradMode):  # noqa: N801 (PyTorch's name)
    """While it lasts, nothing is recorded for `backward`; parameters may be changed in place.

    Examples
    --------
    >>> w = wg.array([1.0, 2.0], requires_grad=True)
    >>> np.sum(w**2).backward()
    >>> with wg.no_grad():
    ...     w -= 0.5 * w.grad
    >>> w
    Array([0., 0.], float64)
    """

    is_recorded = False


class enable_grad(_GradMode):  # noqa: N801 (PyTorch's name)
    """Inside `no_grad`, record again.

    Examples
    --------
    >>> x = wg.array(2.0, requires_grad=True)
    >>> with wg.no_grad(), wg.enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """


def _switch(is_recorded: bool) -> None:
    recorders = active()
    set_active(recorders | {BY_BACKWARD} if is_recorded else recorders - {BY_BACKWARD})


# ----------------------------------------------------------------------------------------- backward


def backward(
    self: Array,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add the derivatives of this Array to the ``grad`` of every leaf that it depends on.

    Parameters
    ----------
    gradient : array_like, optional
        The adjoint to start from; needed unless there is one element, for which it is one.
    retain_graph : bool, optional
        Keep what was recorded, for another call; by default `create_graph`.
    create_graph : bool
        Record the derivatives themselves, so that they can be differentiated.

    Raises
    ------
    TapeReleasedError
        At a second call without `retain_graph`.
    """
    target, node = _known(self, "backward()")
    if node is None or BY_BACKWARD not in node.known:
        raise DisconnectedError(
            f"backward was called on an Array of shape {target.shape} that depends on no Array "
            "with requires_grad=True.",
            "Make its sources with wg.array(value, requires_grad=True), outside wg.no_grad().",
        )
    seed = _seed(target, gradient)
    nodes = reachable(BY_BACKWARD, [node])
    wanted = [n for n in nodes if n.is_leaf or n.keeps_grad]
    with _recording_backward(create_graph):
        for found, adjoint in zip(
            wanted, pull(BY_BACKWARD, nodes, [(node, seed)], wanted), strict=True
        ):
            if adjoint is not None:
                _accumulate(found, adjoint)
    if not (create_graph if retain_graph is None else retain_graph):
        for used in nodes:
            used.release(BY_BACKWARD)


@contextlib.contextmanager
def _recording_backward(create_graph: bool) -> Any:
    with enable_grad() if create_graph else no_grad():
        yield


def _seed(target: Array, gradient: Any) -> Any:
    like = like_of(target)
    if gradient is not None:
        return checked_seed(gradient, like, "the gradient given to backward")
    if like.size != 1:
        raise NonScalarTargetError(
            f"backward needs a scalar, but it was called on an Array of shape {like.shape} "
            f"({like.dtype}).",
            "Call np.sum(y).backward(), or pass the adjoint to start from: y.backward(gradient).",
        )
    return like.ones()


def _accumulate(node: Node, adjoint: Any) -> None:
    adjoint = fit(adjoint, node.likes) if node.is_leaf and node.likes is not None else adjoint
    if not isinstance(adjoint, Array):
        # 0-d arrays, not NumPy's scalars, so that x.grad *= 0.5 changes it in place.
        adjoint = Array(np.array(adjoint), AMBIENT)
    node.grad = adjoint.current() if node.grad is None else node.grad + adjoint


# --------------------------------------------------------------------------------------- attributes


def _known(x: Array, what: str) -> tuple[Array, Node | None]:
    """The Array itself and its node; an error for one that a transform traces."""
    x = x.current()
    if x.tape is AMBIENT:
        return x, x.index
    if x.tape is CONSTANTS:
        return x, None
    raise BackwardError(
        f"{what} was asked of an Array of shape {x.shape} that a transform (such as wg.grad) "
        "traces.",
        "Inside a transform return the value and let the transform differentiate it; for values "
        "alone use wg.stop_gradient(x).",
    )


def _is_recorded(node: Node | None) -> bool:
    return node is not None and BY_BACKWARD in node.known


def _requires_grad(self: Array, requires_grad: bool = True) -> Array:
    """Let a leaf require a gradient, or not any more; returns the Array."""
    x, node = _known(self, "requires_grad_()")
    if not requires_grad:
        if node is not None and not node.is_leaf and BY_BACKWARD in node.recorded:
            raise BackwardError(
                "requires_grad can be switched off only on a leaf: this Array was computed from "
                "others.",
                "Use y.detach().",
            )
        if node is not None:
            node.known -= {BY_BACKWARD}
        return self
    if x.dtype.kind not in "fc":
        raise SourceTypeError(
            f"an Array of {x.dtype} cannot require a gradient: only floating-point numbers have "
            "derivatives.",
            "Pass floats: wg.array(3.0, requires_grad=True) instead of wg.array(3, ...).",
        )
    if x.tape is CONSTANTS:
        x.tape = AMBIENT
    if node is None:
        node = x.index = Node(NOBODY)
    if node.is_leaf:
        node.likes = like_of(x)
    node.watch(BY_BACKWARD)
    return self


def _get_requires_grad(self: Array) -> bool:
    x = self.current()
    return x.tape is AMBIENT and _is_recorded(x.index)


def _set_requires_grad(self: Array, value: bool) -> None:
    _requires_grad(self, value)


def _is_leaf(self: Array) -> bool:
    _, node = _known(self, "is_leaf")
    return node is None or node.is_leaf


def _get_grad(self: Array) -> Array | None:
    _, node = _known(self, "grad")
    if node is None:
        return None
    if not node.is_leaf and not node.keeps_grad and _is_recorded(node):
        warnings.warn(
            "grad was asked of an Array that is no leaf, which keeps none: call y.retain_grad() "
            "before backward().",
            UserWarning,
            stacklevel=2,
        )
    return node.grad


def _set_grad(self: Array, value: Any) -> None:
    x, node = _known(self, "grad")
    if value is not None:
        value = value if isinstance(value, Array) else Array(new_value(value), AMBIENT)
        if value.shape != x.shape:
            raise ShapeError(
                f"a grad of shape {value.shape} was given to an Array of shape {x.shape}.",
                "Give one of the Array's shape, or None.",
            )
    if node is None:
        if value is None:
            return
        node = x.index = Node(NOBODY)
    node.grad = value


def _del_grad(self: Array) -> None:
    _set_grad(self, None)


def _retain_grad(self: Array) -> None:
    """Keep the gradient of an Array that is no leaf in its ``grad``."""
    _, node = _known(self, "retain_grad()")
    if not _is_recorded(node):
        raise BackwardError(
            "retain_grad was called on an Array that requires no gradient.",
            "Make its sources with wg.array(value, requires_grad=True).",
        )
    assert node is not None
    node.keeps_grad = True


def _detach(self: Array) -> Array:
    """The same value, from which nothing is recorded."""
    x, _ = _known(self, "detach()")
    return Array(x.value, AMBIENT)


def _numpy(self: Array) -> np.ndarray:
    """A copy of the value as a plain array."""
    x, node = _known(self, "numpy()")
    if _is_recorded(node) and BY_BACKWARD in active():
        raise LostDerivativeError(
            f"numpy() was called on an Array of shape {x.shape} that requires a gradient, which "
            "would lose its derivative.",
            "Write x.detach().numpy() for the value alone.",
        )
    return np.array(concrete(x))


def _item(self: Array, *index: Any) -> Any:
    """One element as a Python number."""
    x = self.current()
    if x.tape is AMBIENT or x.tape is CONSTANTS:
        return np.asarray(concrete(x)).item(*index)
    return _item_of_traced(self, *index)


_item_of_traced = Array.item


def _attach() -> None:
    """Give Array the methods and attributes of PyTorch's form."""
    for name, method in {
        "backward": backward,
        "requires_grad_": _requires_grad,
        "retain_grad": _retain_grad,
        "detach": _detach,
        "numpy": _numpy,
        "item": _item,
    }.items():
        setattr(Array, name, method)
    Array.requires_grad = property(_get_requires_grad, _set_requires_grad)
    Array.grad = property(_get_grad, _set_grad, _del_grad)
    Array.is_leaf = property(_is_leaf)


_attach()
