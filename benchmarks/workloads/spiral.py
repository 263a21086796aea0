"""One training step of the spiral net (CS231n's case study): 300x2-100-3, float64."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload, first

REG = 1e-3
HIDDEN, CLASSES = 100, 3


def spiral(weights1, bias1, weights2, bias2, points, labels):
    hidden = np.maximum(0, points @ weights1 + bias1)
    scores = hidden @ weights2 + bias2
    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    data_loss = np.mean(-np.log(probs[np.arange(len(labels)), labels]))
    return (
        data_loss
        + 0.5 * REG * np.sum(weights1 * weights1)
        + 0.5 * REG * np.sum(weights2 * weights2)
    )


def spiral_torch(torch, weights1, bias1, weights2, bias2, points, labels):
    hidden = torch.relu(points @ weights1 + bias1)
    scores = hidden @ weights2 + bias2
    exp_scores = torch.exp(scores)
    probs = exp_scores / torch.sum(exp_scores, dim=1, keepdim=True)
    data_loss = torch.mean(-torch.log(probs[torch.arange(len(labels)), labels]))
    return (
        data_loss
        + 0.5 * REG * torch.sum(weights1 * weights1)
        + 0.5 * REG * torch.sum(weights2 * weights2)
    )


def spiral_torch_idiom(torch, weights1, bias1, weights2, bias2, points, labels):
    linear = torch.nn.functional.linear
    hidden = torch.relu(linear(points, weights1.T, bias1))
    scores = linear(hidden, weights2.T, bias2)
    data_loss = torch.nn.functional.cross_entropy(scores, labels)
    return data_loss + 0.5 * REG * (weights1.square().sum() + weights2.square().sum())


def by_hand(weights1, bias1, weights2, bias2, points, labels):
    """The gradient as CS231n's case study writes it."""
    rows = np.arange(len(labels))
    hidden = np.maximum(0, points @ weights1 + bias1)
    exp_scores = np.exp(hidden @ weights2 + bias2)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    data_loss = np.mean(-np.log(probs[rows, labels]))
    loss = data_loss + 0.5 * REG * (np.sum(weights1 * weights1) + np.sum(weights2 * weights2))
    d_scores = probs
    d_scores[rows, labels] -= 1
    d_scores /= len(labels)
    d_hidden = d_scores @ weights2.T
    d_hidden[hidden <= 0] = 0
    d_weights1 = points.T @ d_hidden + REG * weights1
    d_weights2 = hidden.T @ d_scores + REG * weights2
    return loss, (d_weights1, d_hidden.sum(axis=0), d_weights2, d_scores.sum(axis=0))


def inputs(size: int) -> Inputs:
    rng = np.random.default_rng(0)
    radius = np.tile(np.linspace(0.0, 1.0, size), CLASSES)
    labels = np.repeat(np.arange(CLASSES), size)
    turn = 4 * (labels + radius) + 0.2 * rng.standard_normal(CLASSES * size)
    points = np.stack([radius * np.sin(turn), radius * np.cos(turn)], axis=1)
    return (
        0.1 * rng.standard_normal((2, HIDDEN)),
        np.zeros(HIDDEN),
        0.1 * rng.standard_normal((HIDDEN, CLASSES)),
        np.zeros(CLASSES),
        points,
        labels,
    )


WORKLOAD = Workload(
    name="spiral",
    title="spiral net step, 300x2-100-3, float64",
    function=spiral,
    torch=spiral_torch,
    torch_idiom=spiral_torch_idiom,
    by_hand=by_hand,
    inputs=inputs,
    argnums=first(4),
    size=100,
    quick_size=100,
)
