"""Functions of NumPy code that the compiler's tests run: plain, compiled and differentiated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Case(NamedTuple):
    """A function, and arguments: it is traced with the first, and run with all."""

    function: Callable[..., Any]
    calls: list[tuple[Any, ...]]
    is_scalar: bool = True  # it returns one float, so that it has a gradient


def _vectors(*shape: int, count: int = 4, shift: float = 0.0) -> list[tuple[Any, ...]]:
    return [(np.random.default_rng(k).normal(size=shape) + shift,) for k in range(count)]


def _numbers(*values: float) -> list[tuple[Any, ...]]:
    return [(value,) for value in values]


# --------------------------------------------------------------------------------- control flow


def branch(x: Any) -> Any:
    return x * np.sin(x) if x > 0 else x**3


def newton_root(a: Any) -> Any:
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


def early_break(x: Any) -> Any:
    total = 0.0
    for k in range(20):
        total = total + x**k / (k + 1)
        if total > 3.0:
            break
    return total * x


def recursion(x: Any) -> Any:
    return x if x < 1.0 else 0.5 * recursion(x / 2) + np.sqrt(x)


def nested_decisions(x: Any) -> Any:
    total = 0.0
    for element in x:
        if element > 0.5:
            total += element**2
        elif element > -0.5 and not (element > 0.1 or element < 0.0):
            total -= np.cos(element)
        else:
            total *= 0.5
    return total


def trip_count(x: Any) -> Any:
    total = x
    for _ in range(int(abs(x)) + 1):
        total = np.tanh(total) + x
    return total


def rounding(x: Any) -> Any:
    return x * (round(x) + math.floor(x) + math.ceil(x) + math.trunc(x)) + int(x)


def assertion(x: Any) -> Any:
    assert np.all(np.isfinite(x))
    return np.sum(x) if x.any() and np.max(x) < 100 else np.prod(x)


def conditional_size(x: Any) -> Any:
    made = np.zeros(int(np.sum(x > 0)) + 1)
    made[0] = np.sum(x)
    return np.sum(made**2) + len(made)


def python_division(x: Any) -> Any:
    return 1.0 / x + x / 3.0 + x % 2.0 + 2.0**x


def mathematics(x: Any) -> Any:
    if math.isclose(x, 1.0) or math.isnan(x):
        return x
    return math.sqrt(x * x) + math.exp(x) * math.sin(x) + math.log(1 + x * x) + math.hypot(x, 1.0)


# ------------------------------------------------------------------------------------ in place


def filled(x: Any) -> Any:
    out = np.zeros_like(x)
    for k in range(len(x)):
        out[k] = np.sin(x[k]) * x[k - 1]
    out[1:] += out[:-1] ** 2
    return np.sum(out)


def recurrence(x: Any) -> Any:
    states = np.empty((len(x), 2))
    states[0] = x[0], 1.0
    for k in range(1, len(x)):
        states[k, 0] = states[k - 1, 0] * 0.5 + x[k]
        states[k, 1] = np.tanh(states[k - 1].sum())
    return states[-1] @ states[-2]


def views(x: Any) -> Any:
    a = np.zeros((2, 3))
    row, column = a[0], a.T[1]
    row[:] = x[:3]
    column += x[3:5]
    a.reshape(-1)[::2] *= x[5]
    return np.sum(np.exp(a) * a[::-1])


def swapped(x: Any) -> Any:
    y = x.copy()
    y[0], y[1] = y[1] * 2, y[0]
    y[[2, 0]] = y[[0, 2]] * x[1]
    np.add.at(y, [0, 0, 1], x[:3])
    return np.sum(y**3)


def masked_write(x: Any) -> Any:
    y = x * 2
    y[y > 1] = 1.0
    y[y < -1] = x[0]
    return np.sum(y * x)


def by_mask(x: Any) -> Any:
    y = x * 1.0
    y[x > 0] *= 2.0
    return np.sum(y) + np.sum(x[x < 0] ** 2) * len(x[x < 0])


def out_argument(x: Any) -> Any:
    buffer = np.empty_like(x)
    np.multiply(x, x, out=buffer)
    np.exp(buffer, out=buffer, where=buffer < 1)
    buffer -= x
    return np.mean(buffer)


# ------------------------------------------------------------------------------------- indexing


def maximum_by_index(x: Any) -> Any:
    k = np.argmax(x)
    return x[k] ** 2 + x[np.argmin(x)] + x[k - 1]


def row_by_index(x: Any) -> Any:
    k = np.argmax(x[:, 0])
    row = x[k]
    return np.sum(row * x[k, 1]) + row[0]


def table_lookup(x: Any) -> Any:
    table = np.array([1.0, 2.0, 5.0, 7.0])
    return np.sum(table[(np.abs(x) * 2).astype(int) % 4] * x)


def sorted_values(x: Any) -> Any:
    order = np.argsort(x)
    return np.sum(x[order] * np.arange(len(x))) + np.sort(x)[1] + np.median(x)


def nonzero(x: Any) -> Any:
    (where,) = np.nonzero(x > 0)
    return np.sum(x[where]) * len(where) + np.sum(x)


def dictionary(x: Any) -> Any:
    weights = {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0, 4: 5.0, 5: 6.0}
    return np.sum(x) * weights[np.argmax(x)] + weights.get(np.argmin(x), 0.0)


def list_by_index(x: Any) -> Any:
    parts = [np.sin(x), np.cos(x), x]
    return np.sum(parts[np.argmax(x) % 3])


# ------------------------------------------------------------------------- kinks, selections


def kinks(x: Any) -> Any:
    return np.sum(np.maximum(x, 0) * np.clip(x, -0.5, 0.5) + np.abs(x) + np.where(x > 0, x, x**2))


def safe_logarithm(x: Any) -> Any:
    return np.sum(np.where(x > 0, np.log(x), x))


def safe_root(x: Any) -> Any:
    return np.sum(np.where(x == 0, 0.0, np.sqrt(np.abs(x)) / x)) + np.sum(x)


def clipped_angle(x: Any) -> Any:
    return np.sum(np.arccos(np.clip(x, -1, 1)))


def missing_data(x: Any) -> Any:
    seen = ~np.isnan(x)
    return np.sum(np.where(seen, (x - 1.0) ** 2 * x, 0.0)) / np.sum(seen)


def element_of_logarithm(x: Any) -> Any:
    return np.log(x)[1] + np.sum(np.sqrt(x)[1:])


def overwritten_logarithm(x: Any) -> Any:
    y = np.log(np.abs(x))
    y[x == 0] = 0.0
    y[0] = x[1]
    return np.sum(y)


def genuine_nan(x: Any) -> Any:
    return np.sum(np.sqrt(x) ** 2)


# ------------------------------------------------------------------- linear algebra and others


def regression(x: Any) -> Any:
    a = x @ x.T + np.eye(len(x))
    lower = np.linalg.cholesky(a)
    return np.sum(np.log(np.diag(lower))) + np.sum(np.linalg.solve(a, x[:, 0]))


def spectral(x: Any) -> Any:
    w, v = np.linalg.eigh(x @ x.T)
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return w[0] * np.sum(v[:, -1] ** 4) + s[0] * np.sum(u[:, 0] ** 4) + np.linalg.norm(x)


def fourier(x: Any) -> Any:
    return np.sum(np.abs(np.fft.rfft(x)) ** 2) + np.real(np.fft.fft(x)[1])


def special_functions(x: Any) -> Any:
    from scipy import special

    return np.sum(special.erf(x) + special.expit(x)) + special.logsumexp(x) + special.gammaln(3.5)


def softmax_loss(x: Any) -> Any:
    shifted = x - np.max(x, axis=1, keepdims=True)
    logits = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(logits[np.arange(len(x)), np.arange(len(x)) % x.shape[1]])


def network(x: Any) -> Any:
    rng = np.random.default_rng(0)
    w1, w2 = rng.normal(size=(x.shape[1], 5)), rng.normal(size=(5, 2))
    hidden = np.maximum(x @ w1, 0)
    return np.sum(np.tanh(hidden @ w2) ** 2)


def einsums(x: Any) -> Any:
    return np.einsum("ij,kj->", x, x**2) + np.sum(np.outer(x[0], x[1])) + np.trace(x @ x.T)


def statistics(x: Any) -> Any:
    return np.std(x) + np.var(x, axis=0).sum() + np.percentile(x, 30) + np.ptp(x)


def stacked(x: Any) -> Any:
    parts = np.concatenate([x[:2], np.stack([x[0], x[1] * 2])])
    return np.sum(np.array([parts[0], np.sin(parts[1])]) ** 2) + np.cumsum(parts)[-1]


def linspaced(x: Any) -> Any:
    grid = np.linspace(0.0, x, 5)
    return np.trapezoid(np.sin(grid), grid) + np.sum(np.arange(0.0, x + 3.0))


# -------------------------------------------------------------------------- trees and other types


def trees(params: Any) -> Any:
    return {"loss": np.sum(params["w"] ** 2) * params["b"], "parts": (params["b"], [params["w"]])}


def many_types(x: Any) -> Any:
    return x, x > 0, np.argmax(x), x.astype(np.float32), x.sum(), 3, "text", None, x[0] > 0, x.shape


def single_precision(x: Any) -> Any:
    return (x * 2 + np.float32(1)).mean(axis=0), np.sum(x, dtype=np.float64), x[0, 0] * 1.5


def integers(x: Any) -> Any:
    return np.sum(x) // 3, x % 2, x[::-1] * 2, np.sum(x > 1), x.astype(float) / 2


def complex_numbers(x: Any) -> Any:
    z = x * np.exp(1j * x)
    return np.sum(np.abs(z) ** 2 + np.real(z) * np.imag(z))


_some = _vectors(6)
_matrices = _vectors(3, 4)

CASES = [
    Case(branch, _numbers(1.0, -2.0, 3.0, -0.5, 0.0)),
    Case(newton_root, _numbers(2.0, 9.0, 2.5, 123.0)),
    Case(early_break, _numbers(0.5, 1.5, -0.5, 3.0)),
    Case(recursion, _numbers(0.5, 5.0, 6.0, 20.0)),
    Case(nested_decisions, _vectors(4, count=6)),
    Case(trip_count, _numbers(0.5, 2.5, -3.5, 0.25)),
    Case(rounding, _numbers(0.3, 1.7, -2.6, 1.8)),
    Case(assertion, [*_some, (np.zeros(6),), (np.full(6, 200.0),)]),
    Case(conditional_size, _some),
    Case(python_division, _numbers(0.5, 2.5, -1.5)),
    Case(mathematics, _numbers(0.5, 1.0, -2.0)),
    Case(filled, _some),
    Case(recurrence, _some),
    Case(views, _some),
    Case(swapped, _some),
    Case(masked_write, _some),
    Case(by_mask, _some),
    Case(out_argument, _some),
    Case(maximum_by_index, _some),
    Case(row_by_index, _vectors(4, 3)),
    Case(table_lookup, _some),
    Case(sorted_values, _some),
    Case(nonzero, _some),
    Case(dictionary, _some),
    Case(list_by_index, _some),
    Case(kinks, [*_some, (np.array([0.0, -0.5, 0.5, 1.0, -1.0, 0.0]),)]),
    Case(safe_logarithm, [(np.arange(1.0, 5.0),), (np.array([0.0, -1.0, 2.0, 0.0]),)]),
    Case(safe_root, [(np.arange(1.0, 5.0),), (np.array([0.0, -1.0, 2.0, 0.0]),)]),
    Case(clipped_angle, [(np.array([0.1, 0.2, -0.3]),), (np.array([1.0, -3.0, 0.5]),)]),
    Case(missing_data, [(np.arange(1.0, 5.0),), (np.array([np.nan, 1.0, 2.0, np.nan]),)]),
    Case(element_of_logarithm, [(np.arange(1.0, 5.0),), (np.array([0.0, 1.0, 2.0, 3.0]),)]),
    Case(overwritten_logarithm, [(np.arange(1.0, 5.0),), (np.array([0.0, 1.0, 0.0, 3.0]),)]),
    Case(genuine_nan, [(np.arange(1.0, 5.0),), (np.array([0.0, 1.0, 0.0, 3.0]),)]),
    Case(regression, _matrices),
    Case(spectral, _matrices),
    Case(fourier, _some),
    Case(special_functions, _some),
    Case(softmax_loss, _matrices),
    Case(network, _matrices),
    Case(einsums, _matrices),
    Case(statistics, _matrices),
    Case(stacked, _matrices),
    Case(linspaced, _numbers(1.0, 2.5, 1.5)),
    Case(complex_numbers, _some),
    Case(trees, [({"w": x[0], "b": 2.0 * k},) for k, x in enumerate(_some)], is_scalar=False),
    Case(many_types, _some, is_scalar=False),
    Case(single_precision, [(x[0].astype(np.float32),) for x in _matrices], is_scalar=False),
    Case(integers, [(np.arange(5),), (np.array([3, 1, 2, 9, 4]),)], is_scalar=False),
]
