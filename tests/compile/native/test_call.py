"""The native entry: what it accepts, what it gives, whom it owes references; plans by hand."""

import gc
import os
import resource
import sys
import weakref
from collections import namedtuple
from itertools import pairwise

import numpy as np
import pytest
from tests.compile.agreement import in_threads

from wengert.compile.native import call, layout, portable
from wengert.compile.native.callbacks import Callback, Callbacks, raising
from wengert.compile.native.engine import Unit
from wengert.compile.native.signature import Made, Signature, Static
from wengert.compile.native.types import Code, Names
from wengert.compile.program import Spec

FLOAT = np.dtype(float)
PYTHON = Spec((), FLOAT, "python")
SCALAR = Spec((), FLOAT, "scalar")


def array(*shape, dtype=float):
    return Spec(shape, np.dtype(dtype), "array")


def copying(count, size=8, status="0"):
    """A plan that copies `size` bytes from each input to the output of the same number."""
    lines = ["define i32 @plan(ptr %in, ptr %out, ptr %arena) {"]
    for k in range(count):
        for name in ("in", "out"):
            lines.append(f"  %{name}.at{k} = getelementptr ptr, ptr %{name}, i64 {k}")
            lines.append(f"  %{name}{k} = load ptr, ptr %{name}.at{k}")
        lines.append(
            f"  call void @llvm.memcpy.p0.p0.i64(ptr %out{k}, ptr %in{k}, i64 {size}, i1 false)"
        )
    declared = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n"
    return declared + "\n".join([*lines, f"  ret i32 {status}", "}"])


def fallback(*args, **keywords):
    return ("fallback", args, keywords)


def bound(plan, signature, symbols=None, fallback=fallback, callbacks=None, **options):
    """The callable and its targets."""
    call.install()
    symbols = {} if symbols is None else symbols
    entry = call.emit(symbols, signature, **options)
    if callbacks is not None:
        symbols |= callbacks.table()
    unit = Unit(plan + "\n" + "\n".join(symbols.values()))
    held = callbacks.bind(unit.address) if callbacks is not None else ()
    return entry.bind(unit.address, owner=(unit, held), fallback=fallback)


def identity(spec, status="0", **options):
    """A compiled function of one argument that returns it."""
    size = spec.dtype.itemsize * int(np.prod(spec.shape))
    plan = copying(1, size, status)
    return bound(plan, Signature((spec,), (0,), (spec,), 0), **options).call


def test_objects_of_this_interpreter_lie_where_native_calls_expect_them():
    # What CI runs on is what we support; elsewhere calls go by ctypes.
    assert layout.is_known() == (sys.implementation.name == "cpython")


# ------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("dtype", ["?", "b", "h", "i", "l", "B", "H", "I", "L", "f", "d", "F", "D"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4), (1, 2, 1, 2)])
def test_an_array_comes_back_with_its_dtype_and_shape(dtype, shape):
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    out = identity(array(*shape, dtype=dtype))(x)
    assert type(out) is np.ndarray
    assert (out.dtype, out.shape) == (x.dtype, x.shape)
    assert out is not x
    np.testing.assert_array_equal(out, x)


@pytest.mark.parametrize("dtype", ["?", "b", "h", "i", "l", "B", "H", "I", "L", "f", "d", "F", "D"])
def test_a_numpy_scalar_comes_back_as_one(dtype):
    x = np.dtype(dtype).type(1)
    out = identity(Spec((), np.dtype(dtype), "scalar"))(x)
    assert type(out) is type(x)
    assert out == x
    assert hash(out) == hash(x)
    assert repr(out) == repr(x)


@pytest.mark.parametrize("value", [2.5, -0.0, float("inf"), 1 - 2j])
def test_a_python_number_comes_back_as_one(value):
    out = identity(Spec((), np.asarray(value).dtype, "python"))(value)
    assert type(out) is type(value)
    assert repr(out) == repr(value)


@pytest.mark.parametrize(("dtype", "kind"), [("l", int), ("?", bool)])
def test_an_integer_or_truth_value_can_be_a_result(dtype, kind):
    dtype = np.dtype(dtype)
    signature = Signature((array(dtype=dtype),), (0,), (Spec((), dtype, "python"),), 0)
    out = bound(copying(1, dtype.itemsize), signature).call(np.array(1, dtype))
    assert type(out) is kind
    assert out == 1


def test_numpy_truth_values_are_the_two_that_there_are():
    f = identity(Spec((), np.dtype(bool), "scalar"))
    assert f(np.True_) is np.True_
    assert f(np.False_) is np.False_


def test_results_are_nested_as_asked():
    Pair = namedtuple("Pair", "a b")
    tree = {"x": [0, (1, Static(None))], "y": Made(Pair, (0, [])), "z": ()}
    signature = Signature((PYTHON, array(1)), (0, 1), (PYTHON, array(1)), tree)
    x = np.ones(1)
    out = bound(copying(2), signature).call(2.0, x)
    assert list(out) == ["x", "y", "z"]
    assert out["x"][0] == 2.0
    assert out["x"][1] == (x, None)
    assert out["y"] == Pair(2.0, [])
    assert out["z"] == ()
    assert out["y"].a is out["x"][0]  # one output, one object


def test_arguments_are_nested_as_asked():
    tree = ((0, [1]), {"a": 2, "b": {}}, [])
    f = bound(copying(3), Signature((PYTHON, SCALAR, array()), tree, (PYTHON,) * 3, (0, 1, 2))).call
    good = ((1.0, [np.float64(2)]), {"b": {}, "a": np.array(3.0)}, [])
    assert f(*good) == (1.0, 2.0, 3.0)
    for k, wrong in [
        (0, [1.0, [np.float64(2)]]),
        (0, (1.0, (np.float64(2),))),
        (0, (1.0, [np.float64(2)], 3)),
        (0, (1.0, [])),
        (1, {"a": np.array(3.0), "c": {}}),
        (1, {"a": np.array(3.0)}),
        (1, {"a": np.array(3.0), "b": {}, "c": 1}),
        (1, {"a": np.array(3.0), "b": {"": 1}}),
        (2, ()),
        (2, [1]),
        (2, None),
    ]:
        args = [*good]
        args[k] = wrong
        assert f(*args)[0] == "fallback"


def test_a_key_whose_comparison_raises_is_a_mismatch():
    class Key:
        def __hash__(self):
            return hash("a")

        def __eq__(self, other):
            raise ZeroDivisionError

    f = bound(copying(1), Signature((PYTHON,), ({"a": 0},), (PYTHON,), 0)).call
    assert f({"a": 1.0}) == 1.0
    assert f({Key(): 1.0})[0] == "fallback"


# ----------------------------------------------------------------------------------------- mismatch


class Floating(float):
    pass


class Special(np.ndarray):
    pass


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (PYTHON, 1), (PYTHON, True), (PYTHON, np.float64(1)), (PYTHON, Floating(1)), (PYTHON, "1"),
        (PYTHON, None), (PYTHON, np.array(1.0)), (PYTHON, 1j),
        (SCALAR, 1.0), (SCALAR, np.float32(1)), (SCALAR, np.array(1.0)), (SCALAR, np.int64(1)),
        (array(), 1.0), (array(), np.float64(1)), (array(), np.ones(1)),
        (array(3), np.ones(4)), (array(3), np.ones((3, 1))), (array(3), np.ones(())),
        (array(3), np.ones(3, np.float32)), (array(3), np.ones(3, np.int64)),
        (array(3), np.ones(3, ">f8")), (array(3), np.ones(6)[::2]), (array(3), np.ones(3)[::-1]),
        (array(3), [1.0, 1.0, 1.0]), (array(3), np.ones(3).view(Special)),
        (array(3), np.ma.ones(3)), (array(3), np.ones(3, object)),
        (array(3), np.ones(25, np.uint8)[1:].view(float)),  # not aligned
        (array(2, 3), np.ones((3, 2)).T), (array(2, 3), np.ones((2, 3), order="F")),
        (array(2, 3), np.broadcast_to(1.0, (2, 3))), (array(2, 3), np.ones(6)),
        (array(2, dtype="l"), np.zeros(2, "m8[s]")),
    ],
)  # fmt: skip
def test_what_does_not_fit_goes_to_the_fallback(spec, value):
    f = identity(spec)
    before = sys.getrefcount(value)
    name, args, keywords = f(value)
    assert (name, keywords) == ("fallback", {})
    assert args[0] is value
    del args
    if isinstance(value, np.ndarray):  # None and True have other owners, who come and go
        assert sys.getrefcount(value) == before


def test_a_wrong_number_of_arguments_and_keywords_go_to_the_fallback():
    f = identity(PYTHON)
    assert f() == ("fallback", (), {})
    assert f(1.0, 2.0) == ("fallback", (1.0, 2.0), {})
    assert f(x=1.0) == ("fallback", (), {"x": 1.0})
    assert f(1.0, y=1) == ("fallback", (1.0,), {"y": 1})
    assert f(*[1.0] * 100)[1] == (1.0,) * 100


@pytest.mark.parametrize("is_known", [True, False], ids=["native", "ctypes"])
def test_keywords_are_taken_in_any_order(is_known, monkeypatch):
    if not is_known:
        monkeypatch.setattr(layout, "is_known", lambda: False)
    keywords = {"b": [1], "c": Static(3), "a": 2}
    specs = (PYTHON, array(2, dtype="f"), SCALAR)
    signature = Signature(specs, (0,), specs, (0, 2, 1), keywords)
    x, scalar = np.ones(2, "f"), np.float64(4)
    f = bound(copying(3), signature).call
    objects = [x, scalar, keywords]
    before = [sys.getrefcount(each) for each in objects]
    for _ in range(1000):
        assert f(2.0, a=scalar, b=[x], c=3)[:2] == (2.0, 4.0)
        assert f(2.0, c=3, b=[x], a=scalar)[:2] == (2.0, 4.0)
        for wrong in [
            {"a": scalar, "b": [x]},
            {"a": scalar, "b": [x], "d": 3},
            {"a": scalar, "b": [x], "c": 4},
            {"a": scalar, "b": x, "c": 3},
            {"a": scalar, "b": [x], "c": 3, "d": 3},
        ]:
            assert f(2.0, **wrong) == ("fallback", (2.0,), wrong)
    assert f(a=scalar, b=[x], c=3)[:2] == ("fallback", ())
    assert f(2.0, scalar, b=[x], c=3)[:2] == ("fallback", (2.0, scalar))
    del wrong
    assert [sys.getrefcount(each) for each in objects] == before


def test_an_equal_dtype_that_is_another_object_fits():
    f = identity(array(3))
    dtype = np.dtype("f8", copy=True)
    assert dtype is not np.dtype("f8")
    x = np.zeros(3).view(dtype)
    assert f(x).dtype is np.dtype("f8")
    x = np.frombuffer(b"\0" * 24, np.dtype("f8", metadata={"a": 1}))
    np.testing.assert_array_equal(f(x), np.zeros(3))  # and read-only memory is read


@pytest.mark.parametrize(
    ("known", "same", "other"),
    [
        (3, [3, int("3")], [4, 3.0, True, np.int64(3)]),
        (10**30, [int("1" + "0" * 30)], [10**30 + 1]),
        ("axis", ["axis", "".join(["ax", "is"])], ["axes", b"axis"]),
        (True, [True], [1, False, np.True_]),
        (None, [None], [0]),
        (0.0, [0.0], [-0.0, 0]),
        (float("nan"), [float("nan")], [1.0]),
        (b"x", [b"x"], ["x"]),
    ],
)
def test_a_static_argument_must_be_the_one_that_was_traced(known, same, other):
    f = bound(copying(1), Signature((PYTHON,), (0, Static(known)), (PYTHON,), 0)).call
    assert [f(1.0, value) for value in same] == [1.0] * len(same)
    assert [f(1.0, value)[0] for value in other] == ["fallback"] * len(other)


def test_an_exception_of_the_fallback_is_the_callers():
    def fails(*args):
        raise ZeroDivisionError("of the fallback")

    f = identity(PYTHON, fallback=fails)
    with pytest.raises(ZeroDivisionError, match="of the fallback"):
        f(1)


def test_the_fallback_can_call_the_entry_again():
    f = identity(PYTHON, fallback=lambda x: (f(float(x)),))
    assert f(3) == (3.0,)


# ------------------------------------------------------------------------------------------- guards


def test_thousands_of_signatures_stand_in_a_line_without_recursion():
    call.install()
    symbols = {}
    entry = call.emit(symbols, Signature((array(3),), (0,), (array(3),), 0))
    unit = Unit(copying(1, 24) + "\n" + "\n".join(symbols.values()))
    line = [entry.bind(unit.address, owner=unit, fallback=fallback) for _ in range(5000)]
    for one, following in pairwise(line):
        one.targets[0] = following.call
    x = np.ones(4)
    before = [sys.getrefcount(each.call) for each in line]
    assert line[0].call(x) == ("fallback", (x,), {})
    assert line[0].call(x, y=2) == ("fallback", (x,), {"y": 2})
    assert [sys.getrefcount(each.call) for each in line] == before
    assert (line[0].call(np.ones(3)) == 1).all()


def test_a_target_may_be_replaced_while_it_runs():
    def replaced(*args):
        first.targets[0] = second.targets[0] = fallback
        gc.collect()
        return "replaced"

    signature = Signature((PYTHON,), (0,), (PYTHON,), 0)
    first, second = (bound(copying(1), signature, fallback=replaced) for _ in range(2))
    first.targets[0] = second.call
    assert first.call(1) == "replaced"
    assert first.call(1)[0] == "fallback"


def test_more_guards_than_an_entry_can_tell_apart_lead_to_the_first_target():
    plan = copying(1, 8, str((1 << 16) + 5))
    f = bound(plan, Signature((PYTHON,), (0,), (PYTHON,), 0), guards=1 << 17).call
    assert f(1.0)[0] == "fallback"


def test_a_failed_guard_goes_to_its_own_target():
    plan = copying(1, 8, "%status").replace(
        "  ret", "  %n = load i64, ptr %in1\n  %status = trunc i64 %n to i32\n  ret"
    )
    plan = plan.replace("  ret", "  ret").replace(
        "  %n =", "  %at = getelementptr ptr, ptr %in, i64 1\n  %in1 = load ptr, ptr %at\n  %n ="
    )
    inputs = (array(4), Spec((), np.dtype(np.int64), "scalar"))
    f, targets = bound(plan, Signature(inputs, (0, 1), (array(4),), 0), guards=2)
    x = np.ones(4)
    assert len(targets) == 3
    assert f(x, np.int64(0)).shape == (4,)
    assert f(x, np.int64(2))[0] == "fallback"
    targets[2] = lambda *args: "second"
    assert f(x, np.int64(1))[0] == "fallback"
    assert f(x, np.int64(2)) == "second"
    before = sys.getrefcount(x)
    for _ in range(10_000):
        f(x, np.int64(2))
    assert sys.getrefcount(x) == before


# -------------------------------------------------------------------------------- ownership, memory


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def grows_by(function, times):
    """Bytes that the process grows by, after it has been warmed up."""
    for _ in range(times // 10):
        function()
    gc.collect()
    before = resident_bytes()
    for _ in range(times):
        function()
    gc.collect()
    return resident_bytes() - before


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@linux
def test_a_million_calls_with_numbers_leave_nothing_behind():
    signature = Signature((PYTHON,) * 3, (0, 1, 2), (PYTHON,) * 3, (0, [1, 2]))
    f = bound(copying(3), signature).call
    numbers = [1.5, 2.5, 3.5]
    before = [sys.getrefcount(x) for x in numbers]
    assert grows_by(lambda: f(*numbers), 1_000_000) < 1 << 20
    assert [sys.getrefcount(x) for x in numbers] == before


@linux
def test_calls_with_arrays_leave_nothing_behind():
    tree = {"a": (0, 1), "b": Made(lambda *x: x, (0, Static("s")))}
    specs = (array(500), SCALAR)
    f = bound(copying(2), Signature(specs, ([0], {"k": 1}), specs, tree)).call
    x, y = np.ones(500), np.float64(2)
    objects = [x, y, np.ndarray, np.dtype(float), np.float64, f]
    before = [sys.getrefcount(each) for each in objects]
    assert grows_by(lambda: f([x], {"k": y}), 100_000) < 1 << 20
    after = [sys.getrefcount(each) for each in objects]
    assert after == before


@linux
def test_calls_that_do_not_fit_leave_nothing_behind():
    f = bound(copying(1), Signature((array(3),), (([0],),), (array(3),), 0)).call
    x = np.ones(4)
    before = sys.getrefcount(x)
    assert grows_by(lambda: f(([x],)), 100_000) < 1 << 20
    assert sys.getrefcount(x) == before


@linux
def test_exceptions_leave_nothing_behind():
    symbols = {}
    f = raising_entry(symbols)
    x = np.ones(1000)

    def attempt():
        with pytest.raises(np.linalg.LinAlgError, match="Singular"):
            f(x)

    before = sys.getrefcount(x)
    assert grows_by(attempt, 3_000) < 1 << 20
    assert sys.getrefcount(x) == before


def raising_entry(symbols):
    callbacks = Callbacks(symbols)
    code = Code(Names(symbols))
    status = callbacks.emit(code, raising(np.linalg.LinAlgError, "Singular matrix"), [], [])
    plan = "\n".join(
        [
            "define i32 @plan(ptr %in, ptr %out, ptr %arena) {",
            *code.lines,
            f"  ret i32 {status}",
            "}",
        ]
    )
    signature = Signature((array(1000),), (0,), (array(1000),), (0, [0]))
    return bound(plan, signature, symbols, callbacks=callbacks).call


def test_a_callable_frees_all_that_it_holds():
    class Owner:
        pass

    call.install()
    symbols = {}
    entry = call.emit(symbols, Signature((PYTHON,), (0,), (PYTHON,), 0), arena_bytes=1 << 20)
    unit = Unit(copying(1) + "\n" + "\n".join(symbols.values()))
    owner = Owner()
    owner.unit = unit
    f, targets = entry.bind(unit.address, owner=owner, fallback=fallback)
    gone = weakref.ref(owner)
    targets[0] = lambda f=f: f  # a cycle
    del owner, entry
    assert f(1.0) == 1.0
    del f, targets
    gc.collect()
    assert gone() is None


def test_a_failed_construction_of_the_result_raises():
    def fails(*parts):
        raise ZeroDivisionError

    x = np.ones(4)
    tree = (0, [Made(fails, (0, 1))], {"a": 0})
    f = bound(copying(2), Signature((array(4), PYTHON), (0, 1), (array(4), PYTHON), tree)).call
    before = sys.getrefcount(x), sys.getrefcount(np.dtype(float))
    for _ in range(100):
        with pytest.raises(ZeroDivisionError):
            f(x, 1.0)
    assert (sys.getrefcount(x), sys.getrefcount(np.dtype(float))) == before


def test_a_result_too_large_for_memory_is_a_memory_error():
    size = 1 << 45
    spec = array(size)
    f = bound(copying(1, 8), Signature((array(1),), (0,), (array(1), spec), (0, 1))).call
    x = np.ones(1)
    before = sys.getrefcount(np.dtype(float))
    for _ in range(100):
        with pytest.raises(MemoryError):
            f(x)
    assert sys.getrefcount(np.dtype(float)) <= before + 1  # the last exception holds the dtype


# ---------------------------------------------------------------------- the arena, the GIL, threads

# Writes the input to the arena, sleeps through `pause` without the GIL, and reads it back.
SLOW = """
define i32 @plan(ptr %in, ptr %out, ptr %arena) {
  %x = load ptr, ptr %in
  %o = load ptr, ptr %out
  call void @llvm.memcpy.p0.p0.i64(ptr %arena, ptr %x, i64 8000, i1 false)
  %s = call i32 @usleep(i32 200)
  call void @llvm.memcpy.p0.p0.i64(ptr %o, ptr %arena, i64 8000, i1 false)
  %a = ptrtoint ptr %arena to i64
  %b = and i64 %a, 63
  %c = trunc i64 %b to i32
  ret i32 %c
}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i32 @usleep(i32)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="usleep")
def test_threads_that_call_one_function_at_once_have_arenas_of_their_own():
    signature = Signature((array(1000),), (0,), (array(1000),), 0)
    f = bound(SLOW, signature, arena_bytes=8000, release_gil=True, guards=64).call
    wrong = []

    def work(number):
        x = np.full(1000, float(number))
        for _ in range(200):
            if not np.array_equal(f(x), x):
                wrong.append(number)

    in_threads(work, 8)
    assert wrong == []


@pytest.mark.parametrize("size", [100, 5000])
def test_the_arena_is_aligned_and_free_again_after_each_call(size):
    plan = """
define i32 @plan(ptr %in, ptr %out, ptr %arena) {
  %o = load ptr, ptr %out
  %a = ptrtoint ptr %arena to i64
  store i64 %a, ptr %o
  ret i32 0
}"""
    spec = Spec((), np.dtype(np.int64), "python")
    f = bound(plan, Signature((), (), (spec,), 0), arena_bytes=size).call
    found = {f() for _ in range(100)}
    assert all(address % 64 == 0 for address in found)
    assert len(found) == 1 or size <= 4096


def test_a_plan_may_call_the_function_it_belongs_to():
    symbols = {}
    callbacks = Callbacks(symbols)
    code = Code(Names(symbols))
    spec = array(1000)
    code.lines += ["  %x = load ptr, ptr %in", "  %o = load ptr, ptr %out"]
    code.do("call void @llvm.memcpy.p0.p0.i64(ptr %arena, ptr %x, i64 8000, i1 false)")

    def again(x):
        return f(x - 1) + 1 if x[0] > 0 else x.copy()

    status = callbacks.emit(
        code, Callback(again, (spec,), (spec,), copies=True), ["%arena"], ["%o"]
    )
    plan = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)\n" + "\n".join(
        [
            "define i32 @plan(ptr %in, ptr %out, ptr %arena) {",
            *code.lines,
            f"  ret i32 {status}",
            "}",
        ]
    )
    signature = Signature((spec,), (0,), (spec,), 0)
    f = bound(plan, signature, symbols, callbacks=callbacks, arena_bytes=8000).call
    np.testing.assert_array_equal(f(np.full(1000, 20.0)), np.full(1000, 20.0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_function_works_in_the_child_of_a_fork():
    f = identity(array(1000), arena_bytes=10_000)
    x = np.arange(1000.0)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(f(x), x) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# ---------------------------------------------------------------- the other way, where it is needed


def test_calls_by_ctypes_do_the_same(monkeypatch):
    monkeypatch.setattr(layout, "is_known", lambda: False)
    tree = {"x": [0, (1, Static(None))], "y": Made(complex, (0,))}
    arguments = ((0, {"k": [1]}), Static(3))
    signature = Signature((PYTHON, array(1)), arguments, (PYTHON, array(1)), tree)
    f, targets = bound(copying(2), signature, guards=1)
    assert isinstance(f, portable.Entry)
    x = np.ones(1)
    assert f((2.0, {"k": [x]}), 3) == {"x": [2.0, (x, None)], "y": 2 + 0j}
    targets[0] = fallback
    for args in [((2, {"k": [x]}), 3), ((2.0, {"k": [x]}), 3.0), ((2.0, {"j": [x]}), 3)]:
        assert f(*args) == ("fallback", args, {})
    assert f((2.0, {"k": [x[::-1].repeat(2)[::2]]}), 3) == {"x": [2.0, (x, None)], "y": 2 + 0j}
    assert f((2.0, {"k": [np.ones(2)]}), 3)[0] == "fallback"
    assert f((2.0, {"k": [x]}), 3, a=1)[0] == "fallback"
    failed, _ = bound(copying(1, 8, "1"), Signature((PYTHON,), (0,), (PYTHON,), 0), guards=1)
    assert failed(1.0) == ("fallback", (1.0,), {})
