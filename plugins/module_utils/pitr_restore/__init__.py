# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A PostgreSQL cluster as it was at a moment: restored beside the live one, looked at, and put in its place if told."""

from __future__ import annotations

from typing import Any

from ..options import common_options, option
from ..pitr import CLUSTER, NEEDS
from ..registry import declare

PRESENT, ABSENT = "present", "absent"
TARGETS = ("time", "xid", "name", "immediate", "latest")

SPEC: dict[str, Any] = {
    "cluster": option(
        "dict",
        "The cluster, an entry of the inventory's C(cryptobot_pitr).",
        required=True,
        options=CLUSTER,
        required_if=NEEDS,
        mutually_exclusive=[("login_host", "login_unix_socket")],
    ),
    "dir": option(
        "path",
        [
            (
                "Folder that the copy is made in. It must not be there yet, or be empty. The data folder is C(data) in "
                "it, socket and log are in C(run)."
            ),
            "Only what this module has made there is ever removed again.",
        ],
        required=True,
    ),
    "state": option(
        "str",
        [
            "V(present) restores, promotes and leaves the copy running for whoever wants to look at it.",
            "V(absent) stops the copy and removes it.",
        ],
        choices=[PRESENT, ABSENT],
        default=PRESENT,
    ),
    "target": option(
        "str",
        [
            (
                "What replay stops at. V(time) is the last commit not after O(value), V(xid) the commit of a "
                "transaction, V(name) a restore point that C(pg_create_restore_point) made."
            ),
            "V(immediate) stops as soon as the backup is consistent; V(latest) replays all that was archived.",
        ],
        choices=list(TARGETS),
        default="time",
    ),
    "value": option(
        "str",
        "The time in UTC with its zone (V(2026-11-29 20:33:19.5+00)), the number of the transaction, or the name.",
        default="",
        example="2026-11-29 20:33:19+00",
    ),
    "exclusive": option(
        "bool", "Stop before O(value) and not behind it, where it is a time or a transaction.", default=False
    ),
    "timeline": option(
        "int",
        "Timeline to follow. That of the live server by default, or the newest where it does not answer.",
        default=0,
    ),
    "set": option(
        "str",
        [
            "Label of the backup to begin with.",
            (
                "By default the newest that ended before the time; for a transaction or a name the oldest, which is "
                "always before it and takes the longest to replay; else the newest."
            ),
        ],
        default="",
    ),
    "port": option("int", "Port of the copy's socket; V(0) takes a free one. It listens to no network.", default=0),
    "dump_database": option("str", "Database of the copy to write to O(dump_file) by C(pg_dump -Fc).", default=""),
    "dump_file": option("path", "File for it. It must not be there, and its folder must be writable by the account."),
    "swap": option(
        "bool",
        [
            (
                "Put the copy in the place of the live cluster, which is stopped and kept beside it under another "
                "name. Its O(cluster.service) is stopped and started, or C(pg_ctl) does it where there is none."
            ),
            "Nothing is removed; where the restored cluster does not start, the old one is put back and started.",
        ],
        default=False,
    ),
    "live_dir": option("path", "Data folder of the live cluster, for O(swap), where its server does not answer."),
    **common_options(3600),
}

AREA = declare(__name__, module="pitr_restore", spec=SPEC, procedures=(), plan_only=True, acts=True)
