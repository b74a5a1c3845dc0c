#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: service_check
short_description: Look at the services of a Cryptobot host and never touch one
version_added: "0.1.0"
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Compares the services that the inventory declares with what is there. It looks at the state and how it came about,
    whether a service starts at boot, automatic restarts, and whether the port is held by that very service and on the
    declared address. It asks each service's own health probe, and looks for contradicting ports, pending restarts, open
    files and memory.
  - Services of systemd, launchd and Windows, and services that a script starts and a pid file names, are looked at
    together. One call of C(systemctl) serves all units, one C(powershell.exe) everything on a Windows host.
  - Where a service does not run, what the services that depend on it suffer from that alone is V(skipped), names its
    finding in C(consequence_of) and is not counted again. What has a cause of its own stays what it is.
  - An answer to a probe counts only if the service itself holds the port; a stranger there is not asked.
  - What could not be looked at is a finding V(unknown) with its reason, never V(ok). Run it as root to see the owners
    of sockets and the open files of other accounts.
  - While the file C(maintenance) in O(state_dir) names an end in the future, in ISO 8601 with a zone such as
    C(2026-11-22T03:00:00Z), findings are reported as V(skipped).
options:
  patterns:
    description: Patterns of the names of units, launchd labels or Windows services, so that also those that nobody
      declared are seen. On Windows capitals do not matter.
    type: list
    elements: dict
    default: []
    suboptions:
      pattern:
        description: Shell pattern such as V(cryptobot-*).
        type: str
        required: true
      min_match:
        description: How many units must fit. A pattern that fits none is V(critical), because it checks nothing.
        type: int
        default: 1
      expected:
        description: Units that must fit. A unit that fits and is neither here nor in O(services) is a finding.
        type: list
        elements: str
        default: []
  restarts_window:
    description: Time in which automatic restarts are counted, such as V(1h).
    type: str
    default: 1h
  restarts_warn:
    description: Restarts in the window from which on there is a warning.
    type: int
    default: 1
  restarts_crit:
    description: Restarts in the window from which on it is critical.
    type: int
    default: 3
  retries:
    description: How many times to look again where a service is down, before that is reported.
    type: int
    default: 2
  delay:
    description: Seconds before looking again.
    type: float
    default: 3.0
  open_files_warn:
    description: Percent of a process's limit of open files from which on there is a warning.
    type: int
    default: 70
  open_files_crit:
    description: Percent of a process's limit of open files from which on it is critical.
    type: int
    default: 90
  leak_min_samples:
    description: How many runs must have measured a process before the growth of its memory is judged.
    type: int
    default: 6
  leak_min_span:
    description: Time that these runs must span, such as V(6h).
    type: str
    default: 6h
  leak_warn:
    description: Growth of memory per day from which on there is a warning, such as V(50M).
    type: str
    default: 50M
  timeout:
    description: Seconds that the whole run may take.
    type: int
    default: 180
extends_documentation_fragment:
  - cryptobot.maintenance.services
  - cryptobot.maintenance.common
  - cryptobot.maintenance.attributes
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
    details: The same findings on all three, with C(skipped) and the reason where a platform has no equivalent; see the
      notes. What was tried on real macOS and Windows hosts is in the pages of the collection about them.
notes:
  - "On macOS a job is what C(launchctl print) says of it, or where that does not answer C(launchctl list). A job that
    waits because it keeps ending (C(spawn scheduled)) is down. RV(services[].restarts) counts by C(runs), which begins
    anew whenever the job is loaded. C(services.enabled) expects the plist in C(/Library/LaunchDaemons): one in
    C(/Library/LaunchAgents) waits for a login."
  - "On Windows a service of NSSM is the program that NSSM runs; where that has ended the service is down, although
    Windows calls it running. Restarts are the events 7031 and 7034 of the System log and NSSM's own 1014. An automatic
    delayed start counts as started at boot."
  - "C(services.daemon_reload) and C(services.open_files) are V(skipped) on macOS and Windows: neither has a copy of
    settings to reload, macOS does not show the limit of another process, and Windows sets none."
  - "C(services.restart_pending) compares the times of the program, of the plist and of configuration files with the
    begin of the process on macOS and Windows. Replaced libraries are seen on Linux only, and so are processes that were
    ended because memory ran out."
  - "C(services.memory) counts resident pages on Linux and macOS, and the working set on Windows. Threads are not
    counted on macOS."
  - "Without root on macOS the owners of other accounts' sockets, and without elevation on Windows the paths and command
    lines of other accounts' processes and the event logs, cannot be seen."
seealso:
  - module: cryptobot.maintenance.service_restart
  - module: cryptobot.maintenance.firewall_audit
  - module: ansible.builtin.service_facts
"""

EXAMPLES = r"""
- name: Look at the services of the inventory
  cryptobot.maintenance.service_check:
    services: "{{ cryptobot_services }}"
  register: cryptobot_result_services

- name: Look at one unit, its port and its health page, and at every unit of that family
  cryptobot.maintenance.service_check:
    services:
      - name: auth
        unit: cryptobot-auth.service
        port: 8000
        bind: 127.0.0.1
        health:
          path: /health
          status: [200]
          json:
            status: healthy
        declared_in:
          - path: /etc/cryptobot/prometheus.yml
            pattern: 'auth:(\d+)'
    patterns:
      - pattern: cryptobot-*
        min_match: 5
        expected: [cryptobot-prometheus.service]

- name: Look at a service on hosts of all three systems; each takes the name that it has
  cryptobot.maintenance.service_check:
    services:
      - name: auth
        unit: cryptobot-auth.service
        label: com.cryptobot.auth
        service: CryptobotAuth
        port: 8000

- name: Look at a service that a script starts
  cryptobot.maintenance.service_check:
    services:
      - name: trade
        pid_file: /tmp/cryptobot_trade.pid
        process: uvicorn trade\.main:app
        port: 8004
        health:
          path: /metrics
          body_regex: order_execution_total
"""

RETURN = r"""
status:
  description: The worst status of the findings, one of V(ok), V(warning), V(unknown), V(critical).
  returned: always
  type: str
  sample: warning
findings:
  description: What was found, worst first.
  returned: always
  type: list
  elements: dict
  sample:
    - check: services.port_owner
      subject: auth
      status: critical
      message: "tcp port 8000 of auth is held by a process that is not auth: pid 812 (python3 -m http.server)"
      expected: tcp 8000
      actual: [812]
      remedy: End the stray process after looking at what it is, or correct the port in the inventory.
      procedure: D1.2
services:
  description: One record for each declared service, those that a trouble begins with first.
  returned: always, except on a platform that cannot be looked at
  type: list
  elements: dict
  contains:
    name:
      description: Name of the service.
      type: str
    manager:
      description: Who looks after it, one of V(systemd), V(launchd), V(windows), V(pid_file).
      type: str
    unit:
      description: Id of its unit, launchd label or name of its Windows service.
      type: str
    state:
      description: State in the words of systemd, or V(running), V(not running), V(unknown).
      type: str
    substate:
      description: Sub-state in the words of systemd, launchd or Windows.
      type: str
    enabled:
      description: State of the unit file; on Windows V(enabled), V(delayed), V(manual) or V(disabled), on macOS
        V(enabled), V(login), V(manual), V(transient) (its plist is not where the next boot looks) or V(disabled).
      type: str
    pid:
      description: Its main process.
      type: int
    since:
      description: When it was started, in seconds since the epoch.
      type: int
    uptime_s:
      description: For how many seconds it has been running.
      type: float
    restarts:
      description: Restarts in the window, and in total since it was last started by hand.
      type: dict
    exit:
      description: How its main process ended last, as code, signal, oom and the result in the words of systemd.
      type: dict
    ports:
      description: Its declared ports.
      type: list
      elements: int
    http:
      description: Status code, 95th percentile in seconds, and problem of its probe.
      type: dict
    resources:
      description: Memory, open files, threads, processes and processor time of its processes, and growth of memory.
      type: dict
    drift:
      description: Other places that name its port, with what they say.
      type: list
      elements: str
    suppressed_by:
      description: Services that do not run and that findings of this one follow from.
      type: list
      elements: str
    verdict:
      description: The worst status of its findings.
      type: str
metrics:
  description: Numbers with a name in the style of Prometheus, a unit and labels.
  returned: always
  type: list
  elements: dict
actions:
  description: Always empty. This module never acts.
  returned: always
  type: list
  elements: dict
remembered:
  description: Whether the run could write what the next one compares with into O(state_dir).
  returned: outside check mode
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.secret import secrets_among


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    # Until here every value of an environment counted as secret, which would mask ports and paths in the answer.
    module.no_log_values = secrets_among(module.no_log_values, module.params)
    exit_with(module, run, acts=False)


if __name__ == "__main__":
    main()
