"""Threads that share large operations: the same results, errors and warnings as without."""

import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ThreadCountError
from wengert.primitives import blocks
from wengert.primitives.registry import REGISTRY
from wengert.threads import WORKERS, checked_count


@pytest.fixture(params=[1, 2, 3])
def count(request):
    """A number of threads, set for the while."""
    before = wg.get_num_threads()
    wg.set_num_threads(request.param)
    yield request.param
    wg.set_num_threads(before)


def large(seed=0, shape=(blocks.LARGE + 37,)):
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape)


FUNCTIONS = [
    lambda x, y: np.sum(np.exp(-x) * np.sin(y) / x),
    lambda x, y: np.sum(x**2 * y - np.sqrt(x + y)),
    lambda x, y: np.sum(np.maximum(x, y) * np.log(x * y)),
    lambda x, y: np.mean((1 - x) ** 3) + np.max(y * x),
]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_results_do_not_depend_on_the_number_of_threads(f, count):
    x, y = large(0), large(1)
    value, (dx, dy) = wg.value_and_grad(f, (0, 1))(x, y)
    small = slice(0, 1000)
    wg.set_num_threads(1)
    again, (ax, ay) = wg.value_and_grad(f, (0, 1))(x, y)
    assert value == again
    np.testing.assert_array_equal(dx, ax)
    np.testing.assert_array_equal(dy, ay)
    # Elementwise parts agree with those of a small array, which is never divided.
    np.testing.assert_array_equal(np.exp(x[small]), blocks.apply(np.exp, x)[small])


REGISTRY.complete()
BINARY = sorted((f for f in REGISTRY.ufuncs if f.nin == 2), key=lambda f: f.__name__)


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore")  # of orders that are no whole numbers, and their like
def test_large_operands_of_equal_shape_give_what_numpy_gives(ufunc):
    x, y = large(0, (520, 520)), large(1, (520, 520))
    try:
        expected = ufunc(x, y)
    except TypeError:
        pytest.skip("not of two real numbers")
    seen = []

    def f(x):
        seen.append(ufunc(x, y))
        return np.sum(x)

    before = wg.get_num_threads()
    wg.set_num_threads(2)
    try:
        wg.grad(f)(x)
    finally:
        wg.set_num_threads(before)
    np.testing.assert_array_equal(wg.stop_gradient(seen[0]), expected)


def test_a_large_square_matrix_product(count):
    x = large(0, (520, 520))
    for f in (lambda x: np.sum((x @ x) ** 2), lambda x: np.sum(np.matmul(x, x) ** 2)):
        value, gradient = wg.value_and_grad(f)(x)
        product = x @ x
        np.testing.assert_allclose(value, np.sum(product**2))
        np.testing.assert_allclose(gradient, 2 * (product @ x.T + x.T @ product))


def test_two_dimensions_views_and_float32(count):
    x = large(2, (600, 600)).astype(np.float32)
    for given in (x, x.T, x[::2], x[:, 5:]):
        gradient = wg.grad(lambda a: np.sum(np.tanh(a) * a))(given)
        assert gradient.dtype == np.float32
        expected = np.tanh(given) + given * (1 - np.tanh(given) ** 2)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


def test_an_operator_and_its_ufunc_give_what_numpy_gives(count):
    x = large(3)
    value, _ = wg.vjp(lambda a: a**2, x)
    np.testing.assert_array_equal(value, x**2)


def test_the_callers_errstate_holds_in_every_thread(count):
    x = large(4)
    x[-1] = 0.0  # in the last thread's part
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        blocks.apply(np.log, x)
    with np.errstate(divide="ignore"):
        assert blocks.apply(np.log, x)[-1] == -np.inf
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        blocks.apply(np.log, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert blocks.apply(np.exp, x)[-1] == 1.0


def test_an_error_in_a_worker_reaches_the_caller_and_the_next_call_works():
    def task(start, stop):
        if start:
            raise KeyError(start)

    with pytest.raises(KeyError):
        WORKERS.share(task, [(0, 1), (1, 2), (2, 3)])
    seen = []
    WORKERS.share(lambda start, stop: seen.append((start, stop)), [(0, 1), (1, 2)])
    assert sorted(seen) == [(0, 1), (1, 2)]


def test_many_threads_may_share_work_at_once():
    x = large(5)
    expected, found = np.exp(x), []

    def run():
        found.append(all(np.array_equal(blocks.apply(np.exp, x), expected) for _ in range(5)))

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_makes_its_own_workers():
    text = """
import os, sys
import numpy as np
import wengert as wg
from wengert.primitives import blocks
wg.set_num_threads(2)
x = np.ones(blocks.LARGE)
blocks.apply(np.exp, x)
child = os.fork()
if child == 0:
    os._exit(0 if blocks.apply(np.exp, x)[-1] == np.exp(1.0) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", text], timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("given", [0, -1, 1.5, "two", None])
def test_what_is_no_number_of_threads_is_refused(given):
    with pytest.raises(ThreadCountError, match="no number of threads"):
        wg.set_num_threads(given)


def test_the_environment_variable_is_read_and_checked():
    assert checked_count("3", "WENGERT_NUM_THREADS") == 3
    code = "import wengert as wg; print(wg.get_num_threads())"
    environment = os.environ | {"WENGERT_NUM_THREADS": "3"}
    out = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True
    )
    assert out.stdout.strip() == b"3"
