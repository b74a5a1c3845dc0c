# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places elsewhere that copies of backups lie in: the options by which an area gets them."""

from __future__ import annotations

from typing import Any

from .options import option

RETENTION: dict[str, Any] = {
    "daily": option("int", "Days to keep a set of.", default=0),
    "weekly": option("int", "Weeks to keep a set of.", default=0),
    "monthly": option("int", "Months to keep a set of.", default=0),
    "yearly": option("int", "Years to keep a set of.", default=0),
    "min_keep": option("int", "Good sets that always stay, however old they are. At least 1.", default=3),
}

_COPY: dict[str, Any] = {
    "name": option("str", "Name of the copy in findings, actions and metrics.", required=True),
    "type": option(
        "str",
        (
            "How the place is reached. V(folder) is a folder that is mounted on the host, V(sftp) one on a server, by "
            "the system's C(ssh) with a key and in batch mode, V(rclone) whatever that program knows."
        ),
        required=True,
        choices=["folder", "sftp", "rclone"],
    ),
    "path": option(
        "str",
        (
            "Folder of the copies, which holds nothing else. Of V(rclone) with the remote before it, such as "
            "V(offsite:bucket/cryptobot)."
        ),
        required=True,
    ),
    "mount": option(
        "path",
        (
            "Mount point that a V(folder) lies on or below. Where nothing is mounted there nothing is written, so that "
            "the copies do not end on the host's own disk. Default is O(copies.path) itself."
        ),
    ),
    "mounted": option("bool", "Whether something has to be mounted at O(copies.mount).", default=True),
    "host": option("str", "Name or address of the server of V(sftp), whose host key has to be known to C(ssh)."),
    "port": option("int", "Port of that server.", default=22),
    "user": option("str", "Account on that server. Default is C(ssh)'s."),
    "key_file": option(
        "path",
        "File with the private key for V(sftp), without a passphrase. Default is C(ssh)'s.",
        no_log=False,
    ),
    "known_hosts_file": option("path", "File with the server's host key. Default is C(ssh)'s."),
    "config_file": option("path", "Configuration of V(rclone), which holds its secrets. Default is its own."),
    "labels": option(
        "list of str", "Labels of the sets that are copied, such as V(monthly). All by default.", default=[]
    ),
    "retention": option(
        "dict", "Which sets are kept there. Default is the O(retention) of the sets here.", options=RETENTION
    ),
    "max_age_hours": option(
        "float", "Age in hours from which on the newest set there is too old. Default is O(max_age_hours)."
    ),
    "rate_limit": option("int", "KiB that may be written there in a second. V(0) is no limit.", default=0),
    "media": option(
        "str",
        "What the copy lies on, for O(ignore:score_3_2_1_1_0). Default is V(disk), V(server) or V(cloud), by the type.",
    ),
    "offsite": option("bool", "Whether the copy lies at another site.", default=False),
    "immutable": option(
        "bool",
        (
            "Whether what is written there cannot be changed or removed for a time, or the medium is taken off line. "
            "It is declared here, and looked at where that is possible (the flag of C(chattr +i))."
        ),
        default=False,
    ),
}

OPTIONS: dict[str, Any] = {
    "copies": option(
        "list of dict",
        [
            (
                "Where sets are copied to after they were made. Each place has a result of its own, and none that is "
                "full or away harms another one or the sets in O(dir)."
            ),
            (
                "A set gets its name there after all of it was read again and its SHA-256 compared with the manifest. "
                "What was missed is made up by later runs."
            ),
        ],
        default=[],
        options=_COPY,
        variable="cryptobot_backup.copies",
    ),
    "copies_policy": option(
        "str",
        (
            "How many of O(copies) must have the newest set for the run to succeed, V(all), V(any), or a number. The "
            "others are warnings then."
        ),
        default="all",
        variable="cryptobot_backup.copies_policy",
    ),
    "copies_at_once": option(
        "int", "How many missed sets a run makes up for each place, oldest first, beside the newest.", default=5
    ),
    "copies_reread": option(
        "bool",
        (
            "Whether O(state=verified) reads the newest set of each place again, or with O(subset) its share of all, "
            "and compares the SHA-256. Else it looks at names, sizes and manifests there. What is written is always "
            "read again."
        ),
        default=False,
    ),
}
