"""Fit a damped oscillation with SciPy, with Wengert's Jacobian in place of finite differences.

The model is plain NumPy. `wg.jacobian` takes it as it is, and `least_squares` takes the result.
"""

import numpy as np
from scipy.optimize import least_squares

import wengert as wg

rng = np.random.default_rng(0)
time = np.linspace(0, 8, 200)
truth = np.array([2.0, 0.35, 3.0, 0.4])


def model(parameters):
    size, decay, frequency, phase = parameters
    return size * np.exp(-decay * time) * np.cos(frequency * time + phase)


measured = model(truth) + 0.05 * rng.standard_normal(time.size)


def residual(parameters):
    return model(parameters) - measured


fit = least_squares(residual, [1.0, 0.1, 2.8, 0.0], jac=wg.jacobian(residual))
variance = 2 * fit.cost / (time.size - truth.size)
errors = np.sqrt(variance * np.diag(np.linalg.inv(fit.jac.T @ fit.jac)))

print(f"{'':12}{'true':>8}{'fitted':>10}{'+-':>9}")
for name, true, found, error in zip(
    ("size", "decay", "frequency", "phase"), truth, fit.x, errors, strict=True
):
    print(f"{name:12}{true:8.3f}{found:10.4f}{error:9.4f}")
