"""TensorFlow's form: `GradientTape`.

A tape here is a `Recorder` of `tape/ambient.py` with a life: it is active between ``with`` and
the end of the block, knows what it watches, and is released when its gradient is taken. What it
differentiates by are the Arrays of `variables.py`.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import (
    ArgumentError,
    RecordingError,
    ShapeError,
    SourceTypeError,
    TapeReleasedError,
)
from wengert.frontends.variables import Variable
from wengert.primitives.adjoints import Like, fit, like_of
from wengert.tape.ambient import (
    AMBIENT,
    NOBODY,
    Node,
    Recorder,
    active,
    pull,
    reachable,
    set_active,
)
from wengert.tape.array import Array
from wengert.tape.scopes import Calls
from wengert.tape.seams import tracing
from wengert.transforms.forward import checked_seed
from wengert.transforms.vmap import vmap


class UnconnectedGradients(enum.Enum):
    """What `GradientTape.gradient` gives for a source that the target does not depend on."""

    NONE = "none"
    ZERO = "zero"


class TapeRecorder(Recorder):
    """The recorder of one `GradientTape`."""

    __slots__ = ("is_watching", "variables")

    def __init__(self, is_watching: bool, keeps_all: bool = False):
        super().__init__(keeps_all)
        self.is_watching = is_watching
        self.variables: dict[int, Variable] = {}

    def notice(self, variable: Variable) -> None:
        if self.is_watching and variable.trainable:
            variable.index.watch(self)
            self.variables[id(variable)] = variable

    def end(self) -> dict[int, Variable]:
        """Nothing will be asked any more; gives the variables that were watched."""
        self.is_live = False
        variables, self.variables = self.variables, {}
        return variables


class GradientTape:
    """Records what is computed in its ``with`` block, to differentiate it afterwards.

    Parameters
    ----------
    persistent : bool
        Keep what was recorded, so that `gradient` may be called more than once.
    watch_accessed_variables : bool
        Watch every trainable `Variable` that is read. Everything else must be watched by `watch`.
    keep : {"needed", "all"}
        What to keep of each operation: what the gradient needs; or everything, to look at the tape
        with `draw`: every value, and the lines that computed them.

    Notes
    -----
    As TensorFlow's, with NumPy's dtypes. Gradients of complex values are df/dx - i df/dy, as those
    of `grad`: the conjugate of TensorFlow's.

    Examples
    --------
    >>> w = wg.Variable(3.0)
    >>> with wg.GradientTape() as outer:
    ...     with wg.GradientTape() as inner:
    ...         y = w**3
    ...     slope = inner.gradient(y, w)
    >>> slope == 27.0, outer.gradient(slope, w) == 18.0
    (np.True_, np.True_)
    """

    def __init__(
        self,
        persistent: bool = False,
        watch_accessed_variables: bool = True,
        keep: str = "needed",
    ):
        if keep not in ("needed", "all"):
            raise ArgumentError(
                f"keep={keep!r:.40} is neither 'needed' nor 'all'.", "Pass one of these."
            )
        self.persistent = persistent
        self._watches, self._keeps_all = watch_accessed_variables, keep == "all"
        self._seams: list[tracing] = []
        self._recorder = TapeRecorder(watch_accessed_variables, self._keeps_all)
        self._variables: dict[int, Variable] = {}
        self._is_released = False

    def __enter__(self) -> GradientTape:
        self._start()
        seams = tracing()  # np.zeros(n) makes an array that recorded values can be written into
        seams.__enter__()
        self._seams.append(seams)
        return self

    def __exit__(self, *exception: object) -> None:
        self._seams.pop().__exit__(None, None, None)
        if self._is_recording:
            self._stop()

    def __del__(self) -> None:
        recorder = getattr(self, "_recorder", None)
        if recorder is not None:
            recorder.end()

    @property
    def _is_recording(self) -> bool:
        return self._recorder in active()

    def _start(self) -> None:
        if self._is_recording:
            raise RecordingError(
                "this GradientTape records already.", "Make another tape for the inner block."
            )
        if self._is_released:
            self._renew()
        if self._keeps_all:
            self._recorder.calls = Calls()
        set_active(active() | {self._recorder})

    def _stop(self) -> None:
        set_active(active() - {self._recorder})
        if self._recorder.calls is not None:
            self._recorder.calls.end()

    def _renew(self) -> None:
        self._recorder.end()
        self._recorder = TapeRecorder(self._watches, self._keeps_all)
        self._variables, self._is_released = {}, False

    # ---------------------------------------------------------------------------------- recording

    def watch(self, tensor: Any) -> None:
        """Record what is computed from these Arrays: one, or a tree of them."""
        for x in tree.leaves(tensor):
            node = _node_of(x, "watch")
            if x.dtype.kind not in "fc":
                raise SourceTypeError(
                    f"watch was given {x.dtype}, and only floating-point numbers have derivatives.",
                    "Pass a float: wg.constant(3.0) instead of wg.constant(3).",
                )
            node.watch(self._recorder)
            if isinstance(x, Variable):
                self._recorder.variables[id(x)] = x

    def watched_variables(self) -> tuple[Variable, ...]:
        """The variables watched so far, in the order of their first use."""
        return tuple((self._variables | self._recorder.variables).values())

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """While it lasts, nothing is recorded."""
        if not self._is_recording:
            raise RecordingError(
                "stop_recording was called on a GradientTape that does not record.",
                "Call it inside the tape's with block.",
            )
        self._stop()
        try:
            yield
        finally:
            self._start()

    def reset(self) -> None:
        """Forget everything recorded and watched."""
        was_recording = self._is_recording
        if was_recording:
            self._stop()
        self._renew()
        if was_recording:
            self._start()

    # ---------------------------------------------------------------------------------- gradients

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
    ) -> Any:
        """Derivative of the sum of a target's elements by each source.

        Parameters
        ----------
        target : Array or tree of them
            What was computed in the block; several targets are summed.
        sources : Array, Variable or tree of them
            What to differentiate by; may be intermediate results.
        output_gradients : as `target`, optional
            Weights of the target's elements (adjoints to start from); ones by default.
        unconnected_gradients : {"none", "zero"} or UnconnectedGradients
            What to give for a source that the target does not depend on.

        Returns
        -------
        as `sources`
            Gradients with the shapes and dtypes of the sources; None for an unconnected one.

        Raises
        ------
        TapeReleasedError
            At the second call, unless the tape is persistent.
        """
        fill = _fill(unconnected_gradients)
        self._check()
        targets, structure = tree.flatten(target)
        given = _seeds(targets, structure, output_gradients)
        found, structure = tree.flatten(sources)
        nodes = [_node_of(x, "gradient") for x in found]
        pairs = [(node, seed) for node, seed in zip(map(_target_node, targets), given, strict=True)]
        with self._using([node for node, _ in pairs]) as reached:
            seeds = [(node, seed) for node, seed in pairs if self._recorder in node.known]
            adjoints = pull(self._recorder, reached, seeds, nodes)
        wrapped = [
            _result(adjoint, like_of(x), fill) for adjoint, x in zip(adjoints, found, strict=True)
        ]
        return tree.unflatten(structure, wrapped)

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
    ) -> Any:
        """Derivatives of every element of a target by every element of each source.

        Parameters
        ----------
        target : Array
            What was computed in the block.
        sources : Array, Variable or tree of them
            What to differentiate by.
        unconnected_gradients : {"none", "zero"} or UnconnectedGradients
            What to give for a source that the target does not depend on.

        Returns
        -------
        as `sources`
            Arrays of shape ``target.shape + source.shape``.
        """
        fill = _fill(unconnected_gradients)
        self._check()
        found, structure = tree.flatten(sources)
        like = like_of(target)
        units = np.reshape(np.eye(like.size, dtype=like.dtype), (like.size, *like.shape))
        rows = self._rows(target, found, units)
        blocks = [
            None if row is None else np.reshape(row, (*like.shape, *np.shape(x)))
            for row, x in zip(rows, found, strict=True)
        ]
        full = [Like((*like.shape, *np.shape(x)), like_of(x).dtype) for x in found]
        wrapped = [_result(block, shape, fill) for block, shape in zip(blocks, full, strict=True)]
        return tree.unflatten(structure, wrapped)

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
    ) -> Any:
        """The Jacobian of each example by itself, where no example depends on another.

        Parameters
        ----------
        target : Array, shape (batch, ...)
            What was computed in the block; row k depends on row k of the source only.
        source : Array, shape (batch, ...)
            What to differentiate by.
        unconnected_gradients : {"none", "zero"} or UnconnectedGradients
            What to give if the target does not depend on the source.

        Returns
        -------
        Array
            Of shape ``(batch, *target.shape[1:], *source.shape[1:])``.
        """
        fill = _fill(unconnected_gradients)
        self._check()
        like, given = like_of(target), like_of(source)
        if not like.shape or not given.shape or like.shape[0] != given.shape[0]:
            raise ShapeError(
                f"batch_jacobian needs a target and a source with one leading axis in common, not "
                f"{like.shape} and {given.shape}.",
                "For all pairs of elements use jacobian.",
            )
        batch, inner = like.shape[0], like.shape[1:]
        size = Like(inner, like.dtype).size
        units = np.reshape(np.eye(size, dtype=like.dtype), (size, 1, *inner))
        units = np.broadcast_to(units, (size, batch, *inner)).copy()
        (rows,) = self._rows(target, [source], units)
        full = Like((batch, *inner, *given.shape[1:]), given.dtype)
        if rows is not None:
            rows = np.reshape(np.moveaxis(rows, 0, 1), full.shape)
        return _result(rows, full, fill)

    def _rows(self, target: Any, sources: list[Any], units: np.ndarray) -> list[Any]:
        """Adjoints of the sources for each of many seeds, stacked; None where unconnected."""
        nodes = [_node_of(x, "jacobian") for x in sources]
        likes = [like_of(x) for x in sources]
        node = _target_node(target)
        with self._using([node]) as reached:
            if self._recorder not in node.known:
                return [None] * len(nodes)
            connected = [node in set(reached) for node in nodes]

            def rows_of(seed: Any) -> list[Any]:
                pulled = pull(self._recorder, reached, [(node, seed)], nodes)
                return [
                    np.zeros(like.shape, like.dtype) if adjoint is None else fit(adjoint, like)
                    for adjoint, like in zip(pulled, likes, strict=True)
                ]

            if len(units) == 0:
                stacked = [np.zeros((0, *like.shape), like.dtype) for like in likes]
            else:
                stacked = vmap(rows_of)(units)
        return [row if is_used else None for row, is_used in zip(stacked, connected, strict=True)]

    def _check(self) -> None:
        if self._is_released:
            raise TapeReleasedError(
                "gradient was called a second time on a GradientTape that is not persistent: what "
                "it recorded was released by the first call.",
                "Make it with wg.GradientTape(persistent=True), or ask for all sources at once.",
            )

    @contextlib.contextmanager
    def _using(self, targets: list[Node]) -> Iterator[list[Node]]:
        """What the targets depend on; released afterwards, unless the tape is persistent."""
        if self._is_recording and not self.persistent:
            self._stop()
        reached = reachable(self._recorder, targets)
        yield reached
        if not self.persistent:
            for node in reached:
                node.release(self._recorder)
            self._variables |= self._recorder.end()
            self._is_released = True


# ------------------------------------------------------------------------------ targets and sources


def _fill(given: Any) -> bool:
    """True if unconnected gradients are to be zeros."""
    try:
        return UnconnectedGradients(given) is UnconnectedGradients.ZERO
    except ValueError:
        raise ArgumentError(
            f"unconnected_gradients={given!r} is neither 'none' nor 'zero'.",
            "Pass wg.UnconnectedGradients.NONE or wg.UnconnectedGradients.ZERO.",
        ) from None


def _node_of(x: Any, what: str) -> Node:
    """The node of an Array that a tape can watch, made if there is none yet."""
    if isinstance(x, Variable):
        return x.index
    if isinstance(x, Array):
        x = x.current()
        if x.tape is AMBIENT:
            if x.index is None:
                x.index = Node(NOBODY)
            return x.index
        found = "an Array that a transform (such as wg.grad) traces"
    else:
        found = f"{type(x).__name__} ({x!r:.40})"
    raise SourceTypeError(
        f"{what} was given {found}, but a tape knows only Arrays made by wg.constant, wg.Variable "
        "or wg.array, and what was computed from them.",
        "Make it with wg.constant(value) and watch it; inside a transform use wg.grad.",
    )


def _target_node(x: Any) -> Node:
    """The node of a target; for a number that depends on nothing, one that nobody knows."""
    if isinstance(x, Array) and x.current().tape is AMBIENT:
        return x.current().index or Node(NOBODY)
    if isinstance(x, Array):
        return _node_of(x, "gradient")
    return Node(NOBODY)


def _seeds(targets: list[Any], structure: Any, given: Any) -> list[Any]:
    """One adjoint for each target."""
    if given is None:
        parts: list[Any] = [None] * len(targets)
    else:
        try:
            parts = structure.flatten_up_to(given)
        except ValueError as error:
            raise ShapeError(
                f"output_gradients has not the structure of the target ({structure}).",
                "Pass one array (or None) for each target.",
            ) from error
    return [
        like_of(x).ones() if part is None else checked_seed(part, like_of(x), "an output gradient")
        for x, part in zip(targets, parts, strict=True)
    ]


def _result(adjoint: Any, like: Like, fill: bool) -> Any:
    """A gradient as the caller gets it: an Array in the shape and dtype of its source."""
    if adjoint is None:
        return Array(np.zeros(like.shape, like.dtype), AMBIENT) if fill else None
    adjoint = fit(adjoint, like)
    if isinstance(adjoint, Array):
        return adjoint.current()
    if type(adjoint) is np.ndarray and (adjoint.base is not None or not adjoint.flags.writeable):
        adjoint = adjoint.copy()
    return Array(adjoint, AMBIENT)
