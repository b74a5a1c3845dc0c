# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the record of an interrupted restart may still say, and what somebody else has decided since."""

from __future__ import annotations

import json

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.claim import DOUBT, MAX_AGE
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.record import NAME

from .systemd_host import Unit
from .test_run import NOW, _host, _leave_record, _run, _steps

pytestmark = pytest.mark.case("SV5")
DOWN = {"requires": ("strategy.service",), "since": None}
MARK = {"invocation": "trade.service-1", "file_state": "enabled"}
STOPPING = {"trade": {"phase": "stopping", "until": NOW}}

# What is true of trade now, what the record says; why trade is left (empty: it is started).
CLAIMS = [
    ("nobody has touched it", {}, {}, ""),
    ("started and stopped by hand", {"invocation": 2}, {}, "somebody has started it since"),
    ("disabled", {"file_state": "disabled"}, {}, "it was enabled then and is disabled now"),
    ("disabled and forgotten", {"file_state": "disabled", "invocation": 0}, {}, "is disabled now"),
    ("masked", {"file_state": "masked"}, {}, "it was enabled then and is masked now"),
    (
        "enabled meanwhile",
        {},
        {"marks": {"trade": {**MARK, "file_state": "disabled"}}},
        "was disabled then and is enabled",
    ),
    ("systemd has forgotten it", {"invocation": 0}, {}, DOUBT),
    ("the record knows no run of it", {}, {"marks": {"trade": {**MARK, "invocation": ""}}}, DOUBT),
    ("a record of an older release", {}, {"marks": {}}, DOUBT),
    ("not touched by that run", {}, {"phases": {}}, "that restart had not stopped it, so somebody else has"),
    (
        "started again by that run",
        {},
        {"phases": {"trade": {"phase": "started", "until": 0}}},
        "somebody else has stopped it",
    ),
    ("being started by that run", {}, {"phases": {"trade": {"phase": "starting", "until": 0}}}, ""),
    ("another boot", {}, {"boot_id": "boot-0"}, "the host was started anew since"),
    ("no boot in the record", {}, {"boot_id": ""}, "the host was started anew since"),
    ("as old as may be", {}, {"since": NOW - MAX_AGE}, ""),
    ("too old", {}, {"since": NOW - MAX_AGE - 60}, "that restart was 8.0 d ago"),
    ("a clock that was set a little", {}, {"since": NOW + 60}, ""),
    ("a record from the future", {}, {"since": NOW + 120}, "ahead, so its age is not known"),
]


@pytest.mark.parametrize(("unit", "changes", "why"), [row[1:] for row in CLAIMS], ids=[row[0] for row in CLAIMS])
def test_a_record_counts_only_while_nobody_else_has_decided(unit, changes, why, tmp_path):
    host = _host(trade=Unit(**DOWN, **unit))
    _leave_record(tmp_path, "trade", **changes)
    planned = _run(host, tmp_path, True, max_uptime="0")
    result = _run(host, tmp_path, max_uptime="0")
    assert ("trade" in host.running) is (why == "")
    assert _steps(planned, "planned") == _steps(result, "done") == ([] if why else ["start trade"])
    told = {f.subject: f for f in result.findings if f.check == "restart.interrupted"}
    assert told["service_restart"].status == "warning"
    assert not (tmp_path / NAME).exists()
    left = [f.message for f in result.findings if (f.check, f.subject) == ("restart.needed", "trade")]
    if why:
        assert why in told["trade"].message
        assert told["trade"].status == ("unknown" if why == DOUBT else "warning")
        assert why in left[0]
        assert "it did not run before" not in left[0]


@pytest.mark.case("SV3", "L6a")
@pytest.mark.parametrize("tie", ["RequiredBy", "BoundBy", "WantedBy", "UpheldBy", "ConsistsOf", "RequisiteOf"])
@pytest.mark.parametrize("declared", [[], ["strategy"]], ids=["undeclared", "declared"])
def test_what_would_start_along_what_was_disabled_since_stays_stopped_too(tie, declared, tmp_path):
    pulls = tie != "ConsistsOf"
    down = {
        "strategy": Unit(since=None, file_state="disabled"),
        "trade": Unit(requires=("strategy.service",), tie=tie, since=None),
        "alone": Unit(requires=("trade.service",), since=None),
    }
    host, names = _host(**down), ["strategy", "trade", "alone"]
    mark = {name: {"invocation": f"{name}.service-1", "file_state": "enabled"} for name in names}
    phases = {name: {"phase": "stopping", "until": NOW} for name in names}
    _leave_record(tmp_path, *names, marks=mark, phases=phases)
    services = [{"name": n, "unit": n, "depends_on": declared if n == "trade" else []} for n in ("auth", *names)]
    result = _run(host, tmp_path, services=services, max_uptime="0")
    assert host.running == ({"auth"} if pulls else {"auth", "trade", "alone"})
    told = {f.subject: f.message for f in result.findings if f.check == "restart.interrupted"}
    for name in ("trade", "alone") if pulls else ():
        assert "it cannot start without strategy, which is left stopped: it was enabled then" in told[name]
        assert (tmp_path / NAME).exists() is False


def test_a_failed_start_of_that_run_is_tried_again(tmp_path):
    class Failed(type(_host())):
        def _block(self, name):
            block = super()._block(name)
            return block.replace("ActiveState=inactive", "ActiveState=failed") if name == "trade.service" else block

    host = _host(trade=Unit(**DOWN, invocation=5))
    host.__class__ = Failed
    _leave_record(tmp_path, "trade", phases={"trade": {"phase": "starting", "until": 0}})
    assert host.units["trade.service"].since is None
    _run(host, tmp_path, max_uptime="0")
    assert "+trade" in host.log


def test_what_runs_again_is_nobody_s_to_start(tmp_path):
    host = _host()
    _leave_record(tmp_path, "auth", "trade")
    result = _run(host, tmp_path, max_uptime="0")
    assert (host.log, result.changed, (tmp_path / NAME).exists()) == ([], False, False)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"running": ["a"]}', '{"running": ["a"], "since": 1, "phases": {"a": 1}}']
)
def test_a_record_of_another_form_is_an_error_and_stays(text, tmp_path):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(Exception, match="cannot be read"):
        _run(_host(), tmp_path)
    assert (tmp_path / NAME).exists()


def test_a_record_tells_which_run_of_a_unit_was_stopped_and_what_was_done_last(tmp_path):
    host = _host(trade=Unit(requires=("strategy.service",), broken=9))
    _run(host, tmp_path, when="always", only=["trade"])
    record = json.loads((tmp_path / NAME).read_text())
    assert record["boot_id"] == "boot-1"
    assert record["marks"]["trade"] == MARK
    assert record["phases"]["trade"]["phase"] == "starting"


@pytest.mark.case("SV6")
def test_a_unit_that_still_ends_is_told_once_to_start_and_waited_for(tmp_path):
    class Slow(type(_host())):
        """A host on which the stop of trade takes long: the client gives up, systemd does not."""

        def _stop(self, name):
            super()._stop(name)
            if name == "trade.service" and self.log.count("-trade") == 1:
                self.units[name].slow = 20
                raise ToolTimeout("the command 'systemctl'", 1.0)

    host = _host()
    host.__class__ = Slow
    result = _run(host, tmp_path, when="always", only=["trade"], stop_timeout=1.0)
    assert host.log == ["-trade", "+trade"]
    assert host.running == {"auth", "strategy", "trade", "alone"}
    assert "was ended after 1 s" in result.failure
    assert "start trade" in _steps(result, "done")
    assert not (tmp_path / NAME).exists()
