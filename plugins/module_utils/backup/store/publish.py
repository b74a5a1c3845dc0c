# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing the backup folder: begin a set, publish it, record a verification, remove a set, sweep what was left."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ...errors import ActionFailed
from ...host import Host
from ...publish import PARTIAL, fsync_path, patiently, publish_file, publish_folder
from ...trusted import NOBODY_ELSE, Others
from ..access import require_own_way
from ..manifest import verification_document
from ..model import Manifest, Verification
from ..names import DELETING, MANIFEST, OWNER, SIGNATURE, VERIFIED
from .collect import lacks
from .latest import lead_to
from .owner import new_name, owner_document
from .signature import sign

REMOVALS = 20  # attempts at a folder in which somebody else removes things as well


# Imported on its platform only: the core travels as source, and compiling what is not used would cost each run.
def _protect_windows(folders: Sequence[Path], host: Host) -> None:
    from .. import windows

    windows.protect_folders(folders, host)


# What closes new folders to others where their mode does not.
PROTECTORS: dict[str, Callable[[Sequence[Path], Host], None]] = {"windows": _protect_windows}


def new_id(now: float) -> str:
    """Given the time, return an id for a set: it sorts by time, and two of the same second differ."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-{secrets.token_hex(3)}"


def partial_of(folder: Path, set_id: str) -> Path:
    """Return the folder in which a set grows. Readers do not take it for a set."""
    return folder / f"{set_id}{PARTIAL}"


def begin(partial: Path, host: Host, others: Others = NOBODY_ELSE) -> None:
    """Make the folder in which a set grows, for its owner only, with this process named as its owner from the first
    moment on. Raise OSError where that name is taken, ActionFailed where another account than those that are trusted
    can lead us elsewhere; then nothing is left.
    """
    new = partial.with_name(new_name(partial.stem, host))
    missing = [path for path in (partial.parent, new) if not path.exists()]
    _make_folder(partial.parent)
    require_own_way(partial.parent, others)  # in a folder that is open to all, another may have been faster
    new.mkdir(mode=0o700)
    try:
        if host.platform in PROTECTORS:
            PROTECTORS[host.platform](missing, host)
        publish_file(new / OWNER, owner_document(host))
        patiently(lambda: os.rename(new, partial))
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _make_folder(folder: Path) -> None:
    """Make the backup folder where it is missing, for its owner only. Those above it let others pass, and none write
    whatever the umask is: the next run would refuse its own work.
    """
    for above in [path for path in reversed(folder.parents) if not path.exists()]:
        above.mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def write_manifest(folder: Path, content: bytes, key: bytes = b"") -> None:
    """Put a set's manifest into its folder, and its signature where there is a key."""
    publish_file(folder / MANIFEST, content)
    if key:
        publish_file(folder / SIGNATURE, sign(content, key))


def record_verification(folder: Path, set_id: str, verification: Verification) -> None:
    """Put the evidence of a verification beside the manifest."""
    publish_file(folder / VERIFIED, verification_document(set_id, verification))


def publish(partial: Path, manifest: Manifest, host: Host, *, latest: bool) -> Path:
    """Give a finished set its name and return its folder; ``latest`` then leads to it.

    Raise ActionFailed where not all of it is there, right before or right after; then it has no such name.
    """
    final = partial.with_name(manifest.id)
    _require_whole(partial, manifest)
    publish_folder(partial, final)
    try:
        _require_whole(final, manifest)
    except ActionFailed:
        patiently(lambda: os.rename(final, partial))
        raise
    (final / OWNER).unlink(missing_ok=True)  # only now: until it has its name somebody might take it for a leftover
    if latest:
        lead_to(final, host)
    return final


def _require_whole(folder: Path, manifest: Manifest) -> None:
    lacking = lacks(folder, manifest)
    if lacking:
        raise ActionFailed(f"no set was made, somebody else took something of it away: {lacking[0].message}")


def remove(folder: Path, set_id: str) -> None:
    """Remove a set: first its name, so that from the first moment on nobody takes what is left for a set.

    Raise FileNotFoundError where somebody else has removed it.
    """
    doomed = folder / f"{set_id}{DELETING}"
    patiently(lambda: os.rename(folder / set_id, doomed))
    fsync_path(folder)
    _remove_tree(doomed)


def sweep(folder: Path, name: str) -> None:
    """Remove a leftover: first its name, so that its maker, were it alive after all, cannot publish what is left."""
    path, doomed = folder / name, folder / f"{name.partition('.')[0]}{DELETING}"
    if path != doomed:
        patiently(lambda: os.rename(path, doomed))
    _remove_tree(doomed)


def _remove_tree(folder: Path) -> None:
    """Remove a folder that another host may be removing, too."""
    for _attempt in range(REMOVALS):
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:
            if not os.path.lexists(folder):
                return
        else:
            return
    shutil.rmtree(folder)
