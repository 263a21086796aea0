"""``from wengert.scipy import special``: scipy.special, of traced arrays throughout.

The ufuncs of scipy.special dispatch by themselves; the others that have a rule stand here.
"""

from __future__ import annotations

from typing import Any

import scipy.special as _special

from wengert.scipy.mirroring import mirrors as _mirrors


def __getattr__(name: str) -> Any:
    return getattr(_special, name)


def __dir__() -> list[str]:
    return sorted({*dir(_special), *__all__})


_found = _mirrors(_special)
__all__ = sorted(_found)
globals().update(_found)
