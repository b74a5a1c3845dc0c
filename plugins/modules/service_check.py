#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/services/__init__.py and docs/modules/service_check.yml; a test
# compares them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: service_check
short_description: Look at the services of a Cryptobot host and never touch one
version_added: 0.1.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Compares the services that the inventory declares with what is there. It looks at the state and how it came about,
    whether a service starts at boot, automatic restarts, and whether the port is held by that very service and on the
    declared address. It asks each service's own health probe, and looks for contradicting ports, pending restarts, open
    files and memory.
  - Services of systemd, launchd and Windows, and services that a script starts and a pid file names, are looked
    at together. One call of C(systemctl) serves all units, one C(powershell.exe) everything on a Windows host.
  - Where a service does not run, what the services that depend on it suffer from that alone is V(skipped), names its
    finding in C(consequence_of) and is not counted again. What has a cause of its own stays what it is.
  - An answer to a probe counts only if the service itself holds the port; a stranger there is not asked.
  - What could not be looked at is a finding V(unknown) with its reason, never V(ok). Run it as root to see the owners
    of sockets and the open files of other accounts.
  - While the file C(maintenance) in O(state_dir) names an end in the future, in ISO 8601 with a zone such
    as C(2026-11-22T03:00:00Z), findings are reported as V(skipped).
options:
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
  state_dir:
    description:
      - Folder in which the collection remembers what it compares with at the next run, and where its lock is held.
      - It is made, readable by its owner only, where it does not exist. An audit also works where it cannot be written.
    type: path
    default: /var/lib/cryptobot-maintenance
  timeout:
    description: Seconds that the whole run may take.
    type: int
    default: 180
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
    details: The same findings on all three, with C(skipped) and the reason where a platform has no equivalent; see the
      notes. What was tried on real macOS and Windows hosts is in the pages of the collection about them.
notes:
  - 'On macOS a job is what C(launchctl print) says of it, or where that does not answer C(launchctl list). A job
    that waits because it keeps ending (C(spawn scheduled)) is down. RV(services[].restarts) counts by C(runs),
    which begins anew whenever the job is loaded. C(services.enabled) expects the plist in C(/Library/LaunchDaemons):
    one in C(/Library/LaunchAgents) waits for a login.'
  - On Windows a service of NSSM is the program that NSSM runs; where that has ended the service is down, although
    Windows calls it running. Restarts are the events 7031 and 7034 of the System log and NSSM's own 1014. An automatic
    delayed start counts as started at boot.
  - 'C(services.daemon_reload) and C(services.open_files) are V(skipped) on macOS and Windows: neither has a copy of
    settings to reload, macOS does not show the limit of another process, and Windows sets none.'
  - C(services.restart_pending) compares the times of the program, of the plist and of configuration files with
    the begin of the process on macOS and Windows. Replaced libraries are seen on Linux only, and so are processes
    that were ended because memory ran out.
  - C(services.memory) counts resident pages on Linux and macOS, and the working set on Windows. Threads are not counted
    on macOS.
  - Without root on macOS the owners of other accounts' sockets, and without elevation on Windows the paths and command
    lines of other accounts' processes and the event logs, cannot be seen.
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
    - check: services.port_owner
      subject: auth
      status: critical
      message: 'tcp port 8000 of auth is held by a process that is not auth: pid 812 (python3 -m http.server)'
      expected: tcp 8000
      actual: [812]
      remedy: End the stray process after looking at what it is, or correct the port in the inventory.
      procedure: D1.2
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
remembered:
  description: Whether the run could write what the next one compares with into O(state_dir).
  returned: outside check mode
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.option_secrets import secrets_among
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    # Until here every value of an environment counted as secret, which would mask ports and paths in the answer.
    module.no_log_values = secrets_among(module.no_log_values, module.params)
    exit_with(module, run, acts=False)


if __name__ == "__main__":
    main()
