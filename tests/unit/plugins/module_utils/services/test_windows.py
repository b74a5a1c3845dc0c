# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services of Windows hosts, from recorded answers: units, events, and what each missing answer leaves unknown."""

import json
import time
from contextlib import suppress

import pytest
from fake_host import FakeHost
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ToolMissing
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.collect import (
    collect_one,
    collect_snapshot,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_state import state_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.windows_queries import queries

from .builders import FIXTURES, make_case
from .parameters import check_params
from .platforms import AUTH, NO_EVENTS, NOW, REFUSED, WELL, WINDOWS, service, windows_answers, windows_host

PYTHON = "C:\\Python39\\python.exe"


def _snapshot(*services, host=None, window=3600.0):
    return collect_snapshot(host or windows_host(), declare(services, "windows"), (), window)


def _unit(name, system="windows-server-2019"):
    (seen,) = _snapshot(service(name), host=windows_host(system)).services
    return seen.unit


def _findings(result, name="auth"):
    return {finding.check.split(".")[1]: finding for finding in result.findings if finding.subject == name}


@pytest.mark.parametrize("system", WINDOWS)
def test_a_well_service_is_ok_in_every_respect_that_windows_has(system, tmp_path):
    host = windows_host(system, now=NOW - 86400, answers={"restarts": NO_EVENTS})
    found = _findings(run(check_params(tmp_path, [AUTH]), host))
    skipped = {"daemon_reload", "open_files", "memory"}  # one sample is not a trend
    expected = {
        "state",
        "enabled",
        "restarts",
        "port_owner",
        "bind",
        "http",
        "latency",
        "port_drift",
        "restart_pending",
        *(["workers"] if system == "windows-server-2022" else []),  # it was recorded with a worker
    }
    assert {name: finding.status for name, finding in found.items()} == {
        **dict.fromkeys(expected, "ok"),
        **dict.fromkeys(skipped, "skipped"),
    }


def test_everything_is_asked_by_one_powershell(tmp_path):
    host = windows_host()
    run(check_params(tmp_path, [AUTH, service("data", 8001)]), host)
    assert [line.split()[0] for line in host.ran] == ["powershell.exe"]


def test_rules_without_an_equivalent_say_why(tmp_path):
    found = _findings(run(check_params(tmp_path, [AUTH]), windows_host()))
    assert "reads the registry at every start" in found["daemon_reload"].message
    assert "no limit of open handles" in found["open_files"].message


def test_the_service_of_nssm_is_its_child_and_the_workers_of_that():
    (auth,) = _snapshot(AUTH).services
    assert (auth.unit.id, auth.main.pid, sorted(auth.pids)) == ("CryptobotAuth", 3012, [2860, 3012, 3100, 3104])
    assert auth.unit.exec_start == f"{PYTHON} -m uvicorn auth.main:app --host 127.0.0.1 --port 8000"
    assert auth.unit.active_since == auth.main.began


STATES = [
    ("stopped with an error of its own", "data", "failed/failed", "critical", "exit code 3; ", False),
    (
        "paused by nssm between two starts",
        "strategy",
        "activating/auto-restart",
        "critical",
        "waits for its next",
        False,
    ),
    ("never started since the boot", "backtest", "inactive/dead", "critical", "is stopped", False),
    ("start pending for hours", "trade", "activating/start-pending", "critical", "has been starting", True),
    ("disabled and stopped", "grafana", "inactive/dead", "critical", "CryptobotGrafana is disabled", False),
    ("not installed", "nothing", "not found", "critical", "no Windows service CryptobotNothing", False),
]


@pytest.mark.parametrize(("why", "name", "state", "status", "text", "alive"), STATES, ids=[row[0] for row in STATES])
def test_each_state_of_the_service_manager_is_told(why, name, state, status, text, alive, tmp_path):
    result = run(check_params(tmp_path, [service(name)]), windows_host("windows-server-2019"))
    found = _findings(result, name)["state"]
    assert (found.actual, found.status, text in f"{found.message}; ") == (state, status, True)
    (seen,) = _snapshot(service(name), host=windows_host("windows-server-2019")).services
    assert seen.alive is alive


def test_nssm_without_its_program_is_not_a_running_service(tmp_path):
    answers = windows_answers()
    rows = [row for row in answers["processes"]["value"] if row["ProcessId"] not in (3012, 3100, 3104)]
    found = _findings(run(check_params(tmp_path, [AUTH]), windows_host(answers={"processes": {"value": rows}})))
    assert found["state"].status == "critical"
    assert "NSSM runs, but the program that it is to keep running does not" in found["state"].message
    assert found["http"].status == "skipped"


def test_the_console_that_windows_gives_to_a_program_is_not_the_program():
    answers = windows_answers()
    console = {
        "ProcessId": 2900,
        "ParentProcessId": 2860,
        "Name": "conhost.exe",
        "CreationDate": "2026-11-20T05:12:40.101Z",
    }
    host = windows_host(answers={"processes": {"value": [*answers["processes"]["value"], console]}})
    assert _snapshot(AUTH, host=host).services[0].main.pid == 3012


START_MODES = [
    ("automatic", "auth", "enabled", "ok"),
    ("automatic, delayed", "trade", "delayed", "ok"),
    ("by hand", "backtest", "manual", "warning"),
]


@pytest.mark.parametrize(("why", "name", "state", "status"), START_MODES, ids=[row[0] for row in START_MODES])
def test_the_start_mode_tells_whether_the_next_boot_starts_it(why, name, state, status, tmp_path):
    found = _findings(run(check_params(tmp_path, [service(name)]), windows_host("windows-server-2019")), name)
    assert (found["enabled"].actual, found["enabled"].status) == (state, status)
    if status == "warning":
        assert "Set-Service -Name 'CryptobotBacktest' -StartupType Automatic" in found["enabled"].remedy


EXITS = [
    ("terminated", "trade", "windows-server-2019-de", 1067, "its process ended unexpectedly"),
    ("its own code", "data", "windows-server-2019", 3, "its own error code"),
]


@pytest.mark.parametrize(("why", "name", "system", "code", "words"), EXITS, ids=[row[0] for row in EXITS])
def test_an_exit_code_is_explained(why, name, system, code, words, tmp_path):
    result = run(check_params(tmp_path, [service(name)]), windows_host(system))
    assert result.data["services"][0]["exit"]["code"] == code
    assert words in _findings(result, name)["state"].message


def test_a_crash_is_named_in_the_form_it_is_known_by(tmp_path):
    row = {"Name": "CryptobotAuth", "State": "Stopped", "StartMode": "Auto", "ExitCode": 3221225477}
    result = run(check_params(tmp_path, [AUTH]), windows_host(answers={"services": {"value": [row]}}))
    assert "exit code 3221225477 (0xC0000005)" in _findings(result)["state"].message


EVENTS = [
    ("named in the event", "windows-server-2019", "trade", 2, "warning"),
    ("known by its display name", "windows-server-2019", "data", 1, "warning"),
    ("in another language", "windows-server-2019-de", "trade", 1, "warning"),
    ("restarted by nssm", "windows-server-2022", "trade", 1, "warning"),
    ("never", "windows-server-2022", "auth", 0, "ok"),
]


@pytest.mark.parametrize(("why", "system", "name", "count", "status"), EVENTS, ids=[row[0] for row in EVENTS])
def test_restarts_are_counted_by_the_values_of_events(why, system, name, count, status, tmp_path):
    at = NOW - 8.95 * 3600  # 2026-11-22T03:03:00Z, a few minutes after the events
    found = _findings(run(check_params(tmp_path, [service(name)]), windows_host(system, now=at)), name)["restarts"]
    assert (found.actual, found.status) == (count, status)


def test_restarts_that_are_known_are_told_though_not_all_logs_can_be_read(tmp_path):
    host = windows_host("windows-server-2019", now=NOW - 8.95 * 3600, answers={"nssm_restarts": REFUSED})
    found = _findings(run(check_params(tmp_path, [service("trade")]), host), "trade")["restarts"]
    assert (found.actual, found.status, "at least 2 times" in found.message) == (2, "warning", True)
    assert "Access is denied" in found.message


# The oldest events of both logs (minutes before now), what was ended unexpectedly in the window; the verdict.
LOG_REACHES = [
    ("both go back", 61, 61, {}, ("ok", 0)),
    ("the System log was overwritten", 10, 61, {}, ("unknown", 0)),
    ("the Application log was overwritten", 61, 10, {}, ("unknown", 0)),
    ("overwritten, and yet one restart is in it", 10, 61, {"restarts": 5}, ("warning", 1)),
    ("not told", None, None, {}, ("unknown", 0)),
]


@pytest.mark.case("SV9")
@pytest.mark.parametrize(
    ("system_log", "application_log", "ended", "verdict"), [r[1:] for r in LOG_REACHES], ids=[r[0] for r in LOG_REACHES]
)
def test_none_is_ok_only_where_the_event_logs_cover_the_window(system_log, application_log, ended, verdict, tmp_path):
    oldest = [("System", system_log), ("Application", application_log)]
    rows = [_log(log, Oldest=_ago(minutes)) for log, minutes in oldest if minutes is not None]
    values = ["Cryptobot auth", "1", "CryptobotAuth"]
    events = [{"Id": 7031, "TimeCreated": _ago(minutes), "Values": values} for minutes in ended.values()]
    answers = {"reach": {"value": rows}, "restarts": {"value": events} if events else NO_EVENTS, **_just_begun()}
    found = _findings(run(check_params(tmp_path, [AUTH]), windows_host(answers=answers)))["restarts"]
    assert (found.status, found.actual) == verdict


# What Windows answers of its logs, and the words of the finding: none of these is a service that was not restarted.
NOT_LOOKED = [
    ("no such log", {"restarts": "There is not an event log on the localhost computer"}, "There is not an event log"),
    ("not allowed", {"restarts": "Attempted to perform an unauthorized operation."}, "unauthorized operation"),
    ("the logs' service is down", {"restarts": "The RPC server is unavailable"}, "RPC server is unavailable"),
    ("NSSM's log is not there", {"nssm_restarts": "There is not an event log"}, "There is not an event log"),
    ("no reach is told", {"reach": "No events were found"}, "No events were found"),
]


@pytest.mark.case("WN1")
@pytest.mark.parametrize("kind", ["ObjectNotFound", "NotSpecified"])
@pytest.mark.parametrize(("errors", "words"), [row[1:] for row in NOT_LOOKED], ids=[row[0] for row in NOT_LOOKED])
def test_a_log_that_could_not_be_looked_at_is_unknown_with_reason_and_remedy(errors, words, kind, tmp_path):
    answers = {name: {"error": text, "kind": kind, "missing": ""} for name, text in errors.items()}
    found = _findings(run(check_params(tmp_path, [AUTH]), windows_host(answers={**_just_begun(), **answers})))
    assert (found["restarts"].status, words in found["restarts"].message) == ("unknown", True)
    assert "Event Log Readers" in found["restarts"].remedy


@pytest.mark.case("WN1")
@pytest.mark.parametrize(("change", "words"), [
    ({"Mode": "Retain", "Full": True}, "full"), ({"Enabled": False}, "switched off"), ({"Oldest": None}, "empty"),
])  # fmt: skip
def test_a_log_that_takes_no_events_tells_nothing(change, words, tmp_path):
    rows = [_log("System", **change), _log("Application")]
    host = windows_host(answers={**_just_begun(), "restarts": NO_EVENTS, "reach": {"value": rows}})
    found = _findings(run(check_params(tmp_path, [AUTH]), host))["restarts"]
    assert (found.status, words in found.message) == ("unknown", True)


def _log(name, **changes):
    whole = {"Log": name, "Enabled": True, "Mode": "Circular", "Full": False, "Oldest": _ago(9999)}
    return {**whole, **changes}


def _ago(minutes):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(NOW - 60 * minutes))


def _just_begun():
    """Return the processes, those of the application begun two minutes ago."""
    rows = windows_answers()["processes"]["value"]
    return {
        "processes": {
            "value": [{**row, "CreationDate": _ago(2)} if row.get("ProcessId", 0) > 100 else row for row in rows]
        }
    }


def test_events_before_the_window_do_not_count(tmp_path):
    result = run(check_params(tmp_path, [service("trade")]), windows_host("windows-server-2019"))
    assert _findings(result, "trade")["restarts"].actual == 0


TAKEN_AWAY = [
    ("services", {"state": "unknown", "port_owner": "unknown", "http": "unknown"}),
    ("processes", {"state": "ok", "port_owner": "unknown", "restart_pending": "unknown", "http": "unknown"}),
    # it has run since before the window, so that no log is needed to know that it was not restarted in it
    ("restarts", {"state": "ok", "restarts": "ok", "port_owner": "ok"}),
    ("nssm_restarts", {"state": "ok", "restarts": "ok"}),
    ("reach", {"state": "ok", "restarts": "ok"}),
    ("tcp", {"state": "ok", "port_owner": "unknown"}),
    ("udp", {"state": "ok", "port_owner": "ok"}),
    ("users", {"state": "ok", "port_owner": "ok"}),
    ("boot", {"state": "ok", "port_owner": "ok"}),
    ("nssm", {"state": "ok", "port_owner": "ok"}),
    ("dependents", {"state": "ok", "port_owner": "ok"}),
]


@pytest.mark.parametrize(("query", "statuses"), TAKEN_AWAY, ids=[row[0] for row in TAKEN_AWAY])
def test_an_answer_that_is_refused_is_unknown_where_it_matters_and_only_there(query, statuses, tmp_path):
    found = _findings(run(check_params(tmp_path, [AUTH]), windows_host(answers={query: REFUSED})))
    assert {name: finding.status for name, finding in found.items() if name in statuses} == statuses
    unknown = [finding for finding in found.values() if finding.status == "unknown"]
    assert all(
        "Access is denied" in finding.message
        for finding in unknown
        if finding.check not in ("services.port_owner", "services.http")
    )
    assert not any(finding.status in ("warning", "critical") for finding in found.values())


def test_every_query_was_taken_away_in_turn():
    assert {query for query, _statuses in TAKEN_AWAY} == set(queries(1, everything=True))


def test_where_powershell_does_not_run_everything_is_unknown(tmp_path):
    host = FakeHost("windows", commands={"powershell.exe": ToolMissing("powershell.exe")}, now=NOW)
    found = _findings(run(check_params(tmp_path, [AUTH]), host))
    assert {found[name].status for name in ("state", "port_owner")} == {"unknown"}
    assert "powershell.exe" in found["state"].message


def test_refusals_in_german_are_reasons_like_any_other(tmp_path):
    printed = (FIXTURES / "powershell" / "services" / "windows-server-2019-de" / "refused.answers").read_text("utf-8")
    host = FakeHost("windows", commands={"powershell.exe": printed}, replies=WELL, now=NOW)
    result = run(check_params(tmp_path, [{**AUTH, "health": None}], patterns=[{"pattern": "Cryptobot*"}]), host)
    assert "Zugriff verweigert" in _findings(result)["state"].message
    assert {finding.status for finding in result.findings} == {"unknown"}
    assert _findings(result, "Cryptobot*")["pattern"].status == "unknown"


def test_a_stranger_on_the_port_is_named_with_its_service(tmp_path):
    declared = [service("auth", 8001)]
    found = _findings(run(check_params(tmp_path, declared), windows_host()))["port_owner"]
    assert found.status == "critical"
    assert "pid 3120" in found.message
    assert "CryptobotData" in found.message


def test_a_socket_of_both_families_is_bound_as_declared(tmp_path):
    postgres = {"name": "db", "service": "postgresql-x64-15", "port": 5432, "bind": "0.0.0.0"}
    assert _findings(run(check_params(tmp_path, [postgres]), windows_host()), "db")["bind"].status == "ok"


def test_a_service_that_shares_its_process_is_seen_by_that_process(tmp_path):
    rpc = {"name": "rpc", "service": "RpcSs", "port": 135}
    found = _findings(run(check_params(tmp_path, [rpc]), windows_host()), "rpc")
    assert (found["state"].status, found["port_owner"].status) == ("ok", "ok")


def test_ports_in_the_settings_of_nssm_are_compared_with_the_inventory(tmp_path):
    program = {
        "Name": "CryptobotAuth",
        "Application": PYTHON,
        "AppParameters": "main.py",
        "Environment": ["AUTH_PORT=9000"],
    }
    host = windows_host(answers={"nssm": {"value": [program]}})
    found = _findings(run(check_params(tmp_path, [AUTH]), host))["port_drift"]
    assert (found.status, "Environment of CryptobotAuth says 9000" in found.message) == ("warning", True)


def test_what_stops_with_a_service_is_known():
    (auth,) = _snapshot(AUTH).services
    assert auth.unit.stops_with == ("CryptobotTrade",)


def test_a_program_that_was_replaced_waits_for_a_restart(tmp_path):
    host = windows_host(files={PYTHON: ""}, times={PYTHON: NOW - 60})
    found = _findings(run(check_params(tmp_path, [AUTH]), host))["restart_pending"]
    assert (found.status, PYTHON in found.message) == ("warning", True)


SCRIPT = {"name": "data", "pid_file": "C:\\CryptoBot\\data.pid", "port": 8001, "process": "."}
PID_FILES = [
    ("as a script writes it", b"5000\r\n"),
    ("as PowerShell redirects it", "5000\r\n".encode("utf-16")),
    ("with a byte order mark", b"\xef\xbb\xbf5000"),
]


@pytest.mark.parametrize(("why", "content"), PID_FILES, ids=[row[0] for row in PID_FILES])
def test_a_script_started_service_is_found_by_its_pid_file(why, content, tmp_path):
    path = SCRIPT["pid_file"]
    host = windows_host("windows-11", files={path: content}, times={path: NOW})
    found = _findings(run(check_params(tmp_path, [SCRIPT]), host), "data")
    assert {found[name].status for name in ("state", "pid_file", "port_owner")} == {"ok"}


def test_without_processes_a_pid_file_tells_nothing(tmp_path):
    path = SCRIPT["pid_file"]
    host = windows_host(files={path: "5000"}, times={path: NOW}, answers={"processes": REFUSED})
    found = _findings(run(check_params(tmp_path, [SCRIPT]), host), "data")
    assert (found["state"].status, "Access is denied" in found["state"].message) == ("unknown", True)
    assert "administrator" in found["port_owner"].remedy


def test_a_service_of_any_name_is_found(tmp_path):
    odd = {"name": "odd", "service": 'it\'s "quoted" $(x)'}
    result = run(check_params(tmp_path, [odd]), windows_host("windows-11"))
    assert _findings(result, "odd")["state"].status == "ok"


def test_a_remedy_can_be_copied_whatever_the_name_is(tmp_path):
    odd = {"name": "odd", "service": 'it\'s "quoted" $(x)', "enabled": False}
    found = _findings(run(check_params(tmp_path, [odd]), windows_host("windows-11")), "odd")["enabled"]
    assert "Set-Service -Name 'it''s \"quoted\" $(x)' -StartupType" in found.remedy


def test_a_service_with_half_of_its_properties_is_stopped_and_nothing_breaks(tmp_path):
    result = run(check_params(tmp_path, [{"name": "half", "service": "halfgone"}]), windows_host("windows-11"))
    assert _findings(result, "half")["state"].actual == "inactive/dead"


def test_patterns_find_services_that_nobody_declared(tmp_path):
    params = check_params(tmp_path, [AUTH], patterns=[{"pattern": "cryptobot*", "expected": ["CryptobotData"]}])
    result = run(params, windows_host())
    assert _findings(result, "cryptobot*")["pattern"].status == "ok"
    unexpected = _findings(result, "cryptobot*")["expected_units"].actual["unexpected"]
    assert unexpected == ["CryptobotBacktest", "CryptobotStrategy", "CryptobotTrade"]


def test_the_state_of_one_service_is_told_without_sockets_and_events():
    host = windows_host()
    seen = collect_one(host, declare([AUTH], "windows")[0])
    assert (state_of(make_case(seen)), seen.alive, seen.main.pid) == ("active/running", True, 3012)
    assert len(host.ran) == 1


def test_without_service_and_pid_file_it_is_unknown(tmp_path):
    result = run(check_params(tmp_path, [{"name": "auth", "unit": "cryptobot-auth"}]), windows_host())
    assert "neither a service nor a pid file" in _findings(result)["state"].message


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(
        ["Running", "Stopped", "Paused", "CryptobotAuth", "Disabled", "C:\\nssm.exe", "2026-11-20T05:12:03.101Z"]
    )
)
NAMES = st.sampled_from(
    [
        "Name",
        "State",
        "StartMode",
        "ExitCode",
        "ProcessId",
        "PathName",
        "ParentProcessId",
        "CreationDate",
        "Values",
        "Id",
        "TimeCreated",
        "Dependents",
        "Environment",
        "LocalAddress",
        "LocalPort",
        "OwningProcess",
        "BootId",
        "DisplayName",
    ]
)
ROWS = st.fixed_dictionaries(
    {"value": st.lists(st.dictionaries(NAMES, VALUES | st.lists(VALUES, max_size=2)), max_size=3)}
)


@settings(max_examples=60)
@given(st.fixed_dictionaries(dict.fromkeys(queries(1, everything=True), ROWS)))
def test_whatever_is_answered_nothing_raises(answers):
    host = FakeHost("windows", commands={"powershell.exe": json.dumps(answers)}, now=NOW)
    with suppress(CoreError):
        assert _snapshot(AUTH, SCRIPT, host=host).services[0].service.name == "auth"
