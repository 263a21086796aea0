"""Stored programs: what comes back is what was saved, and what cannot be saved says so."""

from __future__ import annotations

import json
import pickle
from collections import namedtuple
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.compile.operations import SAMPLES, program_of, traced
from tests.compile.programs import CASES
from tests.compile.stored import assert_same_bits, loss_program, one_op, round_trip, run, text

import wengert as wg
from wengert import tree
from wengert.compile import admission
from wengert.compile.encoding import Layout, decode, encode
from wengert.compile.program import GuardFailed, spec_of
from wengert.compile.store import Stored, from_bytes, load, load_all, save_all, to_bytes
from wengert.errors import ArgumentError, ProgramFormatError, UnsupportedFunctionError
from wengert.primitives.taking import HOLE
from wengert.tape.columns import Constant

# ---------------------------------------------------------------------------------- what comes back


@pytest.mark.parametrize("are_constants", [False, True], ids=["inputs", "constants"])
@pytest.mark.parametrize(("primitive", "sample"), SAMPLES, ids=str)
def test_every_primitive_comes_back(primitive, sample, are_constants):
    program, inputs = program_of(primitive, sample, are_constants)
    found = round_trip(program).program
    assert text(found) == text(program)
    assert_same_bits(run(found, inputs), run(program, inputs))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.function.__name__)
def test_traced_functions_come_back(case):
    for args in case.calls:
        program, inputs, result = traced(case.function, args)
        data = to_bytes([Stored(program, None, result)])
        (found,) = from_bytes(data)
        assert_same_bits(run(found.program, inputs), run(program, inputs))
        assert found.result.structure == result.structure
        assert [g.expected for g in found.program.guards] == [g.expected for g in program.guards]
        assert to_bytes([found]) == data


def test_equal_programs_give_equal_bytes():
    first, second = loss_program(), loss_program()
    assert to_bytes([Stored(first[0])]) == to_bytes([Stored(second[0])])


def test_lines_and_names_come_back_as_text():
    program, _, _ = loss_program()
    found = round_trip(program).program
    assert found.names == program.names
    lines = {op.place.line.text for op in found.ops}
    assert 'hidden = np.tanh(x @ weights["w"] + weights["b"])' in lines
    assert "hidden" in {op.place.name for op in found.ops}
    # The backward sweep bears the line of the call, which operations.py makes.
    files = {op.place.line.filename for op in found.ops}
    assert files <= {"stored.py", "operations.py", "<string>"}
    (guard,) = found.guards
    assert guard.place.line.text == "if total > 1.0:"


def test_without_lines_moved_code_gives_the_same_bytes():
    program, _, _ = loss_program()
    data = to_bytes([Stored(program)], lines=False)
    (found,) = from_bytes(data)
    assert b"stored.py" not in data
    assert found.program.names == ()
    assert all(op.place is None for op in found.program.ops)


def test_each_guard_has_a_place_of_its_own():
    def count(x):
        steps = 0
        while x > 1.0:
            x, steps = x / 2, steps + 1
        return x * steps

    program, _, _ = traced(count, (9.0,))
    found = round_trip(program).program
    assert len(found.guards) == 5
    assert len({id(guard.place) for guard in found.guards}) == 5


def test_guards_hold_after_loading():
    program, inputs, _ = loss_program()
    found = round_trip(program).program
    with pytest.raises(GuardFailed) as failure:
        run(found, [0 * x for x in inputs])
    assert failure.value.guard.expected is True


def test_several_programs_share_arrays_and_stay_apart(tmp_path):
    table = np.arange(1000.0)
    programs = [traced(lambda x, k=k: x[k] * table, (np.ones(3),))[0] for k in range(3)]
    save_all([Stored(p) for p in programs], tmp_path / "three")
    assert [text(s.program) for s in load_all(tmp_path / "three")] == [text(p) for p in programs]
    assert (tmp_path / "three").stat().st_size < 2 * table.nbytes
    with pytest.raises(ProgramFormatError, match="3 programs"):
        load(tmp_path / "three")


def test_trees_of_arguments_and_results_come_back():
    program, inputs, _ = traced(lambda x, y: (x * y, x), (2.0, 3.0))
    leaves, structure = tree.flatten(({"b": [0, None], "a": (0, "mode")}, {}))
    arguments = Layout(structure, (0, Constant("mode"), 1))
    assert len(leaves) == 3
    _, result_structure = tree.flatten([{"s": 0}, (), 0, 0])
    result = Layout(result_structure, (1, Constant(np.arange(2)), 0))
    found = round_trip(program, arguments=arguments, result=result)
    assert found.arguments.fill(["x", "y"]) == ({"a": ("x", "mode"), "b": ["y", None]}, {})
    first, second, third, fourth = found.result.fill(run(found.program, inputs))
    assert first == {"s": 2.0}
    assert second == ()
    assert third.tolist() == [0, 1]
    assert fourth == 6.0


class Params(NamedTuple):
    w: object
    b: object = 0.0


@dataclass
class Model:
    params: Params
    rate: float
    name: str = "mine"

    def __post_init__(self):
        if isinstance(self.rate, int):
            raise TypeError("it is made of what it is meant for only")


def test_named_tuples_and_dataclasses_come_back_as_named_tuples():
    program, inputs, _ = traced(lambda x, y: (x * y, x), (2.0, 3.0))
    _, structure = tree.flatten([Model(Params(1.0, 2.0), 3.0), np.linalg.eigh(np.eye(1))])
    layout = Layout(structure, (0, 1, 1, Constant("mine"), 0, 1))
    found = round_trip(program, result=layout).result.fill(run(program, inputs))
    model, eigen = found
    assert repr(model) == "Model(params=Params(w=6.0, b=2.0), rate=2.0, name='mine')"
    assert eigen == (6.0, 2.0)
    assert eigen.eigenvalues == 6.0
    assert model._replace(rate=5.0).rate == 5.0
    assert model.params._asdict() == {"w": 6.0, "b": 2.0}
    assert type(model.params)(b=1, w=2) == (2, 1)
    assert pickle.loads(pickle.dumps(model)) == model
    assert tree.map(lambda x: x, model) == model
    with pytest.raises(TypeError, match="Params has the fields w, b"):
        type(model.params)(1)


SCALARS = st.sampled_from(
    [np.float16(0.1), np.float32(-0.0), np.float64("nan"), np.complex64(1 - 0j), np.int8(-7),
     np.uint64(2**64 - 1), np.bool(True), np.complex128(complex(-0.0, np.inf))]
)  # fmt: skip
ARRAYS = st.sampled_from(
    [np.arange(6).reshape(2, 3), np.zeros((0, 4), np.float32), np.array(True),
     np.asfortranarray(np.ones((2, 3), np.complex64)), np.array([np.nan, -0.0]),
     np.arange(6.0)[::-2], np.array([1, 2], ">i2")]
)  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**64) + 1, 2**64 - 1), st.floats(),
        st.complex_numbers(), st.text(st.characters(codec="utf-8")), SCALARS, ARRAYS,
        st.sampled_from([Ellipsis, HOLE, np.newaxis, np.dtype("f4"), np.float32, np.bool, bool,
                         int, float, complex, np.dtype(bool)]),
        st.builds(slice, *[st.none() | st.integers(-9, 9)] * 3),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3) | st.integers(0, 9),
                        inner, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip


def described(value):
    """All there is to know of a value: bits, types, order of memory."""
    if isinstance(value, np.ndarray):
        native = value.astype(value.dtype.newbyteorder("="))
        return ("array", native.dtype, value.shape, value.flags.fnc, native.tobytes())
    if isinstance(value, np.generic):
        return (value.dtype, "nan" if value != value else value.tobytes())
    if isinstance(value, list | tuple):
        return (type(value), [described(part) for part in value])
    if isinstance(value, dict):
        return (dict, [(key, described(part)) for key, part in value.items()])
    if isinstance(value, float | complex):
        return (type(value), repr(value))
    return (type(value), value)


@given(VALUES)
def test_every_kind_of_value_comes_back(value):
    arrays = []

    def add(array):
        arrays.append(array.astype(array.dtype.newbyteorder("=")))
        return len(arrays) - 1

    text = json.dumps(encode(value, add), allow_nan=False)
    assert described(decode(json.loads(text), arrays)) == described(value)


# ----------------------------------------------------------------------------- what cannot be saved


def test_an_operation_of_the_user_is_refused_by_name():
    cube = wg.primitive(lambda x: x**3, vjp=lambda adjoint, x: 3 * adjoint * x**2, name="cube")
    program, _, _ = traced(lambda x: cube(x), (2.0,))
    with pytest.raises(UnsupportedFunctionError, match="cube is no primitive") as error:
        to_bytes([Stored(program)])
    assert "test_store.py" in str(error.value)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(len, "builtin_function"), (object(), "object"), ({1, 2}, "set"), (2**70, "beyond 64 bits"),
     (np.longdouble(1), "longdouble"), (np.array(["a"]), "array of dtype"), ("\ud800", "Unicode"),
     (np.array([None]), "array of dtype object"), (np.datetime64("2020"), "datetime64"),
     (b"raw", "bytes"), (spec_of(1.0), "Spec")],
    ids=lambda x: str(x) if isinstance(x, str) else "",
)  # fmt: skip
def test_a_parameter_without_stored_form_is_refused_by_name(value, kind):
    with pytest.raises(UnsupportedFunctionError, match=rf"parameter axis of sum is .*{kind}"):
        to_bytes([Stored(one_op({"axis": value, "keepdims": False}))])
    with pytest.raises(UnsupportedFunctionError, match=rf"a constant of sum is .*{kind}"):
        to_bytes([Stored(one_op(operand=Constant([value])))])


def test_an_endless_container_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(UnsupportedFunctionError, match="containers more than"):
        to_bytes([Stored(one_op({"axis": endless}))])


def test_a_result_of_a_class_is_refused_with_a_remedy():
    class Pair(tuple):  # no tree; a leaf
        __slots__ = ()

    program, _, _ = traced(lambda x: x * 2, (1.0,))
    leaf = Layout(tree.SINGLE, (Constant(Pair((1, 2))),))
    with pytest.raises(ArgumentError, match="Pair"):
        to_bytes([Stored(program, result=leaf)])

    @dataclass
    class Hidden:
        _value: float

    for odd in (Hidden(1.0), {(1, 2): 0}, namedtuple("odd", "class a", rename=True)(1, 2)):
        _, structure = tree.flatten(odd)
        layout = Layout(structure, (0,) * structure.num_leaves)
        with pytest.raises(
            ArgumentError, match=r"holds a .*cannot be saved.*\n.*\n.*(dictionaries|keys)"
        ):
            to_bytes([Stored(program, result=layout)])


# -------------------------------------------------------------------------------------- stand-ins


EXACT = {"cross3"}  # takes no other sizes


@pytest.mark.parametrize(("primitive", "sample"), SAMPLES, ids=str)
def test_stand_ins_of_other_sizes_give_the_same_specs(primitive, sample, monkeypatch):
    """Results have sizes of their operands, but for the primitives that say so."""
    if primitive.name in EXACT:
        return

    def odd(specs):
        sizes = sorted({n for spec in specs for n in spec.shape if n > 1})
        small = {0: 0, 1: 1} | {n: 11 + 2 * k for k, n in enumerate(sizes)}
        return small, {value: n for n, value in small.items()}

    monkeypatch.setattr(admission, "_sizes", odd)
    program, _ = program_of(primitive, sample)
    assert text(round_trip(program).program) == text(program)
