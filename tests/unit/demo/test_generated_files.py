# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written for real hosts: systemd units and the PostgreSQL script, and that twin lists agree."""

from __future__ import annotations

import configparser
import re
from datetime import datetime

import pytest
from cryptobot_demo.catalog import SERVICES, ports_from
from cryptobot_demo.database import FILES
from cryptobot_demo.postgres import literal, render_sql
from cryptobot_demo.systemd import UnitOptions, render_unit, write_units

from .conftest import DEMO

NOW = datetime.fromisoformat("2026-11-22")
PORTS = {"auth": 8000, "data": 8001, "strategy": 8002, "backtest": 8003, "trade": 8004}
REQUIRES = {
    "auth": None,
    "data": "cryptobot-auth.service",
    "strategy": "cryptobot-auth.service cryptobot-data.service",
    "backtest": "cryptobot-auth.service cryptobot-data.service cryptobot-strategy.service",
    "trade": "cryptobot-auth.service cryptobot-strategy.service",
}
# value of a row, its literal
LITERALS = ((None, "NULL"), (True, "true"), (3, "3"), (0.5, "0.5"), ("it's", "'it''s'"))


def unit_of(name, **options):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(render_unit(SERVICES[name], UnitOptions(**options)))
    return parser


@pytest.mark.parametrize("name", SERVICES)
def test_units_have_the_real_ports_and_dependencies(name):
    unit = unit_of(name)
    assert unit["Service"]["ExecStart"].endswith(f"--port {PORTS[name]}")
    assert unit["Unit"].get("Requires") == REQUIRES[name]
    assert set((REQUIRES[name] or "").split()) <= set(unit["Unit"]["After"].split())


@pytest.mark.parametrize("name", SERVICES)
def test_units_run_as_the_real_ones(name):
    service = unit_of(name)["Service"]
    assert (service["Type"], service["Restart"], service["User"]) == ("simple", "on-failure", "cryptobot")
    assert service["EnvironmentFile"] == "/opt/cryptobot/.env"
    assert service["SyslogIdentifier"] == f"cryptobot-{name}"
    assert service["NoNewPrivileges"] == "true"


def test_options_reach_the_unit():
    service = unit_of("data", install_dir="/srv/bot", user="bot", host="127.0.0.1", base_port=9000, restart_seconds=1)
    assert "--install-dir /srv/bot --host 127.0.0.1 --port 9001" in service["Service"]["ExecStart"]
    assert (service["Service"]["User"], service["Service"]["RestartSec"]) == ("bot", "1")


def test_the_units_in_the_repository_are_the_generated_ones(tmp_path):
    generated = {path.name: path.read_text() for path in write_units(tmp_path, UnitOptions())}
    assert {path.name: path.read_text() for path in (DEMO / "systemd").iterdir()} == generated


def columns_of(script):
    text = "\n".join(line for line in (FILES / script).read_text().splitlines() if not line.startswith("--"))
    tables = re.findall(r"CREATE TABLE (\w+) \((.*?)\);", text, re.DOTALL)
    return {name: re.findall(r"(?:^|,)\s*(\w+) \w+", re.sub(r"\([^()]*\)", "", body)) for name, body in tables}


def test_postgresql_and_sqlite_have_the_same_tables_and_columns():
    sqlite, postgres = columns_of("sqlite.sql"), columns_of("postgres.sql")
    assert len(sqlite["audit_logs"]) == 13
    assert {name: postgres[name] for name in sqlite} == sqlite
    assert set(postgres) - set(sqlite) == {"orders", "trades"}


@pytest.mark.parametrize(("value", "text"), LITERALS)
def test_literals_are_quoted(value, text):
    assert literal(value) == text


def test_the_script_is_the_same_for_the_same_seed():
    arguments = {"now": NOW, "audit_rows": 100, "bloat_rounds": 0}
    assert render_sql(seed=1, **arguments) == render_sql(seed=1, **arguments)
    assert render_sql(seed=1, **arguments) != render_sql(seed=2, **arguments)


def test_bloat_is_made_by_updates_of_an_indexed_column_that_autovacuum_leaves_alone():
    script = render_sql(seed=1, now=NOW, audit_rows=100, bloat_rounds=3)
    assert script.count("UPDATE audit_logs SET severity") == 3
    assert "autovacuum_enabled = false" in script
    assert "ix_audit_logs_severity" in script
    assert "UPDATE" not in render_sql(seed=1, now=NOW, audit_rows=100, bloat_rounds=0)


def test_ports_count_up_in_start_order():
    assert ports_from(8000) == PORTS
    assert list(SERVICES) == list(PORTS)


def test_every_service_starts_after_what_it_depends_on():
    names = list(SERVICES)
    assert [
        (name, other) for name in names for other in SERVICES[name].depends_on if names.index(other) > names.index(name)
    ] == []
