"""Draw the article's circuit: every value above its wire, every derivative below."""

from pathlib import Path

import wengert as wg


def circuit(x, y, z):
    h1 = x * y
    h2 = y * z
    h = h1 * h2
    return h**2


picture = wg.draw(circuit, 3.0, 2.0, 1.0)
Path("out").mkdir(exist_ok=True)
print("picture:", picture.save("out/circuit.svg"))
