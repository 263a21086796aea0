"""Accuracy and speed of the native elementary functions, as the page of the reference that shows
them.

Run ``python -m benchmarks.native_math`` to write docs/reference/native-math.md; ``--count`` is the
number of arguments in each range, ``--only NAME …`` prints the rows of some functions instead.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from llvmlite import binding
from tests.compile.native.math.loops import Loops
from tests.compile.native.math.references import (
    CASES,
    COUNTS,
    DRAWS,
    EXACT,
    arguments,
    numpy_function,
    worst_error,
)

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "native-math.md"
SIZE = 4096  # elements: fits into the cache of the first level with its result
ROUNDS = 25


def main():
    """Measure, and write or print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="arguments in each range")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="print the rows of these functions"
    )
    options = parser.parse_args()
    names = options.only or [*CASES, *EXACT]
    rows = [row for name in names for row in rows_of(name, options.count)]
    if options.only:
        print(table(rows))
    else:
        PAGE.write_text(page(rows, options.count), encoding="utf-8")


def rows_of(name, count):
    """One row for each dtype."""
    for dtype in ("float64", "float32"):
        inlined = Loops({name: COUNTS[name]}, dtype)
        called = Loops({name: COUNTS[name]}, dtype, inline=False)
        operands = ordinary(name, dtype)
        yield [
            f"`{name}`",
            dtype,
            *accuracy(name, inlined, count),
            f"{nanoseconds(inlined, name, operands):.2f}",
            f"{nanoseconds(called, name, operands):.1f}",
            f"{numpy_nanoseconds(name, operands):.2f}",
        ]


def accuracy(name, loops, count):
    """The largest error over all ranges, and where; "exact" for what does not round."""
    if name in EXACT:
        return "exact", ""
    case = CASES[name]
    found = []
    for index, draw in enumerate(DRAWS):
        operands = arguments(case, draw, count, loops.dtype, seed=1000 + index)
        found.append(worst_error(case, operands, loops(name, *operands)))
    worst = max(found)
    # The shortest digits that give the number back in its own precision.
    where = ", ".join(str(loops.dtype.type(x)) for x in worst.where)
    return f"{worst.ulps:.2f}", where


def ordinary(name, dtype):
    """Arguments within every domain, as programs have them."""
    rng = np.random.default_rng(7)
    low, high = (1, 2) if name == "arccosh" else (0.05, 0.95)
    return [rng.uniform(low, high, SIZE).astype(dtype) for _ in range(COUNTS[name])]


def nanoseconds(loops, name, operands):
    """Per element, the fastest of some rounds."""
    out = np.empty_like(operands[0])
    pointer = loops.pointer(name)
    pointers = [out.ctypes.data, *(operand.ctypes.data for operand in operands)]
    return fastest(lambda: pointer(SIZE, *pointers))


def numpy_nanoseconds(name, operands):
    """The same of NumPy or SciPy, into an array that is there."""
    function, out = numpy_function(name), np.empty_like(operands[0])
    return fastest(lambda: function(*operands, out=out))


def fastest(work):
    """Nanoseconds per element."""
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) / SIZE * 1e9


HEAD = ["function", "dtype", "largest error, ulp", "at", "loop, ns", "call, ns", "NumPy, ns"]


def table(rows):
    """Markdown."""
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def page(rows, count):
    """The whole page."""
    notes = "\n".join(f"- `{name}`: {case.note}" for name, case in CASES.items() if case.note)
    loose = ", ".join(f"`{name}`" for name, case in CASES.items() if case.bound > 2)
    paragraphs = [
        "# Native elementary functions",
        "Compiled code calls no mathematical library: each function below is emitted as branch-free"
        " LLVM code, and written as vectors in the loop around it. This page is written"
        " by `python -m benchmarks.native_math`; nothing in it is typed by hand.",
        f"The bound, which tests hold, is 2 ulp; of {loose} 4 ulp. An ulp is a unit in the last"
        " place of the exact result, which is computed by mpmath in 300 bits. The error shown is"
        f" the largest over {count} seeded arguments from each of these ranges: {', '.join(DRAWS)}."
        " Infinities, NaN, signed zeros and subnormal numbers are as in NumPy and SciPy; no"
        " fast-math flag is used. Sine, cosine and tangent reduce every argument exactly, up to the"
        " largest finite number. Where terms cancel, errors are measured in ulp",
        notes,
        f"Times are nanoseconds an element, over {SIZE} arguments between 0.05 and 0.95 (arccosh:"
        " 1 and 2) in the first-level cache: in a loop over vectors; by a call for each"
        " element, as in long scalar programs (one call gives sine and cosine together); and of"
        f" NumPy or SciPy. Processor: {binding.get_host_cpu_name()}, one thread.",
        table(rows),
    ]
    return "\n\n".join(paragraphs) + "\n"


if __name__ == "__main__":
    main()
