"""Loaded functions: they are called as the function that was saved, and take no other call."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg
from wengert import tree
from wengert.compile.api import compile as compiled
from wengert.compile.encoding import Layout
from wengert.compile.loaded import load_function
from wengert.compile.passes.pipeline import entries
from wengert.compile.program import Guard, Op, Program, spec_of
from wengert.compile.store import Stored, save, save_all
from wengert.errors import (
    ArgumentError,
    ProgramFormatError,
    UnsavedCallError,
    UnsupportedFunctionError,
)
from wengert.primitives.registry import REGISTRY
from wengert.tape.columns import Constant


def stored(function, *args, **kwargs):
    """One way of a function, with the trees of its arguments and result."""
    c = compiled(function)
    bound = c._signature.bind(args, kwargs)
    program, template = c._recorded(bound, args, kwargs)
    leaves, structure = tree.flatten((args, kwargs))
    numbers = iter(range(len(bound.inputs)))
    own = [next(numbers) if isinstance(x, float | np.ndarray | np.generic) else Constant(x)
           for x in leaves]  # fmt: skip
    result = Layout(template.structure, tuple(template.leaves))
    return Stored(program, Layout(structure, tuple(own)), result)


def loss(weights, data, power=2, *, scale=1.0):
    total = np.sum((np.tanh(data @ weights["w"]) + weights["b"]) ** power) * scale
    if total > 1.0:
        total = np.log(total)
    return {"loss": total, "power": power}


WEIGHTS = {"w": np.array([[0.5], [-1.0]]), "b": np.array([0.25])}
DATA = np.random.default_rng(0).standard_normal((5, 2))


@pytest.fixture
def path(tmp_path):
    ways = [stored(loss, WEIGHTS, DATA), stored(loss, WEIGHTS, 0.1 * DATA),
            stored(loss, WEIGHTS, DATA, 3), stored(loss, WEIGHTS, DATA, scale=0.5)]  # fmt: skip
    save_all(ways, tmp_path / "loss")
    return tmp_path / "loss"


def test_a_loaded_function_takes_every_way_that_was_saved(path):
    loaded = load_function(path)
    assert len(loaded.signatures) == 3
    calls = [((WEIGHTS, DATA), {}), ((WEIGHTS, 0.1 * DATA), {}), ((WEIGHTS, 2 * DATA, 3), {}),
             ((WEIGHTS, DATA), {"scale": 0.4})]  # fmt: skip
    for args, kwargs in calls:
        found, expected = loaded(*args, **kwargs), loss(*args, **kwargs)
        assert found["power"] == expected["power"]
        assert_allclose(found["loss"], expected["loss"], rtol=1e-12)
        assert list(found) == list(expected)


def test_gradients_load(tmp_path):
    function = wg.value_and_grad(lambda w, x: loss(w, x)["loss"])
    save_all([stored(function, WEIGHTS, DATA)], tmp_path / "gradient")
    value, gradient = load_function(tmp_path / "gradient")(WEIGHTS, DATA)
    expected_value, expected = function(WEIGHTS, DATA)
    assert_allclose(value, expected_value, rtol=1e-12)
    assert_allclose(gradient["w"], expected["w"], rtol=1e-10)
    assert_allclose(gradient["b"], expected["b"], rtol=1e-10)


def test_arrays_of_any_layout_are_taken(path):
    loaded = load_function(path)
    expected = loss(WEIGHTS, DATA)["loss"]
    for data in (np.asfortranarray(DATA), DATA.astype(">f8"), np.repeat(DATA, 2, axis=0)[::2]):
        assert_allclose(loaded(WEIGHTS, data)["loss"], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((WEIGHTS,), {}),
        ((WEIGHTS, DATA, 4), {}),
        ((WEIGHTS, DATA, 3.0), {}),
        ((WEIGHTS, DATA, True), {}),
        ((WEIGHTS, DATA[:4]), {}),
        ((WEIGHTS, DATA.astype(np.float32)), {}),
        ((WEIGHTS, DATA.tolist()), {}),
        ((list(WEIGHTS.values()), DATA), {}),
        ((WEIGHTS,), {"data": DATA}),
        ((WEIGHTS, DATA), {"scale": 1}),
        ((WEIGHTS, DATA), {"scale": np.float64(1)}),
        ((WEIGHTS, DATA), {"other": 1.0}),
    ],
)
def test_another_call_is_refused(path, args, kwargs):
    with pytest.raises(UnsavedCallError, match="holds no program for") as error:
        load_function(path)(*args, **kwargs)
    assert r"args[1]: float64[5,2]" in str(error.value)


def test_another_way_is_refused_with_the_line_that_branches(path):
    loaded = load_function(path)
    with pytest.raises(UnsavedCallError, match="a decision is not False") as error:
        loaded(WEIGHTS, DATA, scale=50.0)
    assert "if total > 1.0:" in str(error.value)


def test_without_trees_inputs_are_positional(tmp_path):
    program = stored(lambda x, y: x * y, 2.0, 3.0).program
    save(program, tmp_path / "product")
    loaded = load_function(tmp_path / "product")
    assert loaded(4.0, 5.0) == 20.0
    assert loaded.signatures == ["(args[0]: float, args[1]: float)"]


def test_no_code_of_the_function_is_needed(path):
    script = (
        "import sys; import numpy as np; from wengert.compile.loaded import load_function\n"
        "w = {'w': np.array([[0.5], [-1.0]]), 'b': np.array([0.25])}\n"
        "data = np.random.default_rng(0).standard_normal((5, 2))\n"
        "print(repr(float(load_function(sys.argv[1])(w, data)['loss'])))"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(path)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert_allclose(float(found.stdout), loss(WEIGHTS, DATA)["loss"], rtol=1e-12)


def test_a_program_that_contradicts_itself_is_refused(tmp_path):
    """A guard that a pass finds never to hold: tracing makes no such program."""
    greater = Op(REGISTRY["greater"], (Constant(1.0), Constant(2.0)), {}, spec_of(np.bool(False)))
    double = Op(REGISTRY["add"], (0, 0), {}, spec_of(np.float64(0)))
    program = Program((spec_of(1.0),), (greater, double), (2,), (Guard(1, True),))
    save(program, tmp_path / "never")
    with pytest.raises((ProgramFormatError, UnsavedCallError)):
        load_function(tmp_path / "never")(3.0)


def test_a_compiled_function_saves_and_loads(tmp_path):
    function = wg.compile(loss, static_argnames="power")
    calls = [((WEIGHTS, DATA), {}), ((WEIGHTS, 0.1 * DATA), {}), ((WEIGHTS, DATA, 3), {}),
             ((WEIGHTS, DATA), {"scale": 0.5}), ((WEIGHTS, DATA[:2]), {})]  # fmt: skip
    expected = [function(*args, **kwargs) for args, kwargs in calls]
    function.save(tmp_path / "loss")
    loaded = wg.load(tmp_path / "loss")
    for (args, kwargs), one in zip(calls, expected, strict=True):
        found = loaded(*args, **kwargs)
        assert_allclose(found["loss"], one["loss"], rtol=1e-14)
        assert found["power"] == one["power"]


def test_a_compiled_function_prints():
    function = wg.compile(wg.value_and_grad(lambda x: np.sum(np.sin(x) ** 2)))
    x = np.linspace(0.0, 1.0, 5)
    value, gradient = function(x)
    namespace = {}
    exec(function.to_source(name="f"), namespace)
    found_value, found = namespace["f"](x)
    assert_allclose(found_value, value, rtol=1e-14)
    assert_allclose(found, gradient, rtol=1e-14)


def test_what_has_not_been_called_cannot_be_saved(tmp_path):
    function = wg.compile(loss)
    with pytest.raises(ArgumentError, match="has not been compiled yet"):
        function.save(tmp_path / "loss")
    with pytest.raises(ArgumentError, match="has not been compiled yet"):
        function.to_source()
    assert list(tmp_path.iterdir()) == []


class Params(NamedTuple):
    w: Any
    b: Any


class Other(NamedTuple):
    w: Any
    b: Any


@dataclass
class Model:
    params: Params
    rate: float


def step(model, x, *, unused=None):
    wrong = x @ model.params.w + model.params.b
    params = Params(model.params.w - model.rate * x.T @ wrong, model.params.b - np.sum(wrong))
    return Model(params, model.rate * 0.5), {"loss": np.sum(wrong**2)}


def test_named_tuples_and_dataclasses_are_taken_and_come_back_as_named_tuples(tmp_path):
    model, x = Model(Params(np.ones(2), np.float64(0.5)), 0.1), np.arange(6.0).reshape(3, 2)
    function = wg.compile(step)
    expected, _ = function(model, x)
    function.save(tmp_path / "step")
    loaded = wg.load(tmp_path / "step")
    found, _ = loaded(model, x)
    assert (type(found).__name__, type(found.params).__name__) == ("Model", "Params")
    assert_allclose(found.params.w, expected.params.w)
    again, info = loaded(found, x)  # what it returned is taken, too
    assert_allclose(info["loss"], step(expected, x)[1]["loss"])
    assert type(again) is type(found)
    with pytest.raises(UnsavedCallError, match=r"params\.w: float64"):
        loaded(Model(Other(np.ones(2), np.float64(0.5)), 0.1), x)


def log_determinant(a):
    try:
        return np.sum(np.log(np.diag(np.linalg.cholesky(a))))
    except np.linalg.LinAlgError:
        return -np.sum(a**2)


def test_handled_errors_are_ways_that_come_back(tmp_path):
    good, bad = 2 * np.eye(3), -np.eye(3)
    function = wg.compile(wg.value_and_grad(log_determinant))
    expected = [function(a) for a in (good, bad)]
    function.save(tmp_path / "both")
    loaded = wg.load(tmp_path / "both")
    for a, (value, gradient) in zip((good, bad, good), [*expected, expected[0]], strict=True):
        found_value, found = loaded(a)
        assert_allclose(found_value, value, rtol=1e-14)
        assert_allclose(found, gradient, rtol=1e-14)


def test_ways_of_handled_errors_print():
    good, bad = 2 * np.eye(3), -np.eye(3)
    function = wg.compile(log_determinant)
    expected = {False: function(good), True: function(bad)}
    for number, path in enumerate(function.paths):
        namespace = {}
        exec(function.to_source(number, name="f"), namespace)
        is_handled = len(path.guards) > 0
        found = namespace["f"](bad if is_handled else good)
        assert_allclose(found, expected[is_handled], rtol=1e-14)
        error = AssertionError if is_handled else np.linalg.LinAlgError
        with pytest.raises(error):
            namespace["f"](good if is_handled else bad)


def test_an_error_whose_handling_is_not_in_the_file_is_named(tmp_path):
    function = wg.compile(log_determinant)
    function(np.eye(3))
    function.save(tmp_path / "good")
    with pytest.raises(UnsavedCallError, match="raised LinAlgError") as error:
        wg.load(tmp_path / "good")(-np.eye(3))
    assert isinstance(error.value.__cause__, np.linalg.LinAlgError)


def test_errors_of_shapes_that_were_handled_come_back(tmp_path):
    def product(a, b):
        try:
            return a @ b
        except ValueError:
            return a @ b.T

    a = np.arange(6.0).reshape(2, 3)
    function = wg.compile(product)
    expected = function(a, a)
    function.save(tmp_path / "product")
    assert_allclose(wg.load(tmp_path / "product")(a, a), expected)


def test_an_operation_of_the_user_is_named_and_what_can_be_done(tmp_path):
    cube = wg.primitive(lambda x: x**3, vjp=lambda adjoint, x: 3 * adjoint * x**2, name="cube")

    def f(x):
        try:
            return cube(x)
        except ValueError:
            return x

    function = wg.compile(f)
    function(2.0)
    with pytest.raises(UnsupportedFunctionError) as error:
        function.save(tmp_path / "cube")
    fact, line, remedy = str(error.value).splitlines()
    assert fact == "cube is no primitive of Wengert's own, and cannot be saved."
    assert "return cube(x)" in line
    assert "holds no Python code" in remedy


def test_loops_are_found_again_in_a_loaded_program(tmp_path):
    def pendulum(angle):
        speed = 0.0
        for _ in range(300):
            speed = speed - 0.01 * np.sin(angle)
            angle = angle + 0.01 * speed
        return angle

    function = wg.compile(wg.grad(pendulum))
    expected = function(0.5)
    function.save(tmp_path / "pendulum")
    loaded = wg.load(tmp_path / "pendulum")
    assert loaded(0.5) == expected
    (signature,) = loaded._signatures
    (path,) = signature.paths
    assert len(path.program) > 3000  # as traced
    assert entries(path.lowered._lowered.program) < 60


# ------------------------------------------------------------------------ inside other functions


def curve(x):
    return np.sum(np.sin(x) * x**2) if x[0] > 0 else np.prod(x)


@pytest.fixture
def loaded_curve(tmp_path):
    function = wg.compile(curve)
    function(X)
    function(-X)
    function.save(tmp_path / "curve")
    return wg.load(tmp_path / "curve")


X = np.array([0.5, 1.0, 2.0])


@pytest.mark.parametrize("x", [X, -X], ids=["sum", "product"])
@pytest.mark.parametrize(
    "transform",
    [
        wg.grad,
        wg.value_and_grad,
        lambda f: lambda x: wg.jvp(f, (x,), (np.ones(3),)),
        wg.hessian,
        lambda f: wg.compile(wg.grad(f)),
        lambda f: wg.compile(lambda x: f(x) * 2.0),
        lambda f: wg.compile(f),
    ],
    ids=["grad", "value", "jvp", "hessian", "compiled grad", "compiled use", "compiled"],
)
def test_a_loaded_function_can_be_differentiated_and_compiled(loaded_curve, transform, x):
    found, expected = transform(loaded_curve)(x), transform(curve)(x)
    for one, other in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        assert_allclose(one, other, rtol=1e-12)


def test_a_loaded_function_can_be_batched(tmp_path):
    function = wg.compile(lambda x: np.sin(x) @ x)
    function(X)
    function.save(tmp_path / "product")
    rows = np.stack([X, -X, 2 * X])
    found = wg.vmap(wg.grad(wg.load(tmp_path / "product")))(rows)
    assert_allclose(found, np.cos(rows) * rows + np.sin(rows), rtol=1e-12)


def test_inside_a_trace_what_is_not_in_the_file_is_an_error_too(tmp_path, loaded_curve):
    with pytest.raises(UnsavedCallError, match=r"args\[0\]: float64\[2\]"):
        wg.grad(loaded_curve)(X[:2])
    function = wg.compile(curve)
    function(X)
    function.save(tmp_path / "half")
    with pytest.raises(UnsavedCallError, match="inside a trace, takes a way"):
        wg.grad(wg.load(tmp_path / "half"))(-X)


def test_a_loaded_function_is_saved_and_pickled_again(tmp_path, loaded_curve):
    loaded_curve.save(tmp_path / "again")
    for other in (wg.load(tmp_path / "again"), pickle.loads(pickle.dumps(loaded_curve))):
        assert other(X) == loaded_curve(X)
        assert other(-X) == loaded_curve(-X)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "curve").read_bytes()
