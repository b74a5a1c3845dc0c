# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the sets: is there one, young enough, complete; does the next one fit, and what may go?"""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from ..units import human_bytes, human_seconds
from .access import who
from .context import Context
from .declared import Source
from .history import failures_of
from .model import BackupSet, SourceCopy
from .rules_folder import removal
from .space import space_message
from .times import CLOCK_TOLERANCE, to_iso

RULES = Rules()
NAMED = 5  # failures and pins that are named in one message
LONG_PIN = 366 * 86400.0  # seconds; beyond it a pin is an archive that no retention rule knows of


@RULES.rule(
    "backup.present",
    procedure="D1.4",
    remedy="Take one now: ansible-playbook cryptobot.maintenance.backup --limit <host>.",
    source="A set without evidence that it can be read is no backup.",
)
def judge_present(context: Context) -> Iterator[Outcome]:
    """There is a backup set that counts: its manifest holds, it was verified, and nothing in it looks emptied."""
    catalog = context.catalog
    count, all_sets = len(catalog.good), len(catalog.sets) + len(catalog.broken)
    message = f"{count} of {all_sets} sets in {context.dir} count as backups"
    ahead = sum(found.good for found in catalog.ahead)
    if not catalog.exists:
        message = f"{context.dir} does not exist, so there is no backup"
    if catalog.foreign and not count:
        message = f"{message}; {len(catalog.foreign)} archives of the application's own scripts are there as well"
    if ahead and not count:
        message = f"{message}; {ahead} are dated in the future, so how old they are is not known"
    message = "; ".join([message, *map(who, catalog.faults[-1:])])
    unseen = bool(catalog.sets) and bool(catalog.faults) and all(one.unseen for one in catalog.faults)
    status = OK if count else UNKNOWN if ahead or unseen else CRITICAL
    yield Outcome(status, message, "1 or more", count)


@RULES.rule(
    "backup.age",
    procedure="D1.4",
    remedy="Read backup.last_run, look at the schedule, take a set now: ansible-playbook cryptobot.maintenance.backup.",
    source="Default of the module 26 h: yesterday's backup with two hours of grace; of the playbooks eight days, for a "
    "weekly run. Barman ships this check switched off, pgBackRest's info does not say it.",
)
def judge_age(context: Context) -> Iterator[Outcome]:
    """The newest set that counts is younger than max_age_hours."""
    limit = context.settings.max_age
    if context.newest is None:
        yield Outcome(SKIPPED, "there is no set whose age could be told", remedy="")
        return
    age = context.now - context.newest.created
    status = UNKNOWN if age < -CLOCK_TOLERANCE else CRITICAL if age > limit else OK
    message = f"the newest set that counts, {context.newest.id}, is {human_seconds(age)} old"
    yield Outcome(status, message, f"at most {human_seconds(limit)}", round(age))


@RULES.rule(
    "backup.complete",
    procedure="M4.1",
    remedy="Compare cryptobot_backup.sources with what the set lists; take a set now.",
    source="Sources that fell silently out of a set are found on the day of the restore.",
    title="The newest set that counts holds every source as it is declared now: its type, paths, excludes and "
    "databases. A missing one that is optional is a warning.",
)
def judge_complete(context: Context) -> Iterator[Outcome]:
    """Yield for each declared source whether the newest set that counts holds it."""
    if not context.settings.sources:
        yield Outcome(SKIPPED, "no source is declared, so nothing can be compared", remedy="")
    for source in context.settings.sources:
        if context.newest is None:
            yield Outcome(SKIPPED, "there is no set that counts and could hold it", remedy="", subject=source.name)
        else:
            yield _held(source, context.newest)


def _held(source: Source, newest: BackupSet) -> Outcome:
    held = next((entry for entry in newest.manifest.sources if entry.name == source.name), None)
    if held is not None and held.is_of(source):
        known = "" if held.declared else "; the set is of a release that did not note which databases were declared"
        message = f"set {newest.id} holds the {source.type} source {source.name} as it is declared{known}"
        return Outcome(UNKNOWN if known else OK, message, subject=source.name)
    why = newest.manifest.skipped.get(source.name, "it was not declared when the set was made")
    message = f"set {newest.id} does not hold the {source.type} source {source.name}: {why}"
    if held is not None:
        message = f"set {newest.id} holds another {source.name} than is declared: {difference(source, held)}"
    return Outcome(WARNING if source.optional else CRITICAL, message, subject=source.name)


def difference(source: Source, held: SourceCopy) -> str:
    """Given a source and what a set holds under its name, return in which words their declarations differ."""
    now, then = source.declaration, held.declaration or {"type": held.type}
    keys = [key for key in {**now, **then} if (now.get(key) or None) != (then.get(key) or None)]
    return "; ".join(f"{key} is {_words(now.get(key))} now and was {_words(then.get(key))}" for key in keys)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value or "none")


@RULES.rule(
    "backup.last_run",
    procedure="D1.4",
    remedy="Remove the named cause, then take a set: ansible-playbook cryptobot.maintenance.backup.",
    source="What the backup's own log would say, without a log to read.",
)
def judge_last_run(context: Context) -> Iterator[Outcome]:
    """The last run that was to make a set made one.

    One that failed is forgiven where a set that counts was made since.
    """
    last = context.last_run
    if not last:
        yield Outcome(SKIPPED, "no run is remembered on this host", remedy="")
        return
    at = float(last.get("at", 0))
    made_since = context.newest is not None and context.newest.created > at
    status = OK if last.get("ok") or made_since else CRITICAL
    yield Outcome(status, f"the last run, at {to_iso(at)}: {last.get('message', '')}")


@RULES.rule(
    "backup.run_errors",
    procedure="D1.4",
    remedy="Read the messages; the cause that is gone by now comes back. backup.last_run says how the last run ended.",
    source="A run that failed and was made good the next night is in no set: only the history of the runs has it.",
)
def judge_run_errors(context: Context) -> Iterator[Outcome]:
    """No run that was to make a set failed in the last seven days; one that did is named even where a later one came
    to its end.
    """
    if not context.last_run:
        yield Outcome(SKIPPED, "no run is remembered on this host", remedy="")
        return
    failures = failures_of(context.last_run, context.now)
    named = "; ".join(f"{to_iso(one['at'])}: {one['message']}" for one in failures[-NAMED:])
    message = f"{len(failures)} runs of the last 7 days failed" + (f", the last of them {named}" if named else "")
    yield Outcome(WARNING if failures else OK, message, 0, len(failures))


@RULES.rule(
    "backup.space",
    procedure="B1.2",
    remedy="Give the backup folder more room, or keep fewer sets; nothing is deleted to make room by itself.",
    source="Expected: the larger of the last set and 1.2 times the median of the sets of that label, or what the "
    "sources hold where there is none yet.",
)
def judge_space(context: Context) -> Iterator[Outcome]:
    """The disk has room for what the next set is expected to take, space_factor times over."""
    space = context.space
    if space is None and not context.space_unknown:
        yield Outcome(SKIPPED, "no set is to be made", remedy="")
    elif space is None:
        yield Outcome(UNKNOWN, f"the size of the next set cannot be told: {context.space_unknown}")
    else:
        yield Outcome(OK if space.enough else CRITICAL, space_message(space), space.required, space.free)


@RULES.rule(
    "backup.retention",
    procedure="B1.2",
    remedy="Take sets more often, or lower min_keep knowingly.",
    source="Barman's minimum redundancy is 0 unless set; ours is 3.",
    per="retention",
)
def judge_retention(context: Context) -> Iterator[Outcome]:
    """As many good sets as min_keep says are there, and what the policy no longer keeps can be removed.

    A young folder whose every set counts is no finding: there were not yet enough runs.
    """
    decided, policy, catalog = context.retention, context.settings.policy, context.catalog
    if decided is None or policy is None:
        yield Outcome(SKIPPED, "no retention is declared, so no set is ever removed", remedy="")
        return
    count, least = len(catalog.good), policy.min_keep
    message = (
        f"{count} good sets are there, {least} always stay (min_keep), "
        f"{len(decided.removed)} are no longer kept by any rule"
    )
    spoilt = len(catalog.sets) + len(catalog.broken) - count
    yield Outcome(WARNING if count < least and spoilt else OK, message, f"{least} or more", count)


@RULES.rule(
    "backup.pin",
    procedure="B1.3",
    remedy="Remove the set by hand if nobody needs it any more, or archive it elsewhere.",
    source="A pin is for the time around a change; longer keeping is what monthly and yearly retention are for.",
    title="Pins end: none holds its set for longer than a year from its making. What pins cost is told.",
    per="folder",
)
def judge_pin(context: Context) -> Iterator[Outcome]:
    """Yield pins that hold their set for longer than a pin is meant to, else what pins cost."""
    ends = [(found, found.manifest.pin_until) for found in context.catalog.sets]
    pinned = [(found, end) for found, end in ends if end is not None and end > context.now]
    long = [(found, end) for found, end in pinned if end - found.created > LONG_PIN]
    for found, end in long:
        message = f"set {found.id} ({found.manifest.title}) is pinned until {to_iso(end)}"
        yield Outcome(WARNING, message, "a year at most", subject=found.id)
    if not long:
        cost = human_bytes(sum(found.manifest.bytes for found, _end in pinned))
        named = "; ".join(
            f"{found.id} ({found.manifest.title}, {human_bytes(found.manifest.bytes)}) until {to_iso(end)}"
            for found, end in pinned[-NAMED:]
        )
        yield Outcome(OK, f"{len(pinned)} sets are pinned, {cost}" + (f": {named}" if named else ""))


@RULES.rule(
    "backup.clock",
    procedure="B1.2",
    remedy="Check the time (timedatectl); with a right clock the refusal ends by itself after min_keep new sets.",
    source="After a clock jump every set looks expired at once.",
    per="always",
)
def judge_clock(context: Context) -> Iterator[Outcome]:
    """The dates of the sets fit the clock: none lies in the future (it is set aside), and none is a leap away from
    the next (nothing is removed).
    """
    refusal = context.retention.refusal if context.retention else ""
    for found in context.catalog.ahead:
        ahead = human_seconds(found.created - context.now)
        message = (
            f"set {found.id} is dated {ahead} in the future: it is set aside, counts for nothing and is never "
            "removed by itself; the others are judged without it"
        )
        remedy = f"Check the time (timedatectl). If it is right: {removal([str(found.folder)], context.platform)}"
        yield Outcome(WARNING if context.catalog.on_time else CRITICAL, message, subject=found.id, remedy=remedy)
    message = f"{refusal}; nothing is removed" if refusal else "the dates of the other sets fit the clock"
    yield Outcome(CRITICAL if refusal else OK, message)
