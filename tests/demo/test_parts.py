"""The parts of the demo by themselves: data, networks, and what the article prints."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.demo import circuits, digits, network, neuron, spiral


@pytest.mark.parametrize("build", circuits.CIRCUITS, ids=lambda build: build.__name__)
def test_circuits_have_the_numbers_of_the_article(build):
    for name, found, expected in build().numbers:
        assert found == expected, name


def test_the_neuron_has_the_numbers_of_the_article():
    network = neuron.build()
    network.tape.forward()
    network.tape.backward()
    for name, number in neuron.OUTPUTS.items():
        assert_allclose(network.nodes[name].output, number, rtol=neuron.TOLERANCE)
    for name, number in neuron.GRADIENTS.items():
        assert_allclose(network.nodes[name].gradient, number, rtol=neuron.TOLERANCE)


def test_the_neuron_learns_on_one_tape():
    losses = neuron.learn(neuron.build(), steps=50)
    assert losses[0] == pytest.approx(neuron.OUTPUTS["l"])
    assert np.all(np.diff(losses) < 0)


def test_spirals_are_three_arms_inside_the_unit_circle():
    points, labels = spiral.spirals(np.random.default_rng(0))
    assert points.shape == (300, 2)
    assert_array_equal(np.bincount(labels), [100, 100, 100])
    assert np.max(np.linalg.norm(points, axis=1)) == pytest.approx(1)


def test_the_loss_of_the_network_is_that_of_the_textbook():
    rng = np.random.default_rng(0)
    params = network.initial_parameters(rng, (3, 4, 2))
    x, labels = rng.standard_normal((5, 3)), np.array([0, 1, 1, 0, 1])
    probability = np.exp(network.scores(params, x))
    probability /= probability.sum(axis=1, keepdims=True)
    squares = np.sum(params["W1"] ** 2) + np.sum(params["W2"] ** 2)
    expected = -np.mean(np.log(probability[np.arange(5), labels])) + 0.05 * squares
    assert_allclose(network.loss(params, x, labels, 0.1), expected, rtol=1e-13)


def test_the_gradient_of_the_network_is_that_of_the_textbook():
    rng = np.random.default_rng(0)
    params = network.initial_parameters(rng, (3, 4, 2))
    x, labels = rng.standard_normal((5, 3)), np.array([0, 1, 1, 0, 1])
    gradient = wg.grad(network.loss)(params, x, labels, 0.1)

    hidden = np.maximum(x @ params["W1"] + params["b1"], 0)
    upstream = np.exp(network.scores(params, x))
    upstream /= upstream.sum(axis=1, keepdims=True)
    upstream[np.arange(5), labels] -= 1
    upstream /= 5
    inner = (upstream @ params["W2"].T) * (hidden > 0)
    assert_allclose(gradient["W2"], hidden.T @ upstream + 0.1 * params["W2"], rtol=1e-12)
    assert_allclose(gradient["b2"], upstream.sum(axis=0), rtol=1e-12, atol=1e-16)
    assert_allclose(gradient["W1"], x.T @ inner + 0.1 * params["W1"], rtol=1e-12)
    assert_allclose(gradient["b1"], inner.sum(axis=0), rtol=1e-12, atol=1e-16)


def test_gradients_of_float32_parameters_are_float32():
    rng = np.random.default_rng(0)
    params = network.initial_parameters(rng, (3, 4, 2), dtype=np.float32)
    x, labels = rng.standard_normal((5, 3)).astype(np.float32), np.array([0, 1, 1, 0, 1])
    value, gradient = wg.value_and_grad(network.loss)(params, x, labels, 1e-4)
    assert value.dtype == np.float32
    assert {name: part.dtype.name for name, part in gradient.items()} == dict.fromkeys(
        params, "float32"
    )


def test_no_held_out_image_is_trained_on():
    data = digits.split(np.random.default_rng(0))
    held_out, trained = data["held out"][0], data["trained"][0]
    assert held_out.shape == (360, 64)
    assert trained.shape == (1437, 64)
    rows = np.concatenate([held_out, trained])
    assert len(np.unique(rows, axis=0)) == len(rows)  # no image occurs twice in the set


def test_a_shift_moves_the_image_as_a_whole():
    rng = np.random.default_rng(0)
    image = np.zeros((8, 8), np.float32)
    image[3:5, 3:5] = rng.random((2, 2))
    shifted = digits.shift(rng, np.tile(image.ravel(), (200, 1))).reshape(200, 8, 8)
    moves = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    expected = np.array([np.roll(image, move, axis=(0, 1)) for move in moves])
    matches = np.all(shifted[:, None] == expected, axis=(2, 3))
    assert_array_equal(matches.sum(axis=1), 1)
    assert np.mean(matches[:, moves.index((0, 0))]) == pytest.approx(0.5 + 0.5 / 9, abs=0.15)


def test_adam_takes_its_first_step_by_the_rate_in_every_parameter():
    params = {"W": np.array([1.0, -2.0]), "b": np.array(0.5)}
    step = digits.adam(params)
    moved = step(params, {"W": np.array([3.0, -1e-3]), "b": np.array(7.0)}, 0.1)
    assert_allclose(moved["W"], [0.9, -1.9], rtol=1e-5)
    assert_allclose(moved["b"], 0.4, rtol=1e-5)
