# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A consistent copy of a SQLite database that is in use, through SQLite's own backup interface.

Copying the file itself misses what is still in the write-ahead log and may mix two states. The interface copies pages
in steps (https://www.sqlite.org/backup.html), and begins again whenever another process writes. So:

- with a write-ahead log the copy is made inside a read transaction: it stays on one state, never begins again, and
  writers are never held up;
- with a rollback journal a read transaction would hold writers up, so the copy is made in small steps with pauses, and
  only after MAX_RESTARTS beginnings inside a read transaction, for the second or two that it takes;
- what a crash left of an unfinished write (a log or a journal that nobody has open) would be folded into the database
  or rolled back by the first who opens it. So the files are copied as they are, and the copy is opened.

Nothing here parses the schema, which may be younger than our library: pages are copied whatever they mean.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Optional, TypeVar

from ....database.sqlite.holders import holders
from ....errors import ActionFailed
from ....host import Host
from ....reading import regular, regular_itself
from ....sqlite_place import Location, connect, locate, require_same, require_still
from ...stage import CHUNK
from .examine import sqlite_uri

T = TypeVar("T")
BUSY, LOCKED = 5, 6  # SQLITE_BUSY and SQLITE_LOCKED (rescode.html); Python names them since 3.11
ASK_S = 1.0  # so long SQLite itself waits before it says that a database is locked
PAUSE_S = 0.05
_SIGNS = ("is locked", "is busy")


class Patience:
    """The declared wait for one copy. ``pulse`` is called meanwhile, and may end it."""

    def __init__(self, path: str, seconds: float, pulse: Callable[[], None]) -> None:
        self._path, self._seconds, self._pulse = path, seconds, pulse
        self._since = time.monotonic()

    def begin_anew(self) -> None:
        """Say that the copy got on."""
        self._since = time.monotonic()

    def wait(self) -> None:
        """Say that the database is locked. Raise ActionFailed where it has been for as long as is declared."""
        self._pulse()
        waited = time.monotonic() - self._since
        if waited >= self._seconds:
            raise ActionFailed(
                f"{self._path} has been locked by others for {waited:.0f} s, "
                f"longer than lock_wait_timeout ({self._seconds:.0f} s)"
            )

    def insist(self, action: Callable[[], T]) -> T:
        """Take an action, again and again while the database is locked. Raise as ``wait``."""
        while True:
            try:
                result = action()
            except sqlite3.OperationalError as error:
                if not any(sign in str(error) for sign in _SIGNS):
                    raise
                self.wait()
                time.sleep(PAUSE_S)
            else:
                self.begin_anew()
                return result


PAGES = 1000  # a step: 4 MB of the usual pages
PAUSE = 0.005  # seconds between two steps, in which a writer gets its turn
MAX_RESTARTS = 5
_FORMATS = 18  # offset of the two bytes that say how the file is written and read: 2 with a log, 1 without
WITH_LOG, WITHOUT_LOG = b"\x02\x02", b"\x01\x01"
_UNFINISHED = ("-wal", "-journal")
_IN_MEMORY = "-shm"  # the index of a log: whoever has the database open has made it


class _BeginsAgain(Exception):
    """Writers are so busy that a copy in steps does not come to its end."""


class _Progress:
    """Watches the steps of one copy: the wait for others, the pauses, and whether it began again."""

    def __init__(self, patience: Patience, pulse: Callable[[], None], pause: float) -> None:
        self._patience, self._pulse, self._pause = patience, pulse, pause
        self._remaining: Optional[int] = None
        self.restarts = 0

    def __call__(self, status: int, remaining: int, _total: int) -> None:
        if status in (BUSY, LOCKED):
            self._patience.wait()
            return
        # who begins again has as many pages before him as after his first step, more where the database grew
        if self._remaining is not None and remaining >= self._remaining:
            self.restarts += 1
        self._remaining = remaining
        self._patience.begin_anew()
        self._pulse()
        if self.restarts > MAX_RESTARTS:
            raise _BeginsAgain
        if self._pause and remaining:
            time.sleep(self._pause)


@contextmanager
def open_source(path: str) -> Iterator[sqlite3.Connection]:
    """Given a database's path without symlinks, yield a connection that reads it; it never makes a file of that name.

    Where a write-ahead log lies beside the database the connection is read-only, so that the log is not folded into it
    by us; without one it is not, because a read-only connection would leave a new log behind.
    """
    mode = "ro" if Path(f"{path}-wal").exists() else "rw"
    uri = sqlite_uri(path, mode=mode)
    with closing(connect(path, uri, timeout=ASK_S, isolation_level=None)) as connection:
        yield connection


def snapshot(path: str, target: Path, wait_s: float, pulse: Callable[[], None], host: Host) -> str:
    """Given a live database and a path for its copy, make the copy and return how: ``log``, ``steps``, ``held`` or, of
    what a crash left, ``left``.

    The copy needs no write-ahead log beside it. Raise ActionFailed where others have the database locked for longer
    than ``wait_s`` on end.
    """
    location = locate(path)  # a log lies beside the file itself, not beside a link to it
    with _readable(location, target, host) as (readable, left):
        how = _copy(readable, target, Patience(path, wait_s, pulse), pulse)
    require_still(location)
    set_formats(target, WITHOUT_LOG)
    target.chmod(0o600)
    return "left" if left else how


@contextmanager
def _readable(location: Location, target: Path, host: Host) -> Iterator[tuple[str, bool]]:
    """Yield the database to open, and whether it is a copy of the files that a crash left."""
    left = target.with_name(f"{target.name}.left")
    names = [f"{left}{end}" for end in ("", *_UNFINISHED, _IN_MEMORY)]
    try:
        yield (str(left), True) if _copied_as_left(location, left, host) else (location.path, False)
    finally:
        for name in names:
            Path(name).unlink(missing_ok=True)


def _copied_as_left(location: Location, left: Path, host: Host) -> bool:
    """Copy a database with its unfinished write if there is one and nobody has it open; return whether that was so.

    It was not where anything of it changed meanwhile, or anybody opened it.
    """
    real = location.path
    unfinished = [end for end in _UNFINISHED if _size(f"{real}{end}")]
    if not unfinished or not holders(real, host).proved_none:
        return False
    before = _traces(real)
    for end in ("", *unfinished):
        status = _copy_file(f"{real}{end}", f"{left}{end}")
        if not end:
            require_same(location, status)
    require_still(location)
    return before == _traces(real) and holders(real, host).proved_none


def _copy_file(path: str, target: str) -> os.stat_result:
    """Copy a regular file that is no link, and return what the system says of it. Raise OSError."""
    with open(path, "rb", opener=regular_itself) as found, open(target, "xb") as copy:
        shutil.copyfileobj(found, copy, CHUNK)
        return os.fstat(found.fileno())


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _traces(real: str) -> list[tuple[int, ...]]:
    """Return what changes where somebody opens a database or writes to it."""
    found: list[tuple[int, ...]] = []
    for end in ("", *_UNFINISHED, _IN_MEMORY):
        try:
            status = os.stat(f"{real}{end}")
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError:
            found.append(())
    return found


def _copy(path: str, target: Path, patience: Patience, pulse: Callable[[], None]) -> str:
    how = "log" if _has_log(path) else "steps"  # before SQLite opens it: closing a file gives up the locks on it
    with open_source(path) as source, closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous=OFF")  # the copy is packed and flushed later; this one is only a stage
        if how == "steps" and not _copied_in_steps(source, copy, patience, pulse):
            how = "held"
        if how != "steps":
            _copy_held(source, copy, patience, pulse)
    return how


def _has_log(path: str) -> bool:
    """Return whether a database is in WAL mode. Its header says so; the pragma would have the schema parsed."""
    with open(path, "rb", opener=regular) as stream:
        return stream.read(_FORMATS + 2)[_FORMATS:] == WITH_LOG


def _copied_in_steps(
    source: sqlite3.Connection, copy: sqlite3.Connection, patience: Patience, pulse: Callable[[], None]
) -> bool:
    try:
        source.backup(copy, pages=PAGES, progress=_Progress(patience, pulse, PAUSE))
    except _BeginsAgain:
        return False
    return True


def _copy_held(
    source: sqlite3.Connection, copy: sqlite3.Connection, patience: Patience, pulse: Callable[[], None]
) -> None:
    source.execute("BEGIN")
    # the transaction begins with its first read; this one asks the header, not the schema
    patience.insist(lambda: source.execute("PRAGMA schema_version").fetchone())
    source.backup(copy, pages=PAGES, progress=_Progress(patience, pulse, 0))
    source.execute("COMMIT")


def set_formats(target: Path, wanted: bytes) -> None:
    """Have a copy say that it needs a log, or none, as PRAGMA journal_mode would, which parses the schema."""
    with target.open("r+b") as stream:
        stream.seek(_FORMATS)
        if stream.read(2) in (WITH_LOG, WITHOUT_LOG):
            stream.seek(_FORMATS)
            stream.write(wanted)
