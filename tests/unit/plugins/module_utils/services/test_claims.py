# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where else the port of a service is named."""

from __future__ import annotations

import pytest
from fake_host import FakeHost, denied

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.claims import (
    collect_claims,
    ports_in_command,
    ports_in_environment,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Claim

from .builders import make_process, make_service, make_unit

COMMANDS = [
    ("uvicorn auth.main:app --host 0.0.0.0 --port 8000 --workers 4", (8000,)),
    ("uvicorn auth.main:app --port=8000", (8000,)),
    ("gunicorn -b 127.0.0.1:8000 app", (8000,)),
    ("gunicorn --bind [::1]:8000 app", (8000,)),
    ("prometheus --web.listen-address=0.0.0.0:9090", (9090,)),
    ("serve -p 8000", (8000,)),
    ("psql -h db -p5432x", ()),
    ("serve --timeout 8000 --ports 12", ()),
    ("", ()),
]

ENVIRONMENTS = [
    ("auth", "AUTH_PORT=8000\nDATA_PORT=8001\n", False, (8000,)),
    ("auth", "AUTH_SERVICE_PORT='8000'", False, (8000,)),
    ("auth", 'CRYPTOBOT_AUTH_PORT="8000"', False, (8000,)),
    ("auth", "OAUTH_PORT=8000", False, ()),
    ("auth", "PORT=8000", False, ()),
    ("auth", 'WORKERS=4 "PORT=8000" X=1', True, (8000,)),
    ("mcp-router", "MCP_ROUTER_PORT=8010", False, (8010,)),
    ("auth", "AUTH_PORT=8000.5", False, ()),
    ("auth", "DB_PORT=5432\nREDIS_PORT=6379", True, ()),
]


@pytest.mark.parametrize(("command", "ports"), COMMANDS)
def test_ports_are_read_from_a_command_line(command, ports):
    assert ports_in_command(command) == ports


@pytest.mark.parametrize(("name", "text", "own", "ports"), ENVIRONMENTS)
def test_only_the_ports_of_that_service_are_read_from_an_environment(name, text, own, ports):
    assert ports_in_environment(name, text, own=own) == ports


def test_every_place_is_asked_and_nothing_but_ports_is_kept():
    unit = make_unit()._replace(environment="PORT=8005 SECRET=8006", environment_files=("/opt/.env", "/gone"))
    service = make_service(
        unit="cryptobot-auth", declared_in=[{"path": "/etc/prometheus.yml", "pattern": r"auth:(\d+)"}]
    )
    files = {"/opt/.env": "PORT=8030\nAUTH_PORT=8010\nPASSWORD=9999\n", "/etc/prometheus.yml": "targets: [auth:8020]\n"}
    main = make_process(command=("serve", "--port", "8001"))
    assert collect_claims(FakeHost(files=files), service, unit, main) == (
        Claim("ExecStart of cryptobot-auth.service", 8000),
        Claim("Environment of cryptobot-auth.service", 8005),
        Claim("/opt/.env", 8010),
        Claim("the running command line", 8001),
        Claim("/etc/prometheus.yml", 8020),
    )


PROBLEMS = [
    ({}, "/etc/prometheus.yml does not exist"),
    ({"/etc/prometheus.yml": denied("/etc/prometheus.yml")}, "cannot be read"),
    ({"/etc/prometheus.yml": "nothing here"}, "finds no port"),
    ({"/etc/prometheus.yml": "auth:x"}, "finds no port"),
]


@pytest.mark.parametrize(("files", "problem"), PROBLEMS)
def test_a_declared_place_that_names_no_port_is_a_problem(files, problem):
    service = make_service(declared_in=[{"path": "/etc/prometheus.yml", "pattern": r"auth:(\w*)"}])
    (claim,) = collect_claims(FakeHost(files=files), service, None, None)
    assert problem in claim.unavailable


def test_an_environment_file_that_may_not_be_read_is_a_problem():
    unit = make_unit()._replace(exec_start="", environment="", environment_files=("/opt/.env",))
    (claim,) = collect_claims(FakeHost(files={"/opt/.env": denied("/opt/.env")}), make_service(), unit, None)
    assert "cannot be read" in claim.unavailable
