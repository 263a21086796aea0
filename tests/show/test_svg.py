"""SVG, DOT, PNG and PDF: names of users that would break out, themes, and files."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import wengert as wg
from wengert.errors import (
    ArgumentError,
    MissingExtraError,
    OutputPathError,
    PictureError,
    TapeSizeError,
)
from wengert.show.dot import quoted
from wengert.show.picture import WRITERS, draw
from wengert.show.svg import escaped
from wengert.show.themes import LINES, SHAPES, TEXTS, THEMES
from wengert.tape.scopes import scope

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    '"><script>alert(1)</script>',
    "]]>",
    "--> <!--",
    "' onload='alert(1)",
    "a\nb\r\tc",
    "\u202eevil\u202c\u2066",
    "\x00\x07\ud800",
    "</title></svg><svg onload=alert(1)>",
    '\\" ]; n0 -> n1 [label="',
    "&lt;&amp;",
    "日本語 αβγ",
]


def hostile_picture(name, **options):
    tape = wg.Tape()
    with scope(name):
        x = wg.ConstantNode(3.0, tape, name=name)
        y = wg.Multiply(x, x, tape, name=f"{name}!")
        wg.Square(y, tape)
    tape.forward()
    tape.backward()
    return draw(tape, **options)


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text_in_svg(name, theme):
    text = hostile_picture(name, theme=theme).svg()
    root = ElementTree.fromstring(text)  # well-formed
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "path", "polygon", "text"}
    attributes = {key for element in root.iter() for key in element.attrib}
    assert not any(key.startswith("on") or "href" in key for key in attributes)
    assert "<script" not in text
    # Neither what turns the direction of writing nor what no text may hold.
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\ud800-\udfff]", text)
    text.encode("utf-8")


def test_names_are_readable_in_svg():
    shown = {
        e.text for e in ElementTree.fromstring(hostile_picture("<&>").svg()).iter(f"{SVG}text")
    }
    assert "<&>" in shown


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_strings_in_dot(name):
    text = hostile_picture(name).dot()
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    assert '"' not in plain.replace('""', "")
    assert "alert" not in plain
    assert re.fullmatch(r"[\w\s{}\[\]=,;>.#-]*", plain.replace('""', ""))
    text.encode("utf-8")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_drawn_by_matplotlib(name):
    assert hostile_picture(name).png(1.0).startswith(b"\x89PNG")


def test_dollar_signs_are_no_formulas_for_matplotlib():
    assert hostile_picture("$x_1").png(1.0).startswith(b"\x89PNG")


def test_escaping():
    assert escaped("<a href='x'>&\"") == "&lt;a href=&#39;x&#39;&gt;&amp;&quot;"
    assert quoted('a"b\\c\nd') == '"a\\"b\\\\c\\nd"'


def test_every_role_has_a_colour_in_every_theme():
    light, dark = THEMES["light"], THEMES["dark"]
    assert light.keys() == dark.keys()
    used = {*(c for pair in SHAPES.values() for c in pair), *TEXTS.values(), *LINES.values()}
    assert used <= light.keys()


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("background", ["paper", "frame"])
@pytest.mark.parametrize("ink", ["value", "name", "adjoint", "warning"])
def test_texts_have_contrast(theme, background, ink):
    # WCAG 2.1, 1.4.3: at least 4.5 : 1.
    bright, dim = sorted(
        (luminance(THEMES[theme][ink]), luminance(THEMES[theme][background])), reverse=True
    )
    assert (bright + 0.05) / (dim + 0.05) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_is_in_the_attributes(theme):
    text = hostile_picture("x", theme=theme).svg()
    assert THEMES[theme]["paper"] in text
    assert "<style>" not in text


def test_the_theme_auto_follows_the_reader_and_keeps_to_its_own_picture():
    one, two = hostile_picture("one").svg(), hostile_picture("two").svg()
    (first,) = re.findall(r'<svg [^>]*id="([\w-]+)"', one)
    (second,) = re.findall(r'<svg [^>]*id="([\w-]+)"', two)
    assert first != second
    assert "prefers-color-scheme: dark" in one
    rules = re.findall(r"^#(\S+)", one, re.M)
    assert set(rules) == {first}


def test_an_unknown_theme_is_an_error():
    with pytest.raises(ArgumentError, match=r"'blue'.*auto"):
        draw(np.sin, 1.0, theme="blue")


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_picture_is_saved_by_its_suffix(suffix, tmp_path):
    path = hostile_picture("x").save(tmp_path / f"circuit{suffix.upper()}")
    starts = {".svg": b"<svg", ".png": b"\x89PNG", ".pdf": b"%PDF", ".dot": b"digraph"}
    assert path.read_bytes().startswith(starts.get(suffix, b"digraph"))


def test_png_has_the_size_asked_for():
    picture = hostile_picture("x")
    width = int.from_bytes(picture.png(2.0)[16:20], "big")
    assert width == pytest.approx(2 * picture.scene.width, abs=2)


def test_an_unknown_suffix_names_those_that_are_known(tmp_path):
    with pytest.raises(PictureError, match=r"\.jpg(.|\n)*\.svg, \.png, \.pdf"):
        hostile_picture("x").save(tmp_path / "circuit.jpg")


def test_a_path_that_cannot_be_written_is_an_error_that_says_so(tmp_path):
    with pytest.raises(OutputPathError, match=r"missing"):
        hostile_picture("x").save(tmp_path / "missing" / "circuit.svg")
    with pytest.raises(OutputPathError):
        hostile_picture("x").save(tmp_path / "nul\0l.svg")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"wengert\[plot\]"):
        hostile_picture("x").png()
    assert hostile_picture("x").svg()


def test_without_a_display_show_says_what_to_do(monkeypatch):
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    with pytest.raises(PictureError, match=r"display(.|\n)*save"):
        hostile_picture("x").show()


def test_show_opens_a_page_that_holds_the_picture(monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    hostile_picture("x").show()
    page = Path(opened[0].removeprefix("file://"))
    assert "<svg" in page.read_text(encoding="utf-8")
    page.unlink()


def test_notebooks_show_the_picture():
    picture = hostile_picture("x")
    assert picture._repr_svg_() == picture.svg()
    assert picture.svg() in picture._repr_html_()


def test_notebooks_show_tapes_as_pictures():
    assert wg.trace(np.sin, 1.0)._repr_svg_().startswith("<svg")
    assert wg.Tape()._repr_svg_().startswith("<svg")


def test_notebooks_show_the_words_of_a_tape_that_is_too_large():
    lines = "\n".join(f"    x = np.sin(x) + {k}.5" for k in range(1300))
    names = {"np": np}
    exec(f"def f(x):\n{lines}\n    return x\n", names)
    assert wg.trace(names["f"], 1.0)._repr_svg_() is None


def test_a_tape_that_cannot_be_folded_is_refused_with_its_size():
    lines = "\n".join(f"    x = np.sin(x) + {k}.5" for k in range(1300))
    names = {"np": np}
    exec(f"def f(x):\n{lines}\n    return x\n", names)
    with pytest.raises(TapeSizeError, match=r"3,901 entries(.|\n)*2,500(.|\n)*wg\.scope"):
        draw(names["f"], 1.0)


def test_a_loop_drawn_in_full_is_refused_and_says_how_to_fold_it():
    def f(x):
        for _ in range(3000):
            x = np.sin(x)
        return x

    with pytest.raises(TapeSizeError, match="Leave out fold=False"):
        draw(f, 1.0, fold=False)
    assert draw(f, 1.0).view.root.size < 10


@pytest.mark.parametrize("fold", ["layer1", 2.5, None])
def test_a_fold_that_is_none_is_an_error(fold):
    with pytest.raises(ArgumentError, match="fold="):
        draw(np.sin, 1.0, fold=fold)
