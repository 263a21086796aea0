"""k-means as an objective, GradBench's ``kmeans``: squared distances to the nearest centres."""

from __future__ import annotations

import numpy as np

from benchmarks.workload import Inputs, Workload

CENTRES, DIMENSION = 10, 8


def kmeans(points, centres):
    differences = points[:, None, :] - centres[None, :, :]
    return np.sum(np.min(np.sum(differences * differences, axis=2), axis=1))


def inputs(size: int) -> Inputs:
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, DIMENSION)), rng.standard_normal((CENTRES, DIMENSION))


WORKLOAD = Workload(
    name="kmeans",
    title="GradBench kmeans, 10000 points, d = 8, k = 10",
    function=kmeans,
    inputs=inputs,
    argnums=lambda inputs: (1,),
    size=10_000,
    quick_size=50,
    cpp="kmeans",
    lacks={"torch": "not written"},
)
