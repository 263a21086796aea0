"""Writing what is shown to a file, with an error that says what is wrong with the path."""

from __future__ import annotations

import os
from pathlib import Path

from wengert.errors import ArgumentError, OutputPathError


def write_text(path: str | os.PathLike[str], text: str, what: str) -> Path:
    """Write a text file and return its path; `what` names the thing in messages."""
    return write_bytes(path, text.encode("utf-8"), what)


def path_of(path: str | os.PathLike[str], what: str) -> Path:
    """The path that was passed, if it is one."""
    try:
        return Path(path)
    except TypeError as error:
        raise ArgumentError(
            f"the path of {what} is {type(path).__name__} ({path!r:.40}), not a path.",
            "Pass a string or a pathlib.Path.",
        ) from error


def write_bytes(path: str | os.PathLike[str], data: bytes, what: str) -> Path:
    """Write a file and return its path; `what` names the thing in messages."""
    file = path_of(path, what)
    try:
        file.write_bytes(data)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputPathError(
            f"{what} cannot be written to {str(file)!r}: {reason}.",
            "Pass the path of a file in a folder that exists and that you may write to.",
        ) from error
    return file
