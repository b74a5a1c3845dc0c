# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remedy fits the state that a service is in, and can be pasted; its last error line is quoted as data."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.checks import CHECKS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.lastwords import last_error, quote_errors
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.observed import Answer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_network import (
    judge_health,
    judge_ports,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_state import judge_state

from .builders import NOW, make_case, make_observed, make_process, make_service, make_socket, make_unit

UNIT = "cryptobot-auth.service"
DEAD = {"active": "inactive", "sub": "dead", "result": "success"}
STATES = [
    ("no such unit", None, "systemctl list-unit-files --no-pager '*cryptobot-auth*'"),
    ("masked", {"load": "masked"}, f"systemctl unmask {UNIT} && systemctl start {UNIT}"),
    ("not loadable", {"load": "bad-setting", "files": ("/etc/x.service",)}, "systemd-analyze verify /etc/x.service"),
    (
        "no program",
        {"active": "failed", "exit_code": 1, "exit_status": 203, "exec_start": "/opt/no"},
        "ls -lL /opt/no",
    ),
    (
        "given up",
        {"active": "failed", "result": "start-limit-hit", "exit_code": 1, "exit_status": 1},
        f"systemctl reset-failed {UNIT} && systemctl start {UNIT}",
    ),
    ("stopped by hand", DEAD, f"It was stopped, it did not fail: systemctl start {UNIT}"),
    ("failed", {"active": "failed", "exit_code": 1, "exit_status": 1}, f"journalctl -u {UNIT} -n 50 --no-pager;"),
]


def _only(findings):
    (finding,) = findings
    return finding


@pytest.mark.case("SV17")
@pytest.mark.parametrize(("fields", "words"), [row[1:] for row in STATES], ids=[row[0] for row in STATES])
def test_the_remedy_of_a_state_is_one_for_that_state(fields, words):
    unit = None if fields is None else make_unit(**fields)
    finding = _only(judge_state(make_case(make_observed(unit=unit, main=None))))
    assert (finding.status, words in finding.remedy) == ("critical", True)


PORT = make_service(unit="cryptobot-auth", port=8000)
PORTS = [
    ("nobody listens, Linux", [], "linux", "ss -Hlnpt 'sport = :8000'"),
    ("nobody listens, macOS", [], "darwin", "lsof -nP -iTCP:8000"),
    ("nobody listens, Windows", [], "windows", "Get-NetTCPConnection -LocalPort 8000"),
    ("a stranger, Linux", [make_socket(8000, pids=(99,))], "linux", "ps -o pid,user,lstart,args -p 99"),
    ("a stranger, Windows", [make_socket(8000, pids=(99,))], "windows", "-Filter 'ProcessId=99'"),
]


@pytest.mark.case("SV17")
@pytest.mark.parametrize(("sockets", "platform", "words"), [row[1:] for row in PORTS], ids=[row[0] for row in PORTS])
def test_a_stray_process_is_only_spoken_of_where_there_is_one(sockets, platform, words):
    stranger = make_process(99, command=("nginx",), unit="nginx.service")
    case = make_case(make_observed(PORT), sockets=sockets, processes={99: stranger}, platform=platform)
    finding = _only(judge_ports(case))
    assert (finding.status, words in finding.remedy) == ("critical", True)
    assert ("nginx.service" in finding.remedy) == bool(sockets)
    assert "stray" not in finding.remedy


@pytest.mark.case("SV17")
def test_the_remedy_of_a_bad_answer_asks_the_real_url():
    service = make_service(unit="cryptobot-auth", port=8000, health={"path": "/health?key=s3same"})
    seen = replace(make_observed(service), answer=Answer(problem="it answers 500", status=500))
    remedy = _only(judge_health(make_case(seen))).remedy
    assert remedy.startswith("curl -sSi http://127.0.0.1:8000/health;")
    assert "s3same" not in remedy


@pytest.mark.case("SV17")
@pytest.mark.parametrize("check", CHECKS)
def test_no_remedy_has_a_gap_to_fill_in(check):
    assert re.search(r"<\w+>", CHECKS[check].remedy) is None


def _line(age, message):
    return json.dumps({"__REALTIME_TIMESTAMP": str(round((NOW - age) * 1e6)), "MESSAGE": message})


LOG = [
    _line(50, "Started"),
    _line(40, "ConnectionRefusedError: port 5432"),
    _line(30, "ModuleNotFoundError: No module named 'ta' password=hunter22 \x1b[31m\n" + "x" * 500),
    _line(20, "INFO all is well"),
    "{broken",
    json.dumps({"__REALTIME_TIMESTAMP": "1", "MESSAGE": [1, 2]}),
]


@pytest.mark.case("SV17")
def test_a_bad_finding_quotes_the_last_error_of_its_service_once_and_as_data():
    host = FakeHost(commands={"journalctl": "\n".join(LOG)})
    case = make_case(make_observed(unit=make_unit(active="failed", exit_code=1, exit_status=1), main=None))
    found = quote_errors(host, [case], {"auth": list(judge_state(case))})["auth"]
    message = _only(found).message
    assert "its last error, 2027-01-15 07:59:30Z: \"ModuleNotFoundError: No module named 'ta'" in message
    assert "hunter22" not in message
    assert "\x1b" not in message
    assert len(message) < 400
    assert f"_SYSTEMD_UNIT={UNIT}" in host.ran[0]


@pytest.mark.case("SV17")
@pytest.mark.parametrize("answer", ["", _line(5, "all is well"), (1, "", "No journal files were opened\n")])
def test_without_an_error_line_nothing_is_quoted(answer):
    assert last_error(FakeHost(commands={"journalctl": answer}), UNIT, NOW) == ""


def test_a_well_service_is_not_asked_for_its_errors():
    host, case = FakeHost(), make_case()
    quote_errors(host, [case], {"auth": list(judge_state(case))})
    assert host.ran == []
