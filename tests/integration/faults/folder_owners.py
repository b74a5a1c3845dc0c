# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests share whose backup folder is another account's: the account, its links, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from plugins.module_utils.backup.examples import act, database, files, found, sqlite
from plugins.module_utils.database.options import options
from plugins.module_utils.database.options import sqlite as entry

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.backup_gate import ask_gate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.declared import parse_settings
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

NOBODY = 65534


def backed_up(place: Path, **more: Any) -> Result:
    return act(place, **{"sources": [files("config", place / "config")], "compression": "none", **more})


def his(path: Path) -> Path:
    path.mkdir(mode=0o700)
    os.chown(path, NOBODY, NOBODY)
    return path


def link_of(uid: int, path: Path, target: Path) -> None:
    path.symlink_to(target)
    os.lchown(path, uid, uid)


def said(result: Result) -> list[tuple[str, str, str]]:
    told = [one for one in found(result, "backup.permissions") if one.status != "ok"]
    return [(one.status, one.subject, one.message) for one in told]


def asked(place: Path, *trusted: str) -> tuple[bool, str]:
    """Return what the gate of db_vacuum says of a database that is in the sets of ``backups``."""
    gate = {"dir": str(place / "backups"), "trusted_accounts": list(trusted)}
    declared = options([entry(path=str(place / "v.db"))], require_backup=gate)
    settings = parse_settings(declared)
    gate = ask_gate(settings.backup, settings.databases[0], [str(place / "v.db")], choose_host(60.0))
    return gate.open, gate.reason


def of_the_database(place: Path) -> Path:
    """Make a set of ``v.db``, and return its folder."""
    database(place / "v.db")
    made = backed_up(place, sources=[sqlite("v", place / "v.db")]).data["set"]["id"]
    assert asked(place)[0]
    return place / "backups" / str(made)
