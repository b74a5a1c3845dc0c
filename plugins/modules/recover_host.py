#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/recover/__init__.py and docs/modules/recover_host.yml; a test compares
# them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: recover_host
short_description: Say what a bare host needs to trade again, and whether it is ready
version_added: 0.2.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - The decisions of the role P(cryptobot.maintenance.recover#role). It proves that the set is there and that its
    checksums hold, refuses a host that an installation lives on, and says which packages, accounts, groups and
    servers are missing, in which order the steps come, and what the restore has come to. At the end it judges what
    was found.
  - It installs, makes and restores nothing itself. It remembers in C(recover.json) in O(state_dir) which set a recovery
    is from, so that the same command goes on with it and never restores twice.
  - Packages are those of C(apt-mark showmanual) of the host that made the set; accounts and groups are those that own
    what is in the set. Both are taken out of the set only where they can be names. Where the number of an account is
    taken here it gets another, because restored files go by the name.
options:
  state:
    description:
      - 'V(begun) proves that the set is there and holds (L1), refuses a host that an installation lives on, and says
        what the host needs and in which order. It may be asked again at any time: what is there by then is not needed
        any more.'
      - V(judged) says of O(findings) whether the host is ready to trade, and closes the recovery where it is.
    type: str
    choices: [begun, judged]
    default: begun
  over:
    description: Whether the recovery is begun although an installation lives on the host. What it replaces is kept in
      a safety set then.
    type: bool
    default: false
  steps:
    description: The steps, in their order. A later row of the same name takes the place of an earlier one, and one that
      says O(steps.after) comes there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the step.
        type: str
        required: true
      title:
        description: What it does, in a few words.
        type: str
        default: ''
      after:
        description: Name of the step that it comes after. A row of O(steps) without it comes after the one above it.
        type: str
      tasks:
        description: File of tasks that it is, for the role. The module does not read it.
        type: str
  packages:
    description: Packages of the distribution that the installation needs, beside the recorded ones.
    type: list
    elements: str
    default: []
  recorded_packages:
    description: Whether packages that a C(system) source of the set has as chosen by a person, and that are missing
      here, are needed too. They count only where the host runs the same release of the same distribution.
    type: bool
    default: true
  packages_left_out:
    description: Shell patterns of recorded packages that belong to the machine and not to the installation.
    type: list
    elements: str
    default: []
  accounts:
    description: Accounts beside those that the set names as owners, or what is to be otherwise of one of those.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the account.
        type: str
        required: true
      uid:
        description: Its number. The one that it had where that is known and free here, else the next.
        type: int
      home:
        description: Its home folder, which is not made.
        type: path
      shell:
        description: Its shell.
        type: str
        default: /usr/sbin/nologin
      groups:
        description: Groups that it is in beside the one of its name.
        type: list
        elements: str
        default: []
  servers:
    description: Units of the database servers. Without any, those of this host's PostgreSQL and Redis sources that are
      there.
    type: list
    elements: str
    default: []
  findings:
    description: 'For V(judged): what was found when the host was looked at, as findings.'
    type: list
    elements: dict
  trade_service:
    description: Name of the trade service among O(services).
    type: str
    default: trade
  failed_step:
    description: 'For V(judged): name of the step that failed, so that nothing was looked at.'
    type: str
  failure:
    description: 'For V(judged): why that step failed.'
    type: str
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
    default: 3600
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: Says the plan. Nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
seealso:
  - module: cryptobot.maintenance.backup_restore
"""

EXAMPLES = r"""
- name: Look what this host needs
  cryptobot.maintenance.recover_host:
    dir: /var/backups/cryptobot
    sources: "{{ cryptobot_backup.sources }}"
    services: "{{ cryptobot_services }}"
    packages: [postgresql, redis-server]
  check_mode: true
  register: cryptobot_result_recover

- name: Show the packages
  ansible.builtin.debug:
    var: cryptobot_result_recover.recover.packages
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
    - check: recover.ready
      subject: trader1
      status: ok
metrics:
  description: Numbers with a name in the style of Prometheus, a unit and labels.
  returned: always
  type: list
  elements: dict
actions:
  description: The steps, V(planned) in check mode, else V(done), V(skipped) or V(failed), each with its reason.
  returned: always
  type: list
  elements: dict
changed:
  description: Whether anything on the host was changed, in check mode whether a run would change it.
  returned: always
  type: bool
msg:
  description: Why the task failed. What was found until then is returned beside it.
  returned: failure
  type: str
recover:
  description: For V(begun) the set, the steps, and what is missing; for V(judged) whether the host is ready.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.option_secrets import secrets_among
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.recover import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.recover.run import run


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    # Until here every value of an environment counted as secret, which would mask ports and paths in the answer.
    module.no_log_values = secrets_among(module.no_log_values, module.params)
    exit_with(module, run)


if __name__ == "__main__":
    main()
