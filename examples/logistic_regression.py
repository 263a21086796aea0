"""Logistic regression by Newton's method: gradient and Hessian of three lines of NumPy.

`np.logaddexp(0, -m)` is the loss of a margin `m`; no step of the derivation is written down.
"""

import numpy as np

import wengert as wg

rng = np.random.default_rng(0)
rows, weights = 2_000, np.array([1.5, -2.0, 0.5, 0.0, 0.75])
x = np.column_stack([np.ones(rows), rng.standard_normal((rows, 4))])
label = np.where(rng.random(rows) < 1 / (1 + np.exp(-x @ weights)), 1.0, -1.0)


def loss(w):
    margin = label * (x @ w)
    return np.mean(np.logaddexp(0, -margin)) + 0.5e-4 * np.sum(w**2)


gradient, hessian = wg.grad(loss), wg.hessian(loss)
w = np.zeros(5)
for step in range(20):
    slope = gradient(w)
    print(f"step {step}: loss {loss(w):.12f}, |gradient| {np.linalg.norm(slope):.1e}")
    if np.linalg.norm(slope) < 1e-12:
        break
    w = w - np.linalg.solve(hessian(w), slope)

error = np.sqrt(np.diag(np.linalg.inv(hessian(w))) / rows)
print("true     ", weights)
print("estimated", np.round(w, 3))
print("+-       ", np.round(error, 3))
