# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_restart on a real systemd host: no process but the right ones is touched, and what ran before runs after.

What is touched is told by a second route: /proc read by this test, and systemd's own ids of each start.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from fleet.handle import CHECKOUT

from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import SPEC
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS

PROGRAM = CHECKOUT / "tests" / "integration" / "restart" / "program.py"
CORE = "/opt/core/ansible_collections/cryptobot/maintenance/plugins"
RUNNER = """
import json, sys
sys.path.insert(0, "/opt/core")
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.run import run
result = run(json.loads(sys.argv[1]), LinuxHost(120), "check" in sys.argv)
print(json.dumps({**result.as_dict(), "failure": result.failure}))
"""
PROCESSES = """
import json, os
found = {}
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) not in (os.getpid(), os.getppid()):
        try:
            began = open(f"/proc/{name}/stat").read().rsplit(")", 1)[1].split()[19]
            found[name] = [began, open(f"/proc/{name}/cmdline").read().replace("\\0", " ")]
        except OSError:
            pass
print(json.dumps(found))
"""
SLEEP = "/usr/bin/sleep"
TRADE = "/usr/bin/python3 /opt/program.py 8004 --orders"
FLYING = """'[{"id": "o-17", "status": "OPEN"}]'"""
UNITS = {
    "auth": f"[Service]\nExecStart={SLEEP} 90001\n[Install]\nWantedBy=multi-user.target\n",
    "trade": f"[Unit]\nRequires=auth.service\nAfter=auth.service\n[Service]\nExecStart={TRADE} []\n"
    "[Install]\nWantedBy=multi-user.target\n",
    "dash": f"[Unit]\nRequisite=auth.service\nAfter=auth.service\n[Service]\nExecStart={SLEEP} 90003\n",
    "part": f"[Unit]\nPartOf=auth.service\n[Service]\nExecStart={SLEEP} 90004\n",
    "bound": f"[Unit]\nBindsTo=auth.service\nAfter=auth.service\n[Service]\nExecStart={SLEEP} 90005\n",
    "behind": f"[Unit]\nRequires=bot.target\nAfter=bot.target\n[Service]\nExecStart={SLEEP} 90006\n",
    "alone": f"[Service]\nExecStart={SLEEP} 90007\n",
    "starter": f"[Service]\nExecStart=/bin/sh -c '{SLEEP} 90008 & /usr/bin/python3 /opt/program.py 8005 "
    "--pid-file /run/data.pid & wait'\n",
}
TARGET = "[Unit]\nRequires=auth.service\nAfter=auth.service\n"
INSTALL = """
import json, pathlib, sys
for name, text in json.loads(sys.argv[1]).items():
    pathlib.Path("/etc/systemd/system", name).write_text(text)
"""
OTHERS = ["auth", "bot.target", "lone.target", "alone", "starter"]
FOLLOWERS = ["trade", "dash", "part", "bound", "behind"]
DEFAULTS = {name: option["default"] for name, option in SPEC.items() if "default" in option}
TRADING = {**{name: option.get("default") for name, option in OPTIONS.items()}, "asks": 2}
TRADING = {**TRADING, "orders_path": "/api/trades/orders?status=open", "when_unknown": "refuse"}
QUICK = {"gate_timeout": 20.0, "gate_delay": 0.2, "gate_settle": 0.2, "stop_timeout": 20.0, "start_retries": 0}
LOOSE = [
    {"name": "auth", "unit": "auth", "start_grace": "0.1s"},
    {"name": "trade", "unit": "trade", "port": 8004, "start_grace": "0.1s"},
]
SCRIPT = {
    "name": "data",
    "pid_file": "/run/data.pid",
    "command": ["python3", "/opt/program.py", "8005", "--pid-file", "/run/data.pid"],
}


class Host:
    """The one host of these tests."""

    def __init__(self, lab):
        self.lab = lab

    def run(self, *argv):
        return self.lab.run("app1", *argv)

    def sh(self, script):
        return self.run("sh", "-c", script)

    def processes(self):
        return json.loads(self.run("python3", "-c", PROCESSES))

    def starts(self, *names):
        """Return the id of the last start of each unit that is active."""
        blocks = self.run("systemctl", "show", "-p", "ActiveState,InvocationID", *names).split("\n\n")
        said = {name: dict(line.split("=") for line in block.split()) for name, block in zip(names, blocks)}
        return {name: block["InvocationID"] for name, block in said.items() if block["ActiveState"] == "active"}

    def params(self, services, **options):
        given = {"services": services, "trading": TRADING, "state_dir": "/var/lib/restart", "when": "always"}
        return {**DEFAULTS, **QUICK, **given, **options}

    def restart(self, services, *words, **options):
        return json.loads(self.run("python3", "-c", RUNNER, json.dumps(self.params(services, **options)), *words))

    def reset(self, **units):
        """Install the units anew, some of them changed, and start them all."""
        names = " ".join([*FOLLOWERS, *OTHERS])
        files = {f"{name}.service": text for name, text in {**UNITS, **units}.items()}
        self.run("python3", "-c", INSTALL, json.dumps({**files, "bot.target": TARGET, "lone.target": TARGET}))
        self.sh(
            f"systemctl stop {names}; rm -rf /var/lib/restart; systemctl daemon-reload; systemctl enable -q auth trade;"
            f"systemctl start {' '.join(OTHERS)} && systemctl start {' '.join(FOLLOWERS)};"
            "until nc -z 127.0.0.1 8004 && nc -z 127.0.0.1 8005; do sleep .1; done"
        )


@pytest.fixture(scope="module")
def host(fleet, tmp_path_factory):
    lab = fleet(["app1"], layers=["admin"])
    lab.push("app1", CHECKOUT / "plugins", CORE)
    script = tmp_path_factory.mktemp("program") / "program.py"
    script.write_text(Path(PROGRAM).read_text())
    lab.push("app1", script, "/opt")
    return Host(lab)


def _ended(before, after):
    """Return the command lines of the processes that are not there any more."""
    return sorted(words.strip() for pid, (began, words) in before.items() if after.get(pid, [""])[0] != began)


def _statuses(result, check):
    return {f["subject"]: f["status"] for f in result["findings"] if f["check"] == check}


def _stable(processes):
    """Leave out what comes and goes by itself: helpers of systemd, and what runs the commands of this test."""
    passing = ("systemd-run", "(sd-", "(python3)", "(sh)", "sshd", "/lib/systemd/systemd-")
    return {pid: row for pid, row in processes.items() if row[1].strip() and not row[1].startswith(passing)}


@pytest.mark.case("SV1")
def test_a_pid_file_that_holds_1_ends_no_process(host):
    host.reset()
    host.sh("echo 1 > /run/data.pid")
    before = _stable(host.processes())
    planned, result = host.restart([SCRIPT], "check"), host.restart([SCRIPT])
    module = host.lab.ansible(
        "ansible",
        "app1",
        "-m",
        "cryptobot.maintenance.service_restart",
        "-a",
        json.dumps({"services": [SCRIPT], "when": "always", "state_dir": "/var/lib/restart"}),
    )
    assert module.returncode == 0, module.stdout + module.stderr
    assert _ended(before, host.processes()) == []
    assert (planned["changed"], result["changed"], planned["actions"]) == (False, False, result["actions"])
    assert "names pid 1, which is not it" in {f["subject"]: f["message"] for f in result["findings"]}["data"]


@pytest.mark.case("SV2")
def test_a_touched_pid_file_of_a_stranger_ends_nobody_and_the_right_one_only_the_service(host):
    host.reset()
    right = host.sh("cat /run/data.pid").strip()
    host.sh("pgrep -f 'sleep 90008$' | head -1 > /run/data.pid; touch /run/data.pid")
    before = _stable(host.processes())
    result = host.restart([SCRIPT])
    assert _ended(before, host.processes()) == []
    assert result["changed"] is False
    host.sh(f"echo {right} > /run/data.pid; touch -d '2020-01-01' /run/data.pid")
    # Older than its process: a left-over of an earlier one would look the same, unless it is declared whose it is.
    result = host.restart([{**SCRIPT, "start_grace": "0.1s"}])
    assert _ended(before, host.processes()) == []
    assert "declare services[data].user" in json.dumps(result["findings"])
    result = host.restart([{**SCRIPT, "start_grace": "0.1s", "user": "root"}])
    assert _ended(before, host.processes()) == [before[right][1].strip()]
    assert (result["failure"], result["changed"]) == ("", True)


@pytest.mark.case("SV1")
def test_a_pid_file_that_names_what_systemd_looks_after_ends_nothing(host):
    host.reset()
    host.sh("systemctl show -p MainPID --value alone > /run/data.pid")
    before = _stable(host.processes())
    service = {**SCRIPT, "command": [SLEEP, "90007"]}
    planned, result = host.restart([service], "check"), host.restart([service])
    assert _ended(before, host.processes()) == []
    assert planned["actions"] == result["actions"]
    assert "it is the main process of alone.service" in str(result["findings"])


@pytest.mark.case("SV3")
@pytest.mark.parametrize("declared", [[], ["auth"]], ids=["undeclared", "declared"])
def test_an_order_in_flight_protects_all_that_would_stop_trade_along(host, declared):
    host.reset(trade=UNITS["trade"].replace("--orders []", f"--orders {FLYING}"))
    before, starts = _stable(host.processes()), host.starts("auth", *FOLLOWERS)
    services = [LOOSE[0], {**LOOSE[1], "depends_on": declared}]
    result = host.restart(services, only=["auth"])
    assert _ended(before, host.processes()) == []
    assert host.starts("auth", *FOLLOWERS) == starts
    assert _statuses(result, "restart.refused") == {"auth": "warning"}
    assert _statuses(result, "trading.orders_in_flight") == {"trade": "warning"}


@pytest.mark.case("SV3")
@pytest.mark.case("SV4")
@pytest.mark.parametrize("declared", [[], ["auth"]], ids=["undeclared", "declared"])
def test_all_that_is_stopped_along_runs_again_and_nothing_else_is_touched(host, declared):
    host.reset()
    names = [*OTHERS, *FOLLOWERS]
    before, starts = _stable(host.processes()), host.starts(*names)
    assert set(starts) == set(names)
    services = [LOOSE[0], {**LOOSE[1], "depends_on": declared}]
    planned = host.restart(services, "check", only=["auth"])
    result = host.restart(services, only=["auth"])
    after = host.starts(*names)
    assert (result["failure"], set(after)) == ("", set(names))
    assert {name for name in names if after[name] != starts[name]} == {*names} - {"alone", "starter"}
    numbers = [f"{SLEEP} 9000{number}" for number in (1, 3, 4, 5, 6)]
    assert _ended(before, host.processes()) == sorted([f"{TRADE} []", *numbers])
    steps = [(a["action"], a["subject"]) for a in planned["actions"] if a["state"] == "planned"]
    done = [(a["action"], a["subject"]) for a in result["actions"] if a["state"] == "done"]
    assert done == [*steps, ("start", "lone.target")]  # bot.target comes with behind.service, which requires it


def _interrupt(host, services, **options):
    """Begin a restart and kill it with SIGKILL as soon as trade is being stopped."""
    host.run("sh", "-c", "printf '%s' \"$1\" > /opt/run.py", "sh", RUNNER)
    params = json.dumps(host.params(services, **options))
    watch = "while systemctl is-active -q trade; do sleep .05; done; kill -9 $!; wait $! || true"
    host.run("sh", "-c", f'python3 /opt/run.py "$1" > /dev/null & {watch}', "sh", params)
    time.sleep(3)  # the stop that was begun comes to its end
    assert host.starts("trade") == {}
    assert host.sh("ls /var/lib/restart/restart-under-way.json")


SLOW = UNITS["trade"].replace("[Service]\n", "[Service]\nExecStop=/bin/sleep 2\n")
CHAIN = [LOOSE[0], {**LOOSE[1], "depends_on": ["auth"]}]


@pytest.mark.case("SV5")
def test_what_an_interrupted_run_had_stopped_is_started_unless_it_was_disabled_since(host):
    host.reset(trade=SLOW)
    _interrupt(host, CHAIN, only=["trade"])
    host.sh("systemctl start trade auth; systemctl disable -q --now trade")
    starts = host.starts("auth", *FOLLOWERS)
    result = host.restart(CHAIN, when="needed", max_uptime="0")
    assert host.starts("auth", *FOLLOWERS) == starts
    assert "trade" not in starts
    assert "it was enabled then and is disabled now" in str(result["findings"])
    assert (result["changed"], "it did not run before" in str(result["findings"])) == (False, False)


@pytest.mark.case("SV3")
@pytest.mark.case("SV5")
@pytest.mark.parametrize("declared", [[], ["auth"]], ids=["undeclared", "declared"])
def test_a_follower_of_what_was_disabled_since_does_not_pull_it_up(host, declared):
    host.reset(auth=UNITS["auth"].replace("[Service]\n", "[Service]\nExecStop=/bin/sleep 2\n"))
    services = [LOOSE[0], {**LOOSE[1], "depends_on": declared}]
    _interrupt(host, services, only=["auth"])
    host.sh("systemctl disable -q --now auth")
    result = host.restart(services, when="needed", max_uptime="0")
    assert set(host.starts("auth", *FOLLOWERS)) <= {"part"}  # PartOf= starts nothing and needs nothing
    assert result["failure"] == ""
    told = {f["subject"]: f["message"] for f in result["findings"] if f["check"] == "restart.interrupted"}
    assert "it cannot start without auth, which is left stopped" in told["trade"]


@pytest.mark.case("SV5")
def test_what_an_interrupted_run_had_stopped_and_nobody_touched_is_started(host):
    host.reset(trade=SLOW)
    _interrupt(host, CHAIN, only=["trade"])
    host.sh("systemctl reset-failed trade || true")
    result = host.restart(CHAIN, when="needed", max_uptime="0")
    assert set(host.starts("auth", *FOLLOWERS)) == {"auth", *FOLLOWERS}
    assert [(a["action"], a["subject"]) for a in result["actions"] if a["state"] == "done"] == [("start", "trade")]


@pytest.mark.case("SV5")
def test_what_was_started_and_stopped_by_hand_since_stays_stopped(host):
    host.reset(trade=SLOW)
    _interrupt(host, CHAIN, only=["trade"])
    host.sh("systemctl start trade; systemctl stop trade")
    result = host.restart(CHAIN, when="needed", max_uptime="0")
    assert (host.starts("trade"), result["changed"]) == ({}, False)
    assert "somebody has started it since" in str(result["findings"])


@pytest.mark.case("SV6")
def test_a_stop_that_takes_longer_than_its_time_ends_with_the_service_running(host):
    host.reset(trade=UNITS["trade"].replace("[Service]\n", "[Service]\nExecStop=/bin/sleep 13\n"))
    before = host.starts("auth", *FOLLOWERS)
    result = host.restart(CHAIN, only=["trade"], stop_timeout=1.0)
    after = host.starts("auth", *FOLLOWERS)
    assert "was ended after 1 s" in result["failure"]
    assert set(after) == set(before)
    assert {name for name in after if after[name] != before[name]} == {"trade"}
    assert [(a["action"], a["subject"], a["state"]) for a in result["actions"] if a["state"] != "skipped"] == [
        ("stop", "trade", "failed"),
        ("start", "trade", "done"),
    ]
