"""Every public function of NumPy and SciPy that takes arrays: differentiated, or an error says so.

What has a rule, is mirrored, or asks NumPy's protocols (and so is refused if it has no rule) is
known by the registry. The rest was looked at by hand: the tables below say what came out, and tests
try it. A function that a new release adds, and that the protocols do not see, fails the first test.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import wengert as wg
from wengert.errors import WengertError
from wengert.primitives.registry import REGISTRY
from wengert.tape.array import Array
from wengert.tape.mirrors import mirror_of

MODULES = {
    "numpy": np,
    "numpy.linalg": np.linalg,
    "numpy.fft": np.fft,
    "numpy.emath": np.emath,
    "numpy.lib.stride_tricks": np.lib.stride_tricks,
    "numpy.lib.array_utils": np.lib.array_utils,
    "scipy.special": scipy.special,
    "scipy.linalg": scipy.linalg,
}

# Files, settings, texts, dtypes, shapes, windows and tables made from whole numbers.
WITHOUT_ARRAYS = {
    "numpy": """
        base_repr binary_repr broadcast_shapes datetime_data diag_indices fromfile fromregex
        fromstring genfromtxt get_include get_printoptions getbufsize geterr geterrcall info
        isdtype issubdtype iterable load loadtxt mask_indices mintypecode printoptions
        promote_types set_printoptions setbufsize seterr seterrcall show_config show_runtime
        test typename indices bartlett blackman hamming hanning
    """,
    "numpy.linalg": "test",
    "numpy.fft": "fftfreq rfftfreq test",
    "numpy.lib.array_utils": "normalize_axis_index normalize_axis_tuple",
    "scipy.special": """
        ai_zeros bei_zeros beip_zeros ber_zeros bernoulli berp_zeros bi_zeros erf_zeros euler
        fresnel_zeros fresnelc_zeros fresnels_zeros geterr jn_zeros jnjnp_zeros jnp_zeros
        jnyn_zeros kei_zeros keip_zeros kelvin_zeros ker_zeros kerp_zeros seterr stirling2 test
        y0_zeros y1_zeros y1p_zeros yn_zeros ynp_zeros
    """,
    "scipy.linalg": """
        find_best_blas_type get_blas_funcs get_lapack_funcs hadamard helmert hilbert invhilbert
        invpascal pascal dft diagsvd test
    """,
}

# Written in Python, of functions that have rules: derivatives are theirs, or an error comes first.
BY_THEIR_PARTS = {
    "numpy": "asmatrix bmat frompyfunc isfortran row_stack tril_indices triu_indices kaiser",
    "scipy.special": """
        assoc_laguerre c_roots cg_roots chebyc chebys chebyt chebyu factorial2 factorialk
        gegenbauer genlaguerre h1vp h2vp h_roots he_roots hermite hermitenorm ivp j_roots jacobi
        js_roots jvp kvp l_roots la_roots laguerre legendre p_roots ps_roots roots_chebyc
        roots_chebys roots_chebyt roots_chebyu roots_gegenbauer roots_genlaguerre roots_hermite
        roots_hermitenorm roots_jacobi roots_laguerre roots_legendre roots_sh_chebyt
        roots_sh_chebyu roots_sh_jacobi roots_sh_legendre s_roots sh_chebyt sh_chebyu sh_jacobi
        sh_legendre t_roots ts_roots u_roots us_roots yvp
    """,
    "scipy.linalg": """
        convolution_matrix fiedler khatri_rao solve_circulant null_space orth
        orthogonal_procrustes rsf2csf companion fiedler_companion leslie cossin funm
        subspace_angles
    """,
}

# Refused: by the error of what they call in C, explained.
REFUSED = {
    "numpy": "format_float_positional format_float_scientific from_dlpack frombuffer nested_iters",
    "numpy.lib.array_utils": "byte_bounds",
    "scipy.special": """
        assoc_legendre_p assoc_legendre_p_all ellip_harm ellip_harm_2 ellip_normal legendre_p
        legendre_p_all lmbda lqmn lqn mathieu_even_coef mathieu_odd_coef obl_cv_seq pbdn_seq
        pbdv_seq pbvv_seq pro_cv_seq riccati_jn riccati_yn sph_harm_y sph_harm_y_all
        sph_legendre_p sph_legendre_p_all clpmn lpmn lpn lqmn sph_harm
    """,
    "scipy.linalg": """
        bandwidth cdf2rdf cho_solve_banded cholesky_banded clarkson_woodruff_transform coshm
        eig_banded eigh_tridiagonal eigvals_banded eigvalsh_tridiagonal expm_cond expm_frechet
        fractional_matrix_power hessenberg ishermitian issymmetric ldl matmul_toeplitz
        matrix_balance ordqz pinvh polar qr_delete qr_insert qr_multiply qr_update qz rq schur
        signm sinhm solve_banded solve_continuous_are solve_continuous_lyapunov
        solve_discrete_are solve_discrete_lyapunov solve_lyapunov solve_sylvester solve_toeplitz
        solveh_banded tanhm tanm
    """,
}


def functions(module: Any) -> list[str]:
    return [
        name
        for name in dir(module)
        if not name.startswith("_")
        and callable(getattr(module, name))
        and not isinstance(getattr(module, name), type)
    ]


def is_known(function: Any) -> bool:
    """True if a rule, a mirror or NumPy's protocols decide what becomes of a traced argument."""
    if REGISTRY.find(function) is not None or mirror_of(function) is not None:
        return True
    return isinstance(function, np.ufunc) or hasattr(function, "_implementation")


@pytest.mark.parametrize("place", MODULES)
def test_every_function_is_known_or_was_looked_at(place: str) -> None:
    wg.grad(lambda x: x)(1.0)  # mirrors of what has been imported since are made at the first trace
    tables = (WITHOUT_ARRAYS, BY_THEIR_PARTS, REFUSED)
    reviewed = {name for table in tables for name in table.get(place, "").split()}
    module = MODULES[place]
    unknown = [name for name in functions(module) if not is_known(getattr(module, name))]
    assert sorted(set(unknown) - reviewed) == []


def test_no_function_stands_in_two_tables() -> None:
    tables = (WITHOUT_ARRAYS, BY_THEIR_PARTS, REFUSED)
    for place in MODULES:
        names = [name for table in tables for name in set(table.get(place, "").split())]
        assert len(names) == len(set(names))


def test_an_array_has_the_attributes_of_an_ndarray() -> None:
    without_meaning = {
        "__array_finalize__", "__array_interface__", "__array_struct__", "__array_wrap__",  # memory
        "__dlpack__", "__dlpack_device__", "__buffer__", "__release_buffer__",
        "__array_namespace__", "__class_getitem__", "__delitem__", "__setstate__",
    }  # fmt: skip
    public = [name for name in dir(np.ndarray) if name[0] != "_" or name[:2] == "__"]
    lacking = {name for name in public if not hasattr(Array, name)}
    assert sorted(lacking - without_meaning) == []


# --------------------------------------------------------------------------------- they are tried

VECTOR = np.array([0.31, 0.77, 1.43])
MATRIX = np.array([[2.13, 0.31, 0.17], [0.23, 3.41, 0.47], [0.53, 0.11, 4.29]])
OTHERS = (1, 2, np.array([0.61, 1.13, 0.87]), MATRIX * 0.97 + 0.013, [0, 2], 0.4)
UNTRIED = {  # they print on the standard error stream whatever they are given
    "ellip_harm", "ellip_harm_2", "ellip_normal",
    "asmatrix", "bmat", "frompyfunc", "nested_iters", "from_dlpack",
}  # fmt: skip


def total(result: Any) -> Any:
    """The sum of all floating numbers in a result."""
    if isinstance(result, tuple | list):
        return sum((total(part) for part in result), 0.0)
    dtype = getattr(result, "dtype", None)
    if dtype is None:
        return result if isinstance(result, float | complex) else 0.0
    if dtype.kind == "O":
        return np.sum(result)
    return np.sum(np.real(result)) if dtype.kind in "fc" else 0.0


def calls(place: str, name: str) -> Iterator[tuple[Any, Any]]:
    """Functions of one argument, in each place that a call takes one, and values for it."""
    names = {place.partition(".")[0]: np if place.startswith("numpy") else scipy}
    called = eval(f"lambda *args: {place}.{name}(*args)", names)
    for count in (1, 2, 3):
        for position, value in itertools.product(range(count), (VECTOR, 0.7, MATRIX)):
            for rest in itertools.product(OTHERS, repeat=count - 1):
                args = [np.copy(x) if isinstance(x, np.ndarray) else x for x in rest]
                before, after = args[:position], args[position:]

                def along(x: Any, before: Any = before, after: Any = after) -> Any:
                    return np.real(total(called(*before, x, *after)))

                yield along, value


def outcomes(place: str, name: str, most: int = 6) -> list[str]:
    """What becomes of the derivatives of calls that NumPy and SciPy accept."""
    rng = np.random.default_rng(0)
    found: list[str] = []
    for along, value in calls(place, name):
        direction = rng.normal(size=np.shape(value))
        try:
            rise = along(value + 1e-6 * direction) - along(value - 1e-6 * direction)
        except Exception:  # not a call of this function: whatever it says
            continue
        if not np.isfinite(rise):
            continue
        try:
            gradient = wg.grad(lambda x, along=along: along(x) + 0.0 * np.sum(x))(value)
        except WengertError:
            found.append("refused")
        else:
            is_right = np.allclose(np.sum(gradient * direction), rise / 2e-6, rtol=1e-3, atol=1e-4)
            found.append("right" if is_right else "wrong")
        if len(found) == most:
            break
    return found


def tried(table: dict[str, str]) -> list[tuple[str, str]]:
    return [
        (place, name)
        for place, names in table.items()
        for name in names.split()
        if hasattr(MODULES[place], name) and name not in UNTRIED
    ]


@pytest.mark.parametrize(("place", "name"), tried(REFUSED))
def test_what_is_refused_is_an_error_of_ours(place: str, name: str) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert set(outcomes(place, name)) <= {"refused", "right"}


@pytest.mark.parametrize(("place", "name"), tried(BY_THEIR_PARTS))
def test_what_is_made_of_others_is_right_or_refused(place: str, name: str) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert set(outcomes(place, name)) <= {"refused", "right"}
