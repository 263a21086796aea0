"""Wrong arguments of `draw` are refused in a sentence; what was recorded is let go of."""

import gc
import weakref

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ArgumentError, PictureError


def f(x, y):
    with wg.scope("product"):
        z = x * y
    return np.sin(z)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": ["produkt"]}, r"names 'produkt'(.|\n)*There are .*product"),
        ({"fold": -3}, "fold=-3"),
        ({"fold": 2.5}, "fold=2.5"),
        ({"widest": 0}, "widest=0"),
        ({"widest": "wide"}, "widest='wide'"),
        ({"widest": float("nan")}, "widest=nan"),
        ({"parameters": "x"}, r"parameters=\('x',\)"),
        ({"parameters": ("q",)}, r"'q'(.|\n)*Its inputs are x, y"),
        ({"shades": [0.5]}, r"profile\.shares\(\)"),
        ({"theme": "blue"}, "'auto', 'light' and 'dark'"),
    ],
)
def test_a_wrong_option_of_draw_is_named(options, message):
    with pytest.raises(ArgumentError, match=message):
        wg.draw(f, 3.0, 2.0, **options)


def test_parameters_may_name_an_argument_or_an_array_in_it():
    def g(p, x):
        return p["w"] * x + p["b"]

    for names in (("p",), ("p['w']",), ("x", "p")):
        assert wg.draw(g, {"w": 1.0, "b": 2.0}, 3.0, parameters=names).svg()


@pytest.mark.parametrize("path", ["circuit", "circuit.jpg", ""])
def test_a_path_that_says_no_form_of_a_picture_is_refused(path):
    with pytest.raises(PictureError, match=r"\.svg, \.png, \.pdf, \.dot, \.gv"):
        wg.draw(f, 3.0, 2.0).save(path)


def test_what_is_no_path_is_refused():
    with pytest.raises(ArgumentError, match=r"int \(3\), not a path"):
        wg.draw(f, 3.0, 2.0).save(3)


@pytest.mark.parametrize("view", [wg.explain, wg.profile])
def test_a_prompt_shows_the_table(view):
    shown = view(f, 3.0, 2.0)
    assert repr(shown) == str(shown)


class Held:
    pass


@pytest.mark.parametrize("record", [wg.trace, wg.debug.nan_origin])
def test_locals_of_the_function_are_freed_with_the_recording(record):
    seen = []

    def g(x):
        local = Held()
        seen.append(weakref.ref(local))
        return np.sqrt(x) * 2.0

    gc.disable()
    try:
        found = record(g, 0.0)
        assert found is not None
        assert seen[0]() is None
    finally:
        gc.enable()
