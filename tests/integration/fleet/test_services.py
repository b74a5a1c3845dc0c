# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_check on a real systemd host: units that crash along, forgers, odd units, a journal that rotates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

HOST = "svc1"
STATE = "/var/lib/cryptobot-maintenance"
SCHEDULED, STARTED = "5eb03494b6584870a536b337290809b3", "39f53479d3a045ac8e11786248231fbf"
SERVICES = {
    "auth": "cryptobot-auth",
    "trade": "cryptobot-trade",
    "calm": "cryptobot-calm",
    "odd": "cryptobot-odd",
    "template": "cryptobot-trade@",
    "ghost": "cryptobot-ghost",
}

SETUP = r"""
set -eu
mkdir -p /etc/systemd/journald.conf.d /var/log/journal
printf '[Journal]\nStorage=persistent\nSystemMaxUse=4M\nSystemMaxFileSize=1M\n' > /etc/systemd/journald.conf.d/1.conf
systemctl restart systemd-journald
journalctl --flush
unit() { printf '[Unit]\n%s\n[Service]\nExecStart=%s\nRestart=on-failure\nRestartSec=100ms\n[Install]\nWantedBy=%s\n' \
    "$2" "$3" "$4" > /etc/systemd/system/cryptobot-$1.service; }
unit auth '' '/bin/sleep infinity' multi-user.target
unit trade 'Requires=cryptobot-auth.service
After=cryptobot-auth.service' '/bin/sleep infinity' multi-user.target
unit calm '' '/bin/sleep infinity' multi-user.target
unit ghost '' '/bin/sleep infinity' never-there.target
unit trade@ '' '/bin/sleep infinity' multi-user.target
unit odd '' '/usr/bin/python3 -c "import time\n\ntime.sleep(99999)"' multi-user.target
systemctl daemon-reload
systemctl enable --now cryptobot-auth cryptobot-trade cryptobot-calm cryptobot-odd cryptobot-ghost
useradd --create-home mallory
"""

CRASH = r"""
set -eu
for _ in 1 2 3 4; do
    systemctl kill --signal SEGV cryptobot-auth
    sleep 1
    until systemctl is-active --quiet cryptobot-auth cryptobot-trade; do sleep 0.1; done
done
"""

FORGE = rf"""
set -eu
for _ in 1 2 3 4; do
    for id in {SCHEDULED} {STARTED}; do
        printf 'MESSAGE=forged\nPRIORITY=6\nMESSAGE_ID=%s\nUNIT=cryptobot-calm.service\n' $id |
            runuser -u mallory -- logger --journald
        printf 'MESSAGE=of a users manager\nPRIORITY=6\nMESSAGE_ID=%s\nUSER_UNIT=otherbot.service\n' $id |
            runuser -u mallory -- logger --journald
    done
done
journalctl --sync
"""

# Started by hand, so that its counter stands at 0; then a chatty service pushes systemd's entries out of the journal.
ROTATE = r"""
set -eu
systemctl restart cryptobot-calm
for _ in 1 2 3 4 5 6; do
    head -c 3000000 /dev/urandom | base64 -w 1000 | systemd-cat -t chatty
    journalctl --sync
    journalctl --rotate
done
journalctl --vacuum-time=1s --vacuum-files=1
systemctl start systemd-tmpfiles-clean.service
journalctl --sync
"""


class Lab:
    """The host, and what service_check finds on it."""

    def __init__(self, up, folder: Path) -> None:
        self.fleet, self.folder = up([HOST], layers=["admin"]), folder

    def sh(self, script: str) -> str:
        """Run a script on the host."""
        (self.folder / "script.sh").write_text(script)
        self.fleet.push(HOST, self.folder / "script.sh", "/root")
        return self.fleet.run(HOST, "sh", "/root/script.sh")

    def check(self, state: str = STATE, **options: object) -> dict[str, dict[str, dict]]:
        """Return the findings by service and rule."""
        services = [{"name": name, "unit": unit} for name, unit in SERVICES.items()]
        words = json.dumps({"services": services, "retries": 0, "state_dir": state, **options})
        module = ("-m", "cryptobot.maintenance.service_check", "-a", words)
        done = self.fleet.ansible("ansible", HOST, *module, environment={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"})
        assert "{" in done.stdout, done.stdout + done.stderr
        answer = json.loads(done.stdout[done.stdout.index("{") :])
        found: dict[str, dict[str, dict]] = {}
        for finding in answer["findings"]:
            found.setdefault(finding["subject"], {})[finding["check"].removeprefix("services.")] = finding
        return found


@pytest.fixture(scope="module")
def lab(fleet, tmp_path_factory):
    """Return a host whose auth has crashed four times and whose journal holds forged entries."""
    made = Lab(fleet, tmp_path_factory.mktemp("services"))
    made.sh(SETUP)
    made.sh(CRASH)
    made.sh(FORGE)
    return made


@pytest.fixture(scope="module")
def found(lab):
    """Return what service_check finds while the journal is whole."""
    return lab.check()


def verdict(found, service, rule):
    """Return status and value of a finding."""
    return found[service][rule]["status"], found[service][rule]["actual"]


@pytest.mark.case("SV10")
@pytest.mark.parametrize("service", ["auth", "trade"])
def test_a_service_that_is_restarted_along_is_counted_as_the_one_that_crashed(found, service):
    assert verdict(found, service, "restarts") == ("critical", 4)


@pytest.mark.case("SV7")
@pytest.mark.case("SV8")
def test_what_an_account_writes_into_the_journal_is_no_restart(lab, found):
    forged = lab.sh(f"journalctl -o cat MESSAGE_ID={SCHEDULED} UNIT=cryptobot-calm.service | grep -c forged")
    assert int(forged) == 4  # they are there
    assert verdict(found, "calm", "restarts") == ("ok", 0)
    assert "since the boot" in found["calm"]["restarts"]["message"]


@pytest.mark.case("SV12")
def test_an_odd_unit_and_a_template_cost_nobody_else_anything(found):
    states = {name: rules["state"]["status"] for name, rules in found.items()}
    assert states == {**dict.fromkeys(SERVICES, "ok"), "template": "unknown"}
    assert "cryptobot-trade@.service" in found["template"]["state"]["message"]


@pytest.mark.case("SV9")
def test_a_journal_that_was_rotated_away_proves_nothing_and_what_was_seen_before_counts(lab, found):
    lab.sh(ROTATE)
    blank = lab.check(state="/var/lib/nothing-remembered")
    assert verdict(blank, "calm", "restarts") == ("unknown", 0)
    assert "at least 0 times" in blank["calm"]["restarts"]["message"]
    after = lab.check()
    assert after["auth"]["restarts"]["status"] == found["auth"]["restarts"]["status"] == "critical"
    assert "at least 4 times" in after["auth"]["restarts"]["message"]
