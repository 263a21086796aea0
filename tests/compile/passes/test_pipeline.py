"""All passes together: random programs, the benchmarks' gradients, guards, reports, growth."""

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.compile.passes.loop import conformed, run_conformed, verify_loops
from wengert.compile.passes.pipeline import PASSES, entries, optimise
from wengert.compile.program import (
    Builder,
    Guard,
    GuardFailed,
    Op,
    Program,
    interpret,
    run_op,
    spec_of,
    verify,
)
from wengert.primitives.registry import REGISTRY
from wengert.tape.columns import Constant

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, np.inf, -np.inf, np.nan, 5e-324, 3.7]
ARRAYS = [
    np.array([0.0, -0.0, 1.5, np.nan, -np.inf, 2.0]),
    np.linspace(-2, 2, 6).reshape(2, 3),
    np.linspace(-1, 1, 3, dtype=np.float32),
    np.float64(0.7),
    np.float32(-0.0),
    -0.0,
    1.25,
    np.arange(6),
    np.array([True, False, True]),
    np.array(0.25),
]
UNARY = ["negative", "exp", "square", "absolute", "sin", "sqrt", "positive", "log"]
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "greater"]
PARTS = [0, -1, ..., slice(None), slice(1, None), (0, 0), (slice(None), 1), (..., -1)]
WEAK = {"add", "subtract", "multiply"}


@st.composite
def programs(draw):
    """A random program that NumPy can run, and its inputs."""
    inputs = [
        ARRAYS[k] for k in draw(st.lists(st.integers(0, len(ARRAYS) - 1), min_size=1, max_size=4))
    ]
    values, builder = list(inputs), Builder([spec_of(x) for x in inputs])
    for _ in range(draw(st.integers(1, 25))):
        name, operands, parameters = draw(operations(len(values)))
        given_values = [values[x] if isinstance(x, int) else x.value for x in operands]
        primitive = REGISTRY[name]
        try:
            with np.errstate(all="ignore"):
                value = run_op(Op(primitive, (), parameters, None), given_values)
        except (TypeError, ValueError, IndexError, AttributeError, OverflowError):
            continue
        if name in WEAK and all(type(x) in (float, int, bool) for x in given_values):
            value = value.item()
        if np.size(value) > 200:
            continue
        builder.add(Op(primitive, (), parameters, spec_of(value)), operands)
        values.append(value)
    count = len(values)
    outputs = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3))
    flags = [
        k for k, x in enumerate(values) if isinstance(x, bool | np.bool_) and np.shape(x) == ()
    ]
    guards = [Guard(k, bool(values[k])) for k in flags]
    return Program(builder.inputs, tuple(builder.ops), tuple(outputs), tuple(guards)), inputs


@st.composite
def operations(draw, count):
    kind = draw(st.sampled_from(["unary", "binary", "binary", "where", "shape", "read", "write"]))
    value = st.integers(0, count - 1)
    constant = st.sampled_from(
        [*SPECIAL, 0, 1, 2, -1, np.float64(1.0), np.ones(3), np.zeros((2, 3))]
    )
    operand = st.one_of(value, value, constant.map(Constant))
    if kind == "unary":
        return draw(st.sampled_from(UNARY)), [draw(value)], {}
    if kind == "binary":
        return draw(st.sampled_from(BINARY)), [draw(operand), draw(operand)], {}
    if kind == "where":
        return "where", [draw(value), draw(operand), draw(operand)], {}
    if kind == "read":
        return "read", [draw(value)], {"path": (("getitem", draw(st.sampled_from(PARTS))),)}
    if kind == "write":
        path = (("getitem", draw(st.sampled_from(PARTS))),)
        return "write", [draw(value), draw(operand)], {"path": path, "add": draw(st.booleans())}
    return draw(
        st.sampled_from(
            [
                ("reshape", [draw(value)], {"shape": (6,)}),
                ("reshape", [draw(value)], {"shape": (3, 2)}),
                ("transpose", [draw(value)], {"axes": (1, 0)}),
                ("broadcast_to", [draw(value)], {"shape": (2, 3)}),
                ("sum", [draw(value)], {"axis": (0,), "keepdims": False}),
            ]
        )
    )


@settings(max_examples=400, deadline=None)
@given(programs())
def test_each_pass_keeps_a_random_program_to_the_bit(drawn):
    program, inputs = drawn
    with np.errstate(all="ignore"):
        expected = interpret(program, inputs, run_conformed)
    for one in PASSES:
        after = one(program)
        verify(after)
        verify_loops(after)
        assert after.inputs == program.inputs
        assert len(after.guards) <= len(program.guards)
        with np.errstate(all="ignore"):
            found = interpret(after, inputs, run_conformed)
        for x, y in zip(expected, found, strict=True):
            assert spec_of(x) == spec_of(y), f"{one.__name__}:\n{program}\n->\n{after}"
            x, y = np.asarray(x), np.asarray(y)
            same = np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
            assert same, f"{one.__name__}: {x} became {y}\n{program}\n->\n{after}"
            signs = np.isnan(x) | (np.signbit(x) == np.signbit(y)) if x.dtype.kind == "f" else True
            assert np.all(signs), f"{one.__name__}: {x} became {y}\n{program}\n->\n{after}"
        program = after


@settings(max_examples=100, deadline=None)
@given(programs())
def test_passes_leave_their_argument_alone_and_come_to_an_end(drawn):
    program, _ = drawn
    text = str(program)
    once, _ = optimise(program)
    assert str(program) == text
    again, _ = optimise(once)
    assert len(again) <= len(once)


# ------------------------------------------------------------------------------------- gradients

WORKLOADS = [
    ("circuit", 1), ("pendulum", 60), ("rosenbrock", 12), ("rnn", 20), ("spiral", 5),
    ("mlp", 3), ("black_scholes", 7),
]  # fmt: skip


@pytest.mark.parametrize(("name", "size"), WORKLOADS, ids=[name for name, _ in WORKLOADS])
@pytest.mark.parametrize("fastmath", [False, True], ids=["exact", "fastmath"])
def test_the_gradients_of_the_benchmarks(name, size, fastmath, program):
    workload = importlib.import_module(f"benchmarks.workloads.{name}").WORKLOAD
    args = workload.inputs(size)
    chosen = [
        k
        for k, x in enumerate(args)
        if isinstance(x, float) or getattr(x, "dtype", bool) in ("f4", "f8")
    ]

    def f(*given):
        full = list(args)
        for k, x in zip(chosen, given, strict=True):
            full[k] = x
        return wg.value_and_grad(workload.function, argnums=workload.argnums(args))(*full)

    inputs = [args[k] for k in chosen]
    before = program(f, *inputs)
    after, _ = optimise(before, fastmath)
    verify(after)
    verify_loops(after)
    assert entries(after) <= entries(before)
    expected = interpret(before, inputs, run_conformed)
    found = interpret(after, inputs, run_conformed)
    single = any(np.asarray(x).dtype == np.float32 for x in expected)
    for x, y in zip(expected, found, strict=True):
        assert spec_of(x) == spec_of(y)
        np.testing.assert_allclose(y, x, rtol=1e-4 if single else 1e-11, atol=1e-12)


def test_a_long_loop_is_short_work(program):
    def lengths(steps):
        def f(x):
            y, v = x[0], x[1]
            for _ in range(steps):
                y, v = y + 0.01 * v, v - 0.01 * np.sin(y) * x[2]
            return y

        before = program(wg.value_and_grad(f), np.array([0.5, 0.0, 9.81]))
        return entries(before), entries(optimise(before)[0])

    (long, optimised), (longer, as_short) = lengths(100), lengths(400)
    assert longer > 3 * long
    assert as_short == optimised < 120


# ------------------------------------------------------------------------------- guards, reports


def test_guards_are_kept_in_order_with_their_places():
    x = np.float64(2.0)
    true = spec_of(np.bool_(True))
    greater, exp = REGISTRY["greater"], REGISTRY["exp"]
    places = [object(), object()]
    program = Program(
        (spec_of(x),),
        (
            Op(greater, (0, Constant(1.0)), {}, true),
            Op(exp, (0,), {}, spec_of(x)),
            Op(greater, (2, Constant(1.0)), {}, true),
        ),
        (2,),
        (Guard(1, True, places[0]), Guard(3, True, places[1])),
    )
    after, _ = optimise(program)
    assert [guard.place for guard in after.guards] == places
    with pytest.raises(GuardFailed) as failed:
        interpret(after, [np.float64(0.5)])
    assert failed.value.guard.place is places[0]
    with pytest.raises(GuardFailed):
        interpret(after, [np.float64(-3.0)])


def test_reports_name_each_pass_and_count(program):
    x = np.arange(3.0)
    before = program(lambda v: np.exp(v) * 1.0 + np.exp(v) * 1.0, x)
    after, reports = optimise(before)
    names = [one.__name__ for one in PASSES]
    assert [report.name for report in reports] == names[: len(reports)]
    assert reports[-1].name == "hoist"  # no loop was found: a third round would find nothing
    assert reports[0].before == len(before)
    assert reports[-1].after == len(after) == 2
    assert all(report.seconds >= 0 for report in reports)


def test_the_work_grows_with_the_program_and_no_faster(calls_of):
    rng = np.random.default_rng(0)
    scalar = spec_of(np.float64(1.0))

    def random_program(count):
        names = rng.choice(["add", "multiply", "subtract", "sin", "divide"], count)
        ops = []
        for k, name in enumerate(names):
            first = int(rng.integers(max(0, k - 20), k + 2))
            second = int(rng.integers(max(0, k - 20), k + 2))
            operands = (first,) if name == "sin" else (first, second)
            ops.append(Op(REGISTRY[name], operands, {}, scalar))
        return Program((scalar, scalar), tuple(ops), tuple(range(count - 20, count + 2)))

    short, long = random_program(500), random_program(5000)
    optimise(short)  # what is looked up once
    assert calls_of(optimise, long) < 13 * calls_of(optimise, short)


def test_a_value_is_held_as_its_spec_says():
    assert type(conformed(np.float64(2.0), spec_of(1.0))) is float
    assert type(conformed(np.array(2.0), spec_of(np.float64(1.0)))) is np.float64
    assert type(conformed(np.float64(2.0), spec_of(np.array(1.0)))) is np.ndarray
