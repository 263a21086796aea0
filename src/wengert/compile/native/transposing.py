"""Copies rows column by column: into the memory of a block of rows.

Numbers of eight bytes go in tiles of eight rows and eight columns, each loaded, turned and stored
as vectors: one by one, or gathered, they would take longer than what is computed from them. The
last tile lies over the one before where columns are no multiple of eight.
"""

from __future__ import annotations

from math import prod

from wengert.compile.native.innermost import write_innermost
from wengert.compile.native.types import Code, close_loop, load, memory_type, open_loop, store
from wengert.compile.program import Spec
from wengert.compile.rows import Rows

_TILE = 8


def write_copy(code: Code, spec: Spec, source: str, target: str, rows: Rows) -> None:
    """Copy the rows from ``%begin`` to ``%end`` of a value of this spec."""
    width = prod(spec.shape[1:])
    kind = memory_type(spec.dtype)
    if spec.dtype.itemsize == 8 and width >= _TILE and rows.is_even:
        _by_tiles(code, kind, width, source, target, rows.block)
        return
    column = open_loop(code, "0", str(width))
    start = code.op(f"mul nsw i64 {column.turn}, {rows.block}")
    start = code.op(f"sub nsw i64 {start}, %begin")
    row, body = code.names.fresh(), Code(code.names)
    place = body.op(f"add nsw i64 {body.op(f'mul nsw i64 {row}, {width}')}, {column.turn}")
    x = load(body, _at(body, kind, source, place), spec.dtype, 0)
    place = body.op(f"add nsw i64 {row}, {start}")
    store(body, x, _at(body, kind, target, place))
    write_innermost(code, body.lines, row, ("%begin", "%end"))
    close_loop(code, column)


def _by_tiles(code: Code, kind: str, width: int, source: str, target: str, block: int) -> None:
    """All rows of a block, which are a multiple of the tile's."""
    vector = f"<{_TILE} x {kind}>"
    first = code.op(f"mul nsw i64 %begin, {width}")
    source = _at(code, kind, source, first)
    tile = open_loop(code, "0", str(block // _TILE))
    row = code.op(f"mul nsw i64 {tile.turn}, {_TILE}")
    start = code.op(f"mul nsw i64 {row}, {width}")
    for column in sorted({*range(0, width - _TILE + 1, _TILE), width - _TILE}):
        found = []
        for k in range(_TILE):
            place = code.op(f"add nsw i64 {start}, {k * width + column}")
            pointer = _at(code, kind, source, place)
            found.append(code.op(f"load {vector}, ptr {pointer}, align 8"))
        for k, x in enumerate(_turned(code, vector, found)):
            place = code.op(f"add nsw i64 {row}, {(column + k) * block}")
            pointer = _at(code, kind, target, place)
            code.do(f"store {vector} {x}, ptr {pointer}, align 8")
    close_loop(code, tile)


def _turned(code: Code, vector: str, rows: list[str]) -> list[str]:
    """The columns of a square tile: halves are exchanged between rows that are 4, 2, 1 apart."""
    for step in (4, 2, 1):
        low = [k if not k & step else k - step + _TILE for k in range(_TILE)]
        high = [k + step if not k & step else k + _TILE for k in range(_TILE)]
        new = list(rows)
        for k in range(_TILE):
            if not k & step:
                pair = f"{vector} {rows[k]}, {vector} {rows[k + step]}"
                new[k] = code.op(f"shufflevector {pair}, {_mask(low)}")
                new[k + step] = code.op(f"shufflevector {pair}, {_mask(high)}")
        rows = new
    return rows


def _mask(places: list[int]) -> str:
    return f"<{_TILE} x i32> <{', '.join(f'i32 {k}' for k in places)}>"


def _at(code: Code, kind: str, pointer: str, place: str) -> str:
    return code.op(f"getelementptr inbounds {kind}, ptr {pointer}, i64 {place}")
