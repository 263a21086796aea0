"""A diagonal LSTM that predicts the next character: the objective of GradBench's ``lstm``.

The model is that of ADBench (see gmm.py): every gate has one weight and one bias for each element.
"""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first

WIDTH, LAYERS = 14, 2


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def lstm(main, extra, state, sequence):
    """`main`: (layers, 2, 4, width), weights and biases of gates; `state`: (layers, 2, width)."""
    hidden = [state[k, 0] for k in range(len(main))]
    cell = [state[k, 1] for k in range(len(main))]
    total = 0.0
    for t in range(len(sequence) - 1):
        x = sequence[t] * extra[0]
        for k in range(len(main)):
            weights, biases = main[k, 0], main[k, 1]
            forget = sigmoid(x * weights[0] + biases[0])
            take = sigmoid(hidden[k] * weights[1] + biases[1])
            give = sigmoid(x * weights[2] + biases[2])
            change = np.tanh(hidden[k] * weights[3] + biases[3])
            cell[k] = cell[k] * forget + take * change
            hidden[k] = give * np.tanh(cell[k])
            x = hidden[k]
        predicted = x * extra[1] + extra[2]
        normalised = predicted - np.log(np.sum(np.exp(predicted)) + 2.0)
        total = total + np.sum(sequence[t + 1] * normalised)
    return -total / (WIDTH * (len(sequence) - 1))


def inputs(size: int) -> Inputs:
    rng = np.random.default_rng(0)
    letters = rng.integers(0, WIDTH, size)
    return (
        0.5 * rng.standard_normal((LAYERS, 2, 4, WIDTH)),
        0.5 * rng.standard_normal((3, WIDTH)),
        0.5 * rng.standard_normal((LAYERS, 2, WIDTH)),
        np.eye(WIDTH)[letters],
    )


WORKLOAD = Workload(
    name="lstm",
    title="GradBench lstm, 2 layers, 100 characters of 14 bits",
    function=lstm,
    inputs=inputs,
    argnums=first(2),
    size=100,
    quick_size=5,
    cpp="lstm",
    lacks={"torch": "not written", "jax": "compiles > 3 min"},
)
