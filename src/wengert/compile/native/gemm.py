"""Small matrix products as native loops: tiles of the result that stay in registers.

A product of known sizes and strides is one function, shared by all products of that form in the
process. *Outer* tiles go over k with rows of b as vectors, *dot* tiles with vectors along k itself.
Each element of the result is summed by one thread in one order. The one difficulty is the size of a
tile: `_best_tile` estimates what each would cost, by the loads and multiplications of one step.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np

from wengert.compile.native import runtime, threads
from wengert.compile.native.engine import Effort, Unit
from wengert.compile.native.operands import Layout, Loop, copy, offset
from wengert.compile.native.types import BOOL, Code, Names, memory_type

_LATENCY = 4  # cycles of a multiplication and addition; two can start in each
_PARALLEL = 600_000  # multiplications from which on rows are shared between threads
_CHUNK = 150_000  # multiplications that a thread takes at a time, at least
_CHUNKS = 16  # at most
# Tiles over k are written as they shall run: so they are compiled in half the time, and lose 1 %.
_AS_WRITTEN = "noinline optnone "


PARALLEL_FOR = "declare void @wg_parallel_for(ptr, ptr, i64, i64, i64)"


class Sizes(NamedTuple):
    """A product c (m, n) = a (m, k) @ b (k, n); strides in elements."""

    m: int
    n: int
    k: int
    a: tuple[int, int]
    b: tuple[int, int]
    c: tuple[int, int]

    @property
    def work(self) -> int:
        """Number of multiplications."""
        return self.m * self.n * self.k


def grain_of(blocks: int, work: int) -> int:
    """How many blocks of a loop a thread takes at a time; all of them where threads do not pay.

    Parameters
    ----------
    work : int
        Multiplications of the whole loop.
    """
    if work < _PARALLEL:
        return blocks
    return max(1, -(-blocks // _CHUNKS), -(-_CHUNK * blocks // work))


@functools.cache
def vector_bytes() -> int:
    """Size of a vector register of this processor."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx") else 16


def lanes(dtype: np.dtype[Any]) -> int:
    """How many numbers a vector register holds."""
    return max(1, vector_bytes() // dtype.itemsize)


def _registers() -> int:
    return 16 if vector_bytes() == 32 else 32


def _step(rows: int, vectors: int) -> float:
    """Cycles that a tile takes for one step of k."""
    return max(rows * vectors / 2, (rows + vectors) / 2, _LATENCY) + 0.5


@functools.cache
def _best_tile(m: int, vectors: int) -> tuple[int, int]:
    """Rows and vectors of a tile."""
    found = (float("inf"), 1, 1)
    for rows in range(1, min(m, 14) + 1):
        for width in range(1, min(vectors, 8) + 1):
            if rows * width + width + 1 > _registers() - 1:
                continue
            parts_m, parts_n = _parts(m, rows), _parts(vectors, width)
            cost = sum(count * other * _step(r, v) for r, count in parts_m for v, other in parts_n)
            cost *= 1 + 0.02 * len(parts_m) * len(parts_n)  # code that is read once is slower
            found = min(found, (cost, rows, width))
    return found[1], found[2]


def _parts(total: int, size: int) -> list[tuple[int, int]]:
    """(size, how often) of the pieces that `total` is cut into."""
    rest = total % size
    return [(size, total // size)] * (total >= size) + [(rest, 1)] * (rest > 0)


# -------------------------------------------------------------------------------------- a function


def function(symbols: dict[str, str], kind: str, dtype: np.dtype[Any], sizes: Sizes) -> str:
    """Name of ``void (ptr a, ptr b, ptr c)``, declared in a module; `install` compiles it.

    The name says all, so code from a cache finds its functions again.

    Parameters
    ----------
    kind : str
        "outer": b has a stride of one along n; "dot": a and b have it along k.
    """
    numbers = (sizes.m, sizes.n, sizes.k, *sizes.a, *sizes.b, *sizes.c)
    text = "_".join([str(x).replace("-", "m") for x in numbers])
    name = f"@wg_{kind}_{dtype.str[1:]}_{text}"
    symbols[name] = f"declare void {name}(ptr, ptr, ptr)"
    return name


def is_kernel(name: str) -> bool:
    """Whether a symbol is one that `function` named."""
    return name.startswith(("@wg_outer_", "@wg_dot_"))


@functools.cache
def _installed() -> dict[str, Unit]:
    return {}


def install(names: Iterable[str]) -> None:
    """Compile those of these kernels that are not there yet; they stay for the whole process."""
    known = _installed()
    missing = [name for name in names if name not in known]
    if not missing:
        return
    symbols: dict[str, str] = {}
    for name in missing:
        kind, code, *numbers = name.removeprefix("@wg_").split("_")
        m, n, k, *strides = [int(x.replace("m", "-")) for x in numbers]
        pairs = [(strides[at], strides[at + 1]) for at in (0, 2, 4)]
        sizes = Sizes(m, n, k, *pairs)
        symbols[name] = _Writer(symbols, kind, np.dtype(code), sizes).text(name)
    if "@wg_parallel_for" in symbols:
        threads.load()
    order = sorted(symbols, key=lambda name: name.startswith("!"))
    # Tiles are written as they shall run: passes took as long as the rest, and found nothing.
    unit = Unit("\n".join([symbols[name] for name in order]), Effort(False, 3))
    for name in missing:
        known[name] = unit
        runtime.register({name[1:]: unit.address(name[1:])})


class _Writer:
    """Writes one function."""

    def __init__(self, symbols: dict[str, str], kind: str, dtype: np.dtype[Any], sizes: Sizes):
        self.symbols, self.kind, self.dtype, self.sizes = symbols, kind, dtype, sizes
        self.code = Code(Names(symbols))
        self.scalar = memory_type(dtype)
        self.lanes = lanes(dtype)
        if kind == "outer":
            self.tile = _best_tile(sizes.m, -(-sizes.n // self.lanes))
        else:
            self.tile = _best_tile(sizes.m, min(sizes.n, 4))

    def text(self, name: str) -> str:
        sizes, code = self.sizes, self.code
        rows = self.tile[0]
        full, tail = divmod(sizes.m, rows)
        blocks = full + (tail > 0)
        self._rows(full, tail)
        way = _AS_WRITTEN if self.kind == "outer" else ""
        body = "\n".join([
            f"define internal void {name}.rows(ptr %context, i64 %begin, i64 %end) {way}{{",
            "entry:", *code.names.allocas, *code.lines, "  ret void", "}",
        ])  # fmt: skip
        grain = grain_of(blocks, sizes.work)
        if grain >= blocks:
            run = f"  call void {name}.rows(ptr %context, i64 0, i64 {blocks})"
        else:
            self.symbols["@wg_parallel_for"] = PARALLEL_FOR
            run = (
                f"  call void @wg_parallel_for(ptr {name}.rows, ptr %context, "
                f"i64 0, i64 {blocks}, i64 {grain})"
            )
        places = [
            line
            for k, x in enumerate("abc")
            for line in (
                f"  %{x}.at = getelementptr ptr, ptr %context, i64 {k}",
                f"  store ptr %{x}, ptr %{x}.at",
            )
        ]
        head = f"define void {name}(ptr %a, ptr %b, ptr %c) {{"
        main = [head, "  %context = alloca [3 x ptr]", *places, run, "  ret void", "}"]
        return body + "\n" + "\n".join(main)

    def _rows(self, full: int, tail: int) -> None:
        code, sizes, rows = self.code, self.sizes, self.tile[0]
        a, b, c = (
            code.op(f"load ptr, ptr {code.op(f'getelementptr ptr, ptr %context, i64 {k}')}")
            for k in range(3)
        )
        is_short = code.op(f"icmp slt i64 %end, {full}")
        stop = code.op(f"select i1 {is_short}, i64 %end, i64 {full}")
        if full:
            with Loop(code, stop, "%begin") as block:
                row = code.op(f"mul i64 {block}, {rows}")
                self._columns(
                    self._moved(a, row, sizes.a[0]), b, self._moved(c, row, sizes.c[0]), rows
                )
        if tail:
            run, done = code.names.label(), code.names.label()
            has_tail = code.op(f"icmp sgt i64 %end, {full}")
            code.do(f"br i1 {has_tail}, label %{run}, label %{done}")
            code.start(run)
            row_a, row_c = full * rows * sizes.a[0], full * rows * sizes.c[0]
            self._columns(
                offset(code, a, row_a, self.dtype), b, offset(code, c, row_c, self.dtype), tail
            )
            code.do(f"br label %{done}")
            code.start(done)

    def _moved(self, pointer: str, index: str, stride: int) -> str:
        code = self.code
        return offset(code, pointer, code.op(f"mul i64 {index}, {stride}"), self.dtype)

    def _columns(self, a: str, b: str, c: str, rows: int) -> None:
        """All tiles of a block of rows."""
        code, sizes = self.code, self.sizes
        is_outer = self.kind == "outer"
        width = self.tile[1] * (self.lanes if is_outer else 1)
        full, tail = divmod(sizes.n, width)
        step_b = sizes.b[1]
        tile = self._outer if is_outer else self._dot
        if full:
            with Loop(code, full) as block:
                column = code.op(f"mul i64 {block}, {width}")
                tile(
                    a,
                    self._moved(b, column, step_b),
                    self._moved(c, column, sizes.c[1]),
                    rows,
                    width,
                )
        if tail:
            column_b, column_c = full * width * step_b, full * width * sizes.c[1]
            tile(
                a,
                offset(code, b, column_b, self.dtype),
                offset(code, c, column_c, self.dtype),
                rows,
                tail,
            )

    # --------------------------------------------------------------------------------------- tiles

    def _outer(self, a: str, b: str, c: str, rows: int, columns: int) -> None:
        """A tile whose vectors lie along the columns."""
        code, sizes = self.code, self.sizes
        widths = [min(self.lanes, columns - start) for start in range(0, columns, self.lanes)]
        kinds = [f"<{w} x {self.scalar}>" for w in widths]
        with _Sums(code, sizes.k, [kind for _ in range(rows) for kind in kinds]) as (index, sums):
            row_b = self._moved(b, index, sizes.b[0])
            column_a = self._moved(a, index, sizes.a[1])
            vectors = [
                code.op(
                    f"load {kind}, ptr {offset(code, row_b, v * self.lanes, self.dtype)}, "
                    f"align {self.dtype.itemsize}"
                )
                for v, kind in enumerate(kinds)
            ]
            for r in range(rows):
                place = offset(code, column_a, r * sizes.a[0], self.dtype)
                x = code.op(f"load {self.scalar}, ptr {place}")
                spread: dict[str, str] = {}
                for v, kind in enumerate(kinds):
                    if kind not in spread:
                        spread[kind] = self._spread(x, kind, widths[v])
                    at = r * len(kinds) + v
                    sums[at] = self._add_product(kind, spread[kind], vectors[v], sums[at])
        if sizes.c[1] == 1:
            self._write(c, sizes.c[0], widths, kinds, sums)
            return
        # Columns that lie apart: by way of a tile on the stack, for lane by lane is long code.
        tile = code.names.fresh()
        code.names.allocas.append(f"  {tile} = alloca [{rows * columns} x {self.scalar}], align 64")
        self._write(tile, columns, widths, kinds, sums)
        layout = Layout((rows, columns), self.dtype, (columns, 1))
        copy(code, tile, c, layout, layout._replace(strides=sizes.c))

    def _write(self, target: str, step: int, widths: Sequence[int], kinds: Sequence[str],
               sums: Sequence[str]) -> None:  # fmt: skip
        """Store the rows of a tile, `step` apart."""
        for place, x in enumerate(sums):
            r, v = divmod(place, len(kinds))
            at = offset(self.code, target, r * step + v * self.lanes, self.dtype)
            self.code.do(f"store {kinds[v]} {x}, ptr {at}, align {self.dtype.itemsize}")

    def _spread(self, x: str, kind: str, width: int) -> str:
        code = self.code
        first = code.op(f"insertelement {kind} poison, {self.scalar} {x}, i32 0")
        mask = f"<{width} x i32> zeroinitializer"
        return code.op(f"shufflevector {kind} {first}, {kind} poison, {mask}")

    def _add_product(self, kind: str, x: str, y: str, total: str) -> str:
        code = self.code
        if self.dtype.kind == "f":
            name = f"@llvm.fmuladd.{_suffix(kind)}"
            self.symbols[name] = f"declare {kind} {name}({kind}, {kind}, {kind})"
            return code.op(f"call {kind} {name}({kind} {x}, {kind} {y}, {kind} {total})")
        if self.dtype == BOOL:
            return code.op(f"or {kind} {total}, {code.op(f'and {kind} {x}, {y}')}")
        return code.op(f"add {kind} {total}, {code.op(f'mul {kind} {x}, {y}')}")

    def _dot(self, a: str, b: str, c: str, rows: int, columns: int) -> None:
        """A tile whose vectors lie along k."""
        code, sizes, width = self.code, self.sizes, self.lanes
        pairs = [(r, v) for r in range(rows) for v in range(columns)]
        turns = max(1, min(sizes.k // width, -(-2 * _LATENCY // len(pairs))))  # at once
        kind = f"<{width} x {self.scalar}>"
        whole, rest = divmod(sizes.k, turns * width)
        sums = self._whole_dots(a, b, pairs, turns, whole)
        start_rest = whole * turns * width
        ends = [sums[t * len(pairs) : (t + 1) * len(pairs)] for t in range(turns)]
        totals = [self._together([end[p] for end in ends], kind) for p in range(len(pairs))]
        widths = [width] * (rest // width) + [rest % width] * (rest % width > 0)
        for w in widths:
            piece = f"<{w} x {self.scalar}>"
            parts = ["zeroinitializer"] * len(pairs)
            self._add_dots(offset(code, a, start_rest, self.dtype),
                           offset(code, b, start_rest, self.dtype), pairs, [w], parts)  # fmt: skip
            totals = [
                self._plus(self.scalar, x, self._sum_of(y, piece))
                for x, y in zip(totals, parts, strict=True)
            ]
            start_rest += w
        for (r, v), x in zip(pairs, totals, strict=True):
            place = offset(code, c, r * sizes.c[0] + v * sizes.c[1], self.dtype)
            code.do(f"store {self.scalar} {x}, ptr {place}")

    def _whole_dots(self, a: str, b: str, pairs: Sequence[tuple[int, int]], turns: int,
                    whole: int) -> list[str]:  # fmt: skip
        """Sums of vectors over the part of k that is cut into full turns."""
        code, width = self.code, self.lanes
        if not whole:
            return ["zeroinitializer"] * (turns * len(pairs))
        kind = f"<{width} x {self.scalar}>"
        with _Sums(code, whole, [kind] * (turns * len(pairs))) as (index, sums):
            start = code.op(f"mul i64 {index}, {turns * width}")
            first, second = (offset(code, x, start, self.dtype) for x in (a, b))
            self._add_dots(first, second, pairs, [width] * turns, sums)
        return sums

    def _add_dots(self, a: str, b: str, pairs: Sequence[tuple[int, int]], widths: Sequence[int],
                  sums: list[str]) -> None:  # fmt: skip
        """Add the products of vectors along k, one for each turn, to the sums of all pairs."""
        code, sizes = self.code, self.sizes
        done = 0
        for turn, width in enumerate(widths):
            kind = f"<{width} x {self.scalar}>"
            known: dict[tuple[str, int], str] = {}
            for p, (r, v) in enumerate(pairs):
                for key, pointer, step in (("a", a, r * sizes.a[0]), ("b", b, v * sizes.b[1])):
                    if (key, step) not in known:
                        place = offset(code, pointer, step + done, self.dtype)
                        text = f"load {kind}, ptr {place}, align {self.dtype.itemsize}"
                        known[key, step] = code.op(text)
                at = turn * len(pairs) + p
                x, y = known["a", r * sizes.a[0]], known["b", v * sizes.b[1]]
                sums[at] = self._add_product(kind, x, y, sums[at])
            done += width

    def _together(self, parts: list[str], kind: str) -> str:
        total = parts[0]
        for part in parts[1:]:
            total = self._plus(kind, total, part)
        return self._sum_of(total, kind)

    def _plus(self, kind: str, x: str, y: str) -> str:
        word = {"f": "fadd", "b": "or"}.get(self.dtype.kind, "add")
        return self.code.op(f"{word} {kind} {x}, {y}")

    def _sum_of(self, x: str, kind: str) -> str:
        """The sum of a vector's numbers."""
        word = {"f": "fadd", "b": "or"}.get(self.dtype.kind, "add")
        name, scalar = f"@llvm.vector.reduce.{word}.{_suffix(kind)}", self.scalar
        if word == "fadd":
            self.symbols[name] = f"declare {scalar} {name}({scalar}, {kind})"
            # In pairs: the order is the tree's, whatever the processor.
            return self.code.op(f"call reassoc {scalar} {name}({scalar} -0.0, {kind} {x})")
        self.symbols[name] = f"declare {scalar} {name}({kind})"
        return self.code.op(f"call {scalar} {name}({kind} {x})")


def _suffix(kind: str) -> str:
    """LLVM's name of a vector type in intrinsics: ``<8 x double>`` is v8f64."""
    width, _, scalar = kind.strip("<>").partition(" x ")
    return f"v{width}{ {'double': 'f64', 'float': 'f32'}.get(scalar, scalar) }"


class _Sums:
    """A loop over k that carries sums in registers: what the list ends with goes round."""

    def __init__(self, code: Code, count: int, kinds: Sequence[str]):
        self.code, self.count, self.kinds = code, count, kinds

    def __enter__(self) -> tuple[str, list[str]]:
        code, names = self.code, self.code.names
        assert self.count > 0, "a product without terms is a fill"
        self.sums: list[str] = []
        before, self.head, self.after = names.label(), names.label(), names.label()
        code.do(f"br label %{before}")
        code.start(before)
        code.do(f"br label %{self.head}")
        code.start(self.head)
        self.place = len(code.lines)
        self.before = before
        self.index = names.fresh()
        self.carried = [names.fresh() for _ in self.kinds]
        self.sums[:] = self.carried
        return self.index, self.sums

    def __exit__(self, *_: object) -> None:
        code, names = self.code, self.code.names
        following = names.fresh()
        came = f"%{self.before}"
        lines = [
            f"  {each} = phi {kind} [ zeroinitializer, {came} ], [ {end}, %{self.head} ]"
            for each, kind, end in zip(self.carried, self.kinds, self.sums, strict=True)
        ]
        lines.insert(0, f"  {self.index} = phi i64 [ 0, {came} ], [ {following}, %{self.head} ]")
        code.lines[self.place : self.place] = lines
        code.do(f"{following} = add i64 {self.index}, 1")
        more = code.op(f"icmp slt i64 {following}, {self.count}")
        code.do(f"br i1 {more}, label %{self.head}, label %{self.after}")
        code.start(self.after)
