"""``from wengert.scipy import linalg``: scipy.linalg, of traced arrays too.

What has a rule stands here: systems, decompositions, functions of matrices, special matrices. All
else is SciPy's own, and refuses a traced array.
"""

from __future__ import annotations

from typing import Any

import scipy.linalg as _linalg

from wengert.scipy.mirroring import mirrors as _mirrors


def __getattr__(name: str) -> Any:
    return getattr(_linalg, name)


def __dir__() -> list[str]:
    return sorted({*dir(_linalg), *__all__})


_found = _mirrors(_linalg)
__all__ = sorted(_found)
globals().update(_found)
