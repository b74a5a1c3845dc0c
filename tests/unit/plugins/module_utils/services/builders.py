# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records for the tests of services, with everything that a test does not care about filled in."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Details, Process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.context import Context
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Policy, Service, declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.linux import parse_show
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import (
    Observation,
    Snapshot,
    Unit,
    Units,
    by_name,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.restarts import Restarts
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import Socket, SocketTable

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures"
SYSTEMS = ("debian-12", "debian-13")
NOW, UPTIME = 1_800_000_000.0, 100_000.0


def recorded_units(system="debian-12"):
    """Return the units of a recorded host by name, without the suffix and the common prefix."""
    units = by_name(parse_show((FIXTURES / "systemctl" / system / "show.txt").read_text()))
    return {name.replace("cryptobot-", "").replace(".service", ""): unit for name, unit in units.items()}


def recorded_uptime(system="debian-12"):
    """Return the uptime in seconds of a recorded host at the moment of recording."""
    return float((FIXTURES / "systemctl" / system / "uptime.txt").read_text().split()[0])


def make_service(**fields) -> Service:
    """Return a declared service from the fields of an inventory."""
    return declare([{"name": "auth", **fields}])[0]


def make_unit(**fields) -> Unit:
    """Return a running unit, changed by ``fields``."""
    unit = recorded_units()["auth"]
    times = {"active_since": UPTIME - 5000, "changed": UPTIME - 5000, "started": UPTIME - 5000}
    return unit._replace(**{**times, **fields})


def make_process(pid=41, **fields) -> Process:
    """Return a process that has been running for 5000 seconds."""
    given = {"parent": 1, "session": pid, "state": "S", "began": UPTIME - 5000, "cpu": 1.0, "threads": 1}
    return Process(pid, **{**given, "command": ("python3", "auth.py"), **fields})


def make_observed(service=None, **fields) -> Observation:
    """Return a service of systemd that runs as process 41, changed by ``fields``."""
    main = fields.pop("main", make_process())
    given = {
        "service": service or make_service(unit="cryptobot-auth"),
        "unit": make_unit(main_pid=41),
        "main": main,
        "processes": (main,) if main else (),
        "details": {main.pid: Details(0, 10 << 20, 10, 1000)} if main else {},
    }
    return Observation(**{**given, **fields})


def make_snapshot(*services, sockets=(), blind="", units=None, matched=None, unlisted="", unclimbed="", **fields):
    """Return a snapshot of services with sockets and the processes that hold them."""
    processes = {process.pid: process for seen in services for process in seen.processes}
    processes.update(fields.pop("processes", {}))
    own = {name: seen.unit for seen in services if seen.unit for name in (seen.unit.id, *seen.unit.names)}
    targets = {name: unit for name, unit in recorded_units().items() if name.endswith(".target")}
    table = SocketTable(tuple(sockets), blind)
    all_units = Units({**targets, **own} if units is None else units, matched or {}, unlisted, unclimbed=unclimbed)
    given = {"now": NOW, "uptime": UPTIME, "boot_id": "boot-1", "units": all_units, "sockets": table}
    return Snapshot(services=services, processes=processes, **{**given, **fields})


def make_case(seen=None, *, policy=None, restarts=None, growth=None, **fields) -> Context:
    """Return what a rule gets of one service in a snapshot of its own."""
    seen = seen or make_observed()
    return Context(seen, make_snapshot(seen, **fields), policy or Policy(), restarts or Restarts(), growth)


def findings_of(judge, context) -> list[Finding]:
    """Return what one rule says of a context, as findings."""
    (rule,) = [rule for rule in RULES.all if rule.judge is judge]
    return [context.finding(rule.check, outcome) for outcome in judge(context)]


def make_socket(port=8000, address="127.0.0.1", pids=(41,), **fields) -> Socket:
    """Return a listening TCP socket."""
    family = 6 if ":" in address else 4
    return Socket("tcp", family, address, port, fields.pop("inode", 1000 + port), 0, pids=pids, **fields)
