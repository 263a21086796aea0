"""Formulas of primitives: read into small trees, and typeset from them as MathML.

A formula is a Python expression in the operands and ``out``. Its tree is plain data (lists, names,
numbers), so that a page can compute with it too: ``2*x`` becomes ``["*", 2, ["slot", 0]]``, where
slots are the operands in their order and ``out`` after them. In the MathML a slot is an ``mi`` with
``data-slot``, which the page fills with names or numbers. What is no expression (a rule in words)
gives None.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

Tree = Any  # a number, or a list: an operator or a function's name, then its arguments

_BINARY: dict[type, str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
    ast.Gt: ">",
    ast.Lt: "<",
    ast.Eq: "==",
}
_CONSTANTS = ("pi",)


def read_formula(formula: str, slots: Sequence[str]) -> Tree | None:
    """Read a formula into a tree.

    Parameters
    ----------
    formula : str
        As a primitive states it.
    slots : sequence of str
        Names that stand for values: the operands and ``out``.

    Returns
    -------
    list or number or None
        None for what is no expression in these names: a rule in words.

    Examples
    --------
    >>> from wengert.show.player.formula import read_formula
    >>> read_formula("-out/x2", ("x1", "x2", "out"))
    ['neg', ['/', ['slot', 2], ['slot', 1]]]
    >>> read_formula("the sum of the adjoint", ("a", "out")) is None
    True
    """
    try:
        return _read(ast.parse(formula.strip(), mode="eval").body, tuple(slots))
    except (SyntaxError, ValueError):
        return None


def _read(node: ast.AST, slots: tuple[str, ...]) -> Tree:
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Constant(value=complex() as number) if number.real == 0:
            return ["imaginary", number.imag]
        case ast.Name(id=name) if name in slots:
            return ["slot", slots.index(name)]
        case ast.Name(id=name) if name in _CONSTANTS:
            return [name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _negated(_read(operand, slots))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _joined(_BINARY[type(op)], _read(left, slots), _read(right, slots))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _BINARY:
            return [_BINARY[type(op)], _read(left, slots), _read(right, slots)]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return [name, *[_read(argument, slots) for argument in args]]
    raise ValueError(f"{ast.dump(node)} has no place in a formula")


def _negated(tree: Tree) -> Tree:
    return -tree if isinstance(tree, int | float) else ["neg", tree]


def _joined(operator: str, left: Tree, right: Tree) -> Tree:
    """An operation, with a minus sign brought to the front and fractions of fractions joined."""
    if operator in "*/" and _is(left, "neg"):
        return ["neg", _joined(operator, left[1], right)]
    if operator == "/" and _is(left, "/"):
        return ["/", left[1], ["*", left[2], right]]
    return [operator, left, right]


def _is(tree: Tree, operator: str) -> bool:
    return isinstance(tree, list) and tree[0] == operator


# ---- MathML -------------------------------------------------------------------------------------

# How tightly an expression holds together; what is looser than its place gets parentheses.
_COMPARED, _SUM, _PRODUCT, _POWER, _ATOM = range(5)
_TIGHTNESS = {"+": _SUM, "-": _SUM, "neg": _SUM, "*": _PRODUCT, "**": _POWER}  # others: atoms

# Functions by the letter that mathematics has for them: base, superscript, and the number of
# leading arguments that are written below it.
_LETTERS: dict[str, tuple[str, str, int]] = {
    "psi": ("ψ", "", 0), "gamma": ("Γ", "", 0), "zeta": ("ζ", "", 0), "beta": ("B", "", 0),
    "j0": ("J", "", 0), "j1": ("J", "", 0), "y0": ("Y", "", 0), "y1": ("Y", "", 0),
    "i0": ("I", "", 0), "i1": ("I", "", 0), "k0": ("K", "", 0), "k1": ("K", "", 0),
    "jv": ("J", "", 1), "yv": ("Y", "", 1), "iv": ("I", "", 1), "kv": ("K", "", 1),
    "hankel1": ("H", "(1)", 1), "hankel2": ("H", "(2)", 1),
    "ellipk": ("K", "", 0), "ellipe": ("E", "", 0),
    "ellipkinc": ("F", "", 0), "ellipeinc": ("E", "", 0),
    "expn": ("E", "", 1), "eval_hermite": ("H", "", 1), "eval_hermitenorm": ("He", "", 1),
    "eval_legendre": ("P", "", 1), "eval_chebyt": ("T", "", 1), "eval_chebyu": ("U", "", 1),
    "hyperu": ("U", "", 0),
}  # fmt: skip
_WORDS = {
    "arctan2": "atan2",
    "floor_divide": "floor",
    "gammaln": "ln Γ",
    "betaln": "ln B",
    "log": "ln",
}


def mathml(tree: Tree, slots: Sequence[str]) -> str:
    """Typeset a tree: the content of a ``math`` element.

    Parameters
    ----------
    tree : list or number
        From `read_formula`.
    slots : sequence of str
        What stands in each slot until the page fills it.

    Returns
    -------
    str
        MathML; every text in it is escaped. A slot that needs no parentheses around a negative
        number has ``data-bare``.

    Examples
    --------
    >>> from wengert.show.player.formula import mathml, read_formula
    >>> print(mathml(read_formula("2*x", ("x", "out")), ("x", "out")))
    <mrow><mn>2</mn><mo>⋅</mo><mi data-slot="0">x</mi></mrow>
    """
    return _set(tree, slots, _COMPARED, bare=True)


def _set(tree: Tree, slots: Sequence[str], place: int, bare: bool = False) -> str:
    """Typeset for a place that holds so tightly; `bare` if a minus sign may stand there."""
    if not isinstance(tree, list):
        number = f"<mn>{abs(tree)}</mn>"
        return number if tree >= 0 else _fenced(_row(_MINUS, number), not bare)
    head, *arguments = tree
    if head == "slot":
        mark = ' data-bare=""' if bare else ""
        return f'<mi data-slot="{arguments[0]}"{mark}>{escape(slots[arguments[0]])}</mi>'
    setter = _SETTERS.get(head)
    if setter is None:
        return _applied(head, arguments, slots)
    looser = _TIGHTNESS.get(head, _ATOM) < place
    return _fenced(setter(arguments, slots, bare or looser), looser)


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _fenced(inner: str, is_needed: bool) -> str:
    return _row("<mo>(</mo>", inner, "<mo>)</mo>") if is_needed else inner


_MINUS = "<mo>\N{MINUS SIGN}</mo>"


def _set_sum(sign: str) -> Callable[..., str]:
    def setter(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
        left, right = arguments
        # What is subtracted holds as tightly as a product: a - (b + c).
        second = _set(right, slots, _PRODUCT if sign == _MINUS else _SUM)
        return _row(_set(left, slots, _SUM, bare), sign, second)

    return setter


def _set_negative(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
    return _row(_MINUS, _set(arguments[0], slots, _PRODUCT))


def _set_product(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
    left, right = arguments
    return _row(_set(left, slots, _PRODUCT, bare), "<mo>⋅</mo>", _set(right, slots, _PRODUCT))


def _set_fraction(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
    above, below = (_set(part, slots, _COMPARED, bare=True) for part in arguments)
    return f"<mfrac>{above}{below}</mfrac>"


def _set_power(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
    base, exponent = arguments
    # What is loose has its parentheses; a fraction or a function needs them here.
    is_plain = not isinstance(base, list) or base[0] in ("slot", "pi", "abs", *_TIGHTNESS)
    below = _fenced(_set(base, slots, _ATOM), not is_plain)
    return f"<msup>{below}{_set(exponent, slots, _COMPARED, bare=True)}</msup>"


def _set_root(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
    return f"<msqrt>{_set(arguments[0], slots, _COMPARED, bare=True)}</msqrt>"


def _set_exponential(base: str) -> Callable[..., str]:
    def setter(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
        return f"<msup>{base}{_set(arguments[0], slots, _COMPARED, bare=True)}</msup>"

    return setter


def _set_magnitude(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
    bar = '<mo fence="true" stretchy="true">|</mo>'
    return _row(bar, _set(arguments[0], slots, _COMPARED, bare=True), bar)


def _set_truth(sign: str) -> Callable[..., str]:
    """Iverson's bracket: 1 where the comparison holds, 0 elsewhere."""

    def setter(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
        left, right = (_set(part, slots, _SUM, bare=True) for part in arguments)
        return _row("<mo>[</mo>", left, f"<mo>{sign}</mo>", right, "<mo>]</mo>")

    return setter


def _set_floor(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
    inner = (
        _set_fraction(arguments, slots, True)
        if len(arguments) == 2
        else (_set(arguments[0], slots, _COMPARED, bare=True))
    )
    return _row("<mo>⌊</mo>", inner, "<mo>⌋</mo>")


def _set_polygamma(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
    order, argument = (_set(part, slots, _COMPARED, bare=True) for part in arguments)
    order = _row("<mo>(</mo>", order, "<mo>)</mo>")
    return _row(f"<msup><mi>ψ</mi>{order}</msup>", _row("<mo>(</mo>", argument, "<mo>)</mo>"))


def _set_pi(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
    return "<mi>π</mi>"


def _set_imaginary(arguments: Sequence[Tree], slots: Sequence[str], bare: bool) -> str:
    number = "" if arguments[0] == 1 else f"<mn>{arguments[0]:g}</mn>"
    return _row(number, '<mi mathvariant="normal">i</mi>')


def _applied(name: str, arguments: Sequence[Tree], slots: Sequence[str]) -> str:
    """A function with its arguments in parentheses."""
    base, above, below_count = _LETTERS.get(name, (_WORDS.get(name, name), "", 0))
    letter = (
        f'<mi mathvariant="normal">{escape(base)}</mi>'
        if len(base) == 1
        else (f"<mi>{escape(base)}</mi>")
    )
    texts = [_set(part, slots, _COMPARED, bare=True) for part in arguments]
    below = "".join(texts[:below_count]) or _digit(name)
    above = f"<mo>{above}</mo>" if above else ""
    if below:
        letter = f"<msub>{letter}{below}</msub>"
    if above:
        letter = f"<msup>{letter}{above}</msup>"
    inside = "<mo>,</mo>".join(texts[below_count:])
    return _row(letter, "<mo>\u2061</mo>", _row("<mo>(</mo>", inside, "<mo>)</mo>"))


def _digit(name: str) -> str:
    """The order in a name such as ``j0``."""
    return f"<mn>{name[1]}</mn>" if len(name) == 2 and name[1].isdigit() else ""


_SETTERS: dict[str, Callable[..., str]] = {
    "+": _set_sum("<mo>+</mo>"),
    "-": _set_sum(_MINUS),
    "neg": _set_negative,
    "*": _set_product,
    "/": _set_fraction,
    "**": _set_power,
    ">": _set_truth("&gt;"),
    "<": _set_truth("&lt;"),
    "==": _set_truth("="),
    "sqrt": _set_root,
    "exp": _set_exponential("<mi>e</mi>"),
    "exp2": _set_exponential("<mn>2</mn>"),
    "abs": _set_magnitude,
    "floor_divide": _set_floor,
    "floor": _set_floor,
    "polygamma": _set_polygamma,
    "pi": _set_pi,
    "imaginary": _set_imaginary,
}
