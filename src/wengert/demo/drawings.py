"""Part 3: tapes as pictures, from one neuron to 152 layers, and one page to step through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wengert.demo.circuits import diamond, diamond_by_square, product
from wengert.demo.neuron import build as neuron
from wengert.demo.report import Check, Link, Picture, Section, Text
from wengert.demo.settings import Settings
from wengert.show.picture import Picture as Drawn
from wengert.show.picture import draw
from wengert.tape.scopes import scope


def network(params, x, labels):
    """Three layers, each in a frame of its own."""
    h = x
    for k, (w, b) in enumerate(params):
        with scope(f"layer {k + 1}"):
            h = h @ w + b
            if k < len(params) - 1:
                h = np.maximum(h, 0)
    return np.mean((h - labels) ** 2)


def cell(h, x, W, U, b):
    """One step of a recurrent network."""
    return np.tanh(W @ h + U @ x + b)


def recurrent(W, U, b, xs):
    """The cell for every x, one after the other."""
    h = np.zeros(len(b))
    for x in xs:
        h = cell(h, x, W, U, b)
    return np.sum(h**2)


def block(x, weights):
    """Three layers around which the input is led."""
    h = np.maximum(x @ weights[0], 0)
    h = np.maximum(h @ weights[1], 0)
    return np.maximum(x + h @ weights[2], 0)


WIDTH = 950.0  # of the report; what comes out a quarter wider at most is left as it is
STAGES = {"stage1": 3, "stage2": 8, "stage3": 36, "stage4": 3}  # 150 layers, a stem and a head


def residual(params, x):
    """The residual network of 152 layers, here with eight channels and no convolution."""
    h = np.maximum(x @ params["stem"], 0)
    for name in STAGES:
        with scope(name):
            for weights in params[name]:
                h = block(h, weights)
    return np.mean((h @ params["head"]) ** 2)


def log_determinant(A):
    """By Cholesky's factor, element by element."""
    n = len(A)
    L = np.zeros_like(A)
    for j in range(n):
        L[j, j] = np.sqrt(A[j, j] - np.sum(L[j, :j] ** 2))
        for i in range(j + 1, n):
            L[i, j] = (A[i, j] - np.sum(L[i, :j] * L[j, :j])) / L[j, j]
    return 2 * np.sum(np.log(np.diag(L)))


def draw_neuron() -> Drawn:
    """The article's neuron after both sweeps."""
    tape = neuron().tape
    tape.forward()
    tape.backward()
    return draw(tape, parameters=("w1", "w2"), widest=WIDTH)


def draw_network() -> Drawn:
    """A network of three layers."""
    rng = np.random.default_rng(0)
    params = [(rng.normal(size=s), np.zeros(s[1])) for s in ((3, 5), (5, 4), (4, 2))]
    return draw(network, params, rng.normal(size=(10, 3)), rng.normal(size=(10, 2)), widest=WIDTH)


def draw_recurrent() -> Drawn:
    """Twenty steps of a recurrent network."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 4)), rng.normal(size=(4, 3)), np.zeros(4)
    xs = rng.normal(size=(20, 3))
    return draw(recurrent, *weights, xs, parameters=("W", "U", "b"), widest=820.0)


def draw_residual() -> Drawn:
    """A residual network of 152 layers."""
    rng = np.random.default_rng(0)
    params: dict[str, Any] = {"stem": rng.normal(size=(5, 8)), "head": rng.normal(size=(8, 2))}
    params |= {k: list(0.2 * rng.normal(size=(n, 3, 8, 8))) for k, n in STAGES.items()}
    return draw(residual, params, rng.normal(size=(16, 5)), widest=820.0)


def draw_cholesky() -> Drawn:
    """The factorisation of a matrix with three rows."""
    m = np.random.default_rng(0).normal(size=(3, 3))
    return draw(log_determinant, m @ m.T + 3 * np.eye(3), widest=WIDTH)


# name of the file, what it shows, the most things that may be seen of it
DRAWINGS: tuple[tuple[str, str, int, Callable[[], Drawn]], ...] = (
    ("circuit", "Five times a product.", 10, lambda: draw(product().tape)),
    ("diamond", "Two paths lead from y to the target.", 10, lambda: draw(diamond().tape)),
    ("diamond_square", "The same by Square.", 10, lambda: draw(diamond_by_square().tape)),
    ("neuron_tape", "One neuron: weights rounded, data slanted.", 20, draw_neuron),
    ("network", "Three layers, by `with wg.scope(...)`.", 40, draw_network),
    ("recurrent", "Twenty steps, of which one is drawn.", 40, draw_recurrent),
    ("residual", "152 layers: blocks that repeat are stacked.", 60, draw_residual),
    ("cholesky", "Cholesky's factor, written element by element.", 80, draw_cholesky),
)


def run(settings: Settings) -> Section:
    """Draw each, and write the page of the diamond."""
    (settings.out / "pictures").mkdir(parents=True, exist_ok=True)
    blocks: list[Text | Picture | Link] = [
        Text(
            "Values stand above the wires, adjoints below; inputs left, the target filled. "
            "`tape.draw()` makes them; what repeats is shown once."
        )
    ]
    readable = []
    for name, caption, most, make in settings.track(DRAWINGS, description="pictures"):
        drawn = make()
        file = Path("pictures") / f"{name}.svg"
        drawn.save(settings.out / file)
        readable.append(drawn.shown <= most)
        size = f"{len(drawn.graph)} entries and inputs, {drawn.shown} things shown."
        blocks.append(Picture(file.as_posix(), f"{caption} {size}"))
    diamond().tape.player(settings.out / "player.html", title="The diamond")
    blocks.append(
        Link("player.html", "The diamond, step by step: forward, backward, and nudged by hand.")
    )
    check = Check("pictures: share that fold to a size to read", float(np.mean(readable)), 1.0)
    return Section("Tapes as pictures", blocks, [check])
