"""What ``import wengert`` costs beyond NumPy's import, in fresh processes.

``python -m benchmarks.probe_import`` prints one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

ROUNDS = 11

SNIPPET = """
import time
start = time.perf_counter()
import numpy
middle = time.perf_counter()
import {module}
print(middle - start, time.perf_counter() - middle)
"""


def seconds_beyond_numpy(module: str) -> tuple[float, float]:
    """Return the seconds NumPy's import took and those of `module` after it."""
    printed = subprocess.run(
        [sys.executable, "-c", SNIPPET.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    numpy_seconds, beyond = map(float, printed.split())
    return numpy_seconds, beyond


def main() -> None:
    """Measure several times and print the medians."""
    seconds_beyond_numpy("wengert")
    rounds = [seconds_beyond_numpy("wengert") for _ in range(ROUNDS)]
    numpy_seconds, beyond = map(statistics.median, zip(*rounds, strict=True))
    print(json.dumps({"numpy_seconds": numpy_seconds, "beyond_seconds": beyond}))


if __name__ == "__main__":
    main()
