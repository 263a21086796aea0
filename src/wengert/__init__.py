"""Wengert: automatic differentiation of NumPy code, built around a visible gradient tape."""

from wengert import debug, errors, math, numpy
from wengert.check import check_grads
from wengert.intercept import adapt
from wengert.tape.seams import intercept
from wengert.transforms.control import checkpoint, stop_gradient
from wengert.transforms.forward import jvp
from wengert.transforms.grad import elementwise_grad, grad, value_and_grad
from wengert.transforms.jacobian import hessian, hvp, jacobian
from wengert.transforms.primitive import primitive
from wengert.transforms.vjp import linearize, vjp
from wengert.transforms.vmap import vmap

__all__ = [
    "adapt",
    "check_grads",
    "checkpoint",
    "debug",
    "elementwise_grad",
    "errors",
    "grad",
    "hessian",
    "hvp",
    "intercept",
    "jacobian",
    "jvp",
    "linearize",
    "math",
    "numpy",
    "primitive",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]
