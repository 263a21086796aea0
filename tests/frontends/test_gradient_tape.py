"""TensorFlow's form: what is watched, when a tape is released, what a gradient is of."""

import gc
import math
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.errors import (
    ArgumentError,
    LostDerivativeError,
    MutationError,
    RecordingError,
    SeedError,
    ShapeError,
    SourceTypeError,
    TapeReleasedError,
)


def test_the_example_of_the_documentation():
    x = wg.constant(3.0)
    with wg.GradientTape(persistent=True) as t:
        t.watch(x)
        y = x * x
        z = y * y
    assert t.gradient(z, x) == 108.0
    assert t.gradient(y, x) == 6.0
    assert t.gradient(z, y) == 18.0
    assert float(t.gradient(z, x)) == 108.0
    assert t.gradient(z, x).numpy() == 108.0


def test_a_constant_that_is_not_watched_has_no_gradient():
    x, w = wg.constant(3.0), wg.Variable(2.0)
    with wg.GradientTape(persistent=True) as t:
        y = x * w
    assert t.gradient(y, x) is None
    assert t.gradient(y, w) == 3.0


def test_variables_are_watched_when_they_are_read():
    used, unused, fixed = wg.Variable(1.0), wg.Variable(1.0), wg.Variable(2.0, trainable=False)
    with wg.GradientTape() as t:
        y = used * 2.0 * fixed
    assert [v is used for v in t.watched_variables()] == [True]
    assert [None if g is None else float(g) for g in t.gradient(y, [used, unused, fixed])] == [
        4.0,
        None,
        None,
    ]


def test_watching_may_be_left_to_the_user():
    a, b = wg.Variable(2.0), wg.Variable(3.0)
    with wg.GradientTape(persistent=True, watch_accessed_variables=False) as t:
        t.watch(a)
        y = a * b
    assert t.gradient(y, a) == 3.0
    assert t.gradient(y, b) is None
    assert [v is a for v in t.watched_variables()] == [True]


def test_a_second_gradient_of_a_tape_that_is_not_persistent_is_an_error_that_says_so():
    w = wg.Variable(2.0)
    with wg.GradientTape() as t:
        y = w * w
    assert t.gradient(y, w) == 4.0
    with pytest.raises(TapeReleasedError, match="persistent=True"):
        t.gradient(y, w)


def test_what_happens_outside_the_block_is_not_recorded():
    w = wg.Variable(2.0)
    with wg.GradientTape(persistent=True) as t:
        y = w * w
    z = y * w
    assert t.gradient(y, w) == 4.0
    assert t.gradient(z, w) is None


def test_a_gradient_may_be_taken_inside_the_block():
    w = wg.Variable(2.0)
    with wg.GradientTape() as t:
        y = w**3
        assert t.gradient(y, w) == 12.0


def test_a_tape_may_be_entered_again():
    x = wg.constant(2.0)
    t = wg.GradientTape(persistent=True)
    with t:
        t.watch(x)
        y = x * x
    with t:
        z = y * x
    assert t.gradient(z, x) == 12.0
    with t, pytest.raises(RecordingError), t:
        pass


@pytest.mark.parametrize("order", [2, 3, 4])
def test_nested_tapes_give_higher_derivatives(order):
    def nth(x, order):
        if order == 0:
            return np.sin(x) * x**2 / (1 + x)
        with wg.GradientTape() as t:
            t.watch(x)
            y = nth(x, order - 1)
        return t.gradient(y, x)

    def plain(x):
        return np.sin(x) * x**2 / (1 + x)

    derivative = plain
    for _ in range(order):
        derivative = wg.grad(derivative)
    assert_allclose(float(nth(wg.constant(0.7), order)), derivative(0.7), rtol=1e-12)


def test_a_persistent_tape_differentiates_its_own_gradient_inside_its_block():
    x = wg.constant(2.0)
    with wg.GradientTape(persistent=True) as t:
        t.watch(x)
        y = x**3
        slope = t.gradient(y, x)
    assert t.gradient(slope, x) == 12.0


def test_nested_tapes_through_arrays_give_a_hessian():
    w = wg.Variable([0.3, -0.4, 1.2])
    with wg.GradientTape() as outer:
        with wg.GradientTape() as inner:
            y = np.sum(np.sin(w) * w[::-1]) * np.max(w)
        slope = inner.gradient(y, w)
    expected = wg.hessian(lambda w: np.sum(np.sin(w) * w[::-1]) * np.max(w))
    assert_allclose(outer.jacobian(slope, w).numpy(), expected(w.numpy()), rtol=1e-12)


def test_higher_derivatives_go_through_tuple_valued_functions():
    def f(m):
        values, vectors = np.linalg.eigh(m)
        return np.sum(values**2 * vectors[0] ** 2)

    m = np.array([[2.0, 0.5], [0.5, 1.0]])
    x = wg.constant(m)
    with wg.GradientTape() as outer:
        outer.watch(x)
        with wg.GradientTape() as inner:
            inner.watch(x)
            y = f(x)
        slope = np.sum(inner.gradient(y, x) ** 2)
    expected = wg.grad(lambda m: np.sum(wg.grad(f)(m) ** 2))(m)
    assert_allclose(outer.gradient(slope, x).numpy(), expected, rtol=1e-9, atol=1e-12)


def test_sources_and_targets_may_be_trees():
    p = {"w": wg.Variable([1.0, 2.0]), "b": [wg.Variable(0.5), None]}
    with wg.GradientTape() as t:
        y = {"first": np.sum(p["w"] ** 2), "second": p["b"][0] * p["w"][0]}
    g = t.gradient(y, p)
    assert_array_equal(g["w"].numpy(), [2.5, 4.0])
    assert g["b"][0] == 1.0
    assert g["b"][1] is None


def test_a_target_that_is_no_scalar_is_summed_and_weighted():
    w = wg.Variable([1.0, 2.0, 3.0])
    with wg.GradientTape(persistent=True) as t:
        y = w * w
    assert_array_equal(t.gradient(y, w).numpy(), [2, 4, 6])
    weighted = t.gradient(y, w, output_gradients=wg.constant([1.0, 0.0, 2.0]))
    assert_array_equal(weighted.numpy(), [2, 0, 12])
    both = t.gradient([y, y], w, output_gradients=[[1.0, 1.0, 1.0], None])
    assert_array_equal(both.numpy(), [4, 8, 12])
    with pytest.raises(SeedError):
        t.gradient(y, w, output_gradients=[1.0, 2.0])
    with pytest.raises(ShapeError):
        t.gradient([y, y], w, output_gradients=[1.0])


def test_a_source_that_is_not_connected_has_none_or_zeros():
    w, u = wg.Variable(1.0), wg.Variable([1.0, 2.0])
    with wg.GradientTape(persistent=True) as t:
        t.watch(u)
        y = w * 2.0
    assert t.gradient(y, u) is None
    assert_array_equal(t.gradient(y, u, unconnected_gradients="zero").numpy(), [0, 0])
    zeros = wg.UnconnectedGradients.ZERO
    assert t.gradient(None, w, unconnected_gradients=zeros) == 0.0
    assert t.gradient(None, w) is None
    assert t.gradient(3.0, w) is None
    with pytest.raises(ArgumentError):
        t.gradient(y, u, unconnected_gradients="ones")


def test_a_source_may_be_the_target_or_in_between():
    x = wg.constant(2.0)
    with wg.GradientTape(persistent=True) as t:
        t.watch(x)
        y = x * x
        z = y * x + y
    found = t.gradient(z, [x, y, z])
    assert [float(g) for g in found] == [16.0, 3.0, 1.0]
    assert t.gradient(x, x) == 1.0


def test_stop_recording():
    w = wg.Variable(2.0)
    with wg.GradientTape(persistent=True) as t:
        y = w * w
        with t.stop_recording():
            z = y * w
        u = y + z
    assert t.gradient(z, w) is None
    assert t.gradient(u, w) == 4.0
    with pytest.raises(RecordingError), t.stop_recording():
        pass


def test_reset_forgets_all():
    w, x = wg.Variable(2.0), wg.constant(3.0)
    with wg.GradientTape(persistent=True) as t:
        t.watch(x)
        y = w * x
        t.reset()
        assert t.watched_variables() == ()
        z = w * x
    assert t.gradient(y, w) is None
    assert t.gradient(z, [w, x])[0] == 3.0
    assert t.gradient(z, x) is None


def test_the_derivative_of_a_tie_does_not_depend_on_what_is_asked_for():
    a, b = wg.Variable(1.0), wg.Variable(1.0)
    with wg.GradientTape(persistent=True) as t:
        y = np.maximum(a, b)
    assert t.gradient(y, [a, b]) == [0.5, 0.5]
    assert t.gradient(y, a) == 0.5


def test_structural_zeros_annihilate_infinite_partials():
    x = wg.constant([0.0, 4.0])
    with wg.GradientTape() as t:
        t.watch(x)
        y = np.sum(np.where(x < 1, x, np.sqrt(x)))
    assert_array_equal(t.gradient(y, x).numpy(), [1.0, 0.25])


def test_jacobian():
    w, u = wg.Variable([[1.0, 2.0], [3.0, 4.0]]), wg.Variable(2.0)
    with wg.GradientTape(persistent=True) as t:
        y = np.sin(w[0]) * u
    expected = wg.jacobian(lambda w, u: np.sin(w[0]) * u, (0, 1))(w.numpy(), 2.0)
    found = t.jacobian(y, {"w": w, "u": u})
    assert_allclose(found["w"].numpy(), expected[0], rtol=1e-15)
    assert_allclose(found["u"].numpy(), expected[1], rtol=1e-15)
    lone = wg.Variable(1.0)
    assert t.jacobian(y, lone) is None
    zeros = t.jacobian(y, lone, unconnected_gradients="zero")
    assert_array_equal(zeros.numpy(), [0.0, 0.0])


def test_batch_jacobian():
    x = wg.constant(np.arange(6.0).reshape(3, 2))
    with wg.GradientTape(persistent=True) as t:
        t.watch(x)
        y = np.stack([x[:, 0] * x[:, 1], np.sin(x[:, 0]), x[:, 1] ** 2], axis=1)

    def one(row):
        return np.stack([row[0] * row[1], np.sin(row[0]), row[1] ** 2])

    expected = np.stack([wg.jacobian(one)(row) for row in x.numpy()])
    assert_allclose(t.batch_jacobian(y, x).numpy(), expected, rtol=1e-15)
    with pytest.raises(ShapeError):
        t.batch_jacobian(y[:2], x)


def test_assigning_a_variable_does_not_change_what_was_recorded():
    w = wg.Variable(3.0)
    with wg.GradientTape(persistent=True) as t:
        y = w * w
        w.assign(10.0)
        z = w * w
    w.assign_add(1.0)
    assert t.gradient(y, w) == 6.0
    assert t.gradient(z, w) == 20.0
    assert t.gradient([y, z], w) == 26.0
    assert w.numpy() == 11.0


def test_a_variable_behaves_as_an_array():
    w = wg.Variable([1.0, 2.0, 3.0], name="weights", dtype=np.float32)
    assert (w.name, w.shape, w.dtype, w.ndim, len(w)) == ("weights", (3,), np.float32, 1, 3)
    assert_array_equal(w.value().numpy(), [1, 2, 3])
    assert_array_equal(np.asarray(w.value), [1, 2, 3])
    assert_array_equal(w + np.ones(3), [2, 3, 4])
    assert_array_equal(np.ones(3) @ np.outer(w, w), 6 * w)
    assert w.sum() == 6.0
    assert "weights" in repr(w)
    assert w.assign([3.0, 2.0, 1.0]).assign_sub([1.0, 1.0, 1.0]) is w
    assert_array_equal(w.read_value(), [2, 1, 0])
    assert_array_equal(w[1:], [1, 0])


def test_a_view_of_a_variable_is_a_snapshot():
    w = wg.Variable([1.0, 2.0, 3.0])
    with wg.GradientTape() as t:
        tail, turned = w[1:], w.T
        w.assign([0.0, 0.0, 0.0])
        y = np.sum(tail * tail) + np.sum(turned)
    assert y == 19.0
    assert_array_equal(t.gradient(y, w).numpy(), [1.0, 5.0, 7.0])


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.__setitem__(0, 5.0),
        lambda w: w.__iadd__(1.0),
        lambda w: w[1:].__setitem__(0, 1.0) if False else w.__imul__(2.0),
        lambda w: np.add(w, w, out=w),
        lambda w: np.add.at(w, [0], 1.0),
        lambda w: w.fill(0.0),
    ],
)
def test_a_variable_changes_by_assign_only(change):
    w = wg.Variable([1.0, 2.0])
    with pytest.raises(MutationError, match="assign"):
        change(w)
    assert_array_equal(w.numpy(), [1.0, 2.0])


def test_assign_checks_shape_and_dtype():
    w = wg.Variable([1.0, 2.0])
    with pytest.raises(ShapeError):
        w.assign(1.0)
    with pytest.raises(TypeError):
        wg.Variable(1).assign(2.5)


def test_the_callers_arrays_may_change_afterwards():
    given, weights = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    x = wg.constant(given)
    with wg.GradientTape() as t:
        t.watch(x)
        y = np.sum(x * weights)
    given[:], weights[:] = 0, 0
    assert_array_equal(t.gradient(y, x).numpy(), [3.0, 4.0])


def test_in_place_code_is_recorded():
    x = wg.constant([1.0, 2.0, 3.0])
    with wg.GradientTape() as t:
        t.watch(x)
        y = x * 2.0
        y[0] = x[1] * x[2]
        y[1:] *= x[0]
        y += 1.0
        z = np.sum(y)
    assert z == 19.0

    def plain(x):
        return x[1] * x[2] + 2 * x[1] * x[0] + 2 * x[2] * x[0] + 3

    assert_array_equal(t.gradient(z, x).numpy(), wg.grad(plain)(np.array([1.0, 2.0, 3.0])))


def test_a_view_is_recorded_when_it_is_made():
    x = wg.constant([1.0, 2.0, 3.0])
    with wg.GradientTape() as t:
        t.watch(x)
        y = x[1:]
    assert_array_equal(t.gradient(y, x).numpy(), [0.0, 1.0, 1.0])


def test_transforms_inside_a_tape_and_tapes_beside_transforms():
    x = wg.constant(2.0)
    with wg.GradientTape() as t:
        t.watch(x)
        slope = wg.grad(lambda u: u**3 * x)(x)  # 3 x**2 * x
    assert slope == 24.0
    assert t.gradient(slope, x) == 36.0


@pytest.mark.parametrize(
    "transform", [wg.grad, lambda f: lambda x: wg.jvp(f, (x,), (1.0,))[1], wg.jacobian]
)
def test_ambient_arrays_are_constants_of_a_transform(transform):
    c = wg.constant(3.0)
    assert float(transform(lambda x: np.sin(x) * c)(0.5)) == pytest.approx(3 * np.cos(0.5))


def test_dtypes_are_numpys():
    assert wg.constant(1.0).dtype == np.float64
    assert wg.constant(1.0, dtype=np.float32).dtype == np.float32
    assert_array_equal(wg.constant(1.0, shape=(2, 2)), np.ones((2, 2)))
    assert wg.constant([1.0, 2.0, 3.0, 4.0], shape=(2, 2)).shape == (2, 2)
    w = wg.Variable(np.ones(3, np.float32))
    with wg.GradientTape() as t:
        y = np.sum(w.astype(np.float64) * np.ones(3))
    assert t.gradient(y, w).dtype == np.float32


def test_complex_gradients_follow_grad():
    z = wg.constant(1.0 + 2.0j)
    with wg.GradientTape() as t:
        t.watch(z)
        y = np.abs(z) ** 2
    assert_allclose(complex(t.gradient(y, z)), wg.grad(lambda z: np.abs(z) ** 2)(1.0 + 2.0j))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda t: t.watch(3.0), SourceTypeError),
        (lambda t: t.watch(np.ones(3)), SourceTypeError),
        (lambda t: t.watch(wg.constant(3)), SourceTypeError),
        (lambda t: t.gradient(wg.constant(1.0), 3.0), SourceTypeError),
        (lambda t: wg.grad(lambda x: t.watch(x))(1.0), SourceTypeError),
        (lambda t: wg.grad(lambda x: wg.constant(x) * x)(1.0), SourceTypeError),
        (lambda t: wg.constant("three"), SourceTypeError),
    ],
)
def test_bad_input_is_a_named_error(call, error):
    with pytest.raises(error):
        call(wg.GradientTape())


def test_a_derivative_is_not_lost_silently_while_recording():
    x = wg.constant(2.0)
    plain = np.zeros(2)
    with wg.GradientTape() as t:
        t.watch(x)
        y = x * x
        with pytest.raises(LostDerivativeError):
            float(y)
        with pytest.raises((LostDerivativeError, ValueError)):
            plain[0] = y
    assert float(y) == 4.0
    plain[0] = y
    assert_array_equal(np.asarray(y), 4.0)


def test_an_exception_in_the_block_leaves_nothing_behind():
    x = wg.constant(2.0)
    with pytest.raises(ZeroDivisionError), wg.GradientTape():
        1 / (x.size - 1)
    assert float(x * x) == 4.0


def test_tapes_of_threads_do_not_meet():
    x = wg.constant(3.0)
    found = []

    def work():
        found.append(x * x)

    with wg.GradientTape() as t:
        t.watch(x)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert t.gradient(found[0], x) is None


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("sweeps", [True, False])
def test_memory_stays_flat_without_the_garbage_collector(memory_of, persistent, sweeps):
    w = wg.Variable(np.ones(100))

    def step():
        with wg.GradientTape(persistent=persistent) as t:
            y = np.sum(np.sin(w) * w[0])
        if sweeps:
            w.assign_sub(0.001 * t.gradient(y, w))

    gc.disable()
    try:
        assert memory_of(step, 200) < 60_000
    finally:
        gc.enable()


def test_a_chain_of_many_operations_differentiates_and_is_freed():
    x = wg.constant(1.0)
    with wg.GradientTape() as t:
        t.watch(x)
        h = x
        for _ in range(50_000):
            h = h * 1.0
    assert t.gradient(h, x) == 1.0
    with wg.GradientTape() as t:
        t.watch(x)
        h = x
        for _ in range(50_000):
            h = h * 1.0
    del h, t  # freeing the chain must not recurse


def test_arrays_made_inside_a_tape_can_be_filled_with_recorded_values() -> None:
    v = wg.Variable(np.array([1.0, 2.0]))
    with wg.GradientTape() as t:
        made = np.zeros(2)
        made[0] = v[0]
        made[1] = math.sin(v[1]) * v[0]
        y = np.sum(made * made)
    expected = [2.0 + 2 * np.sin(2.0) ** 2, 2 * np.sin(2.0) * np.cos(2.0)]
    assert_allclose(np.asarray(t.gradient(y, v)), expected)
    assert type(np.zeros(2)) is np.ndarray
