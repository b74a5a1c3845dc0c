# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""recover_host: begin the recovery of a host, or judge whether it is ready to trade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..backup.model import L1
from ..backup.sources.model import Bench
from ..backup.store.kinds import open_store
from ..backup.store.signature import read_key
from ..errors import ActionFailed, CoreError
from ..finding import DONE, FAILED, NOT_DONE, Action, Result
from ..host import Host
from ..lock import host_lock
from ..memory import recall, recall_or_why, remember
from ..registry import Rules
from ..restore import journal
from ..restore.act import MEMORY as PACE
from ..restore.choose import Chosen, choose
from ..restore.declared import NEWEST
from ..restore.model import KEPT, Journal
from ..restore.sets import collect_catalog, reader_of, scratch_of
from ..trusted_accounts import others_of
from . import BEGUN, plan, rules_recover
from .collect import Here, collect_here
from .declared import Recovery, read_recovery
from .plan import Needs, needs_of, plan_of, servers_of, units_of, unmet
from .recorded import read_recorded
from .rules_recover import Context

RULES = Rules(rules_recover.RULES)
MEMORY, UNDER_WAY, READY = "recover", "under way", "ready"
LOCK_NAME = "B2.3 recover_host"


class RecoveryRefused(CoreError):
    """The recovery cannot be made as it is asked for; nothing was done."""


class Begun(NamedTuple):
    """What is remembered of a recovery: ``restored`` is the id of the restore that has put the set in its place."""

    set_id: str = ""
    state: str = ""
    begun: float = 0.0
    restored: str = ""

    @property
    def under_way(self) -> bool:
        """Whether a recovery was begun here and is not at its end."""
        return self.state == UNDER_WAY


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of recover_host, begin or go on with a recovery, or judge it; in check mode say the plan.

    Raise InputError or RecoveryRefused before anything is done.
    """
    if host.platform != "linux":
        raise RecoveryRefused(
            f"a host is recovered as a whole on Linux alone by this release, and this is {host.platform}: "
            f"install it as its guide says, and restore its sources by backup_restore"
        )
    request = _with_keys(read_recovery(params, host.platform))
    if check_mode:
        return begun(request, host) if request.state == BEGUN else judged(request, host, write=False)
    with host_lock(request.state_dir, LOCK_NAME, host):
        return begun(request, host, write=True) if request.state == BEGUN else judged(request, host)


def _with_keys(request: Recovery) -> Recovery:
    backup = request.restore.backup
    if backup.sign_key_file:
        backup = backup._replace(sign_key=read_key(backup.sign_key_file))
    if backup.trusted_accounts:
        backup = backup._replace(others=others_of("trusted_accounts", backup.trusted_accounts))
    return request._replace(restore=request.restore._replace(backup=backup))


def begun(request: Recovery, host: Host, *, write: bool = False) -> Result:
    """``state: begun``: the set is there and holds, the host is bare or told not to be, and what it needs."""
    record, journals = read_record(request), journal.read_all(request.state_dir)
    request = _same_set(request, record)
    chosen = choose(request.restore, collect_catalog(request.restore, host), host.name())
    if not record.under_way:
        _require_held(request, chosen, host)
    record = _record_now(record, chosen, journals, host)
    restore = restore_of(record, journals)
    here = collect_here(request.restore, chosen.entries, host)
    why = refusal(request, record, here, restore)
    sources = chosen.found.manifest.sources
    reader = reader_of(request.restore, chosen, host, lambda: None)
    needs = needs_of(request, read_recorded(sources, reader), here, chosen.entries)
    why = why or ("" if restore == plan.DONE else unmet(request, needs, here, chosen.entries))
    if why:
        raise RecoveryRefused(f"nothing was done: {why}")
    if write:
        _keep(request, record)
    return _begun(request, chosen, Found(needs, here, restore), host, planned=not write)


class Found(NamedTuple):
    """What was found of the host: what it needs, what there is, and what the restore has come to."""

    needs: Needs
    here: Here
    restore: str


def _begun(request: Recovery, chosen: Chosen, found: Found, host: Host, *, planned: bool) -> Result:
    pace = float(recall(request.state_dir, PACE).get("bytes_per_second") or 0.0)
    steps, minutes = plan_of(request, chosen, found.needs, found.here, pace, found.restore)
    manifest = chosen.found.manifest
    data = {
        "set": chosen.id,
        "of_host": manifest.host,
        "created": manifest.created,
        "bytes": sum(entry.raw_bytes for entry in chosen.entries),
        "minutes": minutes,
        "steps": [
            {"name": row.name, "tasks": row.tasks, "plan": step.reason} for row, step in zip(request.steps, steps)
        ],
        "packages": list(found.needs.packages),
        "groups": [{"name": name, "gid": gid} for name, gid in found.needs.groups.items()],
        "accounts": [{**account._asdict(), "system": plan.is_system(account)} for account in found.needs.accounts],
        "servers": list(servers_of(request, found.here)),
        "waiting": dict(found.here.waiting),
        "units": units_of(request.restore.services),
        "restore": found.restore,
        "replaces": list(found.here.lives),
    }
    context = Context(host.name(), chosen.id, manifest.host, planned, found.needs.doubts)
    actions = [step.planned() for step in steps] if planned else []
    return Result(RULES.judge(context), actions=actions, data={"recover": data}, changed=planned)


def _same_set(request: Recovery, record: Begun) -> Recovery:
    """Return the request for the set of the recovery that is under way. Raise RecoveryRefused where it is another."""
    if not record.under_way:
        return request
    wanted = request.restore.which
    if wanted not in (NEWEST, record.set_id):
        text = f"the recovery from set {record.set_id} is under way on this host, and set is {wanted}"
        raise RecoveryRefused(f"{text}: go on with that one, or remove {request.state_dir}/{MEMORY}.json first")
    return request._replace(restore=request.restore._replace(which=record.set_id, before=None, label=""))


def _require_held(request: Recovery, chosen: Chosen, host: Host) -> None:
    """Raise RecoveryRefused where a file of the set is not what it was: better now than when half is installed."""
    store = open_store(request.restore.backup._replace(verify_level=L1, subset=None), host)
    bench = Bench(chosen.found.folder, scratch_of(request.restore), host)
    report = store.verify(chosen.found, bench)
    if not report.ok:
        text = f"nothing was done: set {chosen.id} does not hold: {report.defects[0].message}"
        raise RecoveryRefused(f"{text}; take another set")


def _record_now(record: Begun, chosen: Chosen, journals: list[Journal], host: Host) -> Begun:
    """Return the record of this recovery, which knows whether its restore was done."""
    if not record.under_way:
        return Begun(chosen.id, UNDER_WAY, host.now())
    done = [one for one in journals if one.state == KEPT and one.set_id == record.set_id and one.begun >= record.begun]
    return record._replace(restored=done[-1].id) if done and not record.restored else record


def restore_of(record: Begun, journals: list[Journal]) -> str:
    """Return what the restore of a recovery is to do: all, what is left of it, or nothing.

    Raise RecoveryRefused where the restore that is half done is of another set.
    """
    left = journal.under_way(journals)
    if left is not None and (left.set_id != record.set_id or left.begun < record.begun):
        text = (
            f"nothing was done: the restore {left.id} of set {left.set_id} is half done, and is none of this recovery"
        )
        raise RecoveryRefused(f"{text}: run restore with restore_state=resumed or rolled_back first")
    return plan.RESUMED if left is not None else plan.DONE if record.restored else plan.RESTORED


def refusal(request: Recovery, record: Begun, here: Here, restore: str) -> str:
    """Return why the host is not to be recovered, or an empty text: an installation lives there that is not ours."""
    if not here.lives or request.over or restore != plan.RESTORED:
        return ""
    shown = ", ".join(here.lives[:3]) + (f" and {len(here.lives) - 3} more" if len(here.lives) > 3 else "")
    text = f"an installation lives on this host ({shown})"
    return f"{text}: to replace it with set {record.set_id} say recover_over=true; to bring data back use restore"


def judged(request: Recovery, host: Host, *, write: bool = True) -> Result:
    """``state: judged``: whether the host is ready to trade, of what was found when it was looked at."""
    record = read_record(request)
    failed = f"the step {request.failed_step} failed: {request.failure}" if request.failed_step else ""
    trades = any(service.name == request.trade_service for service in request.restore.services)
    context = Context(
        host.name(), record.set_id, findings=request.findings if not failed else None, failed=failed, trades=trades
    )
    findings = [finding for finding in RULES.judge(context) if finding.check != "recover.taken_over"]
    ready = next(finding for finding in findings if finding.check == "recover.ready")
    if write and ready.status == "ok":
        _keep(request, record._replace(state=READY))
    return Result(
        findings,
        actions=_actions(request, record),
        data={"recover": {"ready": ready.status == "ok"}},
        changed=record.under_way,
    )


def _actions(request: Recovery, record: Begun) -> list[Action]:
    """Return what became of each step: those before the one that failed are done."""
    names = [row.name for row in request.steps]
    at = names.index(request.failed_step) if request.failed_step in names else len(names)
    states = [DONE if place < at else FAILED if place == at else NOT_DONE for place in range(len(names))]
    reasons = {DONE: "", FAILED: request.failure, NOT_DONE: "an earlier step failed"}
    return [
        Action(row.name, record.set_id, state, reasons[state] or row.title) for row, state in zip(request.steps, states)
    ]


def read_record(request: Recovery) -> Begun:
    """Return what is remembered. Raise ActionFailed where it cannot be believed."""
    memory, why = recall_or_why(request.state_dir, MEMORY)
    if why:
        raise ActionFailed(why)
    return _record(memory)


def _record(memory: Mapping[str, Any]) -> Begun:
    try:
        return Begun(
            str(memory.get("set", "")),
            str(memory.get("state", "")),
            float(memory.get("begun", 0.0)),
            str(memory.get("restored", "")),
        )
    except (TypeError, ValueError) as error:
        raise ActionFailed(f"the record of a recovery cannot be read: {error}") from error


def _keep(request: Recovery, record: Begun) -> None:
    plain = {"set": record.set_id, "state": record.state, "begun": record.begun, "restored": record.restored}
    if not remember(request.state_dir, MEMORY, plain):
        raise ActionFailed(f"{request.state_dir}/{MEMORY}.json cannot be written; without it nothing is done")
