# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line families of the real services, by the expressions that a log parser would use."""

from __future__ import annotations

import ast
import json
import logging
import re
import sys

import pytest
from cryptobot_demo.catalog import SERVICES
from cryptobot_demo.endpoints import Application
from cryptobot_demo.logs import SERVER, set_up_logging
from cryptobot_demo.traffic import play

UVICORN = re.compile(r'^(INFO|ERROR|WARNING): +127\.0\.0\.1:\d+ - "[A-Z]+ /\S* HTTP/1\.1" \d{3} ')
BARE = re.compile(r"^(DEBUG|INFO|WARNING|ERROR):([\w.-]+):(.*)$")
STAMPED = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - ([\w.-]+) - (INFO|WARNING|ERROR) - (.*)$")
SQL = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO sqlalchemy\.engine\.Engine SELECT ")

# service, a family of lines that its log must hold
FAMILIES = [(name, UVICORN) for name in SERVICES]
FAMILIES += [("auth", BARE), ("data", BARE), ("strategy", BARE), ("trade", STAMPED), ("auth", SQL)]

# service, logger of its JSON lines, keys
JSON_LINES = (
    ("data", "api", {"request_id", "method", "path", "client_ip", "user_agent", "timestamp", "type"}),
    ("strategy", "strategy-service", {"request_id", "type", "status_code", "process_time_ms"}),
    ("trade", "trade-service", {"request_id", "type", "status_code"}),
)

# service, something worth finding in a log review
NOTABLE = (
    ("data", "Traceback (most recent call last):"),
    ("data", "ERROR:    Exception in ASGI application"),
    ("data", "429 Too Many Requests"),
    ("strategy", "Slow query detected (0.73s): SELECT"),
    ("backtest", "run_backtest executed in"),
    ("trade", "Transitioning from CLOSED to OPEN"),
    ("auth", "Invalid credentials"),
)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    root = logging.getLogger()
    before, level, stdout = list(root.handlers), root.level, sys.stdout
    try:
        return {name: log_of(name, tmp_path_factory.mktemp(name)) for name in SERVICES}
    finally:
        logging.basicConfig(handlers=before or [logging.NullHandler()], level=level, force=True)
        sys.stdout = stdout


def log_of(name, folder):
    sys.stdout = (folder / "stdout").open("w")
    set_up_logging(name, folder)
    play(Application(SERVICES[name], folder), 0, 60)
    SERVER.info("Started server process [%d]", 1)
    sys.stdout.close()
    return (folder / f"{name}_service.log").read_text()


@pytest.mark.parametrize(("service", "family"), FAMILIES)
def test_the_log_has_the_families_of_the_real_service(logs, service, family):
    assert [line for line in logs[service].splitlines() if family.match(line)]


@pytest.mark.parametrize(("service", "needle"), NOTABLE)
def test_the_log_holds_something_to_find(logs, service, needle):
    assert needle in logs[service]


@pytest.mark.parametrize(("service", "logger", "keys"), JSON_LINES)
def test_payloads_of_the_logging_middleware_are_json(logs, service, logger, keys):
    line = next(line for line in logs[service].splitlines() if logger in line and '"type": "response"' in line)
    assert keys <= set(json.loads(line[line.index("{") :]))


def test_payloads_of_auth_are_a_python_dict_and_not_json(logs):
    line = next(line for line in logs["auth"].splitlines() if line.startswith("INFO:auth-service:"))
    text = line[line.index("{") :]
    assert ast.literal_eval(text)["process_time"] == "0.003s"
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_each_statement_is_logged_twice(logs):
    statements = [line for line in logs["auth"].splitlines() if "SELECT users.id" in line]
    assert len([line for line in statements if SQL.match(line)]) == len(statements) / 2


def test_uvicorn_pads_its_level_to_ten_columns(logs):
    assert "INFO:     Started server process [1]" in logs["trade"]
