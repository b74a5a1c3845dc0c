# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run that made a set, or was to make one, has to say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Optional

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ..registry import Outcome, Rules
from ..units import human_bytes, human_seconds
from .context import SetContext, SourceContext
from .declared import Settings
from .model import BackupSet, Made, SourceCopy
from .plan import SetPlan
from .rules_anomaly import COUNTED

RULES = Rules()
# What is neither in the archive nor beside it, or would not come back from it, by the kind that it is noted as.
LOST = {
    "reserved": "have names that no ordinary program of Windows can make again, and were left out",
    "reparse": "are reparse points of a kind that is not known, and were left out",
    "stream": "are alternate data streams, which are not taken",
    "cut": "are extended attributes too large to be noted",
    "swapped": "had become something else when they were to be read, and were left out",
    "twin": "differ from another name in upper and lower case alone and would take its place when they are restored",
}


def judge_made(
    settings: Settings, plan: SetPlan, made: Made, failures: Mapping[str, str], why: str = ""
) -> list[Finding]:
    """Given what a run came to, the sources that failed it and the reason of the failure, return its findings."""
    counted = {source.name: COUNTED.get(source.type, "things") for source in settings.sources}
    sources = [SourceContext(name, counted[name], taken) for name, taken in made.taken.items()]
    sources += [SourceContext(name, skipped=reason) for name, reason in made.skipped.items()]
    sources += [SourceContext(name, failed=reason) for name, reason in failures.items()]
    findings = [finding for source in sources for finding in RULES.judge(source, "source")]
    return [*findings, *judge_set(settings, plan, made, why)]


def judge_set(settings: Settings, plan: SetPlan, made: Made, why: str = "") -> list[Finding]:
    """Return the finding whether there is a set now as there should be; ``why`` says why not."""
    return RULES.judge(SetContext(settings, plan, made, why), "set")


@RULES.rule(
    "backup.source",
    procedure="B1.1",
    remedy="Read the message: it names the file, table or command. Make it readable, or declare the source optional.",
    source="Half a source is none: tar's exit code 1 and pg_dump's are failures here.",
    per="source",
)
def judge_source(context: SourceContext) -> Iterator[Outcome]:
    """A source was taken whole; one that could not be taken fails the set, unless it is optional."""
    if context.failed is not None:
        yield Outcome(CRITICAL, context.failed, expected="the whole source")
    elif context.taken is None:
        yield Outcome(WARNING, f"the optional source was left out: {context.skipped}")
    else:
        taken = context.taken
        unread = taken.facts.get("unread", "")
        message = f"{taken.things} {context.counted}, {human_bytes(taken.raw_bytes)}, were taken whole"
        message += f"; that it is sound could not be looked at: {unread}" if unread else ""
        whole = taken.facts.get("whole_because", "")
        message += f"; all of it was stored, because {whole}" if whole else _since(taken)
        yield Outcome(UNKNOWN if unread else WARNING if whole else OK, message, actual=taken.raw_bytes)


def _since(taken: SourceCopy) -> str:
    """Return what an incremental set stored of a source, or an empty text."""
    stored = taken.facts.get("stored")
    if not taken.chain or not stored:
        return ""
    return f"; {stored['count']} of them, {human_bytes(stored['bytes'])}, are new since set {taken.chain[-1].set_id}"


@RULES.rule(
    "backup.databases",
    procedure="B1.1",
    remedy="Drop a database that is invalid, GRANT CONNECT on it to the login, or name it in the source's exclude.",
    source="An invalid database is what an interrupted DROP DATABASE leaves; nobody can connect to it. Managed "
    "services keep databases of their own, which no customer can read.",
    per="source",
)
def judge_databases(context: SourceContext) -> Iterator[Outcome]:
    """Every database of a server that is taken whole is in the set; those that are not are named with the reason."""
    left = context.taken.facts.get("left_out") if context.taken else None
    if not left:
        return
    unwanted = [one for one in left.values() if not one["as_declared"]]
    message = "not in the set: " + "; ".join(f"{database} ({one['reason']})" for database, one in left.items())
    yield Outcome(WARNING if unwanted else OK, message, 0, len(unwanted))


@RULES.rule(
    "backup.system_parts",
    procedure="B1.1",
    remedy="Run as root, so that all parts can be read. A part that has to be there belongs into the source's wanted.",
    source="What is missing is known before the day on which the host has to be built anew.",
    per="source",
)
def judge_system_parts(context: SourceContext) -> Iterator[Outcome]:
    """What a host needs for the way back was read whole; parts of which there is nothing are named."""
    if context.taken is None or context.taken.type != "system":
        return
    notes = context.taken.notes
    unread, missing = notes.counts.get("unread", 0), notes.named.get("missing", [])
    parts = ", ".join(f"{name} ({count})" for name, count in sorted(context.taken.facts["parts"].items()))
    message = f"in the set: {parts}"
    message += f"; nothing on this host of: {', '.join(missing)}" if missing else ""
    message += f"; could not be read: {'; '.join(notes.named['unread'])}" if unread else ""
    yield Outcome(WARNING if unread else OK, message, 0, unread)


@RULES.rule(
    "backup.changed_files",
    procedure="B1.1",
    remedy="Exclude files that are written all the time, or take the service's data through its own interface.",
    source="A file that changes while it is read may mix two states.",
    per="source",
)
def judge_changed_files(context: SourceContext) -> Iterator[Outcome]:
    """No file changed under the reader's hands twice in a row."""
    yield from _noted(context.taken, "changed", "changed while they were read, twice")


@RULES.rule(
    "backup.live_database",
    procedure="DB2.2",
    remedy="Declare it as a source of type sqlite: it then leaves the files source by itself.",
    source="A plain copy misses what is in the write-ahead log and may mix two states.",
    per="source",
)
def judge_live_database(context: SourceContext) -> Iterator[Outcome]:
    """No SQLite database is copied as a plain file."""
    yield from _noted(context.taken, "database", "are SQLite databases and were copied as plain files")


def _noted(taken: Optional[SourceCopy], kind: str, text: str) -> Iterator[Outcome]:
    """Yield how many files are noted as one kind, and the first of them by name."""
    if taken is None:
        return
    count = taken.notes.counts.get(kind, 0)
    if count:
        yield Outcome(WARNING, f"{count} files {text}: {', '.join(taken.notes.named[kind])}", 0, count)


@RULES.rule(
    "backup.attributes",
    procedure="B1.1",
    remedy="Read the message. Without them the files come back with what their folder hands down to them.",
    source="Windows: one bounded call of PowerShell. macOS: the system's library, and ls -lde in portions.",
    per="source",
)
def judge_attributes(context: SourceContext) -> Iterator[Outcome]:
    """What an archive cannot hold of its files is noted beside it: extended attributes (Linux, macOS), flags and
    access control lists (macOS), attributes and security descriptors (Windows).
    """
    attributes = context.taken.facts.get("attributes") if context.taken else None
    if attributes is None:
        return
    missing = attributes["missing"]
    if missing:
        message = f"of {missing} members it could not be noted whole: {attributes['why']}"
        yield Outcome(UNKNOWN, message, 0, missing)
    else:
        yield Outcome(OK, f"{attributes['noted']} members have some, and they were noted")


@RULES.rule(
    "backup.left_out",
    procedure="B1.1",
    remedy="Rename or move the named files, exclude them, or keep what they hold in another way.",
    source="NTFS and APFS know things that tar does not.",
    per="source",
)
def judge_left_out(context: SourceContext) -> Iterator[Outcome]:
    """Nothing of a files source is lost because an archive cannot hold it: alternate data streams, reserved names
    and unknown reparse points (Windows), names that differ in case alone (Windows, macOS), large attributes.
    """
    taken = context.taken
    if taken is None or "attributes" not in taken.facts:
        return
    counts = {kind: taken.notes.counts[kind] for kind in LOST if taken.notes.counts.get(kind)}
    parts = [f"{count} {LOST[kind]}: {', '.join(taken.notes.named[kind])}" for kind, count in counts.items()]
    vanished = taken.notes.counts.get("vanished", 0)
    parts += [f"{vanished} were gone before they were read"] if vanished else []
    message = "; ".join(parts) or "nothing had to be left out"
    yield Outcome(WARNING if counts else OK, message, 0, sum(counts.values()))


@RULES.rule(
    "backup.taken",
    procedure="B1.1",
    remedy="Read the findings backup.source and backup.space of the same run; earlier sets are untouched.",
    source="Success is claimed only after the set was read back.",
    per="set",
)
def judge_taken(context: SetContext) -> Iterator[Outcome]:
    """A set was made, verified to the level asked for and published; or a fresh one made that unnecessary."""
    published = context.made.published
    if context.why:
        yield Outcome(CRITICAL, context.why)
    elif context.plan.there is not None:
        yield _outcome_of_there(context.plan.there, context.plan.not_needed)
    elif published is None:
        yield Outcome(SKIPPED, "a set would be made", remedy="")
    else:
        manifest = published.manifest
        word = "verified" if published.good else "kept, but it does not count until a person has looked at it"
        message = f"set {manifest.id}: {human_bytes(manifest.bytes)} in {human_seconds(manifest.seconds)}, {word}"
        yield Outcome(OK if published.good else WARNING, message)


def _outcome_of_there(there: BackupSet, not_needed: str) -> Outcome:
    """Return what a set that made a new one unnecessary is worth: one of a given name may turn out not to count."""
    word = "" if there.good else ", but it does not count as a backup"
    return Outcome(OK if there.good else WARNING, f"no set was made: {not_needed}{word}")
