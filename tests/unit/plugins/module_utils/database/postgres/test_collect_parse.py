# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recorded answers of a real server become records; anything else is an error that names the difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.act import parse_vacuum_report
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.collect import (
    DatabaseAnswers,
    ServerAnswers,
    parse_records,
    parse_server,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.model import Server
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.connection import Rows

from ..options import postgresql, settings

RECORDED = Path(__file__).resolve().parents[5] / "fixtures" / "postgresql" / "15-debian-12"
ENTRY = settings([postgresql()]).databases[0]


def rows(given: dict[str, Any]) -> Rows:
    return Rows(tuple(given["columns"]), tuple(tuple(row) for row in given["values"]))


def recorded() -> ServerAnswers:
    catalogs = json.loads((RECORDED / "catalogs.json").read_text("utf-8"))
    seen = [
        DatabaseAnswers(one["database"], rows(one["tables"]), rows(one["locks"]), rows(one["extensions"]))
        for one in catalogs["seen"]
    ]
    return ServerAnswers(*(rows(catalogs[name]) for name in ("server", "ages", "activity")), databases=tuple(seen))


def test_a_recorded_server_becomes_one_record() -> None:
    cluster = parse_server(recorded(), ENTRY)
    assert (cluster.server.version, cluster.server.freeze_max_age) == (150_018, 200_000_000)
    assert {age.name for age in cluster.ages} == {"cryptobot", "postgres", "template0", "template1"}
    tables = {table.name: table for table in cluster.databases[0].tables}
    assert (tables["trades"].dead, tables["trades"].live, tables["trades"].may_maintain) == (15_000, 40_000, True)
    assert tables["pg_authid"].shared and tables["orders"].reltuples == -1
    [lock] = cluster.databases[0].locks
    assert (lock.relation, lock.mode) == (tables["orders"].oid, "ShareLock")
    [holder] = cluster.activity
    assert (holder.kind, holder.state) == ("session", "idle in transaction")
    assert holder.xmin_age is not None
    assert "plpgsql" in cluster.installed["cryptobot"]


def test_a_database_that_could_not_be_seen_keeps_the_reason() -> None:
    raw = recorded()._replace(databases=(DatabaseAnswers("auth", None, None, None, "no entry in pg_hba.conf"),))
    [view] = parse_server(raw, ENTRY).databases
    assert (view.name, view.tables, view.error) == ("auth", (), "no entry in pg_hba.conf")


def test_columns_that_are_not_the_expected_ones_are_an_error() -> None:
    with pytest.raises(ParseError, match=r"the server query.*expected the columns version, in_recovery"):
        parse_records(Rows(("version",), ((150_018,),)), Server, "the server query")


def test_the_report_of_a_vacuum_is_read_with_the_rows_that_a_read_had_pruned() -> None:
    report = parse_vacuum_report([(RECORDED / "vacuum_verbose.txt").read_text("utf-8")])
    assert (report.removed, report.dead_items, report.not_removable) == (0, 15_000, 0)
    assert (report.index_scans, report.pages_scanned, report.wal_bytes) == (1, 311, 130_785 + 188)


def test_the_report_of_a_table_and_its_toast_table_are_added_up() -> None:
    report = parse_vacuum_report((RECORDED / "vacuum_verbose_toast.txt").read_text("utf-8").splitlines())
    assert (report.removed, report.pages_scanned, report.index_scans) == (12_000, 5_026, 1)


NO_REPORT = [
    [],
    ["INFO:  Vakuumieren von »public.trades« beendet\nTupel: 5 entfernt\n"],
    ['INFO:  "trades": found 5 removable, 9 nonremovable row versions in 1 out of 1 pages\n'],
]


@pytest.mark.parametrize("notices", NO_REPORT)
def test_another_language_or_an_older_server_gives_no_figures(notices: list[str]) -> None:
    assert parse_vacuum_report(notices).as_dict() == {}
