# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the backup folder. A set is a folder of the right name whose manifest holds; everything else is none."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Optional, Union

from ...errors import CoreError, ParseError, SourceDenied, SourceMissing
from ...host import Host
from ...publish import PARTIAL
from .latest import read_latest
from .names import DELETING, MANIFEST, OWNER, VERIFIED, is_set_id
from .parse import parse_manifest, parse_verification
from .records import BackupSet, Broken, Catalog, Leftover, Manifest, Verification

MAX_MANIFEST = 256 << 20


def read_catalog(folder: Path, host: Host) -> Catalog:
    """Given the backup folder, return what it holds; a folder that is not there holds nothing.

    Raise SourceDenied where it may not be looked into.
    """
    try:
        names = sorted(host.entries(str(folder)))
    except SourceMissing:
        return Catalog(folder, exists=False, free=free_bytes(folder))
    found = [_read_set(folder / name, host) for name in names if is_set_id(name)]
    sets = [item for item in found if isinstance(item, BackupSet)]
    return Catalog(
        folder,
        exists=True,
        sets=tuple(sorted(sets, key=lambda item: (item.created, item.id))),
        broken=tuple(item for item in found if isinstance(item, Broken)),
        leftovers=tuple(_leftovers(folder, names, host)),
        free=free_bytes(folder),
        mode=stat.S_IMODE(os.stat(folder).st_mode),
        latest=read_latest(folder),
    )


def free_bytes(folder: Path) -> int:
    """Given a folder that may not exist yet, return the bytes that may be written there."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def _read_set(folder: Path, host: Host) -> Union[BackupSet, Broken]:
    source = folder / MANIFEST
    try:
        manifest = parse_manifest(host.read_bytes(str(source), MAX_MANIFEST), str(source), folder.name)
    except CoreError as error:
        return Broken(folder.name, str(error))
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    return BackupSet(manifest, folder, _read_verification(folder / VERIFIED, manifest, host), mode)


def _read_verification(source: Path, manifest: Manifest, host: Host) -> Optional[Verification]:
    try:
        return parse_verification(host.read_bytes(str(source)), str(source), manifest)
    except (SourceMissing, SourceDenied, ParseError):  # without readable evidence the set counts as not verified
        return None


def _leftovers(folder: Path, names: Sequence[str], host: Host) -> list[Leftover]:
    found = []
    for name in names:
        if name.endswith(PARTIAL) and is_set_id(name[: -len(PARTIAL)]):
            found.append(_partial(folder / name, host))
        elif name.endswith(DELETING) and is_set_id(name[: -len(DELETING)]):
            found.append(Leftover(name, "deleting", alive=False))
    return found


def _partial(folder: Path, host: Host) -> Leftover:
    """Return a set in the making with its owner: without a readable one it died before it had said who it was."""
    try:
        owner = json.loads(host.read(str(folder / OWNER)))
        same_host = owner["host"] == host.name()
        gone = same_host and (
            owner["boot_id"] != host.boot_id() or host.process_began(int(owner["pid"])) != owner["began"]
        )
        # what another host is making in a shared folder is that host's to sweep
        return Leftover(folder.name, "partial", not gone, f"pid {owner['pid']} on {owner['host']}")
    except (CoreError, KeyError, TypeError, ValueError):
        return Leftover(folder.name, "partial", alive=False)
