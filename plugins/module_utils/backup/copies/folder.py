# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies in a folder of the host: another disk, or a share that is mounted."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from ...errors import ActionFailed
from ...host import Host
from ...publish import fsync_path, publish_folder
from ...reading import regular_itself
from ..access import require_own_way
from ..declared import Settings
from ..errors import NoSpace
from ..stage import CHUNK
from ..store.collect import free_bytes
from ..store.publish import PROTECTORS
from ..streams import forget_cached, is_full
from .declared import Copy
from .place import MAX_SMALL, NO_FILE, Away, CopyPlace, Sent

if sys.platform == "linux":
    import fcntl

_GET_FLAGS, _IMMUTABLE = 0x80086601, 0x10  # FS_IOC_GETFLAGS of 64-bit systems, FS_IMMUTABLE_FL (linux/fs.h)


@contextmanager
def opened(copy: Copy, settings: Settings, host: Host) -> Iterator[CopyPlace]:
    """Yield the folder. Raise Away where nothing is mounted, ActionFailed where another account can lead elsewhere."""
    if copy.mount and not os.path.ismount(copy.mount):
        raise Away(f"nothing is mounted at {copy.mount}, so nothing is written there (cryptobot_backup.copies: mount)")
    require_own_way(Path(copy.path), settings.others)
    yield Folder(Path(copy.path), host)


class Folder:
    """A folder as a place. Nobody else can change it, so its names lead where they led a moment ago."""

    renames = True

    def __init__(self, root: Path, host: Host) -> None:
        self._root, self._host = root, host

    def names(self) -> list[str]:
        with _telling(self._root):
            return sorted(os.listdir(self._root)) if self._root.exists() else []

    def files(self, folder: str) -> Mapping[str, int]:
        with _telling(self._root / folder):
            return dict(_below(self._root / folder, ""))

    def read(self, name: str) -> bytes:
        return self._host.read_bytes(str(self._root / name), MAX_SMALL)

    def chunks(self, name: str) -> Iterator[bytes]:
        path = self._root / name
        with _telling(path), open(path, "rb", opener=regular_itself) as stream:
            forget_cached(stream.fileno())
            while chunk := stream.read(CHUNK):
                yield chunk

    def make(self, folder: str) -> None:
        path = self._root / folder
        with _telling(path):
            for above in [each for each in reversed(self._root.parents) if not each.exists()]:
                above.mkdir(mode=0o755, exist_ok=True)
            new = [each for each in (self._root, path) if not each.exists()]
            self._root.mkdir(mode=0o700, exist_ok=True)
            path.mkdir(mode=0o700)
        if self._host.platform in PROTECTORS:
            PROTECTORS[self._host.platform](new, self._host)

    def put(self, name: str, source: Sent) -> None:
        path = self._root / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with _telling(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
        with _telling(path), os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0) as stream:
            for chunk in source.chunks():
                _write(stream.fileno(), chunk)
            os.fsync(stream.fileno())
            forget_cached(stream.fileno())

    def rename(self, old: str, new: str) -> None:
        with _telling(self._root / new):
            publish_folder(self._root / old, self._root / new)

    def remove_file(self, name: str) -> None:
        with _telling(self._root / name):
            (self._root / name).unlink(missing_ok=True)
            fsync_path((self._root / name).parent)

    def remove(self, folder: str) -> None:
        with _telling(self._root / folder):
            shutil.rmtree(self._root / folder)

    def free(self) -> Optional[int]:
        return free_bytes(self._root)

    def immutable(self, folder: str) -> Optional[bool]:
        return _is_immutable(self._root / folder)


def _below(folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            yield from _below(folder / entry.name, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, status.st_size if stat.S_ISREG(status.st_mode) else NO_FILE


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _is_immutable(path: Path) -> Optional[bool]:
    """Return whether ``chattr +i`` holds a folder; None where the file system does not say."""
    if sys.platform != "linux":
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        answer = fcntl.ioctl(descriptor, _GET_FLAGS, b"\0" * 8)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return bool(int.from_bytes(answer[:4], sys.byteorder) & _IMMUTABLE)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise ActionFailed(f"{path} is there already; it is not overwritten") from error
    except OSError as error:
        if is_full(error):
            raise NoSpace(f"the disk of {path} was full") from error
        raise ActionFailed(f"{error.filename or path}: {error.strerror or error}") from error
