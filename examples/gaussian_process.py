"""Fit the length, height and noise of a Gaussian process by its marginal likelihood (Cholesky)."""

import numpy as np
from scipy.optimize import minimize

import wengert as wg


def covariance(p, a, b):
    """Squared-exponential kernel between points of shapes (n,) and (m,)."""
    return np.exp(2 * p["log_height"] - 0.5 * ((a[:, None] - b) / np.exp(p["log_length"])) ** 2)


def negative_log_likelihood(p, x, y):
    K = covariance(p, x, x) + np.exp(2 * p["log_noise"]) * np.eye(len(x))
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L, y)
    return 0.5 * alpha @ alpha + np.sum(np.log(np.diag(L))) + 0.5 * len(x) * np.log(2 * np.pi)


def unpack(v):
    return {"log_height": v[0], "log_length": v[1], "log_noise": v[2]}


rng = np.random.default_rng(1)
x = np.sort(rng.uniform(0, 10, 60))
y = np.sin(x) + 0.1 * rng.standard_normal(60)
target = wg.value_and_grad(lambda v: negative_log_likelihood(unpack(v), x, y))
result = minimize(target, np.zeros(3), jac=True, method="BFGS", options={"gtol": 1e-4})
height, length, noise = np.exp(result.x)
print(f"height {height:.2f}, length {length:.2f}, noise {noise:.3f} (true: 0.1)")
