"""Views: handles onto part of another Array, as NumPy's are onto part of another array's memory.

A `View` keeps (root, path, what it has seen) and looks itself up, by recording one entry, when its
value is asked for and the root has moved since. Until then it knows its shape only:
``x.T[...] = v`` and ``x[i][j]`` read nothing on the way. What NumPy would copy is no view: the
concrete array's layout in memory decides.
Writing is in `writing.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import MutationError
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import follow, step_into
from wengert.primitives.taking import gather, holes, scatter
from wengert.tape.array import Array, Path, Trace, is_batched
from wengert.tape.keys import Key, composed, plain_key
from wengert.tape.reading import VIEWING, look_up, memory, root_of
from wengert.tape.stacking import stack
from wengert.tape.writing import assign_whole, write


class View(Array):
    """A handle onto part of another: `root` followed along `path`, looked up when it is used.

    Parameters
    ----------
    root : Array
        The handle that owns the memory; never a view.
    path : tuple
        The steps from it.
    like : ndarray
        Has the shape and dtype of the view.
    outer : tuple of int
        Shape of what the last step is taken in.
    """

    __slots__ = ("cached", "kind", "outer", "path", "root", "seen", "sizes")

    is_window = False  # its path is an index of integer arrays; see windows.py

    def __init__(self, root: Array, path: Path, like: np.ndarray, outer: tuple[int, ...]):
        self.root, self.path, self.outer = root, path, outer
        self.sizes, self.kind = like.shape, like.dtype
        self.cached: Array | None = None
        self.seen: tuple[Trace, int] | None = None

    def current(self) -> Array:
        root = self.root
        stamp = (root.tape, root.writes)
        if self.cached is None or self.seen != stamp:
            self.cached, self.seen = look_up(root, self.path), stamp
        return self.cached

    def forget(self) -> None:
        """Let go of the value: the root's buffer has one owner again."""
        self.cached = None

    def laid_out(self, home: np.ndarray) -> Any:
        """What NumPy would hold for it, if it held `home` for the root."""
        return follow(home, self.path)

    def part(self, step: tuple[str, Any]) -> View:
        """A view of a window, one step further."""
        raise NotImplementedError

    def extended(self, step: tuple[str, Any]) -> Path:
        """The path of a window with one more step."""
        raise NotImplementedError

    @property
    def value(self) -> Any:
        return self.current().value

    @property
    def tape(self) -> Trace:  # type: ignore[override]
        return self.current().tape

    @property
    def index(self) -> Any:
        return self.current().index

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sizes

    @property
    def ndim(self) -> int:
        return len(self.sizes)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.kind

    @property
    def base(self) -> Array:
        return self.root


class Row(View):
    """``x[i]`` with an `i` that a program computes: what NumPy would make a view of `x`.

    It is read anew when `x` has changed. Nothing can be written through it.
    """

    __slots__ = ("found", "source", "stamp")

    def __init__(self, source: Array, found: Key, row: Array):
        super().__init__(row, (), memory(row), ())
        self.source, self.found = source, found
        self.stamp = self._now()

    def _now(self) -> tuple[Trace, int]:
        root, _ = root_of(self.source)
        return root.tape, root.writes

    def current(self) -> Array:
        stamp = self._now()
        if self.stamp != stamp:
            self.root, self.stamp = _gathered(self.source, self.found), stamp
        return self.root

    def forget(self) -> None:
        raise MutationError(
            f"a row of shape {self.sizes}, chosen by an index that the compiled function computes, "
            "was to be written.",
            "Write to the array itself, in one step: x[i, j] = v, or x[i] = new_row.",
        )


def view(x: Array, step: tuple[str, Any]) -> Array | None:
    """`x` seen through one more step; None where NumPy would copy."""
    whole = memory(x)
    if type(whole) is not np.ndarray:
        return None
    part = step_into(whole, step)
    kind = step[0]
    if kind == "reshape":
        if not (whole.flags.c_contiguous or np.may_share_memory(whole, part)):
            return None
    elif kind == "imag" and whole.dtype.kind != "c":
        return None
    root, path = root_of(x)
    if isinstance(x, View) and x.is_window:
        made = x.part(step)
    else:
        path, outer = extended(x, path, step, whole.shape)
        made = View(root, path, part, outer)
    if not root.tape.is_lazy:
        made.current()
    return made


def as_view(primitive: Primitive, x: Any, parameters: dict[str, Any]) -> Array | None:
    """The view that a primitive makes of its operand, if NumPy would make one."""
    if not isinstance(x, Array):
        return None
    kind, name = VIEWING[primitive]
    if kind == "diagonal":
        path = parameters["path"]
        return view(x, path[0]) if len(path) == 1 and path[0][0] == "diagonal" else None
    return view(x, (kind, parameters[name] if name else None))


def extended(
    x: Array, path: Path, step: tuple[str, Any], shape: tuple[int, ...]
) -> tuple[Path, tuple[int, ...]]:
    """A path with one more step, joined to the last one if it can be; what the last is taken in."""
    if isinstance(x, View) and x.is_window:
        return x.extended(step), shape
    kind, argument = step
    if (kind == "transpose" and argument == tuple(range(len(shape)))) or (
        kind == "reshape" and argument == shape
    ):
        return path, x.outer if isinstance(x, View) else shape
    if kind == "real" and x.dtype.kind != "c":
        return path, x.outer if isinstance(x, View) else shape
    if path and path[-1][0] == kind:
        last, outer = path[-1][1], x.outer
        if kind == "reshape":
            return (*path[:-1], step), outer
        if kind == "transpose":
            return (*path[:-1], (kind, tuple([last[k] for k in argument]))), outer
        if kind == "getitem":
            both = composed(last, argument, outer)
            if both is not None:
                return (*path[:-1], (kind, both)), outer
    return (*path, step), shape


# ------------------------------------------------------------------------------------- indexing


def getitem(x: Array, key: Any) -> Any:
    """``x[key]``: a view for basic indices of an array, a copy or a number otherwise."""
    if type(x) is Array:
        value = x.value
        if type(value) is np.ndarray and _is_element(key, value.ndim):
            element = x.tape.element
            if element is not None:
                return element(x, value, key)
    found = plain_key(key, x.ndim)
    if found.is_batched:
        row = _gathered(x, found)
        return Row(x, found, row) if found.is_row and row.shape else row
    step = ("getitem", found.key)
    if found.is_basic and not found.is_element:
        made = view(x, step)
        if made is not None:
            return made
    root, path = root_of(x)
    return look_up(root, extended(x, path, step, x.shape)[0] if path else (step,))


def _is_element(key: Any, ndim: int) -> bool:
    """True for the commonest indices of one element."""
    if type(key) is int:
        return ndim == 1
    return (
        type(key) is tuple and len(key) == 2 == ndim and type(key[0]) is int and type(key[1]) is int
    )


def setitem(x: Array, key: Any, value: Any) -> None:
    """``x[key] = value``."""
    if type(x) is Array:
        put_element = x.tape.put_element
        if put_element is not None and _is_element(key, x.ndim) and put_element(x, key, value):
            return
    found = plain_key(key, x.ndim)
    if found.is_batched:
        _scatter_into(x, found, value)
        return
    root, path = _way_into(x, found)
    if type(value) is View and value.root is root and found.is_basic and value.path == path:
        return  # `x[1:] += y`: Python puts the view back in its place
    write(root, path, value)


def additem(x: Array, key: Any, value: Any) -> None:
    """``np.add.at(x, key, value)``: as `setitem`, but added, as often as a position occurs."""
    found = plain_key(key, x.ndim)
    if found.is_batched:
        _scatter_into(x, found, value, add=True)
        return
    root, path = _way_into(x, found)
    write(root, path, value, add=True)


def _way_into(x: Array, found: Key) -> tuple[Array, Path]:
    """Root and path of a part of `x` that is about to be written; a view lets go of its value."""
    root, path = root_of(x)
    step = ("getitem", found.key)
    if type(x) is Array:
        return root, (step,)
    x.forget()
    return root, extended(x, path, step, x.shape)[0]


def _gathered(x: Array, found: Key) -> Any:
    indices, template = holes(_without_masks(found.key))
    return gather(x.current(), *indices, template=template)


def _without_masks(key: Any) -> tuple[Any, ...]:
    """An index with positions in place of the masks of a program: their number is a guard."""
    parts: list[Any] = []
    for part in key if isinstance(key, tuple) else (key,):
        is_mask = isinstance(part, Array) and part.dtype == bool and not is_batched(part)
        parts += np.nonzero(part) if is_mask else (part,)
    return tuple(parts)


def _scatter_into(x: Array, found: Key, value: Any, add: bool = False) -> None:
    value = value.current() if isinstance(value, Array) else stack(value)
    mask = found.key
    if isinstance(mask, Array) and mask.dtype == bool and np.ndim(value) == 0 and not add:
        mask = np.reshape(mask, (*mask.shape, *(1,) * (x.ndim - mask.ndim)))
        assign_whole(x, np.where(mask, value, x.current()).astype(x.dtype))
        return
    indices, template = holes(_without_masks(mask))
    assign_whole(x, scatter(x.current(), value, *indices, template=template, add=add))
