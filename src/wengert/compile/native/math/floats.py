"""Numbers of LLVM that are written as mathematics: ``x * x + 1`` emits two instructions.

A `Real` is a float or double, a `Whole` an integer as wide, a `Truth` the result of a comparison.
A Python number beside a `Real` becomes a constant of its format. The functions of this folder say
each thing once for both formats: what differs (digits, polynomials, parts of constants) is chosen
by `Table` and `parts`. No instruction has a fast-math flag: infinities, NaN and signed zeros are
kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple, Self, cast

from llvmlite import ir


class Format(NamedTuple):
    """An IEEE 754 format."""

    name: str
    digits: int  # of the significand, with the leading one
    bias: int  # of the exponent
    codes: tuple[str, str]  # of `struct`, for the number and for its bits
    width: int  # bits in all

    @property
    def stored(self) -> int:
        """Bits of the significand that are stored."""
        return self.digits - 1

    @property
    def exponent_bits(self) -> int:
        """Bits of the exponent: as many digits as a power of two in range can have."""
        return self.width - self.digits

    @property
    def tiny(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (1 - self.bias)

    def bits_of(self, number: float) -> int:
        """The pattern of a number, as an unsigned integer."""
        real, whole = self.codes
        return cast(int, struct.unpack("<" + whole, struct.pack("<" + real, number))[0])

    def rounded(self, number: float | Fraction) -> float:
        """The number of this format nearest to `number`."""
        code = "<" + self.codes[0]
        return cast(float, struct.unpack(code, struct.pack(code, float(number)))[0])


DOUBLE = Format("double", 53, 1023, ("d", "Q"), 64)
SINGLE = Format("single", 24, 127, ("f", "I"), 32)


class Table(NamedTuple):
    """Coefficients of a polynomial, lowest order first, for each format."""

    double: tuple[float, ...]
    single: tuple[float, ...]


class Value:
    """What `Real`, `Whole` and `Truth` share: a builder, and the LLVM value that it made."""

    __slots__ = ("builder", "value")

    def __init__(self, builder: ir.IRBuilder, value: ir.Value):
        self.builder = builder
        self.value = value


class Truth(Value):
    """The result of a comparison."""

    __slots__ = ()

    def __and__(self, other: Truth) -> Truth:
        return Truth(self.builder, self.builder.and_(self.value, other.value))

    def __or__(self, other: Truth) -> Truth:
        return Truth(self.builder, self.builder.or_(self.value, other.value))

    def __xor__(self, other: Truth) -> Truth:
        return Truth(self.builder, self.builder.xor(self.value, other.value))

    def __invert__(self) -> Truth:
        return Truth(self.builder, self.builder.not_(self.value))


class Numeric(Value):
    """A `Real` or a `Whole`."""

    __slots__ = ()

    def like(self, value: ir.Value) -> Self:
        """Another value of this kind."""
        raise NotImplementedError


class Whole(Numeric):
    """An integer as wide as its format; `format` says which float its bits may be."""

    __slots__ = ("format",)

    def like(self, value: ir.Value) -> Whole:
        """Another integer of this format."""
        return Whole(self.builder, value, self.format)

    def __init__(self, builder: ir.IRBuilder, value: ir.Value, format: Format):
        super().__init__(builder, value)
        self.format = format

    def _made(self, instruction: str, other: Whole | int) -> Whole:
        right = other.value if isinstance(other, Whole) else ir.Constant(self.value.type, other)
        return Whole(
            self.builder, getattr(self.builder, instruction)(self.value, right), self.format
        )

    def __add__(self, other: Whole | int) -> Whole:
        return self._made("add", other)

    def __sub__(self, other: Whole | int) -> Whole:
        return self._made("sub", other)

    def __rsub__(self, other: int) -> Whole:
        constant = ir.Constant(self.value.type, other)
        return Whole(self.builder, self.builder.sub(constant, self.value), self.format)

    def __and__(self, other: Whole | int) -> Whole:
        return self._made("and_", other)

    def __or__(self, other: Whole | int) -> Whole:
        return self._made("or_", other)

    def __lshift__(self, count: int) -> Whole:
        return self._made("shl", count)

    def __rshift__(self, count: int) -> Whole:
        """Shift that brings zeros from the left: a vector instruction everywhere."""
        return self._made("lshr", count)

    def __lt__(self, other: int) -> Truth:
        constant = ir.Constant(self.value.type, other)
        return Truth(self.builder, self.builder.icmp_signed("<", self.value, constant))

    def is_not_zero(self) -> Truth:
        """Whether any bit is set."""
        zero = ir.Constant(self.value.type, 0)
        return Truth(self.builder, self.builder.icmp_unsigned("!=", self.value, zero))

    def as_real(self) -> Real:
        """The float with these bits."""
        kind = ir.DoubleType() if self.format is DOUBLE else ir.FloatType()
        return Real(self.builder, self.builder.bitcast(self.value, kind))


class Real(Numeric):
    """A floating-point number."""

    __slots__ = ("format",)

    def like(self, value: ir.Value) -> Real:
        """Another number of this format."""
        return Real(self.builder, value)

    def __init__(self, builder: ir.IRBuilder, value: ir.Value):
        super().__init__(builder, value)
        self.format = DOUBLE if isinstance(value.type, ir.DoubleType) else SINGLE

    def constant(self, number: float) -> Real:
        """A constant of this number's format."""
        return Real(self.builder, ir.Constant(self.value.type, self.format.rounded(number)))

    def _pair(self, other: Real | float) -> tuple[ir.Value, ir.Value]:
        right = other if isinstance(other, Real) else self.constant(other)
        return self.value, right.value

    def __add__(self, other: Real | float) -> Real:
        return Real(self.builder, self.builder.fadd(*self._pair(other)))

    def __sub__(self, other: Real | float) -> Real:
        return Real(self.builder, self.builder.fsub(*self._pair(other)))

    def __mul__(self, other: Real | float) -> Real:
        return Real(self.builder, self.builder.fmul(*self._pair(other)))

    def __truediv__(self, other: Real | float) -> Real:
        return Real(self.builder, self.builder.fdiv(*self._pair(other)))

    def __radd__(self, other: float) -> Real:
        return self.constant(other) + self

    def __rsub__(self, other: float) -> Real:
        return self.constant(other) - self

    def __rmul__(self, other: float) -> Real:
        return self.constant(other) * self

    def __rtruediv__(self, other: float) -> Real:
        return self.constant(other) / self

    def __neg__(self) -> Real:
        return Real(self.builder, self.builder.fneg(self.value))

    def __abs__(self) -> Real:
        return self.intrinsic("fabs")

    def _compare(self, relation: str, other: Real | float) -> Truth:
        return Truth(self.builder, self.builder.fcmp_ordered(relation, *self._pair(other)))

    def __lt__(self, other: Real | float) -> Truth:
        return self._compare("<", other)

    def __le__(self, other: Real | float) -> Truth:
        return self._compare("<=", other)

    def __gt__(self, other: Real | float) -> Truth:
        return self._compare(">", other)

    def __ge__(self, other: Real | float) -> Truth:
        return self._compare(">=", other)

    def equals(self, other: Real | float) -> Truth:
        """Whether both are the same number; -0 equals 0, NaN nothing."""
        return self._compare("==", other)

    def is_negative(self) -> Truth:
        """Whether the sign bit is set: -0 is negative too."""
        return self.bits() < 0

    def intrinsic(self, name: str, *others: Real) -> Real:
        """An intrinsic function of LLVM that has this format throughout: fabs, sqrt, floor, …."""
        kind = self.value.type
        operands = [self.value, *(other.value for other in others)]
        signature = ir.FunctionType(kind, [kind] * len(operands))
        function = self.builder.module.declare_intrinsic(f"llvm.{name}", [kind], signature)
        return Real(self.builder, self.builder.call(function, operands))

    def sqrt(self) -> Real:
        """Square root, correctly rounded."""
        return self.intrinsic("sqrt")

    def copysign(self, sign: Real) -> Real:
        """The size of this with the sign of `sign`."""
        return self.intrinsic("copysign", sign)

    def bits(self) -> Whole:
        """The pattern, as an integer."""
        kind = ir.IntType(self.format.width)
        return Whole(self.builder, self.builder.bitcast(self.value, kind), self.format)

    def as_double(self) -> Real:
        """In double precision."""
        if self.format is DOUBLE:
            return self
        return Real(self.builder, self.builder.fpext(self.value, ir.DoubleType()))

    def as_single(self) -> Real:
        """Rounded to single precision."""
        if self.format is SINGLE:
            return self
        return Real(self.builder, self.builder.fptrunc(self.value, ir.FloatType()))

    def to_nearest(self, factor: float = 1.0) -> tuple[Real, Whole]:
        """Nearest whole number to ``factor`` times this: a float, and the low bits of an integer.

        Adding 1.5 * 2**stored puts the units into the last bit. No conversion is needed, which AVX2
        lacks for 64 bits. Good below 2**(digits - 3) in size.
        """
        magic = 1.5 * 2.0**self.format.stored
        shifted = self + magic if factor == 1.0 else fma(self, factor, magic)
        return shifted - magic, shifted.bits()

    def polynomial(self, table: Table) -> Real:
        """Value of a polynomial here."""
        return horner(self, table.double if self.format is DOUBLE else table.single)


def select(condition: Truth, yes: Real | float, no: Real | float) -> Real:
    """`yes` where the condition holds, else `no`; one of them is a `Real`."""
    like = yes if isinstance(yes, Real) else cast(Real, no)
    first = yes if isinstance(yes, Real) else like.constant(yes)
    second = no if isinstance(no, Real) else like.constant(no)
    builder = condition.builder
    return Real(builder, builder.select(condition.value, first.value, second.value))


def either(
    condition: Truth, usual: Callable[[], Sequence[Numeric]], rare: Callable[[], Sequence[Numeric]]
) -> list[Numeric]:
    """The values of `usual` where the condition holds, else of `rare`, behind a branch.

    For functions that are called: LLVM vectorises no loop around it.
    """
    builder = condition.builder
    found = []
    # Without a branch weight: metadata is the module's, and this text may be put into another.
    with builder.if_else(condition.value) as branches:
        for branch, values in zip(branches, (usual, rare), strict=True):
            with branch:
                found.append((values(), builder.block))
    joined = []
    for first, *others in zip(*(values for values, _ in found), strict=True):
        phi = builder.phi(first.value.type)
        for (_, block), value in zip(found, (first, *others), strict=True):
            phi.add_incoming(value.value, block)
        joined.append(first.like(phi))
    return joined


def fma(a: Real, b: Real | float, c: Real | float) -> Real:
    """``a*b + c``, rounded once."""
    second = b if isinstance(b, Real) else a.constant(b)
    third = c if isinstance(c, Real) else a.constant(c)
    return Real(a.builder, a.builder.fma(a.value, second.value, third.value))


def horner(x: Real, coefficients: Sequence[float]) -> Real:
    """Value of a polynomial by fused multiply-adds, the higher orders in several chains.

    One chain would wait for itself: a step takes four cycles, in which eight could start. The two
    lowest orders stay in one, for where signs alternate, chains are larger than what they add up
    to.
    """
    if len(coefficients) < 5:
        return _chain(x, coefficients)
    return fma(fma(_chains(x, coefficients[2:]), x, coefficients[1]), x, coefficients[0])


def _chain(x: Real, coefficients: Sequence[float]) -> Real:
    total = x.constant(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = fma(total, x, coefficient)
    return total


def _chains(x: Real, coefficients: Sequence[float]) -> Real:
    """Even and odd orders each in a chain in x**2, or four of them in x**4."""
    square = x * x
    if len(coefficients) < 8:
        even, odd = (_chain(square, coefficients[start::2]) for start in (0, 1))
        return fma(odd, x, even)
    fourth = square * square
    first, second, third, last = (_chain(fourth, coefficients[start::4]) for start in range(4))
    return fma(fma(last, x, third), square, fma(second, x, first))


def at_most(x: Real, bound: float) -> Real:
    """The smaller of both; NaN stays."""
    return select(x > bound, bound, x)


def at_least(x: Real, bound: float) -> Real:
    """The larger of both; NaN stays."""
    return select(x < bound, bound, x)


def power_of_two(exponent: Whole) -> Real:
    """``2**exponent`` from its low bits, within the range of normal numbers."""
    format = exponent.format
    return ((exponent << format.stored) + format.bits_of(1.0)).as_real()


def scaled(x: Real, exponent: Whole) -> Real:
    """``x * 2**exponent`` from the low bits of `to_nearest`, over the whole range, rounded once.

    In two steps: 2**1024 overflows and 2**-1074 is no normal number, but their roots are fine.
    """
    half = exponent >> 1
    return x * power_of_two(half) * power_of_two(exponent - half)


# ----------------------------------------------------------------------- constants in several parts

# 60 digits after OEIS A002162, A007525, A000796, A002392.
LN2 = Fraction("0.693147180559945309417232121458176568075500134360255254120680")
LOG2_E = Fraction("1.442695040888963407359924681001892137426645954152985934135449")
PI = Fraction("3.141592653589793238462643383279502884197169399375105820974945")
LN10 = Fraction("2.302585092994045684017991454684364207601101488628772976033328")


def parts(x: Real, constant: Fraction, count: int, spare: int = 0) -> list[float]:
    """`constant` as an unevaluated sum of `count` numbers of the format of `x`.

    `spare` digits of each but the last are zero, so that its product with a small whole number is
    exact.
    """
    found = []
    rest = constant
    for index in range(count):
        number = x.format.rounded(rest)
        if index < count - 1 and spare:
            pattern = x.format.bits_of(number) >> spare << spare
            real, whole = x.format.codes
            number = struct.unpack("<" + real, struct.pack("<" + whole, pattern))[0]
        found.append(number)
        rest -= Fraction(number)
    return found


# ----------------------------------------------------------- sums of two numbers, a large one first


class Double(NamedTuple):
    """An unevaluated sum of two numbers, the second below the last digit of the first."""

    high: Real
    low: Real


def exact_sum(a: Real, b: Real) -> Double:
    """``a + b`` with its rounding error (Knuth, The Art of Computer Programming 2, 4.2.2)."""
    total = a + b
    part = total - a
    return Double(total, (a - (total - part)) + (b - part))


def ordered_sum(a: Real, b: Real) -> Double:
    """`exact_sum` where ``abs(a) >= abs(b)``, in half the steps (Dekker, 1971)."""
    total = a + b
    return Double(total, b - (total - a))


def exact_product(a: Real, b: Real) -> Double:
    """``a * b`` with its rounding error."""
    product = a * b
    return Double(product, fma(a, b, -product))


def quotient(above: Double, below: Double) -> Real:
    """``above / below``, rounded nearly once: one division, and a Newton step for its error."""
    inverse = 1 / below.high
    first = above.high * inverse
    rest = fma(-first, below.high, above.high) + fma(-first, below.low, above.low)
    return fma(rest, inverse, first)
