# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemctl prints, and asking a Linux host about its services: systemd, /proc, the sockets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from ..clock import SLACK, Clock
from ..errors import CoreError, ParseError
from ..host import Host
from ..processes.model import Census
from .linux_journal import Boot, collect_journal
from .model import ALWAYS, DEFAULT, NOT_ASKED, Journal, Request, Snapshot, Unit, Units, by_name
from .posix import collect_processes, listening_sockets

# The properties asked for, in one `systemctl show` for all units.
PROPERTIES = (
    "Id,Names,LoadState,LoadError,ActiveState,SubState,Result,UnitFileState,FragmentPath,DropInPaths,NeedDaemonReload,"
    "Type,RemainAfterExit,NRestarts,MainPID,ExecMainCode,ExecMainStatus,ExecMainStartTimestampMonotonic,"
    "ActiveEnterTimestampMonotonic,StateChangeTimestampMonotonic,TriggeredBy,ExecStart,Environment,EnvironmentFiles,"
    "RequiredBy,BoundBy,ConsistsOf,WantedBy,UpheldBy,LogLevelMax"
)
_NAMES = frozenset(PROPERTIES.split(","))
_INFO = 6  # the syslog level at which systemd logs starts
MAX_LEVELS, MAX_PARENTS = 8, 300
_LIST = ("--no-pager", "--plain", "--no-legend", "--full")


def parse_show(text: str, *, several: bool = True) -> tuple[Unit, ...]:
    """Given the output of ``systemctl show -p PROPERTIES``, of ``several`` units or of one, return them in its order.

    A command line may hold anything, empty lines included: a line that names no property goes on with the value before
    it. Raise ParseError naming the block that lacks a property, or the text that no property precedes.
    """
    return tuple(_unit(block, begun) for begun, block in _blocks(text, several=several))


def _blocks(text: str, *, several: bool) -> Iterator[tuple[int, dict[str, str]]]:
    block: dict[str, str] = {}
    begun, name, empty = 1, "", False
    for number, line in enumerate(text.splitlines(), start=1):
        found, mark, value = line.partition("=")
        if mark and found in _NAMES:
            if empty and several and block:
                yield begun, block
                block, begun = {}, number
            block[found] = f"{block[found]}\n{value}" if found in block else value
            name = found
        elif line and not name:
            raise ParseError("systemctl show", number, line, "expected NAME=VALUE")
        elif line:
            block[name] = f"{block[name]}\n{line}"
        empty = not line
    if block:
        yield begun, block


def _unit(block: Mapping[str, str], line: int) -> Unit:
    try:
        return _unit_of(block)
    except (KeyError, ValueError) as error:
        raise ParseError("systemctl show", line, block.get("Id", ""), f"a block without a usable {error}") from error


def _unit_of(block: Mapping[str, str]) -> Unit:
    return Unit(
        id=block["Id"],
        names=tuple(block["Names"].split()) or (block["Id"],),
        load=block["LoadState"],
        load_error=block.get("LoadError", "").partition(" ")[2].strip('"'),
        active=block["ActiveState"],
        sub=block["SubState"],
        result=block.get("Result", ""),
        file_state=block.get("UnitFileState", ""),
        files=(*block.get("FragmentPath", "").split(), *block.get("DropInPaths", "").split()),
        need_reload=block.get("NeedDaemonReload") == "yes",
        type=block.get("Type", ""),
        remain=block.get("RemainAfterExit") == "yes",
        restarts=int(block.get("NRestarts") or 0),
        main_pid=int(block.get("MainPID") or 0),
        exit_code=int(block.get("ExecMainCode") or 0),
        exit_status=int(block.get("ExecMainStatus") or 0),
        started=_seconds(block, "ExecMainStartTimestampMonotonic"),
        active_since=_seconds(block, "ActiveEnterTimestampMonotonic"),
        changed=_seconds(block, "StateChangeTimestampMonotonic"),
        triggered_by=tuple(block.get("TriggeredBy", "").split()),
        exec_start=" ; ".join(re.findall(r"argv\[\]=(.*?) ; ignore_errors=", block.get("ExecStart", ""), re.DOTALL)),
        environment=block.get("Environment", ""),
        environment_files=tuple(
            re.findall(r"^(.*?) \(ignore_errors=", block.get("EnvironmentFiles", ""), re.MULTILINE)
        ),
        stops_with=_names(block, "RequiredBy", "BoundBy", "ConsistsOf"),
        started_by=_names(block, "WantedBy", "RequiredBy", "UpheldBy", "BoundBy"),
        mute=0 <= int(block.get("LogLevelMax") or -1) < _INFO,
    )


def _names(block: Mapping[str, str], *properties: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(block.get(name, "") for name in properties).split()))


def _seconds(block: Mapping[str, str], name: str) -> float:
    return int(block.get(name) or 0) / 1e6


def parse_names(text: str) -> tuple[str, ...]:
    """Given the output of ``systemctl list-units --plain`` or ``list-unit-files``, return the names of units.

    Templates (``worker@.service``) are left out: only their instances can run.
    """
    names = [line.split()[0] for line in text.splitlines() if line.strip()]
    return tuple(name for name in names if "@." not in name)


def collect_units(host: Host, names: Collection[str], patterns: Collection[str]) -> Units:
    """Given unit names and patterns, return the units, with what triggers them and what starts them at boot.

    That is one call for all declared units, and one for each step up to the default target.
    """
    if not names and not patterns:
        return Units()
    try:
        matched = match_patterns(host, patterns)
        wanted = {*names, *(name for found in matched.values() for name in found)}
        units, lost = show(host, wanted | {DEFAULT})
        above, unseen = climb(host, {name: unit for name, unit in units.items() if name != DEFAULT}, units)
    except CoreError as error:
        return Units(unavailable=f"systemd cannot be asked: {error}")
    ids = {pattern: sorted({units[name].id for name in found if name in units}) for pattern, found in matched.items()}
    fitting = {pattern: tuple(found) for pattern, found in ids.items()}
    return Units({**above, **units}, fitting, unavailable_units=lost, unclimbed=unseen)


def climb(host: Host, units: Mapping[str, Unit], known: Mapping[str, Unit]) -> tuple[dict[str, Unit], str]:
    """Given units, return those that trigger or start them, up to what every boot reaches; and why not all of them."""
    found, level = dict(known), list(units.values())
    for _step in range(MAX_LEVELS):
        names = {name for unit in level for name in (*unit.triggered_by, *unit.started_by)}
        names -= {*found, *ALWAYS}
        if not names:
            return found, ""
        if len(names) > MAX_PARENTS:
            return found, f"{len(names)} units start them, too many to follow"
        more, lost = show(host, names)
        if lost:
            return found, "; ".join(lost.values())
        found.update({**dict.fromkeys(names, Unit("", (), load="not-found")), **more})
        level = list(more.values())
    return found, f"they are started over more than {MAX_LEVELS} steps"


def show(host: Host, names: Iterable[str]) -> tuple[dict[str, Unit], dict[str, str]]:
    """Given unit names, return the units by each of their names, those that are not there included, and why single ones
    cannot be seen. One odd unit costs the answer for all: then each is asked for alone.

    Raise CoreError where none can be seen.
    """
    wanted = sorted(names)
    if not wanted:
        return {}, {}
    try:
        return _show(host, wanted), {}
    except CoreError as error:
        if len(wanted) == 1:
            raise
        reason = error
    units: dict[str, Unit] = {}
    unavailable: dict[str, str] = {}
    for name in wanted:
        try:
            units.update(_show(host, [name]))
        except CoreError as error:
            unavailable[name] = f"systemd cannot be asked about {name}: {error}"
    if not units:
        raise reason
    return units, unavailable


def _show(host: Host, wanted: Sequence[str]) -> dict[str, Unit]:
    text = host.run(["systemctl", "show", "--no-pager", "-p", PROPERTIES, "--", *wanted]).stdout
    units = by_name(parse_show(text, several=len(wanted) > 1))
    lost = [name for name in wanted if name not in units]
    if lost:
        raise ParseError("systemctl show", 1, text, f"nothing about {', '.join(lost)}")
    return units


def match_patterns(host: Host, patterns: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Given patterns, return for each the names of the units that are loaded or installed and fit it."""
    if not patterns:
        return {}
    loaded = host.run(["systemctl", "list-units", "--all", *_LIST, "--", *patterns])
    # list-unit-files ends with 1 where nothing fits
    installed = host.run(["systemctl", "list-unit-files", *_LIST, "--", *patterns], expect=(0, 1))
    names = {*parse_names(loaded.stdout), *parse_names(installed.stdout)}
    return {pattern: tuple(sorted(name for name in names if _fits(name, pattern))) for pattern in patterns}


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.service")


def collect_linux(host: Host, request: Request) -> Snapshot:
    """Return what there is on a Linux host."""
    units = collect_units(host, {service.unit for service in request.services if service.unit}, request.patterns)
    now, census = host.now(), collect_processes(host)
    units = _on_clock(units, census.uptime - host.since_boot(asleep=False))
    sockets, unavailable = listening_sockets(host, request)
    journal = _journal(host, units, census, now - request.window) if request.window else Journal.unavailable(NOT_ASKED)
    return Snapshot(
        platform="linux",
        now=now,
        uptime=census.uptime,
        boot_id=census.boot_id,
        units=units,
        processes=census.processes,
        details=census.details,
        hidden=census.hidden,
        journal=journal,
        sockets=sockets,
        sockets_unavailable=unavailable,
    )


def _on_clock(units: Units, slept: float) -> Units:
    """Return the units timed by the clock of processes, which goes on while the machine is suspended."""
    if slept < SLACK:
        return units
    return units._replace(by_name={name: _later(unit, slept) for name, unit in units.by_name.items()})


def _later(unit: Unit, slept: float) -> Unit:
    times = {name: getattr(unit, name) for name in ("started", "active_since", "changed")}
    return unit._replace(**{name: when + slept if when else when for name, when in times.items()})


def _journal(host: Host, units: Units, census: Census, start: float) -> Journal:
    found = {unit.id for unit in units.by_name.values() if unit.found}
    if units.unavailable or not found:
        return Journal.unavailable(units.unavailable or NOT_ASKED)
    clock, init = Clock(host.now(), census.uptime), census.processes.get(1)
    began = (clock.moment(init.began) if init else None) or clock.booted
    return collect_journal(host, found, start, Boot(census.boot_id.replace("-", ""), began))
