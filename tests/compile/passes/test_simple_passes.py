"""Folding, common subexpressions, dead entries, broadcasts: each alone, on programs made for it."""

import numpy as np
import pytest

from wengert.compile.passes.broadcasts import leave_broadcasts, uniform
from wengert.compile.passes.dead import remove_dead
from wengert.compile.passes.fold import fold_constants
from wengert.compile.passes.inference import infer
from wengert.compile.passes.loop import conformed
from wengert.compile.passes.subexpressions import share_subexpressions
from wengert.compile.program import (
    Builder,
    Guard,
    GuardFailed,
    Op,
    Program,
    interpret,
    run_op,
    spec_of,
)
from wengert.primitives.registry import REGISTRY
from wengert.tape.columns import Constant


def build(inputs, *steps, outputs=None, guards=()):
    """A program of ``(name, operands, parameters)``; NumPy says what each gives."""
    values, builder = list(inputs), Builder([spec_of(x) for x in inputs])
    for name, operands, *rest in steps:
        parameters = rest[0] if rest else {}
        given = [values[x] if isinstance(x, int) else x.value for x in operands]
        with np.errstate(all="ignore"):
            value = run_op(Op(REGISTRY[name], (), parameters, None), given)
        values.append(value)
        builder.add(Op(REGISTRY[name], (), parameters, spec_of(value)), operands)
    last = (len(values) - 1,) if outputs is None else outputs
    return Program(builder.inputs, tuple(builder.ops), last, tuple(guards))


def names(program):
    return [op.primitive.name for op in program.ops]


# --------------------------------------------------------------------------------------- folding


def test_operations_on_constants_are_done(assert_same_results):
    x = np.arange(3.0)
    program = build(
        [x],
        ("multiply", (Constant(2), Constant(3.5))),
        ("exp", (1,)),
        ("multiply", (2, 0)),
    )
    after = fold_constants(program)
    assert names(after) == ["multiply"]
    assert_same_results(program, after, [x])


def test_folding_keeps_pythons_numbers_weak():
    x = np.ones(3, np.float32)
    two = spec_of(2.0)
    program = Program(
        (spec_of(x),),
        (
            Op(REGISTRY["multiply"], (Constant(2.0), Constant(1.0)), {}, two),
            Op(REGISTRY["multiply"], (0, 1), {}, spec_of(x)),
        ),
        (2,),
    )
    after = fold_constants(program)
    assert type(after.ops[0].operands[1].value) is float
    assert interpret(after, [x])[0].dtype == np.float32


def test_a_large_result_is_not_written_out():
    program = build([1.0], ("broadcast_to", (Constant(2.0),), {"shape": (100, 100)}))
    assert fold_constants(program) is program
    small = build([1.0], ("broadcast_to", (Constant(2.0),), {"shape": (3,)}))
    assert np.array_equal(fold_constants(small).outputs[0].value, [2.0, 2.0, 2.0])


def test_an_operation_that_fails_is_left_to_the_run():
    singular = np.zeros((2, 2))
    op = Op(REGISTRY["numpy.linalg.inv" if "numpy.linalg.inv" in REGISTRY.primitives else "inv"],
            (Constant(singular),), {}, spec_of(singular))  # fmt: skip
    program = Program((), (op,), (0,))
    assert fold_constants(program) is program


def test_a_guard_on_what_became_constant_is_gone_if_it_holds():
    steps = [("greater", (Constant(2.0), Constant(1.0)))]
    program = build([1.0], *steps, guards=[Guard(1, True)])
    assert fold_constants(program).guards == ()
    with pytest.raises(AssertionError, match="never hold"):
        fold_constants(build([1.0], *steps, guards=[Guard(1, False)]))


@pytest.mark.parametrize(
    "value", [2.0, np.float32(2.0), np.array(2.0), np.array([1.0, 2.0]), 3, True]
)
def test_a_value_is_conformed_to_its_own_spec(value):
    out = conformed(value, spec_of(value))
    assert type(out) is type(value)
    assert np.array_equal(out, value)


# -------------------------------------------------------------------------- common subexpressions


def test_the_same_operation_is_done_once(assert_same_results):
    x = np.arange(3.0)
    program = build(
        [x],
        ("exp", (0,)),
        ("exp", (0,)),
        ("multiply", (1, 0)),
        ("multiply", (0, 2)),
        ("add", (3, 4)),
    )
    after = share_subexpressions(program)
    assert names(after) == ["exp", "multiply", "add"]
    assert_same_results(program, after, [x])


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.0, -0.0), (1, 1.0), (1, True), (1.0, np.float64(1.0)), (np.zeros(3), -np.zeros(3))],
)
def test_constants_that_compare_equal_but_are_not_stay_apart(one, other):
    x = np.arange(3.0)
    program = build([x], ("multiply", (0, Constant(one))), ("multiply", (0, Constant(other))),
                    ("add", (1, 2)))  # fmt: skip
    assert share_subexpressions(program) is program


def test_constant_arrays_and_parameters_are_compared_by_content():
    x = np.arange(12.0).reshape(3, 4)
    rows = np.array([0, 2])
    read = [("read", (0,), {"path": (("getitem", (r.copy(), slice(None))),)}) for r in (rows, rows)]
    program = build([x], *read, ("add", (1, 2)))
    assert names(share_subexpressions(program)) == ["read", "add"]
    other = build([x], read[0], ("read", (0,), {"path": (("getitem", (rows + 0, ...)),)}),
                  ("add", (1, 2)))  # fmt: skip
    assert share_subexpressions(other) is other


def test_a_difference_is_not_commutative():
    program = build([1.0, 2.0], ("subtract", (0, 1)), ("subtract", (1, 0)), ("add", (2, 3)))
    assert share_subexpressions(program) is program


# ----------------------------------------------------------------------------------- dead entries


def test_what_is_never_read_is_left_out(assert_same_results):
    program = build([2.0, 3.0], ("exp", (0,)), ("sin", (1,)), ("multiply", (2, 2)), ("cos", (0,)),
                    outputs=(5, 1))  # fmt: skip
    after = remove_dead(program)
    assert names(after) == ["cos"]
    assert_same_results(program, after, [2.0, 3.0])
    assert remove_dead(after) is after


def test_a_guard_is_a_root():
    program = build([2.0], ("greater", (0, Constant(1.0))), ("exp", (0,)), outputs=(0,),
                    guards=[Guard(1, True)])  # fmt: skip
    after = remove_dead(program)
    assert names(after) == ["greater"]
    with pytest.raises(GuardFailed):
        interpret(after, [0.5])


# ------------------------------------------------------------------------------------- broadcasts


def test_a_broadcast_operand_is_used_as_it_is(assert_same_results):
    s, x = np.float64(2.5), np.arange(6.0).reshape(2, 3)
    program = build([s, x], ("broadcast_to", (0,), {"shape": (2, 3)}), ("multiply", (2, 1)))
    after = remove_dead(leave_broadcasts(program))
    assert names(after) == ["multiply"]
    assert_same_results(program, after, [s, x])


def test_a_broadcast_that_makes_the_shape_stays():
    s, x = np.float64(2.5), np.arange(3.0)
    program = build([s, x], ("broadcast_to", (0,), {"shape": (2, 3)}), ("multiply", (2, 1)))
    assert leave_broadcasts(program) is program


def test_a_broadcast_python_number_stays_strong():
    x = np.ones(3, np.float32)
    program = build([2.0, x], ("broadcast_to", (0,), {"shape": (3,)}), ("multiply", (2, 1)))
    assert program.ops[-1].spec.dtype == np.float64
    assert leave_broadcasts(program) is program


def test_a_constant_array_of_one_value_becomes_that_number(assert_same_results):
    x = np.arange(5.0)
    program = build([x], ("multiply", (Constant(np.full(5, 2.0)), 0)))
    after = leave_broadcasts(program)
    value = after.ops[0].operands[0].value
    assert type(value) is np.float64
    assert value == 2.0
    assert_same_results(program, after, [x])


@pytest.mark.parametrize(
    ("array", "number"),
    [
        (np.zeros(3), 0.0),
        (-np.zeros(3), -0.0),
        (np.array([0.0, -0.0]), None),
        (np.array([-0.0, 0.0, 0.0]), None),
        (np.array([1.0, 2.0]), None),
        (np.array([1.0, 2.0, 1.0]), None),
        (np.full(3, np.nan), np.nan),
        (np.array([np.nan, 1.0]), None),
        (np.broadcast_to(3.0, (10, 10)), 3.0),
        (np.array([True, True]), True),
    ],
)
def test_the_number_of_a_uniform_array(array, number, is_same):
    found = uniform(array)
    assert (found is None) if number is None else is_same(found, array.dtype.type(number))


# ---------------------------------------------------------------------------------- what specs say


@pytest.mark.parametrize("name", ["add", "divide", "exp", "greater", "where", "maximum", "power"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, bool, complex])
def test_inference_agrees_with_numpy(name, dtype):
    array = np.ones((2, 1), dtype)
    values = [array, array[0], array[0, 0], array[0, 0].item(), np.array(array[0, 0])]
    primitive = REGISTRY[name]
    for x in values:
        for y in values:
            operands = [True, x, y] if name == "where" else [x, y] if name != "exp" else [x]
            try:
                out = run_op(Op(primitive, (), {}, None), operands)
            except TypeError:
                continue
            assert infer(primitive, [spec_of(v) for v in operands], {}) == spec_of(out)


def test_inference_of_shapes_agrees_with_numpy():
    a = np.ones((2, 3), np.float32)
    calls = [
        ("reshape", [a], {"shape": (3, 2)}),
        ("transpose", [a], {"axes": (1, 0)}),
        ("broadcast_to", [a], {"shape": (4, 2, 3)}),
        ("sum", [a], {"axis": (0,), "keepdims": True}),
        ("sum", [a], {"axis": (0, 1), "keepdims": False}),
        ("matmul", [a, a.T], {}),
        ("astype", [a], {"dtype": np.dtype(float)}),
        ("read", [a], {"path": (("getitem", (0, 1)),)}),
        ("read", [a], {"path": (("getitem", 0), ("reshape", (3, 1)))}),
        ("read", [a], {"path": (("getitem", (0, 0, ...)),)}),
    ]
    for name, operands, parameters in calls:
        out = run_op(Op(REGISTRY[name], (), parameters, None), operands)
        found = infer(REGISTRY[name], [spec_of(x) for x in operands], parameters)
        assert found == spec_of(out), name
    assert infer(REGISTRY["reshape"], [spec_of(a)], {"shape": (4, 2)}) is None
    assert infer(REGISTRY["cumsum"], [spec_of(a)], {"axis": 0}) is None
    assert infer(REGISTRY["add"], [spec_of(a), spec_of(np.ones(2))], {}) is None
