# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real databases: a PostgreSQL server for the session, a database of its own for each test, db_vacuum run on them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.declared import (
    VacuumSettings,
    parse_settings,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host

from .postgres_server import Server, binaries, running_server
from .sqlite_files import plant_set


class Vacuum(Protocol):
    """db_vacuum as a function of its options, and its memory as a test may find or plant it."""

    state: Path

    def __call__(self, *, check_mode: bool = False, **options: Any) -> Result: ...


def settings_of(**options: Any) -> VacuumSettings:
    """Return options, validated as Ansible validates them, as the settings of a run."""
    return parse_settings(validated(**options))


def validated(**options: Any) -> dict[str, Any]:
    checked = ArgumentSpecValidator(SPEC).validate({"load_max": 1000.0, **options})
    assert not checked.error_messages, checked.error_messages
    return dict(checked.validated_parameters)


def need_binaries() -> Path:
    """Return the server's binaries; skip with the reason where there are none, fail where CI must have them."""
    found = binaries()
    if found is not None:
        return found
    reason = "no PostgreSQL server binaries (initdb) on this machine: install postgresql-15"
    if os.environ.get("CI") == "true" and os.geteuid() == 0:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running_server(need_binaries()) as started:
        yield started


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"t{abs(hash(request.node.nodeid)) % 10**9}"
    server.sql("postgres", f"CREATE DATABASE {name}")
    yield name
    server.sql("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def vacuum(tmp_path: Path) -> Vacuum:

    class Call:
        state = tmp_path / "state"

        def __call__(self, *, check_mode: bool = False, **options: Any) -> Result:
            return run(validated(state_dir=str(self.state), **options), choose_host(300), check_mode)

    return Call()


@pytest.fixture
def backup(tmp_path: Path) -> dict[str, Any]:
    """A verified backup of every database that a test makes."""
    names = ("cryptobot", "main", "wal", "sliced")
    sources = [{"name": name, "type": "sqlite", "path": str(tmp_path / f"{name}.db")} for name in names]
    plant_set(tmp_path / "backups", sources, created=time.time() - 3600)
    return {"dir": str(tmp_path / "backups")}


def finding(result: Result, check: str, subject: str = "") -> Any:
    """Return the one finding of a check (and of a subject that ends so)."""
    found = [f for f in result.findings if f.check == check and f.subject.endswith(subject)]
    assert len(found) == 1, [(f.check, f.subject, f.message) for f in found or result.findings]
    return found[0]


def steps(result: Result, *states: str) -> list[tuple[str, str]]:
    """Return the actions of some states as (action, subject), in their order."""
    return [(action.action, action.subject) for action in result.actions if action.state in states]
