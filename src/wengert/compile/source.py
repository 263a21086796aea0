"""A program as NumPy source: a function that anyone can read, run, and take apart.

One statement an operation, under the names that user code has for its values, with the user's lines
as comments; it imports NumPy and, if need be, SciPy. How a primitive is written is in `forms.py`,
how a constant is in `literals.py`. The one difficulty is writing into arrays: a copy is written to,
but one that nobody reads later is written in place, so that loops take linear time.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import os
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert import tree
from wengert.compile.encoding import Layout
from wengert.compile.formatting import (
    assignment,
    comment,
    exchange,
    expression,
    flat,
    returned,
    signature,
    statement,
)
from wengert.compile.forms import (
    AXES,
    HELPERS,
    USES,
    axes,
    filled,
    form_of,
    operator_of,
    parsed,
    takes_weak,
)
from wengert.compile.literals import LARGE, array_lines, key, literal, number, short_array
from wengert.compile.passes.loop import loop
from wengert.compile.program import PART, Guard, Op, Operand, Program, Spec
from wengert.compile.vocabulary import base_of_error, is_known
from wengert.errors import ArgumentError, Line, UnsupportedFunctionError
from wengert.primitives.family import Primitive
from wengert.primitives.indexing import is_fancy
from wengert.primitives.taking import fill
from wengert.tape.columns import Constant, Place

_INDENT = 4
_LONGEST = 32  # characters of a name; longer ones would not leave room for a statement
_MODULES = {
    "np": "import numpy as np",
    "linalg": "from scipy import linalg",
    "special": "from scipy import special",
}
_TAKEN = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), *_MODULES}
_HEAD = '"""NumPy source that Wengert wrote from a run of the function."""'


def to_source(
    program: Program,
    name: str = "value_and_grad",
    *,
    result: Layout | None = None,
    lines: bool = True,
) -> str:
    """NumPy source of a program.

    Parameters
    ----------
    program : Program
    name : str
        What the function is called. Its parameters are the program's inputs, by their names;
        arrays of more than 1000 elements that the program holds are keyword arguments:
        `large_constants` gives them.
    result : Layout, optional
        The tree that the function returns; by default a single output, or a tuple of them.
    lines : bool
        Name the user's lines, in comments.

    Returns
    -------
    str
        A module that imports nothing but numpy and scipy. Its results are those of the program,
        to the bit.

    Raises
    ------
    UnsupportedFunctionError
        If an operation is no primitive of Wengert's own.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ArgumentError(f"{name!r:.60} is no name of a Python function.")
    return _Writer(program, name, lines).module(result)


def large_constants(program: Program, name: str = "value_and_grad") -> dict[str, np.ndarray]:
    """The arrays that the function printed under a name takes as keyword arguments."""
    writer = _Writer(program, name, lines=False)
    writer.module(None)
    return writer.large


class _Scope(NamedTuple):
    """A program that is being written: the whole, or the body of a loop.

    Attributes
    ----------
    values : list of str
        The name of each value so far.
    parts : dict
        Names of parts of loops, by number of the loop's value and position.
    """

    program: Program
    values: list[str]
    parts: dict[tuple[int, int], str]
    in_place: set[int]
    guards: dict[int, list[Guard]]
    indent: int


def _scope(program: Program, values: Sequence[str], indent: int) -> _Scope:
    guards: dict[int, list[Guard]] = {}
    for guard in program.guards:
        guards.setdefault(guard.value, []).append(guard)
    return _Scope(program, list(values), {}, _written_in_place(program), guards, indent)


class _Writer:
    """Writes one program."""

    def __init__(self, program: Program, name: str, lines: bool):
        self.name, self.with_lines = name, lines
        self.names = _Names(name)
        inputs = [self.names.new(_input_name(program, k)) for k in range(len(program.inputs))]
        self.scope = _scope(program, inputs, _INDENT)
        self.constants: list[str] = []
        self.large: dict[str, np.ndarray] = {}
        self.helpers: set[str] = set()
        self.body: list[str] = []
        self._arrays: dict[Any, str] = {}
        self._line: Any = None

    # ------------------------------------------------------------------------------- the module

    def module(self, result: Layout | None) -> str:
        """The whole text."""
        parameters = list(self.scope.values)
        self._write_scope()
        outputs = returned(self._outputs(result), _INDENT)
        if self.large:
            parameters += ["*", *self.large]
        function = [*signature(self.name, parameters), *self.body, *outputs]
        definitions = [*self._helper_definitions(), "\n".join(function) + "\n"]
        text = "\n\n".join(definitions)
        if self.constants:
            text = "\n".join(self.constants) + "\n\n\n" + text
        code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        imports = [
            line for name, line in _MODULES.items() if re.search(rf"(?<!\.)\b{name}\.", code)
        ]
        gap = "\n\n" if self.constants else "\n\n\n"
        return "\n\n".join(filter(None, [_HEAD, "\n".join(imports)])) + gap + text

    def _helper_definitions(self) -> list[str]:
        needed = self.helpers | {used for name in self.helpers for used in USES.get(name, ())}
        return [text for name, text in HELPERS.items() if name in needed]

    def _outputs(self, result: Layout | None) -> ast.expr:
        nodes = [self._operand(x) for x in self.scope.program.outputs]
        if result is None:
            return nodes[0] if len(nodes) == 1 else ast.Tuple(nodes)
        leaves = [self._operand(x) if isinstance(x, Constant) else nodes[x] for x in result.leaves]
        return _tree_node(tree.unflatten(result.structure, range(len(leaves))), leaves)

    def _write_scope(self) -> None:
        count = len(self.scope.program.inputs)
        for k in range(count):
            self._write_guards(k)
        for k, op in enumerate(self.scope.program.ops, count):
            if not self._is_part_of_loop(op):
                self._write_comment(op.place)
            self._write_operation(k, op)
            self._write_guards(k)

    def _write_comment(self, place: Place | None) -> None:
        if place is None or not self.with_lines:
            return
        line = place.line
        if line.text and line != self._line:  # there is no text of generated code
            self._line = line
            self.body.append(comment(_line_text(line), self.scope.indent))

    def _write_guards(self, value: int) -> None:
        name, pad = self.scope.values[value], " " * self.scope.indent
        for guard in self.scope.guards.get(value, ()):
            if guard.place is not None and self.with_lines:
                text = f"the way taken at {_line_text(guard.place.line)}"
                self.body.append(comment(text, self.scope.indent))
            if isinstance(guard.expected, bool | np.bool):
                test = f"bool({name}) is {bool(guard.expected)}"
            else:
                test = f"int({name}) == {int(guard.expected)}"
            self.body.append(f"{pad}assert {test}")

    # ---------------------------------------------------------------------------- one operation

    def _write_operation(self, k: int, op: Op) -> None:
        if op.primitive is loop:
            self._write_loop(k, op)
            return
        if not is_known(op.primitive):
            raise UnsupportedFunctionError(
                f"{op.primitive.name} is no primitive of Wengert's own, and has no NumPy source.",
                "Write the function in terms of NumPy's.",
                op.place.line if op.place is not None else None,
            )
        if op.primitive.name in _WRITES:
            self._write_into(k, op)
            return
        if self._is_part_of_loop(op):
            part = self.scope.parts[op.operands[0], op.parameters["position"]]  # type: ignore[index]
            self.scope.values.append(part)
            return
        value = self._expression(op)
        self._assign(self._new_name(k, op), value)

    def _is_part_of_loop(self, op: Op) -> bool:
        parts = self.scope.parts
        return op.primitive is PART and (op.operands[0], op.parameters["position"]) in parts

    def _assign(self, target: str, value: ast.expr, operator: str = "=") -> None:
        self.body += assignment(target, value, self.scope.indent, operator)

    def _new_name(self, k: int, op: Op) -> str:
        """A name for a value: the user's, if the next operation is not part of the same call."""
        program = self.scope.program
        position = k - len(program.inputs) + 1
        is_last = len(program.ops) == position or program.ops[position].place != op.place
        given = op.place.name if op.place is not None and is_last else None
        if op.primitive.name in _WRITES and op.place is not None:  # x[i] = v names x, not its part
            written = re.match(r"(\w+)\[.*\] [^=]?=", op.place.line.text)
            given = written[1] if written else (given or "").partition("[")[0]
        name = self.names.new(_identifier(given) or f"v{k}")
        self.scope.values.append(name)
        return name

    # -------------------------------------------------------------------------------------- loops

    def _write_loop(self, k: int, op: Op) -> None:
        """A stretch that repeats: values carried on, elements read, values collected."""
        body, carried = op.parameters["body"], op.parameters["carried"]
        stacked, is_reverse = op.parameters["stacked"], op.parameters["reverse"]
        operands = [self._operand(x) for x in op.operands]
        arrays = operands[carried : carried + len(stacked)]
        held = [self.names.new(_output_name(body, x) or f"h{k}") for x in range(carried)]
        lists = [self.names.new(f"rows{k}") for _ in body.outputs[carried:]]
        for name, start in zip(held, operands, strict=False):
            self._assign(name, start)
        for name in lists:
            self._assign(name, ast.List([]))
        fixed = [self._named(x) for x in operands[carried + len(stacked) :]]
        elements = [self.names.new(f"e{k}") for _ in stacked]
        turn, outer = self.names.new("t"), self.scope
        turns = f"range({op.parameters['count']})"
        turns = f"reversed({turns})" if is_reverse else turns
        self.body.append(f"{' ' * outer.indent}for {turn} in {turns}:")
        self.scope = _scope(body, [*held, *elements, *fixed], outer.indent + _INDENT)
        specs = body.inputs[carried : carried + len(stacked)]
        for name, part, array, spec in zip(elements, stacked, arrays, specs, strict=True):
            self._assign(name, _element(array, part, turn, spec))
        self._write_scope()
        self._write_end_of_turn(held, lists)
        self.scope, self._line = outer, None
        for name in lists:
            self._assign(name, expression(f"np.stack({name}{'[::-1]' if is_reverse else ''})"))
        self.scope.values.append("")  # a tuple that only its parts are taken of
        self.scope.parts.update({(k, position): x for position, x in enumerate([*held, *lists])})

    def _write_end_of_turn(self, held: list[str], lists: list[str]) -> None:
        """Collect what is collected, and carry on what is carried on."""
        outputs = [self._operand(x) for x in self.scope.program.outputs]
        for name, value in zip(lists, outputs[len(held) :], strict=True):
            call = ast.Call(ast.Attribute(ast.Name(name), "append"), [value], [])
            self.body += statement(call, self.scope.indent)
        changed = [(a, b) for a, b in zip(held, outputs, strict=False) if a != flat(b)]
        if len(changed) == 1:
            self._assign(*changed[0])
        elif changed:
            targets, values = [a for a, _ in changed], [b for _, b in changed]
            self.body += exchange(targets, values, self.scope.indent)
        elif not lists and not self.scope.program.ops:
            self.body.append(f"{' ' * self.scope.indent}pass")

    def _named(self, node: ast.expr) -> str:
        """The name of an operand that stays the same in every turn."""
        if isinstance(node, ast.Name):
            return node.id
        name = self.names.new("fixed")
        self._assign(name, node)
        return name

    def _expression(self, op: Op) -> ast.expr:
        name, parameters = op.primitive.name, op.parameters
        base = base_of_error(name)
        if base is not None:
            return self._failure(op, base)
        specs = [self.scope.program.spec(x) for x in op.operands]
        is_weak = takes_weak(op, specs)
        operands = [self._operand(x, is_weak) for x in op.operands]
        if op.primitive is PART:
            return ast.Subscript(operands[0], number(parameters["position"]))
        if name == "read":
            return self._followed(_as_array(operands[0], specs[0]), parameters["path"])
        if name == "gather":
            index = fill(parameters["template"], operands[1:])
            return ast.Subscript(operands[0], key(index, self._array_name))
        operator = operator_of(op, specs)
        if operator is not None:
            is_python = all(spec.kind == "python" for spec in specs)
            return operator(operands) if is_python else _held(operator(operands), op.spec)
        names = op.primitive.operands
        given: dict[str, ast.expr] = dict(zip(names, operands, strict=False))
        if op.primitive.variadic:
            given[names[0]] = ast.Tuple(operands)
        given |= {x: literal(value, self._array_name) for x, value in parameters.items()}
        if name in AXES:
            given["axis"] = axes(parameters["axis"], len(specs[0].shape))
        node = filled(parsed(form_of(op, specs)), given, set(parameters))
        self.helpers |= {x.id for x in ast.walk(node) if isinstance(x, ast.Name)} & HELPERS.keys()
        return _held(node, op.spec)

    def _failure(self, op: Op, base: Primitive) -> ast.expr:
        """Whether an operation raises an error, which the function handles."""
        if base.name in _WRITES:
            raise UnsupportedFunctionError(
                "a handled error of a write has no NumPy source.",
                "Decide by the index itself which way to take.",
                op.place.line if op.place is not None else None,
            )
        whole = Spec((), op.spec.dtype, "array")
        tried = self._expression(Op(base, op.operands, op.parameters, whole, op.place))
        self.helpers.add("_fails")
        return ast.Call(ast.Name("_fails"), [ast.Lambda(_NOTHING, tried)], [])

    def _followed(self, part: ast.expr, path: Any) -> ast.expr:
        """The part at the end of a path, as NumPy's views."""
        for kind, argument in path:
            if kind == "getitem":
                part = ast.Subscript(part, key(argument, self._array_name))
                continue
            given = {"real": (), "imag": (), "moveaxis": argument, "diagonal": argument}
            nodes = [literal(x, self._array_name) for x in given.get(kind, (argument,))]
            function = "broadcast_to" if kind == "broadcast" else kind
            part = ast.Call(expression(f"np.{function}"), [part, *nodes], [])
        return part

    def _write_into(self, k: int, op: Op) -> None:
        """``out = np.array(a)``, ``out[i] = values``; without a copy if nobody reads `a` later."""
        base, values = self._operand(op.operands[0]), self._operand(op.operands[1])
        path: Any = op.parameters.get("path")
        add = op.parameters["add"]
        if op.primitive.name == "scatter":
            indices = [self._operand(x) for x in op.operands[2:]]
            path = (("getitem", fill(op.parameters["template"], indices)),)
        elif any(step[0] not in _WRITABLE for step in path):
            arguments = [base, values, *[literal(x, self._array_name) for x in (path, add)]]
            self.helpers.add("_write")
            self._assign(self._new_name(k, op), ast.Call(ast.Name("_write"), arguments, []))
            return
        if k in self.scope.in_place:
            target = flat(base)
            self.scope.values.append(target)
        else:
            target = self._new_name(k, op)
            self._assign(target, ast.Call(expression("np.array"), [base], []))
        way, index = (path[:-1], path[-1][1]) if _ends_in_index(path) else (path, ...)
        part = self._followed(ast.Name(target), way)
        if add and (op.primitive.name == "scatter" or is_fancy(index)):
            arguments = [part, literal(index, self._array_name), values]
            call = ast.Call(expression("np.add.at"), arguments, [])
            self.body += statement(call, self.scope.indent)
            return
        place = flat(ast.Subscript(part, key(index, self._array_name)))
        self._assign(place, values, "+=" if add else "=")

    # ---------------------------------------------------------------------------------- operands

    def _operand(self, operand: Operand, is_weak: bool = False) -> ast.expr:
        if isinstance(operand, int):
            return ast.Name(self.scope.values[operand])
        value = operand.value
        if is_weak and type(value) is np.float64:
            value = value.item()
        return literal(value, self._array_name)

    def _array_name(self, array: np.ndarray) -> str:
        known = (array.dtype, array.shape, array.flags.fnc, array.tobytes())
        name = self._arrays.get(known)
        if name is None:
            name = self._arrays[known] = self.names.new(f"c{len(self._arrays)}")
            short = short_array(array)
            if short is not None:
                self.constants += assignment(name, short)
            elif array.size > LARGE:
                self.large[name] = array
            else:
                self.constants += array_lines(name, array)
        return name


_WRITABLE = frozenset({"getitem", "transpose", "moveaxis"})


def _ends_in_index(path: Any) -> bool:
    return bool(path) and path[-1][0] == "getitem"


def _line_text(line: Line) -> str:
    return f"{os.path.basename(line.filename)}:{line.number}  {line.text}"


def _tree_node(node: Any, leaves: Sequence[ast.expr]) -> ast.expr:
    """A result as a literal of containers."""
    kind = type(node)
    if kind is int:
        return leaves[node]
    if node is None:
        return ast.Constant(None)
    if kind is dict and all(type(name) in (str, int) for name in node):
        parts = [_tree_node(part, leaves) for part in node.values()]
        return ast.Dict([ast.Constant(name) for name in node], parts)
    if kind in (tuple, list):
        parts = [_tree_node(part, leaves) for part in node]
        return ast.Tuple(parts) if kind is tuple else ast.List(parts)
    raise ArgumentError(
        f"the result holds a {kind.__name__}, for which there is no literal.",
        "Return dictionaries, lists and tuples; or leave out the tree, for a tuple of all leaves.",
    )


def _element(array: ast.expr, part: Any, turn: str, spec: Spec) -> ast.expr:
    """What one turn of a loop reads of an array."""
    if part.step == 0:
        place = str(part.start)
    elif part.step == -1:
        place = f"{part.start} - {turn}"
    else:
        product = turn if part.step == 1 else f"{part.step} * {turn}"
        place = f"{product} + {part.start}" if part.start else product
    index: list[ast.expr] = [*[ast.Slice()] * part.axis, expression(place)]
    node = ast.Subscript(array, index[0] if len(index) == 1 else ast.Tuple(index))
    if spec.kind == "python":
        return ast.Call(ast.Attribute(node, "item"), [], [])
    if spec.shape or spec.kind == "scalar":
        return node
    return ast.Call(expression("np.asarray"), [node], [])


def _output_name(body: Program, position: int) -> str | None:
    """How user code calls what a loop carries on."""
    output = body.outputs[position]
    op = body.op(output) if isinstance(output, int) else None
    return _identifier(op.place.name) if op is not None and op.place is not None else None


# -------------------------------------------------------------------------------------------- names


class _Names:
    """Gives names, each once, and none that means something already."""

    def __init__(self, function: str):
        self._used = {*_TAKEN, *HELPERS, "_step", "_assign", function}
        self._counts: dict[str, int] = {}

    def new(self, wanted: str) -> str:
        """The name wanted, with a number if it is taken."""
        name = wanted
        while name in self._used:
            count = self._counts[wanted] = self._counts.get(wanted, 0) + 1
            name = f"{wanted}_{count}"
        self._used.add(name)
        return name


def _input_name(program: Program, k: int) -> str:
    return (_identifier(program.names[k]) if program.names else None) or f"x{k}"


def _identifier(text: str | None) -> str | None:
    """What user code calls a value, as one word: ``w["a"]`` becomes ``w_a``."""
    word = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", text or "")).strip("_")
    return word if word.isidentifier() and len(word) <= _LONGEST else None


def _as_array(node: ast.expr, spec: Spec) -> ast.expr:
    return node if spec.kind != "python" else ast.Call(expression("np.asarray"), [node], [])


def _held(node: ast.expr, spec: Spec) -> ast.expr:
    """A number as Python's own, if it was one while tracing."""
    if spec.kind != "python":
        return node
    return ast.Call(ast.Name(_PYTHON[spec.dtype.kind]), [node], [])


_NOTHING = ast.arguments([], [], None, [], [], None, [])
_PYTHON = {"b": "bool", "i": "int", "f": "float", "c": "complex"}


# ------------------------------------------------------------------------------------------ writing


def _written_in_place(program: Program) -> set[int]:
    """Numbers of the writes that need no copy: into a copy made before, which nobody reads later.

    Without this, a loop that fills an array would take quadratic time.
    """
    count = len(program.inputs)
    last: dict[int, int] = {}
    shared = {x for x in program.outputs if isinstance(x, int)}  # may be held by another value
    for k, op in enumerate(program.ops, count):
        is_write = op.primitive.name in _WRITES
        for position, x in enumerate(op.operands):
            if isinstance(x, int):
                last[x] = k
                if not (_makes_anew(op) or (is_write and position <= 1)):
                    shared.add(x)
    found = set()
    for k, op in enumerate(program.ops, count):
        base = op.operands[0] if op.operands else None
        if op.primitive.name not in _WRITES or not isinstance(base, int) or base < count:
            continue
        is_copy = program.ops[base - count].primitive.name in _WRITES
        if is_copy and base not in shared and last[base] == k and base not in op.operands[1:]:
            found.add(k)
    return found


_WRITES = frozenset({"write", "scatter"})


def _makes_anew(op: Op) -> bool:
    """True if the result surely shares no memory with an operand."""
    return op.spec.kind == "scalar" or isinstance(op.primitive.function, np.ufunc)
