# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the sets: is there one, young enough, complete, sound, and not emptied?"""

from __future__ import annotations

from collections.abc import Iterator

from ...finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ...units import human_bytes, human_seconds
from ..access.way import who
from ..catalog.parse import LEVELS
from ..catalog.records import BackupSet
from ..checks import CHECKS
from ..sources.records import Entry, Source
from ..times import CLOCK_TOLERANCE, to_iso
from ..verification.levels import Problem, Report
from ..view import View

LOOK_AGAIN = "Give it what the message misses (a program, room in scratch_dir, the right to read); verify again."
LEVEL_CHECKS = ("backup.payload", "backup.checksum", "backup.readable")
OPENS = len(LEVEL_CHECKS) - 1


def judge_presence(view: View) -> Iterator[Finding]:
    """Yield whether there is any set that counts."""
    count, all_sets = len(view.catalog.good), len(view.catalog.sets) + len(view.catalog.broken)
    message = f"{count} of {all_sets} sets in {view.dir} count as backups"
    ahead = sum(found.good for found in view.catalog.ahead)
    if not view.catalog.exists:
        message = f"{view.dir} does not exist, so there is no backup"
    if view.catalog.foreign and not count:
        message = f"{message}; {len(view.catalog.foreign)} archives of the application's own scripts are there as well"
    if ahead and not count:
        message = f"{message}; {ahead} are dated in the future, so how old they are is not known"
    message = "; ".join([message, *map(who, view.catalog.faults[-1:])])
    unseen = bool(view.catalog.sets) and bool(view.catalog.faults) and all(one.unseen for one in view.catalog.faults)
    status = OK if count else UNKNOWN if ahead or unseen else CRITICAL
    yield CHECKS["backup.present"].finding(status, view.dir, message, expected="1 or more", actual=count)


def judge_age(view: View) -> Iterator[Finding]:
    """Yield whether the newest set that counts is young enough."""
    check, limit = CHECKS["backup.age"], view.settings.max_age
    if view.newest is None:
        yield check.finding(SKIPPED, view.dir, "there is no set whose age could be told", remedy="")
        return
    age = view.now - view.newest.created
    status = UNKNOWN if age < -CLOCK_TOLERANCE else CRITICAL if age > limit else OK
    message = f"the newest set that counts, {view.newest.id}, is {human_seconds(age)} old"
    yield check.finding(status, view.dir, message, expected=f"at most {human_seconds(limit)}", actual=round(age))


def judge_completeness(view: View) -> Iterator[Finding]:
    """Yield for each declared source whether the newest set that counts holds it."""
    check = CHECKS["backup.complete"]
    if not view.settings.sources:
        yield check.finding(SKIPPED, view.dir, "no source is declared, so nothing can be compared", remedy="")
    for source in view.settings.sources:
        if view.newest is None:
            yield check.finding(SKIPPED, source.name, "there is no set that counts and could hold it", remedy="")
        else:
            yield _held(source, view.newest)


def _held(source: Source, newest: BackupSet) -> Finding:
    check = CHECKS["backup.complete"]
    held = next((entry for entry in newest.manifest.sources if entry.name == source.name), None)
    if held is not None and held.is_of(source):
        known = "" if held.declared else "; the set is of a release that did not note which databases were declared"
        message = f"set {newest.id} holds the {source.type} source {source.name} as it is declared{known}"
        return check.finding(UNKNOWN if known else OK, source.name, message)
    why = newest.manifest.skipped.get(source.name, "it was not declared when the set was made")
    message = f"set {newest.id} does not hold the {source.type} source {source.name}: {why}"
    if held is not None:
        message = f"set {newest.id} holds another {source.name} than is declared: {difference(source, held)}"
    return check.finding(WARNING if source.optional else CRITICAL, source.name, message)


def difference(source: Source, held: Entry) -> str:
    """Given a source and what a set holds under its name, return in which words their declarations differ."""
    now, then = source.declaration, held.declaration or {"type": held.type}
    keys = [key for key in {**now, **then} if (now.get(key) or None) != (then.get(key) or None)]
    return "; ".join(f"{key} is {_words(now.get(key))} now and was {_words(then.get(key))}" for key in keys)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value or "none")


def judge_verification(view: View) -> Iterator[Finding]:
    """Yield for each set that was looked at, and each level up to the one asked for, whether it holds.

    What failed at a level was not looked at beyond it, so a level is reached where not all of the sources have failed.
    """
    for report in view.reports:
        failed: set[str] = set()
        for level in range(min(report.level, OPENS) + 1):
            found = [problem for problem in report.problems if problem.level == level]
            yield from _judge_level(report, level, found, reached=len(failed) < max(1, report.sources))
            failed |= {problem.subject for problem in found}


def _judge_level(report: Report, level: int, found: list[Problem], *, reached: bool) -> Iterator[Finding]:
    check = CHECKS[LEVEL_CHECKS[level]]
    for problem in found:
        subject = f"{report.set_id}/{problem.subject}"
        if problem.unknown:
            yield check.finding(UNKNOWN, subject, problem.message, remedy=LOOK_AGAIN)
        else:
            yield check.finding(CRITICAL, subject, problem.message)
    if not found:
        share = " of the share looked at" if report.partial else ""
        deepest = report.level if level == OPENS else level  # what L3 compares is a part of opening
        message = f"all {report.sources} sources{share} hold at {LEVELS[deepest]}"
        yield check.finding(OK if reached else SKIPPED, report.set_id, message, remedy="")


def judge_anomalies(view: View) -> Iterator[Finding]:
    """Yield what looks emptied in the newest set, whether it counts or not."""
    check = CHECKS["backup.size_anomaly"]
    newest = view.catalog.on_time[-1] if view.catalog.on_time else None
    if newest is None:
        yield check.finding(SKIPPED, view.dir, "there is no set that could be compared", remedy="")
        return
    size = human_bytes(newest.manifest.bytes)
    found = "; ".join(newest.manifest.anomalies) or f"{size}, no source looks emptied"
    yield check.finding(CRITICAL if newest.manifest.anomalies else OK, view.dir, f"set {newest.id}: {found}")


def judge_last_run(view: View) -> Iterator[Finding]:
    """Yield whether the last run that was to make a set failed, unless a set that counts was made since."""
    check, last = CHECKS["backup.last_run"], view.last_run
    if not last:
        yield check.finding(SKIPPED, view.dir, "no run is remembered on this host", remedy="")
        return
    at = float(last.get("at", 0))
    made_since = view.newest is not None and view.newest.created > at
    status = OK if last.get("ok") or made_since else CRITICAL
    message = f"the last run, at {to_iso(at)}: {last.get('message', '')}"
    yield check.finding(status, view.dir, message)
