# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The area ``drill``: choose a set, play the scenario on copies, judge, remember."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Optional

from ..backup.declared import Settings
from ..backup.model import BackupSet, Catalog
from ..backup.rules_drills import recorded
from ..backup.scratch import DRILL, LEFT_BY, Swept, end_processes, killed, owned_folder, places, sweep
from ..backup.store.kinds import open_store
from ..backup.store.signature import read_key
from ..backup.store.store import Store
from ..backup.verification import evidence
from ..errors import ActionFailed, CoreError
from ..finding import DONE, FAILED, Action, Metric, Result
from ..host import Host
from ..lock import host_lock
from ..registry import Rules
from ..trusted import faults
from ..trusted_accounts import others_of
from ..units import human_bytes, human_seconds
from . import rules_drill
from .act import Drill
from .declared import DrillRequest, read_request
from .records import Record, keep, sheet
from .rules_drill import Context

RULES = Rules(rules_drill.RULES)
PLAY, SWEEP = "drill", "sweep"


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of dr_drill, play a scenario, or in check mode say what would be restored.

    Raise InputError before anything is done, LockHeld where another maintenance run is at work.
    """
    request = read_request(params, host.platform)
    request = request._replace(backup=_with_keys(request.backup))
    store = open_store(request.backup, host)
    if check_mode:
        return _planned(request, choose(request, store.catalog(), host), host)
    with host_lock(request.state_dir, "Q3.1 dr_drill", host):
        return _played(request, store, host)


def _with_keys(backup: Settings) -> Settings:
    if backup.sign_key_file:
        backup = backup._replace(sign_key=read_key(backup.sign_key_file))
    if backup.trusted_accounts:
        backup = backup._replace(others=others_of("trusted_accounts", backup.trusted_accounts))
    return backup


def choose(request: DrillRequest, catalog: Catalog, host: Host) -> Optional[BackupSet]:
    """Return the newest good set of the host that is meant, old enough for the scenario; None where there is none.

    What is chosen is verified before anything is restored.
    """
    until, of_host = host.now() - request.scenario.before, request.of_host or host.name()
    able = [
        one
        for one in catalog.usable
        if one.created <= until and one.manifest.host == of_host and request.label in ("", one.manifest.label)
    ]
    return able[-1] if able else None


def _none(request: DrillRequest, host: Host) -> str:
    of_host, label = request.of_host or host.name(), f" and the label {request.label}" if request.label else ""
    old = f", at least {human_seconds(request.scenario.before)} old" if request.scenario.before else ""
    repository = request.backup.repository
    where = repository.shown if repository else request.backup.dir
    return f"{where} has no good set of {of_host}{label}{old}"


def _planned(request: DrillRequest, found: Optional[BackupSet], host: Host) -> Result:
    scenario = request.scenario
    text = f"set {found.id}, {human_bytes(found.manifest.bytes)}, would be restored on copies" if found else ""
    left = killed(places(request.scratch_dir, request.backup.dir, request.backup.others), host)
    context = Context(
        host.name(),
        host.now(),
        scenario.name,
        before=recorded(request.state_dir, host),
        left=left.left,
        planned=text or _none(request, host),
    )
    actions = [Action(SWEEP, path, "planned", LEFT_BY) for path in left.removed]
    actions += [Action(PLAY, scenario.name, "planned", text)] if found else []
    return Result(
        findings=RULES.judge(context),
        actions=actions,
        changed=bool(actions),
        failure="" if found else _none(request, host),
    )


def _played(request: DrillRequest, store: Store, host: Host) -> Result:
    scenario, before = request.scenario, recorded(request.state_dir, host)
    _require_own(request)
    catalog = store.catalog()
    found = choose(request, catalog, host)
    swept = sweep(places(request.scratch_dir, request.backup.dir, request.backup.others), host)
    record = Record(_new_id(), scenario.name, host.name(), host.now(), request.rto, request.rpo)
    if found is None:
        record.why = _none(request, host)
    else:
        record.set_id, record.of_host = found.id, found.manifest.host
        record.data_age = host.now() - found.created
        with owned_folder(request.scratch_dir, host, DRILL) as folder:
            drill = Drill(request, store, found, folder, record, host)
            try:
                drill.play()
            finally:
                end_processes(folder, host)
        _keep_evidence(store, catalog, found, drill, host)
    keep(record, request.state_dir, request.keep_records, host)
    return _result(request, record, before, swept, host)


def _keep_evidence(store: Store, catalog: Catalog, found: BackupSet, drill: Drill, host: Host) -> None:
    """Keep with the set what a drill proved of it, or that it does not hold, where this account may write there."""
    report, record = drill.report, drill.record
    if report is None:
        return
    proved = record.id if record.level and not record.why else ""
    new = evidence(report, found.manifest, found.verification, host.now(), proved)
    if new is not None:
        with suppress(OSError, CoreError):
            store.adopt(catalog._replace(sets=(found,)))
            store.record(found, new)


def _require_own(request: DrillRequest) -> None:
    """Raise ActionFailed where another account could lead us elsewhere in the scratch folder."""
    trouble = faults(os.path.join(str(request.scratch_dir), f"cryptobot-{secrets.token_hex(8)}"), request.backup.others)
    if trouble:
        raise ActionFailed(f"nothing was restored: {trouble[0].words}; give a scratch_dir of this account's own")


def _new_id() -> str:
    return time.strftime("%Y%m%dT%H%M%SZ-", time.gmtime()) + secrets.token_hex(3)


def _result(request: DrillRequest, record: Record, before: list[Any], swept: Swept, host: Host) -> Result:
    context = Context(host.name(), host.now(), request.scenario.name, record, before, swept.left)
    ended = Action(PLAY, record.scenario, FAILED if record.why else DONE, record.why or f"set {record.set_id}")
    actions = [*(Action(SWEEP, path, DONE, LEFT_BY) for path in swept.removed), ended]
    phases = [
        Metric("cryptobot_drill_seconds", spent, "seconds", {"phase": name}) for name, spent in record.phases.items()
    ]
    metrics = [*phases, Metric("cryptobot_drill_data_age_seconds", round(record.data_age), "seconds")]
    data = {"drill": {**asdict(record), "ok": record.ok}, "sheet": sheet(record, request.scenario, before)}
    return Result(
        findings=RULES.judge(context), metrics=metrics, actions=actions, data=data, changed=True, failure=record.why
    )
