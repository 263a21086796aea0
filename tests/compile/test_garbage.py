"""`garbage.py`: what is changed while a program is made is put back."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

import wengert as wg
from wengert.compile.garbage import rarely_searched


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield gc.get_threshold()
    gc.set_threshold(*before)


def test_searches_are_rare_inside_and_as_they_were_after(usual):
    with rarely_searched():
        assert gc.get_threshold()[0] > 100 * usual[0]
        with rarely_searched():
            pass
        assert gc.get_threshold()[0] > 100 * usual[0]
    assert gc.get_threshold() == usual


def test_an_error_puts_them_back(usual):
    with pytest.raises(ZeroDivisionError), rarely_searched():
        _ = 1 / 0
    assert gc.get_threshold() == usual


def test_no_search_stays_no_search():
    gc.set_threshold(0)
    with rarely_searched():
        assert gc.get_threshold()[0] == 0
    assert gc.get_threshold()[0] == 0


def test_what_user_code_sets_meanwhile_stays():
    with rarely_searched():
        gc.set_threshold(1234)
    assert gc.get_threshold()[0] == 1234


def test_two_threads_put_back_what_was_there_before_both(usual):
    first_is_in, second_is_in = threading.Event(), threading.Event()

    def second() -> None:
        first_is_in.wait(10)
        with rarely_searched():
            second_is_in.set()
            leave.wait(10)

    leave = threading.Event()
    thread = threading.Thread(target=second)
    thread.start()
    with rarely_searched():
        first_is_in.set()
        assert second_is_in.wait(10)
    assert gc.get_threshold()[0] > usual[0]
    leave.set()
    thread.join()
    assert gc.get_threshold() == usual


def test_compiling_uses_it_and_puts_it_back(usual):
    seen = []

    def f(x):
        seen.append(gc.get_threshold()[0])
        return x * 2.0

    assert wg.compile(f)(3.0) == 6.0
    assert seen[0] > usual[0]
    assert gc.get_threshold() == usual
