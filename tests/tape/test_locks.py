"""Arrays are read-only while a tape holds them, and get their flag back."""

import ctypes

import numpy as np
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg


def test_memory_lent_by_a_c_library_stays_writable():
    def f(x):
        return x**3 - np.array([1.0, 8.0])

    found = scipy.optimize.root(f, [2.0, 3.0], jac=wg.jacobian(f))  # MINPACK passes its own memory
    assert_allclose(found.x, [1.0, 2.0])


def test_memory_behind_a_buffer_gets_its_flag_back():
    lent = np.ctypeslib.as_array((ctypes.c_double * 3)(1.0, 2.0, 3.0))
    assert_array_equal(wg.grad(lambda x: np.sum(x**2))(lent), [2.0, 4.0, 6.0])
    assert_array_equal(wg.grad(lambda x: np.sum(x**2))(lent[1:]), [4.0, 6.0])
    lent[0] = 5.0
