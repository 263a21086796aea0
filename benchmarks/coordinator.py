"""Workers seen from outside: start one for each peer, ask, and survive those that hang or die.

Peers live in the interpreters the command names, so that all stand in one run although no single
Python has them all.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .machine import PROCESSORS
from .peers import BY_NAME, Peer

ROOT = Path(__file__).resolve().parent.parent

# These sit beside Wengert, in its interpreter.
LOCAL = ("numpy", "by_hand", "wengert", "compiled", "cpp")

# A single request that takes longer has hung, or is so slow that its number does not matter.
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True)
class Seat:
    """A peer in an interpreter: one column of the report."""

    peer: Peer
    python: str
    label: str


# What limits threads: of libraries for matrices, of Wengert, and, by the processors that a worker
# may use at all, of those that ask for no variable.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "WENGERT_NUM_THREADS",
    PROCESSORS,
)


class WorkerProcess:
    """A running worker, asked by `ask`; every failure comes back as ``{"error": ...}``."""

    def __init__(self, seat: Seat, threads: int | None = None) -> None:
        self.seat = seat
        self._process = subprocess.Popen(
            [seat.python, "-m", "benchmarks.worker", seat.peer.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=worker_environment(threads),
        )

    def ask(self, do: str, patience: float = PATIENCE_SECONDS, **request: Any) -> dict[str, Any]:
        """Send one request and return its answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        if self._process.poll() is not None:
            return {"error": "the worker has ended"}
        try:
            stdin.write(json.dumps({"do": do, **request}) + "\n")
            stdin.flush()
        except BrokenPipeError:
            return {"error": "the worker has ended"}
        if not select.select([stdout], [], [], patience)[0]:
            self.close()
            return {"error": f"no answer in {patience:.0f} s"}
        line = stdout.readline()
        if not line:
            return {"error": f"the worker died (exit status {self._process.wait()})"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the worker."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def worker_environment(threads: int | None = None) -> dict[str, str]:
    """Return the environment of a worker: this checkout importable, thread counts if asked for."""
    paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    if threads is not None:
        for name in THREADS:
            environment[name] = str(threads)
    return environment


def seats(names: list[str], pythons: Mapping[str, str]) -> list[Seat]:
    """Return the seats of the named peers.

    Where a peer lives in an interpreter other than Wengert's, Wengert sits beside it there too, so
    that their ratio is taken on one Python and one NumPy.
    """
    home = pythons.get("wengert", sys.executable)
    found: dict[tuple[str, str], Seat] = {}
    for name in names:
        python = home if name in LOCAL else pythons.get(name.removesuffix("_idiom"), sys.executable)
        if python != home and "wengert" in names:
            label = f"Wengert beside {BY_NAME[name].label}"
            found.setdefault(("wengert", python), Seat(BY_NAME["wengert"], python, label))
        found[name, python] = Seat(BY_NAME[name], python, BY_NAME[name].label)
    return list(found.values())
