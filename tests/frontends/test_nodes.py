"""The article's framework: its numbers, its rules, and a user's own nodes."""

import re
import threading

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert import Add, CompNode, ConstantNode, Invert, Multiply, ReLU, Sigmoid, Square, Tape
from wengert.errors import (
    ArgumentError,
    NonScalarTargetError,
    ShapeError,
    SourceTypeError,
    StaleNodeError,
)


class Cube(CompNode):
    """As a reader of the article would write it: attributes first, then super().__init__."""

    def __init__(self, x, tape):
        self.x = x
        super().__init__(tape)

    def forward(self):
        self.output = self.x.output**3

    def backward(self):
        self.x.add_gradient(3 * self.x.output**2 * self.gradient)


class Product(CompNode):
    """The other order: super().__init__ first."""

    def __init__(self, left, right, tape):
        super().__init__(tape)
        self.left, self.right = left, right

    def forward(self):
        self.output = self.left.output * self.right.output

    def backward(self):
        self.left.add_gradient(self.right.output * self.gradient)
        self.right.add_gradient(self.left.output * self.gradient)


def diamond(square):
    t = Tape()
    x, y, z = ConstantNode(3, t), ConstantNode(2, t), ConstantNode(1, t)
    h1 = Multiply(x, y, t)
    h2 = Multiply(y, z, t)
    h = Multiply(h1, h2, t)
    o = Square(h, t) if square else Multiply(h, h, t)
    return t, {"x": x, "y": y, "z": z, "h1": h1, "h2": h2, "h": h, "o": o}


def gradients(nodes):
    return {name: float(node.gradient) for name, node in nodes.items()}


def test_the_product_of_the_article():
    t = Tape()
    a = ConstantNode(2, t)
    b = ConstantNode(3, t)
    o = Multiply(a, b, t)
    f = Multiply(ConstantNode(5, t), o, t)
    t.forward()
    t.backward()
    assert (f.output, o.gradient, a.gradient, b.gradient) == (30, 5, 15, 10)


@pytest.mark.parametrize("square", [True, False])
def test_the_diamond_of_the_article(square):
    t, nodes = diamond(square)
    t.forward()
    t.backward()
    found = gradients(nodes)
    assert found == {"x": 96, "y": 288, "z": 288, "h1": 48, "h2": 144, "h": 24, "o": 1}


def test_sweeps_in_any_order_are_right_each_time():
    t, nodes = diamond(True)
    t.backward()  # runs forward first
    assert nodes["x"].gradient == 96
    t.backward()
    t.forward()
    t.forward()
    t.backward()
    assert nodes["x"].gradient == 96
    nodes["x"].value = 5
    t.backward()  # no forward in between: the outputs would be stale
    assert nodes["o"].output == 400
    assert nodes["x"].gradient == 160


def test_computations_stay_in_forward_order():
    t, nodes = diamond(True)
    before = list(t.computations)
    assert before == list(nodes.values())
    for _ in range(3):
        t.forward()
        t.backward()
    assert t.computations == before


def test_adding_a_node_twice_does_not_run_it_twice():
    t, nodes = diamond(True)
    t.add(nodes["h"])
    assert len(t.computations) == 7


@pytest.mark.parametrize("eager", [True, False])
def test_arithmetic_records_the_same_tape_as_the_constructors(eager):
    built, _ = diamond(True)
    t = Tape(eager=eager)
    x, y, z = ConstantNode(3, t), ConstantNode(2, t), ConstantNode(1, t)
    o = ((x * y) * (y * z)) ** 2
    assert [type(node) for node in t.computations] == [type(n) for n in built.computations]
    if eager:
        assert o.output == 144
    t.backward()
    assert (o.output, x.gradient, y.gradient, z.gradient) == (144, 96, 288, 288)


def test_operands_may_be_numbers_on_an_empty_tape():
    t = Tape()
    y = Multiply(2.0, 3.0, t)
    t.forward()
    assert y.output == 6.0


def test_an_eager_tape_follows_a_changed_constant():
    t = Tape(eager=True)
    x = ConstantNode(3, t)
    y = x * x
    assert y.output == 9
    x.value = 4
    assert y.output == 16
    z = y + 1
    assert z.output == 17


def test_an_eager_tape_runs_a_node_that_calls_super_first():
    t = Tape(eager=True)
    assert Product(ConstantNode(3, t), ConstantNode(4, t), t).output == 12


def test_a_node_without_output_says_what_to_call():
    _, nodes = diamond(True)
    with pytest.raises(StaleNodeError, match=r"#3: h = Multiply\(h1, h2\)(.|\n)*forward\(\)"):
        nodes["h"].output


def test_a_node_that_computes_nothing_is_named():
    class Lazy(CompNode):
        def forward(self):
            pass

        def backward(self):
            pass

    t = Tape()
    Lazy(t)
    with pytest.raises(StaleNodeError, match="Lazy"):
        t.forward()


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (lambda a, b: a + b, (2.0, 3.0)),
        (lambda a, b: a - b, (2.0, 3.0)),
        (lambda a, b: a * b, (2.0, 3.0)),
        (lambda a, b: a / b, (2.0, 3.0)),
        (lambda a, b: a**b, (2.0, 3.0)),
        (lambda a, b: 2 * a - 3 / b, (2.0, 3.0)),
        (lambda a, b: 2**a + (-b) + (+a) + abs(b), (2.0, 3.0)),
        (lambda a, b: np.sin(a) * np.exp(b) + np.maximum(a, 0) + np.hypot(a, b), (2.0, 3.0)),
        (lambda a, b: np.array([1.0, 2.0]) @ (a * np.ones(2)) + b, (2.0, 3.0)),
    ],
)
def test_arithmetic_and_ufuncs_on_nodes_agree_with_grad(function, x):
    t = Tape()
    a, b = ConstantNode(x[0], t), ConstantNode(x[1], t)
    out = function(a, b)
    t.backward()
    assert_allclose(out.output, function(*x), rtol=1e-15)
    assert_allclose((a.gradient, b.gradient), wg.grad(function, (0, 1))(*x), rtol=1e-14)


def test_numpy_functions_and_indices_of_nodes():
    def function(m):
        joined = np.concatenate([m, 2 * m], axis=0)
        return np.sum(np.mean(joined, axis=1)[1:] ** 2)

    value = np.arange(6.0).reshape(2, 3)
    t = Tape()
    m = ConstantNode(value, t)
    out = function(m)
    t.backward()
    assert_allclose(out.output, function(value))
    assert_allclose(m.gradient, wg.grad(function)(value))


def test_relu_of_zero_has_derivative_zero():
    t = Tape()
    x = ConstantNode(0.0, t)
    y = ReLU(x, t)
    t.backward()
    assert (y.output, x.gradient) == (0, 0)
    t2 = Tape()
    x = ConstantNode(0.0, t2)
    np.maximum(x, 0)
    t2.backward()
    assert x.gradient == 0


def test_arrays_broadcast_and_keep_their_shapes():
    rng = np.random.default_rng(0)
    a, b, c = rng.standard_normal((3, 4)), rng.standard_normal(4), rng.standard_normal((4, 2))
    t = Tape()
    x, y, w = ConstantNode(a, t), ConstantNode(b, t), ConstantNode(c, t)
    h = wg.Tanh(Add(x, y, t), t)
    wg.Sum(wg.MatMul(h, w, t), t)
    t.backward()
    expected = wg.grad(lambda x, y, w: np.sum(np.tanh(x + y) @ w), (0, 1, 2))(a, b, c)
    for node, gradient in zip((x, y, w), expected, strict=True):
        assert node.gradient.shape == node.output.shape
        assert_allclose(node.gradient, gradient, rtol=1e-13)


def test_float32_stays_float32():
    t = Tape()
    x = ConstantNode(np.ones(3, np.float32), t)
    y = wg.Mean(Sigmoid(x * 2.0, t), t)
    t.backward()
    assert y.output.dtype == x.gradient.dtype == np.float32


def test_a_target_that_is_no_scalar_needs_a_seed():
    t = Tape()
    x = ConstantNode([1.0, 2.0, 3.0], t)
    y = x * x
    with pytest.raises(NonScalarTargetError, match=r"y = Multiply\(x, x\) has shape \(3,\)"):
        t.backward()
    t.backward(seed=[1.0, 0.0, 2.0])
    assert_array_equal(x.gradient, [2.0, 0.0, 12.0])
    assert_array_equal(y.gradient, [1.0, 0.0, 2.0])


def test_any_node_can_be_the_target():
    t, nodes = diamond(True)
    t.backward(target=nodes["h1"])
    found = gradients(nodes)
    assert found == {"x": 2, "y": 3, "z": 0, "h1": 1, "h2": 0, "h": 0, "o": 0}


def test_a_gradient_that_the_target_does_not_reach_is_zero_of_the_shape():
    t = Tape()
    unused = ConstantNode(np.ones((2, 3)), t)
    Square(ConstantNode(2.0, t), t)
    t.backward()
    assert_array_equal(unused.gradient, np.zeros((2, 3)))


@pytest.mark.parametrize("eager", [True, False])
def test_a_users_node_works_with_all_else(eager):
    t = Tape(eager=eager)
    x = ConstantNode(2.0, t)
    c = Cube(x, t)
    out = Product(np.sin(c), x, t) + Multiply(c, 2.0, t)
    t.backward()

    def function(x):
        return np.sin(x**3) * x + x**3 * 2.0

    assert_allclose(out.output, function(2.0))
    assert_allclose(x.gradient, wg.grad(function)(2.0))
    assert "c = Cube(x)" in str(t)


def test_a_users_node_may_broadcast():
    t = Tape()
    x, y = ConstantNode(2.0, t), ConstantNode([1.0, 2.0, 3.0], t)
    wg.Sum(Product(x, y, t), t)
    t.backward()
    assert x.gradient == 6.0
    assert_array_equal(y.gradient, [2.0, 2.0, 2.0])


@pytest.mark.parametrize("transform", ["grad", "jvp", "hessian", "vmap", "nested"])
def test_transforms_go_through_a_tape_and_a_users_node(transform):
    t = Tape()
    x, y = ConstantNode(2.0, t), ConstantNode(0.5, t)
    c = Cube(x * y, t)
    out = np.exp(-c) * y
    f = t.as_function([x, y])

    def plain(x, y):
        return np.exp(-((x * y) ** 3)) * y

    def apply(f):
        if transform == "grad":
            return wg.grad(f, (0, 1))(0.7, 1.2)
        if transform == "jvp":
            return wg.jvp(f, (0.7, 1.2), (0.3, -0.4))
        if transform == "hessian":
            return wg.hessian(f, (0, 1))(0.7, 1.2)
        if transform == "vmap":
            return wg.vmap(wg.grad(f))(np.array([0.7, 0.1]), np.array([1.2, 0.3]))
        return wg.grad(wg.grad(wg.grad(f)))(0.7, 1.2)

    assert_allclose(np.array(apply(f)), np.array(apply(plain)), rtol=1e-12)
    t.forward()
    assert out.output == plain(2.0, 0.5)  # the nodes themselves are as they were


def test_a_users_node_of_arrays_has_both_modes():
    class Softmax(CompNode):
        def __init__(self, x, tape):
            self.x = x
            super().__init__(tape)

        def forward(self):
            e = np.exp(self.x.output - np.max(self.x.output))
            self.output = e / np.sum(e)

        def backward(self):
            inner = np.sum(self.gradient * self.output)
            self.x.add_gradient(self.output * (self.gradient - inner))

    t = Tape()
    x = ConstantNode([0.1, 0.2, 0.7], t)
    w = ConstantNode([1.0, -2.0, 3.0], t)
    wg.Sum(Softmax(x, t) * w, t)
    wg.check_grads(t.as_function(x), (np.array([0.3, -0.2, 0.5]),), order=2)


def test_as_function_uses_a_users_own_backward():
    class Straight(CompNode):
        """Rounds, and passes gradients straight through."""

        def __init__(self, x, tape):
            self.x = x
            super().__init__(tape)

        def forward(self):
            self.output = np.round(self.x.output)

        def backward(self):
            self.x.add_gradient(self.gradient)

    t = Tape()
    x = ConstantNode(1.6, t)
    Straight(x, t) * 3.0
    assert wg.grad(t.as_function(x))(1.6) == 3.0


def test_as_function_takes_intermediate_nodes_and_several_targets():
    t, nodes = diamond(True)
    f = t.as_function(nodes["h"], [nodes["o"], nodes["h"]])
    assert f(5.0) == (25.0, 5.0)
    with pytest.raises(ArgumentError, match="1 input"):
        f(1.0, 2.0)
    with pytest.raises(ArgumentError, match="not on this tape"):
        t.as_function(ConstantNode(1.0, Tape()))


def test_the_log_is_that_of_the_article():
    t, _ = diamond(True)
    assert "->" not in str(t)
    assert "backward" not in str(t)
    t.forward()
    t.backward()
    for line in (line for line in str(t).splitlines() if line.startswith("#") and "->" in line):
        assert re.search(r"  float64\[\]  at test_nodes\.py, line \d+:   \w+ = \w+\(", line), line
    assert str(t.log(shapes=False, lines=False)) == (
        "forward\n"
        "    x = 3\n"
        "    y = 2\n"
        "    z = 1\n"
        "#1: h1 = Multiply(x, y)   -> 6\n"
        "#2: h2 = Multiply(y, z)   -> 2\n"
        "#3: h = Multiply(h1, h2)  -> 12\n"
        "#4: o = Square(h)         -> 144\n"
        "backward\n"
        "#4: o = 144  gradient 1\n"
        "#3: h = 12   gradient 24\n"
        "#2: h2 = 2   gradient 144\n"
        "#1: h1 = 6   gradient 48\n"
        "    z = 1    gradient 288\n"
        "    y = 2    gradient 288\n"
        "    x = 3    gradient 96"
    )


def test_names_come_from_variables_attributes_containers_and_by_hand():
    class Model:
        pass

    t = Tape()
    model = Model()
    model.w = ConstantNode(1.0, t)
    layer = {"b": ConstantNode(2.0, t)}
    many = [ConstantNode(k, t) for k in range(2)]
    given = ConstantNode(7.0, t, name="bias")
    out = model.w * layer["b"] + many[1]
    assert given.name == "bias"
    text = str(t)
    for name in (
        "model.w = 1",
        "layer['b'] = 2",
        "many[0] = 0",
        "many[1] = 1",
        "bias = 7",
        "out = Add(v1",
    ):
        assert name in text
    assert repr(out).startswith("<Add #2: out = Add(v1, ")


def test_a_name_that_is_used_again_gets_a_number():
    t = Tape()
    h = ConstantNode(1.0, t)
    for _ in range(2):
        h = h * 2.0
    assert "#1: h.2 = Multiply(h, 2)" in str(t)
    assert "#2: h.3 = Multiply(h.2, 2)" in str(t)


def test_a_node_made_in_a_string_of_code_gets_its_name_from_the_bytecode():
    namespace = {"wg": wg}
    exec("t = wg.Tape()\nx = wg.ConstantNode(3.0, t)\ny = x * x\n", namespace)
    assert "#1: y = Multiply(x, x)" in str(namespace["t"])


def test_a_long_tape_needs_no_recursion_and_prints_in_few_lines():
    t = Tape()
    x = h = ConstantNode(1.0, t)
    n = 20_000
    for _ in range(n):
        h = h * 1.0
    t.backward()
    assert x.gradient == 1.0
    text = str(t)
    assert len(text.splitlines()) < 12
    assert f"\N{MULTIPLICATION SIGN} {n}" in text


def test_operations_on_one_line_are_printed_each():
    t = Tape()
    x = ConstantNode(2.0, t)
    y = x * x * x * x * x * x  # noqa: F841 (the log names it)
    text = str(t)
    assert "above" not in text
    assert "#5: y = Multiply(v4, x)" in text


def test_an_exception_names_the_node_and_its_line():
    t = Tape()
    x, y = ConstantNode([1.0, 2.0], t), ConstantNode([1.0, 2.0, 3.0], t)
    Add(x, y, t)  # here
    with pytest.raises(ShapeError, match=r"Add\(x, y\)(.|\n)*Add\(x, y, t\)  # here"):
        t.forward()


def test_an_exception_of_a_users_node_carries_a_note():
    class Fails(CompNode):
        def __init__(self, x, tape):
            self.x = x
            super().__init__(tape)

        def forward(self):
            raise KeyError("w")

    t = Tape()
    x = ConstantNode(1.0, t)
    bad = Fails(x, t)
    with pytest.raises(KeyError) as caught:
        t.forward()
    assert "bad = Fails(x)" in caught.value.__notes__[0]
    assert bad in t


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda t: ConstantNode("three", t), SourceTypeError),
        (lambda t: Multiply(ConstantNode(1, t), t), ArgumentError),
        (lambda t: Multiply(ConstantNode(1, t), ConstantNode(1, Tape()), t), ArgumentError),
        (lambda t: Multiply(1.0, 2.0), ArgumentError),
        (lambda t: ConstantNode(1.0, None), ArgumentError),
        (lambda t: t.backward(), StaleNodeError),
        (lambda t: t.backward(target=ConstantNode(1.0, Tape())), (ArgumentError, StaleNodeError)),
        (lambda t: iter(ConstantNode(1.0, t)), TypeError),
    ],
)
def test_bad_input_is_a_named_error(make, error):
    with pytest.raises(error):
        make(Tape())


def test_a_node_that_forgets_super_is_told_so():
    class Forgets(CompNode):
        def __init__(self, x):
            self.x = x

    with pytest.raises(ArgumentError, match=r"super\(\).__init__\(tape\)"):
        Forgets(ConstantNode(1.0, Tape()))


def test_the_callers_array_may_change_after_it_was_given():
    given = np.array([1.0, 2.0])
    t = Tape()
    x = ConstantNode(given, t)
    y = wg.Sum(x * x, t)
    given[:] = 100
    t.forward()
    assert y.output == 5
    x.value[0] = 3.0
    t.backward()
    assert y.output == 13
    assert_array_equal(x.gradient, [6.0, 4.0])
    x.value -= 0.5 * x.gradient
    t.forward()
    assert y.output == 0


def test_a_failed_forward_leaves_the_tape_usable():
    t = Tape()
    x = ConstantNode([1.0, 2.0], t)
    y = x * ConstantNode([1.0, 2.0], t)
    t.forward()
    x.value = [1.0, 2.0, 3.0]
    with pytest.raises(ShapeError):
        t.forward()
    x.value = [3.0, 4.0]
    t.backward(seed=[1.0, 1.0])
    assert_array_equal(y.output, [3.0, 8.0])


def test_the_neuron_of_the_article():
    t = Tape()
    x1, x2 = ConstantNode(2, t), ConstantNode(3, t)
    w1, w2 = ConstantNode(0.4, t), ConstantNode(-0.2, t)
    target = ConstantNode(1, t)
    h = Add(Multiply(x1, w1, t), Multiply(x2, w2, t), t)
    y = Sigmoid(h, t)
    e = Add(y, Invert(target, t), t)
    loss = Square(e, t)
    t.forward()
    t.backward()
    assert_allclose(loss.output, 0.2026494299756622, rtol=1e-15)
    found = [node.gradient for node in (y, h, w1, w2, x1, x2, target)]
    expected = [
        -0.9003320053750443, -0.22284709227322685, -0.4456941845464537, -0.6685412768196806,
        -0.08913883690929075, 0.044569418454645376, 0.9003320053750443,
    ]  # fmt: skip
    assert_allclose(found, expected, rtol=1e-14)


def test_tapes_in_threads_do_not_meet():
    found = {}

    def work(k):
        t = Tape()
        x = ConstantNode(float(k), t)
        h = x
        for _ in range(50):
            h = h + x
        t.backward()
        found[k] = (h.output, x.gradient)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: (51.0 * k, 51.0) for k in range(4)}


def test_nodes_share_no_gradient() -> None:
    t = wg.Tape()
    a, b = wg.ConstantNode(np.ones(2), t), wg.ConstantNode(np.ones(2), t)
    wg.Add(a, b, t)
    t.forward()
    t.backward(seed=np.ones(2))
    a.gradient *= 0.5
    assert list(b.gradient) == [1.0, 1.0]
