"""What ``report()`` tells: every part of it, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg


def loss(w: Any, x: Any) -> Any:
    hidden = np.tanh(x @ w)
    if np.sum(hidden) > 0:
        hidden = hidden * 2.0
    spread = np.linalg.cholesky(np.eye(3) + hidden.T @ hidden)
    return np.sum(np.sort(hidden[:, 0])) + np.log(spread[0, 0]) + hidden[0, 0] * 0.0


W, X = np.full((5, 3), 0.1), np.arange(20.0).reshape(4, 5)


def report(*args: Any, **options: Any) -> Any:
    one = wg.compile(wg.value_and_grad(loss), **options)
    one(*args)
    return one


def test_every_part_is_there() -> None:
    one = report(W, X)
    (path,) = one.paths
    assert path.passes[0].before == path.entries
    assert all(a.after == b.before for a, b in zip(path.passes, path.passes[1:], strict=False))
    assert path.native["library"]["cholesky_factor"] == 1
    assert path.native["callbacks"] == {"argsort": 1}
    assert all(path.native[name] > 0 for name in ("kernels", "flops", "moved", "buffers", "arena"))
    assert set(path.seconds) >= {"trace", "passes", "native"}
    text = one.report()
    for part in (
        "loss: 1 compiled path",
        "loss(w: float64[5,3], x: float64[4,5])",
        "traced: first call",
        f"entries: {path.entries} traced, {path.passes[-1].after} after the passes",
        "Do each operation once",
        "1 cholesky_factor",
        "callbacks: 1 call (1 argsort) of NumPy",
        "fused loops over arrays",
        "bytes that kernels read and write",
        "guards: 1",
        "True at test_report.py",
        "time to compile: trace",
    ):
        assert part in text
    assert "copied" not in text


def test_copies_of_arguments_are_told() -> None:
    one = report(np.asfortranarray(W), X)
    assert "w: float64[5,3] in columns" in one.signatures[0]
    assert "  copied at each call:\n    w, which does not lie in rows" in one.report()
    one(W, np.repeat(X, 2, axis=1)[:, ::2])
    assert "x: float64[4,5] of strides (80, 16)" in one.signatures[1]
    assert "x, which does not lie in rows" in one.report()


@pytest.mark.parametrize("is_first", [True, False])
def test_bytes_in_another_order_are_told(is_first: bool) -> None:
    one = report(W, X.astype(">f8") if is_first else X)
    one(W, X.astype(">f8"))
    assert len(one.signatures) == 1
    assert one.paths[0].copies == {"x": "whose bytes are in the order of other machines"}


def test_a_repeated_stretch_is_a_loop() -> None:
    def pendulum(angle: Any) -> Any:
        speed = 0.0
        for _ in range(100):
            speed = speed - 0.01 * np.sin(angle)
            angle = angle + 0.01 * speed
        return angle

    one = wg.compile(wg.grad(pendulum))
    one(0.5)
    assert one.paths[0].native["loops"] == {"loop": 2}
    assert "loops: 2 that repeat a stretch" in one.report()
    assert "pendulum(angle: float)" in one.report()


def test_a_decision_that_went_another_way_is_the_reason() -> None:
    one = report(W, X)
    one(-W, X)
    assert "traced: a decision was not True at test_report.py" in one.report()


def test_an_error_that_may_be_handled_is_the_reason() -> None:
    @wg.compile
    def f(a: Any) -> Any:
        try:
            return np.linalg.inv(a)
        except np.linalg.LinAlgError:
            return a * 0

    f(np.eye(2))
    f(np.zeros((2, 2)))
    assert "traced: an operation raised LinAlgError, which may be handled" in f.report()


def test_what_runs_as_plain_python_says_why() -> None:
    @wg.compile(max_paths=2)
    def f(x: Any) -> Any:
        return x * int(x)

    f(1.5)
    f(2.5)
    with pytest.warns(wg.errors.CompileWarning):
        f(3.5)
    assert "as plain Python: f(x: float), because its decisions have led more than 2" in f.report()


def test_the_interpreter_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_COMPILE", "interpret")
    assert "interpreted by NumPy" in report(W, X).report()
