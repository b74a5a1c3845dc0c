# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the folder that the sets are in: what does not belong there, who may look, and who could have put sets
there.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Check, Finding
from ..printable import printable
from ..registry import Outcome, Rules, finding_of
from ..trusted import Fault
from .access import ELSEWHERE, OWN, cure_of, who
from .context import Context
from .model import FORGED, GROWING, SIGNED, UNCLEAR

RULES = Rules()
NAMED = 20  # of what is listed by name in one message


@RULES.rule(
    "backup.manifest",
    procedure="D1.4",
    remedy="Move the named folder away for examination and take a new set; do not restore from it.",
    source="The manifest carries its own SHA-256 over its exact text.",
    per="always",
)
def judge_manifest(context: Context) -> Iterator[Outcome]:
    """Each set's manifest is there, is exactly what was written, and belongs to that set."""
    yield from (Outcome(CRITICAL, broken.reason, subject=broken.id) for broken in context.catalog.broken)
    if not context.catalog.broken:
        count = len(context.catalog.sets)
        yield Outcome(OK if count else SKIPPED, f"manifests that hold: {count}", remedy="")


@RULES.rule(
    "backup.permissions",
    procedure="D1.4",
    remedy="chmod 700 the named folder.",
    source="A backup holds every secret of the host.",
    title="The backup folder and its sets are open to their owner only: 0700, on macOS without a list that allows "
    "more, on Windows a list that allows SYSTEM, the Administrators and the owner alone. Elsewhere the folder, its "
    "sets and all above it belong to root or to the account that runs this, and nobody else may write there (above "
    "it a sticky folder is right): another could replace whole sets, and lead root by a link. There nothing counts "
    "as a backup, and nothing is written or removed.",
    per="folder",
    many=True,
)
def judge_permissions(context: Context) -> Iterator[Outcome]:
    """Yield the folders that others than those who have to may look into, and those of which that cannot be told."""
    access, catalog = context.access, context.catalog
    way = [_judge_fault(fault, context.dir) for fault in catalog.faults]
    yield from way
    yield from _judge_set_owners(context)
    if not catalog.exists:
        message = f"{context.dir} does not exist, so nobody can look into it"
        yield from [] if way else [Outcome(SKIPPED, message, remedy="")]
        return
    said = {fault.path for fault in catalog.faults}
    said |= {str(found.folder) for found in catalog.sets if found.others}
    wide = [folder for folder in access.folders if folder.others and folder.path not in said]
    for folder in wide:
        message = f"{folder.path} is open to others than its owner: {', '.join(folder.others)}"
        remedy = _closing(context, folder.path)
        yield Outcome(WARNING, message, access.expected, folder.actual, remedy, folder.path)
    if access.unknown:
        yield Outcome(UNKNOWN, access.unknown, access.expected, remedy=_closing(context, context.dir))
    elif not wide and not way and not any(found.others for found in catalog.sets):
        yield Outcome(OK, f"{len(access.folders)} folders are open to their owner only")


def _judge_fault(fault: Fault, folder: str) -> Outcome:
    """Return what lets another account put other sets in the place of these: what it owns, or may write to, on the way
    to the folder and in it.
    """
    status = UNKNOWN if fault.unseen else CRITICAL
    remedy = None if fault.unseen else _own(fault, folder)
    return Outcome(status, who(fault), OWN, fault.owner, remedy, fault.path)


def _judge_set_owners(context: Context) -> Iterator[Outcome]:
    """Yield the sets that another account could have made or changed."""
    for found in context.catalog.sets:
        if found.others:
            path = str(found.folder)
            message = f"set {found.id} counts as no backup: {found.others}, who could have made or changed it"
            remedy = f"Take a new set, then, unless somebody knows this one: {removal([path], context.platform)}"
            expected = "root, or the account that runs this, owns a set, and nobody else may write to it"
            yield Outcome(CRITICAL, message, expected, remedy=remedy, subject=path)


def _own(fault: Fault, folder: str) -> str:
    """Return how to make a place on the way to the folder one's own."""
    command = cure_of(fault, folder)
    if fault.link:
        return (
            f"{command}, and look what was written to where it led; then declare cryptobot_backup.dir without a link."
        )
    return f"{ELSEWHERE}, or: {command}; what is there may be another's: verify_backup, and take a new set."


def _closing(context: Context, folder: str) -> str:
    """Return the command that closes a folder to others, as its host takes it."""
    return context.access.remedy.replace("{folder}", quoted(folder, context.platform))


@RULES.rule(
    "backup.leftover",
    procedure="B1.1",
    remedy="Nothing to do: a later run sweeps it. If it returns, look for what ends the runs (out of memory, reboot).",
    source="A .partial folder of this host whose owner (pid, start of process, boot) is gone; it is swept 6 h after "
    "its time was over. Without an owner, or of another host, it is only named: no marker is no death.",
    per="folder",
)
def judge_leftover(context: Context) -> Iterator[Outcome]:
    """No set was left half made by a run that ended early."""
    growing = [leftover.words for leftover in context.catalog.leftovers if leftover.state == GROWING]
    left = [leftover for leftover in context.catalog.leftovers if leftover.state != GROWING]
    if not left:
        message = f"a set is in the making ({', '.join(growing)})" if growing else "nothing was left half made"
        yield Outcome(OK, message)
        return
    message = "; ".join(f"{leftover.name}: {leftover.words}" for leftover in left)
    message = f"{len(left)} left by runs that ended early: {message}"
    unclear = [str(context.catalog.dir / leftover.name) for leftover in left if leftover.state == UNCLEAR]
    remedy = f"If no run on any host works on it: {removal(unclear, context.platform)}" if unclear else None
    yield Outcome(WARNING, message, 0, len(left), remedy)


class ScratchContext(NamedTuple):
    """Folders for what was restored or unpacked meanwhile that nobody may sweep, each with the reason."""

    host: str
    left: Mapping[str, str]

    def finding(self, check: Check, outcome: Outcome) -> Finding:
        """Return an outcome as a finding of the host."""
        return finding_of(check, outcome, self.host)


@RULES.rule(
    "backup.scratch",
    procedure="M4.2",
    remedy="See whose it is, and remove it by hand where nobody needs it: it may have restored secrets in it.",
    source="The owner file in each folder of scratch: host, pid, start of the process, boot.",
    title="Of a verification, restore or drill that was killed nothing is left in scratch that nobody may sweep. What "
    "this host's own left is ended and removed by the next backup, verification or drill.",
    per="scratch",
)
def judge_scratch(context: ScratchContext) -> Iterator[Outcome]:
    """Yield each folder of which nobody can tell."""
    for folder, why in context.left.items():
        yield Outcome(WARNING, f"{folder} was left: {why}", "no folder of a killed run", subject=folder)


@RULES.rule(
    "backup.strangers",
    procedure="D1.4",
    remedy="Look at the named files and remove them; take a new set if you do not know how they came there.",
    source="Somebody else can write there, or a run of another program took the folder for its own.",
    per="folder",
)
def judge_strangers(context: Context) -> Iterator[Outcome]:
    """A set holds what its manifest lists and nothing else."""
    full = [found for found in context.catalog.sets if found.strangers]
    for found in full:
        names = ", ".join(map(printable, found.strangers[:NAMED]))
        message = f"{len(found.strangers)} files in set {found.id} are not in its manifest: {names}"
        yield Outcome(WARNING, message, 0, len(found.strangers), subject=found.id)
    if not full:
        count = len(context.catalog.sets)
        yield Outcome(OK if count else SKIPPED, f"{count} sets hold just what they list", remedy="")


@RULES.rule(
    "backup.signature",
    procedure="D1.4",
    remedy="A set from before the key goes when min_keep signed ones are newer. Do not restore from one with another "
    "signature; find out who can write into the folder.",
    source="A manifest seals itself against damage; whoever may write there could seal another one.",
    per="always",
)
def judge_signature(context: Context) -> Iterator[Outcome]:
    """With sign_key_file: each set's manifest was signed with that key (HMAC-SHA256); what was not does not count."""
    sets = context.catalog.sets
    if not context.settings.sign_key or not sets:
        yield Outcome(SKIPPED, "there is no key to tell by, or no set", remedy="")
        return
    for found in sets:
        if found.signature == FORGED:
            message = f"set {found.id} has another signature than that of the key and its manifest; it does not count"
            yield Outcome(CRITICAL, message, subject=found.id)
        elif found.signature != SIGNED:
            message = f"set {found.id} is not signed, so who made it cannot be told; it does not count"
            yield Outcome(UNKNOWN, message, subject=found.id)
    if all(found.signature == SIGNED for found in sets):
        yield Outcome(OK, f"{len(sets)} sets are signed with the key")


@RULES.rule(
    "backup.foreign",
    procedure="D1.4",
    remedy="Give the sets a folder of their own (cryptobot_backup.dir), or move the archives away.",
    source="backup.sh and backup.ps1 write NAME.tar.gz and NAME.zip, the update manager folders backup_TIME; their "
    "exit code is 0 on nearly everything.",
    per="folder",
)
def judge_foreign(context: Context) -> Iterator[Outcome]:
    """The folder holds no archives of the application's own scripts, which would be taken for backups."""
    names = context.catalog.foreign
    message = (
        f"{len(names)} archives of the application's own scripts (backup.sh, backup.ps1, update manager) are there: "
        f"{', '.join(map(printable, names[:NAMED]))}; nothing verifies them, no retention removes them, and they count "
        "as no backup"
    )
    if not names:
        message = "nothing but sets of this collection is there"
    yield Outcome(WARNING if names else OK, message, 0, len(names))


def removal(paths: Sequence[str], platform: str) -> str:
    """Given folders, return the command that removes them."""
    named = [quoted(path, platform) for path in paths]
    if platform == "windows":
        return "Remove-Item -Recurse -LiteralPath " + ", ".join(named)
    return "rm -r " + " ".join(named)


def quoted(path: str, platform: str) -> str:
    """Return a path as the shell of a platform takes it for one word, whatever it holds."""
    return "'" + path.replace("'", "''") + "'" if platform == "windows" else shlex.quote(path)
