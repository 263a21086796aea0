"""The pool of native threads: every step once, the same cuts, forks, nesting, idleness."""

import ctypes
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from wengert.compile.native import runtime, threads
from wengert.threads import get_num_threads, set_num_threads

pytestmark = pytest.mark.skipif(not threads.load().has_threads, reason="no pthreads")

# `record` adds one to each step's count, and notes the chunk's ends at its first step. `nested`
# runs `record` over ten steps for each of its own.
TEXT = """
declare void @wg_parallel_for(ptr, ptr, i64, i64, i64)
declare i32 @usleep(i32)

define void @record(ptr %ctx, i64 %b, i64 %e) {
entry:
  %at = getelementptr [2 x i64], ptr %ctx, i64 %b
  %end = getelementptr i64, ptr %at, i64 1
  store i64 %e, ptr %end
  br label %head
head:
  %i = phi i64 [ %b, %entry ], [ %j, %head ]
  %p = getelementptr [2 x i64], ptr %ctx, i64 %i
  %old = atomicrmw add ptr %p, i64 1 monotonic
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %e
  br i1 %more, label %head, label %exit
exit:
  ret void
}

define void @nested(ptr %ctx, i64 %b, i64 %e) {
  %from = mul i64 %b, 10
  %to = mul i64 %e, 10
  call void @wg_parallel_for(ptr @record, ptr %ctx, i64 %from, i64 %to, i64 3)
  ret void
}

define void @slow(ptr %ctx, i64 %b, i64 %e) {
  %s = call i32 @usleep(i32 3000)
  call void @record(ptr %ctx, i64 %b, i64 %e)
  ret void
}

define void @repeat(ptr %fn, ptr %ctx, i64 %begin, i64 %end, i64 %grain, i64 %times) {
entry:
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %l, %head ]
  call void @wg_parallel_for(ptr %fn, ptr %ctx, i64 %begin, i64 %end, i64 %grain)
  %l = add i64 %k, 1
  %more = icmp slt i64 %l, %times
  br i1 %more, label %head, label %exit
exit:
  ret void
}
"""


@pytest.fixture(scope="module")
def unit():
    return runtime.load(TEXT, runtime.addresses(ctypes.CDLL(None), ("usleep",)))


@pytest.fixture(autouse=True)
def restored():
    before = get_num_threads()
    yield
    set_num_threads(before)


def run(unit, name, begin, end, grain, times=1, steps=None):
    """How often each step ran, and where the chunk that begins at it ends."""
    repeat = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 4)(
        unit.address("repeat")
    )
    counts = np.zeros((steps or end, 2), np.int64)
    repeat(unit.address(name), counts.ctypes.data, begin, end, grain, times)
    return counts


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize(
    ("begin", "end", "grain"), [(0, 1, 1), (0, 100, 7), (3, 100, 1), (5, 10_000, 10), (0, 10, 100)]
)
def test_every_step_runs_once_and_cuts_do_not_depend_on_threads(unit, count, begin, end, grain):
    set_num_threads(count)
    counts = run(unit, "record", begin, end, grain)
    assert (counts[:begin] == 0).all()
    assert (counts[begin:, 0] == 1).all()
    starts = np.arange(begin, end, grain)
    expected = np.zeros(end, np.int64)
    expected[starts] = np.minimum(starts + grain, end)
    np.testing.assert_array_equal(counts[:, 1], expected)


def test_an_empty_loop_calls_nothing(unit):
    assert not run(unit, "record", 5, 5, 1).any()
    assert not run(unit, "record", 9, 2, 1, steps=10).any()


def test_a_grain_below_one_is_one(unit):
    counts = run(unit, "record", 0, 20, 0)
    np.testing.assert_array_equal(counts[:, 1], np.arange(1, 21))


@pytest.mark.parametrize("count", [2, 5])
def test_many_loops_one_after_the_other(unit, count):
    set_num_threads(count)
    counts = run(unit, "record", 0, 16, 1, times=20_000)
    assert (counts[:, 0] == 20_000).all()


def test_loops_after_pauses_in_which_workers_sleep(unit):
    set_num_threads(3)
    for _ in range(30):
        time.sleep(0.002)
        assert (run(unit, "record", 0, 16, 1)[:, 0] == 1).all()


def test_workers_take_part(unit):
    set_num_threads(4)
    run(unit, "slow", 0, 8, 1)
    start = time.perf_counter()
    run(unit, "slow", 0, 8, 1)
    assert time.perf_counter() - start < 0.8 * 8 * 0.003
    assert threads.load().started >= 3


def test_a_loop_inside_a_loop_runs_in_its_caller(unit):
    set_num_threads(3)
    counts = run(unit, "nested", 0, 50, 1, steps=500)
    assert (counts[:, 0] == 1).all()


def test_loops_of_several_python_threads_at_once(unit):
    set_num_threads(3)
    wrong = []

    def work():
        for _ in range(50):
            if not (run(unit, "record", 0, 64, 1, times=20)[:, 0] == 20).all():
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_fewer_threads_after_more(unit):
    for count in (4, 1, 3, 2, 1):
        set_num_threads(count)
        assert get_num_threads() == count
        assert (run(unit, "record", 0, 64, 1, times=100)[:, 0] == 100).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_the_child_of_a_fork_starts_a_pool_of_its_own(unit):
    set_num_threads(3)
    run(unit, "record", 0, 64, 1)
    child = os.fork()
    if child == 0:
        good = threads.load().started == 0
        good &= bool((run(unit, "slow", 0, 8, 1)[:, 0] == 1).all())
        good &= threads.load().started == 2
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (run(unit, "record", 0, 64, 1)[:, 0] == 1).all()


def test_an_idle_pool_uses_no_processor(unit):
    set_num_threads(4)
    run(unit, "slow", 0, 8, 1)
    used = []
    for _ in range(5):  # other threads of the process, BLAS's, may be busy for a while
        before = time.process_time()
        time.sleep(0.1)
        used.append(time.process_time() - before)
    assert min(used) < 0.01


SCRIPT = """
import ctypes, threading
from wengert.compile.native import runtime, threads
from wengert.threads import get_num_threads
{text}
threads.load()
unit = runtime.load(TEXT, runtime.addresses(ctypes.CDLL(None), ("usleep",)))
print(get_num_threads())
body = (ctypes.c_int64 * 200)()
ctypes.pythonapi.Py_IncRef(ctypes.py_object(body))  # the daemon writes to it up to the very end
call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 4)
repeat = call(unit.address("repeat"))
args = unit.address("record"), ctypes.addressof(body), 0, 100, 1, 10
def work():
    while True:
        repeat(*args)
threading.Thread(target=work, daemon=True).start()
repeat(*args)
"""


def test_the_interpreter_ends_while_the_pool_works():
    script = SCRIPT.format(text=f"TEXT = '''{TEXT}'''")
    environment = {**os.environ, "WENGERT_NUM_THREADS": "3"}
    for _ in range(3):
        found = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (found.returncode, found.stdout, found.stderr) == (0, "3\n", "")


def test_without_pthreads_loops_run_in_their_caller(unit):
    text = threads._text(False) + TEXT.replace(
        "declare void @wg_parallel_for(ptr, ptr, i64, i64, i64)", ""
    )
    serial = runtime.load(text, {})
    counts = run(serial, "record", 3, 100, 7)
    np.testing.assert_array_equal(counts, run(unit, "record", 3, 100, 7))
