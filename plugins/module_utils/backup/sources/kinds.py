# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of sources, and what each can do. A new kind is one folder and one line here."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ...errors import ActionFailed, CoreError, SourceDenied, SourceMissing
from ...host import Host
from ...printable import printable
from ..declared import Settings, Source
from ..errors import NoSpace
from ..model import SourceCopy
from ..streams import is_full
from .files.back_up import back_up as back_up_files
from .files.back_up import measure as measure_files
from .files.restore import restore as restore_files
from .files.verify import verify as verify_files
from .model import Bench, Measured, Reader, Restored, Workshop
from .postgresql.back_up import back_up as back_up_postgresql
from .postgresql.back_up import measure as measure_postgresql
from .postgresql.dump import verify as verify_postgresql
from .postgresql.restore import restore as restore_postgresql
from .redis.back_up import back_up as back_up_redis
from .redis.back_up import measure as measure_redis
from .redis.restore import restore as restore_redis
from .redis.verify import verify as verify_redis
from .sqlite.back_up import back_up as back_up_sqlite
from .sqlite.back_up import measure as measure_sqlite
from .sqlite.restore import restore as restore_sqlite
from .sqlite.verify import verify as verify_sqlite
from .system.back_up import back_up as back_up_system
from .system.back_up import measure as measure_system
from .system.back_up import verify as verify_system
from .system.restore import restore as restore_system


class Kind(NamedTuple):
    """What one kind of source can do. ``copies`` says that taking it needs room for an unpacked copy.

    ``restore`` writes into an empty folder of ours (0700), or into new databases, never to the live place.
    """

    measure: Callable[[Source, frozenset[str], Host], int]
    back_up: Callable[[Source, Workshop], SourceCopy]
    verify: Callable[[SourceCopy, Bench], list[str]]
    restore: Callable[[SourceCopy, Reader, Path, Bench], Restored]
    copies: bool = False


KINDS: dict[str, Kind] = {
    "files": Kind(measure_files, back_up_files, verify_files, restore_files),
    "sqlite": Kind(measure_sqlite, back_up_sqlite, verify_sqlite, restore_sqlite, copies=True),
    "postgresql": Kind(measure_postgresql, back_up_postgresql, verify_postgresql, restore_postgresql),
    "redis": Kind(measure_redis, back_up_redis, verify_redis, restore_redis),
    "system": Kind(measure_system, back_up_system, verify_system, restore_system),
}


def restore(entry: SourceCopy, reader: Reader, into: Path, bench: Bench) -> Restored:
    """Write what a source holds beside: into an empty folder of ours. Raise CoreError where that fails."""
    with _naming_trouble(entry.name):
        return KINDS[entry.type].restore(entry, reader, into, bench)


def measure(source: Source, protected: frozenset[str], host: Host) -> int:
    """Return how many bytes a source holds now. Raise CoreError where that cannot be told."""
    with _naming_trouble(source.name):
        return KINDS[source.type].measure(source, protected, host)


def measure_sources(settings: Settings, host: Host) -> Measured:
    """Return what the declared sources hold now."""
    sizes: dict[str, int] = {}
    trouble: dict[str, str] = {}
    for source in settings.sources:
        try:
            sizes[source.name] = measure(source, settings.protected, host)
        except CoreError as error:
            trouble[source.name] = str(error)
    copied = [sizes.get(source.name, 0) for source in settings.sources if KINDS[source.type].copies]
    return Measured(sizes, trouble, max(copied, default=0))


def back_up(source: Source, workshop: Workshop) -> SourceCopy:
    """Take a source whole into a set in the making. Raise CoreError where that fails, NoSpace on a full disk."""
    with _naming_trouble(source.name):
        return KINDS[source.type].back_up(source, workshop)


@contextmanager
def _naming_trouble(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise NoSpace(f"the disk was full while the source {name} was taken: {error}") from error
        if isinstance(error, FileNotFoundError):
            raise SourceMissing(printable(str(error.filename))) from error
        raise SourceDenied(printable(str(error.filename or name)), error.strerror or str(error)) from error
    except sqlite3.Error as error:
        if "disk is full" in str(error):
            raise NoSpace(f"the disk was full while the database {name} was copied: {error}") from error
        raise ActionFailed(f"SQLite says of the source {name}: {error}") from error
