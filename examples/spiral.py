"""Train a small network on three spiral arms, in plain NumPy; picture: the regions it assigns."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import wengert as wg

POINTS, CLASSES, HIDDEN = 100, 3, 100
STEP, SHRINK = 1.0, 1e-3


def spiral(rng):
    """Points of shape (300, 2) and the arm that each belongs to."""
    radius = np.linspace(0, 1, POINTS)
    arms = []
    for k in range(CLASSES):
        angle = np.linspace(4 * k, 4 * (k + 1), POINTS) + 0.2 * rng.standard_normal(POINTS)
        arms.append(np.column_stack([radius * np.sin(angle), radius * np.cos(angle)]))
    return np.concatenate(arms), np.repeat(np.arange(CLASSES), POINTS)


def scores(p, X):
    hidden = np.maximum(X @ p["W1"] + p["b1"], 0)
    return hidden @ p["W2"] + p["b2"]


def loss(p, X, label):
    s = scores(p, X)
    s = s - np.max(s, axis=1, keepdims=True)
    log_probability = s - np.log(np.sum(np.exp(s), axis=1, keepdims=True))
    data = -np.mean(log_probability[np.arange(len(label)), label])
    return data + 0.5 * SHRINK * (np.sum(p["W1"] ** 2) + np.sum(p["W2"] ** 2))


rng = np.random.default_rng(0)
X, label = spiral(rng)
p = {
    "W1": 0.01 * rng.standard_normal((2, HIDDEN)),
    "b1": np.zeros(HIDDEN),
    "W2": 0.01 * rng.standard_normal((HIDDEN, CLASSES)),
    "b2": np.zeros(CLASSES),
}
loss_and_gradient = wg.value_and_grad(loss)
for _ in range(3000):
    value, gradient = loss_and_gradient(p, X, label)
    p = {name: p[name] - STEP * gradient[name] for name in p}

accuracy = np.mean(np.argmax(scores(p, X), axis=1) == label)
print(f"loss {value:.3f}, accuracy {accuracy:.3f}")

axis = np.linspace(-1.2, 1.2, 300)
plane = np.stack(np.meshgrid(axis, axis), axis=-1)
region = np.argmax(scores(p, plane.reshape(-1, 2)), axis=1).reshape(plane.shape[:2])
figure, ax = plt.subplots(figsize=(5, 5))
ax.contourf(axis, axis, region, levels=CLASSES - 1, cmap="viridis", alpha=0.35)
ax.scatter(*X.T, c=label, s=18, cmap="viridis", edgecolors="white", linewidths=0.5)
ax.set(title=f"accuracy {accuracy:.1%}", aspect="equal", xticks=[], yticks=[])
figure.tight_layout()

Path("out").mkdir(exist_ok=True)
figure.savefig("out/spiral.png", dpi=150)
print("picture: out/spiral.png")
