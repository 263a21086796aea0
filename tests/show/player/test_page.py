# ruff: noqa: RUF001, RET504 (signs of mathematics; the name of a result is what the page shows)
"""The page in headless Chromium: every control, and its numbers against the tape's."""

import time
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.show.player import page_of, player
from wengert.show.sources import graph_of

pytestmark = pytest.mark.slow


def circuit(x, y, z):
    h1 = x * y
    h2 = y * z
    h = h1 * h2
    o = h**2
    return o


def diamond(x):
    a = np.sin(x)
    b = x * x
    o = a * b
    return o


def network(parameters, x):
    for w, b in parameters:
        x = np.tanh(x @ w + b)
    return np.mean(x**2)


def pendulum(x, v):
    for _ in range(1000):
        v = v - 0.01 * np.sin(x)
        x = x + 0.01 * v
    return x


class Page:
    """A page that is open: its elements, its keys, its state."""

    def __init__(self, browser):
        from selenium.webdriver.common.by import By

        self.browser, self._css = browser, By.CSS_SELECTOR

    def one(self, css):
        return self.browser.find_element(self._css, css)

    def all(self, css):
        return self.browser.find_elements(self._css, css)

    def run(self, script, *args):
        return self.browser.execute_script(script, *args)

    def text(self, css):
        """Its text; where a line may not break is no matter."""
        return self.one(css).get_attribute("textContent").replace("\N{NO-BREAK SPACE}", " ")

    def press(self, *names):
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        for name in names:
            ActionChains(self.browser).send_keys(getattr(Keys, name)).perform()

    def point(self, css):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.browser).move_to_element(self.one(css)).perform()

    @property
    def step(self):
        return int(self.one("#player").get_attribute("data-step"))

    @property
    def phase(self):
        return self.one("#player").get_attribute("data-phase")

    @property
    def count(self):
        return self.run("return player.steps.length")

    def go(self, step):
        self.run("player.go(arguments[0])", step)

    def step_of(self, phase, name):
        """Number of the step at which a node is computed or swept."""
        return self.run(
            "return player.steps.findIndex((s) => s.phase === arguments[0]"
            " && player.data.names[s.node] === arguments[1])",
            phase,
            name,
        )

    def line(self, k):
        """Value and adjoint of an entry in the list of the tape."""
        found = self.one(f".line[data-node='{k}']")
        return tuple(found.find_element(self._css, f".{x}").text for x in ("value", "adjoint"))

    def set(self, css, value):
        """Put a value into a field as typing does."""
        self.run(
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
            self.one(css),
            str(value),
        )

    def problems(self):
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture
def opened(browser, window, tmp_path):
    """Open the page of a function; afterwards nothing may stand in the browser's log."""
    pages = []

    def open_page(f, *args, **told):
        file = player(f, *args, path=tmp_path / "page.html", **told)
        browser.get_log("browser")  # forget what came before
        browser.get(file.as_uri())
        pages.append(Page(browser))
        return pages[-1]

    yield open_page
    assert [page.problems() for page in pages] == [[] for _ in pages]


def number(text):
    return float(text.replace("−", "-").replace("∞", "inf"))


# ---------------------------------------------------------------------------------------- controls


def test_the_arrow_keys_step_and_home_and_end_jump(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    assert (page.step, page.phase) == (0, "inputs")
    page.press("ARROW_RIGHT", "ARROW_RIGHT")
    assert (page.step, page.phase) == (2, "forward")
    page.press("ARROW_LEFT")
    assert page.step == 1
    page.press("END")
    assert (page.step, page.phase) == (page.count - 1, "done")
    page.press("ARROW_RIGHT")
    assert page.step == page.count - 1
    page.press("HOME", "ARROW_LEFT")
    assert page.step == 0


def test_the_buttons_step_and_are_off_at_the_ends(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    assert not page.one(".first").is_enabled()
    assert not page.one(".previous").is_enabled()
    page.one(".next").click()
    page.one(".next").click()
    page.one(".previous").click()
    assert page.step == 1
    page.one(".last").click()
    assert page.step == page.count - 1
    assert not page.one(".next").is_enabled()
    page.one(".first").click()
    assert page.step == 0


def test_the_slider_goes_to_any_step_and_says_which(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    page.set(".steps", 3)
    assert page.step == 3
    assert page.one(".steps").get_attribute("aria-valuetext") == "step 4 of 11, forward, h"
    assert page.text(".counter") == "4 / 11"


def test_the_space_bar_plays_and_stops_and_it_stops_at_the_end(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    page.press("SPACE")
    assert page.one(".play").get_attribute("aria-label") == "Pause"
    page.press("SPACE")
    assert page.one(".play").get_attribute("aria-label") == "Play"
    page.go(page.count - 2)
    page.one(".play").click()
    deadline = time.monotonic() + 10
    while page.phase != "done" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert page.phase == "done"
    assert page.one(".play").get_attribute("aria-label") == "Play"


def test_keys_in_a_field_do_not_step(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    page.one(".field").click()
    page.press("ARROW_LEFT", "HOME", "END", "ARROW_RIGHT")
    assert page.step == 0


def test_a_click_on_a_node_or_a_line_goes_to_its_step(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    h = page.run("return player.data.names.indexOf('h')")
    page.one(f".line[data-node='{h}'] button").click()
    assert page.step == page.step_of("forward", "h")
    page.go(page.count - 1)
    page.one(f".node[data-node='{h}']").click()
    assert page.step == page.step_of("backward", "h")


# ----------------------------------------------------------------------------------------- numbers


def test_the_step_of_the_square_shows_the_rule_the_numbers_and_what_is_passed_on(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    page.go(page.step_of("backward", "o"))
    assert page.text(".passed .local") == "∂o∂h=2⋅h=2⋅12=24"
    assert page.text(".passed .times") == "times upstream 1 → 24 to h"
    assert page.run("return document.querySelector('.local math mfrac') instanceof MathMLElement")


def test_the_paths_of_a_diamond_are_summed(opened):
    x = 1.5
    page = opened(diamond, x)
    page.go(page.step_of("backward", "a"))
    assert "all 3 paths are summed" in page.text(".sum h3")
    total = page.text(".sum .equation").rpartition("=")[2]
    expected = np.cos(x) * x * x + 2 * x * np.sin(x)
    np.testing.assert_allclose(number(total), expected, rtol=1e-8)
    page.go(page.step_of("backward", "b"))
    assert "2 of 3 paths so far" in page.text(".sum h3")


@pytest.mark.parametrize(
    ("f", "args"), [(circuit, (3.0, 2.0, 1.0)), (diamond, (1.5,))], ids=["circuit", "diamond"]
)
def test_values_and_adjoints_are_those_of_the_tape(opened, f, args):
    traced = wg.trace(f, *args)
    graph = graph_of(traced)
    page = opened(traced)
    page.press("END")
    for node in graph.nodes:
        if node.index is None:
            continue
        value, adjoint = page.line(node.id)
        np.testing.assert_allclose(number(value), node.value, rtol=1e-5)
        np.testing.assert_allclose(number(adjoint), node.adjoint, rtol=1e-5)
        box = page.one(f".node[data-node='{node.id}']")
        np.testing.assert_allclose(
            number(box.find_element("css selector", ".value").text), node.value, rtol=1e-5
        )
    gradient = wg.grad(f, tuple(range(len(args))))(*args)
    shown = [number(x.text) for x in page.all(".results .adjoint")]
    np.testing.assert_allclose(shown, gradient, rtol=1e-9)


def test_nothing_is_shown_before_it_is_computed(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    h, o = (page.run("return player.data.names.indexOf(arguments[0])", name) for name in "ho")
    page.go(page.step_of("forward", "h"))
    assert page.line(h) == ("12", "")
    assert page.line(o) == ("", "")
    page.go(page.step_of("backward", "o"))
    assert page.line(h) == ("12", "24")
    assert page.line(0) == ("3", "")


def test_a_network_of_arrays_shows_rules_in_words_and_shapes(opened):
    rng = np.random.default_rng(0)
    parameters = [(rng.normal(size=(3, 4)), np.zeros(4)), (rng.normal(size=(4, 2)), np.zeros(2))]
    page = opened(network, parameters, rng.normal(size=(5, 3)))
    steps = page.count
    for step in range(steps):
        page.go(step)
    at = page.run(
        "return player.steps.findIndex((s) => s.phase === 'backward'"
        " && player.data.table[player.data.operations[s.node]].name === 'matmul')"
    )
    page.go(at)
    assert "adjoint @" in page.text(".passed")
    assert "float64[5, 2]" in page.text(".panel")
    assert "single real number" in page.text(".nudge .why")


# ----------------------------------------------------------------------------- what depends on what


@pytest.mark.parametrize("how", ["pointer", "focus"])
def test_a_node_lights_up_what_it_depends_on_and_what_it_influences(opened, how):
    page = opened(circuit, 3.0, 2.0, 1.0)
    names = page.run("return player.data.names")
    css = f".node[data-node='{names.index('h1')}']"
    if how == "pointer":
        page.point(css)
    else:
        page.run("arguments[0].focus()", page.one(css))
    lit = {
        kind: {names[int(x.get_attribute("data-node"))] for x in page.all(f".node.{kind}")}
        for kind in ("before", "after", "dim")
    }
    assert lit["before"] == {"x", "y"}
    assert lit["after"] == {"h", "o"}
    assert lit["dim"] == {"z", "h2", "2"}
    assert page.text(".relation") == "h1 depends on x, y; it influences h, o."


@pytest.mark.parametrize("key", ["ENTER", "SPACE"])
def test_a_node_that_has_the_focus_is_gone_to_by_keys_and_keeps_the_focus(opened, key):
    page = opened(circuit, 3.0, 2.0, 1.0)
    h = page.run("return player.data.names.indexOf('h')")
    page.run("arguments[0].focus()", page.one(f".node[data-node='{h}']"))
    page.press(key)
    assert page.step == page.step_of("forward", "h")
    assert page.one(".play").get_attribute("aria-label") == "Play"
    assert page.run("return document.activeElement.dataset.node") == str(h)
    page.press("ARROW_RIGHT")
    assert page.step == page.step_of("forward", "o")


def test_texts_stay_in_their_boxes_and_labels_on_their_wires(opened):
    names = {"short": 2.0, "a_much_longer_name": 3.0, "WWWWWWWWWWWWWW": -1.234567e-11}
    page = opened(lambda p: p["short"] * p["a_much_longer_name"] * p["WWWWWWWWWWWWWW"], names)
    page.press("END")
    outside = page.run(
        """const outside = [];
        for (const box of document.querySelectorAll(".node")) {
          const frame = box.querySelector("rect").getBoundingClientRect();
          for (const text of box.querySelectorAll(".name, .operation")) {
            const { left, right } = text.getBoundingClientRect();
            if (left < frame.left || right > frame.right) outside.push(text.textContent);
          }
          for (const text of box.querySelectorAll(".value, .adjoint")) {
            const { width } = text.getBoundingClientRect();
            if (width / player.scale > TRUNK) outside.push(text.textContent);
          }
        }
        return outside;"""
    )
    assert outside == []


# ----------------------------------------------------------------------------------------- nudging


def test_a_nudge_says_how_much_the_target_moves(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    moved = circuit(3.01, 2.0, 1.0) - circuit(3.0, 2.0, 1.0)
    effect = page.text(".rows .row .effect")
    assert effect == (
        f"A nudge of 0.01 in x moves o by {moved:.4g}; its derivative promises 96 × 0.01 = 0.96."
    )
    page.set(".size", 0.001)
    assert "promises 96 × 0.001 = 0.096" in page.text(".rows .row .effect")
    page.set(".size", 0)
    assert page.text(".rows .row .effect") == "Choose a nudge other than 0."


def test_other_inputs_run_the_tape_again(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    page.press("END")
    page.set(".field", "4")
    value, gradient = wg.value_and_grad(circuit, (0, 1, 2))(4.0, 2.0, 1.0)
    o = page.run("return player.data.target")
    np.testing.assert_allclose(number(page.line(o)[0]), value, rtol=1e-5)
    shown = [number(x.text) for x in page.all(".results .adjoint")]
    np.testing.assert_allclose(shown, gradient, rtol=1e-9)
    assert "256" in page.text(".live")
    page.one(".reset").click()
    assert page.line(o)[0] == "144"
    assert not page.one(".reset").is_enabled()


def test_the_slider_and_the_button_of_an_input_nudge_it(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    page.set(".slide", 2.5)
    assert page.run("return player.valueOf(0)") == pytest.approx(2.5, abs=0.05)
    page.one(".reset").click()
    page.one(".up").click()
    assert page.run("return player.valueOf(0)") == pytest.approx(3.01)
    assert page.one(".field").get_attribute("value") == "3.01"


def test_what_is_no_number_changes_nothing(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    page.set(".field", "")
    page.one(".field").send_keys("e-")  # the beginning of a number, as it is typed
    assert page.run("return player.changed.size") == 0


def test_of_many_inputs_one_is_chosen(opened):
    page = opened(lambda *xs: sum(x * x for x in xs), *[float(k) for k in range(1, 21)])
    assert len(page.all(".rows .row")) == 1
    from selenium.webdriver.support.ui import Select

    Select(page.one(".choice")).select_by_index(16)
    assert "promises 34 × 0.01" in page.text(".effect")


# ----------------------------------------------------------------------------------------- reading


def test_each_step_is_said_and_every_control_has_a_name(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    live = page.one(".live")
    assert live.get_attribute("aria-live") == "polite"
    page.go(page.step_of("backward", "h1"))
    assert live.get_attribute("textContent") == "Adjoint of h1: 48. To x: 96. To y: 144."
    unnamed = page.run(
        """const controls = document.querySelectorAll("button, input, select, [tabindex='0']");
        const isNamed = (x) =>
          x.getAttribute("aria-label") || x.textContent.trim() || x.labels?.length;
        return [...controls].filter((x) => !isNamed(x)).length"""
    )
    assert unnamed == 0
    assert page.run("return document.documentElement.lang") == "en"


def test_everything_is_reached_with_tab_alone(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    reached = set()
    for _ in range(60):
        page.press("TAB")
        reached.add(page.run("return document.activeElement.getAttribute('class')?.split(' ')[0]"))
    assert {"play", "next", "steps", "node", "what", "size", "field", "slide", "up"} <= reached


def contrast(page, css):
    """Contrast of text with what is behind it, after WCAG 2."""
    colours = page.run(
        """let element = arguments[0];
        const ink = getComputedStyle(element).color;
        let paper = "rgba(0, 0, 0, 0)";
        for (; element && paper === "rgba(0, 0, 0, 0)"; element = element.parentElement) {
          paper = getComputedStyle(element).backgroundColor;
        }
        return [ink, paper].map((x) => x.match(/[0-9.]+/g).slice(0, 3).map(Number));""",
        page.one(css),
    )

    def luminance(colour):
        parts = np.array(colour) / 255
        linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted(map(luminance, colours))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_enough_contrast_in_both_themes(opened, window, dark):
    window(dark=dark)
    page = opened(circuit, 3.0, 2.0, 1.0)
    page.go(page.step_of("backward", "h1"))
    for css in ("h1", ".summary", ".phase", ".times .adjoint", ".line .adjoint", ".source", ".key"):
        assert contrast(page, css) >= 4.5, css
    background = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (not dark)


@pytest.mark.parametrize("width", [320, 390, 760, 1280])
def test_no_page_is_wider_than_its_window(opened, window, width):
    window(width=width, height=800)
    page = opened(circuit, 3.0, 2.0, 1.0)
    for step in range(page.count):
        page.go(step)
        assert page.run("return document.documentElement.scrollWidth") <= width


# -------------------------------------------------------------------------------------------- size


def test_a_tape_of_five_thousand_entries_stays_quick(opened, browser):
    page = opened(pendulum, 1.0, 0.0)
    assert page.run("return player.data.names.length") >= 5000
    assert len(page.all(".line")) < 60
    assert len(page.all(".node")) < 60
    seconds = page.run(
        """const start = performance.now();
        for (let step = 0; step < player.steps.length; step += 500) player.go(step);
        player.set(0, 1.1);
        return (performance.now() - start) / 1000;"""
    )
    assert seconds < 5  # some 0.5 s where nothing else runs
    page.press("END")
    by_x = wg.grad(pendulum)(1.1, 0.0)
    np.testing.assert_allclose(number(page.all(".results .adjoint")[0].text), by_x, rtol=1e-8)
    page.run("player.list.scrollTop = 3000 * 32")
    page.browser.execute_async_script("setTimeout(arguments[0], 200)")
    assert page.one(".line[data-node='3000']").is_displayed()


# ------------------------------------------------------------------------------------ hostile names

HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='hacked=1'>\"'`&\u2028\u2029<!--"
)


def test_hostile_names_are_shown_as_they_are_and_do_nothing(opened):
    page = opened(
        lambda p: p[HOSTILE] * p["y"] + p[HOSTILE], {HOSTILE: 2.0, "y": 3.0}, title=HOSTILE
    )
    for step in range(page.count):
        page.go(step)
    assert page.run("return window.hacked") is None
    assert page.all("img") == []
    assert page.run("return player.data.title") == HOSTILE
    assert page.text("h1") == HOSTILE
    assert page.run("return document.title").split() == HOSTILE.split()
    # A key of a dictionary stands in a name as Python writes it.
    assert f"p[{HOSTILE!r}]" in page.run("return player.data.names")


def test_the_page_asks_the_network_for_nothing(opened):
    page = opened(circuit, 3.0, 2.0, 1.0)
    assert page.run("return performance.getEntriesByType('resource').length") == 0


def test_the_page_is_the_same_for_nodes_of_the_article(opened):
    t = wg.Tape()
    x, y, z = wg.ConstantNode(3, t), wg.ConstantNode(2, t), wg.ConstantNode(1, t)
    h = wg.Multiply(wg.Multiply(x, y, t), wg.Multiply(y, z, t), t)
    wg.Square(h, t)
    t.forward()
    t.backward()
    page = opened(t)
    page.press("END")
    assert [number(found.text) for found in page.all(".results .adjoint")] == [96, 288, 288]
    assert page.all(".why") == []


def test_a_page_is_one_file(tmp_path):
    page = page_of(graph_of(circuit, 3.0, 2.0, 1.0))
    assert "http-equiv" in page
    for fetched in ("src=", '<link rel="stylesheet', "@import", "url(", "fetch(", "XMLHttpRequest"):
        assert fetched not in page.replace("default-src", "")
    assert Path(player(circuit, 3.0, 2.0, 1.0, path=tmp_path / "a.html")).stat().st_size < 150_000
