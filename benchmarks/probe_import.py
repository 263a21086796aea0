"""What ``import wengert`` costs beyond NumPy's import, in fresh processes.

``python -m benchmarks.probe_import`` prints one line of JSON: seconds of processor time, which busy
neighbours do not change. Byte code is cached, as it is for an installed package, in a folder of the
probe's own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 11

SNIPPET = """
import time
start = time.process_time()
import numpy
middle = time.process_time()
import wengert
print(middle - start, time.process_time() - middle)
"""


def import_seconds(cache: str) -> tuple[float, float]:
    """Return the seconds that NumPy's import took, and those of Wengert's after it."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
    printed = subprocess.run(
        [sys.executable, "-c", SNIPPET],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    numpy_seconds, beyond = map(float, printed.split())
    return numpy_seconds, beyond


def main() -> None:
    """Measure several times and print the medians; the first time compiles and does not count."""
    with tempfile.TemporaryDirectory() as cache:
        import_seconds(cache)
        rounds = [import_seconds(cache) for _ in range(ROUNDS)]
    numpy_seconds, beyond = map(statistics.median, zip(*rounds, strict=True))
    print(json.dumps({"numpy_seconds": numpy_seconds, "beyond_seconds": beyond}))


if __name__ == "__main__":
    main()
