"""The name of a result is the variable that user code stores it in."""

import sys

import pytest

from wengert.tape.columns import Columns, assigned_name, place, stored_name


class Holder:
    """Something with an attribute to store into."""


def here():
    """The place of the caller, as an operation records it."""
    frame = sys._getframe(1)
    return assigned_name(frame.f_code, frame.f_lasti)


also_here = here


def test_a_plain_assignment_names_its_value():
    value = here()
    assert value == "value"


def test_each_value_of_a_tuple_has_its_own_name():
    a, (b, c) = here(), (here(), here())
    assert (a, b, c) == ("a", "b", "c")


def test_attributes_items_walruses_and_annotations_name_their_value():
    holder, items = Holder(), {}
    holder.weight = here()
    items["bias"] = here()
    annotated: str | None = here()
    assert (walrus := here()) == "walrus"
    assert (holder.weight, items["bias"], annotated) == (
        "holder.weight",
        "items['bias']",
        "annotated",
    )
    assert walrus


def test_both_branches_of_a_conditional_are_named():
    for choice in (True, False):
        value = here() if choice else also_here()
        assert value == "value"


def test_the_first_of_several_targets_names_the_value():
    first = second = here()
    assert (first, second) == ("first", "first")


def test_what_is_not_stored_has_no_name():
    assert here() is None
    assert [here() for _ in range(2)] == [None, None]
    items = [None, None]
    items[0:1] = [here()]
    assert items == [None, None]


@pytest.mark.parametrize(
    ("text", "expected"), [("x = here()", "x"), ("here().strip", None), ("x = [here()]", None)]
)
def test_without_source_the_bytecode_is_read(text, expected):
    found = []
    namespace = {"here": lambda: found.append(_stored(sys._getframe(1))) or ""}
    exec(compile(text, "<nowhere>", "exec"), namespace)
    assert found == [expected]


def _stored(frame):
    return stored_name(frame.f_code, frame.f_lasti)


def test_a_place_is_the_innermost_line_of_user_code():
    found = place()
    assert found.line.text == "found = place()"
    assert found.name == "found"


def test_columns_start_empty():
    columns = Columns()
    assert (columns.values, columns.operands, columns.decisions) == ([], [], [])
