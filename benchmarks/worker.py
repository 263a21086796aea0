"""One peer in one interpreter: reads requests as JSON lines, answers as JSON lines.

``python -m benchmarks.worker PEER`` is started by `coordinator`. Answers go to the descriptor that
was standard output at the start; whatever a library prints goes to standard error.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import workloads
from .machine import PROCESSORS
from .peers import BY_NAME, Call, Peer
from .workload import Workload

Reply = dict[str, Any]


class Worker:
    """The state of a worker: its peer, and the call that was prepared last."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.workload: Workload | None = None
        self.call: Call | None = None

    def answer(self, request: dict[str, Any]) -> Reply:
        """Answer one request; an exception of the peer is an answer too."""
        action = REQUESTS[request.pop("do")]
        try:
            return action(self, **request)
        except MemoryError:
            return {"error": "out of memory"}
        except Exception as error:
            text = str(error).strip().splitlines() or [""]
            return {"error": f"{type(error).__name__}: {text[0][:100]}"}

    def hello(self) -> Reply:
        """Say which versions are here; ``version`` is None where the peer is not installed."""
        return {
            "version": self.peer.version(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        }

    def prepare(self, workload: str, size: int) -> Reply:
        """Make the inputs and the call of a workload."""
        self.call = None
        gc.collect()
        self.workload = workloads.BY_NAME[workload]
        if reason := self.peer.runs(self.workload):
            return {"error": reason}
        self.call = self.peer.prepare(self.workload, self.workload.inputs(size))
        return {}

    def result(self, path: str) -> Reply:
        """Call once and save value and gradients for the coordinator to compare."""
        value, gradients = self._prepared()()
        arrays = {"value": np.asarray(value)}
        arrays |= {f"gradient {i}": np.asarray(g) for i, g in enumerate(gradients)}
        np.savez(path, allow_pickle=False, **arrays)
        return {}

    def time(self, calls: int) -> Reply:
        """Time some calls, one by one."""
        call = self._prepared()
        seconds = []
        cpu = time.process_time()
        for _ in range(calls):
            start = time.perf_counter()
            result = call()
            seconds.append(time.perf_counter() - start)
            del result
        return {"seconds": seconds, "cpu": time.process_time() - cpu}

    def memory(self) -> Reply:
        """Measure by how much one call raises this process's peak memory, in bytes."""
        call = self._prepared()
        gc.collect()
        before = _resident_bytes()
        result = call()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        del result
        return {"bytes": after - before}

    def _prepared(self) -> Call:
        assert self.call is not None, "prepare comes first"
        return self.call


REQUESTS: dict[str, Callable[..., Reply]] = {
    "hello": Worker.hello,
    "prepare": Worker.prepare,
    "result": Worker.result,
    "time": Worker.time,
    "memory": Worker.memory,
}


def _resident_bytes() -> int:
    """Return the memory this process holds now; its peak so far where the system does not say."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextlib.contextmanager
def _answers_apart() -> Iterator[Any]:
    """Yield the original standard output; route everything else that prints to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        yield answers
    finally:
        answers.close()


def _keep_to_processors() -> None:
    """Use no more processors than the coordinator says."""
    count = os.environ.get(PROCESSORS)
    if count is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(count)])


def main() -> None:
    """Answer requests until standard input ends."""
    _keep_to_processors()
    worker = Worker(BY_NAME[sys.argv[1]])
    with _answers_apart() as answers:
        for line in sys.stdin:
            print(json.dumps(worker.answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
