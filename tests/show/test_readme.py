"""The README's picture is the one that its script draws."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="only in a clone")
def test_the_picture_is_what_the_script_draws():
    script = runpy.run_path(str(ROOT / "docs" / "readme_picture.py"))
    assert script["FILE"].read_text(encoding="utf-8") == script["picture"]() + "\n"
    assert f"docs/{script['FILE'].name}" in (ROOT / "README.md").read_text(encoding="utf-8")
