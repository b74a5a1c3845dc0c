# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole of service_check, on recorded answers of systemd and of the kernel."""

from __future__ import annotations

import json
import re

import pytest
from fake_host import FakeHost, denied

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.registry import Rules
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run

from .builders import FIXTURES, SYSTEMS, recorded_uptime

STAT = "{pid} (python3) S 1 {pid} {pid} 0 -1 0 0 0 0 0 150 50 0 0 20 0 3 0 {ticks} 0 0 18446744073709551615"
INIT = {"stat": STAT.format(pid=1, ticks=1), "cmdline": b"/sbin/init\0", "cgroup": "0::/init.scope\n"}
LIMITS = "Limit            Soft Limit  Hard Limit  Units\nMax open files   1024        524288      files\n"
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
PID_FILE = "/run/cryptobot/auth.pid"
DEFAULTS = {name: option["default"] for name, option in SPEC.items() if "default" in option}


def _params(tmp_path, services, **options):
    return {**DEFAULTS, "state_dir": str(tmp_path), "services": services, "retries": 0, **options}


def _pid(system, unit):
    show = (FIXTURES / "systemctl" / system / "show.txt").read_text()
    return next(
        re.search(r"MainPID=(\d+)", block).group(1) for block in show.split("\n\n") if f"Id={unit}.service" in block
    )


def process_files(pid, unit, *, inode, replaced=""):
    """Return the files and links of a process that holds one listening socket."""
    files = {
        f"/proc/{pid}/stat": STAT.format(pid=pid, ticks=203000),
        f"/proc/{pid}/cmdline": b"/usr/bin/python3\0serve.py\0--port\x008000\0",
        f"/proc/{pid}/cgroup": f"0::/system.slice/{unit}.service\n",
        f"/proc/{pid}/status": "Uid:\t998\t998\t998\t998\nVmRSS:\t   20480 kB\n",
        f"/proc/{pid}/limits": LIMITS,
        f"/proc/{pid}/maps": f"7f00-7f01 r-xp 0 fd:00 1   /usr/lib/libssl.so.3{replaced}\n",
    }
    links = {f"/proc/{pid}/exe": "/usr/bin/python3.11", f"/proc/{pid}/fd/3": f"socket:[{inode}]"}
    return files, links


def _listener(port, inode, address="0100007F"):
    tail = "0A 00000000:00000000 00:00000000 00000000   998        0"
    return f"   0: {address}:{port:04X} 00000000:0000 {tail} {inode} 1 0\n"


def linux_host(system, **changes):
    """Return a host as recorded, on which auth listens on port 8000 and answers."""
    recorded = FIXTURES / "systemctl" / system
    files, links = process_files(_pid(system, "cryptobot-auth"), "cryptobot-auth", inode=71)
    files.update(
        {
            "/proc/net/tcp": HEADER + _listener(8000, 71),
            **{f"/proc/1/{name}": text for name, text in INIT.items()},
            "/opt/cryptobot/.env": "AUTH_SERVICE_PORT=8000\nDATABASE_PASSWORD=hunter2\n",
            "/etc/systemd/system/cryptobot-auth.service": "",
        }
    )
    files.update(changes.pop("files", {}))
    commands = {
        "systemctl show": (recorded / "show.txt").read_text(),
        "systemctl list-units": (recorded / "list_units.txt").read_text(),
        "systemctl list-unit-files": (recorded / "list_unit_files.txt").read_text(),
        "journalctl": (FIXTURES / "journalctl" / system / "restarts.json").read_text(),
    }
    commands.update(changes.pop("commands", {}))
    links.update(changes.pop("links", {}))
    replies = changes.pop("replies", {"http://127.0.0.1:8000/health": (200, "{}")})
    # the journal was recorded at this moment
    now = changes.pop("now", 1795366440.0)
    changes.setdefault("since_boot", recorded_uptime(system))
    return FakeHost(commands=commands, files=files, links=links, replies=replies, now=now, **changes)


AUTH = {"name": "auth", "unit": "cryptobot-auth", "port": 8000, "bind": "127.0.0.1", "health": {"path": "/health"}}
EVERY = [
    "strategy",
    "backtest",
    "trade",
    "signal",
    "limit",
    "setup",
    "job",
    "worker@1",
    "slow",
    "timeout",
    "broken",
    "missing",
]


def _statuses(result: Result, name: str) -> dict[str, str]:
    return {finding.check.split(".")[1]: finding.status for finding in result.findings if finding.subject == name}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_well_service_is_ok_in_every_respect(system, tmp_path):
    result = run(_params(tmp_path, [AUTH]), linux_host(system))
    statuses = _statuses(result, "auth")
    assert {check for check, status in statuses.items() if status != "ok"} == {"memory"}  # one sample is not a trend
    expected = {"state", "enabled", "restarts", "daemon_reload", "port_owner", "bind", "http", "latency", "port_drift"}
    assert expected <= set(statuses)
    assert result.status == "ok"
    assert result.changed is False


@pytest.mark.parametrize("system", SYSTEMS)
def test_all_units_are_asked_for_in_one_call_and_nothing_is_ever_changed(system, tmp_path):
    host = linux_host(system)
    run(_params(tmp_path, [AUTH, *({"name": n, "unit": f"cryptobot-{n}"} for n in EVERY)]), host)
    assert sorted(line.split()[1] for line in host.ran if line.startswith("systemctl")) == ["show"]
    assert {line.split()[0] for line in host.ran} == {"systemctl", "journalctl"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_restarts_are_counted_from_the_recorded_journal(system, tmp_path):
    services = [{"name": "data", "unit": "cryptobot-data"}]
    result = run(_params(tmp_path, services), linux_host(system))
    (finding,) = [f for f in result.findings if f.check == "services.restarts"]
    assert (finding.status, finding.actual) == ("critical", 4)


@pytest.mark.parametrize("system", SYSTEMS)
def test_patterns_find_units_that_nobody_declared(system, tmp_path):
    params = _params(tmp_path, [AUTH], patterns=[{"pattern": "cryptobot-*"}, {"pattern": "elsewhere-*"}])
    result = run(params, linux_host(system))
    found = {(f.check, f.subject): f for f in result.findings if f.subject.endswith("-*")}
    assert found["services.pattern", "cryptobot-*"].status == "ok"
    assert found["services.pattern", "elsewhere-*"].status == "critical"
    unexpected = found["services.expected_units", "cryptobot-*"].actual["unexpected"]
    assert "cryptobot-limit.service" in unexpected
    assert "cryptobot-auth.service" not in unexpected
    assert "cryptobot-alias.service" not in unexpected  # another name of auth


def test_a_host_without_systemd_has_unknown_services_and_not_well_ones(tmp_path):
    refused = (1, "", "System has not been booted with systemd as init system (PID 1). Can't operate.\n")
    host = linux_host("debian-12", commands={"systemctl show": refused, "systemctl list-units": refused})
    result = run(_params(tmp_path, [AUTH], patterns=[{"pattern": "cryptobot-*"}]), host)
    assert _statuses(result, "auth") == {"state": "unknown", "port_owner": "unknown", "http": "unknown"}
    assert result.status == "unknown"
    assert "has not been booted with systemd" in result.findings[0].message


def test_without_unit_and_pid_file_a_service_is_unknown(tmp_path):
    result = run(_params(tmp_path, [{"name": "mac", "label": "com.cryptobot.auth"}]), linux_host("debian-12"))
    (finding,) = result.findings
    assert (finding.status, "neither a unit nor a pid file" in finding.message) == ("unknown", True)


@pytest.mark.parametrize("platform", ["plan9"])
def test_a_platform_without_a_gatherer_is_one_unknown_finding(platform, tmp_path):
    (finding,) = run(_params(tmp_path, [AUTH]), FakeHost(platform)).findings
    assert (finding.check, finding.status) == ("services.platform", "unknown")
    assert platform in finding.message


def test_what_another_account_may_not_see_is_unknown_with_the_reason(tmp_path):
    pid = _pid("debian-12", "cryptobot-auth")
    hidden = {f"/proc/{pid}/fd": denied(f"/proc/{pid}/fd")}
    blind_journal = (1, "", "No journal files were opened due to insufficient permissions.\n")
    host = linux_host("debian-12", admin=False, files=hidden, commands={"journalctl": blind_journal})
    del host.links[f"/proc/{pid}/fd/3"]
    result = run(_params(tmp_path, [AUTH]), host)
    statuses = _statuses(result, "auth")
    assert {check for check, status in statuses.items() if status == "unknown"} == {
        "restarts",
        "port_owner",
        "http",
        "restart_pending",
        "open_files",
    }
    (restarts,) = [f for f in result.findings if f.check == "services.restarts"]
    assert "insufficient permissions" in restarts.message


def test_a_hidden_process_table_never_makes_a_pid_file_stale(tmp_path):
    host = linux_host("debian-12", admin=False, files={"/run/auth.pid": "4711\n"})
    for name in INIT:
        del host.files[f"/proc/1/{name}"]
    result = run(_params(tmp_path, [{"name": "auth", "pid_file": "/run/auth.pid"}]), host)
    assert _statuses(result, "auth") == {"state": "unknown"}
    assert "hidepid" in result.findings[0].message


def test_a_service_that_does_not_run_is_not_asked_because_a_request_could_start_it(tmp_path):
    class Deaf(FakeHost):
        def http(self, url, timeout=5.0, **_how):
            raise AssertionError(f"{url} was asked")

    host = linux_host("debian-12")
    host.__class__ = Deaf
    idle = {"name": "idle", "unit": "cryptobot-socketed", "port": 8010, "health": {}}
    dead = {"name": "dead", "unit": "cryptobot-trade", "port": 8004, "health": {}}
    result = run(_params(tmp_path, [idle, dead]), host)
    assert [f.status for f in result.findings if f.check == "services.http"] == ["skipped", "skipped"]
    assert _statuses(result, "idle")["state"] == "ok"


def test_a_stale_pid_file_is_reported_and_left(tmp_path):
    pid_file = tmp_path / "auth.pid"
    pid_file.write_text("4711\n")
    host = linux_host("debian-12", files={str(pid_file): "4711\n"}, times={str(pid_file): 5.0})
    statuses = _statuses(run(_params(tmp_path, [{"name": "auth", "pid_file": str(pid_file)}]), host), "auth")
    assert (statuses["state"], statuses["pid_file"]) == ("critical", "warning")
    assert pid_file.read_text() == "4711\n"


def test_a_library_that_was_replaced_wants_a_restart(tmp_path):
    files, _links = process_files(
        _pid("debian-12", "cryptobot-auth"), "cryptobot-auth", inode=71, replaced=" (deleted)"
    )
    statuses = _statuses(run(_params(tmp_path, [AUTH]), linux_host("debian-12", files=files)), "auth")
    assert statuses["restart_pending"] == "warning"


FILE_TIMES = [(-3000.0, "ok"), (-60.0, "warning"), (7200.0, "unknown")]


@pytest.mark.parametrize(("age", "status"), FILE_TIMES)
def test_a_configuration_that_changed_after_the_start_wants_a_restart(age, status, tmp_path):
    # the process began 2030 s after the boot, which is 1970 s ago
    host = linux_host("debian-12", files={"/etc/auth.yaml": "x"}, since_boot=4000.0)
    host.times["/etc/auth.yaml"] = host.clock + age
    service = {**AUTH, "config_files": ["/etc/auth.yaml"]}
    assert _statuses(run(_params(tmp_path, [service]), host), "auth")["restart_pending"] == status


@pytest.mark.parametrize("files", [{}, {"/etc/auth.yml": denied("/etc/auth.yml")}], ids=["not there", "closed"])
def test_nobody_says_that_a_configuration_was_read_that_cannot_be_looked_at(files, tmp_path):
    host = linux_host("debian-12", since_boot=4000.0, files=files)
    service = {**AUTH, "config_files": ["/etc/auth.yml"]}
    assert _statuses(run(_params(tmp_path, [service]), host), "auth")["restart_pending"] == "unknown"


def test_no_secret_of_an_environment_leaves_the_host(tmp_path):
    result = run(_params(tmp_path, [AUTH], patterns=[{"pattern": "cryptobot-*"}]), linux_host("debian-12"))
    text = json.dumps(result.as_dict())
    assert "hunter2" not in text
    assert "WORKERS" not in text


def test_a_service_that_comes_back_within_the_retries_is_no_alarm(tmp_path):
    class Recovering(FakeHost):
        def pause(self, seconds):
            super().pause(seconds)
            self.replies["http://127.0.0.1:8000/health"] = (200, "{}")

    host = linux_host("debian-12", replies={"http://127.0.0.1:8000/health": (503, "")})
    host.__class__ = Recovering
    assert _statuses(run(_params(tmp_path, [AUTH], retries=2, delay=3.0), host), "auth")["http"] == "ok"
    assert host.paused == [3.0]


def test_a_service_that_stays_down_is_looked_at_again_before_that_is_said(tmp_path):
    host = linux_host("debian-12", replies={"http://127.0.0.1:8000/health": (503, "")})
    assert _statuses(run(_params(tmp_path, [AUTH], retries=2, delay=3.0), host), "auth")["http"] == "critical"
    assert host.paused == [3.0, 3.0]


def test_a_well_host_is_looked_at_once(tmp_path):
    host = linux_host("debian-12")
    run(_params(tmp_path, [AUTH], retries=2), host)
    assert host.paused == []


def test_each_look_is_judged_once(tmp_path, monkeypatch):
    judged, judge = [], Rules.judge

    def counted(rules, context, per=""):
        judged.append(per or context.observed.name)
        return judge(rules, context, per)

    monkeypatch.setattr(Rules, "judge", counted)
    host = linux_host("debian-12", replies={"http://127.0.0.1:8000/health": (503, "")})
    run(_params(tmp_path, [AUTH], retries=2, delay=3.0), host)
    assert len(host.paused) == 2
    assert judged == ["auth", "auth", "auth", "host"]


def test_a_run_remembers_and_check_mode_does_not(tmp_path):
    params = _params(tmp_path, [AUTH])
    assert "remembered" not in run(params, linux_host("debian-12"), True).data
    assert list(tmp_path.iterdir()) == []
    assert run(params, linux_host("debian-12")).data["remembered"] is True
    memory = json.loads((tmp_path / "services.json").read_text())
    assert memory["auth"]["counts"] == [[1795366440.0, "boot-1", 0]]


def test_the_counter_of_two_runs_is_compared(tmp_path):
    params = _params(tmp_path, [{"name": "data", "unit": "cryptobot-data"}])
    quiet = {"journalctl": ""}
    first = run(params, linux_host("debian-12", commands=quiet))
    show = (FIXTURES / "systemctl" / "debian-12" / "show.txt").read_text().replace("NRestarts=4", "NRestarts=6")
    later = linux_host("debian-12", commands={**quiet, "systemctl show": show}, now=1795366440.0 + 600)
    second = run(params, later)
    counts = [f.actual for result in (first, second) for f in result.findings if f.check == "services.restarts"]
    assert counts == [1, 2]  # four at an unknown time before the first run, then two more


def test_a_state_dir_that_cannot_be_written_is_no_error_of_an_audit(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = run(_params(blocked / "state", [AUTH]), linux_host("debian-12"))
    assert (result.data["remembered"], result.status) == (False, "ok")


def test_the_root_of_a_trouble_comes_first(tmp_path):
    services = [
        {"name": "backtest", "unit": "cryptobot-changed", "depends_on": ["zz-limit"]},
        {"name": "zz-limit", "unit": "cryptobot-limit"},
    ]
    records = run(_params(tmp_path, services), linux_host("debian-12")).data["services"]
    assert [(r["name"], r["suppressed_by"]) for r in records] == [("zz-limit", []), ("backtest", [])]


def test_numbers_of_a_service_are_metrics(tmp_path):
    metrics = {m.name: m for m in run(_params(tmp_path, [AUTH]), linux_host("debian-12")).metrics}
    assert metrics["cryptobot_service_up"].value == 1.0
    assert metrics["cryptobot_service_resident_memory_bytes"].value == 20480 * 1024
    assert metrics["cryptobot_service_threads"].value == 3.0
    assert metrics["cryptobot_service_cpu_seconds"].value == 2.0
    assert metrics["cryptobot_service_open_files"].value == 1.0
    assert all(m.labels == {"service": "auth"} for m in metrics.values())


WRONG = [
    ({"restarts_warn": 4}, "restarts_warn"),
    ({"restarts_window": "x"}, "restarts_window"),
    ({"leak_warn": "x"}, "leak_warn"),
]


@pytest.mark.parametrize(("options", "name"), WRONG)
def test_a_wrong_option_is_an_error_before_anything_is_looked_at(options, name, tmp_path):
    host = linux_host("debian-12")
    with pytest.raises(InputError, match=name):
        run(_params(tmp_path, [AUTH], **options), host)
    assert host.ran == []


@pytest.mark.case("RP2")
def test_that_no_service_is_declared_is_said(tmp_path):
    """Nothing was looked at: that is no good news of the services."""
    result = run(_params(tmp_path, []), linux_host(SYSTEMS[0]))
    said = [(f.check, f.status, f.message) for f in result.findings if f.check == "services.state"]
    assert said == [("services.state", "skipped", "no service is declared")]
