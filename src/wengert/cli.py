"""The `wengert` command: read the command line, call, print.

`explain` takes an expression, which is never handed to `eval` as it is: its syntax tree is checked
node by node and may hold arithmetic, literals, names, and calls of functions that Wengert has a
rule for. The expression is then a Python function like any other, and `show/explain.py` does the
rest.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import json
import linecache
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import scipy.special

import wengert.numpy
import wengert.scipy.special
from wengert.errors import WengertError
from wengert.primitives.registry import REGISTRY
from wengert.show.explain import explain
from wengert.show.gradient_source import gradient_source
from wengert.show.picture import Picture
from wengert.show.player import player as write_player

try:
    import typer
    from rich.console import Console
    from rich.markup import escape
except ImportError as missing:  # an installation without the extra: a sentence, not a traceback
    sys.exit(f"wengert: the command line needs {missing.name}: pip install 'wengert[cli]'")

Target = Annotated[
    str,
    typer.Argument(help='An expression such as "((x*y)*(y*z))**2", or module:function.'),
]
Values = Annotated[
    list[str] | None,
    typer.Argument(help="Its values: x=3 y=[1,2,3] z=pi/4. For a function also without names."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the tape as JSON.")]
Check = Annotated[bool, typer.Option("--check", help="Show finite differences beside.")]
Draw = Annotated[
    Path | None, typer.Option(help="Draw it as well: a file .svg, .png, .pdf or .dot.")
]
Player = Annotated[
    Path | None,
    typer.Option(help="Write a page as well that steps through the tape: a file .html."),
]
Source = Annotated[
    bool, typer.Option("--source", help="Print NumPy source of the value and the gradient instead.")
]
Out = Annotated[Path, typer.Option(help="Folder for the report and its pictures.")]
Data = Annotated[
    Path | None, typer.Option(help="Folder of the NIST data; else data/ of the clone.")
]
Quick = Annotated[bool, typer.Option("--quick", help="Shorter runs; the same bounds.")]

UNBOUNDED = 10_000  # columns: a file or a pipe has no width, so nothing is wrapped

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Automatic differentiation for NumPy code, and the tape that shows it.",
)


def main() -> None:
    """Run the `wengert` command."""
    app()


# ---- the commands -------------------------------------------------------------------------------


@app.command("explain")
def explain_command(
    target: Target,
    values: Values = None,
    as_json: AsJson = False,
    check: Check = False,
    draw: Draw = None,
    player: Player = None,
    source: Source = False,
) -> None:
    """Print the tape of a function with its values, local derivatives and adjoints.

    What begins with a minus sign goes after two dashes: wengert explain -- "-x**2" x=3
    """
    # In a function of the user's own any other error is theirs: it keeps its traceback.
    expected = (ExpressionError, WengertError) if _is_reference(target) else Exception
    try:
        function, args, kwargs = read_call(target, values or [])
        with np.errstate(all="ignore"):  # the table shows what is infinite
            explanation = explain(function, *args, check=check, **kwargs)
            shown = gradient_source(function, *args, **kwargs) if source else ""
        if draw is not None:
            _say(f"wrote {Picture(explanation.graph).save(draw)}")
        if player is not None:
            _say(f"wrote {write_player(explanation.graph, path=player)}")
    except expected as error:
        _fail(str(error))
    if source:
        print(shown)
        return
    if as_json:
        print(json.dumps(explanation.to_dict(), indent=2))
        return
    Console(width=None if sys.stdout.isatty() else UNBOUNDED).print(explanation)


@app.command()
def demo(out: Out = Path("out"), data: Data = None, quick: Quick = False) -> None:
    """Run the main job: circuits, a neuron, spirals, handwritten digits, NIST's regressions."""
    try:
        # matplotlib and scikit-learn come with an extra and are slow to load: only here.
        from wengert.demo.main import run_demo
    except ModuleNotFoundError as missing:
        _fail(f"the demo needs {missing.name}: pip install 'wengert[demo]'")
    try:
        is_passed = run_demo(out, data, quick=quick, console=Console())
    except FileNotFoundError as error:
        _fail(str(error))
    raise typer.Exit(0 if is_passed else 1)


@app.command()
def version() -> None:
    """Print the versions of Wengert and of what it computes with."""
    python = sys.version.split()[0]
    numbers = {name: metadata.version(name) for name in ("wengert", "numpy", "scipy")}
    print(", ".join(f"{name} {number}" for name, number in {**numbers, "python": python}.items()))


def _say(message: str) -> None:
    """Say what was done, beside the output."""
    Console(stderr=True).print(escape(message), highlight=False, soft_wrap=True)


def _fail(message: str) -> NoReturn:
    text = f"[bold red]wengert:[/] {escape(message)}"
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)
    raise typer.Exit(2)


# ---- what stands on the command line ------------------------------------------------------------


class ExpressionError(ValueError):
    """What was typed is no expression that `wengert explain` takes."""


def read_call(
    target: str, values: Sequence[str]
) -> tuple[Callable[..., Any], list[Any], dict[str, Any]]:
    """Read the function that `target` stands for, and its arguments from `values`."""
    named = dict(value.split("=", 1) for value in values if _is_named(value))
    named = {name.strip(): read_value(text) for name, text in named.items()}
    loose = [value for value in values if not _is_named(value)]
    unnamed = [read_value(text) for text in loose]
    if _is_reference(target):
        function = import_function(target)
        try:
            inspect.signature(function).bind(*unnamed, **named)
        except TypeError as error:
            raise ExpressionError(f"{target}: {error}.") from error
        return function, unnamed, named
    if unnamed:
        raise ExpressionError(f"{loose[0]!r} has no name: write x={loose[0]}.")
    function = read_expression(target, variables=named)
    names = list(inspect.signature(function).parameters)
    lacking = [name for name in names if name not in named]
    if lacking:
        raise ExpressionError(
            f"no value for {' and '.join(lacking)}. Add it: wengert explain {target!r} "
            + " ".join(f"{name}=…" for name in names)
        )
    surplus = [name for name in named if name not in names]
    if surplus:
        raise ExpressionError(
            f"{target!r} does not use {' or '.join(surplus)}; it uses "
            f"{', '.join(names) or 'no names'}."
        )
    return function, [named[name] for name in names], {}


def read_value(text: str) -> Any:
    """Read ``3``, ``[1, 2]`` or ``pi/4`` as a number or an array; integers become floats."""
    function = read_expression(text, filename="<value>")
    names = list(inspect.signature(function).parameters)
    if names:
        raise ExpressionError(f"the value {text!r} has the unknown name {names[0]}.")
    value = function()
    is_whole = np.asarray(value).dtype.kind == "i"
    return np.asarray(value, float)[()] if is_whole else value


def import_function(reference: str) -> Callable[..., Any]:
    """Load what ``module:function`` names, from the current folder too."""
    module, _, name = reference.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ExpressionError(f"cannot load {reference}: {error}.") from error
    if not callable(function):
        raise ExpressionError(f"{reference} is no function but {type(function).__name__}.")
    return function


def read_expression(
    source: str, *, variables: Collection[str] = (), filename: str = "<expression>"
) -> Callable[..., Any]:
    """Make a function of the names in an expression, in the order in which they appear.

    Parameters
    ----------
    source : str
        Arithmetic, literals, names, and calls of differentiable functions.
    variables : collection of str
        Names that are variables although they could be constants, such as ``e``.
    filename : str
        What messages call the place where it stands.

    Raises
    ------
    ExpressionError
        If it is anything else; the message points at the place.

    Examples
    --------
    >>> f = read_expression("x * np.exp(-x * y)")
    >>> list(inspect.signature(f).parameters), float(f(2.0, 0.0))
    (['x', 'y'], 2.0)
    """
    source = source.strip()
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        column = (getattr(error, "offset", None) or 1) - 1
        fact = f"not an expression: {getattr(error, 'msg', error)}"
        raise ExpressionError(_pointed(fact, source, column)) from error
    reader = _Reader(source, variables)
    checked = reader.visit(tree.body)
    module = ast.parse(f"def expression({', '.join(reader.names)}): return 0")
    module.body[0].body[0].value = checked  # type: ignore[attr-defined]
    # So that messages can show the expression as the user's line.
    linecache.cache[filename] = (len(source), None, [source], filename)
    namespace: dict[str, Any] = {"__builtins__": {}, **reader.functions}
    exec(compile(ast.fix_missing_locations(module), filename, "exec"), namespace)
    return namespace["expression"]


CONSTANTS: Mapping[str, float] = {"pi": np.pi, "e": np.e, "inf": np.inf, "nan": np.nan}
MODULES: Mapping[str, Any] = {
    "np": np, "np.linalg": np.linalg, "np.fft": np.fft,
    "numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft,
    "special": scipy.special, "sp.special": scipy.special, "scipy.special": scipy.special,
}  # fmt: skip
# Where a function is found that takes lists of traced values too.
MIRRORS: Mapping[Any, Any] = {np: wengert.numpy, scipy.special: wengert.scipy.special}
# Operators, comparisons, subscripts and literals. Names, calls, attributes and lists have a method
# of their own.
HARMLESS = (
    ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.Slice, ast.Tuple, ast.Constant,
    ast.keyword, ast.operator, ast.unaryop, ast.cmpop, ast.Load,
)  # fmt: skip


# What is tried nevertheless, and what to write instead.
REFUSED: Mapping[type[ast.AST], str] = {
    ast.IfExp: "if and else are not allowed here: write where(x > 0, x, 0)",
    ast.BoolOp: "and and or are not allowed here: write (x > 0) * (x < 1)",
    ast.Lambda: "lambda is not needed here: write the expression alone, x**2",
    ast.Dict: "a dictionary is not allowed here: give each value a name",
    ast.JoinedStr: "text is not allowed here: write arithmetic and calls",
    ast.ListComp: "a loop is not allowed here: write arrays, sum(x*w)",
    ast.GeneratorExp: "a loop is not allowed here: write arrays, sum(x*w)",
}


class _Reader(ast.NodeTransformer):
    """Checks every node; puts the functions themselves in the place of their dotted names."""

    def __init__(self, source: str, variables: Collection[str]):
        self.source, self.variables = source, variables
        self.names: list[str] = []
        self.functions: dict[str, Any] = {}

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, HARMLESS):
            told = REFUSED.get(type(node), "this is not allowed here: write arithmetic and calls")
            raise self._error(told, node)
        return super().generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in CONSTANTS and node.id not in self.variables:
            return ast.copy_location(ast.Constant(CONSTANTS[node.id]), node)
        if node.id.startswith("_"):
            raise self._error(f"the name {node.id} begins with an underscore", node)
        if node.id not in self.names:
            self.names.append(node.id)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        if node.arg is None:
            raise self._error("** is not allowed in a call: write the keywords out", node)
        return super().generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        module, _, name = ast.unparse(node).rpartition(".")
        if MODULES.get(module) is np and name in CONSTANTS:
            return ast.copy_location(ast.Constant(CONSTANTS[name]), node)
        if node.attr == "T":
            return ast.copy_location(ast.Attribute(self.visit(node.value), "T", node.ctx), node)
        raise self._error(
            f"the attribute .{node.attr} is not allowed; functions are called, as in "
            f"np.{node.attr}(x)",
            node,
        )

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = ast.unparse(node.func)
        if name in PAIRED and len(node.args) == 2 and not node.keywords:
            name = PAIRED[name]
        function = find_function(name)
        if function is None:
            close = difflib.get_close_matches(name.rpartition(".")[2], _function_names(), 1, 0.75)
            hint = f". The closest name is {close[0]}" if close else ""
            raise self._error(
                f"no differentiable function of NumPy or scipy.special is called {name}{hint}", node
            )
        return self._call(
            function,
            [self.visit(a) for a in node.args],
            [self.visit(k) for k in node.keywords],
            node,
        )

    def visit_List(self, node: ast.List) -> ast.AST:
        return self._call(wengert.numpy.array, [self._nested(node)], [], node)

    def _nested(self, node: ast.expr) -> ast.AST:
        if not isinstance(node, ast.List):
            return self.visit(node)
        elements = [self._nested(element) for element in node.elts]
        return ast.copy_location(ast.List(elements, ast.Load()), node)  # type: ignore[arg-type]

    def _call(self, function: Any, args: list[Any], keywords: list[Any], node: ast.AST) -> ast.AST:
        alias = f"_{function.__name__}_{len(self.functions)}"
        self.functions[alias] = function
        return ast.copy_location(ast.Call(ast.Name(alias, ast.Load()), args, keywords), node)

    def _error(self, fact: str, node: Any) -> ExpressionError:
        return ExpressionError(_pointed(fact, self.source, getattr(node, "col_offset", 0)))


# Python's max(x, 0) is not NumPy's, whose second argument is an axis.
PAIRED: Mapping[str, str] = {"max": "maximum", "min": "minimum"}


def find_function(dotted: str) -> Callable[..., Any] | None:
    """Find the function of NumPy or scipy.special with this name, if it has a derivative."""
    if dotted in ALIASES:
        return ALIASES[dotted]
    module, _, name = dotted.rpartition(".")
    places = [MODULES.get(module)] if module else [np, scipy.special, np.linalg]
    for place in places:
        function = getattr(place, name, None)
        is_maker = place is np and name in wengert.numpy.__all__  # zeros, eye, linspace …
        is_known = callable(function) and function in REGISTRY.by_function
        if is_maker or is_known or isinstance(function, np.ufunc):
            return getattr(MIRRORS.get(place, place), name)
    return None


def relu(x: Any) -> Any:
    """What networks call the larger of a value and 0."""
    return np.maximum(x, 0)


# Names that textbooks use.
ALIASES: Mapping[str, Callable[..., Any]] = {
    "sigmoid": wengert.scipy.special.expit,
    "relu": relu,
    "ln": np.log,
}


def _function_names() -> list[str]:
    names = (getattr(function, "__name__", "") for function in REGISTRY.by_function)
    return [*(name for name in names if name.isidentifier()), *ALIASES]


def _is_named(value: str) -> bool:
    name, equals, rest = value.partition("=")
    return bool(equals) and name.strip().isidentifier() and not rest.startswith("=")


def _is_reference(target: str) -> bool:
    module, colon, name = target.partition(":")
    return (
        bool(colon)
        and name.isidentifier()
        and all(part.isidentifier() for part in module.split("."))
    )


def _pointed(fact: str, source: str, column: int) -> str:
    return f"{fact}.\n  {source}\n  {' ' * column}^"
