"""Programs that fill arrays in loops, as people write them: they differentiate unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg


def lu(a: Any) -> Any:
    """Doolittle's factorisation with partial pivoting, in place; the determinant."""
    u = np.array(a)
    n = u.shape[0]
    sign = 1.0
    for k in range(n):
        p = k + int(np.argmax(np.abs(u[k:, k])))
        if p != k:
            u[[k, p]] = u[[p, k]]
            sign = -sign
        for i in range(k + 1, n):
            u[i, k] /= u[k, k]
            u[i, k + 1 :] -= u[i, k] * u[k, k + 1 :]
    det = sign
    for k in range(n):
        det = det * u[k, k]
    return det


def cholesky(a: Any) -> Any:
    s = a @ a.T + 4.0 * np.eye(len(a))
    n = len(s)
    low = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            rest = s[i, j] - sum(low[i, k] * low[j, k] for k in range(j))
            low[i, j] = np.sqrt(rest) if i == j else rest / low[j, j]
    return low


def gauss_seidel(a: Any) -> Any:
    n = len(a)
    m = a + 4.0 * np.eye(n)
    b = a[0] * 2.0
    x = np.zeros(n)
    for _ in range(12):
        for i in range(n):
            x[i] = (b[i] - m[i, :i] @ x[:i] - m[i, i + 1 :] @ x[i + 1 :]) / m[i, i]
    return x


def edit_distance(a: Any) -> Any:
    """A dynamic-programming table as a list of rows indexed one after the other."""
    n, m = a.shape
    d = np.zeros((n + 1, m + 1))
    for i in range(1, n + 1):
        d[i][0] = d[i - 1][0] + a[i - 1, 0] ** 2
    for j in range(1, m + 1):
        d[0, j] = d[0, j - 1] + a[0, j - 1] ** 2
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            d[i][j] = a[i - 1][j - 1] ** 2 + min(d[i - 1][j], d[i][j - 1], d[i - 1][j - 1])
    return d[-1, -1]


def viterbi(a: Any) -> Any:
    score = np.empty_like(a)
    score[0] = a[0]
    for t in range(1, len(a)):
        for s in range(a.shape[1]):
            score[t, s] = np.max(score[t - 1] + a[:, s % 2][: a.shape[1]]) + a[t, s]
    return np.max(score[-1])


def heat(a: Any) -> Any:
    u = a.ravel().copy()
    for _ in range(5):
        u[1:-1] += 0.2 * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


def heat_in_two_dimensions(a: Any) -> Any:
    u = np.zeros((6, 6))
    u[1:5, 1:5] = a
    for _ in range(3):
        new = u.copy()
        new[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
        u = new
    return u


def fdtd(a: Any) -> Any:
    n = 12
    ez, hy = np.zeros(n), np.zeros(n)
    sensor = np.zeros(8)
    c = 0.5 * np.tanh(a.ravel()[:n])
    for t in range(8):
        hy[:-1] += c[:-1] * (ez[1:] - ez[:-1])
        ez[1:] += c[1:] * (hy[1:] - hy[:-1])
        ez[2] += np.exp(-((t - 3.0) ** 2) / 4)
        sensor[t] = ez[7]
    return sensor


def runge_kutta(a: Any) -> Any:
    """Time stepping into the rows of a table."""
    steps, h = 6, 0.1
    y = np.empty((steps + 1, 2))
    y[0] = a[0, :2]

    def rate(y: Any) -> Any:
        return np.array([y[1], -a[1, 0] * np.sin(y[0])])

    for k in range(steps):
        k1 = rate(y[k])
        k2 = rate(y[k] + h / 2 * k1)
        y[k + 1] = y[k] + h * k2
    return y


def n_body(a: Any) -> Any:
    x, v = a.copy(), np.zeros_like(a)
    for _ in range(2):
        force = np.zeros_like(x)
        for i in range(len(x)):
            for j in range(len(x)):
                if i != j:
                    r = x[j] - x[i]
                    force[i] += r / (np.sum(r**2) + 0.1) ** 1.5
        v += 0.05 * force
        x += 0.05 * v
    return x


def histogram_of_weights(a: Any) -> Any:
    bins = np.zeros(3)
    np.add.at(bins, [0, 1, 2, 0, 1, 2, 0, 0, 1, 1, 2, 0, 1, 2, 0, 0], a.ravel() ** 2)
    return bins


def insertion_sort(a: Any) -> Any:
    v = a.ravel().copy()
    for i in range(1, len(v)):
        j = i
        while j > 0 and v[j - 1] > v[j]:
            v[j - 1], v[j] = v[j], v[j - 1]
            j -= 1
    return v * np.arange(len(v))


def horner_in_place(a: Any) -> Any:
    out = np.zeros_like(a[0])
    for row in a:
        out *= a[0]
        out += row
    return out


def fft_by_hand(a: Any) -> Any:
    """Cooley and Tukey's, iteratively, on a complex buffer."""
    v = a.ravel() + 0j
    n = len(v)
    order = [int(format(k, "04b")[::-1], 2) for k in range(n)]
    v = v[order]
    half = 1
    while half < n:
        factors = np.exp(-1j * np.pi * np.arange(half) / half)
        for start in range(0, n, 2 * half):
            even = v[start : start + half].copy()
            odd = v[start + half : start + 2 * half] * factors
            v[start : start + half] = even + odd
            v[start + half : start + 2 * half] = even - odd
        half *= 2
    return np.abs(v) ** 2


def red_black(a: Any) -> Any:
    u = a.copy()
    u[1:-1:2, 1:-1:2] = 0.25 * (
        u[:-2:2, 1:-1:2] + u[2::2, 1:-1:2] + u[1:-1:2, :-2:2] + u[1:-1:2, 2::2]
    )
    u[:, 0] = u[:, 1]
    u[-1] = u[-2]
    return u


def prefix_sums_in_place(a: Any) -> Any:
    v = a.ravel().copy()
    for k in range(1, len(v)):
        v[k] += v[k - 1]
    return v


PROGRAMS = [
    lu, cholesky, gauss_seidel, edit_distance, viterbi, heat, heat_in_two_dimensions, fdtd,
    runge_kutta, n_body, histogram_of_weights, insertion_sort, horner_in_place, fft_by_hand,
    red_black, prefix_sums_in_place,
]  # fmt: skip
A = np.random.default_rng(4).standard_normal((4, 4))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs_differentiate_unchanged(program: Callable[..., Any]) -> None:
    expected = program(A.copy())
    np.testing.assert_array_equal(wg.jvp(program, (A,), (A,))[0], expected)
    np.testing.assert_array_equal(wg.vjp(program, A)[0], expected)
    wg.check_grads(program, (A,), order=2)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_forward_and_reverse_modes_agree_when_nested(program: Callable[..., Any]) -> None:
    def f(a: Any) -> Any:
        return np.sum(np.sin(program(a)))

    v = np.cos(A)
    over = wg.jvp(wg.grad(f), (A,), (v,))[1]
    under = wg.grad(lambda a: wg.jvp(f, (a,), (v,))[1])(A)
    np.testing.assert_allclose(over, under, rtol=1e-8, atol=1e-8)


def test_lu_is_the_determinant() -> None:
    np.testing.assert_allclose(lu(A), np.linalg.det(A))
    np.testing.assert_allclose(wg.grad(lu)(A), np.linalg.det(A) * np.linalg.inv(A).T)


UNDECIDED = [p for p in PROGRAMS if p not in (lu, edit_distance, insertion_sort)]


@pytest.mark.parametrize("program", UNDECIDED, ids=lambda p: p.__name__)
def test_programs_that_decide_nothing_on_values_are_batched(program: Callable[..., Any]) -> None:
    batch = np.stack([A, 0.5 * A, A.T])
    np.testing.assert_allclose(
        wg.vmap(program)(batch), np.stack([program(a) for a in batch]), rtol=1e-12, atol=1e-14
    )
    gradient = wg.grad(lambda a: np.sum(np.sin(program(a))))
    np.testing.assert_allclose(
        wg.vmap(gradient)(batch), np.stack([gradient(a) for a in batch]), rtol=1e-10, atol=1e-12
    )
