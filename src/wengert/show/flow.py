"""`Flow`: watch how gradients flow through the groups of a model while it trains.

Each step hands over parameters and gradients as pytrees; kept are a few numbers for each group, so
that a million steps cost megabytes and no array outlives its step but the last parameters. What
is suspicious is said in words, once when it begins. The thresholds stand in one table, `LIMITS`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from html import escape
from typing import Any, NamedTuple

import numpy as np

from wengert import tree
from wengert.errors import ArgumentError, ShapeError
from wengert.show.flow_views import Notebook, Terminal, drawn, in_notebook
from wengert.tape.array import concrete


@dataclass(frozen=True)
class Limits:
    """When a number is suspicious.

    Attributes
    ----------
    vanishing : float
        A group's gradients vanish if their root mean square is below this part of the largest
        group's. Between neighbouring layers a factor of ten is common; 1e-4 is not.
    exploding : float
        A group's gradients explode if their norm is above this multiple of its own median so far,
        or no finite number. One such step is enough for a warning.
    smallest_ratio, largest_ratio : float
        Of the norm of the update to the norm of the weights. 1e-3 is the usual rule of thumb [1]_;
        below 1e-6 hardly anything is learned, above 1e-1 the weights are overwritten.
    dead : float
        A share of units whose gradients are all exactly zero.
    patience : int
        Steps in a row before any other warning.

    References
    ----------
    .. [1] CS231n: Convolutional Neural Networks for Visual Recognition, notes on "Learning",
           section "Ratio of weights:updates".
    """

    vanishing: float = 1e-4
    exploding: float = 100.0
    smallest_ratio: float = 1e-6
    largest_ratio: float = 1e-1
    dead: float = 0.5
    patience: int = 5


LIMITS = Limits()


class Flows(NamedTuple):
    """The numbers of one group at one step.

    Attributes
    ----------
    gradient, weight : float
        Euclidean norms of the gradients and of the parameters.
    rms : float
        Root mean square of the gradients: comparable between groups of different sizes.
    ratio : float
        Norm of the last update by the norm of the weights it was made to; NaN at the first step.
    dead : float
        Share of units whose gradients are all exactly zero; NaN where there are no units.
    """

    gradient: float
    weight: float
    rms: float
    ratio: float
    dead: float


class Warned(NamedTuple):
    """One warning: at which step, about which group, of what kind, in words."""

    step: int
    group: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.text}"


class Flow:
    """Gradient norms, dead units and update-to-weight ratios of a model, step by step.

    Parameters
    ----------
    limits : Limits, optional
        When to warn.
    group : callable, optional
        From the path of a leaf, such as ``['layer1']['w']``, to the name of its group. By default
        the first part of the path: leaves of one layer are one group.
    unit_axis : int
        The axis of a weight's units, whose zero gradients make a unit dead: -1 for ``x @ w``, 0
        for ``w @ x``.
    **changed
        Single limits by name: ``patience=1``.

    Attributes
    ----------
    groups : tuple of str
        In the order of the parameters.
    history : dict of str to list of Flows
        For each group its numbers, an element a step.
    warnings : list of Warned
        What was suspicious, in the order of the steps.

    Notes
    -----
    A unit is *dead* if the gradient of everything that leads into it is exactly zero: so it is for
    a ReLU that no example of the batch switches on. One such step is chance, `patience` of them in
    a row are not: the unit counts as dead from then on until a gradient reaches it.

    Examples
    --------
    >>> from wengert.show.flow import Flow
    >>> flow = Flow(patience=1)
    >>> params = {"first": np.ones((2, 2)), "last": np.ones((2, 1))}
    >>> grads = {"first": np.full((2, 2), 1e-9), "last": np.ones((2, 1))}
    >>> for warned in flow.update(params, grads):
    ...     print(warned)
    step 0: the gradients of first vanish: their root mean square is 1e-09, that of last 1. ...
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        group: Callable[[str], str] | None = None,
        unit_axis: int = -1,
        **changed: Any,
    ):
        known = [field.name for field in fields(Limits)]
        for name in changed:
            if name not in known:
                raise ArgumentError(f"Flow has no limit {name!r}.", f"Limits: {', '.join(known)}.")
        self.limits = replace(limits or LIMITS, **changed)
        self.unit_axis = unit_axis
        self.history: dict[str, list[Flows]] = {}
        self.warnings: list[Warned] = []
        self._group_of = group or first_part
        self._before: list[np.ndarray] | None = None
        self._silent: dict[int, np.ndarray] = {}  # for each leaf and unit, steps without gradient
        self._lasting: dict[tuple[str, str], int] = {}  # steps that each suspicion has lasted
        self._live: Any = None

    # ------------------------------------------------------------------------------------ recording

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in the order of the parameters."""
        return tuple(self.history)

    @property
    def steps(self) -> int:
        """How many steps were recorded."""
        return max((len(numbers) for numbers in self.history.values()), default=0)

    def update(self, params: Any, grads: Any, *, updates: Any = None) -> list[Warned]:
        """Record one step.

        Parameters
        ----------
        params : pytree of arrays
            The parameters at which the gradients were taken.
        grads : as `params`
            Their gradients.
        updates : as `params`, optional
            What the optimiser adds to them now. Without it the last update is taken to be the
            difference to the parameters of the step before, which are copied for that.

        Returns
        -------
        list of Warned
            What is suspicious since this step.
        """
        weights, gradients = _leaves(params, grads, "gradients")
        names = [self._group_of(path) for path in tree.paths(params)]
        if updates is not None:
            moved: list[np.ndarray] | None = _leaves(params, updates, "updates")[1]
            before = weights
        else:
            moved, before = self._moves(weights)
            self._before = [np.array(weight) for weight in weights]
        for name in dict.fromkeys(names):
            of_group = [k for k, other in enumerate(names) if other == name]
            numbers = self._flows(of_group, weights, gradients, moved, before)
            self.history.setdefault(name, []).append(numbers)
        found = self._judged()
        self.warnings += found
        if self._live is not None:
            self._live.show(self)
        return found

    def _moves(self, weights: list[np.ndarray]) -> tuple[list[np.ndarray] | None, list[np.ndarray]]:
        """The update since the last step, and the parameters it was made to."""
        before = self._before
        if before is None:
            return None, weights
        if [x.shape for x in before] != [x.shape for x in weights]:
            raise ShapeError(
                "the parameters have other shapes than at the step before.",
                "Use one Flow for each model.",
            )
        return [new - old for new, old in zip(weights, before, strict=True)], before

    def _flows(
        self,
        leaves: list[int],
        weights: list[np.ndarray],
        gradients: list[np.ndarray],
        moved: list[np.ndarray] | None,
        before: list[np.ndarray],
    ) -> Flows:
        gradient = _norm([gradients[k] for k in leaves])
        size = sum(gradients[k].size for k in leaves)
        ratio = np.nan
        if moved is not None:
            start = _norm([before[k] for k in leaves])
            ratio = _norm([moved[k] for k in leaves]) / start if start else np.nan
        return Flows(
            gradient,
            _norm([weights[k] for k in leaves]),
            gradient / np.sqrt(size) if size else 0.0,
            float(ratio),
            self._dead_share(leaves, gradients),
        )

    def _dead_share(self, leaves: list[int], gradients: list[np.ndarray]) -> float:
        """Share of units that no gradient has reached for as long as `patience`."""
        dead = units = 0
        biases = [gradients[k] for k in leaves if gradients[k].ndim == 1]
        for k in leaves:
            gradient = gradients[k]
            if gradient.ndim < 2:
                continue
            axis = self.unit_axis % gradient.ndim
            others = tuple(x for x in range(gradient.ndim) if x != axis)
            is_silent = ~np.any(gradient != 0, axis=others)
            for bias in biases:  # a unit whose inputs are all zero still learns its bias
                if bias.shape == is_silent.shape:
                    is_silent &= bias == 0
            self._silent[k] = np.where(is_silent, self._silent.get(k, 0) + 1, 0)
            dead += int(np.count_nonzero(self._silent[k] >= self.limits.patience))
            units += is_silent.size
        return dead / units if units else np.nan

    # ------------------------------------------------------------------------------------- judging

    def _judged(self) -> list[Warned]:
        now = {name: numbers[-1] for name, numbers in self.history.items()}
        step = self.steps - 1
        found = []
        for name in now:
            for kind, judge in JUDGES.items():
                text = judge(self, name, now)
                key = (name, kind)
                self._lasting[key] = self._lasting.get(key, 0) + 1 if text else 0
                if text and self._lasting[key] == self._patience(kind):
                    found.append(Warned(step, name, kind, text))
        return found

    def _patience(self, kind: str) -> int:
        # One explosion is one too many, and units count as dead only after their patience.
        return 1 if kind in ("exploding", "dead") else self.limits.patience

    # ------------------------------------------------------------------------------------- showing

    def table(self) -> str:
        """The last step as text, a line for each group, and the last warnings."""
        rows = [HEADS, *[self._cells(name) for name in self.groups]]
        widths = [max(len(row[k]) for row in rows) for k in range(len(HEADS))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, *[str(warned) for warned in self.warnings[-SHOWN:]]])

    def __str__(self) -> str:
        return self.table() if self.history else "no step yet"

    def _cells(self, name: str) -> tuple[str, ...]:
        numbers = self.history[name]
        last = numbers[-1]
        return (
            name,
            f"{last.gradient:.3g}",
            sparkline([x.gradient for x in numbers]),
            f"{last.weight:.3g}",
            _or_blank(last.ratio, "{:.2g}"),
            _or_blank(last.dead, "{:.0%}"),
        )

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        # Only rich calls this, so it is installed.
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"step {self.steps - 1}")
        for k, head in enumerate(HEADS):
            table.add_column(head, no_wrap=True, justify="right" if k in (1, 3, 4, 5) else "left")
        for name in self.groups:
            table.add_row(*[Text(cell) for cell in self._cells(name)])
        yield table
        yield from (Text(str(warned), style="yellow") for warned in self.warnings[-SHOWN:])

    def _repr_html_(self) -> str:
        if not self.history:
            return "<p>no step yet</p>"
        head = "".join(f"<th>{cell}</th>" for cell in HEADS)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in self._cells(name))}</tr>"
            for name in self.groups
        )
        notes = "".join(f"<li>{escape(str(x))}</li>" for x in self.warnings[-SHOWN:])
        return f"<table><tr>{head}</tr>{rows}</table><ul>{notes}</ul>"

    @contextlib.contextmanager
    def live(self) -> Iterator[Flow]:
        """Show the table while the block runs, anew at each `update`: in a terminal or a notebook.

        Raises
        ------
        MissingExtraError
            If rich is not installed (in a terminal).
        """
        self._live = Notebook() if in_notebook() else Terminal()
        try:
            with self._live:
                yield self
        finally:
            self._live = None

    def figure(self, figure: Any = None) -> Any:
        """Draw gradient norms, update-to-weight ratios and dead units over the steps.

        Parameters
        ----------
        figure : matplotlib.figure.Figure, optional
            An empty one to draw into, such as ``plt.figure()``; by default one of our own.

        Returns
        -------
        matplotlib.figure.Figure
            ``figure.savefig("flow.png")`` saves it; a notebook shows it.

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        """
        if not self.history:
            raise ArgumentError("this Flow has no step yet.", "Call flow.update(params, grads).")
        return drawn(self.history, self.warnings, figure)


HEADS = ("group", "gradient", "so far", "weights", "update/weight", "dead")
SHOWN = 4  # warnings below a table


def first_part(path: str) -> str:
    """The first part of a leaf's path: ``layer1`` of ``['layer1']['w']``."""
    if path.startswith("["):
        return path[1 : path.find("]")].strip("'\"")
    return path.lstrip(".").split(".")[0].split("[")[0] or "parameters"


# ------------------------------------------------------------------------------------------- judges


def _vanishing(flow: Flow, name: str, now: Mapping[str, Flows]) -> str:
    largest = max(now, key=lambda other: np.nan_to_num(now[other].rms, posinf=0.0))
    mine, theirs = now[name].rms, now[largest].rms
    if not np.isfinite(theirs) or mine >= flow.limits.vanishing * theirs:
        return ""
    return (
        f"the gradients of {name} vanish: their root mean square is {mine:.2g}, that of {largest} "
        f"{theirs:.2g}. Residual connections, normalisation, ReLU in place of sigmoid, or a larger "
        "initialisation keep them alive."
    )


def _exploding(flow: Flow, name: str, now: Mapping[str, Flows]) -> str:
    norm = now[name].gradient
    if not np.isfinite(norm):
        return (
            f"the gradients of {name} are not finite. wg.debug.nan_origin finds the operation that "
            "made the first infinity or NaN."
        )
    before = [x.gradient for x in flow.history[name][:-1] if 0 < x.gradient < np.inf]
    median = float(np.median(before)) if before else 0.0
    if not median or norm <= flow.limits.exploding * median:
        return ""
    return (
        f"the gradients of {name} explode: their norm is {norm:.2g}, usually {median:.2g}. A "
        "smaller learning rate or clipping by the norm helps."
    )


def _small_updates(flow: Flow, name: str, now: Mapping[str, Flows]) -> str:
    ratio = now[name].ratio
    if not ratio < flow.limits.smallest_ratio or now[name].gradient == 0:
        return ""
    return (
        f"{name} hardly moves: an update is {ratio:.2g} of the weights; about 1e-3 is usual. Raise "
        "the learning rate, unless it is frozen on purpose."
    )


def _large_updates(flow: Flow, name: str, now: Mapping[str, Flows]) -> str:
    ratio = now[name].ratio
    if not ratio > flow.limits.largest_ratio:
        return ""
    return (
        f"{name} moves too fast: an update is {ratio:.2g} of the weights; about 1e-3 is usual. "
        "Lower the learning rate."
    )


def _dead(flow: Flow, name: str, now: Mapping[str, Flows]) -> str:
    share = now[name].dead
    if not share >= flow.limits.dead:
        return ""
    return (
        f"{share:.0%} of the units of {name} are dead: no gradient has reached them for "
        f"{flow.limits.patience} steps. A smaller learning rate, a leaky ReLU or another "
        "initialisation helps."
    )


JUDGES: dict[str, Callable[[Flow, str, Mapping[str, Flows]], str]] = {
    "vanishing": _vanishing,
    "exploding": _exploding,
    "small updates": _small_updates,
    "large updates": _large_updates,
    "dead": _dead,
}


# ------------------------------------------------------------------------------------------ numbers


def _leaves(params: Any, others: Any, what: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The leaves of two trees of one structure and equal shapes, as arrays."""
    weights, structure = tree.flatten(params)
    found, other = tree.flatten(others)
    if structure != other:
        raise ShapeError(
            f"the {what} have another structure than the parameters: {other} and {structure}.",
            "Pass what wg.grad returned for these parameters.",
        )
    first = [np.asarray(concrete(x)) for x in weights]
    second = [np.asarray(concrete(x)) for x in found]
    for path, x, y in zip(tree.paths(params), first, second, strict=True):
        if x.shape != y.shape or y.dtype.kind not in "fciu":
            raise ShapeError(
                f"the {what} at {path or 'the only leaf'} are {y.dtype}{list(y.shape)}, the "
                f"parameters {x.dtype}{list(x.shape)}.",
                "Pass arrays of numbers with the shapes of the parameters.",
            )
    return first, second


def _norm(arrays: list[np.ndarray]) -> float:
    """The Euclidean norm of all elements, in double precision."""
    with np.errstate(over="ignore", invalid="ignore"):
        parts = [np.linalg.norm(x.ravel().astype(np.promote_types(x.dtype, float))) for x in arrays]
        return float(np.linalg.norm(parts))


def _or_blank(number: float, form: str) -> str:
    return "" if np.isnan(number) else form.format(number)


_BARS = "▁▂▃▄▅▆▇█"


def sparkline(numbers: list[float], width: int = 24) -> str:
    """The last numbers as bars, on a logarithmic scale."""
    shown = np.array(numbers[-width:], float)
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log10(shown)
    is_finite = np.isfinite(heights)
    if not is_finite.any():
        return "·" * len(shown)
    low, high = np.min(heights[is_finite]), np.max(heights[is_finite])
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(
        _BARS[round((height - low) * scale)] if fine else "·"
        for height, fine in zip(heights, is_finite, strict=True)
    )
