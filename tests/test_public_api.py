"""What every public name owes its user: annotations, a docstring, an example that runs."""

import inspect

import pytest

import wengert as wg

NAMES = [name for name in wg.__all__ if name != "__version__"]
FUNCTIONS = [name for name in NAMES if inspect.isfunction(getattr(wg, name))]
CLASSES = [name for name in NAMES if inspect.isclass(getattr(wg, name))]


def public_methods(cls):
    """Functions and properties that the class itself defines under a public name."""
    for name, member in vars(cls).items():
        function = getattr(member, "__func__", getattr(member, "fget", member))
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function


def lacking_annotations(function):
    signature = inspect.signature(function)
    lacking = [
        name
        for name, parameter in signature.parameters.items()
        if parameter.annotation is parameter.empty and name not in ("self", "cls")
    ]
    return lacking + ["return"] * (signature.return_annotation is signature.empty)


def test_every_public_name_is_there():
    assert [name for name in wg.__all__ if not hasattr(wg, name)] == []
    assert len(set(wg.__all__)) == len(wg.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_is_fully_annotated(name):
    assert lacking_annotations(getattr(wg, name)) == []


@pytest.mark.parametrize("name", CLASSES)
def test_the_methods_of_a_public_class_are_fully_annotated(name):
    lacking = {method: lacking_annotations(f) for method, f in public_methods(getattr(wg, name))}
    assert {method: names for method, names in lacking.items() if names} == {}


@pytest.mark.parametrize("name", FUNCTIONS + CLASSES)
def test_a_public_name_has_a_docstring(name):
    assert inspect.getdoc(getattr(wg, name))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_docstring_of_a_public_function_has_an_example(name):
    assert ">>>" in inspect.getdoc(getattr(wg, name))
