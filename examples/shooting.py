"""Aim a ball through air at a target: the gradient of a Runge-Kutta integration, in both modes."""

import numpy as np
from scipy.optimize import least_squares

import wengert as wg

DRAG, GRAVITY, STEP, TARGET = 0.02, 9.81, 0.01, np.array([30.0, 10.0])


def slope(state):
    """Time derivative of (x, y, vx, vy), with drag proportional to the speed squared."""
    speed = np.hypot(state[2], state[3])
    return np.array(
        [state[2], state[3], -DRAG * speed * state[2], -GRAVITY - DRAG * speed * state[3]]
    )


def position(aim, steps=200):
    """Where the ball is after two seconds, thrown at (angle, speed)."""
    angle, speed = aim
    state = np.array([0.0, 0.0, speed * np.cos(angle), speed * np.sin(angle)])
    for _ in range(steps):
        k1 = slope(state)
        k2 = slope(state + 0.5 * STEP * k1)
        k3 = slope(state + 0.5 * STEP * k2)
        k4 = slope(state + STEP * k3)
        state = state + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return state[:2]


def miss(aim):
    return position(aim) - TARGET


solution = least_squares(miss, [0.5, 20.0], jac=wg.jacobian(miss))
angle, speed = solution.x
print(f"angle {np.degrees(angle):.3f} degrees, speed {speed:.3f} m/s, miss {solution.cost:.1e}")

forward = wg.jacobian(miss, mode="fwd")(solution.x)
reverse = wg.jacobian(miss, mode="rev")(solution.x)
print(f"forward and reverse Jacobian differ by {np.max(np.abs(forward - reverse)):.1e}")
