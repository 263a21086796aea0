"""A damped pendulum: scalar Euler steps in a Python loop, eight operations a step."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.workload import Inputs, Workload, first

STEP = 0.01


def pendulum(angle, speed, stiffness, damping, steps):
    for _ in range(steps):
        pull = stiffness * np.sin(angle) + damping * speed
        angle, speed = angle + STEP * speed, speed - STEP * pull
    return angle


def by_hand(angle, speed, stiffness, damping, steps):
    path = []
    for _ in range(steps):
        path.append((angle, speed))
        pull = stiffness * math.sin(angle) + damping * speed
        angle, speed = angle + STEP * speed, speed - STEP * pull
    d_angle, d_speed, d_stiffness, d_damping = 1.0, 0.0, 0.0, 0.0
    for past_angle, past_speed in reversed(path):
        d_pull = -STEP * d_speed
        d_stiffness += d_pull * math.sin(past_angle)
        d_damping += d_pull * past_speed
        d_speed += STEP * d_angle + d_pull * damping
        d_angle += d_pull * stiffness * math.cos(past_angle)
    return angle, (d_angle, d_speed, d_stiffness, d_damping)


def pendulum_scan(numpy, lax, angle, speed, stiffness, damping, steps):
    """As JAX wants it: unrolled, 1000 steps take it minutes to compile."""

    def step(state, _):
        angle, speed = state
        pull = stiffness * numpy.sin(angle) + damping * speed
        return (angle + STEP * speed, speed - STEP * pull), None

    return lax.scan(step, (angle, speed), length=steps)[0][0]


def inputs(size: int) -> Inputs:
    return 0.5, 0.0, 9.81, 0.1, size


WORKLOAD = Workload(
    name="pendulum",
    title="pendulum, 1000 scalar Euler steps",
    function=pendulum,
    by_hand=by_hand,
    jax=pendulum_scan,
    inputs=inputs,
    argnums=first(4),
    size=1000,
    quick_size=100,
)
