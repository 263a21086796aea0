"""What is constant wherever it is smooth: rounding, signs, comparisons, positions, questions."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.primitives.family import locally_constant
from wengert.primitives.samples import call, normal

floor = locally_constant(np.floor, samples=[call(normal(3, 4))])
sign = locally_constant(np.sign, samples=[call(normal(3, 4))])
less = locally_constant(np.less, ("x1", "x2"), samples=[call(normal(3, 4), normal(4))])
less_equal = locally_constant(np.less_equal, ("x1", "x2"), samples=[call(normal(3, 4), normal(4))])
greater = locally_constant(np.greater, ("x1", "x2"), samples=[call(normal(3, 4), normal(4))])
greater_equal = locally_constant(np.greater_equal, ("x1", "x2"), samples=[call(normal(3, 4), normal(4))])
equal = locally_constant(np.equal, ("x1", "x2"), samples=[call(normal(3, 4), normal(4))])
not_equal = locally_constant(np.not_equal, ("x1", "x2"), samples=[call(normal(3, 4), normal(4))])
isnan = locally_constant(np.isnan, samples=[call(normal(3, 4))])
isfinite = locally_constant(np.isfinite, samples=[call(normal(3, 4))])
argmax = locally_constant(np.argmax, ("a",), samples=[call(normal(3, 4), axis=1)], batch="axis")
