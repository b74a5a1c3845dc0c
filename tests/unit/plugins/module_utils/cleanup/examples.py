# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules and names for the tables of the tests: each names only what differs from a plain one."""

from __future__ import annotations

from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import RULE, SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.model import (
    FILE,
    CleanupRule,
    FolderEntry,
    InUse,
    Scan,
)

DAY = 86400.0
NOW = 1_800_000_000.0
NOTHING_OPEN = InUse()


def defaults(spec: dict[str, Any]) -> dict[str, Any]:
    """Return what Ansible makes of no options at all."""
    return {name: option.get("default") for name, option in spec.items()}


def declared(**changes: Any) -> dict[str, Any]:
    """Return a rule as the inventory declares it: rotated logs after a week."""
    plain = {"name": "logs", "path": "/opt/cryptobot/logs", "patterns": ["*.log.*"], "age": "7d"}
    return {**defaults(RULE), **plain, **changes}


def parameters(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the options of the module."""
    return {**defaults(SPEC), "rules": list(rules), **changes}


def rule(**changes: Any) -> CleanupRule:
    """Return a validated rule."""
    return CleanupRule(**{"name": "logs", "path": "/opt/logs", "patterns": ("*.log",), "age": 7 * DAY, **changes})


_inodes = iter(range(1000, 10**9))


def entry(name: str, days: float = 10.0, **changes: Any) -> FolderEntry:
    """Return a regular file of 1000 bytes that is so many days old; ``name`` may have slashes."""
    at = NOW - days * DAY
    plain: dict[str, Any] = {
        "parts": tuple(name.split("/")),
        "kind": FILE,
        "identity": (1, next(_inodes)),
        "links": 1,
        "uid": 0,
        "size": 1000,
        "allocated": 4096,
        "mtime": at,
        "ctime": at,
        "atime": at,
    }
    return FolderEntry(**{**plain, **changes})


def scanned(*entries: FolderEntry, of: CleanupRule | None = None, **changes: Any) -> Scan:
    """Return what a look at a rule's folder gave."""
    return Scan(of or rule(), entries, **changes)
