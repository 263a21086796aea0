"""The families of primitives: elementwise, linear, general, locally constant; and derived functions.

A rule is plain NumPy and names, by its parameter names, the values it reads: operands, ``out``, ``like``
(shape and dtype of its operand). From these names a primitive knows what an entry must keep. Nothing
here knows tapes: a tape asks a primitive to `pull` adjoints back or to `push` tangents forward. The one
difficulty is calling rules quickly, so each is wrapped once, at declaration, in a positional adapter.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any, ClassVar

import numpy as np

from wengert.primitives import brief
from wengert.primitives.adjoints import fit, fit_tangent, scale, times_number, zeros_like
from wengert.primitives.blocks import LARGE, scaled
from wengert.primitives.samples import Sample

Rule = Callable[..., Any]


class Primitive:
    """One differentiable operation: a NumPy function plus its rules.

    Attributes
    ----------
    name : str
        Unique in the registry; NumPy's name where NumPy has one.
    function : callable
        Computes the value from the operands' values; static parameters are keyword-only.
    operands : tuple of str
        Names of the operands.
    rules : tuple
        One rule per operand (None: no derivative in that operand).
    live : callable, optional
        Of the parameters: for each operand "all", "lower" or "upper", the part of its derivative
        that is not zero by structure. Without it, the rule itself is asked, on random numbers.
    """

    family: ClassVar[str] = ""
    rule_arguments: ClassVar[tuple[str, ...]] = ()  # what a rule takes before the values it names
    number = -1  # of brief entries, for primitives that have such; see brief.py
    is_elementwise = False
    alone: tuple[bool, ...] | None = None  # what an entry keeps of one operand and the result

    def __init__(
        self,
        function: Callable[..., Any],
        rules: Any,
        *,
        name: str | None = None,
        operands: Sequence[str] | None = None,
        variadic: bool = False,
        formula: str | Sequence[str] = "",
        source: str = "",
        kinks: Mapping[Any, Any] | None = None,
        lower: str | None = None,
        batch: str | Callable[..., Any] | None = None,
        selects: bool = False,
        outputs: int = 1,
        live: Callable[..., tuple[str, ...]] | None = None,
        samples: Sequence[Sample] = (),
    ):
        self.function = function
        self.name = name or function.__name__
        self.rules = tuple(rules) if isinstance(rules, tuple) else (rules,)
        self.variadic = variadic
        self.operands = tuple(operands or _operand_names(function, len(self.rules)))
        self.formula = (formula,) if isinstance(formula, str) else tuple(formula)
        self.source = source
        self.kinks = dict(kinks or {})
        self.lower = lower
        self.batch = batch
        self.selects = selects
        self.samples = tuple(samples)
        self.slots = (*self.operands, "out")
        self.outputs = outputs
        self.live = live
        self._keeps: dict[tuple[bool, ...], tuple[bool, ...]] = {}
        self.adapters = tuple(self._adapter(rule) for rule in self.rules)
        self.is_smooth = all(rule is not None for rule in self.rules)
        if len(self.operands) == 1 and not variadic:  # what Tape.unary keeps
            self.alone = self.keeps((True,))
        if len(self.operands) == 2 and not variadic:  # what Tape.binary keeps
            self.both = self.keeps((True, True))
            self.first = self.keeps((True, False))
            self.second = self.keeps((False, True))
        self.needs_likes = variadic or any("like" in self.reads(k) for k in range(len(self.rules)))

    def __repr__(self) -> str:
        return f"<{self.family} primitive {self.name}>"

    def __call__(self, *operands: Any, **parameters: Any) -> Any:
        """Apply to values; what records (an Array) says so by its ``__record__``."""
        for operand in operands:
            record = getattr(type(operand), "__record__", None)
            if record is not None:
                return record(self, operands, parameters)
        return self.function(*operands, **parameters)

    @property
    def batching(self) -> str:
        """How vmap treats the primitive, for the docs' table."""
        if callable(self.batch):
            return "rule"
        return self.batch or ("broadcast" if self.family == "elementwise" else "loop")

    def _adapter(self, rule: Rule | None) -> Callable[..., Any] | None:
        """``rule`` as a function of (leading arguments…, slots, like, parameters)."""
        if rule is None or type(rule) is int:
            return rule
        if not callable(rule):  # a number; `pull` looks for whole ones only
            return lambda s, like, p, k: rule
        leading = self.rule_arguments
        names = _positional(rule)[len(leading) :]
        lacking = [name for name in names if name not in (*self.slots, *_EXTRA)]
        if lacking:
            raise TypeError(f"a rule of {self.name} names {lacking}; it may name {self.slots}")
        arguments = [
            *leading,
            *(_EXTRA.get(name) or f"s[{self.slots.index(name)}]" for name in names),
        ]
        takes = ", ".join([*leading, "s", "like", "p", "k"])
        if _takes_keywords(rule):
            arguments.append("**p")
        text = f"lambda {takes}: rule({', '.join(arguments)})"
        return eval(_compiled(text), {"rule": rule})  # names checked above

    def reads(self, position: int) -> frozenset[str]:
        """Names of the values that the rule of one operand reads."""
        rule = self.rules[0 if self.variadic else position]
        if not callable(rule):
            return frozenset()
        return frozenset(_positional(rule)[len(self.rule_arguments) :])

    def keeps(self, active: tuple[bool, ...]) -> tuple[bool, ...]:
        """Which slots an entry keeps when these operands are traced."""
        try:
            return self._keeps[active]
        except KeyError:
            pass
        read: set[str] = set()
        for position, is_active in enumerate(active):
            if is_active:
                read |= self.reads(position)
        if self.variadic:
            kept = tuple(["operands" in read] * len(active) + ["out" in read])
        else:
            kept = tuple(slot in read for slot in self.slots)
        self._keeps[active] = kept
        return kept

    def is_differentiable(self, position: int) -> bool:
        """True if there is a rule for that operand."""
        return self.rules[0 if self.variadic else position] is not None

    def pull(
        self, adjoint: Any, parents: Any, saved: Any, likes: Any, parameters: dict[str, Any]
    ) -> list[Any]:
        """One contribution per operand to its adjoint; None for an operand that is not traced."""
        contributions: list[Any] = []
        for position, parent in enumerate(parents):
            adapter = self.adapters[0 if self.variadic else position]
            if parent < 0 or adapter is None:
                contributions.append(None)
                continue
            like = likes[position] if likes is not None else None
            given = likes if self.variadic else like
            part = adapter(adjoint, saved, given, parameters, position)
            if like is not None and not (
                type(part) is np.ndarray and part.shape == like.shape and part.dtype is like.dtype
            ):
                part = fit(part, like, self)
            contributions.append(part)
        return contributions

    def push(
        self, tangents: Sequence[Any], values: Sequence[Any], out: Any, parameters: dict[str, Any]
    ) -> Any:
        """The tangent of the output, given those of the operands (None where there is none)."""
        raise NotImplementedError


class Elementwise(Primitive):
    """Given by its partial derivatives; a partial may be a plain number."""

    family = "elementwise"
    is_elementwise = True

    def __init__(self, function: Callable[..., Any], rules: Any, **kw: Any):
        super().__init__(function, rules, **kw)
        self._plan = tuple(self._step(k) for k in range(len(self.rules)))
        if isinstance(function, np.ufunc):
            self.number = brief.register(self, self.rules, self.slots)

    def _step(self, position: int) -> tuple[int, Any, tuple[int, ...]]:
        """How `pull` gets one partial: the slots that its rule reads if it reads nothing else."""
        rule = self.rules[position]
        if rule is None or not callable(rule):
            return _NUMBER, rule, ()
        names = _positional(rule)
        if not set(names) <= set(self.slots) or _takes_keywords(rule):
            return _ADAPTED, self.adapters[position], ()
        slots = tuple([self.slots.index(name) for name in names])
        return (slots[0] if len(slots) == 1 else _SEVERAL), rule, slots

    def pull(
        self,
        adjoint: Any,
        parents: Any,
        saved: Any,
        likes: Any,
        parameters: dict[str, Any],
        is_spent: bool = False,
    ) -> list[Any]:
        """As for every primitive; an adjoint that `is_spent` may be written over by the last part."""
        contributions: list[Any] = []
        is_array = type(adjoint) is np.ndarray
        last = max(k for k, parent in enumerate(parents) if parent >= 0) if is_spent else -1
        for position, parent in enumerate(parents):
            slot, partial, slots = self._plan[position]
            if parent < 0 or partial is None:
                contributions.append(None)
                continue
            can_reuse = position == last and not _is_held(adjoint, contributions)
            part = None
            if slot == _NUMBER:
                part = adjoint if partial == 1 else times_number(adjoint, partial, can_reuse)
            elif slot == _ADAPTED:
                tie = 0.0 if min(parents) < 0 else 0.5
                part = scale(adjoint, partial(saved, tie, parameters, position), can_reuse)
            elif is_array and adjoint.size >= LARGE:
                operands = [saved[k] for k in slots]
                part = scaled(adjoint, partial, operands, adjoint if can_reuse else None)
            if part is None:
                found = partial(saved[slot]) if slot >= 0 else partial(*[saved[k] for k in slots])
                part = scale(adjoint, found, can_reuse) if is_array else adjoint * found
            if likes is not None and likes[position] is not None:
                part = fit(part, likes[position], self)
            contributions.append(part)
        return contributions

    def partial(
        self, position: int, slots: Sequence[Any], parameters: dict[str, Any], tie: float = 0.0
    ) -> Any:
        """The partial derivative by one operand, as an array or number."""
        rule = self.adapters[position]
        return rule(slots, tie, parameters, position) if callable(rule) else rule

    def push(
        self, tangents: Sequence[Any], values: Sequence[Any], out: Any, parameters: dict[str, Any]
    ) -> Any:
        total = None
        slots = (*values, out)
        tie = 0.0 if any(tangent is None for tangent in tangents) else 0.5
        for position, tangent in enumerate(tangents):
            if tangent is None or self.rules[position] is None:
                continue
            part = tangent * self.partial(position, slots, parameters, tie)
            total = part if total is None else total + part
        return None if total is None else fit_tangent(total, out)


class Linear(Primitive):
    """Given by the transpose; the tangent of the output is the operation itself on tangents.

    `each`: linear in each operand by itself (a product), not in all of them together (a sum).
    """

    family = "linear"
    rule_arguments = ("adjoint",)

    def __init__(
        self,
        function: Callable[..., Any],
        rules: Any,
        *,
        each: bool = False,
        into: Any = None,
        **kw: Any,
    ):
        self.each = each
        self.into = into
        super().__init__(function, rules, **kw)

    def push(
        self, tangents: Sequence[Any], values: Sequence[Any], out: Any, parameters: dict[str, Any]
    ) -> Any:
        live = [
            t if t is not None and self.is_differentiable(k) else None
            for k, t in enumerate(tangents)
        ]
        if all(tangent is None for tangent in live):
            return None
        if not self.each:
            filled = [
                (value if not self.is_differentiable(k) else zeros_like(value)) if t is None else t
                for k, (t, value) in enumerate(zip(live, values, strict=True))
            ]
            return fit_tangent(self(*filled, **parameters), out)
        total = None
        for position, tangent in enumerate(live):
            if tangent is None:
                continue
            part = self(*values[:position], tangent, *values[position + 1 :], **parameters)
            total = part if total is None else total + part
        return fit_tangent(total, out)


class General(Primitive):
    """Given by vjp and jvp, one function per operand."""

    family = "general"
    rule_arguments = ("adjoint",)

    def __init__(self, function: Callable[..., Any], vjp: Any, jvp: Any, **kw: Any):
        super().__init__(function, vjp, **kw)
        self.jvps = tuple(jvp) if isinstance(jvp, tuple) else (jvp,)
        self.forward_adapters = tuple(self._adapter(rule) for rule in self.jvps)

    def push(
        self, tangents: Sequence[Any], values: Sequence[Any], out: Any, parameters: dict[str, Any]
    ) -> Any:
        total = None
        slots = (*values, out)
        for position, tangent in enumerate(tangents):
            adapter = self.forward_adapters[0 if self.variadic else position]
            if tangent is None or adapter is None:
                continue
            part = adapter(tangent, slots, None, parameters, position)
            if total is None:
                total = part
            elif self.outputs > 1:
                total = tuple(_plus(t, p) for t, p in zip(total, part, strict=True))
            else:
                total = total + part
        if total is None or self.outputs == 1:
            return None if total is None else fit_tangent(total, out)
        return tuple(
            None if t is None else fit_tangent(t, o) for t, o in zip(total, out, strict=True)
        )


def _plus(tangent: Any, part: Any) -> Any:
    """The sum of two tangents, either of which may be None: zero."""
    return part if tangent is None else tangent if part is None else tangent + part


class LocallyConstant(Primitive):
    """No derivative, or a derivative of zero wherever there is one: comparisons, rounding, argmax."""

    family = "locally constant"

    def __init__(self, function: Callable[..., Any], *, operands: Sequence[str], **kw: Any):
        super().__init__(function, (None,) * len(operands), operands=operands, **kw)


class Derived:
    """A NumPy function defined by others: its derivatives follow from theirs."""

    family = "derived"

    def __init__(
        self,
        function: Any,  # or (ufunc, name of its method)
        definition: Callable[..., Any],
        *,
        name: str | None = None,
        samples: Sequence[Sample] = (),
        formula: str = "",
    ):
        self.function, self.definition = function, definition
        self.name = name or function.__name__
        self.samples, self.formula = tuple(samples), formula
        self.__doc__ = definition.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.definition(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<derived function {self.name}>"


def elementwise(function: Callable[..., Any], *, d: Any, **declared: Any) -> Elementwise:
    """Declare an elementwise primitive by its partial derivatives `d`, one per operand."""
    if isinstance(function, np.ufunc):
        count = len(d) if isinstance(d, tuple) else 1
        declared.setdefault("operands", ("x",) if count == 1 else ("x1", "x2", "x3")[:count])
    return Elementwise(function, d, **declared)


def linear(function: Callable[..., Any], *, transpose: Any, **declared: Any) -> Linear:
    """Declare a linear primitive by its `transpose`, one per operand."""
    return Linear(function, transpose, **declared)


def general(function: Callable[..., Any], *, vjp: Any, jvp: Any, **declared: Any) -> General:
    """Declare a primitive by its `vjp` and `jvp`, one of each per operand."""
    return General(function, vjp, jvp, **declared)


def locally_constant(
    function: Callable[..., Any], operands: Sequence[str] = ("x",), **declared: Any
) -> LocallyConstant:
    """Declare a primitive whose derivative is zero wherever it exists."""
    return LocallyConstant(function, operands=operands, **declared)


def derived(function: Any, **declared: Any) -> Callable[[Callable[..., Any]], Derived]:
    """Declare, as a decorator, a NumPy function by a definition in terms of other functions."""
    return lambda definition: Derived(function, definition, **declared)


def _is_held(adjoint: Any, contributions: Sequence[Any]) -> bool:
    return any(part is adjoint or getattr(part, "base", None) is adjoint for part in contributions)


# What a rule may name besides its slots. A variadic rule gets all likes, and all operands in one tuple;
# an elementwise one, which needs no like, the weight of a tie between two traced operands.
_EXTRA = {
    "like": "like",
    "likes": "like",
    "tie": "like",
    "position": "k",
    "operands": "s[:-1]",
    "out": "s[-1]",
}


@functools.cache
def _compiled(text: str) -> CodeType:
    """Many rules read the same slots: a thousand rules need some fifty adapters."""
    return compile(text, "<wengert>", "eval")


_NUMBER, _ADAPTED, _SEVERAL = -1, -2, -3  # where a partial comes from if not from one slot


def _takes_keywords(rule: Rule) -> bool:
    kinds = {p.kind for p in inspect.signature(rule).parameters.values()}
    return bool(kinds & {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD})


def _positional(rule: Rule) -> list[str]:
    if type(rule) is FunctionType and not rule.__dict__:  # twenty times quicker than a signature
        return list(rule.__code__.co_varnames[: rule.__code__.co_argcount])
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(rule).parameters.values() if p.kind in kinds]


def _operand_names(function: Callable[..., Any], count: int) -> list[str]:
    return _positional(function)[:count]
