#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/restore/__init__.py and docs/modules/backup_restore.yml; a test
# compares them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_restore
short_description: Put a backup set back in its place, proved before and taken back where it fails
version_added: 0.2.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Restores a set of M(cryptobot.maintenance.backup_archive), all of it or a source, a database, tables or files, to
    where its sources are declared.
  - What is wrong is refused before anything is touched. That is a set of another host, a source that is declared
    otherwise now, a manifest or signature that does not hold, a file that is open in a process that nothing holds
    down, too little room by apparent size, a target that no source declares, a folder that another account could
    exchange.
  - 'In this order: the set is verified now (L2); what will be replaced is taken into a safety set; the set is restored
    beside, into a folder of its own on the file system of the target or into a new database on the same server;
    that is compared with the manifest (L3: rows of each table, schema, C(integrity_check), C(amcheck) where the
    server has it); the services are ended and held down; nobody has a file open or is in a database; the two are
    swapped by rename; the services start in their order and have to be well.'
  - What is there is never written into and never deleted. It is kept as it is, beside, for O(keep_old).
  - Of a folder that is swapped, what its source leaves out (C(exclude), the sets, databases of their own, sockets)
    moves along, so that logs stay.
  - A log or journal of SQLite (C(-wal), C(-shm), C(-journal)) moves with the database that it belongs to, in the same
    step. Under another database it would bring the old rows back.
  - Each step is written into a journal in O(state_dir) before it is done. After C(kill -9) or a power cut at any moment
    O(state=resumed) ends in the restored state, O(state=rolled_back) in the one before. Until then no other restore
    begins.
  - What fails before the services are started again is taken back at once. Services that do not come back afterwards
    fail the task, and nothing is taken back by itself, because the state before is often the one that was broken.
requirements:
  - Linux. On macOS and Windows it is refused where services are declared, and where nobody can tell whether a file is
    open; O(into) works there.
  - psql and pg_restore of the server's version or newer, for PostgreSQL, and a login that may create databases.
options:
  state:
    description:
      - V(restored) verifies a set, keeps what is there in a safety set, restores beside, proves that, holds the
        services down, swaps, and starts them again. A failure before the end of the swap puts everything back.
      - V(resumed) goes on with a restore that was interrupted, from the step that it had come to.
      - V(rolled_back) puts back what was there before, of a restore that was interrupted or that is done and whose old
        state is still kept.
      - V(tidied) removes old states whose O(keep_old) is over, and those of O(restore) at once.
      - V(listed) shows which restores there were, and changes nothing.
    type: str
    choices: [restored, resumed, rolled_back, tidied, listed]
    default: restored
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
  services:
    description: The services that are meant to be on this host, in the shape of the inventory variable
      C(cryptobot_services).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the service in the inventory and in all reports.
        type: str
        required: true
      unit:
        description: Name of its systemd unit. C(.service) is added where no type is named. Only Linux hosts use it;
          each platform takes the name of its own, so that all three may be given.
        type: str
      label:
        description:
          - Label of its launchd job. Only macOS hosts use it.
          - A label alone is looked for in the domain C(system), and where O(services[].user) is given, or where
            the module does not run as root, in the domains of that user too. A domain may also stand before it,
            as in V(gui/501/com.cryptobot.auth).
        type: str
      service:
        description: Name of its Windows service, in capitals or not; it may differ from what Windows shows for it. Only
          Windows hosts use it.
        type: str
      pid_file:
        description: Pid file of a service that a script starts. O(services[].unit), O(services[].label) or
          O(services[].service), whichever the platform has, goes before it.
        type: path
      command:
        description:
          - Command that starts a script-started service, as a list of words. No secret may be among them.
          - A process with exactly this command line is known to be the service.
        type: list
        elements: str
      stop_command:
        description:
          - Command that ends a script-started service, as a list of words. No secret may be among them.
          - Windows has no signal to end a process by. There a script-started service is not restarted unless this is
            given, and its processes are waited for, not killed.
          - On Linux and macOS the processes that the command leaves are ended by signals, as without it.
          - There it runs as the service does, with its account, folder and environment. Where the service is root's,
            it is run only if nobody else may have written its program and the files that it names, and never where an
            interpreter is given a text or a module in place of a file, as in C(sh -c) and C(python -m). Where it would
            not be run, the service is left running, and what depends on it.
        type: list
        elements: str
      process:
        description:
          - Regular expression that the command line of the service's process matches. It decides whether the process
            that the pid file names is the service.
          - Without it, a process is the service if it runs O(services[].command). Times of the file prove nothing.
            Where neither is given, nobody knows whether it runs, and the validation of an inventory refuses it.
        type: str
      chdir:
        description: Folder in which a script-started service is started. Default is the one that it ran in before.
        type: path
      output:
        description: File that the output of a script-started service is appended to. It is opened with the rights of
          the service's account. Default is to discard it.
        type: path
      user:
        description: Account that a script-started service is started as. Default is the one that it ran as before, if
          nobody but that account and root could have written the pid file, and if that is no older than the process.
          A clock that was set on, or a machine that was paused, makes a file look older; then declare the account.
        type: str
      environment:
        description: Environment variables that a script-started service is started with, in addition to those that it
          ran with before. Put no secrets here; services read them from their own files. A name is not empty and has
          no equals sign; neither names nor values have a NUL.
        type: dict
        default: {}
      state:
        description: Whether the service is meant to run.
        type: str
        choices: [started, stopped]
        default: started
      enabled:
        description: Whether systemd, launchd or Windows is meant to start the service at boot.
        type: bool
        default: true
      port:
        description: TCP port that the service listens on.
        type: int
      bind:
        description: Address that the service listens on. V(0.0.0.0) stands for all IPv4 addresses, V(::) for all,
          V(any) for either, V(localhost) for the loopback address of either family. Without it every address will
          do.
        type: str
      ports:
        description: Further ports that the service listens on.
        type: list
        elements: dict
        default: []
        suboptions:
          port:
            description: Number of the port.
            type: int
            required: true
          proto:
            description: Protocol of the port.
            type: str
            choices: [tcp, udp]
            default: tcp
          bind:
            description: Address, as in O(services[].bind).
            type: str
      health:
        description:
          - How the service shows that it is well. There is no common page for that, so each service names its own.
          - Without it the service is not asked.
        type: dict
        suboptions:
          path:
            description: Path that is requested with GET.
            type: str
            default: /health
          scheme:
            description: Whether to ask over TLS.
            type: str
            choices: [http, https]
            default: http
          host:
            description: Address that is asked. Default is O(services[].bind) where that is one address, else loopback.
            type: str
          port:
            description: Port that is asked. Default is O(services[].port).
            type: int
          status:
            description: Status codes of a service that is well. Redirects are not followed.
            type: list
            elements: int
            default: [200]
          timeout:
            description: Seconds that one request may take.
            type: float
            default: 5.0
          samples:
            description: How many requests are made. The latency is the 95th percentile of their times.
            type: int
            default: 3
          latency_warn:
            description: Latency in seconds from which on the service is too slow.
            type: float
            default: 1.0
          body_regex:
            description: Regular expression that must find something in the body.
            type: str
          json:
            description: Values that the JSON of the body must have. The keys are dotted paths such as
              C(database.status), numbers in them count the items of a list from 0.
            type: dict
            default: {}
          tls_min_days:
            description: Days that the certificate must last.
            type: int
            default: 21
          tls_verify:
            description: Whether the certificate must be signed by a known authority. Its name is not compared, because
              the service is asked by a local address.
            type: bool
            default: true
          ca_path:
            description: File with the authorities that are trusted. Default is those of the system.
            type: path
      depends_on:
        description: Names of the services that this one needs. A cycle is an error.
        type: list
        elements: str
        default: []
      declared_in:
        description: Further places that name the port of the service. They are compared with the inventory.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: File that names the port.
            type: path
            required: true
          pattern:
            description: Regular expression whose first group is the port.
            type: str
            required: true
      config_files:
        description: Files that the service reads when it starts. Where one is newer than the process, a restart
          is pending. Unit files and C(EnvironmentFile=) of systemd are known by themselves.
        type: list
        elements: path
        default: []
      start_grace:
        description: How long after its start the service may still be getting ready, such as V(30s) or V(2m).
        type: str
        default: 30s
      memory_max:
        description: Resident memory that the service may use, such as V(512M).
        type: str
  set:
    description: Which set. V(newest) good one, or the id or name of one. Safety sets are taken only where they
      are named.
    type: str
    default: newest
  archive:
    description:
      - Restore this archive of the application's own script (V(backup.sh), V(backup.ps1)), a file on the host, in place
        of a set.
      - Such an archive lacks much, and a finding says what. What is there and not in it stays as it is; what is
        restored gets the owner and mode of what it replaces. Its logs stay in it unless O(only) names V(logs).
      - Its folders belong below O(install_dir), and only where a source of files has them; its database goes to the
        source that is of the same name. Names for O(only) are those of its folders and of sources.
    type: path
  install_dir:
    description: The folder of Cryptobot. Required with O(archive).
    type: path
  label:
    description: Of which label V(newest) is, such as V(weekly). Without it any will do.
    type: str
  time:
    description: Moment such as V(2026-11-29T18:00:00Z), in UTC. The newest good set that was begun before it is taken
      in place of V(newest).
    type: str
  from_host:
    description: Name of the host that made the set, where that is another one than this. Else such a set is refused.
    type: str
  accept_other:
    description: Whether a source is restored although it is declared otherwise now (other paths, another database) than
      when the set was made.
    type: bool
    default: false
  only:
    description: Names of the sources that are restored. All of the set by default.
    type: list
    elements: str
    default: []
  databases:
    description: Of V(postgresql) sources these databases alone. All of them by default.
    type: list
    elements: str
    default: []
  tables:
    description:
      - Restore the rows of these tables alone, and keep everything else of the database as it is. The tables have to
        have the same columns as in the set.
      - For V(sqlite) sources. Name one source by O(only).
    type: list
    elements: str
    default: []
  files:
    description: Of V(files) sources what matches one of these shell patterns alone, by absolute path, such
      as V(/opt/cryptobot/config/*.yml). What else is there stays as it is.
    type: list
    elements: str
    default: []
  into:
    description: Folder to restore into, in place of where the sources lie. It must not be there, or be empty. Nothing
      is swapped and no service is touched then.
    type: path
  safety_set:
    description: Whether a set of what will be replaced is made before, with the label V(safety), pinned for 30 days.
    type: bool
    default: true
  keep_old:
    description: How long the old state is kept for O(state=rolled_back).
    type: str
    default: 48h
  restore:
    description: Id of the restore that is meant, as V(listed) shows it. The newest by default.
    type: str
  hold:
    description: Services that are held down meanwhile. All of O(services) by default, but one that listens on the port
      of a V(postgresql) source.
    type: list
    elements: str
    default: []
  stop_timeout:
    description: Seconds that a service has to end.
    type: float
    default: 90.0
  gate_timeout:
    description: Seconds that a service has from its start to pass its health gate.
    type: float
    default: 90.0
  space_factor:
    description: How many times the size of what is restored must be free.
    type: float
    default: 1.1
  scratch_dir:
    description: Folder in which C(state=verified) unpacks SQLite databases for V(L2). Default is the system's folder
      for temporary files. What is unpacked is removed again.
    type: path
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
    details: Every step with its size and the minutes. The set is looked at, and verified only by the run.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: V(restored) restores each time. The other states do nothing where there is nothing to do.
  platform:
    support: full
    platforms: linux
notes:
  - Run it as root. Another account cannot prove that nobody has a file open.
  - A unit is held down by a drop-in in C(/etc/systemd/system/UNIT.d) that asserts that a lock file in O(state_dir) is
    not there, with the timers, sockets and paths that start it. It survives a reboot, and is proved by trying to start.
    A script-started service is ended only.
  - Orders live in the memory of the trade service only. A restore does not ask for them; look before.
  - A target that is a mount point cannot be swapped by rename. Restore it by O(into).
  - Roles that the server lacks are made from the set; those that are there are not changed.
  - A Redis server is held down itself, because it writes its file when it ends. Its unit is asked from the server, or
    is C(redis-server.service) where that does not run. Where it keeps an append-only file, a folder of that form is
    made whose base is the restored file (Redis 7), because it ignores the other file then. That it has keys is looked
    for.
  - An archive of the application's own script has no checksums, and was perhaps copied while it was written to. Its
    SQLite file has to pass C(integrity_check), its dump has to be restored without an error. Prefer any set.
  - What of a V(system) source belongs on this host is for a person to say. It is restored by O(into) alone.
seealso:
  - module: cryptobot.maintenance.backup_archive
"""

EXAMPLES = r"""
- name: See what a restore of the newest set would do
  cryptobot.maintenance.backup_restore:
    dir: /var/backups/cryptobot
    sources: "{{ cryptobot_backup.sources }}"
    services: "{{ cryptobot_services }}"
  check_mode: true

- name: Restore the state of yesterday evening
  cryptobot.maintenance.backup_restore:
    dir: /var/backups/cryptobot
    sources: "{{ cryptobot_backup.sources }}"
    services: "{{ cryptobot_services }}"
    time: "2026-11-28T20:00:00Z"
  register: cryptobot_result_restore

- name: Bring one file back
  cryptobot.maintenance.backup_restore:
    dir: /var/backups/cryptobot
    sources: "{{ cryptobot_backup.sources }}"
    services: "{{ cryptobot_services }}"
    files: [/opt/cryptobot/config/bot.yml]

- name: Bring the rows of one table back
  cryptobot.maintenance.backup_restore:
    dir: /var/backups/cryptobot
    sources: "{{ cryptobot_backup.sources }}"
    services: "{{ cryptobot_services }}"
    only: [database]
    tables: [strategies]

- name: Look into a set without touching anything
  cryptobot.maintenance.backup_restore:
    dir: /var/backups/cryptobot
    into: /root/look

- name: See what of an archive of the application's own script would be restored
  cryptobot.maintenance.backup_restore:
    dir: /var/backups/cryptobot
    sources: "{{ cryptobot_backup.sources }}"
    services: "{{ cryptobot_services }}"
    archive: /opt/cryptobot/backups/nightly.tar.gz
    install_dir: "{{ cryptobot_install_dir }}"
  check_mode: true

- name: Go on with a restore that was interrupted
  cryptobot.maintenance.backup_restore:
    state: resumed
    dir: /var/backups/cryptobot
    sources: "{{ cryptobot_backup.sources }}"
    services: "{{ cryptobot_services }}"

- name: Take the last restore back
  cryptobot.maintenance.backup_restore:
    state: rolled_back
    dir: /var/backups/cryptobot
    sources: "{{ cryptobot_backup.sources }}"
    services: "{{ cryptobot_services }}"
"""

RETURN = r"""
status:
  description: The worst status of the findings, one of V(ok), V(warning), V(unknown), V(critical).
  returned: always
  type: str
  sample: ok
findings:
  description: Whether a restore is half done, what this run came to, and what is kept of earlier ones.
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
    - check: restore.under_way
      subject: trader1
      status: ok
      message: no restore is half done
      expected: null
      actual: null
      remedy: ''
      procedure: B2.2
metrics:
  description: Numbers with a name in the style of Prometheus, a unit and labels.
  returned: always
  type: list
  elements: dict
actions:
  description: The steps in their order.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(verify), V(keep), V(restore), V(hold), V(prove), V(swap), V(start), V(finish), V(put back)
        or V(remove).
      type: str
    subject:
      description: A set, a source, or where something belongs.
      type: str
    state:
      description: V(planned), V(done), V(skipped) or V(failed).
      type: str
    reason:
      description: What it is, or what came of it.
      type: str
  sample:
    - action: swap
      subject: /opt/cryptobot/database/cryptobot.db
      state: done
      reason: swapped by rename; what was there is kept in /opt/.cryptobot-restore-20261129T204553Z-422ea6/old/2
      details: {}
changed:
  description: Whether anything on the host was changed, in check mode whether a run would change it.
  returned: always
  type: bool
msg:
  description: Why the task failed. What was found until then is returned beside it.
  returned: failure
  type: str
plan:
  description: What is restored, how large it is, and how long it will take about.
  returned: with O(state=restored)
  type: dict
  contains:
    set:
      description: Id of the set.
      type: str
    bytes:
      description: What is restored, by apparent size.
      type: int
    minutes:
      description: How long it will take about.
      type: float
    bytes_per_second:
      description: What the last restore of this host came to, or an assumed 50 MiB.
      type: int
    pace_measured:
      description: Whether it was measured.
      type: bool
    targets:
      description: What is swapped, with C(source), C(target) and C(bytes).
      type: list
      elements: dict
    left:
      description: By name, why other sources of the set are not restored.
      type: dict
    lacks:
      description: What an archive of the application's own script does not have.
      type: list
      elements: str
    room:
      description: What is free and required in each place, in bytes.
      type: list
      elements: dict
restore:
  description: This restore.
  returned: where there is one
  type: dict
  contains:
    id:
      description: Its id, for O(restore).
      type: str
    set:
      description: Id of the set.
      type: str
    state:
      description: V(under way), V(kept) or V(rolled back).
      type: str
    safety_set:
      description: Id of the safety set; empty where there is none.
      type: str
    seconds:
      description: How long each kind of step took.
      type: dict
    folders:
      description: Folders with what is kept.
      type: list
      elements: str
restores:
  description: All restores that are known, in the shape of RV(restore).
  returned: success
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.option_secrets import secrets_among
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.run import run


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    # Until here every value of an environment counted as secret, which would mask ports and paths in the answer.
    module.no_log_values = secrets_among(module.no_log_values, module.params)
    exit_with(module, run, low_priority=False)


if __name__ == "__main__":
    main()
