#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/pitr_restore/__init__.py and docs/modules/pitr_restore.yml; a test
# compares them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: pitr_restore
short_description: Restore a PostgreSQL cluster to a moment, beside the live one
version_added: 0.2.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Restores a physical backup and replays WAL up to a time, a transaction or a restore point, into an empty folder
    beside the live cluster, which goes on as before. What is asked for is held against what the repository can
    bring back first.
  - The end of replay is proved by what the copy says of itself and by its control file, never by the exit code of its
    start. A server whose WAL ends too early starts well and dies seconds later.
  - Then the rows of each table are counted, the copy takes writes, and stays running for whoever wants to look.
    A database of it can be dumped, and where O(swap) says so it takes the place of the live cluster.
options:
  cluster:
    description: The cluster, an entry of the inventory's C(cryptobot_pitr).
    type: dict
    required: true
    suboptions:
      name:
        description: The name by which findings speak of the cluster.
        type: str
        required: true
      engine:
        description:
          - What takes the physical backups and keeps the WAL.
          - V(pgbackrest) is pgBackRest. V(basebackup) is a folder of WAL (C(archive_dir)) that an C(archive_command)
            copies to, and a folder of sets of C(pg_basebackup) (C(base_dir)).
        type: str
        choices: [pgbackrest, basebackup]
        default: pgbackrest
      stanza:
        description: Name of pgBackRest's stanza. The name of the cluster by default.
        type: str
      config:
        description: Configuration file of pgBackRest.
        type: path
        default: /etc/pgbackrest.conf
      archive_dir:
        description: Folder of the archived WAL, where C(engine=basebackup).
        type: path
      base_dir:
        description: Folder of the sets of C(pg_basebackup), where C(engine=basebackup).
        type: path
      service:
        description: Unit of systemd that runs the server (V(postgresql@15-main)).
        type: str
      login_host:
        description: Name or address of the server. Without it and C(login_unix_socket) the default socket is used.
        type: str
      login_unix_socket:
        description: Folder of the server's socket.
        type: path
      login_port:
        description: Port of the server.
        type: int
        default: 5432
      login_user:
        description: Role to log in as. Without it, the name of the account that connects.
        type: str
      login_password:
        description: Password of the role.
        type: str
      login_db:
        description: Database to connect to.
        type: str
        default: postgres
      system_user:
        description: Account that the server runs as. All tools run as it where the module runs as root (C(become)).
        type: str
        default: postgres
      bin_dir:
        description: Folder of the server's own programs. Without it that of Debian for the server's version, else
          C(PATH).
        type: path
  dir:
    description:
      - Folder that the copy is made in. It must not be there yet, or be empty. The data folder is C(data) in it, socket
        and log are in C(run).
      - Only what this module has made there is ever removed again.
    type: path
    required: true
  state:
    description:
      - V(present) restores, promotes and leaves the copy running for whoever wants to look at it.
      - V(absent) stops the copy and removes it.
    type: str
    choices: [present, absent]
    default: present
  target:
    description:
      - What replay stops at. V(time) is the last commit not after O(value), V(xid) the commit of a transaction, V(name)
        a restore point that C(pg_create_restore_point) made.
      - V(immediate) stops as soon as the backup is consistent; V(latest) replays all that was archived.
    type: str
    choices: [time, xid, name, immediate, latest]
    default: time
  value:
    description:
      - The time in UTC with its zone (V(2026-11-29 20:33:19.5+00)), the number of the transaction, or the name.
      - Such as V(2026-11-29 20:33:19+00).
    type: str
    default: ''
  exclusive:
    description: Stop before O(value) and not behind it, where it is a time or a transaction.
    type: bool
    default: false
  timeline:
    description: Timeline to follow. That of the live server by default, or the newest where it does not answer.
    type: int
    default: 0
  set:
    description:
      - Label of the backup to begin with.
      - By default the newest that ended before the time; for a transaction or a name the oldest, which is always before
        it and takes the longest to replay; else the newest.
    type: str
    default: ''
  port:
    description: Port of the copy's socket; V(0) takes a free one. It listens to no network.
    type: int
    default: 0
  dump_database:
    description: Database of the copy to write to O(dump_file) by C(pg_dump -Fc).
    type: str
    default: ''
  dump_file:
    description: File for it. It must not be there, and its folder must be writable by the account.
    type: path
  swap:
    description:
      - Put the copy in the place of the live cluster, which is stopped and kept beside it under another name. Its
        O(cluster.service) is stopped and started, or C(pg_ctl) does it where there is none.
      - Nothing is removed; where the restored cluster does not start, the old one is put back and started.
    type: bool
    default: false
  live_dir:
    description: Data folder of the live cluster, for O(swap), where its server does not answer.
    type: path
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
    details: The steps of a run are planned by the same function. A segment may be fetched to read its last commit.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: A copy that is there by the same request and runs is left as it is.
  platform:
    support: full
    platforms: linux, macos
    details: Tried on Linux with PostgreSQL 15, pgBackRest 2.45 and pg_basebackup. On macOS nothing was tried.
notes:
  - The copy archives nothing, whatever its configuration says, so that it makes no timeline in the repository of the
    live cluster. It listens to no network, and only its account reaches its socket. Nothing is preloaded in it, so that
    no scheduled job of the live cluster runs in it.
  - Restore with O(swap) changes the timeline of the cluster. Take a full backup afterwards.
  - Without pgBackRest a cluster with tablespaces is refused.
seealso:
  - module: cryptobot.maintenance.pitr_check
"""

EXAMPLES = r"""
- name: See whether the moment before the mistake can be restored, and by which backup
  cryptobot.maintenance.pitr_restore:
    cluster: "{{ cryptobot_pitr[0] }}"
    dir: /var/lib/postgresql/pitr
    value: "2026-11-29 20:33:19+00"
  become: true
  check_mode: true

- name: Restore it beside the live cluster, and take one database out of it
  cryptobot.maintenance.pitr_restore:
    cluster: "{{ cryptobot_pitr[0] }}"
    dir: /var/lib/postgresql/pitr
    value: "2026-11-29 20:33:19+00"
    dump_database: cryptobot
    dump_file: /var/lib/postgresql/cryptobot.dump
  become: true

- name: Remove it
  cryptobot.maintenance.pitr_restore:
    cluster: "{{ cryptobot_pitr[0] }}"
    dir: /var/lib/postgresql/pitr
    state: absent
  become: true
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
restored:
  description: What became of it.
  returned: always
  type: dict
  contains:
    cluster:
      description: Name of the cluster.
      type: str
    dir:
      description: Folder of the copy.
      type: str
    target:
      description: What replay stops at, in words.
      type: str
    set:
      description: Label of the backup.
      type: str
    port:
      description: Port of the copy; 0 where there is none.
      type: int
    socket:
      description: Folder of its socket.
      type: str
    stopped_at:
      description: What its log says of the end of replay; empty where it came to the end of the archive.
      type: str
    last_commit:
      description: When the last commit was made that it has, in seconds since the epoch.
      type: float
    timeline:
      description: Its timeline since it takes writes.
      type: int
    content:
      description: Rows by database and table, counted in it.
      type: dict
    aside:
      description: Where the live cluster is kept after O(swap).
      type: str
    seconds:
      description: What each step took.
      type: dict
  sample:
    cluster: main
    dir: /var/lib/postgresql/pitr
    target: the last commit not after 2026-11-29 20:33:19.000000+00
    set: 20261129-203311F
    port: 56899
    socket: /var/lib/postgresql/pitr/run
    stopped_at: recovery stopping before commit of transaction 741, time 2026-11-29 20:33:19.053551+00
    last_commit: 1795984398.9
    timeline: 2
    content:
      cryptobot:
        public.trades: 500
    aside: ''
    seconds:
      restore: 3.7
      replay: 5.2
      inspect: 0.2
      promote: 1.3
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr_restore import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr_restore.run import run


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    exit_with(module, run)


if __name__ == "__main__":
    main()
