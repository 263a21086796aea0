"""Products: every form of matmul, einsum and convolution against NumPy's values; its errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert.primitives.einsum import explicit, plan

SHAPES = [(4,), (3, 4), (2, 3, 4)], [(4,), (4, 2), (2, 4, 3)]


def numbers(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("shapes", list(itertools.product(*SHAPES)), ids=str)
@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)], ids=str)
def test_matmul_of_every_form_in_vmap_agrees_with_a_loop(shapes: Any, axes: Any) -> None:
    args = [
        numbers(k, *((3, *s) if axis == 0 else s))
        for k, (s, axis) in enumerate(zip(shapes, axes, strict=True))
    ]
    found = wg.vmap(np.matmul, in_axes=axes)(*args)
    loop = [
        np.matmul(*[a[k] if axis == 0 else a for a, axis in zip(args, axes, strict=True)])
        for k in range(3)
    ]
    assert_allclose(found, np.stack(loop), rtol=1e-12, atol=1e-14)


def test_matmul_of_mixed_ranks_in_nested_vmap() -> None:
    a, b = numbers(0, 2, 3, 4, 5), numbers(1, 3, 5)
    found = wg.vmap(wg.vmap(np.matmul), in_axes=(0, None))(a, b)
    assert_allclose(found, np.einsum("ijkl,jl->ijk", a, b), rtol=1e-12)


def test_operators_dot_and_matmul_record_the_same_value() -> None:
    a, b = numbers(0, 3, 4), numbers(1, 4, 2)
    for f in (np.dot, np.matmul, lambda x, y: x @ y, lambda x, y: x.dot(y), np.linalg.matmul):
        assert_array_equal(wg.jvp(f, (a, b), (a, b))[0], a @ b)


def test_lists_and_plain_arrays_stand_beside_traced_ones() -> None:
    x = numbers(0, 2)
    assert_allclose(wg.grad(lambda x: np.dot([[1.0, 2.0], [3.0, 4.0]], x)[1])(x), [3.0, 4.0])
    assert_allclose(wg.grad(lambda x: np.inner(x, (1, 2)))(x), [1.0, 2.0])
    assert_allclose(wg.grad(lambda x: np.sum(np.kron([1, 2], x)))(x), [3.0, 3.0])


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (np.matmul, ((3, 4), (3, 2))),
        (np.matmul, ((), (3,))),
        (np.dot, ((3, 4), (3, 2))),
        (np.dot, ((2, 3, 4), (2, 3, 2))),
        (np.inner, ((2, 3), (2, 4))),
        (np.vdot, ((2,), (3,))),
        (lambda a, b: np.tensordot(a, b, 3), ((2, 3), (3, 2))),
        (lambda a, b: np.tensordot(a, b, ([0], [0, 1])), ((2, 3), (2, 3))),
        (lambda a, b: np.tensordot(a, b, (5, 0)), ((2, 3), (2, 3))),
        (np.cross, ((4,), (4,))),
        (np.cross, ((), (3,))),
        (lambda a, b: np.cross(a, b, axis=3), ((3,), (3,))),
        (np.linalg.cross, ((2,), (2,))),
        (np.linalg.outer, ((2, 2), (2,))),
        (np.vecdot, ((2, 3), (2, 4))),
        (lambda a, b: np.einsum("ij,jk", a, b), ((2, 3), (2, 3))),
        (lambda a, b: np.einsum("ij,jk,kl", a, b), ((2, 3), (3, 3))),
        (lambda a, b: np.einsum("ijk,jk", a, b), ((2, 3), (3, 3))),
        (lambda a, b: np.einsum("ij,jk->iz", a, b), ((2, 3), (3, 3))),
        (lambda a, b: np.einsum("i$,jk", a, b), ((2, 3), (3, 3))),
        (np.convolve, ((2, 2), (2,))),
        (np.convolve, ((0,), (2,))),
        (lambda a, b: np.convolve(a, b, "other"), ((2,), (2,))),
        (np.correlate, ((), (2,))),
    ],
)
def test_arguments_that_numpy_refuses_are_refused_with_its_kind_of_error(
    f: Any, shapes: Any
) -> None:
    args = tuple(numbers(k, *s) if s else np.float64(1.5) for k, s in enumerate(shapes))
    with pytest.raises(Exception) as numpys:  # noqa: PT011 (whichever NumPy raises)
        f(*args)
    with pytest.raises(type(numpys.value)):
        wg.jvp(f, args, args)


@pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.5.0", reason="NumPy takes plane vectors"
)
def test_cross_of_plane_vectors_is_refused_as_numpy_does() -> None:
    args = numbers(0, 2), numbers(1, 2)
    for function in (np.cross, lambda a, b: wg.jvp(np.cross, (a, b), (a, b))):
        with pytest.raises(ValueError, match="3-dimensional vectors"):
            function(*args)


@pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) >= "2.5.0", reason="NumPy refuses plane vectors"
)
def test_cross_of_plane_vectors_warns_as_numpy_does() -> None:
    for shapes in (((2,), (2,)), ((2,), (3,)), ((4, 3), (2,))):
        args = tuple(numbers(k, *s) for k, s in enumerate(shapes))
        with pytest.warns(DeprecationWarning, match="2-dimensional vectors"):
            value = wg.jvp(np.cross, args, args)[0]
        with pytest.warns(DeprecationWarning, match="2-dimensional vectors"):
            expected = np.cross(*args)
        assert_array_equal(value, expected)


def test_gradient_of_a_triple_product_is_a_cross_product() -> None:
    a, b, c = numbers(0, 3), numbers(1, 3), numbers(2, 3)
    assert_allclose(wg.grad(lambda a: np.dot(a, np.cross(b, c)))(a), np.cross(b, c), rtol=1e-14)
    assert_allclose(wg.grad(lambda b: np.dot(a, np.cross(b, c)))(b), np.cross(c, a), rtol=1e-14)


# ------------------------------------------------------------------------------------------- einsum


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk", ((3, 4), (4, 2))),
        ("ij,jk->", ((3, 4), (4, 2))),
        ("ba,cb", ((3, 4), (2, 3))),
        ("...", ((2, 3),)),
        ("i...->...i", ((2, 3, 4),)),
        ("...ij->...ji", ((2, 3, 4),)),
        ("ii...->...", ((3, 3, 2),)),
        ("iijj->ij", ((2, 2, 3, 3),)),
        ("iii->i", ((3, 3, 3),)),
        ("aab,bc->ca", ((2, 2, 3), (3, 4))),
        ("i,j,k->kji", ((2,), (3,), (4,))),
        ("...ab,...bc,cd->...ad", ((5, 2, 3), (3, 4), (4, 2))),
        ("ab...,...b->a...", ((2, 3, 4), (4, 3))),
        ("ij,kj->ik", ((2, 1), (4, 3))),
        ("bhqd,bhkd->bhqk", ((2, 2, 3, 4), (2, 2, 5, 4))),
        ("abc,abd,acd,bcd->", ((2, 3, 4), (2, 3, 5), (2, 4, 5), (3, 4, 5))),
        ("ijk,jil->kl", ((12, 13, 14), (13, 12, 15))),
        (",->", ((), ())),
    ],
)
@pytest.mark.parametrize("optimize", [False, True, "greedy"])
def test_einsum_agrees_with_numpy_and_finite_differences(
    subscripts: str, shapes: Any, optimize: Any
) -> None:
    args = tuple(numbers(k, *s) if s else np.float64(k + 0.5) for k, s in enumerate(shapes))

    def f(*args: Any) -> Any:
        return np.einsum(subscripts, *args, optimize=optimize)

    value = wg.jvp(f, args, args)[0]
    expected = f(*args)
    assert np.shape(value) == np.shape(expected)
    # Sums may be taken in another order: an error of eps for each of the terms.
    count = np.prod([n for s in shapes for n in s])
    assert_allclose(value, expected, rtol=4 * 2.3e-16 * count, atol=1e-15 * count)
    wg.check_grads(f, args, order=1)


def test_einsum_takes_a_path_and_lists_of_indices() -> None:
    a, b, c = numbers(0, 2, 3), numbers(1, 3, 4), numbers(2, 4, 2)
    path = np.einsum_path("ij,jk,kl->il", a, b, c)[0]
    forms = [
        lambda a: np.einsum("ij,jk,kl->il", a, b, c, optimize=path),
        lambda a: np.einsum("ij,jk,kl->il", a, b, c, optimize=["einsum_path", (0, 1, 2)]),
        lambda a: np.einsum(a, [0, 1], b, [1, 2], c, [2, 3], [0, 3]),
        lambda a: np.einsum(a, [5, 30], b, [30, 2], c, [2, 7], [5, 7]),
        lambda a: np.einsum(a, [0, 1], b, [1, 2], c, [2, 3]),
    ]
    for f in forms:
        assert_allclose(wg.jvp(f, (a,), (a,))[1], a @ b @ c, rtol=1e-12)


def test_einsum_path_of_traced_arrays_is_numpys() -> None:
    a, b, c = numbers(0, 2, 3), numbers(1, 3, 4), numbers(2, 4, 2)
    found: list[Any] = []
    wg.grad(
        lambda a: np.sum(a) * len(found.append(np.einsum_path("ij,jk,kl", a, b, c)[0]) or found)
    )(a)
    assert found[0] == np.einsum_path("ij,jk,kl", a, b, c)[0]


def test_einsum_written_into_out_and_with_a_dtype() -> None:
    a, b = numbers(0, 2, 3), numbers(1, 3, 4)

    def f(a: Any) -> Any:
        out = np.empty((2, 4))
        np.einsum("ij,jk->ik", a, b, out=out)
        return np.sum(out) + np.real(np.sum(np.einsum("ij->i", a, dtype=complex)))

    assert_allclose(wg.grad(f)(a), b.sum(axis=1) + np.ones((2, 1)), rtol=1e-12)


def test_large_contractions_are_matrix_products() -> None:
    assert plan("ij,jk->ik", (100, 100), (100, 100)) is not None
    assert plan("ij,jk->ik", (3, 3), (3, 3)) is None
    assert plan("ij,ij->ij", (1000, 1000), (1000, 1000)) is None


def test_letters_of_an_ellipsis_are_new_ones() -> None:
    inputs, out = explicit("...AB,B...->...A", [4, 2])
    assert inputs[0][-2:] == "AB"
    assert inputs[0][:2] == out[:2]
    assert inputs[1][1:] == inputs[0][1:2]


# ---------------------------------------------------------------------- convolution and polynomials


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("f", [np.convolve, np.correlate])
def test_convolution_and_correlation_of_all_lengths_are_numpys(f: Any, mode: str) -> None:
    for m, n in itertools.product(range(1, 6), repeat=2):
        a, v = numbers(0, m) + 1j * numbers(2, m), numbers(1, n) + 1j * numbers(3, n)
        assert_allclose(
            wg.jvp(lambda a, v: f(a, v, mode), (a, v), (a, v))[0], f(a, v, mode), rtol=1e-12
        )


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
def test_vmap_of_convolve_agrees_with_a_loop(axes: Any) -> None:
    a, v = numbers(0, 3, 5), numbers(1, 3, 2)
    args = [x if axis == 0 else x[0] for x, axis in zip((a, v), axes, strict=True)]
    loop = [np.convolve(a[k * (axes[0] == 0)], v[k * (axes[1] == 0)]) for k in range(3)]
    assert_allclose(wg.vmap(np.convolve, in_axes=axes)(*args), np.stack(loop), rtol=1e-12)


def test_polyfit_returns_what_numpy_returns() -> None:
    x, y = np.linspace(-1, 1, 8), numbers(0, 8)
    for options in ({}, {"cov": True}, {"cov": "unscaled"}, {"w": np.linspace(1, 2, 8)}):
        found = wg.jvp(lambda y, o=options: np.polyfit(x, y, 2, **o), (y,), (y,))[0]
        expected = np.polyfit(x, y, 2, **options)
        both = (found, expected) if isinstance(found, tuple) else ((found,), (expected,))
        for part, value in zip(*both, strict=True):
            assert_allclose(part, value, rtol=1e-10)


def test_roots_move_as_the_implicit_function_theorem_says() -> None:
    p = np.array([1.0, -6.0, 11.0, -6.0, 0.0])  # 0, 1, 2, 3
    found = wg.jacobian(lambda p: np.sort(np.real(np.roots(p))))(p)
    roots = np.arange(4.0)
    expected = -np.vander(roots, 5) / np.polyval(np.polyder(p), roots)[:, None]
    assert_allclose(found[1:], expected[1:], atol=1e-9)


def test_several_polynomials_at_once_are_evaluated_as_numpy_does() -> None:
    from_numpy = np.polynomial.chebyshev.chebval
    table = np.array([[1.0, 2.0], [0.5, -1.0], [0.25, 3.0]])
    x = np.array([0.3, -0.7])
    for f in (
        lambda x: from_numpy(x, table),
        lambda c: from_numpy(x, c),
        lambda x: np.polynomial.polynomial.polygrid2d(x, x, table),
        lambda x: np.polynomial.polynomial.polyvalfromroots(x, table),
    ):
        source = table if f.__code__.co_varnames[0] == "c" else x
        assert_allclose(wg.jvp(f, (source,), (source,))[0], f(source))
        wg.check_grads(f, (source,), order=2)


def test_arithmetic_of_polynomials_takes_traced_numbers() -> None:
    legendre = np.polynomial.legendre
    wg.check_grads(lambda x: legendre.legmul(x, [1.0, 2.0]), (0.7,), order=2)
    wg.check_grads(lambda x: np.polynomial.polynomial.polydiv([1.0, 2.0], x)[0], (0.7,), order=2)
