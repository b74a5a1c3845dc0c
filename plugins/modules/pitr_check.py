#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/pitr/__init__.py and docs/modules/pitr_check.yml; a test compares
# them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: pitr_check
short_description: Look whether a PostgreSQL cluster can be brought back to any time
version_added: 0.2.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Looks at the archiving of WAL on a server, at its physical backups, and at every segment between them, by name and
    timeline, in the repository of pgBackRest or in a folder of C(pg_basebackup) sets and archived WAL.
  - Says to which times can be restored, and what would be lost if the host were lost at this moment (RPO). That is the
    time since the first commit that is not in the archive, read in the server's own WAL. An idle server loses nothing.
options:
  clusters:
    description: The clusters whose physical backups are looked at, in the shape of the inventory's C(cryptobot_pitr).
    type: list
    elements: dict
    default: []
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
  thresholds:
    description: From where on a number is bad. What is left out keeps its default.
    type: dict
    default: {}
    suboptions:
      full_age_warning:
        description: Age of the newest full backup.
        type: str
        default: 8d
      full_age_critical:
        description: The same, above which it is critical.
        type: str
        default: 15d
      backup_age_warning:
        description: Age of the newest backup of any kind.
        type: str
        default: 26h
      backup_age_critical:
        description: The same, above which it is critical.
        type: str
        default: 3d
      rpo_warning:
        description: Time whose changes would be lost if the host were lost at this moment.
        type: str
        default: 10m
      rpo_critical:
        description: The same, above which it is critical.
        type: str
        default: 1h
      ready_warning:
        description: Segments of WAL that wait to be archived.
        type: int
        default: 8
      ready_critical:
        description: The same, above which it is critical.
        type: int
        default: 64
      ready_age_warning:
        description: How long the oldest of them has waited.
        type: str
        default: 5m
      ready_age_critical:
        description: The same, above which it is critical.
        type: str
        default: 30m
      room_warning:
        description: Percentage of the file system that must be free, of C(pg_wal) and of the repository.
        type: float
        default: 20.0
      room_critical:
        description: The same, below which it is critical.
        type: float
        default: 10.0
  verify:
    description: Have C(pg_verifybackup) read the newest set whole, where C(engine=basebackup).
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
    default: 120
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: What it remembers (failures, timelines) for the next run is written only outside check mode.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux, macos
    details: Tried on Linux with PostgreSQL 15 and pgBackRest 2.45. On macOS nothing was tried.
notes:
  - All tools run as the server's account (O(clusters[].system_user)), never as root. pgBackRest run as root leaves
    files that the server's archive_command cannot write afterwards.
seealso:
  - module: cryptobot.maintenance.pitr_restore
"""

EXAMPLES = r"""
- name: Look whether every time can be restored to
  cryptobot.maintenance.pitr_check:
    clusters:
      - name: main
  become: true
  register: cryptobot_result_pitr
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
  description: Always empty, because the module does not act.
  returned: always
  type: list
  elements: dict
changed:
  description: Always V(false), because the module does not act.
  returned: always
  type: bool
msg:
  description: Why the task failed. What was found until then is returned beside it.
  returned: failure
  type: str
pitr:
  description: What was seen of each cluster.
  returned: where a cluster is declared
  type: dict
  contains:
    clusters:
      description: One entry for each cluster, in the order of O(clusters).
      type: list
      elements: dict
      contains:
        name:
          description: Its name.
          type: str
        engine:
          description: What takes its backups.
          type: str
        version:
          description: Major version of the server; null where it does not answer.
          type: int
        timeline:
          description: Timeline of the server; null where it does not answer.
          type: int
        running:
          description: Whether the server answered.
          type: bool
        archive_mode:
          description: Its archive_mode; null where it does not answer.
          type: str
        data_directory:
          description: Its data folder; null where it does not answer.
          type: str
        rpo_seconds:
          description: Seconds whose changes would be lost now; null where that cannot be told.
          type: float
        last_commit_archived:
          description: When the last commit was made that is in the archive; null where its segment is not on the host
            any more. No later time can be restored to.
          type: str
        repositories:
          description: 'Its repositories: C(key), C(code) and C(status) as it says itself, the ages of the newest backup
            and of the newest full one, C(backups), the number of C(segments), and C(restorable), which has for each
            backup and timeline from when (C(since)) to when (C(until)) can be restored to from it.'
          type: list
          elements: dict
    remembered:
      description: Whether something was kept for the next run.
      type: bool
  sample:
    remembered: true
    clusters:
      - name: main
        engine: pgbackrest
        version: 15
        timeline: 1
        running: true
        archive_mode: 'on'
        data_directory: /var/lib/postgresql/15/main
        rpo_seconds: 12.3
        last_commit_archived: '2026-11-29 20:33:19.053551+00'
        repositories:
          - key: 1
            code: 0
            status: ok
            age_seconds: 576.6
            full_age_seconds: 576.6
            segments: 4
            backups:
              - label: 20261129-203311F
                type: full
                ended: '2026-11-29 20:33:18.000000+00'
                error: false
                size: 22992591
            restorable:
              - timeline: 1
                set: 20261129-203311F
                since: '2026-11-29 20:33:18.000000+00'
                until: '2026-11-29 20:33:19.000000+00'
                last: '000000010000000000000004'
                complete: true
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.pitr.run import run


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    exit_with(module, run, acts=False)


if __name__ == "__main__":
    main()
