"""Sphinx configuration. The build runs offline, and a warning is an error (`make docs`)."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "Wengert"
author = "Wengert developers"
project_copyright = "2026, Wengert developers"
release = version = installed_version("wengert")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "matplotlib.sphinxext.plot_directive",
    "pictures",
    "reference",
]
nitpicky = False
exclude_patterns = ["_ext"]

myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the Parameters sections say more: shapes and dtypes
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
# Docstrings of everything in the reference: each section there, each parameter described.
numpydoc_validation_checks = {"GL03", "GL06", "GL07", "GL08", "GL10", "PR01", "PR02", "PR03"}
# Public functions only: methods and errors may say it in a line. The last refers to `grad`.
numpydoc_validation_exclude = {r"^(?!wengert\.[a-z_]+$)", r"^wengert\.value_and_grad$"}

plot_formats = [("png", 144)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = False
plot_basedir = str(Path(__file__).parents[1] / "examples")
plot_working_directory = str(Path(__file__).parents[1])  # examples write their pictures to out/

html_theme = "furo"
html_title = "Wengert"
