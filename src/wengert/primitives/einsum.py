"""einsum: any number of operands, in every form NumPy takes.

The front brings operands to a plain form (letters only; every index once in an operand, and in at least
two places), then contracts two at a time along a path. Each contraction is one entry, linear in either
operand, whose transposes are contractions again. The one difficulty is speed: large contractions become
matrix products for BLAS, by a plan that is made once for each pattern of shapes.
"""

from __future__ import annotations

import importlib
import importlib.util
import string
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from wengert.primitives.family import derived, linear
from wengert.primitives.samples import call, complex_normal, normal
from wengert.primitives.shaping import as_array

_LETTERS = string.ascii_uppercase + string.ascii_lowercase  # in the order in which NumPy sorts them
_SMALL = (
    4096  # multiplications; below it NumPy's own loop costs less than arranging a matrix product
)
_ROUNDS = 256  # entries in each cache: programs have few patterns of indices and shapes

# ---------------------------------------------------------------------------------- two operands at once


class Plan(NamedTuple):
    """How a contraction of two operands becomes one (stacked) matrix product."""

    order1: tuple[int, ...]
    order2: tuple[int, ...]
    shape1: tuple[int, ...]  # (stack, rows, summed)
    shape2: tuple[int, ...]  # (stack, summed, columns)
    shape: tuple[int, ...]
    order: tuple[int, ...]


@lru_cache(_ROUNDS)
def plan(subscripts: str, dims1: tuple[int, ...], dims2: tuple[int, ...]) -> Plan | None:
    """The matrix product that computes a contraction; None where NumPy's loop is as good."""
    first, second, out = _places(subscripts)
    size = dict(zip(first + second, dims1 + dims2, strict=True))
    summed = [k for k in first if k in second and k not in out]
    stack = [k for k in out if k in first and k in second]
    rows = [k for k in out if k in first and k not in second]
    columns = [k for k in out if k in second and k not in first]

    def count(indices: list[str]) -> int:
        return prod(size[k] for k in indices)

    cells = count(rows) * count(columns) * count(summed)
    if not summed or cells * count(stack) < _SMALL or (stack and cells < _SMALL // 64):
        return None
    found = [*stack, *rows, *columns]
    return Plan(
        tuple(first.index(k) for k in (*stack, *rows, *summed)),
        tuple(second.index(k) for k in (*stack, *summed, *columns)),
        (count(stack), count(rows), count(summed)),
        (count(stack), count(summed), count(columns)),
        tuple(size[k] for k in found),
        tuple(found.index(k) for k in out),
    )


def _places(subscripts: str) -> tuple[str, str, str]:
    inputs, out = subscripts.split("->")
    first, second = inputs.split(",")
    return first, second, out


def _contract(x1: Any, x2: Any, *, subscripts: str) -> Any:
    way = plan(subscripts, np.shape(x1), np.shape(x2))
    if way is None:
        return np.einsum(subscripts, x1, x2)
    drop = 1 if way.shape1[0] == 1 else 0  # no stack: one product of matrices
    matrix1 = np.reshape(np.transpose(x1, way.order1), way.shape1[drop:])
    matrix2 = np.reshape(np.transpose(x2, way.order2), way.shape2[drop:])
    return np.transpose(np.reshape(np.matmul(matrix1, matrix2), way.shape), way.order)


def _contract_x1(adjoint: Any, x2: Any, *, subscripts: str) -> Any:
    first, second, out = _places(subscripts)
    return contract(adjoint, x2, subscripts=f"{out},{second}->{first}")


def _contract_x2(adjoint: Any, x1: Any, *, subscripts: str) -> Any:
    first, second, out = _places(subscripts)
    return contract(x1, adjoint, subscripts=f"{first},{out}->{second}")


def _contract_batched(
    primitive: Any, values: Any, batched: Any, size: int, *, subscripts: str
) -> Any:
    first, second, out = _places(subscripts)
    index = next(k for k in _LETTERS if k not in subscripts)
    first, second = index * batched[0] + first, index * batched[1] + second
    return primitive(*values, subscripts=f"{first},{second}->{index}{out}")


contract = linear(
    _contract,
    name="contract",
    operands=("x1", "x2"),
    each=True,
    transpose=(_contract_x1, _contract_x2),
    formula=("einsum(adjoint, x2)", "einsum(x1, adjoint)"),
    batch=_contract_batched,
    samples=[
        call(normal(3, 4), normal(4, 2), subscripts="ij,jk->ki"),
        call(normal(3), normal(4), subscripts="i,j->ij"),
        call(normal(3, 4), normal(3, 4), subscripts="ij,ij->j"),
        call(normal(3, 4), normal(3, 4), subscripts="ij,ij->"),
        call(complex_normal(2, 3, 4), normal(4, 2, 5), subscripts="bij,jbk->kbi"),
        call(normal(3, 0), normal(0, 2), subscripts="ij,jk->ik"),
        call(normal(20, 16), normal(16, 15), subscripts="ij,jk->ki"),
        call(normal(2, 20, 16), normal(16, 15, 2), subscripts="bij,jkb->kib"),
    ],
)


# --------------------------------------------------------------------------------------- NumPy's function


@derived(
    np.einsum,
    samples=[
        call("ij,jk", normal(3, 4), normal(4, 2)),
        call("ii", normal(3, 3)),
        call("ii->i", normal(3, 3)),
        call("iij->ji", normal(3, 3, 2)),
        call("ji", normal(3, 4)),
        call("ij->", normal(3, 4)),
        call("...ij,...jk->...ik", normal(2, 3, 4), normal(4, 2)),
        call("i...->...", normal(3, 2)),
        call("...i,...i", normal(2, 3), normal(4, 1, 3)),
        call("ij,jk,kl->il", normal(2, 3), normal(3, 4), normal(4, 2)),
        call("i,i,i->i", normal(3), normal(3), normal(3), optimize=True),
        call("ij,k->k", normal(2, 3), normal(4)),
        call("ij,ij->i", normal(1, 3), normal(4, 3)),
        call("iji,jk->k", normal(2, 3, 2), normal(3, 4)),
        call(normal(3, 4), [0, 1], normal(4, 2), [1, 2], [0, 2]),
        call(normal(2, 3, 3), [..., 0, 0], [...]),
        call("ab,bc,ca->", complex_normal(2, 3), normal(3, 2), complex_normal(2, 2)),
        call(" i j , j -> i ", normal(3, 4), normal(4)),
        call("ij,jk->ik", normal(3, 0), normal(0, 2)),
        call(",i->i", normal(), normal(3)),
    ],
)
def einsum(
    *operands: Any,
    optimize: Any = False,
    dtype: Any = None,
    order: Any = "K",
    casting: Any = "safe",
) -> Any:
    subscripts, arrays = written_out(operands)
    if dtype is not None:
        arrays = [a.astype(dtype) for a in arrays]
    route = route_of(subscripts, tuple(a.shape for a in arrays), _hashable(optimize))
    terms = [_prepared(a, k) for a, k in zip(arrays, route.inputs, strict=True)]
    for pair in route.pairs:
        taken = [terms.pop(k) for k in sorted(pair, reverse=True)][::-1]
        wanted = [route.out, *(labels for labels, _ in terms)]
        terms.append(_merged(taken, wanted))
    labels, result = terms[0]
    return _finished(labels, result, route.out)


def written_out(operands: Any) -> tuple[str, list[Any]]:
    """Subscripts as a string, and the operands, from either of NumPy's two forms."""
    if not operands:
        raise ValueError("must specify the einstein sum subscripts string and at least one operand")
    if isinstance(operands[0], str):
        return operands[0].replace(" ", ""), [as_array(a) for a in operands[1:]]
    arrays, lists = operands[: len(operands) // 2 * 2 : 2], operands[1::2]
    subscripts = ",".join(_letters(part) for part in lists)
    if len(operands) % 2:
        subscripts += "->" + _letters(operands[-1])
    return subscripts, [as_array(a) for a in arrays]


def _letters(part: Any) -> str:
    try:
        return "".join("..." if k is Ellipsis else _LETTERS[k.__index__()] for k in part)
    except (AttributeError, IndexError) as error:
        raise TypeError("For this input type lists must contain either int or Ellipsis") from error


def _hashable(optimize: Any) -> Any:
    if isinstance(optimize, list | tuple):
        return tuple(tuple(part) if isinstance(part, list | tuple) else part for part in optimize)
    return optimize


class Term(NamedTuple):
    """An operand with the letters of its axes."""

    labels: str
    value: Any


class Route(NamedTuple):
    """What einsum does for given subscripts and shapes: the letters, and which operands meet when."""

    inputs: tuple[
        tuple[str, str], ...
    ]  # letters of an operand; those of its axes that are broadcast
    out: str
    pairs: tuple[tuple[int, ...], ...]


@lru_cache(_ROUNDS)
def route_of(subscripts: str, shapes: tuple[tuple[int, ...], ...], optimize: Any) -> Route:
    """Parse, check and order an einsum; NumPy's own parser finds the faults."""
    shells = [np.broadcast_to(0.0, shape) for shape in shapes]
    np.einsum_path(subscripts, *shells, optimize=False)
    inputs, out = explicit(subscripts, [len(shape) for shape in shapes])
    sizes: dict[str, int] = {}
    for labels, shape in zip(inputs, shapes, strict=True):
        for k, n in zip(labels, shape, strict=True):
            sizes[k] = n if sizes.get(k, 1) == 1 else sizes[k]
    broadcast = [
        "".join(k for k, n in zip(labels, shape, strict=True) if n == 1 and sizes[k] != 1)
        for labels, shape in zip(inputs, shapes, strict=True)
    ]
    pairs = _pairs(",".join(inputs) + "->" + out, shapes, optimize)
    return Route(tuple(zip(inputs, broadcast, strict=True)), out, pairs)


def explicit(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """The letters of every operand and of the output: ellipses spelled out, the output given."""
    left, arrow, out = subscripts.partition("->")
    inputs = left.split(",")
    spare = [k for k in _LETTERS if k not in subscripts]
    hidden = [
        n - len(k.replace("...", "")) if "..." in k else 0
        for n, k in zip(ndims, inputs, strict=True)
    ]
    ellipsis = "".join(spare[: max(hidden)])
    if not arrow:
        letters = left.replace("...", "").replace(",", "")
        out = "..." * ("..." in left) + "".join(
            sorted(k for k in set(letters) if letters.count(k) == 1)
        )
    inputs = [
        k.replace("...", ellipsis[len(ellipsis) - n :]) for k, n in zip(inputs, hidden, strict=True)
    ]
    return inputs, out.replace("...", ellipsis)


def _pairs(subscripts: str, shapes: Any, optimize: Any) -> tuple[tuple[int, ...], ...]:
    """Which operands to contract, one after the other, down to a single one."""
    count = len(shapes)
    if count < 3:
        return ((0, 1),) * (count - 1)
    if isinstance(optimize, tuple) and optimize and optimize[0] == "einsum_path":
        found = [tuple(part) for part in optimize[1:]]
    else:
        found = _shortest(subscripts, shapes, optimize)
    pairs: list[tuple[int, ...]] = []
    for group in found:  # a group of three or more, two at a time; the results go to the end
        chosen, length = sorted(group), count - len(pairs)
        if len(chosen) < 2:
            continue
        pairs.append((chosen[0], chosen[1]))
        for k in range(2, len(chosen)):
            pairs.append((chosen[k] - k, length - k))
    return tuple(pairs) + ((0, 1),) * (count - 1 - len(pairs))


def _shortest(subscripts: str, shapes: Any, optimize: Any) -> list[tuple[int, ...]]:
    name = optimize if isinstance(optimize, str) else "auto"
    if importlib.util.find_spec("opt_einsum") is not None:
        # The optional extra: it takes long to import, and only einsums of three operands need it.
        finder = importlib.import_module("opt_einsum").contract_path
        return list(finder(subscripts, *shapes, shapes=True, optimize=name)[0])
    shells = [np.broadcast_to(0.0, shape) for shape in shapes]
    name = name if name in ("greedy", "optimal") else "greedy"
    return [tuple(part) for part in np.einsum_path(subscripts, *shells, optimize=name)[0][1:]]


# ------------------------------------------------------------------------------------------- the steps


def _prepared(a: Any, labels_and_broadcast: tuple[str, str]) -> Term:
    """An operand with every letter once: diagonals taken, axes of length one that broadcast dropped."""
    labels, broadcast = labels_and_broadcast
    if broadcast:
        a = np.reshape(
            a, tuple(n for k, n in zip(labels, a.shape, strict=True) if k not in broadcast)
        )
        labels = "".join(k for k in labels if k not in broadcast)
    for k in labels:
        while labels.count(k) > 1:
            first, second = labels.index(k), labels.rindex(k)
            a = np.diagonal(a, 0, first, second)
            labels = labels[:first] + labels[first + 1 : second] + labels[second + 1 :] + k
    return Term(labels, a)


def _summed(term: Term, wanted: set[str]) -> Term:
    """A term without the letters that nothing else has."""
    axes = tuple(axis for axis, k in enumerate(term.labels) if k not in wanted)
    if not axes:
        return term
    return Term("".join(k for k in term.labels if k in wanted), np.sum(term.value, axis=axes))


def _merged(pair: list[Term], wanted: list[str]) -> Term:
    """The contraction of two terms, keeping the letters that the output or other terms want."""
    others = set().union(*wanted)
    first = _summed(pair[0], others | set(pair[1].labels))
    second = _summed(pair[1], others | set(pair[0].labels))
    labels = "".join(k for k in dict.fromkeys(first.labels + second.labels) if k in others)
    if len(wanted) == 1:  # the last two: in the order of the output
        labels = wanted[0]
    subscripts = f"{first.labels},{second.labels}->{labels}"
    return Term(labels, contract(first.value, second.value, subscripts=subscripts))


def _finished(labels: str, result: Any, out: str) -> Any:
    labels, result = _summed(Term(labels, result), set(out))
    if labels == out:
        return result
    return np.transpose(result, tuple(labels.index(k) for k in out))


@derived(
    np.einsum_path,
    samples=[call("ij,jk,kl->il", normal(2, 3), normal(3, 4), normal(4, 2), max_order=0)],
)
def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    subscripts, arrays = written_out(operands)
    shells = [np.broadcast_to(0.0, a.shape) for a in arrays]
    return np.einsum_path(subscripts, *shells, optimize=optimize)
