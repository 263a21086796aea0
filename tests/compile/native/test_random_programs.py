"""Random programs, native against NumPy: dtypes, shapes, views, writes, reductions, indices."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from wengert.primitives.registry import REGISTRY
from wengert.primitives.taking import HOLE

from .programs import agree, program

SHAPES = [(), (1,), (3,), (4,), (2, 3), (3, 4), (4, 1), (0,), (0, 3), (2, 1, 4), (2, 3, 4), (17,)]
DTYPES = ["f8", "f8", "f8", "f4", "i8", "i4", "u1", "?", "c16"]
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, 1.5, -2.5]

UNARY = ["negative", "square", "absolute", "exp", "sin", "sqrt", "floor", "isnan", "logical_not",
         "sign", "positive", "conjugate", "real", "imag", "rint", "signbit"]  # fmt: skip
BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "less", "equal", "fmax",
          "greater_equal", "logical_and", "floor_divide", "remainder", "not_equal",
          "arctan2"]  # fmt: skip
REDUCE = ["sum", "prod", "max", "min", "any", "all", "count_nonzero", "mean"]


def numbers(rng, shape, dtype):
    """An array in which special values stand among ordinary ones."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        return rng.integers(0 if kind == "u" else -5, 6, shape).astype(dtype)
    x = rng.normal(size=shape)
    x = np.where(rng.uniform(size=shape) < 0.1, rng.choice(SPECIAL, shape), x)
    if kind == "c":  # C leaves open what becomes of infinite complex numbers
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    return x.astype(dtype)


class Writer:
    """A program that grows, with its values at the sample inputs."""

    def __init__(self, draw, rng):
        self.draw, self.rng = draw, rng
        count = draw(st.integers(1, 3))
        self.inputs = [self.fresh() for _ in range(count)]
        self.lines, self.values = [], list(self.inputs)

    def pick(self, options):
        return options[self.draw(st.integers(0, len(options) - 1))]

    def fresh(self):
        shape, dtype = self.pick(SHAPES), self.pick(DTYPES)
        x = numbers(self.rng, shape, dtype)
        return x if shape else self.pick([x[()], float(self.rng.normal())])

    def value(self):
        return self.draw(st.integers(max(0, len(self.values) - 6), len(self.values) - 1))

    def add(self, name, operands, **parameters):
        given = [self.values[x] if isinstance(x, int) else x for x in operands]
        with np.errstate(all="ignore"):
            out = REGISTRY[name].function(*given, **parameters)
        self.values.append(out)
        self.lines.append((name, operands, parameters))

    def step(self):
        getattr(self, self.pick(STEPS))()

    def unary(self):
        self.add(self.pick(UNARY), (self.value(),))

    def binary(self):
        x = self.value()
        same = [k for k, v in enumerate(self.values) if _broadcasts(v, self.values[x])]
        y = self.pick([*same, 2.0, -1.0, 0.5])
        operands = (x, y) if self.draw(st.booleans()) else (y, x)
        self.add(self.pick(BINARY), operands)

    def where(self):
        x = self.value()
        same = [k for k, v in enumerate(self.values) if np.shape(v) == np.shape(self.values[x])]
        self.add("where", (self.pick(same), x, self.pick([*same, 0, 1.0])))

    def cast(self):
        x = self.value()
        kind = np.asarray(self.values[x]).dtype.kind
        dtype = self.pick(["f8", "f4", "c16"] if kind != "c" else ["c16", "f8"])
        if hasattr(self.values[x], "dtype"):
            self.add("astype", (x,), dtype=np.dtype(dtype))

    def reduce(self):
        x = self.value()
        if not np.size(self.values[x]):
            return  # NumPy warns of, or refuses, most reductions of nothing
        axes = [k for k in range(np.ndim(self.values[x])) if self.draw(st.booleans())]
        self.add(self.pick(REDUCE), (x,), axis=tuple(axes), keepdims=self.draw(st.booleans()))

    def reshape(self):
        x = self.value()
        size = np.size(self.values[x])
        shapes = [(size,), (1, size), (size, 1), np.shape(self.values[x])[::-1]]
        shapes += [(2, size // 2)] * (size % 2 == 0) + [(size // 3, 3)] * (size % 3 == 0)
        self.add("reshape", (x,), shape=self.pick(shapes))

    def transpose(self):
        x = self.value()
        axes = self.draw(st.permutations(range(np.ndim(self.values[x]))))
        self.add("transpose", (x,), axes=tuple(axes))

    def broadcast(self):
        x = self.value()
        self.add("broadcast_to", (x,), shape=(2, *np.shape(self.values[x])))

    def key(self, x):
        parts = []
        for n in np.shape(self.values[x]):
            if n and self.draw(st.booleans()):
                parts.append(self.draw(st.integers(-n, n - 1)))
            else:
                parts.append(slice(*[self.draw(st.integers(-3, 3)) for _ in range(2)],
                                   self.pick([1, 1, 2, -1, -2])))  # fmt: skip
        return tuple(parts)

    def array(self):
        x = self.value()
        return x if isinstance(self.values[x], np.ndarray) else None

    def read(self):
        x = self.array()
        if x is not None:
            self.add("read", (x,), path=(("getitem", self.key(x)),))

    def fancy(self):
        x = self.array()
        if x is not None and np.ndim(self.values[x]) and np.shape(self.values[x])[0]:
            n = np.shape(self.values[x])[0]
            index = self.rng.integers(-n, n, self.pick([(2,), (3, 2), (5,)]))
            if self.draw(st.booleans()):
                self.add("read", (x,), path=(("getitem", (index,)),))
            else:
                self.add("gather", (x, index), template=(HOLE,))

    def write(self):
        x = self.array()
        if x is None or np.asarray(self.values[x]).dtype.kind in "biu":
            return
        key = self.key(x) if self.draw(st.booleans()) else slice(None)
        part = self.values[x][key]
        fitting = (), np.shape(part)
        same = [
            k
            for k, v in enumerate(self.values)
            if np.shape(v) in fitting and np.asarray(v).dtype.kind in "fiu"
        ]
        path = (("getitem", key),)
        self.add("write", (x, self.pick([*same, 1.5])), path=path, add=self.draw(st.booleans()))

    def stack(self):
        x = self.value()
        same = [k for k, v in enumerate(self.values) if np.shape(v) == np.shape(self.values[x])]
        axis = self.draw(st.integers(0, np.ndim(self.values[x])))
        self.add("stack", (x, self.pick(same), x), axis=axis)

    def join(self):
        x = self.array()
        if x is not None and np.ndim(self.values[x]):
            n = np.shape(self.values[x])[0]
            self.add("join", (x, x), axis=0, starts=(0, n))

    def call(self):
        x = self.array()
        if x is not None and np.ndim(self.values[x]):
            self.add("cumsum", (x,), axis=0)


STEPS = ["unary", "binary", "binary", "where", "cast", "reduce", "reshape", "transpose", "read",
         "broadcast", "fancy", "write", "stack", "join", "call"]  # fmt: skip


def _broadcasts(x, y):
    try:
        return np.size(np.broadcast_shapes(np.shape(x), np.shape(y))) < 10
    except ValueError:
        return False


@given(data=st.data(), seed=st.integers(0, 10**6))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # shrinking compiles a thousand programs
    suppress_health_check=list(HealthCheck),
)
def test_random_programs_agree_with_numpy(data, seed):
    writer = Writer(data.draw, np.random.default_rng(seed))
    for _ in range(data.draw(st.integers(1, 10))):
        try:
            writer.step()
        except (TypeError, ValueError, IndexError):  # NumPy refuses this combination
            continue
    count = len(writer.values)
    outputs = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=3))
    code = program(writer.inputs, writer.lines, (*outputs, count - 1))
    has_single = any(np.asarray(v).dtype.str in ("<f4", "<c8") for v in writer.values)
    agree(code, writer.inputs, rtol=3e-14, atol=1e-5 if has_single else 1e-12)
