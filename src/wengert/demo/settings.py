"""What every part of the demo is given: where to write, where the data lie, how long to take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# data/ of the clone, seen from src/wengert/demo/.
CLONE_DATA = Path(__file__).resolve().parents[3] / "data"


def _no_progress(steps: Iterable[Any], description: str) -> Iterable[Any]:
    return steps


@dataclass(frozen=True)
class Settings:
    """Where to write, where the data lie, and how long it may take.

    Parameters
    ----------
    out : Path
        Folder of the report. Pictures go to `out/pictures`.
    data : Path
        Folder that holds `nist_strd_nonlinear.json`.
    quick : bool
        Shorter runs, for the tests. The bounds stay the same.
    track : callable
        ``track(steps, description=...)`` yields the steps and draws a progress bar.
    """

    out: Path
    data: Path = CLONE_DATA
    quick: bool = False
    track: Callable[..., Iterable[Any]] = _no_progress
