# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Publishing files and folders so that a crash at any moment leaves the old state or the new one, never half of it.

The order is the one that survives a power cut: write beside, fsync the content, rename, fsync the folder. Windows does
not let a file be replaced or removed while somebody reads it, so there it is tried again for a while; and it has no
modes: who may read a file there is said by the permissions of its folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Union

PARTIAL = ".partial"
# ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, and of a name that is about to go
# ERROR_DELETE_PENDING: what Windows answers while another process has the file open.
HELD = (5, 32, 33, 303)
PATIENCE, PAUSE = 5.0, 0.05  # seconds
# FlushFileBuffers needs the right to write; elsewhere a file that may only be read can be flushed, too.
FOLDERS_OPEN = os.name != "nt"
TO_FLUSH = (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | getattr(os, "O_BINARY", 0)


def patiently(action: Callable[[], object]) -> None:
    """Do something to a name that others may have open for a moment, again and again for up to PATIENCE seconds.

    Raise what the last attempt raised. Only Windows gives such errors; any other is raised at once.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            action()
        except PermissionError as error:
            if getattr(error, "winerror", None) not in HELD or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        else:
            return


def fsync_path(path: Path) -> None:
    """Flush one file or folder to the disk. Systems that cannot open a folder (Windows) flush it by themselves."""
    try:
        descriptor = os.open(path, TO_FLUSH)
    except PermissionError:
        if path.is_dir() and not FOLDERS_OPEN:
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(root: Path) -> None:
    """Flush every regular file and folder below ``root``, and ``root`` itself."""
    for folder, _folders, files in os.walk(root):
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                fsync_path(path)
        fsync_path(Path(folder))


def publish_file(path: Path, content: Union[bytes, Iterable[bytes]], mode: int = 0o600) -> None:
    """Given a path and its new content, whole or in parts, put it there in one step, readable by nobody else unless
    ``mode`` says so.

    Raise OSError; the old content, and nothing beside it, is there then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    partial.unlink(missing_ok=True)  # of a run that was killed and had the same pid, or planted there
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines((content,) if isinstance(content, bytes) else content)
            stream.flush()
            os.fsync(stream.fileno())
            # The umask may have taken bits away. By descriptor: what has that name by now may be another's link.
            if hasattr(os, "fchmod"):
                os.fchmod(stream.fileno(), mode)
            else:
                os.chmod(partial, mode)
        patiently(lambda: os.replace(partial, path))
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    fsync_path(path.parent)


def publish_folder(partial: Path, final: Path) -> None:
    """Given a finished folder, flush it and give it its final name. Raise FileExistsError where that name is taken."""
    if final.exists():
        raise FileExistsError(f"{final} is there already; it is not overwritten")
    fsync_tree(partial)
    patiently(lambda: os.rename(partial, final))  # a virus scanner may still look at what was written
    fsync_path(final.parent)


def publish_link(link: Path, target: str) -> None:
    """Make ``link`` a symlink to ``target`` in one step, replacing the link that was there."""
    partial = link.with_name(f"{link.name}.{os.getpid()}{PARTIAL}")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    patiently(lambda: os.replace(partial, link))
    fsync_path(link.parent)
