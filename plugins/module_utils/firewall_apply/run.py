# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""firewall_commit: look what a policy changes, arm its rollback, confirm it, or roll it back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ..errors import ActionFailed
from ..finding import Action, Result
from ..host import Host
from ..lock import host_lock
from ..registry import Rules
from ..steps import Step
from . import (
    ARMED,
    CONFIRMED,
    NFTABLES,
    PLANNED,
    ROLLED_BACK,
    UFW,
    WINDOWS,
    commit,
    firewalld,
    nftables,
    rules_apply,
    ufw,
    windows,
)
from .commit import GOING, GRACE, Change
from .declared import Opening, Peer, Plan, Refused, openings, read_options
from .linux import choose_manager, management
from .rules_apply import Context
from .snapshot import require_programs

RULES = Rules(rules_apply.RULES)
LOCK_NAME = "W2.3 firewall_commit"


class Store(NamedTuple):
    """How a change is kept on one system."""

    folder: Callable[[str], Path]
    find: Callable[[Host, Path], tuple[Change, ...]]
    arm: Callable[[Host, Path, Mapping[str, Any], int], Change]
    renew: Callable[[Host, Change, float], None]
    confirm: Callable[[Host, Path, Change], None]
    roll_back: Callable[[Host, Path, Change, str], Change]


STORES = {
    "linux": Store(
        commit.changes_folder, commit.find_changes, commit.arm, commit.renew, commit.confirm, commit.roll_back
    ),
    "windows": Store(Path, windows.find_changes, windows.arm, windows.renew, windows.confirm, windows.roll_back),
}


class Situation(NamedTuple):
    """What was found out before anything is done. ``text`` is the table of nftables, and empty elsewhere."""

    manager: str
    peers: tuple[Peer, ...]
    wanted: tuple[Opening, ...]
    plan: Plan
    text: str = ""


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of firewall_commit, return what was done, or in check mode what would be.

    Raise InputError or Refused before anything is done, LockHeld where another maintenance run is at work.
    """
    policy = read_options(params)
    if host.platform not in STORES:
        raise Refused(f"the firewall of a {host.platform} host cannot be changed by this release")
    if not host.is_admin():
        raise Refused("the rules of a host are root's; expected to run as root (become)")
    folder = STORES[host.platform].folder(params["state_dir"])
    state = params["state"]
    if state == PLANNED or check_mode:
        return _planned(params, host, folder, _survey(params, host, policy), check_mode=check_mode)
    with host_lock(params["state_dir"], LOCK_NAME, host):
        if state == ROLLED_BACK:
            return _rolled_back(params, host, folder)
        if state == ARMED and params["commit"]:
            return _renewed(params, host, folder)
        if state == ARMED:
            return _armed(params, host, folder, _survey(params, host, policy))
        return _confirmed(params, host, folder, _survey(params, host, policy))


def _survey(params: Mapping[str, Any], host: Host, policy: Sequence[Any]) -> Situation:
    """Validate everything, and plan. Raise Refused."""
    today = dt.datetime.fromtimestamp(host.now(), tz=dt.timezone.utc).date()
    if host.platform == WINDOWS:
        return _survey_windows(params, host, policy, today)
    manager = choose_manager(host, params["manager"])
    require_programs(host)
    peers = (management(host),)
    wanted = openings(policy, today, peers)
    text = ""
    if manager == UFW:
        plan = ufw.make_plan(ufw.collect(host), wanted)
    elif manager == NFTABLES:
        text = nftables.ruleset(wanted)
        plan = nftables.make_plan(nftables.collect(host, text), text, wanted)
    else:
        there = firewalld.collect(host)
        plan = firewalld.make_plan(there, wanted)
        if plan.steps and params["state"] != CONFIRMED:
            firewalld.require_stored(there)
    return Situation(manager, peers, wanted, plan, text)


def _survey_windows(params: Mapping[str, Any], host: Host, policy: Sequence[Any], today: dt.date) -> Situation:
    if params["manager"] not in ("auto", WINDOWS):
        raise Refused(f"the manager is {params['manager']}, expected windows: this is a Windows host")
    there, peers = windows.collect(host, params["management_port"])
    wanted = openings(policy, today, peers)
    return Situation(WINDOWS, peers, wanted, windows.make_plan(there, wanted))


def _planned(params: Mapping[str, Any], host: Host, folder: Path, found: Situation, *, check_mode: bool) -> Result:
    changes = STORES[host.platform].find(host, folder)
    actions = [step.planned() for step in found.plan.steps]
    result = _result(host, found, changes, actions, changed=check_mode and bool(found.plan.steps))
    result.diff = _diff(found.plan.steps) if found.plan.steps else None
    return result


def _diff(steps: Sequence[Step]) -> dict[str, str]:
    before = [f"{step.subject}\n" for step in steps if step.action == "remove"]
    after = [f"{step.action}: {step.subject}\n" for step in steps if step.action != "remove"]
    return {"before": "".join(before), "after": "".join(after)}


def _armed(params: Mapping[str, Any], host: Host, folder: Path, found: Situation) -> Result:
    """Arm, where anything differs. What an earlier run left is restored first, and nobody else's is touched."""
    changes = STORES[host.platform].find(host, folder)
    for change in (each for each in changes if each.state in (ARMED, GOING)):
        if change.state == ARMED and change.left > -GRACE:
            raise Refused(f"the change {change.id} is armed; it is confirmed or rolled back in {change.left:.0f} s")
        STORES[host.platform].roll_back(host, folder, change, "it was left armed by an earlier run")
        raise Refused(f"the change {change.id} of an earlier run was left armed, and is rolled back now; run it again")
    if not found.plan.steps:
        return _result(host, found, changes, [], changed=False)
    steps = [{"action": s.action, "subject": s.subject, "reason": s.reason} for s in found.plan.steps]
    record = {"manager": found.manager, "peers": [list(peer) for peer in found.peers], "steps": steps}
    change = STORES[host.platform].arm(host, folder, record, params["seconds"])
    return _result(host, found, STORES[host.platform].find(host, folder), [], changed=True, change_id=change.id)


def _own(changes: Sequence[Change], change_id: str) -> Change:
    """Return the change of this run. Raise Refused where it is armed no more."""
    own = next((change for change in changes if change.id == change_id), None)
    if own is None:
        raise Refused(f"there is no change {change_id!r} on this host")
    if own.state != ARMED:
        raise Refused(f"the change {change_id} is rolled back: {own.why or 'that is under way'}")
    return own


def _confirmed(params: Mapping[str, Any], host: Host, folder: Path, found: Situation) -> Result:
    change = _own(STORES[host.platform].find(host, folder), params["commit"] or "")
    if set(found.peers) <= set(change.peers):
        raise Refused(
            f"this came by the connection that armed the change (from {found.peers[0]}), which proves nothing; "
            "expected a new one (meta: reset_connection)"
        )
    if found.plan.steps:
        said = "; ".join(f"{step.action} {step.subject}" for step in found.plan.steps[:5])
        raise Refused(f"not all that was planned is done: {said}")
    STORES[host.platform].confirm(host, folder, change)
    actions = [Action(s["action"], s["subject"], "done", s["reason"]) for s in change.steps]
    return _result(host, found, STORES[host.platform].find(host, folder), actions, changed=True, change_id=change.id)


def _renewed(params: Mapping[str, Any], host: Host, folder: Path) -> Result:
    """Begin the seconds of a change anew; nothing else is looked at, for its time runs."""
    change = _own(STORES[host.platform].find(host, folder), params["commit"])
    STORES[host.platform].renew(host, change, params["seconds"])
    return _of_change(host, folder, change, ARMED, changed=False)


def _of_change(host: Host, folder: Path, change: Change, state: str, *, changed: bool) -> Result:
    context = Context(host.name(), host.platform, change.manager, Plan(()), STORES[host.platform].find(host, folder))
    findings = [finding for finding in RULES.judge(context) if not finding.check.endswith("_planned")]
    return Result(findings, data={"firewall_commit": {"id": change.id, "state": state}}, changed=changed)


def _rolled_back(params: Mapping[str, Any], host: Host, folder: Path) -> Result:
    change = next((each for each in STORES[host.platform].find(host, folder) if each.id == params["commit"]), None)
    if change is None:
        raise Refused(f"there is no change {params['commit']!r} on this host")
    try:
        after = STORES[host.platform].roll_back(host, folder, change, params["reason"])
    except ActionFailed as error:
        return Result(failure=str(error), changed=True)
    return _of_change(host, folder, after, ROLLED_BACK, changed=True)


def _result(
    host: Host,
    found: Situation,
    changes: tuple[Change, ...],
    actions: list[Action],
    *,
    changed: bool,
    change_id: Optional[str] = None,
) -> Result:
    context = Context(host.name(), host.platform, found.manager, found.plan, changes)
    data = {"firewall_commit": _data(found, change_id)}
    return Result(RULES.judge(context), actions=actions, changed=changed, data=data)


def _data(found: Situation, change_id: Optional[str]) -> dict[str, Any]:
    """Return what the role needs to do what is planned, and what an operator may want to know."""
    calls = [step.task for step in found.plan.steps]
    return {
        "id": change_id or "",
        "manager": found.manager,
        "management": dict(found.peers[0]._asdict()),
        "openings": [str(opening) for opening in found.wanted],
        "load": [{**call, "phase": "load"} for call in calls if call.get("phase", "load") == "load"],
        "store": [call for call in calls if call.get("phase") == "store"],
        "left": list(found.plan.left),
        "ruleset": found.text,
    }
