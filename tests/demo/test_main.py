"""The whole demo, short; and what a missed bound comes to."""

import io

import pytest
from rich.console import Console

from wengert.demo import main
from wengert.demo.report import Check, Section


@pytest.mark.slow
def test_the_demo_meets_every_bound_and_writes_its_report(tmp_path):
    console = Console(file=io.StringIO(), width=120)
    assert main.run_demo(tmp_path, quick=True, console=console)
    report = (tmp_path / "report.md").read_text()
    for title in ("Circuits", "one neuron", "spirals", "digits", "NIST", "How long it took"):
        assert title in report
    pictures = {file.name for file in (tmp_path / "pictures").iterdir()}
    assert {"spirals.png", "digits.png", "nist_digits.png", "nist_fits.png"} <= pictures
    assert all(f"pictures/{name}" in report for name in pictures)
    drawn = {"circuit", "diamond", "diamond_square", "neuron_tape", "network", "recurrent"}
    drawn |= {"residual", "cholesky"}
    assert {f"{name}.svg" for name in drawn} <= pictures
    assert "(player.html)" in report
    assert (tmp_path / "player.html").read_text().startswith("<!doctype html>")
    assert "MISSED" not in report
    assert "report.html" in console.file.getvalue()


def test_a_missed_bound_is_reported_and_the_demo_fails(tmp_path, monkeypatch):
    missed = Section("Part", [], [Check("accuracy", 0.5, 0.97)])
    monkeypatch.setattr(main, "PARTS", {"part": lambda settings: missed})
    console = Console(file=io.StringIO(), width=120)
    assert not main.run_demo(tmp_path, console=console)
    assert "MISSED" in console.file.getvalue()
    assert "MISSED" in (tmp_path / "report.md").read_text()


def test_without_the_data_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(main, "PARTS", {"part": lambda settings: pytest.fail("a part ran")})
    with pytest.raises(FileNotFoundError, match="--data"):
        main.run_demo(tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()
