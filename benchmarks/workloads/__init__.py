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
    gaussian_process,
    gmm,
    kmeans,
    llsq,
    logsumexp,
    lstm,
    mlp,
    pendulum,
    rnn,
    rosenbrock,
    rosenbrock_curvature,
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

COMPILED: tuple[Workload, ...] = (
    *SPEED,
    gaussian_process.WORKLOAD,
    rosenbrock_curvature.HESSIAN,
    rosenbrock_curvature.PRODUCT,
    logsumexp.WORKLOAD,
    gmm.WORKLOAD,
    kmeans.WORKLOAD,
    lstm.WORKLOAD,
    llsq.WORKLOAD,
)

BY_NAME: dict[str, Workload] = {w.name: w for w in (*SPEED, *SCALING, *MEMORY, *COMPILED)}
