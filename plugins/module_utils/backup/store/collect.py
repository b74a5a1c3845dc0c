# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the backup folder. A set is a folder of the right name whose manifest holds; everything else is none.

What of a set is there at this moment (L0) costs one lstat(2) a file, so it is looked at whenever the folder is read:
what was verified yesterday may be gone today. No link is followed, neither in the place of a file nor of the folder of
a source.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Optional, Union

from ...errors import CoreError, ParseError, SourceDenied, SourceMissing
from ...host import Host
from ...publish import PARTIAL
from ...trusted import NOBODY_ELSE, Others, fault_of, faults
from ...writers import is_private
from ..manifest import parse_manifest, parse_verification
from ..model import FORGED, SIGNED, UNASKED, UNSIGNED, BackupSet, Broken, Catalog, Lack, Manifest, Verification
from ..names import MANIFEST, OWN, SIGNATURE, VERIFIED, is_foreign, is_set_id
from .chain import with_chains
from .latest import read_latest
from .owner import is_unfinished, leftover
from .signature import holds


def lacks(folder: Path, manifest: Manifest) -> tuple[Lack, ...]:
    """Given a set's folder and manifest, return what is not there as the manifest says, nor in the sets it needs."""
    found = [
        Lack(entry.name, f"{piece.set_id}/{piece.payload.name}", reason)
        for entry in manifest.sources
        for piece in entry.chain
        if (reason := _differs(folder.parent / piece.set_id / piece.payload.name, piece.payload.size))
    ]
    for entry in manifest.sources:
        place = _no_folder(folder / entry.name)
        for payload in entry.payloads:
            reason = place or _differs(folder / payload.name, payload.size)
            found += [Lack(entry.name, payload.name, reason)] if reason else []
    return tuple(found)


def _no_folder(path: Path) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return ""  # each of its files says so itself
    return "" if stat.S_ISDIR(status.st_mode) else f"cannot be there: {path.name} is no folder but a link or a file"


def _differs(path: Path, expected: int) -> str:
    try:
        status = os.lstat(path)
    except OSError as error:
        return f"is not there: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file"
    return "" if status.st_size == expected else f"has {status.st_size} bytes, the manifest says {expected}"


def strangers(folder: Path, manifest: Manifest, known: frozenset[str]) -> tuple[str, ...]:
    """Given a set's folder, its manifest and the names of a set's own files, return what else is in there."""
    listed = {payload.name for entry in manifest.sources for payload in entry.payloads}
    sources = {entry.name for entry in manifest.sources}
    return tuple(sorted(_unlisted(folder, listed, sources, known)))


def _unlisted(folder: Path, listed: set[str], sources: set[str], known: frozenset[str]) -> Iterator[str]:
    for name in os.listdir(folder):
        if name not in sources:
            yield from () if name in known or name.endswith(PARTIAL) else (name,)
        elif not (folder / name).is_symlink() and (folder / name).is_dir():
            inner = {f"{name}/{one}" for one in os.listdir(folder / name)}
            yield from inner - listed


MAX_MANIFEST = 256 << 20


def read_catalog(folder: Path, host: Host, key: bytes = b"", others: Others = NOBODY_ELSE) -> Catalog:
    """Given the backup folder, return what it holds; a folder that is not there holds nothing. With a key the
    signatures of the sets are looked at. ``others`` are trusted to own it, or to write there.

    Raise SourceDenied where it may not be looked into.
    """
    try:
        names = sorted(host.entries(str(folder)))
    except SourceMissing:
        return Catalog(folder, exists=False, free=free_bytes(folder), faults=faults(str(folder), others))
    found = [
        _read_set(folder / name, host, key, others) for name in names if is_set_id(name)
    ]  # None: it was removed meanwhile
    sets = with_chains(item for item in found if isinstance(item, BackupSet))
    return Catalog(
        folder,
        exists=True,
        sets=tuple(sorted(sets, key=lambda item: (item.created, item.id))),
        broken=tuple(item for item in found if isinstance(item, Broken)),
        leftovers=tuple(leftover(folder / name, host) for name in names if is_unfinished(name, is_set_id)),
        free=free_bytes(folder),
        mode=_mode(os.stat(folder), others),
        latest=read_latest(folder),
        now=host.now(),
        foreign=tuple(name for name in names if is_foreign(name)),
        faults=faults(str(folder), others),
    )


def free_bytes(folder: Path) -> int:
    """Given a folder that may not exist yet, return the bytes that may be written there."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def _read_set(folder: Path, host: Host, key: bytes, trusted: Others) -> Union[BackupSet, Broken, None]:
    source = folder / MANIFEST
    try:
        _require_own_files(folder)
        content = host.read_bytes(str(source), MAX_MANIFEST)
        manifest = parse_manifest(content, str(source), folder.name)
        evidence = _read_verification(folder / VERIFIED, manifest, host)
        lacking, others = lacks(folder, manifest), strangers(folder, manifest, OWN)
        signature = _signature(folder / SIGNATURE, content, key, host) if key else UNASKED
        mode = stat.S_IMODE(os.lstat(folder).st_mode)
        theirs = _others(folder, trusted)
    except CoreError as error:
        return Broken(folder.name, str(error)) if os.path.lexists(folder) else None
    except FileNotFoundError:
        return None
    return BackupSet(manifest, folder, evidence, mode, lacking, others, signature, theirs)


def _require_own_files(folder: Path) -> None:
    """Raise SourceDenied where a set's folder, or a file in which it speaks of itself, is something else: what a link
    leads to may be another thing at each look. Raise FileNotFoundError where the folder is gone.
    """
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise SourceDenied(str(folder), "it is no folder but a link or a file")
    for path in (folder / name for name in (MANIFEST, VERIFIED, SIGNATURE)):
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise SourceDenied(str(path), "it is no regular file")


def _mode(status: os.stat_result, others: Others) -> int:
    """Return the mode of the backup folder, without what it lets a group do that is trusted, or its owner's own."""
    nobody_else = status.st_gid in others.groups or is_private(status.st_gid, status.st_uid)
    return stat.S_IMODE(status.st_mode) & ~(stat.S_IRWXG if nobody_else else 0)


def _others(folder: Path, trusted: Others) -> str:
    """Return which other account could have made a set, or changed what it says of itself; empty where none could."""
    places = (folder, folder / MANIFEST, folder / VERIFIED)
    there = [str(path) for path in places if os.path.lexists(path)]
    return next((fault for fault in (fault_of(path, trusted) for path in there) if fault), "")


def _signature(path: Path, content: bytes, key: bytes, host: Host) -> str:
    try:
        found = host.read_bytes(str(path), 1024)
    except SourceMissing:
        return UNSIGNED
    return SIGNED if holds(content, found, key) else FORGED


def _read_verification(source: Path, manifest: Manifest, host: Host) -> Optional[Verification]:
    try:
        return parse_verification(host.read_bytes(str(source)), str(source), manifest)
    except (SourceMissing, SourceDenied, ParseError):  # without readable evidence the set counts as not verified
        return None
