"""The tree of paths: decisions lead to the right program, back and forth, and natively."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.compile.api import compile as compiled
from wengert.compile.guards import Path, Paths
from wengert.compile.program import Guard, GuardFailed, Program, Spec
from wengert.errors import CompileWarning
from wengert.tape.columns import Place

BOOL = Spec((), np.dtype(bool), "scalar")


@pytest.fixture(params=["interpret", "native"])
def _both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_COMPILE", request.param)


pytestmark = pytest.mark.usefixtures("_both")


def path_of(*outcomes: bool, tried: list[Any]) -> Path:
    """A path whose inputs are the outcomes themselves."""
    code = path_of.__code__
    guards = tuple(Guard(k, outcome, Place(code, k, k)) for k, outcome in enumerate(outcomes))

    class Lowered:
        program = Program((BOOL,) * 5, (), (), guards)

        def __call__(self, inputs: Any) -> list[Any]:
            tried.append(outcomes)
            for guard in guards:
                if inputs[guard.value] != guard.expected:
                    raise GuardFailed(guard)
            return [outcomes]

    lowered: Any = Lowered()
    return Path(lowered.program, lowered, None)


def test_only_paths_that_part_at_the_failed_guard_are_tried() -> None:
    tried: list[Any] = []
    paths = Paths()
    for outcomes in [(True, True, True), (True, False), (False, True), (True, True, False)]:
        paths.add(path_of(*outcomes, tried=tried))
    path, found = paths.run([False, True, True])
    assert path is not None
    assert found == [(False, True)]
    assert tried == [(True, True, False), (False, True)]


def test_a_call_that_no_path_takes_gives_the_guard() -> None:
    paths = Paths()
    paths.add(path_of(True, False, tried=[]))
    path, guard = paths.run([True, True])
    assert path is None
    assert guard.value == 1


def test_the_path_taken_last_is_tried_first() -> None:
    tried: list[Any] = []
    paths = Paths()
    paths.add(path_of(False, tried=tried))
    paths.add(path_of(True, tried=tried))
    for _ in range(2):
        paths.run([False])
    assert tried == [(True,), (False,), (False,)]


def test_branches_flip_back_and_forth() -> None:
    def f(x: float) -> Any:
        if x > 1:
            return x**2 if x > 2 else x * 3
        return x + 1 if x > 0 else x / 5

    one = compiled(f)
    values = [0.5, 3.0, -1.0, 1.5] * 4 + [3.0, 1.5, -1.0, 0.5]
    assert [one(x) for x in values] == [f(x) for x in values]
    assert len(one.paths) == 4


def test_every_trip_count_of_a_loop_is_a_path() -> None:
    def halved(x: float) -> Any:
        count = 0
        while x > 1:
            x, count = x / 2, count + 1
        return x, count

    one = compiled(halved)
    values = [5.0, 700.0, 3.0, 0.5, 6.0, 1000.0, 3.5, 0.25]
    assert [one(x) for x in values] == [halved(x) for x in values]
    assert sorted(len(path.guards) for path in one.paths) == [1, 3, 4, 11]


def test_whole_numbers_lead_to_paths_of_their_own() -> None:
    one = compiled(lambda x: sum(range(int(x))) * x)
    values = [3.0, 5.5, 7.25, 5.0, 3.75, 1.0, 7.5]
    assert [one(x) for x in values] == [sum(range(int(x))) * x for x in values]
    assert len(one.paths) == 4


def test_an_array_that_decides_is_compared_whole() -> None:
    def grouped(x: Any, labels: Any) -> Any:
        return [np.sum(x[labels == k]) for k in sorted(set(labels.tolist()))]

    one = compiled(grouped)
    x = np.arange(4.0)
    for labels in ([0, 1, 0, 1], [0, 0, 2, 2], [1, 1, 1, 1], [0, 1, 0, 1]):
        assert one(x, np.array(labels)) == grouped(x, np.array(labels))


def test_gradients_follow_the_branches() -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for element in x:
            total = total + (element**2 if element > 0 else -3 * element)
        return total

    one, plain = compiled(wg.grad(f)), wg.grad(f)
    for seed in range(12):
        x = np.random.default_rng(seed % 5).normal(size=3)
        np.testing.assert_allclose(one(x), plain(x))


def test_too_many_paths_end_in_plain_python_with_one_warning_that_names_the_line() -> None:
    one = compiled(lambda x: x * int(x), max_paths=3)
    for k in range(3):
        assert one(k + 0.5) == (k + 0.5) * k
    with pytest.warns(CompileWarning, match=r"more than 3 ways.*test_guards.py, line \d+") as seen:
        assert [one(5.5), one(6.5)] == [27.5, 39.0]
    assert len(seen) == 1
    assert "as plain Python" in one.report()
    assert one(1.5) == 1.5


def test_a_new_path_says_why_it_was_traced() -> None:
    one = compiled(lambda x: x if x > 0 else -x)
    one(1.0), one(-1.0)
    reasons = sorted(path.reason for path in one.paths)
    assert reasons[0].startswith("a decision was not True at test_guards.py, line")
    assert reasons[1] == "first call"


def test_an_error_that_user_code_handles_is_a_decision() -> None:
    def f(x: Any) -> Any:
        try:
            return np.sum(np.linalg.cholesky(x))
        except np.linalg.LinAlgError:
            return np.trace(x) - 1.0

    good, bad = np.diag([1.0, 4.0]), np.diag([1.0, -4.0])
    for order in ([good, bad, good * 2, bad * 2, good], [bad, good, bad * 2, good * 4, bad]):
        one = compiled(f)
        assert [one(x) for x in order] == [f(x) for x in order]
        assert len(one.paths) == 2
        gradient, plain = compiled(wg.grad(f)), wg.grad(f)
        for x in order:
            np.testing.assert_allclose(gradient(x), plain(x))


def test_an_index_error_that_user_code_handles_is_a_decision() -> None:
    def f(x: Any, k: Any) -> Any:
        try:
            return x[k] * 2
        except IndexError:
            return x[0]

    one = compiled(f)
    x = np.arange(1.0, 4.0)
    for k in (1, 7, 2, -9, 0):
        assert one(x, np.int64(k)) == f(x, k)
    assert len(one.paths) == 2


def test_an_error_that_nobody_handles_passes() -> None:
    one = compiled(lambda x: np.linalg.inv(x))
    one(np.eye(2))
    for _ in range(2):
        with pytest.raises(np.linalg.LinAlgError):
            one(np.zeros((2, 2)))
    np.testing.assert_allclose(one(2 * np.eye(2)), np.eye(2) / 2)


def test_only_functions_that_may_handle_an_error_do_without_a_native_call() -> None:
    def handled(x: Any) -> Any:
        try:
            return np.linalg.inv(x)
        except np.linalg.LinAlgError:
            return x

    for f, is_watched in ((handled, True), (lambda x: np.linalg.inv(x), False)):
        one = compiled(f)
        one(np.eye(2))
        (path,) = (path for entry in one._entries.values() for path in entry.paths)
        assert path.is_watched is is_watched


def test_a_number_in_a_set_or_as_a_key_is_compared_by_value() -> None:
    def f(x: Any) -> Any:
        names = {1.0: "one", 3: "three"}
        return 10.0 * x if x in {1.0, 2.0} else x + len(names.get(x, ""))

    one = compiled(f)
    for x in (1.0, 3.0, 2.0, 4.0, 1.0, 2.0):
        assert one(x) == f(x)
