"""Native code of every sample of the registry, and of its derivatives, against plain calls.

Compiled at one argument, and run at another, too. Derivatives take long to compile: of those, each
run takes a third, which ``WENGERT_TEST_ROTATION`` (a number; ``all`` for all of them) chooses.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from tests.compile.agreement import assert_same
from tests.compile.samples import ALL, SMOOTH, function_of, named, pulled_back, pushed_forward

from wengert.compile.api import compile as compiled

_PARTS = 3
_CHOICE = os.environ.get("WENGERT_TEST_ROTATION", "0")


def _is_chosen(pair: Any, mode: str) -> bool:
    """True if this run takes it: the same in every process."""
    number = zlib.crc32(f"{mode} {named(pair)}".encode())
    return _CHOICE == "all" or number % _PARTS == int(_CHOICE) % _PARTS


def _chosen(mode: str) -> list[Any]:
    return [pair for pair in SMOOTH if _is_chosen(pair, mode)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pair", ALL, ids=named)
def test_values(pair: Any) -> None:
    _check(pair, lambda function: function)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pair", _chosen("vjp"), ids=named)
def test_backward_sweeps(pair: Any) -> None:
    _check(pair, pulled_back)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("pair", _chosen("jvp"), ids=named)
def test_forward_sweeps(pair: Any) -> None:
    _check(pair, pushed_forward)


def _check(pair: Any, transform: Callable[[Any], Any]) -> None:
    function, calls = function_of(pair)
    function = transform(function)
    one = compiled(function)
    for call in (*calls, calls[0]):
        try:
            expected = function(*call)
        except Exception as error:  # other numbers than those of the sample may not suit
            with pytest.raises(type(error)):
                one(*call)
            continue
        assert_same(one(*call), expected)
        assert one.paths
