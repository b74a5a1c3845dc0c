# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of db_vacuum, checked once at the edge and frozen: everything behind this file trusts them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import InputError
from ..postgres.connection import Login
from ..trusted_accounts import check_trusted
from ..units import parse_bytes, parse_seconds

_BYTES = ("bloat_bytes", "freelist_bytes", "wal_bytes")
MAX_JOBS = 32


class Thresholds(NamedTuple):
    """From which value on a table or file needs work. Ratios are between 0 and 1, bytes and rows are counts."""

    dead_rows: int
    dead_ratio: float
    analyze_rows: int
    analyze_ratio: float
    xid_ratio: float
    wraparound_warning_ratio: float
    wraparound_critical_age: int
    wraparound_critical_left: int
    bloat_ratio: float
    bloat_bytes: int
    freelist_ratio: float
    freelist_bytes: int
    wal_bytes: int


class Database(NamedTuple):
    """One entry of the inventory's ``cryptobot_databases``."""

    name: str
    engine: str
    path: str
    database: str
    login: Login
    include: tuple[re.Pattern[str], ...]
    exclude: tuple[re.Pattern[str], ...]
    thresholds: Thresholds

    def wants(self, table: str) -> bool:
        """Return whether ``database.schema.table`` is named by include (or there is none) and not by exclude."""
        named = not self.include or any(pattern.search(table) for pattern in self.include)
        return named and not any(pattern.search(table) for pattern in self.exclude)


class BackupGate(NamedTuple):
    """The verified backup that a step needs which replaces data. ``dir`` is empty where none was declared."""

    dir: str
    max_age_s: float
    expected: bool
    trusted_accounts: tuple[str, ...] = ()


class VacuumSettings(NamedTuple):
    """The options of one run."""

    databases: tuple[Database, ...]
    plan_only: bool
    profile: str
    window_s: float
    jobs: int
    freeze: str
    analyze: str
    truncate: str
    rewrite: str
    exact: bool
    max_xmin_age: int
    max_txn_s: float
    lock_timeout_s: float
    hot_tables: frozenset[str]
    replica_lag_s: float
    load_max: float
    backup: BackupGate
    full_integrity: bool
    strategy: str
    services_stopped: bool
    state_dir: str


def parse_settings(params: Mapping[str, Any], flavour: Any = os.path) -> VacuumSettings:
    """Given the module's validated options, return them as Settings. Raise InputError naming the first wrong one.

    ``flavour`` is the module of the host's kind of paths.
    """
    _check_numbers(params)
    settings = VacuumSettings(
        databases=tuple(_database(entry, params["thresholds"], flavour) for entry in params["databases"]),
        plan_only=params["mode"] == "plan",
        window_s=params["window_minutes"] * 60.0,
        max_txn_s=parse_seconds("max_txn_age", params["max_txn_age"]),
        lock_timeout_s=parse_seconds("lock_timeout", params["lock_timeout"]),
        hot_tables=frozenset(params["hot_tables"]),
        replica_lag_s=parse_seconds("replica_lag_max", params["replica_lag_max"]),
        backup=_backup_gate(params),
        full_integrity=params["integrity"] == "full",
        strategy=params["sqlite_strategy"],
        **{name: params[name] for name in _AS_THEY_ARE},
    )
    _check_names(params["databases"])
    _check_gates(settings)
    return settings


_AS_THEY_ARE = (
    "profile", "jobs", "freeze", "analyze", "truncate", "rewrite", "exact", "max_xmin_age", "load_max",
    "services_stopped", "state_dir",
)  # fmt: skip


def _check_numbers(params: Mapping[str, Any]) -> None:
    for name, low, high in (("window_minutes", 1, 24 * 60), ("jobs", 1, MAX_JOBS), ("max_xmin_age", 1, 2**31 - 1)):
        if not low <= params[name] <= high:
            raise InputError(name, params[name], f"a number from {low} to {high}")
    if params["load_max"] <= 0:
        raise InputError("load_max", params["load_max"], "a load per core above 0")


def _check_names(entries: Iterable[Mapping[str, Any]]) -> None:
    for name, count in Counter(entry["name"] for entry in entries).items():
        if count > 1 or not name:
            raise InputError(f"databases[{name}].name", name, "a name that no other database of the list has")


def _check_gates(settings: VacuumSettings) -> None:
    """Refuse what can never be done, before anything is done."""
    if settings.rewrite == "allow" and not settings.backup.dir:
        raise InputError("require_backup", None, "the dir of verified backups, because rewrite is allow")
    if settings.strategy == "in_place" and not settings.backup.dir:
        raise InputError("require_backup", None, "the dir of verified backups, because sqlite_strategy is in_place")


def _backup_gate(params: Mapping[str, Any]) -> BackupGate:
    gate = params["require_backup"] or {"dir": "", "max_age_hours": 0.0, "trusted_accounts": []}
    if gate["dir"] and not gate["max_age_hours"] > 0:
        raise InputError("require_backup.max_age_hours", gate["max_age_hours"], "hours above 0")
    trusted = check_trusted("require_backup.trusted_accounts", gate["trusted_accounts"])
    return BackupGate(gate["dir"], gate["max_age_hours"] * 3600.0, params["backup_expected"], trusted)


def _database(entry: Mapping[str, Any], defaults: Mapping[str, Any], flavour: Any) -> Database:
    where = f"databases[{entry['name']}]"
    path = entry["path"] or ""
    if entry["engine"] == "sqlite" and not is_absolute(path, flavour):
        raise InputError(f"{where}.path", path, "an absolute path")
    return Database(
        name=entry["name"],
        engine=entry["engine"],
        path=path,
        database=entry["database"] or "",
        login=_login(entry),
        include=_patterns(f"{where}.include", entry["include"]),
        exclude=_patterns(f"{where}.exclude", entry["exclude"]),
        thresholds=_thresholds(where, defaults, entry["thresholds"] or {}),
    )


def is_absolute(path: str, flavour: Any = os.path) -> bool:
    """Return whether a path names its place fully: on Windows with a drive or a server, because without one it depends
    on the drive that the process stands on. ``flavour`` is the module of the system whose path it is.
    """
    return bool(flavour.isabs(path)) and (flavour.sep == "/" or flavour.splitdrive(path)[0] != "")


def _login(entry: Mapping[str, Any]) -> Login:
    return Login(
        host=entry["login_unix_socket"] or entry["login_host"],
        port=entry["login_port"],
        user=entry["login_user"],
        password=entry["login_password"],
        passfile=entry["login_passfile"],
        sslmode=entry["ssl_mode"],
        sslrootcert=entry["ssl_rootcert"],
        system_user=entry["system_user"],
        database=entry["login_db"],
    )


def _patterns(name: str, texts: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    try:
        return tuple(re.compile(text) for text in texts)
    except re.error as error:
        raise InputError(name, error.pattern, f"a regular expression ({error})") from error


def _thresholds(where: str, defaults: Mapping[str, Any], own: Mapping[str, Any]) -> Thresholds:
    given = {name: value for name, value in own.items() if value is not None}
    merged = {**defaults, **given}
    for name, value in merged.items():
        here = f"{where}.thresholds.{name}" if name in given else f"thresholds.{name}"
        merged[name] = parse_bytes(here, value, bare=True) if name in _BYTES else _number(here, name, value)
    return Thresholds(**merged)


def _number(where: str, name: str, value: float) -> float:
    if name.endswith("_ratio") and not 0 < value <= 1:
        raise InputError(where, value, "a ratio above 0 and at most 1")
    if value < 0:
        raise InputError(where, value, "0 or more")
    return value
