"""Part 1: the article's circuits, node by node, with the log of their values and gradients."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import NamedTuple

from wengert import Add, ConstantNode, Multiply, Square, Tape
from wengert.demo.report import Check, Log, Section, Table, Text
from wengert.demo.settings import Settings
from wengert.show.log import tape_log


class Circuit(NamedTuple):
    """A tape after both sweeps, and the article's numbers beside ours: name, found, expected."""

    tape: Tape
    numbers: list[tuple[str, float, float]]


def product():
    """Five times the product of two numbers."""
    t = Tape()
    a, b = ConstantNode(2, t, name="a"), ConstantNode(3, t, name="b")
    five = ConstantNode(5, t, name="five")
    o = Multiply(a, b, t, name="o")
    f = Multiply(five, o, t, name="f")
    t.forward()
    t.backward()
    return Circuit(
        t,
        [
            ("f", f.output, 30),
            ("gradient of o", o.gradient, 5),
            ("gradient of a", a.gradient, 15),
            ("gradient of b", b.gradient, 10),
        ],
    )


def diamond():
    """Two ways lead from y and from h to the result: their gradients are sums over both."""
    t, h = _diamond_up_to_h()
    Multiply(h, h, t, name="o")
    return _swept_diamond(t)


def diamond_by_square():
    """Square h by a node of its own: the same circuit, the same gradients."""
    t, h = _diamond_up_to_h()
    Square(h, t, name="o")
    return _swept_diamond(t)


def changed_inputs():
    """Define once, run again: the same tape with another constant."""
    t = Tape()
    x, y = ConstantNode(3, t, name="x"), ConstantNode(2, t, name="y")
    product = Multiply(x, y, t, name="product")
    s = Add(product, y, t, name="sum")
    t.forward()
    t.backward()
    x.value = 5
    t.forward()
    t.backward()
    return Circuit(
        t,
        [
            ("x*y + y at x = 5", s.output, 12),
            ("gradient of x", x.gradient, 2),
            ("gradient of y", y.gradient, 6),
        ],
    )


CIRCUITS: tuple[Callable[[], Circuit], ...] = (product, diamond, diamond_by_square, changed_inputs)


def run(settings: Settings) -> Section:
    """Build each circuit, sweep it, and compare with the article."""
    blocks: list[Text | Log | Table] = []
    numbers: list[tuple[str, float, float]] = []
    for build in settings.track(CIRCUITS, description="circuits"):
        circuit = build()
        numbers += circuit.numbers
        blocks += [
            Text(f"{inspect.getdoc(build)}"),
            Log(str(tape_log(circuit.tape, shapes=False, lines=False))),
            Table(
                ("", "found", "article"),
                [
                    (name, f"{found:g}", f"{expected:g}")
                    for name, found, expected in circuit.numbers
                ],
            ),
        ]
    equal = sum(found == expected for _, found, expected in numbers) / len(numbers)
    return Section(
        "Circuits",
        blocks,
        [Check("circuits: share of the article's numbers that are equal", equal, 1.0)],
    )


def _diamond_up_to_h():
    t = Tape()
    x = ConstantNode(3, t, name="x")
    y = ConstantNode(2, t, name="y")
    z = ConstantNode(1, t, name="z")
    h1 = Multiply(x, y, t, name="h1")
    h2 = Multiply(y, z, t, name="h2")
    return t, Multiply(h1, h2, t, name="h")


def _swept_diamond(t):
    t.forward()
    t.backward()
    expected = {"h": 24, "h1": 48, "h2": 144, "x": 96, "y": 288, "z": 288}
    nodes = {node.name: node for node in t.computations}
    return Circuit(
        t, [(f"gradient of {name}", nodes[name].gradient, expected[name]) for name in expected]
    )
