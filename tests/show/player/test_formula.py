# ruff: noqa: RUF001 (the minus sign of mathematics)
"""Formulas as trees and as MathML: for every elementwise primitive of the registry."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import scipy.special

from wengert.primitives.family import Elementwise
from wengert.primitives.registry import REGISTRY
from wengert.show.player.formula import mathml, read_formula

NAMES = {**vars(scipy.special), **vars(np)}
RULES = [
    (primitive, position)
    for primitive in REGISTRY
    if isinstance(primitive, Elementwise)
    for position, formula in enumerate(primitive.formula)
    if formula
]


def rule_id(case):
    return f"{case[0].name}-{case[1]}"


def slot_values(primitive):
    """Positive numbers, no two alike; whole ones for orders, which have no derivative."""
    return [
        0.3 + 0.17 * k if slot == "out" or primitive.formula[k] else k + 2
        for k, slot in enumerate(primitive.slots)
    ]


def evaluated(tree, slots):
    """The value of a tree, by NumPy and SciPy."""
    if not isinstance(tree, list):
        return tree
    head, *arguments = tree
    if head == "slot":
        return slots[arguments[0]]
    values = [evaluated(part, slots) for part in arguments]
    return OPERATORS[head](*values) if head in OPERATORS else NAMES[head](*values)


OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "==": lambda a, b: a == b,
    "neg": lambda a: -a,
    "pi": lambda: np.pi,
    "imaginary": lambda a: 1j * a,
}


@pytest.mark.parametrize("case", RULES, ids=rule_id)
def test_the_tree_of_a_formula_has_its_value(case):
    primitive, position = case
    formula = primitive.formula[position]
    tree = read_formula(formula, primitive.slots)
    assert tree is not None
    slots = slot_values(primitive)
    with np.errstate(all="ignore"):
        expected = eval(formula, {**NAMES, **dict(zip(primitive.slots, slots, strict=True))})
        found = evaluated(tree, slots)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# --------------------------------------------------------------------------- MathML, read back


def parsed(markup):
    return ElementTree.fromstring(f"<math>{markup}</math>")


WRITTEN = {
    "⋅": "*",
    "−": "-",
    "[": "float(",
    "]": ")",
    "=": "==",
    "\u2061": "",
    "⌊": "floor(",
    "⌋": ")",
}
FUNCTIONS = {"ln": "log", "atan2": "arctan2"}


def as_python(element, slots):
    """MathML as a Python expression, with a pair of parentheses where it draws a pair."""
    children = list(element)
    inside = [as_python(child, slots) for child in children]
    match element.tag:
        case "mfrac":
            return f"(({inside[0]})/({inside[1]}))"
        case "msqrt":
            return f"sqrt({''.join(inside)})"
        case "msup" if children[0].text == "e":
            return f"exp({inside[1]})"
        case "msup":
            # A superscript binds what stands directly before it.
            return f"{inside[0]}**({inside[1]})"
        case "mi" if "data-slot" in element.attrib:
            return f"({slots[int(element.attrib['data-slot'])]!r})"
        case "mi" if element.text == "π":
            return "pi"
        case "mi":
            return FUNCTIONS.get(element.text, element.text)
        case "mn":
            return element.text
        case "mo":
            return WRITTEN.get(element.text, element.text)
    return "".join(inside)


# What has a letter of its own in mathematics, or bars, is looked at by itself below.
PLAIN = [
    case
    for case in RULES
    if not re.search(
        r"\b(psi|polygamma|gamma|gammaln|betaln|zeta|abs|[jyik][01v]|hankel|ellip|expn|eval_|hyper|"
        r"[jyik][01]e|2j|1j)",
        case[0].formula[case[1]],
    )
]


def test_most_formulas_are_read_back():
    assert len(PLAIN) > 120


@pytest.mark.parametrize("case", PLAIN, ids=rule_id)
def test_the_typeset_formula_has_the_value_of_the_formula(case):
    primitive, position = case
    formula = primitive.formula[position]
    slots = slot_values(primitive)
    markup = mathml(read_formula(formula, primitive.slots), primitive.slots)
    text = as_python(parsed(markup), slots)
    with np.errstate(all="ignore"):
        expected = eval(formula, {**NAMES, **dict(zip(primitive.slots, slots, strict=True))})
        found = eval(text, {**NAMES, "float": float})
    np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=text)


@pytest.mark.parametrize("case", RULES, ids=rule_id)
def test_mathml_is_well_formed_and_holds_every_slot_of_the_formula(case):
    primitive, position = case
    formula = primitive.formula[position]
    root = parsed(mathml(read_formula(formula, primitive.slots), primitive.slots))
    held = {int(x.attrib["data-slot"]) for x in root.iter("mi") if "data-slot" in x.attrib}
    words = re.findall(r"\b[a-z]\w*\b", formula)
    assert held == {k for k, slot in enumerate(primitive.slots) if slot in words}


def text_of(formula, slots=("x1", "x2", "out")):
    markup = mathml(read_formula(formula, slots), slots)
    return "".join(parsed(markup).itertext())


def test_functions_have_the_letters_of_mathematics():
    assert text_of("psi(x1)") == "ψ\u2061(x1)"
    assert text_of("jv(x1 - 1, x2)") == "Jx1−1\u2061(x2)"
    assert text_of("polygamma(x1 + 1, x2)") == "ψ(x1+1)(x2)"
    assert text_of("abs(x1 - x2)") == "|x1−x2|"
    assert text_of("x1 > x2") == "[x1>x2]"


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("x1 - (x2 - out)", "x1−(x2−out)"),
        ("x1 - x2 - out", "x1−x2−out"),
        ("(x1 + x2)*out", "(x1+x2)⋅out"),
        ("-(x1 + x2)", "−(x1+x2)"),
        ("-x1*x2", "−x1⋅x2"),
        ("x1*(-x2)", "x1⋅(−x2)"),
        ("(x1*x2)**2", "(x1⋅x2)2"),
        ("log(x1)**2", "(ln\u2061(x1))2"),
        ("x1*-2", "x1⋅(−2)"),
    ],
)
def test_parentheses_stand_where_they_are_needed_and_nowhere_else(formula, text):
    assert text_of(formula) == text


@pytest.mark.parametrize(
    "words",
    [
        "adjoint @ x2.T",
        "the adjoint",
        "",
        "x1[0]",
        "lambda: x1",
        "x1.real",
        "f(x1, key=2)",
        "x1 if x2 else out",
        "'x1'",
        "x1; x2",
        "unknown_name",
        "x1 < x2 < out",
        "True",
    ],
)
def test_what_is_no_expression_in_the_slots_has_no_tree(words):
    assert read_formula(words, ("x1", "x2", "out")) is None


def test_names_in_slots_are_escaped():
    hostile = '<script>alert("1")</script>&'
    markup = mathml(["slot", 0], (hostile,))
    assert parsed(markup).find("mi").text == hostile
    assert "<script>" not in markup
