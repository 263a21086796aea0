"""The measurements as pictures, each as SVG and PNG. matplotlib is optional: without it, a note."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .measure import Memory, Scaling, Speed
from .report import COLUMNS, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Wengert stands out; its peers are told apart by colour and marker. (Okabe and Ito's palette.)
# fmt: off
LOOKS: dict[str, tuple[str, str]] = {
    "NumPy, forward only": ("#cccccc", "."),
    "NumPy, by hand":      ("#8c8c8c", "x"),
    "Wengert":             ("#d55e00", "o"),
    "Wengert, compiled":   ("#d55e00", "o"),
    "C++, by hand":        ("#000000", "*"),
    "JAX jit":             ("#0072b2", "D"),
    "PyTorch":             ("#0072b2", "s"),
    "PyTorch, own idiom":  ("#56b4e9", "D"),
    "autograd":            ("#009e73", "^"),
    "MyGrad":              ("#cc79a7", "v"),
    "Advect":              ("#e6b800", "P"),
}
# fmt: on


def draw(report: Report, folder: Path) -> None:
    """Draw what was measured into `folder` and enter the pictures in the report."""
    try:
        import matplotlib
    except ImportError:
        report.plots_note = "(No picture: matplotlib is not installed.)"
        return
    matplotlib.use("Agg")
    # Fixed ids and no date: the same numbers give the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "wengert", "font.size": 9, "axes.axisbelow": True})
    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Callable[[Any], Any]] = {
        "speed": draw_speed,
        "memory": draw_memory,
        "scaling": draw_scaling,
    }
    for name, picture in pictures.items():
        if results := getattr(report, name):
            figure = picture(results)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            figure.savefig(folder / f"{name}.png", dpi=130)
            report.plots[name] = f"{folder.name}/{name}.svg"


def draw_speed(results: list[Speed]) -> Any:
    """Time of every peer relative to Wengert's, on a logarithmic axis, one group a workload."""
    from matplotlib.figure import Figure

    base = "Wengert" if any("Wengert" in r.seconds for r in results) else "PyTorch"
    figure = Figure(figsize=(10, 0.6 + 1.15 * len(results)), layout="constrained")
    axes = figure.subplots()
    for row, result in enumerate(results):
        if base in result.seconds:
            _draw_group(axes, row, result, base)
    axes.set_yticks(range(len(results)), [r.workload.title for r in results])
    axes.invert_yaxis()
    axes.set_xscale("log")
    _name_ratios(axes)
    axes.axvline(1.0, color=LOOKS[base][0], linewidth=1)
    axes.set_xlabel(f"time / {base}'s time, value and all gradients (right: slower than {base})")
    axes.grid(axis="x", which="major", color="#dddddd", linewidth=0.6)
    _legend_above(figure)
    return figure


def _draw_group(axes: Axes, row: int, result: Speed, base: str) -> None:
    labels = [label for label in COLUMNS if label != base and label in result.seconds]
    height = 0.8 / max(len(labels), 1)
    for place, label in enumerate(labels):
        ratio = result.median(label) / result.median(base)
        y = row - 0.4 + height * (place + 0.5)
        axes.barh(y, ratio - 1, height * 0.9, left=1.0, color=LOOKS[label][0], label=label)
        side = 4 if ratio >= 1 else -4
        axes.annotate(
            f"{ratio:.2g}" if ratio < 100 else f"{ratio:.0f}",
            (ratio, y),
            (side, 0),
            textcoords="offset points",
            va="center",
            ha="left" if ratio >= 1 else "right",
            fontsize=7,
        )


def _name_ratios(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.08)


def draw_memory(results: list[Memory]) -> Any:
    """Peak memory of one gradient, grouped by workload."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 0.8 + 1.0 * len(results)), layout="constrained")
    axes = figure.subplots()
    for row, result in enumerate(results):
        labels = [label for label in COLUMNS if label in result.peaks]
        height = 0.8 / max(len(labels), 1)
        for place, label in enumerate(labels):
            y, size = row - 0.4 + height * (place + 0.5), result.peaks[label] / 2**20
            axes.barh(y, size, height * 0.9, color=LOOKS[label][0], label=label)
            axes.text(size, y, f" {size:.0f}", va="center", fontsize=7)
    axes.set_yticks(range(len(results)), [r.workload.title for r in results])
    axes.invert_yaxis()
    axes.set_xlabel("MiB added to the peak of a fresh process by one gradient")
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    _legend_above(figure)
    return figure


def draw_scaling(results: list[Scaling]) -> Any:
    """Time against size, both logarithmic; linear cost is a line of slope one, drawn dotted."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(results), 4.2), layout="constrained")
    for axes, result in zip(
        figure.subplots(1, len(results), squeeze=False)[0], results, strict=True
    ):
        for label in COLUMNS:
            times = result.seconds.get(label, {})
            if times:
                colour, marker = LOOKS[label]
                axes.plot(
                    list(times), list(times.values()), color=colour, marker=marker, label=label
                )
        _draw_slope_one(axes, result)
        axes.set(xscale="log", yscale="log", title=result.workload.title, xlabel="n")
        axes.grid(which="major", color="#dddddd", linewidth=0.6)
        axes.legend(fontsize=7)
    figure.axes[0].set_ylabel("CPU seconds, value and gradient")
    return figure


def _draw_slope_one(axes: Axes, result: Scaling) -> None:
    times = result.seconds.get("Wengert") or next(iter(result.seconds.values()), {})
    if times:
        start, end = min(times), max(times)
        line = [times[start], times[start] * end / start]
        axes.plot([start, end], line, ":", color="black", linewidth=1, label="linear")


def _legend_above(figure: Figure) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    found = dict(zip(labels, handles, strict=True))
    order = [label for label in COLUMNS if label in found]
    figure.legend(
        [found[label] for label in order],
        order,
        loc="outside upper center",
        ncols=5,
        frameon=False,
    )


def draw_growth(results: list[Any], path: Path) -> str:
    """Time against size, with one thread and with two; the picture's place, or nothing."""
    try:
        import matplotlib
    except ImportError:
        return ""
    matplotlib.rcParams.update({"svg.hashsalt": "wengert", "font.size": 9})
    from matplotlib.figure import Figure

    columns = min(4, len(results))
    rows = -(-len(results) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.7 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, result in zip(axes, results, strict=False):
        for (label, threads), times in result.seconds.items():
            colour, marker = LOOKS[label]
            style = "-" if threads == 2 else ":"
            axis.loglog(*zip(*times.items(), strict=True), style, marker=marker, color=colour,
                        label=f"{label}, {threads} thread{'s'[: threads - 1]}")  # fmt: skip
        axis.set_title(result.workload.name)
        axis.set_xlabel("size")
        axis.set_ylabel("seconds")
        axis.grid(alpha=0.3)
    for axis in axes[len(results) :]:
        axis.set_axis_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=130)
    return f"{path.parent.name}/{path.name}.svg"
