# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""firewall_commit: look what a policy changes, arm its rollback, confirm it, or roll it back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ..errors import ActionFailed
from ..finding import Action, Result
from ..host import Host
from ..lock import host_lock
from ..registry import Rules
from ..steps import Step
from . import ARMED, CONFIRMED, NFTABLES, PLANNED, ROLLED_BACK, UFW, firewalld, nftables, rules_apply, ufw
from .commit import GOING, GRACE, Change, arm, changes_folder, confirm, find_changes, renew, roll_back
from .declared import Opening, Peer, Plan, Refused, openings, read_options
from .linux import choose_manager, management
from .rules_apply import Context
from .snapshot import require_programs

RULES = Rules(rules_apply.RULES)
LOCK_NAME = "W2.3 firewall_commit"


class Situation(NamedTuple):
    """What was found out before anything is done. ``text`` is the table of nftables, and empty elsewhere."""

    manager: str
    peer: Peer
    wanted: tuple[Opening, ...]
    plan: Plan
    text: str = ""


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of firewall_commit, return what was done, or in check mode what would be.

    Raise InputError or Refused before anything is done, LockHeld where another maintenance run is at work.
    """
    policy = read_options(params)
    if host.platform != "linux":
        raise Refused(f"the firewall of a {host.platform} host cannot be changed by this release")
    if not host.is_admin():
        raise Refused("the rules of a host are root's; expected to run as root (become)")
    folder = changes_folder(params["state_dir"])
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
    manager = choose_manager(host, params["manager"])
    require_programs(host)
    peer = management(host)
    wanted = openings(policy, dt.datetime.fromtimestamp(host.now(), tz=dt.timezone.utc).date(), peer)
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
    return Situation(manager, peer, wanted, plan, text)


def _planned(params: Mapping[str, Any], host: Host, folder: Path, found: Situation, *, check_mode: bool) -> Result:
    changes = find_changes(host, folder)
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
    changes = find_changes(host, folder)
    for change in (each for each in changes if each.state in (ARMED, GOING)):
        if change.state == ARMED and change.left > -GRACE:
            raise Refused(f"the change {change.id} is armed; it is confirmed or rolled back in {change.left:.0f} s")
        roll_back(host, folder, change)
        raise Refused(f"the change {change.id} of an earlier run was left armed, and is rolled back now; run it again")
    if not found.plan.steps:
        return _result(host, found, changes, [], changed=False)
    steps = [{"action": s.action, "subject": s.subject, "reason": s.reason} for s in found.plan.steps]
    record = {"manager": found.manager, "peer": list(found.peer), "steps": steps}
    change = arm(host, folder, record, params["seconds"])
    return _result(host, found, find_changes(host, folder), [], changed=True, change_id=change.id)


def _own(changes: Sequence[Change], change_id: str) -> Change:
    """Return the change of this run. Raise Refused where it is armed no more."""
    own = next((change for change in changes if change.id == change_id), None)
    if own is None:
        raise Refused(f"there is no change {change_id!r} on this host")
    if own.state != ARMED:
        raise Refused(f"the change {change_id} is rolled back: {own.why or 'that is under way'}")
    return own


def _confirmed(params: Mapping[str, Any], host: Host, folder: Path, found: Situation) -> Result:
    change = _own(find_changes(host, folder), params["commit"] or "")
    if change.peer == found.peer:
        raise Refused(
            f"this came by the connection that armed the change (from {found.peer}), which proves nothing; expected a "
            "new one (meta: reset_connection)"
        )
    if found.plan.steps:
        said = "; ".join(f"{step.action} {step.subject}" for step in found.plan.steps[:5])
        raise Refused(f"not all that was planned is done: {said}")
    confirm(host, folder, change)
    actions = [Action(s["action"], s["subject"], "done", s["reason"]) for s in change.steps]
    return _result(host, found, find_changes(host, folder), actions, changed=True, change_id=change.id)


def _renewed(params: Mapping[str, Any], host: Host, folder: Path) -> Result:
    """Begin the seconds of a change anew; nothing else is looked at, for its time runs."""
    change = _own(find_changes(host, folder), params["commit"])
    renew(host, change, params["seconds"])
    return _of_change(host, folder, change, ARMED, changed=False)


def _of_change(host: Host, folder: Path, change: Change, state: str, *, changed: bool) -> Result:
    context = Context(host.name(), host.platform, change.manager, None, Plan(()), find_changes(host, folder))
    findings = [finding for finding in RULES.judge(context) if not finding.check.endswith("_planned")]
    return Result(findings, data={"firewall_commit": {"id": change.id, "state": state}}, changed=changed)


def _rolled_back(params: Mapping[str, Any], host: Host, folder: Path) -> Result:
    change = next((each for each in find_changes(host, folder) if each.id == params["commit"]), None)
    if change is None:
        raise Refused(f"there is no change {params['commit']!r} on this host")
    try:
        after = roll_back(host, folder, change)
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
    context = Context(host.name(), host.platform, found.manager, found.peer, found.plan, changes)
    data = {"firewall_commit": _data(found, change_id)}
    return Result(RULES.judge(context), actions=actions, changed=changed, data=data)


def _data(found: Situation, change_id: Optional[str]) -> dict[str, Any]:
    """Return what the role needs to do what is planned, and what an operator may want to know."""
    calls = [step.task for step in found.plan.steps]
    return {
        "id": change_id or "",
        "manager": found.manager,
        "management": dict(found.peer._asdict()),
        "openings": [str(opening) for opening in found.wanted],
        "load": [{**call, "phase": "load"} for call in calls if call.get("phase", "load") == "load"],
        "store": [call for call in calls if call.get("phase") == "store"],
        "left": list(found.plan.left),
        "ruleset": found.text,
    }
