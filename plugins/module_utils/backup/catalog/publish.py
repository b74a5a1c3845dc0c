# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing the backup folder: begin a set, publish it, record a verification, remove a set, sweep what was left."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ...host import Host
from ...publish import PARTIAL, fsync_path, patiently, publish_file, publish_folder
from ..windows.protect import protect
from .latest import lead_to
from .names import DELETING, MANIFEST, OWNER, VERIFIED
from .parse import verification_document
from .records import Verification

# What closes new folders to others where their mode does not.
PROTECTORS: dict[str, Callable[[Sequence[Path], Host], None]] = {"windows": protect}


def new_id(now: float) -> str:
    """Given the time, return an id for a set: it sorts by time, and two of the same second differ."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-{secrets.token_hex(3)}"


def partial_of(folder: Path, set_id: str) -> Path:
    """Return the folder in which a set grows. Readers do not take it for a set."""
    return folder / f"{set_id}{PARTIAL}"


def begin(partial: Path, host: Host) -> None:
    """Make the folder in which a set grows, for its owner only, and name this process as its owner."""
    new = [path for path in (partial.parent, partial) if not path.exists()]
    partial.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial.mkdir(mode=0o700)
    if host.platform in PROTECTORS:
        PROTECTORS[host.platform](new, host)
    owner = {
        "host": host.name(),
        "pid": os.getpid(),
        "began": host.process_began(os.getpid()),
        "boot_id": host.boot_id(),
    }
    (partial / OWNER).write_text(json.dumps(owner), encoding="utf-8")


def write_manifest(folder: Path, content: bytes) -> None:
    """Put a set's manifest into its folder."""
    publish_file(folder / MANIFEST, content)


def record_verification(folder: Path, set_id: str, verification: Verification) -> None:
    """Put the evidence of a verification beside the manifest."""
    publish_file(folder / VERIFIED, verification_document(set_id, verification))


def publish(partial: Path, set_id: str, host: Host, *, latest: bool) -> Path:
    """Give a finished set its name and return its folder; ``latest`` then leads to it."""
    (partial / OWNER).unlink()
    final = partial.with_name(set_id)
    publish_folder(partial, final)
    if latest:
        lead_to(final, host)
    return final


def remove(folder: Path, set_id: str) -> None:
    """Remove a set: first its name, so that from the first moment on nobody takes what is left for a set."""
    doomed = folder / f"{set_id}{DELETING}"
    patiently(lambda: os.rename(folder / set_id, doomed))
    fsync_path(folder)
    shutil.rmtree(doomed)


def sweep(folder: Path, name: str) -> None:
    """Remove a leftover."""
    shutil.rmtree(folder / name)
