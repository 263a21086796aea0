"""A network with one hidden layer, in plain NumPy: the spirals and the digits both train it.

Nothing here knows of Wengert: `wg.value_and_grad(loss)` takes these functions as they are.
"""

import numpy as np


def initial_parameters(rng, sizes, scale=None, dtype=np.float64):
    """Weights and biases of a network of `sizes` ``(inputs, hidden, outputs)``.

    `scale` is the standard deviation of the weights; He's ``sqrt(2 / inputs)`` of each layer if it
    is None.
    """
    inputs, hidden, outputs = sizes
    first, second = scale or np.sqrt(2 / inputs), scale or np.sqrt(2 / hidden)
    return {
        "W1": (first * rng.standard_normal((inputs, hidden))).astype(dtype),
        "b1": np.zeros(hidden, dtype),
        "W2": (second * rng.standard_normal((hidden, outputs))).astype(dtype),
        "b2": np.zeros(outputs, dtype),
    }


def scores(params, x):
    """One score a class for each row of `x`: shape ``(rows, classes)``."""
    hidden = np.maximum(x @ params["W1"] + params["b1"], 0)
    return hidden @ params["W2"] + params["b2"]


def loss(params, x, labels, penalty):
    """Mean cross-entropy of the scores' softmax, plus the squared weights times ``penalty / 2``."""
    s = scores(params, x)
    s = s - np.max(s, axis=1, keepdims=True)
    log_probability = s - np.log(np.sum(np.exp(s), axis=1, keepdims=True))
    cross_entropy = -np.mean(log_probability[np.arange(len(labels)), labels])
    return cross_entropy + 0.5 * penalty * (np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2))


def accuracy(params, x, labels):
    """Share of the rows whose highest score is at their label."""
    return float(np.mean(np.argmax(scores(params, x), axis=1) == labels))
