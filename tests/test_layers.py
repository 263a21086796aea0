"""The form of the source tree: layers, sizes and names, as CONTRIBUTING.md gives them.

The files are parsed, never imported, so that an import inside a function body counts as well.
"""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "wengert"
FILES = sorted(SOURCE.rglob("*.py"))

# A file imports from lower layers and from its own folder. What is not named here is layer 5.
LAYERS = {
    "tree": 0, "errors": 0, "threads": 0,
    "primitives": 1,
    "tape": 2,
    "compile": 3,
    "transforms": 4,
}  # fmt: skip
TOP = 5

# A new name of this kind would gather what belongs to a subject.
VAGUE = {"utils", "util", "helpers", "misc", "common", "manager", "managers"}


def module_name(path, source=SOURCE):
    """Dotted name below the package: ``primitives.linalg``; the package's own file is ``""``."""
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def layer(module):
    return LAYERS.get(module.split(".")[0], TOP)


def imported_modules(text, module, is_package):
    """Names below ``wengert`` that the source text of `module` imports, with their lines."""
    package = module if is_package else module.rpartition(".")[0]
    for statement in ast.walk(ast.parse(text)):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                if alias.name.split(".")[0] == "wengert":
                    yield alias.name.partition(".")[2], statement.lineno
        elif isinstance(statement, ast.ImportFrom):
            base = imported_base(statement, package)
            if base is not None:
                for alias in statement.names:
                    yield ".".join(filter(None, [base, alias.name])), statement.lineno


def imported_base(statement, package):
    """The module of a ``from`` statement, below ``wengert``; None if it is another package."""
    if statement.level == 0:
        root, _, rest = statement.module.partition(".")
        return rest if root == "wengert" else None
    parts = package.split(".") if package else []
    parts = parts[: len(parts) - (statement.level - 1)]
    return ".".join([*parts, *filter(None, [statement.module])])


def upward_imports(text, module, is_package):
    """``(line, imported)`` for every import from a layer above that of `module`."""
    return [
        (line, imported)
        for imported, line in imported_modules(text, module, is_package)
        if layer(imported) > layer(module)
    ]


def test_the_package_is_found():
    assert SOURCE / "__init__.py" in FILES


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_no_import_goes_to_a_higher_layer(path):
    text = path.read_text(encoding="utf-8")
    assert upward_imports(text, module_name(path), path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "is_package", "statement"),
    [
        ("primitives.linalg", False, "from wengert.tape.array import Array"),
        ("primitives.linalg", False, "from ..tape import array"),
        ("primitives.linalg", False, "from .. import tape"),
        ("primitives", True, "from ..tape import array"),
        ("tape.sweep", False, "import wengert.transforms.grad"),
        ("tape.sweep", False, "def f():\n    from wengert.show import text"),
        ("transforms.grad", False, "from wengert import check"),
        ("errors", False, "import wengert.primitives.family as family"),
    ],
)
def test_an_upward_import_is_found_however_it_is_written(module, is_package, statement):
    assert len(upward_imports(statement, module, is_package)) == 1


@pytest.mark.parametrize(
    ("module", "is_package", "statement"),
    [
        ("primitives.linalg", False, "from .family import general"),
        ("primitives", True, "from . import family"),
        ("tape.array", False, "from ..primitives.registry import REGISTRY"),
        ("transforms.grad", False, "import numpy as np\nfrom wengert import errors"),
        ("cli", False, "from wengert.show.text import explain"),
    ],
)
def test_an_import_from_below_or_beside_is_allowed(module, is_package, statement):
    assert upward_imports(statement, module, is_package) == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_file_has_at_most_600_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600


def test_the_tables_of_primitives_have_at_most_120_columns():
    # Ruff holds the bound of 100 everywhere else.
    wide = [
        f"{path.name}:{number}"
        for path in (SOURCE / "primitives").glob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120
    ]
    assert wide == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_file_is_named_after_its_subject(path):
    assert VAGUE.isdisjoint(module_name(path).split("."))


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_file_starts_with_a_docstring_of_at_most_ten_lines(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{path} has no docstring"
    assert len(docstring.splitlines()) <= 10
