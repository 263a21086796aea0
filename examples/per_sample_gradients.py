"""The gradient of each sample by itself, all at once: `vmap` of `grad`. Here it finds spoilt data.

A plane is fitted to points of which five were spoilt. What each point's own gradient does to the
fit is its influence: the Hessian's inverse times that gradient (P. W. Koh and P. Liang, 2017).
"""

import numpy as np

import wengert as wg

rng = np.random.default_rng(1)
x = rng.standard_normal((200, 3))
y = x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.standard_normal(200)
spoilt = rng.choice(200, 5, replace=False)
y[spoilt] += 1.5 * rng.choice([-1, 1], 5)


def loss(w, row, target):
    return np.sqrt(1 + (row @ w - target) ** 2)


def mean_loss(w):
    return np.mean(np.sqrt(1 + (x @ w - y) ** 2))


w = np.linalg.lstsq(x, y)[0]
for _ in range(20):
    w = w - np.linalg.solve(wg.hessian(mean_loss)(w), wg.grad(mean_loss)(w))

each = wg.vmap(wg.grad(loss), in_axes=(None, 0, 0))(w, x, y)
print(
    f"gradients of shape {each.shape}; their mean is the gradient of the mean: "
    f"{np.max(np.abs(each.mean(0))):.1e}"
)

influence = np.linalg.norm(np.linalg.solve(wg.hessian(mean_loss)(w), each.T), axis=0)
suspects = np.argsort(influence)[-5:]
print(f"spoilt   {np.sort(spoilt)}")
print(f"suspects {np.sort(suspects)}: {np.isin(suspects, spoilt).sum()} of 5 found")
