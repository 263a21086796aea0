"""What the pictures of the demo share: their style, a figure without global state, its file.

The parts draw with the axes that they get from here; pyplot and its global figure are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from wengert.demo.report import Picture

INK, SOFT, RULE = "#1b1f24", "#5b6570", "#d9dee4"
# Four of Okabe and Ito's colours, which people who do not see red or green can tell apart.
BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
}


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """Make a figure, its size in inches, and its axes: one, or an array ``(rows, columns)``."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, axes[0, 0] if axes.size == 1 else axes


def save_picture(figure: Figure, out: Path, name: str, caption: str) -> Picture:
    """Save as ``out/pictures/name.png`` and return its block for the report."""
    file = Path("pictures") / f"{name}.png"
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure.savefig(out / file, dpi=150)
    return Picture(file.as_posix(), caption)


def draw_loss(axes: Any, losses: Sequence[float], title: str, xlabel: str, **style: Any) -> None:
    """Draw losses over their index, on a logarithmic scale with plain numbers at its ticks."""
    axes.plot(np.arange(len(losses)), losses, **{"color": BLUE, "linewidth": 1.4, **style})
    axes.set(title=title, xlabel=xlabel, yscale="log")
    decades = np.log10(np.max(losses) / np.min(losses))
    marked = (1, 2, 3, 4, 6) if decades < 1 else (1, 2, 5) if decades < 2.5 else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=marked))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y")
