# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names of WAL segments, timelines and what lies between them: which segments a restore needs, and which are missing.

pgBackRest's own ``info`` and ``verify`` name the first and the last segment of an archive, and call one of which a
segment in the middle is gone complete (tried with 2.45). So each segment of the way is looked for here. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Optional

MIB16 = 16 << 20
_SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")
_HISTORY = re.compile(r"\s*(\d+)\s+([0-9A-F]{1,8}/[0-9A-F]{1,8})(?:\s|$)")
MAX_MISSING = 10_000_000  # of segments that are counted on one way: what is beyond is a misread number


class Segment(NamedTuple):
    """A segment of WAL: its timeline, and its number on the one line of positions that all timelines share."""

    timeline: int
    number: int


class Gap(NamedTuple):
    """Segments that are missing, first to last, on one timeline, with others behind them."""

    timeline: int
    first: int
    last: int

    @property
    def missing(self) -> int:
        """How many segments are missing."""
        return self.last - self.first + 1


class Fork(NamedTuple):
    """Where a timeline left the one before it: that one, and the position."""

    parent: int
    position: int


class Way(NamedTuple):
    """What replay passes to the end of a timeline: (timeline, number of its first segment), the oldest first."""

    timeline: int
    parts: tuple[tuple[int, int], ...]

    def owner(self, number: int) -> int:
        """Given the number of a segment, return of which timeline it is read: the youngest that has begun by then."""
        return next((timeline for timeline, first in reversed(self.parts) if number >= first), self.parts[0][0])


def parse_position(text: str) -> int:
    """Given a position of the WAL (``0/16B3748``), return it as a number. Raise ValueError."""
    high, slash, low = text.partition("/")
    if not slash:
        raise ValueError(f"{text!r} is no position of the WAL")
    return (int(high, 16) << 32) + int(low, 16)


def position_text(position: int) -> str:
    """Given a position of the WAL, return it as the server writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:08X}"


def parse_name(name: str, size: int) -> Optional[Segment]:
    """Given the name of a file in an archive and the size of a segment, return its segment; None where it is none."""
    found = _SEGMENT.fullmatch(name)
    if found is None:
        return None
    timeline, log, part = (int(text, 16) for text in found.groups())
    return Segment(timeline, log * ((1 << 32) // size) + part)


def name_of(segment: Segment, size: int) -> str:
    """Given a segment, return the name of its file."""
    each = (1 << 32) // size
    return f"{segment.timeline:08X}{segment.number // each:08X}{segment.number % each:08X}"


def parse_history(text: str) -> tuple[Fork, ...]:
    """Given the text of a ``.history`` file, return where each timeline before its own was left, the oldest first."""
    rows = (_HISTORY.match(line) for line in text.splitlines() if not line.lstrip().startswith("#"))
    return tuple(Fork(int(found[1]), parse_position(found[2])) for found in rows if found)


def way_to(timeline: int, histories: Mapping[int, Sequence[Fork]], first: int, size: int) -> Way:
    """Given a timeline and the histories that are known, return the way to its end.

    ``first`` is the number of its own first segment, for a timeline whose history is not known: its way begins there.
    """
    forks = histories.get(timeline)
    if forks is None:
        return Way(timeline, ((timeline, 0 if timeline == 1 else first),))
    begins = [0, *(fork.position // size for fork in forks)]
    return Way(timeline, tuple(zip([*(fork.parent for fork in forks), timeline], begins)))


def gaps_on(way: Way, present: Mapping[int, Collection[int]], start: int, end: int) -> tuple[Gap, ...]:
    """Given a way, the numbers that are there by timeline, and from where to where it is passed (both included),
    return what is missing on it.
    """
    gaps: list[Gap] = []
    for number in range(start, min(end, start + MAX_MISSING) + 1):
        owner = way.owner(number)
        if number in present.get(owner, ()):
            continue
        if gaps and (gaps[-1].timeline, gaps[-1].last) == (owner, number - 1):
            gaps[-1] = gaps[-1]._replace(last=number)
        else:
            gaps.append(Gap(owner, number, number))
    return tuple(gaps)


class Base(NamedTuple):
    """A physical backup as a restore needs it: the segments that it cannot be started without, and when it ended."""

    label: str
    timeline: int
    start: int
    stop: int
    ended: float


class Window(NamedTuple):
    """From when to when a timeline can be restored to, from one backup on: up to the last segment without a gap.

    ``until`` is when that segment was archived: nothing later is in it. ``complete`` is whether it is the newest one
    that the archive has of the timeline.
    """

    timeline: int
    label: str
    since: float
    until: float
    last: Segment
    complete: bool


class Archive(NamedTuple):
    """What a repository holds of WAL: when each segment was archived, the histories that are there and known, and the
    size of a segment.
    """

    segments: Mapping[Segment, float]
    histories: Mapping[int, tuple[Fork, ...]]
    size: int = MIB16
    partial: frozenset[Segment] = frozenset()

    def timelines(self) -> list[int]:
        """Return the timelines of which there is a segment."""
        return sorted({segment.timeline for segment in self.segments})

    def present(self) -> dict[int, set[int]]:
        """Return the numbers of the segments that are there, by timeline."""
        numbers: dict[int, set[int]] = {}
        for timeline, number in self.segments:
            numbers.setdefault(timeline, set()).add(number)
        return numbers

    def ways(self) -> list[Way]:
        """Return the way to the end of each timeline of which there is a segment."""
        present = self.present()
        return [way_to(each, self.histories, min(present[each]), self.size) for each in self.timelines()]

    def without_history(self) -> list[int]:
        """Return the timelines that cannot be followed back, because their history is not there."""
        return [each for each in self.timelines() if each > 1 and each not in self.histories]


def bases_on(way: Way, bases: Iterable[Base]) -> list[Base]:
    """Return the backups from which a way leads on, oldest first: taken on a timeline of it, before that was left."""
    return sorted(
        (
            base
            for base in bases
            if any(timeline == base.timeline for timeline, _first in way.parts)
            and way.owner(base.start) == base.timeline
            and way.owner(base.stop) in (base.timeline, *_after(way, base.timeline))
        ),
        key=lambda base: base.ended,
    )


def _after(way: Way, timeline: int) -> tuple[int, ...]:
    """A backup whose last segment is the one in which the timeline was left is read from the younger one's copy."""
    order = [each for each, _first in way.parts]
    return tuple(order[order.index(timeline) + 1 :][:1])


def all_gaps(archive: Archive, bases: Sequence[Base]) -> tuple[Gap, ...]:
    """Return what is missing between the start of the oldest backup and the newest segment of each timeline."""
    present, found = archive.present(), dict[Gap, None]()
    for way in archive.ways():
        starts = [base.start for base in bases_on(way, bases)]
        if starts:
            found.update(dict.fromkeys(gaps_on(way, present, min(starts), max(present[way.timeline]))))
    return tuple(sorted(found))


def windows(archive: Archive, bases: Sequence[Base]) -> tuple[Window, ...]:
    """Return from when to when can be restored to: one row for each backup that can be started, on each timeline."""
    present = archive.present()
    return tuple(
        window
        for way in archive.ways()
        for base in bases_on(way, bases)
        for window in [_window(archive, way, base, present)]
        if window is not None
    )


def _window(archive: Archive, way: Way, base: Base, present: Mapping[int, Collection[int]]) -> Optional[Window]:
    """Return how far replay comes from a backup; None where it cannot even be started."""
    newest = max(present[way.timeline])
    missing = gaps_on(way, present, base.start, max(newest, base.stop))
    last = missing[0].first - 1 if missing else max(newest, base.stop)
    if last < base.stop:
        return None
    segment = Segment(way.owner(last), last)
    until = archive.segments.get(segment, base.ended)
    return Window(way.timeline, base.label, base.ended, max(until, base.ended), segment, complete=not missing)


def broken(archive: Archive, bases: Sequence[Base]) -> dict[str, Gap]:
    """Return the backups that cannot be started, each with the first gap among the segments that it needs itself."""
    present, found = archive.present(), dict[str, Gap]()
    for base in bases:
        way = Way(base.timeline, ((base.timeline, 0),))
        for gap in gaps_on(way, present, base.start, base.stop):
            found.setdefault(base.label, gap)
    return found
