"""Directives that draw while the documentation is built, so that no picture is made by hand.

``picture`` runs its code, shows it, and below it the picture that its last line gives, for readers
with light and with dark pages. ``player`` runs its code, which writes a page to ``path``, and shows
that page and a link to it. ``:hide-code:`` shows the result alone.
"""

import ast
import html
import itertools
import linecache
from pathlib import Path

import numpy as np
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

import wengert as wg
from wengert.show.picture import Picture

PAGES = "_players"  # folder of the pages, in the output
_numbers = itertools.count(1)


class Drawing(SphinxDirective):
    """What the two directives share: code that is run, and shown unless it is hidden."""

    has_content = True
    option_spec = {  # noqa: RUF012 (docutils' own form)
        "alt": directives.unchanged_required,
        "hide-code": directives.flag,
    }

    def shown_code(self):
        if "hide-code" in self.options:
            return []
        text = "\n".join(self.content)
        return [nodes.literal_block(text, text, language="python")]

    def result(self, **names):
        """What the last line of the code gives, if it is an expression."""
        source = "\n".join(self.content) + "\n"
        filename = f"<docs {next(_numbers)}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        *statements, last = ast.parse(source, filename).body
        namespace = {"np": np, "wg": wg, "__name__": "docs", **names}
        try:
            exec(compile(ast.Module(statements, []), filename, "exec"), namespace)
            if not isinstance(last, ast.Expr):
                exec(compile(ast.Module([last], []), filename, "exec"), namespace)
                return None
            return eval(compile(ast.Expression(last.value), filename, "eval"), namespace)
        except Exception as error:
            raise self.error(f"the code of a picture failed: {error!r}") from error

    def figure(self, content):
        alt = html.escape(self.options.get("alt", ""))
        label = f' role="group" aria-label="{alt}"' if alt else ""
        text = f'<figure class="tape"{label}>{content}</figure>'
        return nodes.raw("", text, format="html")


class PictureDirective(Drawing):
    """``.. picture::``: the last line is a picture."""

    def run(self):
        picture = self.result()
        if not isinstance(picture, Picture):
            raise self.error(f"the last line of a picture's code gives {type(picture).__name__}")
        parts = []
        for theme in ("light", "dark"):
            picture.theme = theme
            scrolls = f'<div class="only-{theme}" style="overflow-x: auto">'
            # As wide as the page, while that leaves the texts large enough to read.
            least = f"min-width: {0.7 * picture.scene.width:.0f}px"
            fits = f'<svg style="max-width: 100%; height: auto; {least}" '
            parts.append(f"{scrolls}{picture.svg().replace('<svg ', fits, 1)}</div>")
        return [*self.shown_code(), self.figure("".join(parts))]


class PlayerDirective(Drawing):
    """``.. player:: name``: the code writes a page to ``path``."""

    required_arguments = 1

    def run(self):
        file = Path(self.env.app.outdir) / PAGES / f"{self.arguments[0]}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        self.result(path=file)
        if not file.exists():
            raise self.error(f"the code of the player {self.arguments[0]} wrote nothing to path")
        address = "../" * self.env.docname.count("/") + f"{PAGES}/{file.name}"
        alt = html.escape(self.options.get("alt", "Player"))
        frame = (
            f'<iframe src="{address}" title="{alt}" loading="lazy" '
            'style="width: 100%; height: 46rem; border: 1px solid #8888; border-radius: 6px">'
            f'</iframe><p><a href="{address}">Open the page by itself</a></p>'
        )
        return [*self.shown_code(), self.figure(frame)]


def setup(app):
    app.add_directive("picture", PictureDirective)
    app.add_directive("player", PlayerDirective)
    return {"parallel_read_safe": False}
