"""Functions of a matrix: expm, logm, sqrtm, cosm, sinm; SciPy computes them.

For every such function f, ``f([[a, e], [0, a]])`` holds ``f(a)`` on its diagonal and the derivative of f
at a, in the direction e, beside it: so the rule of each is the function itself, of a matrix of twice the
size, to any order. The adjoint is the derivative at ``a.T``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import linalg

from wengert.primitives.decompositions import square
from wengert.primitives.family import General, derived, general
from wengert.primitives.samples import (
    call,
    complex_normal,
    normal,
    positive_definite,
    well_conditioned,
)

_HIGHAM = "N. J. Higham, Functions of Matrices: Theory and Computation, SIAM (2008), theorem 3.6"
_EXPM = (
    "A. H. Al-Mohy and N. J. Higham, A new scaling and squaring algorithm for the matrix exponential, "
    "SIAM J. Matrix Anal. Appl. 31(3) (2009); the derivative: " + _HIGHAM
)


def over_stack(function: Callable[[Any], Any], a: Any) -> Any:
    """A function of one matrix, of each of a stack."""
    if not a.size:
        return a.copy()
    if a.ndim == 2:
        return function(a)
    return np.reshape([function(each) for each in np.reshape(a, (-1, *a.shape[-2:]))], a.shape)


def _matrix_function(function: Callable[[Any], Any], samples: Any, source: str) -> General:
    def moved(a: Any, direction: Any) -> Any:
        n = a.shape[-1]
        shape = np.broadcast_shapes(a.shape, direction.shape)
        a, direction = np.broadcast_to(a, shape), np.broadcast_to(direction, shape)
        both = np.block([[a, direction], [np.zeros(shape, a.dtype), a]])
        return primitive(both)[..., :n, n:]

    primitive = general(
        lambda a: over_stack(function, a),
        name=f"{function.__name__}_of_square",
        operands=("a",),
        vjp=lambda adjoint, a: moved(a.mT, adjoint),
        jvp=lambda tangent, a: moved(a, tangent),
        formula="the upper right block of f([[a, da], [0, a]])",
        source=source,
        batch="leading",
        samples=samples,
    )
    return primitive


def _logm(a: Any) -> Any:
    # SciPy estimates norms with vectors that it draws from NumPy's global generator, which a user who
    # has seeded it would notice, and a compiler take for a random result: it is given back as it was.
    state = np.random.get_state(legacy=False)  # noqa: NPY002 (SciPy uses it)
    try:
        return linalg.logm(a)
    finally:
        np.random.set_state(state)  # noqa: NPY002


_logm.__name__ = "logm"

expm_of_square = _matrix_function(
    linalg.expm,
    [call(normal(3, 3)), call(normal(2, 2, 2)), call(complex_normal(2, 2)), call(normal(0, 0))],
    _EXPM,
)
logm_of_square = _matrix_function(
    _logm,
    [call(positive_definite(3, 3)), call(well_conditioned(2, 2, 2)), call(complex_normal(2, 2))],
    _HIGHAM,
)
sqrtm_of_square = _matrix_function(
    linalg.sqrtm,
    [call(positive_definite(3, 3)), call(well_conditioned(2, 2, 2)), call(complex_normal(2, 2))],
    _HIGHAM,
)


@derived(linalg.expm, samples=[call(normal(3, 3)), call(normal(2, 3, 3))])
def expm(A: Any) -> Any:
    return expm_of_square(square(A))


@derived(linalg.logm, samples=[call(positive_definite(3, 3))])
def logm(A: Any) -> Any:
    return logm_of_square(square(A))


@derived(linalg.sqrtm, samples=[call(positive_definite(3, 3))])
def sqrtm(A: Any) -> Any:
    return sqrtm_of_square(square(A))


@derived(linalg.cosm, samples=[call(normal(3, 3)), call(complex_normal(2, 2))])
def cosm(A: Any) -> Any:
    A = square(A)
    if A.dtype.kind == "c":
        return 0.5 * (expm_of_square(1j * A) + expm_of_square(-1j * A))
    return np.real(expm_of_square(1j * A))


@derived(linalg.sinm, samples=[call(normal(3, 3)), call(complex_normal(2, 2))])
def sinm(A: Any) -> Any:
    A = square(A)
    if A.dtype.kind == "c":
        return -0.5j * (expm_of_square(1j * A) - expm_of_square(-1j * A))
    return np.imag(expm_of_square(1j * A))
