# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which databases are visited, by how many queries, and what a refusal on the way costs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres import collect as collecting
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.collect import (
    collect,
    collect_ages,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import (
    Activity,
    DatabaseAge,
    Lock,
    Table,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.connection import Rows

from ..options import postgresql, settings
from .builders import server, table
from .fakes import FakeSession, refused

AGES = (
    DatabaseAge("auth", True, False, 1, 0, None),
    DatabaseAge("cryptobot", True, False, 1, 0, None),
    DatabaseAge("closed", False, False, 1, 0, None),
    DatabaseAge("template1", True, True, 1, 0, None),
)


class Cluster:
    """Sessions on a server whose databases are in a table; every one that is opened is kept."""

    def __init__(self, on: Any = None) -> None:
        self.on = on or server()
        self.missing: set[str] = set()
        self.sessions: dict[str, FakeSession] = {}
        self.tables: Any = Rows(Table._fields, (tuple(table()),))

    def opened(self, _entry: Any, name: str, _settings: Any) -> FakeSession:
        if name in self.missing:
            raise refused("3D000", f"database {name!r} does not exist")
        session = FakeSession({
            "server_version_num": Rows(type(self.on)._fields, (tuple(self.on),)),
            "datfrozenxid": Rows(DatabaseAge._fields, tuple(map(tuple, AGES))),
            "pg_prepared_xacts": Rows(Activity._fields, ()),
            "current_database()::text": Rows(("name",), ((name,),)),
            "pg_extension": Rows(("name", "schema"), (("pgstattuple", 'odd "schema"'),)),
            "l.locktype": Rows(Lock._fields, ()),
            "relkind": self.tables,
        })  # fmt: skip
        session.where = f"database {name!r}"  # type: ignore[attr-defined]
        return self.sessions.setdefault(name, session)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(collecting, "opened", made.opened)
    return made


def collected(database: str, **given: Any) -> Any:
    chosen = settings([postgresql(database=database)], **given)
    return collect(chosen.databases[0], chosen)


def test_one_database_is_asked_everything_over_one_session(cluster: Cluster) -> None:
    raw = collected("cryptobot")
    assert [seen.database for seen in raw.databases] == ["cryptobot"]
    assert list(cluster.sessions) == ["cryptobot"]
    session = cluster.sessions["cryptobot"]
    assert session.closed
    assert sum("relkind" in asked for asked in session.asked) == 1, "one query for all tables"
    assert len(session.asked) == 7


def test_every_database_that_allows_connections_and_is_no_template_is_visited(cluster: Cluster) -> None:
    assert [seen.database for seen in collected("*").databases] == ["auth", "cryptobot"]
    assert list(cluster.sessions) == ["postgres", "auth", "cryptobot"]
    assert all(session.closed for session in cluster.sessions.values())


def test_where_the_database_postgres_is_gone_template1_is_asked(cluster: Cluster) -> None:
    cluster.missing = {"postgres"}
    assert len(collected("*").databases) == 2
    assert "template1" in cluster.sessions


def test_where_neither_lets_us_in_the_first_refusal_is_told(cluster: Cluster) -> None:
    cluster.missing = {"postgres", "template1"}
    with pytest.raises(CoreError, match="'postgres' does not exist"):
        collected("*")


def test_a_database_that_cannot_be_entered_leaves_the_others(cluster: Cluster) -> None:
    cluster.missing = {"auth"}
    auth, cryptobot = collected("*").databases
    assert "does not exist" in auth.error and auth.tables is None
    assert cryptobot.error == "" and cryptobot.tables is not None


def test_a_single_database_that_cannot_be_entered_is_an_error(cluster: Cluster) -> None:
    cluster.missing = {"cryptobot"}
    with pytest.raises(CoreError, match="does not exist"):
        collected("cryptobot")


@pytest.mark.parametrize("database", ["*", "cryptobot"])
def test_on_a_standby_no_database_is_looked_at(database: str, cluster: Cluster) -> None:
    cluster.on = server(in_recovery=True)
    assert collected(database).databases == ()


def test_a_server_before_11_is_refused(cluster: Cluster) -> None:
    cluster.on = server(version=100_023)
    with pytest.raises(CoreError, match=r"version is 100023, expected 110000 \(11\) or later"):
        collected("cryptobot")


def test_sizes_of_the_last_vacuum_serve_where_asking_the_files_met_a_lock(cluster: Cluster) -> None:
    cluster.tables = (refused("55P03", "lock timeout"), cluster.tables)
    raw = collected("cryptobot")
    asked = [line for line in cluster.sessions["cryptobot"].asked if "relkind" in line]
    assert ["pg_relation_size" in line for line in asked] == [True, False]
    assert raw.databases[0].tables is not None


def test_another_refusal_of_the_catalog_query_is_told(cluster: Cluster) -> None:
    cluster.tables = refused("57014", "statement timeout")
    assert "statement timeout" in collected("*").databases[0].error


@pytest.mark.parametrize(("exact", "asked"), [(False, False), (True, True)])
def test_pgstattuple_is_asked_by_its_quoted_schema_only_when_wanted(exact: bool, asked: bool, cluster: Cluster) -> None:
    collected("cryptobot", exact=exact)
    [query] = [line for line in cluster.sessions["cryptobot"].asked if "relkind" in line]
    assert ('"odd ""schema""".pgstattuple_approx' in query) is asked


def test_the_ages_can_be_asked_for_again_on_their_own(cluster: Cluster) -> None:
    chosen = settings([postgresql()])
    assert len(collect_ages(chosen.databases[0], chosen, 150_018).values) == 4
    assert len(cluster.sessions["cryptobot"].asked) == 1
