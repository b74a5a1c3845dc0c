# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemctl and journalctl print: pure functions, and the record of a unit that they make.

The record is in the words of systemd; gatherers of other platforms translate into them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ..errors import ParseError

# The properties asked for, in one `systemctl show` for all units.
PROPERTIES = (
    "Id,Names,LoadState,LoadError,ActiveState,SubState,Result,UnitFileState,FragmentPath,DropInPaths,NeedDaemonReload,"
    "Type,RemainAfterExit,NRestarts,MainPID,ExecMainCode,ExecMainStatus,ExecMainStartTimestampMonotonic,"
    "ActiveEnterTimestampMonotonic,StateChangeTimestampMonotonic,TriggeredBy,ExecStart,Environment,EnvironmentFiles,"
    "RequiredBy,BoundBy,ConsistsOf"
)

# sd-messages.h: "Scheduled restart job" and "killed by the OOM killer".
RESTART_SCHEDULED = "5eb03494b6584870a536b337290809b3"
OUT_OF_MEMORY = "fe6faa94e7774663a0da52717891d8ef"
_PARTIAL_VIEW = "not seeing messages from other users"


@dataclass(frozen=True)
class Unit:
    """A unit as its manager sees it. Times are seconds since the boot, 0 for never.

    ``exit_code`` and ``exit_status`` are those of the main process (sigchld codes: 1 exited with a status, 2 killed by
    a signal, 3 killed with a core dump). ``stops_with`` are the units that the manager stops together with this one.
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


def parse_show(text: str) -> tuple[Unit, ...]:
    """Given the output of ``systemctl show -p PROPERTIES`` for some units, return the units in its order.

    Raise ParseError naming the line that is no property, or the block that lacks one.
    """
    units: list[Unit] = []
    block: dict[str, str] = {}
    begun = 1
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        if line:
            name, mark, value = line.partition("=")
            if not mark:
                raise ParseError("systemctl show", number, line, "expected NAME=VALUE")
            block[name] = f"{block[name]}\n{value}" if name in block else value
        elif block:
            units.append(_unit(block, begun))
            block, begun = {}, number + 1
    return tuple(units)


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
        exec_start=" ; ".join(re.findall(r"argv\[\]=(.*?) ; ignore_errors=", block.get("ExecStart", ""))),
        environment=block.get("Environment", ""),
        environment_files=tuple(
            re.findall(r"^(.*?) \(ignore_errors=", block.get("EnvironmentFiles", ""), re.MULTILINE)
        ),
        stops_with=tuple(" ".join(block.get(name, "") for name in ("RequiredBy", "BoundBy", "ConsistsOf")).split()),
    )


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
    """The restarts and out-of-memory kills of the units in a window: when each was, in seconds since the epoch.

    ``blind`` says why the journal could not be read, or not all of it; empty where it was.
    """

    restarts: Mapping[str, tuple[float, ...]]
    out_of_memory: Mapping[str, tuple[float, ...]]
    blind: str = ""


def parse_journal(stdout: str, stderr: str, rc: int) -> Journal:
    """Given what ``journalctl -o json`` printed and its exit code, return the events by unit. Raise ParseError."""
    if rc != 0 or _PARTIAL_VIEW in stderr:
        lines = [line for line in stderr.splitlines() if line.strip()] or [f"journalctl ended with exit code {rc}"]
        return Journal({}, {}, lines[0].replace("Hint: ", ""))
    entries = [_entry(number, line) for number, line in enumerate(stdout.splitlines(), 1) if line.startswith("{")]
    return Journal(_times(entries, RESTART_SCHEDULED), _times(entries, OUT_OF_MEMORY))


def _entry(number: int, line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
        return {"unit": str(entry["UNIT"]), "id": entry["MESSAGE_ID"], "at": int(entry["__REALTIME_TIMESTAMP"]) / 1e6}
    except (ValueError, KeyError, TypeError) as error:
        raise ParseError("journalctl", number, line, f"no usable {error}") from error


def _times(entries: Sequence[Mapping[str, Any]], message: str) -> dict[str, tuple[float, ...]]:
    units = {entry["unit"] for entry in entries if entry["id"] == message}
    return {unit: tuple(sorted(e["at"] for e in entries if e["unit"] == unit and e["id"] == message)) for unit in units}


def by_name(units: Collection[Unit]) -> dict[str, Unit]:
    """Given units, return them by each of their names, aliases included."""
    return {name: unit for unit in units for name in (unit.id, *unit.names)}


def unit_of(names: Mapping[str, Unit], name: str) -> Optional[Unit]:
    """Given units by name, return the one asked for; None where the manager does not know it."""
    unit = names.get(name)
    return unit if unit is not None and unit.found else None
