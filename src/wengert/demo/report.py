"""The report of the demo: text, logs, tables, pictures and checks, as Markdown and HTML.

The parts say what they found with the classes below; only this file knows how a page looks. The
HTML page carries its pictures inside, so that it can be sent as one file.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Text:
    """A paragraph. `Backticks` mark code."""

    text: str


@dataclass(frozen=True)
class Log:
    """Text that is shown as it is: a printed tape, a program."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows under headings. Columns of numbers, already formatted, are set to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A PNG or SVG file that lies beside the report."""

    file: str
    caption: str


@dataclass(frozen=True)
class Link:
    """Another page that lies beside the report."""

    file: str
    text: str


@dataclass(frozen=True)
class Check:
    """A bound that has to hold: `value` is at least `bound`."""

    claim: str
    value: float
    bound: float

    @property
    def is_met(self) -> bool:
        """Whether the bound holds. NaN never does."""
        return self.value >= self.bound

    @property
    def verdict(self) -> str:
        """One word for the table."""
        return "met" if self.is_met else "MISSED"


Block = Text | Log | Table | Picture | Link


@dataclass(frozen=True)
class Section:
    """What one part of the demo hands back."""

    title: str
    blocks: Sequence[Block]
    checks: Sequence[Check] = field(default_factory=tuple)


def write_report(sections: Sequence[Section], out: Path) -> tuple[Path, Path]:
    """Write `out/report.md` and `out/report.html`, and return the two paths."""
    markdown, page = out / "report.md", out / "report.html"
    markdown.write_text(_as_markdown(sections), encoding="utf-8")
    page.write_text(_as_html(sections, out), encoding="utf-8")
    return markdown, page


TITLE = "Wengert: the demo"
INTRODUCTION = Text(
    "Every number and picture on this page was made by `wengert demo`. The programs are plain "
    "NumPy; the derivatives come from the tape that Wengert records while they run."
)


def _check_table(sections: Sequence[Section]) -> Table:
    rows = [
        (check.claim, f"{check.value:.6g}", f"{check.bound:.6g}", check.verdict)
        for section in sections
        for check in section.checks
    ]
    return Table(("bound", "reached", "at least", ""), rows)


def _is_number(cell: str) -> bool:
    return (
        re.fullmatch(r"[-+]?[\d.,]+(e[-+]?\d+)?\s*[%s]?|[-+]?inf|nan|-|", cell.strip()) is not None
    )


def _numeric_columns(table: Table) -> list[bool]:
    return [all(_is_number(row[i]) for row in table.rows) for i in range(len(table.columns))]


# ---- Markdown -----------------------------------------------------------------------------------


def _as_markdown(sections: Sequence[Section]) -> str:
    pages = [
        f"# {TITLE}",
        _block_as_markdown(INTRODUCTION),
        _block_as_markdown(_check_table(sections)),
    ]
    for section in sections:
        pages.append(f"## {section.title}")
        pages.extend(_block_as_markdown(block) for block in section.blocks)
    return "\n\n".join(pages) + "\n"


def _block_as_markdown(block: Block) -> str:
    match block:
        case Text(text):
            return text
        case Log(text):
            return f"```text\n{text.rstrip()}\n```"
        case Picture(file, caption):
            return f"![{caption}]({file})\n\n*{caption}*"
        case Link(file, text):
            return f"[{text}]({file})"
        case Table():
            return _table_as_markdown(block)


def _table_as_markdown(table: Table) -> str:
    rules = ["---:" if numeric else "---" for numeric in _numeric_columns(table)]
    lines = [table.columns, rules, *table.rows]
    text = "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
    return f"{text}\n\n*{table.caption}*" if table.caption else text


# ---- HTML ---------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #5b6570; --rule: #d9dee4; --paper: #ffffff;
        --tint: #f5f7f9; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink);
       background: var(--paper); max-width: 70rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.9rem; margin: 0 0 .5rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 .75rem; }
p { max-width: 44rem; }
code { font: .92em ui-monospace, Menlo, Consolas, monospace; background: var(--tint);
       padding: .1em .3em; border-radius: 3px; }
pre { font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; background: var(--tint);
      padding: .9rem 1.1rem; overflow-x: auto; border-radius: 6px; }
figure { margin: 1.5rem 0; }
figure img { max-width: 100%; height: auto; }
figure img.svg { max-width: none; }
figcaption { color: var(--soft); font-size: .92rem; max-width: 44rem; }
td code { white-space: normal; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; }
th, td { padding: .28rem .8rem .28rem 0; text-align: left; white-space: nowrap;
         border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.met { color: #1a7f37; }
td.missed { color: #c62828; font-weight: 700; }
nav a { margin-right: 1.1rem; }
"""


def _as_html(sections: Sequence[Section], out: Path) -> str:
    links = "".join(
        f'<a href="#part{i}">{html.escape(section.title)}</a> '
        for i, section in enumerate(sections)
    )
    body = [
        f"<h1>{html.escape(TITLE)}</h1>",
        _block_as_html(INTRODUCTION, out),
        f"<nav>{links}</nav>",
        _block_as_html(_check_table(sections), out),
    ]
    for i, section in enumerate(sections):
        body.append(f'<h2 id="part{i}">{html.escape(section.title)}</h2>')
        body.extend(_block_as_html(block, out) for block in section.blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(TITLE)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _block_as_html(block: Block, out: Path) -> str:
    match block:
        case Text(text):
            return f"<p>{_inline(text)}</p>"
        case Log(text):
            return f"<pre>{html.escape(text.rstrip())}</pre>"
        case Picture(file, caption):
            kind = "svg+xml" if file.endswith(".svg") else "png"
            picture = base64.b64encode((out / file).read_bytes()).decode("ascii")
            return (
                f'<figure><div class="scroll"><img class="{file[-3:]}" '
                f'alt="{html.escape(caption)}" src="data:image/{kind};base64,{picture}"></div>'
                f"<figcaption>{_inline(caption)}</figcaption></figure>"
            )
        case Link(file, text):
            return f'<p><a href="{html.escape(file)}">{_inline(text)}</a></p>'
        case Table():
            return _table_as_html(block)


def _table_as_html(table: Table) -> str:
    numeric = _numeric_columns(table)
    kinds = ["number" if is_number else "" for is_number in numeric]
    head = "".join(
        f'<th class="{kind}">{_inline(c)}</th>'
        for kind, c in zip(kinds, table.columns, strict=True)
    )
    rows = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="{_cell_class(kind, cell)}">{_inline(cell)}</td>'
            for kind, cell in zip(kinds, row, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    caption = f"<figcaption>{_inline(table.caption)}</figcaption>" if table.caption else ""
    grid = f"<table>\n<tr>{head}</tr>\n{rows}\n</table>"
    return f'<figure><div class="scroll">{grid}</div>{caption}</figure>'


def _cell_class(kind: str, cell: str) -> str:
    return cell.lower() if cell in ("met", "MISSED") else kind


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
