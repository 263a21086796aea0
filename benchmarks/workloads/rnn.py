"""A recurrent net over 100 time steps, batch 8, hidden 64: many small matrix products."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first

BATCH, HIDDEN = 8, 64


def rnn(weights_in, weights_hidden, bias, sequence, start):
    h = start
    for x_t in sequence:
        h = np.tanh(x_t @ weights_in + h @ weights_hidden + bias)
    return (h * h).sum()


def by_hand(weights_in, weights_hidden, bias, sequence, start):
    """Backpropagation through time; the weights' gradients are one product for all steps."""
    states = np.empty((len(sequence) + 1, *start.shape))
    states[0] = start
    for t, x_t in enumerate(sequence):
        states[t + 1] = np.tanh(x_t @ weights_in + states[t] @ weights_hidden + bias)
    d_sums = np.empty_like(states[1:])
    d_h = 2 * states[-1]
    for t in reversed(range(len(sequence))):
        d_sums[t] = d_h * (1 - states[t + 1] ** 2)
        d_h = d_sums[t] @ weights_hidden.T
    flat = d_sums.reshape(-1, HIDDEN)
    d_in = sequence.reshape(-1, sequence.shape[-1]).T @ flat
    d_hidden = states[:-1].reshape(-1, HIDDEN).T @ flat
    return np.sum(states[-1] ** 2), (d_in, d_hidden, flat.sum(axis=0))


def inputs(size: int) -> Inputs:
    rng = np.random.default_rng(0)
    return (
        0.1 * rng.standard_normal((HIDDEN, HIDDEN)),
        0.1 * rng.standard_normal((HIDDEN, HIDDEN)),
        np.zeros(HIDDEN),
        rng.standard_normal((size, BATCH, HIDDEN)),
        np.zeros((BATCH, HIDDEN)),
    )


WORKLOAD = Workload(
    name="rnn",
    title="RNN, 100 steps of 8x64, float64",
    function=rnn,
    by_hand=by_hand,
    inputs=inputs,
    argnums=first(3),
    size=100,
    quick_size=20,
)
