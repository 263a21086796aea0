"""A module in two: what runs long, which LLVM compiles with care, and the rest.

Generating good code takes LLVM five times as long as any code, and most functions of a plan run for
less than a microsecond. Those that run long bear LLVM's attribute `hot`: they go into a module of
their own, to which the rest refers by name. The one difficulty is what both need: definitions are
given to both, variables stay with the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_NAME = re.compile(r"[@!][\w.]+")
_HOT = re.compile(r"^define internal (.*\)) .*\bhot\b.*\{$", re.M)
_OPERAND = re.compile(r" %[\w.]+")
_VARIABLE = re.compile(r"^(@[\w.]+) = (?!private |internal |external )")


def divided(symbols: Mapping[str, str]) -> tuple[str, str]:
    """The text of a module without its hot functions, and that of these; "" if there are none.

    Parameters
    ----------
    symbols : mapping
        Name to declaration or definition.
    """
    heads = {}
    for name, text in symbols.items():
        if text.lstrip().startswith("define internal"):
            found = _HOT.search(text)
            if found is not None:
                heads[name] = found[1]
    if not heads:
        return _joined(symbols, symbols), ""
    rest = dict(symbols) | {
        name: "declare " + _OPERAND.sub("", head) for name, head in heads.items()
    }
    shared = {
        name: f"{found[1]} = external global i8"
        for name, text in symbols.items()
        if (found := _VARIABLE.match(text)) is not None
    }
    own = dict(symbols) | shared
    own |= {name: symbols[name].replace("define internal", "define", 1) for name in heads}
    entries = [name for name, text in rest.items() if _is_entry(text)]
    return _joined(rest, _reached(rest, entries)), _joined(own, _reached(own, heads))


def _is_entry(text: str) -> bool:
    """Whether others than the module itself may need a symbol."""
    is_function = text.lstrip().startswith("define ") and "internal" not in text[:20]
    return is_function or _VARIABLE.match(text) is not None


def _reached(symbols: Mapping[str, str], entries: Iterable[str]) -> set[str]:
    """The symbols that these need."""
    todo, reached = list(entries), set(entries)
    while todo:
        for name in _NAME.findall(symbols[todo.pop()]):
            if name in symbols and name not in reached:
                reached.add(name)
                todo.append(name)
    return reached


def _joined(symbols: Mapping[str, str], names: Iterable[str]) -> str:
    """Text of these, metadata last."""
    known = set(names)
    order = sorted([n for n in symbols if n in known], key=lambda name: name.startswith("!"))
    return "\n".join([symbols[name] for name in order])
