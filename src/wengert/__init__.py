"""Wengert: automatic differentiation of NumPy code, built around a visible gradient tape."""

from wengert.check import check_grads
from wengert.transforms.forward import jvp
from wengert.transforms.grad import grad, value_and_grad

__all__ = ["check_grads", "grad", "jvp", "value_and_grad"]
