# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules about whether a service runs, on units recorded on Debian 12 and 13."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.evidence import Event, Evidence
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Journal, PidFile
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.restarts import Restarts
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_starts import (
    judge_daemon_reload,
    judge_enabled,
    judge_restarts,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_state import (
    judge_pid_file,
    judge_state,
)

from .builders import (
    NOW,
    SYSTEMS,
    UPTIME,
    findings_of,
    make_case,
    make_observed,
    make_process,
    make_service,
    make_snapshot,
    make_unit,
    recorded_units,
    recorded_uptime,
)

RECORDED = [
    ("auth", "ok", "is running, pid"),
    ("strategy", "critical", "has ended (exit code 3) and waits for its next automatic restart"),
    ("backtest", "critical", "is masked: nothing can start it"),
    ("trade", "critical", "is failed (failed): exit code 203 (EXEC"),
    ("signal", "critical", "killed by signal 11 (SIGSEGV)"),
    ("limit", "critical", "is failed (failed): exit code 1"),
    ("setup", "ok", "has run and ended well"),
    ("job", "unknown", "without a trace of a run since the boot"),
    ("worker@1", "ok", "is running"),
    ("worker@2", "critical", "is stopped"),
    ("slow", "critical", "has been starting (start) for 1."),
    ("timeout", "critical", "took too long to start or stop"),
    ("broken", "critical", "cannot be loaded (bad-setting): Unit cryptobot-broken.service has a bad"),
    ("changed", "ok", "is running"),
]


def _recorded(name, system):
    unit = recorded_units(system)[name]
    seen = make_observed(make_service(unit=unit.id), unit=unit if unit.found else None, main=None)
    return make_case(seen, uptime=recorded_uptime(system))


def _only(findings):
    (finding,) = findings
    return finding


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("name", "status", "words"), RECORDED, ids=[row[0] for row in RECORDED])
def test_each_recorded_state_gets_its_verdict(system, name, status, words):
    finding = _only(findings_of(judge_state, _recorded(name, system)))
    assert (finding.status, finding.check) == (status, "services.state")
    assert words in finding.message


def _state(**fields):
    return _only(findings_of(judge_state, make_case(make_observed(**fields))))


STATES = [
    ("no unit", {"unit": None, "main": None}, "critical", "there is no unit cryptobot-auth.service"),
    ("blind", {"unit": None, "main": None, "unavailable": "no systemd"}, "unknown", "cannot be looked at: no systemd"),
    ("zombie", {"main": make_process(state="Z")}, "critical", "was not reaped (zombie)"),
    ("reloading", {"unit": make_unit(active="reloading", sub="reload")}, "ok", "is reload"),
    ("deactivating", {"unit": make_unit(active="deactivating", sub="stop-sigterm")}, "critical", "is deactivating"),
    ("exited", {"unit": make_unit(sub="exited", remain=True)}, "warning", "only RemainAfterExit keeps it so"),
    ("starting", {"unit": make_unit(active="activating", sub="start", changed=UPTIME - 29)}, "warning", "for 29.0 s"),
    ("starting to the end", {"unit": make_unit(active="activating", changed=UPTIME - 30)}, "critical", "for 30.0 s"),
    ("starting too long", {"unit": make_unit(active="activating", sub="start")}, "critical", "for 1.4 h"),
    ("idle", {"unit": make_unit(active="inactive"), "idle_socket": "auth.socket"}, "ok", "auth.socket listens for it"),
    (
        "a daemon between two runs of its timer",
        {"unit": make_unit(active="inactive"), "idle_timer": "auth.timer"},
        "warning",
        "auth.timer only starts it at times",
    ),
    (
        "a daemon with a port and a timer",
        {
            "unit": make_unit(active="inactive"),
            "idle_timer": "auth.timer",
            "service": make_service(unit="cryptobot-auth", port=8000),
        },
        "critical",
        "auth.timer only starts it at times",
    ),
    (
        "a job that its timer starts",
        {"unit": make_unit(active="inactive", type="oneshot"), "idle_timer": "auth.timer"},
        "ok",
        "its last run ended well",
    ),
    ("job done", {"unit": make_unit(active="inactive", type="oneshot")}, "ok", "its last run ended well"),
    (
        "job failed",
        {"unit": make_unit(active="inactive", type="oneshot", result="exit-code")},
        "critical",
        "is stopped",
    ),
]


@pytest.mark.case("SV18")
@pytest.mark.parametrize(("fields", "status", "words"), [row[1:] for row in STATES], ids=[row[0] for row in STATES])
def test_a_state_gets_its_verdict(fields, status, words):
    finding = _state(**fields)
    assert finding.status == status
    assert words in finding.message


STOPS = [
    ({}, "cryptobot-auth.service is stopped"),
    ({"exit_code": 1, "exit_status": 3}, "cryptobot-auth.service is stopped; it last ended with exit code 3"),
]


@pytest.mark.parametrize(("fields", "message"), STOPS)
def test_how_a_stopped_service_ended_is_only_said_where_that_is_known(fields, message):
    assert _state(unit=make_unit(active="inactive", sub="dead", **fields), main=None).message == message


# What is seen of a service, and its state in one word, as it is noted down.
UNKNOWN_FILE = PidFile("/run/auth.pid", unavailable="it may not be read", denied=True)
WORDS = [
    ({"unit": make_unit()}, "active/running"),
    ({"unit": None, "main": None}, "not found"),
    ({"unit": None, "main": None, "unavailable": "no systemd"}, "unknown"),
    ({"service": make_service(pid_file="/run/auth.pid"), "unit": None}, "running"),
    ({"service": make_service(pid_file="/run/auth.pid"), "unit": None, "main": None}, "not running"),
    (
        {"service": make_service(pid_file="/run/auth.pid"), "unit": None, "main": None, "pid_file": UNKNOWN_FILE},
        "unknown",
    ),
]


@pytest.mark.parametrize(("fields", "word"), WORDS)
def test_the_state_is_noted_down_in_the_words_of_the_manager(fields, word):
    assert (_state(**fields).actual, _state(**fields).expected) == (word, "started")


@pytest.mark.parametrize(
    "fields",
    [
        {"unit": None, "main": None, "unavailable": "no systemd"},
        {"service": make_service(pid_file="/run/auth.pid"), "unit": None, "main": None, "pid_file": UNKNOWN_FILE},
        {"service": make_service(pid_file="/run/auth.pid"), "unit": None, "main": None, "pid_file": None},
    ],
)
def test_what_cannot_be_looked_at_is_unknown_and_wants_to_be_looked_at_again(fields):
    finding = _state(**fields)
    assert finding.status == "unknown"
    assert finding.message.startswith("auth cannot be looked at: ")
    assert finding.remedy == "Remove what keeps it from being looked at, then look again."


WANTED_STOPPED = [
    (
        {"unit": None, "main": None, "pid_file": PidFile("/run/auth.pid", unavailable="not allowed", denied=True)},
        "unknown",
        "auth cannot be looked at: not allowed",
    ),
    ({}, "warning", "runs, but"),
    ({"unit": make_unit(active="inactive")}, "ok", "is stopped, as declared"),
]


@pytest.mark.parametrize(("fields", "status", "words"), WANTED_STOPPED)
@pytest.mark.case("L7a")
def test_a_service_that_is_declared_stopped_should_be(fields, status, words):
    finding = _state(service=make_service(unit="cryptobot-auth", state="stopped"), **fields)
    assert finding.status == status
    assert words in finding.message


PATH = "/run/auth.pid"
SCRIPT = make_service(pid_file=PATH)
GOOD = PidFile(PATH, 41, NOW - 5000)
# pid file, main process, intruder; verdict of the state, then of the pid file (None: it says nothing)
SCRIPTS = [
    ("runs", GOOD, make_process(), None, "ok", "ok", "names the service"),
    ("zombie", GOOD, make_process(state="Z"), None, "critical", "ok", "names the service"),
    ("gone", GOOD, None, None, "critical", "warning", "is stale: process 41 is gone"),
    ("stranger", GOOD, None, make_process(command=("vim",)), "critical", "warning", "another program, pid 41"),
    ("missing", PidFile(PATH, unavailable="does not exist"), None, None, "critical", None, ""),
    ("garbage", PidFile(PATH, 0, 5.0, "it holds 'x'"), None, None, "unknown", "warning", "it holds 'x'"),
    ("denied", PidFile(PATH, unavailable="denied", denied=True), None, None, "unknown", None, ""),
    ("hidden", PidFile(PATH, 41, 5.0, "hidepid", denied=True), None, None, "unknown", None, ""),
]


@pytest.mark.parametrize(
    ("pid_file", "main", "intruder", "state", "file_status", "words"),
    [r[1:] for r in SCRIPTS],
    ids=[r[0] for r in SCRIPTS],
)
def test_a_script_started_service_is_judged_by_its_pid_file(pid_file, main, intruder, state, file_status, words):
    seen = make_observed(SCRIPT, unit=None, main=main, pid_file=pid_file, intruder=intruder)
    case = make_case(seen, processes={intruder.pid: intruder} if intruder else {})
    assert _only(findings_of(judge_state, case)).status == state
    about_file = list(findings_of(judge_pid_file, case))
    assert [finding.status for finding in about_file] == ([file_status] if file_status else [])
    assert all(words in finding.message for finding in about_file)


@pytest.mark.parametrize(
    ("account", "words"), [("eve", "runs as pid 41 of eve for 1.4 h"), ("", "as pid 41 for 1.4 h")]
)
def test_whose_a_script_started_service_is_by_now_is_said(account, words):
    old = PidFile(PATH, 41, NOW - 90_000)  # a set clock or a paused machine makes a healthy one look so too
    case = make_case(make_observed(SCRIPT, unit=None, pid_file=old, account=account))
    found = _only(findings_of(judge_state, case))
    assert (found.status, words in found.message) == ("ok", True)
    assert _only(findings_of(judge_pid_file, case)).status == "ok"


# What launchd and Windows say of the next boot; systemd is asked for its graph (test_boot.py).
ENABLED = [
    ("enabled", True, "ok"),
    ("delayed", True, "ok"),
    ("disabled", True, "warning"),
    ("enabled", False, "warning"),
    ("disabled", False, "ok"),
    ("manual", True, "warning"),
    ("manual", False, "ok"),
    ("unknown", True, "unknown"),
]
SAYS = {True: "would not be started at the next boot", False: "would be started at the next boot"}


@pytest.mark.parametrize(("file_state", "wanted", "status"), ENABLED)
def test_a_job_is_started_at_boot_exactly_if_declared(file_state, wanted, status):
    service = make_service(unit="cryptobot-auth", enabled=wanted)
    unit = make_unit(file_state=file_state, manager="launchd")
    finding = _only(findings_of(judge_enabled, make_case(make_observed(service, unit=unit))))
    assert (finding.status, finding.expected) == (status, wanted)
    assert status != "warning" or f"is {file_state}, and it {SAYS[wanted]}; " in finding.message


@pytest.mark.parametrize("fields", [{"file_state": ""}, {"load": "masked"}, {"load": "masked", "file_state": ""}])
def test_nothing_is_said_of_the_boot_of_a_unit_without_a_file_or_one_that_is_masked(fields):
    assert list(findings_of(judge_enabled, make_case(make_observed(unit=make_unit(**fields))))) == []


RESTARTS = [
    (Restarts(0), "ok", "was started anew 0 times in the last 1.0 h"),
    (Restarts(1), "warning", "was started anew 1 time in"),
    (Restarts(2), "warning", ""),
    (Restarts(3), "critical", ""),
    (Restarts(1, gap="not root"), "warning", "at least 1 time in"),
    (Restarts(0, gap="not root"), "unknown", "there may have been more: not root"),
    (Restarts(0, gap="no run before", early=True), "skipped", "no run before"),
    (Restarts(0, since_boot=True), "ok", "since the boot"),
]


@pytest.mark.parametrize(("restarts", "status", "words"), RESTARTS)
def test_a_service_that_keeps_restarting_is_reported(restarts, status, words):
    finding = _only(findings_of(judge_restarts, make_case(restarts=restarts)))
    assert (finding.status, finding.expected, finding.actual) == (status, 0, restarts.number)
    assert words in finding.message


UNIT, SCRIPTED = make_service(unit="cryptobot-auth"), make_service(pid_file="/run/auth.pid")
# Service, restarts; how the remedy begins: a log that is too short wants another one than a service that restarts.
REMEDIES = [
    (UNIT, Restarts(0, gap="rotated"), "Run as root. Where the journal is too short: journalctl --disk-usage"),
    (UNIT._replace(managed_by="launchd"), Restarts(0, gap="no run"), "Run this check more often than its window"),
    (UNIT._replace(managed_by="windows"), Restarts(0, gap="denied"), "Run as an administrator, elevated"),
    (SCRIPTED, Restarts(0, gap="no run"), "Read the log that it writes around the restarts"),
    (UNIT, Restarts(0, gap="no run before", early=True), "None needed."),
    (UNIT, Restarts(1, gap="rotated"), "Read its log around the restarts (journalctl -u cryptobot-auth.service"),
    (UNIT, Restarts(3), "Read its log around the restarts (journalctl -u cryptobot-auth.service"),
    (UNIT, Restarts(0), ""),
]


@pytest.mark.parametrize(("service", "restarts", "remedy"), REMEDIES)
def test_the_remedy_for_restarts_fits_what_is_known_of_them(service, restarts, remedy):
    finding = _only(findings_of(judge_restarts, make_case(make_observed(service), restarts=restarts)))
    assert finding.remedy.startswith(remedy)
    assert bool(finding.remedy) == bool(remedy)


def test_an_out_of_memory_kill_is_a_warning_even_without_a_restart():
    seen = make_observed()
    old, fresh = NOW - 4000, NOW - 10
    kills = [Event(old, seen.unit.id), Event(fresh, seen.unit.id)]
    journal = Journal(Evidence((), 0.0), Evidence(kills, 0.0), 0.0)
    finding = _only(findings_of(judge_restarts, make_case(seen, journal=journal)))
    assert finding.status == "warning"
    assert "1 of its processes were killed by the kernel" in finding.message


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_unit_file_that_was_changed_wants_a_reload(system):
    assert _only(findings_of(judge_daemon_reload, _recorded("changed", system))).status == "warning"
    assert _only(findings_of(judge_daemon_reload, _recorded("auth", system))).status == "ok"


INSTANCES = [
    ("of a template, by a generator", "postgresql@15-main.service", True, "ok"),
    ("of a template, though it is not meant to", "postgresql@15-main.service", False, "warning"),
    ("by hand, until the next boot", "cryptobot-auth.service", True, "warning"),
]


@pytest.mark.parametrize(("why", "name", "wanted", "status"), INSTANCES, ids=[row[0] for row in INSTANCES])
def test_an_instance_that_is_enabled_for_this_boot_was_enabled_by_a_generator(why, name, wanted, status):
    unit = make_unit(id=name, names=(name,), file_state="enabled-runtime")
    service = make_service(unit=name, enabled=wanted)
    assert _only(findings_of(judge_enabled, make_case(make_observed(service, unit=unit)))).status == status


def test_the_remedy_names_the_unit():
    assert (
        "journalctl -u cryptobot-auth.service"
        in _state(unit=make_unit(active="failed", exit_code=1, exit_status=1), main=None).remedy
    )


@pytest.mark.parametrize("rule", [judge_state, judge_restarts])
def test_the_remedy_of_a_script_started_service_does_not_speak_of_systemd(rule):
    seen = make_observed(make_service(pid_file="/run/auth.pid"), unit=None, pid_file=PidFile("/run/auth.pid", 41, 1.0))
    finding = _only(findings_of(rule, make_case(seen._replace(main=make_process(state="Z")), restarts=Restarts(5))))
    assert finding.status == "critical"
    assert "journalctl" not in finding.remedy
    assert "the log that it writes" in finding.remedy


def test_where_nothing_counts_restarts_nothing_is_claimed_of_them():
    finding = _only(findings_of(judge_restarts, make_case(restarts=Restarts(gap="access denied"))))
    assert (finding.status, "access denied" in finding.message) == ("unknown", True)


def test_the_age_of_a_service_does_not_hang_on_the_set_clock():
    seen = make_observed()
    early, late = make_snapshot(seen)._replace(now=0.0), make_snapshot(seen)._replace(now=NOW * 2)
    assert early.age(seen) == late.age(seen) == 5000.0
    assert make_snapshot(seen).uptime == UPTIME
