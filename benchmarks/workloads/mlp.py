"""One step of a 784-256-10 classifier on a batch of float32 rows: the matrix products decide."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first

PIXELS, HIDDEN, CLASSES = 784, 256, 10


def mlp(weights1, bias1, weights2, bias2, images, labels):
    hidden = np.maximum(images @ weights1 + bias1, 0)
    scores = hidden @ weights2 + bias2
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    log_total = np.log(np.sum(np.exp(shifted), axis=1))
    return np.mean(log_total - shifted[np.arange(len(labels)), labels])


def mlp_torch(torch, weights1, bias1, weights2, bias2, images, labels):
    hidden = torch.relu(images @ weights1 + bias1)
    scores = hidden @ weights2 + bias2
    shifted = scores - torch.amax(scores, dim=1, keepdim=True)
    log_total = torch.log(torch.sum(torch.exp(shifted), dim=1))
    return torch.mean(log_total - shifted[torch.arange(len(labels)), labels])


def mlp_torch_idiom(torch, weights1, bias1, weights2, bias2, images, labels):
    linear = torch.nn.functional.linear
    scores = linear(torch.relu(linear(images, weights1.T, bias1)), weights2.T, bias2)
    return torch.nn.functional.cross_entropy(scores, labels)


def by_hand(weights1, bias1, weights2, bias2, images, labels):
    rows = np.arange(len(labels))
    hidden = np.maximum(images @ weights1 + bias1, 0)
    scores = hidden @ weights2 + bias2
    scores -= np.max(scores, axis=1, keepdims=True)
    exp_scores = np.exp(scores)
    totals = np.sum(exp_scores, axis=1, keepdims=True)
    loss = np.mean(np.log(totals[:, 0]) - scores[rows, labels])
    d_scores = exp_scores / totals
    d_scores[rows, labels] -= 1
    d_scores /= len(labels)
    d_hidden = d_scores @ weights2.T
    d_hidden *= hidden > 0
    d_layer1 = (images.T @ d_hidden, d_hidden.sum(axis=0))
    return loss, (*d_layer1, hidden.T @ d_scores, d_scores.sum(axis=0))


def inputs(size: int) -> Inputs:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    return (
        0.05 * normal(PIXELS, HIDDEN),
        np.zeros(HIDDEN, np.float32),
        0.05 * normal(HIDDEN, CLASSES),
        np.zeros(CLASSES, np.float32),
        normal(size, PIXELS),
        rng.integers(0, CLASSES, size),
    )


WORKLOAD = Workload(
    name="mlp",
    title="MLP 784-256-10, batch 128, float32",
    function=mlp,
    torch=mlp_torch,
    torch_idiom=mlp_torch_idiom,
    by_hand=by_hand,
    inputs=inputs,
    argnums=first(4),
    size=128,
    quick_size=32,
    rtol=1e-4,
)
