"""Printed programs: they run with nothing but NumPy and SciPy, give the same bits, read well."""

from __future__ import annotations

import ast
import builtins
import importlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.compile.operations import SAMPLES, program_of, traced
from tests.compile.programs import CASES

import wengert as wg
from wengert import tree
from wengert.compile.encoding import Layout
from wengert.compile.formatting import flat, quoted
from wengert.compile.forms import HELPERS
from wengert.compile.literals import LARGE, literal
from wengert.compile.lower import as_kind
from wengert.compile.passes.loop import Stacked, loop
from wengert.compile.passes.pipeline import optimise
from wengert.compile.program import (
    PART,
    Guard,
    GuardFailed,
    Op,
    Program,
    Spec,
    interpret,
    run_op,
    spec_of,
)
from wengert.compile.source import large_constants, to_source
from wengert.compile.store import Stored, from_bytes, to_bytes
from wengert.errors import ArgumentError, UnsupportedFunctionError
from wengert.primitives.registry import REGISTRY
from wengert.tape.columns import Constant


def run(program, inputs):
    """Interpreted, with numbers held as they were while tracing."""
    with np.errstate(all="ignore"):
        return interpret(program, inputs, lambda op, x: as_kind(run_op(op, x), op.spec))


def only_numpy(name, *args):
    if name.split(".")[0] not in ("numpy", "scipy"):
        raise ImportError(f"printed source imports {name}")
    return importlib.__import__(name, *args)


def printed(program, **options):
    """The function that the source of a program defines, where nothing else can be imported."""
    text = to_source(program, name="f", **options)
    assert max(map(len, text.splitlines())) <= 100
    namespace = {"__builtins__": {**vars(builtins), "__import__": only_numpy}}
    exec(compile(text, "<printed>", "exec"), namespace)
    return namespace["f"]


def assert_same_bits(found, expected, *, types=True):
    found, expected = tree.leaves(found), tree.leaves(expected)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        if types:
            assert type(one) is type(other)
        one, other = np.asarray(one), np.asarray(other)
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        if one.tobytes() != other.tobytes():  # but for what a NaN holds besides
            np.testing.assert_array_equal(one, other, strict=True)
            assert np.isnan(one).any()


def check(program, inputs, **options):
    expected = run(program, inputs)
    with np.errstate(all="ignore"):
        found = printed(program)(*inputs, **large_constants(program, "f"))
    assert_same_bits([found] if len(expected) == 1 else found, expected, **options)


# ---------------------------------------------------------------------------------------- same bits


@pytest.mark.parametrize("are_constants", [False, True], ids=["inputs", "constants"])
@pytest.mark.parametrize(("primitive", "sample"), SAMPLES, ids=str)
def test_every_primitive_prints(primitive, sample, are_constants):
    check(*program_of(primitive, sample, are_constants))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.function.__name__)
def test_traced_functions_print(case):
    for args in case.calls[:2]:
        program, inputs, _ = traced(case.function, args)
        if program.outputs:
            check(program, inputs, types=False)
            check(optimise(program, False)[0], inputs, types=False)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.is_scalar], ids=lambda c: c.function.__name__
)
def test_gradients_print(case):
    args = case.calls[0]
    program, inputs, _ = traced(wg.value_and_grad(case.function), args)
    check(program, inputs, types=False)


def workload(name, size=20):
    found = importlib.import_module(f"benchmarks.workloads.{name}").WORKLOAD
    args = found.inputs(size)
    return wg.value_and_grad(found.function, argnums=found.argnums(args)), args


@pytest.mark.parametrize(
    "name",
    ["black_scholes", "chain", "circuit", "gather", "mlp", "pendulum", "rnn", "rosenbrock",
     "spiral", "table"],
)  # fmt: skip
def test_workloads_print(name):
    function, args = workload(name)
    program, inputs, result = traced(function, args)
    for p in (program, optimise(program, False)[0]):
        with np.errstate(all="ignore"):
            found = printed(p, result=result)(*inputs, **large_constants(p, "f"))
        assert_same_bits(found, result.fill(run(p, inputs)), types=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128, np.int32])
@pytest.mark.parametrize("kinds", ["array array", "array scalar", "scalar scalar", "array python"])
def test_operators_have_the_bits_of_ufuncs(dtype, kinds):
    rng = np.random.default_rng(5)
    for ufunc in (np.add, np.subtract, np.multiply, np.divide, np.power, np.less, np.equal):
        if ufunc is np.power and np.dtype(dtype).kind == "i":
            continue
        operands = []
        for kind in kinds.split():
            values = 10 * rng.standard_normal(101)
            if np.dtype(dtype).kind == "c":
                values = values + 1j * rng.standard_normal(101)
            values = values.astype(dtype)
            held = {"array": values, "scalar": values[0], "python": values[0].item()}
            operands.append(held[kind])
        with np.errstate(all="ignore"):
            out = ufunc(*operands)
        op = Op(REGISTRY.ufuncs[ufunc], (0, 1), {}, spec_of(out))
        check(Program(tuple(map(spec_of, operands)), (op,), (2,)), operands)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("axis", [(0,), (1,), (0, 1), (0, 1, 2), (0, 2)])
def test_reductions_round_alike_in_any_layout(order, axis):
    a = np.array(np.random.default_rng(1).standard_normal((40, 50, 60)), order=order)
    for name in ("sum", "mean", "prod", "max", "any"):
        for keepdims in (False, True):
            parameters = {"axis": axis, "keepdims": keepdims}
            out = REGISTRY[name].function(a, **parameters)
            op = Op(REGISTRY[name], (0,), parameters, spec_of(out))
            check(Program((spec_of(a),), (op,), (1,)), [a])


# ---------------------------------------------------------------------------------------- literals


def evaluated(node):
    return eval(flat(node), {"np": np, "slice": slice, "complex": complex})


@given(
    st.one_of(st.floats(), st.floats(width=32).map(np.float32), st.floats(width=16).map(np.float16),
              st.complex_numbers(), st.integers(), st.booleans(), st.floats().map(np.float64),
              st.complex_numbers(max_magnitude=1e30).map(np.complex64), st.text(), st.none(),
              st.integers(-5, 5).map(np.int8))
)  # fmt: skip
def test_numbers_and_strings_are_exact(value):
    found = evaluated(literal(value, None))
    assert type(found) is type(value)
    if isinstance(value, np.generic):
        assert found.tobytes() == value.tobytes() or np.isnan(value)
    else:
        assert repr(found) == repr(value)


@given(
    arrays.arrays(
        st.sampled_from(
            [np.float64, np.float32, np.float16, np.int64, np.uint8, bool, np.complex128]
        ),
        arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6),
    ),
    st.booleans(),
)
@example(np.array([-1, 2**63 - 1, 2**63 - 1, 2**63 - 1]), False)
@example(np.array([-(2**63), 2**62, 2**63 - 1, 0]), False)
@example(np.arange(2**63 - 8, 2**63 - 1, 2), False)
def test_arrays_are_exact(array, is_fortran):
    array = np.asfortranarray(array) if is_fortran else array
    program = Program((), (), (Constant(array),))
    found = printed(program)()
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes() or np.isnan(array).any()
    np.testing.assert_array_equal(found, array)
    is_one_value = len(np.unique(array.astype(complex))) <= 1
    assert is_one_value or found.flags.fnc == array.flags.fnc


@pytest.mark.parametrize("text", ["a", "a'b", 'a"b', "'\"", "\n\\", "é\u2028", "\x00", "\\'"])
def test_quoted_strings_read_back(text):
    assert ast.literal_eval(quoted(text)) == text


def test_regular_arrays_are_short():
    constants = (np.arange(5000), np.zeros((300, 200)), np.full(9, -0.0), np.ones(7, np.float32),
                 np.arange(2, 40, 3))  # fmt: skip
    text = to_source(Program((), (), tuple(map(Constant, constants))))
    for line in ("np.arange(5000)", "np.zeros((300, 200))", "np.full(9, -0.0)",
                 "np.ones(7, dtype=np.float32)", "np.arange(2, 41, 3)"):  # fmt: skip
        assert line in text.replace("np.arange(2, 40, 3)", "np.arange(2, 41, 3)")


def test_large_arrays_are_keyword_arguments():
    x, table = np.ones(LARGE + 1), np.random.default_rng(0).standard_normal(LARGE + 1)
    program, inputs, _ = traced(lambda x: np.sum(x * table), (x,))
    assert "def f(x, *, c0):" in to_source(program, "f")
    assert_same_bits(large_constants(program, "f")["c0"], table)
    check(program, inputs)


# ------------------------------------------------------------------------------------ how it reads


def loss(weights, data):
    hidden = np.tanh(data @ weights)
    total = np.sum(hidden**2)
    if total > 0.5:
        total = np.log(total)
    return {"loss": total, "hidden": [hidden]}


def test_a_program_reads_like_the_function():
    program, inputs, result = traced(loss, (np.ones((3, 2)), np.ones((4, 3))))
    text = to_source(program, "loss", result=result)
    assert text.splitlines()[4:] == [
        "",
        "def loss(weights, data):",
        f"    # test_source.py:{LINE + 1}  hidden = np.tanh(data @ weights)",
        "    v2 = data @ weights",
        "    hidden = np.tanh(v2)",
        f"    # test_source.py:{LINE + 2}  total = np.sum(hidden**2)",
        "    v4 = np.square(hidden)" if "np.square" in text else "    v4 = np.power(hidden, 2)",
        "    total = np.sum(v4)",
        f"    # test_source.py:{LINE + 3}  if total > 0.5:",
        "    v6 = total > 0.5",
        f"    # the way taken at test_source.py:{LINE + 3}  if total > 0.5:",
        "    assert bool(v6) is True",
        f"    # test_source.py:{LINE + 4}  total = np.log(total)",
        "    total_1 = np.log(total)",
        '    return {"loss": total_1, "hidden": [hidden]}',
    ]
    assert_same_bits(printed(program, result=result)(*inputs), loss(*inputs))


LINE = loss.__code__.co_firstlineno


def test_another_way_is_refused_by_the_printed_function():
    program, (weights, data), _ = traced(loss, (np.ones((3, 2)), np.ones((4, 3))))
    with pytest.raises(AssertionError):
        printed(program)(0 * weights, data)


def test_without_lines_there_are_no_comments():
    program, _, _ = traced(loss, (np.ones((3, 2)), np.ones((4, 3))))
    assert "#" not in to_source(program, lines=False)


def test_the_text_of_a_loaded_program_is_the_same():
    for name in ("rnn", "table"):
        function, args = workload(name, 5)
        program, _, result = traced(function, args)
        (found,) = from_bytes(to_bytes([Stored(program, None, result)]))
        assert to_source(found.program, result=found.result) == to_source(program, result=result)


def test_a_program_without_operations_prints():
    program, inputs, result = traced(lambda x, y: (y, None, 3.0, "a"), (1.0, 2.0))
    assert printed(program, result=result)(*inputs) == (2.0, None, 3.0, "a")
    assert printed(Program((), (), ()))() == ()


def names_in(text):
    function = ast.parse(text).body[-1]
    return [node.id for node in ast.walk(function)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]  # fmt: skip


HOSTILE_NAMES = [
    "np", "sum", "print", "None", "lambda", "match", "f", "x", "x", "v3", "c0", "_same", "_write",
    "special", "", "1a", "a b", "a\nimport os", "ﬁ", "fi", "a" * 500, "__import__",
    "params['w'][0]", "self.weight", "é", "#", "_", "t", "rows",
]  # fmt: skip


def test_names_are_unique_valid_and_shadow_nothing():
    spec = Spec((), np.dtype(float), "python")
    inputs = (spec,) * len(HOSTILE_NAMES)
    total = 0
    ops = []
    for k in range(1, len(inputs)):
        ops.append(Op(REGISTRY["add"], (total, k), {}, spec))
        total = len(inputs) + k - 1
    program = Program(inputs, tuple(ops), (total,), (), tuple(HOSTILE_NAMES))
    text = to_source(program, "f")
    parameters = [argument.arg for argument in ast.parse(text).body[-1].args.args]
    names = parameters + names_in(text)
    assert len(set(names)) == len(names)
    assert not set(names) & {*dir(builtins), *HELPERS, "np", "special", "f"}
    assert "params_w_0" in parameters
    assert "self_weight" in parameters
    assert printed(program)(*map(float, range(len(inputs)))) == sum(range(len(inputs)))


def test_a_name_is_no_way_into_the_source():
    spec = Spec((3,), np.dtype(float), "array")
    line = SimpleNamespace(
        filename="a.py\nimport os\n", number=1, text="x\n\x0cimport os\r#\u2028y"
    )
    place = SimpleNamespace(line=line, name="a = __import__('os')")
    op = Op(REGISTRY["exp"], (0,), {}, spec, place)
    text = to_source(Program((spec,), (op,), (1,), (Guard(1, True, place),), ("x): import os",)))
    assert "\nimport os" not in text
    assert [type(s) for s in ast.parse(text).body] == [ast.Expr, ast.Import, ast.FunctionDef]
    with pytest.raises(ArgumentError, match="no name of a Python function"):
        to_source(Program((spec,), (op,), (1,)), name="f(): pass\ndef g")


def test_keys_and_strings_of_a_result_are_quoted():
    key = 'a"]: __import__("os"), b["'
    _, structure = tree.flatten({key: 0, 3: 1})
    program = Program((), (), (Constant(1.0), Constant(2.0)))
    result = Layout(structure, (Constant("x\"\n'"), 1))
    assert printed(program, result=result)() == result.fill([1.0, 2.0])


def test_a_result_of_a_class_is_refused():
    _, structure = tree.flatten(np.linalg.eigh(np.eye(2)))
    program = Program((), (), (Constant(1.0), Constant(2.0)))
    with pytest.raises(ArgumentError, match="EighResult"):
        to_source(program, result=Layout(structure, (0, 1)))


def test_an_operation_of_the_user_is_refused_by_name():
    cube = wg.primitive(lambda x: x**3, vjp=lambda adjoint, x: 3 * adjoint * x**2, name="cube")
    program, _, _ = traced(cube, (2.0,))
    with pytest.raises(UnsupportedFunctionError, match="cube is no primitive"):
        to_source(program)


RUFF = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.defpath]))


@pytest.mark.skipif(RUFF is None, reason="ruff is not installed")
def test_sources_are_formatted(tmp_path):
    count = 0
    for primitive, sample in SAMPLES:
        for are_constants in (False, True):
            program, _ = program_of(primitive, sample, are_constants)
            (tmp_path / f"s{count}.py").write_text(to_source(program), encoding="utf-8")
            count += 1
    for name in ("black_scholes", "mlp", "pendulum", "rnn", "rosenbrock", "spiral", "table"):
        function, args = workload(name)
        program, _, result = traced(function, args)
        for p in (program, optimise(program, False)[0]):
            (tmp_path / f"s{count}.py").write_text(to_source(p, result=result), encoding="utf-8")
            count += 1
    wide = Program(
        (Spec((3,), np.dtype(float), "array"),) * 30,
        (Op(REGISTRY["join"], tuple(range(30)), {"axis": 0, "starts": tuple(range(0, 90, 3))},
            Spec((90,), np.dtype(float), "array")),),
        (*range(30), 30), (), tuple(f"a_long_name_of_an_input_{k}" for k in range(30)),
    )  # fmt: skip
    (tmp_path / "wide.py").write_text(to_source(wide), encoding="utf-8")
    command = [RUFF, "format", "--isolated", "--no-cache", "--line-length", "100", "--diff", "."]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.stdout == ""
    assert found.returncode == 0, found.stderr
    command = [RUFF, "check", "--isolated", "--no-cache", "--line-length", "100",
               "--select", "E,W,F,I", "--ignore", "F841", "."]  # fmt: skip
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


# ------------------------------------------------------------------------------- writing and loops


def fill(x):
    out = np.zeros(len(x))
    out[0] = x[0]
    for k in range(1, len(x)):
        out[k] = 0.5 * out[k - 1] + x[k]
    return out


def test_a_loop_that_fills_an_array_copies_it_once():
    program, inputs, _ = traced(fill, (np.arange(6.0),))
    text = to_source(program, lines=False)
    assert text.count("np.array(") == 1
    assert "    out[1] = " in text
    check(program, inputs)
    check(traced(wg.grad(lambda x: np.sum(fill(x) ** 2)), inputs)[0], inputs)


def test_an_array_that_is_read_later_is_not_written_in_place():
    def keep(x):
        first = x * 1.0
        second = first.copy()
        second[0] = 7.0
        view = second[1:]
        third = second.copy()
        second[1] = 8.0
        third[2] = 9.0
        return first, second, third, view * 1.0, view

    x = np.arange(4.0)
    program, inputs, _ = traced(keep, (x,))
    check(program, inputs)
    assert x.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(20))
def test_random_writes_and_views_are_kept_apart(seed):
    """Programs of writes, views and uses in any order: only copies that nobody reads are reused."""
    rng = np.random.default_rng(seed)
    array = Spec((4,), np.dtype(float), "array")
    ops = []
    for k in range(1, 30):
        base, other = (int(rng.integers(max(0, k - 4), k)) for _ in range(2))
        kind = rng.integers(0, 4)
        if kind == 0:
            op = Op(REGISTRY["read"], (base,), {"path": (("getitem", slice(None)),)}, array)
        elif kind == 1:
            op = Op(REGISTRY["add"], (base, other), {}, array)
        else:
            key = slice(None) if kind == 2 else slice(1, None, 2)
            value = other if kind == 2 else Constant(float(k))
            add = bool(rng.integers(0, 2))
            parameters = {"path": (("getitem", key),), "add": add}
            op = Op(REGISTRY["write"], (base, value), parameters, array)
        ops.append(op)
    outputs = tuple(int(k) for k in rng.integers(0, 30, 5))
    check(Program((array,), tuple(ops), outputs), [np.arange(4.0)])


def body_of(inputs, ops, outputs):
    return Program(tuple(inputs), tuple(ops), tuple(outputs))


def test_a_loop_prints_as_a_loop():
    number, vector = Spec((), np.dtype(float), "scalar"), Spec((3,), np.dtype(float), "array")
    rows = Spec((5, 3), np.dtype(float), "array")
    body = body_of(
        [vector, vector, number],
        [Op(REGISTRY["multiply"], (0, 2), {}, vector), Op(REGISTRY["add"], (3, 1), {}, vector)],
        [4, 3],
    )
    for stacked, is_reverse in [(Stacked(0, 0, 1), False), (Stacked(0, 4, -1), True),
                                (Stacked(0, 1, 0), False)]:  # fmt: skip
        parameters = {"body": body, "count": 5, "carried": 1, "stacked": (stacked,),
                      "reverse": is_reverse}  # fmt: skip
        program = Program(
            (vector, rows, number),
            (Op(loop, (0, 1, 2), parameters, Spec((3,), np.dtype(float), "tuple")),
             Op(PART, (3,), {"position": 0}, vector), Op(PART, (3,), {"position": 1}, rows)),
            (4, 5),
        )  # fmt: skip
        assert "for t in " in to_source(program)
        rng = np.random.default_rng(0)
        check(program, [rng.standard_normal(3), rng.standard_normal((5, 3)), np.float64(0.5)])


def test_constants_stand_before_a_loop():
    vector = Spec((3,), np.dtype(float), "array")
    body = body_of([vector, vector], [Op(REGISTRY["add"], (0, 1), {}, vector)], [2])
    parameters = {"body": body, "count": 3, "carried": 1, "stacked": (), "reverse": False}
    whole = Spec((3,), np.dtype(float), "tuple")
    for constant in (np.arange(3.0), np.array([5.0, 1.0, 2.0])):
        ops = (Op(loop, (0, Constant(constant)), parameters, whole),
               Op(PART, (1,), {"position": 0}, vector))  # fmt: skip
        check(Program((vector,), ops, (2,)), [np.ones(3)])
    number = Spec((), np.dtype(float), "scalar")
    body = body_of([number, number], [Op(REGISTRY["add"], (0, 1), {}, number)], [2])
    ops = (Op(loop, (0, Constant(np.float64(0.5))), parameters | {"body": body},
              number._replace(kind="tuple")),
           Op(PART, (1,), {"position": 0}, number))  # fmt: skip
    check(Program((number,), ops, (2,)), [np.float64(1)])


def test_long_programs_print_in_linear_time():
    spec = Spec((), np.dtype(float), "scalar")
    seconds = []
    for count in (2_000, 20_000):
        ops = tuple([Op(REGISTRY["sin"], (k,), {}, spec) for k in range(count)])
        start = time.perf_counter()
        to_source(Program((spec,), ops, (count,)))
        seconds.append(time.perf_counter() - start)
    assert seconds[1] < 30 * seconds[0] + 0.5


def test_guards_stand_where_they_were_taken():
    program, inputs, _ = traced(lambda x, n: x * float(int(n)), (2.0, np.float64(3.5)))
    text = to_source(program, lines=False)
    assert re.search(r"assert int\(\w+\) == 3", text)
    check(program, inputs, types=False)
    with pytest.raises((AssertionError, GuardFailed)):
        printed(program)(2.0, np.float64(4.5))


def test_places_without_text_are_left_out():
    program, _, _ = traced(loss, (np.ones((3, 2)), np.ones((4, 3))))
    bare = SimpleNamespace(line=SimpleNamespace(filename="<string>", number=1, text=""), name=None)
    ops = tuple([replace(op, place=bare) for op in program.ops])
    assert "<string>" not in to_source(replace(program, ops=ops))
