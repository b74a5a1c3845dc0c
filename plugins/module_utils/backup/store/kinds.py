# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of stores, and how the archive store does what each can do."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ...host import Host
from ..declared import Settings
from ..make import make_set
from ..model import BackupSet, Catalog
from ..streams import Codec, choose_codec
from ..verification import verify
from .collect import read_catalog
from .owner import leftover
from .publish import record_verification, remove, sweep
from .store import Heartbeat, Store


def _nothing(_catalog: Catalog) -> None:
    pass


def _archive_reader(found: BackupSet, host: Host, heartbeat: Heartbeat) -> Any:
    from .reader import ArchiveReader

    return ArchiveReader(found.manifest, found.folder, host, heartbeat)


def _archive(settings: Settings, host: Host) -> Store:
    folder = settings.dir

    def codec() -> Codec:
        return choose_codec(settings.compression, settings.compression_level, settings.threads, host)

    return Store(
        where=str(folder),
        ready=codec,
        catalog=lambda: read_catalog(folder, host, settings.sign_key, settings.others),
        make=lambda plan, made, heartbeat: make_set(settings, plan, codec(), host, made, heartbeat),
        verify=lambda found, bench: verify(found.manifest, bench, settings.verify_level, settings.subset),
        record=lambda found, verification: record_verification(found.folder, found.id, verification),
        left=lambda name: leftover(folder / name, host) if os.path.lexists(folder / name) else None,
        remove=lambda set_id: remove(folder, set_id),
        sweep=lambda name: sweep(folder, name),
        settle=str,
        adopt=_nothing,
        reader=lambda found, _scratch, heartbeat: _archive_reader(found, host, heartbeat),
    )


# Imported where it is chosen only: the core travels as source, and compiling what is not used would cost each run.
def _restic(settings: Settings, host: Host) -> Store:
    from . import restic_store

    return restic_store.open_store(settings, host)


STORES: dict[str, Callable[[Settings, Host], Store]] = {"archive": _archive, "restic": _restic}


def open_store(settings: Settings, host: Host) -> Store:
    """Given the options, return the store that they name."""
    return STORES["restic" if settings.repository else "archive"](settings, host)
