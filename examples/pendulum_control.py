"""Swing a pendulum up: the torque at 80 moments, by the gradient through the whole simulation.

The state is two Python floats that step through time; the motor is too weak to lift the weight in
one go.
"""

import math

import numpy as np
from scipy.optimize import minimize

import wengert as wg

steps, dt, strongest = 80, 0.05, 4.0  # holding the rod level would take 9.81


def swing(torques):
    """Angles over time, 0 hanging down and pi upright, and the last speed."""
    angle, speed = 0.0, 0.0
    angles = []
    for torque in torques:
        speed = speed + dt * (strongest * np.tanh(torque) - 9.81 * math.sin(angle) - 0.1 * speed)
        angle = angle + dt * speed
        angles.append(angle)
    return angles, speed


def cost(torques):
    angles, speed = swing(torques)
    return 100 * (angles[-1] - math.pi) ** 2 + 10 * speed**2 + 1e-3 * np.sum(np.tanh(torques) ** 2)


start = 0.5 * np.sin(np.linspace(0, 8, steps))
plan = minimize(
    wg.value_and_grad(cost), start, jac=True, method="L-BFGS-B", options={"maxiter": 250}
)
angles, speed = swing(plan.x)

for moment in range(7, steps, 8):
    column = int(30 + 9 * angles[moment])
    print(f"t = {dt * (moment + 1):4.1f} s  {' ' * max(column, 0)}o")
print(f"at the end: {math.degrees(angles[-1]):.3f} degrees from hanging, speed {speed:.4f} rad/s, "
      f"cost {plan.fun:.4f} after {plan.nit} iterations")  # fmt: skip
