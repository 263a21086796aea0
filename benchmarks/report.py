"""The measurements as Markdown. Nothing here is typed by hand: change the code and run it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .measure import Memory, Scaling, Speed
from .targets import Verdict


@dataclass
class Report:
    """All that was measured in one run, and what is said about it."""

    machine: str
    command: str
    quick: bool
    rounds: int
    versions: dict[str, str] = field(default_factory=dict)
    speed: list[Speed] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    scaling: list[Scaling] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    plots: dict[str, str] = field(default_factory=dict)
    plots_note: str = ""
    disturbance: str = ""


def markdown(report: Report) -> str:
    """Return the whole report."""
    parts = [
        "# Benchmarks: measured results",
        _introduction(report),
        _verdicts(report.verdicts),
        _speed(report),
        _memory(report),
        _scaling(report),
    ]
    return _paragraphs(parts) + "\n"


def compiled_markdown(report: Report, first: Sequence[Any], picture: str) -> str:
    """Return the report of compiled code."""
    labels = _labels(result.seconds for result in first)
    rows = [
        (
            r.workload.title,
            *(format_seconds(r.seconds[x]) if x in r.seconds else "" for x in labels),
        )
        for r in first
    ]
    parts = [
        "# Benchmarks: compiled code, measured",
        _introduction(report).replace(" Eager, not compiled;", ""),
        _verdicts(report.verdicts),
        _speed(report, "Wengert, compiled"),
        "## First call: trace, compile and run, in a process that has compiled before",
        _table(("workload", *labels), rows),
        f"![growth]({picture})" if picture else "",
    ]
    return _paragraphs(parts) + "\n"


def _paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)


def _introduction(report: Report) -> str:
    kind = " **A quick run on small inputs: its ratios mean little.**" if report.quick else ""
    versions = "\n".join(f"- {label}: {text}" for label, text in report.versions.items())
    return (
        f"Written by the benchmark itself; nothing here is typed by hand.{kind}\n"
        "Measure it again with\n\n"
        f"```\n{report.command}\n```\n\n"
        f"Machine: {report.machine}. Eager, not compiled;\n"
        "every library with its default threads unless the command says otherwise.\n"
        f"{report.disturbance}\n\n{versions}"
    )


def _verdicts(verdicts: list[Verdict]) -> str:
    if not verdicts:
        return ""
    words = {True: "pass", False: "**miss**", None: "not measured"}
    missed = sum(verdict.passed is False for verdict in verdicts)
    passed = sum(verdict.passed is True for verdict in verdicts)
    rows = [(v.promise, v.measured, words[v.passed]) for v in verdicts]
    table = _table(("target", "measured", ""), rows)
    return f"## Targets: {passed} passed, {missed} missed, of {len(verdicts)}\n\n{table}"


def _speed(report: Report, ours: str = "Wengert") -> str:
    if not report.speed:
        return ""
    labels = _labels({**result.seconds, **result.notes} for result in report.speed)
    times = [(r.workload.title, *(_time_cell(r, label) for label in labels)) for r in report.speed]
    ratios = [
        (r.workload.title, *(_ratio_cell(r, label, ours) for label in labels)) for r in report.speed
    ]
    worst = ", ".join(f"{r.workload.name} {r.worst_difference:.0e}" for r in report.speed)
    return _paragraphs(
        [
            "## Speed: value and all gradients",
            f"Medians of {report.rounds} rounds in which every peer has a turn of about 0.15 s, in"
            " changing order. Peers that differ\nfrom the hand-written gradient in value, gradient,"
            " shape or dtype are not timed. Largest difference, relative to the\nlargest element: "
            f"{worst}.",
            _table(("workload", *labels), times),
            _long_notes(report.speed),
            f"{ours}: its time divided by the peer's: the median of the ratios within each round;"
            " below 1 Wengert is\nfaster. `PyTorch` runs the same formula, from Python floats to"
            " Python floats where the workload has\nfloats; `own idiom` has fused losses and"
            " layers, and keeps its tensors between calls.",
            _table(("workload", *labels), ratios),
            _picture(report, "speed"),
        ]
    )


def _time_cell(result: Speed, label: str) -> str:
    if label not in result.seconds:
        return _note_cell(result.notes.get(label, ""))
    return format_seconds(result.median(label))


# A note longer than this stands below the table.
LONGEST_NOTE = 16


def _note_cell(note: str) -> str:
    return note if len(note) <= LONGEST_NOTE else "failed: see below"


def _long_notes(results: Sequence[Speed | Memory | Scaling]) -> str:
    """Return the notes that do not fit into cells, as a list."""
    return "\n".join(
        f"- {result.workload.name}, {label}: {note}"
        for result in results
        for label, note in result.notes.items()
        if len(note) > LONGEST_NOTE
    )


def _ratio_cell(result: Speed, label: str, ours: str) -> str:
    beside = f"Wengert beside {label}"
    ratio = result.ratio(beside if beside in result.seconds else ours, label)
    return "" if ratio is None else f"{ratio:.2f}"


def _memory(report: Report) -> str:
    if not report.memory:
        return ""
    labels = _labels({**result.peaks, **result.notes} for result in report.memory)
    rows = [
        (r.workload.title, *(_memory_cell(r, label) for label in labels)) for r in report.memory
    ]
    return _paragraphs(
        [
            "## Memory: by how much one gradient raises the peak of a fresh process",
            _table(("workload", *labels), rows),
            _long_notes(report.memory),
            _picture(report, "memory"),
        ]
    )


def _memory_cell(result: Memory, label: str) -> str:
    if label not in result.peaks:
        return _note_cell(result.notes.get(label, ""))
    return f"{result.peaks[label] / 2**20:.0f} MiB"


def _scaling(report: Report) -> str:
    if not report.scaling:
        return ""
    parts = ["## Cost against the length of the tape: CPU time of value and gradient"]
    for result in report.scaling:
        labels = _labels([result.seconds])
        sizes = sorted({n for times in result.seconds.values() for n in times})
        rows = [(label, *(_size_cell(result.seconds[label], n) for n in sizes)) for label in labels]
        parts.append(f"### {result.workload.title}")
        parts.append(_table(("", *(f"n = {n:,}" for n in sizes)), rows))
        parts.append("\n".join(f"- {label}: {note}" for label, note in result.notes.items()))
    return _paragraphs([*parts, _picture(report, "scaling")])


def _size_cell(times: dict[int, float], size: int) -> str:
    return format_seconds(times[size]) if size in times else ""


def _picture(report: Report, name: str) -> str:
    if name in report.plots:
        return f"![{name}]({report.plots[name]})"
    return report.plots_note


def _labels(tables: Iterable[Mapping[str, object]]) -> list[str]:
    """Return all labels, in the order in which they first appear when Wengert's stay in front."""
    labels = dict.fromkeys(label for table in tables for label in table)
    return sorted(labels, key=_column)


COLUMNS = (
    "NumPy, forward only",
    "NumPy, by hand",
    "Wengert",
    "Wengert, compiled",
    "C++, by hand",
    "JAX jit",
    "PyTorch",
    "PyTorch, own idiom",
    "autograd",
    "MyGrad",
    "Advect",
)


def _column(label: str) -> tuple[int, str]:
    return (COLUMNS.index(label) if label in COLUMNS else len(COLUMNS), label)


def format_seconds(seconds: float) -> str:
    """Return three significant digits with a fitting unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{_three_digits(seconds / scale)} {unit}"
    return f"{_three_digits(seconds / 1e-9)} ns"


def _three_digits(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
