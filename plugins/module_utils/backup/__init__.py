# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backup sets: taken, verified, kept as long as is declared."""

from __future__ import annotations

from typing import Any

from ..elsewhere import OPTIONS as COPIES
from ..elsewhere import RETENTION
from ..options import common_options, option
from ..registry import declare
from .repository import OPTIONS
from .source_options import SOURCE

SPEC: dict[str, Any] = {
    "state": option(
        "str",
        [
            (
                "V(present) takes a set, unless O(fresh_for) makes that unnecessary, verifies it to O(verify_level), "
                "publishes it and then removes what O(retention) no longer keeps."
            ),
            (
                "V(verified) looks whether there is a backup, young enough, complete, of plausible size, and whether "
                "it holds. The outcome is recorded in C(verified.json) beside the set as evidence, which counts as no "
                "change."
            ),
            "V(listed) shows what is there.",
            "V(pruned) only removes what O(retention) no longer keeps.",
        ],
        choices=["present", "verified", "listed", "pruned"],
        default="present",
    ),
    "dir": option(
        "path",
        [
            (
                "Folder of the sets. It is made with mode 0700 where it does not exist; sets are 0700 and their files "
                "0600."
            ),
            (
                "On Windows a new folder and each set are closed to everybody but SYSTEM and the Administrators. Keep "
                "the path below 100 characters there, because the folder itself is written to in the usual way."
            ),
            "Give it a file system of its own. It must not be one that a source's loss would take with it.",
        ],
        required=True,
        variable="cryptobot_backup.dir",
    ),
    "sources": option(
        "list of dict",
        [
            (
                "What is taken, in the shape of C(cryptobot_backup.sources) of the inventory. Required for "
                "O(state=present)."
            ),
            "With C(state=verified) the newest set is compared with it.",
        ],
        default=[],
        options=SOURCE,
        required_if=[("type", "sqlite", ("path",)), ("type", "files", ("path", "paths"), True)],
        mutually_exclusive=[("path", "paths"), ("login_host", "login_unix_socket")],
        variable="cryptobot_backup.sources",
    ),
    "label": option(
        "str",
        "Kind of set, such as V(daily) or V(weekly). Freshness and expected size are told by label.",
        default="regular",
    ),
    "name": option(
        "str",
        (
            "Name of a set that a person asks for, such as V(pre_change). It is a label, so each run makes a set of "
            "now. One that is there counts only where O(fresh_for) says so."
        ),
        variable="cryptobot_backup_name",
    ),
    "reason": option("str", "Why the set is made, for the manifest.", default=""),
    "requested_by": option("str", "Who asked for the set, for the manifest.", default=""),
    "pin_until": option(
        "str",
        (
            "Until when O(retention) must not remove the new set. A duration such as V(30d), a day such as "
            "V(2026-12-31), or a moment such as V(2026-12-31T18:00:00Z). A day means its end, in UTC."
        ),
    ),
    "retention": option(
        "dict",
        [
            "Which sets are kept. Without it no set is ever removed.",
            (
                "For each rule the newest good set of each of the last so many days, ISO weeks, months or years that "
                "have one stays. So where sets stop being made, nothing is removed any more. While a rule is not yet "
                "full the oldest set stays too."
            ),
            (
                "Each source of each O(label) counts for itself. Daily sets do not push out weekly ones of other "
                "sources, and the last copies of an optional source stay. Of a source whose declaration was changed "
                "the newest O(retention.min_keep) copies of the old one stay."
            ),
            (
                "The newest good set, the newest O(retention.min_keep) good sets, pinned sets and sets of other hosts "
                "stay."
            ),
        ],
        options=RETENTION,
        variable="cryptobot_backup.retention",
    ),
    "fresh_for": option(
        "str",
        [
            (
                "Age, such as V(20h), up to which a good set of the same O(label) makes a new one needless. It has to "
                "hold all O(sources) as they are declared now (type, paths, exclude, database), and with O(name) to be "
                "of that name."
            ),
            "Without it every run with O(state=present) takes a set.",
            (
                "The playbook C(weekly) gives what C(cryptobot_backup.fresh_for) says, else V(20h), and names the set "
                "that stands for a new one. The playbook C(backup) gives nothing, so that who asks for a backup gets "
                "one."
            ),
        ],
        variable="cryptobot_backup.fresh_for",
    ),
    "incremental": option(
        "bool",
        [
            (
                "Whether a set stores only those files of a files source that are not in the newest good set of this "
                "host. A file is taken for the same where its size, mode, owner, modification and change time and "
                "inode are, and it was not written within two minutes before it was read then. Databases are always "
                "whole."
            ),
            (
                "Where there is no such set, its source was declared otherwise, or its chain has O(max_chain) members, "
                "the set is full. A set counts only as long as each set of its chain does, and no set is removed that "
                "one that is kept needs."
            ),
        ],
        default=False,
        variable="cryptobot_backup.incremental",
    ),
    "max_chain": option(
        "int",
        "How many sets a chain of incremental sets may have, the full one among them, V(1) to V(7).",
        default=7,
    ),
    "compression": option(
        "str",
        "How files are compressed. V(auto) means V(zstd) where that program is installed, else V(gzip).",
        choices=["auto", "zstd", "gzip", "lzma", "none"],
        default="auto",
    ),
    "compression_level": option("int", "Level of compression. Default is 3 for V(zstd), 6 for V(gzip), 1 for V(lzma)."),
    "threads": option("int", "Threads that zstd may use, V(0) for one each core. They run at low priority.", default=0),
    "jobs": option("int", "How many sources are taken side by side.", default=2),
    "verify_level": option(
        "str",
        [
            (
                "How deep a set is looked into. V(L0) all files are there with their sizes, V(L1) their checksums "
                "hold, V(L2) they open. Archives are then read through and compared with their index, C(pg_restore) "
                "reads dumps to the last byte, and SQLite databases are unpacked and checked. V(L3) they come back: "
                "each source is restored into O(scratch_dir) and removed again. Files are compared with the "
                "index (kind, size, time, rights, links, content), SQLite databases with their schema and rows after "
                "the thorough check (C(PRAGMA integrity_check)), which compares each index with the rows of its table. "
                "PostgreSQL databases come back on a server of their own, without a port, which C(initdb) makes; their "
                "relations and rows are compared. Where this host has no such program, that source is unknown at L3."
            ),
            (
                "V(L0) does not see a byte that changed. V(L1) does not see what was wrong when it was written. V(L2) "
                "does not see an index of a SQLite database that lacks rows, nor a constraint that does not hold. "
                "V(L3) does not see whether the rows are the right ones, whether the server that is meant can take a "
                "dump (version, extensions, collations), unknown owners, nor anything of the application. "
                "That is V(L4), which a drill alone reaches (M(cryptobot.maintenance.dr_drill)): by its smoke test on "
                "the restored copy."
            ),
            (
                "A SQLite database that could not be read where it was taken (its schema needs a newer SQLite, or a "
                "collation of the application's own) is compared to the byte, and looked into as far as the SQLite "
                "here can."
            ),
            (
                "A set that is made is always looked into to V(L1) at least, because what is published is what was "
                "written."
            ),
        ],
        choices=["L0", "L1", "L2", "L3"],
        default="L2",
    ),
    "subset": option(
        "str",
        (
            "Share of the sources that is read at O(verify_level), such as V(2/7). After a run with each part every "
            "source of every set was read. All files are looked for at V(L0) each time. Meant for O(set=all)."
        ),
    ),
    "set": option(
        "str", "What O(state=verified) looks into. V(newest), V(all), or the id or name of one set.", default="newest"
    ),
    "max_leap": option(
        "str",
        [
            (
                "Gap between two sets that is taken for a clock that jumped. Nothing is removed then before "
                "O(retention.min_keep) good sets were made after the gap. A set that is dated in the future is set "
                "aside and named, and never removed by itself."
            ),
            "The default is longer than a month, so that monthly sets alone are no leaps.",
        ],
        default="35d",
    ),
    "max_age_hours": option(
        "float",
        "Age in hours from which on the newest good set is too old, above 0.",
        default=26.0,
        variable="cryptobot_backup.max_age_hours",
    ),
    "drill_days": option(
        "float",
        "Within how many days a set has to have come back in a drill (module M(cryptobot.maintenance.dr_drill)). With "
        "V(0) none is asked for, such as where another host plays them that shares no backup folder with this one.",
        default=100.0,
        variable="cryptobot_backup.drill_days",
    ),
    "max_shrink": option(
        "float",
        (
            "Share of its data that a source may have lost against the last good set. A set that lost more, or has a "
            "source without any content, is kept but does not count as a backup, and removes none."
        ),
        default=0.5,
    ),
    "accept_anomaly": option(
        "bool",
        "Whether the set counts although a source looks emptied. For one run, after a person has looked.",
        default=False,
    ),
    "space_factor": option(
        "float", "How many times the expected size of a set must be free before one is begun.", default=2.0
    ),
    "scratch_dir": option(
        "path",
        (
            "Folder in which C(state=verified) unpacks SQLite databases for V(L2). Default is the system's folder for "
            "temporary files. What is unpacked is removed again."
        ),
    ),
    "sign_key_file": option(
        "path",
        [
            (
                "File with a key of at least 32 bytes on the host, of mode 0600 and owned by root or the account of "
                "the run. With it the manifest of each new set is signed (HMAC-SHA256, C(manifest.hmac)), and a set "
                "counts as a backup only where it was signed with that key. On Windows the permissions of its folder "
                "have to keep it to yourself."
            ),
            "Keep a copy of the key where the backups are not. It is part of no result and no set.",
        ],
        no_log=False,
        variable="cryptobot_backup.sign_key_file",
    ),
    "trusted_accounts": option(
        "list of str",
        [
            (
                "Who may own O(dir), a folder above it or its sets beside root and the account of the run, by name or "
                "uid, such as V(nobody) on a share that takes root for nobody; and which groups may write there, as "
                "V(group:backup)."
            ),
            (
                "For anybody else nothing is written or removed there, and no set counts. Whoever is named here can "
                "replace whole sets and become root while a run writes, so name nobody whom you would not give root."
            ),
            "A symlink of theirs is not followed all the same. Without effect on Windows.",
        ],
        default=[],
        variable="cryptobot_backup.trusted_accounts",
    ),
    **OPTIONS,
    **COPIES,
    **common_options(14400),
}

AREA = declare(
    __name__,
    module="backup_archive",
    spec=SPEC,
    procedures=("D1.4",),
    force={"state": "verified"},
    acts=True,
    tags=("B1.1", "B1.3", "DB2.2", "M4.1", "M4.2"),
)
