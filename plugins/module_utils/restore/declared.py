# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a restore as a frozen record, checked once, with those of the backup that it is made from."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ..backup import SPEC as BACKUP
from ..backup.declared import Settings, Source, read_settings
from ..backup.model import SAFETY
from ..backup.names import is_set_id
from ..backup.repository import OPTIONS
from ..backup.times import from_iso
from ..errors import InputError
from ..options import expand
from ..restart.declared import Options as Gate
from ..services.declared import Service, declare
from ..trusted import Others
from ..units import parse_seconds
from . import RESTORED

NEWEST, PINNED = "newest", "30d"
STARTED = "started"


class Request(NamedTuple):
    """What is asked for. ``backup`` are the settings by which sets are read and the safety set is made."""

    state: str
    backup: Settings
    services: tuple[Service, ...]
    which: str
    label: str
    before: Optional[float]
    from_host: str
    accept_other: bool
    only: tuple[str, ...]
    databases: tuple[str, ...]
    tables: tuple[str, ...]
    files: tuple[str, ...]
    into: Optional[Path]
    archive: Optional[Path]
    install_dir: str
    safety_set: bool
    keep_old: float
    restore: str
    held: tuple[str, ...]
    gate: Gate
    space_factor: float
    state_dir: str

    @property
    def others(self) -> Others:
        """Who is trusted beside root and this account to own a way that we go."""
        return self.backup.others

    def source(self, name: str) -> Optional[Source]:
        """Return the source that is declared by a name now."""
        return next((source for source in self.backup.sources if source.name == name), None)

    @property
    def to_hold(self) -> list[Service]:
        """The services that are held down, in start order."""
        return [service for service in self.services if service.name in self.held]


def read_request(params: Mapping[str, Any], platform: str = "") -> Request:
    """Given the options of the module and the host's platform, return them checked. Raise InputError."""
    backup = read_settings(_of_backup(params), platform)
    services = declare(params["services"], platform)
    names = tuple(service.name for service in services)
    request = Request(
        state=params["state"],
        backup=backup,
        services=services,
        which=params["set"],
        label=params["label"] or "",
        before=_moment(params["time"]) if params["time"] else None,
        from_host=params["from_host"] or "",
        accept_other=params["accept_other"],
        only=tuple(params["only"]),
        databases=tuple(params["databases"]),
        tables=tuple(params["tables"]),
        files=tuple(params["files"]),
        into=Path(expand(params["into"])) if params["into"] else None,
        archive=Path(expand(params["archive"])) if params["archive"] else None,
        install_dir=posixpath.normpath(expand(params["install_dir"])) if params["install_dir"] else "",
        safety_set=params["safety_set"],
        keep_old=parse_seconds("keep_old", params["keep_old"]),
        restore=params["restore"] or "",
        held=_held(params["hold"], services, backup.sources, names),
        gate=_gate(params),
        space_factor=_positive("space_factor", params["space_factor"]),
        state_dir=params["state_dir"],
    )
    _require_together(request)
    return request


def _of_backup(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of backup_archive that go with those of a restore."""
    defaults = {name: each.get("default") for name, each in BACKUP.items()}
    taken = ("dir", "sources", "scratch_dir", "sign_key_file", "trusted_accounts", "state_dir", *OPTIONS)
    given = {name: params[name] for name in taken}
    return {**defaults, **given, "state": "listed", "label": SAFETY, "pin_until": PINNED, "verify_level": "L1"}


def _held(
    named: list[str], services: tuple[Service, ...], sources: tuple[Source, ...], names: tuple[str, ...]
) -> tuple[str, ...]:
    unknown = [name for name in named if name not in names]
    if unknown:
        raise InputError("hold", unknown, f"names of services: {', '.join(names) or 'none is declared'}", names)
    servers = {int(source.server["login_port"]) for source in sources if source.type == "postgresql"}
    of_server = {service.name for service in services if servers & {port.port for port in service.ports}}
    return tuple(named) or tuple(name for name in names if name not in of_server)


def _gate(params: Mapping[str, Any]) -> Gate:
    return Gate(
        when="always",
        only=(),
        excepted=(),
        max_uptime=0.0,
        memory_growth=0,
        gate_timeout=_positive("gate_timeout", params["gate_timeout"]),
        gate_delay=1.0,
        gate_settle=1.0,
        start_retries=0,
        stop_timeout=_positive("stop_timeout", params["stop_timeout"]),
        rollback_timeout=300.0,
    )


def _positive(option: str, value: float) -> float:
    if value <= 0:
        raise InputError(option, value, "more than 0")
    return float(value)


def _moment(value: str) -> float:
    try:
        return from_iso(value)
    except ValueError:
        raise InputError("time", value, "a moment in UTC such as 2026-11-29T18:00:00Z") from None


def _require_together(request: Request) -> None:
    known = tuple(source.name for source in request.backup.sources)
    if request.state == RESTORED and not known and request.into is None:
        raise InputError("sources", [], "at least one source, because it says where to restore to (or into)")
    if request.before is not None and request.which != NEWEST:
        raise InputError("set", request.which, "newest, because time says which")
    if request.archive is not None and (request.which != NEWEST or request.before is not None or request.label):
        raise InputError("archive", str(request.archive), "either an archive, or set, time or label: they name a set")
    if request.archive is not None and request.into is None and not request.install_dir:
        raise InputError("install_dir", request.install_dir, "the folder of Cryptobot, where those of archive belong")
    if request.tables and len(request.only) != 1:
        raise InputError("only", list(request.only), "the one source that has the tables", known)
    if not request.which or ("/" in request.which and not is_set_id(request.which)):
        raise InputError("set", request.which, "newest, or the id or name of a set")
