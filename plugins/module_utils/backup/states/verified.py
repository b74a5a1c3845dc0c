# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``state: verified``: is there a backup, young enough and complete, and does it hold? Changes nothing."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...finding import Result
from ...host import Host
from ...trusted import faults
from ..access.gather import gather_access
from ..catalog.gather import read_catalog
from ..catalog.names import is_set_id
from ..catalog.publish import record_verification
from ..catalog.records import BackupSet, Catalog, Verification
from ..context import Context
from ..gather import last_run, measure_sources
from ..judge import judge
from ..plan import plan_pruned
from ..report import describe_catalog, describe_report, describe_retention, describe_space, metrics
from ..settings import ALL, NEWEST, Settings
from ..sources.records import Bench
from ..space import predict_space
from ..verification.evidence import evidence
from ..verification.levels import Report, verify


def verified(settings: Settings, host: Host, check_mode: bool) -> Result:
    """Look at the chosen sets to the level asked for and judge the whole folder.

    Outside of check mode the outcome is recorded beside each set: evidence, which counts as no change. Nothing is
    recorded where another account could lead us elsewhere.
    """
    catalog = read_catalog(settings.dir, host, settings.sign_key, settings.others)
    reports = [_look(found, settings, host) for found in chosen(catalog, settings)]
    judged = with_evidence(catalog, reports, host.now())
    if not check_mode and not catalog.faults:
        _record(catalog, judged)
    context = _view(settings, judged, reports, host)
    data = {
        **describe_catalog(judged),
        "verifications": [describe_report(report) for report in reports],
        "retention": describe_retention(context.retention),
        "space": describe_space(context.space),
    }
    return Result(findings=judge(context), metrics=metrics(context), data=data)


def chosen(catalog: Catalog, settings: Settings) -> list[BackupSet]:
    """Return the sets that ``set`` names. Raise InputError where it names one that is not there."""
    if settings.which == ALL:
        return list(catalog.sets)
    if settings.which == NEWEST:
        return list(catalog.on_time[-1:])
    broken = {one.id for one in catalog.broken}
    by_id = [found for found in catalog.sets if found.id == settings.which]
    by_name = catalog.named(settings.which)
    found = by_id or ([by_name] if by_name else [])
    if not found and not (is_set_id(settings.which) and settings.which in broken):
        raise InputError("set", settings.which, f"the id or name of a set in {settings.dir}")
    return found


def _look(found: BackupSet, settings: Settings, host: Host) -> Report:
    scratch = settings.scratch_dir or Path(tempfile.gettempdir())
    bench = Bench(found.folder, scratch, host, doubt=_doubt_of(scratch))
    return verify(found.manifest, bench, settings.verify_level, settings.subset)


def _doubt_of(scratch: Path) -> str:
    """Return why another account could take the place of a file of ours in a folder; empty where none can.

    Where all may make names, as in /tmp, none can take ours away: the way ends at a name that is not there.
    """
    return next((fault.words for fault in faults(str(scratch / f"cryptobot-{secrets.token_hex(8)}"))), "")


def with_evidence(catalog: Catalog, reports: Sequence[Report], now: float) -> Catalog:
    """Return the catalog as it is after these verifications."""
    by_id = {report.set_id: report for report in reports}
    return replace(catalog, sets=tuple(_judged(found, by_id, now) for found in catalog.sets))


def _judged(found: BackupSet, reports: dict[str, Report], now: float) -> BackupSet:
    if found.id not in reports:
        return found
    new = evidence(reports[found.id], found.manifest, found.verification, now)
    return found if new is None else replace(found, verification=new)


def _record(before: Catalog, after: Catalog) -> None:
    for old, new in zip(before.sets, after.sets):
        if new.verification is not None and new.verification is not old.verification and not new.others:
            _write(new, new.verification)


def _write(found: BackupSet, verification: Verification) -> None:
    # An account that may only read still learns what holds; without evidence nothing is claimed later.
    with suppress(OSError):
        record_verification(found.folder, found.id, verification)


def _view(settings: Settings, catalog: Catalog, reports: Sequence[Report], host: Host) -> Context:
    measured = measure_sources(settings, host)
    known = [found for found in catalog.good if found.manifest.label == settings.label]
    missing = "; ".join(measured.trouble.values()) or "no sources are declared and there is no set to go by"
    can_tell = bool(known) or (bool(settings.sources) and not measured.trouble)
    return Context(
        settings=settings,
        catalog=catalog,
        now=host.now(),
        reports=tuple(reports),
        space=predict_space(settings, catalog, measured) if can_tell else None,
        space_unknown=missing,
        retention=plan_pruned(settings, catalog, host.now(), host.name()).retention,
        last_run=last_run(settings),
        access=gather_access(catalog, host),
        platform=host.platform,
    )
