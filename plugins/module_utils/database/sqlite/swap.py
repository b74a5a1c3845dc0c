# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacing a database by a compact copy of itself: VACUUM INTO, prove, swap. Only while its services are down.

The old database or the new one is there at any moment. Everybody is locked out; a database in WAL mode leaves it, so
that no log is left that would be replayed into the new file; the copy is written beside, checked and flushed, and then
renamed over the old file. Nothing is removed by name after that, because somebody may have opened the new file already.

Windows does not let a file be replaced that anybody has open, ourselves included. So there our connection is closed
first, and the file must then be what it was under our lock; whoever opens it meanwhile keeps it, and nothing is lost.

SQLite makes files by path. Whoever owns a folder on that path can put a link in its place between our look and the
making, so where we are root the copy is made with his rights: it can come to be only where he could have made it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import ActionFailed, CoreError
from ...folders import Folder, NotEntered, Place, resolved
from ...host import Host
from ...powershell import ask
from ...publish import PARTIAL, fsync_path
from ...rights import NotSwitched, Rights, acting_with
from ...trusted import faults
from .holders import holders
from .reader import Busy, Corrupt, Fingerprint, damage, fingerprint, opened, quoted
from .windows_queries import copy_rights

if sys.platform != "win32":
    import pwd

SUFFIX = f".vacuum{PARTIAL}"
_BESIDE = ("-wal", "-shm", "-journal")


def vacuum_into(path: str, host: Host, seconds: float) -> None:
    """Given a database that nobody has open, replace it by a compact copy.

    Raise Busy where somebody has it open after all, Corrupt where the copy is not what the original is, ActionFailed
    where the system refuses; the original is then as it was.
    """
    draft = Path(path + SUFFIX)
    try:
        _remove(draft, "", *_BESIDE)  # of a run that was killed
        _REPLACERS[host.platform](Path(path), draft, host, seconds)
    except (OSError, NotSwitched) as error:
        raise ActionFailed(f"{path} was not replaced and is as it was: {error}") from error
    finally:
        with suppress(OSError):  # the next run sweeps what a scanner of files holds on to
            _remove(draft, "", *_BESIDE)


def _replace_under_lock(path: Path, draft: Path, host: Host, seconds: float) -> None:
    """Put the copy in place while everybody is locked out of the original."""
    with _copied(path, draft, host, seconds):
        _swap(path, draft, host)


def _replace_when_closed(path: Path, draft: Path, host: Host, seconds: float) -> None:
    """Put the copy in place after our own connection is closed, unless the original has changed since.

    Raise Busy where it has, or where somebody has it open: Windows refuses to replace it then.
    """
    with _copied(path, draft, host, seconds) as in_wal:
        locked = fingerprint(str(path))
    try:
        _ensure_untouched(path, locked, host)
        os.replace(draft, path)  # once: who waits and tries again may replace what was written meanwhile
    except (Busy, OSError) as error:
        if in_wal:
            _back_to_wal(str(path), seconds)
        if isinstance(error, PermissionError):
            raise Busy(f"{path} cannot be replaced while somebody has it open: {error}") from error
        raise


def _ensure_untouched(path: Path, locked: Fingerprint, host: Host) -> None:
    """Raise Busy where a database is not what it was under our lock, or somebody has it open."""
    touched = fingerprint(str(path)) != locked or Path(f"{path}-journal").exists()
    if touched or holders(str(path), host).processes:
        raise Busy(f"{path}: somebody opened it meanwhile")


def _back_to_wal(path: str, seconds: float) -> None:
    """Give a database its journal mode back; where somebody is in the way, its next user finds it without a log."""
    try:
        with opened(path, "rw", seconds) as connection:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
    except CoreError:
        return


_REPLACERS: dict[str, Callable[[Path, Path, Host, float], None]] = {
    "linux": _replace_under_lock,
    "darwin": _replace_under_lock,
    "windows": _replace_when_closed,
}


@contextmanager
def _copied(path: Path, draft: Path, host: Host, seconds: float) -> Iterator[bool]:
    """Have a proved copy for a block in which everybody is locked out of the original; say if that was in WAL mode."""
    with opened(str(path), "rw", seconds) as connection:
        in_wal = _lock_out(connection)
        try:
            _write_copy(connection, draft, seconds, in_wal=in_wal)
            _GIVE_RIGHTS[host.platform](path, draft, host)
            yield in_wal
        except BaseException:
            if in_wal:
                connection.execute("PRAGMA journal_mode = WAL").fetchall()
            raise


def _remove(path: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _lock_out(connection: sqlite3.Connection) -> bool:
    """Keep everybody else out until the connection ends, and leave WAL mode. Return whether it was in WAL mode.

    Set before the first look, EXCLUSIVE keeps even the readers of a database in WAL mode out
    (pragma.html#pragma_locking_mode).
    """
    connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("COMMIT")
    in_wal = bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")
    if in_wal and connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0] != "delete":
        raise Busy("the database did not leave WAL mode: somebody has it open")
    return in_wal


def _write_copy(connection: sqlite3.Connection, draft: Path, seconds: float, *, in_wal: bool) -> None:
    """Write the copy and prove that it is sound and holds as many rows in each table. Raise Corrupt."""
    with lent(str(draft.parent)):
        connection.execute("VACUUM INTO ?", (str(draft),))
        wanted = _rows(connection)
        with opened(str(draft), "rw", seconds) as copy:
            if in_wal:
                copy.execute("PRAGMA journal_mode = WAL").fetchall()
            found, rows = damage(copy, full=False), _rows(copy)
    if found or rows != wanted:
        raise Corrupt(f"{draft}: {found or 'the copy does not hold the rows of the original'}")


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the number of rows of each ordinary table."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    ).fetchall()
    counts = ((name, f"SELECT count(*) FROM {quoted(name)}") for (name,) in tables)  # noqa: S608 - quoted
    return {name: connection.execute(count).fetchone()[0] for name, count in counts}


def _give_rights_posix(original: Path, draft: Path, _host: Host) -> None:
    """Give the copy the owner, mode and extended attributes (SELinux label, ACL) of the original, and flush it.

    By its descriptor, and only where it is a file that was just made here: whoever may write to the folder
    could have put a link in its place, and would be given what it leads to. The original is not opened, because closing
    it would give up our lock.
    """
    with _at(original) as place:
        status = place.holder.lstat(place.name)
        descriptor = place.holder.open_file(draft.name)
        try:
            _require_ours(draft, os.fstat(descriptor))
            os.fchown(descriptor, status.st_uid, status.st_gid)
            _copy_attributes(place.path, descriptor)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            os.utime(descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _at(path: Path) -> Iterator[Place]:
    """Yield where a path without links lies, for a block. Raise Busy where a link was put in its way, OSError."""
    try:
        with resolved(str(path)) as place:
            if place.path != str(path):
                raise Busy(f"{path} leads to {place.path} now: a link was put in its way")
            yield place
    except NotEntered as reason:
        raise Busy(f"{path}: {reason}") from reason


def _require_ours(draft: Path, status: os.stat_result) -> None:
    """Raise Busy where what has the copy's name is not the one file that was made here."""
    makers = {os.geteuid(), maker_in(str(draft.parent))}
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in makers or status.st_nlink != 1:
        raise Busy(f"{draft} is not the copy that was made: somebody put another file in its place")


def _copy_attributes(original: str, descriptor: int) -> None:
    """Copy extended attributes as far as the file system and the account allow, as shutil.copystat does."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        for name in os.listxattr(original, follow_symlinks=False):
            with suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(original, name, follow_symlinks=False))


def _give_rights_windows(original: Path, draft: Path, host: Host) -> None:
    """Give the copy the owner and access rights of the original, and flush it. Raise SourceDenied where Windows
    refuses.
    """
    ask(host, {"rights": copy_rights(str(original), str(draft))})["rights"]
    fsync_path(draft)


_GIVE_RIGHTS: dict[str, Callable[[Path, Path, Host], None]] = {
    "linux": _give_rights_posix,
    "darwin": _give_rights_posix,
    "windows": _give_rights_windows,
}


def _swap(path: Path, draft: Path, host: Host) -> None:
    if holders(str(path), host).processes:
        raise Busy(f"{path}: somebody opened it meanwhile")
    with _at(path) as place:  # whatever the folder's owner puts in its place now, this is done in the one proved
        holder = place.holder
        _require_copy(holder, draft, path)
        for end in _BESIDE:
            with suppress(FileNotFoundError):
                os.unlink(place.name + end, dir_fd=holder.descriptor)
        os.replace(draft.name, place.name, src_dir_fd=holder.descriptor, dst_dir_fd=holder.descriptor)
        _flush(holder)


def _require_copy(holder: Folder, draft: Path, path: Path) -> None:
    """Raise Busy where what has the copy's name is no regular file of the original's owner."""
    copy, original = holder.lstat(draft.name), holder.lstat(path.name)
    if not stat.S_ISREG(copy.st_mode) or (copy.st_uid, copy.st_nlink) != (original.st_uid, 1):
        raise Busy(f"{draft} is not the copy that was made: somebody put another file in its place")


def _flush(holder: Folder) -> None:
    """Flush a folder to the disk."""
    with suppress(OSError):  # one that may be passed but not listed cannot be
        os.fsync(holder.descriptor)


def maker_in(folder: str) -> int:
    """Given a folder, return the uid by which files are made in it; ours where nobody else could lead us elsewhere."""
    if sys.platform == "win32":
        return 0
    strangers = [fault.owner for fault in faults(folder) if fault.owner is not None]
    return strangers[-1] if strangers and os.geteuid() == 0 else os.geteuid()


def _group_of(uid: int) -> int:
    """Return the group of an account; of one that is not known a group of which nothing is known either."""
    if sys.platform == "win32":
        return 0
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return uid


@contextmanager
def lent(folder: str) -> Iterator[None]:
    """Have, for a block, no more rights than who could lead us elsewhere has. Files that are open stay open.

    This is so for the whole process, so nothing else may be under way meanwhile (../../rights.py). Raise NotSwitched.
    """
    maker = maker_in(folder)
    if sys.platform == "win32" or maker == os.geteuid():
        yield
        return
    with acting_with(Rights(maker, _group_of(maker), ())):
        yield
