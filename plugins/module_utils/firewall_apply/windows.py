# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Windows: its own rules in one group, and a task of its scheduler that imports what was there unless it is confirmed.

A change is one file below the state folder, whose name is its state, as on Linux it is a folder. Nothing here was tried
on a real Windows.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from .. import trusted
from ..errors import ActionFailed, CoreError, SourceMissing
from ..host import Host
from ..powershell import ask
from ..publish import patiently, publish_file
from ..sockets.model import plain
from ..steps import Step
from . import ARMED, CONFIRMED, ROLLED_BACK, windows_queries
from .commit import GOING, RESERVE, Change
from .declared import LOAD, Opening, Peer, Plan, Refused

KEPT = (ARMED, GOING, ROLLED_BACK)
LEFT = "all rules but those of the group cryptobot.maintenance"


class Windows(NamedTuple):
    """Our rules of this moment by name, with whether they work, and the profiles that do not block."""

    rules: Mapping[str, bool]
    letting: tuple[str, ...]


def collect(host: Host, port: int) -> tuple[Windows, tuple[Peer, ...]]:
    """Return what is there, and who is connected to the port of WinRM. Raise CoreError."""
    queries = {"rules": windows_queries.RULES, "profiles": windows_queries.PROFILES}
    answers = ask(host, {**queries, "peers": windows_queries.peers(port)})
    try:
        rules = {str(rule["DisplayName"]): bool(rule["Works"]) for rule in answers["rules"]}
    except SourceMissing:
        rules = {}
    try:
        peers = tuple(Peer(plain(str(p["RemoteAddress"])), int(p["RemotePort"]), port) for p in answers["peers"])
    except SourceMissing:
        peers = ()
    if not peers:
        raise Refused(f"nobody is connected to port {port}, so the connection that this came by could not be kept")
    letting = [p["Name"] for p in answers["profiles"] if (p["Enabled"], p["DefaultInboundAction"]) != ("True", "Block")]
    return Windows(rules, tuple(letting)), peers


def make_plan(there: Windows, openings: Sequence[Opening]) -> Plan:
    """Given what is there and what is to be open, return the calls of win_firewall_rule and win_firewall."""
    wanted = {f"cryptobot {opening}": opening for opening in openings}
    steps = [Step("allow", str(each), "the policy has it", _call(name, each)) for name, each in wanted.items()
             if not there.rules.get(name)]  # fmt: skip
    if there.letting:
        call = {"profiles": list(there.letting), "phase": LOAD}
        steps.append(Step("deny", "incoming", "what the policy does not name is denied", call))
    for name in sorted(set(there.rules) - set(wanted)):
        call = {"name": name, "state": "absent", "phase": LOAD}
        steps.append(Step("remove", name, "no entry of the policy allows it", call))
    return Plan(tuple(steps), (LEFT,))


def _call(name: str, opening: Opening) -> dict[str, Any]:
    return {
        "name": name,
        "state": "present",
        "protocol": opening.proto,
        "localport": opening.ports("-"),
        "remoteip": opening.source or "any",
        "phase": LOAD,
    }


def find_changes(host: Host, folder: Path) -> tuple[Change, ...]:
    """Return the changes that a host knows of. Raise DistrustedError where another may have written there."""
    trusted.require(str(folder))
    names = [name for name in sorted(os.listdir(folder)) if name.startswith("firewall-")] if folder.is_dir() else []
    found = (name[: -len(".json")].split("-", 2)[1:] for name in names if name.endswith(".json"))
    return tuple(_read(host, folder, *each) for each in found if len(each) == 2 and each[0] in KEPT)


def _path(folder: Path, state: str, change_id: str) -> Path:
    return folder / f"firewall-{state}-{change_id}.json"


def _deadline(folder: Path, change_id: str) -> Path:
    return folder / f"firewall-deadline-{change_id}.txt"


def _read(host: Host, folder: Path, state: str, change_id: str) -> Change:
    path = _path(folder, state, change_id)
    record = json.loads(trusted.read(path))
    rolled = folder / f"firewall-rolled-{change_id}.txt"
    how, when, verified = (trusted.read(rolled).decode("utf-8-sig").split() if rolled.exists() else ("", "", ""))[:3]
    peers = tuple(Peer(*peer) for peer in record["peers"])
    left = float(trusted.read(_deadline(folder, change_id))) - host.now()
    return Change(change_id, state, path, record["manager"], peers, tuple(record["steps"]), left, how, when, verified)


def _task(change_id: str) -> str:
    return f"cryptobot-firewall-rollback-{change_id}"


def arm(host: Host, folder: Path, record: Mapping[str, Any], seconds: int) -> Change:
    """Keep what is there, and have Windows restore it by itself after so many seconds. Raise CoreError."""
    change_id = uuid.uuid4().hex[:12]
    script, before = folder / "firewall-rollback.ps1", folder / f"firewall-before-{change_id}.wfw"
    publish_file(script, windows_queries.SCRIPT.encode())
    if ask(host, {"export": windows_queries.export(str(before))})["export"] != [0]:
        raise Refused("netsh could not keep what the firewall has now, so nothing is changed")
    publish_file(_deadline(folder, change_id), f"{int(host.now() + seconds - RESERVE)}".encode())
    publish_file(_path(folder, ARMED, change_id), json.dumps(record).encode())
    query = windows_queries.arm(_task(change_id), str(script), str(folder), change_id, float(seconds - RESERVE))
    try:
        ask(host, {"arm": query})["arm"]
    except CoreError:
        forget(host, folder, change_id)
        raise
    return _read(host, folder, ARMED, change_id)


def renew(host: Host, change: Change, seconds: float) -> None:
    """Begin the seconds anew."""
    publish_file(_deadline(change.folder.parent, change.id), f"{int(host.now() + seconds - RESERVE)}".encode())


def confirm(host: Host, folder: Path, change: Change) -> None:
    """End the rollback of a change, in one step. Raise Refused where Windows was faster."""
    try:
        patiently(lambda: os.rename(change.folder, _path(folder, CONFIRMED, change.id)))
    except FileNotFoundError:
        raise Refused(f"the change {change.id} is being rolled back: it was not confirmed in time") from None
    forget(host, folder, change.id)


def forget(host: Host, folder: Path, change_id: str) -> None:
    """End the task, and remove what is kept of a change that needs no rollback, and what earlier ones left."""
    ask(host, {"disarm": windows_queries.disarm(_task(change_id))})
    old = (ARMED, CONFIRMED, ROLLED_BACK, "before", "deadline", "rolled")
    for name in os.listdir(folder):
        if name.startswith(tuple(f"firewall-{word}-" for word in old)):
            (folder / name).unlink()


def roll_back(host: Host, folder: Path, change: Change, reason: str) -> Change:
    """Restore now what was there before. Raise ActionFailed where Windows did not take it."""
    trusted.read(folder / "firewall-rollback.ps1")
    argv = ["powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File"]
    host.run([*argv, str(folder / "firewall-rollback.ps1"), str(folder), change.id, "run"], expect=None)
    after: Optional[Change] = next((c for c in find_changes(host, folder) if c.id == change.id), None)
    if after is None or after.state != ROLLED_BACK or after.verified != "restored":
        raise ActionFailed(f"the change {change.id} could not be rolled back; what was there is in {folder}")
    return after._replace(reason=reason)
