"""Programs of one operation for every sample of the registry, and programs of traced calls."""

import numpy as np

from wengert.compile.api import compile as compiled
from wengert.compile.encoding import Layout
from wengert.compile.program import PART, Op, Program, spec_of
from wengert.primitives.family import Primitive
from wengert.primitives.registry import REGISTRY
from wengert.tape.columns import Constant

SAMPLES = [(p, sample) for p, sample in REGISTRY.samples() if isinstance(p, Primitive)]


def program_of(primitive, sample, are_constants=False):
    """One operation, whose operands are inputs or constants; and the inputs."""
    inputs, specs, operands = [], [], []
    for x in sample.args:
        if isinstance(x, np.ndarray | np.generic | float | complex) and not are_constants:
            operands.append(len(inputs))
            inputs.append(x)
            specs.append(spec_of(x))
        else:
            operands.append(Constant(x))
    with np.errstate(all="ignore"):
        out = primitive.function(*sample.args, **sample.kwargs)
    ops = [Op(primitive, tuple(operands), dict(sample.kwargs), spec_of(out))]
    outputs = [len(inputs)]
    if isinstance(out, tuple):
        for position, part in enumerate(out):
            ops.append(Op(PART, (len(inputs),), {"position": position}, spec_of(part)))
        outputs = [len(inputs) + 1 + position for position in range(len(out))]
    return Program(tuple(specs), tuple(ops), tuple(outputs)), inputs


def traced(function, args):
    """The program of one call, its inputs, and where its outputs stand in the result."""
    c = compiled(function)
    bound = c._signature.bind(args, {})
    with np.errstate(all="ignore"):
        program, template = c._recorded(bound, args, {})
    return program, bound.inputs, Layout(template.structure, tuple(template.leaves))
