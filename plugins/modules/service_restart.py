#!/usr/bin/python
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Made by `make docs` from plugins/module_utils/restart/__init__.py and docs/modules/service_restart.yml; a test
# compares them. Change those instead.

from __future__ import annotations

DOCUMENTATION = r"""
module: service_restart
short_description: Restart the services of a Cryptobot host in dependency order, when trading allows it
version_added: 0.1.0
author: Cryptobot maintenance contributors (!UNKNOWN)
description:
  - Restarts the services that have a reason to be restarted, together with everything that depends on them and runs.
    Dependents are stopped first and started last; services without a dependency between them are restarted one group
    after the other.
  - Orders live in the memory of the trade service only. It is asked right before it is stopped, and neither it
    nor anything that it depends on is stopped while orders are in flight, or while that cannot be known, unless
    O(trading.when_orders) or O(trading.when_unknown) says otherwise. A refusal is a finding, not a failure of the
    task.
  - After each start a health gate demands what M(cryptobot.maintenance.service_check) demands of the state, the port
    and the health probe. What was not well before the restart is not demanded after it.
  - What runs before runs afterwards, and nothing else. That also holds where a step fails, the time is over or a signal
    ends the run. The task fails then and says which service did not pass its gate and what state was left.
  - A record in O(state_dir) is written before the first service is stopped. Where a run is killed, the next one
    of the same boot starts what that had stopped before it does anything else. What somebody else has started,
    stopped or disabled since is left as it is, and so is what nothing can be known of.
  - Units that systemd stops together with another (C(Requires), C(Requisite), C(BindsTo), C(PartOf),
    C(PropagatesStopTo)) are restarted with it whether the inventory declares them or not. Afterwards
    every unit that was active before is compared with now.
  - A process is only signalled where it is proved to be the service by its command line, and to be the one that was
    seen by the moment it began. The first process of the host, this run and all it came from, and main processes that
    systemd or launchd look after are never signalled.
  - On Windows services are stopped and started by the service control manager, those of NSSM as any other. What
    it knows of dependencies counts beside C(depends_on). A service is not stopped where something that runs and
    is not declared depends on it; nothing is forced.
  - On macOS a job is taken out of launchd (C(bootout)), put in again by its plist (C(bootstrap)) and told to run,
    because one that is kept alive would come back at once.
  - What is disabled is never enabled. Where a service runs although it is disabled, it is not stopped, because it could
    not be started again.
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
  trading:
    description: How the trade service is asked for its orders, and what follows from its answer.
    type: dict
    suboptions:
      service:
        description: Name of the trade service among O(services).
        type: str
        default: trade
      url:
        description:
          - Base URL of the trade service. Default is its port in O(services).
          - Where the trade service is on another host, name it here. Nothing is restarted on this host then while
            orders are in flight there.
          - Name the port of the trade service itself and not that of a proxy (nginx) before it. Behind a proxy, and
            on another host, it cannot be seen which process answered, which is unknown unless O(trading.workers) says
            that there is one.
        type: str
      token:
        description: Bearer token that the trade service wants to be asked with.
        type: str
      tls_verify:
        description: Whether the certificate of an C(https) URL must be signed by a known authority. Its name is not
          compared.
        type: bool
        default: true
      ca_path:
        description: File with the authorities that are trusted. Default is those of the system.
        type: path
      orders_path:
        description:
          - Path that lists the open orders. The application has none, so by default it is asked for none.
          - Then nothing can be in flight at an exchange while every worker that answers says that it only pretends to
            trade (O(trading.dry_run_path)). Otherwise that is unknown, see O(trading.when_unknown).
        type: str
        default: ''
      orders_items:
        description: Dotted path of the list in the answer. Default is the answer itself, or its C(orders), C(items),
          C(data) or C(results).
        type: str
      state_field:
        description: Field of an order that holds its state.
        type: str
        default: status
      states_in_flight:
        description: Further states of orders that a restart would forget. Pending, open and partially filled are known,
          in any spelling.
        type: list
        elements: str
        default: []
      states_final:
        description: Further states of orders that are done with. Filled, canceled, rejected, expired and closed are
          known, in any spelling. A state that is in neither list counts as unknown.
        type: list
        elements: str
        default: []
      dry_run_path:
        description: Path that says whether the service only pretends to trade. Empty for not asking.
        type: str
        default: /api/v1/settings/dry_run
      dry_run_field:
        description: Field of that answer.
        type: str
        default: dry_run
      dry_run:
        description:
          - Whether the service is meant to only pretend to trade.
          - The flag belongs to the process and is reset by a restart, so it is compared before and after.
        type: bool
      asks:
        description:
          - How many times each question is put at least. Each worker process knows only its own orders, and which of
            them answers is the system's choice.
          - On Linux and macOS it is seen which process answered, and it is asked on until all have, at most
            O(trading.timeout) seconds. Where one was not reached, or nothing tells how many there are, that
            is unknown.
        type: int
        default: 8
      workers:
        description:
          - How many processes answer in the name of the trade service, by your word. It is needed only where that
            cannot be seen - behind a proxy, on another host, without root - or where processes hold its port that
            never answer. V(1) makes any answer the answer of all.
          - What is seen counts first. More than one cannot be told apart where it is not seen who answered, so that
            stays unknown.
        type: int
      timeout:
        description: Seconds that one answer may take.
        type: float
        default: 5.0
      when_orders:
        description: What to do while orders are in flight. V(wait) waits until none is, at most
          O(trading.wait_timeout), then refuses.
        type: str
        choices: [refuse, proceed, wait]
        default: refuse
      when_unknown:
        description: What to do where it cannot be known whether orders are in flight.
        type: str
        choices: [refuse, proceed]
        default: refuse
      wait_timeout:
        description: How long to wait for orders, such as V(5m).
        type: str
        default: 5m
      wait_delay:
        description: Seconds between two looks while waiting.
        type: float
        default: 5.0
  when:
    description:
      - V(needed) restarts services with a reason. That is a program file or library that was replaced on the disk, a
        unit file, C(EnvironmentFile=) or one of C(config_files) or C(declared_in) that is newer than the process, an
        uptime above O(max_uptime), or memory above C(memory_max) or grown by O(memory_growth).
      - V(always) restarts every running service.
    type: str
    choices: [needed, always]
    default: needed
  only:
    description: Restart these services only, with what depends on them.
    type: list
    elements: str
    default: []
  except:
    description: Never restart these services, nor anything that they depend on.
    type: list
    elements: str
    default: []
  max_uptime:
    description: Uptime that is a reason by itself, such as V(6d), a little less than the week between two runs. V(0)
      for none.
    type: str
    default: 6d
  memory_growth:
    description: Growth of resident memory that is a reason by itself, as remembered by
      M(cryptobot.maintenance.service_check) since the process began. V(0) for none.
    type: str
    default: 256M
  gate_timeout:
    description: Seconds that a service has from its start to pass its health gate.
    type: float
    default: 60.0
  gate_delay:
    description: Seconds between two looks at the gate.
    type: float
    default: 1.0
  gate_settle:
    description: Seconds that a service must stay well to pass.
    type: float
    default: 1.0
  start_retries:
    description: How many times a service that did not pass is stopped and started again.
    type: int
    default: 1
  stop_timeout:
    description: Seconds that a service has to end. Processes of a script-started one are killed then, except on
      Windows.
    type: float
    default: 120.0
  rollback_timeout:
    description: Seconds that are added to O(timeout) for starting again what ran before.
    type: float
    default: 300.0
  state_dir:
    description:
      - Folder in which the collection remembers what it compares with at the next run, and where its lock is held.
      - It is made, readable by its owner only, where it does not exist. An audit also works where it cannot be written.
    type: path
    default: /var/lib/cryptobot-maintenance
  timeout:
    description: Seconds that the whole run may take.
    type: int
    default: 1800
extends_documentation_fragment: [cryptobot.maintenance.attributes]
attributes:
  check_mode:
    support: full
    details: It asks and looks as a run does, but does not wait for orders, and plans exactly the steps of a run.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: With O(when=always) every run restarts.
  platform:
    support: full
    platforms: linux, macos, windows
    details:
      - Tried on real Linux hosts. On macOS and Windows nothing was tried on real ones; the tests stand in for launchd,
        the service control manager and the trade service. The orders to Windows were carried out by the real engine
        of PowerShell over stand-in cmdlets.
      - On Windows a script-started service is started by C(Win32_Process.Create), so that it does not end with
        the connection. C(user), C(output) and C(environment) cannot be heeded there, so where they are declared
        the service is not restarted.
      - On macOS the environment of a script-started service is seen by C(ps). Where it is not shown, the service is
        not restarted unless C(environment) is declared.
notes:
  - The process that runs this module starts script-started services. Where the host ends all processes of a session
    with it (C(KillUserProcesses=yes) of logind), they end with the connection; use units there.
  - A script-started service is started with the environment, folder and account that it ran with, and with
    C(environment), C(chdir) and C(user) where they are declared. The record keeps the environment for the
    run after a killed one, but no value that looks like a secret. A service that had such, which nothing declares,
    is left stopped then, and that is critical.
  - On Linux and macOS a script-started service is left alone, with the reason, unless its process is proved to be it.
    Whoever starts a program writes its command line. So the rights of the process must be those of one account, its
    program that of C(command) or of its interpreter, and nobody but its account and root may be able to write the pid
    file; with C(user) others may, except for a service of root. Behind a start script, where C(process) is declared,
    the program may be another one, if nobody else can write the pid file.
seealso:
  - module: cryptobot.maintenance.service_check
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: Restart what needs it, one host at a time
  cryptobot.maintenance.service_restart:
    services: "{{ cryptobot_services }}"
    trading: "{{ cryptobot_trading | default({}) }}"
  register: cryptobot_result_restart

- name: See what a run would do
  cryptobot.maintenance.service_restart:
    services: "{{ cryptobot_services }}"
  check_mode: true

- name: Restart everything but trade and what it needs, whatever its uptime
  cryptobot.maintenance.service_restart:
    services: "{{ cryptobot_services }}"
    when: always
    except: [trade]

- name: On Windows, restart a service that a script starts and a script ends
  cryptobot.maintenance.service_restart:
    services:
      - name: bot
        pid_file: C:\CryptoBot\bot.pid
        command: ['C:\CryptoBot\venv\Scripts\python.exe', 'C:\CryptoBot\start_bot.py']
        stop_command: ['C:\CryptoBot\venv\Scripts\python.exe', 'C:\CryptoBot\stop_bot.py']

- name: Wait up to a quarter of an hour for orders, and insist on dry run
  cryptobot.maintenance.service_restart:
    services: "{{ cryptobot_services }}"
    trading:
      when_orders: wait
      wait_timeout: 15m
      dry_run: true
"""

RETURN = r"""
status:
  description: The worst status of the findings, one of V(ok), V(warning), V(unknown), V(critical).
  returned: always
  type: str
  sample: ok
findings:
  description: What was found and what came of it, worst first.
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
    - check: trading.orders_in_flight
      subject: trade
      status: warning
      message: '1 order is in flight in trade: o-17'
      expected: 0
      actual: 1
      remedy: Wait until the orders are filled or cancel them at the exchange, then run it again.
      procedure: W1.4
metrics:
  description: Memory before and after and the seconds of each gate, with a name in the style of Prometheus.
  returned: always
  type: list
  elements: dict
actions:
  description: The steps in their order, then the services that nothing was done to.
  returned: always
  type: list
  elements: dict
  contains:
    action:
      description: V(stop), V(start), V(reload) of systemd's unit files, or V(restart) of a service that was left alone.
      type: str
    subject:
      description: Name of the service, or V(systemd).
      type: str
    state:
      description: V(planned) in check mode, V(done), V(skipped) or V(failed).
      type: str
    reason:
      description: Why it is done, is not done, or failed.
      type: str
  sample:
    - action: stop
      subject: auth
      state: done
      reason: auth runs for 6.9 d, longer than 6.0 d
      details: {}
changed:
  description: Whether anything on the host was changed, in check mode whether a run would change it.
  returned: always
  type: bool
msg:
  description: Why the task failed. What was found until then is returned beside it.
  returned: failure
  type: str
restart:
  description: One record for each service, also for units that systemd stops together with a declared one.
  returned: always, except on a platform whose services cannot be restarted
  type: list
  elements: dict
  contains:
    name:
      description: Name of the service.
      type: str
    ran_before:
      description: Whether it ran before the restart.
      type: bool
    reasons:
      description: Reasons to restart it.
      type: list
      elements: str
    chosen:
      description: Whether it was restarted, or would be.
      type: bool
    left_because:
      description: Why it was not.
      type: str
    memory_before_bytes:
      description: Resident memory before the restart.
      type: int
    memory_after_bytes:
      description: Resident memory right after its gate.
      type: int
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cryptobot.maintenance.plugins.module_utils._ansible_module import exit_with
from ansible_collections.cryptobot.maintenance.plugins.module_utils.option_secrets import secrets_among
from ansible_collections.cryptobot.maintenance.plugins.module_utils.options import argument_spec
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.run import run


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(SPEC), supports_check_mode=True)
    # Until here every value of an environment counted as secret, which would mask ports and paths in the answer.
    module.no_log_values = secrets_among(module.no_log_values, module.params)
    exit_with(module, run, low_priority=False)


if __name__ == "__main__":
    main()
