"""Native code kept on disk between runs, if ``WENGERT_CACHE_DIR`` names a directory.

One file an entry, named by its key: a header, a checksum, the code. What is damaged, truncated or
foreign is no entry: it is deleted and made again. The one difficulty is that processes share the
directory: a file is written under another name and renamed, which all systems do in one step.
Code from the directory is run, so nobody else may write to it: otherwise it is not used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import secrets
import stat
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

MAX_BYTES = 2**30  # of all entries; beyond it those used longest ago are removed

_SUFFIX = ".code"
_TEMPORARY = ".part"
_MAGIC = b"wengert native code 1\n"
_HEADER = struct.Struct(f"<{len(_MAGIC)}s32s32sQ")  # magic, key, SHA-256 of the code, its length
_ABANDONED = 3600.0  # seconds after which a temporary file belongs to no living writer
_SWEEP_EVERY = 64  # stored entries between two looks at the size of all


def key(*parts: bytes | str) -> str:
    """The name of what is compiled from these parts, on this machine, by these versions.

    Parameters
    ----------
    *parts
        All that decides what the code is: LLVM assembly or a stored program, options, and the
        processor that LLVM compiles for. Versions and the platform are added here.
    """
    digest = hashlib.sha256()
    for part in (*parts, *environment()):
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))  # so that ("ab", "c") is not ("a", "bc")
        digest.update(data)
    return digest.hexdigest()


@functools.cache
def environment() -> tuple[str, ...]:
    """What code depends on besides its source: the platform, and the versions of what made it."""
    found = [_MAGIC.decode(), platform.machine(), sys.platform, sys.byteorder]
    found.append(sys.implementation.cache_tag or "")
    for package in ("wengert", "numpy", "scipy", "llvmlite"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:  # run from a source tree that is not installed
            found.append(f"{package} unknown")
    return tuple(found)


class DiskCache:
    """Entries in one directory.

    Parameters
    ----------
    directory : path
        Made, for its owner alone, if it does not exist.
    max_bytes : int, optional
        Bound of the size of all entries together.

    Examples
    --------
    >>> import tempfile
    >>> from wengert.compile.disk_cache import DiskCache, key
    >>> cache = DiskCache(tempfile.mkdtemp())
    >>> name = key("define void @f() { ret void }", "some cpu")
    >>> cache.lookup(name) is None
    True
    >>> cache.store(name, b"machine code") == cache.lookup(name)
    True
    """

    def __init__(self, directory: str | os.PathLike[str], max_bytes: int = MAX_BYTES):
        self.directory, self.max_bytes = Path(directory), max_bytes
        self._stored = 0

    def lookup(self, name: str) -> bytes | None:
        """The code of a key; None if there is none, or none that is intact."""
        path = self._path(name)
        if path is None:
            return None
        try:
            # No link is followed: it could lead to a file that others may write.
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | _BINARY)
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                data = file.read() if _is_private(status, stat.S_ISREG) else b""
        except OSError:
            return None
        code = _unwrapped(data, name)
        if code is None:
            _remove(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used now: the last to be removed
        return code

    def store(self, name: str, code: bytes) -> bytes:
        """Keep the code of a key, if the disk allows it; the code."""
        path = self._path(name, make=True)
        if path is None:
            return code
        temporary = path.with_name(f"{name}.{secrets.token_hex(8)}{_TEMPORARY}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_wrapped(code, name))
            os.replace(temporary, path)
        except OSError as error:
            _remove(temporary)
            warnings.warn(
                f"native code cannot be kept in {self.directory}: {error}. "
                "Unset WENGERT_CACHE_DIR, or make room.",
                RuntimeWarning,
                stacklevel=2,
            )
            return code
        if self._stored % _SWEEP_EVERY == 0:
            self.sweep()
        self._stored += 1
        return code

    def sweep(self) -> None:
        """Remove what was used longest ago, down to the bound, and what writers left behind."""
        entries = []
        for path, status in self._files():
            if path.name.endswith(_TEMPORARY) and _age(status) > _ABANDONED:
                _remove(path)
            elif path.name.endswith(_SUFFIX):
                entries.append((status.st_mtime, path.name, status.st_size, path))
        total = sum(size for _, _, size, _ in entries)
        for _, _, size, path in sorted(entries):
            if total <= self.max_bytes:
                return
            _remove(path)
            total -= size

    def clear(self) -> None:
        """Remove every entry."""
        for path, _ in self._files():
            if path.name.endswith((_SUFFIX, _TEMPORARY)):
                _remove(path)

    def _files(self) -> Iterable[tuple[Path, os.stat_result]]:
        try:
            with os.scandir(self.directory) as found:
                for entry in found:
                    try:
                        yield Path(entry.path), entry.stat(follow_symlinks=False)
                    except OSError:  # another process removed it
                        continue
        except OSError:
            return

    def _path(self, name: str, make: bool = False) -> Path | None:
        """The file of a key; None if the directory is not there, or others may write to it."""
        if len(name) != 64 or not set(name) <= _HEX:
            raise ValueError(f"no key of this cache is {name!r:.80}")
        try:
            if make:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = os.stat(self.directory)
        except OSError as error:
            if make:
                self._warn_of_directory(str(error))
            return None
        if not _is_private(status, stat.S_ISDIR):
            self._warn_of_directory("others may write to it")
            return None
        return self.directory / f"{name}{_SUFFIX}"

    def _warn_of_directory(self, reason: str) -> None:
        warnings.warn(
            f"WENGERT_CACHE_DIR={self.directory} is not used: {reason}. "
            "Name a directory of your own, of mode 700.",
            RuntimeWarning,
            stacklevel=4,
        )


def from_environment() -> DiskCache | None:
    """The cache that ``WENGERT_CACHE_DIR`` names; None if it is not set."""
    directory = os.environ.get("WENGERT_CACHE_DIR")
    return DiskCache(Path(directory).expanduser()) if directory else None


_HEX = frozenset("0123456789abcdef")
_BINARY = getattr(os, "O_BINARY", 0)


def _is_private(status: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """True if a file of the right kind is ours, and nobody else may write to it."""
    if not is_kind(status.st_mode):
        return False
    if not hasattr(os, "getuid"):  # Windows: the user's own directories are private
        return True
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _wrapped(code: bytes, name: str) -> bytes:
    digest = hashlib.sha256(code).digest()
    return _HEADER.pack(_MAGIC, bytes.fromhex(name), digest, len(code)) + code


def _unwrapped(data: bytes, name: str) -> bytes | None:
    if len(data) < _HEADER.size:
        return None
    magic, own, digest, length = _HEADER.unpack_from(data)
    code = data[_HEADER.size :]
    if magic != _MAGIC or own != bytes.fromhex(name) or length != len(code):
        return None
    return code if hashlib.sha256(code).digest() == digest else None


def _age(status: os.stat_result) -> float:
    return time.time() - status.st_mtime


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
