# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_restart on a host whose systemd is a table."""

from __future__ import annotations

import json

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolFailed, ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.record import NAME
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS

from .systemd_host import ORDERS, ProcessHost, SystemdHost, Unit

DEFAULTS = {name: option["default"] for name, option in SPEC.items() if "default" in option}
TRADING = {name: option.get("default") for name, option in OPTIONS.items()}
TRADING["orders_path"] = "/api/trades/orders?status=open"
QUICK = {"gate_timeout": 0.05, "gate_delay": 0.01, "gate_settle": 0.0, "start_retries": 0}
SERVICES = [
    {"name": "auth", "unit": "auth"},
    {"name": "strategy", "unit": "strategy", "depends_on": ["auth"]},
    {"name": "trade", "unit": "trade", "depends_on": ["strategy"], "port": 8004},
    {"name": "alone", "unit": "alone"},
]
NO_PORTS = [{key: value for key, value in service.items() if key != "port"} for service in SERVICES]
FLYING = (200, '[{"id": "o-17", "status": "OPEN"}]')


def _host(**units):
    given = {
        "auth": Unit(),
        "strategy": Unit(requires=("auth.service",)),
        "trade": Unit(requires=("strategy.service",)),
        "alone": Unit(),
    }
    return SystemdHost(**{**given, **units})


def _run(host, tmp_path, check_mode=False, *, services=NO_PORTS, trading=None, **options):
    url = {"url": "http://127.0.0.1:8004", "asks": 1, "workers": 1, **(trading or {})}
    given = {"services": services, "trading": {**TRADING, **url}, "state_dir": str(tmp_path)}
    return run({**DEFAULTS, **QUICK, **given, **options}, host, check_mode)


def _steps(result, *states):
    return [f"{a.action} {a.subject}" for a in result.actions if a.state in states]


def _status(result, check, subject):
    (found,) = [f.status for f in result.findings if (f.check, f.subject) == (check, subject)]
    return found


def test_units_are_stopped_and_started_in_the_order_of_dependencies(tmp_path):
    host = _host()
    result = _run(host, tmp_path, when="always")
    assert host.log == ["-trade", "-strategy", "-auth", "+auth", "+strategy", "+trade", "-alone", "+alone"]
    assert (result.failure, result.changed, host.running) == ("", True, {"auth", "strategy", "trade", "alone"})


SITUATIONS = [
    ("everything", {}, {"when": "always"}),
    ("nothing", {}, {"max_uptime": "0"}),
    ("old ones", {"alone": Unit(since=999_000.0)}, {}),
    ("unit files changed", {"alone": Unit(need_reload=True)}, {"max_uptime": "0"}),
    ("some stopped", {"trade": Unit(requires=("strategy.service",), since=None)}, {"when": "always"}),
    ("only one", {}, {"when": "always", "only": ["alone"]}),
    ("one excepted", {}, {"when": "always", "except": ["trade"]}),
    (
        "not declared, but required",
        {"dashboard": Unit(requires=("auth.service",))},
        {"when": "always", "only": ["auth"]},
    ),
]


@pytest.mark.parametrize(("units", "options"), [row[1:] for row in SITUATIONS], ids=[row[0] for row in SITUATIONS])
def test_check_mode_plans_what_a_run_does(units, options, tmp_path):
    planned = _run(_host(**units), tmp_path, True, **options)
    untouched = _host(**units)
    _run(untouched, tmp_path, True, **options)
    done = _run(_host(**units), tmp_path, **options)
    assert _steps(planned, "planned", "skipped") == _steps(done, "done", "skipped")
    assert planned.changed == done.changed
    assert untouched.log == []


def test_a_second_run_finds_nothing_to_do(tmp_path):
    host = _host(alone=Unit(need_reload=True))
    first, second = _run(host, tmp_path), _run(host, tmp_path)
    assert (first.changed, second.changed) == (True, False)
    assert _steps(first, "done")[0] == "reload systemd"


def test_what_systemd_stops_without_being_asked_runs_again(tmp_path):
    host = _host(dashboard=Unit(requires=("auth.service",)), widget=Unit(requires=("dashboard.service",)))
    before = host.running
    result = _run(host, tmp_path, when="always", only=["auth"])
    assert host.running == before
    assert "start dashboard.service" in _steps(result, "done")
    assert host.log.index("-widget.service" if "-widget.service" in host.log else "-widget") < host.log.index("-auth")


def test_a_follower_that_did_not_run_is_not_started(tmp_path):
    host = _host(dashboard=Unit(requires=("auth.service",), since=None))
    _run(host, tmp_path, when="always")
    assert "dashboard" not in host.running


def test_a_unit_that_does_not_start_fails_the_run_and_the_others_run(tmp_path):
    host = _host(strategy=Unit(requires=("auth.service",), broken=1))
    result = _run(host, tmp_path, when="always")
    assert "strategy did not pass its health gate" in result.failure
    assert host.running == {"auth", "strategy", "trade", "alone"}
    assert _status(result, "restart.left", "services") == "ok"
    assert not (tmp_path / NAME).exists()


def test_a_later_group_is_not_touched_after_a_failure(tmp_path):
    host = _host(strategy=Unit(requires=("auth.service",), broken=1))
    result = _run(host, tmp_path, when="always")
    assert "-alone" not in host.log
    assert "an earlier step failed" in [a.reason for a in result.actions if a.subject == "alone"]


def test_a_unit_that_never_starts_is_named_and_left_in_the_record(tmp_path):
    host = _host(trade=Unit(requires=("strategy.service",), broken=9))
    result = _run(host, tmp_path, when="always")
    assert _status(result, "restart.left", "trade") == "critical"
    assert host.running == {"auth", "strategy", "alone"}
    assert "trade" in json.loads((tmp_path / NAME).read_text())["running"]
    host.units["trade.service"].broken = 0
    again = _run(host, tmp_path)
    assert _steps(again, "done")[0] == "start trade"
    assert not (tmp_path / NAME).exists()


def test_a_failed_start_is_tried_again(tmp_path):
    host = _host(alone=Unit(broken=1))
    result = _run(host, tmp_path, when="always", only=["alone"], start_retries=1)
    assert (result.failure, host.log) == ("", ["-alone", "+alone", "-alone", "+alone"])


def test_a_unit_that_cannot_be_stopped_fails_the_run_and_nothing_stays_down(tmp_path):
    host = _host(strategy=Unit(requires=("auth.service",), stuck=True))
    result = _run(host, tmp_path, when="always")
    assert "canceled" in result.failure
    assert host.running == {"auth", "strategy", "trade", "alone"}
    assert _steps(result, "failed")[0] == "stop strategy"


def test_an_order_that_comes_in_after_the_plan_still_protects(tmp_path):
    class Busy(SystemdHost):
        asked = 0

        def http(self, url, timeout=5.0, **_how):
            if url == ORDERS:
                self.asked += 1
                self.replies[ORDERS] = FLYING if self.asked > 1 else (200, "[]")
            return super().http(url, timeout)

    host = _host()
    host.__class__ = Busy
    result = _run(host, tmp_path, when="always", services=SERVICES, trading={"url": None})
    assert host.log == ["-alone", "+alone"]
    assert (result.failure, host.running) == ("", {"auth", "strategy", "trade", "alone"})
    assert _status(result, "restart.refused", "trade") == "warning"
    assert "stop trade" in _steps(result, "skipped")


def test_check_mode_does_not_wait_for_orders(tmp_path):
    host = _host()
    host.replies[ORDERS] = FLYING
    planned = _run(host, tmp_path, True, when="always", trading={"when_orders": "wait"})
    assert "stop trade" in _steps(planned, "planned")
    assert host.paused == []


FLAG = "http://127.0.0.1:8004/api/v1/settings/dry_run"


@pytest.mark.case("SV20")
@pytest.mark.parametrize("services", [NO_PORTS, NO_PORTS[:2]], ids=["trade is here", "trade is elsewhere"])
@pytest.mark.parametrize("flag", [True, False])
def test_a_plan_of_nothing_looks_at_the_trade_service_of_this_host(services, flag, tmp_path):
    host = _host()
    host.replies[FLAG] = (200, json.dumps({"dry_run": flag}))
    result = _run(host, tmp_path, True, services=services, trading={"dry_run": True}, max_uptime="0")
    found = {f.check: f.status for f in result.findings if f.check.startswith("trading.")}
    here = {"trading.orders_in_flight": "ok", "trading.dry_run": "ok" if flag else "critical"}
    assert found == (here if services is NO_PORTS else {})
    assert (result.changed, host.log) == (False, [])


@pytest.mark.case("SV20")
def test_one_live_worker_of_two_is_critical_without_any_restart(tmp_path):
    class TwoWorkers(SystemdHost):
        asked = 0

        def http(self, url, timeout=5.0, **_how):
            if url == FLAG:
                self.asked += 1
                self.replies[url] = (200, json.dumps({"dry_run": self.asked % 2 == 0}))
            return super().http(url, timeout)

    host = _host()
    host.__class__ = TwoWorkers
    trading = {"dry_run": True, "asks": 8}
    result = _run(host, tmp_path, True, trading=trading, max_uptime="0")
    (found,) = [f for f in result.findings if f.check == "trading.dry_run"]
    assert (found.status, host.asked) == ("critical", 8)
    assert "disagree" in found.message
    assert "declares dry_run: true" in found.message


# What is seen of the memory of a service that used 8 MiB: right after its start it uses 1, once it is settled 7.
@pytest.mark.case("SV14")
def test_memory_is_compared_once_the_grace_of_the_start_is_over(tmp_path):
    host = Growing()
    result = _run(host, tmp_path, services=[{"name": "alone", "unit": "alone", "start_grace": "30s"}], when="always")
    (told,) = [f for f in result.findings if f.check == "restart.memory"]
    assert (told.status, told.expected, told.actual) == ("ok", 8 << 20, 7 << 20)
    assert "gave 1.0 MiB back" in told.message
    assert sum(host.paused) == pytest.approx(30.0, abs=1.0)


@pytest.mark.case("SV14")
@pytest.mark.parametrize(
    ("ending", "words"),
    [("again", "was started again"), ("down", "does not run any more"), ("late", "was ended after")],
)
def test_memory_of_a_service_that_did_not_settle_is_not_known(ending, words, tmp_path):
    host = Growing(ending)
    result = _run(host, tmp_path, services=[{"name": "alone", "unit": "alone", "start_grace": "30s"}], when="always")
    (told,) = [f for f in result.findings if f.check == "restart.memory"]
    assert (told.status, words in told.message) == ("unknown", True)


class Growing(ProcessHost):
    """A host with one unit, whose process uses little right after its start and much once it is settled."""

    def __init__(self, ending=""):
        super().__init__(8 << 10)
        self.ending = ending

    def _start(self, name):
        super()._start(name)
        self.began += 5.0
        self.write(1 << 10)

    def pause(self, seconds):
        if seconds > 20 and self.ending == "late":
            raise ToolTimeout("the run", 1.0)
        super().pause(seconds)
        if seconds > 20:
            self.began += 1.0 if self.ending == "again" else 0.0
            self.units["alone.service"].since = None if self.ending == "down" else self.units["alone.service"].since
            self.write(7 << 10)


def test_the_flag_is_compared_after_the_restart(tmp_path):
    class Resetting(SystemdHost):
        def _start(self, name):
            super()._start(name)
            if name == "trade.service":
                self.replies["http://127.0.0.1:8004/api/v1/settings/dry_run"] = (200, '{"dry_run": false}')

    host = _host()
    host.__class__ = Resetting
    result = _run(host, tmp_path, when="always")
    assert _status(result, "trading.dry_run", "trade") == "critical"


NOW = 1_800_000_000.0


def _leave_record(tmp_path, *names, **changes):
    """Leave the record of a run that was interrupted while it stopped these units, a minute ago."""
    units = [name for name in names if name != "script"]
    record = {
        "running": list(names),
        "since": NOW - 60,
        "boot_id": "boot-1",
        "units": {name: f"{name}.service" for name in units},
        "launches": {},
        "marks": {name: {"invocation": f"{name}.service-1", "file_state": "enabled"} for name in units},
        "phases": {name: {"phase": "stopping", "until": NOW} for name in units},
    }
    (tmp_path / NAME).write_text(json.dumps({**record, **changes}))


def test_a_unit_that_is_no_longer_declared_is_started_all_the_same(tmp_path):
    _leave_record(tmp_path, "gone", "script")
    host = _host(gone=Unit(since=None))
    result = _run(host, tmp_path, max_uptime="0")
    assert _steps(result, "done") == ["start gone"]
    assert _status(result, "restart.interrupted", "script") == "critical"


def test_a_record_of_services_that_nothing_tells_how_to_start_is_told_once(tmp_path):
    _leave_record(tmp_path, "script")
    assert _status(_run(_host(), tmp_path, max_uptime="0"), "restart.interrupted", "script") == "critical"
    assert not (tmp_path / NAME).exists()


def test_a_record_is_kept_while_its_services_cannot_be_looked_at(tmp_path):
    _leave_record(tmp_path, "auth")

    class Blind(SystemdHost):
        def _show(self, *_names):
            raise ToolFailed(["systemctl", "show"], 1, "Failed to connect to bus")

    host = _host()
    host.__class__ = Blind
    result = _run(host, tmp_path)
    assert "auth could not be started again: it cannot be looked at" in result.failure
    assert (tmp_path / NAME).exists()


def test_a_unit_that_was_odd_before_may_be_so_afterwards(tmp_path):
    class Exited(SystemdHost):
        def _block(self, name):
            return super()._block(name).replace("SubState=running", "SubState=exited")

    host = _host()
    host.__class__ = Exited
    assert _run(host, tmp_path, when="always", only=["alone"]).failure == ""


def test_without_any_service_nothing_is_done(tmp_path):
    result = _run(SystemdHost(), tmp_path, services=[], when="always")
    assert (result.actions, result.findings, result.changed) == ([], [], False)
