# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_restart on macOS: jobs are taken out of launchd and put in again, in our order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.macos import boot_in, boot_out
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import LaunchdJob as Way
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.record import NAME
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS

from .launchd_host import FOLDER, Job, LaunchdHost

DEFAULTS = {name: option["default"] for name, option in SPEC.items() if "default" in option}
TRADING = {name: option.get("default") for name, option in OPTIONS.items()}
TRADING["orders_path"] = "/api/trades/orders?status=open"
QUICK = {"gate_timeout": 0.05, "gate_delay": 0.01, "gate_settle": 0.0, "start_retries": 0, "when": "always"}
SERVICES: list[dict[str, Any]] = [
    {"name": "auth", "label": "com.cryptobot.auth"},
    {"name": "strategy", "label": "system/com.cryptobot.strategy", "depends_on": ["auth"]},
    {"name": "trade", "label": "com.cryptobot.trade", "depends_on": ["strategy"]},
]


def _host(**changes: Job) -> LaunchdHost:
    return LaunchdHost(**{**{name: Job() for name in ("auth", "strategy", "trade")}, **changes})


def _run(host: LaunchdHost, tmp_path: Path, check_mode: bool = False, **options: Any) -> Result:
    url = {"url": "http://127.0.0.1:8004", "asks": 1, "workers": 1}
    given = {"services": SERVICES, "trading": {**TRADING, **url}, "state_dir": str(tmp_path)}
    return run({**DEFAULTS, **QUICK, **given, **options}, host, check_mode)


def _told(result: Result, check: str) -> str:
    return " ".join(f.message for f in result.findings if f.check == check)


ORDER = ["-trade", "-strategy", "-auth", "^auth", "+auth", "^strategy", "+strategy", "^trade", "+trade"]


def test_jobs_are_booted_out_and_in_again_in_the_order_of_dependencies(tmp_path: Path) -> None:
    host = _host()
    planned = _run(host, tmp_path, check_mode=True)
    assert host.log == []
    result = _run(host, tmp_path)
    assert (host.log, result.failure) == (ORDER, "")
    steps = [[(a.action, a.subject) for a in each.actions] for each in (planned, result)]
    assert steps[0] == steps[1]
    assert not (tmp_path / NAME).exists()
    assert not any(line.startswith(("launchctl enable", "launchctl stop", "launchctl kill")) for line in host.ran)


def test_what_did_not_run_is_left_alone(tmp_path: Path) -> None:
    host = _host(trade=Job(running=False), strategy=Job(loaded=False, running=False))
    _run(host, tmp_path)
    assert host.log == ["-auth", "^auth", "+auth"]
    assert host.running == {"auth"}


def test_a_disabled_job_that_runs_is_neither_stopped_nor_enabled(tmp_path: Path) -> None:
    host = _host(trade=Job(disabled=True))
    result = _run(host, tmp_path)
    assert host.log == []  # all the others are what it depends on
    assert "trade could not be started again: it is disabled, which is left as it is" in _told(
        result, "restart.refused"
    )


PLISTS = [("(submitted by loginwindow.161)", "does not tell the plist"), (f"{FOLDER}/gone.plist", "does not exist")]


@pytest.mark.parametrize(("plist", "why"), PLISTS)
def test_a_job_whose_plist_is_not_there_is_not_booted_out(plist: str, why: str, tmp_path: Path) -> None:
    host = _host(trade=Job(plist=plist))
    result = _run(host, tmp_path)
    assert (host.log, host.running) == ([], {"auth", "strategy", "trade"})
    assert why in _told(result, "restart.refused")


def test_a_launchd_that_does_not_answer_is_unknown_and_nothing_is_touched(tmp_path: Path) -> None:
    host = _host()
    host.silent = True
    result = _run(host, tmp_path)
    assert host.log == []
    assert {f.status for f in result.findings if f.check == "restart.needed"} == {"unknown"}


def test_a_bootout_that_takes_its_time_is_waited_for_and_bootstrap_tried_again(tmp_path: Path) -> None:
    host = _host(auth=Job(lingers=3, late=2))
    result = _run(host, tmp_path)
    assert (host.log, result.failure) == (ORDER, "")


def test_a_job_that_launchd_does_not_take_back_is_told_and_the_rest_runs_again(tmp_path: Path) -> None:
    host = _host(trade=Job(broken=True))
    result = _run(host, tmp_path)
    assert host.running == {"auth", "strategy"}
    assert "Input/output error" in result.failure
    assert {f.subject: f.status for f in result.findings if f.check == "restart.left"} == {"trade": "critical"}
    assert (tmp_path / NAME).exists()


def test_the_next_run_boots_in_what_an_interrupted_one_had_booted_out(tmp_path: Path) -> None:
    host = _host(trade=Job(broken=True))
    _run(host, tmp_path)
    host.jobs["com.cryptobot.trade"].broken = False
    host.log.clear()
    result = _run(host, tmp_path, when="needed")
    assert (host.log, result.failure) == (["^trade", "+trade"], "")
    assert not (tmp_path / NAME).exists()


@pytest.mark.case("SV5")
def test_what_somebody_has_given_to_launchd_since_is_not_started(tmp_path: Path) -> None:
    host = _host(trade=Job(broken=True))
    _run(host, tmp_path)
    host.jobs["com.cryptobot.trade"] = Job(loaded=True, running=False)
    host.log.clear()
    result = _run(host, tmp_path, when="needed")
    assert host.log == []
    assert "given it to launchd again" in {f.subject: f.message for f in result.findings}["trade"]


def test_a_bootout_that_never_ends_is_an_error_after_its_time() -> None:
    host = _host(auth=Job(lingers=10**6))
    with pytest.raises(ActionFailed, match="is still there 0 s after it was told to end"):
        boot_out(host, "system/com.cryptobot.auth", 0.0)


def test_a_bootstrap_that_does_nothing_is_an_error_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    host = _host(auth=Job(loaded=False, running=False))
    monkeypatch.setattr(host, "_bootstrap", lambda domain, plist: (0, "", ""))
    with pytest.raises(ActionFailed, match="is not there 0 s after launchd was given"):
        boot_in(host, Way("system/com.cryptobot.auth", f"{FOLDER}/com.cryptobot.auth.plist"), 0.0)


def test_a_job_that_is_loaded_is_only_told_to_run() -> None:
    host = _host(auth=Job(running=False))
    boot_in(host, Way("system/com.cryptobot.auth", f"{FOLDER}/com.cryptobot.auth.plist"), 1.0)
    assert host.log == ["+auth"]


def test_the_domain_of_a_job_is_what_its_target_begins_with() -> None:
    assert [Way(target, "/x").domain for target in ("system/a.b", "gui/501/a.b")] == ["system", "gui/501"]
