"""The article's circuit: four multiplications of Python floats. All of it is overhead."""

from __future__ import annotations

from benchmarks.workload import Inputs, Workload, first


def circuit(x, y, z):
    return ((x * y) * (y * z)) ** 2


def circuit_torch_idiom(torch, x, y, z):
    """The same on tensors that are kept between the calls, and no floats."""
    return circuit(x, y, z)


def by_hand(x, y, z):
    left, right = x * y, y * z
    product = left * right
    d_product = 2 * product
    d_left, d_right = d_product * right, d_product * left
    return product**2, (d_left * y, d_left * x + d_right * z, d_right * y)


def inputs(size: int) -> Inputs:
    return 3.0, 2.0, 1.0


WORKLOAD = Workload(
    name="circuit",
    title="circuit ((x*y)*(y*z))**2, Python floats",
    function=circuit,
    torch_idiom=circuit_torch_idiom,
    by_hand=by_hand,
    inputs=inputs,
    argnums=first(3),
    size=1,
    quick_size=1,
)
