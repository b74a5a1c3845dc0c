# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore would do, decided from what there is and nothing else. Check mode shows it, a run carries it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..finding import Action
from ..steps import Step
from ..units import human_bytes, human_seconds
from .choose import Chosen
from .declared import Request
from .model import Unit

VERIFY, SAFE, RESTORE, HOLD, PROVE, SWAP, START = "verify", "keep", "restore", "hold", "prove", "swap", "start"
FINISH = "finish"
SERVICES, HOLDERS, OLD = "services", "open files", "old state"
ASSUMED = 50 << 20  # bytes a second of a restore, where none was measured on this host
NOTHING_HELD = "no service is declared, so none is held down"


class Room(NamedTuple):
    """What has to be free in a place, and what is, in bytes."""

    place: str
    free: int
    required: int

    @property
    def enough(self) -> bool:
        """Whether it fits."""
        return self.free >= self.required


class RestorePlan(NamedTuple):
    """The whole run. ``units`` are what is swapped; without any (``into``) nothing is, and no service is touched.

    ``pace`` is in bytes a second, ``measured`` whether it is that of the last restore here.
    """

    id: str
    chosen: Chosen
    units: tuple[Unit, ...]
    folders: tuple[str, ...]
    rooms: tuple[Room, ...]
    servers: tuple[str, ...]
    steps: tuple[Step, ...]
    pace: float
    measured: bool

    @property
    def bytes(self) -> int:
        """What is restored, in bytes."""
        return sum(unit.bytes for unit in self.units) or sum(entry.raw_bytes for entry in self.chosen.entries)

    def planned(self) -> list[Action]:
        """Return every step as planned."""
        return [step.planned() for step in self.steps]


class Swaps(NamedTuple):
    """What is swapped, our folders for it, and the room in them."""

    units: tuple[Unit, ...] = ()
    folders: tuple[str, ...] = ()
    rooms: tuple[Room, ...] = ()
    servers: tuple[str, ...] = ()


def make_plan(request: Request, restore_id: str, chosen: Chosen, swaps: Swaps, pace: float = 0.0) -> RestorePlan:
    """Given what is asked for, the id of the restore, the set and what is swapped, return the plan. ``pace`` are the
    bytes a second that the last restore here came to, 0 where there was none.
    """
    rate = pace or float(ASSUMED)
    steps = [_verify(chosen, rate), *_steps(request, chosen, swaps.units, rate)]
    return RestorePlan(restore_id, chosen, *swaps, tuple(steps), rate, bool(pace))


def _verify(chosen: Chosen, rate: float) -> Step:
    packed = sum(payload.size for entry in chosen.entries for payload in entry.payloads)
    about = f"about {human_bytes(packed)} in {human_seconds(packed / rate)}"
    if chosen.reader is not None:
        return Step(VERIFY, chosen.id, "read whole: each member is one that may be unpacked; it has no checksums")
    return Step(VERIFY, chosen.id, f"its checksums hold and it opens (L2), looked at now: {about}")


def _steps(request: Request, chosen: Chosen, units: Sequence[Unit], rate: float) -> list[Step]:
    if request.into is not None:
        return [_restore(entry.name, entry.raw_bytes, f"into {request.into}", rate) for entry in chosen.entries]
    beside = [
        _restore(entry.name, _bytes_of(units, entry.name), _where(units, entry.name), rate) for entry in chosen.entries
    ]
    safe = [Step(SAFE, ", ".join(chosen.safe), "a safety set of what is replaced, pinned")]
    held = ", ".join(service.name for service in reversed(request.to_hold))
    hold = Step(HOLD, SERVICES, f"ended in this order and held down: {held}" if held else NOTHING_HELD)
    prove = Step(PROVE, HOLDERS, "nobody has a file open that is swapped, nor is in a database of it")
    swaps = [Step(SWAP, unit.target, _how(unit)) for unit in units]
    starts = ", ".join(service.name for service in request.to_hold if service.state == "started")
    start = Step(START, SERVICES, f"in this order, each until it is well: {starts}" if starts else NOTHING_HELD)
    kept = f"kept for {human_seconds(request.keep_old)}, the way back is state: rolled_back"
    late = bool(request.tables) and not any(
        unit.tables for unit in units
    )  # their rows come into a copy of what is there, which must not change any more
    before = [*([] if late else beside), hold, prove, *(beside if late else [])]
    return [*(safe if request.safety_set else []), *before, *swaps, start, Step(FINISH, OLD, kept)]


def _how(unit: Unit) -> str:
    if unit.tables:
        return f"rows of {', '.join(unit.tables)}, in one transaction; those that are there are kept in {unit.old}"
    return f"by rename; what is there is kept in {unit.old}"


def _bytes_of(units: Sequence[Unit], source: str) -> int:
    return sum(unit.bytes for unit in units if unit.source == source)


def _where(units: Sequence[Unit], source: str) -> str:
    there = next((unit for unit in units if unit.source == source), None)
    if there is None:
        return "beside"
    if there.tables:
        return f"beside, in the schema {there.new} of the database"
    return f"beside, as the database {there.new}" if there.kind == "postgresql" else f"beside, in {there.new}"


def _restore(name: str, size: int, where: str, rate: float) -> Step:
    about = f"{human_bytes(size)} in about {human_seconds(size / rate)}"
    return Step(RESTORE, name, f"{where}, {about}, then compared with the manifest (L3)", details={"bytes": size})


def refusal(plan: RestorePlan) -> str:
    """Return why the restore is not begun, or an empty text."""
    tight = next((room for room in plan.rooms if not room.enough), None)
    if tight is None:
        return ""
    has, needs = human_bytes(tight.free), human_bytes(tight.required)
    safe = any(step.action == SAFE for step in plan.steps)
    way = "; make room there" + (", or do without the safety set (restore_safety_set=false)" if safe else "")
    return f"nothing was done, there is not enough room: {tight.place} has {has} free, {needs} are required{way}"


def describe(plan: RestorePlan) -> Mapping[str, object]:
    """Return the plan as plain values."""
    return {
        "set": plan.chosen.id,
        "bytes": plan.bytes,
        "minutes": round((plan.bytes * 2) / plan.pace / 60, 2),
        "bytes_per_second": round(plan.pace),
        "pace_measured": plan.measured,
        "targets": [{"source": unit.source, "target": unit.target, "bytes": unit.bytes} for unit in plan.units],
        "left": dict(plan.chosen.left),
        "lacks": list(plan.chosen.lacks),
        "room": [room._asdict() for room in plan.rooms],
    }
