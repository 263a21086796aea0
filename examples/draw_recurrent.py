"""Draw a recurrent network of 20 steps: its cell once, in a frame, with what it hands on."""

from pathlib import Path

import numpy as np

import wengert as wg


def cell(h, x, params):
    return np.tanh(params["W"] @ h + params["U"] @ x + params["b"])


def energy(params, xs):
    h = np.zeros(len(params["b"]))
    for x in xs:
        h = cell(h, x, params)
    return np.sum(h**2)


rng = np.random.default_rng(0)
params = {
    "W": 0.5 * rng.standard_normal((4, 4)),
    "U": 0.5 * rng.standard_normal((4, 3)),
    "b": np.zeros(4),
}
picture = wg.draw(energy, params, rng.standard_normal((20, 3)))
print(picture)
Path("out").mkdir(exist_ok=True)
print("picture:", picture.save("out/recurrent.svg"))
