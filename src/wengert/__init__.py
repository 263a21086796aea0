"""Wengert: automatic differentiation of NumPy code, built around a visible gradient tape."""

import wengert.show.methods
import wengert.show.text  # noqa: F401 (both give tapes their views)
from wengert import debug, errors, math, numpy
from wengert.check import check_grads
from wengert.frontends.backward import array, enable_grad, no_grad
from wengert.frontends.gradient_tape import GradientTape, UnconnectedGradients
from wengert.frontends.nodes import CompNode, ConstantNode, Tape
from wengert.frontends.operations import (
    Absolute,
    Add,
    Cos,
    Divide,
    Exp,
    Invert,
    Log,
    MatMul,
    Maximum,
    Mean,
    Minimum,
    Multiply,
    Power,
    ReLU,
    Sigmoid,
    Sin,
    Sqrt,
    Square,
    Subtract,
    Sum,
    Tanh,
)
from wengert.frontends.variables import Variable, constant
from wengert.intercept import adapt
from wengert.show.explain import explain
from wengert.show.flow import Flow
from wengert.show.notebook import load_ipython_extension, widget  # noqa: F401 (for %load_ext)
from wengert.show.picture import draw
from wengert.show.player import player
from wengert.show.profile import profile
from wengert.tape.scopes import scope
from wengert.tape.seams import intercept
from wengert.threads import get_num_threads, set_num_threads
from wengert.transforms.compiled import compile, load
from wengert.transforms.control import checkpoint, stop_gradient
from wengert.transforms.forward import jvp
from wengert.transforms.grad import elementwise_grad, grad, value_and_grad
from wengert.transforms.jacobian import hessian, hvp, jacobian
from wengert.transforms.primitive import primitive
from wengert.transforms.trace import trace
from wengert.transforms.vjp import linearize, vjp
from wengert.transforms.vmap import vmap

__version__ = "0.1.0"

__all__ = [
    "Absolute",
    "Add",
    "CompNode",
    "ConstantNode",
    "Cos",
    "Divide",
    "Exp",
    "Flow",
    "GradientTape",
    "Invert",
    "Log",
    "MatMul",
    "Maximum",
    "Mean",
    "Minimum",
    "Multiply",
    "Power",
    "ReLU",
    "Sigmoid",
    "Sin",
    "Sqrt",
    "Square",
    "Subtract",
    "Sum",
    "Tanh",
    "Tape",
    "UnconnectedGradients",
    "Variable",
    "adapt",
    "array",
    "check_grads",
    "checkpoint",
    "compile",
    "constant",
    "debug",
    "draw",
    "elementwise_grad",
    "enable_grad",
    "errors",
    "explain",
    "get_num_threads",
    "grad",
    "hessian",
    "hvp",
    "intercept",
    "jacobian",
    "jvp",
    "linearize",
    "load",
    "math",
    "no_grad",
    "numpy",
    "player",
    "primitive",
    "profile",
    "scope",
    "set_num_threads",
    "stop_gradient",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
    "widget",
]
