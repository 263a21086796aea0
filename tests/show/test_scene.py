"""Pictures before they are written: no label on another, no line through a label, no crossing."""

import itertools

import numpy as np
import pytest

import wengert as wg
from wengert.demo import circuits, neuron
from wengert.show.lettering import width_of
from wengert.show.lines import commands
from wengert.show.picture import draw
from wengert.tape.scopes import scope


def rnn(params, xs):
    def cell(h, x):
        return np.tanh(params["W"] @ h + params["U"] @ x + params["b"])

    h = np.zeros(4)
    for t in range(20):
        h = cell(h, xs[t])
    return np.sum(h**2)


def network(params, x, y):
    def dense(h, W, b):
        return np.maximum(h @ W + b, 0)

    h = x
    for k, (W, b) in enumerate(params):
        with scope(f"layer{k + 1}"):
            h = dense(h, W, b)
    return np.mean((h - y) ** 2)


def residual(params, x):
    def conv(h, W):
        return h @ W / np.sqrt(len(W))

    def block(h, p):
        inner = np.maximum(conv(h, p["W1"]), 0)
        inner = np.maximum(conv(inner, p["W2"]), 0)
        return np.maximum(h + conv(inner, p["W3"]), 0)

    for s, stage in enumerate(params):
        with scope(f"stage{s + 1}"):
            for p in stage:
                x = block(x, p)
    return np.mean(x**2)


def cholesky(a):
    n = len(a)
    L = np.zeros((n, n))
    for j in range(n):
        s = a[j, j]
        for k in range(j):
            s = s - L[j, k] ** 2
        L[j, j] = np.sqrt(s)
        for i in range(j + 1, n):
            s = a[i, j]
            for k in range(j):
                s = s - L[i, k] * L[j, k]
            L[i, j] = s / L[j, j]
    return 2 * np.sum(np.log(np.diagonal(L)))


def swept_neuron():
    tape = neuron.build().tape
    tape.forward()
    tape.backward()
    return tape


def normal(*shape):
    return np.random.default_rng(7).standard_normal(shape)


def blocks(count):
    return [{k: normal(6, 6) for k in ("W1", "W2", "W3")} for _ in range(count)]


def draw_rnn(**options):
    params = {"W": normal(4, 4) / 2, "U": normal(4, 3) / 2, "b": np.zeros(4)}
    return draw(rnn, params, normal(20, 3), **options)


def draw_by_time():
    layers = [(normal(5, 8), np.zeros(8)), (normal(8, 2), np.zeros(2))]
    traced = wg.trace(network, layers, normal(16, 5), normal(16, 2))
    return traced.draw(shades=traced.profile(repeats=1).shares(), widest=600)


ARTICLE = {
    "product": lambda: draw(circuits.product().tape),
    "diamond": lambda: draw(circuits.diamond().tape),
    "diamond by square": lambda: draw(circuits.diamond_by_square().tape),
    "neuron": lambda: draw(swept_neuron(), parameters=("w1", "w2")),
}
GALLERY = {
    **ARTICLE,
    "network": lambda: draw(
        network,
        [(normal(5, 8), np.zeros(8)), (normal(8, 8), np.zeros(8)), (normal(8, 2), np.zeros(2))],
        normal(16, 5),
        normal(16, 2),
    ),
    "rnn": lambda: draw_rnn(),
    "rnn unfolded": lambda: draw_rnn(fold=False),
    "rnn on a narrow page": lambda: draw_rnn(widest=750),
    "network by time": lambda: draw_by_time(),
    "residual": lambda: draw(residual, [blocks(n) for n in (3, 8, 36, 3)], normal(9, 6)),
    "cholesky": lambda: draw(cholesky, np.eye(4) * 4 + 1),
    "cholesky of 8": lambda: draw(cholesky, np.eye(8) * 8 + 1),
    "diagnosed": lambda: draw(
        lambda x, y, z: np.log(x - x) + np.maximum(y, 0.0) * 3.0 + ((1.0 + 1e-12 * y) - 1.0),
        2.0, -1.0, 4.0, diagnose=True,
    ),
}  # fmt: skip


@pytest.fixture(params=GALLERY, scope="module")
def scene(request):
    with np.errstate(all="ignore"):
        return GALLERY[request.param]().scene


def overlap(a, b, slack=0.01):
    return (
        a[0] < b[2] - slack and b[0] < a[2] - slack and a[1] < b[3] - slack and b[1] < a[3] - slack
    )


def outline(shape):
    extra = 6 if shape.kind == "stack" else 0
    return shape.x, shape.y - extra, shape.x + shape.width + extra, shape.y + shape.height


def pieces(line, count=24):
    """A line as drawn, in short straight pieces."""
    x, y = line.steps[0].x, line.steps[0].y
    for letter, numbers in commands(line.steps):
        if letter == "M":
            continue
        *controls, end = list(zip(numbers[::2], numbers[1::2], strict=True))
        before = (x, y)
        for t in np.linspace(0, 1, count)[1:] if controls else [1.0]:
            level = [(x, y), *controls, end]
            while len(level) > 1:
                level = [
                    (a + t * (c - a), b + t * (d - b))
                    for (a, b), (c, d) in itertools.pairwise(level)
                ]
            yield before, level[0]
            before = level[0]
        x, y = end


def test_no_label_meets_another(scene):
    extents = [(text.text, text.extent) for text in scene.texts]
    for (one, a), (two, b) in itertools.combinations(extents, 2):
        assert not overlap(a, b), (one, two)


def test_no_label_meets_an_outline_but_that_around_it(scene):
    for text in scene.texts:
        for shape in scene.shapes:
            if shape.kind == "frame":
                continue
            a, b = text.extent, outline(shape)
            is_within = a[0] >= b[0] and a[2] <= b[2] and a[1] >= b[1] and a[3] <= b[3]
            assert is_within or not overlap(a, b), text.text


def test_no_outline_meets_another(scene):
    for one, two in itertools.combinations(scene.shapes, 2):
        a, b = outline(one), outline(two)
        is_within = "frame" in (one.kind, two.kind) and (
            (a[0] <= b[0] and a[2] >= b[2] and a[1] <= b[1] and a[3] >= b[3])
            or (b[0] <= a[0] and b[2] >= a[2] and b[1] <= a[1] and b[3] >= a[3])
        )
        assert is_within or not overlap(a, b)


def test_no_line_goes_through_a_label(scene):
    extents = [(text.text, text.extent) for text in scene.texts]
    for line in scene.lines:
        for (x1, y1), (x2, y2) in pieces(line):
            box = (min(x1, x2), min(y1, y2) - 0.1, max(x1, x2), max(y1, y2) + 0.1)
            for text, extent in extents:
                assert not overlap(box, extent), text


def test_no_line_goes_through_an_outline(scene):
    for line in scene.lines:
        for (x1, y1), (x2, y2) in pieces(line):
            box = (min(x1, x2), min(y1, y2) - 0.1, max(x1, x2), max(y1, y2) + 0.1)
            for shape in scene.shapes:
                if shape.kind in ("frame", "stack"):  # a stack's wire starts behind its first
                    continue
                assert not overlap(box, outline(shape))


def test_everything_is_on_the_paper(scene):
    for text in scene.texts:
        left, top, right, bottom = text.extent
        assert left >= 0
        assert top >= 0
        assert right <= scene.width
        assert bottom <= scene.height
    for shape in scene.shapes:
        left, top, right, bottom = outline(shape)
        assert left >= 0
        assert top >= 0
        assert right <= scene.width
        assert bottom <= scene.height
    for line in scene.lines:
        assert all(0 <= s.x <= scene.width and 0 <= s.y <= scene.height for s in line.steps)


def crossings(scene):
    """Pairs of lines that cross, other than where they start or end."""
    drawn = [list(pieces(line)) for line in scene.lines]
    found = 0
    for one, two in itertools.combinations(drawn, 2):
        found += any(crosses(p, q) for p in one for q in two)
    return found


def crosses(p, q):
    """Whether two straight pieces cross within both."""

    def side(a, b, c):
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    (a, b), (c, d) = p, q
    eps = 1e-6
    return side(a, b, c) * side(a, b, d) < -eps and side(c, d, a) * side(c, d, b) < -eps


@pytest.mark.parametrize("name", ARTICLE)
def test_no_lines_cross_in_the_article_s_graphs(name):
    assert crossings(ARTICLE[name]().scene) == 0


def test_the_test_of_crossings_finds_one():
    # K(3,3) cannot be drawn without a crossing.
    def f(a, b, c):
        return (a * b * c) + (a + b + c) + np.hypot(np.hypot(a, b), c)

    assert crossings(draw(f, 1.0, 2.0, 3.0).scene) > 0


def test_the_network_of_152_layers_fits_on_a_page():
    picture = GALLERY["residual"]()
    assert len(picture.graph) > 600
    assert picture.view.root.size <= 61
    assert picture.scene.width < 1800
    assert picture.scene.height < 1200
    titles = [text.text for text in picture.scene.texts]
    assert {"stage1", "stage2", "stage3", "stage4"} <= set(titles)
    assert any("\N{MULTIPLICATION SIGN} 36" in title for title in titles)


def test_values_are_above_and_adjoints_below_their_wire():
    scene = ARTICLE["diamond"]().scene
    at = {text.text: text for text in scene.texts}
    assert at["12"].y < at["24"].y
    assert at["12"].role == "value"
    assert at["24"].role == "adjoint"
    assert {"3", "96", "2", "288", "1", "6", "48", "144"} <= set(at)


def test_inputs_are_left_and_the_target_is_right():
    scene = ARTICLE["neuron"]().scene
    inputs = [s.x for s in scene.shapes if s.role in ("parameter", "data")]
    (target,) = [s.x for s in scene.shapes if s.role == "target"]
    assert max(s.x for s in scene.shapes) == target
    assert min(s.x for s in scene.shapes) in inputs


def test_a_shared_subexpression_is_shown_once():
    def f(x):
        s = np.sin(x)
        return s * s + s

    scene = draw(f, 0.5).scene
    assert [text.text for text in scene.texts].count("sin") == 1


def test_parameters_and_data_differ_in_outline_and_are_in_the_legend():
    scene = GALLERY["network"]().scene
    kinds = {shape.role: shape.kind for shape in scene.shapes}
    assert kinds["parameter"] != kinds["data"]
    assert {"parameter", "data"} <= {t.text for t in scene.texts if t.role == "legend"}


def test_a_wire_tells_its_local_derivative():
    titles = [line.title for line in ARTICLE["diamond"]().scene.lines]
    assert any(t.startswith("∂h/∂h1 = h2 = 2\npasses back 48") for t in titles)


def test_texts_are_no_wider_than_they_are_taken_for():
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans")
    for text in ("h1 = 0.54983", "float64[16, 8]", "‖∂‖ = 1.205e-05", "params['W1'][0]", "MWQ@%"):
        extent = TextPath((0, 0), text, size=100, prop=font).get_extents()
        assert extent.x1 <= width_of(text, 100.0) + 2
    assert width_of("日本", 10.0) >= 20


def test_an_input_alone_is_a_picture():
    assert draw(lambda x: x, 3.0).scene.width > 0
    assert draw(wg.trace(lambda x, y: x, 3.0, 2.0)).scene.height > 0


def test_frames_are_laid_out_in_less_room_where_the_page_is_narrow():
    wide, narrow = draw_rnn().scene, draw_rnn(widest=750).scene
    assert narrow.width <= 1.25 * 750 + 28 < wide.width


def test_of_what_repeats_the_first_and_the_last_are_told_in_few_characters():
    labels = [
        text.text for text in draw_rnn().scene.texts if "\N{HORIZONTAL ELLIPSIS}" in text.text
    ]
    assert labels
    assert max(map(len, labels)) < 30
    assert not any("[" in label for label in labels if label.count(",") > 1)


def test_the_legend_explains_norms_and_heat_where_there_are_any():
    told = {text.text for text in draw_by_time().scene.texts}
    assert "share of the whole" in told
    assert any(text.startswith("adjoint below, of a large array its norm") for text in told)
    told = {text.text for text in GALLERY["diamond"]().scene.texts}
    assert "adjoint below" in told
    assert "share of the whole" not in told


def test_a_target_shows_its_heat_too():
    (target,) = [shape for shape in draw_by_time().scene.shapes if "target" in shape.role]
    assert target.role == "warm target"
    assert target.shade > 0


def test_shades_colour_what_costs_and_say_how_much():
    trace = wg.trace(lambda x: np.sin(x) * x, 2.0)
    scene = draw(trace, shades={1: 0.75, 2: 0.25}).scene
    shades = {shape.title.partition(" = ")[2][:3]: shape.shade for shape in scene.shapes}
    assert shades["sin"] == 1.0
    assert shades["mul"] == pytest.approx(1 / 3)
    assert {"75 %", "25 %"} <= {text.text for text in scene.texts}
    assert not any(shape.is_marked for shape in scene.shapes)
