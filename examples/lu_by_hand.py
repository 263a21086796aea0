"""LU decomposition with row swaps, in place, as a textbook writes it; and its derivative.

The derivative of log|det A| is the transposed inverse. Wengert gets it from loops, slices and
swaps, and algebra checks it.
"""

import numpy as np

import wengert as wg


def log_abs_determinant(a):
    a = a.copy()
    n = len(a)
    for k in range(n):
        pivot = k + np.argmax(np.abs(a[k:, k]))
        a[[k, pivot]] = a[[pivot, k]]
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return np.sum(np.log(np.abs(np.diag(a))))


a = np.random.default_rng(0).standard_normal((12, 12))
value, derivative = wg.value_and_grad(log_abs_determinant)(a)

print(f"log|det A| by our loops  {value:.12f}")
print(f"           by NumPy      {np.linalg.slogdet(a)[1]:.12f}")
print(
    "largest difference between the gradient and inv(A).T: "
    f"{np.max(np.abs(derivative - np.linalg.inv(a).T)):.1e}"
)
