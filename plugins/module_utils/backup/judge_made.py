# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run that made a set, or was to make one, has to say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ..units import human_bytes, human_seconds
from .anomaly import COUNTED
from .catalog.records import BackupSet
from .checks import CHECKS
from .made import Made
from .plan import Plan
from .settings import Settings
from .sources.records import Taken

# What is neither in the archive nor beside it, or would not come back from it, by the kind that it is noted as.
LOST = {
    "reserved": "have names that no ordinary program of Windows can make again, and were left out",
    "reparse": "are reparse points of a kind that is not known, and were left out",
    "stream": "are alternate data streams, which are not taken",
    "cut": "are extended attributes too large to be noted",
    "swapped": "had become something else when they were to be read, and were left out",
    "twin": "differ from another name in upper and lower case alone and would take its place when they are restored",
}
NOTED = {
    "changed": ("backup.changed_files", "changed while they were read, twice"),
    "database": ("backup.live_database", "are SQLite databases and were copied as plain files"),
}


def judge_made(settings: Settings, plan: Plan, made: Made, failures: Mapping[str, str], why: str = "") -> list[Finding]:
    """Given what a run came to, the sources that failed it and the reason of the failure, return its findings."""
    counted = {source.name: COUNTED.get(source.type, "things") for source in settings.sources}
    findings = [one for name, taken in made.taken.items() for one in _judge_taken(name, taken, counted[name])]
    findings += [_judge_skipped(name, reason) for name, reason in made.skipped.items()]
    findings += [_judge_failed(name, reason) for name, reason in failures.items()]
    return [*findings, judge_outcome(settings, plan, made, why)]


def _judge_taken(name: str, taken: Taken, counted: str) -> Iterator[Finding]:
    message = f"{taken.count} {counted}, {human_bytes(taken.raw_bytes)}, were taken whole"
    unread = taken.facts.get("unread", "")
    message += f"; that it is sound could not be looked at: {unread}" if unread else ""
    yield CHECKS["backup.source"].finding(UNKNOWN if unread else OK, name, message, actual=taken.raw_bytes)
    if taken.facts.get("left_out"):
        yield _judge_databases(name, taken.facts["left_out"])
    for kind, (check, text) in NOTED.items():
        count = taken.notes.counts.get(kind, 0)
        if count:
            named = ", ".join(taken.notes.named[kind])
            yield CHECKS[check].finding(WARNING, name, f"{count} files {text}: {named}", expected=0, actual=count)
    if "attributes" in taken.facts:
        yield _judge_attributes(name, taken.facts["attributes"])
        yield _judge_lost(name, taken)


def _judge_databases(name: str, left: Mapping[str, Any]) -> Finding:
    """Return which databases of a server are not in the set, and whether that is as declared."""
    unwanted = [one for one in left.values() if not one["as_declared"]]
    message = "not in the set: " + "; ".join(f"{database} ({one['reason']})" for database, one in left.items())
    status = WARNING if unwanted else OK
    return CHECKS["backup.databases"].finding(status, name, message, expected=0, actual=len(unwanted))


def _judge_attributes(name: str, attributes: Mapping[str, Any]) -> Finding:
    """Return whether everything that an archive cannot hold of its members could be noted beside it."""
    check, missing = CHECKS["backup.attributes"], attributes["missing"]
    if missing:
        message = f"of {missing} members it could not be noted whole: {attributes['why']}"
        return check.finding(UNKNOWN, name, message, expected=0, actual=missing)
    return check.finding(OK, name, f"{attributes['noted']} members have some, and they were noted")


def _judge_lost(name: str, taken: Taken) -> Finding:
    counts = {kind: taken.notes.counts[kind] for kind in LOST if taken.notes.counts.get(kind)}
    parts = [f"{count} {LOST[kind]}: {', '.join(taken.notes.named[kind])}" for kind, count in counts.items()]
    vanished = taken.notes.counts.get("vanished", 0)
    parts += [f"{vanished} were gone before they were read"] if vanished else []
    message = "; ".join(parts) or "nothing had to be left out"
    total = sum(counts.values())
    return CHECKS["backup.left_out"].finding(WARNING if counts else OK, name, message, expected=0, actual=total)


def _judge_skipped(name: str, reason: str) -> Finding:
    return CHECKS["backup.source"].finding(WARNING, name, f"the optional source was left out: {reason}")


def _judge_failed(name: str, reason: str) -> Finding:
    return CHECKS["backup.source"].finding(CRITICAL, name, reason, expected="the whole source")


def judge_outcome(settings: Settings, plan: Plan, made: Made, why: str = "") -> Finding:
    """Return whether there is a set now as there should be; ``why`` says why not."""
    check, title = CHECKS["backup.taken"], settings.title
    if why:
        return check.finding(CRITICAL, title, why)
    if plan.there is not None:
        return _judge_there(plan.there, plan.not_needed, title)
    if made.published is None:
        return check.finding(SKIPPED, title, "a set would be made", remedy="")
    manifest = made.published.manifest
    word = "verified" if made.published.good else "kept, but it does not count until a person has looked at it"
    message = f"set {manifest.id}: {human_bytes(manifest.bytes)} in {human_seconds(manifest.seconds)}, {word}"
    return check.finding(OK if made.published.good else WARNING, title, message)


def _judge_there(there: BackupSet, not_needed: str, title: str) -> Finding:
    """Return what a set that made a new one unnecessary is worth: one of a given name may turn out not to count."""
    word = "" if there.good else ", but it does not count as a backup"
    return CHECKS["backup.taken"].finding(OK if there.good else WARNING, title, f"no set was made: {not_needed}{word}")
