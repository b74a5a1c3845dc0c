# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the noun ``backup`` looks at. ``docs/checks.md`` is made from this."""

from __future__ import annotations

from ..finding import Check, catalogue

CHECKS = catalogue(
    Check(
        "backup.present",
        "D1.4",
        "There is a backup set that counts: its manifest holds, it was verified, and nothing in it looks emptied.",
        "Take one now: ansible-playbook cryptobot.maintenance.backup --limit <host>.",
        "A set without evidence that it can be read is no backup.",
    ),
    Check(
        "backup.age",
        "D1.4",
        "The newest set that counts is younger than max_age_hours.",
        "Read backup.last_run, look at the schedule, take a set now: ansible-playbook cryptobot.maintenance.backup.",
        "Default 26 h: yesterday's backup with two hours of grace. Barman ships this check switched off, pgBackRest's "
        "info does not say it.",
    ),
    Check(
        "backup.complete",
        "M4.1",
        "The newest set that counts holds every source as it is declared now: its type, paths, excludes and databases. "
        "A missing one that is optional is a warning.",
        "Compare cryptobot_backup.sources with what the set lists; take a set now.",
        "Sources that fell silently out of a set are found on the day of the restore.",
    ),
    Check(
        "backup.manifest",
        "D1.4",
        "Each set's manifest is there, is exactly what was written, and belongs to that set.",
        "Move the named folder away for examination and take a new set; do not restore from it.",
        "The manifest carries its own SHA-256 over its exact text.",
    ),
    Check(
        "backup.strangers",
        "D1.4",
        "A set holds what its manifest lists and nothing else.",
        "Look at the named files and remove them; take a new set if you do not know how they came there.",
        "Somebody else can write there, or a run of another program took the folder for its own.",
    ),
    Check(
        "backup.signature",
        "D1.4",
        "With sign_key_file: each set's manifest was signed with that key (HMAC-SHA256); what was not does not count.",
        "A set from before the key goes when min_keep signed ones are newer. Do not restore from one with another "
        "signature; find out who can write into the folder.",
        "A manifest seals itself against damage; whoever may write there could seal another one.",
    ),
    Check(
        "backup.foreign",
        "D1.4",
        "The folder holds no archives of the application's own scripts, which would be taken for backups.",
        "Give the sets a folder of their own (cryptobot_backup.dir), or move the archives away.",
        "backup.sh and backup.ps1 write NAME.tar.gz and NAME.zip, the update manager folders backup_TIME; their exit "
        "code is 0 on nearly everything.",
    ),
    Check(
        "backup.payload",
        "D1.4",
        "L0: each file that the manifest lists is there with its size, in every set and whenever the folder is read.",
        "Do not restore from this set. Take a new one and look for what removed or cut the file.",
        "restic and pgBackRest test every class of truncation.",
    ),
    Check(
        "backup.checksum",
        "D1.4",
        "L1: each file has the SHA-256 that was taken while it was written.",
        "Do not restore from this set. Take a new one, then check the disk: smartctl -a, dmesg.",
        "Silent corruption of storage; SHA-256 runs at 1.7 GB/s a core, nearly as fast as the disk.",
    ),
    Check(
        "backup.readable",
        "M4.2",
        "L2: archives list and unpack to what the index says, dumps are read through by pg_restore, databases open; "
        "L3: each index of a SQLite database has the rows of its table.",
        "Do not rely on this set. Take a new one with verify_level L2 and read what failed.",
        "A checksum proves that the bytes are the same, not that they were ever right.",
    ),
    Check(
        "backup.size_anomaly",
        "D1.4",
        "No source became empty or lost half of its data (max_shrink) against the set before.",
        "Look at the source: was it emptied, encrypted, moved? If the loss is meant, run once with accept_anomaly; if "
        "it may be empty at any time, declare may_be_empty: true for the source.",
        "An emptied database and ransomware both look like a small, perfectly valid backup.",
    ),
    Check(
        "backup.permissions",
        "D1.4",
        "The backup folder and its sets are open to their owner only: 0700, on macOS without a list that allows more, "
        "on Windows a list that allows SYSTEM, the Administrators and the owner alone. Elsewhere the folder, its "
        "sets and all above it belong to root or to the account that runs this, and nobody else may write there (above "
        "it a sticky folder is right): another could replace whole sets, and lead root by a link. There nothing counts "
        "as a backup, and nothing is written or removed.",
        "chmod 700 the named folder.",
        "A backup holds every secret of the host.",
    ),
    Check(
        "backup.last_run",
        "D1.4",
        "The last run that was to make a set made one.",
        "Remove the named cause, then take a set: ansible-playbook cryptobot.maintenance.backup.",
        "What the backup's own log would say, without a log to read.",
    ),
    Check(
        "backup.leftover",
        "B1.1",
        "No set was left half made by a run that ended early.",
        "Nothing to do: a later run sweeps it. If it returns, look for what ends the runs (out of memory, reboot).",
        "A .partial folder of this host whose owner (pid, start of process, boot) is gone; it is swept 6 h after its "
        "time was over. Without an owner, or of another host, it is only named: no marker is no death.",
    ),
    Check(
        "backup.space",
        "B1.2",
        "The disk has room for what the next set is expected to take, space_factor times over.",
        "Give the backup folder more room, or keep fewer sets; nothing is deleted to make room by itself.",
        "Expected: the larger of the last set and 1.2 times the median of the sets of that label, or what the sources "
        "hold where there is none yet.",
    ),
    Check(
        "backup.retention",
        "B1.2",
        "As many good sets as min_keep says are there, and what the policy no longer keeps can be removed.",
        "Take sets more often, or lower min_keep knowingly.",
        "Barman's minimum redundancy is 0 unless set; ours is 3.",
    ),
    Check(
        "backup.pin",
        "B1.3",
        "Pins end: none holds its set for longer than a year from its making. What pins cost is told.",
        "Remove the set by hand if nobody needs it any more, or archive it elsewhere.",
        "A pin is for the time around a change; longer keeping is what monthly and yearly retention are for.",
    ),
    Check(
        "backup.clock",
        "B1.2",
        "The dates of the sets fit the clock: none lies in the future (it is set aside), and none is a leap away from "
        "the next (nothing is removed).",
        "Check the time (timedatectl); with a right clock the refusal ends by itself after min_keep new sets.",
        "After a clock jump every set looks expired at once.",
    ),
    Check(
        "backup.source",
        "B1.1",
        "A source was taken whole; one that could not be taken fails the set, unless it is optional.",
        "Read the message: it names the file, table or command. Make it readable, or declare the source optional.",
        "Half a source is none: tar's exit code 1 and pg_dump's are failures here.",
    ),
    Check(
        "backup.databases",
        "B1.1",
        "Every database of a server that is taken whole is in the set; those that are not are named with the reason.",
        "Drop a database that is invalid, GRANT CONNECT on it to the login, or name it in the source's exclude.",
        "An invalid database is what an interrupted DROP DATABASE leaves; nobody can connect to it. Managed services "
        "keep databases of their own, which no customer can read.",
    ),
    Check(
        "backup.changed_files",
        "B1.1",
        "No file changed under the reader's hands twice in a row.",
        "Exclude files that are written all the time, or take the service's data through its own interface.",
        "A file that changes while it is read may mix two states.",
    ),
    Check(
        "backup.attributes",
        "B1.1",
        "What an archive cannot hold of its files is noted beside it: extended attributes (Linux, macOS), flags and "
        "access control lists (macOS), attributes and security descriptors (Windows).",
        "Read the message. Without them the files come back with what their folder hands down to them.",
        "Windows: one bounded call of PowerShell. macOS: the system's library, and ls -lde in portions.",
    ),
    Check(
        "backup.left_out",
        "B1.1",
        "Nothing of a files source is lost because an archive cannot hold it: alternate data streams, reserved names "
        "and unknown reparse points (Windows), names that differ in case alone (Windows, macOS), large attributes.",
        "Rename or move the named files, exclude them, or keep what they hold in another way.",
        "NTFS and APFS know things that tar does not.",
    ),
    Check(
        "backup.live_database",
        "DB2.2",
        "No SQLite database is copied as a plain file.",
        "Declare it as a source of type sqlite: it then leaves the files source by itself.",
        "A plain copy misses what is in the write-ahead log and may mix two states.",
    ),
    Check(
        "backup.taken",
        "B1.1",
        "A set was made, verified to the level asked for and published; or a fresh one made that unnecessary.",
        "Read the findings backup.source and backup.space of the same run; earlier sets are untouched.",
        "Success is claimed only after the set was read back.",
    ),
)
