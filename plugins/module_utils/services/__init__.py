# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services that should run, and how each shows that it is well. SERVICE is the shape of cryptobot_services."""

from __future__ import annotations

from typing import Any

from ..options import common_options, option
from ..registry import declare

PORT: dict[str, Any] = {
    "port": option("int", "Number of the port.", required=True),
    "proto": option("str", "Protocol of the port.", choices=["tcp", "udp"], default="tcp"),
    "bind": option("str", "Address, as in O(services[].bind)."),
}

HEALTH: dict[str, Any] = {
    "path": option("str", "Path that is requested with GET.", default="/health", no_log=True),
    "scheme": option("str", "Whether to ask over TLS.", choices=["http", "https"], default="http"),
    "host": option(
        "str", "Address that is asked. Default is O(services[].bind) where that is one address, else loopback."
    ),
    "port": option("int", "Port that is asked. Default is O(services[].port)."),
    "status": option(
        "list of int", "Status codes of a service that is well. Redirects are not followed.", default=[200]
    ),
    "timeout": option("float", "Seconds that one request may take.", default=5.0),
    "samples": option(
        "int", "How many requests are made. The latency is the 95th percentile of their times.", default=3
    ),
    "latency_warn": option("float", "Latency in seconds from which on the service is too slow.", default=1.0),
    "body_regex": option("str", "Regular expression that must find something in the body."),
    "json": option(
        "dict",
        (
            "Values that the JSON of the body must have. The keys are dotted paths such as C(database.status), numbers "
            "in them count the items of a list from 0."
        ),
        default={},
    ),
    "tls_min_days": option("int", "Days that the certificate must last.", default=21),
    "tls_verify": option(
        "bool",
        (
            "Whether the certificate must be signed by a known authority. Its name is not compared, because the "
            "service is asked by a local address."
        ),
        default=True,
    ),
    "ca_path": option("path", "File with the authorities that are trusted. Default is those of the system."),
}

DECLARED_IN: dict[str, Any] = {
    "path": option("path", "File that names the port.", required=True),
    "pattern": option("str", "Regular expression whose first group is the port.", required=True),
}

SERVICE: dict[str, Any] = {
    "name": option("str", "Name of the service in the inventory and in all reports.", required=True),
    "unit": option(
        "str",
        (
            "Name of its systemd unit. C(.service) is added where no type is named. Only Linux hosts use it; each "
            "platform takes the name of its own, so that all three may be given."
        ),
    ),
    "label": option(
        "str",
        [
            "Label of its launchd job. Only macOS hosts use it.",
            (
                "A label alone is looked for in the domain C(system), and where O(services[].user) is given, or where "
                "the module does not run as root, in the domains of that user too. A domain may also stand before it, "
                "as in V(gui/501/com.cryptobot.auth)."
            ),
        ],
    ),
    "service": option(
        "str",
        (
            "Name of its Windows service, in capitals or not; it may differ from what Windows shows for it. Only "
            "Windows hosts use it."
        ),
    ),
    "pid_file": option(
        "path",
        (
            "Pid file of a service that a script starts. O(services[].unit), O(services[].label) or "
            "O(services[].service), whichever the platform has, goes before it."
        ),
    ),
    "command": option(
        "list of str",
        [
            "Command that starts a script-started service, as a list of words. No secret may be among them.",
            "A process with exactly this command line is known to be the service.",
        ],
    ),
    "stop_command": option(
        "list of str",
        [
            "Command that ends a script-started service, as a list of words. No secret may be among them.",
            (
                "Windows has no signal to end a process by. There a script-started service is not restarted unless "
                "this is given, and its processes are waited for, not killed."
            ),
            "On Linux and macOS the processes that the command leaves are ended by signals, as without it.",
            (
                "There it runs as the service does, with its account, folder and environment. Where the service is "
                "root's, it is run only if nobody else may have written its program and the files that it names, and "
                "never where an interpreter is given a text or a module in place of a file, as in C(sh -c) and "
                "C(python -m). Where it would not be run, the service is left running, and what depends on it."
            ),
        ],
    ),
    "process": option(
        "str",
        [
            (
                "Regular expression that the command line of the service's process matches. It decides whether the "
                "process that the pid file names is the service."
            ),
            (
                "Without it, a process is the service if it runs O(services[].command). Times of the file prove "
                "nothing. Where neither is given, nobody knows whether it runs, and the validation of an inventory "
                "refuses it."
            ),
        ],
    ),
    "chdir": option(
        "path", "Folder in which a script-started service is started. Default is the one that it ran in before."
    ),
    "output": option(
        "path",
        (
            "File that the output of a script-started service is appended to. It is opened with the rights of the "
            "service's account. Default is to discard it."
        ),
    ),
    "user": option(
        "str",
        (
            "Account that a script-started service is started as. Default is the one that it ran as before, if nobody "
            "but that account and root could have written the pid file, and if that is no older than the process. A "
            "clock that was set on, or a machine that was paused, makes a file look older; then declare the account."
        ),
    ),
    "environment": option(
        "dict",
        (
            "Environment variables that a script-started service is started with, in addition to those that it ran "
            "with before. Put no secrets here; services read them from their own files. A name is not empty and has no "
            "equals sign; neither names nor values have a NUL."
        ),
        default={},
        no_log=True,
    ),
    "state": option("str", "Whether the service is meant to run.", choices=["started", "stopped"], default="started"),
    "enabled": option(
        "bool", "Whether systemd, launchd or Windows is meant to start the service at boot.", default=True
    ),
    "port": option("int", "TCP port that the service listens on."),
    "bind": option(
        "str",
        (
            "Address that the service listens on. V(0.0.0.0) stands for all IPv4 addresses, V(::) for all, V(any) for "
            "either, V(localhost) for the loopback address of either family. Without it every address will do."
        ),
    ),
    "ports": option("list of dict", "Further ports that the service listens on.", default=[], options=PORT),
    "health": option(
        "dict",
        [
            "How the service shows that it is well. There is no common page for that, so each service names its own.",
            "Without it the service is not asked.",
        ],
        options=HEALTH,
    ),
    "depends_on": option("list of str", "Names of the services that this one needs. A cycle is an error.", default=[]),
    "declared_in": option(
        "list of dict",
        "Further places that name the port of the service. They are compared with the inventory.",
        default=[],
        options=DECLARED_IN,
    ),
    "config_files": option(
        "list of path",
        (
            "Files that the service reads when it starts. Where one is newer than the process, a restart is pending. "
            "Unit files and C(EnvironmentFile=) of systemd are known by themselves."
        ),
        default=[],
    ),
    "start_grace": option(
        "str",
        "How long after its start the service may still be getting ready, such as V(30s) or V(2m).",
        default="30s",
    ),
    "memory_max": option("str", "Resident memory that the service may use, such as V(512M)."),
}

PATTERN: dict[str, Any] = {
    "pattern": option("str", "Shell pattern such as V(cryptobot-*).", required=True),
    "min_match": option(
        "int", "How many units must fit. A pattern that fits none is V(critical), because it checks nothing.", default=1
    ),
    "expected": option(
        "list of str",
        "Units that must fit. A unit that fits and is neither here nor in O(services) is a finding.",
        default=[],
    ),
}

SERVICES: dict[str, Any] = option(
    "list of dict",
    "The services that are meant to be on this host, in the shape of the inventory variable C(cryptobot_services).",
    default=[],
    options=SERVICE,
    variable="cryptobot_services",
)

SPEC: dict[str, Any] = {
    "services": SERVICES,
    "patterns": option(
        "list of dict",
        (
            "Patterns of the names of units, launchd labels or Windows services, so that also those that nobody "
            "declared are seen. On Windows capitals do not matter."
        ),
        default=[],
        options=PATTERN,
    ),
    "restarts_window": option("str", "Time in which automatic restarts are counted, such as V(1h).", default="1h"),
    "restarts_warn": option("int", "Restarts in the window from which on there is a warning.", default=1),
    "restarts_crit": option("int", "Restarts in the window from which on it is critical.", default=3),
    "retries": option(
        "int", "How many times to look again where a service is down, before that is reported.", default=2
    ),
    "delay": option("float", "Seconds before looking again.", default=3.0),
    "open_files_warn": option(
        "int", "Percent of a process's limit of open files from which on there is a warning.", default=70
    ),
    "open_files_crit": option(
        "int", "Percent of a process's limit of open files from which on it is critical.", default=90
    ),
    "leak_min_samples": option(
        "int", "How many runs must have measured a process before the growth of its memory is judged.", default=6
    ),
    "leak_min_span": option("str", "Time that these runs must span, such as V(6h).", default="6h"),
    "leak_warn": option(
        "str", "Growth of memory per day from which on there is a warning, such as V(50M).", default="50M"
    ),
    **common_options(180),
}

AREA = declare(
    __name__,
    module="service_check",
    spec=SPEC,
    procedures=("D1.2",),
)
