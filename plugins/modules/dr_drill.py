#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/drill/__init__.py and docs/modules/dr_drill.yml; a test compares them.
# Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: dr_drill
short_description: Play a disaster on copies, and time the way back
version_added: 0.2.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Takes the newest good set that fits the scenario, verifies it (L2), restores its sources into a folder of its own
    below O(scratch_dir), databases of PostgreSQL into a server of its own that listens on no port, compares all of it
    with the manifest, and tries it. Nothing that is live is read, stopped or written.
  - Where the scenario has a O(scenarios.damage), a first copy is damaged that way. The damage has to be noticed, file
    by file, and the second copy has to be what the first one was.
  - Each phase is timed by the monotonic clock and held against O(rto_minutes); the age of the data, which is that of
    the oldest source of the set, against O(rpo_hours). Each drill is remembered in C(drills.jsonl) in O(state_dir).
  - Services of O(smoke) are started from the copy only where it is proved that they cannot trade. Either none of
    O(endpoints) accepts a connection from this host, or each restored C(.env) has the lines of O(sandbox). Else
    nothing is started and the drill fails.
  - The folder, the server and the services are gone afterwards. What a drill, a verification or a backup left that
    was killed is ended and removed by the next one, where its owner file says that the process is gone. What names
    no owner, or is another host's, is named and stays.
  - What is proved of the set is kept with it. It is at V(L3) where all of its sources came back, at V(L4) where the
    services of O(smoke) were well after that. Nothing else reaches V(L4).
requirements:
  - With O(store=restic) restic 0.14 or newer.
  - The programs of a PostgreSQL server (C(initdb)) of the dump's version or newer, and an account C(postgres), where
    the set has databases of one.
options:
  dir:
    description:
      - Folder of the sets. It is made with mode 0700 where it does not exist; sets are 0700 and their files 0600.
      - On Windows a new folder and each set are closed to everybody but SYSTEM and the Administrators. Keep the path
        below 100 characters there, because the folder itself is written to in the usual way.
      - Give it a file system of its own. It must not be one that a source's loss would take with it.
    type: path
    required: true
  scenario:
    description: Name of the scenario that is played, one of O(scenarios).
    type: str
    required: true
  scenarios:
    description: The scenarios that there are, as data. The role C(dr_drill) has four, and takes more.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the scenario.
        type: str
        required: true
      title:
        description: What happened, in one sentence.
        type: str
        required: true
      types:
        description: Types of sources that come back. All of the set by default.
        type: list
        elements: str
        choices: [files, sqlite, postgresql, redis, system]
        default: []
      damage:
        description: What is done to a first restored copy. It has to be noticed before the second one is restored and
          timed. V(delete) removes everything, V(encrypt) writes random bytes over all files, V(flip) changes one byte
          in the middle of each database, V(change) appends to each file. With V(none) there is nothing but the set.
        type: str
        choices: [none, delete, encrypt, flip, change]
        default: none
      before:
        description: 'How old the set has to be at least, such as V(24h): what encrypts or changes files has been at
          it for a while. Default is the newest good set.'
        type: str
        default: 0s
      questions:
        description: Questions that the lessons sheet asks whoever reads it.
        type: list
        elements: str
        default: []
  label:
    description: Of which label the set is, such as V(weekly). Without it any will do.
    type: str
  of_host:
    description: Name of the host whose sets are meant. Without it this host's own; a scratch host names the one it is
      for.
    type: str
  rto_minutes:
    description: Within how many minutes everything has to be back (recovery time objective).
    type: float
    default: 60.0
  rpo_hours:
    description: How many hours of data may be lost at most (recovery point objective).
    type: float
    default: 26.0
  smoke:
    description: Services that are started from the restored copy and have to be well. Without any the databases are
      opened and their rows counted, and nothing of the application is run.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the service.
        type: str
        required: true
      command:
        description: Command that starts it from the restored copy, on another port than the live one has. C({root})
          is the folder in which the sources lie, each in a folder of its name.
        type: list
        elements: str
        required: true
      user:
        description: Account that runs it. Required where the drill runs as root.
        type: str
      environment:
        description: Variables of its environment, beside PATH.
        type: dict
        default: {}
      port:
        description: Port on which it has to answer, on V(127.0.0.1).
        type: int
        required: true
      path:
        description: Path that it has to answer with 200.
        type: str
        default: /health
      seconds:
        description: How long it may take to be well.
        type: float
        default: 60.0
  endpoints:
    description: Where exchanges answer, as C(host:port). While one of them can be reached nothing of the application
      is started, because its keys are live; O(sandbox) is the other proof. Nor is it where a name is not resolved.
    type: list
    elements: str
    default:
      - api.binance.com:443
      - api.kraken.com:443
      - api.coinbase.com:443
      - api.bybit.com:443
      - www.okx.com:443
      - api.kucoin.com:443
      - api-pub.bitfinex.com:443
  sandbox:
    description: 'Lines such as V(EXCHANGE_SANDBOX=true) that each restored C(.env) has to have, all of them: then the
      application reaches no live exchange, whatever the network allows.'
    type: list
    elements: str
    default: []
  keep_records:
    description: How many drills are remembered.
    type: int
    default: 200
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
  restic:
    description: Program restic where it is not on the PATH. From version 0.14 on.
    type: path
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
  state_dir:
    description:
      - Folder in which the collection remembers what it compares with at the next run, and where its lock is held.
      - It is made, readable by its owner only, where it does not exist. An audit also works where it cannot be written.
    type: path
    default: /var/lib/cryptobot-maintenance
  timeout:
    description: Seconds that the whole run may take.
    type: int
    default: 7200
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: Says which set would be restored. Nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run is a drill.
  platform:
    support: full
    platforms: linux
notes:
  - What is restored has the secrets of the installation in it, while the drill runs. Its folder is closed to others.
  - Run it on a host of its own, or where the live services leave it room. A drill reads the whole set twice.
seealso:
  - module: cryptobot.maintenance.backup_restore
  - module: cryptobot.maintenance.backup_archive
"""

EXAMPLES = r"""
- name: Play the loss of the host, on its own copies
  cryptobot.maintenance.dr_drill:
    dir: /var/backups/cryptobot
    scenario: host_lost
    scenarios:
      - {name: host_lost, title: The host is gone and a new one is there.}
    rto_minutes: 30
  register: cryptobot_result_drill

- name: Show how long it took
  ansible.builtin.debug:
    var: cryptobot_result_drill.drill.phases
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
    - check: drill.rto
      subject: host_lost
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
drill:
  description: The drill as it is remembered.
  returned: unless planned
  type: dict
sheet:
  description: The lessons sheet, as Markdown.
  returned: unless planned
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.drill.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.option_secrets import secrets_among
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    # Until here every value of an environment counted as secret, which would mask ports and paths in the answer.
    module.no_log_values = secrets_among(module.no_log_values, module.params)
    exit_with(module, run, low_priority=False)


if __name__ == "__main__":
    main()
