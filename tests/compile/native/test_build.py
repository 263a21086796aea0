"""Native code of whole programs against NumPy: every sample of the registry, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from wengert.compile.program import Op, Program, spec_of
from wengert.primitives.family import Derived
from wengert.primitives.registry import REGISTRY
from wengert.tape.columns import Constant

from .programs import agree


def one_op(primitive, sample):
    """A program of one operation on the sample's arrays, and these; numbers are inputs, too."""
    args = sample.args
    operands, inputs = [], []
    for x in args:
        if isinstance(x, np.ndarray | float | complex):
            operands.append(len(inputs))
            inputs.append(x)
        else:
            operands.append(Constant(x))
    values = [inputs[x] if isinstance(x, int) else x.value for x in operands]
    with np.errstate(all="ignore"):
        out = primitive.function(*values, **sample.kwargs)
    if isinstance(out, tuple):
        return None
    op = Op(primitive, tuple(operands), sample.kwargs, spec_of(out))
    return Program(tuple(map(spec_of, inputs)), (op,), (len(inputs),)), inputs


SAMPLES = [
    (p, sample)
    for p, sample in REGISTRY.samples()
    if not isinstance(p, Derived) and p.name != "part" and p.outputs == 1
]


@pytest.mark.parametrize(("primitive", "sample"), SAMPLES, ids=lambda x: getattr(x, "name", str(x)))
def test_every_sample_of_the_registry_agrees_with_numpy(primitive, sample):
    found = one_op(primitive, sample)
    if found is None:
        pytest.skip("several results")
    code, inputs = found
    agree(code, inputs, rtol=2e-15, atol=1e-15)
