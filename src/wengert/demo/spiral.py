"""Part 4: three spirals, told apart by a network with one hidden layer.

The data set and the settings are those of the article's second notebook, which follows Stanford's
CS231n: 100 points a class, 100 hidden units, steps of 1.0 over the full batch, penalty 1e-3.
"""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap

import wengert as wg
from wengert.demo.network import accuracy, initial_parameters, loss, scores
from wengert.demo.pictures import BLUE, GREEN, INK, ORANGE, draw_loss, new_figure, save_picture
from wengert.demo.report import Check, Picture, Section, Text
from wengert.demo.settings import Settings

CLASSES, POINTS, HIDDEN = 3, 100, 100
STEP, PENALTY = 1.0, 1e-3
BOUND = 0.95


def run(settings: Settings) -> Section:
    """Train, draw the decision boundary, and say how many points are on the right side of it."""
    points, labels = spirals(np.random.default_rng(0))
    steps = 3_000 if settings.quick else 10_000
    params, losses = train(points, labels, settings.track(range(steps), description="spirals"))
    reached = accuracy(params, points, labels)
    return Section(
        title="Three spirals",
        blocks=[
            Text(
                f"{CLASSES} classes of {POINTS} points; a network of 2, {HIDDEN} and {CLASSES} "
                f"units in plain NumPy; gradient descent over all points at once, {steps} steps "
                f"of {STEP}. The loss fell from {losses[0]:.4f} to {losses[-1]:.4f}, and "
                f"{reached:.1%} of the points are on the right side."
            ),
            _picture(params, points, labels, losses, settings),
        ],
        checks=[Check("spirals: share of the points classified rightly", reached, BOUND)],
    )


def spirals(rng):
    """Points of shape ``(300, 2)`` on three arms, and the arm of each."""
    radius = np.linspace(0, 1, POINTS)
    arms = []
    for arm in range(CLASSES):
        angle = np.linspace(4 * arm, 4 * arm + 4, POINTS) + 0.2 * rng.standard_normal(POINTS)
        arms.append(np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1))
    return np.concatenate(arms), np.repeat(np.arange(CLASSES), POINTS)


def train(points, labels, steps):
    """Gradient descent: the trained parameters, and the loss before each step."""
    params = initial_parameters(np.random.default_rng(1), (2, HIDDEN, CLASSES), scale=0.01)
    value_and_grad = wg.value_and_grad(loss)
    losses = []
    for _ in steps:
        value, gradient = value_and_grad(params, points, labels, PENALTY)
        params = {name: params[name] - STEP * gradient[name] for name in params}
        losses.append(float(value))
    return params, losses


def _picture(params, points, labels, losses, settings: Settings) -> Picture:
    figure, axes = new_figure(9.2, 4.4, 1, 2, width_ratios=[1, 1.1])
    plane, curve = axes[0]

    side = np.linspace(-1.15, 1.15, 400)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    first, second, third = scores(params, grid.reshape(-1, 2)).T.reshape(CLASSES, *grid.shape[:2])
    winner = np.argmax([first, second, third], axis=0)
    colours = [BLUE, ORANGE, GREEN]
    plane.pcolormesh(
        side, side, winner, cmap=ListedColormap(colours), alpha=0.22, rasterized=True, linewidth=0
    )
    # Each boundary once: where the first class loses its lead, and between the others elsewhere.
    others = np.where(winner == 0, np.nan, second - third)
    for lead in (first - np.maximum(second, third), others):
        plane.contour(side, side, lead, levels=[0], colors=INK, linewidths=0.8)
    for arm, colour in enumerate(colours):
        plane.scatter(
            *points[labels == arm].T, s=16, color=colour, edgecolor="white", linewidth=0.5, zorder=3
        )
    plane.set(title="Decision boundary", aspect="equal", xticks=[], yticks=[])

    draw_loss(curve, losses, title="Loss", xlabel="step")
    return save_picture(
        figure,
        settings.out,
        "spirals",
        "The three spirals: where the network draws its lines, and how its loss fell.",
    )
