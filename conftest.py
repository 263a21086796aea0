"""Examples as tests: code in Markdown files, and the names that docstrings' examples may use."""

import doctest
import os

import numpy as np
import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser

os.environ.setdefault("MPLBACKEND", "agg")  # before any example imports matplotlib

# Sphinx's own files: they need what the documentation needs.
collect_ignore = ["docs/conf.py", "docs/_ext"]

# Every ```python block of a Markdown file runs; a file's blocks share their names, top to bottom.
pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(doctest_optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS),
        SkipParser(),
    ],
    patterns=["README.md", "docs/**/*.md"],
).pytest()


@pytest.fixture(autouse=True)
def names_in_docstrings(request):
    """Give every docstring's example `np` and `wg`, as each of them would import them."""
    if isinstance(request.node, pytest.DoctestItem):
        import wengert as wg

        request.getfixturevalue("doctest_namespace").update(np=np, wg=wg)
