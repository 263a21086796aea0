"""Loops written for several elements at once: the numbers stay those of NumPy."""

from __future__ import annotations

import re

import numpy as np
import pytest

import wengert as wg
from wengert.compile.native import lanes
from wengert.compile.native.lanes import Host, Lanes
from wengert.compile.native.types import Code, Names

HOSTS = [Host(64, True), Host(32, False), Host(16, False)]  # AVX-512, AVX2, NEON
LENGTHS = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1023, 1025, 2500]


@pytest.fixture(params=HOSTS, ids=str)
def host(request, monkeypatch):
    """The vectors of some processor: this one has them all, or takes pairs of its own."""
    monkeypatch.setattr(lanes, "host", lambda: request.param)
    return request.param


def agrees(f, *args, rtol=1e-13):
    wanted, found = f(*args), wg.compile(f)(*args)
    for x, y in zip(
        wanted if isinstance(wanted, tuple) else (wanted,),
        found if isinstance(found, tuple) else (found,),
        strict=True,
    ):
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_allclose(y, x, rtol=rtol)


def numbers(*shape, dtype=float, seed=0):
    x = np.random.default_rng(seed).uniform(0.5, 2.0, shape)
    return (x * (1 + 0.5j) if np.dtype(dtype).kind == "c" else x * 10).astype(dtype)


@pytest.mark.parametrize("n", LENGTHS)
def test_elements_and_their_sums(host, n):
    agrees(lambda x, y: (x * y - x, (x * y).sum(), np.maximum(x, y).max()), numbers(n), numbers(n))


@pytest.mark.parametrize("n", LENGTHS)
def test_a_long_body(host, n):
    def f(x):
        y = np.exp(-x) * np.log(x) + np.sin(x) * np.tanh(x) + np.sqrt(x)
        return y, y.sum()

    agrees(f, numbers(n) / 10, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "i4", "u8", "c8", "c16", "?"])
@pytest.mark.parametrize("n", [3, 8, 70])
def test_all_dtypes(host, dtype, n):
    x, y = numbers(n, dtype=dtype), numbers(n, dtype=dtype, seed=1)
    agrees(lambda x, y: (x + y, x * y, x == y, (x + y).any()), x, y, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 3, 8, 21])
def test_places_that_lie_apart(host, n):
    x, k = numbers(5, n), np.random.default_rng(0).integers(-5, 5, n)
    agrees(lambda x: (x.T + 1.0, x[:, ::-1] * 2.0, x[::2, ::3] * x[::2, ::3]), x)
    agrees(lambda x, k: (x[k] * 2.0, x[k, 0] + 1.0, x.T[:, k]), x, k)


@pytest.mark.parametrize("n", [2, 3, 10, 40])
def test_edges_and_rows(host, n):
    def f(x, y):
        z = np.zeros_like(x)
        z[1:, 1:] = x[:-1, :-1] * 2.0
        return z, (x * y).sum(axis=0), (x * y).sum(axis=1), (x - x.max(axis=1, keepdims=True)).sum()

    agrees(f, numbers(n, n), numbers(n), rtol=1e-11)


def test_integers_that_are_not_there_divide_nothing(host):
    """The lanes behind the end hold zeros."""
    x, y = np.arange(1, 6), np.arange(1, 6)[::-1].copy()
    agrees(lambda x, y: (x // y, x % y), x, y)


def test_bits_do_not_depend_on_the_number_of_threads(host):
    x = numbers(300_001)
    f = wg.compile(wg.value_and_grad(lambda x: (np.exp(-x) * x).sum()))
    before, found = wg.get_num_threads(), []
    for count in (1, 2):
        wg.set_num_threads(count)
        found.append(f(x))
    wg.set_num_threads(before)
    assert found[0][0] == found[1][0]
    assert np.array_equal(found[0][1], found[1][1])


def written(lines, mask=""):
    code = Code(Names({}))
    Lanes(code, code, 4, mask).write(lines, "%i", "%first")
    return "\n".join(code.lines), code.names.symbols


def test_neighbours_are_one_vector_and_the_rest_is_gathered():
    line = "  %p = getelementptr inbounds double, ptr %x, i64 {}"
    load = "  %y = load double, ptr %p, align 8"
    text, _ = written([line.format("%i"), load])
    assert "load <4 x double>, ptr" in text
    text, symbols = written(["  %k = mul nsw i64 %i, 3", line.format("%k"), load])
    assert "@llvm.masked.gather.v4f64.v4p0" in symbols
    assert "<4 x i64> <i64 0, i64 24, i64 48, i64 72>" in text
    text, _ = written([line.format("%fixed"), load])
    assert "load double, ptr" in text


def test_masked_lanes_touch_no_memory():
    lines = [
        "  %p = getelementptr inbounds float, ptr %x, i64 %i",
        "  %y = load float, ptr %p, align 4",
        "  store float %y, ptr %p, align 4",
    ]
    text, _ = written(lines, mask="%some")
    assert not re.search(r"^  (%\w+ = load|store)", text, re.M)
    assert text.count("<4 x i1> %some") == 2


def test_code_that_differs_in_no_lane_stays_a_number():
    text, _ = written(["  %y = fmul double %a, %b", "  %z = fadd double %y, 0x3FF0000000000000"])
    assert "<4" not in text
