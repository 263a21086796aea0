"""Find what is wrong with a loss: marks where NaN begin, digits are lost, inputs do not count."""

from pathlib import Path

import numpy as np

import wengert as wg


def loss(x, y, unused):
    distance = np.sqrt((x - y) ** 2)  # its derivative is infinite where x == y
    growth = (1.0 + 1e-10 * x) - 1.0  # of 16 digits 10 are gone
    return distance + growth


picture = wg.draw(loss, 2.0, 2.0, 5.0, diagnose=True)
for mark in picture.marks:
    node = picture.graph.nodes[mark.node]
    print(f"{node.name} = {node.expression or node.value}: {mark.text}")
Path("out").mkdir(exist_ok=True)
print("picture:", picture.save("out/diagnosis.svg"))
