# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for the repository itself: its backups and their ages, who owns its files, its configuration, its room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Union

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from ..thresholds import ABOVE, BELOW, Bounded, Number, Threshold, add_rows
from ..units import human_bytes, human_seconds
from .context import FULL, NAMED, Context
from .declared import PGBACKREST
from .model import Config, Room, ServerState, Unavailable

RULES = Rules()
Numbers = Iterator[Union[Number, Outcome]]
KINDS = ("full", "diff", "incr")
# The first version of pgBackRest that knows a major version of PostgreSQL (its release notes).
KNOWS = {16: (2, 46), 17: (2, 53, 1), 18: (2, 55)}


@RULES.rule(
    "pitr.stanza",
    procedure="DB2.1",
    remedy={
        "pgbackrest": (
            "runuser -u ACCOUNT -- pgbackrest --config=CONFIG --stanza=STANZA stanza-create, then check; or the role "
            "pitr."
        ),
        "basebackup": "Take a first set into BASE (docs/pitr.md).",
    },
    source="status.code of `pgbackrest info --output=json` (its exit code is 0 without a stanza), system-id of its db",
)
def judge_stanza(context: Context) -> Iterator[Outcome]:
    """The repository says of itself that it is well, and it is of this very cluster."""
    server = context.observation.server
    for each in context.repositories():
        if isinstance(each, Outcome):
            yield each
            continue
        subject, repository = each
        foreign = isinstance(server, ServerState) and repository.system_id not in ("", server.system_id)
        if repository.code:
            yield Outcome(
                CRITICAL, f"it says: {repository.message} (code {repository.code})", 0, repository.code, subject=subject
            )
        elif foreign:
            yield Outcome(
                CRITICAL,
                "it is of another cluster: the system identifiers differ",
                getattr(server, "system_id", ""),
                repository.system_id,
                subject=subject,
            )
        else:
            yield Outcome(OK, f"ok, with {len(repository.backups)} backups", 0, 0, subject=subject)


@RULES.rule(
    "pitr.page_errors",
    procedure="D1.4",
    remedy=(
        "The cluster itself has broken pages: look for them with amcheck and pg_checksums, and keep the backups from "
        "before."
    ),
    source="error of each backup in `pgbackrest info`: it is kept, and the backup ended with 0",
)
def judge_page_errors(context: Context) -> Iterator[Outcome]:
    """No backup holds pages whose checksums were wrong when it was taken."""
    if context.engine != PGBACKREST:
        yield Outcome(SKIPPED, "pg_basebackup ends with an error where a checksum is wrong", remedy="")
        return
    for each in context.repositories():
        if isinstance(each, Outcome):
            yield each
            continue
        subject, repository = each
        bad = [backup.label for backup in repository.backups if backup.error]
        unseen = [backup.label for backup in repository.backups if backup.error is None]
        if bad:
            yield Outcome(CRITICAL, f"pages were broken in: {', '.join(bad[:NAMED])}", [], bad, subject=subject)
        elif unseen:
            text = f"whether pages were broken is not known of: {', '.join(unseen[:NAMED])}; are data checksums off?"
            yield Outcome(UNKNOWN, text, [], unseen, subject=subject)
        elif repository.backups:
            yield Outcome(OK, f"no page was broken in {len(repository.backups)} backups", [], [], subject=subject)
        else:
            yield Outcome(UNKNOWN, "there is no backup to ask", subject=subject)


@RULES.rule(
    "pitr.owners",
    procedure="D1.4",
    remedy=(
        "chown -R ACCOUNT: on what is named; and never run pgbackrest as root: `runuser -u ACCOUNT -- pgbackrest ...`."
    ),
    source="the owners of all files of the repository, the log, spool and lock folders",
)
def judge_owners(context: Context) -> Iterator[Outcome]:
    """All files of the repository, the log, the spool and the lock folder belong to the server's account."""
    found = context.observation.strangers
    if found is None:
        yield Outcome(SKIPPED, "the repository is not on this host, or its folders are not known", remedy="")
    elif isinstance(found, Unavailable):
        yield Outcome(UNKNOWN, f"cannot be looked at: {found.reason}")
    elif found.found:
        more = f" and {found.found - len(found.paths)} more" if found.found > len(found.paths) else ""
        yield Outcome(CRITICAL, f"of another account: {', '.join(found.paths)}{more}", 0, found.found)
    elif not found.whole:
        yield Outcome(UNKNOWN, f"only {found.looked} files were looked at, the most in one run", 0, 0)
    else:
        yield Outcome(OK, f"{found.looked} files, all of the account {context.observation.cluster.account}", 0, 0)


@RULES.rule(
    "pitr.config",
    procedure="DB2.1",
    remedy="Set it by the role pitr (mode 0640, the server's account), or take the option out of CONFIG.",
    source=(
        "the configuration: archive-push-queue-max drops WAL and says ok; retention-archive takes older backups their "
        "WAL"
    ),
)
def judge_config(context: Context) -> Iterator[Outcome]:
    """PgBackRest's configuration keeps its secrets, drops no WAL and keeps what older backups need."""
    config = context.observation.config
    if config is None:
        yield Outcome(SKIPPED, "there is no pgBackRest", remedy="")
    elif isinstance(config, Unavailable):
        yield Outcome(UNKNOWN, f"cannot be read: {config.reason}")
    else:
        wrong = list(_wrong_options(config))
        yield Outcome(
            WARNING if wrong else OK, "; ".join(wrong) or "nothing in it takes WAL or secrets away", [], wrong
        )


def _wrong_options(config: Config) -> Iterator[str]:
    if config.secret and config.mode & 0o007:
        yield f"it holds a secret and everybody may read it (mode {config.mode:04o})"
    if config.mode & 0o022:
        yield f"others may write it (mode {config.mode:04o})"
    for name, value in sorted(config.options.items()):
        if name == "archive-push-queue-max":
            yield f"{name}={value}: when it is reached, WAL is dropped and the server is told that it was archived"
        elif name.endswith("-retention-archive"):
            yield f"{name}={value}: older backups lose the WAL that a point in time needs"
        elif name.endswith("-block") and value == "y":
            yield f"{name}=y: block incremental backups of 2.46 to 2.51 had defects"


@RULES.rule(
    "pitr.version",
    procedure="DB2.1",
    remedy="Install a pgBackRest that knows the server's version (apt.postgresql.org has it).",
    source="pgBackRest's release notes: 2.46 knows PostgreSQL 16, 2.53.1 knows 17, 2.55 knows 18",
)
def judge_version(context: Context) -> Iterator[Outcome]:
    """The installed pgBackRest knows the server's major version."""
    tool, server = context.observation.tool, context.observation.server
    if isinstance(tool, Unavailable):
        yield Outcome(UNKNOWN, f"pgBackRest does not say its version: {tool.reason}")
    elif context.engine != PGBACKREST:
        yield Outcome(SKIPPED, "there is no pgBackRest", remedy="")
    elif isinstance(server, Unavailable):
        yield Outcome(UNKNOWN, f"the server does not answer: {server.reason}")
    else:
        yield _version(tool, server.major)


def _version(tool: tuple[int, ...], major: int) -> Outcome:
    text, needed = ".".join(map(str, tool)), KNOWS.get(major)
    if major > max(KNOWS):
        return Outcome(UNKNOWN, f"which pgBackRest knows PostgreSQL {major} is not known here; it is {text}")
    if needed and tool < needed:
        wanted = ".".join(map(str, needed))
        return Outcome(CRITICAL, f"pgBackRest {text} does not know PostgreSQL {major}: {wanted} does", wanted, text)
    return Outcome(OK, f"pgBackRest {text}, PostgreSQL {major}", actual=text)


@RULES.rule(
    "pitr.verified",
    procedure="D1.4",
    remedy=FULL,
    source="pg_verifybackup of the newest set, against the SHA-256 of its manifest",
)
def judge_verified(context: Context) -> Iterator[Outcome]:
    """The newest set of pg_basebackup is what its manifest says, byte for byte."""
    verified = context.observation.verified
    if verified is None:
        yield Outcome(SKIPPED, "not asked for (verify), or pgBackRest has its own checksums", remedy="")
    elif isinstance(verified, Unavailable):
        yield Outcome(UNKNOWN, f"was not verified: {verified.reason}")
    elif verified:
        yield Outcome(CRITICAL, f"the newest set is broken: {verified}", "", verified)
    else:
        yield Outcome(OK, "the newest set was read whole and is what its manifest says", "", "")


def _age(kinds: tuple[str, ...], context: Context) -> Numbers:
    for each in context.repositories():
        if isinstance(each, Outcome):
            yield each
            continue
        subject, repository = each
        newest = context.newest(repository, *kinds)
        if newest is None:
            yield Outcome(CRITICAL, f"there is no backup of this kind ({', '.join(kinds)})", subject=subject)
            continue
        age = max(0.0, context.now - newest.ended)
        yield Number((age,), human_seconds(age), newest.label, subject)


def _full_age(context: Context) -> Numbers:
    yield from _age(("full",), context)


def _any_age(context: Context) -> Numbers:
    yield from _age(KINDS, context)


def _room(context: Context) -> Numbers:
    rooms = context.observation.rooms
    if not rooms:
        yield Outcome(UNKNOWN, "neither the server's folder nor a repository on this host is known")
    for name, room in rooms.items():
        subject = f"{context.name} {name}"
        if isinstance(room, Unavailable):
            yield Outcome(UNKNOWN, f"cannot be looked at: {room.reason}", subject=subject)
        elif isinstance(room, Room):
            share = room.free / room.total if room.total else 0.0
            yield Number((share,), f"{share * 100:.3g} % free, {human_bytes(room.free)}", name, subject)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


add_rows(
    RULES,
    Threshold(
        "pitr.full_age",
        "The newest full backup is young: the WAL of all time since then has to be whole to come back.",
        "DB2.1",
        _full_age,
        (Bounded("full_age", ABOVE, human_seconds),),
        "the newest full backup, {what}, is {actual} old",
        FULL,
        "a weekly full backup, and a day for it to be late",
    ),
    Threshold(
        "pitr.backup_age",
        "The newest backup of any kind is young: replay from it takes as long as the time since then was busy.",
        "DB2.1",
        _any_age,
        (Bounded("backup_age", ABOVE, human_seconds),),
        "the newest backup, {what}, is {actual} old",
        {
            "pgbackrest": (
                "runuser -u ACCOUNT -- pgbackrest --config=CONFIG --stanza=STANZA --type=incr backup, or run the "
                "playbook pitr by the day."
            ),
            "basebackup": FULL["basebackup"],
        },
        "a daily backup, and two hours for it to be late",
    ),
    Threshold(
        "pitr.room",
        (
            "There is room for WAL on the server and in the repository: where either is full, archiving or the server "
            "stops."
        ),
        "DB3.2",
        _room,
        (Bounded("room", BELOW, _percent),),
        "the file system of {what} has {actual}",
        (
            "Make room, or move the repository; never remove from pg_wal or from the repository by hand (`pgbackrest "
            "expire`)."
        ),
        "prometheus/node_exporter, docs/node-mixin",
    ),
)
