"""Operations that change no value: where derivatives stop."""

from __future__ import annotations

import numpy as np

from wengert.primitives.family import locally_constant
from wengert.primitives.samples import call, normal

detached = locally_constant(
    lambda x: np.array(x) if isinstance(x, np.ndarray) else x,
    name="stop_gradient",
    batch="broadcast",
    samples=[call(normal(3, 4)), call(normal())],
)
