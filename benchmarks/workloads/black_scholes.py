"""Black-Scholes call prices of 1e6 options and their derivatives to spot, strike and time."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf

from benchmarks.workload import Inputs, Workload, first

RATE, SIGMA = 0.03, 0.2
ROOT_HALF = math.sqrt(0.5)


def normal_cdf(d):
    return 0.5 * (1.0 + erf(d * ROOT_HALF))


def call_price_sum(spot, strike, time):
    deviation = SIGMA * np.sqrt(time)
    d1 = (np.log(spot / strike) + (RATE + 0.5 * SIGMA**2) * time) / deviation
    d2 = d1 - deviation
    return (spot * normal_cdf(d1) - strike * np.exp(-RATE * time) * normal_cdf(d2)).sum()


def by_hand(spot, strike, time):
    """The textbook's delta, dual delta and theta, sharing what they have in common."""
    deviation = SIGMA * np.sqrt(time)
    d1 = (np.log(spot / strike) + (RATE + 0.5 * SIGMA**2) * time) / deviation
    cdf1 = normal_cdf(d1)
    discounted = np.exp(-RATE * time)
    cdf2 = discounted * normal_cdf(d1 - deviation)
    density = np.exp(-0.5 * d1 * d1) * (1 / math.sqrt(2 * math.pi))
    d_time = spot * density * (0.5 * SIGMA) / np.sqrt(time) + RATE * strike * cdf2
    return np.sum(spot * cdf1 - strike * cdf2), (cdf1, -cdf2, d_time)


def inputs(size: int) -> Inputs:
    rng = np.random.default_rng(0)
    return (
        rng.uniform(50.0, 150.0, size),
        rng.uniform(50.0, 150.0, size),
        rng.uniform(0.1, 2.0, size),
    )


WORKLOAD = Workload(
    name="black_scholes",
    title="Black-Scholes, 1e6 rows, float64",
    function=call_price_sum,
    by_hand=by_hand,
    inputs=inputs,
    argnums=first(3),
    size=1_000_000,
    quick_size=20_000,
    lacks={"mygrad": "has no erf"},
)
