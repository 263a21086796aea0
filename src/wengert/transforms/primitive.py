"""A user's own operations: `primitive`; and those made from a function at run time.

Given one of vjp and jvp, the other is its transpose: both are linear, so recording one and sweeping
back through it gives the other.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ArgumentError, RuleError, TargetTypeError
from wengert.primitives.adjoints import fit, like_of
from wengert.primitives.family import General, Primitive
from wengert.tape.array import Array
from wengert.tape.dispatch import lift
from wengert.transforms.arguments import Call
from wengert.transforms.forward import push
from wengert.transforms.reverse import record

Rules = Callable[..., Any] | tuple[Callable[..., Any] | None, ...]


def primitive(
    f: Callable[..., Any] | None = None,
    *,
    vjp: Rules | None = None,
    jvp: Rules | None = None,
    batch: Callable[..., Any] | str | None = None,
    name: str | None = None,
) -> Any:
    """Declare an operation of your own by its derivative, given in plain NumPy.

    Parameters
    ----------
    f : callable
        ``f(x, y, *, n)``: operands by position, static parameters keyword-only. It only ever sees
        plain arrays and numbers, so it may call anything: C code, SciPy, a simulator. It returns
        one number or array.
    vjp : callable or tuple of callables
        One function for each operand (None where there is no derivative), of the adjoint of the
        result and of whatever it names: operands by their names, ``out`` for the result, ``like``
        for the shape and dtype of its operand. Static parameters are passed by keyword. A single
        function for several operands returns a tuple.
    jvp : callable or tuple of callables
        Likewise, of the tangent of one operand. One of `vjp` and `jvp` may be left out: it is made
        by transposing the other.
    batch : callable or str, optional
        How vmap treats it: "broadcast" for elementwise functions, "leading" if `f` takes leading
        axes; by default `f` runs in a loop over the batch.
    name : str, optional
        What it is called in printed tapes; by default the function's name.

    Returns
    -------
    callable
        Called as `f`. Its derivative can be differentiated again, as the rules are NumPy code.

    Raises
    ------
    ArgumentError
        If no rule is given.
    RuleError
        When differentiated, if a rule returns an adjoint that does not fit its operand.

    Examples
    --------
    >>> @wg.primitive(vjp=lambda adjoint, x: adjoint * 3 * x**2)
    ... def cube(x):
    ...     return x**3
    >>> wg.grad(cube)(2.0)
    np.float64(12.0)
    >>> wg.grad(wg.grad(cube))(2.0)
    np.float64(12.0)
    """
    if f is None:
        return functools.partial(primitive, vjp=vjp, jvp=jvp, batch=batch, name=name)
    if vjp is None and jvp is None:
        raise ArgumentError(
            f"primitive {f.__name__} was declared without a rule.",
            "Give vjp=, jvp= or both; for a function without derivative use wg.stop_gradient.",
        )
    declared = _UserPrimitive(f, vjp, jvp, batch, name)
    signature = inspect.signature(f)

    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        operands = [lift(bound.arguments[name]) for name in declared.operands]
        static = {k: v for k, v in bound.arguments.items() if k not in declared.operands}
        return declared(*operands, **static)

    call.primitive = declared  # type: ignore[attr-defined]
    return call


class _UserPrimitive(General):
    """A primitive whose rules may be joint, or made from each other."""

    def __init__(self, f: Any, vjp: Any, jvp: Any, batch: Any, name: str | None):
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = inspect.signature(f).parameters.values()
        operands = tuple(p.name for p in parameters if p.kind in kinds)
        count = len(operands)
        if vjp is not None:
            backward = _each(vjp, count, f)
        else:
            backward = _transposes(_each(jvp, count, f), operands, "tangent")
        if jvp is not None:
            forward = _each(jvp, count, f)
        else:
            forward = _transposes(backward, operands, "adjoint")
        super().__init__(
            f, backward, forward, name=name or f.__name__, operands=operands, batch=batch
        )
        self.needs_likes = True  # what a user's rule returns is always checked

    def pull(
        self, adjoint: Any, parents: Any, saved: Any, likes: Any, parameters: dict[str, Any]
    ) -> list[Any]:
        parts = super().pull(adjoint, parents, saved, likes, parameters)
        return [_checked(part, self) if part is not None else None for part in parts]


def _checked(part: Any, primitive: Primitive) -> Any:
    if isinstance(part, Array | np.ndarray | np.generic | float | complex | int):
        return part
    raise RuleError(
        f"a rule of {primitive.name} returned {type(part).__name__}, but an adjoint was expected.",
        "Return a number or an array of the operand's shape.",
    )


def _each(rules: Any, count: int, f: Any) -> tuple[Any, ...]:
    """One rule for each operand."""
    if isinstance(rules, tuple | list):
        if len(rules) != count:
            raise ArgumentError(
                f"primitive {f.__name__} has {count} operands but {len(rules)} rules.",
                "Give one rule for each operand; None for one without derivative.",
            )
        return tuple(rules)
    if count == 1:
        return (rules,)
    return tuple(_component(rules, k, count, f) for k in range(count))


def _component(rule: Any, position: int, count: int, f: Any) -> Any:
    @functools.wraps(rule)
    def one(*args: Any, **kwargs: Any) -> Any:
        parts = rule(*args, **kwargs)
        if not isinstance(parts, tuple | list) or len(parts) != count:
            found = len(parts) if isinstance(parts, tuple | list) else type(parts).__name__
            raise RuleError(
                f"the rule of primitive {f.__name__} returned {found}, but {count} derivatives "
                "were expected, one for each operand.",
                "Return a tuple, or give a tuple of functions as the rule.",
            )
        return parts[position]

    return one


def _transposes(rules: tuple[Any, ...], operands: tuple[str, ...], of: str) -> tuple[Any, ...]:
    """The rules of the other mode; `of` says what the given ones are linear in."""
    return tuple(
        None if rule is None else _transpose(rule, position, operands, of)
        for position, rule in enumerate(rules)
    )


def _transpose(rule: Any, position: int, operands: tuple[str, ...], of: str) -> Any:
    """From a rule that is linear in its first argument, the rule that is its transpose."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [p.name for p in inspect.signature(rule).parameters.values() if p.kind in kinds][1:]
    takes = [*operands, "out"]

    def transposed(given: Any, *values: Any, **static: Any) -> Any:
        known = dict(zip(takes, values, strict=True))
        known["like"] = like_of(known[operands[position]])
        # A vjp is linear in an adjoint (shaped as the result), a jvp in a tangent (as the operand).
        like = like_of(known["out"]) if of == "adjoint" else known["like"]
        zero = like.zeros()
        call = Call(lambda z: rule(z, *[known[n] for n in named], **static), (zero,), {}, 0, None)
        (part,) = record(call, "primitive").pull([given])
        return zero if part is None else part

    transposed.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            *(
                inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD)
                for n in ("given", *takes)
            ),
            inspect.Parameter("static", inspect.Parameter.VAR_KEYWORD),
        ]
    )
    return transposed


# ---------------------------------------------------------------------- operations made at run time


def operation(f: Callable[..., Any], name: str, operands: Sequence[Any]) -> Any:
    """Apply `f`, of numbers and arrays, as one entry that runs it again when differentiated."""
    return _Recomputed(f, name, len(operands))(*[lift(x) for x in operands])


class _Recomputed(Primitive):
    """A function whose derivative is found by transforming it."""

    family = "general"

    def __init__(self, f: Callable[..., Any], name: str, count: int):
        names = tuple(f"x{k + 1}" for k in range(count))
        super().__init__(self._run, (None,) * count, name=name, operands=names)
        self.f = f
        self.is_smooth = True  # its rules are made when they are asked for

    def _run(self, *values: Any) -> Any:
        out = self.f(*values)
        parts = out if isinstance(out, tuple) else (out,)
        if any(isinstance(part, Array) and part.tape.is_traced for part in parts):
            raise TargetTypeError(
                f"{self.name} uses a traced value that is not among its arguments.",
                "Pass every array that the checkpointed function differentiates by as an argument.",
            )
        parts = tuple(part.value if isinstance(part, Array) else part for part in parts)
        self.outputs = len(parts)
        return parts if isinstance(out, tuple) else parts[0]

    def is_differentiable(self, position: int) -> bool:
        return True

    def keeps(self, active: tuple[bool, ...]) -> tuple[bool, ...]:
        return (*(True for _ in active), False)

    def _call(self, values: Sequence[Any], active: Sequence[int]) -> Call:
        def of_active(*sources: Any) -> Any:
            full = list(values)
            for position, source in zip(active, sources, strict=True):
                full[position] = source
            return self.f(*full)

        return Call(
            of_active, tuple(values[k] for k in active), {}, tuple(range(len(active))), None
        )

    def pull(
        self, adjoint: Any, parents: Any, saved: Any, likes: Any, parameters: dict[str, Any]
    ) -> list[Any]:
        active = [k for k, parent in enumerate(parents) if parent >= 0]
        recording = record(self._call(saved[:-1], active), self.name)
        seeds = adjoint if self.outputs > 1 else (adjoint,)
        contributions: list[Any] = [None] * len(parents)
        for position, part, like in zip(
            active, recording.pull(seeds), recording.likes, strict=True
        ):
            contributions[position] = None if part is None else fit(part, like, self)
        return contributions

    def push(
        self, tangents: Sequence[Any], values: Sequence[Any], out: Any, parameters: dict[str, Any]
    ) -> Any:
        active = [k for k, tangent in enumerate(tangents) if tangent is not None]
        call = self._call(values, active)
        return push(call, list(call.args), [tangents[k] for k in active])[1]
