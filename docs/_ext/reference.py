"""Directives that make the reference from the package itself, so that nothing is typed twice.

``public-names`` documents the names of ``wengert.__all__`` that a module defines, ``primitives``
and ``kinks`` make tables of the registry, ``command`` shows a command line with its output.
"""

import inspect
import os
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

import wengert
from wengert.compile.fuse import lowering_of
from wengert.primitives.registry import REGISTRY

MIRRORS = ("math", "numpy")


def defining_module(name):
    """The module that a public name comes from; a submodule is its own."""
    thing = getattr(wengert, name)
    return thing.__name__ if inspect.ismodule(thing) else thing.__module__


class PublicNames(SphinxDirective):
    """``.. public-names:: wengert.transforms``: the public names defined in these modules."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        modules = self.arguments[0].split()
        names = [name for name in wengert.__all__ if in_modules(defining_module(name), modules)]
        if not names:
            raise self.error(f"no public name comes from {modules}")
        shown(self.env).update(names)
        return rendered(self, [line for name in names for line in self.entry(name)])

    def entry(self, name):
        thing = getattr(wengert, name)
        if inspect.ismodule(thing):
            return module_entry(name, thing)
        if inspect.isclass(thing):
            # `function` is what a node class names, and documented by NumPy.
            lines = [f".. autoclass:: wengert.{name}{constructor(thing)}"]
            return [*lines, "   :members:", "   :exclude-members: function", ""]
        return [f".. autofunction:: wengert.{name}", ""]


def constructor(cls):
    """The signature where a metaclass hides it from autodoc; else nothing."""
    if type(cls).__call__ is type.__call__:
        return ""
    _, *parameters = inspect.signature(cls.__init__).parameters.values()
    bare = [parameter.replace(annotation=parameter.empty) for parameter in parameters]
    return str(inspect.Signature(bare))


def module_entry(name, module):
    """A module with what it defines; a mirror with the names in it, which NumPy documents."""
    if name in MIRRORS:
        return mirror_entry(module)
    return [f".. automodule:: wengert.{name}", "   :members:", "   :show-inheritance:", ""]


def mirror_entry(module):
    names = ", ".join(literal(mirrored) for mirrored in module.__all__)
    return [f".. automodule:: {module.__name__}", "", f"Mirrored: {names}.", ""]


class Mirror(SphinxDirective):
    """``.. mirror:: wengert.scipy.linalg``: a mirror that is no public name of `wengert` itself."""

    required_arguments = 1

    def run(self):
        return rendered(self, mirror_entry(import_module(self.arguments[0])))


class Primitives(SphinxDirective):
    """A table of primitives for each topic file, in the registry's order."""

    def run(self):
        lines = []
        for topic, module in REGISTRY.topics.items():
            lines += [topic.capitalize(), "-" * len(topic), ""]
            lines += [inspect.getdoc(module).split("\n\n")[0], ""]
            rows = [
                row(declared) for declared in everything() if REGISTRY.topic_of(declared) == topic
            ]
            lines += table(
                ["function", "family", "derivative", "modes", "batching", "compiled"], rows
            )
        return rendered(self, lines)


class Kinks(SphinxDirective):
    """What the derivative is at each kink that a primitive declares."""

    def run(self):
        rows = [
            [literal(primitive.name), literal(at), literal(derivative)]
            for primitive in REGISTRY
            for at, derivative in primitive.kinks.items()
        ]
        return rendered(self, table(["primitive", "at", "derivative"], rows))


class Command(SphinxDirective):
    """A command line and what it prints, run by the build."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"columns": directives.positive_int}  # noqa: RUF012 (docutils' own form)

    def run(self):
        line = self.arguments[0]
        program, *arguments = shlex.split(line)
        columns = str(self.options.get("columns", 100))
        result = subprocess.run(
            [Path(sys.executable).with_name(program), *arguments],
            env=os.environ | {"COLUMNS": columns, "NO_COLOR": "1", "TERM": "dumb"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if result.returncode:
            raise self.error(f"{line!r} failed:\n{result.stderr}")
        text = f"$ {line}\n{result.stdout}".rstrip()
        return [nodes.literal_block(text, text, language="text")]


def in_modules(module, modules):
    return any(module == name or module.startswith(name + ".") for name in modules)


def everything():
    return [*REGISTRY.primitives.values(), *REGISTRY.derived.values()]


def row(declared):
    if declared.family == "derived":
        derivative = literal(declared.formula) if declared.formula else "from its definition"
        parts = ["those of its parts", "by its parts", "by its parts"]
        return [literal(declared.name), "derived", derivative, *parts]
    derivative = "; ".join(literal(formula) for formula in declared.formula if formula)
    if declared.source:
        derivative += f"\n\nSource: {declared.source}"
    ways = [modes(declared), declared.batching, lowering_of(declared)]
    return [literal(declared.name), declared.family, derivative, *ways]


def modes(primitive):
    """Which modes have a rule, operand by operand where they differ."""
    if primitive.family == "locally constant":
        return "zero wherever it exists"
    reverse = has_rule(primitive.rules)
    forward = has_rule(primitive.jvps) if primitive.family == "general" else reverse
    return ", ".join(
        mode for mode, is_there in (("forward", forward), ("reverse", reverse)) if is_there
    )


def has_rule(rules):
    return any(rule is not None for rule in rules)


def literal(value):
    return f"``{value}``"


def table(head, rows):
    """The source of a list-table."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: auto", ""]
    for cells in [head, *rows]:
        for position, cell in enumerate(cells):
            first, *rest = str(cell).split("\n")
            lines.append(f"   {'*' if position == 0 else ' '} - {first}".rstrip())
            lines += [f"       {line}".rstrip() for line in rest]
    return [*lines, ""]


def rendered(directive, lines):
    """The nodes of reStructuredText source."""
    holder = nodes.section()
    holder.document = directive.state.document
    directive.state.nested_parse(StringList(lines, "reference.py"), 0, holder, match_titles=True)
    return holder.children


def shown(env):
    if not hasattr(env, "public_names_shown"):
        env.public_names_shown = set()
    return env.public_names_shown


def check_that_every_name_is_shown(app, env):
    missing = sorted(set(wengert.__all__) - shown(env) - {"__version__"})
    if missing:
        raise ExtensionError(f"public names on no page of the reference: {missing}")


def setup(app):
    app.add_directive("public-names", PublicNames)
    app.add_directive("mirror", Mirror)
    app.add_directive("primitives", Primitives)
    app.add_directive("kinks", Kinks)
    app.add_directive("command", Command)
    app.connect("env-check-consistency", check_that_every_name_is_shown)
    return {"parallel_read_safe": False}
