# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is before a restore: the set, where its things belong, the room, and who is in the way. Reads only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ..backup.model import Catalog, SourceCopy
from ..host import Host
from ..memory import recall
from ..services.collect import collect_snapshot
from ..trusted import faults
from . import beside, hold, holders, journal, redis
from .act import MEMORY
from .application import ApplicationReader, choose_archive, targets_in
from .choose import Chosen, RestoreRefused, choose
from .declared import STARTED, Request
from .model import Unit
from .plan import RestorePlan, Room, Swaps, make_plan
from .redis import with_servers
from .sets import collect_catalog, reader_of
from .targets import Target, place_of, require_declared, targets_of


def survey(request: Request, host: Host) -> RestorePlan:
    """Look at everything, and plan. Raise InputError or RestoreRefused; nothing is written."""
    journals = journal.read_all(request.state_dir)
    left = journal.under_way(journals)
    if left is not None:
        text = f"the restore {left.id} was interrupted and its services are held down"
        raise RestoreRefused(f"{text}: run it with state: resumed, or rolled_back, before another one")
    catalog = collect_catalog(request, host)
    chosen = choose_archive(request, host) if request.archive else choose(request, catalog, host.name())
    restore_id, pace = journal.new_id(host), float(recall(request.state_dir, MEMORY).get("bytes_per_second") or 0.0)
    if request.into is not None:
        _require_empty(request)
        return make_plan(request, restore_id, chosen, Swaps(rooms=_rooms_into(request, chosen)), pace)
    swaps = _swaps(request, restore_id, chosen, catalog, host)
    request = with_servers(request, swaps.servers)
    why = hold.obstacle(host, request.to_hold)
    if why:
        raise RestoreRefused(f"nothing was done: {why}")
    _require_unheld(request, swaps.units, host)
    return make_plan(request, restore_id, chosen, swaps, pace)


def _require_empty(request: Request) -> None:
    into = request.into
    if into is None:
        return
    if into.exists() and (not into.is_dir() or os.listdir(into)):
        raise RestoreRefused(f"into is {into}, which is there and not empty: nothing is restored over it")
    found = faults(str(into), request.others)
    if found:
        raise RestoreRefused(f"nothing is restored into {into}: {found[0].words}")


def _rooms_into(request: Request, chosen: Chosen) -> tuple[Room, ...]:
    into = request.into or Path("/")
    there = next(path for path in (into, *into.parents) if path.exists())
    size = sum(entry.raw_bytes for entry in chosen.entries)
    return (Room(str(into), shutil.disk_usage(there).free, int(size * request.space_factor)),)


def _swaps(request: Request, restore_id: str, chosen: Chosen, catalog: Catalog, host: Host) -> Swaps:
    """Return what is swapped, our folders for it, and what room there has to be."""
    units: list[Unit] = []
    devices: dict[int, str] = {}
    wanted = _targets(request, chosen, host)
    servers = _servers(request, chosen, host, wanted)
    for number, (entry, target) in enumerate(wanted):
        place = place_of(target.path, request.others, restore_id, [each.path for _entry, each in wanted])
        shop = devices.setdefault(place.device, place.workshop)
        member = os.path.join(entry.name, target.member) if entry.type == "files" else f"{entry.name}{target.member}"
        new, old = os.path.join(shop, beside.NEW, member), os.path.join(shop, beside.OLD, str(number))
        units.append(Unit(entry.name, entry.type, target.path, new, old, target.bytes))
    for entry in chosen.entries:
        if entry.type == "postgresql":
            from . import databases

            units += databases.units_of(entry, request, host, restore_id)
    rooms = _rooms(request, units, chosen, catalog, devices, host)
    return Swaps(tuple(units), tuple(devices.values()), rooms, servers)


def _servers(request: Request, chosen: Chosen, host: Host, wanted: list[tuple[SourceCopy, Target]]) -> tuple[str, ...]:
    """Add what is swapped of Redis servers, and return their units. Raise RestoreRefused where one has none."""
    units: list[str] = []
    for entry in (each for each in chosen.entries if each.type == redis.KIND):
        source = request.source(entry.name)
        if source is None:
            continue
        server = redis.server_of_source(entry, source, host)
        size = int(entry.facts["size"])
        wanted.append((entry, Target(server.path, ".rdb", size)))
        wanted += [(entry, Target(server.folder, ".aof", size))] if server.folder else []
        units.append(server.unit)
    return tuple(dict.fromkeys(units))


def _targets(request: Request, chosen: Chosen, host: Host) -> list[tuple[SourceCopy, Target]]:
    """Return the things of all sources but databases of servers. Raise RestoreRefused where one is not declared."""
    found: list[tuple[SourceCopy, Target]] = []
    reader = reader_of(request, chosen, host, lambda: None)
    for entry in chosen.entries:
        if entry.type in ("postgresql", redis.KIND):
            continue
        if isinstance(reader, ApplicationReader):
            found += [(entry, target) for target in targets_in(request, entry, reader, host)]
            continue
        source, targets = request.source(entry.name), targets_of(entry, reader, request.files, host)
        require_declared(entry, targets, source.paths if source else ())
        found += [(entry, target) for target in targets]
    return found


def _rooms(
    request: Request, units: Sequence[Unit], chosen: Chosen, catalog: Catalog, devices: dict[int, str], host: Host
) -> tuple[Room, ...]:
    """Return the room for what is restored, by apparent size, and for the safety set where that lies."""
    needs = dict.fromkeys(devices.values(), 0)
    for unit in units:
        shop = next((shop for shop in needs if unit.new.startswith(f"{shop}/")), None)
        if shop is not None:
            needs[shop] += int(unit.bytes * request.space_factor)
    for source in {unit.source for unit in units if unit.kind == "postgresql"}:
        from . import databases

        place = databases.data_folder(source, request, host)
        if place:
            shop = devices.get(os.stat(place).st_dev, place)
            size = sum(unit.bytes for unit in units if unit.source == source)
            needs[shop] = needs.get(shop, 0) + int(size * request.space_factor)
    if request.safety_set and catalog.exists:
        packed = sum(payload.size for entry in chosen.entries for payload in entry.payloads)
        raw = sum(entry.raw_bytes for entry in chosen.entries)
        # with a repository the backup folder may be lost with the host; the safety set makes it anew
        folder = next(path for path in (catalog.dir, *catalog.dir.parents) if path.exists())
        device = os.stat(folder).st_dev
        needs[devices.get(device, str(folder))] = needs.get(devices.get(device, ""), 0) + max(packed, raw // 2)
    return tuple(Room(place, shutil.disk_usage(_there(place)).free, required) for place, required in needs.items())


def _there(place: str) -> str:
    return place if os.path.exists(place) else os.path.dirname(place)


def _require_unheld(request: Request, units: Sequence[Unit], host: Host) -> None:
    """Raise RestoreRefused where somebody has a file open that is swapped, and is no service that is held down."""
    found = holders.collect_holders([unit for unit in units if unit.kind != "postgresql"], host)
    if found.unseen:
        raise RestoreRefused(
            f"nothing was done: nobody can tell whether a file is open ({found.unseen}); run it as root"
        )
    services = [service._replace(state=STARTED) for service in request.to_hold]
    ours = set()
    if found.holders and services:
        ours = {process.pid for one in collect_snapshot(host, services, (), 0.0).services for process in one.processes}
    strange = [each for each in found.holders if each.pid not in ours]
    if strange:
        raise RestoreRefused(
            f"nothing was done: {strange[0]}, and nothing holds that down; end it, or declare it as a service"
        )
