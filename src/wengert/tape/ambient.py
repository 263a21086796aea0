"""`Ambient`: recording outside any transform, for TensorFlow's and PyTorch's forms.

Here no list holds the entries: a handle's index is a `Node` that refers to the nodes of its
operands, so that a forward pass which nobody differentiates is freed with its last handle. A
`Recorder` is somebody who may ask for derivatives; a node is made only if an active recorder
knows one of the operands. For a sweep the nodes that a target depends on are laid out as the
entries that `sweep.py` reads. The one difficulty is higher derivatives: what a node saved is raw,
and gets its handle back when a sweep is recorded.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from wengert.errors import MutationError, TapeReleasedError, user_frame
from wengert.primitives.adjoints import like_of
from wengert.primitives.arithmetic import add as ADD
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import write as WRITE
from wengert.primitives.joining import part as PART
from wengert.tape.array import Array, Path, Trace, rebuild
from wengert.tape.columns import Place, place_of
from wengert.tape.scopes import Calls, Member
from wengert.tape.structural import backward_masked, has_nan
from wengert.tape.sweep import backward
from wengert.tape.tape import NOTHING, likes_of
from wengert.tape.writing import put


class Recorder:
    """Somebody who may ask for derivatives of what is recorded while it is active.

    Attributes
    ----------
    is_live : bool
        False once nothing can be asked of it any more.
    keeps_all : bool
        Whether it looks at the tape: nodes then keep every value, the user's line, call and scope.
    calls : Calls or None
        The calls and scopes met while it is active, if it looks at the tape.
    """

    __slots__ = ("calls", "is_live", "keeps_all")

    def __init__(self, keeps_all: bool = False) -> None:
        self.is_live = True
        self.keeps_all = keeps_all
        self.calls: Calls | None = None

    def notice(self, variable: Any) -> None:
        """A variable is read while this recorder is active."""


Recorders = frozenset[Recorder]
NOBODY: Recorders = frozenset()
BY_BACKWARD = Recorder()  # all of PyTorch's form: what has `requires_grad`

_active: ContextVar[Recorders] = ContextVar("wengert_recorders", default=frozenset({BY_BACKWARD}))
_serials = itertools.count()


def active() -> Recorders:
    """The recorders of the current context."""
    return _active.get()


def set_active(recorders: Recorders) -> None:
    """Let these recorders be active in the current context."""
    _active.set(recorders)


class Seen(NamedTuple):
    """What a node keeps for those who look at it; a sweep does not read it."""

    values: tuple[Any, ...]  # of all operands
    out: Any
    place: Place | None
    member: Member | None  # of calls and scopes


class Node:
    """What is known of one recorded value: how it was computed, and for whom.

    Attributes
    ----------
    known : frozenset of Recorder
        Who may ask for derivatives with respect to it.
    recorded : frozenset of Recorder
        For whom its computation is recorded; nobody, for a leaf.
    saved : tuple or None
        The raw values that the backward sweep reads; None once they are released.
    grad : Array or None
        The gradient that `backward` has accumulated.
    seen : Seen or None
        What a recorder that looks at the tape wants to see.
    """

    __slots__ = (
        "grad",
        "keeps_grad",
        "known",
        "likes",
        "parameters",
        "parents",
        "primitive",
        "recorded",
        "saved",
        "seen",
        "serial",
    )

    def __init__(
        self,
        known: Recorders,
        primitive: Primitive | None = None,
        parents: tuple[Node | None, ...] = (),
        saved: tuple[Any, ...] | None = (),
        likes: Any = None,
        parameters: dict[str, Any] = NOTHING,
    ) -> None:
        self.known = known
        self.recorded = NOBODY if primitive is None else known
        self.serial = next(_serials)
        self.primitive, self.parents, self.saved = primitive, parents, saved
        self.likes, self.parameters = likes, parameters
        self.grad: Any = None
        self.keeps_grad = False
        self.seen: Seen | None = None

    def see(self, values: Sequence[Any], out: Any) -> None:
        """Keep what there is to look at, if one of the recorders wants it."""
        for recorder in self.recorded:
            if recorder.keeps_all:
                frame = user_frame(sys._getframe(1))
                copies = tuple([x.copy() if type(x) is np.ndarray else x for x in values])
                member = recorder.calls.member(frame) if recorder.calls is not None else None
                self.seen = Seen(copies, out, place_of(frame), member)
                return

    @property
    def is_leaf(self) -> bool:
        return self.primitive is None

    def watch(self, recorder: Recorder) -> None:
        """Let a recorder know this value; forget those that are gone."""
        if recorder not in self.known:
            self.known = frozenset([r for r in self.known if r.is_live] + [recorder])

    def release(self, recorder: Recorder) -> None:
        """Free what was saved, unless somebody else needs it."""
        if not self.recorded <= {recorder}:
            self.recorded -= {recorder}
        elif self.saved is not None and any(value is not None for value in self.saved):
            self.saved, self.parents, self.parameters = None, (), NOTHING


class Ambient(Trace):
    """The trace of Arrays that belong to no transform; there is one, `AMBIENT`."""

    level = 0
    is_lazy = False  # who is active now may not be when a view is used

    def traces(self, x: Array) -> bool:
        node = x.index
        return node is not None and not node.known.isdisjoint(_active.get())

    def record(
        self, primitive: Primitive, operands: tuple[Any, ...], parameters: dict[str, Any]
    ) -> Any:
        values: list[Any] = []
        nodes: list[Node | None] = []
        foreign: list[int] = []
        for position, x in enumerate(operands):
            node = None
            if isinstance(x, Array):
                x = x.current()
                if x.tape is self and primitive.is_differentiable(position):
                    node = x.index
                x = x.value
            elif type(x) is np.ndarray:
                foreign.append(position)
            values.append(x)
            nodes.append(node)
        out = primitive(*values, **parameters)
        recorders = _recorders(nodes)
        if not recorders:
            return self.constant(out)
        return self._add(primitive, nodes, values, foreign, out, parameters, recorders)

    def binary(self, primitive: Primitive, operate: Any, x1: Any, x2: Any) -> Any:
        # Plain handles and numbers; all else goes the long way.
        if type(x1) is Array and x1.tape is self:
            v1, n1 = x1.value, x1.index
        elif type(x1) in _PLAIN:
            v1, n1 = x1, None
        else:
            return self.record(primitive, (x1, x2), NOTHING)
        if type(x2) is Array and x2.tape is self:
            v2, n2 = x2.value, x2.index
        elif type(x2) in _PLAIN:
            v2, n2 = x2, None
        else:
            return self.record(primitive, (x1, x2), NOTHING)
        out = operate(v1, v2)
        if type(out) is tuple:
            return self.record(primitive, (x1, x2), NOTHING)
        recorders = _recorders((n1, n2))
        if not recorders:
            return self.constant(out)
        parents = _known_to(recorders, (n1, n2))
        kept = primitive.keeps((parents[0] is not None, parents[1] is not None))
        saved = tuple([v if keep else None for v, keep in zip((v1, v2, out), kept, strict=True)])
        if primitive.needs_likes:
            likes: Any = (like_of(v1), like_of(v2))
        elif type(out) is np.float64 and type(v1) in _FLOATS and type(v2) in _FLOATS:
            likes = None
        else:
            likes = likes_of((v1, v2), [0 if p is not None else -1 for p in parents], out)
        node = Node(recorders, primitive, parents, saved, likes)
        node.see((v1, v2), out)
        return Array(out, self, node)

    def _add(
        self,
        primitive: Primitive,
        nodes: list[Node | None],
        values: list[Any],
        foreign: list[int],
        out: Any,
        parameters: dict[str, Any],
        recorders: Recorders,
    ) -> Any:
        parents = _known_to(recorders, nodes)
        is_live = tuple([p is not None for p in parents])
        kept = primitive.keeps(is_live)
        saved = [v if keep else None for v, keep in zip((*values, out), kept, strict=True)]
        for position in foreign:  # nothing stops its owner from changing it before the sweep
            saved[position] = _owned(saved[position])
        if primitive.needs_likes or primitive.outputs > 1:
            likes: Any = tuple([like_of(value) for value in values])
        else:
            likes = likes_of(values, [0 if live else -1 for live in is_live], out)
        node = Node(recorders, primitive, parents, tuple(saved), likes, parameters)
        node.see(values, out)
        if primitive.outputs > 1:
            return self._parts(out, node)
        return Array(out, self, node)

    def _parts(self, out: tuple[Any, ...], node: Node) -> tuple[Any, ...]:
        """A node for each part of a tuple-valued one."""
        likes = tuple([like_of(value) for value in out])
        return rebuild(
            out,
            [
                Array(value, self, _part(node, likes, k))
                if likes[k].dtype.kind in "fc"
                else self.constant(value)
                for k, value in enumerate(out)
            ],
        )

    def constant(self, value: Any) -> Any:
        """What nobody asks a derivative of: floats and arrays of them as Arrays, all else as is."""
        if isinstance(value, tuple):
            return rebuild(value, [self.constant(part) for part in value])
        if type(value) is float:
            value = np.float64(value)  # which divides by zero as NumPy does
        if isinstance(value, float | complex) or getattr(value, "dtype", _OBJECT).kind in "fc":
            return Array(value, self)
        return value

    def write(self, root: Array, path: Path, value: Any, add: bool) -> None:
        node = root.index if root.tape is self else None
        part = None
        if isinstance(value, Array):
            value = value.current()
            part = value.index if value.tape is self else None
            value = value.value
        recorders = _recorders((node, part))
        _check_leaf(node)
        like, part_like = like_of(root.value), like_of(value)
        is_seen = any(recorder.keeps_all for recorder in recorders)
        before = np.array(root.value) if is_seen else None
        put(root, path, value, add=add)
        root.tape = self
        root.index = node  # unrecorded writes leave the node: a parameter stays what it is
        if recorders:
            parameters = {"path": path, "add": add}
            saved, likes = (None, None, None), (like, part_like)
            parents = _known_to(recorders, (node, part))
            root.index = Node(recorders, WRITE, parents, saved, likes, parameters)
            if is_seen:
                root.index.see((before, value), np.array(root.value))

    def move(self, root: Array, result: Array) -> None:
        node = root.index
        _check_leaf(node)
        root.value, root.tape, root.index = result.value, result.tape, result.index
        if result.tape is self and result.index is None:
            root.index = node


AMBIENT = Ambient()
_OBJECT = np.dtype(object)
_FLOATS = frozenset({float, np.float64})
_PLAIN = frozenset({float, int, bool, complex, np.float64, np.float32, np.int64, np.complex128})


def _check_leaf(node: Node | None) -> None:
    """Refuse to change a parameter while PyTorch's form records."""
    if node is not None and node.is_leaf and BY_BACKWARD in node.known & _active.get():
        raise MutationError(
            "an Array made with requires_grad=True was changed in place while operations are "
            "recorded: it would no longer be the Array whose gradient is asked for.",
            "Change it under with wg.no_grad():, or write x = x + step to make a new Array.",
        )


def _recorders(nodes: Iterable[Node | None]) -> Recorders:
    """The active recorders that know one of the nodes."""
    found = NOBODY
    for node in nodes:
        if node is not None and node.known is not found:
            found = found | node.known if found else node.known
    return _among(found, _active.get()) if found else found


def _among(found: Recorders, recorders: Recorders) -> Recorders:
    """The intersection; the first set itself where it can be, as most nodes share one."""
    return found if found <= recorders else found & recorders


def _known_to(recorders: Recorders, nodes: Iterable[Node | None]) -> tuple[Node | None, ...]:
    """The nodes that one of the recorders knows; None for the others."""
    return tuple(
        [
            n if n is None or n.known is recorders or not n.known.isdisjoint(recorders) else None
            for n in nodes
        ]
    )


def _owned(value: Any) -> Any:
    """A saved array that nobody else can change."""
    link = value
    while type(link) is np.ndarray:
        if link.flags.writeable:
            return value.copy()
        link = link.base
    return value


def _part(node: Node, likes: Any, position: int) -> Node:
    return Node(node.recorded, PART, (node,), (), likes, {"position": position})


# ----------------------------------------------------------------------------------------- sweeping


def reachable(recorder: Recorder, targets: Iterable[Node]) -> list[Node]:
    """The nodes that targets depend on and a recorder knows, in the order of recording."""
    found: dict[Node, None] = {}
    waiting = [node for node in targets if recorder in node.known]
    while waiting:
        node = waiting.pop()
        if node in found:
            continue
        found[node] = None
        if recorder in node.recorded:
            if node.saved is None:
                raise _released()
            waiting += [p for p in node.parents if p is not None and recorder in p.known]
    return sorted(found, key=_serial)


def pull(
    recorder: Recorder,
    nodes: Sequence[Node],
    seeds: Sequence[tuple[Node, Any]],
    wanted: Sequence[Node],
) -> list[Any]:
    """Adjoints of the wanted nodes, given those of some; None for one that these do not depend on.

    `nodes` are those that `reachable` gives.
    """
    layout = _Layout(recorder, nodes, frozenset(wanted))
    count, indices = len(layout.entries), layout.indices

    def seeded() -> list[Any]:
        adjoints: list[Any] = [None] * count
        for node, seed in seeds:
            k = indices.get(node, -1)
            if k >= 0:
                adjoints[k] = seed if adjoints[k] is None else adjoints[k] + seed
        return adjoints

    places = [layout.kept.get(node) for node in wanted]
    with np.errstate(all="ignore"):
        adjoints = seeded()
        backward(layout.entries, adjoints)
        if any(has_nan(adjoints[k]) for k in places if k is not None):
            adjoints = seeded()
            at = sorted({indices[node] for node, _ in seeds if node in indices})
            backward_masked(layout.entries, adjoints, at)
    return [None if k is None else adjoints[k] for k in places]


class _Layout:
    """Nodes as a list of entries.

    Attributes
    ----------
    entries : list
        What the sweep reads.
    indices : dict
        Where the adjoint of a node starts from.
    kept : dict
        Where the adjoint of a wanted node is found afterwards.
    """

    def __init__(self, recorder: Recorder, nodes: Sequence[Node], wanted: frozenset[Node]):
        self.recorder = recorder
        self.entries: list[Any] = []
        self.indices: dict[Node, int] = {}
        self.kept: dict[Node, int] = {}
        recorders = _active.get()
        for node in nodes:
            if recorder in node.recorded:
                if node not in wanted and not any(p in self.indices for p in node.parents):
                    continue  # it does not lead to what is wanted
                self._append(node, self._entry(node, recorders))
            elif node in wanted:
                self._append(node, None)
            if node in wanted:
                self._keep(node)

    def _append(self, node: Node, made: Any) -> None:
        self.entries.append(made)
        self.indices[node] = len(self.entries) - 1

    def _entry(self, node: Node, recorders: Recorders) -> Any:
        assert node.primitive is not None
        parents = tuple([self.indices.get(p, -1) if p is not None else -1 for p in node.parents])
        if node.primitive.selects:
            # Whether a tie is shared does not depend on what is asked for: the rest gets a sink.
            parents = tuple([self._sink(p, k) for p, k in zip(node.parents, parents, strict=True)])
        saved = _handles(node, recorders)
        return (node.primitive, parents, saved, node.likes, node.parameters)

    def _sink(self, parent: Node | None, index: int) -> int:
        if index >= 0 or parent is None or self.recorder not in parent.known:
            return index
        self.entries.append(None)
        return len(self.entries) - 1

    def _keep(self, node: Node) -> None:
        """Let the adjoint of a node be found after the sweep has passed it."""
        index = self.indices[node]
        if self.entries[index] is None:
            self.kept[node] = index
            return
        self.entries.append(None)
        self.kept[node] = index + 1
        # All that follows refers to a sum of the node and an input: both get its adjoint.
        self._append(node, (ADD, (index, index + 1), (None, None, None), None, NOTHING))


def _handles(node: Node, recorders: Recorders) -> tuple[Any, ...]:
    """What a node saved; with handles where the sweep itself is to be recorded."""
    saved = node.saved
    assert saved is not None
    if not saved or node.known.isdisjoint(recorders):
        return saved
    parts = [
        v if v is None or p is None or p.known.isdisjoint(recorders) else Array(v, AMBIENT, p)
        for v, p in zip(saved, node.parents, strict=False)
    ]
    out = saved[-1]
    if isinstance(out, tuple):
        out = AMBIENT._parts(out, node)
    elif out is not None:
        out = Array(out, AMBIENT, node)
    return (*parts, out)


def _serial(node: Node) -> int:
    return node.serial


def _released() -> TapeReleasedError:
    return TapeReleasedError(
        "what was recorded for this result has been used and released.",
        "Pass retain_graph=True to the first backward, or persistent=True to wg.GradientTape, to "
        "differentiate more than once.",
    )
