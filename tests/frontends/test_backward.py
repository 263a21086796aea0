"""PyTorch's form: leaves that accumulate, graphs that are released, parameters changed in place."""

import gc
import pickle
import threading
import tracemalloc
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.errors import (
    BackwardError,
    DisconnectedError,
    LostDerivativeError,
    MutationError,
    NonScalarTargetError,
    PicklingError,
    SeedError,
    ShapeError,
    SourceTypeError,
    TapeReleasedError,
)


def leaf(value, dtype=None):
    return wg.array(value, dtype, requires_grad=True)


def test_backward_fills_grad():
    x = leaf(3.0)
    y = x * x
    z = y * y
    assert z.backward() is None
    assert x.grad == 108.0
    assert x.grad.item() == 108.0


def test_grad_accumulates_until_it_is_taken_away():
    x = leaf([1.0, 2.0])
    for _ in range(3):
        np.sum(x * x).backward()
    assert_array_equal(x.grad, [6.0, 12.0])
    x.grad = None
    np.sum(x * x).backward()
    assert_array_equal(x.grad.numpy(), [2.0, 4.0])
    x.grad[...] = 0.0
    np.sum(x * x).backward()
    assert_array_equal(x.grad, [2.0, 4.0])
    del x.grad
    assert x.grad is None


def test_numpy_code_knows_nothing_of_it():
    def loss(w, b, x):
        h = np.tanh(x @ w + b)
        h[h > 0.5] *= 2.0
        out = np.zeros(3) + h.sum(axis=0)
        return np.mean(np.where(out > 0, out, 0.1 * out) ** 2)

    rng = np.random.default_rng(0)
    w, b, x = rng.standard_normal((4, 3)), rng.standard_normal(3), rng.standard_normal((5, 4))
    leaves = leaf(w), leaf(b)
    value = loss(*leaves, x)
    value.backward()
    expected = wg.grad(loss, (0, 1))(w, b, x)
    assert_allclose(value.item(), loss(w, b, x), rtol=1e-15)
    for found, gradient in zip(leaves, expected, strict=True):
        assert_allclose(found.grad.numpy(), gradient, rtol=1e-13)


def test_a_second_backward_needs_retain_graph():
    x = leaf(2.0)
    y = x**3
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad == 24.0
    with pytest.raises(TapeReleasedError, match="retain_graph=True"):
        y.backward()
    assert x.grad == 24.0


def test_two_results_of_one_released_part_say_so():
    x = leaf(2.0)
    h = x * x
    a, b = h * 2.0, h * 3.0
    a.backward()
    with pytest.raises(TapeReleasedError):
        b.backward()


def test_create_graph_gives_higher_derivatives():
    x = leaf(2.0)
    (x**4).backward(create_graph=True)
    first = x.grad
    assert first == 32.0
    assert first.requires_grad
    x.grad = None
    first.backward(create_graph=True)
    second = x.grad
    x.grad = None
    second.backward()
    assert (second, x.grad) == (48.0, 48.0)
    assert not x.grad.requires_grad


def test_a_gradient_penalty():
    def loss(w):
        return np.sum(np.sin(w) ** 2)

    w = np.array([0.3, -0.7, 1.1])
    p = leaf(w)
    loss(p).backward(create_graph=True)
    slope, p.grad = p.grad, None
    np.sum(slope**2).backward()
    expected = wg.grad(lambda w: np.sum(wg.grad(loss)(w) ** 2))(w)
    assert_allclose(p.grad.numpy(), expected, rtol=1e-12)


def test_a_result_that_is_no_scalar_needs_a_gradient():
    x = leaf([1.0, 2.0, 3.0])
    y = x * x
    with pytest.raises(NonScalarTargetError, match=r"\(3,\)"):
        y.backward()
    with pytest.raises(SeedError):
        y.backward([1.0, 2.0])
    y.backward([1.0, 0.0, 2.0])
    assert_array_equal(x.grad, [2.0, 0.0, 12.0])
    assert_array_equal(leaf([2.0]).sum(keepdims=True).shape, (1,))


def test_an_array_with_one_element_needs_no_gradient():
    x = leaf([[2.0]])
    (x * x).backward()
    assert_array_equal(x.grad, [[4.0]])


def test_retain_grad_keeps_the_gradient_of_what_is_no_leaf():
    x = leaf(3.0)
    y = x * x
    z = y * y
    y.retain_grad()
    z.backward()
    assert (y.grad, x.grad) == (18.0, 108.0)
    with pytest.warns(UserWarning, match="retain_grad"):
        assert z.grad is None
    with pytest.raises(BackwardError):
        wg.array(1.0).retain_grad()


def test_leaves_and_results():
    x, c = leaf(1.0), wg.array(2.0)
    y = x * c
    assert (x.is_leaf, c.is_leaf, y.is_leaf, y.detach().is_leaf) == (True, True, False, True)
    assert (x.requires_grad, c.requires_grad, y.requires_grad) == (True, False, True)
    assert not (c * c).requires_grad
    assert c.requires_grad_() is c
    (c * c).backward()
    assert c.grad == 4.0
    c.requires_grad = False
    assert not (c * c).requires_grad
    with pytest.raises(BackwardError, match="detach"):
        y.requires_grad_(False)


def test_detach_stops_the_derivative():
    x = leaf(2.0)
    (x * x.detach()).backward()
    assert x.grad == 2.0
    y = (x * x).detach()
    y += 1.0
    assert x == 2.0


def test_no_grad_as_context_and_as_decorator():
    x = leaf(2.0)

    @wg.no_grad()
    def quiet(depth):
        return quiet(depth - 1) if depth else x * x

    with wg.no_grad():
        y = x * x
        with wg.enable_grad():
            z = x * x
        after = x * x
    assert not y.requires_grad
    assert z.requires_grad
    assert not after.requires_grad
    assert not quiet(2).requires_grad
    assert (x * x).requires_grad


def test_no_grad_ends_with_an_exception():
    x = leaf(2.0)
    with pytest.raises(ZeroDivisionError), wg.no_grad():
        1 / 0
    assert (x * x).requires_grad


def test_no_grad_is_of_one_thread():
    x, found = leaf(2.0), []
    with wg.no_grad():
        thread = threading.Thread(target=lambda: found.append((x * x).requires_grad))
        thread.start()
        thread.join()
    assert found == [True]


@pytest.mark.parametrize("value", [3.0, [3.0, 4.0]])
def test_a_parameter_is_changed_in_place_under_no_grad_only(value):
    w = leaf(value)
    np.sum(w * w).backward()
    with pytest.raises(MutationError, match="no_grad"):
        w -= 0.5 * w.grad
    before = w
    with wg.no_grad():
        w -= 0.5 * w.grad
    assert w is before
    assert_array_equal(w.detach().numpy(), 0.0 * np.array(value))
    assert w.is_leaf
    assert w.requires_grad
    w.grad = None
    np.sum((w - 1.0) ** 2).backward()
    assert_array_equal(w.grad, -2.0 * np.ones(np.shape(value)))


def test_setting_elements_of_a_parameter():
    w = leaf([1.0, 2.0])
    for change in (lambda: w.__setitem__(0, 5.0), lambda: np.add.at(w, [0], 1.0)):
        with pytest.raises(MutationError):
            change()
    with wg.no_grad():
        w[0] = 5.0
    assert_array_equal(w.detach(), [5.0, 2.0])
    assert w.is_leaf


def test_changing_a_parameter_does_not_change_what_was_recorded():
    w = leaf([1.0, 2.0])
    y = np.sum(w * w)
    with wg.no_grad():
        w *= 100.0
    y.backward()
    assert_array_equal(w.grad, [2.0, 4.0])


def test_in_place_code_on_results_is_recorded():
    x = leaf([1.0, 2.0, 3.0])
    y = x * 2.0
    alias = y
    y[0] = x[1] * x[2]
    y[1:] *= x[0]
    y += 1.0
    assert alias is y
    np.sum(y * y).backward()

    def plain(x):
        y = np.stack([x[1] * x[2], 2 * x[1] * x[0], 2 * x[2] * x[0]]) + 1
        return np.sum(y * y)

    assert_array_equal(x.grad.numpy(), wg.grad(plain)(np.array([1.0, 2.0, 3.0])))


def test_a_constant_that_is_written_into_is_recorded():
    x = leaf(2.0)
    table = wg.array(np.zeros(3))
    table[0] = x
    for k in range(2):
        table[k + 1] = table[k] * x
    table[2].backward()
    assert x.grad == 12.0


def test_numbers_come_out_by_item_numpy_and_detach():
    x = leaf([1.0, 2.0])
    assert x[1].item() == 2.0
    assert type(x[1].item()) is float
    assert x.item(0) == 1.0
    assert x.tolist() == [1.0, 2.0]
    with pytest.raises(LostDerivativeError, match="detach"):
        x.numpy()
    with pytest.raises(LostDerivativeError):
        float(x[0])
    plain = x.detach().numpy()
    plain[0] = 100.0
    assert x[0] == 1.0
    with wg.no_grad():
        assert_array_equal(x.numpy(), [1.0, 2.0])
        assert float(x[0]) == 1.0
    assert wg.array([1, 2]).numpy().dtype.kind == "i"
    assert f"{x[0]:.2f}" == "1.00"


def test_arrays_of_traced_numbers_keep_their_derivative():
    x = leaf(2.0)
    row = np.array([x, x * x])  # NumPy makes an object array of them
    np.sum(wg.array([x, x * x]) * np.array([1.0, 10.0])).backward()
    assert row.dtype == object
    assert x.grad == 41.0


def test_array_copies_and_converts():
    given = np.array([1.0, 2.0])
    x = leaf(given)
    given[:] = 0
    assert_array_equal(x.detach(), [1.0, 2.0])
    assert wg.array(3.0, dtype=np.float32).dtype == np.float32
    assert wg.array([[1, 2], [3, 4]]).shape == (2, 2)
    y = wg.array(x)
    y.sum().backward()
    assert_array_equal(x.grad, [1.0, 1.0])


def test_float32_stays_float32():
    x = leaf([1.0, 2.0], np.float32)
    y = np.sum(np.exp(x) * 2.0)
    y.backward()
    assert y.dtype == x.grad.dtype == np.float32
    with wg.no_grad():
        x -= 0.1 * x.grad
    assert x.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: leaf(3), SourceTypeError),
        (lambda: leaf([True, False]), SourceTypeError),
        (lambda: wg.array("x"), SourceTypeError),
        (lambda: wg.array(1.0).backward(), DisconnectedError),
        (lambda: leaf(1.0).__setattr__("grad", [1.0, 2.0]), ShapeError),
        (lambda: wg.grad(lambda x: x.backward())(1.0), BackwardError),
        (lambda: wg.grad(lambda x: x.detach())(1.0), BackwardError),
        (lambda: wg.grad(lambda x: leaf(x))(1.0), SourceTypeError),
        (lambda: pickle.dumps(leaf(1.0)), PicklingError),
    ],
)
def test_bad_use_is_a_named_error(call, error):
    with pytest.raises(error):
        call()


def test_attributes_of_this_form_are_absent_on_arrays_of_transforms():
    def f(x):
        assert not hasattr(x, "grad")
        assert not hasattr(x, "is_leaf")
        assert not x.requires_grad
        return x * x

    assert wg.grad(f)(3.0) == 6.0


def test_transforms_of_arrays_that_require_grad():
    x = leaf(2.0)
    slope = wg.grad(lambda u: u**3 * x)(x)
    slope.backward()
    assert (slope, x.grad) == (24.0, 36.0)


def test_both_forms_together():
    x = leaf(2.0)
    with wg.GradientTape() as t:
        t.watch(x)
        y = x**3
    slope = t.gradient(y, x)
    assert slope == 12.0
    y.backward()
    assert x.grad == 12.0


def test_structural_zeros_and_ties():
    x = leaf([0.0, 4.0])
    np.sum(np.where(x < 1, x, np.sqrt(x))).backward()
    assert_array_equal(x.grad, [1.0, 0.25])
    y = leaf(0.0)
    np.maximum(y, 0.0).backward()
    assert y.grad == 0.0


@pytest.mark.parametrize("sweeps", [True, False])
def test_memory_stays_flat_without_the_garbage_collector(memory_of, sweeps):
    w = leaf(np.ones(100))
    x = np.linspace(0, 1, 100)

    def step():
        loss = np.sum(np.sin(w * x) ** 2) + w[0]
        if sweeps:
            loss.backward()
            with wg.no_grad():
                w.__isub__(0.001 * w.grad)
            w.grad = None

    gc.disable()
    try:
        assert memory_of(step, 200) < 60_000
    finally:
        gc.enable()


def test_a_released_graph_holds_no_values():
    x = leaf(np.ones(1_000_000))

    def result():
        return np.sum(np.sin(x * 2.0))

    tracemalloc.start()
    loss = result()
    during = tracemalloc.get_traced_memory()[0]
    loss.backward()
    x.grad = None
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert during > 7_000_000
    assert after < 1_000_000
    assert loss.item() == pytest.approx(1e6 * np.sin(2.0))


@pytest.mark.slow
@pytest.mark.parametrize("sweeps", [True, False])
def test_memory_stays_flat_over_many_passes(memory_of, sweeps):
    x = leaf(3.0)

    def step():
        y = x * x + 1.0
        if sweeps:
            y.backward()
            x.grad = None

    assert memory_of(step, 100_000) < 60_000


@pytest.mark.slow
def test_a_million_operations_are_freed_without_recursion():
    x = leaf(1.0)
    h = x
    for _ in range(1_000_000):
        h = h * 1.0
    h.backward()
    assert x.grad == 1.0
    h = x
    for _ in range(1_000_000):
        h = h * 1.0
    del h


def test_nothing_warns_in_ordinary_use():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = leaf(2.0)
        y = x * x
        repr(y), str(y), y.shape, y.requires_grad
        y.backward()
        assert x.grad == 4.0
