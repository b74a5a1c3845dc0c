# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How often a service was started anew, from the log of its manager, its counter and what earlier runs have seen. Pure.

None were missed only where that is proven: by a log that goes back far enough, or by a service that has not changed
since. A quiet log alone proves nothing: it may have been rotated away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Union

from ..evidence import Part, Whole
from .model import START, Observation, Snapshot, Unit

SAME_BEGIN = 0.02  # two ticks of the kernel's clock
AUTOMATIC_ONLY = ("oneshot",)  # types of units that are started again and again by design
OURS = 120.0  # seconds that a unit may take to be started after its process began


class Restarts(NamedTuple):
    """How often a service was started anew in a window: ``number``, and ``total`` since it was last started by hand.

    ``gap`` says why there may have been more; empty where all were seen. ``since_boot`` is true where that is all since
    the boot, and nothing tells what was before. ``early`` says that only later runs will know.
    """

    number: int = 0
    total: int = 0
    gap: str = ""
    since_boot: bool = False
    early: bool = False


def rows_of(memory: Mapping[str, Any], key: str, width: int) -> list[list[Any]]:
    """Return the samples of a kind, those of another form left out: memory is an aid, never a reason to fail."""
    rows = memory.get(key)
    return [row for row in rows if isinstance(row, list) and len(row) == width] if isinstance(rows, list) else []


def count_restarts(
    memory: Mapping[str, Any], observed: Observation, snapshot: Snapshot, window: float, ours: Sequence[float] = ()
) -> Restarts:
    """Given what is remembered and seen of a service, return how often it was started anew in the last ``window``
    seconds, whoever asked for it; ``ours`` are the begins (seconds since boot) that a maintenance run caused.

    A unit is counted by the log of its manager, which knows each moment and all boots, and by its counter, which knows
    no moments but cannot be rotated away: the larger number counts. None were missed where the log covers the window,
    or where the unit has not changed since before it. A script-started service was restarted where its process began
    anew.
    """
    start, unit = snapshot.now - window, observed.unit
    if unit is None:
        return _count_begins(memory, observed, snapshot, window, ours)
    log = read_log(memory, unit, snapshot, start)
    certain, undated = _increments(memory, unit.restarts, snapshot, window)
    age = snapshot.clock.age(unit.changed)
    guessed = 1 if log.gap and undated and (age is None or age < window) else 0
    count = max(len(_without(log.times, ours, snapshot)), certain + guessed)
    if not count and (_is_quiet(observed, unit, snapshot, window) or _has_counted(memory, unit, snapshot, start)):
        return Restarts(0, unit.restarts)
    return Restarts(count, unit.restarts, log.gap, log.since_boot and not log.gap)


class Log(NamedTuple):
    """The restarts of one unit in a window: their ``times``, and why there may be more (``gap``). ``covered`` is from
    and to when all that happened is known.
    """

    times: tuple[float, ...]
    gap: str = ""
    since_boot: bool = False
    covered: tuple[float, ...] = ()


def read_log(memory: Mapping[str, Any], unit: Unit, snapshot: Snapshot, start: float) -> Log:
    """Given what is remembered and seen of a unit, return its restarts since ``start``.

    A log that is rotated away every few minutes covers the window all the same where earlier runs have read it.
    """
    found = snapshot.journal.restarts.of(unit.id).window(start)
    events = found.events if isinstance(found, Whole) else found.at_least
    wanted = [e for e in events if e.text != START or not (unit.type in AUTOMATIC_ONLY or unit.triggered_by)]
    past = [when for (when,) in rows_of(memory, "starts", 1) if isinstance(when, float) and when >= start]
    times = tuple(sorted({round(when, 3) for when in [*past, *(event.at for event in wanted)]}))
    since = None if unit.mute else start if isinstance(found, Whole) else snapshot.journal.since
    if since is None:
        return Log(times, "its starts are kept out of the log (LogLevelMax=)" if unit.mute else _gap_of(found))
    spans = [row for row in rows_of(memory, "covered", 2) if all(isinstance(each, float) for each in row)]
    before = [row for row in spans if row[0] <= since <= row[1]]
    since = min([since, *(row[0] for row in before)])
    boot = max(start, snapshot.booted)
    gap = "" if since <= boot + 1 else _gap_of(found)
    return Log(times, gap, start < since <= boot + 1, (since, snapshot.now))


def _gap_of(found: Union[Whole, Part]) -> str:
    return found.gap if isinstance(found, Part) else ""


def _without(times: Sequence[float], ours: Sequence[float], snapshot: Snapshot) -> list[float]:
    """Return the starts that no maintenance run asked for: each begin that it caused is one of them, soon after."""
    left = list(times)
    for began in ours:
        moment = snapshot.clock.moment(began)
        mine = [when for when in left if moment is not None and -2 <= when - moment <= OURS]
        if mine:
            left.remove(min(mine))
    return left


def _is_quiet(observed: Observation, unit: Unit, snapshot: Snapshot, window: float) -> bool:
    """Return whether a unit has run, or has not run, since before the window: then it was not started in it."""
    running = unit.active_since if unit.running else 0.0
    began = observed.main.began if observed.main is not None and unit.running else running
    age = snapshot.clock.age(max(running, began) or unit.changed)
    return bool(running or began or unit.changed) and age is not None and age >= window


def _has_counted(memory: Mapping[str, Any], unit: Unit, snapshot: Snapshot, start: float) -> bool:
    """Return whether the counter of launchd, which counts every start, stands where it stood before the window."""
    rows = [row for row in rows_of(memory, "counts", 3) if row[0] <= start and row[1] == snapshot.boot_id]
    return unit.manager == "launchd" and bool(rows) and rows[-1][2] == unit.restarts


def _increments(memory: Mapping[str, Any], restarts: int, snapshot: Snapshot, window: float) -> tuple[int, int]:
    """Return by how much the counter rose certainly within the window, and by how much since a run before it.

    What it rose by before the first run within the window was that run's to tell.
    """
    rows = [*rows_of(memory, "counts", 3), [snapshot.now, snapshot.boot_id, restarts]]
    begin = snapshot.now - window
    certain = sum(_rise(before, row) for before, row in zip(rows, rows[1:]) if before[0] > begin)
    last: list[Any] = rows[-2] if len(rows) > 1 else [0.0, "", 0]
    return certain, 0 if last[0] > begin else _rise(last, rows[-1])


def _rise(before: list[Any], row: list[Any]) -> int:
    """A counter that fell was set back by a start by hand, and it begins at 0 after a boot."""
    same = before[1] == row[1] and row[2] >= before[2]
    return int(row[2] - before[2] if same else row[2])


def _count_begins(
    memory: Mapping[str, Any], observed: Observation, snapshot: Snapshot, window: float, ours: Sequence[float]
) -> Restarts:
    """Count how often the process began anew within the window, as far as this run and those before it have seen."""
    if observed.main is None:
        return Restarts(early=True)
    rows = [row for row in rows_of(memory, "begins", 3) if row[1] == snapshot.boot_id]
    begins = sorted({row[2] for row in rows} | {observed.main.began})
    recent = [began for began in begins[1:] if (snapshot.clock.age(began) or 0.0) < window]
    strange = [began for began in recent if not any(abs(began - mine) < SAME_BEGIN for mine in ours)]
    first = snapshot.clock.age(begins[0])
    known = first is not None and first >= window and not strange
    return Restarts(len(strange), 0, "" if known else "only runs of this check count them", early=not known)
