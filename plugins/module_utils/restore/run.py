# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""backup_restore: put a set back in its place, or say how that would be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

from .. import restores
from ..backup.declared import LEVELS
from ..backup.model import BackupSet, Manifest, SourceCopy
from ..backup.sources.model import Bench
from ..backup.store.signature import read_key
from ..errors import CoreError
from ..finding import NOT_DONE, Action, Result
from ..host import Host
from ..lock import host_lock
from ..registry import Rules
from ..trusted_accounts import others_of
from . import LISTED, RESTORED, RESUMED, ROLLED_BACK, TIDIED, beside, databases, journal, rules_restore
from .act import carry_out, go_back, remove_folders
from .application import choose_archive, patterns_within
from .choose import Chosen, RestoreRefused, choose
from .declared import Request, read_request
from .model import BACK, KEPT, Journal
from .plan import RESTORE, VERIFY, RestorePlan, refusal
from .redis import with_servers
from .report import Said, result_of
from .sets import collect_catalog, reader_of, scratch_of, verify_now
from .survey import survey
from .swap import meet, stranger
from .work import Work

RULES = Rules(rules_restore.RULES)
LOCK_NAME = "B2.2 backup_restore"
Heartbeat = Callable[[], None]


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of backup_restore, bring back what is asked for, or in check mode say how.

    Raise InputError or RestoreRefused before anything is done, LockHeld where another maintenance run is at work.
    """
    request = read_request(params, host.platform)
    backup = request.backup
    if backup.sign_key_file:
        backup = backup._replace(sign_key=read_key(backup.sign_key_file))
    if backup.trusted_accounts:
        backup = backup._replace(others=others_of("trusted_accounts", backup.trusted_accounts))
    request = request._replace(backup=backup)
    if request.archive is not None:
        request = request._replace(files=patterns_within(request.files, request.install_dir))
    if check_mode or request.state == LISTED:
        return _PLANS[request.state](request, host)
    with host_lock(request.state_dir, LOCK_NAME, host) as heartbeat:
        return _STATES[request.state](request, host, heartbeat)


def listed(request: Request, host: Host) -> Result:
    """``state: listed``: which restores there were. Reads only."""
    return result_of(request, host)


def planned(request: Request, host: Host) -> Result:
    """``state: restored`` in check mode: every step with its size and how long it will take about."""
    plan = survey(request, host)
    why = refusal(plan)
    text = f"set {plan.chosen.id} would be restored in {len(plan.steps)} steps"
    result = result_of(request, host, Said(failure=why, plan=plan, planned="" if why else text))
    result.actions, result.changed = plan.planned(), True
    return result


def restored(request: Request, host: Host, heartbeat: Heartbeat) -> Result:
    """``state: restored``: the whole way."""
    plan = survey(request, host)
    why = refusal(plan)
    if why:
        raise RestoreRefused(why)
    if request.archive is None:
        _verify(request, plan.chosen, host)
    verified = next(step for step in plan.steps if step.action == VERIFY).ended()
    if request.into is not None:
        return _into(request, plan, host, heartbeat, verified)
    made = Journal(
        id=plan.id,
        set_id=plan.chosen.id,
        begun=host.now(),
        steps=[[step.action, step.subject] for step in plan.steps if step.action != VERIFY],
        units=list(plan.units),
        folders=list(plan.folders),
        entries=[entry.name for entry in plan.chosen.entries],
        tables=list(request.tables),
        servers=list(plan.servers),
        bytes=plan.bytes,
        archive=str(request.archive or ""),
    )
    work = _work(request, made, host, heartbeat, plan.chosen)
    work.actions.append(verified)
    return _ended(work, carry_out(work), plan)


def resumed(request: Request, host: Host, heartbeat: Heartbeat) -> Result:
    """``state: resumed``: go on with the restore that was interrupted; without one there is nothing to do."""
    left = journal.under_way(journal.read_all(request.state_dir))
    if left is None:
        return result_of(request, host)
    work = _work(request, left, host, heartbeat, _chosen_again(request, left, host))
    return _ended(work, carry_out(work))


def rolled_back(request: Request, host: Host, heartbeat: Heartbeat) -> Result:
    """``state: rolled_back``: put back what was there before."""
    journals = journal.read_all(request.state_dir)
    left = journal.under_way(journals) or _newest_there(journals, request.restore)
    work = _work(request, left, host, heartbeat, None)
    failures = go_back(work)
    return _ended(work, "; ".join(failures))


def _newest_there(journals: Sequence[Journal], name: str) -> Journal:
    """Return the restore that is taken back. Raise RestoreRefused where a newer one has put its own in that place.

    What moves along with a folder (logs, databases of their own) is with the newer one then, and would stay there.
    """
    left = journal.chosen(journals, name, (KEPT,))
    for newer in journals[journals.index(left) + 1 :]:
        shared = [unit.target for unit in newer.units if any(meet(unit.target, other.target) for other in left.units)]
        if newer.state == KEPT and shared:
            raise RestoreRefused(f"{newer.id} came after {left.id} and put {shared[0]} there: take that one back first")
    for why in filter(None, map(stranger, left.units)):
        raise RestoreRefused(f"{left.id} is not taken back: {why}")
    return left


def tidied(request: Request, host: Host, heartbeat: Heartbeat) -> Result:
    """``state: tidied``: remove what is kept of restores whose time is over, or of the one that is named."""
    actions = []
    for each in _to_tidy(request, host):
        work = _work(request, each, host, heartbeat, None)
        remove_folders(work)
        journal.remove(request.state_dir, each)
        actions.append(Action("remove", each.id, "done", "its time is over" if not request.restore else "it was named"))
    result = result_of(request, host)
    result.actions, result.changed = actions, bool(actions)
    return result


def _to_tidy(request: Request, host: Host) -> list[Journal]:
    journals = [each for each in journal.read_all(request.state_dir) if each.state in (KEPT, BACK)]
    if request.restore:
        return [journal.chosen(journals, request.restore, (KEPT, BACK))]
    if restores.half_done(request.state_dir):
        return []  # what is kept may be what a person needs now
    return [each for each in journals if each.until <= host.now()]


def _planned_of_journal(request: Request, host: Host) -> Result:
    """The other states in check mode: what they would do."""
    journals = journal.read_all(request.state_dir)
    left, actions = journal.under_way(journals), []
    if request.state == TIDIED:
        actions = [Action("remove", each.id, "planned", "its time is over") for each in _to_tidy(request, host)]
    elif request.state == RESUMED and left is not None:
        rest = [step for step in left.steps if " ".join(step) not in left.done]
        actions = [Action(action, subject, "planned", "it is left to do") for action, subject in rest]
    elif request.state == ROLLED_BACK:
        chosen = left or _newest_there(journals, request.restore)
        actions = [Action("put back", unit.target, "planned", f"from {unit.old}") for unit in reversed(chosen.units)]
    result = result_of(request, host)
    result.actions, result.changed = actions, bool(actions)
    return result


def _chosen_again(request: Request, left: Journal, host: Host) -> Chosen:
    """Return the set of a journal. Raise InputError where it is gone, though only its restore still needs it."""
    if left.archive:
        return _archive_again(request, left, host)
    catalog = collect_catalog(request, host)
    again = request._replace(
        which=left.set_id, only=tuple(left.entries), tables=(), before=None, label="", accept_other=True
    )
    found = next((one for one in catalog.sets if one.id == left.set_id), None)
    return choose(again._replace(from_host=found.manifest.host if found else ""), catalog, host.name())


def _archive_again(request: Request, left: Journal, host: Host) -> Chosen:
    """Return the archive of a journal. Raise RestoreRefused where it is another one by now."""
    again = request._replace(archive=Path(left.archive), only=tuple(left.entries), tables=(), accept_other=True)
    chosen = choose_archive(again, host)
    if chosen.id != left.set_id:
        raise RestoreRefused(f"{left.archive} is not the archive any more that the restore {left.id} began with")
    return chosen


def _verify(request: Request, chosen: Chosen, host: Host) -> None:
    """Look now whether what is restored of a set holds. Raise RestoreRefused where it does not."""
    report = verify_now(request, chosen.found, chosen.entries, host)
    if not report.ok:
        defect = report.defects[0]
        text = f"set {chosen.id} does not hold ({LEVELS[defect.level]}), nothing was touched: {defect.message}"
        raise RestoreRefused(f"{text}; take another set")


def _work(request: Request, left: Journal, host: Host, heartbeat: Heartbeat, chosen: Optional[Chosen]) -> Work:
    entries: dict[str, SourceCopy] = {}
    reader, folder, platform = None, Path("/"), host.platform
    if chosen is not None:
        found: BackupSet = chosen.found
        manifest: Manifest = found.manifest
        reader = reader_of(request, chosen, host, heartbeat)
        folder, platform = found.folder, manifest.platform
        entries = {entry.name: entry for entry in chosen.entries}
    bench = Bench(folder, scratch_of(request), host, platform, thorough=True, heartbeat=heartbeat)
    request = with_servers(request, left.servers)
    return Work(request, host, left, entries, reader, bench, heartbeat)


def _into(request: Request, plan: RestorePlan, host: Host, heartbeat: Heartbeat, verified: Action) -> Result:
    """Restore into a folder that is named, and nothing else."""
    into = request.into or Path("/")
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    work = _work(request, Journal(into.name, plan.chosen.id, host.now()), host, heartbeat, plan.chosen)
    actions = [verified]
    for step in (one for one in plan.steps if one.action == RESTORE):
        entry = work.entries[step.subject]
        if work.reader is None:
            continue
        try:
            if entry.type == databases.KIND:
                databases.write_dumps(entry, work.reader, into / entry.name, work)
            else:
                beside.restore_entry(entry, work.reader, into / entry.name, work.bench, request.files)
        except (CoreError, OSError) as error:
            actions.append(step.ended("failed", str(error)))
            failed = result_of(request, host, Said(failure=f"not all was restored into {into}: {error}"))
            return replace(failed, actions=actions, changed=True)
        actions.append(step.ended())
    text = f"set {plan.chosen.id} was restored into {into}; nothing was swapped"
    result = result_of(request, host, Said(plan=plan, planned=text))
    result.actions, result.changed = actions, True
    return result


def _ended(work: Work, failure: str, plan: Optional[RestorePlan] = None) -> Result:
    lacks = getattr(work.reader, "lacks", ())
    result = result_of(work.request, work.host, Said(work.journal, failure, work.notes, plan, lacks=lacks))
    result.actions = work.actions
    result.changed = any(action.state != NOT_DONE for action in work.actions)
    return result


_STATES: dict[str, Callable[[Request, Host, Heartbeat], Result]] = {
    RESTORED: restored,
    RESUMED: resumed,
    ROLLED_BACK: rolled_back,
    TIDIED: tidied,
}
_PLANS: dict[str, Callable[[Request, Host], Result]] = {
    LISTED: listed,
    RESTORED: planned,
    RESUMED: _planned_of_journal,
    ROLLED_BACK: _planned_of_journal,
    TIDIED: _planned_of_journal,
}
