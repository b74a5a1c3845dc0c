# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Windows hosts from fixtures: the answers of one powershell.exe to the queries of sockets and firewall."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any, Optional

from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import Listener
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.exposure import Exposer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.snapshot import Snapshot
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.windows.parse import parse
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import Answers

from .recorded import FIXTURES

FIREWALL, SOCKETS = FIXTURES / "powershell/firewall", FIXTURES / "powershell/sockets"
SYSTEMS = ("windows-server-2019", "windows-server-2019-de", "windows-server-2022", "windows-11")
BASE = {"windows-server-2022-gpo": "windows-server-2022", "hostile": "windows-11"}  # what a folder only adds to
SVCHOST = "C:\\Windows\\System32\\svchost.exe"


@cache
def _recorded(system: str) -> dict[str, Any]:
    files = {
        path.stem: path for name in (BASE.get(system, system), system) for path in (FIREWALL / name).glob("*.json")
    }
    return {name: {"value": json.loads(path.read_text(encoding="utf-8"))} for name, path in files.items()}


def raw(system: str, **changed: Any) -> dict[str, Any]:
    """Return the answers of a system; ``changed`` queries have another value, or an error where it is a text."""
    new = {
        name: {"error": value, "kind": "X"} if isinstance(value, str) else {"value": value}
        for name, value in changed.items()
    }
    return {**copy.deepcopy(_recorded(system)), **new}


def facts(system: str, **changed: Any) -> Snapshot:
    """Return the facts of a system."""
    return parse(Answers(raw(system, **changed)))


def altered(system: str, query: str, **properties: Any) -> list[dict[str, Any]]:
    """Return the objects of a query with properties of all of them changed."""
    return [{**each, **properties} for each in raw(system)[query]["value"]]


def exposer(known: Snapshot) -> Exposer:
    """Return facts ready to be asked about listeners."""
    return Exposer(known.ruleset, known.network, known.receivers)


def listener(port: int, exe: str = "C:\\x.exe", *services: str, proto: str = "tcp", known: bool = True) -> Listener:
    """Return a listener at all addresses of IPv4."""
    hosted: Optional[tuple[str, ...]] = services if known else None
    return Listener(proto, "0.0.0.0", port, {4: None}, {4: 0x7F000001}, (7,), (exe,) if exe else (), services=hosted)


def host(system: str, *, admin: bool = True, **changed: Any) -> FakeHost:
    """Return a system with its listening sockets."""
    base = BASE.get(system, system)
    sockets = {
        path.stem: {"value": json.loads(path.read_text(encoding="utf-8"))} for path in (SOCKETS / base).glob("*.json")
    }
    answers = {
        **sockets,
        **raw(system),
        **{name: value for name, value in raw(system, **changed).items() if name in changed},
    }
    return FakeHost("windows", commands={"powershell.exe": json.dumps(answers)}, admin=admin)


def left_out(system: str, answers: dict[str, Any]) -> FakeHost:
    """Return a system on which whole answers are replaced by others, as powershell.exe prints them."""
    asked = host(system)
    asked.commands["powershell.exe"] = json.dumps({**json.loads(asked.commands["powershell.exe"]), **answers})
    return asked
