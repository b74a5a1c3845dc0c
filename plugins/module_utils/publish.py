# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Publishing files and folders so that a crash at any moment leaves the old state or the new one, never half of it.

The order is the one that survives a power cut: write beside, fsync the content, rename, fsync the folder.
"""

from __future__ import annotations

import os
from pathlib import Path

PARTIAL = ".partial"


def fsync_path(path: Path) -> None:
    """Flush one file or folder to the disk. Systems that cannot open a folder (Windows) flush it by themselves."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except PermissionError:
        if path.is_dir() and os.name == "nt":
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


def publish_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Given a path and its new content, put it there in one step, readable by nobody else unless ``mode`` says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    partial.unlink(missing_ok=True)  # of a run that was killed and had the same pid, or planted there
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(partial, mode)  # the umask may have taken bits away
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    fsync_path(path.parent)


def publish_folder(partial: Path, final: Path) -> None:
    """Given a finished folder, flush it and give it its final name. Raise FileExistsError where that name is taken."""
    if final.exists():
        raise FileExistsError(f"{final} is there already; it is not overwritten")
    fsync_tree(partial)
    os.rename(partial, final)
    fsync_path(final.parent)


def publish_link(link: Path, target: str) -> None:
    """Make ``link`` a symlink to ``target`` in one step, replacing the link that was there."""
    partial = link.with_name(f"{link.name}.{os.getpid()}{PARTIAL}")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    os.replace(partial, link)
    fsync_path(link.parent)
