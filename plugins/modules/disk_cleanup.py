#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/cleanup/__init__.py and docs/modules/disk_cleanup.yml; a test compares
# them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_cleanup
short_description: Delete old files by declared rules, with guards
version_added: 0.1.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Deletes what the declared rules allow, oldest first, and nothing else. A rule names a folder, and patterns, an age
    or both.
  - Never follows a symlink and never enters another file system, not even one that is put in place while it runs. Every
    folder is opened by name from the one before it, and every file is looked at again right before its turn.
  - On Windows the same holds for junctions, mount points and every other reparse point, and for other volumes. A folder
    is held open while it is worked in, so that nobody can put something else in its place.
  - Spares what a process has open, databases, special files, and whatever is protected. Rules that lie at, in or above
    a protected folder are refused before anything is looked at.
  - In check mode it returns exactly the deletions that a run would do.
  - With O(usage_roots) it also says what takes the space.
options:
  rules:
    description: What may be deleted. This is the inventory variable C(cryptobot_cleanup_rules).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the rule is called in findings. No other rule has this name.
        type: str
        required: true
      path:
        description:
          - The folder that the rule speaks of, absolute, and without a symlink anywhere on the way. The folder itself
            is never deleted.
          - On Windows a drive and long names, such as V(C:\\CryptoBot\\logs), of any length and with either kind of
            slashes. Shares, devices, short names (8.3), names that end in a dot or a space, and streams are refused,
            because they hide where a path ends.
          - On macOS F(/tmp), F(/var) and F(/etc) are taken for what they are links to, below F(/private),
            and F(/System/Volumes/Data) for the folders that are joined to it.
        type: path
        required: true
      patterns:
        description:
          - Shell patterns of file names. A file that fits any of them is meant; without any, every file is.
          - They are compared with the name alone, so they have no slash. A leading dot is a character like others.
            Upper and lower case count on every platform.
        type: list
        elements: str
        default: []
      age:
        description:
          - How old a file must be at least, such as V(12h), V(7d) or V(4w). The unit is needed.
          - Required where the patterns leave nothing out, and with O(rules[].empty_dirs).
        type: str
      age_by:
        description:
          - Which of its times an age is counted from, and what O(rules[].keep) calls new.
          - V(newest) takes the latest of the three, as C(systemd-tmpfiles) does. It suits F(/tmp), where an unpacked
            file has the old V(mtime) of its origin.
          - On Windows V(ctime) is when the file was made there, and V(atime) is often not kept.
        type: str
        choices: [mtime, ctime, atime, newest]
        default: mtime
      owner:
        description:
          - Account, by name or number, that must own a file. Files of others are not meant.
          - Windows has no such numbers, and an owner that is not known never matches. There a rule with an owner
            deletes nothing and is V(unknown).
        type: str
      keep:
        description: So many of the newest files that the rule speaks of stay, however old they are.
        type: int
        default: 0
      recurse:
        description: Whether the folders below are meant too.
        type: bool
        default: false
      min_size:
        description: Size that a file must have at least, such as V(10M).
        type: str
      empty_dirs:
        description: Whether folders below that are as old as O(rules[].age) are removed when they are empty, or become
          so by this run. It needs O(rules[].recurse).
        type: bool
        default: false
      optional:
        description: Whether it is fine that the folder does not exist.
        type: bool
        default: false
  install_dir:
    description: The folder of Cryptobot. No rule may lie at or above it.
    type: path
  protected:
    description:
      - Folders and files that nothing may touch, such as backups and databases. No rule may lie at, in or above one.
      - The data is protected, by whatever path it is reached. A symlink, a second name, a bind mount, a subvolume, an
        overlay or a drive made by C(subst) does not get around it. O(state_dir) and the folders of the system itself
        are always protected.
      - On Windows a path without a drive is protected on every drive. Upper and lower case do not count there and on
        macOS.
    type: list
    elements: path
    default: []
  free_bytes:
    description:
      - Free at most this much, such as V(5G), and stop. The oldest files go first.
      - The file with which the size is reached is still deleted.
    type: str
  max_files:
    description: Delete at most so many files and folders in one run. What is left is reported.
    type: int
    default: 100000
  max_entries:
    description: Look at at most so many names in one run. A rule that is not looked through to the end is V(unknown).
    type: int
    default: 200000
  scan_seconds:
    description: Seconds that looking through the folders may take.
    type: float
    default: 60.0
  reclaimable_warning:
    description: In check mode, more than this that could be deleted is a warning.
    type: str
    default: 1G
  usage_roots:
    description: Folders of which to say what takes the space, by the names directly in them.
    type: list
    elements: path
    default: []
  state_dir:
    description:
      - Folder in which the collection remembers what it compares with at the next run, and where its lock is held.
      - It is made, readable by its owner only, where it does not exist. An audit also works where it cannot be written.
    type: path
    default: /var/lib/cryptobot-maintenance
  timeout:
    description: Seconds that the whole run may take. What is not reached by then is left for the next run.
    type: int
    default: 600
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: The paths before and after, the first 500 of them.
  idempotent:
    support: partial
    details:
      - A second run right after the first changes nothing, unless O(free_bytes) or O(max_files) left something over.
  platform:
    support: full
    platforms: linux, macos, windows
    details:
      - Tried on real Linux hosts. On macOS and Windows nothing was tried on real ones; the tests stand in for their
        file systems, C(lsof) and the calls of Windows.
      - On Windows no list of open files is made. Each file is asked for alone right before its turn, and one that a
        process has open is spared. Check mode cannot tell these.
      - On Windows the bytes of a file are its size, also where it is compressed or sparse.
notes:
  - On Windows F(C:\Windows), F(C:\Program Files) and other folders of the system are protected on every drive, and so
    is a profile below F(C:\Users) as a whole, and its F(AppData). F(C:\Windows\Temp) is not cleaned either.
  - Files that are read-only or of the system, that are kept elsewhere (offline, in a cloud), or that are a reparse
    point themselves (deduplicated ones, too) are spared on Windows. On macOS those are spared that have a flag
    against it (C(restricted), C(uchg), C(schg), C(uappnd), C(sunlnk), C(dataless)); see C(ls -lO).
  - Files with the name of a database (C(*.db), C(*.sqlite) and their journals) are never deleted, whatever a rule says.
  - A file with several names gives its space back only when its last name goes. The bytes are counted so.
  - Without root not every process can be looked at. Rules without an age then do nothing, and the rest is guarded by
    its age alone; the finding C(cleanup.in_use) says so.
  - A deletion that the system refuses is the finding C(cleanup.failed). It stops neither the run nor the play.
seealso:
  - module: cryptobot.maintenance.resource_check
  - module: ansible.builtin.find
  - module: ansible.builtin.file
"""

EXAMPLES = r"""
- name: Delete what the rules of the inventory allow
  cryptobot.maintenance.disk_cleanup:
    rules: "{{ cryptobot_cleanup_rules }}"
    install_dir: "{{ cryptobot_install_dir }}"
    protected:
      - "{{ cryptobot_backup.dir }}"
      - "{{ cryptobot_install_dir }}/database"
    usage_roots: ["{{ cryptobot_install_dir }}", /var/log]
  become: true
  register: cryptobot_result_cleanup

- name: Rotated logs after five weeks, all but the ten newest reports, and what services left in the temporary folder
  cryptobot.maintenance.disk_cleanup:
    rules:
      - name: rotated logs
        path: /opt/cryptobot/logs
        patterns: ["*.log.[0-9]*", "*.log.*.gz"]
        age: 35d
      - name: old reports
        path: /opt/cryptobot/reports
        patterns: ["performance_report_*.json"]
        keep: 10
      - name: temporary files of the services
        path: /var/tmp/cryptobot
        age: 7d
        age_by: newest
        owner: cryptobot
        recurse: true
        empty_dirs: true
        optional: true
  become: true

- name: Make room for five gigabytes, the oldest first
  cryptobot.maintenance.disk_cleanup:
    rules: "{{ cryptobot_cleanup_rules }}"
    free_bytes: 5G
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
  sample:
    - check: cleanup.reclaimable
      subject: all rules
      status: ok
      message: 12 of 12 planned deletions were done and freed 1.2 GiB
      expected: null
      actual: 1288490188
      remedy: ''
      procedure: W1.2
metrics:
  description: The numbers of the run, named for Prometheus.
  returned: always
  type: list
  elements: dict
  sample:
    - name: cryptobot_cleanup_reclaimed_bytes
      value: 1288490188
      unit: bytes
      labels: {}
actions:
  description:
    - Each deletion, V(planned) in check mode, else V(done), V(skipped) or V(failed) with its reason. The first 500 are
      listed, the rest is one entry with its totals.
    - After them what guards, the budget and the bound of files kept.
  returned: always
  type: list
  elements: dict
  sample:
    - action: delete
      subject: /opt/cryptobot/logs/auth.log.7
      state: done
      reason: 'rule rotated logs: 41.0 d old by mtime, at least 35.0 d'
      details:
        bytes: 10485760
        rule: rotated logs
        size: 10484211
        mtime: 1791820800.0
changed:
  description: Whether anything on the host was changed, in check mode whether a run would change it.
  returned: always
  type: bool
msg:
  description: Why the task failed. What was found until then is returned beside it.
  returned: failure
  type: str
cleanup:
  description: The run in numbers.
  returned: success, except on a platform that cannot be cleaned
  type: dict
  contains:
    planned:
      description: How many files and folders the plan deletes.
      type: int
      sample: 12
    planned_bytes:
      description: The bytes that the plan gives back.
      type: int
      sample: 1288490188
    plan_digest:
      description: Checksum of all names in the plan. Equal in check mode and in the run that follows.
      type: str
      sample: f88b905aec936f609d6f59a9b18ec0b62081e6201c8e8fa186699fc39bf13692
    done:
      description: How many deletions were done.
      type: int
      sample: 12
    reclaimed_bytes:
      description: The bytes that they gave back.
      type: int
      sample: 1288490188
    not_done:
      description: How many were not needed or not safe any more when their turn came.
      type: int
      sample: 0
    failed:
      description: How many the system refused.
      type: int
      sample: 0
    rules:
      description: For each rule how much it looked at and plans, why it does nothing, and what was not entered.
      type: list
      elements: dict
      sample:
        - name: rotated logs
          path: /opt/cryptobot/logs
          looked_at: 40
          planned: 12
          planned_bytes: 1288490188
          refused: ''
          complete: true
          not_entered: []
    filesystems:
      description: The bytes free for ordinary accounts before and after, by the folder of each rule.
      type: list
      elements: dict
      sample:
        - path: /opt/cryptobot/logs
          free_before: 60886552576
          free_after: 62175042764
    usage:
      description: What takes the space below O(usage_roots), the ten largest names each.
      type: list
      elements: dict
      sample:
        - path: /opt/cryptobot
          bytes: 3221225472
          largest:
            - name: data
              bytes: 2147483648
diff:
  description: The paths of the plan, and those of them that are still there after the run.
  returned: success, except on a platform that cannot be cleaned
  type: dict
  contains:
    before:
      description: The paths that the plan deletes, with the bytes that each gives back.
      type: str
      sample: '/opt/cryptobot/logs/auth.log.7 (10.0 MiB)

        '
    after:
      description: Those that are still there.
      type: str
      sample: ''
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    exit_with(module, run)


if __name__ == "__main__":
    main()
