# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names of things in a backup folder."""

from __future__ import annotations

import re

MANIFEST, VERIFIED, OWNER, LATEST, DELETING = "manifest.json", "verified.json", "owner.json", "latest", ".deleting"
_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")


def is_set_id(name: str) -> bool:
    """Return whether a name is one that a set has."""
    return _ID.fullmatch(name) is not None
