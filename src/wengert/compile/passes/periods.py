"""Where a sequence repeats: stretches of it that come many times, one after the other.

Windows of growing width are compared by hash. Inside a stretch the next equal window lies one
period further on, wherever one looks: so runs of equal distances are stretches. The cost is that
of sorting a few times; nothing is compared pair by pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

FEWEST = 8  # times a stretch must repeat
SHORTEST = 64  # elements that all repetitions must have together
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: Fibonacci hashing (Knuth 6.4)


class Stretch(NamedTuple):
    """`length` elements from `start` on, that come `times` times; `rest` more begin another."""

    start: int
    length: int
    times: int
    rest: int = 0

    @property
    def stop(self) -> int:
        """The first element after all repetitions."""
        return self.start + self.length * self.times


def find_stretches(keys: np.ndarray) -> list[Stretch]:
    """The stretches of a sequence of integers that repeat, the widest first chosen, in order."""
    found = sorted(set(_candidates(keys)), key=lambda s: (-s.length * s.times, s.length, s.start))
    is_taken = np.zeros(len(keys), bool)
    chosen: list[Stretch] = []
    for stretch in found:
        free = _free_part(stretch, is_taken)
        if free is not None:
            is_taken[free.start : free.stop] = True
            chosen.append(free)
    return sorted(chosen)


def _candidates(keys: np.ndarray) -> Iterator[Stretch]:
    count, width = len(keys), 1
    hashes = (keys.astype(np.uint64) + np.uint64(1)) * _MIX
    while count >= SHORTEST and len(hashes) > 0:
        distance = _to_next_equal(hashes)
        edges = np.flatnonzero(np.diff(distance, prepend=-1, append=-1))
        for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            period = int(distance[start])
            covered = stop - start + width - 1 + period
            if period and covered // period >= FEWEST and covered >= SHORTEST:
                yield Stretch(start, period, covered // period, covered % period)
        for _ in range(2):  # four times as wide
            hashes = (hashes[:-width] ^ (hashes[:-width] >> np.uint64(29))) * _MIX + hashes[width:]
            width *= 2
        if 2 * width > count:
            return


def _to_next_equal(hashes: np.ndarray) -> np.ndarray:
    """How far it is from each element to the next equal one; 0 if there is none."""
    order = np.argsort(hashes, kind="stable")
    in_order = hashes[order]
    distance = np.zeros(len(hashes), np.int64)
    same = in_order[1:] == in_order[:-1]
    distance[order[:-1][same]] = (order[1:] - order[:-1])[same]
    return distance


def _free_part(stretch: Stretch, is_taken: np.ndarray) -> Stretch | None:
    """What of a stretch no other has taken, if it still repeats often enough."""
    start, length, times, rest = stretch
    stop = stretch.stop + rest
    taken = np.flatnonzero(is_taken[start:stop])
    if len(taken):
        gaps = np.diff(np.concatenate([[-1], taken, [stop - start]])) - 1
        widest = int(np.argmax(gaps))
        start += 0 if widest == 0 else int(taken[widest - 1]) + 1
        covered = int(gaps[widest])
        times, rest = covered // length, covered % length
    if times < FEWEST or times * length < SHORTEST:
        return None
    return Stretch(start, length, times, rest)
