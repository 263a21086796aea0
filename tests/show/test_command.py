"""What `wengert explain` writes besides its table: pictures, pages, source."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from wengert.cli import app


def run(*args):
    return CliRunner().invoke(app, ["explain", *args])


@pytest.mark.parametrize("name", ["circuit.svg", "circuit.png", "circuit.pdf", "circuit.dot"])
def test_draw_writes_a_picture_beside_the_table(tmp_path, name):
    path = tmp_path / name
    result = run("((x*y)*(y*z))**2", "x=3", "y=2", "z=1", "--draw", str(path))
    assert result.exit_code == 0, result.output
    assert "288" in result.stdout
    assert f"wrote {path}" in result.stderr
    assert path.stat().st_size > 500


def test_player_writes_a_page(tmp_path):
    path = tmp_path / "circuit.html"
    result = run("sin(x*y)", "x=3", "y=2", "--player", str(path), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["entries"]  # what was written is said elsewhere
    assert "<html" in path.read_text(encoding="utf-8")


def test_source_is_numpy_code_that_runs_and_gives_value_and_gradient():
    result = run("sin(x*y) + y", "x=3", "y=2", "--source")
    assert result.exit_code == 0, result.output
    names = {}
    exec(result.output, names)
    value, by_x, by_y = names["value_and_grad"](0.7, 0.4)
    assert value == np.sin(0.7 * 0.4) + 0.4
    assert (by_x, by_y) == (0.4 * np.cos(0.7 * 0.4), 0.7 * np.cos(0.7 * 0.4) + 1.0)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("circuit.jpg", "a picture is written as .svg, .png"),
        ("none/circuit.svg", "cannot be written"),
    ],
)
def test_a_picture_that_cannot_be_written_is_a_sentence(tmp_path, path, message):
    result = run("x**2", "x=3", "--draw", str(tmp_path / path))
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
