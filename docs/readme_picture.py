"""Writes the picture of the README: ``python docs/readme_picture.py``. A test keeps it true."""

from pathlib import Path

import wengert as wg

FILE = Path(__file__).with_name("circuit.svg")


def circuit(x, y, z):
    h1 = x * y
    h2 = y * z
    h = h1 * h2
    return h**2


def picture():
    """The picture as SVG."""
    return wg.draw(circuit, 3.0, 2.0, 1.0).svg()


if __name__ == "__main__":
    FILE.write_text(picture() + "\n", encoding="utf-8")
    print(FILE)
