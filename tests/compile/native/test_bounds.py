"""Checks of bounds: what calls of BLAS, LAPACK and copies are given lies in one buffer."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.compile.native import blas, bounds, engine, extents
from wengert.compile.native.types import Code, Names

from .programs import agree, program


@pytest.fixture(autouse=True)
def _checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_DEBUG", "bounds")


def test_every_function_that_is_called_has_its_extents() -> None:
    assert extents.OPERANDS.keys() == blas.FUNCTIONS


def run_within(size: int, offset: int, bytes_: int) -> None:
    """Check an extent in a buffer, as a plan would."""
    symbols: dict[str, str] = {}
    code = Code(Names(symbols))
    bounds.check_extent(code, "%x", "%bytes")
    lines = ["define void @f(ptr %x, i64 %bytes) {", *code.lines, "  ret void", "}"]
    unit = engine.Unit("\n".join([*symbols.values(), *lines]))
    buffer = np.zeros(size, np.uint8)
    table = bounds.note(symbols, unit.address, [(1, 2), (buffer.ctypes.data, size)])
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(unit.address("f"))
    call(buffer.ctypes.data + offset, bytes_)
    del table
    bounds.verify(symbols, unit.address)


@pytest.mark.parametrize(("offset", "bytes_"), [(0, 64), (8, 56), (64, 0), (500, -8), (63, 1)])
def test_what_lies_within_a_buffer_is_fine(offset: int, bytes_: int) -> None:
    run_within(64, offset, bytes_)


@pytest.mark.parametrize(("offset", "bytes_"), [(0, 65), (8, 57), (-1, 8), (64, 1)])
def test_what_does_not_is_told(offset: int, bytes_: int) -> None:
    with pytest.raises(AssertionError, match=f"gave a call {bytes_} bytes that lie in no one"):
        run_within(64, offset, bytes_)


def large(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).standard_normal(shape)


def test_products_are_checked() -> None:
    x, y = large(300, 900), large(900, 800)
    native = agree(program([x, y], [("matmul", (0, 1), {})], [2]), [x, y], rtol=1e-10, atol=1e-10)
    assert "@wg_within" in native.module.symbols
    turned = [("transpose", (0,), {"axes": (1, 0)}), ("matmul", (2, 1), {})]
    z = large(900, 300)
    agree(program([z, y], turned, [3]), [z, y], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: np.sum(np.linalg.solve(a, b) ** 2),
        lambda a, b: np.sum(np.linalg.inv(a) * a),
        lambda a, b: np.linalg.slogdet(a @ a.T + np.eye(60) * 99)[1],
        lambda a, b: np.sum(np.linalg.cholesky(a @ a.T + np.eye(60) * 99) ** 3),
        lambda a, b: np.sum(np.linalg.eigvalsh(a + a.T) ** 3),
        lambda a, b: np.sum(np.linalg.svd(a, compute_uv=False)),
        lambda a, b: np.sum(np.linalg.qr(a)[1] ** 2),
    ],
    ids=["solve", "inv", "slogdet", "cholesky", "eigvalsh", "svd", "qr"],
)
def test_gradients_through_lapack_pass_the_checks(function: Any) -> None:
    a, b = large(60, 60) + np.eye(60) * 9, large(60, 5)
    gradient = wg.grad(function)
    found = wg.compile(gradient)
    found(a, b)
    np.testing.assert_allclose(found(a, b), gradient(a, b), rtol=1e-7, atol=1e-8)
