# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Physical backups and the way back to a moment: whether they would do, looked at without changing anything."""

from __future__ import annotations

from typing import Any

from ..options import common_options, option
from ..registry import declare

# Where each comes from stands with the rule that uses it.
THRESHOLDS: dict[str, Any] = {
    "full_age_warning": option("str", "Age of the newest full backup.", default="8d"),
    "full_age_critical": option("str", "The same, above which it is critical.", default="15d"),
    "backup_age_warning": option("str", "Age of the newest backup of any kind.", default="26h"),
    "backup_age_critical": option("str", "The same, above which it is critical.", default="3d"),
    "rpo_warning": option(
        "str", "Time whose changes would be lost if the host were lost at this moment.", default="10m"
    ),
    "rpo_critical": option("str", "The same, above which it is critical.", default="1h"),
    "ready_warning": option("int", "Segments of WAL that wait to be archived.", default=8),
    "ready_critical": option("int", "The same, above which it is critical.", default=64),
    "ready_age_warning": option("str", "How long the oldest of them has waited.", default="5m"),
    "ready_age_critical": option("str", "The same, above which it is critical.", default="30m"),
    "room_warning": option(
        "float", "Percentage of the file system that must be free, of C(pg_wal) and of the repository.", default=20.0
    ),
    "room_critical": option("float", "The same, below which it is critical.", default=10.0),
}

LOGIN: dict[str, Any] = {
    "login_host": option(
        "str",
        "Name or address of the server. Without it and C(login_unix_socket) the default socket is used.",
    ),
    "login_unix_socket": option("path", "Folder of the server's socket."),
    "login_port": option("int", "Port of the server.", default=5432),
    "login_user": option("str", "Role to log in as. Without it, the name of the account that connects."),
    "login_password": option("str", "Password of the role.", no_log=True),
    "login_db": option("str", "Database to connect to.", default="postgres"),
    "system_user": option(
        "str",
        "Account that the server runs as. All tools run as it where the module runs as root (C(become)).",
        default="postgres",
    ),
    "bin_dir": option(
        "path",
        "Folder of the server's own programs. Without it that of Debian for the server's version, else C(PATH).",
    ),
}

CLUSTER: dict[str, Any] = {
    "name": option("str", "The name by which findings speak of the cluster.", required=True),
    "engine": option(
        "str",
        [
            "What takes the physical backups and keeps the WAL.",
            (
                "V(pgbackrest) is pgBackRest. V(basebackup) is a folder of WAL (C(archive_dir)) that an "
                "C(archive_command) copies to, and a folder of sets of C(pg_basebackup) (C(base_dir))."
            ),
        ],
        choices=["pgbackrest", "basebackup"],
        default="pgbackrest",
    ),
    "stanza": option("str", "Name of pgBackRest's stanza. The name of the cluster by default."),
    "config": option("path", "Configuration file of pgBackRest.", default="/etc/pgbackrest.conf"),
    "archive_dir": option("path", "Folder of the archived WAL, where C(engine=basebackup)."),
    "base_dir": option("path", "Folder of the sets of C(pg_basebackup), where C(engine=basebackup)."),
    "service": option("str", "Unit of systemd that runs the server (V(postgresql@15-main))."),
    **LOGIN,
}
NEEDS = [("engine", "basebackup", ("archive_dir", "base_dir"))]

SPEC: dict[str, Any] = {
    "clusters": option(
        "list of dict",
        "The clusters whose physical backups are looked at, in the shape of the inventory's C(cryptobot_pitr).",
        default=[],
        options=CLUSTER,
        required_if=NEEDS,
        mutually_exclusive=[("login_host", "login_unix_socket")],
        variable="cryptobot_pitr",
    ),
    "thresholds": option(
        "dict",
        "From where on a number is bad. What is left out keeps its default.",
        default={},
        apply_defaults=True,
        options=THRESHOLDS,
        variable="cryptobot_pitr_thresholds",
    ),
    "verify": option(
        "bool",
        "Have C(pg_verifybackup) read the newest set whole, where C(engine=basebackup).",
        default=False,
    ),
    **common_options(120),
}

AREA = declare(__name__, module="pitr_check", spec=SPEC, procedures=("D1.4", "DB2.1", "DB3.2"))
