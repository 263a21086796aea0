# ruff: noqa: RET504 (the name of a result is what the page shows)
"""The page's own arithmetic, run by Node, against the registry and against tapes."""

import itertools
import math

import numpy as np
import pytest

import wengert as wg
from wengert.primitives.family import Elementwise
from wengert.primitives.registry import REGISTRY
from wengert.show.player.data import page_data
from wengert.show.player.formula import read_formula
from wengert.show.sources import graph_of

ELEMENTWISE = {p.name: p for p in REGISTRY if isinstance(p, Elementwise)}


def number(x):
    return float(x)  # Node's answers have "NaN" and "Infinity" as words


def scalar_points(primitive):
    """Real numbers to compute at: the first and the last of each sample, and the stated kinks."""
    for sample in primitive.samples:
        args = [np.ravel(x) for x in sample.args]
        if sample.kwargs or any(np.iscomplexobj(x) or x.size == 0 for x in args):
            continue
        for at in (0, -1):
            yield [float(x[at]) for x in args]
    for point in primitive.kinks:
        operands = point if isinstance(point, tuple) else (point,)
        yield [operands[0] if x == "constant" else float(x) for x in operands]


def cases(names):
    """Points with their values, and formulas as trees, of the primitives that the page knows."""
    for name in names:
        primitive = ELEMENTWISE.get(name)
        if primitive is None:
            continue
        for values in scalar_points(primitive):
            if len(values) != len(primitive.operands):
                continue
            with np.errstate(all="ignore"):
                out = primitive(*[np.float64(x) for x in values])
            yield primitive, values, float(out)


@pytest.fixture(scope="module")
def known(node):
    return node("Object.keys(FUNCTIONS)")


def test_the_page_knows_the_common_functions(known):
    common = (
        "add subtract multiply divide power exp log sin cos tanh sqrt maximum expit erf gammaln"
    )
    assert set(common.split()) <= set(known)
    assert len([name for name in known if name in ELEMENTWISE]) > 60


def as_words(x):
    return x if math.isfinite(x) else str(x).replace("inf", "Infinity").replace("nan", "NaN")


def close(found, expected):
    np.testing.assert_allclose(number(found), expected, rtol=2e-13, atol=2e-15)


def test_its_functions_have_the_values_of_the_primitives(node, known):
    asked = list(cases(known))
    found = node(
        "data.map(([name, values]) => FUNCTIONS[name](...values.map(numberOf)))",
        [[primitive.name, list(map(as_words, values))] for primitive, values, _ in asked],
    )
    assert len(asked) > 250
    for (primitive, values, out), value in zip(asked, found, strict=True):
        np.testing.assert_allclose(
            number(value), out, rtol=2e-13, atol=2e-15, err_msg=f"{primitive.name}{values}"
        )


@pytest.mark.parametrize("flows", [[1, 1], [1, 0]], ids=["both traced", "first traced"])
def test_its_partial_derivatives_are_those_of_the_primitives(node, known, flows):
    asked = []
    for primitive, values, out in cases(known):
        traced = flows[: len(values)]
        tie = 0.5 if all(traced) else 0.0
        for position, is_traced in enumerate(traced):
            if not is_traced or primitive.rules[position] is None:
                continue
            slots = (*[np.float64(x) for x in values], np.float64(out))
            with np.errstate(all="ignore"):
                expected = float(primitive.partial(position, slots, {}, tie))
            tree = read_formula(primitive.formula[position], primitive.slots)
            asked.append((primitive, values, out, position, tree, traced, expected))
    found = node(
        """data.map(([name, values, out, position, tree, flows]) => {
          const rules = [];
          rules[position] = { tree };
          if (unknownIn(tree) !== null && !PARTIALS[name]?.[position]) return "unknown";
          const entry = {
            operands: [...values.map(() => []), values.map((_, k) => k)],
            flows: [...values.map(() => []), flows],
            operations: [...values.map(() => -1), 0],
            table: [{ run: name, rules }],
          };
          return partialOf(entry, [...values, out].map(numberOf), values.length, position);
        })""",
        [
            [p.name, list(map(as_words, values)), as_words(out), position, tree, traced]
            for p, values, out, position, tree, traced, _ in asked
        ],
    )
    known_to_page = [
        (f"{primitive.name}{values} by {position}: {expected}, not {partial}", expected, partial)
        for (primitive, values, _, position, *_, expected), partial in zip(
            asked, found, strict=True
        )
        if partial != "unknown"
    ]
    assert len(known_to_page) > 200
    wrong = [
        words
        for words, expected, partial in known_to_page
        if not np.isclose(number(partial), expected, rtol=2e-12, atol=2e-14, equal_nan=True)
    ]
    assert not wrong, "; ".join(wrong)


# ------------------------------------------------------------------------------------- whole tapes


def circuit(x, y, z):
    h1 = x * y
    h2 = y * z
    h = h1 * h2
    o = h**2
    return o


def mixed(x, y):
    a = np.sin(x) * np.exp(-y) + np.maximum(x, 2.0) / (1 + y**2)
    b = np.tanh(a) - np.log(y) ** 3
    return np.where(x > 0, a * b, np.sqrt(x)) + abs(x - y) + x**y


TAPES = {
    "circuit": (circuit, (3.0, 2.0, 1.0)),
    "mixed": (mixed, (0.7, 1.3)),
    "diamond": (lambda x: np.sin(x) * x * x + x, (1.5,)),
    "structural zero": (lambda x: np.where(x > 0, x, np.sqrt(x * x)) + np.maximum(x, 1.0), (0.0,)),
    "tie": (lambda x, y: np.maximum(x, y) * x, (2.0, 2.0)),
    "infinite": (lambda x: np.sqrt(x) + np.reciprocal(x), (0.0,)),
}


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.parametrize("name", TAPES)
def test_a_tape_run_again_by_the_page_has_the_numbers_of_the_tape(node, name):
    f, args = TAPES[name]
    data = page_data(graph_of(f, *args))
    assert node("whyNotRunnable(data)", data) is None
    again = node("runTape(data, new Map())", data)
    for column in ("values", "adjoints"):
        for k, (found, expected) in enumerate(zip(again[column], data[column], strict=True)):
            assert (found is None) == (expected is None), (column, data["names"][k])
            if expected is not None:
                close(found, float(expected))


@pytest.mark.parametrize("name", ["circuit", "mixed", "diamond"])
def test_contributions_of_the_page_are_those_of_the_tape(node, name):
    f, args = TAPES[name]
    data = page_data(graph_of(f, *args))
    again = node("runTape(data, new Map())", data)
    for column in ("locals", "contributions"):
        for found, expected, adjoint in zip(
            again[column], data[column], data["adjoints"], strict=True
        ):
            for x, y in zip(found, expected, strict=True):
                if x is not None and adjoint is not None:
                    close(x, float(y))


def test_other_inputs_give_the_values_and_gradients_of_a_new_tape(node):
    data = page_data(graph_of(mixed, 0.7, 1.3))
    moved = node("runTape(data, new Map([[0, 0.9], [1, 1.1]]))", data)
    value, (by_x, by_y) = wg.value_and_grad(mixed, (0, 1))(0.9, 1.1)
    close(moved["values"][data["target"]], value)
    close(moved["adjoints"][0], by_x)
    close(moved["adjoints"][1], by_y)


def test_a_nudge_moves_the_target_by_about_what_its_derivative_promises(node):
    data = page_data(graph_of(circuit, 3.0, 2.0, 1.0))
    told = node("nudged(data, new Map(), 0, 0.01)", data)
    close(told["moved"], circuit(3.01, 2.0, 1.0) - circuit(3.0, 2.0, 1.0))
    close(told["promised"], 0.96)


def why(node, f, *args):
    return node("whyNotRunnable(data)", page_data(graph_of(f, *args)))


def test_what_the_page_cannot_compute_is_said_in_words(node):
    import scipy.special

    assert "x is no single real number" in why(node, lambda x: np.sum(x), np.ones(3))
    assert "ellipk" in why(node, lambda x: scipy.special.ellipk(x), 0.5)
    assert "single real number" in why(node, lambda z: np.abs(z), 1.0 + 2.0j)


def test_an_operation_of_the_users_own_is_not_run(node):
    class Cube(wg.CompNode):
        def __init__(self, x, tape):
            self.x = x
            super().__init__(tape)

        def forward(self):
            self.output = self.x.output**3

        def backward(self):
            self.x.add_gradient(3 * self.x.output**2 * self.gradient)

    t = wg.Tape()
    x = wg.ConstantNode(2.0, t)
    Cube(x, t)
    t.forward()
    t.backward()
    data = page_data(graph_of(t))
    assert "Cube" in node("whyNotRunnable(data)", data)
    assert data["contributions"][-1] == [12.0]


def test_a_users_class_with_the_name_of_ours_is_not_taken_for_it(node):
    class Square(wg.CompNode):
        def __init__(self, x, tape):
            self.x = x
            super().__init__(tape)

        def forward(self):
            self.output = 2 * self.x.output  # no square

        def backward(self):
            self.x.add_gradient(2 * self.gradient)

    t = wg.Tape()
    x = wg.ConstantNode(2.0, t)
    Square(x, t)
    t.forward()
    t.backward()
    assert node("whyNotRunnable(data)", page_data(graph_of(t))) is not None


def test_the_nodes_of_the_article_are_run(node):
    t = wg.Tape()
    x, w = wg.ConstantNode(0.5, t), wg.ConstantNode(-2.0, t)
    wg.Add(wg.ReLU(wg.Multiply(x, w, t), t), wg.Sigmoid(wg.Invert(x, t), t), t)
    t.forward()
    t.backward()
    data = page_data(graph_of(t))
    assert node("whyNotRunnable(data)", data) is None
    again = node("runTape(data, new Map())", data)
    close(again["adjoints"][0], data["adjoints"][0])
    close(again["adjoints"][1], data["adjoints"][1])


def test_five_thousand_entries_run_in_milliseconds(node):
    def pendulum(x, v):
        for _ in range(1000):
            v = v - 0.01 * np.sin(x)
            x = x + 0.01 * v
        return x

    data = page_data(graph_of(pendulum, 1.0, 0.0))
    assert len(data["names"]) >= 5000
    seconds = node(
        """(() => {
          runTape(data, new Map());
          const start = performance.now();
          runTape(data, new Map());
          return (performance.now() - start) / 1000;
        })()""",
        data,
    )
    assert seconds < 0.5  # some 5 ms where nothing else runs


# ------------------------------------------------------------------------------------------ layout


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_boxes_of_a_layout_do_not_overlap_and_edges_go_to_the_right(node):
    for f, args in TAPES.values():
        data = page_data(graph_of(f, *args))
        places = node("[...layered(data, data.names.map((_, k) => k)).places]", data)
        at = {k: (place["x"], place["y"]) for k, place in places}
        assert len(at) == len(data["names"])
        for k, operands in enumerate(data["operands"]):
            assert all(at[j][0] < at[k][0] for j in operands)
        spots = sorted(at.values())
        for (x1, y1), (x2, y2) in itertools.pairwise(spots):
            assert x1 != x2 or y2 - y1 >= 40


def test_the_graphs_of_the_article_have_no_crossing(node):
    crossings = """(() => {
      const nodes = data.names.map((_, k) => k);
      const { places } = layered(data, nodes);
      let count = 0;
      const edges = nodes.flatMap((k) =>
        data.operands[k].map((j) => [places.get(j), places.get(k)]));
      for (const [a, b] of edges) {
        for (const [c, d] of edges) {
          if (a.x === c.x && b.x === d.x && a.y < c.y && b.y > d.y) count += 1;
        }
      }
      return count;
    })()"""

    def neuron(w1, w2, b, x1, x2):
        return np.tanh(w1 * x1 + w2 * x2 + b)

    for f, args in ((circuit, (3.0, 2.0, 1.0)), (neuron, (0.5, -1.0, 0.3, 1.0, 2.0))):
        assert node(crossings, page_data(graph_of(f, *args))) == 0


def test_a_long_tape_is_shown_through_a_window_with_the_operands_of_its_centre(node):
    def sums(x):
        for _ in range(200):
            x = x + np.sin(x)
        return x

    data = page_data(graph_of(sums, 1.0))
    users = "data.names.map((_, k) => data.operands.flatMap((o, j) => (o.includes(k) ? [j] : [])))"
    shown = node(f"windowAround(data, {users}, 100)", data)
    assert 100 in shown
    assert set(data["operands"][100]) <= set(shown)
    assert len(shown) <= 40
