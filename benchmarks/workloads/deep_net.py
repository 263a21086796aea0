"""A deep net of equal layers on a large batch: the activations kept for the sweep decide."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload

LAYERS, WIDTH = 24, 256


def deep_net(batch, *weights):
    h = batch
    for layer in weights:
        h = np.tanh(h @ layer)
    return (h * h).sum()


def inputs(size: int) -> Inputs:
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((WIDTH, WIDTH)) / WIDTH**0.5 for _ in range(LAYERS)]
    return rng.standard_normal((size, WIDTH)), *weights


WORKLOAD = Workload(
    name="deep_net",
    title="net of 24 layers, batch 4096x256, float64",
    function=deep_net,
    inputs=inputs,
    argnums=lambda inputs: tuple(range(1, len(inputs))),
    size=4096,
    quick_size=512,
)
