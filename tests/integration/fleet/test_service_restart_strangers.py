# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the account of a script-started service can make of a restart by root: nothing that it could not do itself.

The stranger is that account: it owns the folder of the pid file and of the output. Told by a second route: what runs
as root, and what root's files hold.
"""

from __future__ import annotations

import json

import pytest
from fleet.handle import CHECKOUT

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import SPEC as CHECK_SPEC

from .test_service_restart import CORE, RUNNER, Host

CHECKER = RUNNER.replace(".restart.run", ".services.run")
SVC = """#!/usr/bin/python3
import os, sys, time
open(sys.argv[2], "w").write(str(os.getpid()))
print("uid", os.getuid(), flush=True)
time.sleep(9000)
"""
TRADE = {
    "name": "svc",
    "pid_file": "/run/cb/trade.pid",
    "command": ["/opt/cryptobot/bin/svc", "trade", "/run/cb/trade.pid"],
    "process": "bin/svc trade",
    "start_grace": "0.1s",
}
# passwd(1) waits for a password on a pipe that nobody writes to: root's rights, and the command line of the stranger.
IMPOSTOR = """
exec 3<>/home/cbx/in
export PYTHONPATH=/home/cbx/evil
exec bash -c "exec -a '/opt/cryptobot/bin/svc trade' /usr/bin/passwd" <&3
"""
EVIL = "import os\nopen('/tmp/whoami', 'a').write(str(os.getuid()) + chr(10))\n"
CLEAN = """
systemctl kill -s KILL 'started-*.service'
id -u cbx >/dev/null 2>&1 || useradd -m -s /bin/sh cbx
rm -rf /run/cb /tmp/whoami /etc/cron.d/pwn /root/privkey /var/lib/restart /home/cbx/in /home/cbx/evil
mkdir -p /run/cb /opt/cryptobot/bin /home/cbx/evil; chmod 755 /home/cbx
printf '%s' "$1" > /opt/cryptobot/bin/svc; chmod 755 /opt/cryptobot/bin/svc
printf '%s' "$2" > /home/cbx/evil/sitecustomize.py; printf '%s' "$3" > /home/cbx/impostor.sh
chown -R cbx /run/cb /home/cbx
"""
# Not the main process of a unit: systemd would look after it, and the restart leave it alone for that.
START = "systemd-run -q --collect --unit=started-$(date +%s%N) --uid={account} sh -c '{command} & wait'"
SERVICE = "/opt/cryptobot/bin/svc trade /run/cb/trade.pid"


class Trader(Host):
    """The host with a service that a script of the account ``cbx`` has started."""

    def clean(self, script=""):
        self.run("sh", "-c", CLEAN, "sh", SVC, EVIL, IMPOSTOR)
        self.sh(script or "true")

    def start(self, account="cbx", command=SERVICE):
        self.sh(START.format(account=account, command=command))
        if command == SERVICE:
            self.sh("until [ -s /run/cb/trade.pid ]; do sleep .1; done")
        return self.pid()

    def pid(self):
        return self.sh("cat /run/cb/trade.pid || true").strip()

    def account(self, pid):
        return self.sh(f"ps -o user= -p {pid} || true").strip()

    def check(self, services):
        defaults = {name: option["default"] for name, option in CHECK_SPEC.items() if "default" in option}
        params = {**defaults, "services": services, "state_dir": "/var/lib/restart", "retries": 0}
        return json.loads(self.run("timeout", "60", "python3", "-c", CHECKER, json.dumps(params)))


@pytest.fixture(scope="module")
def host(fleet):
    lab = fleet(["app1"], layers=["admin"])
    lab.push("app1", CHECKOUT / "plugins", CORE)
    return Trader(lab)


def _finding(result, check):
    (found,) = [f for f in result["findings"] if (f["check"], f["subject"]) == (check, "svc")]
    return found


def test_the_service_comes_back_as_the_account_it_ran_as(host):
    host.clean()
    before = host.start()
    result = host.restart([{**TRADE, "output": "/run/cb/out.log"}])
    assert (result["failure"], result["changed"]) == ("", True), result["findings"]
    assert host.pid() != before
    uid = host.sh("id -u cbx").strip()
    assert host.sh("stat -c '%U %a' /run/cb/out.log; cat /run/cb/out.log").split() == ["cbx", "640", "uid", uid]


@pytest.mark.case("SV1")
@pytest.mark.parametrize("user", [{}, {"user": "cbx"}], ids=["no user", "a user"])
def test_a_set_user_id_program_with_the_command_line_of_the_service_is_not_touched(host, user):
    host.clean("runuser -u cbx -- mkfifo /home/cbx/in")
    host.start(command="bash /home/cbx/impostor.sh")
    host.sh(
        "until pgrep -u root -x passwd; do sleep .1; done;"
        "pgrep -u root -x passwd | head -1 | runuser -u cbx -- tee /run/cb/trade.pid"
    )
    pid = host.pid()
    service = {**TRADE, **user}
    assert host.account(pid) == "root"
    planned, result = host.restart([service], "check"), host.restart([service])
    assert (planned["changed"], result["changed"], host.account(pid)) == (False, False, "root")
    assert host.sh("cat /tmp/whoami 2>/dev/null || true") == ""
    left = _finding(result, "restart.needed")
    assert (left["status"], "rights of several accounts" in left["message"]) == ("unknown", True)
    assert _finding(host.check([service]), "services.state")["status"] == "unknown"


@pytest.mark.case("SV1")
def test_a_process_of_root_that_another_account_named_is_not_touched(host):
    host.clean()
    pid = host.start(account="root")
    host.sh("chown cbx /run/cb/trade.pid")
    result = host.restart([TRADE])
    assert (result["changed"], host.pid(), host.account(pid)) == (False, pid, "root")
    assert "cbx could have written /run/cb/trade.pid" in _finding(result, "restart.refused")["message"]


def test_output_that_the_account_made_a_link_is_refused_before_anything_is_stopped(host):
    host.clean("ln -s /etc/cron.d/pwn /run/cb/out.log; chown -h cbx /run/cb/out.log")
    pid = host.start()
    service = {**TRADE, "output": "/run/cb/out.log"}
    result = host.restart([service])
    assert (result["changed"], host.pid(), host.account(pid)) == (False, pid, "cbx")
    assert "it is a link, expected a file of its own" in _finding(result, "restart.refused")["message"]
    assert host.sh("ls /etc/cron.d/pwn 2>/dev/null || true") == ""
    host.sh("rm /run/cb/out.log; runuser -u cbx -- ln -s /etc/cron.d /run/cb/logs")
    result = host.restart([{**TRADE, "output": "/run/cb/logs/pwn"}])
    assert (result["changed"], host.account(pid)) == (False, "cbx")
    assert "may not make a file" in _finding(result, "restart.refused")["message"]
    assert host.sh("ls /etc/cron.d/pwn 2>/dev/null || true") == ""


@pytest.mark.parametrize("place", ["pid_file", "declared_in"])
def test_a_pipe_does_not_let_a_run_wait(host, place):
    host.clean("runuser -u cbx -- mkfifo /run/cb/pipe")
    pid = host.start()
    declared = {"pid_file": "/run/cb/pipe"} if place == "pid_file" else {}
    service = {**TRADE, **declared, "declared_in": [{"path": "/run/cb/pipe", "pattern": "port=([0-9]+)"}]}
    assert "it is a pipe, expected a file" in json.dumps(host.check([{**service, "port": 8004}]))
    if place == "pid_file":
        result = host.restart([service])
        assert (result["changed"], host.account(pid)) == (False, "cbx")
        assert "it is a pipe, expected a file" in _finding(result, "restart.needed")["message"]


def test_a_pid_file_that_leads_to_a_file_of_root_tells_nothing_of_it(host):
    host.clean("echo topsecret-of-root > /root/privkey; runuser -u cbx -- ln -s /root/privkey /run/cb/trade.pid")
    for result in (host.check([TRADE]), host.restart([TRADE])):
        assert "topsecret" not in json.dumps(result)
        assert "leads to what is not his own" in json.dumps(result)
