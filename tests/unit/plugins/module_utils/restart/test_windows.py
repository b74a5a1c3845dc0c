# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_restart on Windows: by the service control manager, in our order, and what runs before runs after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.collect import collect_census
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.record import NAME, Record, write_record
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS

from .systemd_host import ORDERS
from .windows_host import Service, WindowsHost

DEFAULTS = {name: option["default"] for name, option in SPEC.items() if "default" in option}
TRADING = {name: option.get("default") for name, option in OPTIONS.items()}
TRADING["orders_path"] = "/api/trades/orders?status=open"
QUICK = {"gate_timeout": 0.05, "gate_delay": 0.01, "gate_settle": 0.0, "start_retries": 0, "when": "always"}
SERVICES: list[dict[str, Any]] = [
    {"name": "auth", "service": "CryptobotAuth"},
    {"name": "strategy", "service": "cryptobotstrategy", "depends_on": ["auth"]},
    {"name": "trade", "service": "CryptobotTrade", "depends_on": ["strategy"]},
    {"name": "alone", "service": 'it\'s "quoted" $(x) [1]'},
]
QUOTED = 'it\'s "quoted" $(x) [1]'


def _host(**changes: Service) -> WindowsHost:
    given = {name: Service() for name in ("CryptobotAuth", "CryptobotStrategy", "CryptobotTrade", QUOTED)}
    return WindowsHost(**{**given, **changes})


def _run(host: WindowsHost, tmp_path: Path, check_mode: bool = False, **options: Any) -> Result:
    url = {"url": "http://127.0.0.1:8004", "asks": 1, "workers": 1}
    given = {"services": SERVICES, "trading": {**TRADING, **url}, "state_dir": str(tmp_path)}
    return run({**DEFAULTS, **QUICK, **given, **options}, host, check_mode)


def _steps(result: Result, *states: str) -> list[str]:
    return [f"{a.action} {a.subject}" for a in result.actions if a.state in states]


def _found(result: Result, check: str) -> dict[str, str]:
    return {f.subject: f.status for f in result.findings if f.check == check}


def _told(result: Result, check: str) -> str:
    return " ".join(f.message for f in result.findings if f.check == check)


ORDER = ["-CryptobotTrade", "-CryptobotStrategy", "-CryptobotAuth"]
ORDER += ["+CryptobotAuth", "+CryptobotStrategy", "+CryptobotTrade"]


def test_services_are_stopped_and_started_in_the_order_of_dependencies(tmp_path: Path) -> None:
    host = _host()
    planned = _run(host, tmp_path, check_mode=True)
    assert host.log == []
    result = _run(host, tmp_path)
    assert host.log == [*ORDER, f"-{QUOTED}", f"+{QUOTED}"]
    assert _steps(planned, "planned") == _steps(result, "done")
    assert (result.failure, planned.changed, result.changed) == ("", True, True)
    assert not (tmp_path / NAME).exists()


def test_what_did_not_run_is_left_alone(tmp_path: Path) -> None:
    host = _host(CryptobotTrade=Service(state="Stopped"))
    _run(host, tmp_path, only=["auth"])
    assert "+CryptobotTrade" not in host.log
    assert host.services["CryptobotTrade"].state == "Stopped"


def test_what_the_manager_knows_of_dependencies_counts_as_well(tmp_path: Path) -> None:
    host = _host(**{QUOTED: Service(requires=("CryptobotTrade",))})
    result = _run(host, tmp_path, only=["trade"])
    assert host.log == [f"-{QUOTED}", "-CryptobotTrade", "+CryptobotTrade", f"+{QUOTED}"]
    assert result.failure == ""


def test_a_service_that_strangers_depend_on_is_refused_and_not_forced(tmp_path: Path) -> None:
    host = _host(Stranger=Service(requires=("CryptobotAuth",)))
    result = _run(host, tmp_path)
    assert sorted(host.log) == sorted([*ORDER[:2], *ORDER[4:], f"-{QUOTED}", f"+{QUOTED}"])
    assert _found(result, "restart.refused")["auth"] == "warning"
    assert "Stranger (declare it, or stop it first)" in _told(result, "restart.refused")
    assert {"Stranger", "CryptobotAuth"} <= host.running


def test_a_stranger_that_does_not_run_stands_in_nobodys_way(tmp_path: Path) -> None:
    host = _host(Stranger=Service(requires=("CryptobotAuth",), state="Stopped"))
    assert _run(host, tmp_path).failure == ""
    assert "-CryptobotAuth" in host.log


OBSTACLES = [
    (Service(mode="Disabled"), "it is disabled, which is left as it is"),
    (Service(can_stop=False), "takes no order to stop"),
]


@pytest.mark.parametrize(("service", "why"), OBSTACLES)
def test_a_service_that_could_not_be_started_again_is_not_stopped(service: Service, why: str, tmp_path: Path) -> None:
    host = _host(CryptobotTrade=service)
    result = _run(host, tmp_path)
    assert why in _told(result, "restart.refused")
    assert "-CryptobotTrade" not in host.log
    assert "CryptobotTrade" in host.running


def test_where_nothing_tells_what_depends_on_a_service_it_is_not_stopped(tmp_path: Path) -> None:
    host = _host()
    host.refused["ties"] = "Zugriff verweigert"
    result = _run(host, tmp_path)
    assert host.log == []
    assert set(_found(result, "restart.refused")) == {"auth", "strategy", "trade", "alone"}
    assert "Zugriff verweigert" in _told(result, "restart.refused")


def test_without_the_services_everything_is_unknown_and_nothing_is_touched(tmp_path: Path) -> None:
    host = _host()
    host.refused["services"] = "Access is denied"
    result = _run(host, tmp_path)
    assert host.log == []
    assert set(_found(result, "restart.needed").values()) == {"unknown"}


def test_without_powershell_everything_is_unknown_and_nothing_is_touched(tmp_path: Path) -> None:
    host = _host()
    host.broken_powershell = ToolTimeout("the command 'powershell.exe'", 60.0)
    result = _run(host, tmp_path, check_mode=True)
    assert (host.log, set(_found(result, "restart.needed").values())) == ([], {"unknown"})


def test_a_service_that_does_not_stop_leaves_all_that_ran_running(tmp_path: Path) -> None:
    host = _host(CryptobotStrategy=Service(stuck=True))
    result = _run(host, tmp_path, only=["auth"], stop_timeout=0.0)
    assert "the service cryptobotstrategy is StopPending" in result.failure
    assert "CryptobotTrade" in host.running
    assert "CryptobotAuth" in host.running


def test_what_windows_says_in_its_language_is_passed_on_and_not_read(tmp_path: Path) -> None:
    host = _host(CryptobotTrade=Service(broken=5))
    result = _run(host, tmp_path, only=["trade"])
    assert "kann nicht gestartet werden" in result.failure
    assert _found(result, "restart.left") == {"trade": "critical"}
    assert (tmp_path / NAME).exists()


def test_an_interrupted_restart_is_repaired_roots_first(tmp_path: Path) -> None:
    stopped = {name: Service(state="Stopped") for name in ("CryptobotAuth", "CryptobotTrade")}
    host = _host(**stopped)
    _leave_record(host, tmp_path, "auth", "trade")
    result = _run(host, tmp_path, when="needed")
    assert host.log == ["+CryptobotAuth", "+CryptobotTrade"]
    assert result.failure == ""


def _leave_record(host: Any, tmp_path: Path, *names: str) -> None:
    """Leave the record of a run that was interrupted while it stopped these services."""
    record = Record(
        names,
        host.now() - 60,
        boot_id=collect_census(host).boot_id,
        marks={name: {"file_state": "enabled"} for name in names},
        phases={name: {"phase": "stopping", "until": host.now()} for name in names},
    )
    write_record(str(tmp_path), record)


@pytest.mark.case("SV5")
def test_a_service_that_was_disabled_since_is_not_started(tmp_path: Path) -> None:
    host = _host(CryptobotTrade=Service(state="Stopped", mode="Disabled"), CryptobotAuth=Service(state="Stopped"))
    _leave_record(host, tmp_path, "auth", "trade")
    _run(host, tmp_path, when="needed")
    assert host.log == ["+CryptobotAuth"]


@pytest.mark.case("SV3")
def test_the_trading_guard_is_asked_for_a_service_that_only_windows_ties(tmp_path: Path) -> None:
    loose = [{k: v for k, v in service.items() if k != "depends_on"} for service in SERVICES]
    host = _host(CryptobotTrade=Service(requires=("CryptobotAuth",)))
    host.replies[ORDERS] = (200, '[{"id": "o-17", "status": "OPEN"}]')
    result = _run(host, tmp_path, services=loose, only=["auth"])
    assert host.log == []
    assert "1 order is in flight" in _told(result, "restart.refused")


def test_a_trouble_is_critical_once_where_it_begins(tmp_path: Path) -> None:
    broken = {name: Service(broken=9) for name in ("CryptobotAuth", "CryptobotTrade")}
    result = _run(_host(**broken), tmp_path, only=["auth"])
    assert _found(result, "restart.left") == {"auth": "critical", "trade": "warning"}
    assert "look at auth first: trade depends on it" in _told(result, "restart.left")
    assert result.failure.index("auth") < result.failure.index("trade")


FLYING = (200, '[{"id": "o-17", "status": "OPEN"}]')


def test_orders_in_flight_and_orders_that_cannot_be_known_refuse_the_restart(tmp_path: Path) -> None:
    for reply in (FLYING, (500, ""), ToolTimeout("GET", 5.0)):
        host = _host()
        host.replies[ORDERS] = reply
        result = _run(host, tmp_path, services=[{**SERVICES[2], "depends_on": []}])
        assert host.log == []
        assert _found(result, "restart.refused") == {"trade": "warning"}


SCRIPT = {
    "name": "bot",
    "pid_file": "C:\\bot.pid",
    "command": ["C:\\Python39\\python.exe", "bot.py"],
    "process": "bot.py",
}


class ScriptHost(WindowsHost):
    """A Windows with one script-started service, that its stop command ends and Win32_Process.Create starts."""

    def __init__(self) -> None:
        super().__init__(bot=Service(path="C:\\Python39\\python.exe bot.py"))
        self.files["C:\\bot.pid"] = str(self.services["bot"].pid)

    def run(self, argv: Any, **options: Any) -> Any:
        if argv[0] == "stop-bot":
            self.log.append("-bot")
            self.services["bot"].state = "Stopped"
            return None
        return super().run(argv, **options)

    def _services(self, _script: str) -> list[dict[str, Any]]:
        return []

    def _create(self, script: str) -> list[dict[str, Any]]:
        assert "bot.py" in script
        self.log.append("+bot")
        service = self.services["bot"]
        service.state = "Running"
        self._begin(service)
        self.files["C:\\bot.pid"] = str(service.pid)
        return [{"ReturnValue": 0, "ProcessId": service.pid}]


def test_a_script_without_a_stop_command_is_refused_by_the_name_of_the_option(tmp_path: Path) -> None:
    host = ScriptHost()
    result = _run(host, tmp_path, services=[SCRIPT], trading=dict(TRADING))
    assert host.log == []
    assert "services[bot].stop_command is not given" in _told(result, "restart.refused")


def test_a_script_is_stopped_by_its_command_and_started_on_its_own_feet(tmp_path: Path) -> None:
    host = ScriptHost()
    services = [{**SCRIPT, "stop_command": ["stop-bot"]}]
    result = _run(host, tmp_path, services=services, trading=dict(TRADING))
    assert (host.log, result.failure) == (["-bot", "+bot"], "")


@pytest.mark.parametrize("what", [{"user": "svc"}, {"output": "C:\\x.log"}, {"environment": {"A": "1"}}])
def test_what_a_start_on_windows_cannot_heed_is_refused_before_the_stop(what: dict[str, Any], tmp_path: Path) -> None:
    host = ScriptHost()
    services = [{**SCRIPT, "stop_command": ["stop-bot"], **what}]
    result = _run(host, tmp_path, services=services, trading=dict(TRADING))
    assert (host.log, "cannot be heeded" in _told(result, "restart.refused")) == ([], True)
