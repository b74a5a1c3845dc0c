#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/backup/__init__.py and docs/modules/backup_archive.yml; a test
# compares them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_archive
short_description: Take, prove, list and prune backup sets of a Cryptobot host
version_added: 0.1.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Takes files, live SQLite databases, PostgreSQL databases, Redis, and what a host needs beside them for the way back,
    as one set with a manifest of checksums, and reads the set back before it claims success. A set is a folder of its
    own in O(dir), named by time.
  - It fails closed. Whatever goes wrong with a source, a command, a compressor or the disk, no set comes of it,
    earlier sets are untouched, and the task fails with the reason. A run that is killed leaves a folder C(.partial),
    which nobody takes for a set. A later run of the same host sweeps it where its process is gone and 6 hours have
    passed since its O(timeout) was over. What names no owner, or was begun by another host, is named and never
    swept.
  - What a killed run started or unpacked in O(scratch_dir), such as a PostgreSQL server of its own, is ended and
    removed at once by the next run that backs up or verifies, where its owner file says that the process is gone.
  - Several hosts may share a folder. Each removes only what it made itself.
  - What a manifest lists is looked for, file by file with its size, whenever the folder is read. A set that has lost
    something counts no longer, and it stops the removal of whole ones until O(retention.min_keep) newer ones are there.
  - Nothing is asked and nothing is stopped. Databases are copied consistently while they are in use.
  - Only folders that hold a manifest of this module are ever removed, and of them only those that no rule
    of O(retention) keeps.
  - The link C(latest) in O(dir) leads to the newest set that counts as a backup. On Windows, where links need a
    privilege, it is a text file with the set's id. RV(latest) is what it says on every system.
  - A set made on one system verifies on any other. Archives name files with slashes, a drive or C(UNC) as the first
    folder. What an archive cannot hold is noted in C(attributes.jsonl) beside it.
requirements:
  - zstd on the host, for the fastest compression. Without it the standard library compresses.
  - pg_dump, pg_dumpall, pg_restore and psql of the server's version or newer, for PostgreSQL.
  - For Redis, its file on this host (C(CONFIG GET dir)). C(redis-cli) is not needed; C(redis-check-rdb) is asked where
    it is installed.
options:
  state:
    description:
      - V(present) takes a set, unless O(fresh_for) makes that unnecessary, verifies it to O(verify_level), publishes
        it and then removes what O(retention) no longer keeps.
      - V(verified) looks whether there is a backup, young enough, complete, of plausible size, and whether it holds.
        The outcome is recorded in C(verified.json) beside the set as evidence, which counts as no change.
      - V(listed) shows what is there.
      - V(pruned) only removes what O(retention) no longer keeps.
    type: str
    choices: [present, verified, listed, pruned]
    default: present
  dir:
    description:
      - Folder of the sets. It is made with mode 0700 where it does not exist; sets are 0700 and their files 0600.
      - On Windows a new folder and each set are closed to everybody but SYSTEM and the Administrators. Keep the path
        below 100 characters there, because the folder itself is written to in the usual way.
      - Give it a file system of its own. It must not be one that a source's loss would take with it.
    type: path
    required: true
  sources:
    description:
      - What is taken, in the shape of C(cryptobot_backup.sources) of the inventory. Required for O(state=present).
      - With C(state=verified) the newest set is compared with it.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the source, which is also the name of its folder in a set. Names that differ in upper and
          lower case alone, and names that Windows takes for devices (V(con), V(nul)), are refused on every system.
        type: str
        required: true
      type:
        description:
          - What kind of source it is.
          - V(redis) has the server save (C(BGSAVE)), waits until it has, and copies the file (RDB) from this host. Its
            account needs C(+ping +info +bgsave +config|get).
          - 'V(system) is what else a host needs for the way back, each part as plain files: definitions of the
            services, schedules, firewall, lists of packages, settings of the kernel, of PostgreSQL and of Redis.'
        type: str
        required: true
        choices: [files, sqlite, postgresql, redis, system]
      optional:
        description: Whether a set is made without the source where it cannot be taken. Else there is no set then.
        type: bool
        default: false
      may_be_empty:
        description: Whether it is right that the source has no file, or its tables no row. Tables that were empty in
          the last good set, or are so in the first, need no such word.
        type: bool
        default: false
      path:
        description:
          - File or folder of a V(files) source, or the database of a V(sqlite) source.
          - Of a V(redis) source the file that the server saves, where the server does not tell it (C(CONFIG GET)) or
            sees it under another path, as one in a container does. Default is what the server says.
          - A folder is taken with all that is in it, names that begin with a dot included. Symlinks are kept as
            symlinks and followed only where they are declared here by name. Sockets, pipes and devices are noted
            and left out, and so are O(dir) and databases that are sources of their own.
          - On Windows a drive or a share, such as V(C:\\CryptoBot) or V(\\\\server\\share\\folder), of any length below
            it. Junctions are kept as what they are, like symlinks. Devices, streams and paths that depend on a drive's
            current folder are refused.
        type: path
      paths:
        description: Several files or folders of a V(files) source.
        type: list
        elements: path
      exclude:
        description:
          - Shell patterns of what a V(files) source leaves out. One with a slash is matched against the path below the
            declared one, else against the last name alone. What is in a folder that is left out is left out too.
          - Of a V(postgresql) source of all databases, patterns of the databases that are left out.
          - Of a V(system) source, patterns of the parts that are left out, such as V(packages).
          - Write them with slashes on every system. On Windows upper and lower case do not count; on macOS both forms
            of a letter with an accent are one.
        type: list
        elements: str
        default: []
      database:
        description: Database of a V(postgresql) source, or V(*) for all that can be connected to.
        type: str
        default: '*'
      login_host:
        description: Name or address of the server. Default is the local socket of PostgreSQL, and V(127.0.0.1)
          for Redis.
        type: str
      login_unix_socket:
        description: Folder of the PostgreSQL server's socket, or the Redis server's socket.
        type: path
      login_port:
        description: Port of the server. Default is V(5432) for V(postgresql) and V(6379) for V(redis).
        type: int
      login_user:
        description: Role to connect as. Default is libpq's, the name of the account; for Redis its V(default) user.
        type: str
      login_password:
        description: Password of that role. It travels in the environment, or in Redis's protocol, never in a command
          line.
        type: str
      system_user:
        description:
          - Account to run PostgreSQL's tools as, for peer authentication, such as V(postgres). The module then has to
            run as root.
          - Windows knows no peer authentication. There it is an error that says so.
        type: str
      bin_dir:
        description: Folder of C(pg_dump), C(pg_dumpall), C(pg_restore) and C(psql) where they are not on the PATH. On
          Windows their C(.exe) is run, such as the one in V(C:\\Program Files\\PostgreSQL\\16\\bin).
        type: path
      globals:
        description: Whether to take the roles and tablespaces too, without which a dump's owners cannot be restored.
        type: bool
        default: true
      role_passwords:
        description: Whether the roles are taken with their password hashes. It needs a superuser.
        type: bool
        default: true
      rows:
        description: How the rows of each table are counted for the manifest. V(exact) counts them in the snapshot that
          is dumped, V(estimated) takes the server's statistics.
        type: str
        choices: [exact, estimated, none]
        default: exact
      lock_wait_timeout:
        description: Seconds that a V(sqlite) or V(postgresql) source may be locked by others on end, before it fails.
          The wait begins anew whenever the copy gets on. Of a V(redis) source, how long another save or the rewrite
          of its AOF may stand in the way.
        type: int
        default: 60
      services:
        description: 'Shell patterns of the services of a V(system) source: unit files (V(cryptobot-auth.service)),
          labels of launchd, names of Windows services. Snippets of logrotate are found by them too.'
        type: list
        elements: str
        default: ['*cryptobot*', '*CryptoBot*', '*Cryptobot*', postgresql*, redis*]
      accounts:
        description: Accounts of a V(system) source whose crontabs and agents are taken, beside root's.
        type: list
        elements: str
        default: [cryptobot]
      venvs:
        description: Virtual environments of Python whose packages a V(system) source lists. Nothing of them is run.
        type: list
        elements: path
        default: []
      wanted:
        description: 'Parts without which a V(system) source fails: there has to be something of each, and all of it
          has to be readable. Any other part that is not there is noted by name.'
        type: list
        elements: str
        choices:
          - services
          - schedules
          - firewall
          - packages
          - release
          - sysctl
          - logrotate
          - postgresql
          - redis
          - accounts
        default: []
  label:
    description: Kind of set, such as V(daily) or V(weekly). Freshness and expected size are told by label.
    type: str
    default: regular
  name:
    description: Name of a set that a person asks for, such as V(pre_change). It is a label, so each run makes a set
      of now. One that is there counts only where O(fresh_for) says so.
    type: str
  reason:
    description: Why the set is made, for the manifest.
    type: str
    default: ''
  requested_by:
    description: Who asked for the set, for the manifest.
    type: str
    default: ''
  pin_until:
    description: Until when O(retention) must not remove the new set. A duration such as V(30d), a day such
      as V(2026-12-31), or a moment such as V(2026-12-31T18:00:00Z). A day means its end, in UTC.
    type: str
  retention:
    description:
      - Which sets are kept. Without it no set is ever removed.
      - For each rule the newest good set of each of the last so many days, ISO weeks, months or years that have one
        stays. So where sets stop being made, nothing is removed any more. While a rule is not yet full the oldest set
        stays too.
      - Each source of each O(label) counts for itself. Daily sets do not push out weekly ones of other sources,
        and the last copies of an optional source stay. Of a source whose declaration was changed the newest
        O(retention.min_keep) copies of the old one stay.
      - The newest good set, the newest O(retention.min_keep) good sets, pinned sets and sets of other hosts stay.
    type: dict
    suboptions:
      daily:
        description: Days to keep a set of.
        type: int
        default: 0
      weekly:
        description: Weeks to keep a set of.
        type: int
        default: 0
      monthly:
        description: Months to keep a set of.
        type: int
        default: 0
      yearly:
        description: Years to keep a set of.
        type: int
        default: 0
      min_keep:
        description: Good sets that always stay, however old they are. At least 1.
        type: int
        default: 3
  fresh_for:
    description:
      - Age, such as V(20h), up to which a good set of the same O(label) makes a new one needless. It has to hold all
        O(sources) as they are declared now (type, paths, exclude, database), and with O(name) to be of that name.
      - Without it every run with O(state=present) takes a set.
      - The playbook C(weekly) gives what C(cryptobot_backup.fresh_for) says, else V(20h), and names the set that stands
        for a new one. The playbook C(backup) gives nothing, so that who asks for a backup gets one.
    type: str
  incremental:
    description:
      - Whether a set stores only those files of a files source that are not in the newest good set of this host. A file
        is taken for the same where its size, mode, owner, modification and change time and inode are, and it was not
        written within two minutes before it was read then. Databases are always whole.
      - Where there is no such set, its source was declared otherwise, or its chain has O(max_chain) members, the set
        is full. A set counts only as long as each set of its chain does, and no set is removed that one that is kept
        needs.
    type: bool
    default: false
  max_chain:
    description: How many sets a chain of incremental sets may have, the full one among them, V(1) to V(7).
    type: int
    default: 7
  compression:
    description: How files are compressed. V(auto) means V(zstd) where that program is installed, else V(gzip).
    type: str
    choices: [auto, zstd, gzip, lzma, none]
    default: auto
  compression_level:
    description: Level of compression. Default is 3 for V(zstd), 6 for V(gzip), 1 for V(lzma).
    type: int
  threads:
    description: Threads that zstd may use, V(0) for one each core. They run at low priority.
    type: int
    default: 0
  jobs:
    description: How many sources are taken side by side.
    type: int
    default: 2
  verify_level:
    description:
      - 'How deep a set is looked into. V(L0) all files are there with their sizes, V(L1) their checksums hold,
        V(L2) they open. Archives are then read through and compared with their index, C(pg_restore) reads dumps
        to the last byte, and SQLite databases are unpacked and checked. V(L3) they come back: each source is restored
        into O(scratch_dir) and removed again. Files are compared with the index (kind, size, time, rights, links,
        content), SQLite databases with their schema and rows after the thorough check (C(PRAGMA integrity_check)),
        which compares each index with the rows of its table. PostgreSQL databases come back on a server of their
        own, without a port, which C(initdb) makes; their relations and rows are compared. Where this host has no
        such program, that source is unknown at L3.'
      - 'V(L0) does not see a byte that changed. V(L1) does not see what was wrong when it was written. V(L2) does
        not see an index of a SQLite database that lacks rows, nor a constraint that does not hold. V(L3) does not
        see whether the rows are the right ones, whether the server that is meant can take a dump (version, extensions,
        collations), unknown owners, nor anything of the application. That is V(L4), which a drill alone reaches
        (M(cryptobot.maintenance.dr_drill)): by its smoke test on the restored copy.'
      - A SQLite database that could not be read where it was taken (its schema needs a newer SQLite, or a collation
        of the application's own) is compared to the byte, and looked into as far as the SQLite here can.
      - A set that is made is always looked into to V(L1) at least, because what is published is what was written.
    type: str
    choices: [L0, L1, L2, L3]
    default: L2
  subset:
    description: Share of the sources that is read at O(verify_level), such as V(2/7). After a run with each part every
      source of every set was read. All files are looked for at V(L0) each time. Meant for O(set=all).
    type: str
  set:
    description: What O(state=verified) looks into. V(newest), V(all), or the id or name of one set.
    type: str
    default: newest
  max_leap:
    description:
      - Gap between two sets that is taken for a clock that jumped. Nothing is removed then before O(retention.min_keep)
        good sets were made after the gap. A set that is dated in the future is set aside and named, and never removed
        by itself.
      - The default is longer than a month, so that monthly sets alone are no leaps.
    type: str
    default: 35d
  max_age_hours:
    description: Age in hours from which on the newest good set is too old, above 0.
    type: float
    default: 26.0
  drill_days:
    description: Within how many days a set has to have come back in a drill (module M(cryptobot.maintenance.dr_drill)).
      With V(0) none is asked for, such as where another host plays them that shares no backup folder with this one.
    type: float
    default: 100.0
  max_shrink:
    description: Share of its data that a source may have lost against the last good set. A set that lost more, or has
      a source without any content, is kept but does not count as a backup, and removes none.
    type: float
    default: 0.5
  accept_anomaly:
    description: Whether the set counts although a source looks emptied. For one run, after a person has looked.
    type: bool
    default: false
  space_factor:
    description: How many times the expected size of a set must be free before one is begun.
    type: float
    default: 2.0
  scratch_dir:
    description: Folder in which C(state=verified) unpacks SQLite databases for V(L2). Default is the system's folder
      for temporary files. What is unpacked is removed again.
    type: path
  sign_key_file:
    description:
      - File with a key of at least 32 bytes on the host, of mode 0600 and owned by root or the account of the run. With
        it the manifest of each new set is signed (HMAC-SHA256, C(manifest.hmac)), and a set counts as a backup only
        where it was signed with that key. On Windows the permissions of its folder have to keep it to yourself.
      - Keep a copy of the key where the backups are not. It is part of no result and no set.
    type: path
  trusted_accounts:
    description:
      - Who may own O(dir), a folder above it or its sets beside root and the account of the run, by name or uid, such
        as V(nobody) on a share that takes root for nobody; and which groups may write there, as V(group:backup).
      - For anybody else nothing is written or removed there, and no set counts. Whoever is named here can replace whole
        sets and become root while a run writes, so name nobody whom you would not give root.
      - A symlink of theirs is not followed all the same. Without effect on Windows.
    type: list
    elements: str
    default: []
  store:
    description:
      - Where sets lie. V(archive) is a folder for each set in O(dir), readable with C(tar), C(zstd), C(sqlite3) and
        C(pg_restore). V(restic) is a repository of restic, which encrypts and takes what is new alone; O(dir) then has
        the manifest and the evidence of each set, and what is staged.
      - The page C(docs/backup-stores.md) says which one when.
    type: str
    choices: [archive, restic]
    default: archive
  repository:
    description:
      - 'Repository of restic: an absolute path, or where V(sftp:), V(s3:), V(rest:), V(rclone:), V(b2:), V(azure:),
        V(gs:) or V(swift:) lead. Required for O(store=restic).'
      - It is made by the first run. Where one that this host knew is gone, none is made in its place. Let no other
        program write to it.
    type: str
  repository_password:
    description: Password of the repository. It travels in the environment, never in a command line. Without it nothing
      of the repository can be read, so keep it where the host is not.
    type: str
  repository_password_file:
    description: File on the host with that password, of mode 0600 and owned by root or the account of the run.
    type: path
  repository_environment:
    description: Variables that restic gets, such as C(AWS_ACCESS_KEY_ID) and C(AWS_SECRET_ACCESS_KEY). Of restic's own
      only C(RESTIC_REST_USERNAME) and C(RESTIC_REST_PASSWORD).
    type: dict
    default: {}
  restic:
    description: Program restic where it is not on the PATH. From version 0.14 on.
    type: path
  copies:
    description:
      - Where sets are copied to after they were made. Each place has a result of its own, and none that is full or away
        harms another one or the sets in O(dir).
      - A set gets its name there after all of it was read again and its SHA-256 compared with the manifest. What was
        missed is made up by later runs.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the copy in findings, actions and metrics.
        type: str
        required: true
      type:
        description: How the place is reached. V(folder) is a folder that is mounted on the host, V(sftp) one on
          a server, by the system's C(ssh) with a key and in batch mode, V(rclone) whatever that program knows.
        type: str
        required: true
        choices: [folder, sftp, rclone]
      path:
        description: Folder of the copies, which holds nothing else. Of V(rclone) with the remote before it, such as
          V(offsite:bucket/cryptobot).
        type: str
        required: true
      mount:
        description: Mount point that a V(folder) lies on or below. Where nothing is mounted there nothing is written,
          so that the copies do not end on the host's own disk. Default is O(copies.path) itself.
        type: path
      mounted:
        description: Whether something has to be mounted at O(copies.mount).
        type: bool
        default: true
      host:
        description: Name or address of the server of V(sftp), whose host key has to be known to C(ssh).
        type: str
      port:
        description: Port of that server.
        type: int
        default: 22
      user:
        description: Account on that server. Default is C(ssh)'s.
        type: str
      key_file:
        description: File with the private key for V(sftp), without a passphrase. Default is C(ssh)'s.
        type: path
      known_hosts_file:
        description: File with the server's host key. Default is C(ssh)'s.
        type: path
      config_file:
        description: Configuration of V(rclone), which holds its secrets. Default is its own.
        type: path
      labels:
        description: Labels of the sets that are copied, such as V(monthly). All by default.
        type: list
        elements: str
        default: []
      retention:
        description: Which sets are kept there. Default is the O(retention) of the sets here.
        type: dict
        suboptions:
          daily:
            description: Days to keep a set of.
            type: int
            default: 0
          weekly:
            description: Weeks to keep a set of.
            type: int
            default: 0
          monthly:
            description: Months to keep a set of.
            type: int
            default: 0
          yearly:
            description: Years to keep a set of.
            type: int
            default: 0
          min_keep:
            description: Good sets that always stay, however old they are. At least 1.
            type: int
            default: 3
      max_age_hours:
        description: Age in hours from which on the newest set there is too old. Default is O(max_age_hours).
        type: float
      rate_limit:
        description: KiB that may be written there in a second. V(0) is no limit.
        type: int
        default: 0
      media:
        description: What the copy lies on, for O(ignore:score_3_2_1_1_0). Default is V(disk), V(server) or V(cloud),
          by the type.
        type: str
      offsite:
        description: Whether the copy lies at another site.
        type: bool
        default: false
      immutable:
        description: Whether what is written there cannot be changed or removed for a time, or the medium is taken off
          line. It is declared here, and looked at where that is possible (the flag of C(chattr +i)).
        type: bool
        default: false
  copies_policy:
    description: How many of O(copies) must have the newest set for the run to succeed, V(all), V(any), or a number.
      The others are warnings then.
    type: str
    default: all
  copies_at_once:
    description: How many missed sets a run makes up for each place, oldest first, beside the newest.
    type: int
    default: 5
  copies_reread:
    description: Whether O(state=verified) reads the newest set of each place again, or with O(subset) its share of all,
      and compares the SHA-256. Else it looks at names, sizes and manifests there. What is written is always read again.
    type: bool
    default: false
  state_dir:
    description:
      - Folder in which the collection remembers what it compares with at the next run, and where its lock is held.
      - It is made, readable by its owner only, where it does not exist. An audit also works where it cannot be written.
    type: path
    default: /var/lib/cryptobot-maintenance
  timeout:
    description: Seconds that the whole run may take.
    type: int
    default: 14400
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: The plan names each source, the verification, and each set that would be removed. Nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: With O(fresh_for) a second run changes nothing. Without it each run takes a set.
  platform:
    support: full
    platforms: linux, macos, windows
    details:
      - Tried on real Linux hosts. On macOS and Windows nothing was tried on real ones; the tests run the real code
        on Linux with what these systems tell played. The questions to Windows were evaluated by the real engine
        of PowerShell 7, over stand-ins for C(Get-Acl), C(Set-Acl) and streams.
      - On Windows no shadow copies (VSS) are taken. A file that another program has open and does not share is
        tried again for a second and a half. Then its source cannot be taken, which fails the set unless it is optional.
        Others may read, write, rename and delete a file while it is read.
      - On Windows the attributes (C(readonly), C(hidden), C(system)) of each file are noted, and for up to 20000 files
        and folders the security descriptor (SDDL) and the names of alternate data streams. Streams themselves are not
        taken, and those of folders are seen by PowerShell 7.2 and newer alone. Names that no ordinary program there
        can make (V(nul), a dot at the end) and unknown kinds of reparse points are left out and named.
      - On macOS extended attributes with resource forks, flags, and access control lists (C(ls -lde)) are noted. Run
        by an account without Full Disk Access, protected folders cannot be read and fail their source.
notes:
  - Run it as root, or as an account that may read all sources. What cannot be read fails the set.
  - A set can be read without this module. C(zstd -dc archive.tar.zst | tar -x) unpacks files, a SQLite database
    is the unpacked file itself, and C(zstd -dc main.dump.zst | pg_restore -d main) restores a dump. A V(system)
    source is plain files; its C(overview.txt) says where each of them comes from.
  - C(dump.rdb) of a V(redis) source is loaded by a server that is started with C(appendonly no); only then
    is C(appendonly) set to C(yes) again. Started with C(appendonly yes) and no AOF, Redis ignores the file
    and is empty.
  - Extended attributes, access control lists, flags and security descriptors of files are noted in C(attributes.jsonl),
    values of up to 64 KiB in base64. Unpacking an archive does not bring them back by itself.
seealso:
  - module: cryptobot.maintenance.checkup
  - module: cryptobot.maintenance.db_vacuum
"""

EXAMPLES = r"""
- name: Take today's set unless there is one already, and keep a week of days and a year of months
  cryptobot.maintenance.backup_archive:
    dir: /var/backups/cryptobot
    label: daily
    fresh_for: 20h
    sources:
      - name: install
        type: files
        paths: [/opt/cryptobot, /etc/cryptobot]
        exclude: [logs/*, "*.pyc", venv]
      - name: main
        type: sqlite
        path: /opt/cryptobot/database/cryptobot.db
      - name: server
        type: postgresql
        system_user: postgres
      - name: redis
        type: redis
        login_password: "{{ vault_cryptobot_redis_password }}"
      - name: host
        type: system
        wanted: [services, release]
    retention:
      daily: 7
      weekly: 4
      monthly: 12
  register: cryptobot_result_backup

- name: Take a set by hand before a change, and keep it for a month
  cryptobot.maintenance.backup_archive:
    dir: /var/backups/cryptobot
    sources: "{{ cryptobot_backup.sources }}"
    name: pre_change
    reason: upgrade of the exchange gateway
    requested_by: "{{ lookup('ansible.builtin.env', 'USER') }}"
    pin_until: 30d

- name: Prove yesterday's set
  cryptobot.maintenance.backup_archive:
    state: verified
    dir: /var/backups/cryptobot
    sources: "{{ cryptobot_backup.sources }}"
    verify_level: L1
  register: cryptobot_result_backup

- name: Read a seventh of all sets each day, so that every set is read once a week
  cryptobot.maintenance.backup_archive:
    state: verified
    dir: /var/backups/cryptobot
    set: all
    subset: "{{ now().isoweekday() }}/7"

- name: Show what is wrong with the backups
  ansible.builtin.debug:
    msg: "{{ cryptobot_result_backup.findings | rejectattr('status', 'eq', 'ok') }}"
"""

RETURN = r"""
status:
  description: The worst status of the findings, one of V(ok), V(warning), V(unknown), V(critical).
  returned: always
  type: str
  sample: ok
findings:
  description: What was found, worst first. C(docs/checks.md) lists every check by its id.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: Stable id of the check.
      type: str
    subject:
      description: What it speaks of.
      type: str
    status:
      description: One of V(ok), V(warning), V(critical), V(unknown), V(skipped).
      type: str
    message:
      description: What was seen, in a sentence.
      type: str
    expected:
      description: What was expected.
      type: raw
    actual:
      description: What was seen, as a value.
      type: raw
    remedy:
      description: What to do next; empty where all is well.
      type: str
    procedure:
      description: Id of the procedure in C(docs/procedures.md).
      type: str
  sample:
    - check: backup.age
      subject: /var/backups/cryptobot
      status: critical
      message: the newest set that counts, 20261120T020000Z-5f3a91, is 2.6 d old
      expected: at most 1.1 d
      actual: 224640
      remedy: Read backup.last_run, look at the schedule, take a set now.
      procedure: D1.4
metrics:
  description: Age, size and number of the sets, and the free space.
  returned: always
  type: list
  elements: dict
  sample:
    - name: cryptobot_backup_age_seconds
      value: 3600
      unit: seconds
      labels: {}
actions:
  description: The steps, V(planned) in check mode, else V(done), V(skipped) or V(failed), each with its reason.
  returned: always
  type: list
  elements: dict
  sample:
    - action: back up
      subject: main
      state: done
      reason: sqlite source of set daily
      details: {}
changed:
  description: Whether anything on the host was changed, in check mode whether a run would change it.
  returned: always
  type: bool
msg:
  description: Why the task failed. What was found until then is returned beside it.
  returned: failure
  type: str
set:
  description: The set that was made, or the one that made a new one unnecessary. Null in check mode and on failure.
  returned: when O(state=present)
  type: dict
  contains:
    id:
      description: Its id, which sorts by time.
      type: str
      sample: 20261122T020000Z-5f3a91
    path:
      description: Its folder.
      type: str
      sample: /var/backups/cryptobot/20261122T020000Z-5f3a91
    label:
      description: Its kind.
      type: str
      sample: daily
    name:
      description: The name that a person gave it, or empty.
      type: str
      sample: pre_change
    reason:
      description: Why it was made.
      type: str
      sample: upgrade of the exchange gateway
    requested_by:
      description: Who asked for it.
      type: str
      sample: operator
    host:
      description: The host that made it.
      type: str
      sample: trade-1
    created:
      description: When it was begun, in UTC.
      type: str
      sample: '2026-11-22T02:00:00Z'
    bytes:
      description: What it takes on the disk.
      type: int
      sample: 1234567
    raw_bytes:
      description: What its sources hold uncompressed.
      type: int
      sample: 7654321
    ratio:
      description: The one divided by the other, null where there is nothing to divide by.
      type: float
      sample: 0.1613
    seconds:
      description: How long taking it took.
      type: float
      sample: 12.4
    pin_until:
      description: Until when it is pinned, or null.
      type: str
      sample: '2026-12-22T02:00:00Z'
    good:
      description: Whether it counts as a backup.
      type: bool
      sample: true
    verified:
      description: The level to which it was read back, or null.
      type: str
      sample: L2
    anomalies:
      description: What in it looks emptied.
      type: list
      elements: str
      sample: []
    skipped:
      description: Optional sources that it lacks, each with the reason.
      type: dict
      sample: {}
    sources:
      description: Its sources.
      type: list
      elements: dict
      sample:
        - name: main
          type: sqlite
          count: 51234
          raw_bytes: 7654321
sets:
  description: All sets from old to new, each as RV(set).
  returned: when O(state) is V(verified), V(listed) or V(pruned)
  type: list
  elements: dict
  sample: []
broken:
  description: Folders that are named like a set and are none, with the reason.
  returned: when O(state) is V(verified), V(listed) or V(pruned)
  type: list
  elements: dict
  sample: []
latest:
  description: The id of the set that C(latest) leads to. Null where there is none.
  returned: when O(state) is V(verified), V(listed) or V(pruned)
  type: str
  sample: 20261122T020000Z-5f3a91
leftovers:
  description: Folders that runs left which ended early.
  returned: when O(state) is V(verified), V(listed) or V(pruned)
  type: list
  elements: str
  sample: []
verification:
  description: How the set that was made was read back. Null where none was made.
  returned: when O(state=present)
  type: dict
  sample:
    set: 20261122T020000Z-5f3a91
    level: L2
    ok: true
    partial: false
    sources: 3
    bytes: 1234567
    seconds: 2.1
    problems: []
verifications:
  description: The same for each set that was looked into.
  returned: when O(state=verified)
  type: list
  elements: dict
  sample: []
retention:
  description: The reason to keep or to remove each set, and why nothing may be removed where the clock is not trusted.
  returned: when O(state) is V(present), V(verified) or V(pruned)
  type: dict
  sample:
    kept:
      20261122T020000Z-5f3a91: the newest good set
    removed:
      20261001T020000Z-0b1c2d: no rule keeps it
    refusal: ''
space:
  description: Bytes that are free, that the next set is expected to take, and that must be free for it.
  returned: when O(state) is V(present) or V(verified)
  type: dict
  sample:
    free: 1000000000
    predicted: 1500000
    required: 3000000
    basis: 7 sets before it
free_bytes:
  description: Bytes that are free in O(dir).
  returned: always
  type: int
  sample: 1000000000
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.option_secrets import secrets_among
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    # Until here every value of an environment counted as secret, which would mask ports and paths in the answer.
    module.no_log_values = secrets_among(module.no_log_values, module.params)
    exit_with(module, run)


if __name__ == "__main__":
    main()
