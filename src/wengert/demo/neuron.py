"""Part 2: the article's network of one neuron, and how it learns on one tape."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wengert import Add, CompNode, ConstantNode, Invert, Multiply, Sigmoid, Square, Tape
from wengert.demo.pictures import draw_loss, new_figure, save_picture
from wengert.demo.report import Check, Log, Section, Table, Text
from wengert.demo.settings import Settings
from wengert.show.log import tape_log

# The article's numbers, to all digits of float64: outputs, then gradients.
OUTPUTS = {
    "h1": 0.8, "h2": -0.6, "h": 0.2,
    "y": 0.5498339973124778, "e": -0.45016600268752216, "l": 0.2026494299756622,
}  # fmt: skip
GRADIENTS = {
    "y": -0.9003320053750443, "h": -0.22284709227322685,
    "w1": -0.4456941845464537, "w2": -0.6685412768196806,
    "x1": -0.08913883690929075, "x2": 0.044569418454645376, "t": 0.9003320053750443,
}  # fmt: skip
# Mathematical libraries round the sigmoid differently: by a few units in the last place.
TOLERANCE = 8 * np.finfo(float).eps


class Neuron(NamedTuple):
    """The tape, its nodes by the article's names, and the weights among them."""

    tape: Tape
    nodes: dict[str, CompNode]
    weights: tuple[ConstantNode, ...]


def build() -> Neuron:
    """Two inputs, two weights, a sigmoid, and the squared distance from the target."""
    tape = Tape()
    values = {"x1": 2, "x2": 3, "w1": 0.4, "w2": -0.2, "t": 1}
    x1, x2, w1, w2, t = (ConstantNode(value, tape, name=name) for name, value in values.items())
    h1 = Multiply(x1, w1, tape, name="h1")
    h2 = Multiply(x2, w2, tape, name="h2")
    h = Add(h1, h2, tape, name="h")
    y = Sigmoid(h, tape, name="y")
    e = Add(y, Invert(t, tape, name="minus_t"), tape, name="e")
    Square(e, tape, name="l")
    nodes = {node.name: node for node in tape.computations if node.name}
    return Neuron(tape, nodes, (w1, w2))


def learn(neuron: Neuron, steps: int, rate: float = 0.1) -> list[float]:
    """Gradient descent on the two weights, both sweeps over one and the same tape each time."""
    losses = []
    for _ in range(steps):
        neuron.tape.forward()
        neuron.tape.backward()
        losses.append(float(neuron.nodes["l"].output))
        for weight in neuron.weights:
            weight.value = weight.value - rate * weight.gradient
    return losses


def run(settings: Settings) -> Section:
    """Compare with the article, then let the neuron learn."""
    neuron = build()
    neuron.tape.forward()
    neuron.tape.backward()
    rows = [
        (f"output of {name}", float(neuron.nodes[name].output), number)
        for name, number in OUTPUTS.items()
    ]
    rows += [
        (f"gradient of {name}", float(neuron.nodes[name].gradient), number)
        for name, number in GRADIENTS.items()
    ]
    agree = np.mean(
        [abs(found - expected) <= TOLERANCE * abs(expected) for _, found, expected in rows]
    )
    log = str(tape_log(neuron.tape, shapes=False, lines=False))

    losses = learn(neuron, steps=100)
    figure, axes = new_figure(5.2, 3.0)
    draw_loss(axes, losses, title="Loss of the neuron", xlabel="step")
    return Section(
        "A network of one neuron",
        [
            Text(
                "`y = sigmoid(x1*w1 + x2*w2)`, and the loss `(y - t)**2`: the log of the article."
            ),
            Log(log),
            Table(
                ("", "found", "article"),
                [(name, repr(found), repr(expected)) for name, found, expected in rows],
            ),
            Text(
                "The tape is defined once and run again with changed weights. After "
                f"{len(losses)} steps of gradient descent the loss is {losses[-1]:.2e}, from "
                f"{losses[0]:.4f}."
            ),
            save_picture(
                figure,
                settings.out,
                "neuron",
                "The neuron learns one example: its loss after each step.",
            ),
        ],
        [Check("neuron: share of the article's numbers met to the last places", float(agree), 1.0)],
    )
