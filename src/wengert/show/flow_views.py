"""Views of a `Flow` that change or are drawn: a live table, a figure."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wengert.errors import MissingExtraError

# --------------------------------------------------------------------------------------------- live


def in_notebook() -> bool:
    """Whether this runs in the kernel of a notebook."""
    shell = _ipython().get_ipython() if _ipython() is not None else None
    return shell is not None and hasattr(shell, "kernel")


def _ipython() -> Any:
    """IPython, if this runs in it: then it is imported already."""
    return sys.modules.get("IPython")


class Notebook(contextlib.AbstractContextManager[Any]):
    """One output of a cell that is replaced at each step."""

    def __init__(self) -> None:
        self._display = _ipython().display.display
        self._handle: Any = None

    def show(self, flow: Any) -> None:
        if self._handle is None:
            self._handle = self._display(flow, display_id=True)
        else:
            self._handle.update(flow)

    def __exit__(self, *exception: object) -> None:
        return None


class Terminal(contextlib.AbstractContextManager[Any]):
    """A table that rich draws in place."""

    def __init__(self) -> None:
        try:
            from rich.live import Live  # an optional extra
        except ImportError as error:
            raise MissingExtraError(
                "live() needs rich, which is not installed.", "pip install 'wengert[cli]'"
            ) from error
        self._live = Live(refresh_per_second=8)

    def __enter__(self) -> Terminal:
        self._live.__enter__()
        return self

    def show(self, flow: Any) -> None:
        self._live.update(flow)

    def __exit__(self, *exception: Any) -> None:
        self._live.__exit__(*exception)


# ------------------------------------------------------------------------------------------- figure

# Okabe and Ito's colours, which people who do not see red or green can tell apart; with five dashes
# there are thirty kinds of line.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1)))


def drawn(history: Mapping[str, Sequence[Any]], warned: Sequence[Any], figure: Any = None) -> Any:
    """A figure of the steps of each group, with a line at each warning."""
    try:
        from matplotlib.figure import Figure  # an optional extra, slow to load
    except ImportError as error:
        raise MissingExtraError(
            "a figure needs matplotlib, which is not installed.", "pip install 'wengert[plot]'"
        ) from error
    if figure is None:
        figure = Figure(figsize=(8, 8))
    figure.set_layout_engine("constrained")
    norms, ratios, dead = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
    for k, (name, steps) in enumerate(history.items()):
        style = {
            "color": _COLOURS[k % len(_COLOURS)],
            "linestyle": _DASHES[k % len(_DASHES)],
            "linewidth": 1.6,
        }
        numbers = np.array(steps)
        _draw_positive(norms, numbers[:, 0], label=name, **style)
        _draw_positive(ratios, numbers[:, 3], **style)
        dead.plot(numbers[:, 4] * 100, **style)
    at = {"xycoords": ("axes fraction", "data"), "va": "center"}
    for axes, title in ((norms, "norm of the gradients"), (ratios, "update / weights")):
        axes.set_title(title)
        axes.grid(axis="y", linewidth=0.5, alpha=0.5)
        lines = axes.get_lines()[: len(history)]
        if any(np.isfinite(line.get_ydata()).any() for line in lines):
            axes.set_yscale("log")
        else:  # of which there is no logarithm
            told = {"transform": axes.transAxes, "ha": "center", "va": "center"}
            axes.text(0.5, 0.5, "nothing but zeros", **told)
            axes.set_yticks([0.0])
    if ratios.get_yscale() == "log":
        ratios.axhline(1e-3, color="0.5", linewidth=0.8)
        ratios.annotate("1e-3: usual", (1.01, 1e-3), fontsize=8, color="0.5", **at)
    dead.set(ylim=(-3, 103), title="dead units, per cent", xlabel="step")
    dead.xaxis.get_major_locator().set_params(integer=True)
    norms.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    for one in warned:
        axes = {"dead": dead, "vanishing": norms, "exploding": norms}.get(one.kind, ratios)
        axes.axvline(one.step, color="0.6", linewidth=0.8, linestyle=":")
    return figure


def _draw_positive(axes: Any, numbers: np.ndarray, **style: Any) -> None:
    """A curve on a logarithmic scale, with gaps where there is no logarithm."""
    axes.plot(np.where(np.isfinite(numbers) & (numbers > 0), numbers, np.nan), **style)
