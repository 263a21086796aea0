"""The cache of native code on disk: nothing but what was stored comes back, whatever lies there."""

from __future__ import annotations

import ctypes
import math
import os
import stat
import subprocess
import sys
import time

import llvmlite.binding as llvm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wengert.compile import disk_cache
from wengert.compile.disk_cache import DiskCache, from_environment, key

CODE = bytes(range(256)) * 40


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "cache")


def files(cache):
    return sorted(path.name for path in cache.directory.iterdir())


def test_what_is_stored_is_found(cache):
    name = key("assembly", b"options")
    assert cache.lookup(name) is None
    assert cache.store(name, CODE) == CODE
    assert cache.lookup(name) == CODE
    assert DiskCache(cache.directory).lookup(name) == CODE
    assert cache.lookup(key("other assembly", b"options")) is None


def test_empty_code_is_an_entry(cache):
    cache.store(key("a"), b"")
    assert cache.lookup(key("a")) == b""


def test_a_second_store_takes_the_place_of_the_first(cache):
    cache.store(key("a"), b"old")
    cache.store(key("a"), b"new")
    assert cache.lookup(key("a")) == b"new"
    assert len(files(cache)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [(("ab", "c"), ("a", "bc")), (("a",), ("a", "")), (("a", "b"), ("b", "a")), ((), ("",))],
)
def test_keys_tell_parts_apart(one, other):
    assert key(*one) != key(*other)


def test_keys_are_the_same_for_text_and_its_bytes():
    assert key("a", "b") == key(b"a", b"b")


def test_keys_hold_versions(monkeypatch):
    before = key("a")
    monkeypatch.setattr(disk_cache, "environment", lambda: ("another numpy",))
    assert key("a") != before


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "/"])
def test_a_name_that_is_no_key_is_refused(cache, name):
    with pytest.raises(ValueError, match="no key"):
        cache.lookup(name)
    with pytest.raises(ValueError, match="no key"):
        cache.store(name, CODE)


@pytest.mark.parametrize("length", [0, 1, 40, 93, 94, 95, 5000])
def test_a_truncated_file_is_ignored_removed_and_made_again(cache, length):
    name = key("a")
    cache.store(name, CODE)
    path = cache.directory / f"{name}.code"
    path.write_bytes(path.read_bytes()[:length])
    assert cache.lookup(name) is None
    assert files(cache) == []
    cache.store(name, CODE)
    assert cache.lookup(name) == CODE


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, 10_000), mask=st.integers(1, 255), tail=st.binary(max_size=3))
def test_no_changed_byte_goes_unnoticed(tmp_path_factory, position, mask, tail):
    cache = DiskCache(tmp_path_factory.mktemp("cache"))
    name = key("a")
    cache.store(name, CODE)
    path = cache.directory / f"{name}.code"
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= mask
    path.write_bytes(bytes(data) + tail)
    assert cache.lookup(name) is None


def test_the_file_of_another_key_is_ignored(cache):
    cache.store(key("a"), CODE)
    os.rename(cache.directory / f"{key('a')}.code", cache.directory / f"{key('b')}.code")
    assert cache.lookup(key("b")) is None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has other permissions")
def test_directory_and_files_are_private(cache):
    cache.store(key("a"), CODE)
    assert stat.S_IMODE(cache.directory.stat().st_mode) == 0o700
    (path,) = cache.directory.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has other permissions")
def test_a_directory_that_others_may_write_to_is_not_used(cache):
    cache.store(key("a"), CODE)
    cache.directory.chmod(0o777)
    with pytest.warns(RuntimeWarning, match="others may write"):
        assert cache.lookup(key("a")) is None
    with pytest.warns(RuntimeWarning, match="others may write"):
        assert cache.store(key("b"), CODE) == CODE
    assert files(cache) == [f"{key('a')}.code"]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has other permissions")
def test_a_file_that_others_may_write_to_is_not_run(cache):
    cache.store(key("a"), CODE)
    (path,) = cache.directory.iterdir()
    path.chmod(0o666)
    assert cache.lookup(key("a")) is None


def test_no_link_is_followed(cache, tmp_path):
    cache.store(key("a"), CODE)
    (path,) = cache.directory.iterdir()
    os.rename(path, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", path)
    assert cache.lookup(key("a")) is None
    cache.store(key("a"), CODE)
    assert not path.is_symlink()
    assert cache.lookup(key("a")) == CODE


def test_a_directory_that_cannot_be_made_costs_a_warning_only(tmp_path):
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file" / "cache")
    assert cache.lookup(key("a")) is None
    with pytest.warns(RuntimeWarning, match="is not used"):
        assert cache.store(key("a"), CODE) == CODE


def test_a_full_disk_costs_a_warning_only(cache, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.warns(RuntimeWarning, match="No space left"):
        assert cache.store(key("a"), CODE) == CODE
    assert files(cache) == []


def test_what_was_used_longest_ago_is_removed_first(tmp_path):
    cache = DiskCache(tmp_path, max_bytes=3 * (len(CODE) + 200))
    names = [key(str(k)) for k in range(5)]
    for age, name in enumerate(names):
        cache.store(name, CODE)
        past = time.time() - 1000 + age
        os.utime(tmp_path / f"{name}.code", (past, past))
    assert cache.lookup(names[0]) == CODE  # used now
    cache.sweep()
    assert [cache.lookup(name) is not None for name in names] == [True, False, False, True, True]


def test_storing_sweeps_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_cache, "_SWEEP_EVERY", 4)
    cache = DiskCache(tmp_path, max_bytes=2 * (len(CODE) + 200))
    for k in range(9):
        cache.store(key(str(k)), CODE)
    assert len(files(cache)) == 2


def test_what_a_killed_writer_left_is_removed_later(cache):
    cache.store(key("a"), CODE)
    left = cache.directory / f"{key('b')}.0123.part"
    left.write_bytes(b"half")
    cache.sweep()
    assert left.exists()  # its writer may be alive
    past = time.time() - 10_000
    os.utime(left, (past, past))
    cache.sweep()
    assert files(cache) == [f"{key('a')}.code"]


def test_clear_leaves_the_files_of_others(cache):
    cache.store(key("a"), CODE)
    (cache.directory / "notes.txt").write_text("mine")
    cache.clear()
    assert files(cache) == ["notes.txt"]


def test_the_environment_names_the_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("WENGERT_CACHE_DIR", raising=False)
    assert from_environment() is None
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "c"))
    found = from_environment()
    assert found is not None
    assert found.directory == tmp_path / "c"


ASSEMBLY = """
@count = global i64 0
declare double @cos(double)
define double @f(double %x) {
  %c = call double @cos(double %x)
  %n = load i64, ptr @count
  %m = add i64 %n, 1
  store i64 %m, ptr @count
  ret double %c
}
"""


def machine():
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    return llvm.Target.from_default_triple().create_target_machine()


def test_code_that_llvm_made_runs_again(cache):
    name = key(ASSEMBLY, llvm.get_host_cpu_name())
    module = llvm.parse_assembly(ASSEMBLY)
    engine = llvm.create_mcjit_compiler(module, machine())
    engine.set_object_cache(lambda _, code: cache.store(name, code))
    engine.finalize_object()
    again = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine())
    code = cache.lookup(name)
    assert code is not None
    again.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    again.finalize_object()
    f = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(again.get_function_address("f"))
    assert [f(0.0), f(1.0)] == [1.0, math.cos(1.0)]
    address = again.get_global_value_address("count")
    assert ctypes.c_int64.from_address(address).value == 2


WORKER = """
import sys
from wengert.compile.disk_cache import DiskCache, key

cache = DiskCache(sys.argv[1], max_bytes=150_000)
for k in range(60):
    number = (k * 7 + int(sys.argv[2])) % 13
    expected = bytes([number]) * (10_000 + number)
    found = cache.lookup(key(str(number)))
    assert found is None or found == expected, number
    cache.store(key(str(number)), expected)
    if k % 20 == 19:
        cache.sweep()
"""


def test_processes_share_a_directory(tmp_path):
    directory = tmp_path / "shared"
    workers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", WORKER, str(directory), str(seed)])
        for seed in range(3)
    ]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert not [name for name in os.listdir(directory) if name.endswith(".part")]
    assert any(DiskCache(directory).lookup(key(str(k))) for k in range(13))
