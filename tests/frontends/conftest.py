"""What the tests of the front ends share."""

import gc
import tracemalloc

import pytest


@pytest.fixture
def memory_of():
    """How many bytes a piece of work, done a number of times, leaves behind."""

    def measured(work, times):
        work()
        gc.collect()
        tracemalloc.start()
        for _ in range(times):
            work()
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return held

    return measured
