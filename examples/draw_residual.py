"""Draw a residual network of 152 layers on one page: blocks that repeat are shown once."""

from pathlib import Path

import numpy as np

import wengert as wg

STAGES = {"stage1": 3, "stage2": 8, "stage3": 36, "stage4": 3}  # of three layers a block
WIDTH = 8


def block(x, weights):
    first, second, third = weights
    h = np.maximum(x @ first, 0)
    h = np.maximum(h @ second, 0)
    return np.maximum(x + h @ third, 0)


def loss(params, x, labels):
    h = np.maximum(x @ params["stem"], 0)
    for name in STAGES:
        with wg.scope(name):
            for weights in params[name]:
                h = block(h, weights)
    scores = h @ params["head"]
    return np.mean((scores - labels) ** 2)


rng = np.random.default_rng(0)
params = {
    name: list(0.2 * rng.standard_normal((count, 3, WIDTH, WIDTH)))
    for name, count in STAGES.items()
}
params["stem"] = rng.standard_normal((5, WIDTH))
params["head"] = rng.standard_normal((WIDTH, 2))
picture = wg.draw(loss, params, rng.standard_normal((16, 5)), rng.standard_normal((16, 2)))
print(picture)
Path("out").mkdir(exist_ok=True)
print("picture:", picture.save("out/residual.svg"))
