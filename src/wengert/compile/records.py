"""Named tuples in files: what stands for named tuples and dataclasses of user code.

A file names no classes to import. It tells the name of a class and of its fields, and what is
loaded is a named tuple of these names, made without generating code, as `collections.namedtuple`
would. Equal names give the same class.
"""

from __future__ import annotations

import functools
import keyword
import operator
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from wengert import tree

MAX_FIELDS = 1000
MAX_RECORDS = 256  # kinds of named tuples in a file: each is a class that is made


class Record(tuple[Any, ...]):
    """What is common to these named tuples: all that those of Python have."""

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, *parts: Any, **named: Any) -> Record:
        given = dict(zip(cls._fields, parts, strict=False)) | named
        if len(parts) + len(named) != len(cls._fields) or given.keys() != set(cls._fields):
            raise TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}")
        return cls._make(given[field] for field in cls._fields)

    @classmethod
    def _make(cls, parts: Iterable[Any]) -> Record:
        return super().__new__(cls, parts)

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **changed: Any) -> Record:
        return type(self)(**(self._asdict() | changed))

    def __repr__(self) -> str:
        fields = [f"{name}={part!r}" for name, part in self._asdict().items()]
        return f"{type(self).__name__}({', '.join(fields)})"

    def __reduce__(self) -> Any:
        return _made, (type(self).__name__, self._fields, tuple(self))


def _made(name: str, fields: tuple[str, ...], parts: tuple[Any, ...]) -> Record:
    return record(name, fields)._make(parts)


@functools.cache
def record(name: str, fields: tuple[str, ...]) -> type[Record]:
    """The class that stands for classes of this name with these fields."""
    found = {field: property(operator.itemgetter(k)) for k, field in enumerate(fields)}
    return type(name, (Record,), {"__slots__": (), "_fields": fields, **found})


def is_record(name: Any, fields: Sequence[Any]) -> bool:
    """True if a named tuple can be of this name and fields."""
    texts = (name, *fields)
    return (
        all(type(x) is str and x.isidentifier() and not keyword.iskeyword(x) for x in texts)
        and not any(x.startswith("_") for x in fields)
        and len(set(fields)) == len(fields) <= MAX_FIELDS
    )


def as_records(found: Any) -> Any:
    """A tree with such named tuples in place of the user's, and of dataclasses."""
    kind = type(found)
    if kind in (list, tuple):
        return kind([as_records(part) for part in found])
    if kind is dict:
        return {key: as_records(part) for key, part in found.items()}
    names = tree.field_names(kind)
    if names is None or not is_record(kind.__name__, names):
        return found
    return record(kind.__name__, names)._make(as_records(getattr(found, name)) for name in names)
