"""Calls from a plan into Python: values, kinds, exceptions, what nobody may keep."""

import sys

import numpy as np
import pytest
from tests.compile.agreement import in_threads

from wengert.compile.native import call, callbacks, layout
from wengert.compile.native.callbacks import Callback, Callbacks, ResultError
from wengert.compile.native.engine import Unit
from wengert.compile.native.signature import Signature
from wengert.compile.native.types import Code, Names
from wengert.compile.program import Spec
from wengert.tape.columns import Constant

FLOAT = np.dtype(float)
PYTHON, SCALAR = Spec((), FLOAT, "python"), Spec((), FLOAT, "scalar")


def array(*shape, dtype=float):
    return Spec(shape, np.dtype(dtype), "array")


def compiled(callback, wanted=None, release_gil=False):
    """A compiled function that is one callback; of the results, those that are wanted."""
    call.install()
    symbols = {}
    steps = Callbacks(symbols)
    code = Code(Names(symbols))
    wanted = range(len(callback.results)) if wanted is None else wanted
    operands = [pointer(code, "%in", k) for k in range(len(callback.specs))]
    results = [None] * len(callback.results)
    for place, k in enumerate(wanted):
        results[k] = pointer(code, "%out", place)
    status = steps.emit(code, callback, operands, results)
    head = "define i32 @plan(ptr %in, ptr %out, ptr %arena) {"
    plan = "\n".join([head, *code.lines, f"  ret i32 {status}", "}"])
    specs = callback.specs
    signature = Signature(
        specs,
        tuple(range(len(specs))),
        tuple(callback.results[k] for k in wanted),
        tuple(range(len(wanted))),
    )
    entry = call.emit(symbols, signature, release_gil=release_gil)
    symbols |= steps.table()
    unit = Unit(plan + "\n" + "\n".join(symbols.values()))
    held = steps.bind(unit.address)
    return entry.bind(unit.address, owner=(unit, held), fallback=lambda *args: "fallback").call


def pointer(code, array, index):
    at = code.op(f"getelementptr ptr, ptr {array}, i64 {index}")
    return code.op(f"load ptr, ptr {at}")


@pytest.fixture(params=["native", "ctypes"])
def way(request, monkeypatch):
    """Both ways of calling, in turn."""
    if request.param == "ctypes":
        monkeypatch.setattr(layout, "is_known", lambda: False)
    callbacks.install.cache_clear()
    yield request.param
    monkeypatch.undo()
    callbacks.install.cache_clear()
    callbacks.install()


@pytest.mark.usefixtures("way")
def test_operands_have_the_kind_that_was_traced():
    seen = []

    def function(*values):
        seen.extend(values)
        return values[3] + 1

    operands = (PYTHON, SCALAR, Constant("text"), array(2, 3), array())
    f = compiled(Callback(function, operands, (array(2, 3),), copies=True))
    x = np.arange(6.0).reshape(2, 3)
    (out,) = f(1.5, np.float64(2.5), x, np.array(3.5))
    assert [type(value) for value in seen] == [float, np.float64, str, np.ndarray, np.ndarray]
    assert seen[:3] == [1.5, 2.5, "text"]
    assert seen[4].shape == ()
    np.testing.assert_array_equal(out, x + 1)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dtype", ["?", "b", "h", "i", "l", "f", "d", "F", "D"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 0), (3, 4)])
def test_every_dtype_and_shape_goes_in_and_out(dtype, shape):
    spec = array(*shape, dtype=dtype)
    f = compiled(Callback(lambda x: x[::-1] if x.ndim else x, (spec,), (spec,)))
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    np.testing.assert_array_equal(f(x)[0], x[::-1] if shape else x)


@pytest.mark.usefixtures("way")
def test_several_results_of_which_some_are_not_wanted():
    spec = array(3, 3)
    results = tuple(array(*shape) for shape in [(3, 3), (3,), (3, 3)])
    svd = Callback(np.linalg.svd, (spec,), results, is_tuple=True)
    x = np.random.default_rng(1).normal(size=(3, 3))
    u, s, vh = np.linalg.svd(x)
    for found, expected in zip(compiled(svd)(x), (u, s, vh), strict=True):
        np.testing.assert_array_equal(found, expected)
    (only,) = compiled(svd, wanted=[1])(x)
    np.testing.assert_array_equal(only, s)


@pytest.mark.usefixtures("way")
def test_operands_are_read_only_and_are_not_copied():
    addresses = []

    def function(x):
        addresses.append(x.ctypes.data)
        x[0] = 1
        return x

    x = np.zeros(3)
    f = compiled(Callback(function, (array(3),), (array(3),)))
    with pytest.raises(ValueError, match="read-only"):
        f(x)
    assert addresses == [x.ctypes.data]


def failing(x):
    raise ZeroDivisionError("inside")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("release_gil", [False, True])
def test_an_exception_is_the_callers_with_its_traceback(release_gil):
    f = compiled(Callback(failing, (array(3),), (array(3),)), release_gil=release_gil)
    x = np.zeros(3)
    before = sys.getrefcount(x)
    with pytest.raises(ZeroDivisionError, match="inside") as caught:
        f(x)
    names = [entry.name for entry in caught.traceback]
    assert names[-1] == "failing"
    del caught
    assert sys.getrefcount(x) == before


def test_a_traceback_holds_no_memory_of_the_plan():
    def outer(x):
        y = x[1:]
        try:
            failing(y)
        except ZeroDivisionError as error:
            raise ValueError("again") from error

    f = compiled(Callback(outer, (array(3),), (array(3),)))
    with pytest.raises(ValueError, match="again") as caught:
        f(np.zeros(3))
    error, held = caught.value, []
    for each in (error, error.__cause__):
        step = each.__traceback__
        while step is not None:
            if (
                step.tb_frame.f_code.co_filename != __file__
                or step.tb_frame.f_code is outer.__code__
            ):
                held += [v for v in step.tb_frame.f_locals.values() if isinstance(v, np.ndarray)]
            step = step.tb_next
    assert held == []


@pytest.mark.parametrize("way_to_keep", [lambda x: x, lambda x: x[1:]])
def test_who_keeps_an_operand_is_told(way_to_keep):
    kept = []

    def function(x):
        kept.append(way_to_keep(x))
        return x

    f = compiled(Callback(function, (array(3),), (array(3),)))
    with pytest.raises(RuntimeError, match="must keep a copy"):
        f(np.zeros(3))
    copying = compiled(Callback(function, (array(3),), (array(3),), copies=True))
    x = np.arange(3.0)
    np.testing.assert_array_equal(copying(x)[0], x)
    np.testing.assert_array_equal(kept[-1], way_to_keep(x))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("result", [np.zeros(4), np.zeros(3, np.float32), 1.0, [1, 2, 3]])
def test_a_result_that_is_not_what_was_traced_is_an_error(result):
    f = compiled(Callback(lambda x: result, (array(3),), (array(3),)))
    with pytest.raises(ResultError, match=r"where it had returned float64\[3\]"):
        f(np.zeros(3))


def test_callbacks_from_several_threads_without_the_gil():
    spec = array(50)
    f = compiled(Callback(lambda x: np.sort(x), (spec,), (spec,)), release_gil=True)
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(300):
            x = rng.normal(size=50)
            if not np.array_equal(f(x)[0], np.sort(x)):
                wrong.append(seed)

    in_threads(work, 4)
    assert wrong == []


def test_a_hundred_thousand_callbacks_keep_every_count():
    spec = array(7)
    f = compiled(Callback(lambda x, y: x, (spec, PYTHON), (spec,)))
    x = np.zeros(7)
    objects = [x, np.ndarray, np.dtype(float), None]
    for _ in range(10):
        f(x, 1.0)
    before = [sys.getrefcount(each) for each in objects]
    for _ in range(100_000):
        f(x, 1.0)
    after = [sys.getrefcount(each) for each in objects]
    assert max(abs(new - old) for new, old in zip(after, before, strict=True)) < 10
