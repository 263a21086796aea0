"""Python expressions as text of at most 100 columns, broken over lines as formatters break them.

Expressions are `ast` nodes, of the few kinds that printed programs need. What fits on a line stands
on one; otherwise the outermost brackets are opened: all that is in them on one line, or else each
part on its own, with a comma after the last.
"""

from __future__ import annotations

import ast
import math
from typing import Any

WIDTH = 100
_INDENT = 4
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.MatMult: "@",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.USub: "-",
}


def expression(text: str) -> ast.expr:
    """The node of an expression that is written out."""
    return ast.parse(text, mode="eval").body


def assignment(target: str, value: ast.expr, indent: int = 0, operator: str = "=") -> list[str]:
    """The lines of ``target = value``."""
    return _broken(f"{target} {operator} ", value, "", indent)


def exchange(targets: list[str], values: list[ast.expr], indent: int = 0) -> list[str]:
    """The lines of ``a, b = c, d``."""
    left, right = ", ".join(targets), ", ".join(map(flat, values))
    line = f"{' ' * indent}{left} = {right}"
    if len(line) <= WIDTH:
        return [line]
    pad = " " * indent
    if len(f"{pad}{left} = (") <= WIDTH:
        return _broken(f"{left} = ", ast.Tuple(values), "", indent)
    inner = [f"{pad}{' ' * _INDENT}{target}," for target in targets]
    return [f"{pad}(", *inner, *_broken(") = ", ast.Tuple(values), "", indent)]


def statement(value: ast.expr, indent: int = 0) -> list[str]:
    """The lines of an expression that stands by itself."""
    return _broken("", value, "", indent)


def returned(value: ast.expr, indent: int = 0) -> list[str]:
    """The lines of ``return value``."""
    return _broken("return ", value, "", indent)


def signature(name: str, parameters: list[str], indent: int = 0) -> list[str]:
    """The lines of ``def name(parameters):``."""
    head, tail = f"{' ' * indent}def {name}(", "):"
    inner = ", ".join(parameters)
    if len(head + inner + tail) <= WIDTH:
        return [head + inner + tail]
    pad = " " * (indent + _INDENT)
    if len(pad + inner) <= WIDTH and "*" not in parameters:
        return [head, pad + inner, tail]
    return [head, *[f"{pad}{parameter}," for parameter in parameters], tail]


def comment(text: str, indent: int = 0) -> str:
    """One line of comment; what cannot be printed, or does not fit, is left out."""
    printable = "".join(c if c.isprintable() else "?" for c in text)
    return (" " * indent + "# " + printable)[:WIDTH].rstrip()


def quoted(text: str) -> str:
    """A string literal, in double quotes where that needs no more escapes."""
    literal = repr(text)
    if literal[0] == "'" and '"' not in text:
        literal = '"' + literal[1:-1].replace("\\'", "'") + '"'
    return literal


def flat(node: ast.AST) -> str:
    """An expression on one line."""
    return _FLAT[type(node)](node)


def _inner(node: ast.expr) -> str:
    """An operand of an operator, or what an attribute is taken of."""
    text = flat(node)
    return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Compare) else text


def _constant(node: ast.Constant) -> str:
    value = node.value
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} has no literal")
    return "..." if value is Ellipsis else repr(value)


def _tuple(node: ast.Tuple) -> str:
    parts = [flat(part) for part in node.elts]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _subscript(node: ast.Subscript) -> str:
    index = flat(node.slice)
    if isinstance(node.slice, ast.Tuple) and node.slice.elts:
        index = index[1:-1]
    return f"{_inner(node.value)}[{index}]"


def _slice(node: ast.Slice) -> str:
    ends = [flat(part) if part is not None else "" for part in (node.lower, node.upper)]
    step = f":{flat(node.step)}" if node.step is not None else ""
    return ":".join(ends) + step


def _dict(node: ast.Dict) -> str:
    items = zip(node.keys, node.values, strict=True)
    return "{" + ", ".join(f"{flat(k)}: {flat(v)}" for k, v in items if k is not None) + "}"


def _call(node: ast.Call) -> str:
    return f"{_inner(node.func)}({', '.join(_arguments(node))})"


def _arguments(node: ast.Call) -> list[str]:
    return [flat(x) for x in node.args] + [f"{k.arg}={flat(k.value)}" for k in node.keywords]


_FLAT: dict[type[ast.AST], Any] = {
    ast.Name: lambda node: node.id,
    ast.Constant: _constant,
    ast.Attribute: lambda node: f"{_inner(node.value)}.{node.attr}",
    ast.Tuple: _tuple,
    ast.List: lambda node: f"[{', '.join(map(flat, node.elts))}]",
    ast.Dict: _dict,
    ast.Subscript: _subscript,
    ast.Slice: _slice,
    ast.Call: _call,
    ast.Lambda: lambda node: f"lambda: {flat(node.body)}",
    ast.UnaryOp: lambda node: f"{_OPERATORS[type(node.op)]}{_inner(node.operand)}",
    ast.BinOp: lambda node: f"{_inner(node.left)} {_OPERATORS[type(node.op)]} {_inner(node.right)}",
    ast.Compare: lambda node: (
        f"{_inner(node.left)} {_OPERATORS[type(node.ops[0])]} {_inner(node.comparators[0])}"
    ),
}


# ---------------------------------------------------------------------------------- over lines


def _broken(prefix: str, node: ast.expr, suffix: str, indent: int) -> list[str]:
    """The lines of an expression with text before and after it."""
    pad = " " * indent
    whole = f"{pad}{prefix}{flat(node)}{suffix}"
    if len(whole) <= WIDTH:
        return [whole]
    brackets = _brackets(node)
    if brackets is None:
        if not prefix or suffix == ",":  # it has its line already
            return [whole]
        return [f"{pad}{prefix}(", *_broken("", node, "", indent + _INDENT), f"{pad}){suffix}"]
    opening, parts, closing = brackets
    is_collection = isinstance(node, ast.Tuple | ast.List | ast.Dict)
    joined = ", ".join(f"{label}{flat(part)}" for label, part in parts)
    if not is_collection and indent + _INDENT + len(joined) <= WIDTH:
        middle = [" " * (indent + _INDENT) + joined]
    else:
        comma = "," if is_collection or len(parts) > 1 else ""
        middle = [
            line for label, part in parts for line in _broken(label, part, comma, indent + _INDENT)
        ]
    return [f"{pad}{prefix}{opening}", *middle, f"{pad}{closing}{suffix}"]


def _brackets(node: ast.expr) -> tuple[str, list[tuple[str, ast.expr]], str] | None:
    """What stands before, in and after the outermost brackets that can be opened."""
    if isinstance(node, ast.Call):
        if not node.args and not node.keywords:
            return None
        parts = [("", part) for part in node.args]
        parts += [(f"{keyword.arg}=", keyword.value) for keyword in node.keywords]
        return f"{_inner(node.func)}(", parts, ")"
    if isinstance(node, ast.Tuple | ast.List) and node.elts:
        opening, closing = "()" if isinstance(node, ast.Tuple) else "[]"
        return opening, [("", part) for part in node.elts], closing
    if isinstance(node, ast.Dict) and node.keys:
        items = zip(node.keys, node.values, strict=True)
        return "{", [(f"{flat(k)}: ", v) for k, v in items if k is not None], "}"
    if isinstance(node, ast.Subscript):
        found = _brackets(node.value) if isinstance(node.value, ast.Call) else None
        if found is not None:
            opening, parts, closing = found
            return opening, parts, f"{closing}[{flat(node)[len(_inner(node.value)) + 1 :]}"
    return None
