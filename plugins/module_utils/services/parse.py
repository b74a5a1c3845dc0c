# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemctl and journalctl print: pure functions, and the record of a unit that they make.

The record is in the words of systemd; gatherers of other platforms translate into them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Optional

from ..errors import ParseError
from ..evidence import Evidence

# The properties asked for, in one `systemctl show` for all units.
PROPERTIES = (
    "Id,Names,LoadState,LoadError,ActiveState,SubState,Result,UnitFileState,FragmentPath,DropInPaths,NeedDaemonReload,"
    "Type,RemainAfterExit,NRestarts,MainPID,ExecMainCode,ExecMainStatus,ExecMainStartTimestampMonotonic,"
    "ActiveEnterTimestampMonotonic,StateChangeTimestampMonotonic,TriggeredBy,ExecStart,Environment,EnvironmentFiles,"
    "RequiredBy,BoundBy,ConsistsOf,WantedBy,UpheldBy,LogLevelMax"
)
_NAMES = frozenset(PROPERTIES.split(","))
AUTOMATIC, START = "automatic", "start"  # restarts: by the manager itself, and all others
DEFAULT = "default.target"
ALWAYS = ("basic.target", "sysinit.target", DEFAULT)  # bootup(7): each boot reaches them
_INFO = 6  # the syslog level at which systemd logs starts


@dataclass(frozen=True)
class Unit:
    """A unit as its manager sees it. Times are seconds since the boot, 0 for never.

    ``exit_code`` and ``exit_status`` are those of the main process (sigchld codes: 1 exited with a status, 2 killed by
    a signal, 3 killed with a core dump). ``stops_with`` are the units that the manager stops together with this one,
    ``started_by`` those that start it with them. ``mute`` units have their starts kept out of the log.
    ``environment`` may hold secrets and never leaves this process. ``manager`` is systemd, launchd or windows;
    ``target`` is what launchd calls the job (``system/com.cryptobot.auth``), ``files`` then begin with its plist.
    """

    id: str
    names: tuple[str, ...]
    load: str = "loaded"
    load_error: str = ""
    active: str = "inactive"
    sub: str = ""
    result: str = ""
    file_state: str = ""
    files: tuple[str, ...] = ()
    need_reload: bool = False
    type: str = ""
    remain: bool = False
    restarts: int = 0
    main_pid: int = 0
    exit_code: int = 0
    exit_status: int = 0
    started: float = 0.0
    active_since: float = 0.0
    changed: float = 0.0
    triggered_by: tuple[str, ...] = ()
    exec_start: str = ""
    environment: str = ""
    environment_files: tuple[str, ...] = ()
    stops_with: tuple[str, ...] = ()
    started_by: tuple[str, ...] = ()
    mute: bool = False
    manager: str = "systemd"
    target: str = ""

    def __repr__(self) -> str:
        return f"Unit({self.id} {self.load} {self.active}/{self.sub})"

    @property
    def found(self) -> bool:
        """Whether the manager knows a unit of this name."""
        return self.load != "not-found"

    @property
    def running(self) -> bool:
        """Whether the unit is up; being reloaded counts."""
        return self.active in ("active", "reloading")


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


@dataclass(frozen=True)
class Journal:
    """What the log of a service manager tells: restarts and out-of-memory kills by unit, ``since`` when (epoch; None:
    not known, or not all of it could be seen).
    """

    restarts: Evidence
    out_of_memory: Evidence
    since: Optional[float] = None

    @classmethod
    def unavailable(cls, reason: str) -> Journal:
        """Return the log that could not be asked."""
        return cls(Evidence.unavailable(reason), Evidence.unavailable(reason))


def by_name(units: Collection[Unit]) -> dict[str, Unit]:
    """Given units, return them by each of their names, aliases included."""
    return {name: unit for unit in units for name in (unit.id, *unit.names)}


def unit_of(names: Mapping[str, Unit], name: str) -> Optional[Unit]:
    """Given units by name, return the one asked for; None where the manager does not know it."""
    unit = names.get(name)
    return unit if unit is not None and unit.found else None
