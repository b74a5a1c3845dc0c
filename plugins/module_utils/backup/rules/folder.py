# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the folder that the sets are in: what does not belong there, who may look, what fits, what may go."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from ...finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ...printable import printable
from ...trusted import Fault
from ...units import human_bytes, human_seconds
from ..access.way import ELSEWHERE, OWN, cure_of, who
from ..catalog.records import FORGED, GROWING, SIGNED, UNCLEAR
from ..checks import CHECKS
from ..space import space_message
from ..times import to_iso
from ..view import View

NAMED = 20  # of what is listed by name in one message
LONG_PIN = 366 * 86400.0  # seconds; beyond it a pin is an archive that no retention rule knows of


def judge_manifests(view: View) -> Iterator[Finding]:
    """Yield each folder that is named like a set and has no manifest that holds."""
    check = CHECKS["backup.manifest"]
    yield from (check.finding(CRITICAL, broken.id, broken.reason) for broken in view.catalog.broken)
    if not view.catalog.broken:
        count = len(view.catalog.sets)
        yield check.finding(OK if count else SKIPPED, view.dir, f"manifests that hold: {count}", remedy="")


def judge_permissions(view: View) -> Iterator[Finding]:
    """Yield the folders that others than those who have to may look into, and those of which that cannot be told."""
    check, access = CHECKS["backup.permissions"], view.access
    way = list(_judge_way(view))
    yield from way
    yield from _judge_set_owners(view)
    if not view.catalog.exists:
        message = f"{view.dir} does not exist, so nobody can look into it"
        yield from [] if way else [check.finding(SKIPPED, view.dir, message, remedy="")]
        return
    said = {fault.path for fault in view.catalog.faults}
    said |= {str(found.folder) for found in view.catalog.sets if found.others}
    wide = [folder for folder in access.folders if folder.others and folder.path not in said]
    for folder in wide:
        message = f"{folder.path} is open to others than its owner: {', '.join(folder.others)}"
        expected, remedy = access.expected, _closing(view, folder.path)
        yield check.finding(WARNING, folder.path, message, expected=expected, actual=folder.actual, remedy=remedy)
    if access.unknown:
        remedy = _closing(view, view.dir)
        yield check.finding(UNKNOWN, view.dir, access.unknown, expected=access.expected, remedy=remedy)
    elif not wide and not way and not any(found.others for found in view.catalog.sets):
        yield check.finding(OK, view.dir, f"{len(access.folders)} folders are open to their owner only")


def _judge_way(view: View) -> Iterator[Finding]:
    """Yield what lets another account put other sets in the place of these: what it owns, or may write to, on the way
    to the folder and in it.
    """
    check = CHECKS["backup.permissions"]
    for fault in view.catalog.faults:
        status = UNKNOWN if fault.unseen else CRITICAL
        remedy = "" if fault.unseen else _own(fault, view.dir)
        yield check.finding(
            status, fault.path, who(fault), expected=OWN, actual=fault.owner, remedy=remedy or check.remedy
        )


def _judge_set_owners(view: View) -> Iterator[Finding]:
    """Yield the sets that another account could have made or changed."""
    for found in view.catalog.sets:
        if found.others:
            message = f"set {found.id} counts as no backup: {found.others}, who could have made or changed it"
            remedy = (
                f"Take a new set, then, unless somebody knows this one: {removal([str(found.folder)], view.platform)}"
            )
            expected = "root, or the account that runs this, owns a set, and nobody else may write to it"
            yield CHECKS["backup.permissions"].finding(
                CRITICAL, str(found.folder), message, expected=expected, remedy=remedy
            )


def _own(fault: Fault, folder: str) -> str:
    """Return how to make a place on the way to the folder one's own."""
    command = cure_of(fault, folder)
    if fault.link:
        return (
            f"{command}, and look what was written to where it led; then declare cryptobot_backup.dir without a link."
        )
    return f"{ELSEWHERE}, or: {command}; what is there may be another's: verify_backup, and take a new set."


def _closing(view: View, folder: str) -> str:
    """Return the command that closes a folder to others, as its host takes it."""
    return view.access.remedy.replace("{folder}", quoted(folder, view.platform))


def judge_leftovers(view: View) -> Iterator[Finding]:
    """Yield what runs that ended early left behind."""
    check = CHECKS["backup.leftover"]
    growing = [leftover.words for leftover in view.catalog.leftovers if leftover.state == GROWING]
    left = [leftover for leftover in view.catalog.leftovers if leftover.state != GROWING]
    if not left:
        message = f"a set is in the making ({', '.join(growing)})" if growing else "nothing was left half made"
        yield check.finding(OK, view.dir, message)
        return
    message = "; ".join(f"{leftover.name}: {leftover.words}" for leftover in left)
    message, count = f"{len(left)} left by runs that ended early: {message}", len(left)
    unclear = [str(view.catalog.dir / leftover.name) for leftover in left if leftover.state == UNCLEAR]
    remedy = f"If no run on any host works on it: {removal(unclear, view.platform)}" if unclear else check.remedy
    yield check.finding(WARNING, view.dir, message, expected=0, actual=count, remedy=remedy)


def judge_space(view: View) -> Iterator[Finding]:
    """Yield whether the next set fits."""
    check, space = CHECKS["backup.space"], view.space
    if space is None and not view.space_unknown:
        yield check.finding(SKIPPED, view.dir, "no set is to be made", remedy="")
    elif space is None:
        yield check.finding(UNKNOWN, view.dir, f"the size of the next set cannot be told: {view.space_unknown}")
    else:
        status = OK if space.enough else CRITICAL
        yield check.finding(status, view.dir, space_message(space), expected=space.required, actual=space.free)


def judge_retention(view: View) -> Iterator[Finding]:
    """Yield whether enough good sets are there, and how many may go.

    A young folder whose every set counts is no finding: there were not yet enough runs.
    """
    check, decided = CHECKS["backup.retention"], view.retention
    if decided is None or view.settings.policy is None:
        yield check.finding(SKIPPED, view.dir, "no retention is declared, so no set is ever removed", remedy="")
        return
    count, least = len(view.catalog.good), view.settings.policy.min_keep
    message = (
        f"{count} good sets are there, {least} always stay (min_keep), "
        f"{len(decided.removed)} are no longer kept by any rule"
    )
    spoilt = len(view.catalog.sets) + len(view.catalog.broken) - count
    yield check.finding(
        WARNING if count < least and spoilt else OK, view.dir, message, expected=f"{least} or more", actual=count
    )


def judge_clock(view: View) -> Iterator[Finding]:
    """Yield whether the dates of the sets can be trusted, and each set that is set aside because of its date."""
    check = CHECKS["backup.clock"]
    refusal = view.retention.refusal if view.retention else ""
    for found in view.catalog.ahead:
        ahead = human_seconds(found.created - view.now)
        message = (
            f"set {found.id} is dated {ahead} in the future: it is set aside, counts for nothing and is never "
            "removed by itself; the others are judged without it"
        )
        remedy = f"Check the time (timedatectl). If it is right: {removal([str(found.folder)], view.platform)}"
        yield check.finding(WARNING if view.catalog.on_time else CRITICAL, found.id, message, remedy=remedy)
    message = f"{refusal}; nothing is removed" if refusal else "the dates of the other sets fit the clock"
    yield check.finding(CRITICAL if refusal else OK, view.dir, message)


def judge_payloads(view: View) -> Iterator[Finding]:
    """Yield what sets have lost since they were made; those that this run verified say so themselves."""
    check, looked = CHECKS["backup.payload"], {report.set_id for report in view.reports}
    for found in view.catalog.sets:
        for lack in found.lacks if found.id not in looked else ():
            yield check.finding(CRITICAL, f"{found.id}/{lack.payload}", f"{lack.message}; the set counts no longer")
    others = [found for found in view.catalog.sets if found.id not in looked and not found.lacks]
    if others:
        yield check.finding(OK, view.dir, f"{len(others)} other sets have each file with its size now", remedy="")


def judge_strangers(view: View) -> Iterator[Finding]:
    """Yield the sets in which there is more than their manifest lists."""
    check = CHECKS["backup.strangers"]
    full = [found for found in view.catalog.sets if found.strangers]
    for found in full:
        names = ", ".join(map(printable, found.strangers[:NAMED]))
        message = f"{len(found.strangers)} files in set {found.id} are not in its manifest: {names}"
        yield check.finding(WARNING, found.id, message, expected=0, actual=len(found.strangers))
    if not full:
        count = len(view.catalog.sets)
        yield check.finding(OK if count else SKIPPED, view.dir, f"{count} sets hold just what they list", remedy="")


def judge_signatures(view: View) -> Iterator[Finding]:
    """Yield the sets that were not signed with this host's key, where it has one."""
    check, sets = CHECKS["backup.signature"], view.catalog.sets
    if not view.settings.sign_key or not sets:
        yield check.finding(SKIPPED, view.dir, "there is no key to tell by, or no set", remedy="")
        return
    for found in sets:
        if found.signature == FORGED:
            message = f"set {found.id} has another signature than that of the key and its manifest; it does not count"
            yield check.finding(CRITICAL, found.id, message)
        elif found.signature != SIGNED:
            message = f"set {found.id} is not signed, so who made it cannot be told; it does not count"
            yield check.finding(UNKNOWN, found.id, message)
    if all(found.signature == SIGNED for found in sets):
        yield check.finding(OK, view.dir, f"{len(sets)} sets are signed with the key")


def judge_foreign(view: View) -> Iterator[Finding]:
    """Yield what the application's own scripts left in the folder."""
    check, names = CHECKS["backup.foreign"], view.catalog.foreign
    message = (
        f"{len(names)} archives of the application's own scripts (backup.sh, backup.ps1, update manager) are there: "
        f"{', '.join(map(printable, names[:NAMED]))}; nothing verifies them, no retention removes them, and they count "
        "as no backup"
    )
    if not names:
        message = "nothing but sets of this collection is there"
    yield check.finding(WARNING if names else OK, view.dir, message, expected=0, actual=len(names))


def removal(paths: Sequence[str], platform: str) -> str:
    """Given folders, return the command that removes them."""
    named = [quoted(path, platform) for path in paths]
    if platform == "windows":
        return "Remove-Item -Recurse -LiteralPath " + ", ".join(named)
    return "rm -r " + " ".join(named)


def quoted(path: str, platform: str) -> str:
    """Return a path as the shell of a platform takes it for one word, whatever it holds."""
    return "'" + path.replace("'", "''") + "'" if platform == "windows" else shlex.quote(path)


def judge_pins(view: View) -> Iterator[Finding]:
    """Yield pins that hold their set for longer than a pin is meant to, else what pins cost."""
    check = CHECKS["backup.pin"]
    ends = [(found, found.manifest.pin_until) for found in view.catalog.sets]
    pinned = [(found, end) for found, end in ends if end is not None and end > view.now]
    long = [(found, end) for found, end in pinned if end - found.created > LONG_PIN]
    for found, end in long:
        message = f"set {found.id} ({found.manifest.title}) is pinned until {to_iso(end)}"
        yield check.finding(WARNING, found.id, message, expected="a year at most")
    if not long:
        cost = human_bytes(sum(found.manifest.bytes for found, _end in pinned))
        yield check.finding(OK, view.dir, f"{len(pinned)} sets are pinned, {cost}")
