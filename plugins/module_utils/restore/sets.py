# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sets that there are, by the store that they lie in: found, verified now, read, and a safety set made."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..backup.declared import Settings
from ..backup.make import make_set
from ..backup.model import L2, BackupSet, Catalog, Made, Report, SourceCopy
from ..backup.plan import SetPlan
from ..backup.sources.model import Bench, Reader
from ..backup.store.collect import read_catalog
from ..backup.store.reader import ArchiveReader
from ..backup.streams import choose_codec
from ..backup.verification import verify
from ..host import Host
from .declared import Request

Heartbeat = Callable[[], None]


def scratch_of(request: Request) -> Path:
    """Return the folder for what has to be unpacked meanwhile."""
    return request.backup.scratch_dir or Path(tempfile.gettempdir())


def collect_catalog(request: Request, host: Host) -> Catalog:
    """Return the sets that there are. Raise CoreError where they cannot be looked at."""
    return read_catalog(request.backup.dir, host, request.backup.sign_key, request.backup.others)


def reader_of(request: Request, found: BackupSet, host: Host, heartbeat: Callable[[], object]) -> Reader:
    """Return what reads a set, each file of it proved by its checksum."""
    return ArchiveReader(found.manifest, found.folder, host, heartbeat)


def verify_now(request: Request, found: BackupSet, entries: Sequence[SourceCopy], host: Host) -> Report:
    """Look into the sources of a set that are restored, to L2."""
    manifest = found.manifest._replace(sources=tuple(entries))
    return verify(manifest, Bench(found.folder, scratch_of(request), host), L2)


def make(settings: Settings, made: Made, host: Host, heartbeat: Heartbeat) -> None:
    """Make a set; ``made`` tells which. Raise CoreError."""
    codec = choose_codec(settings.compression, settings.compression_level, settings.threads, host)
    catalog = read_catalog(settings.dir, host, settings.sign_key, settings.others)
    make_set(settings, SetPlan(catalog), codec, host, made, heartbeat)
