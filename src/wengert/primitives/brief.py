"""Brief entries: elementwise operations on numbers, or on arrays of one shape and dtype.

Such an entry is (number, first, second, x1, x2, out): which primitive, the indices of its operands
(-1 for a constant), their values and the result (None for what no rule reads). Of numbers, it is a
tuple of atoms, which Python's garbage collector lets go of. Its pulls are compiled from the
primitive's rules, one function for each way in which the operands are traced.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

Pull = Callable[[Any, Any], Any]


class Pulls(NamedTuple):
    """How a primitive pulls the adjoint of a brief entry: ``pull(adjoint, entry)``.

    Attributes
    ----------
    primitive : Primitive
        Whose rules they are made of.
    both : callable or None
        The contributions to both operands, as a pair.
    first, second : callable or None
        The contribution to one of them, where the other is constant.
    """

    primitive: Any
    both: Pull | None
    first: Pull
    second: Pull | None


PULLS: list[Pulls] = []

_PLACES = (3, 4)  # of the operands in an entry; the result is last
_identity = (lambda x: x).__code__.co_code


def register(primitive: Any, rules: tuple[Any, ...], slots: tuple[str, ...]) -> int:
    """Number a primitive of one or two operands; -1 if its rules read more than the values."""
    if len(rules) > 2 or any(rule is None for rule in rules):
        return -1
    scope: dict[str, Any] = {}
    parts = [_text(k, rule, slots, scope) for k, rule in enumerate(rules)]
    if any(part is None for part in parts):
        return -1

    def made(body: Any) -> Pull:
        return eval(f"lambda adjoint, e: {body}", scope)

    if len(parts) == 1:
        PULLS.append(Pulls(primitive, None, made(parts[0]), None))
    else:
        both = made(f"({parts[0]}, {parts[1]})")
        PULLS.append(Pulls(primitive, both, made(parts[0]), made(parts[1])))
    return len(PULLS) - 1


def _text(position: int, rule: Any, slots: tuple[str, ...], scope: dict[str, Any]) -> str | None:
    """The contribution of one rule as an expression."""
    if not callable(rule):
        return {1: "adjoint", -1: "-adjoint"}.get(rule, f"adjoint * {rule!r}")
    parameters = inspect.signature(rule).parameters.values()
    if any(p.name not in slots or p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
        return None
    values = [f"e[{_place(p.name, slots)}]" for p in parameters]
    if rule.__code__.co_code == _identity and len(values) == 1:
        return f"adjoint * {values[0]}"
    scope[f"rule{position}"] = rule
    return f"adjoint * rule{position}({', '.join(values)})"


def _place(name: str, slots: tuple[str, ...]) -> int:
    return 5 if name == "out" else _PLACES[slots.index(name)]
