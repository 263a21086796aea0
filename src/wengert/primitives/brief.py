"""Brief entries: elementwise operations whose rules read values alone.

Such an entry is (number, first, second, x1, x2, out): which primitive, the indices of its operands
(-1 for a constant), their values and the result (None for what no rule reads); and two more, shape
and dtype of each operand that the result differs from. Of numbers, it is a tuple of atoms, which
Python's garbage collector lets go of. Its pulls are compiled from the primitive's rules.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, NamedTuple

from wengert.primitives.adjoints import fit

Pull = Callable[[list[Any], Any, Any], None]


class Pulls(NamedTuple):
    """How a primitive pulls the adjoint of a brief entry.

    Attributes
    ----------
    primitive : Primitive
        Whose rules it is made of.
    pull : callable
        ``pull(adjoints, adjoint, entry)`` adds what each traced operand gets to its adjoint.
    fitted : callable
        The same for operands of other shape or dtype than the result.
    """

    primitive: Any
    pull: Pull
    fitted: Pull


PULLS: list[Pulls] = []

_PLACES = (3, 4)  # of the operands in an entry; the result is last
_identity = (lambda x: x).__code__.co_code


def register(primitive: Any, rules: tuple[Any, ...], slots: tuple[str, ...]) -> int:
    """Number a primitive of one or two operands; -1 if its rules read more than the values."""
    if len(rules) > 2 or any(rule is None for rule in rules):
        return -1
    scope: dict[str, Any] = {"fit": fit}
    parts = [_text(k, rule, slots, scope) for k, rule in enumerate(rules)]
    if any(part is None for part in parts):
        return -1
    PULLS.append(Pulls(primitive, *[_made(step, parts, scope) for step in (_STEP, _FITTED)]))
    return len(PULLS) - 1


def _made(step: str, parts: Sequence[Any], scope: dict[str, Any]) -> Pull:
    # The last operand first, as a sweep reads a tape: sums of adjoints keep their order of terms.
    steps = [step.format(place=k + 1, like=k + 6, part=parts[k]) for k in range(len(parts))]
    exec(_compiled("def pull(adjoints, adjoint, e):\n" + "".join(reversed(steps))), scope)
    pull: Pull = scope["pull"]
    return pull


_STEP = """\
    parent = e[{place}]
    if parent >= 0:
        held = adjoints[parent]
        adjoints[parent] = {part} if held is None else held + {part}
"""
_FITTED = """\
    parent = e[{place}]
    if parent >= 0:
        part = {part}
        like = e[{like}]
        if like is not None:
            part = fit(part, like)
        held = adjoints[parent]
        adjoints[parent] = part if held is None else held + part
"""


@functools.cache
def _compiled(text: str) -> CodeType:
    """Many primitives read the same values."""
    return compile(text, "<wengert>", "exec")


def _text(position: int, rule: Any, slots: tuple[str, ...], scope: dict[str, Any]) -> str | None:
    """The contribution of one rule as an expression."""
    if not callable(rule):
        return {1: "adjoint", -1: "-adjoint"}.get(rule, f"adjoint * {rule!r}")
    parameters = inspect.signature(rule).parameters.values()
    known = (*slots, "tie")
    if any(p.name not in known or p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
        return None
    values = [_TIE if p.name == "tie" else f"e[{_place(p.name, slots)}]" for p in parameters]
    if rule.__code__.co_code == _identity and len(values) == 1:
        return f"adjoint * {values[0]}"
    scope[f"rule{position}"] = rule
    return f"adjoint * rule{position}({', '.join(values)})"


_TIE = "(0.0 if e[1] < 0 or e[2] < 0 else 0.5)"


def _place(name: str, slots: tuple[str, ...]) -> int:
    return 5 if name == "out" else _PLACES[slots.index(name)]
