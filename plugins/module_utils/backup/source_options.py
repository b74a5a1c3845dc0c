# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of one source of a set, each typed once."""

from __future__ import annotations

from typing import Any

from ..options import option

SOURCE: dict[str, Any] = {
    "name": option(
        "str",
        (
            "Name of the source, which is also the name of its folder in a set. Names that differ in upper and lower "
            "case alone, and names that Windows takes for devices (V(con), V(nul)), are refused on every system."
        ),
        required=True,
    ),
    "type": option(
        "str",
        [
            "What kind of source it is.",
            (
                "V(redis) has the server save (C(BGSAVE)), waits until it has, and copies the file (RDB) from this "
                "host. Its account needs C(+ping +info +bgsave +config|get)."
            ),
            (
                "V(system) is what else a host needs for the way back, each part as plain files: definitions of the "
                "services, schedules, firewall, lists of packages, settings of the kernel, of PostgreSQL and of Redis."
            ),
        ],
        required=True,
        choices=["files", "sqlite", "postgresql", "redis", "system"],
    ),
    "optional": option(
        "bool",
        "Whether a set is made without the source where it cannot be taken. Else there is no set then.",
        default=False,
    ),
    "may_be_empty": option(
        "bool",
        (
            "Whether it is right that the source has no file, or its tables no row. Tables that were empty in the last "
            "good set, or are so in the first, need no such word."
        ),
        default=False,
    ),
    "path": option(
        "path",
        [
            "File or folder of a V(files) source, or the database of a V(sqlite) source.",
            (
                "Of a V(redis) source the file that the server saves, where the server does not tell it (C(CONFIG "
                "GET)) or sees it under another path, as one in a container does. Default is what the server says."
            ),
            (
                "A folder is taken with all that is in it, names that begin with a dot included. Symlinks are kept as "
                "symlinks and followed only where they are declared here by name. Sockets, pipes and devices are noted "
                "and left out, and so are O(dir) and databases that are sources of their own."
            ),
            (
                "On Windows a drive or a share, such as V(C:\\\\CryptoBot) or V(\\\\\\\\server\\\\share\\\\folder), of "
                "any length below it. Junctions are kept as what they are, like symlinks. Devices, streams and paths "
                "that depend on a drive's current folder are refused."
            ),
        ],
    ),
    "paths": option("list of path", "Several files or folders of a V(files) source."),
    "exclude": option(
        "list of str",
        [
            (
                "Shell patterns of what a V(files) source leaves out. One with a slash is matched against the path "
                "below the declared one, else against the last name alone. What is in a folder that is left out is "
                "left out too."
            ),
            "Of a V(postgresql) source of all databases, patterns of the databases that are left out.",
            "Of a V(system) source, patterns of the parts that are left out, such as V(packages).",
            (
                "Write them with slashes on every system. On Windows upper and lower case do not count; on macOS both "
                "forms of a letter with an accent are one."
            ),
        ],
        default=[],
    ),
    "database": option(
        "str", "Database of a V(postgresql) source, or V(*) for all that can be connected to.", default="*"
    ),
    "login_host": option(
        "str",
        "Name or address of the server. Default is the local socket of PostgreSQL, and V(127.0.0.1) for Redis.",
    ),
    "login_unix_socket": option("path", "Folder of the PostgreSQL server's socket, or the Redis server's socket."),
    "login_port": option("int", "Port of the server. Default is V(5432) for V(postgresql) and V(6379) for V(redis)."),
    "login_user": option(
        "str", "Role to connect as. Default is libpq's, the name of the account; for Redis its V(default) user."
    ),
    "login_password": option(
        "str",
        "Password of that role. It travels in the environment, or in Redis's protocol, never in a command line.",
        no_log=True,
    ),
    "system_user": option(
        "str",
        [
            (
                "Account to run PostgreSQL's tools as, for peer authentication, such as V(postgres). The module then "
                "has to run as root."
            ),
            "Windows knows no peer authentication. There it is an error that says so.",
        ],
    ),
    "bin_dir": option(
        "path",
        (
            "Folder of C(pg_dump), C(pg_dumpall), C(pg_restore) and C(psql) where they are not on the PATH. On Windows "
            "their C(.exe) is run, such as the one in V(C:\\\\Program Files\\\\PostgreSQL\\\\16\\\\bin)."
        ),
    ),
    "globals": option(
        "bool",
        "Whether to take the roles and tablespaces too, without which a dump's owners cannot be restored.",
        default=True,
    ),
    "role_passwords": option(
        "bool", "Whether the roles are taken with their password hashes. It needs a superuser.", default=True
    ),
    "rows": option(
        "str",
        (
            "How the rows of each table are counted for the manifest. V(exact) counts them in the snapshot that is "
            "dumped, V(estimated) takes the server's statistics."
        ),
        choices=["exact", "estimated", "none"],
        default="exact",
    ),
    "lock_wait_timeout": option(
        "int",
        (
            "Seconds that a V(sqlite) or V(postgresql) source may be locked by others on end, before it fails. The "
            "wait begins anew whenever the copy gets on. Of a V(redis) source, how long another save or the rewrite of "
            "its AOF may stand in the way."
        ),
        default=60,
    ),
    "services": option(
        "list of str",
        (
            "Shell patterns of the services of a V(system) source: unit files (V(cryptobot-auth.service)), labels of "
            "launchd, names of Windows services. Snippets of logrotate are found by them too."
        ),
        default=["*cryptobot*", "*CryptoBot*", "*Cryptobot*", "postgresql*", "redis*"],
    ),
    "accounts": option(
        "list of str",
        "Accounts of a V(system) source whose crontabs and agents are taken, beside root's.",
        default=["cryptobot"],
    ),
    "venvs": option(
        "list of path",
        "Virtual environments of Python whose packages a V(system) source lists. Nothing of them is run.",
        default=[],
    ),
    "wanted": option(
        "list of str",
        (
            "Parts without which a V(system) source fails: there has to be something of each, and all of it has to be "
            "readable. Any other part that is not there is noted by name."
        ),
        default=[],
        choices=[
            *("services", "schedules", "firewall", "packages", "release", "sysctl", "logrotate", "postgresql"),
            *("redis", "accounts"),
        ],
    ),
}
