"""The innermost loop over arrays: vectors as long as they fit, then what is left.

A short body is written out for several vectors in each turn, so that sums do not wait for
themselves. What is left over is done by a vector some of whose lanes are off; a long body, whose
instructions hide the cost of that, is written only so. Without such vectors what is left is done
one by one. The order in which a sum is added up is written here, so bits depend on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wengert.compile.native import bounds, reduce
from wengert.compile.native import lanes as vectors
from wengert.compile.native.lanes import Lanes, lanes_of, spread
from wengert.compile.native.types import Code, Scalar, close_loop, llvm_type, open_loop
from wengert.compile.program import Op

_SHORT = 30  # lines of a body that is written out for several vectors
_LONG = 100  # from which on masks cost no more than 2 %, and the body is written once, with them
_INLINED = 30  # lines of an elementary function, about
_AT_ONCE = 4  # of them, in sums
_FEW = 4  # vectors, up to which a loop is written once, with masks


class Variable:
    """An accumulator on the stack, which LLVM keeps in a register."""

    def __init__(self, code: Code, op: Op):
        self.op, self.code = op, code
        self.kind = llvm_type(op.spec.dtype)
        self.places = [code.variable(self.kind) for _ in reduce.start(op).parts]
        self.clear(code)

    def clear(self, code: Code) -> None:
        """Begin anew."""
        for place, part in zip(self.places, reduce.start(self.op).parts, strict=True):
            code.do(f"store {self.kind} {part}, ptr {place}")

    def value(self, code: Code) -> Scalar:
        """What has been accumulated."""
        parts = [code.op(f"load {self.kind}, ptr {place}") for place in self.places]
        return Scalar(self.op.spec.dtype, tuple(parts))

    def add(self, x: Scalar, code: Code | None = None) -> None:
        """Accumulate one more number."""
        code = code or self.code
        total = reduce.combine(self.op, code, self.value(code), x)
        for place, part in zip(self.places, total.parts, strict=True):
            code.do(f"store {self.kind} {part}, ptr {place}")


def write_innermost(
    code: Code,
    lines: Sequence[str],
    index: str,
    ends: tuple[str, str],
    turns: int = 0,
    variables: Sequence[Variable] = (),
) -> None:
    """Write a loop whose turns touch no memory of one another.

    Parameters
    ----------
    lines : sequence of str
        Straight-line code of one turn, in which `index` counts.
    ends : pair of str
        Where the loop begins and ends: it is not empty.
    turns : int, optional
        How many turns it has, if that is known.
    variables : sequence of Variable
        What accumulates in it.
    """
    if turns == 1:
        code.do(f"{index} = add i64 {ends[0]}, 0")
        code.lines += lines
        return
    count = 1 if bounds.is_on() else lanes_of(lines)
    while turns and count > 1 and (count // 2 >= turns if _has_masks() else count > turns):
        count //= 2
    if count == 1:
        write_one_by_one(code, lines, index, ends)
    else:
        _Vectors(code, lines, index, ends, turns, variables, count).write()


def _lanes(lines: Sequence[str], turns: int) -> int:
    """How many turns a vector holds: no more than there are, or just enough for all."""
    count = lanes_of(lines)
    while turns and count > 1 and (count // 2 >= turns or (count > turns and not _has_masks())):
        count //= 2
    return count


def _has_masks() -> bool:
    return vectors.host().has_masks


def write_one_by_one(code: Code, lines: Sequence[str], index: str, ends: tuple[str, str]) -> None:
    """Write a loop without vectors."""
    loop = open_loop(code, *ends, index)
    code.lines += lines
    close_loop(code, loop)


class _Vectors:
    """The vectors of one loop."""

    def __init__(
        self,
        code: Code,
        lines: Sequence[str],
        index: str,
        ends: tuple[str, str],
        turns: int,
        variables: Sequence[Variable],
        count: int,
    ):
        self.code, self.lines, self.index, self.ends, self.turns = code, lines, index, ends, turns
        self.count, self.variables = count, variables
        size = sum([_INLINED if "@wengert." in line else 1 for line in lines])
        self.at_once = _AT_ONCE if size <= _SHORT and variables else 1
        while turns and self.at_once > 1 and turns < 2 * self.at_once * count:
            self.at_once //= 2
        is_worth_two = size <= _LONG and not 0 < turns <= _FEW * count
        self.only_masked = _has_masks() and not is_worth_two and (turns == 0 or turns % count > 0)
        # For each variable, for each vector at once: where its parts lie.
        self.places = [[self._wide(v) for _ in range(self.at_once)] for v in variables]

    def _wide(self, variable: Variable) -> list[str]:
        code, kind = self.code, f"<{self.count} x {variable.kind}>"
        found = []
        for part in reduce.start(variable.op).parts:
            place = code.variable(kind)
            code.do(f"store {kind} splat ({variable.kind} {part}), ptr {place}")
            found.append(place)
        return found

    def write(self) -> None:
        """All turns."""
        (low, high), step = self.ends, self.at_once * self.count
        if self.turns:
            whole = 0 if self.only_masked else self.turns // step * step
            middle = self._sum(low, whole) if whole < self.turns else high
            if whole:
                self._loop(low, middle, step, self._write_whole, is_one=whole == step)
            if whole < self.turns:
                self._write_rest(middle, self.turns - whole)
        elif self.only_masked:
            self._write_rest(low, 0)
        else:
            size = self.code.op(f"sub i64 {high}, {low}")
            whole_size = self.code.op(f"and i64 {size}, {-step}")
            middle = self._sum(low, whole_size)
            self._if_less(low, middle, lambda: self._loop(low, middle, step, self._write_whole))
            self._if_less(middle, high, lambda: self._write_rest(middle, 0))
        for variable, places in zip(self.variables, self.places, strict=True):
            self._total(variable, places)

    def _sum(self, x: str, y: str | int) -> str:
        if not x.startswith("%") and isinstance(y, int):
            return str(int(x) + y)
        return self.code.op(f"add i64 {x}, {y}")

    def _if_less(self, x: str, y: str, write: Callable[[], None]) -> None:
        code = self.code
        some, skip = code.names.label(), code.names.label()
        code.do(f"br i1 {code.op(f'icmp slt i64 {x}, {y}')}, label %{some}, label %{skip}")
        code.start(some)
        write()
        code.do(f"br label %{skip}")
        code.start(skip)

    def _loop(
        self,
        low: str,
        high: str,
        step: int,
        write: Callable[[Code, Code, str], None],
        *,
        is_one: bool = False,
    ) -> None:
        """A loop around what ``write(before, body, first)`` writes; none around one turn."""
        code = self.code
        before, body = Code(code.names), Code(code.names)
        first = low if is_one else code.names.fresh()
        write(before, body, first)
        code.lines += before.lines
        if is_one:
            code.lines += body.lines
            return
        loop = open_loop(code, low, high, first)
        code.lines += body.lines
        close_loop(code, loop, step)

    def _write_whole(self, before: Code, body: Code, first: str) -> None:
        for k in range(self.at_once):
            at = body.op(f"add nsw i64 {first}, {k * self.count}") if k else first
            self._write_vector(before, body, at, k, "")

    def _write_vector(self, before: Code, body: Code, first: str, number: int, mask: str) -> None:
        lanes = Lanes(body, before, self.count, mask)
        for variable, places in zip(self.variables, self.places, strict=True):
            lanes.variables |= dict(zip(variable.places, places[number], strict=True))
        lanes.write(self.lines, self.index, first)

    def _write_rest(self, low: str, turns: int) -> None:
        """What is left: `turns`, if that is known."""
        if not _has_masks():
            write_one_by_one(self.code, self.lines, self.index, (low, self.ends[1]))
            return

        def write(before: Code, body: Code, first: str) -> None:
            mask = "" if turns and turns % self.count == 0 else self._mask(body, first, turns)
            self._write_vector(before, body, first, 0, mask)

        is_one = (not self.only_masked and self.at_once == 1) or 0 < turns <= self.count
        self._loop(low, self.ends[1], self.count, write, is_one=is_one)

    def _mask(self, body: Code, first: str, turns: int) -> str:
        """Which lanes are before the end."""
        if 0 < turns <= self.count:
            return f"<{', '.join([f'i1 {str(k < turns).lower()}' for k in range(self.count)])}>"
        left = body.op(f"sub i64 {self.ends[1]}, {first}")
        left = body.op(f"trunc i64 {body.call('smin', 'i64', left, str(self.count))} to i32")
        numbers = ", ".join([f"i32 {k}" for k in range(self.count)])
        wide = spread(body, left, "i32", self.count)
        return body.op(f"icmp slt <{self.count} x i32> <{numbers}>, {wide}")

    # ------------------------------------------------------------------------------------ the sums

    def _total(self, variable: Variable, places: list[list[str]]) -> None:
        """Bring all lanes of all vectors of a variable together in the variable."""
        code, count, kind = self.code, self.count, variable.kind
        wide = f"<{count} x {kind}>"
        found = [[code.op(f"load {wide}, ptr {place}") for place in each] for each in places]
        while len(found) > 1:
            half = len(found) // 2
            pairs = zip(found[:half], found[half:], strict=True)
            found = [self._combined(variable.op, x, y, count) for x, y in pairs]
        (vector,) = found
        while count > 1:
            first, second = (
                [self._half(x, kind, count, start) for x in vector] for start in (0, count // 2)
            )
            count //= 2
            vector = self._combined(variable.op, first, second, count)
        parts = [code.op(f"extractelement <1 x {kind}> {x}, i32 0") for x in vector]
        variable.add(Scalar(variable.op.spec.dtype, tuple(parts)), code)

    def _half(self, x: str, kind: str, count: int, start: int) -> str:
        order = ", ".join([f"i32 {start + k}" for k in range(count // 2)])
        wide = f"<{count} x {kind}>"
        return self.code.op(
            f"shufflevector {wide} {x}, {wide} poison, <{count // 2} x i32> <{order}>"
        )

    def _combined(self, op: Op, x: list[str], y: list[str], count: int) -> list[str]:
        """Two vectors of what is accumulated become one."""
        dtype, names = op.spec.dtype, self.code.names
        written = Code(names)
        first, second = ([names.fresh() for _ in parts] for parts in (x, y))
        total = reduce.combine(
            op, written, Scalar(dtype, tuple(first)), Scalar(dtype, tuple(second))
        )
        lanes = Lanes(self.code, self.code, count)
        lanes.vectors = dict(zip(first + second, x + y, strict=True))
        lanes.write(written.lines)
        return [lanes.vectors[part] for part in total.parts]
