#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/resources/__init__.py and docs/modules/resource_check.yml; a test
# compares them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: resource_check
short_description: Judge disk, memory, load, clock and other resources of a host
version_added: 0.1.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Looks once at the resources of a host and judges them, without an agent and without a time series database.
  - Free space and inodes of each mounted file system, and when each will be full; memory, swap, load, processor time,
    waiting for storage, stolen time, open files, tracked connections, killed processes, the clock, and deleted files
    that still take space because a process has them open.
  - What could not be looked at is a finding V(unknown) with the reason, never V(ok).
  - The forecast comes from what earlier runs measured, which is kept in O(state_dir). It needs three samples, a day
    apart in all.
options:
  thresholds:
    description:
      - From where on a number is bad. Percentages are 0 to 100. What is left out keeps its default.
      - This is the inventory variable C(cryptobot_thresholds). Where the defaults come from stands with each check in
        C(docs/checks.md).
    type: dict
    default: {}
    suboptions:
      disk_free_warning:
        description: Percentage of a file system that must stay free, counted as C(df) does, so space reserved for root
          is no space.
        type: float
        default: 20.0
      disk_free_critical:
        description: The same, below which it is critical.
        type: float
        default: 5.0
      disk_free_bytes_warning:
        description: Size that must stay free beside the percentage, such as V(10G). Not looked at by default.
        type: str
      disk_free_bytes_critical:
        description: The same, below which it is critical.
        type: str
      inodes_free_warning:
        description: Percentage of the inodes that must stay free.
        type: float
        default: 10.0
      inodes_free_critical:
        description: The same, below which it is critical.
        type: float
        default: 3.0
      mounts:
        description:
          - Bounds of single mounts. What an entry leaves out is taken from the bounds of all mounts.
          - A mount that is named here and is not mounted is critical.
        type: list
        elements: dict
        default: []
        suboptions:
          mount:
            description: The path at which it is mounted.
            type: path
            required: true
          ignore:
            description: Whether this mount is not looked at.
            type: bool
            default: false
          disk_free_warning:
            description: Percentage that must stay free on this mount.
            type: float
          disk_free_critical:
            description: The same, below which it is critical.
            type: float
          disk_free_bytes_warning:
            description: Size that must stay free on this mount.
            type: str
          disk_free_bytes_critical:
            description: The same, below which it is critical.
            type: str
          inodes_free_warning:
            description: Percentage of the inodes that must stay free on this mount.
            type: float
          inodes_free_critical:
            description: The same, below which it is critical.
            type: float
      forecast_warning:
        description: A file system that will be full within this time is a warning, if less than
          O(thresholds.forecast_free_warning) of it is free.
        type: str
        default: 24h
      forecast_critical:
        description: The same, within which it is critical, if less than O(thresholds.forecast_free_critical) is free.
        type: str
        default: 4h
      forecast_free_warning:
        description: Percentage of free space above which a forecast is never a warning.
        type: float
        default: 40.0
      forecast_free_critical:
        description: Percentage of free space above which a forecast is never critical.
        type: float
        default: 20.0
      memory_available_warning:
        description: Percentage of memory that must be available to new work.
        type: float
        default: 10.0
      memory_available_critical:
        description: The same, below which it is critical.
        type: float
        default: 5.0
      swap_used_warning:
        description: Percentage of swap that may be used.
        type: float
        default: 80.0
      swap_used_critical:
        description: The same, above which it is critical. Not looked at by default.
        type: float
      load_warning:
        description: Load average of 15 minutes that each processor may have.
        type: float
        default: 2.0
      load_critical:
        description: The same, above which it is critical. Not looked at by default, because waiting counts as load.
        type: float
      cpu_busy_warning:
        description: Percentage of processor time that may be used. It counts only where the load of 5 minutes is at
          least 1 for each processor too, because the sample is short.
        type: float
        default: 80.0
      iowait_warning:
        description: Percentage of processor time that may be spent waiting for storage.
        type: float
        default: 10.0
      steal_warning:
        description: Percentage of processor time that the hypervisor may give to others.
        type: float
        default: 10.0
      open_files_warning:
        description: Percentage of the kernel's limit of open files that may be used.
        type: float
        default: 70.0
      open_files_critical:
        description: The same, above which it is critical.
        type: float
        default: 90.0
      connections_warning:
        description: Percentage of the kernel's limit of tracked connections that may be used.
        type: float
        default: 75.0
      connections_critical:
        description: The same, above which it is critical.
        type: float
        default: 95.0
      clock_offset_warning:
        description: Seconds that the clock may be off.
        type: float
        default: 0.05
      clock_offset_critical:
        description: The same, above which it is critical.
        type: float
        default: 1.0
      oom_window:
        description: How far back the kernel's log is searched for processes killed for want of memory.
        type: str
        default: 24h
      deleted_open_warning:
        description: Size that deleted files may hold while a process has them open.
        type: str
        default: 1G
      skip:
        description: Checks that are left out on this host, so that an inventory can say it. O(skip) adds to them.
        type: list
        elements: str
        choices:
          - clock
          - connections
          - cpu
          - deleted_open_files
          - disk_forecast
          - disk_space
          - inodes
          - iowait
          - load
          - memory
          - mounts
          - not_looked_at
          - oom_kills
          - open_files
          - steal
          - swap
        default: []
  skip:
    description: Checks that are left out. Each is reported as V(skipped), so a report shows that nobody looked.
    type: list
    elements: str
    choices:
      - clock
      - connections
      - cpu
      - deleted_open_files
      - disk_forecast
      - disk_space
      - inodes
      - iowait
      - load
      - memory
      - mounts
      - not_looked_at
      - oom_kills
      - open_files
      - steal
      - swap
    default: []
  sample_seconds:
    description: Seconds over which processor time is measured, at most 60. The module is busy with other looks
      meanwhile and waits only for the rest. V(0) takes no sample.
    type: float
    default: 0.5
  scan_seconds:
    description: Seconds that the search for deleted open files may take, at most 60.
    type: float
    default: 10.0
  state_dir:
    description:
      - Folder in which the collection remembers what it compares with at the next run, and where its lock is held.
      - It is made, readable by its owner only, where it does not exist. An audit also works where it cannot be written.
    type: path
    default: /var/lib/cryptobot-maintenance
  timeout:
    description: Seconds that the whole run may take.
    type: int
    default: 60
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: It changes nothing in either mode. In check mode it does not write its memory in O(state_dir) either.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux, macos, windows
    details:
      - Tried on real Linux hosts. On macOS and Windows nothing was tried on real ones; the tests stand in for the tools
        of macOS and for what Windows answers. The questions to Windows were evaluated by the real engine of PowerShell
        7.
notes:
  - Without root the open files of other accounts and the kernel's log cannot be seen. Deleted open files are then
    V(unknown), and so are killed processes where their count alone does not say when.
  - In a container the load, the open files and the clock are those of the machine that holds it, and the findings say
    so. A clock that nothing keeps is V(skipped) there, because it is the one of that machine. Memory is that of the
    container's own limit, where it has one.
  - 'Windows: volumes are named by their letter or by the folder they are mounted in (C(D:\), C(C:\mnt\data)). Memory
    is that of the machine or the commit limit, whichever is scarcer; page files are the swap. It has no load averages,
    so the processor queue of the moment is judged by the same bounds; no limit of open files, so the process that has
    the most handles is judged; and it notes exhausted memory (event 2004) instead of whom it killed. Inodes, waiting
    for storage, stolen time, tracked connections and deleted open files are V(skipped).'
  - 'macOS: an APFS container is looked at once, at C(/System/Volumes/Data) where it holds that, and the sealed system
    volume not at all. Swap files are judged with the room they can grow into. The kernel''s own word on memory pressure
    counts. JetsamEvent reports take the place of killed processes. Waiting for storage and stolen time are V(skipped).
    The offset of the clock is asked of the time server (C(sntp)), which changes nothing.'
  - A file system whose server does not answer within 5 seconds is V(unknown) and holds nobody.
seealso:
  - module: cryptobot.maintenance.disk_cleanup
  - module: cryptobot.maintenance.checkup
  - module: ansible.builtin.setup
"""

EXAMPLES = r"""
- name: Judge the resources of each host by the thresholds of the inventory
  cryptobot.maintenance.resource_check:
    thresholds: "{{ cryptobot_thresholds }}"
  become: true
  register: cryptobot_result_resources

- name: Look with bounds of single disks, and leave the clock of a container out
  cryptobot.maintenance.resource_check:
    thresholds:
      disk_free_bytes_critical: 1G
      mounts:
        - mount: /srv/data
          disk_free_warning: 8
          disk_free_bytes_warning: 200G
        - mount: /srv/backup
      skip: [clock]  # of this host, by its inventory; the option skip of the module adds to it
  become: true

- name: Show what is wrong, and what to do about it
  ansible.builtin.debug:
    msg: "{{ item.message }}: {{ item.remedy }}"
  loop: "{{ cryptobot_result_resources.findings | rejectattr('status', 'in', ['ok', 'skipped']) }}"
  loop_control:
    label: "{{ item.check }} {{ item.subject }}"
"""

RETURN = r"""
status:
  description: The worst status of the findings, one of V(ok), V(warning), V(unknown), V(critical).
  returned: always
  type: str
  sample: warning
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
    - check: resources.disk_space
      subject: /srv/data
      status: warning
      message: /srv/data has 17.2 % free, 172.0 GiB of 1000.0 GiB
      expected: 'at least 20 % (critical: 5 %) free'
      actual: 17.2 % free, 172.0 GiB of 1000.0 GiB
      remedy: See what uses it (`du -xh --max-depth=1 MOUNT | sort -h`), run disk_cleanup, or enlarge the file system.
      procedure: D1.1
metrics:
  description: Every number that was measured, named for Prometheus.
  returned: always
  type: list
  elements: dict
  sample:
    - name: cryptobot_resources_disk_free_ratio
      value: 0.172
      unit: ratio
      labels:
        mount: /srv/data
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
resources:
  description:
    - What was observed. A value that could not be measured is a dict with the reason under C(unknown), one that this
      host does not have is a dict with the reason under C(absent).
  returned: success, except on a platform that cannot be looked at
  type: dict
  contains:
    at:
      description: When the look began, in seconds since the epoch.
      type: float
      sample: 1795368480.99
    container:
      description: The kind of container that the host runs in, or an empty text.
      type: str
      sample: systemd-nspawn
    mounts:
      description: Each file system that holds data and can be written, once, with its usage in bytes and inodes.
      type: list
      elements: dict
      sample:
        - path: /
          source: /dev/vda1
          kind: ext4
          usage:
            size: 1050000000
            used: 520000000
            available: 470000000
            inodes: 6553600
            inodes_available: 6100000
    lost_mounts:
      description: Paths that C(/etc/fstab) declares and that are not mounted or can only be read, with which it is.
      type: dict
      sample:
        /srv/data: can only be read now
    mount_table:
      description: What the host itself declares its mounts in.
      type: str
      sample: /etc/fstab
    memory:
      description: Memory in bytes, whether the machine, a control group or the commit limit bounds it, and the kernel's
        own alarm.
      type: dict
      sample:
        total: 16777216000
        available: 8388608000
        bound: machine
        alarm: ''
    swap:
      description: Swap space in bytes.
      type: dict
      sample:
        used: 0
        limit: 2147483648
        what: ''
    load:
      description: Load averages over 1, 5 and 15 minutes, and the number of processors. On Windows C(length), how many
        threads wait for a processor, in place of the averages.
      type: dict
      sample:
        one: 0.5
        five: 0.4
        fifteen: 0.3
        processors: 2
    cpu:
      description: Shares of processor time in the sample; one that the system does not count is a dict with C(absent).
      type: dict
      sample:
        busy: 0.12
        iowait: 0.01
        steal: 0.0
    open_files:
      description: Open files of the whole system and the kernel's limit, or what is counted in their place.
      type: dict
      sample:
        used: 2257
        limit: 2466177
        what: ''
    connections:
      description: Connections that the kernel tracks and its limit.
      type: dict
      sample:
        used: 12
        limit: 262144
        what: ''
    clock:
      description: Whether the clock is kept, how far it is off in seconds if that is known, and who says so.
      type: dict
      sample:
        source: chronyc
        synchronised: true
        offset: -3.0e-06
    oom:
      description:
        - How many processes were killed for want of memory since the boot, and those that the journal names.
        - On Windows and macOS C(source), C(since), C(booted) and C(events), what was noted of exhausted memory.
      type: dict
      sample:
        total: 0
        scope: this host
        booted: 1795364391.0
        boot_id: 5f1c
        journal: []
    held:
      description: Deleted files that are still open, the 50 largest of C(count), and what could not be looked at.
      type: dict
      sample:
        files:
          - path: /var/log/app.log
            size: 3221225472
            owners:
              - uvicorn (pid 812)
        count: 1
        unseen: ''
    pressure:
      description: Shares of time in which work stalled for want of a resource, as the kernel measures it.
      type: dict
      sample:
        io:
          some_avg10: 0.01
          some_avg60: 0.0
          some_avg300: 0.0
    blind_spots:
      description: What could not be looked at, in words.
      type: list
      elements: str
      sample:
        - 'resources.clock clock: could not be looked at: the state of the clock cannot be read: ...'
    remembered:
      description: Whether this run's numbers were kept for the next one.
      type: bool
      sample: true
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.resources.run import run


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    exit_with(module, run, acts=False)


if __name__ == "__main__":
    main()
