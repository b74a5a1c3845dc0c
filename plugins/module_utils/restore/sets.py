# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sets that there are, by the store that they lie in: found, verified now, read, and a safety set made."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from ..backup.declared import Settings
from ..backup.model import L2, BackupSet, Catalog, Made, Report, SourceCopy
from ..backup.plan import SetPlan
from ..backup.sources.model import Bench, Reader
from ..backup.store.kinds import open_store
from ..host import Host
from .choose import Chosen
from .declared import Request

Heartbeat = Callable[[], None]


def scratch_of(request: Request) -> Path:
    """Return the folder for what has to be unpacked meanwhile."""
    return request.backup.scratch_dir or Path(tempfile.gettempdir())


def collect_catalog(request: Request, host: Host) -> Catalog:
    """Return the sets that there are. Raise CoreError where they cannot be looked at."""
    return open_store(request.backup, host).catalog()


def reader_of(request: Request, chosen: Chosen, host: Host, heartbeat: Heartbeat) -> Reader:
    """Return what reads what was chosen: of a set, each file of it proved by its checksum."""
    if chosen.reader is not None:
        return cast(Reader, chosen.reader)
    reader: Reader = open_store(request.backup, host).reader(chosen.found, scratch_of(request), heartbeat)
    return reader


def verify_now(request: Request, found: BackupSet, entries: Sequence[SourceCopy], host: Host) -> Report:
    """Look into the sources of a set that are restored, to L2."""
    manifest = found.manifest._replace(sources=tuple(entries))
    store = open_store(request.backup._replace(verify_level=L2, subset=None), host)
    return store.verify(found._replace(manifest=manifest), Bench(found.folder, scratch_of(request), host))


def make(settings: Settings, made: Made, host: Host, heartbeat: Heartbeat) -> None:
    """Make a set; ``made`` tells which. Raise CoreError."""
    store = open_store(settings, host)
    store.make(SetPlan(store.catalog()), made, heartbeat)
