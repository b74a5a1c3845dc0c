# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container whose /proc/uptime is its own (LXC with lxcfs), and clocks that do not fit together."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Answer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_network import judge_http
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_process import judge_restart_pending
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_state import judge_state
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run

from .builders import FIXTURES, UPTIME, findings_of, make_case, make_observed, make_process, make_service, make_unit
from .parameters import check_params
from .test_run import AUTH, PID_FILE, linux_host, process_files

LXCFS = (FIXTURES / "cases" / "04-lxcfs-proc-uptime.txt").read_text()  # ten minutes
SINCE_BOOT = 2_000_000.0  # the machine's; the recorded processes began 2030 s after its boot


def _container(**changes):
    changes["files"] = {"/proc/uptime": LXCFS, **changes.pop("files", {})}
    return linux_host("debian-12", since_boot=SINCE_BOOT, **changes)


@pytest.mark.case("SV13")
def test_a_container_with_an_uptime_of_its_own_shows_the_ages_of_the_machines_clock(tmp_path):
    (record,) = run(check_params(tmp_path, [AUTH]), _container()).data["services"]
    assert record["uptime_s"] == SINCE_BOOT - 2030.0


@pytest.mark.case("SV13")
def test_a_failing_probe_there_is_critical_and_no_start_that_is_still_under_way(tmp_path):
    host = _container(replies={"http://127.0.0.1:8000/health": (503, "")})
    result = run(check_params(tmp_path, [AUTH]), host)
    (finding,) = [f for f in result.findings if f.check == "services.http"]
    assert (finding.status, "getting ready" in finding.message) == ("critical", False)


@pytest.mark.case("SV13")
def test_a_script_started_service_there_runs(tmp_path):
    files, links = process_files(4711, "cryptobot-auth", inode=72)
    written = 1795366440.0 - SINCE_BOOT + 2031.0
    host = _container(files={**files, PID_FILE: "4711\n"}, links=links, times={PID_FILE: written})
    service = {"name": "auth", "pid_file": PID_FILE, "process": "serve.py"}
    result = run(check_params(tmp_path, [service]), host)
    (state,) = [f for f in result.findings if f.check == "services.state"]
    assert (state.status, "pid 4711" in state.message) == ("ok", True)
    assert result.data["services"][0]["uptime_s"] == SINCE_BOOT - 2030.0


@pytest.mark.case("SV13")
def test_units_are_timed_without_the_time_that_the_machine_slept(tmp_path):
    """Times of units stand while the machine is suspended, those of processes go on."""
    host = linux_host("debian-12", since_boot=10_000.0, asleep=6000.0)
    services = [{"name": "data", "unit": "cryptobot-worker@1"}]
    (record,) = run(check_params(tmp_path, services), host).data["services"]
    assert record["uptime_s"] == pytest.approx(4000.0 - _active_since("worker@1"), abs=0.1)


def _active_since(name):
    from .builders import recorded_units

    return recorded_units()[name].active_since


AHEAD = {"began": UPTIME + 60}


@pytest.mark.case("SV13")
@pytest.mark.parametrize(
    "seen",
    [make_observed(main=make_process(**AHEAD)), make_observed(main=None, unit=make_unit(active_since=UPTIME + 60))],
    ids=["process", "unit"],
)
def test_what_began_after_now_is_no_excuse_for_a_failing_probe(seen):
    service = make_service(unit="cryptobot-auth", port=8000, health={})
    case = make_case(seen._replace(service=service, answer=Answer(fault="it answers 503")))
    assert case.age is None
    (finding,) = findings_of(judge_http, case)
    assert (finding.status, finding.message) == ("critical", "it answers 503")


@pytest.mark.case("SV13")
def test_what_began_after_now_is_not_said_to_run_what_is_on_the_disk():
    case = make_case(make_observed(main=make_process(**AHEAD)))
    (finding,) = findings_of(judge_restart_pending, case)
    assert (finding.status, "later than now" in finding.message) == ("unknown", True)


@pytest.mark.case("SV13")
def test_a_start_that_began_after_now_is_unknown():
    unit = make_unit(active="activating", sub="start", changed=UPTIME + 60)
    (finding,) = findings_of(judge_state, make_case(make_observed(unit=unit, main=None)))
    assert (finding.status, "nothing tells for how long" in finding.message) == ("unknown", True)
