# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about the folder that the sets are in: what does not belong there, who may look, what fits, what may go."""

from __future__ import annotations

from collections.abc import Iterator

from ...finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING, Finding
from ...units import human_bytes, human_seconds
from ..checks import CHECKS
from ..retention.policy import CLOCK_TOLERANCE
from ..space import space_message
from ..times import to_iso
from ..view import View

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
    if not view.catalog.exists:
        yield check.finding(SKIPPED, view.dir, f"{view.dir} does not exist, so nobody can look into it", remedy="")
        return
    wide = [folder for folder in access.folders if folder.others]
    for folder in wide:
        message = f"{folder.path} is open to others than its owner: {', '.join(folder.others)}"
        expected, remedy = access.expected, access.remedy
        yield check.finding(WARNING, folder.path, message, expected=expected, actual=folder.actual, remedy=remedy)
    if access.unknown:
        yield check.finding(UNKNOWN, view.dir, access.unknown, expected=access.expected, remedy=access.remedy)
    elif not wide:
        yield check.finding(OK, view.dir, f"{len(access.folders)} folders are open to their owner only")


def judge_leftovers(view: View) -> Iterator[Finding]:
    """Yield what runs that ended early left behind."""
    check = CHECKS["backup.leftover"]
    dead = [leftover.name for leftover in view.catalog.leftovers if not leftover.alive]
    if dead:
        message = f"{len(dead)} left by runs that ended early: {', '.join(dead)}"
        yield check.finding(WARNING, view.dir, message, expected=0, actual=len(dead))
        return
    growing = [leftover.owner for leftover in view.catalog.leftovers]
    message = f"a set is in the making ({', '.join(growing)})" if growing else "nothing was left half made"
    yield check.finding(OK, view.dir, message)


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
    """Yield whether the dates of the sets can be trusted."""
    check = CHECKS["backup.clock"]
    future = [found for found in view.catalog.sets if found.created > view.now + CLOCK_TOLERANCE]
    refusal = view.retention.refusal if view.retention else ""
    if not refusal and future:
        refusal = f"set {future[-1].id} is dated {human_seconds(future[-1].created - view.now)} in the future"
    message = f"{refusal}; nothing is removed" if refusal else "the dates of the sets fit the clock"
    yield check.finding(CRITICAL if refusal else OK, view.dir, message)


def judge_pins(view: View) -> Iterator[Finding]:
    """Yield pins that hold their set for longer than a pin is meant to, else what pins cost."""
    check = CHECKS["backup.pin"]
    pinned = [found for found in view.catalog.sets if (found.manifest.pin_until or 0) > view.now]
    long = [found for found in pinned if (found.manifest.pin_until or 0) - found.created > LONG_PIN]
    for found in long:
        message = f"set {found.id} ({found.manifest.title}) is pinned until {to_iso(found.manifest.pin_until or 0)}"
        yield check.finding(WARNING, found.id, message, expected="a year at most")
    if not long:
        cost = human_bytes(sum(found.manifest.bytes for found in pinned))
        yield check.finding(OK, view.dir, f"{len(pinned)} sets are pinned, {cost}")
