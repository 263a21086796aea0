"""Random functions through `wg.compile`: native against the same program run by NumPy.

Functions are drawn by a seed: steps on arrays of all kinds of shapes and dtypes, views, writes,
reductions, indices that are traced, decisions; values, gradients, and other layouts of arguments.
``WENGERT_TEST_EXAMPLES`` says how many; `WENGERT_DEBUG=bounds` may be on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import wengert as wg
from wengert import tree
from wengert.compile.api import compile as compiled

EXAMPLES = int(os.environ.get("WENGERT_TEST_EXAMPLES", "400"))
SHAPES = [(), (1,), (4,), (3, 4), (4, 1), (0,), (0, 3), (2, 1, 4), (2, 3, 4), (17,)]
DTYPES = ["f8", "f8", "f8", "f4", "c16", "i8", "?"]


class Steps:
    """What a random function does: the same steps each time it is called, eagerly or traced."""

    def __init__(self, seed: int, count: int):
        self.seed, self.count = seed, count

    def __call__(self, *inputs: Any) -> Any:
        rng = np.random.default_rng(self.seed)
        values = list(inputs)
        for _ in range(self.count):
            name = NAMES[rng.integers(len(NAMES))]
            x = values[rng.integers(max(0, len(values) - 4), len(values))]
            found = STEPS[name](_Draw(rng, values), x)
            if found is not None:
                values.append(found)
        return values[-1], values[rng.integers(len(values))]


class _Draw:
    """Choices that depend on shapes and dtypes alone, so that both runs choose alike."""

    def __init__(self, rng: np.random.Generator, values: list[Any]):
        self.rng, self.values = rng, values

    def pick(self, options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def partner(self, x: Any) -> Any:
        """A value that broadcasts against `x`, or a number."""
        fitting = [v for v in self.values if _fits(x, v)]
        return self.pick([*fitting[-3:], 2.0, 0.5, -1.5])

    def key(self, x: Any) -> tuple[Any, ...]:
        parts: list[Any] = []
        for n in np.shape(x):
            if n and self.rng.random() < 0.3:
                parts.append(int(self.rng.integers(-n, n)))
            else:
                low, high = (int(k) for k in self.rng.integers(-4, 5, 2))
                begin, end = self.pick([None, low]), self.pick([None, high])
                parts.append(slice(begin, end, self.pick([1, 1, 2, -1, -2])))
        if self.rng.random() < 0.2:
            parts.append(None)
        return tuple(parts[: self.rng.integers(0, len(parts) + 1)])


def _fits(x: Any, y: Any) -> bool:
    try:
        return len(np.broadcast_shapes(np.shape(x), np.shape(y))) <= 4
    except ValueError:
        return False


def _kind(x: Any) -> str:
    return str(x.dtype.kind)


def _smooth(draw: _Draw, x: Any) -> Any:
    if _kind(x) in "ib":
        return x * 0.5
    return draw.pick([np.sin, np.tanh, np.cos, np.square, np.negative, lambda x: np.exp(-x * x),
                      lambda x: np.sqrt(1 + x * np.conjugate(x)), lambda x: 1 / (2 + np.sin(x)),
                      np.arctan, lambda x: x.real, np.conjugate])(x)  # fmt: skip


def _binary(draw: _Draw, x: Any) -> Any:
    y = draw.partner(x)
    f = draw.pick([np.add, np.subtract, np.multiply, lambda x, y: x / (3 + np.abs(y)), np.hypot,
                   np.maximum, np.minimum, np.fmax, np.logaddexp, np.arctan2])  # fmt: skip
    kinds = {np.asarray(v).dtype.kind if isinstance(v, float) else _kind(v) for v in (x, y)}
    if "c" in kinds or kinds <= {"b"}:
        f = draw.pick([np.add, np.multiply])
    return f(x, y) if draw.rng.random() < 0.5 else f(y, x)


def _select(draw: _Draw, x: Any) -> Any:
    if _kind(x) == "c":
        return np.where(np.abs(x) > 1, x, -x)
    y = draw.partner(x)
    return np.where(x > 0.1, x, y) if draw.rng.random() < 0.7 else np.where(x == x, y, x)


def _reduce(draw: _Draw, x: Any) -> Any:
    if not np.size(x) or not np.ndim(x):
        return np.sum(x)
    axes = [None, 0, -1, tuple(range(np.ndim(x)))]
    options = {"axis": draw.pick(axes), "keepdims": bool(draw.rng.integers(2))}
    if _kind(x) == "c":
        return draw.pick([np.sum, np.mean])(x, **options)
    return draw.pick([np.sum, np.mean, np.max, np.min, np.sum, np.any, np.var])(x, **options)


def _shape(draw: _Draw, x: Any) -> Any:
    size, shape = np.size(x), np.shape(x)
    return draw.pick([
        lambda: np.reshape(x, (size,)), lambda: np.reshape(x, shape[::-1]), lambda: np.transpose(x),
        lambda: np.broadcast_to(x, (2, *shape)), lambda: np.expand_dims(x, 0), lambda: np.ravel(x),
        lambda: np.reshape(np.transpose(x), (1, size)), lambda: np.flip(x), lambda: np.squeeze(x),
    ])()  # fmt: skip


def _read(draw: _Draw, x: Any) -> Any:
    return x[draw.key(x)] if np.ndim(x) else None


def _fancy(draw: _Draw, x: Any) -> Any:
    if not np.ndim(x) or not np.shape(x)[0]:
        return None
    n = np.shape(x)[0]
    index = draw.rng.integers(-n, n, draw.pick([(2,), (3, 2), (1,)]))
    if not np.size(x):
        return x[index]
    choices: list[Callable[[], Any]] = [
        lambda: x[index],
        lambda: x[..., index % np.shape(x)[-1]],
        lambda: x[np.arange(n) % 2 == 0],
        lambda: np.take(x, index, 0),
    ]
    return draw.pick(choices)()


def _traced_index(draw: _Draw, x: Any) -> Any:
    """Elements at places that are computed from the inputs."""
    if not np.ndim(x) or not np.shape(x)[0]:
        return None
    n = np.shape(x)[0]
    source = draw.values[0]
    if _kind(source) == "c":
        source = source.real
    place = np.floor(np.abs(np.ravel(source * 7.3))[:3]).astype(np.int64) % n
    if draw.rng.random() < 0.5:
        return x[place]
    out = np.array(x)
    out[place] = draw.pick([1, 2]) * out[place[::-1]]
    return out


def _write(draw: _Draw, x: Any) -> Any:
    if not np.ndim(x):
        return None
    out, key = np.array(x), draw.key(x)
    rng = draw.rng
    if _kind(x) in "ib" or rng.random() < 0.2:
        out[key] = 1
    elif rng.random() < 0.5:
        out[key] *= 0.5
    else:
        view = out[key] if key else out[...]
        if not np.ndim(view):
            out[key] = view + 1.0
        else:
            view += np.sin(np.ravel(draw.values[0].real)[:1].sum())
            view[..., :1] = view[..., -1:] if np.shape(view)[-1] else 0.0
    return out


def _join(draw: _Draw, x: Any) -> Any:
    if not np.ndim(x):
        return np.stack([x, x * 2, x])
    axis = draw.pick([0, -1])
    same = [v for v in draw.values if np.shape(v) == np.shape(x)]
    y = draw.pick(same)
    choices: list[Callable[[], Any]] = [
        lambda: np.concatenate([x, y, x], axis),
        lambda: np.stack([y, x], axis),
        lambda: np.concatenate([x[:1], y, x[-1:]], 0),
        lambda: np.roll(x, 1, axis),
    ]
    return draw.pick(choices)()


def _cast(draw: _Draw, x: Any) -> Any:
    if _kind(x) == "c":
        return None
    return x.astype(draw.pick(["f4", "f8", "c16"]))


def _product(draw: _Draw, x: Any) -> Any:
    if np.ndim(x) == 0 or _kind(x) == "b":
        return None
    choices: list[Callable[[], Any]] = [
        lambda: x @ np.transpose(x) if np.ndim(x) <= 2 else np.einsum("...i,...i", x, x),
        lambda: np.cumsum(x, axis=-1),
        lambda: np.sort(x.real, axis=-1),
    ]
    return draw.pick(choices)()


def _decide(draw: _Draw, x: Any) -> Any:
    """A branch; whole arrays are decided on by a sum that rounding does not turn."""
    total = np.sum(np.where(np.isnan(x.real), 0, np.sign(np.rint(x.real * 3))))
    if total > 0:
        return x * 2.0
    return -x if _kind(x) != "b" else x


STEPS: dict[str, Callable[[_Draw, Any], Any]] = {
    "smooth": _smooth, "binary": _binary, "select": _select, "reduce": _reduce, "shape": _shape,
    "read": _read, "fancy": _fancy, "traced index": _traced_index, "write": _write, "join": _join,
    "cast": _cast, "product": _product, "decide": _decide,
}  # fmt: skip
NAMES = [*STEPS, "smooth", "binary", "binary", "read", "join"]


def inputs_of(seed: int, variant: int) -> list[Any]:
    """Two arguments; later variants hold other numbers, in other layouts of memory."""
    rng = np.random.default_rng(seed)
    given = []
    for _ in range(2):
        shape, dtype = SHAPES[rng.integers(len(SHAPES))], DTYPES[rng.integers(len(DTYPES))]
        numbers = np.random.default_rng((seed, variant, len(given)))
        x = numbers.normal(size=shape) * 2
        if dtype == "c16":
            x = x + 1j * numbers.normal(size=shape)
        x = (x > 0) if dtype == "?" else x.astype(dtype)
        given.append(_laid_out(np.asarray(x), variant))
    return given


def _laid_out(x: np.ndarray, variant: int) -> np.ndarray:
    if variant == 1 and x.ndim:  # every second element of a larger array, backwards
        held = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        held[..., ::-2] = x
        return held[..., ::-2]
    if variant == 2:
        return np.asfortranarray(x.astype(x.dtype.newbyteorder()))
    return x


def _gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    def pulled(x: Any, y: Any) -> Any:
        def of_float(x: Any) -> Any:
            out = function(x, y)[0]
            return out if _kind(out) in "fc" else np.sum(x * 0)

        out, pull = wg.vjp(of_float, x)
        count = np.arange(np.size(out))
        return pull((np.cos(count).reshape(np.shape(out)) + 0.0).astype(out.dtype))

    return pulled


def _outcome(function: Any, call: Any) -> Any:
    try:
        with np.errstate(all="ignore"):
            return function(*call)
    except (ValueError, TypeError, IndexError, wg.errors.WengertError) as error:
        return error


def check(seed: int, count: int, is_gradient: bool) -> None:
    """Compile, run at several arguments, and compare with the function itself."""
    function: Any = Steps(seed, count)
    calls = [inputs_of(seed, variant) for variant in (0, 1, 2, 0)]
    if is_gradient:
        if _kind(calls[0][0]) not in "fc":
            return
        function = _gradient(function)
    one = compiled(function)
    for call in calls:
        expected = _outcome(function, call)
        found = _outcome(one, call)
        if isinstance(expected, Exception):
            assert type(found) is type(expected), (found, expected)
            continue
        if isinstance(found, Exception):
            raise found
        _compare(found, expected)


def _compare(found: Any, expected: Any) -> None:
    leaves, structure = tree.flatten(found)
    others, other_structure = tree.flatten(expected)
    assert structure == other_structure
    for x, y in zip(leaves, others, strict=True):
        kinds = [np.asarray(v).dtype.newbyteorder("=") for v in (x, y)]  # results are native
        assert kinds[0] == kinds[1], kinds
        assert np.shape(x) == np.shape(y), (np.shape(x), np.shape(y))
        if np.asarray(y).dtype.kind in "fc":
            finite = np.asarray(y)[np.isfinite(y)]
            scale = float(np.max(np.abs(finite), initial=1.0))  # sums cancel
            assert_allclose(x, y, rtol=2e-4, atol=1e-4 * scale) if _is_single(
                y
            ) else assert_allclose(x, y, rtol=1e-6, atol=1e-6 * scale)
        else:
            assert_array_equal(x, y)


def _is_single(x: Any) -> bool:
    return np.asarray(x).dtype.itemsize <= 4 * (1 + (np.asarray(x).dtype.kind == "c"))


@pytest.mark.filterwarnings("ignore")
@given(seed=st.integers(0, 10**9), count=st.integers(1, 9), is_gradient=st.booleans())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="WENGERT_TEST_EXAMPLES" not in os.environ,
    phases=[Phase.generate],  # shrinking compiles a thousand functions
    suppress_health_check=list(HealthCheck),
)
def test_random_functions(seed: int, count: int, is_gradient: bool) -> None:
    check(seed, count, is_gradient)


def test_no_place_is_computed_outside_an_array() -> None:
    """Some of these, and some samples of the registry, with every place checked."""
    given = {"WENGERT_DEBUG": "bounds", "WENGERT_TEST_EXAMPLES": "60"}
    indexed = (
        "test_random_functions or test_values and (interp or gather or scatter or choose or take)"
    )
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", indexed,
         __file__, os.path.join(os.path.dirname(__file__), "test_registry.py")],
        env=os.environ | given, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-3000:]
    assert " passed" in found.stdout
