"""How each primitive is written in NumPy: what `source.py` prints.

A form is an expression in the names of the primitive's operands and parameters; ``x if p else y``
stands for one of the two, by the parameter `p`. A public function of NumPy or SciPy needs no form.
What is more than an expression is a helper, whose definition is printed with the program. The one
difficulty is that results must have the same bits: tests run every sample of the registry.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import linalg, special

from wengert.compile.formatting import expression
from wengert.compile.literals import number
from wengert.compile.program import Op, Spec
from wengert.errors import UnsupportedFunctionError
from wengert.primitives import einsum
from wengert.primitives.family import Primitive
from wengert.tape.columns import Constant

MODULES: dict[str, Any] = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft}
MODULES |= {"special": special, "linalg": linalg}

_REDUCTION = "np.{name}(a, axis=axis, keepdims=keepdims)"
_POSITION = "np.{name}(a, axis=axis, **options)"
_TRANSFORM = "np.fft.{name}(a, n, axis, norm)"

# Of these, all axes may be written as none: the bits are the same.
AXES = frozenset({"sum", "mean", "max", "min", "prod", "any", "all"})

FORMS: dict[str, str] = {
    "_finite_maximum": "_finite_maximum(a, axis)",
    "add.reduceat": "np.add.reduceat(a, indices, axis=axis)",
    "argpartition": "np.argpartition(a, kth, axis=axis, **options)",
    "binary_exponent": "np.frexp(x)[1]",
    "bincount": "np.bincount(x, weights, minlength)",
    "broadcast_to": "np.broadcast_to(a, shape)",
    "cholesky_factor": "np.linalg.cholesky(a, upper=upper)",
    "cholesky_pullback": "_cholesky_pullback(factor, given)",
    "cofactor": "_cofactors(a)",
    "convolve_full": 'np.convolve(a, v, "full")',
    "count": "np.bincount(x, minlength=minlength)",
    "cross3": "np.cross(a, b)",
    "cumprod": "np.cumprod(a, axis=axis)",
    "cumsum": "np.cumsum(a, axis=axis)",
    "eigenpairs": "_eigenpairs(a, lower)",
    "eigh_of": 'np.linalg.eigh(a, "L" if lower else "U")',
    "eigvalsh_of": 'np.linalg.eigvalsh(a, "L" if lower else "U")',
    "filled_like": "np.full(shape, value, dtype)",
    "fraction": "np.modf(x)[0]",
    "from_triangle": "_from_triangle(a, lower)",
    "histogram_counts": "np.histogram(a, edges)[0]",
    "histogram_edges": "np.histogram_bin_edges(a, bins, range)",
    "index_in_range": "_index_in_range(a, count, mode)",
    "join": "np.concatenate(array, axis=axis)",
    "lambertw": "special.lambertw(z, k, tol)",
    "leaders": "_leaders(a, axis, larger)",
    "least_squares": "_least_squares(a, b, rcond)",
    "lu_packed": "_over_stack(_lu_packed, a)",
    "lu_pivots": "_lu_pivots(a)",
    "row_order": "_row_order(piv)",
    "lexsort": "np.lexsort(keys, axis)",
    **{f"{name}_of_square": f"_over_stack(linalg.{name}, a)" for name in ("expm", "logm", "sqrtm")},
    "log_softmax": "_log_softmax(x, axis)",
    "logaddexp.reduce": "np.logaddexp.reduce(a, axis=axis, keepdims=keepdims)",
    "logsumexp": "_logsumexp(a, axis, keepdims)",
    "norm_of_order_zero": "_norm_of_order_zero(x, axis, keepdims)",
    "p_norm": "_p_norm(x, ord, axis, keepdims)",
    "pinv_cut": "np.linalg.pinv(a, rcond)",
    "pinv_part": "np.linalg.pinv(a, rcond)",
    **{
        f"spherical_{kind}_of_order": f"special.spherical_{kind}(n, z)"
        for kind in ("jn", "yn", "in", "kn")
    },
    "polygamma": "special.polygamma(n, x)",
    "qr_of": 'np.linalg.qr(a, "complete" if complete else "reduced")',
    "quantile_range": "_in_range(q)",
    "rank": "np.linalg.matrix_rank(A, tol, hermitian, **given)",
    "reshape": "np.reshape(a, shape)",
    "root": "np.sqrt(x)",
    "same": "_same(a, b)",
    "searchsorted": "np.searchsorted(a, v, side)",
    "size of histogram_edges": "np.intp(np.size(np.histogram_bin_edges(a, bins, range)))",
    "size of nonzero": "np.intp(np.count_nonzero(a))",
    "size of unique_positions": "np.intp(np.size(_unique_positions(a, axis, equal_nan)[0]))",
    "sign": "np.sign(x)",
    "softmax": "_softmax(x, axis)",
    "solve_matrices": "np.linalg.solve(a, b)",
    "solve_triangular": "_solve_triangular(a, b, lower, unit_diagonal)",
    "stack": "np.stack(array, axis=axis)",
    "subtract.reduce": "np.subtract.reduce(a, axis=axis)",
    "svd_of": "np.linalg.svd(a, full_matrices=full_matrices)",
    "svdvals_of": "np.linalg.svd(a, compute_uv=False)",
    "transpose": "np.transpose(a, axes)",
    "triangle_of": "_triangle(a, lower, diagonal)",
    "truncate": "a.astype(dtype)",
    "unique_positions": "_unique_positions(a, axis, equal_nan)",
    "weighted_place": "_weighted_place(a, weights, q, ignore_nan)",
    "where": "np.where(condition, x, y)",
    "whole_rank": "np.clip(np.floor(rank) + after, 0, np.maximum(last, 0)).astype(np.intp)",
    "zeta": "special.zeta(x, q)",
    **{
        name: _REDUCTION.format(name=name)
        for name in ("sum", "mean", "max", "min", "prod", "any", "all", "count_nonzero")
    },
    **{
        name: _POSITION.format(name=name)
        for name in ("argmax", "argmin", "nanargmax", "nanargmin", "argsort")
    },
    **{name: _TRANSFORM.format(name=name) for name in ("fft", "ifft", "rfft", "irfft")},
}


def _astype(op: Op, specs: Sequence[Spec]) -> str:
    is_real_part = specs[0].dtype.kind == "c" and np.dtype(op.parameters["dtype"]).kind == "f"
    return "np.real(a).astype(dtype)" if is_real_part else "a.astype(dtype)"


def _stop_gradient(op: Op, specs: Sequence[Spec]) -> str:
    return "np.array(x)" if specs[0].kind == "array" else "x"


def _decimal_round(op: Op, specs: Sequence[Spec]) -> str:
    return "round(x, digits)" if specs[0].kind == "python" else "np.round(x, digits)"


def _contract(op: Op, specs: Sequence[Spec]) -> str:
    way = einsum.plan(op.parameters["subscripts"], specs[0].shape, specs[1].shape)
    if way is None:
        return "np.einsum(subscripts, x1, x2)"
    drop = 1 if way.shape1[0] == 1 else 0
    matrix1 = f"np.reshape(np.transpose(x1, {way.order1}), {way.shape1[drop:]})"
    matrix2 = f"np.reshape(np.transpose(x2, {way.order2}), {way.shape2[drop:]})"
    return f"np.transpose(np.reshape(np.matmul({matrix1}, {matrix2}), {way.shape}), {way.order})"


# Forms that depend on what the operands are.
FORMS_BY_SPEC: dict[str, Callable[[Op, Sequence[Spec]], str]] = {
    "decimal_round": _decimal_round,
    "astype": _astype,
    "stop_gradient": _stop_gradient,
    "contract": _contract,
}


def form_of(op: Op, specs: Sequence[Spec]) -> str:
    """The expression that an operation is."""
    name = op.primitive.name
    if name in FORMS_BY_SPEC:
        return FORMS_BY_SPEC[name](op, specs)
    if name in FORMS:
        return FORMS[name]
    public = public_name(op.primitive)
    if public is None:
        raise UnsupportedFunctionError(f"{name} has no NumPy source.")
    operands = op.primitive.operands  # the last of them may have a default
    given = operands if op.primitive.variadic else operands[: len(op.operands)]
    return f"{public}({', '.join(given)}, **parameters)"


@functools.cache
def public_name(primitive: Primitive) -> str | None:
    """How NumPy or SciPy calls the function of a primitive; None if it is private."""
    function = primitive.function
    name = getattr(function, "__name__", "")
    for module_name, module in MODULES.items():
        if name and getattr(module, name, None) is function:
            return f"{module_name}.{name}"
    return None


# ------------------------------------------------------------------------------ forms, filled in

INFIX: dict[str, type[ast.operator] | type[ast.cmpop]] = {
    "add": ast.Add,
    "subtract": ast.Sub,
    "multiply": ast.Mult,
    "divide": ast.Div,
    "matmul": ast.MatMult,
    "less": ast.Lt,
    "less_equal": ast.LtE,
    "greater": ast.Gt,
    "greater_equal": ast.GtE,
    "equal": ast.Eq,
    "not_equal": ast.NotEq,
}


def operator_of(op: Op, specs: Sequence[Spec]) -> Callable[[list[ast.expr]], ast.expr] | None:
    """What writes an operation with an operator, where that gives the same bits.

    It does not for NumPy's complex scalars, whose product rounds differently; nor for powers, some
    of which an array's ``**`` takes a short way for.
    """
    name = op.primitive.name
    if not isinstance(op.primitive.function, np.ufunc) or op.parameters:
        return None
    if all(spec.kind == "python" for spec in specs) and not _is_plain_python(op):
        return None
    if not any(spec.kind == "array" for spec in specs) and op.spec.dtype.kind == "c":
        return None
    if name == "negative":
        return lambda operands: ast.UnaryOp(ast.USub(), operands[0])
    sign: Any = INFIX.get(name)
    if sign is None:
        return None
    if issubclass(sign, ast.cmpop):
        return lambda operands: ast.Compare(operands[0], [sign()], [operands[1]])
    return lambda operands: ast.BinOp(operands[0], sign(), operands[1])


def _is_plain_python(op: Op) -> bool:
    """True if Python's own operator gives what NumPy does: it does not where a divisor is zero."""
    if op.spec.kind != "python":
        return False
    divisor = op.operands[-1]
    return op.primitive.name != "divide" or (isinstance(divisor, Constant) and divisor.value != 0)


def takes_weak(op: Op, specs: Sequence[Spec]) -> bool:
    """True if a float64 constant may be written as a Python number, beside another float64."""
    return (
        isinstance(op.primitive.function, np.ufunc)
        and len(specs) == 2
        and any(
            spec.kind != "python" and spec.dtype in _DOUBLES and not isinstance(x, Constant)
            for x, spec in zip(op.operands, specs, strict=True)
        )
    )


_DOUBLES = frozenset({np.dtype(np.float64), np.dtype(np.complex128)})


def filled(node: Any, given: dict[str, ast.expr], rest: set[str]) -> Any:
    """A form with expressions in place of names; ``**options`` takes the parameters not named."""
    if isinstance(node, ast.Name):
        return given.get(node.id, node)
    if isinstance(node, ast.IfExp):
        chosen = given[node.test.id].value  # type: ignore[attr-defined]
        return filled(node.body if chosen else node.orelse, given, rest)
    if isinstance(node, ast.Call):
        named = {x.id for x in ast.walk(node) if isinstance(x, ast.Name)}
        keywords = [
            ast.keyword(x.arg, filled(x.value, given, rest)) for x in node.keywords if x.arg
        ]
        if any(x.arg is None for x in node.keywords):
            keywords += [ast.keyword(name, given[name]) for name in sorted(rest - named)]
        keywords = [x for x in keywords if not _is_usual(x, node.func)]
        arguments = [filled(x, given, rest) for x in node.args]
        return ast.Call(filled(node.func, given, rest), arguments, keywords)
    if isinstance(node, ast.AST):
        return type(node)(**{k: filled(v, given, rest) for k, v in ast.iter_fields(node)})
    return [filled(x, given, rest) for x in node] if isinstance(node, list) else node


def _is_usual(given: ast.keyword, function: ast.expr) -> bool:
    """True for an argument that is the function's default."""
    if not isinstance(given.value, ast.Constant):
        return False
    if given.arg == "axis":
        return given.value.value is None and getattr(function, "attr", "") in AXES
    return (given.arg, given.value.value) in _USUAL


_USUAL = {("keepdims", False), ("upper", False)}


parsed = functools.cache(expression)


def axes(taken: tuple[int, ...], ndim: int) -> ast.expr:
    """The axes of a reduction: None for all, a number for one."""
    if ndim and taken == tuple(range(ndim)):
        return ast.Constant(None)
    return number(taken[0]) if len(taken) == 1 else ast.Tuple([number(axis) for axis in taken])


# ------------------------------------------------------------------------------------------ helpers

# Definitions of what NumPy has no function for, by name; each may use those above it.
HELPERS: dict[str, str] = {
    "_same": '''\
def _same(a, b):
    """True if a value is what it was when the path was taken."""
    a, b = np.asarray(a), np.asarray(b)
    return np.bool(np.array_equal(a, b, equal_nan=a.dtype.kind in "fc" and b.dtype.kind in "fc"))
''',
    "_fails": '''\
def _fails(attempt):
    """True if something raises an error."""
    try:
        attempt()
    except Exception:
        return np.bool(True)
    return np.bool(False)
''',
    "_finite_maximum": '''\
def _finite_maximum(a, axis):
    """What is taken off exponents: the maximum, or zero where that is infinite."""
    top = np.max(np.real(a), axis=axis, keepdims=True)
    return np.where(np.isfinite(top), top, np.zeros((), top.dtype))
''',
    "_softmax": """\
def _softmax(x, axis):
    exponentials = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return exponentials / np.sum(exponentials, axis=axis, keepdims=True)
""",
    "_log_softmax": """\
def _log_softmax(x, axis):
    shifted = x - _finite_maximum(x, axis)
    with np.errstate(divide="ignore"):
        return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
""",
    "_logsumexp": """\
def _logsumexp(a, axis, keepdims):
    if a.dtype.kind == "c":
        return special.logsumexp(a, axis=axis, keepdims=keepdims)
    top = np.max(a, axis=axis, keepdims=True)
    is_top = a == top
    count = np.maximum(np.count_nonzero(is_top, axis=axis, keepdims=True), 1).astype(a.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        # The largest terms stand apart, so that log1p keeps a sum that is small beside them.
        rest = np.where(is_top, np.zeros((), a.dtype), np.exp(a - _finite_maximum(a, axis)))
        out = np.log1p(np.sum(rest, axis=axis, keepdims=True) / count) + np.log(count) + top
    return out if keepdims else np.squeeze(out, axis)[()]
""",
    "_triangle": '''\
def _triangle(a, lower, diagonal):
    """One triangle of each matrix, its diagonal multiplied by a number."""
    out = np.tril(a) if lower else np.triu(a)
    if diagonal != 1:
        own = np.einsum("...ii->...i", out)
        own *= diagonal
    return out
''',
    "_solve_triangular": '''\
def _solve_triangular(a, b, lower, unit_diagonal):
    """Substitution: of an upper triangle the LU factors are itself."""
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        np.einsum("...ii->...i", a)[...] = 1
    if not lower:
        return np.linalg.solve(a, b)
    turned = np.linalg.solve(a[..., ::-1, ::-1], b[..., ::-1, :])
    return np.ascontiguousarray(turned[..., ::-1, :])
''',
    "_cholesky_pullback": '''\
def _cholesky_pullback(factor, given, block=128):
    """The adjoint of a matrix, given its Cholesky factor and the adjoint of that."""
    if np.ndim(factor) != 2 or np.ndim(given) != 2 or len(factor) <= block:
        factor = np.tril(factor)
        product = np.tril(factor.mT @ np.tril(given))
        half = np.linalg.solve(factor.mT, product + np.tril(product, -1).mT)
        out = np.tril(np.linalg.solve(factor.mT, half.mT))
        np.einsum("...ii->...i", out)[...] *= 0.5
        return out
    out = np.array(given, np.result_type(factor, given), order="C")
    for end in range(len(out), 0, -block):  # the factorisation in blocks, pulled back in place
        start = max(0, end - block)
        rows, below, left = slice(start, end), slice(end, len(out)), slice(start)
        corner = np.tril(factor[rows, rows])
        panel = out[below, rows] = np.linalg.solve(corner.mT, out[below, rows].T).T
        out[below, left] -= panel @ factor[rows, left]
        out[rows, left] -= panel.T @ factor[below, left]
        own = _cholesky_pullback(corner, out[rows, rows] - panel.T @ factor[below, rows])
        out[rows, left] -= (own + own.T) @ factor[rows, left]
        out[rows, rows] = own
        out[rows, below] = 0
    return out
''',
    "_from_triangle": '''\
def _from_triangle(a, lower):
    """Hermitian matrices of which one triangle is given."""
    half = np.tril(a) if lower else np.triu(a)
    diagonal = np.einsum("...ii->...i", half)
    diagonal *= 0.5
    return half + (np.conjugate(half.mT) if half.dtype.kind == "c" else half.mT)
''',
    "_cofactors": '''\
def _cofactors(a):
    """The derivative of each determinant by the entries of its matrix."""
    det = np.linalg.det(a)
    per_matrix = np.reshape(det, (*np.shape(det), 1, 1))
    singular = (det == 0)[..., None, None]
    if not np.any(singular):
        return np.linalg.inv(a).mT * per_matrix
    regular = np.where(singular, np.eye(a.shape[-1], dtype=a.dtype), a)
    found = np.linalg.inv(regular).mT * per_matrix
    u, s, vh = np.linalg.svd(a)
    phase = np.linalg.det(u) * np.linalg.det(vh)
    is_own = np.eye(s.shape[-1], dtype=bool)
    others = np.prod(np.where(is_own, 1, np.expand_dims(s, -2)), axis=-1)
    if a.dtype.kind == "c":
        u, vh = np.conjugate(u), np.conjugate(vh)
    by_svd = np.reshape(phase, (*np.shape(phase), 1, 1)) * (u * others[..., None, :]) @ vh
    return np.where(singular, by_svd, found)
''',
    "_p_norm": """\
def _p_norm(x, ord, axis, keepdims):
    if ord == 2:
        if len(axis) == x.ndim:
            size = np.linalg.norm(x)
            return np.reshape(size, (1,) * x.ndim) if keepdims else size
        return np.sqrt(np.add.reduce(np.real(np.conjugate(x) * x), axis=axis, keepdims=keepdims))
    if ord == 1:
        return np.add.reduce(np.abs(x), axis=axis, keepdims=keepdims)
    powers = np.abs(x) ** ord
    total = np.add.reduce(powers, axis=axis, keepdims=keepdims)
    return total ** np.reciprocal(ord, dtype=powers.dtype)
""",
    "_norm_of_order_zero": """\
def _norm_of_order_zero(x, axis, keepdims):
    counted = (x != 0).astype(np.finfo(x.dtype).dtype)
    return np.add.reduce(counted, axis=axis, keepdims=keepdims)
""",
    "_least_squares": """\
def _least_squares(a, b, rcond):
    x, residuals, _, s = np.linalg.lstsq(a, b, rcond)
    if a.shape[0] > a.shape[1] and not residuals.size:
        difference = b - a @ x
        residuals = np.sum(np.real(difference * np.conjugate(difference)), axis=0)
    return x, residuals, s
""",
    "_unique_positions": """\
def _unique_positions(a, axis, equal_nan):
    return np.unique(
        a,
        return_index=True,
        return_inverse=True,
        return_counts=True,
        axis=axis,
        equal_nan=equal_nan,
    )[1:]
""",
    "_weighted_place": '''\
def _weighted_place(a, weights, q, ignore_nan):
    """Position, along the first axis, of the element that the weighted quantile is."""
    function = np.nanquantile if ignore_nan else np.quantile
    value = np.asarray(function(a, q, axis=0, weights=weights, method="inverted_cdf"))
    lead = np.ndim(q)
    is_value = np.expand_dims(a, tuple(range(lead))) == np.expand_dims(value, lead)
    return np.argmax(is_value, axis=lead)
''',
    "_leaders": '''\
def _leaders(a, axis, larger):
    """Where along the axis the running maximum (or minimum) was reached."""
    running = np.moveaxis((np.maximum if larger else np.minimum).accumulate(a, axis=axis), axis, 0)
    is_new = np.ones(running.shape, bool)
    is_new[1:] = (running[1:] != running[:-1]) & ~np.isnan(running[:-1])
    places = np.arange(len(running)).reshape(-1, *(1,) * (running.ndim - 1))
    return np.moveaxis(np.maximum.accumulate(np.where(is_new, places, 0), axis=0), 0, axis)
''',
    "_index_in_range": """\
def _index_in_range(a, count, mode):
    if mode == "wrap":
        return a % count
    if mode == "clip":
        return np.clip(a, 0, count - 1)
    if np.any((a < 0) | (a >= count)):
        raise ValueError("invalid entry in choice array")
    return a
""",
    "_over_stack": '''\
def _over_stack(function, a):
    """A function of one matrix, of each of a stack."""
    if not a.size:
        return a.copy()
    if a.ndim == 2:
        return function(a)
    return np.reshape([function(each) for each in np.reshape(a, (-1, *a.shape[-2:]))], a.shape)
''',
    "_eigenpairs": """\
def _eigenpairs(a, lower):
    if a.ndim == 2:
        return linalg.eigh(a, lower=lower) if a.size else np.linalg.eigh(a)
    pairs = [_eigenpairs(each, lower) for each in a]
    if not pairs:
        return np.linalg.eigh(a)
    return np.stack([values for values, _ in pairs]), np.stack([vectors for _, vectors in pairs])
""",
    "_lu_packed": '''\
def _lu_packed(a):
    """L and U in one matrix, whose rows are in order already."""
    packed, piv = linalg.lu_factor(a, check_finite=False)
    if np.array_equal(piv, np.arange(len(a))):
        return packed
    packed = np.array(a)
    for k in range(len(a) - 1):
        packed[k + 1 :, k] /= packed[k, k]
        packed[k + 1 :, k + 1 :] -= np.outer(packed[k + 1 :, k], packed[k, k + 1 :])
    return packed
''',
    "_lu_pivots": """\
def _lu_pivots(a):
    if not a.size:
        return np.zeros(a.shape[:-1], np.int32)
    flat = np.reshape(a, (-1, *a.shape[-2:]))
    found = [linalg.lu_factor(each, check_finite=False)[1] for each in flat]
    return np.reshape(found, a.shape[:-1])
""",
    "_row_order": '''\
def _row_order(piv):
    """The order of rows that exchanges, one row after the other, come to."""
    order = np.broadcast_to(np.arange(piv.shape[-1]), piv.shape).copy()
    for row in range(piv.shape[-1]):
        other = piv[..., row, None]
        held = order[..., row].copy()
        order[..., row] = np.take_along_axis(order, other, -1)[..., 0]
        np.put_along_axis(order, other, held[..., None], -1)
    return order
''',
    "_in_range": """\
def _in_range(q):
    if not np.all((q >= 0) & (q <= 1)):
        raise ValueError("Quantiles must be in the range [0, 1]")
    return np.asarray(True)
""",
    "_write": '''\
def _step(x, kind, argument):
    if kind == "getitem":
        return x[argument]
    if kind == "moveaxis":
        return np.moveaxis(x, *argument)
    if kind == "diagonal":
        view = np.diagonal(x, *argument)
        view.flags.writeable = True  # a view of memory that is ours
        return view
    if kind in ("real", "imag"):
        return getattr(np, kind)(x)
    return {"reshape": np.reshape, "transpose": np.transpose}[kind](x, argument)


def _assign(x, path, value, add):
    way, (kind, key) = path[:-1], path[-1]
    if kind != "getitem":
        way, key = path, ...
    view = x
    for position, step in enumerate(way):
        part = _step(view, *step)
        is_view = view.flags.c_contiguous or np.may_share_memory(part, view)
        if step[0] == "reshape" and not is_view:
            _assign(part, (*way[position + 1 :], ("getitem", key)), value, add)
            view[...] = np.reshape(part, view.shape)
            return
        view = part
    if add:
        np.add.at(view, key, value)
    else:
        view[key] = value


def _write(a, values, path, add):
    """A copy of `a`, written to (or added to) at the end of a path of views."""
    out = np.array(a)
    _assign(out, path, values, add)
    return out
''',
}
USES = {"_log_softmax": ("_finite_maximum",), "_logsumexp": ("_finite_maximum",)}
