# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows answers to the queries of a restart, recorded: anything but a clear yes stops nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, SourceMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.managers import manager_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import Prepared
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.order import united
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.windows import (
    Ties,
    collect_ties,
    start_script,
    start_service,
    stop_service,
    stopped_along,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Service
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Observation, Unit

FIXTURES = Path(__file__).parents[4] / "fixtures" / "powershell" / "restart"


def _host(query: str, fixture: str) -> FakeHost:
    answer = json.loads((FIXTURES / f"{fixture}.json").read_text(encoding="utf-8"))
    given = answer if isinstance(answer, dict) else {"value": answer}
    return FakeHost("windows", commands={"powershell.exe": json.dumps({query: given})})


def _service(name: str, **changes: Any) -> Service:
    return Service(name, unit=name, managed_by="windows", **changes)


def _ties(fixture: str, *names: str) -> dict[str, Any]:
    return collect_ties(_host("ties", fixture), [_service(name) for name in names])


READ = [
    ("windows-server-2019/ties", "CryptobotAuth", ("CryptobotStrategy", "CryptobotTrade")),
    ("windows-server-2019/ties", "cryptobotTRADE", ()),
    ("windows-server-2022/ties", "IISADMIN", ("W3SVC", "MSFTPSVC")),
    ("windows-server-2019-de/ties", "CryptobotAuth", ("CryptobotTrade",)),
    ("hostile/ties", 'it\'s "quoted" $(x) [1]', ("b\0ad", "\u202eevil", "x" * 300)),
    ("hostile/ties", "one dependent, unwrapped", ("Only",)),
]


@pytest.mark.parametrize(("fixture", "name", "dependents"), READ)
def test_who_depends_on_a_service_is_read(fixture: str, name: str, dependents: tuple[str, ...]) -> None:
    known = _ties(fixture, name)[name]
    assert isinstance(known, Ties)
    assert known.dependents == dependents


def test_a_service_that_is_not_answered_about_is_not_known() -> None:
    assert isinstance(_ties("windows-server-2022/ties", "Nobody")["Nobody"], SourceMissing)


def _obstacle(known: dict[str, Any], seen: Observation) -> str:
    host = FakeHost("windows")
    return manager_of(host, seen.service).obstacle(host, seen, None, Prepared([seen.service], known=known))


UNKNOWN = ["ties-no-dependents", "ties-no-object", "ties-can-stop-is-text"]


@pytest.mark.parametrize("fixture", UNKNOWN)
def test_an_answer_that_is_none_is_an_obstacle(fixture: str) -> None:
    known = _ties(f"hostile/{fixture}", "CryptobotAuth")
    seen = Observation(_service("CryptobotAuth"), unit=Unit("CryptobotAuth", ("CryptobotAuth",), active="active"))
    assert "it is not known whether" in _obstacle(known, seen)


OBSTACLES = [("CryptoBotAuth", "it is disabled"), ("CryptoBotData", "takes no order"), ("CryptoBotTrade", "")]


@pytest.mark.parametrize(("name", "why"), OBSTACLES)
def test_what_stands_against_a_restart_is_told(name: str, why: str) -> None:
    seen = Observation(_service(name), unit=Unit(name, (name,), active="active"))
    found = _obstacle(_ties("windows-11/ties", name), seen)
    assert (why in found) if why else found == ""


def test_what_windows_knows_is_added_to_what_is_declared_once() -> None:
    names = ("CryptobotAuth", "CryptobotStrategy", "CryptobotTrade")
    declared = [_service(name) for name in names[:2]] + [_service("CryptobotTrade", depends_on=("CryptobotAuth",))]
    tied = united(declared, stopped_along(declared, _ties("windows-server-2019/ties", *names)))
    assert [service.depends_on for service in tied] == [
        (),
        ("CryptobotAuth",),
        ("CryptobotAuth", "CryptobotStrategy"),
    ]


def test_orders_that_are_done_are_done() -> None:
    stop_service(_host("stop", "windows-server-2019/stop"), "x", 1.0)
    start_service(_host("start", "windows-server-2019/start"), "x", 1.0)


REFUSED = [
    ("windows-server-2022/stop", "is StopPending 1 s after"),
    ("windows-server-2019-de/stop-refused", "da andere Dienste von ihm abhängig sind"),
    ("hostile/stop-null", "in an unknown state"),
    ("hostile/stop-empty", "in an unknown state"),
    ("hostile/stop-odd", "in an unknown state"),
]


@pytest.mark.parametrize(("fixture", "why"), REFUSED)
def test_a_stop_that_is_not_done_is_an_error_with_its_reason(fixture: str, why: str) -> None:
    with pytest.raises(CoreError, match=why):
        stop_service(_host("stop", fixture), "x", 1.0)


@pytest.mark.parametrize("fixture", ["windows-server-2022/start", "windows-server-2019-de/start-refused"])
def test_a_start_that_is_not_done_is_an_error(fixture: str) -> None:
    with pytest.raises(CoreError, match="the service x"):
        start_service(_host("start", fixture), "x", 1.0)


@pytest.mark.parametrize(
    "fixture", ["windows-11/create", "hostile/create-text", "hostile/stop-null", "hostile/stop-empty"]
)
def test_a_process_that_was_not_made_is_an_error(fixture: str) -> None:
    with pytest.raises(CoreError, match=r"Win32_Process\.Create gives"):
        start_script(_host("create", fixture), _service("bot", command=("bot",)), lambda: True, print, 1.0)


def test_a_script_that_writes_no_pid_file_gets_one() -> None:
    written: list[int] = []
    host = _host("create", "windows-server-2022/create")
    host.pause = lambda seconds: None  # type: ignore[method-assign]
    start_script(host, _service("bot", command=("bot",)), lambda: False, written.append, 10.0)
    assert written == [5124]
