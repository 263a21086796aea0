"""Programs that are stored, for the tests of files: saved, packed, and brought back."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np
from tests.compile.operations import traced

import wengert as wg
from wengert.compile.lower import as_kind
from wengert.compile.program import Op, Program, interpret, run_op, spec_of
from wengert.compile.store import Stored, from_bytes, to_bytes
from wengert.primitives.registry import REGISTRY


def text(program):
    """A program as text, its parameters in the order of their names."""
    ops = [replace(op, parameters=dict(sorted(op.parameters.items()))) for op in program.ops]
    return str(replace(program, ops=tuple(ops)))


def run(program, inputs):
    """Interpreted, with numbers held as they were while tracing."""
    with np.errstate(all="ignore"):
        return interpret(program, inputs, lambda op, x: as_kind(run_op(op, x), op.spec))


def assert_same_bits(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert type(one) is type(other)
        one, other = np.asarray(one), np.asarray(other)
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


def round_trip(program, **layouts):
    (stored,) = from_bytes(to_bytes([Stored(program, **layouts)]))
    return stored


SCALE = np.array([[1.0, 2.0], [0.5, 3.0], [1.5, -1.0], [0.25, 4.0]])


def loss(weights, x):
    hidden = np.tanh(x @ weights["w"] + weights["b"])
    total = np.sum((SCALE * hidden) ** 2) + np.array([0.5, 0.25])[0]
    if total > 1.0:
        total = np.log(total)
    return total


def loss_program():
    weights = {"w": np.ones((3, 2)) / 3, "b": np.array([0.5, -0.25])}
    return traced(wg.value_and_grad(loss), (weights, np.arange(12.0).reshape(4, 3)))


def one_op(parameters=(), operand=0, primitive="sum"):
    spec = spec_of(np.ones(3))
    op = Op(REGISTRY[primitive], (operand,), dict(parameters), spec_of(np.float64(0)))
    return Program((spec,), (op,), (1,))


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info, archive.read(info)) for info in archive.infolist()]


def packed(parts, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return file.getvalue()


SAVED = to_bytes([Stored(loss_program()[0], None, loss_program()[2])])
TEXT, RAW = [content for _, content in members(SAVED)]
