# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for what happens on the server: whether WAL is archived at all, what waits, what failed, what would be lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional, Union

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from ..thresholds import ABOVE, Bounded, Number, Threshold, add_rows
from ..units import human_bytes, human_seconds
from .commands import clock_time
from .context import Context
from .declared import PGBACKREST
from .model import Exposure, Repository, ServerState, Unavailable
from .wal import name_of

RULES = Rules()
NOT_DECLARED = RULES.check(
    "pitr.declared",
    "A cluster whose physical backups are looked at is declared, on a system where they can be.",
    "DB2.1",
    "Declare it in cryptobot_pitr (docs/pitr.md).",
    "the inventory",
)
Numbers = Iterator[Union[Number, Outcome]]
NOTHING = ("", "true", "/bin/true", "(disabled)", ":", "exit 0")
_DOCS = "PostgreSQL's manual, Continuous Archiving and Point-in-Time Recovery"


@RULES.rule(
    "pitr.server",
    procedure="DB3.2",
    remedy=(
        "See why it does not answer: its service, its log, `login_unix_socket`, `login_port` and `system_user` of "
        "cryptobot_pitr."
    ),
    source="a session by psql",
)
def judge_server(context: Context) -> Iterator[Outcome]:
    """The server answers, so that what it archives can be told."""
    for server in context.server():
        if isinstance(server, Outcome):
            yield server
        else:
            yield Outcome(OK, f"PostgreSQL {server.major} answers, on timeline {server.timeline}")


@RULES.rule(
    "pitr.settings",
    procedure="DB3.2",
    remedy={
        "pgbackrest": (
            "ansible-playbook cryptobot.maintenance.pitr -e pitr_restart=true, which sets archive_mode and "
            "archive_command and restarts the server."
        ),
        "basebackup": (
            "Set archive_mode = on (restart) and archive_command to a copy into ARCHIVE that refuses to overwrite, as "
            "docs/pitr.md has it."
        ),
    },
    source=_DOCS,
)
def judge_settings(context: Context) -> Iterator[Outcome]:
    """The server archives its WAL: archive_mode, wal_level and an archive_command that keeps something."""
    for server in context.server():
        if isinstance(server, Outcome):
            yield server
            continue
        wrong = list(_wrong_settings(context, server))  # what is critical comes first
        expected = "archive_mode on, wal_level replica, a command that archives"
        if not wrong:
            yield Outcome(OK, "archiving is on, and its command leads to the archive", expected)
            continue
        texts = [text for _status, text, _remedy in wrong]
        yield Outcome(wrong[0][0], "; ".join(texts), expected, texts, wrong[0][2])


def _wrong_settings(context: Context, server: ServerState) -> Iterator[tuple[str, str, Optional[str]]]:
    """Yield what is wrong, how bad that is, and a remedy where that of the rule does not fit."""
    get, stanza = server.settings.get, context.observation.cluster.stanza
    command, library = get("archive_command", ""), get("archive_library", "")
    if get("archive_mode") not in ("on", "always"):
        yield CRITICAL, f"archive_mode is {get('archive_mode')}: no WAL is archived", None
    elif not library and command.strip() in NOTHING:
        yield CRITICAL, f"archive_command is {command!r}: nothing is kept of the WAL", None
    elif context.engine == PGBACKREST and not library and not _is_push(command, stanza):
        yield CRITICAL, f"archive_command is {command!r}, which does not push to the stanza {stanza}", None
    if get("wal_level") not in ("replica", "logical"):
        yield CRITICAL, f"wal_level is {get('wal_level')}: its WAL restores nothing", None
    for name in ("fsync", "full_page_writes"):
        if get(name) == "off":
            remedy = f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"
            yield WARNING, f"{name} is off: a crash may leave pages that no WAL repairs", remedy


def _is_push(command: str, stanza: str) -> bool:
    words = command.split()
    return "archive-push" in words and f"--stanza={stanza}" in words and "pgbackrest" in command


@RULES.rule(
    "pitr.archiving",
    procedure="DB3.2",
    remedy={
        "pgbackrest": (
            "runuser -u ACCOUNT -- pgbackrest --config=CONFIG --stanza=STANZA check, and the server's log: 103 is a "
            "repository that cannot be written (files of root?), 045 a segment that is there with other content, 055 "
            "no stanza."
        ),
        "basebackup": (
            "See the server's log for what its archive_command said, and whether ARCHIVE can be written by ACCOUNT."
        ),
    },
    source="pg_stat_archiver: failed_count against the run before, the last failure against the last success",
)
def judge_archiving(context: Context) -> Iterator[Outcome]:
    """Archiving does not fail: no attempt since the last run, and none after the last success."""
    for server in context.server():
        if isinstance(server, Outcome):
            yield server
            continue
        archiver, before = server.archiver, context.before
        known = before.failed if before.system_id == server.system_id else None
        fresh = archiver.failed - known if known is not None and archiver.failed >= known else archiver.failed
        since = "since the last run" if known is not None else "since its statistics began"
        last = f"{archiver.failed_wal} at {clock_time(archiver.failed_time)}" if archiver.failed_time else ""
        if archiver.failed_time and (archiver.last_time is None or archiver.failed_time > archiver.last_time):
            yield Outcome(
                CRITICAL,
                f"archiving fails: {fresh} attempts {since}, the last of {last}, and none succeeded after it",
                0,
                fresh,
            )
        elif fresh and known is not None:
            yield Outcome(
                WARNING,
                f"{fresh} attempts to archive failed {since}, the last of {last}; it has succeeded again",
                0,
                fresh,
            )
        elif archiver.last_time is None:
            yield Outcome(UNKNOWN, "nothing was archived yet since the server's statistics began", actual=0)
        else:
            yield Outcome(
                OK, f"archiving works: the last, {archiver.last_wal}, at {clock_time(archiver.last_time)}", 0, 0
            )


@RULES.rule(
    "pitr.archived_is_there",
    procedure="DB3.2",
    remedy={
        "pgbackrest": (
            "Look who removes from the repository, or which other repository archive_command names; then `runuser -u "
            "ACCOUNT -- pgbackrest --config=CONFIG --stanza=STANZA --type=full backup`."
        ),
        "basebackup": "Look who removes from ARCHIVE, or where archive_command really copies to; then take a new set.",
    },
    source="last_archived_wal of pg_stat_archiver against the files in the repository",
)
def judge_archived_is_there(context: Context) -> Iterator[Outcome]:
    """What the server says it has archived last is in the repository."""
    for server in context.server():
        if isinstance(server, Outcome):
            yield server
            continue
        for each in context.repositories():
            yield each if isinstance(each, Outcome) else _is_there(server, *each)


def _is_there(server: ServerState, subject: str, repository: Repository) -> Outcome:
    if isinstance(repository.archive, Unavailable):
        return Outcome(UNKNOWN, f"its WAL cannot be seen: {repository.archive.reason}", subject=subject)
    lost = repository.lacks(server)
    if lost:
        text = f"the server archived {lost}, and the repository does not have it"
        return Outcome(CRITICAL, text, lost, None, subject=subject)
    if not server.archiver.last_wal:
        return Outcome(SKIPPED, "nothing was archived yet", remedy="", subject=subject)
    return Outcome(OK, f"archived last: {server.archiver.last_wal}", subject=subject)


def _waiting(context: Context) -> Numbers:
    waiting = context.observation.waiting
    if isinstance(waiting, Unavailable):
        yield Outcome(UNKNOWN, f"what waits to be archived cannot be seen: {waiting.reason}")
        return
    age = max(0.0, context.now - waiting.oldest) if waiting.oldest is not None else 0.0
    actual = f"{waiting.ready} files" + (f", the oldest for {human_seconds(age)}" if waiting.ready else "")
    yield Number((float(waiting.ready), age), actual)


def _exposed(context: Context) -> Numbers:
    exposure = context.observation.exposure
    if isinstance(exposure, Unavailable):
        yield Outcome(
            CRITICAL if "all would be lost" in exposure.reason else UNKNOWN, f"cannot be told: {exposure.reason}"
        )
        return
    lost = rpo(exposure, context.now)
    size = human_bytes(exposure.bytes)
    if exposure.exact and exposure.since is None:
        yield Number((0.0,), "0 s: every commit is in the archive")
    elif exposure.exact:
        yield Number((lost,), f"{human_seconds(lost)} ({size} of WAL not archived)")
    else:
        yield Number((lost,), f"at most {human_seconds(lost)} ({size} of WAL not archived; {exposure.why})")


def rpo(exposure: Exposure, now: float) -> float:
    """Return the seconds whose changes would be lost now. An idle server loses nothing, however long it has idled."""
    return 0.0 if exposure.since is None else max(0.0, now - exposure.since)


def _where_from(context: Context, outcome: Outcome) -> Outcome:
    """Say from where on the WAL is missing; a bound that is too high may be that of an idle server."""
    exposure, server = context.observation.exposure, context.observation.server
    if isinstance(exposure, Unavailable) or not isinstance(server, ServerState) or exposure.archived is None:
        return outcome
    last = name_of(exposure.archived, server.size)
    idle = not exposure.exact and server.position == context.before.position and outcome.status != OK
    status = UNKNOWN if idle else outcome.status
    more = "; it wrote nothing since the last run, so it may be idle" if idle else ""
    return outcome._replace(status=status, message=f"{outcome.message}; archived without a gap up to {last}{more}")


add_rows(
    RULES,
    Threshold(
        "pitr.backlog",
        "Few segments wait to be archived, and none for long: what waits is lost with the host, and fills its disk.",
        "DB3.2",
        _waiting,
        (Bounded("ready", ABOVE, "{:.0f} files".format), Bounded("ready_age", ABOVE, human_seconds)),
        "waiting to be archived: {actual}",
        {
            "pgbackrest": (
                "See pitr.archiving; a long queue without a failure is a repository that is too slow: "
                "`archive-async=y` with a spool-path."
            ),
            "basebackup": "See pitr.archiving; a long queue without a failure is an archive that is too slow.",
        },
        "pg_ls_archive_statusdir()",
    ),
    Threshold(
        "pitr.rpo",
        "Little would be lost if the host were lost now: the time since the first commit that is not in the archive.",
        "DB3.2",
        _exposed,
        (Bounded("rpo", ABOVE, human_seconds),),
        "lost with the host: {actual}",
        (
            "Set archive_timeout (60 s), so that a segment is archived before it is full; see pitr.archiving and "
            "pitr.gap where it was archived before."
        ),
        "the first commit behind the last segment that the archive has without a gap, read by pg_waldump",
        adjusted=_where_from,
    ),
)
