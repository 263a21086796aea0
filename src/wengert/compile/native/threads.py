"""Threads for native loops: `wg_parallel_for`, a pool that needs no Python to run.

A loop is cut into chunks of `grain` steps, whatever the number of threads; the caller and the
workers take chunks until none is left. Cuts, and so every bit of a result, do not depend on who
runs what. A loop inside a loop, and one started while another thread uses the pool, runs in its
caller. Workers are plain pthreads: they spin for some microseconds, then sleep. Where the system
has no pthreads (Windows), loops run in their caller. The difficulty is a worker that wakes up late,
when the next loop is being set up: see `_POOL`.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import signal
import time

from wengert.compile.native import runtime
from wengert.threads import WORKERS

_SPIN_SECONDS = 20e-6  # about what waking a sleeping thread costs
_MOST = 1 << 20  # a worker number that no pool reaches


# ---------------------------------------------------------------------------------------- the pool

# Words of the pool. What several threads write has a cache line of its own.
_WORDS = {
    "threads": 0, "started": 8, "spin": 16, "fn": 24, "ctx": 32, "begin": 40, "end": 48,
    "grain": 56, "parts": 64, "busy": 128, "ticket": 192, "remaining": 256, "sleepers": 320,
    "waiting": 328, "mutex": 384, "wake": 512, "done": 640,
}  # fmt: skip
_BYTES = 768

# A ticket is (number of the loop << 32) + the next chunk. A worker reads the ticket, then the loop,
# then takes the chunk by compare-and-swap: that succeeds only if a chunk of this very loop was
# still to be taken, so what was read belongs to it. While a loop is being set up, the ticket's
# chunk is the largest there is, so that nobody takes the new loop for the old one's rest.
_POOL = """
@wg_pool = global [{bytes} x i8] zeroinitializer, align 64

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_signal(ptr)
declare i32 @pthread_cond_broadcast(ptr)

define void @wg_pool_reset() {{
  store i64 0, ptr {started}
  store i64 0, ptr {busy}
  store i64 0, ptr {sleepers}
  store i64 0, ptr {waiting}
  %a = call i32 @pthread_mutex_init(ptr {mutex}, ptr null)
  %b = call i32 @pthread_cond_init(ptr {wake}, ptr null)
  %c = call i32 @pthread_cond_init(ptr {done}, ptr null)
  ret void
}}

define internal void @start_workers(i64 %count) noinline cold {{
entry:
  %all = alloca [256 x i8], align 16
  %old = alloca [256 x i8], align 16
  %id = alloca ptr
  %s0 = call i32 @sigfillset(ptr %all)
  %s1 = call i32 @pthread_sigmask(i32 {setmask}, ptr %all, ptr %old)
  br label %head
head:
  %started = load i64, ptr {started}
  %more = icmp slt i64 %started, %count
  br i1 %more, label %one, label %exit
one:
  %number = inttoptr i64 %started to ptr
  %status = call i32 @pthread_create(ptr %id, ptr null, ptr @worker, ptr %number)
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %exit, label %next
next:
  %thread = load ptr, ptr %id
  %s2 = call i32 @pthread_detach(ptr %thread)
  %now = add i64 %started, 1
  store i64 %now, ptr {started}
  br label %head
exit:
  %s3 = call i32 @pthread_sigmask(i32 {setmask}, ptr %old, ptr null)
  ret void
}}

define internal i1 @has_work(i64 %number) alwaysinline {{
  %ticket = load atomic i64, ptr {ticket} seq_cst, align 8
  %chunk = and i64 %ticket, 4294967295
  %parts = load atomic i64, ptr {parts} monotonic, align 8
  %left = icmp ult i64 %chunk, %parts
  %threads = load atomic i64, ptr {threads} monotonic, align 8
  %last = sub i64 %threads, 1
  %wanted = icmp slt i64 %number, %last
  %yes = and i1 %left, %wanted
  ret i1 %yes
}}

define internal void @work() {{
entry:
  br label %head
head:
  %ticket = load atomic i64, ptr {ticket} acquire, align 8
  %chunk = and i64 %ticket, 4294967295
  %parts = load atomic i64, ptr {parts} monotonic, align 8
  %left = icmp ult i64 %chunk, %parts
  br i1 %left, label %read, label %exit
read:
  %fn = load atomic ptr, ptr {fn} monotonic, align 8
  %ctx = load atomic ptr, ptr {ctx} monotonic, align 8
  %begin = load atomic i64, ptr {begin} monotonic, align 8
  %end = load atomic i64, ptr {end} monotonic, align 8
  %grain = load atomic i64, ptr {grain} monotonic, align 8
  %following = add i64 %ticket, 1
  %swap = cmpxchg ptr {ticket}, i64 %ticket, i64 %following acq_rel monotonic
  %mine = extractvalue {{ i64, i1 }} %swap, 1
  br i1 %mine, label %run, label %head
run:
  %offset = mul i64 %chunk, %grain
  %from = add i64 %begin, %offset
  %full = add i64 %from, %grain
  %short = icmp slt i64 %end, %full
  %to = select i1 %short, i64 %end, i64 %full
  call void %fn(ptr %ctx, i64 %from, i64 %to)
  %before = atomicrmw sub ptr {remaining}, i64 1 seq_cst
  %was_last = icmp eq i64 %before, 1
  br i1 %was_last, label %tell, label %head
tell:
  %waiting = load atomic i64, ptr {waiting} seq_cst, align 8
  %sleeps = icmp ne i64 %waiting, 0
  br i1 %sleeps, label %signal, label %head
signal:
  %s0 = call i32 @pthread_mutex_lock(ptr {mutex})
  %s1 = call i32 @pthread_cond_signal(ptr {done})
  %s2 = call i32 @pthread_mutex_unlock(ptr {mutex})
  br label %head
exit:
  ret void
}}

define internal ptr @worker(ptr %argument) {{
entry:
  %number = ptrtoint ptr %argument to i64
  br label %run
run:
  call void @work()
  %most = load atomic i64, ptr {spin} monotonic, align 8
  br label %spin
spin:
  %turn = phi i64 [ 0, %run ], [ %turn.next, %again ]
  %ready = call i1 @has_work(i64 %number)
  br i1 %ready, label %run, label %idle
idle:
  %turn.next = add i64 %turn, 1
  %enough = icmp sgt i64 %turn.next, %most
  br i1 %enough, label %park, label %again
again:
  call void asm sideeffect "{pause}", "~{{memory}}"()
  br label %spin
park:
  %s0 = call i32 @pthread_mutex_lock(ptr {mutex})
  %n0 = atomicrmw add ptr {sleepers}, i64 1 seq_cst
  br label %check
check:
  %work = call i1 @has_work(i64 %number)
  br i1 %work, label %awake, label %sleep
sleep:
  %s1 = call i32 @pthread_cond_wait(ptr {wake}, ptr {mutex})
  br label %check
awake:
  %n1 = atomicrmw sub ptr {sleepers}, i64 1 seq_cst
  %s2 = call i32 @pthread_mutex_unlock(ptr {mutex})
  br label %run
}}

define internal void @wait_for_workers() {{
entry:
  %most = load atomic i64, ptr {spin} monotonic, align 8
  br label %spin
spin:
  %turn = phi i64 [ 0, %entry ], [ %turn.next, %again ]
  %left = load atomic i64, ptr {remaining} acquire, align 8
  %finished = icmp eq i64 %left, 0
  br i1 %finished, label %exit, label %idle
idle:
  %turn.next = add i64 %turn, 1
  %enough = icmp sgt i64 %turn.next, %most
  br i1 %enough, label %park, label %again
again:
  call void asm sideeffect "{pause}", "~{{memory}}"()
  br label %spin
park:
  %s0 = call i32 @pthread_mutex_lock(ptr {mutex})
  store atomic i64 1, ptr {waiting} seq_cst, align 8
  br label %check
check:
  %still = load atomic i64, ptr {remaining} seq_cst, align 8
  %over = icmp eq i64 %still, 0
  br i1 %over, label %awake, label %sleep
sleep:
  %s1 = call i32 @pthread_cond_wait(ptr {done}, ptr {mutex})
  br label %check
awake:
  store atomic i64 0, ptr {waiting} seq_cst, align 8
  %s2 = call i32 @pthread_mutex_unlock(ptr {mutex})
  br label %exit
exit:
  ret void
}}

define internal void @share(ptr %fn, ptr %ctx, i64 %begin, i64 %end, i64 %grain, i64 %parts) {{
entry:
  %threads = load atomic i64, ptr {threads} monotonic, align 8
  %others = sub i64 %threads, 1
  %started = load i64, ptr {started}
  %missing = icmp slt i64 %started, %others
  br i1 %missing, label %start, label %publish
start:
  call void @start_workers(i64 %others)
  br label %publish
publish:
  %old = load atomic i64, ptr {ticket} monotonic, align 8
  %loop = lshr i64 %old, 32
  %following = add i64 %loop, 1
  %high = shl i64 %following, 32
  %closed = or i64 %high, 4294967295
  store atomic i64 %closed, ptr {ticket} seq_cst, align 8
  fence seq_cst
  store atomic ptr %fn, ptr {fn} monotonic, align 8
  store atomic ptr %ctx, ptr {ctx} monotonic, align 8
  store atomic i64 %begin, ptr {begin} monotonic, align 8
  store atomic i64 %end, ptr {end} monotonic, align 8
  store atomic i64 %grain, ptr {grain} monotonic, align 8
  store atomic i64 %parts, ptr {parts} monotonic, align 8
  store atomic i64 %parts, ptr {remaining} monotonic, align 8
  store atomic i64 %high, ptr {ticket} seq_cst, align 8
  %sleepers = load atomic i64, ptr {sleepers} seq_cst, align 8
  %asleep = icmp sgt i64 %sleepers, 0
  br i1 %asleep, label %wake, label %run
wake:
  %s0 = call i32 @pthread_mutex_lock(ptr {mutex})
  %s1 = call i32 @pthread_cond_broadcast(ptr {wake})
  %s2 = call i32 @pthread_mutex_unlock(ptr {mutex})
  br label %run
run:
  call void @work()
  call void @wait_for_workers()
  ret void
}}

define i64 @wg_spin(i64 %turns) {{
entry:
  br label %spin
spin:
  %turn = phi i64 [ 0, %entry ], [ %following, %again ]
  %ready = call i1 @has_work(i64 {most})
  %following = add i64 %turn, 1
  %enough = icmp sge i64 %following, %turns
  br i1 %enough, label %exit, label %again
again:
  call void asm sideeffect "{pause}", "~{{memory}}"()
  br label %spin
exit:
  %out = zext i1 %ready to i64
  ret i64 %out
}}
"""

_ENTER_POOL = """
  %threads = load atomic i64, ptr {threads} monotonic, align 8
  %alone = icmp slt i64 %threads, 2
  br i1 %alone, label %serial, label %claim
claim:
  %swap = cmpxchg ptr {busy}, i64 0, i64 1 acquire monotonic
  %free = extractvalue {{ i64, i1 }} %swap, 1
  br i1 %free, label %shared, label %serial
shared:
  call void @share(ptr %fn, ptr %ctx, i64 %begin, i64 %end, i64 %step, i64 %parts)
  store atomic i64 0, ptr {busy} release, align 8
  ret void
"""

# The serial loop makes the same cuts, so that sums kept by chunk are the same.
_FOR = """
define void @wg_parallel_for(ptr %fn, ptr %ctx, i64 %begin, i64 %end, i64 %grain) {{
entry:
  %count = sub i64 %end, %begin
  %empty = icmp sle i64 %count, 0
  br i1 %empty, label %exit, label %some
some:
  %least = lshr i64 %count, 31
  %least.1 = add i64 %least, 1
  %small = icmp slt i64 %grain, %least.1
  %step = select i1 %small, i64 %least.1, i64 %grain
  %whole = icmp sle i64 %count, %step
  br i1 %whole, label %single, label %many
single:
  call void %fn(ptr %ctx, i64 %begin, i64 %end)
  ret void
many:
  %count.0 = sub i64 %count, 1
  %parts.0 = sdiv i64 %count.0, %step
  %parts = add i64 %parts.0, 1
{pool}
serial:
  br label %head
head:
  %from = phi i64 [ %begin, %serial ], [ %to, %head ]
  %full = add i64 %from, %step
  %short = icmp slt i64 %end, %full
  %to = select i1 %short, i64 %end, i64 %full
  call void %fn(ptr %ctx, i64 %from, i64 %to)
  %more = icmp slt i64 %to, %end
  br i1 %more, label %head, label %exit
exit:
  ret void
}}
"""

_PTHREADS = (
    "pthread_create", "pthread_detach", "pthread_sigmask", "sigfillset", "pthread_mutex_init",
    "pthread_mutex_lock", "pthread_mutex_unlock", "pthread_cond_init", "pthread_cond_wait",
    "pthread_cond_signal", "pthread_cond_broadcast",
)  # fmt: skip
_PAUSE = {"x86_64": "pause", "amd64": "pause", "aarch64": "yield", "arm64": "yield"}


class Pool:
    """The loaded pool; `load` gives the only one.

    Attributes
    ----------
    parallel_for : int
        Address of ``void wg_parallel_for(ptr fn, ptr ctx, i64 begin, i64 end, i64 grain)``; ``fn``
        is ``void (ptr ctx, i64 begin, i64 end)``. Plans declare it by that name.
    has_threads : bool
        False where the system has no pthreads.
    """

    def __init__(self) -> None:
        try:
            symbols = runtime.addresses(ctypes.CDLL(None), _PTHREADS)
        except (AttributeError, OSError, TypeError):
            symbols = {}
        self.has_threads = bool(symbols)
        unit = runtime.load(_text(self.has_threads), symbols)
        self.parallel_for = unit.address("wg_parallel_for")
        runtime.register({"wg_parallel_for": self.parallel_for})
        if self.has_threads:
            self._address = unit.address("wg_pool")
            reset = ctypes.CFUNCTYPE(None)(unit.address("wg_pool_reset"))
            reset()
            self._word("spin").value = _turns(unit.address("wg_spin"))
            # The child of a fork has the memory of the pool but none of its threads.
            os.register_at_fork(after_in_child=reset)
            WORKERS.listeners.append(self._set)
            self._set(WORKERS.count)

    def _word(self, name: str) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(self._address + _WORDS[name])

    def _set(self, threads: int) -> None:
        self._word("threads").value = threads

    @property
    def started(self) -> int:
        """How many workers there are; they are started when first needed."""
        return self._word("started").value if self.has_threads else 0


@functools.cache
def load() -> Pool:
    """The pool, compiled at the first call; `wengert.threads` says how many threads it has."""
    return Pool()


def _text(has_threads: bool) -> str:
    if not has_threads:
        return _FOR.format(pool="  %parts.1 = add i64 %parts, 0\n  br label %serial")
    words = {name: f"getelementptr (i8, ptr @wg_pool, i64 {at})" for name, at in _WORDS.items()}
    words |= {"bytes": str(_BYTES), "most": str(_MOST), "setmask": str(int(signal.SIG_SETMASK))}
    words["pause"] = _PAUSE.get(platform.machine().lower(), "")
    return _POOL.format(**words) + _FOR.format(pool=_ENTER_POOL.format(**words))


def _turns(address: int) -> int:
    """How many turns of the waiting loop take `_SPIN_SECONDS`."""
    spin = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)
    turns, best = 500, 1.0
    for _ in range(3):
        start = time.perf_counter()
        spin(turns)
        best = min(best, time.perf_counter() - start)
    return max(1, round(turns * _SPIN_SECONDS / best))
