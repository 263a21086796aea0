"""Every row of the table: exact to the bit on all kinds of numbers, or said not to be."""

import numpy as np
import pytest

from wengert.compile.passes.algebra import TABLE, simplify, simplify_fast
from wengert.compile.passes.identity import key
from wengert.compile.passes.patterns import Node, Variable
from wengert.compile.passes.rewrite import Table, rewrite
from wengert.compile.program import Builder, Op, Program, interpret, run_op, spec_of
from wengert.primitives.registry import REGISTRY
from wengert.tape.columns import Constant

TINY = np.finfo(float).tiny
SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, TINY, 1e308, -1e308, 2.5]

# What a variable of a row stands for; other names are arrays of every special value.
PARAMETERS = {
    "axes": [(0, 1)],
    "first": [(1, 0), (("getitem", slice(1, None)),)],
    "second": [(1, 0), (("getitem", (slice(None), 0)),)],
    "shape": [(13, 13), (2, 13, 13)],
    "inner": [(169,), (1, 13, 13)],
    "dtype": [np.dtype(float)],
    "axis": [(0,), (1,), (0, 1)],
    "keepdims": [False, True],
    "path": [
        (("reshape", (169,)),),
        (("transpose", (1, 0)),),
        (("broadcast", (2, 13, 13)),),
        (("getitem", ...),),
        (("getitem", (slice(0, 13), slice(None))),),
        (),
    ],
}
OF_MASKS = ("where", "logical", "bitwise", "not_equal(c")


def operand_for(name, row):
    """An operand of a row; every two special values meet in some place of two arrays."""
    values = np.array(SPECIAL)
    text = repr(row)
    if name == "c" and any(word in text for word in OF_MASKS):
        return np.add.outer(np.arange(13), np.arange(13)) % 2 == 0
    if name in "cd":
        return Constant(0.25)
    if name == "x" and "where(c, x, 0)" in text and "not_equal" in text:
        return Constant(3.0)
    if name == "x" and "sum" in text and "reshape" in text:
        return values.reshape(13, 1, 1)[:, :, 0]
    return np.broadcast_to(values if name in "xz" else values[:, None], (13, 13)).copy()


def record(tree, bound, builder):
    """A pattern as operations; specs are those of the values that NumPy gives."""
    if isinstance(tree, Variable):
        return bound[tree.name]
    if not isinstance(tree, Node):
        return Constant(tree), tree
    pairs = [record(part, bound, builder) for part in tree.operands]
    parameters = {
        name: bound[part.name] if isinstance(part, Variable) else part
        for name, part in tree.parameters.items()
    }
    op = Op(tree.primitive, (), parameters, None)
    with np.errstate(all="ignore"):
        value = run_op(op, [value for _, value in pairs])
    op = Op(tree.primitive, (), parameters, spec_of(value))
    return builder.add(op, [operand for operand, _ in pairs]), value


def variables(tree):
    if isinstance(tree, Variable):
        yield tree.name
    elif isinstance(tree, Node):
        for part in (*tree.operands, *tree.parameters.values()):
            yield from variables(part)


def programs(row):
    """The left side with every choice of parameters that NumPy takes, and inputs."""
    pattern = row.patterns[0]
    names = list(dict.fromkeys(variables(pattern)))
    choices = [{}]
    for name in [name for name in names if name in PARAMETERS]:
        choices = [{**chosen, name: one} for chosen in choices for one in PARAMETERS[name]]
    for chosen in choices:
        operands = {name: operand_for(name, row) for name in names if name not in chosen}
        arrays = {name: x for name, x in operands.items() if not isinstance(x, Constant)}
        builder = Builder([spec_of(x) for x in arrays.values()])
        bound = {name: (k, x) for k, (name, x) in enumerate(arrays.items())}
        bound |= {n: (x, x.value) for n, x in operands.items() if isinstance(x, Constant)}
        try:
            out, _ = record(pattern, {**bound, **chosen}, builder)
        except (ValueError, TypeError, IndexError):
            continue  # parameters of another row
        yield Program(builder.inputs, tuple(builder.ops), (out,)), list(arrays.values())


@pytest.mark.parametrize("row", [row for row in TABLE if row.exact], ids=repr)
def test_an_exact_row_applies_and_keeps_every_bit(row, assert_same_results):
    applied = 0
    for program, inputs in programs(row):
        after = Table([row]).apply(program)
        applied += after is not program
        assert_same_results(program, after, inputs)
    assert applied or row.unless is not None


@pytest.mark.parametrize("row", [row for row in TABLE if not row.exact], ids=repr)
def test_an_inexact_row_waits_for_fastmath_and_is_right_on_ordinary_numbers(row):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.5, 2.0, (2, 4, 4))
    values = {
        "x": x, "y": y, "c": np.float64(0.3), "d": Constant(0.7), "axis": (0, 1),
        "keepdims": False, "shape": (4, 4),
    }  # fmt: skip
    if "c * (d * x)" in repr(row) or "multiply(c, multiply(d, x))" in repr(row):
        values["c"] = Constant(0.3)
    if "broadcast" in repr(row):
        values["x"] = x[0]
    if repr(row).startswith("exp(log(x))"):
        values["x"] = Constant(x)
    pattern = row.patterns[0]
    names = list(dict.fromkeys(variables(pattern)))
    arrays = {
        n: values[n] for n in names if n not in PARAMETERS and not isinstance(values[n], Constant)
    }
    builder = Builder([spec_of(v) for v in arrays.values()])
    bound = {name: (k, v) for k, (name, v) in enumerate(arrays.items())}
    bound |= {n: (values[n], values[n].value) for n in names if isinstance(values[n], Constant)}
    bound |= {n: values[n] for n in names if n in PARAMETERS}
    out, _ = record(pattern, bound, builder)
    program = Program(builder.inputs, tuple(builder.ops), (out,))
    alone = Table([row]).apply(program)
    assert alone is not program, "the row does not apply"
    assert str(simplify(program)) == str(program), "applied without fastmath"
    inputs = list(arrays.values())
    (expected,), (found,) = interpret(program, inputs), interpret(alone, inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    (found,) = interpret(simplify_fast(program), inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def build(inputs, *steps):
    """A program of ``(name, operands)`` steps, specs by NumPy; the last value is the output."""
    values, builder = list(inputs), Builder([spec_of(x) for x in inputs])
    for name, operands, *rest in steps:
        parameters = rest[0] if rest else {}
        given = [values[x] if isinstance(x, int) else x.value for x in operands]
        op = Op(REGISTRY[name], (), parameters, None)
        with np.errstate(all="ignore"):
            value = run_op(op, given)
        values.append(value)
        builder.add(Op(op.primitive, (), parameters, spec_of(value)), operands)
    return Program(builder.inputs, tuple(builder.ops), (len(values) - 1,))


def test_a_zero_is_not_dropped_where_it_changes_a_sign():
    x = np.array([-0.0, 1.0])
    program = build([x], ("add", (0, Constant(0.0))))
    assert simplify(program) is program
    after = build([x], ("exp", (0,)), ("add", (1, Constant(0.0))))
    assert len(simplify(after)) == 1
    assert simplify(after).outputs == (1,)


def test_the_sign_of_a_constant_zero_counts():
    x = np.array([-0.0, 1.0])
    assert simplify(build([x], ("subtract", (0, Constant(0.0))))).outputs == (0,)
    minus = build([x], ("subtract", (0, Constant(-0.0))))
    assert simplify(minus) is minus


@pytest.mark.parametrize(
    ("x", "one"),
    [
        (np.ones(3, np.float32), np.float64(1.0)),  # the product is float64
        (np.arange(3), 1.0),  # a float
        (np.float32(2.0), np.ones(3, np.float32)),  # the shape grows
        (2.0, np.float64(1.0)),  # a Python number becomes a NumPy one
        (np.array([True, False]), 1),  # an integer
    ],
)
def test_no_row_changes_shape_dtype_or_kind(x, one):
    program = build([x], ("multiply", (0, Constant(one))))
    assert simplify(program) is program


def test_a_constant_array_of_ones_is_one():
    x = np.arange(4.0)
    program = build([x], ("multiply", (0, Constant(np.ones(4)))))
    assert simplify(program).outputs == (0,)
    program = build([x], ("multiply", (0, Constant(np.array([1.0, 1.0, 1.0, 2.0])))))
    assert simplify(program) is program


def test_true_is_not_one():
    x = np.array([np.inf, 2.0])
    program = build([x], ("multiply", (0, Constant(np.array([True, True])))))
    assert simplify(program) is program


def test_complex_products_with_one_stay():
    x = np.array([complex(np.inf, 0.0)])
    program = build([x], ("multiply", (0, Constant(1.0 + 0j))))
    assert simplify(program) is program


def test_an_inner_operation_in_another_dtype_stays():
    # -(-128) is -128 in int8: as a float it would be 128.
    x, y = np.array([-128], np.int8), np.array([1.5])
    program = build([x, y], ("negative", (0,)), ("multiply", (2, 1)))
    assert simplify(program) is program


def test_rewrites_follow_one_another(assert_same_results):
    x = np.arange(3.0)
    program = build(
        [x],
        ("negative", (0,)),
        ("multiply", (1, Constant(-1))),
        ("multiply", (Constant(np.ones(3)), 2)),
        ("power", (3, Constant(2))),
    )
    after = simplify(program)
    assert_same_results(program, after, [x])
    assert [after.op(after.outputs[0]).primitive.name] == ["multiply"]
    assert after.op(after.outputs[0]).operands == (0, 0)


def test_a_commutative_row_matches_in_both_orders():
    x = np.arange(3.0)
    for operands in [(0, Constant(1)), (Constant(1), 0)]:
        assert simplify(build([x], ("multiply", operands))).outputs == (0,)


def test_a_transposition_of_a_square_matrix_is_not_dropped():
    x = np.arange(4.0).reshape(2, 2)
    program = build([x], ("transpose", (0,), {"axes": (1, 0)}))
    assert simplify(program) is program
    twice = build([x], ("transpose", (0,), {"axes": (1, 0)}), ("transpose", (1,), {"axes": (1, 0)}))
    assert simplify(twice).outputs == (0,)


def test_a_read_of_a_copied_part_is_not_joined_to_it():
    path = (("getitem", np.array([0, 1])),)
    x = np.arange(4.0)
    program = build(
        [x], ("read", (0,), {"path": path}), ("read", (1,), {"path": (("getitem", 1),)})
    )
    assert simplify(program) is program


def test_rows_print_both_sides():
    assert repr(TABLE[0]) == "multiply(x, 1) -> x"


def test_a_row_that_numpy_does_not_know_is_refused():
    with pytest.raises(TypeError, match="reduce"):
        rewrite(lambda x: np.add.reduce(x), lambda x: x)


def test_keys_tell_numbers_apart_that_compare_equal():
    alike = [1, 1.0, True, np.float64(1), np.float32(1), np.array(1.0), 1 + 0j, "1", (1,), [1]]
    assert len({key(x) for x in alike}) == len(alike)
    assert key(0.0) != key(-0.0)
    assert key(np.zeros(3)) != key(-np.zeros(3))
    assert key(float("nan")) == key(float("nan"))
    assert key(slice(1, 2)) == key(slice(1, 2)) != key(slice(1, 2, 1))
    assert key(np.zeros(3)) != key(np.zeros((3, 1)))
    big = np.arange(100.0)
    assert key(big) == key(big.copy()) != key(big + 1)
    assert key(np.dtype("<f8")) != key(np.dtype(">f8"))
