"""What the project has promised about eager speed and memory, as rows that can be checked."""

from __future__ import annotations

from typing import NamedTuple

from .measure import Memory, Scaling, Speed


class Target(NamedTuple):
    """At most `limit` times the time of `peer` on `workload`."""

    workload: str
    peer: str
    limit: float


class Verdict(NamedTuple):
    """A promise beside what was measured; `passed` is None where it could not be measured."""

    promise: str
    measured: str
    passed: bool | None


# fmt: off
SPEED_TARGETS: tuple[Target, ...] = (
    Target("circuit",       "PyTorch", 0.5),
    Target("pendulum",      "PyTorch", 0.5),
    Target("spiral",        "PyTorch", 0.8),
    Target("rnn",           "PyTorch", 0.8),
    Target("mlp",           "PyTorch", 1.1),
    Target("rosenbrock",    "PyTorch", 1.1),
    Target("black_scholes", "PyTorch", 1.5),
    *(
        Target(workload, peer, 1 / 3)
        for workload in ("circuit", "pendulum", "rnn")
        for peer in ("autograd", "MyGrad", "Advect")
    ),
)

COMPILED_TARGETS: tuple[Target, ...] = (
    Target("circuit",          "JAX jit",        0.05),
    Target("pendulum",         "JAX jit",        0.7),
    Target("spiral",           "JAX jit",        0.35),
    Target("mlp",              "JAX jit",        0.85),
    Target("black_scholes",    "JAX jit",        0.13),
    Target("rosenbrock",       "JAX jit",        0.4),
    Target("rnn",              "JAX jit",        0.6),
    Target("gaussian_process", "NumPy, by hand", 1.15),
    Target("hessian",          "JAX jit",        0.2),
    Target("hvp",              "JAX jit",        0.2),
    Target("logsumexp",        "JAX jit",        0.7),
    Target("gmm",              "C++, by hand",   1.0),
    Target("kmeans",           "C++, by hand",   1.0),
    Target("lstm",             "C++, by hand",   1.0),
    Target("llsq",             "C++, by hand",   1.0),
)
# fmt: on

FIRST_CALL_SHARE = 0.25
MEMORY_LIMIT = 1.2
GROWTH_LIMIT = 12.0
IMPORT_LIMIT_SECONDS = 0.25


def speed_verdicts(results: list[Speed]) -> list[Verdict]:
    """Return the verdict on each speed target whose workload was run."""
    by_name = {result.workload.name: result for result in results}
    return [
        _speed_verdict(target, by_name[target.workload])
        for target in SPEED_TARGETS
        if target.workload in by_name
    ]


def _speed_verdict(target: Target, result: Speed) -> Verdict:
    beside = f"Wengert beside {target.peer}"
    ours = beside if beside in result.seconds or beside in result.notes else "Wengert"
    return verdict_on(target, result, ours)


def verdict_on(target: Target, result: Speed, ours: str) -> Verdict:
    """Return the verdict on one target, with the label that is ours."""
    promise = f"{target.workload}: at most {target.limit:.3g}x {target.peer}"
    ratio = result.ratio(ours, target.peer)
    if ratio is None:
        missing = ours if ours in result.notes else target.peer
        return Verdict(promise, f"{missing}: {result.notes.get(missing, 'not asked for')}", None)
    return Verdict(promise, f"{ratio:.2f}x", ratio <= target.limit)


def memory_verdicts(results: list[Memory]) -> list[Verdict]:
    """Return the verdict on the peak memory of each workload."""
    verdicts = []
    for result in results:
        promise = f"{result.workload.name}: peak memory at most {MEMORY_LIMIT}x PyTorch"
        if "Wengert" in result.peaks and "PyTorch" in result.peaks:
            ratio = result.peaks["Wengert"] / result.peaks["PyTorch"]
            verdicts.append(Verdict(promise, f"{ratio:.2f}x", ratio <= MEMORY_LIMIT))
        else:
            verdicts.append(Verdict(promise, "not measured", None))
    return verdicts


def scaling_verdicts(results: list[Scaling]) -> list[Verdict]:
    """Return the verdict on linear cost of each workload."""
    verdicts = []
    for result in results:
        promise = f"{result.workload.name}: 10x the n, at most {GROWTH_LIMIT:.0f}x the time"
        growth = result.growth("Wengert")
        if not growth:
            verdicts.append(Verdict(promise, result.notes.get("Wengert", "not measured"), None))
            continue
        factors = ", ".join(f"{factor:.1f}" for factor in growth)
        largest = max(result.seconds["Wengert"])
        measured = f"{factors} (up to n = {largest:.0e})"
        verdicts.append(Verdict(promise, measured, max(growth) <= GROWTH_LIMIT))
    return verdicts


def threads_verdict(answer: dict[str, object]) -> Verdict:
    """Return the verdict on threads."""
    promise = "8 threads x 1000 gradients equal the serial ones"
    if "error" in answer:
        return Verdict(promise, str(answer["error"]), None)
    measured = (
        f"{'equal' if answer['equal'] else 'DIFFERENT'}; serial {answer['serial_seconds']:.2f} s,"
        f" threaded {answer['threaded_seconds']:.2f} s"
    )
    return Verdict(promise, measured, bool(answer["equal"]))


def import_verdict(answer: dict[str, object]) -> Verdict:
    """Return the verdict on the time to import."""
    promise = f"import takes under {IMPORT_LIMIT_SECONDS} s beyond NumPy's"
    if "error" in answer:
        return Verdict(promise, str(answer["error"]), None)
    beyond = answer["beyond_seconds"]
    assert isinstance(beyond, float)
    measured = f"{beyond:.3f} s of CPU time (NumPy itself {answer['numpy_seconds']:.3f} s)"
    return Verdict(promise, measured, beyond < IMPORT_LIMIT_SECONDS)
