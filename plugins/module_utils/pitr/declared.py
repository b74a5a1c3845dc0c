# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory declares of physical backups, validated once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..errors import InputError
from ..options import expand
from ..postgres.opening import Limits, environment
from ..thresholds import Bounds
from ..units import parse_seconds

PGBACKREST, BASEBACKUP = "pgbackrest", "basebackup"


class Cluster(NamedTuple):
    """One PostgreSQL cluster as declared. Paths that are not declared are empty."""

    name: str
    engine: str
    stanza: str
    config: str
    archive_dir: str
    base_dir: str
    address: str
    port: int
    user: str
    password: str
    database: str
    account: str
    bin_dir: str
    service: str = ""

    def __repr__(self) -> str:
        """Return the cluster as text, without the password."""
        shown = (f"{name}={value!r}" for name, value in self._asdict().items() if name != "password")
        return f"Cluster({', '.join(shown)})"

    def environment(self, limits: Limits) -> dict[str, str]:
        """Return the variables that lead libpq to the server: a password stands in no command line."""
        values = {
            "PGHOST": self.address,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.database,
        }
        return environment(values, limits)


class Settings(NamedTuple):
    """The options of one run."""

    clusters: tuple[Cluster, ...]
    bounds: Mapping[str, Bounds]
    verify: bool


def read_settings(params: Mapping[str, Any]) -> Settings:
    """Given the options of pitr_check, return them validated. Raise InputError."""
    clusters = tuple(read_cluster(f"clusters[{number}]", each) for number, each in enumerate(params["clusters"]))
    names = [cluster.name for cluster in clusters]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"clusters[{len(names) - 1 - names[::-1].index(twice)}].name", twice, "each name once")
    return Settings(clusters, _bounds(params["thresholds"]), bool(params["verify"]))


def read_cluster(where: str, given: Mapping[str, Any]) -> Cluster:
    """Given one entry of ``cryptobot_pitr``, return it validated. Raise InputError."""

    def text(name: str) -> str:
        value = given.get(name)
        return "" if value is None else str(value)

    def path(name: str) -> str:
        return expand(text(name)) if text(name) else ""

    stanza = text("stanza") or text("name")
    for name, value in (("name", text("name")), ("stanza", stanza)):
        _check_word(f"{where}.{name}", value)
    if not 0 < int(given["login_port"]) < 65536:
        raise InputError(f"{where}.login_port", given["login_port"], "a port between 1 and 65535")
    return Cluster(
        name=text("name"),
        engine=text("engine"),
        stanza=stanza,
        config=path("config"),
        archive_dir=path("archive_dir"),
        base_dir=path("base_dir"),
        address=text("login_host") or path("login_unix_socket"),
        port=int(given["login_port"]),
        user=text("login_user"),
        password=text("login_password"),
        database=text("login_db"),
        account=text("system_user"),
        bin_dir=path("bin_dir"),
        service=text("service"),
    )


def _check_word(name: str, value: str) -> None:
    """A stanza is the name of a folder of the repository, and a word of a command."""
    if (
        not value.isascii()
        or not value.replace("-", "a").replace("_", "a").replace(".", "a").isalnum()
        or value[0] in "-."
    ):
        raise InputError(name, value, "letters, digits, - and _, such as main")


def _bounds(given: Mapping[str, Any]) -> dict[str, Bounds]:
    return {
        "full_age": _pair(given, "full_age", parse_seconds),
        "backup_age": _pair(given, "backup_age", parse_seconds),
        "rpo": _pair(given, "rpo", parse_seconds),
        "ready": _pair(given, "ready", _whole),
        "ready_age": _pair(given, "ready_age", parse_seconds),
        "room": _pair(given, "room", _share, low=True),
    }


def _pair(given: Mapping[str, Any], name: str, convert: Callable[[str, Any], float], *, low: bool = False) -> Bounds:
    """Return both steps of a threshold. Raise InputError where the critical one would be reached first."""
    steps = [given.get(f"{name}_{step}") for step in ("warning", "critical")]
    warning, critical = (
        None if value is None else convert(f"thresholds.{name}_{step}", value)
        for step, value in zip(("warning", "critical"), steps)
    )
    if warning is not None and critical is not None and (critical > warning if low else critical < warning):
        expected = f"{'at most' if low else 'at least'} that of {name}_warning, which is reached first"
        raise InputError(f"thresholds.{name}_critical", steps[1], expected)
    return Bounds(warning, critical)


def _whole(name: str, value: Any) -> float:
    if value < 0:
        raise InputError(name, value, "a number, 0 or more")
    return float(value)


def _share(name: str, value: Any) -> float:
    if not 0 <= value <= 100:
        raise InputError(name, value, "a percentage, 0 to 100")
    return float(value) / 100
