"""The workloads, by what is measured of them. Each file holds one, with its twins beside it."""

from __future__ import annotations

from benchmarks.workload import Workload

from . import (
    black_scholes,
    chain,
    circuit,
    deep_net,
    elementwise_chain,
    gather,
    mlp,
    pendulum,
    rnn,
    rosenbrock,
    spiral,
    table,
)

SPEED: tuple[Workload, ...] = (
    circuit.WORKLOAD,
    pendulum.WORKLOAD,
    spiral.WORKLOAD,
    mlp.WORKLOAD,
    rosenbrock.WORKLOAD,
    rnn.WORKLOAD,
    black_scholes.WORKLOAD,
)

SCALING: tuple[Workload, ...] = (chain.WORKLOAD, gather.WORKLOAD, table.WORKLOAD)

MEMORY: tuple[Workload, ...] = (
    deep_net.WORKLOAD,
    black_scholes.WORKLOAD,
    elementwise_chain.WORKLOAD,
)

BY_NAME: dict[str, Workload] = {w.name: w for w in (*SPEED, *SCALING, *MEMORY)}
