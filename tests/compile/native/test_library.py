"""Library calls against NumPy: every form, dtype and layout of matmul, and of linear algebra."""

import ctypes

import numpy as np
import pytest

from wengert.compile.native import blas, gemm, library, matmul
from wengert.compile.native.callbacks import Callbacks
from wengert.compile.native.engine import Unit
from wengert.compile.native.operands import Layout
from wengert.compile.native.types import Code, Names
from wengert.compile.program import Op, Spec, run_op, spec_of
from wengert.primitives.registry import REGISTRY
from wengert.threads import get_num_threads, set_num_threads

BY_NAME = {primitive.name: primitive for primitive in REGISTRY}
NUMBER = np.dtype(np.uint8)


def layout(x):
    return Layout(x.shape, x.dtype, tuple(s // x.itemsize for s in x.strides))


class RefusedError(Exception):
    """There is no library call: it would be a callback."""


def run(name, *operands, wanted=None, **parameters):
    """What a library call gives; NumPy's results beside it."""
    primitive = BY_NAME[name]
    operands = [np.asarray(x) for x in operands]
    with np.errstate(all="ignore"):
        result = run_op(Op(primitive, (), parameters, None), operands)
    parts = [np.asarray(x) for x in (result if isinstance(result, tuple) else (result,))]
    specs = [spec_of(x) for x in parts]
    op = Op(primitive, tuple(range(len(operands))), parameters, specs[0])
    call = library.library_call(op, [layout(x) for x in operands], specs)
    if call is None:
        raise RefusedError
    symbols = {}
    callbacks = Callbacks(symbols)
    code = Code(Names(symbols))
    wanted = range(len(parts)) if wanted is None else wanted
    inputs = [pointer(code, "%in", k) for k in range(len(operands))]
    outputs = [pointer(code, "%out", k) if k in wanted else None for k in range(len(parts))]
    status = call.emit(code, inputs, outputs, "%arena", callbacks)
    symbols |= callbacks.table()
    texts = [symbols[key] for key in sorted(symbols, key=lambda key: key.startswith("!"))]
    head = "define i32 @plan(ptr %in, ptr %out, ptr %arena) {"
    lines = [head, "entry:", *code.names.allocas, *code.lines, f"  ret i32 {status or 0}", "}"]
    library.install(symbols)
    unit = Unit("\n".join([*lines, *texts]))
    held = callbacks.bind(unit.address)
    found = [np.full(x.shape, 77).astype(x.dtype) for x in parts]
    # Filled with NaN, and guarded: nothing is read before it is written, or written beyond.
    arena = np.full(call.workspace_bytes + 128, 255, NUMBER)
    start = -arena.ctypes.data % 64
    arena[start + call.workspace_bytes :] = 171
    plan = ctypes.PYFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)(unit.address("plan"))
    before = [x.copy() for x in operands]
    plan(pointers(operands), pointers(found), arena.ctypes.data + start)
    assert (arena[start + call.workspace_bytes :] == 171).all()
    for x, y in zip(operands, before, strict=True):
        np.testing.assert_array_equal(x, y)
    del held
    return [x for k, x in enumerate(found) if k in wanted], parts


def pointer(code, array, index):
    at = code.op(f"getelementptr ptr, ptr {array}, i64 {index}")
    return code.op(f"load ptr, ptr {at}")


def pointers(arrays):
    return (ctypes.c_void_p * len(arrays))(*[x.ctypes.data for x in arrays])


VECTORS = {("eigh_of", 1): -2, ("svd_of", 0): -2, ("svd_of", 2): -1}  # the axis of one vector


def aligned(x, y, axis):
    """`x` with its vectors turned to those of `y`: their phase may be any."""
    turn = np.sum(np.conj(x) * y, axis=axis, keepdims=True)
    return x * np.where(turn == 0, 1, turn / np.where(turn == 0, 1, np.abs(turn)))


def check(name, *operands, rtol=None, **parameters):
    found, expected = run(name, *operands, **parameters)
    for part, (x, y) in enumerate(zip(found, expected, strict=True)):
        if (name, part) in VECTORS:
            x = aligned(x, y, VECTORS[name, part])
        eps = np.finfo(y.dtype).eps if y.dtype.kind in "fc" else 0
        scale = np.max(np.abs(y), initial=0) if y.dtype.kind in "fc" else 0
        tolerance = rtol or 200 * eps * max(y.shape, default=1)
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale)


def random(shape, dtype=float, seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    if dtype.kind == "f":
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, 2 if dtype.kind == "b" else 100, size=shape).astype(dtype)


# ------------------------------------------------------------------------------------------- matmul


@pytest.mark.parametrize("dtype", ["f", "d", "F", "l", "i", "?"])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [
        (1, 1, 7),
        (8, 2, 40),
        (3, 19, 33),
        (17, 64, 5),
        (1, 20, 9),
        (40, 1, 20),
        (4, 0, 3),
        (3, 3, 0),
    ],
)
def test_matrices_in_all_orders(dtype, m, n, k):
    for number, (order1, order2) in enumerate(["CC", "CF", "FC", "FF"]):
        x = np.asarray(random((m, k), dtype, seed=number), order=order1)
        y = np.asarray(random((k, n), dtype, seed=number + 9), order=order2)
        check("matmul", x, y)


@pytest.mark.parametrize("sample", BY_NAME["matmul"].samples, ids=str)
def test_every_sample_of_the_registry(sample):
    check("matmul", *sample.args)


@pytest.mark.parametrize(
    ("shape1", "shape2"),
    [
        ((5,), (5,)), ((5,), (5, 3)), ((4, 5), (5,)), ((7, 4, 5), (5, 3)), ((7, 2, 4, 5), (5, 3)),
        ((4, 5), (6, 5, 3)), ((2, 1, 4, 5), (3, 5, 2)), ((5,), (6, 5, 3)), ((6, 4, 5), (5,)),
        ((0, 4, 5), (5, 3)), ((2, 4, 0), (2, 0, 3)), ((64, 8, 8), (64, 8, 8)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["d", "F", "l"])
def test_vectors_and_stacks(shape1, shape2, dtype):
    check("matmul", random(shape1, dtype), random(shape2, dtype, seed=1))


def test_strided_and_mixed_operands():
    x, y = random((12, 20, 14)), random((14, 40))
    check("matmul", x[::2, ::-3], y[:, ::2])
    check("matmul", x[:, :, ::7], y[:2].T[::5].T)
    check("matmul", np.moveaxis(x, 0, 2)[:, :, :14].swapaxes(0, 1), y[:12][:, ::-1])
    check("matmul", np.broadcast_to(y[0], (9, 40)), y.T)
    check("matmul", x.astype(np.float32), y)
    check("matmul", x.astype(np.int32), y)
    check("matmul", x, y.astype(complex))
    check("matmul", x[0].astype(np.float32), y.astype(complex)[:, ::3])


@pytest.mark.parametrize(("m", "k", "n"), [(150, 160, 170), (33, 1500, 40)])
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_large_products_native_and_by_blas(m, k, n, dtype, monkeypatch):
    for is_small in (True, False):
        monkeypatch.setattr(matmul, "_is_small", lambda *_, value=is_small: value)
        for order1, order2 in ["CC", "CF", "FC", "FF"]:
            x = np.asarray(random((m, k), dtype), order=order1)
            y = np.asarray(random((k, n), dtype, seed=1), order=order2)
            check("matmul", x, y)
        check("matmul", x[:, ::2], y[::2, 1:])


def test_a_product_has_the_same_bits_each_time():
    x, y = random((200, 150)), random((150, 180), seed=1)
    found = [run("matmul", x, y)[0][0] for _ in range(3)]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_inf_and_nan_stay_where_they_are():
    x, y = random((6, 9)), random((9, 11), seed=1)
    x[2, 3], y[4, 5], x[5, 0] = np.inf, np.nan, -np.inf
    (found,), (expected,) = run("matmul", x, y)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))


# ----------------------------------------------------------------------------------- linear algebra


def positive(shape, dtype):
    x = random(shape, dtype)
    return x @ np.conj(np.swapaxes(x, -1, -2)) + shape[-1] * np.eye(shape[-1], dtype=dtype)


NAMES = sorted(set(library.LIBRARY) - {"matmul"})
EMPTY = {"svd_of", "svdvals_of", "qr_of"}  # NumPy fills in identities: left to it


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_of_linear_algebra(name):
    for sample in BY_NAME[name].samples:
        if any(0 in x.shape for x in map(np.asarray, sample.args)) and name in EMPTY:
            continue
        is_left = name in ("det", "slogdet") and np.iscomplexobj(sample.args[0])
        if is_left:
            with pytest.raises(RefusedError):
                run(name, *sample.args, **sample.kwargs)
        else:
            check(name, *sample.args, **sample.kwargs)


@pytest.mark.parametrize("dtype", "fdFD")
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (3, 4, 4), (2, 3, 6, 6), (0, 4, 4), (0, 0)])
def test_square_matrices(dtype, shape):
    a = positive(shape, dtype)
    for upper in (False, True):
        check("cholesky_factor", a, upper=upper)
        check("eigvalsh_of", a, lower=upper)
    check("inv", a)
    check("solve_matrices", a, random((*shape[:-1], 3), dtype, seed=2))
    check("solve_matrices", a, random((shape[-1], 1), dtype, seed=2))
    if dtype in "fd":
        check("det", a)
        check("slogdet", a)
        check("slogdet", random(shape, dtype))
        check("eigh_of", a, lower=True)
        check("eigh_of", a, lower=False)


@pytest.mark.parametrize("dtype", "fdFD")
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (3, 5), (2, 4, 4), (2, 7, 2), (2, 2, 7)])
def test_rectangular_matrices(dtype, shape):
    a = random(shape, dtype)
    check("svdvals_of", a)
    for flag in (False, True):
        check("svd_of", a, full_matrices=flag)
        check("qr_of", a, complete=flag)


def test_one_triangle_is_read():
    a = positive((5, 5), "D")
    for lower in (True, False):
        junk = np.triu(random((5, 5), "D"), 1) if lower else np.tril(random((5, 5), "D"), -1)
        triangle = np.tril(a) if lower else np.triu(a)
        check("cholesky_factor", triangle + junk, upper=not lower)
        check("eigvalsh_of", triangle + junk, lower=lower)


def test_strided_and_other_operands():
    a = positive((10, 10), "d")
    for x in (a.T, a[::2, ::2], np.asfortranarray(a), a[::-1, ::-1], a.astype(np.float32)):
        check("cholesky_factor", x, upper=False)
        check("inv", x)
        check("svdvals_of", x)
        check("slogdet", x)
    whole = np.arange(9).reshape(3, 3) + 9 * np.eye(3, dtype=int)
    check("inv", whole)
    check("solve_matrices", whole, np.ones((3, 2), np.float32))
    check("solve_matrices", a, random((10, 3), "D"))
    check("solve_matrices", random((2, 1, 3, 3)), random((4, 3, 2), seed=3))


@pytest.mark.parametrize("dtype", "fdFD")
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (3, 4, 4), (2, 1, 6, 6), (0, 4, 4), (0, 0)])
@pytest.mark.parametrize("lower", [False, True])
def test_triangular_systems(dtype, shape, lower):
    a = random(shape, dtype) / 4 + 2 * np.eye(shape[-1], dtype=dtype)
    for unit in (False, True):
        given = {"lower": lower, "unit_diagonal": unit}
        for b in (random((*shape[:-1], 3), dtype, seed=2), random((shape[-1], 1), dtype, seed=3)):
            check("solve_triangular", a, b, **given)
            check("solve_triangular", a.mT, b, **given)
            check("solve_triangular", a, np.asfortranarray(b), **given)


def test_triangular_systems_with_operands_of_other_layouts():
    a = random((12, 12)) / 8 + 2 * np.eye(12)
    for x in (a[::2, ::2], a[::-1, ::-1][:6, :6], a[:6, :6], a[3:9, :6].T, a[:6, :6].astype("f")):
        for lower in (True, False):
            given = {"lower": lower, "unit_diagonal": False}
            check("solve_triangular", x, random((6, 3)), **given)
            check("solve_triangular", x, random((6, 1), "F"), **given, rtol=1e-5)
            check("solve_triangular", x, random((3, 6)).T, **given)
    check("solve_triangular", a[:3, :3].astype(int), np.ones((3, 2), int), **given)


@pytest.mark.parametrize("dtype", "fd")
@pytest.mark.parametrize(
    "shape", [(1, 1), (5, 5), (64, 64), (65, 65), (200, 200), (3, 4, 4), (0, 0)]
)
def test_pullback_of_the_cholesky_factor(dtype, shape):
    low = np.linalg.cholesky(positive(shape, dtype))
    check("cholesky_pullback", low, random(shape, dtype, seed=1))


def test_pullback_with_operands_of_other_layouts():
    low, given = np.linalg.cholesky(positive((70, 70), "d")), random((70, 70), seed=1)
    junk = np.triu(np.full((70, 70), np.nan), 1)
    check("cholesky_pullback", np.asfortranarray(low), given.T)
    check("cholesky_pullback", low + junk, given + junk)
    check("cholesky_pullback", low[:50, :50], given[10:60, :50])
    check("cholesky_pullback", low, np.broadcast_to(given, (2, 70, 70)))
    with pytest.raises(RefusedError):
        run("cholesky_pullback", low.astype(complex), given)


def test_large_matrices():
    a = positive((120, 120), "d")
    check("cholesky_factor", a, upper=False)
    check("inv", a)
    check("solve_matrices", a, random((120, 70)))
    check("slogdet", a)
    check("svdvals_of", random((120, 80)))


@pytest.mark.parametrize("wanted", [[], [0], [1], [2], [0, 2]])
def test_parts_that_nobody_reads(wanted):
    found, expected = run("svd_of", random((4, 3)), wanted=wanted, full_matrices=False)
    for x, k in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, expected[k], rtol=1e-10, atol=1e-12)
    if 2 not in wanted:
        a = random((4, 3))
        found, expected = run("qr_of", a, wanted=wanted, complete=False)
        for x, k in zip(found, wanted, strict=True):
            np.testing.assert_allclose(x, expected[k], rtol=1e-10, atol=1e-12)


def run_bad(name, bad, *others, **parameters):
    """The error of a call with a matrix that NumPy refuses, planned with one that it takes."""
    primitive = BY_NAME[name]
    good = np.broadcast_to(np.eye(bad.shape[-1]), bad.shape).copy()
    result = run_op(Op(primitive, (), parameters, None), [good, *others])
    spec = spec_of(np.asarray(result))
    op = Op(primitive, (0, 1), parameters, spec)
    operands = [bad, *others]
    call = library.library_call(op, [layout(x) for x in operands], [spec])
    symbols = {}
    callbacks = Callbacks(symbols)
    code = Code(Names(symbols))
    inputs = [pointer(code, "%in", k) for k in range(len(operands))]
    status = call.emit(code, inputs, [pointer(code, "%out", 0)], "%arena", callbacks)
    symbols |= callbacks.table()
    head = "define i32 @plan(ptr %in, ptr %out, ptr %arena) {"
    lines = [head, "entry:", *code.names.allocas, *code.lines, f"  ret i32 {status}", "}"]
    library.install(symbols)
    unit = Unit("\n".join([*lines, *symbols.values()]))
    held = callbacks.bind(unit.address)
    out, arena = np.empty(spec.shape), np.empty(call.workspace_bytes + 64, np.uint8)
    plan = ctypes.PYFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)(unit.address("plan"))
    status = plan(pointers(operands), pointers([out]), arena.ctypes.data + -arena.ctypes.data % 64)
    del held
    return status


@pytest.mark.parametrize("count", [1, 3])
def test_a_matrix_that_cannot_be_factored_is_numpys_error(count):
    singular = np.broadcast_to(np.eye(3), (count, 3, 3)).copy()
    singular[-1, 1, 1] = 0
    indefinite = -singular
    for name, a, others, parameters, message in [
        ("inv", singular, (), {}, "Singular matrix"),
        ("solve_matrices", singular, (np.ones((3, 2)),), {}, "Singular matrix"),
        (
            "solve_triangular",
            singular,
            (np.ones((3, 2)),),
            {"lower": True, "unit_diagonal": False},
            "Singular matrix",
        ),
        ("cholesky_factor", indefinite, (), {"upper": False}, "Matrix is not positive definite"),
    ]:
        with pytest.raises(np.linalg.LinAlgError, match=message) as ours:
            run_bad(name, a, *others, **parameters)
        with pytest.raises(np.linalg.LinAlgError) as numpys:
            run_op(Op(BY_NAME[name], (), parameters, None), [a, *others])
        assert str(ours.value) == str(numpys.value)


def test_determinants_of_singular_matrices_are_zero():
    a = np.array([[[1.0, 2], [2, 4]], [[0, 1], [1, 0]], [[0, 0], [0, 0]]])
    (sign, size), expected = run("slogdet", a)
    np.testing.assert_array_equal(sign, expected[0])
    np.testing.assert_allclose(size, expected[1])
    np.testing.assert_array_equal(run("det", a)[0][0], [0, -1, 0])


def test_what_the_table_names_is_in_the_registry():
    assert set(library.LIBRARY) <= set(BY_NAME)
    spec = Spec((3,), np.dtype(float), "array")
    assert not library.has_library(Op(BY_NAME["add"], (0, 1), {}, spec), [spec, spec])


# -------------------------------------------------------------------------------- BLAS, our kernels


@pytest.mark.parametrize(
    ("text", "count", "is_taken"),
    [
        ("void (char *, int *, __pyx_t_5scipy_d *)", 3, True),
        ("void (char *, int *, __pyx_t_5scipy_d *)", 4, False),
        ("void (char *, long *, __pyx_t_5scipy_d *)", 3, False),
        ("void (char *, npy_int64 *, __pyx_t_5scipy_d *)", 3, False),
        ("double (char *, int *, __pyx_t_5scipy_d *)", 3, False),
        ("void (char *, int, __pyx_t_5scipy_d *)", 3, False),
    ],
)
def test_a_function_of_another_signature_is_not_called(text, count, is_taken):
    assert blas._has_signature(text, count) == is_taken


def test_every_function_is_there_for_its_dtypes():
    real, imaginary = {"syevd", "orgqr"}, {"heevd", "ungqr"}
    for name in blas.FUNCTIONS:
        letters = "sd" if name in real else "cz" if name in imaginary else "sdcz"
        assert [letter for letter in letters if blas.symbol(letter + name) is None] == []


def test_what_scipy_lacks_is_a_callback(monkeypatch):
    monkeypatch.setattr(blas, "symbol", lambda name: None)
    for name, operand in [("inv", np.eye(3)), ("matmul", np.eye(3, dtype=complex))]:
        operands = [operand] * (1 + (name == "matmul"))
        with pytest.raises(RefusedError):
            run(name, *operands)


def test_a_kernel_is_made_again_from_its_name():
    sizes = gemm.Sizes(5, 6, 7, (-7, 1), (6, 1), (6, 1))
    symbols = {}
    name = gemm.function(symbols, "outer", np.dtype(float), sizes)
    assert gemm.is_kernel(name)
    gemm.install([name])
    first = gemm._installed()[name]
    gemm.install([name])
    assert gemm._installed()[name] is first
    a, b, c = random((5, 7)), random((7, 6), seed=1), np.empty((5, 6))
    kernel = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3)(first.address(name[1:]))
    kernel(a.ctypes.data + 4 * 7 * 8, b.ctypes.data, c.ctypes.data)  # a's rows from the last on
    np.testing.assert_allclose(c, a[::-1] @ b, rtol=1e-13)


@pytest.mark.parametrize("features", [{}, {"avx": True}, {"avx512f": True}])
def test_tiles_fit_into_the_registers_of_every_processor(features, monkeypatch):
    monkeypatch.setattr(gemm.llvm, "get_host_cpu_features", lambda: features)
    for each in (gemm.vector_bytes, gemm._best_tile):
        each.cache_clear()
    try:
        for m in (1, 2, 7, 8, 100, 784):
            for vectors in (1, 2, 13, 64):
                rows, width = gemm._best_tile(m, vectors)
                assert rows * width + width + 1 <= (16 if features.get("avx") else 32)
                assert rows <= m
                assert width <= vectors
    finally:
        for each in (gemm.vector_bytes, gemm._best_tile):
            each.cache_clear()


def test_native_threads_and_blas_have_the_same_number():
    library_file = ctypes.CDLL(blas._modules()[0].__file__)
    count = getattr(library_file, "scipy_openblas_get_num_threads", None)
    if count is None:
        pytest.skip("SciPy's BLAS is not OpenBLAS")
    before = get_num_threads()
    try:
        set_num_threads(1)
        assert count() == 1
    finally:
        set_num_threads(before)
    assert count() == before


def test_large_products_are_the_same_for_every_number_of_threads():
    x, y = random((300, 200)), random((200, 250), seed=1)
    before = get_num_threads()
    found = []
    try:
        for count in (1, 2, 5):
            set_num_threads(count)
            found.append(run("matmul", x, y)[0][0])
    finally:
        set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
