# ruff: noqa: RUF001 (signs of mathematics)
"""The widget in headless Chromium, shown by anywidget's own front end.

A notebook's front end hands anywidget two base classes; a few lines of `BASE` stand for them. All
else is what runs in a notebook: the module that the widget sends, loaded by anywidget, its style,
its views, and their removal.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import wengert as wg

pytestmark = pytest.mark.slow

BASE = """
class Model {
  constructor(state) { this.state = state; this.heard = []; this.initialize(); }
  initialize() {}
  get(name) { return this.state[name]; }
  set(name, value) { this.state[name] = value; this.tell(`change:${name}`); }
  on(name, call, context) { this.heard.push({ name, call, context }); }
  once(name, call) { this.on(name, call); }
  off(name, call, context) {
    const is = (asked, own) => asked == null || asked === own;
    this.heard = this.heard.filter((x) => !(is(name, x.name) && is(call, x.call) && is(context, x.context)));
  }
  tell(name) { for (const x of [...this.heard]) if (x.name === name) x.call(); }
  save_changes() {}
  send() {}
}
class View {
  constructor(model) {
    this.model = model;
    this.el = document.body.appendChild(document.createElement("div"));
    this.el.className = "cell";
    this.$el = { empty: () => this.el.replaceChildren() };
  }
  remove() { this.el.remove(); }
}
const define = (names, make) => {
  const { AnyModel, AnyView } = make({ DOMWidgetModel: Model, DOMWidgetView: View });
  window.models = STATES.map((state) => new AnyModel(state));
  window.views = [];
  window.show = (k) => {
    views.push(new AnyView(models[k]));
    views.at(-1).render();
  };
  models.forEach((_, k) => show(k));
};
"""  # noqa: E501


def circuit(x, y, z):
    h1 = x * y
    h2 = y * z
    h = h1 * h2
    return h**2


def diamond(x):
    a = np.sin(x)
    b = x * x
    return a * b


class Notebook:
    """An open page with widgets, one below another."""

    def __init__(self, browser):
        from selenium.webdriver.common.by import By

        self.browser, self._css = browser, By.CSS_SELECTOR

    def all(self, css, k=0):
        root = self.browser.find_elements(self._css, ".cell")[k]
        return root.find_elements(self._css, css)

    def one(self, css, k=0):
        (found,) = self.all(css, k)
        return found

    def text(self, css, k=0):
        return self.one(css, k).get_attribute("textContent").replace("\N{NO-BREAK SPACE}", " ")

    def run(self, script, *args):
        return self.browser.execute_script(script, *args)

    def wait(self, script):
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.browser, 10).until(lambda browser: browser.execute_script(script))

    def press(self, *names):
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        for name in names:
            ActionChains(self.browser).send_keys(getattr(Keys, name)).perform()

    def set(self, css, value, k=0):
        """Put a value into a field or a slider as typing and dragging do."""
        self.run(
            "arguments[0].value = arguments[1];"
            "arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
            self.one(css, k),
            str(value),
        )

    def step(self, k=0):
        return int(self.one(".wengert-player", k).get_attribute("data-step"))

    def phase(self, k=0):
        return self.one(".wengert-player", k).get_attribute("data-phase")

    def gradient(self, k=0):
        return [number(x.text) for x in self.all(".results .adjoint", k)]


def number(text):
    return float(text.replace("\N{MINUS SIGN}", "-"))


@pytest.fixture
def opened(browser, window, tmp_path):
    """Show widgets as a notebook does; afterwards nothing may stand in the browser's log."""
    anywidget = pytest.importorskip("anywidget", reason="pip install anywidget")
    front_end = Path(anywidget.__file__).parent / "nbextension" / "index.js"
    notebooks = []

    def show(*widgets):
        states = [
            {name: widget.get_state()[name] for name in ("_esm", "_css", "_anywidget_id", "data")}
            for widget in widgets
        ]
        (tmp_path / "base.js").write_text(f"const STATES = {json.dumps(states)};\n{BASE}")
        (tmp_path / "anywidget.js").write_bytes(front_end.read_bytes())
        file = tmp_path / "notebook.html"
        file.write_text(
            "<!doctype html><meta charset='utf-8'><link rel='icon' href='data:,'>"
            "<body style='margin: 0'><p class='summary value'>The notebook's own text.</p>"
            "<script src='base.js'></script><script src='anywidget.js'></script>"
        )
        browser.get_log("browser")  # forget what came before
        browser.get(file.as_uri())
        notebook = Notebook(browser)
        notebook.wait(
            f"return document.querySelectorAll('.wengert-player .next').length === {len(widgets)}"
        )
        notebooks.append(notebook)
        return notebook

    yield show
    # What anywidget says of itself is a warning at most.
    problems = [x for x in browser.get_log("browser") if x["level"] == "SEVERE"]
    assert problems == []


# ---------------------------------------------------------------------------------------- controls


def test_every_control_steps_and_the_numbers_are_those_of_the_tape(opened):
    notebook = opened(wg.widget(circuit, 3.0, 2.0, 1.0, title="A circuit"))
    assert notebook.text("h1") == "A circuit"
    count = len(wg.widget(circuit, 3.0, 2.0, 1.0).data["names"])
    steps = int(notebook.one(".steps").get_attribute("max"))
    assert steps == 2 * 4 + 2
    assert count == 8
    assert not notebook.one(".first").is_enabled()
    notebook.one(".next").click()
    notebook.one(".next").click()
    notebook.one(".previous").click()
    assert (notebook.step(), notebook.phase()) == (1, "forward")
    notebook.set(".steps", 6)
    assert (notebook.step(), notebook.phase()) == (6, "backward")
    assert notebook.text(".passed p.local") == "∂v4∂h=2⋅h=2⋅12=24"
    assert notebook.text(".passed .times") == "times upstream 1 → 24 to h"
    notebook.one(".last").click()
    assert (notebook.step(), notebook.phase()) == (steps, "done")
    assert notebook.gradient() == list(wg.grad(circuit, (0, 1, 2))(3.0, 2.0, 1.0))
    notebook.one(".first").click()
    assert notebook.step() == 0
    notebook.one(".line[data-node='3'] button").click()
    assert notebook.step() == 1
    notebook.one(".node[data-node='4']").click()
    assert notebook.step() == 2


def test_playing_goes_on_and_stops(opened):
    notebook = opened(wg.widget(circuit, 3.0, 2.0, 1.0))
    notebook.one(".play").click()
    assert notebook.one(".play").get_attribute("aria-label") == "Pause"
    notebook.wait("return document.querySelector('.wengert-player').dataset.step > 0")
    notebook.one(".play").click()
    assert notebook.one(".play").get_attribute("aria-label") == "Play"


def test_keys_step_the_widget_that_has_the_focus_and_go_no_further(opened):
    notebook = opened(wg.widget(circuit, 3.0, 2.0, 1.0), wg.widget(diamond, 1.5))
    notebook.run(
        "window.keys = []; document.addEventListener('keydown', (event) => keys.push(event.key))"
    )
    notebook.press("ARROW_RIGHT")
    assert (notebook.step(0), notebook.step(1)) == (0, 0)
    notebook.one("h1", 1).click()
    notebook.press("ARROW_RIGHT", "ARROW_RIGHT", "ARROW_LEFT", "ARROW_DOWN")
    assert (notebook.step(0), notebook.step(1)) == (0, 1)
    notebook.one("h1", 0).click()
    notebook.press("END")
    assert (notebook.phase(0), notebook.step(1)) == ("done", 1)
    notebook.press("HOME", "SPACE")
    assert notebook.one(".play", 0).get_attribute("aria-label") == "Pause"
    assert notebook.one(".play", 1).get_attribute("aria-label") == "Play"
    # Before a widget has the focus, and what it has no use for.
    assert notebook.run("return keys") == ["ArrowRight", "ArrowDown"]
    # JupyterLab looks at keys before the page does, unless it is told not to.
    root = notebook.one(".wengert-player", 0)
    assert root.get_attribute("data-lm-suppress-shortcuts") == "true"


def test_a_nudge_runs_the_tape_again_in_one_widget_alone(opened):
    notebook = opened(wg.widget(circuit, 3.0, 2.0, 1.0), wg.widget(circuit, 3.0, 2.0, 1.0))
    moved = circuit(3.01, 2.0, 1.0) - circuit(3.0, 2.0, 1.0)
    assert notebook.all(".effect")[0].text == (
        f"A nudge of 0.01 in x moves v4 by {moved:.4g}; its derivative promises 96 × 0.01 = 0.96."
    )
    for k in (0, 1):
        notebook.one(".last", k).click()
    notebook.set(".field[data-input='0']", 4)
    expected = wg.grad(circuit, (0, 1, 2))(4.0, 2.0, 1.0)
    np.testing.assert_allclose(notebook.gradient(0), expected, rtol=1e-9)
    assert notebook.gradient(1) == [96.0, 288.0, 288.0]
    notebook.set(".size", 0.001)
    assert "× 0.001 =" in notebook.all(".effect")[0].text.replace("\N{NO-BREAK SPACE}", " ")
    notebook.one(".reset").click()
    notebook.one(".up[data-input='0']").click()
    assert float(notebook.one(".field[data-input='0']").get_attribute("value")) == 3.001
    notebook.set(".slide[data-input='1']", 2.5)
    assert float(notebook.one(".field[data-input='1']").get_attribute("value")) == 2.5


def test_two_widgets_share_nothing(opened):
    notebook = opened(wg.widget(circuit, 3.0, 2.0, 1.0), wg.widget(diamond, 1.5))
    ids = notebook.run("return [...document.querySelectorAll('.cell [id]')].map((x) => x.id)")
    assert len(ids) == len(set(ids))
    notebook.one(".last", 1).click()
    assert notebook.step(0) == 0
    np.testing.assert_allclose(notebook.gradient(1), [wg.grad(diamond)(1.5)], rtol=1e-9)
    # Nor does the program leave a name in the page.
    assert notebook.run("return [typeof mountPlayer, typeof Player]") == ["undefined"] * 2


# ------------------------------------------------------------------------- being shown and removed


def test_a_removed_view_stops_and_another_one_can_be_shown(opened):
    notebook = opened(wg.widget(circuit, 3.0, 2.0, 1.0))
    notebook.run(
        "window.timers = new Set(); const [start, stop] = [setInterval, clearInterval];"
        "window.setInterval = (...x) => { const id = start(...x); timers.add(id); return id; };"
        "window.clearInterval = (id) => { timers.delete(id); stop(id); };"
    )
    notebook.one(".play").click()
    assert notebook.run("return timers.size") == 1
    notebook.run("views[0].remove()")
    notebook.wait(
        "return timers.size === 0 && models[0].heard.every((x) => x.name !== 'change:data')"
    )
    assert notebook.run("return document.querySelectorAll('.wengert-player').length") == 0
    notebook.run("show(0)")
    notebook.wait("return document.querySelectorAll('.wengert-player .next').length === 1")
    assert notebook.step() == 0
    notebook.one(".last").click()
    assert notebook.gradient() == [96.0, 288.0, 288.0]


def test_one_widget_in_two_places_is_stepped_in_each(opened):
    notebook = opened(wg.widget(circuit, 3.0, 2.0, 1.0))
    notebook.run("show(0)")
    notebook.wait("return document.querySelectorAll('.wengert-player .next').length === 2")
    notebook.one(".last", 1).click()
    assert (notebook.phase(0), notebook.phase(1)) == ("inputs", "done")


def test_other_data_is_shown_in_place_of_the_old(opened):
    notebook = opened(wg.widget(circuit, 3.0, 2.0, 1.0))
    notebook.one(".last").click()
    other = wg.widget(diamond, 1.5, title="A diamond").data
    notebook.run("models[0].set('data', arguments[0])", other)
    assert (notebook.text("h1"), notebook.step()) == ("A diamond", 0)
    notebook.one("h1").click()
    notebook.press("END")
    np.testing.assert_allclose(notebook.gradient(), [wg.grad(diamond)(1.5)], rtol=1e-9)


# --------------------------------------------------------------------------------------- the style


def background(notebook, k=0):
    return notebook.one(".wengert-player", k).value_of_css_property("background-color")


LIGHT, DARK = "rgba(255, 255, 255, 1)", "rgba(20, 24, 29, 1)"


@pytest.mark.parametrize("dark", [False, True])
def test_without_a_theme_of_the_notebook_the_reader_s_preference_holds(opened, window, dark):
    window(dark=dark)
    assert background(opened(wg.widget(diamond, 1.5))) == (DARK if dark else LIGHT)


@pytest.mark.parametrize(
    ("attribute", "light", "dark"),
    [
        ("body.dataset.jpThemeLight", "true", "false"),
        ("body.dataset.vscodeThemeKind", "vscode-light", "vscode-dark"),
        ("documentElement.attributes.theme.value", "light", "dark"),
    ],
    ids=["JupyterLab", "VS Code", "Colab"],
)
def test_the_notebook_s_theme_comes_first_and_is_followed(opened, window, attribute, light, dark):
    window(dark=True)
    notebook = opened(wg.widget(diamond, 1.5))
    notebook.run("document.documentElement.setAttribute('theme', '')")
    for name, expected in ((light, LIGHT), (dark, DARK), (light, LIGHT)):
        notebook.run(f"document.{attribute} = arguments[0]", name)
        notebook.wait("return document.querySelector('.wengert-player').dataset.theme !== ''")
        assert background(notebook) == expected


def test_the_widget_s_style_does_not_reach_the_notebook(opened):
    notebook = opened(wg.widget(diamond, 1.5))
    own = notebook.run(
        "return getComputedStyle(document.querySelector('body > .summary')).fontSize"
    )
    inner = notebook.one(".summary").value_of_css_property("font-size")
    assert (own, inner) == ("16px", "14.4px")


@pytest.mark.parametrize("width", [340, 600, 1280])
def test_a_narrow_cell_in_a_wide_window_is_laid_out_as_a_narrow_page(opened, width):
    notebook = opened(wg.widget(circuit, 3.0, 2.0, 1.0))
    notebook.run("document.querySelector('.cell').style.width = arguments[0]", f"{width}px")
    step, tape = notebook.one(".step"), notebook.one(".tape")
    assert (tape.location["y"] > step.location["y"]) is (width < 760)
    root = notebook.one(".wengert-player")
    for at in range(int(notebook.one(".steps").get_attribute("max")) + 1):
        notebook.set(".steps", at)
        assert notebook.run("return arguments[0].scrollWidth", root) <= width
    scale = 1 if width == 1280 else 0.8  # all of it does not fit into 600 either
    notebook.wait(
        "const circuit = document.querySelector('.circuit');"
        "const scale = circuit.getBoundingClientRect().width / circuit.viewBox.baseVal.width;"
        f"return Math.abs(scale - {scale}) < 0.01"
    )
