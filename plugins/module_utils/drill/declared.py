# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a drill as frozen records, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..backup import SPEC as BACKUP
from ..backup.declared import Settings, read_settings
from ..errors import InputError
from ..options import expand
from ..units import parse_seconds
from . import STORE


class Scenario(NamedTuple):
    """What is played: ``types`` of sources come back (empty for all), from a set at least ``before`` seconds old."""

    name: str
    title: str
    types: tuple[str, ...]
    damage: str
    before: float
    questions: tuple[str, ...]


class Smoke(NamedTuple):
    """A service that is started from the restored copy."""

    name: str
    command: tuple[str, ...]
    user: str
    environment: Mapping[str, str]
    port: int
    path: str
    seconds: float

    def __repr__(self) -> str:
        """Return it as text, without its environment, which may have secrets in it."""
        return f"Smoke(name={self.name!r}, port={self.port!r})"


class DrillRequest(NamedTuple):
    """What is asked for."""

    backup: Settings
    scenario: Scenario
    label: str
    of_host: str
    rto: float
    rpo: float
    smoke: tuple[Smoke, ...]
    endpoints: tuple[tuple[str, int], ...]
    sandbox: tuple[str, ...]
    keep_records: int
    scratch_dir: Path
    state_dir: str


def read_request(params: Mapping[str, Any], platform: str = "") -> DrillRequest:
    """Given the options of the module and the host's platform, return them checked. Raise InputError."""
    backup = read_settings(_of_backup(params), platform)
    names = tuple(row["name"] for row in params["scenarios"])
    if params["scenario"] not in names:
        raise InputError(
            "scenario", params["scenario"], f"one of {', '.join(names) or 'scenarios, of which there is none'}", names
        )
    # the last of a name counts: a site's own row takes the place of the one that it knows better
    row = {each["name"]: each for each in params["scenarios"]}[params["scenario"]]
    return DrillRequest(
        backup=backup,
        scenario=_scenario(row),
        label=params["label"] or "",
        of_host=params["of_host"] or "",
        rto=_positive("rto_minutes", params["rto_minutes"]) * 60,
        rpo=_positive("rpo_hours", params["rpo_hours"]) * 3600,
        smoke=tuple(_smoke(place, each) for place, each in enumerate(params["smoke"])),
        endpoints=tuple(_endpoint(text) for text in params["endpoints"]),
        sandbox=tuple(params["sandbox"]),
        keep_records=int(_positive("keep_records", params["keep_records"])),
        scratch_dir=Path(expand(params["scratch_dir"] or "/var/tmp")),  # noqa: S108 - a folder of its own is made there
        state_dir=params["state_dir"],
    )


def _of_backup(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of backup_archive that go with those of a drill."""
    defaults = {name: each.get("default") for name, each in BACKUP.items()}
    taken = ("dir", "scratch_dir", "sign_key_file", "trusted_accounts", "state_dir", *STORE)
    return {**defaults, **{name: params[name] for name in taken}, "state": "listed", "verify_level": "L2"}


def _scenario(row: Mapping[str, Any]) -> Scenario:
    before = parse_seconds("scenarios.before", row["before"])
    return Scenario(row["name"], row["title"], tuple(row["types"]), row["damage"], before, tuple(row["questions"]))


def _smoke(place: int, row: Mapping[str, Any]) -> Smoke:
    if not row["command"]:
        raise InputError(f"smoke[{place}].command", row["command"], "the words of a command")
    if not 0 < row["port"] < 65536:
        raise InputError(f"smoke[{place}].port", row["port"], "a port from 1 to 65535")
    environment = {str(name): str(value) for name, value in row["environment"].items()}
    seconds = _positive(f"smoke[{place}].seconds", row["seconds"])
    command = tuple(row["command"])
    return Smoke(row["name"], command, row["user"] or "", environment, row["port"], row["path"], seconds)


def _endpoint(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError("endpoints", text, "host:port, such as api.kraken.com:443")
    return host.strip("[]"), int(port)


def _positive(option: str, value: float) -> float:
    if value <= 0:
        raise InputError(option, value, "more than 0")
    return float(value)
