# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of things in a backup folder."""

from __future__ import annotations

import re

MANIFEST, VERIFIED, OWNER, LATEST = "manifest.json", "verified.json", "owner.json", "latest"
SIGNATURE = "manifest.hmac"
NEW, DELETING = ".new", ".deleting"  # what a folder is called before it grows, and while it is removed
OWN = frozenset([MANIFEST, VERIFIED, OWNER, SIGNATURE])  # files of a set beside its payloads
# What the application's own backup.sh, backup.ps1 and update manager leave in a folder of backups.
_FOREIGN = re.compile(r".+\.(?:tar\.gz|tgz|zip)|backup_[0-9][0-9_-]*")
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def is_set_id(name: str) -> bool:
    """Return whether a name is one that a set has."""
    return _ID.fullmatch(name) is not None


def is_foreign(name: str) -> bool:
    """Return whether a name is one that the application's own scripts give to what they archive."""
    return _FOREIGN.fullmatch(name) is not None
