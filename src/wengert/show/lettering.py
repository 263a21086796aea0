"""How wide text is, and the short texts of a picture: labels, symbols of operations.

No font is at hand where a picture is made, and which one it is shown in is not known: widths are
those of DejaVu Sans, one of the widest, so that text in others fits too.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np

from wengert.show.graph import Graph, Node
from wengert.show.paths import read_text
from wengert.show.values import value_text
from wengert.tape.array import concrete

# Advance widths of DejaVu Sans 2.37 in thousandths of the font size.
_WIDTHS = {
    **dict.fromkeys("ijl", 278), **dict.fromkeys("I,. ", 318), **dict.fromkeys("()[]", 390),
    **dict.fromkeys("r't", 411), **dict.fromkeys("f-", 361), **dict.fromkeys("J:;/|", 337),
    **dict.fromkeys("sz_", 525), **dict.fromkeys("ckvxy", 592), **dict.fromkeys("abdeghnopqu", 635),
    **dict.fromkeys("0123456789?!*", 636), **dict.fromkeys("ABCEFKLPRSTVXYZ", 698),
    **dict.fromkeys("DGHNOQU", 787), **dict.fromkeys("mM", 974), **dict.fromkeys("wW", 989),
    **dict.fromkeys("+=<>\N{MULTIPLICATION SIGN}\N{MINUS SIGN}\N{DIVISION SIGN}~^#", 838),
    "\N{HORIZONTAL ELLIPSIS}": 1000, "\N{PARTIAL DIFFERENTIAL}": 517, '"': 460,
    "\N{DOUBLE VERTICAL LINE}": 500, "{": 636, "}": 636, "@": 1000, "%": 950, "&": 780,
}  # fmt: skip
_OTHER, _WIDE = 800, 1200  # what is not in the table; East Asian wide characters and symbols

SYMBOLS = {
    "add": "+",
    "subtract": "\N{MINUS SIGN}",
    "multiply": "\N{MULTIPLICATION SIGN}",
    "divide": "\N{DIVISION SIGN}",
    "true_divide": "\N{DIVISION SIGN}",
    "negative": "\N{MINUS SIGN}1\N{MULTIPLICATION SIGN}",
    "invert": "\N{MINUS SIGN}1\N{MULTIPLICATION SIGN}",
    "square": "x\N{SUPERSCRIPT TWO}",
    "power": "x\N{MODIFIER LETTER SMALL Y}",
    "sqrt": "\N{SQUARE ROOT}",
    "matmul": "@",
    "sum": "\N{GREEK CAPITAL LETTER SIGMA}",
    "expit": "\N{GREEK SMALL LETTER SIGMA}",
    "sigmoid": "\N{GREEK SMALL LETTER SIGMA}",
    "absolute": "|x|",
    "maximum": "max",
    "minimum": "min",
    # Of NumPy's functions, whose own work these are.
    "cholesky_factor": "cholesky",
    "eigh_of": "eigh",
    "eigvalsh_of": "eigvalsh",
    "svd_of": "svd",
    "svdvals_of": "svdvals",
    "qr_of": "qr",
    "solve_matrices": "solve",
    "convolve_full": "convolve",
}
NORM = "\N{DOUBLE VERTICAL LINE}\N{PARTIAL DIFFERENTIAL}\N{DOUBLE VERTICAL LINE}"
LONGEST = 26  # characters of a label


def width_of(text: str, size: float) -> float:
    """Width of a text in a font of a size, at most."""
    total = 0
    for character in text:
        width = _WIDTHS.get(character)
        if width is None:
            is_wide = unicodedata.east_asian_width(character) in "WF"
            width = _WIDE if is_wide or ord(character) > 0x2FFF else _OTHER
        total += width
    return total * size / 1000


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text on one line, without what would not be seen or would turn the direction of writing."""
    text = visible(" ".join(text.split("\n"))).strip()
    return text if len(text) <= longest else f"{text[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


def visible(text: str) -> str:
    """A text without control characters and those that turn the direction of writing."""
    return "".join(
        character if unicodedata.category(character)[0] != "C" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def symbol_of(node: Node, constant: tuple[int, Any] | None = None) -> str:
    """What stands in the circle of an operation; with a constant operand, its place and value."""
    if constant is not None:
        return with_constant(node, *constant)
    symbol = SYMBOLS.get(node.operation.lower())
    if symbol is not None:
        return symbol
    path = node.parameters.get("path")
    if node.operation == "read" and path:
        return shortened(read_text("", path).removeprefix(".").removesuffix("()"), 14)
    if node.operation == "write" and path is not None:
        sign = "+=" if node.parameters["add"] else "="
        return shortened(f"{read_text('', path) or '[...]'} {sign}", 14)
    return shortened(node.operation, 16)


# With a number as the first and as the second operand; % stands for it.
_WITH_CONSTANT = {
    "add": ("%+", "+%"),
    "subtract": ("%\N{MINUS SIGN}", "\N{MINUS SIGN}%"),
    "multiply": ("%\N{MULTIPLICATION SIGN}", "\N{MULTIPLICATION SIGN}%"),
    "divide": ("%/x", "\N{DIVISION SIGN}%"),
    "power": ("%\N{MODIFIER LETTER SMALL X}", "x^%"),
    "maximum": ("max %", "max %"),
    "minimum": ("min %", "min %"),
}
_RAISED = str.maketrans(
    "0123456789-",
    "\N{SUPERSCRIPT ZERO}\N{SUPERSCRIPT ONE}\N{SUPERSCRIPT TWO}\N{SUPERSCRIPT THREE}"
    "\N{SUPERSCRIPT FOUR}\N{SUPERSCRIPT FIVE}\N{SUPERSCRIPT SIX}\N{SUPERSCRIPT SEVEN}"
    "\N{SUPERSCRIPT EIGHT}\N{SUPERSCRIPT NINE}\N{SUPERSCRIPT MINUS}",
)


def with_constant(node: Node, position: int, value: Any) -> str:
    """An operation and the number that it always has as one operand: ``+1``, ``x\u00b2``; or ""."""
    forms = _WITH_CONSTANT.get(node.operation.lower())
    number = number_text(value).replace("-", "\N{MINUS SIGN}")
    if forms is None or position > 1 or len(number) > 6:
        return ""
    if node.operation.lower() == "power" and position == 1:
        plain = number.replace("\N{MINUS SIGN}", "-")
        if plain.lstrip("-").isdigit():
            return f"x{plain.translate(_RAISED)}"
    return forms[position].replace("%", number)


def name_of(node: Node) -> str:
    """The variable that user code stores a result in; nothing if it has no name."""
    return "" if re.fullmatch(r"v\d+", node.name) else shortened(node.name, 16)


def written_constants(graph: Graph) -> dict[int, tuple[int, int]]:
    """The constants that are written into their operation: by its node, their place and node."""
    found: dict[int, tuple[int, int]] = {}
    for node in graph.nodes:
        if node.kind != "constant" or len(graph.out_of(node.id)) != 1:
            continue
        edge = graph.out_of(node.id)[0]
        operation = graph.nodes[edge.target]
        is_free = edge.target not in found and len(graph.into(edge.target)) == 2
        if is_free and with_constant(operation, edge.position, node.value):
            found[edge.target] = (edge.position, node.id)
    return found


def number_text(value: Any, few: bool = False) -> str:
    """A value in few characters: five digits of a number, dtype and shape of an array.

    In still fewer, where two of them stand side by side: three digits, and no elements.
    """
    value = concrete(value)
    digits, shown = (3, 1) if few else (5, 3)
    if isinstance(value, float | complex | np.floating | np.complexfloating):
        return f"{value:.{digits}g}"
    array = np.asarray(value) if isinstance(value, np.ndarray) else None
    if array is not None and array.ndim == 0 and array.dtype.kind in "fc":
        return f"{array[()]:.{digits}g}"
    if array is not None and array.dtype.kind in "fc" and 0 < array.size <= shown:
        return value_text(np.round(array, 4) + 0.0)  # without signs of zeros
    if array is not None and array.size > shown:
        return f"{array.dtype}{list(array.shape)}"
    return shortened(value_text(value))


def adjoint_text(adjoint: Any, few: bool = False) -> str:
    """An adjoint in few characters: five digits of a number, of an array its norm."""
    adjoint = concrete(adjoint)
    if adjoint is None:
        return ""
    if isinstance(adjoint, tuple):
        parts = [np.ravel(np.asarray(part)) for part in adjoint]
        adjoint = np.concatenate(parts) if parts else np.zeros(0)
    if np.size(adjoint) <= (1 if few else 3):
        return number_text(adjoint, few)
    with np.errstate(all="ignore"):
        norm = np.linalg.norm(np.ravel(np.asarray(adjoint)))
    return f"{NORM} = {norm:.{3 if few else 4}g}"
