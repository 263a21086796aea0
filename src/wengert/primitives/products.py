"""Products of arrays: matmul, dot, einsum … linear in each operand."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import linear
from wengert.primitives.samples import call, complex_normal, normal


def _matmul_x1(adjoint: Any, x2: Any, like: Any) -> Any:
    if like.ndim == 1 and x2.ndim == 1:
        return adjoint * x2
    if like.ndim == 1:
        return np.matmul(x2, adjoint[..., None])[..., 0]
    if x2.ndim == 1:
        return adjoint[..., None] * x2
    return np.matmul(adjoint, x2.mT)


def _matmul_x2(adjoint: Any, x1: Any, like: Any) -> Any:
    if like.ndim == 1 and x1.ndim == 1:
        return adjoint * x1
    if like.ndim == 1:
        return np.matmul(adjoint[..., None, :], x1)[..., 0, :]
    if x1.ndim == 1:
        return x1[:, None] * adjoint[..., None, :]
    return np.matmul(x1.mT, adjoint)


matmul = linear(
    np.matmul,
    each=True,
    operands=("x1", "x2"),
    transpose=(_matmul_x1, _matmul_x2),
    formula=("adjoint @ x2.T", "x1.T @ adjoint"),
    lower="matmul",
    batch="rule",
    samples=[
        call(normal(3, 4), normal(4, 2)),
        call(normal(4), normal(4)),
        call(normal(4), normal(4, 2)),
        call(normal(3, 4), normal(4)),
        call(normal(5, 3, 4), normal(4, 2)),
        call(normal(4), normal(5, 4, 2)),
        call(normal(5, 3, 4), normal(4)),
        call(complex_normal(3, 4), normal(4, 2)),
        call(normal(0, 4), normal(4, 2)),
    ],
)
