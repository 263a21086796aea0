"""Notebooks: the player as a widget, and ``%%tape``, which shows the tape of a cell.

Both need the extra ``notebook``, imported when they are used. The one difficulty of ``%%tape`` is
that a cell is no function: its variables are inputs while it runs and plain values afterwards.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from wengert import tree
from wengert.errors import ArgumentError, MissingExtraError, TapeSizeError
from wengert.show.log import tape_log
from wengert.show.picture import draw
from wengert.show.player import player_data, style, widget_module
from wengert.tape.array import Array
from wengert.transforms.trace import Trace, _is_floating, trace

_USAGE = re.compile(r"\s*(?P<inputs>[\w\s,]*?)\s*(->\s*(?P<target>\w+))?\s*")


# ------------------------------------------------------------------------------------- the widget


def widget(
    tape: Any,
    *args: Any,
    title: str | None = None,
    parameters: Collection[str] = (),
    **kwargs: Any,
) -> Any:
    """Step through a tape in a notebook: the page of `player` as a widget.

    Parameters
    ----------
    tape : callable, Trace, Tape, GradientTape, Compiled, Program or Array
        A function, with its arguments after it, or what was recorded.
    *args
        The arguments of a function; the target of a GradientTape.
    title : str, optional
        Its heading; by default the name of the function.
    parameters : collection of str
        Arguments that are parameters, the others being data.
    **kwargs
        The arguments of a function by name.

    Returns
    -------
    anywidget.AnyWidget
        As the last expression of a cell it is shown below the cell. Its ``data`` is what the page
        knows of the tape.

    Raises
    ------
    MissingExtraError
        If anywidget is not installed.
    NonScalarTargetError
        If the result is not one number.
    TapeSizeError
        If the tape is too long to step through.

    Examples
    --------
    >>> shown = wg.widget(lambda x, y: (x * y) ** 2, 3.0, 2.0)
    >>> shown.data["values"][shown.data["target"]]
    36.0
    """
    made = _widget_class()
    return made(data=player_data(tape, *args, title=title, parameters=parameters, **kwargs))


@functools.cache
def _widget_class() -> Any:
    anywidget, traitlets = _extra("anywidget"), _extra("traitlets")
    contents = {
        "__doc__": "The player of a tape.",
        "__module__": __name__,
        "_esm": widget_module(),
        # A page of the player is alone; in a notebook its style must not reach beyond it.
        "_css": "@scope (.wengert-widget) {\n" + style() + "\n}\n",
        "data": traitlets.Dict().tag(sync=True),
    }
    return type("Player", (anywidget.AnyWidget,), contents)


def _extra(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"views in a notebook need {name}, which is not installed.",
            "pip install 'wengert[notebook]'",
        ) from error


# --------------------------------------------------------------------------------- the cell's tape


def load_ipython_extension(ipython: Any) -> None:
    """``%load_ext wengert``: adds the magic ``%%tape`` to a notebook."""

    def tape(line: str, cell: str) -> None:
        """Run a cell and show its tape, as text and as a picture.

        ``%%tape`` follows every floating-point variable that the cell reads, and numbers that its
        first lines assign (``x = 3.0``), to its last value. ``%%tape x w -> loss`` names the
        variables to follow, the target, or both. The tape is kept as ``_tape``.
        """
        _show_cell(ipython, line, cell)

    ipython.register_magic_function(tape, magic_kind="cell")


def trace_cell(shell: Any, line: str, cell: str) -> Trace:
    """Run a cell and record it; its variables have plain values afterwards.

    Parameters
    ----------
    shell : InteractiveShell
        Where the variables are.
    line : str
        What stands behind ``%%tape``.
    cell : str
        The code.

    Raises
    ------
    ArgumentError
        If the line cannot be read, a name in it is no variable, or there is nothing to follow.
    """
    names, target = _read_line(line)
    return _Cell(shell, cell, names, target).trace()


def _show_cell(shell: Any, line: str, cell: str) -> None:
    traced = trace_cell(shell, line, cell)
    shell.user_ns["_tape"] = traced
    print(tape_log(traced, shapes=False, lines=False))
    display = _extra("IPython.display").display
    try:
        display(draw(traced))
    except TapeSizeError as error:
        print(f"No picture: {error}")


def _read_line(line: str) -> tuple[list[str], str | None]:
    read = _USAGE.fullmatch(line)
    if read is None:
        raise ArgumentError(
            f"%%tape {line.strip()!s:.80} cannot be read.",
            "Write %%tape, %%tape -> loss, or %%tape x w -> loss.",
        )
    return re.findall(r"\w+", read["inputs"]), read["target"]


class _Cell:
    """One cell, as a function of the variables that it reads."""

    def __init__(self, shell: Any, cell: str, inputs: Sequence[str], target: str | None):
        self.space: dict[str, Any] = shell.user_ns
        source = shell.transform_cell(cell)
        self.file = shell.compile.cache(source)
        parsed = ast.parse(source, self.file)
        count = next((k for k, x in enumerate(parsed.body) if not _is_given(x)), len(parsed.body))
        exec(self._code(parsed.body[:count]), self.space)
        self.body = parsed.body[count:]
        self.target = target
        self.inputs = list(inputs) or [name for name in self._read() if self._has_floats(name)]
        self._check(inputs)

    def _code(self, body: list[ast.stmt]) -> Any:
        return compile(ast.Module(body, type_ignores=[]), self.file, "exec")

    def _read(self) -> list[str]:
        """Variables of earlier cells whose values this one uses, in order."""
        reading = _Reading()
        for statement in self.body:
            reading.visit(statement)
        return [name for name in reading.names if name in self.space]

    def _has_floats(self, name: str) -> bool:
        return any(_is_floating(leaf) for leaf in tree.leaves(self.space[name]))

    def _check(self, named: Sequence[str]) -> None:
        for name in named:
            if name not in self.space or not self._has_floats(name):
                raise ArgumentError(
                    f"%%tape was to follow {name!r}, which is no floating-point variable.",
                    f"Assign it in an earlier cell, with a float: {name} = 3.0.",
                )
        if not self.inputs:
            raise ArgumentError(
                "%%tape found no floating-point variable that this cell reads: there is nothing "
                "to follow.",
                "Assign the inputs in the first lines of the cell, or in an earlier one, with "
                "floats: x = 3.0.",
            )

    def trace(self) -> Trace:
        """Run the cell on recorded variables, then give them their plain values."""
        before = dict(self.space)
        values = [self.space[name] for name in self.inputs]
        given: list[Any] = []

        def cell(*variables: Any) -> Any:
            given.extend(variables)
            self.space.update(zip(self.inputs, variables, strict=True))
            return self._run()

        cell.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in self.inputs]
        )
        try:
            return trace(cell, *values)
        finally:
            tapes = {id(x.tape) for x in tree.leaves(given) if isinstance(x, Array)}
            self._settle(before, tapes)

    def _run(self) -> Any:
        if self.target is not None:
            exec(self._code(self.body), self.space)
            return self._value_of(self.target)
        last = self.body[-1] if self.body else None
        if isinstance(last, ast.Expr):
            exec(self._code(self.body[:-1]), self.space)
            return eval(compile(ast.Expression(last.value), self.file, "eval"), self.space)
        exec(self._code(self.body), self.space)
        return self._value_of(_assigned(last))

    def _value_of(self, name: str | None) -> Any:
        if name is None or name not in self.space:
            told = "no last value" if name is None else f"no variable {name!r}"
            raise ArgumentError(
                f"the cell has {told} whose derivatives %%tape could show.",
                "End the cell with the target, or name it: %%tape -> loss.",
            )
        return self.space[name]

    def _settle(self, before: dict[str, Any], tapes: set[int]) -> None:
        """Give what the cell recorded back as plain values; what it left alone, unchanged."""

        def plain(x: Any) -> Any:
            return x.value if isinstance(x, Array) and id(x.tape) in tapes else x

        for name, value in list(self.space.items()):
            if value is before.get(name):
                continue
            leaves, structure = tree.flatten(value)
            if not any(plain(leaf) is not leaf for leaf in leaves):
                continue
            settled = tree.unflatten(structure, [plain(leaf) for leaf in leaves])
            is_same = name in self.inputs and _is_equal(settled, before[name])
            self.space[name] = before[name] if is_same else settled


def _is_given(statement: ast.stmt) -> bool:
    """``x = 3.0`` or ``x, y = 3.0, 2.0``; an import may stand before it."""
    if not isinstance(statement, ast.Assign):
        return isinstance(statement, ast.Import | ast.ImportFrom)
    try:
        ast.literal_eval(statement.value)
    except (ValueError, TypeError):
        return False
    return True


class _Reading(ast.NodeVisitor):
    """Finds the names that code reads before it binds them itself."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.bound: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.bound.add(node.id)
        elif node.id not in self.bound:
            self.names[node.id] = None

    def visit_Assign(self, node: ast.Assign) -> None:
        self._visit_all(node.value, *node.targets)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.visit_Name(ast.Name(node.target.id, ast.Load()))
        self._visit_all(node.value, node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._visit_all(*([node.value] if node.value else []), node.target)

    def visit_For(self, node: ast.For) -> None:
        self._visit_all(node.iter, node.target, *node.body, *node.orelse)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_all(*node.decorator_list, *node.args.defaults)
        names = (x.arg for x in ast.walk(node.args) if isinstance(x, ast.arg))
        self._visit_inner(names, *node.body)
        self.bound.add(node.name)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        names = (x.arg for x in ast.walk(node.args) if isinstance(x, ast.arg))
        self._visit_inner(names, node.body)

    def visit_ListComp(self, node: Any) -> None:
        self._visit_inner((), *node.generators, node.elt)

    visit_SetComp = visit_GeneratorExp = visit_ListComp  # noqa: N815

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._visit_inner((), *node.generators, node.key, node.value)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self._visit_all(node.iter, node.target, *node.ifs)

    def _visit_all(self, *nodes: ast.AST) -> None:
        for node in nodes:
            self.visit(node)

    def _visit_inner(self, names: Iterable[str], *nodes: ast.AST) -> None:
        """Visit code with names of its own."""
        outer = set(self.bound)
        self.bound.update(names)
        self._visit_all(*nodes)
        self.bound = outer


def _assigned(statement: ast.stmt | None) -> str | None:
    """The one variable that a statement gives a value."""
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        targets = [statement.target]
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else None


def _is_equal(x: Any, y: Any) -> bool:
    (some, form), (others, other_form) = tree.flatten(x), tree.flatten(y)
    return form == other_form and all(
        np.array_equal(a, b, equal_nan=_is_floating(a)) for a, b in zip(some, others, strict=True)
    )
