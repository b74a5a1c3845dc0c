# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a request and what was seen to a plan: which backup, by which way, and every reason not to begin. Pure.

pgBackRest and the server find out late: a time beyond the WAL lets the server start well and die seconds afterwards,
a gap without a target brings an older state online as if it were the newest. So it is found out here, before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Optional

from ..finding import EMPTY
from ..pitr.commands import clock_time
from ..pitr.model import Backup, Observation, Repository, ServerState, Unavailable
from ..pitr.wal import Window, name_of
from ..steps import Step
from ..units import human_bytes
from .declared import Wanted

ROOM = 1.1  # of the size of the backup, for WAL that is fetched and what the server writes while it replays
HEADROOM = 256 << 20


class Refusal(NamedTuple):
    """Why nothing is done: what stands against it, and what would help."""

    message: str
    remedy: str


class Choice(NamedTuple):
    """Which backup a restore begins with, how far its WAL goes, and the segments that are replayed at most."""

    repository: int
    backup: Backup
    window: Window
    segments: int
    size: int


class Destination(NamedTuple):
    """What was seen of the place for the copy, and of the live cluster where it is to be swapped.

    ``there`` is what is in the folder already, ``faults`` who else could change it; ``last_commit`` is when the last
    commit of the chosen window was made (None: not known).
    """

    there: str = ""
    faults: tuple[str, ...] = ()
    free: int = 0
    live_dir: str = ""
    same_disk: bool = True
    dump_there: bool = False
    port_taken: bool = False
    last_commit: Optional[float] = None
    major: int = 0
    tablespaces: Mapping[str, str] = EMPTY


def timeline_of(request: Wanted, observation: Observation) -> int:
    """Return the timeline that is followed."""
    if request.timeline:
        return request.timeline
    if isinstance(observation.server, ServerState):
        return observation.server.timeline
    found = [] if isinstance(observation.repositories, Unavailable) else observation.repositories
    return max((window.timeline for each in found for window in each.windows()), default=1)


def choose(request: Wanted, observation: Observation) -> tuple[Optional[Choice], list[Refusal]]:
    """Return the backup to begin with, or why there is none."""
    if isinstance(observation.repositories, Unavailable):
        return None, [
            Refusal(f"the repository cannot be looked at: {observation.repositories.reason}", "See pitr_check.")
        ]
    timeline = timeline_of(request, observation)
    found = [
        choice
        for repository in observation.repositories
        for window in repository.windows()
        if window.timeline == timeline
        for choice in [_choice(repository, window)]
    ]
    named = [each for each in found if request.label in ("", each.backup.label)]
    if not named:
        about = f"the backup {request.label}" if request.label else "any backup"
        return None, [
            Refusal(f"no way leads from {about} to timeline {timeline}", "pitr_check says what can be restored to.")
        ]
    best = _best(request, named)
    if best is None:
        first = min(each.window.since for each in named)
        return None, [
            Refusal(
                f"{request.value} is before {clock_time(first)}, when the oldest backup on timeline {timeline} ended",
                "Ask for a later time, or another timeline.",
            )
        ]
    return best, list(_beyond(request, best))


def _choice(repository: Repository, window: Window) -> Choice:
    backup = next(each for each in repository.backups if each.label == window.label)
    archive = repository.archive
    size = 0 if isinstance(archive, Unavailable) else archive.size
    base = backup.base(size) if size else None
    return Choice(repository.key, backup, window, window.last.number - (base.start if base else 0) + 1, size)


def _best(request: Wanted, choices: list[Choice]) -> Optional[Choice]:
    """Return the choice that fits: the newest backup before a time, the oldest where nobody knows when it was."""
    if request.target == "time" and request.moment is not None:
        choices = [each for each in choices if each.window.since <= request.moment]
        return max(choices, key=lambda each: each.window.since, default=None)
    if request.target in ("xid", "name"):
        whole = [each for each in choices if each.window.complete]
        return min(whole or choices, key=lambda each: (each.window.since, each.repository))
    if request.target == "latest":
        return max(choices, key=lambda each: (each.window.last.number, each.window.since))
    return max(choices, key=lambda each: each.window.since)


def _beyond(request: Wanted, choice: Choice) -> Iterator[Refusal]:
    """Yield what of the target lies beyond the WAL that follows the backup."""
    window, last = choice.window, name_of(choice.window.last, choice.size)
    if request.target == "latest" and not window.complete:
        text = (
            f"WAL is missing behind {last}: the latest would be {clock_time(window.until)}, not the end of the archive"
        )
        yield Refusal(text, f"Ask for a time before {clock_time(window.until)}, or name a set behind the gap.")
    if request.moment is not None and request.moment > window.until:
        gap = "" if window.complete else f", and WAL is missing behind {last}"
        text = f"{request.value} is later than {clock_time(window.until)}, up to which there is WAL{gap}"
        yield Refusal(text, "Ask for an earlier time, or target latest.")


def refusals(request: Wanted, choice: Choice, place: Destination) -> Iterator[Refusal]:
    """Yield all that speaks against a restore from a backup into a place."""
    if place.there:
        yield Refusal(
            f"{request.dir} is not empty: {place.there}", "Name another dir, or remove that copy by state=absent."
        )
    yield from (
        Refusal(f"{request.dir} could be changed by others: {fault}", "Name another dir.") for fault in place.faults
    )
    last = place.last_commit
    late = request.moment is not None and last is not None
    if late and (last < request.moment or (last == request.moment and not request.exclusive)):  # type: ignore[operator]
        yield Refusal(
            (
                f"{request.value} is not before the last commit in the archive, of {clock_time(last or 0.0)}: replay "
                f"would end in an error"
            ),
            (
                "Archive more first (SELECT pg_switch_wal() on the live server), ask for an earlier time, or target "
                "latest."
            ),
        )
    needed = int(choice.backup.size * ROOM) + HEADROOM
    if place.free < needed:
        text = f"{human_bytes(place.free)} are free for {request.dir}, and {human_bytes(needed)} are needed"
        yield Refusal(text, "Make room, or name a dir on another file system.")
    if place.port_taken:
        yield Refusal(f"port {request.port} is taken", "Leave port out: a free one is taken.")
    if place.dump_there:
        yield Refusal(f"{request.dump_file} is there already", "Name another dump_file.")
    if place.tablespaces and request.cluster.engine != "pgbackrest":
        yield Refusal("the set has tablespaces, which lie where the live ones are", "Take backups with pgBackRest.")
    if request.swap:
        yield from _against_swap(request, place)


def _against_swap(request: Wanted, place: Destination) -> Iterator[Refusal]:
    if not place.live_dir:
        yield Refusal("the data folder of the live cluster is not known", "Name it: live_dir.")
    elif not place.same_disk:
        text = f"{request.dir} is on another file system than {place.live_dir}: it could not be renamed in one step"
        yield Refusal(text, "Name a dir on the same file system.")
    if place.tablespaces:
        yield Refusal("the cluster has tablespaces, which no rename brings along", "Swap by hand (docs/pitr.md).")


def steps(request: Wanted, choice: Choice, place: Destination) -> list[Step]:
    """Return what is done, in order. It is the same in check mode and in the run."""
    window = choice.window
    details = {
        "set": choice.backup.label,
        "timeline": window.timeline,
        "bytes": choice.backup.size,
        "segments": choice.segments,
        "possible_from": clock_time(window.since),
        "possible_until": clock_time(window.until),
    }
    about = f"the backup {choice.backup.label}, {human_bytes(choice.backup.size)}"
    found = [
        Step("restore", request.data, f"{about}, into an empty folder of its own", details=details),
        Step(
            "replay",
            request.data,
            (
                f"up to {request.in_words()}, on timeline {window.timeline}, {choice.segments} segments at most; it "
                f"archives nothing"
            ),
        ),
        Step("inspect", request.data, "count the rows of each table of each database while it is read-only"),
        Step("promote", request.data, "let it take writes, and remove what told it to recover"),
    ]
    if request.dump_database:
        found.append(
            Step("dump", request.dump_file, f"the database {request.dump_database} of the copy, by pg_dump -Fc")
        )
    if request.swap:
        reason = "stop the live cluster, keep it aside under another name, and start the restored one in its place"
        found.append(Step("swap", place.live_dir, reason))
    return found
