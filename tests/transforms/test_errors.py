"""Bad input: what was passed, where, and what to do; and nothing is left behind."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import wengert as wg
from wengert import errors
from wengert.tape.levels import depth


@pytest.mark.parametrize(
    ("source", "found"),
    [(3, "int"), (True, "bool"), ("x", "str"), (np.arange(3), "int64"), (np.array(["a"]), "<U1")],
)
def test_a_source_that_is_no_float_is_named(source: Any, found: str) -> None:
    with pytest.raises(errors.SourceTypeError, match=rf"argument 0 is {found}") as caught:
        wg.grad(lambda x: x)(source)
    assert isinstance(caught.value, TypeError)
    assert "test_errors.py, line" in str(caught.value)


def test_the_place_in_a_tree_is_named() -> None:
    with pytest.raises(errors.SourceTypeError, match=r"argument 0\['w'\]\[1\] is int"):
        wg.grad(lambda p: p["w"][0])({"w": [1.0, 2]})


def test_an_array_target_is_refused_with_its_shape() -> None:
    with pytest.raises(errors.NonScalarTargetError, match=r"returned shape \(3,\)") as caught:
        wg.grad(lambda x: x)(np.ones(3))
    assert "np.sum" in str(caught.value)
    with pytest.raises(errors.NonScalarTargetError, match="returned 2 values"):
        wg.grad(lambda x: (x, x))(1.0)


@pytest.mark.parametrize(("result", "found"), [("text", "str"), (3, "int"), (object(), "object")])
def test_a_target_that_is_no_number_is_refused(result: Any, found: str) -> None:
    with pytest.raises(errors.TargetTypeError, match=found):
        wg.grad(lambda x: result)(1.0)


def test_a_seed_must_fit() -> None:
    _, vjp_fn = wg.vjp(lambda x: x * 2, np.ones(3))
    with pytest.raises(errors.SeedError, match=r"shape \(2,\), but \(3,\)"):
        vjp_fn(np.ones(2))
    with pytest.raises(errors.SeedError, match="NaN"):
        vjp_fn(np.array([1.0, np.nan, 1.0]))
    with pytest.raises(errors.ShapeError, match="structure"):
        vjp_fn({"a": np.ones(3)})
    with pytest.raises(errors.SeedError, match=r"tangent .* has shape"):
        wg.jvp(np.sin, (np.ones(3),), (np.ones(2),))


def test_a_lost_derivative_is_an_error() -> None:
    def f(x: Any) -> Any:
        return float(x) * 2

    with pytest.raises(errors.LostDerivativeError, match=r"float\(\)") as caught:
        wg.grad(f)(1.0)
    assert "return float(x) * 2" in str(caught.value)


def test_numpys_chained_cause_comes_to_the_front() -> None:
    plain = np.zeros(3)

    def f(x: Any) -> Any:
        plain[0] = x
        return plain[0]

    with pytest.raises(errors.LostDerivativeError, match=r"np\.zeros"):
        wg.grad(f)(1.0)
    assert_allclose(plain, 0.0)


def test_an_unsupported_function_is_named() -> None:
    with pytest.raises(errors.UnsupportedFunctionError, match=r"numpy\.packbits"):
        wg.grad(lambda x: np.packbits(x))(np.ones(3))


def test_a_scipy_function_that_would_strip_arrays_is_named() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    with pytest.raises(errors.WengertError, match=r"scipy\.linalg\.\S*schur") as caught:
        wg.grad(lambda x: np.sum(linalg.schur(x)))(np.eye(2))
    assert "linalg.schur(x)" in str(caught.value)


def test_shapes_that_do_not_fit_name_the_operation_and_the_line() -> None:
    def f(x: Any) -> Any:
        return np.sum(x + np.ones(4))

    with pytest.raises(errors.ShapeError, match=r"add cannot take .* \(3,\) and \(4,\)") as caught:
        wg.grad(f)(np.ones(3))
    assert "np.sum(x + np.ones(4))" in str(caught.value)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(errors.ShapeError, match=r"matmul .* \(3,\) and \(4, 2\)"):
        wg.jvp(lambda x: x @ np.ones((4, 2)), (np.ones(3),), (np.ones(3),))


def test_an_exception_of_user_code_stands_for_itself() -> None:
    def f(x: Any) -> Any:
        try:
            float(x)
        except TypeError:
            raise KeyError("mine")  # noqa: B904 (the context is what is tested)
        return x

    with pytest.raises(KeyError, match="mine"):
        wg.grad(f)(1.0)


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda x: np.sum([x[0], x[1]], where=[True, False]), "sum"),
        (lambda x: np.prod([x[0], x[1]], where=[True, False]), "prod"),
        (lambda x: np.logaddexp.reduce([x[0], x[1]]), "ufunc"),
    ],
    ids=["sum", "prod", "ufunc"],
)
@pytest.mark.parametrize("transform", [wg.grad, wg.compile])
def test_a_list_of_traced_numbers_that_numpy_cannot_take_is_named(
    f: Any, name: str, transform: Any
) -> None:
    with pytest.raises(
        errors.UnsupportedFunctionError, match=rf"{name}.*of traced numbers"
    ) as caught:
        transform(f)(np.array([0.5, 1.0]))
    assert "np.array([a, b])" in str(caught.value)


def test_masked_arrays_and_matrices_are_refused() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    with pytest.raises(errors.SourceTypeError, match="MaskedArray"):
        wg.grad(np.sum)(masked)
    with pytest.raises(errors.UnsupportedFunctionError, match="MaskedArray"):
        wg.grad(lambda x: np.sum(x * masked))(np.ones(2))
    with pytest.raises(errors.UnsupportedFunctionError, match="MaskedArray"):
        wg.grad(lambda x: np.sum(np.where(x > 0, masked, x)))(np.ones(2))


def test_complex_results_of_real_sources_keep_both_parts_or_say_why_not() -> None:
    f = lambda t: np.exp(1j * t)  # noqa: E731
    x = np.array([0.3, 0.4])
    assert_allclose(wg.jacobian(f)(x), np.diag(1j * np.exp(1j * x)), rtol=1e-12)
    with pytest.raises(errors.TargetTypeError, match="complex"):
        wg.jacobian(f, mode="rev")(x)
    with pytest.raises(errors.TargetTypeError, match="complex"):
        wg.elementwise_grad(f)(x)


def test_one_tangent_for_each_primal_and_each_argument_once() -> None:
    with pytest.raises(errors.SeedError, match="1 primals but 2 tangents"):
        wg.jvp(np.sin, (1.0,), (1.0, 1.0))
    with pytest.raises(errors.ArgumentError, match="twice"):
        wg.grad(lambda x, y: x * y, (0, 0))(1.0, 2.0)
    with pytest.raises(errors.ArgumentError, match="no position"):
        wg.grad(lambda x: x, "x")(1.0)


def test_an_array_of_an_ended_trace_is_refused() -> None:
    kept = []

    def f(x: Any) -> Any:
        kept.append(x)
        return x * 2

    wg.grad(f)(1.0)
    with pytest.raises(errors.TraceEndedError, match="ended"):
        kept[0] * 2
    kept.clear()
    wg.jvp(f, (1.0,), (1.0,))
    with pytest.raises(errors.TraceEndedError, match="ended"):
        kept[0] * 2


def test_changing_an_array_that_the_tape_needs_is_an_error() -> None:
    data = np.ones(3)

    def f(x: Any) -> Any:
        y = x * data
        data[0] = 5.0
        return np.sum(y)

    with pytest.raises(errors.MutationError, match="changed in place") as caught:
        wg.grad(f)(np.ones(3))
    assert "data[0] = 5.0" in str(caught.value)
    data[0] = 2.0  # writeable again
    assert_allclose(wg.grad(lambda x: np.sum(x * data))(np.ones(3)), data)


def test_disconnected_sources_warn_once_or_raise() -> None:
    f = lambda x, y: x * 2  # noqa: E731
    with pytest.warns(errors.DisconnectedWarning, match="argument 1") as caught:
        assert wg.grad(f, (0, 1))(1.0, 2.0) == (2.0, 0.0)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.raises(errors.DisconnectedError, match="argument 1"):
        wg.grad(f, (0, 1), strict=True)(1.0, 2.0)


def test_arguments_that_do_not_exist_are_named() -> None:
    with pytest.raises(errors.ArgumentError, match="argnums=2"):
        wg.grad(lambda x: x, 2)(1.0)
    with pytest.raises(errors.ArgumentError, match="argnames='z'"):
        wg.grad(lambda x: x, argnames="z")(1.0)
    with pytest.raises(errors.ArgumentError, match="mode"):
        wg.jacobian(lambda x: x, mode="backward")


def test_vmap_says_what_does_not_fit() -> None:
    with pytest.raises(errors.BatchError, match="different lengths"):
        wg.vmap(lambda x, y: x + y)(np.ones(2), np.ones(3))
    with pytest.raises(errors.BatchError, match="names no axis"):
        wg.vmap(lambda x: x, in_axes=2)(np.ones(2))
    with pytest.raises(errors.BatchError, match="decision"):
        wg.vmap(lambda x: x if x > 0 else -x)(np.ones(2))
    with pytest.raises(errors.BatchError, match="no argument is mapped"):
        wg.vmap(lambda x: x, in_axes=None)(1.0)


def test_exceptions_leave_nothing_behind() -> None:
    def fails(x: Any) -> Any:
        np.zeros(3)
        raise KeyError("mine")

    plain_zeros = np.zeros
    for transform in (
        lambda: wg.grad(fails)(1.0),
        lambda: wg.jvp(fails, (1.0,), (1.0,)),
        lambda: wg.vmap(fails)(np.ones(2)),
        lambda: wg.grad(wg.grad(fails))(1.0),
    ):
        with pytest.raises(KeyError, match="mine"):
            transform()
        assert depth() == 0
        assert np.zeros is plain_zeros
    assert wg.grad(np.sin)(0.0) == 1.0


def test_threads_do_not_see_each_other() -> None:
    x = np.linspace(0.0, 1.0, 50)

    def f(x: Any) -> Any:
        z = np.zeros(50)
        for k in range(50):
            z[k] = np.sin(x[k]) * k
        return np.sum(z * z)

    expected = wg.grad(f)(x)
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(20):
            if not np.array_equal(wg.grad(f)(x), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert x.flags.writeable


def test_a_long_tape_needs_no_recursion() -> None:
    def f(x: Any) -> Any:
        for _ in range(100_000):
            x = x * 1.00001
        return x

    assert_allclose(wg.grad(f)(1.0), 1.00001**100_000, rtol=1e-9)
    assert_allclose(wg.jvp(f, (1.0,), (1.0,))[1], 1.00001**100_000, rtol=1e-9)


def test_check_grads_says_what_is_off() -> None:
    @wg.primitive(vjp=(lambda adjoint, y: adjoint * y, lambda adjoint, x: adjoint * (x + 1)))
    def product(x: Any, y: Any) -> Any:
        return x * y

    x = np.array([1.0, 2.0, 3.0])
    with pytest.raises(errors.GradientCheckError, match=r"order 1 in mode '(fwd|rev)'") as caught:
        wg.check_grads(product, (x, x))
    assert "argument 1, index (" in str(caught.value)
    wg.check_grads(lambda x, y: x * y, (x, x), order=3)


def test_nan_origin_names_entry_operands_and_line() -> None:
    def f(x: Any) -> Any:
        root = np.sqrt(x)
        return root**2

    origin = wg.debug.nan_origin(f, 0.0)
    assert (origin.direction, origin.primitive) == ("backward", "sqrt")
    assert "root = np.sqrt(x)" in str(origin)
    origin = wg.debug.nan_origin(lambda x: np.sum(np.log(x) * 0), np.array([1.0, -1.0, 2.0]))
    assert (origin.direction, origin.kind, origin.primitive, origin.position) == (
        "forward",
        "nan",
        "log",
        (1,),
    )
    assert wg.debug.nan_origin(np.sin, 0.5) is None
    assert (
        wg.debug.nan_origin(lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0), 0.0)
        is None
    )
