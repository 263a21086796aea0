"""Eight threads take 1000 gradients each; every one must equal what a single thread gets.

``python -m benchmarks.probe_threads`` prints one line of JSON.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import wengert as wg

THREADS, GRADIENTS = 8, 1000


def energy(x):
    y = np.zeros(4)
    for i in range(4):
        y[i] = np.sin(x[i]) * x[(i + 1) % 4]
    return np.sum(y**2) + np.exp(-np.dot(x, x))


def gradients_of(points: np.ndarray) -> np.ndarray:
    """Return the gradient at each point, each with a transform of its own."""
    return np.array([wg.grad(energy)(point) for point in points])


def main() -> None:
    """Compare, and print the outcome."""
    points = np.random.default_rng(0).standard_normal((THREADS, GRADIENTS, 4))
    start = time.perf_counter()
    serial = [gradients_of(block) for block in points]
    serial_seconds = time.perf_counter() - start
    start = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        threaded = list(pool.map(gradients_of, points))
    threaded_seconds = time.perf_counter() - start
    print(
        json.dumps(
            {
                "equal": bool(np.array_equal(serial, threaded)),
                "serial_seconds": serial_seconds,
                "threaded_seconds": threaded_seconds,
            }
        )
    )


if __name__ == "__main__":
    main()
