# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services of macOS hosts, from recorded output of launchctl: jobs as units, and each tool taken away in turn."""

from contextlib import suppress
from pathlib import Path

import pytest
from fake_host import FakeHost
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.collect import (
    collect_one,
    collect_snapshot,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.exits import describe_exit
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.macos import (
    parse_disabled,
    parse_list,
    parse_print,
    unit_of_job,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_state import state_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run

from .builders import FIXTURES, make_case
from .parameters import check_params
from .platforms import AUTH, mac_commands, mac_host, mac_time, service

PRINTED = FIXTURES / "launchctl-print"
PLIST = "/Library/LaunchDaemons/com.cryptobot.{}.plist"


def _unit(path, *, disabled=False, begins=None):
    text, label = (PRINTED / path).read_text("utf-8"), Path(path).stem
    target = text.partition(" = {")[0] if "/" in text.partition(" = {")[0] else f"system/{label}"
    return unit_of_job(parse_print(text, target), label, begins or {}, disabled=disabled)


def _findings(result, name="auth"):
    return {finding.check.split(".")[1]: finding for finding in result.findings if finding.subject == name}


def _look(*services, host=None):
    return collect_snapshot(host or mac_host(), declare(services, "darwin"), (), 3600.0)


def test_a_well_service_is_ok_in_every_respect_that_macos_has(tmp_path):
    found = _findings(run(check_params(tmp_path, [AUTH]), mac_host()))
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
        "workers",
    }
    assert {name: finding.status for name, finding in found.items()} == {
        **dict.fromkeys(expected, "ok"),
        **dict.fromkeys(skipped, "skipped"),
    }


def test_rules_without_an_equivalent_say_why(tmp_path):
    found = _findings(run(check_params(tmp_path, [AUTH]), mac_host()))
    assert "launchd does not say whether a plist has changed" in found["daemon_reload"].message
    assert "does not show the limit of open files" in found["open_files"].message


JOBS = [
    ("macos-13/otelcol-sumo.txt", "active/running", 54109, 0, "enabled", ""),
    ("macos-12/io.mmesh.mmesh-node.txt", "active/running", 3925, 0, "enabled", ""),
    ("macos-12/com.jamf.protect.agent.txt", "activating/auto-restart", 0, 310, "login", ""),
    ("macos-10.12/com.wazuh.agent.txt", "active/running", 3318, 1, "manual", ""),
    ("macos-10.10/dev.mysql.txt", "active/running", 24784, 1, "manual", "exit code 1"),
    ("macos-14/com.cryptobot.strategy.txt", "activating/auto-restart", 0, 5281, "enabled", "exit code 1"),
    ("macos-14/com.cryptobot.backtest.txt", "inactive/not running", 0, 0, "manual", ""),
    ("macos-14/com.cryptobot.trade.txt", "failed/not running", 0, 2, "transient", "killed by signal 9 (SIGKILL)"),
    ("macos-15/com.cryptobot.auth.txt", "failed/not running", 0, 3, "enabled", "exit code 78 (EX_CONFIG"),
    ("macos-15/com.cryptobot.agent.txt", "active/running", 900, 1, "login", ""),
    ("macos-15/com.cryptobot.report.txt", "inactive/not running", 0, 0, "manual", ""),
    ("macos-15/cut-short.txt", "inactive/run", 0, 0, "manual", ""),
]


@pytest.mark.parametrize(
    ("path", "state", "pid", "restarts", "file_state", "exit_text"), JOBS, ids=[row[0] for row in JOBS]
)
def test_each_recorded_job_is_read_as_it_is(path, state, pid, restarts, file_state, exit_text):
    unit = _unit(path)
    assert (f"{unit.active}/{unit.sub}", unit.main_pid, unit.restarts, unit.file_state) == (
        state,
        pid,
        restarts,
        file_state,
    )
    assert describe_exit(unit).startswith(exit_text)
    assert bool(describe_exit(unit)) == bool(exit_text)
    assert unit.manager == "launchd"


def test_a_disabled_job_is_disabled_whatever_its_plist_says():
    assert _unit("macos-14/com.cryptobot.auth.txt", disabled=True).file_state == "disabled"


def test_what_a_restart_needs_to_know_of_a_job_is_there():
    unit = _unit("macos-15/com.cryptobot.agent.txt", begins={900: 77.0})
    assert (unit.target, unit.type, unit.active_since) == ("gui/501/com.cryptobot.agent", "keepalive", 77.0)
    assert unit.files == ("/Users/måns/Library/LaunchAgents/com.cryptobot.agent.plist",)


def test_a_job_that_a_timer_starts_is_a_one_time_job_and_its_runs_are_no_restarts():
    unit = _unit("macos-15/com.cryptobot.report.txt")
    assert (unit.type, unit.result, unit.restarts) == ("oneshot", "success", 0)


def test_arguments_that_look_like_the_listing_change_nothing():
    unit = _unit("macos-15/hostile.txt")
    assert (unit.active, unit.main_pid) == ("active", 512)
    assert unit.exec_start == '/bin/sh -c } # it\'s "quoted" $(x) pid = 1 state = not running größe ✓ = {'


def test_a_job_whose_sockets_launchd_holds_waits_for_a_connection(tmp_path):
    printed = (PRINTED / "macos-14/com.cryptobot.backtest.txt").read_text("utf-8")
    waiting = printed.replace("\tspawn type", "\tsockets = {\n\t\tListeners = {\n\t\t}\n\t}\n\n\tspawn type")
    sshd = {"lsof": "p1\nf9\ntIPv4\nPTCP\nn*:8003\nTST=LISTEN\n"}
    host = mac_host(commands={"launchctl print system/com.cryptobot.backtest": waiting, **sshd})
    found = _findings(run(check_params(tmp_path, [service("backtest", 8003)]), host), "backtest")
    assert (found["state"].status, "launchd listens for it" in found["state"].message) == ("ok", True)
    assert found["port_owner"].status == "ok"


def test_what_is_no_listing_of_a_job_is_an_error():
    with pytest.raises(ParseError, match="launchctl print, line 1"):
        parse_print("usage: launchctl print <domain-target>", "system/a")


def test_overrides_are_read_in_the_words_of_old_and_new_releases():
    old = parse_disabled((FIXTURES / "launchctl-print-disabled/macos-11/user-501.txt").read_text("utf-8"))
    new = parse_disabled((FIXTURES / "launchctl-print-disabled/macos-15/system.txt").read_text("utf-8"))
    assert (old["com.apple.Siri.agent"], old["com.docker.helper"], len(old)) == (True, False, 10)
    assert (new["com.openssh.sshd"], new["homebrew.mxcl.tailscale"], len(new)) == (True, False, 6)


def test_the_list_of_jobs_has_pid_and_status():
    rows = parse_list((FIXTURES / "launchctl-list/macos-14/system.txt").read_text("utf-8"))
    assert (rows["com.cryptobot.auth"], rows["com.cryptobot.trade"]) == ((512, 0), (0, -9))
    assert "Label" not in rows


STATES = [
    ("waits for its next start", service("strategy"), {}, "activating/auto-restart", "critical", "waits for its next"),
    ("killed", service("trade"), {}, "failed/not running", "critical", "killed by signal 9"),
    ("on demand and not asked for", service("backtest"), {}, "inactive/not running", "critical", "is stopped"),
    (
        "its plist lies there",
        service("report"),
        {PLIST.format("report"): ""},
        "inactive/not-loaded",
        "critical",
        "stopped",
    ),
    (
        "disabled",
        service("grafana"),
        {PLIST.format("grafana"): ""},
        "inactive/not-loaded",
        "critical",
        "disabled in launchd",
    ),
    ("nobody knows it", service("nothing"), {}, "not found", "critical", "no launchd job com.cryptobot.nothing"),
    (
        "not loaded, as declared",
        service("report", state="stopped"),
        {PLIST.format("report"): ""},
        "inactive/not-loaded",
        "ok",
        "as declared",
    ),
]


@pytest.mark.parametrize(
    ("why", "declared", "files", "state", "status", "text"), STATES, ids=[row[0] for row in STATES]
)
def test_each_state_of_a_job_is_told(why, declared, files, state, status, text, tmp_path):
    found = _findings(run(check_params(tmp_path, [declared]), mac_host(files=files)), declared["name"])["state"]
    assert (found.actual, found.status) == (state, status)
    assert text in found.message


def test_the_remedy_speaks_of_launchd(tmp_path):
    remedy = _findings(run(check_params(tmp_path, [service("strategy")]), mac_host()), "strategy")["state"].remedy
    assert "launchctl print system/com.cryptobot.strategy" in remedy
    assert "launchctl bootstrap system /Library/LaunchDaemons/com.cryptobot.strategy.plist" in remedy
    assert "journalctl" not in remedy


ENABLED = [
    ("enabled by hand", "auth", "enabled", "ok"),
    ("disabled by hand though it runs", "data", "disabled", "warning"),
    ("its plist lies elsewhere", "trade", "transient", "warning"),
]


@pytest.mark.parametrize(("why", "name", "state", "status"), ENABLED, ids=[row[0] for row in ENABLED])
def test_whether_the_next_boot_starts_a_job_is_told(why, name, state, status, tmp_path):
    found = _findings(run(check_params(tmp_path, [service(name)]), mac_host()), name)["enabled"]
    assert (found.actual, found.status) == (state, status)


def test_restarts_are_counted_by_runs(tmp_path):
    params = check_params(tmp_path, [service("data")])
    began = mac_time("2026-11-22 03:00:11")
    first = _findings(run(params, mac_host(now=began + 600)), "data")["restarts"]
    assert (first.actual, first.status, "at least" in first.message) == (1, "warning", True)
    more = (PRINTED / "macos-14/com.cryptobot.data.txt").read_text("utf-8").replace("runs = 6", "runs = 9")
    host = mac_host(now=began + 900, commands={"launchctl print system/com.cryptobot.data": more})
    second = _findings(run(params, host), "data")["restarts"]
    assert (second.actual, second.status) == (3, "critical")


DOMAINS = [
    ("the system's, for root", {}, True, "system/com.cryptobot.agent"),
    ("named with the label", {"label": "gui/501/com.cryptobot.agent"}, True, "gui/501/com.cryptobot.agent"),
    ("of the account that is declared", {"user": "mans"}, True, "gui/501/com.cryptobot.agent"),
    ("of this account", {}, False, "gui/501/com.cryptobot.agent"),
]


@pytest.mark.parametrize(("why", "fields", "admin", "target"), DOMAINS, ids=[row[0] for row in DOMAINS])
def test_a_job_is_looked_for_in_the_domain_it_belongs_to(why, fields, admin, target):
    printed = (PRINTED / "macos-15/com.cryptobot.agent.txt").read_text("utf-8")
    commands = {"id -u": "501\n", f"launchctl print {target}": printed}
    (seen,) = _look(service("agent", **fields), host=mac_host(commands=commands, admin=admin)).services
    assert (seen.unit.target, seen.unit.id) == (target, "com.cryptobot.agent")


RUN_AT_LOAD = '<?xml version="1.0"?><plist version="1.0"><dict><key>RunAtLoad</key><true/></dict></plist>'


def test_a_job_of_a_user_who_is_not_logged_in_is_not_loaded():
    path = "/Library/LaunchAgents/com.cryptobot.agent.plist"
    nobody = {"launchctl print gui/501/com.cryptobot.agent": (112, "", "Could not find domain for user gui: 501")}
    host = mac_host(commands={**nobody, "id -u": "501\n"}, files={path: RUN_AT_LOAD})
    (seen,) = _look(service("agent", user="mans"), host=host).services
    assert (seen.unavailable, seen.unit.sub, seen.unit.file_state, seen.unit.target) == (
        "",
        "not-loaded",
        "login",
        "gui/501/com.cryptobot.agent",
    )


def test_a_job_of_a_user_has_the_processes_of_its_own():
    printed = (PRINTED / "macos-15/com.cryptobot.agent.txt").read_text("utf-8").replace("pid = 900", "pid = 777")
    commands = {"launchctl print gui/501/com.cryptobot.agent": printed}
    snapshot = _look(service("agent", label="gui/501/com.cryptobot.agent"), host=mac_host(commands=commands))
    assert sorted(snapshot.services[0].pids) == [777, 801]


def test_where_print_is_refused_the_list_tells_the_state(tmp_path):
    refused = {"launchctl print system/com.cryptobot.auth": (1, "", "Operation not permitted")}
    found = _findings(run(check_params(tmp_path, [AUTH]), mac_host(commands=refused)))
    assert {found[name].status for name in ("state", "port_owner", "http")} == {"ok"}
    assert found["enabled"].status == "unknown"  # the list does not tell


def test_a_listing_of_another_form_falls_back_to_the_list():
    odd = {"launchctl print system/com.cryptobot.trade": "com.cryptobot.trade: a new form"}
    (seen,) = _look(service("trade"), host=mac_host(commands=odd)).services
    assert (seen.unit.active, describe_exit(seen.unit)) == ("failed", "killed by signal 9 (SIGKILL)")


NO = (1, "", "Operation not permitted")
NOT_FOUND = (127, "", "no such tool")
TAKEN_AWAY = [
    (
        "launchctl",
        {"launchctl": NO, "launchctl print": NO, "launchctl print system/com.cryptobot.auth": NO, "launchctl list": NO},
        {"state": "unknown", "http": "unknown"},
    ),
    ("print-disabled", {"launchctl print-disabled system": NO}, {"state": "ok", "enabled": "unknown"}),
    ("ps", {"ps -axww": NO}, {"state": "ok", "port_owner": "unknown", "restart_pending": "unknown"}),
    ("programs", {"ps -axo pid=,comm=": NO}, {"state": "ok", "port_owner": "ok"}),
    ("lsof", {"lsof": NO}, {"state": "ok", "port_owner": "unknown"}),
    ("netstat", {"netstat -anW -p tcp": NO, "netstat -anW -p udp": NO}, {"state": "ok", "port_owner": "ok"}),
    ("lsof and netstat", {"lsof": NO, "netstat -anW -p tcp": NO, "netstat -anW -p udp": NO}, {"port_owner": "unknown"}),
]


@pytest.mark.parametrize(("why", "commands", "statuses"), TAKEN_AWAY, ids=[row[0] for row in TAKEN_AWAY])
def test_a_tool_that_fails_is_unknown_where_it_matters_and_only_there(why, commands, statuses, tmp_path):
    found = _findings(run(check_params(tmp_path, [AUTH]), mac_host(commands=commands)))
    assert {name: found[name].status for name in statuses} == statuses
    assert not any(finding.status in ("warning", "critical") for finding in found.values())


# launchctl and ps that end with 0 and print nothing, or only complain: launchd has jobs and a list on every macOS.
SAID_NO = (0, "", "Could not print domain: 1: Operation not permitted")
SILENT = [
    ("launchctl print-disabled system", {"state": "ok", "enabled": "unknown"}),
    ("ps -axww", {"state": "ok", "port_owner": "unknown", "restart_pending": "unknown"}),
    ("lsof", {"state": "ok", "port_owner": "unknown"}),
]


@pytest.mark.case("WN1")
@pytest.mark.parametrize("answer", ["", SAID_NO])
@pytest.mark.parametrize(("command", "statuses"), SILENT, ids=[row[0] for row in SILENT])
def test_a_tool_that_prints_nothing_and_ends_with_0_is_unknown(command, statuses, answer, tmp_path):
    found = _findings(run(check_params(tmp_path, [AUTH]), mac_host(commands={command: answer})))
    assert {name: found[name].status for name in statuses} == statuses


@pytest.mark.case("WN1")
@pytest.mark.parametrize("answer", ["", SAID_NO])
def test_a_launchctl_that_lists_nothing_is_not_a_launchd_without_jobs(answer, tmp_path):
    params = check_params(tmp_path, [AUTH], patterns=[{"pattern": "com.cryptobot.*"}])
    result = run(params, mac_host(commands={"launchctl list": answer}))
    assert _findings(result, "com.cryptobot.*")["pattern"].status == "unknown"


@pytest.mark.case("WN1")
def test_an_account_without_a_number_is_not_looked_up_in_a_domain_without_one():
    broken, _auth = _look(service("agent", user="trader"), AUTH, host=mac_host(commands={"id -u trader": ""})).services
    assert "expected the number of an account" in broken.unavailable


def test_another_account_without_netstat_does_not_take_a_hidden_socket_for_none(tmp_path):
    blind = {"netstat -anW -p tcp": NO, "netstat -anW -p udp": NO, "lsof": ""}
    found = _findings(run(check_params(tmp_path, [AUTH]), mac_host(commands=blind | {"id -u": "501"}, admin=False)))
    assert (found["port_owner"].status, found["port_owner"].remedy) == ("unknown", "Run as root.")
    assert "nothing tells whether anybody listens" in found["port_owner"].message


def test_one_job_that_cannot_be_asked_about_hides_no_other():
    host = mac_host(commands={"id -u nobody-here": (1, "", "id: nobody-here: no such user")})
    broken, auth = _look(service("agent", user="nobody-here"), AUTH, host=host).services
    assert "no such user" in broken.unavailable
    assert auth.alive is True


def test_patterns_find_jobs_that_nobody_declared(tmp_path):
    params = check_params(tmp_path, [AUTH], patterns=[{"pattern": "com.cryptobot.*"}])
    result = run(params, mac_host())
    assert _findings(result, "com.cryptobot.*")["pattern"].status == "ok"
    assert "com.cryptobot.data" in _findings(result, "com.cryptobot.*")["expected_units"].actual["unexpected"]


def test_patterns_without_a_list_are_unknown_and_declared_services_are_not(tmp_path):
    params = check_params(tmp_path, [AUTH], patterns=[{"pattern": "com.cryptobot.*"}])
    result = run(params, mac_host(commands={"launchctl list": NO}))
    assert _findings(result, "com.cryptobot.*")["pattern"].status == "unknown"
    assert _findings(result)["state"].status == "ok"


SCRIPT = {"name": "strategy", "pid_file": "/opt/cryptobot/strategy.pid", "port": 8002}
COMMAND = ["python", "/opt/cryptobot/My Strategy/main.py", "--port", "8002"]
WHOSE = [
    ("its command, with a space in a word", {"command": COMMAND}, "2026-11-22 01:00:00", "ok"),
    ("a pattern of its command line", {"process": r"My Strategy/main\.py"}, "2026-11-22 09:00:03", "ok"),
    ("nothing to tell it by", {}, "2026-11-22 09:00:03", "unknown"),
    ("a stranger, and a file that was touched", {"command": ["python", "other.py"]}, "2026-11-22 09:00:03", "critical"),
    ("a stranger", {"command": ["python", "other.py"]}, "2026-11-22 01:00:00", "critical"),
]


@pytest.mark.case("SV2")
@pytest.mark.parametrize(("why", "fields", "written", "status"), WHOSE, ids=[row[0] for row in WHOSE])
def test_a_script_started_service_is_told_from_a_stranger(why, fields, written, status, tmp_path):
    path = SCRIPT["pid_file"]
    host = mac_host(files={path: "777\n"}, times={path: mac_time(written)})
    found = _findings(run(check_params(tmp_path, [{**SCRIPT, **fields}]), host), "strategy")
    assert found["state"].status == status
    assert "journalctl" not in found["state"].remedy


def test_a_plist_that_is_newer_than_the_process_waits_for_a_restart(tmp_path):
    path = PLIST.format("auth")
    host = mac_host(files={path: ""}, times={path: mac_time("2026-11-21 08:00:00")})
    found = _findings(run(check_params(tmp_path, [AUTH]), host))["restart_pending"]
    assert (found.status, path in found.message) == ("warning", True)


def test_the_state_of_one_service_is_told_without_sockets():
    host = mac_host()
    seen = collect_one(host, declare([AUTH], "darwin")[0])
    assert (state_of(make_case(seen)), seen.alive, seen.main.pid) == ("active/running", True, 512)
    assert not any(line.startswith(("lsof", "netstat")) for line in host.ran)


def test_without_label_and_pid_file_it_is_unknown(tmp_path):
    result = run(check_params(tmp_path, [{"name": "auth", "unit": "cryptobot-auth"}]), mac_host())
    assert "neither a label nor a pid file" in _findings(result)["state"].message


PIECES = st.sampled_from(
    ["system/a = {\n", "\tpid = 1\n", "\tstate = running\n", "}\n", "\t}\n", "\targuments = {\n", "x", "\n"]
)


@settings(max_examples=60)
@given(st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join), st.text(max_size=40), st.text(max_size=40))
def test_whatever_the_tools_print_nothing_raises(printed, listed, lsof):
    commands = {**mac_commands(), "launchctl print system/com.cryptobot.auth": printed, "launchctl list": listed}
    host = FakeHost(
        "darwin", commands={**commands, "lsof": lsof, "launchctl print-disabled system": listed, "ps -axww": listed}
    )
    with suppress(CoreError):
        assert _look(AUTH, host=host).services[0].service.name == "auth"
