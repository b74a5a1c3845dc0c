# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option C(services), whose shape is that of the inventory variable cryptobot_services."""

    DOCUMENTATION = r"""
options:
  services:
    description:
      - The services that are meant to be on this host, in the shape of the inventory variable C(cryptobot_services).
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
          - A label alone is looked for in the domain C(system), and where O(services[].user) is given, or where the
            module does not run as root, in the domains of that user too. A domain may also stand before it, as in
            V(gui/501/com.cryptobot.auth).
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
          - There it runs as the service does, with its account, folder and environment. Where the service is root's, it
            is run only if nobody else may have written its program and the files that it names, and never where an
            interpreter is given a text or a module in place of a file, as in C(sh -c) and C(python -m). Where it would
            not be run, the service is left running, and what depends on it.
        type: list
        elements: str
      process:
        description:
          - Regular expression that the command line of the service's process matches. It decides whether the process
            that the pid file names is the service.
          - Without it, a process is the service if it runs O(services[].command). Times of the file prove nothing.
            Where neither is given, nobody knows whether it runs, and the validation
            of an inventory refuses it.
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
        description:
          - Environment variables that a script-started service is started with, in addition to those that it ran with
            before. Put no secrets here; services read them from their own files. A
            name is not empty and has no equals sign; neither names nor values have a NUL.
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
        description: >-
          Address that the service listens on. V(0.0.0.0) stands for all IPv4 addresses, V(::) for all, V(any) for
          either, V(localhost) for the loopback address of either family. Without it every address will do.
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
            description: >-
              Values that the JSON of the body must have. The keys are dotted paths such as C(database.status), numbers
              in them count the items of a list from 0.
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
        description: Files that the service reads when it starts. Where one is newer than the process, a restart is
          pending. Unit files and C(EnvironmentFile=) of systemd are known by themselves.
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
"""
