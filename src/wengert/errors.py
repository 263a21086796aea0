"""Every exception and warning class, and the user's line that each message points at.

A message has three lines: the fact with its numbers; the user's line; what to write instead. Every
class derives from the built-in one that a NumPy user would catch too. The one difficulty is finding
the user's line: the innermost frame that belongs to no installed package and not to Wengert.
"""

from __future__ import annotations

import functools
import linecache
import os
import sys
import sysconfig
from types import FrameType
from typing import NamedTuple

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_DEMO = os.path.join(_PACKAGE, "demo") + os.sep  # written as users write; it ships with us
_INSTALLED = tuple(
    {os.path.abspath(sysconfig.get_path(key)) + os.sep for key in ("stdlib", "purelib", "platlib")}
    | {os.path.join(os.path.abspath(sysconfig.get_path("scripts")), "wengert")}  # the command
)


class Line(NamedTuple):
    """A line of somebody's program."""

    filename: str
    number: int
    text: str

    def __str__(self) -> str:
        text = f":   {self.text}" if self.text else ""
        return f"at {os.path.basename(self.filename)}, line {self.number}{text}"


@functools.lru_cache(maxsize=4096)
def is_user_file(filename: str) -> bool:
    """True for code outside Wengert (its demo apart), the standard library, installed packages."""
    if filename.startswith("<frozen"):
        return False
    if filename.startswith("<"):  # a prompt, a doctest, a notebook cell
        return filename not in ("<wengert>", "<stringsource>")
    if filename.endswith((".pyx", ".pxd", ".pxi")):  # Cython names its sources by relative paths
        return False
    path = os.path.abspath(filename)
    if path.startswith(_PACKAGE):
        return path.startswith(_DEMO)
    if "site-packages" in path or "dist-packages" in path:
        return False
    return not path.startswith(_INSTALLED)


def user_frame(start: FrameType | None = None) -> FrameType | None:
    """The innermost frame of user code, or None."""
    frame: FrameType | None = start or sys._getframe(1)
    while frame is not None:
        if is_user_file(frame.f_code.co_filename):
            return frame
        frame = frame.f_back
    return None


def line_of(frame: FrameType | None) -> Line | None:
    """The line that a frame stands at."""
    if frame is None:
        return None
    name, number = frame.f_code.co_filename, frame.f_lineno
    return Line(name, number, linecache.getline(name, number, frame.f_globals).strip())


class WengertError(Exception):
    """Base of every error that Wengert raises on purpose.

    Parameters
    ----------
    fact : str
        What was passed and what was expected, with numbers.
    remedy : str, optional
        What to write instead.
    line : Line, optional
        The user's line; by default the innermost line of user code.
    """

    def __init__(self, fact: str, remedy: str = "", line: Line | None = None):
        self.fact, self.remedy = fact, remedy
        self.line = line or line_of(user_frame())
        parts = [fact, f"  {self.line}" if self.line else "", f"  {remedy}" if remedy else ""]
        super().__init__("\n".join(part for part in parts if part))


class NonScalarTargetError(WengertError, ValueError):
    """The result to differentiate has more than one element."""


class SourceTypeError(WengertError, TypeError):
    """What to differentiate by is no real or complex floating number."""


class TargetTypeError(WengertError, TypeError):
    """The function returned something that has no derivative: a string, an integer, an object."""


class ArgumentError(WengertError, TypeError):
    """A transform was called with arguments that do not fit the function."""


class UnsupportedFunctionError(WengertError, TypeError):
    """A function has no rule, or no rule for these arguments."""


class LostDerivativeError(WengertError, TypeError):
    """An operation would turn a traced value into a plain number and lose its derivative."""


class ShapeError(WengertError, ValueError):
    """Shapes or tree structures that do not fit each other."""


class SeedError(WengertError, ValueError):
    """A seed (adjoint or tangent) of the wrong shape or dtype, or with NaN."""


class RuleError(WengertError, ValueError):
    """A rule returned a derivative whose shape or number does not fit its operand."""


class TapeReleasedError(WengertError, RuntimeError):
    """A tape was used again after it was released."""


class RecordingError(WengertError, RuntimeError):
    """A GradientTape was asked to start or stop recording when it does, or does not, record."""


class BackwardError(WengertError, AttributeError):
    """PyTorch's form (`grad`, `backward`) was used on an Array that it does not fit."""


class TraceEndedError(WengertError, RuntimeError):
    """An Array was used after the trace that made it had ended."""


class MutationError(WengertError, ValueError):
    """An array that the tape needs was changed from outside."""


class StaleNodeError(WengertError, RuntimeError):
    """A node was read before it had a value."""


class BatchError(WengertError, ValueError):
    """Axes that do not fit in vmap, or a decision on a batched value."""


class DisconnectedError(WengertError, ValueError):
    """With ``strict=True``: the result does not depend on a source."""


class GradientCheckError(WengertError, AssertionError):
    """A derivative disagrees with finite differences."""


class PicklingError(WengertError, TypeError):
    """A traced Array cannot be pickled."""


class DisconnectedWarning(UserWarning):
    """The result does not depend on a source, whose gradient is therefore zero."""


class ThreadCountError(WengertError, ValueError):
    """A number of threads that is no positive integer."""


class ProgramFormatError(WengertError, ValueError):
    """A file holds no stored program, or one that is damaged or inconsistent."""


class OutputPathError(WengertError, OSError):
    """A file cannot be written where it should be."""


class TapeSizeError(WengertError, ValueError):
    """A tape is too long to be shown in full."""


class MissingExtraError(WengertError, ImportError):
    """A package is not installed that comes with an extra of Wengert."""


class PictureError(WengertError, ValueError):
    """A picture in a form that is not known, or that needs an extra or a display."""


class CapturedArrayError(WengertError, TypeError):
    """A compiled function used an Array that is not among its arguments."""


class RandomDrawError(WengertError, RuntimeError):
    """Random numbers were drawn while a function was traced to be compiled."""


class CompileWarning(UserWarning):
    """A compiled function runs as plain Python; the message says why."""


class UnsavedCallError(WengertError, ValueError):
    """A loaded function was called with arguments, or takes a way, that its file does not hold."""
